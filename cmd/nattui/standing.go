package main

import (
	"fmt"
	"io"
	"time"

	"nattui/rules/commit"
	"nattui/ui/text"
)

// sayStands tells the id of a change that stands, and until when.
func sayStands(w io.Writer, e commit.Entry) {
	line := "change " + e.ID + " is applied"
	if e.State == commit.Confirmed {
		line = "change " + e.ID + " is confirmed"
	}
	switch {
	case e.Unconfirmed():
		line += unlessConfirmed(e)
	case !e.Expires.IsZero():
		line += " and ends at " + clockWords(e.Expires, e.At)
	}
	switch {
	case e.Gone != "":
		line += ", but " + text.Safe(e.Gone) + " (something else has changed it since)"
	case e.Result != "":
		line += " (" + text.Safe(e.Result) + ")"
	}
	say(w, line)
}

// unlessConfirmed says when an unconfirmed change goes, and how it is kept.
func unlessConfirmed(e commit.Entry) string {
	line := " and will be rolled back at " + e.Deadline.Local().Format("15:04:05")
	if !e.Lasts() {
		line = " and ends at " + clockWords(e.Expires, e.At)
	}
	if e.Leashed() {
		line += ", or when this terminal is closed,"
	}
	switch {
	case !e.Lasts() && !e.Leashed():
		return line
	case len(e.Operators()) > 0:
		line += " unless you log in again and run: nattui confirm"
	default:
		line += " unless you run: nattui confirm"
	}
	if e.Lasts() && !e.Expires.IsZero() {
		line += fmt.Sprintf(" (it ends at %s in any case)", clockWords(e.Expires, e.At))
	}
	return line
}

// clockWords are the time of day, with the date where that is another than at the time of since.
func clockWords(at, since time.Time) string {
	at, since = at.Local(), since.Local()
	if at.YearDay() == since.YearDay() && at.Year() == since.Year() {
		return at.Format("15:04:05")
	}
	return at.Format("2006-01-02 15:04:05")
}
