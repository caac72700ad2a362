package theme

import (
	"fmt"
	"image/color"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
)

// Choice is the theme that somebody asked for by name. Auto, the zero value, is
// what the terminal tells of itself; the others are for terminals that tell it
// wrongly, as under screen and old tmux.
type Choice string

// The choices. ANSI keeps to the terminal's own sixteen colours, on the background
// that it reports; None uses no colour at all.
const (
	Auto      Choice = ""
	Dark      Choice = "dark"
	Light     Choice = "light"
	ANSI      Choice = "ansi"
	ANSIDark  Choice = "ansi-dark"
	ANSILight Choice = "ansi-light"
	None      Choice = "none"
)

// Choices are the names that Choose takes.
var Choices = []string{"auto", string(Dark), string(Light), string(ANSI), string(ANSIDark), string(ANSILight), string(None)}

// Choose finds a choice by its name; the error names those that there are.
func Choose(name string) (Choice, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	switch {
	case name == "" || name == "auto":
		return Auto, nil
	case slices.Contains(Choices, name):
		return Choice(name), nil
	}
	return Auto, fmt.Errorf("%q is not a theme: %s", name, strings.Join(Choices, ", "))
}

// Settle is what the choice makes of what the terminal reports: its background and
// what it can show.
func (c Choice) Settle(dark bool, profile colorprofile.Profile) (bool, colorprofile.Profile) {
	switch c {
	case Dark, Light:
		return c == Dark, profile
	case ANSI:
		return dark, min(profile, colorprofile.ANSI)
	case ANSIDark, ANSILight:
		return c == ANSIDark, min(profile, colorprofile.ANSI)
	case None:
		return dark, colorprofile.ASCII
	}
	return dark, profile
}

// New makes the theme for a background and for what the terminal can do.
func New(dark, utf8 bool, profile colorprofile.Profile) *Theme {
	t := &Theme{Dark: dark, Glyphs: unicodeGlyphs, Told: " "}
	if !utf8 {
		t.Glyphs = asciiGlyphs
	}
	p := paletteFor(dark, profile)
	if p.accent == nil {
		t.Told = ": "
	}
	fg := func(c color.Color) Style {
		if c == nil {
			return StyleOf(lipgloss.NewStyle())
		}
		s := StyleOf(lipgloss.NewStyle().Foreground(c))
		s.thin = p.thin
		return s
	}
	t.Text = fg(p.text)
	t.Strong = fg(p.strong).Bold(true)
	t.Faint = fg(p.faint)
	t.Line = fg(p.line)
	t.Accent = fg(p.accent)
	t.DNAT, t.SNAT, t.Redirect = fg(p.dnat), fg(p.snat), fg(p.redirect)
	if !p.thin { // all underlined would be a restless list
		t.DNAT, t.SNAT, t.Redirect = t.DNAT.Bold(true), t.SNAT.Bold(true), t.Redirect.Bold(true)
	}
	t.Good = fg(p.good)
	t.Attention = fg(p.attention)
	t.Broken = fg(p.broken)
	if p.cursor != nil {
		t.Cursor = StyleOf(lipgloss.NewStyle().Background(p.cursor))
	}
	t.Input = fg(p.text)
	t.Selected = StyleOf(lipgloss.NewStyle().Reverse(true))
	t.Hit = StyleOf(fg(p.accent).Bold(!p.thin).style.Underline(true))
	return t
}

type palette struct {
	text, strong, faint, line, accent, dnat, snat, redirect, good, attention, broken, cursor color.Color
	// thin keeps colours from being drawn bold: terminals that draw bold as bright make
	// them too pale for a white background.
	thin bool
}

// paletteFor gives sixteen-colour terminals colours of their own: what they make
// of others is up to chance. Nil leaves the terminal's own colour. Everything that
// is read has a contrast of 4.5 : 1 or more, as WCAG 2 asks for text (contrast_test.go).
func paletteFor(dark bool, profile colorprofile.Profile) palette {
	c := lipgloss.Color
	switch {
	case profile < colorprofile.ANSI:
		return palette{}
	case profile == colorprofile.ANSI && dark:
		// Dark blue (4) and grey (8) are too dark on black, and the bright blue (12) nearly so.
		return palette{
			strong: c("15"), accent: c("6"), dnat: c("14"), snat: c("11"), redirect: c("13"),
			good: c("10"), attention: c("11"), broken: c("9"),
		}
	case profile == colorprofile.ANSI:
		// On white only these three are dark enough; green, yellow and cyan are not, and bold black is
		// drawn as grey.
		return palette{
			thin: true, accent: c("4"), dnat: c("4"), snat: c("5"),
			good: c("4"), attention: c("5"), broken: c("1"),
		}
	case dark:
		return palette{
			text: c("#c9ced6"), strong: c("#f2f4f7"), faint: c("#9aa3ae"), line: c("#949494"), accent: c("#7aa2f7"),
			dnat: c("#56c8d8"), snat: c("#e0af68"), redirect: c("#bb8ef5"), good: c("#7fc97f"), attention: c("#ff9e64"), broken: c("#f7768e"), cursor: c("#1f2a3a"),
		}
	}
	return palette{
		text: c("#24292f"), strong: c("#000000"), faint: c("#57606a"), line: c("#5f6973"), accent: c("#0b5cad"),
		dnat: c("#00606f"), snat: c("#7d5200"), redirect: c("#6f2dbd"), good: c("#176f30"), attention: c("#8f3a00"), broken: c("#b3261e"), cursor: c("#e3ebf6"),
	}
}
