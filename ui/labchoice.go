package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/mission"
	"nattui/ui/table"
	"nattui/ui/text"
)

// labChoice lists the missions and the scenarios, to go to another.
type labChoice struct {
	*desk
	list   []labPlace
	cursor table.Cursor[string]
	room   int
}

// labPlace is a mission or a scenario; head stands above the first of each.
type labPlace struct {
	mission, scenario string
	name, title, head string
}

func newLabChoice(d *desk) *labChoice {
	c := &labChoice{desk: d}
	for _, m := range mission.Missions() {
		c.list = append(c.list, labPlace{mission: m.Name, name: m.Name, title: m.Title})
	}
	c.list[0].head = "missions, each with a goal"
	first := len(c.list)
	if d.gw.Lab != nil {
		names, summaries := d.gw.Lab.Scenarios()
		for i := range names {
			c.list = append(c.list, labPlace{scenario: names[i], name: names[i], title: summaries[i]})
		}
	}
	if len(c.list) > first {
		c.list[first].head = "scenarios, to look around in"
	}
	return c
}

func (c *labChoice) key(i int) string { return c.list[i].mission + " " + c.list[i].scenario }

func (c *labChoice) move(by int) { c.cursor.Go(c.cursor.Index()+by, len(c.list), c.key) }

// Wheel moves.
func (c *labChoice) Wheel(by int) { c.move(by / 3) }

// Actions choose.
func (c *labChoice) Actions() keyTable {
	close := c.closing(c)
	return keyTable{on(bind("enter", "begin it", "enter"), c.begin)}.and(scrolling(func() int { return c.room }, c.move), keyTable{
		act(keys.Close, close), act(hidden(keys.Quit), close),
	})
}

func (c *labChoice) begin() tea.Cmd {
	at := c.list[c.cursor.Index()]
	cmd := c.moveTo(at.scenario, at.mission)
	c.close(c)
	return cmd
}

// Settle keeps the cursor in sight.
func (c *labChoice) Settle() tea.Cmd {
	c.room = boxRoom(c.boxHeight()) - 4
	if anyCut(c.titles(), c.titleWidth(c.width)) && c.room > 3+labTold {
		c.room -= labTold
	}
	c.room = max(3, c.room)
	c.cursor.Follow(len(c.list), c.key)
	c.cursor.Settle(len(c.list), c.room)
	return nil
}

// View draws the box.
func (c *labChoice) View(width, _ int) string {
	w := labChoiceWidth(width)
	inner := w - 4
	from, to := c.cursor.Window(len(c.list), c.room)
	lines := []string{c.look.Faint.Render(text.Fit("The lab begins anew: what was changed in this one is gone.", inner))}
	for i := from; i < to; i++ {
		at := c.list[i]
		if at.head != "" || i == from {
			lines = append(lines, c.heading(i, inner))
		}
		bar, style := "  ", c.look.Text
		if i == c.cursor.Index() {
			bar, style = c.look.Accent.Render(c.look.Glyphs.Bar)+" ", c.look.Strong
		}
		mark := " "
		if at.mission != "" && c.bench.progress[at.mission].Done {
			mark = c.look.Good.Render(c.look.Glyphs.Tick)
		}
		lines = append(lines, text.Fit(bar+mark+" "+style.Render(text.Pad(at.name, nameWidth, false))+c.look.Faint.Render(at.title), inner))
	}
	if anyCut(c.titles(), c.titleWidth(width)) {
		lines = append(lines, c.toldLines(inner)...)
	}
	title := "Another lab"
	if to-from < len(c.list) {
		title += fmt.Sprintf(" (%d-%d of %d)", from+1, to, len(c.list))
	}
	return box(c.desk, title, lines, w)
}

// labTold is how many lines tell what the list has cut: a rule and a sentence.
const labTold = 4

// toldLines tell the whole of what is under the cursor.
func (c *labChoice) toldLines(width int) []string {
	if boxRoom(c.boxHeight())-4 <= 3+labTold {
		return nil
	}
	lines := []string{c.look.Line.Render(strings.Repeat(c.look.Glyphs.Rule, width))}
	for _, l := range text.Wrap(c.list[c.cursor.Index()].title, width, labTold-1) {
		lines = append(lines, c.look.Text.Render(l))
	}
	for len(lines) < labTold {
		lines = append(lines, "")
	}
	return lines
}

func labChoiceWidth(width int) int { return min(100, width-2) }

// nameWidth is how wide the names of missions and scenarios are.
const nameWidth = 13

// titleWidth is how wide a title may be in the list.
func (c *labChoice) titleWidth(width int) int { return labChoiceWidth(width) - 4 - 4 - nameWidth }

func (c *labChoice) titles() []string {
	titles := make([]string, len(c.list))
	for i := range c.list {
		titles[i] = c.list[i].title
	}
	return titles
}

// heading names the part of the list that a row belongs to.
func (c *labChoice) heading(row, width int) string {
	head := ""
	for _, at := range c.list[:row+1] {
		if at.head != "" {
			head = at.head
		}
	}
	return c.look.Faint.Render(head + " " + strings.Repeat(c.look.Glyphs.Rule, max(0, width-1-text.Width(head))))
}
