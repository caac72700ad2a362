package ui

import (
	"io"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"

	"nattui/ui/text"
)

// choice is a form field of one line that goes through a few options with the
// arrow keys; huh's own selection takes a line for its title and one for each
// option.
type choice struct {
	form    *form
	key     string
	title   string
	options []choiceOption
	at      int
	focused bool
	width   int
	keymap  huh.SelectKeyMap
	chosen  func(int)
}

type choiceOption struct{ label, value string }

// newChoice makes the field; chosen hears of every change.
func newChoice(f *form, key, title string, options []choiceOption, at int, chosen func(int)) *choice {
	return &choice{form: f, key: key, title: title, options: options, at: max(0, at), chosen: chosen, keymap: formKeys().Select}
}

// Init does nothing.
func (c *choice) Init() tea.Cmd { return nil }

// Update takes a key.
func (c *choice) Update(msg tea.Msg) (huh.Model, tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return c, nil
	}
	n := len(c.options)
	switch {
	case key.Matches(k, c.keymap.Left):
		c.at = (c.at + n - 1) % n
		c.chosen(c.at)
	case key.Matches(k, c.keymap.Right):
		c.at = (c.at + 1) % n
		c.chosen(c.at)
	case key.Matches(k, c.keymap.Prev):
		return c, huh.PrevField
	case key.Matches(k, c.keymap.Next, c.keymap.Submit):
		return c, huh.NextField
	}
	return c, nil
}

// View draws the line.
func (c *choice) View() string {
	look := c.form.look
	title, left, right := look.Faint, "", ""
	if c.focused {
		title = look.Accent.Bold(true)
		left, right = look.Accent.Render("‹ "), look.Accent.Render(" ›")
		if look.Glyphs.Rule == "-" {
			left, right = look.Accent.Render("< "), look.Accent.Render(" >")
		}
	}
	return text.Fit(title.Render(c.title)+left+look.Text.Render(c.options[c.at].label)+right, max(c.width, 1))
}

func (c *choice) Focus() tea.Cmd {
	c.focused = true
	return nil
}

func (c *choice) Blur() tea.Cmd {
	c.focused = false
	return nil
}

func (c *choice) Error() error { return nil }
func (c *choice) Run() error   { return huh.Run(c) }

// RunAccessible is for forms outside of a screen, which this is not.
func (c *choice) RunAccessible(io.Writer, io.Reader) error { return nil }
func (c *choice) Skip() bool                               { return false }
func (c *choice) Zoom() bool                               { return false }
func (c *choice) KeyBinds() []key.Binding                  { return nil }
func (c *choice) WithTheme(huh.Theme) huh.Field            { return c }
func (c *choice) WithKeyMap(*huh.KeyMap) huh.Field         { return c }
func (c *choice) WithWidth(width int) huh.Field            { c.width = width; return c }
func (c *choice) WithHeight(int) huh.Field                 { return c }
func (c *choice) WithPosition(huh.FieldPosition) huh.Field { return c }
func (c *choice) GetKey() string                           { return c.key }
func (c *choice) GetValue() any                            { return c.options[c.at].value }
