package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/ui/text"
)

// choice is a field that goes through a few options with the arrow keys.
type choice struct {
	*desk
	name, label string
	options     []choiceOption
	at          int
	focused     bool
	chosen      func(int)
}

type choiceOption struct{ label, value string }

// newChoice makes the field; chosen hears of every change.
func newChoice(d *desk, name, label string, options []choiceOption, at int, chosen func(int)) *choice {
	return &choice{desk: d, name: name, label: label, options: options, at: max(0, at), chosen: chosen}
}

func (c *choice) key() string   { return c.name }
func (c *choice) title() string { return c.label }
func (c *choice) focus()        { c.focused = true }
func (c *choice) blur()         { c.focused = false }
func (c *choice) paste(string)  {}

// press goes through the options; a letter goes to the next that begins with it.
func (c *choice) press(k tea.KeyPressMsg) bool {
	n := len(c.options)
	switch k.String() {
	case "left", "h":
		c.choose((c.at + n - 1) % n)
	case "right", "l", "space":
		c.choose((c.at + 1) % n)
	default:
		for i := 1; i <= n && k.Text != ""; i++ {
			next := (c.at + i) % n
			if strings.HasPrefix(strings.ToLower(c.options[next].label), strings.ToLower(k.Text)) {
				c.choose(next)
				return true
			}
		}
		return false
	}
	return true
}

func (c *choice) choose(i int) {
	c.at = i
	c.chosen(i)
}

func (c *choice) view(width int) string {
	look := c.look
	label := look.Input.Render(c.options[c.at].label)
	if !c.focused {
		return text.Fit(label, width)
	}
	left, right := "‹ ", " ›"
	if look.Glyphs.Rule == "-" {
		left, right = "< ", " >"
	}
	return text.Fit(look.Accent.Render(left)+label+look.Accent.Render(right), width)
}
