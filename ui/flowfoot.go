package ui

import (
	"fmt"
	"strings"
	"time"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/text"
)

// foot are the lines beneath the list: what the list adds up to and how fresh it is,
// the flow in words, its state, and what is wrong with the table.
func (s *flowsScreen) foot(width, height int) []string {
	if height == 0 {
		return nil
	}
	look := s.look
	lines := []string{s.divider(width)}
	note, style := s.note()
	if f, ok := s.current(); ok {
		lines = append(lines, s.flowLines(&f, width, height-1, note != "")...)
	}
	if g, ok := s.groups.current(); ok && s.mode == groupMode {
		name := s.groupStyle(&g.Key).Render(text.Safe(s.groupName(&g.Key))) + look.Text.Render(": "+s.totals(g, false))
		lines = append(lines, " "+text.Fit(name, width-2), " "+look.Faint.Render(text.Fit(s.groups.shares(g), width-2)))
	}
	if s.filter.open {
		lines = append(lines[:1], s.filterHelp(width)...)
	} else if note != "" {
		lines = append(lines, " "+style.Render(text.Fit(note, width-2)))
	}
	for len(lines) < height {
		lines = append(lines, "")
	}
	return lines[:height]
}

// flowLines say the flow in words, and its state, on as many lines as there are but for a note's.
func (s *flowsScreen) flowLines(f *flow.Flow, width, rows int, noted bool) (lines []string) {
	if noted {
		rows--
	}
	for _, l := range s.sentence(f, width-2, rows-1) {
		lines = append(lines, " "+l)
	}
	if s.plain {
		return append(lines, " "+s.look.Faint.Render(s.summary(f, width-2)))
	}
	for _, l := range text.Wrap(s.summary(f, width-2), width-2, max(1, rows-len(lines))) {
		lines = append(lines, " "+s.look.Faint.Render(l))
	}
	return lines
}

// countersRead is left out where it does not fit.
const countersRead = "counters read "

// divider is the line beneath the list. It carries what the list adds up to, and
// how old its numbers may be.
func (s *flowsScreen) divider(width int) string {
	look := s.look
	left, right := s.sums(), s.freshness()
	urgent := s.paused || s.gw.Flows.Feed().Lost
	both := text.Width(left) + text.Width(right) + 12
	if short := strings.TrimPrefix(right, countersRead); both > width && short != right {
		both, right = both-len(countersRead), short
	}
	switch {
	case both > width && urgent:
		left = ""
	case both > width && left != "":
		left, right = text.Fit(left, width-8), ""
	}
	rule := func(n int) string { return look.Line.Render(strings.Repeat(look.Glyphs.Rule, max(0, n))) }
	line, used := " ", 1
	if left != "" {
		line += rule(2) + " " + look.Faint.Render(left) + " "
		used += 4 + text.Width(left)
	}
	if graph := text.Graph(s.trail); len(s.trail) > 1 && width >= 100 && s.mode == listMode {
		line += look.Accent.Render(graph) + " "
		used += len(s.trail) + 1
	}
	if right == "" {
		return line + rule(width-1-used)
	}
	right = text.Fit(right, width-8)
	style := look.Faint
	if urgent {
		style = look.Attention
	}
	return line + rule(width-5-used-text.Width(right)) + " " + style.Render(right) + " " + rule(2)
}

// sums are the totals of what the list shows.
func (s *flowsScreen) sums() string {
	switch {
	case s.mode == groupMode:
		return s.groups.sums()
	case s.mode != listMode || s.list.matching() == 0:
		return ""
	}
	sum := s.list.sum
	sum.Flows = s.list.matching()
	if !s.wantsCounters() { // those in sight have a rate of now, and the others of whenever they were
		sum.ByteRate = 0
	}
	return s.totals(&sum, s.now.UnixNano()-s.gw.Flows.Feed().CountedAt > int64(rateHolds))
}

// freshness says how old what is seen may be: paused and how much waits, events that
// are missing, or how often the counters of all flows are read.
func (s *flowsScreen) freshness() string {
	feed := s.gw.Flows.Feed()
	dot := " " + s.look.Glyphs.Dot + " "
	switch {
	case s.paused:
		return "paused at " + s.pausedAt.Format("15:04:05") + dot + rules.Plural(feed.Events-s.waiting.Events, "change") + " waiting"
	case feed.Lost:
		return rules.Plural(feed.LastMissed, "event") + " missed, reading the table again"
	case feed.EventsOff && feed.Every > 0:
		return "no events: the table is read every " + seconds(feed.Every)
	case s.names.on:
		return s.names.state()
	case s.mode == eventMode:
		c := s.gw.Flows.Log().Counts()
		since := "since the start"
		if c.Silent {
			since = "told; others were not"
		}
		return fmt.Sprintf("%s new, %s updated, %s ended %s", text.Exact(c.New), text.Exact(c.Update), text.Exact(c.Destroy), since)
	case !s.wantsCounters() || s.health.Accounting == facts.SettingOff && s.list.sum.Bytes == 0:
		return ""
	case feed.Every > 0:
		return countersRead + "every " + seconds(feed.Every)
	}
	return "reading the counters"
}

