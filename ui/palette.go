package ui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
)

// palette finds an action by its name, and does it.
type palette struct {
	*desk
	input  typedLine
	all    []listed
	shown  []int // of all
	cursor table.Cursor[int]
}

// listed is an action that can be chosen.
type listed struct {
	name, key, clause, place string
	do                       func() tea.Cmd
	idle                     bool // it can not be done now: it is listed for whoever looks for it by its name
}

// openPalette lists what can be done: in the box that is open, on the screen, everywhere, and on the other screens. What is
// done on a screen closes the box first.
func (a *App) openPalette() {
	p := &palette{desk: &a.desk, input: newTypedLine()}
	p.input.offer("")
	here := func(x action) func() tea.Cmd { return x.do }
	for _, idle := range []bool{false, true} {
		p.list("", a.offered(a.input()), idle, here)
		p.list("", a.shared(), idle, here)
		if a.top() != nil {
			p.listScreen(a, a.active, idle)
		}
		p.list("", a.everywhere().rebound(a.settings.Keys), idle, func(x action) func() tea.Cmd {
			return func() tea.Cmd { a.dialogs = nil; return x.do() }
		})
		for i := range a.screens {
			if i != a.active {
				p.listScreen(a, i, idle)
			}
		}
	}
	p.find()
	a.open(p)
}

// offered are the actions of a screen or box, with those that have no key.
func (a *App) offered(in interface{ Actions() keyTable }) keyTable {
	t := a.table(in)
	if o, ok := in.(offerer); ok {
		t = t.and(o.Offers())
	}
	return t
}

// listScreen lists the actions of a screen, which is shown for them.
func (p *palette) listScreen(a *App, i int, idle bool) {
	p.list(keys.Screens[i].Help().Desc, a.offered(a.screens[i]), idle, func(x action) func() tea.Cmd {
		return func() tea.Cmd { return a.showAndDo(i, x.name()) }
	})
}

// list takes the actions of a table that can be done now, or those that can not, but for those that agree to what the palette
// covers.
func (p *palette) list(place string, t keyTable, idle bool, do func(action) func() tea.Cmd) {
	for _, x := range t {
		moves := false
		for _, b := range []string{"up", "down", "page up", "page down", "top", "bottom"} {
			moves = moves || strings.TrimPrefix(x.name(), "a ") == b
		}
		if x.do == nil || x.rest || x.agrees || moves || x.name() == "" || idle != (x.works != nil && !x.works()) || p.has(place, x.name()) {
			continue
		}
		item := listed{x.name(), p.look.Glyphs.Key(x.label()), x.words(), place, do(x), idle}
		if idle && place == "" {
			item.do = p.refusing(x)
		}
		p.all = append(p.all, item)
	}
}

// label is how the keys of an action are written, also of one that is not in the key line.
func (a *action) label() string {
	if a.keys.Help().Key == "" {
		return strings.Join(a.keys.Keys(), "/")
	}
	return a.keys.Help().Key
}

// refusing says why an action can not be done now.
func (d *desk) refusing(x action) func() tea.Cmd {
	return func() tea.Cmd {
		d.said = status{}
		if x.instead != nil {
			x.instead()
		}
		if d.said.text == "" {
			d.sayBriefly(x.idle(d.look.Glyphs.Key(x.label())))
		}
		return nil
	}
}

// has tells whether an action is listed already: that of another screen is left out where the same can be done here.
func (p *palette) has(place, name string) bool {
	for i := range p.all {
		if p.all[i].name == name && (p.all[i].place == place || p.all[i].place == "") {
			return true
		}
	}
	return false
}

// showAndDo shows a screen and does one of its actions there, if that can be done.
func (a *App) showAndDo(i int, name string) tea.Cmd {
	a.dialogs = nil
	cmds := []tea.Cmd{a.show(i), a.settle()}
	var idle *action
	for _, x := range a.offered(a.screen()) {
		switch {
		case x.name() != name || x.do == nil:
		case x.works == nil || x.works():
			return tea.Batch(append(cmds, x.do())...)
		case idle == nil || idle.instead == nil:
			idle = &x
		}
	}
	if idle != nil {
		cmds = append(cmds, a.refusing(*idle)())
	}
	return tea.Batch(cmds...)
}

