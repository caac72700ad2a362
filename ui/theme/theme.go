// Package theme holds every colour and every special character of the screens,
// each under the name of its role.
package theme

import "strings"

// Theme is the look of the terminal: one style a role, and the characters that
// the terminal can show. It is a value; it is made once and again when the
// terminal's background or abilities become known.
type Theme struct {
	Dark   bool
	Glyphs Glyphs

	Text   Style // what is read
	Strong Style // headings and names
	Faint  Style // what is secondary
	Line   Style // rules between sections
	Accent Style // keys, the cursor, the active tab

	DNAT     Style // a new destination
	SNAT     Style // a new source, MASQUERADE included
	Redirect Style // this host instead

	Good      Style // alive, done
	Attention Style // look at this
	Broken    Style // wrong

	Cursor   Style // background of the row under the cursor
	Input    Style // text being typed
	Selected Style // a value that the next character replaces
	Hit      Style // what was searched for, where it was found

	// Told stands between a key and what it does: where no colour tells them apart, a sign does.
	Told string
}

// Key is a key, with what it does.
func (t *Theme) Key(label, does string) string {
	return t.Accent.Render(label) + t.Faint.Render(t.Told+does)
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
	Into: "->", Outof: "<-", Becomes: "=>", Live: "*", Cross: "x", Tick: "+", Bar: ">", Rule: "-", Branch: "`>", Down: "v", Up: "^", Dot: "-", Pipe: "|", None: "-",
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
	'⇒': '>', '▸': '>', '◂': '<', '●': '*', '×': 'x', '✓': '+', '▌': '>', '─': '-', '━': '=', '▁': '_', '▂': '.', '▃': '-', '▄': '~', '▅': '=', '▆': '+', '▇': '*', '█': '#', '│': '|', '▾': 'v', '▴': '^', '↳': '>',
}

// Key is the label of a key as the terminal can show it: arrows by their names, as a letter that looks like one
// would be taken for that letter's key.
func (g Glyphs) Key(label string) string {
	if g.Rule == unicodeGlyphs.Rule {
		return label
	}
	return arrowNames.Replace(label)
}

var arrowNames = strings.NewReplacer("↑", "up", "↓", "down", "←", "left", "→", "right")

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