// seconds is a time in seconds with one decimal, for a pace.
func seconds(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// sentence says the flow in words, its translation in its colour, in so many lines at most.
func (s *flowsScreen) sentence(f *flow.Flow, width, most int) []string {
	look := s.look
	plain := look.Text.Render
	parts := []string{look.Strong.Render(s.endpoint(f, f.Client())), plain("asked for ") + look.Strong.Render(s.endpoint(f, f.AskedFor()))}
	nat := f.NAT()
	if nat&flow.NATDst != 0 {
		parts = append(parts, plain("served by ")+s.natStyle(f).Render(s.endpoint(f, f.ServedBy())))
	}
	if nat&flow.NATSrc != 0 {
		parts = append(parts, plain("seen as ")+look.SNAT.Render(s.endpoint(f, f.SeenAs())))
	}
	if nat == flow.NATNone {
		parts = append(parts, look.Faint.Render("not translated"))
	}
	var lines []string
	for i, part := range parts {
		if i > 0 && i < len(parts)-1 {
			part += plain(",")
		}
		last := len(lines) - 1
		if last < 0 || len(lines) < most && text.Width(lines[last])+1+text.Width(part) > width {
			lines = append(lines, part)
			continue
		}
		lines[last] += " " + part
	}
	for i := range lines {
		lines[i] = text.Fit(lines[i], width)
	}
	return lines
}

// summary is the flow's state in one line; its graph and its rate stand there where that has room for them, too.
func (s *flowsScreen) summary(f *flow.Flow, width int) string {
	graph := s.rowTrail.graph(f)
	rate := text.Rate(float64(f.ByteRate)) + " B/s"
	if graph == "" || s.onEnded() { // what has ended has no rate
		return strings.Join(s.summaryParts(f, ""), s.dot())
	}
	for _, pace := range []string{rate + " " + graph, rate} {
		if line := strings.Join(s.summaryParts(f, pace), s.dot()); text.Width(line) <= width {
			return line
		}
	}
	return strings.Join(s.summaryParts(f, ""), s.dot())
}

func (s *flowsScreen) summaryParts(f *flow.Flow, pace string) []string {
	now := s.now.UnixNano()
	var parts []string
	if name := f.StateName(); name != "" {
		parts = append(parts, strings.ToLower(name))
	}
	if f.Status&flow.StatusSeenReply == 0 {
		parts = append(parts, "no reply yet")
	}
	switch e := s.gw.Flows.Explain(f); {
	case isRelated(f, e):
		parts = append(parts, "belongs to another connection")
	case e.Confidence == explain.Stale:
		parts = append(parts, "stale: today's rules would translate it differently")
	case e.Confidence == explain.Unknown:
		parts = append(parts, "rule not known: "+e.Doubt())
	case e.Older:
		parts = append(parts, "as "+e.String()+" does now")
	case !e.Rule().IsZero():
		word := "by " + e.String()
		switch e.Confidence {
		case explain.Inferred:
			word += " (" + e.Confidence.String() + ")"
		case explain.Ambiguous:
			word = "perhaps by " + strings.TrimPrefix(e.String(), "ambiguous ")
		}
		parts = append(parts, word)
	}
	if f.Counts() {
		parts = append(parts, rules.Plural(f.Packets(), "packet")+", "+text.Bytes(f.Bytes()))
	}
	if pace != "" {
		parts = append(parts, pace)
	}
	if at, exact := f.Since(); at != 0 {
		word := "since "
		if !exact {
			word = "first seen "
		}
		parts = append(parts, word+time.Unix(0, at).In(s.now.Location()).Format("15:04:05"))
	}
	if s.onEnded() {
		parts = append(parts, "ended")
	} else if f.Status&(flow.StatusOffloaded|flow.StatusHWOffloaded) != 0 {
		parts = append(parts, "offloaded")
	} else {
		parts = append(parts, "expires in "+text.Steady(time.Duration(f.Remaining(now))*time.Second))
	}
	if f.Mark != 0 {
		parts = append(parts, fmt.Sprintf("mark 0x%x", f.Mark))
	}
	if f.Zone != 0 {
		parts = append(parts, fmt.Sprintf("zone %d", f.Zone))
	}
	return parts
}
