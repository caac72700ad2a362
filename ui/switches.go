package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// switches is the box with the kernel's settings that NAT needs: each as it is now
// and as it will be after the next start, what it is for, and what hangs on it.
type switches struct {
	*desk
	all    *doctor.Switches
	boot   map[string]doctor.BootSetting
	read   bool // the files that set them at boot were looked at
	reads  latest
	cursor table.Cursor[string]
	height int
	// shown is the switch on each line, -1 for a heading; grouped tells whether there are any.
	shown   []int
	grouped bool
	// now leaves what is set at boot as it is.
	now     bool
	input   typedLine // the number that is typed
	typing  bool
	refused string
}

// switchesMsg brings what files set at boot.
type switchesMsg struct {
	box    *switches
	number uint64
	boot   map[string]doctor.BootSetting
}

// sayUnread says why nothing is known of the gateway itself.
func (d *desk) sayUnread() {
	if d.gw.RulesAlone {
		d.refuse(rulesAlone)
		return
	}
	d.say("the gateway has not been read yet")
}

// isKnown tells that what there will be of the gateway beside its rules is known; of a file it may be nothing.
func (d *desk) isKnown() bool { return d.gw.RulesAlone || d.facts != nil }

// isRead tells that something is, or may become, known of the gateway beside its rules.
func (d *desk) isRead() bool { return !d.gw.RulesAlone }

// openSwitches shows the switches, with the cursor on the one of that name.
func (d *desk) openSwitches(name string) tea.Cmd {
	if d.facts == nil {
		d.sayUnread()
		return nil
	}
	s := &switches{desk: d, input: newTypedLine()}
	s.list()
	for i := range s.all.List {
		if s.all.List[i].Name == name {
			s.cursor.Go(i, len(s.all.List), s.key)
		}
	}
	d.open(s)
	return s.files()
}

// list makes the switches again of the latest facts.
func (s *switches) list() {
	g := &doctor.Gateway{Facts: s.facts, Sets: s.tables.Sets}
	if s.gw.Flows != nil {
		g.Health = s.gw.Flows.Health()
	}
	g.BootSettings = s.boot
	s.all = doctor.SwitchesOf(g)
	s.cursor.Follow(len(s.all.List), s.key)
}

// files looks at what is set at boot, beside Update.
func (s *switches) files() tea.Cmd {
	look := s.gw.Surroundings
	if look == nil {
		return nil
	}
	number := s.reads.ask()
	return func() tea.Msg { return switchesMsg{s, number, look(s.ctx).BootSettings} }
}

func (s *switches) key(i int) string { return s.all.List[i].Name }

func (s *switches) current() (*doctor.Switch, bool) {
	if len(s.all.List) == 0 {
		return nil, false
	}
	return &s.all.List[min(s.cursor.Index(), len(s.all.List)-1)], true
}

// Receive takes what is set at boot, and lists the switches again.
func (s *switches) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case switchesMsg:
		if msg.box == s && s.reads.hear(msg.number) {
			s.boot, s.read = msg.boot, true
			s.list()
		}
	case factsMsg:
		s.list()
		return s.files()
	case tablesMsg:
		if msg.Changed {
			s.list()
		}
	}
	return nil
}

// Takes is a number, while one is typed.
func (s *switches) Takes() intake { return intake{line: s.typing, what: "the number"} }

// Paste types a number.
func (s *switches) Paste(pasted string) tea.Cmd {
	s.input.paste(pasted)
	return nil
}

// Actions move, change and close.
func (s *switches) Actions() keyTable {
	if s.typing {
		return keyTable{
			elsewhere(bind("type", "a number")),
			act(bind("enter", "change", "enter"), s.enter),
			act(bind("esc", "close", "esc", "ctrl+c"), func() { s.typing, s.refused = false, "" }),
		}
	}
	can := func() bool { return !s.gw.ReadOnly && s.gw.Changes != nil }
	turn := func() { s.now = !s.now }
	close := s.closing(s)
	return keyTable{
		on(bind("enter", "change", "enter", "space"), s.change).when(can).otherwise(func() { s.desk.refuse(s.onlyLooks()) }),
		act(keyBoot, turn).when(func() bool { return can() && s.now }),
		act(bind("b", "now only", "b"), turn).when(func() bool { return can() && !s.now }),
		on(keys.Undo, s.undo).when(can), on(hidden(keys.Redo), s.redo).when(can),
	}.and(scrolling(func() int { return s.height }, s.move), keyTable{
		act(keys.Close, close), act(hidden(keys.Quit), close), act(hidden(keys.Switches), close),
	})
}

