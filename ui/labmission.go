package ui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/mission"
	"nattui/rules"
	"nattui/ui/theme"
)

// missionBox tells what a mission of the lab is for, how far one is, gives hints on demand, and explains at the end.
type missionBox struct {
	*desk
	mission mission.Mission
	reading
	asked bool // a hint was asked for
	hints int  // how many there were then
}

func newMissionBox(d *desk, m mission.Mission) *missionBox { return &missionBox{desk: d, mission: m} }

// keyCheck tries the goal, keyHint gives a hint.
var (
	keyCheck = bind("c", "check the goal", "c")
	keyHint  = bind("h", "a hint", "h")
)

func (b *missionBox) far() mission.Progress { return b.bench.progress[b.mission.Name] }

// Actions check, help, and go on.
func (b *missionBox) Actions() keyTable {
	close := b.closing(b)
	return keyTable{
		on(keyCheck, b.check).when(func() bool { return !b.bench.checking }).otherwise(b.saying("the goal is being checked")),
		on(keyHint, b.hint).when(func() bool { return b.far().Hints < len(b.mission.Hints) }).otherwise(b.saying("there are no more hints")),
		on(bind("n", "next mission", "n"), b.next).when(func() bool { return b.far().Done }).otherwise(b.saying("the goal is not reached yet: " + keyCheck.Help().Key + " checks it")),
		on(bind("L", "the map", "L"), b.toMap),
		act(bind("esc", "close", "esc", "enter", "q", "ctrl+c"), close),
	}.and(b.reading.keys())
}

// check tries the goal with real packets, beside Update.
func (b *missionBox) check() tea.Cmd {
	lab, ctx := b.gw.Lab, b.ctx
	b.bench.checking = true
	return func() tea.Msg {
		p, err := lab.Check(ctx)
		return checkedMsg{p, err}
	}
}

func (b *missionBox) hint() tea.Cmd {
	lab := b.gw.Lab
	b.asked, b.hints = true, b.far().Hints
	return func() tea.Msg {
		p, err := lab.Hint()
		return checkedMsg{p, err}
	}
}

func (b *missionBox) toMap() tea.Cmd {
	b.close(b)
	b.open(newLabMap(b.desk))
	return b.survey()
}

func (b *missionBox) next() tea.Cmd {
	m, ok := mission.After(b.mission.Name)
	if !ok {
		b.close(b)
		b.open(newLabChoice(b.desk))
		b.sayDone(b.afterLast())
		return nil
	}
	return b.moveTo("", m.Name)
}

// afterLast says, after the last mission, how many of all are done.
func (b *missionBox) afterLast() string {
	left := 0
	for _, m := range mission.Missions() {
		if !b.bench.progress[m.Name].Done {
			left++
		}
	}
	if left == 0 {
		return "that was the last mission: all of them are done"
	}
	return "that was the last mission; " + rules.Plural(left, "earlier one") + " not done yet"
}

// moveTo leaves the screens for another lab.
func (d *desk) moveTo(scenario, name string) tea.Cmd {
	if d.pending != nil {
		d.refuse("a change waits to be confirmed: C keeps it, R rolls it back")
		return nil
	}
	if err := d.gw.Lab.Move(scenario, name); err != nil {
		d.fail(err)
		return nil
	}
	return func() tea.Msg { return elsewhereMsg{} }
}

// Settle fits the text to the terminal.
func (b *missionBox) Settle() tea.Cmd {
	b.fit(b.told(min(84, b.desk.width-2)-4), boxRoom(b.boxHeight()))
	if b.asked && b.far().Hints > b.hints {
		b.asked = false
		b.Wheel(far) // the newest is the last
	}
	return nil
}

// View draws the box.
func (b *missionBox) View(width, _ int) string {
	return box(b.desk, b.under("Mission: "+b.mission.Title, min(84, width-2)), b.seen(), min(84, width-2))
}

func (b *missionBox) told(width int) []string {
	var lines []string
	add := func(style theme.Style, words string) {
		lines = append(lines, wrapped("", "", words, style, width)...)
	}
	p := b.far()
	add(b.look.Text, b.mission.Goal)
	lines = append(lines, "")
	switch {
	case b.bench.refused != "":
		add(b.look.Broken, b.bench.refused)
	case b.bench.checking:
		add(b.look.Attention, "sending the packets that show it…")
	case p.Done && p.Reached():
		add(b.look.Good.Bold(true), "The goal was reached"+b.checked(p.At)+"; "+keyCheck.Help().Key+" checks again.")
	case len(p.Steps) > 0:
		add(b.look.Attention, "Not reached yet, as the packets showed"+b.checked(p.At)+"; "+keyCheck.Help().Key+" checks again:")
	default:
		add(b.look.Faint, "c sends the packets that show whether it is reached. Close this box and work as you like: any solution counts. L brings the map, and m there this box again.")
	}
	for _, s := range p.Steps {
		lines = append(lines, b.stepLines(s, width)...)
	}
	if p.Done {
		lines = append(lines, "")
		add(b.look.Text, b.mission.Lesson)
	}
	if p.Hints > 0 {
		lines = append(lines, "", b.look.Faint.Render(fmt.Sprintf("hints, %d of %d", p.Hints, len(b.mission.Hints))))
		for i := range min(p.Hints, len(b.mission.Hints)) {
			lines = append(lines, wrapped(b.look.Accent.Render(fmt.Sprint(i+1))+" ", "  ", b.mission.Hints[i], b.look.Text, width)...)
		}
	}
	return lines
}

// checked is when the goal was checked last, as a part of a sentence: rules may have changed since.
func (b *missionBox) checked(at time.Time) string {
	switch at = at.In(b.now.Location()); {
	case at.IsZero():
		return ""
	case at.Format(time.DateOnly) != b.now.Format(time.DateOnly):
		return " at " + at.Format(time.DateTime)
	}
	return " at " + at.Format(time.TimeOnly)
}

func (b *missionBox) stepLines(s mission.Step, width int) []string {
	mark, style := b.look.Broken.Render(b.look.Glyphs.Cross), b.look.Text
	if s.OK {
		mark = b.look.Good.Render(b.look.Glyphs.Tick)
	}
	lines := wrapped(mark+" ", "  ", s.Want, style, width)
	return append(lines, wrapped("  ", "  ", s.Saw, b.look.Faint, width)...)
}
