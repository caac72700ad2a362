package theme

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
)

// Style is colours and attributes of text, made once and used often: what turns them on and off is kept. lipgloss works it
// out anew for each text, beside margins, borders and widths that a cell of a list has none of; that was a fifth of what
// a screen costs. The zero value changes nothing.
type Style struct {
	style    *lipgloss.Style // it is large, and there is one in each cell of a list
	on, off  string
	prepared bool // on and off say it all
	thin     bool // it is underlined where it would be bold
}

// sentinel is drawn to find out what a style puts before and after a text.
const sentinel = "x"

// StyleOf is a style of the library, to be used often.
func StyleOf(s lipgloss.Style) Style {
	// Where text is underlined, blanks are drawn otherwise.
	if on, off, found := strings.Cut(s.Render(sentinel), sentinel); found && !s.GetUnderline() {
		return Style{style: &s, on: on, off: off, prepared: true}
	}
	return Style{style: &s}
}

// Render draws a text.
func (s Style) Render(text string) string {
	if !s.prepared || !single(text) {
		return s.Lipgloss().Render(text)
	}
	if s.on == "" {
		return text
	}
	return s.on + text + s.off
}

// single tells that a text is one line without tabs, and not empty.
func single(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' && text[i] != '\x1b' {
			return false
		}
	}
	return text != ""
}

// Bold is the style, bold or not; on a terminal that would draw its colour too pale then, underlined or not.
func (s Style) Bold(on bool) Style {
	if s.thin {
		return StyleOf(s.Lipgloss().Underline(on).UnderlineSpaces(false)) // nor what pads a column
	}
	return StyleOf(s.Lipgloss().Bold(on))
}

// Inherit is the style with what it leaves open as another has it.
func (s Style) Inherit(from Style) Style { return StyleOf(s.Lipgloss().Inherit(from.Lipgloss())) }

// Foreground is the colour of the text, nil where it is the terminal's own.
func (s Style) Foreground() color.Color { return s.Lipgloss().GetForeground() }

// Lipgloss is the style as widgets of the library want it.
func (s Style) Lipgloss() lipgloss.Style {
	if s.style == nil {
		return lipgloss.NewStyle()
	}
	return *s.style
}