// find lists the actions in whose name or description all words stand, those with the name first; among either, those
// that can not be done now behind those that can, and only where words are asked for.
func (p *palette) find() {
	words := strings.Fields(strings.ToLower(strings.ReplaceAll(p.input.Value(), ":", " ")))
	var byName, byWords [2][]int // those that can be done now, and the others
	for i := range p.all {
		x := &p.all[i]
		name, everything := strings.ToLower(x.name), strings.ToLower(x.place+" "+x.name+" "+x.clause)
		named, found := true, true
		for _, w := range words {
			named = named && strings.Contains(name, w)
			found = found && strings.Contains(everything, w)
		}
		if x.idle && len(words) == 0 {
			continue
		}
		now := 0
		if x.idle {
			now = 1
		}
		switch {
		case named:
			byName[now] = append(byName[now], i)
		case found:
			byWords[now] = append(byWords[now], i)
		}
	}
	p.shown = slices.Concat(byName[0], byName[1], byWords[0], byWords[1])
	p.cursor = table.Cursor[int]{}
	p.cursor.Follow(len(p.shown), p.key)
}

func (p *palette) key(i int) int { return p.shown[i] }

func (p *palette) move(by int) { p.cursor.Go(p.cursor.Index()+by, len(p.shown), p.key) }

// Typing tells that letters are text.
func (p *palette) Typing() bool { return true }

// Actions choose and do.
func (p *palette) Actions() keyTable {
	return keyTable{
		on(bind("enter", "do it", "enter"), p.choose),
		act(bind("↑/↓", "choose", "up", "ctrl+k", "shift+tab"), func() { p.move(-1) }),
		act(silent("down", "ctrl+j", "tab"), func() { p.move(1) }),
		act(silent("pgup"), func() { p.move(1 - p.room()) }), act(silent("pgdown"), func() { p.move(p.room() - 1) }),
		act(bind("esc", "close", "esc", "ctrl+c", "ctrl+p"), p.closing(p)),
	}
}

func (p *palette) choose() tea.Cmd {
	if len(p.shown) == 0 {
		return nil
	}
	x := p.all[p.shown[p.cursor.Index()]]
	p.close(p)
	return x.do()
}

// Type types what is looked for.
func (p *palette) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	p.input.press(k)
	p.find()
	return nil, true
}

// Takes is what is looked for.
func (p *palette) Takes() intake { return intake{line: true, what: "what is looked for"} }

// Paste types what was pasted.
func (p *palette) Paste(s string) tea.Cmd {
	p.input.paste(s)
	p.find()
	return nil
}

// Wheel moves.
func (p *palette) Wheel(by int) { p.move(by / 3) }

// room is how many actions are in sight.
func (p *palette) room() int { return max(1, min(p.boxHeight()-4, 16)) }

// Settle keeps the cursor in sight.
func (p *palette) Settle() tea.Cmd {
	p.cursor.Settle(len(p.shown), p.room())
	return nil
}

// Click does the action under the mouse.
func (p *palette) Click(_, y int) tea.Cmd {
	from, to := p.cursor.Window(len(p.shown), p.room())
	if row := from + y - 3; y >= 3 && row < to {
		p.cursor.Go(row, len(p.shown), p.key)
		return p.choose()
	}
	return nil
}

// View draws the line and what was found, with its key.
func (p *palette) View(width, _ int) string {
	w := min(76, width-2)
	inner := w - 4
	lines := []string{p.look.Accent.Render(":") + " " + p.input.draw(p.desk, inner-2, "words of an action"), p.look.Line.Render(strings.Repeat(p.look.Glyphs.Rule, inner))}
	widest := 0
	from, to := p.cursor.Window(len(p.shown), p.room())
	for _, i := range p.shown[from:to] {
		widest = max(widest, text.Width(p.all[i].title()))
	}
	widest = min(widest, inner-14)
	for i := from; i < to; i++ {
		x := &p.all[p.shown[i]]
		bar, style := "  ", p.look.Text
		if x.idle {
			style = p.look.Faint
		}
		if i == p.cursor.Index() {
			bar, style = p.look.Accent.Render(p.look.Glyphs.Bar)+" ", p.look.Strong
		}
		line := bar + text.Pad(p.look.Accent.Render(x.key), 10, false) + " " + style.Render(text.Pad(x.title(), widest, false))
		if inner-widest > 30 { // else it would be cut after a word or none
			line += "  " + p.look.Faint.Render(x.words())
		}
		lines = append(lines, text.Fit(line, inner))
	}
	if len(p.shown) == 0 {
		lines = append(lines, p.look.Faint.Render("no action has these words"))
	}
	return box(p.desk, "Find an action: "+rules.Plural(len(p.shown), "action"), lines, w)
}

// words say what the action does.
func (x *listed) words() string {
	if x.idle {
		return "(not now) " + x.clause
	}
	return x.clause
}

func (x *listed) title() string {
	if x.place == "" {
		return x.name
	}
	return x.place + ": " + x.name
}
