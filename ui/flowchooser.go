package ui

import (
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
	"nattui/ui/table"
	"nattui/ui/text"
)

// flowChooser chooses the columns of Flows, their order, and what the list is sorted by. What is chosen
// acts at once.
type flowChooser struct {
	*desk
	screen *flowsScreen
	names  []string // all columns, those that are shown first
	shown  int      // how many are shown
	cursor table.Cursor[string]
}

// keyColumns opens the chooser.
var keyColumns = bind("o", "columns and order", "o")

func newFlowChooser(s *flowsScreen) *flowChooser {
	c := &flowChooser{desk: s.desk, screen: s, names: slices.Clone(flowColumnNames), shown: len(flowColumnNames)}
	if chosen := s.settings.Columns; len(chosen) > 0 {
		c.names, c.shown = slices.Clone(chosen), len(chosen)
		for _, name := range flowColumnNames {
			if !slices.Contains(chosen, name) {
				c.names = append(c.names, name)
			}
		}
	}
	c.cursor.Follow(len(c.names), c.key)
	return c
}

func (c *flowChooser) key(i int) string { return c.names[i] }

func (c *flowChooser) move(by int) { c.cursor.Go(c.cursor.Index()+by, len(c.names), c.key) }

func (c *flowChooser) room() int { return max(1, min(len(c.names), c.boxHeight()-3)) }

// Settle keeps the cursor in sight.
func (c *flowChooser) Settle() tea.Cmd {
	c.cursor.Settle(len(c.names), c.room())
	return nil
}

// Actions choose, move and sort.
func (c *flowChooser) Actions() keyTable {
	close := c.closing(c)
	return keyTable{
		on(bind("enter", "sort by it", "enter"), c.sort),
		act(bind("space", "show or hide", "space", "x"), c.turn),
		act(bind("J/K", "move it", "K"), func() { c.shift(-1) }), act(silent("J"), func() { c.shift(1) }),
		act(bind("D", "the usual ones", "D"), c.usual),
	}.and(scrolling(c.room, c.move), keyTable{act(keys.Close, close), act(hidden(keys.Quit), close), act(hidden(keyColumns), close)})
}

// turn shows the column under the cursor behind the others, or hides it; one is always shown.
func (c *flowChooser) turn() {
	i := c.cursor.Index()
	name := c.names[i]
	switch {
	case i >= c.shown:
		c.names = slices.Insert(slices.Delete(c.names, i, i+1), c.shown, name)
		c.shown++
	case c.shown > 1:
		c.shown--
		c.names = slices.Insert(slices.Delete(c.names, i, i+1), c.shown, name)
	default:
		c.say("one column has to stay")
	}
	c.take()
	c.cursor.Go(i, len(c.names), c.key) // the next one is at hand
}

// shift moves the column under the cursor among those that are shown.
func (c *flowChooser) shift(by int) {
	i := c.cursor.Index()
	to := i + by
	if i >= c.shown || to < 0 || to >= c.shown {
		return
	}
	c.names[i], c.names[to] = c.names[to], c.names[i]
	c.take()
}

// usual shows the usual columns.
func (c *flowChooser) usual() {
	c.names, c.shown = slices.Clone(flowColumnNames), len(flowColumnNames)
	c.take()
}

// take has the screen show what is chosen.
func (c *flowChooser) take() {
	c.screen.settings.Columns = nil
	if !slices.Equal(c.names[:c.shown], flowColumnNames) {
		c.screen.settings.Columns = slices.Clone(c.names[:c.shown])
	}
	c.screen.list.widths = nil
	c.cursor.Follow(len(c.names), c.key)
}

// sort sorts by the column under the cursor, and the other way round where it does already.
func (c *flowChooser) sort() tea.Cmd {
	by, ok := columnOf(c.names[c.cursor.Index()])
	if !ok {
		return nil
	}
	s := c.screen
	return s.sortBy(by, s.sort.By == by && !s.sort.Descending || s.sort.By != by && largestFirst(by))
}

// columnOf is what a column of the list is sorted by.
func columnOf(name string) (flow.Column, bool) {
	for _, by := range sortColumns {
		if by != flow.ColumnNAT && flowColumnNames[sortColumnOf[by]] == name {
			return by, true
		}
	}
	return 0, false
}

// Copied is the line of the settings that chooses these columns for good.
func (c *flowChooser) Copied() (what, content string) {
	quoted := make([]string, c.shown)
	for i, name := range c.names[:c.shown] {
		quoted[i] = strconv.Quote(name)
	}
	return "setting", "[columns]\nflows = [" + strings.Join(quoted, ", ") + "]"
}

// SearchLines are the names.
func (c *flowChooser) SearchLines() []string { return c.names }

// SearchAt is the column under the cursor.
func (c *flowChooser) SearchAt() int { return c.cursor.Index() }

// SearchTo goes to a column.
func (c *flowChooser) SearchTo(row int) tea.Cmd {
	c.move(row - c.cursor.Index())
	return nil
}

// Click goes to a column, and shows or hides the one that the cursor is on.
func (c *flowChooser) Click(_, y int) tea.Cmd {
	from, to := c.cursor.Window(len(c.names), c.room())
	switch row := from + y - 1; {
	case y < 1 || row >= to:
	case row == c.cursor.Index():
		c.turn()
	default:
		c.move(row - c.cursor.Index())
	}
	return nil
}

// View draws the columns, with a sign at those that are shown and at the one that sorts.
func (c *flowChooser) View(width, _ int) string {
	look, g := c.look, c.look.Glyphs
	w := min(52, width-2)
	var lines []string
	from, to := c.cursor.Window(len(c.names), c.room())
	for i := from; i < to; i++ {
		bar, mark, style := "  ", "[ ] ", look.Faint
		if i < c.shown {
			mark, style = "["+g.Tick+"] ", look.Text
		}
		if i == c.cursor.Index() {
			bar = look.Accent.Render(g.Bar) + " "
		}
		line := bar + style.Render(mark+text.Pad(c.names[i], 12, false))
		if by, ok := columnOf(c.names[i]); ok && by == c.screen.sort.By {
			line += look.Accent.Render(map[bool]string{true: g.Down + " largest first", false: g.Up + " smallest first"}[c.screen.sort.Descending])
		}
		lines = append(lines, text.Fit(line, w-4))
	}
	lines = append(lines, look.Faint.Render(text.Fit("for good: y copies the line for config.toml", w-4)))
	return box(c.desk, "Columns and order", lines, w)
}
