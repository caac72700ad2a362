// Package theme holds every colour and every special character of the screens,
// each under the name of its role.
package theme

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
)

// Theme is the look of the terminal: one style a role, and the characters that
// the terminal can show. It is a value; it is made once and again when the
// terminal's background or abilities become known.
type Theme struct {
	Dark   bool
	Glyphs Glyphs

	Text   lipgloss.Style // what is read
	Strong lipgloss.Style // headings and names
	Faint  lipgloss.Style // what is secondary
	Line   lipgloss.Style // rules between sections
	Accent lipgloss.Style // keys, the cursor, the active tab

	DNAT     lipgloss.Style // a new destination
	SNAT     lipgloss.Style // a new source, MASQUERADE included
	Redirect lipgloss.Style // this host instead

	Good      lipgloss.Style // alive, done
	Attention lipgloss.Style // look at this
	Broken    lipgloss.Style // wrong

	Cursor lipgloss.Style // background of the row under the cursor
	Input  lipgloss.Style // text being typed
}

// Glyphs are the special characters in use.
type Glyphs struct {
	Into, Outof string // the sides a packet comes from and goes to
	Becomes     string // between what was asked for and what serves
	Live, Cross string
	Tick        string
	Bar         string // marks the row under the cursor
	Rule        string // one cell of a horizontal rule
	Branch      string // a chain opened under the rule that jumps to it
	Down, Up    string // sort order, more below
	Dot         string // between parts of a line
	Pipe        string
	None        string // no value
}

var unicodeGlyphs = Glyphs{
	Into: "▸", Outof: "◂", Becomes: "⇒", Live: "●", Cross: "×", Tick: "✓", Bar: "▌", Rule: "─", Branch: "↳", Down: "▾", Up: "▴", Dot: "·", Pipe: "│", None: "–",
}

var asciiGlyphs = Glyphs{
	Into: ">", Outof: "<", Becomes: "=>", Live: "*", Cross: "x", Tick: "+", Bar: "|", Rule: "-", Branch: "`>", Down: "v", Up: "^", Dot: "-", Pipe: "|", None: "-",
}

// ASCII stands in for a character on a terminal that shows no other, cell for
// cell; what has no likeness becomes a question mark.
func ASCII(r rune) rune {
	if r < 0x7f {
		return r
	}
	if likeness, ok := likenesses[r]; ok {
		return likeness
	}
	return '?'
}

var likenesses = map[rune]rune{
	'…': '~', '“': '"', '”': '"', '‘': '\'', '’': '\'', '–': '-', '—': '-', '·': '-', '↑': '^', '↓': 'v', '←': '<', '→': '>', '‹': '<', '›': '>',
	'⇒': '>', '▸': '>', '◂': '<', '●': '*', '×': 'x', '✓': '+', '▌': '|', '─': '-', '━': '=', '│': '|', '▾': 'v', '▴': '^', '↳': '>',
}

// UTF8 tells from the environment whether the terminal shows more than ASCII: its
// locale says UTF-8, and it is not the kernel's console.
func UTF8(getenv func(string) string) bool {
	if getenv("TERM") == "linux" || getenv("TERM") == "dumb" {
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" {
			v = strings.ToUpper(v)
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	// No locale at all is common over SSH; terminals of today all speak UTF-8.
	return true
}

// New makes the theme for a background and for what the terminal can do.
func New(dark, utf8 bool, profile colorprofile.Profile) *Theme {
	t := &Theme{Dark: dark, Glyphs: unicodeGlyphs}
	if !utf8 {
		t.Glyphs = asciiGlyphs
	}
	p := paletteFor(dark, profile)
	fg := func(c color.Color) lipgloss.Style {
		if c == nil {
			return lipgloss.NewStyle()
		}
		return lipgloss.NewStyle().Foreground(c)
	}
	t.Text = fg(p.text)
	t.Strong = fg(p.strong).Bold(true)
	t.Faint = fg(p.faint)
	t.Line = fg(p.line)
	t.Accent = fg(p.accent)
	t.DNAT = fg(p.dnat).Bold(true)
	t.SNAT = fg(p.snat).Bold(true)
	t.Redirect = fg(p.redirect).Bold(true)
	t.Good = fg(p.good)
	t.Attention = fg(p.attention)
	t.Broken = fg(p.broken)
	t.Cursor = lipgloss.NewStyle()
	if p.cursor != nil {
		t.Cursor = t.Cursor.Background(p.cursor)
	}
	t.Input = fg(p.strong)
	return t
}

type palette struct {
	text, strong, faint, line, accent, dnat, snat, redirect, good, attention, broken, cursor color.Color
}

// paletteFor gives sixteen-colour terminals colours of their own: what they make
// of others is up to chance. Nil leaves the terminal's own colour.
func paletteFor(dark bool, profile colorprofile.Profile) palette {
	c := lipgloss.Color
	switch {
	case profile <= colorprofile.ANSI && dark:
		return palette{
			faint: c("7"), line: c("8"), strong: c("15"), accent: c("12"), dnat: c("14"), snat: c("11"), redirect: c("13"),
			good: c("10"), attention: c("11"), broken: c("9"),
		}
	case profile <= colorprofile.ANSI:
		return palette{
			faint: c("8"), line: c("7"), strong: c("0"), accent: c("4"), dnat: c("6"), snat: c("3"), redirect: c("5"),
			good: c("2"), attention: c("3"), broken: c("1"),
		}
	case dark:
		return palette{
			text: c("#c9ced6"), strong: c("#f2f4f7"), faint: c("#7d8590"), line: c("#3b424c"), accent: c("#7aa2f7"),
			dnat: c("#56c8d8"), snat: c("#e0af68"), redirect: c("#bb8ef5"), good: c("#7fc97f"), attention: c("#ff9e64"), broken: c("#f7768e"), cursor: c("#1f2a3a"),
		}
	}
	return palette{
		text: c("#24292f"), strong: c("#000000"), faint: c("#66707b"), line: c("#c5ccd3"), accent: c("#0b5cad"),
		dnat: c("#006e7f"), snat: c("#8a5a00"), redirect: c("#6f2dbd"), good: c("#1a7f37"), attention: c("#b54708"), broken: c("#b3261e"), cursor: c("#e3ebf6"),
	}
}