func (s *switches) move(by int) {
	s.refused = ""
	s.cursor.Go(s.cursor.Index()+by, len(s.all.List), s.key)
}

// keyBoot chooses whether a change is made at boot too.
var keyBoot = bind("b", "at boot too", "b")

// change begins to change the switch under the cursor.
func (s *switches) change() tea.Cmd {
	x, ok := s.current()
	switch {
	case !ok:
	case x.Fixed != "":
		s.refused = "It cannot be changed here: " + x.Fixed + "."
	case x.Next() != "":
		s.ask(x, x.Next())
	default:
		s.typing, s.refused = true, ""
		s.input.offer(x.Now)
	}
	return nil
}

// enter asks for the number that is typed.
func (s *switches) enter() {
	if x, ok := s.current(); ok {
		s.ask(x, s.input.Value())
	}
}

// Typing tells that a number is typed.
func (s *switches) Typing() bool { return s.typing }

// Type types a number, and says what is wrong with it.
func (s *switches) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if !s.typing {
		return nil, false
	}
	x, ok := s.current()
	s.input.press(k)
	s.refused = ""
	if ok {
		if _, err := s.all.Plan(x, s.input.Value(), !s.now); err != nil {
			s.refused = upper(err.Error()) + "."
		}
	}
	return nil, true
}

// ask asks whether to give a switch a value, or says why it cannot have it. A
// value that has no effect because of another switch is passed over.
func (s *switches) ask(x *doctor.Switch, value string) {
	plan, err := s.all.Plan(x, value, !s.now)
	if err != nil {
		s.refused = upper(err.Error()) + "."
		if next := overNext(s.all, x, value); next != "" && !s.typing {
			if p, err := s.all.Plan(x, next, !s.now); err == nil {
				plan = p
				s.pose(s.question(x, plan))
			}
		}
		return
	}
	s.typing, s.refused = false, ""
	s.pose(s.question(x, plan))
}

// overNext is the value after one that cannot work, if that one can; "" if none.
func overNext(all *doctor.Switches, x *doctor.Switch, value string) string {
	for i := range x.Values() {
		n := string(rune('0' + i))
		if n != x.Now && n != value {
			if _, err := all.Plan(x, n, false); err == nil {
				return n
			}
		}
	}
	return ""
}

func (s *switches) question(x *doctor.Switch, plan rules.Plan) *question {
	lines := []string{x.Purpose}
	for _, d := range x.Depends {
		lines = append(lines, upper(d)+".")
	}
	if s.desk.height < 20 {
		lines = lines[:1]
	}
	q := newQuestion(s.desk, plan.Title+"?", lines, plan, "change")
	q.act = func(t terms) tea.Cmd {
		return s.apply(plan, appliedNew, t, func(err error) tea.Cmd {
			if err != nil {
				s.refused = err.Error()
			}
			return s.files()
		})
	}
	return q
}

// Settle fits the list to the terminal: under a heading for each group, where there is room for both.
func (s *switches) Settle() tea.Cmd {
	width, height := s.desk.width, s.boxHeight()
	s.height = max(2, height-3-len(s.foot(min(96, width)-4, height))) // without the frame and the head
	if s.grouped = s.height-s.groups() >= 6; s.grouped {
		s.height -= s.groups()
	}
	s.cursor.Settle(len(s.all.List), s.height)
	s.shown = s.shown[:0]
	from, to := s.cursor.Window(len(s.all.List), s.height)
	for i := from; i < to; i++ {
		if s.grouped && (i == from || s.all.List[i-1].Group != s.all.List[i].Group) {
			s.shown = append(s.shown, -1)
		}
		s.shown = append(s.shown, i)
	}
	return nil
}

// View draws the list and, beneath it, all about the switch under the cursor.
func (s *switches) View(width, height int) string {
	w := min(96, width)
	inner := w - 4
	foot := s.foot(inner, height)
	cols, widths := s.columns(inner)
	lines := []string{"  " + table.Head(cols, widths, s.look.Faint)}
	from, to := s.cursor.Window(len(s.all.List), s.height)
	for n, i := range s.shown {
		if i < 0 { // the heading of the next
			group := s.all.List[s.shown[n+1]].Group
			lines = append(lines, s.look.Faint.Render(group+" "+strings.Repeat(s.look.Glyphs.Rule, max(0, inner-1-text.Width(group)))))
			continue
		}
		lines = append(lines, s.row(i, s.grouped, cols, widths))
	}
	title := "Switches"
	if n := len(s.all.List); to-from < n {
		title = fmt.Sprintf("Switches (%d to %d of %d)", from+1, to, n)
	}
	return box(s.desk, title, append(lines, foot...), w)
}

