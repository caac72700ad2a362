package ui

import (
	"strings"
	"time"

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
	spelling
}

type choiceOption struct{ label, value string }

// spelling is what is being typed at a choice. It may be the name of an option, or text for another field: then the choice
// goes back to what it was before.
type spelling struct {
	moved   string // letters that are keys of the choice, or the beginning of text
	typed   string // the beginning of an option's name, letter by letter
	untaken string // what was typed and is none
	origin  int    // what was chosen before
	last    time.Time
}

// spellingPause is after what time a letter begins a name of its own.
const spellingPause = 2 * time.Second

// newChoice makes the field; chosen hears of every change.
func newChoice(d *desk, name, label string, options []choiceOption, at int, chosen func(int)) *choice {
	return &choice{desk: d, name: name, label: label, options: options, at: max(0, at), chosen: chosen}
}

func (c *choice) key() string   { return c.name }
func (c *choice) title() string { return c.label }
func (c *choice) focus()        { c.focused, c.spelling = true, spelling{} }
func (c *choice) blur()         { c.focused, c.untaken = false, "" }
func (c *choice) paste(string)  {}

// goOn takes over what is being typed from the field that was here before the questions were made anew.
func (c *choice) goOn(old field) {
	if o, is := old.(*choice); is && o.name == c.name && len(o.options) == len(c.options) {
		c.spelling = o.spelling
	}
}

// press goes through the options; letters go to the one that begins with them, and what is none is told.
func (c *choice) press(k tea.KeyPressMsg) bool {
	n := len(c.options)
	if c.now.Sub(c.last) >= spellingPause {
		c.spelling = spelling{}
	}
	c.last = c.now
	under := c.typed != "" || c.untaken != "" // h, l and space are text then
	switch name := k.String(); {
	case name == "left":
		c.spelling = spelling{}
		c.choose((c.at + n - 1) % n)
	case name == "right":
		c.spelling = spelling{}
		c.choose((c.at + 1) % n)
	case !under && name == "h":
		c.move(k.Text, n-1)
	case !under && (name == "l" || name == "space"):
		c.move(k.Text, 1)
	case k.Text == "":
		c.spelling = spelling{}
		return false
	default:
		return c.spell(k.Text)
	}
	return true
}

// move goes on by so many options, by a letter that is a key unless text goes on behind it.
func (c *choice) move(letter string, by int) {
	if c.moved == "" {
		c.origin = c.at
	}
	c.moved += letter
	c.choose((c.at + by) % len(c.options))
}

// spell follows what is typed, and says what is chosen by it. Only what goes on naming an option chooses one.
func (c *choice) spell(letters string) bool {
	title, was := strings.TrimSpace(c.label), c.at
	if c.moved+c.typed+c.untaken == "" {
		c.origin = c.at
	}
	if found := c.named(c.typed + letters); c.moved+c.untaken == "" && found >= 0 {
		c.typed += letters
		c.choose(found)
		c.sayBriefly(title + " is now " + c.options[found].label)
		return true
	}
	c.moved, c.typed, c.untaken = "", "", c.untaken+c.moved+c.typed+letters
	if c.at != c.origin {
		c.choose(c.origin)
	}
	c.sayBriefly(title + " is chosen with " + c.arrows() + ": " + text.Safe(c.untaken) + " was not taken, it is still " + c.options[c.at].label)
	return c.at != was
}

// named is the option of a name, else the next that begins with it: -1 where there is none. A single letter goes on to another.
func (c *choice) named(letters string) int {
	from := 0
	if c.typed == "" {
		from = 1
	}
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
	return found
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
