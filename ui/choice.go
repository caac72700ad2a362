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
	typed       string // the beginning of an option's name, letter by letter
	untaken     string // what was typed and is no option
}

type choiceOption struct{ label, value string }

// newChoice makes the field; chosen hears of every change.
func newChoice(d *desk, name, label string, options []choiceOption, at int, chosen func(int)) *choice {
	return &choice{desk: d, name: name, label: label, options: options, at: max(0, at), chosen: chosen}
}

func (c *choice) key() string   { return c.name }
func (c *choice) title() string { return c.label }
func (c *choice) focus()        { c.focused, c.typed, c.untaken = true, "", "" }
func (c *choice) blur()         { c.focused, c.untaken = false, "" }
func (c *choice) paste(string)  {}

// press goes through the options; letters go to the one that begins with them, and what is none is told.
func (c *choice) press(k tea.KeyPressMsg) bool {
	n := len(c.options)
	switch name := k.String(); {
	case k.Text != "" && c.typed != "" && c.spell(c.typed+k.Text, 0):
	case name == "left", name == "h":
		c.choose((c.at + n - 1) % n)
		c.typed, c.untaken = "", ""
	case name == "right", name == "l", name == "space":
		c.choose((c.at + 1) % n)
		c.typed, c.untaken = "", ""
	case k.Text == "":
		return false
	case !c.spell(k.Text, 1):
		c.typed, c.untaken = "", c.untaken+k.Text
		c.sayBriefly(strings.TrimSpace(c.label) + " is chosen with " + c.arrows() + ": " + text.Safe(c.untaken) + " was not taken")
		return false
	}
	return true
}

// spell goes to the next option that begins with the letters, from so many options on; to the one of that name, if there is.
func (c *choice) spell(letters string, from int) bool {
	found := -1
	for i := len(c.options) - 1; i >= 0; i-- {
		next := (c.at + from + i) % len(c.options)
		if strings.HasPrefix(strings.ToLower(c.options[next].label), strings.ToLower(letters)) {
			found = next
		}
	}
	for i := range c.options {
		if strings.EqualFold(c.options[i].label, letters) {
			found = i
		}
	}
	if found < 0 {
		return false
	}
	c.typed, c.untaken = letters, ""
	c.choose(found)
	return true
}

// arrows are the keys that go through the options.
func (c *choice) arrows() string { return c.look.Glyphs.Key("←/→") }

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
	line := look.Accent.Render(left) + label + look.Accent.Render(right)
	if word := "  only " + c.arrows(); c.untaken != "" && text.Width(line+word) <= width {
		line += look.Attention.Render(word)
	}
	return text.Fit(line, width)
}