// columns are as wide as what is in them, in a box with so much room.
func (s *switches) columns(inner int) ([]table.Column, []int) {
	rows := make([][]table.Cell, len(s.all.List))
	for i := range rows {
		rows[i] = s.cells(i, s.grouped)
	}
	cols := table.ByContent([]table.Column{{Title: "setting", Min: 12}, {Title: "now", Min: 3}, {Title: "at boot", Min: 7}, {Title: "name", Min: 20, Order: 1}}, rows)
	return cols, table.Widths(cols, inner-2)
}

// groups is how many groups the switches have.
func (s *switches) groups() (n int) {
	for i := range s.all.List {
		if i == 0 || s.all.List[i].Group != s.all.List[i-1].Group {
			n++
		}
	}
	return n
}

func (s *switches) row(i int, grouped bool, cols []table.Column, widths []int) string {
	bar, over := "  ", (*theme.Style)(nil)
	if i == s.cursor.Index() {
		bar, over = s.look.Accent.Render(s.look.Glyphs.Bar)+s.look.Cursor.Render(" "), &s.look.Cursor
	}
	cells := s.cells(i, grouped)
	for _, col := range []int{0, switchColName} { // by their ends they are told apart
		cells[col].Text = text.Tail(cells[col].Text, widths[col])
	}
	return bar + table.Line(cols, widths, cells, over)
}

// switchColName is where a switch's name stands.
const switchColName = 3

// cells are the values of a switch's row.
func (s *switches) cells(i int, grouped bool) []table.Cell {
	x := &s.all.List[i]
	boot, style := s.look.Glyphs.None, s.look.Faint
	if x.Boot != "" {
		boot = x.Word(x.Boot)
		if x.Boot != x.Now {
			style = s.look.Attention
		}
	}
	label := strings.Replace(x.Short, "all interfaces", "(all)", 1)
	switch {
	case grouped:
		label = x.Short
	case strings.Contains(x.Name, "rp_filter"):
		label = "reverse path filter " + label
	case strings.Contains(x.Name, "route_localnet"):
		label = "route to 127.0.0.0/8 " + label
	case strings.Contains(x.Name, "forward"):
		label = "forward " + label
	}
	return []table.Cell{
		{Text: text.Safe(label), Style: s.look.Text}, {Text: x.Word(x.Now), Style: s.valueStyle(x)}, {Text: boot, Style: style}, switchColName: {Text: text.Safe(x.Name), Style: s.look.Faint},
	}
}

// valueStyle shows a switch without which nothing passes, and that is off.
func (s *switches) valueStyle(x *doctor.Switch) theme.Style {
	switch {
	case x.Link == "" && strings.Contains(x.Name, "forward") && x.Now == "0" && len(x.Depends) > 0:
		return s.look.Broken
	case x.Now == "1" && len(x.Values()) == 2:
		return s.look.Good
	}
	return s.look.Strong
}

// foot tells about the switch under the cursor.
func (s *switches) foot(width, height int) []string {
	x, ok := s.current()
	if !ok {
		return nil
	}
	room := max(2, min(7, height/3-2))
	lines := []string{s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, width))}
	add := func(style theme.Style, line string) {
		for _, l := range text.Wrap(text.Safe(line), width, 0) {
			if len(lines) <= room {
				lines = append(lines, style.Render(l))
			}
		}
	}
	if s.typing {
		lines = append(lines, s.look.Faint.Render("new number  ")+s.input.draw(s.desk, max(10, width-len(x.Short)-14), "a number"))
	}
	if s.refused != "" {
		add(s.look.Broken, s.refused)
	}
	if _, widths := s.columns(width); widths[switchColName] < text.Width(text.Safe(x.Name)) {
		add(s.look.Strong, x.Name)
	}
	add(s.look.Text, x.Purpose)
	if x.Fixed != "" {
		add(s.look.Attention, upper(x.Fixed)+".")
	}
	for _, d := range x.Depends {
		add(s.look.Faint, upper(d)+".")
	}
	switch {
	case x.BootFile != "":
		add(s.look.Faint, "At boot "+x.BootFile+" sets it to "+x.Word(x.Boot)+".")
	case s.read && s.boot == nil:
		add(s.look.Faint, "What files set at boot is not known here.")
	case s.read:
		add(s.look.Faint, "No file sets it at boot.")
	}
	if s.now {
		add(s.look.Attention, "Changes apply now only, not at boot (press b).")
	}
	for len(lines) <= room {
		lines = append(lines, "")
	}
	return lines
}
