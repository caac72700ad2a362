package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// chainChoice lists every chain of every table, to look at one.
type chainChoice struct {
	*desk
	screen *rulesScreen
	rows   []chainRow
	cols   []table.Column
	cursor table.Cursor[chainKey]

	// The rows are the chains of these.
	set *rules.Ruleset
	nft *nft.Ruleset
}

func (s *rulesScreen) openChains() {
	c := &chainChoice{desk: s.desk, screen: s}
	c.read()
	if len(c.rows) == 0 {
		s.say("there are no chains yet: the first rule creates them")
		return
	}
	at := chainKey{table: s.table, chain: s.pane().chain}
	if s.native.name != "" {
		at = keyOfNative(s.native)
	}
	c.cursor.Seek(at)
	c.cursor.Follow(len(c.rows), c.key)
	s.desk.open(c)
}

// read lists the chains anew where the tables are not those of the last time.
func (c *chainChoice) read() {
	if c.rows == nil || c.set != c.desk.set() || c.nft != c.desk.tables.Native {
		c.set, c.nft = c.desk.set(), c.desk.tables.Native
		c.rows = c.screen.chainRows()
		c.cols = c.columns()
	}
}

func (c *chainChoice) key(i int) chainKey { return c.rows[i].chainKey }

// Actions move and choose.
func (c *chainChoice) Actions() keyTable {
	moves := scrolling(c.room, c.move).show(2)
	return keyTable{act(bind("enter", "show it", "enter"), c.choose)}.and(moves, keyTable{
		act(keys.Close, c.closing(c)), act(hidden(keys.Quit), c.closing(c)), act(hidden(keys.Chains), c.closing(c)),
	})
}

func (c *chainChoice) move(by int) {
	c.cursor.Go(c.cursor.Index()+by, len(c.rows), c.key)
	c.cursor.Settle(len(c.rows), c.room())
}

// choose has the screen show the chain under the cursor.
func (c *chainChoice) choose() {
	r := c.rows[c.cursor.Index()]
	c.close(c)
	s := c.screen
	s.table, s.only, s.native = r.table, r.chain, r.native
	if r.table == "nat" && (r.chain == "PREROUTING" || r.chain == "POSTROUTING") {
		s.only = ""
	}
	s.arrange()
	if r.chain == "POSTROUTING" && s.only == "" {
		s.active = 1
	}
}

func (c *chainChoice) room() int { return max(3, min(len(c.rows), c.boxHeight()-3)) }

// Settle keeps the rows current and the cursor in sight.
func (c *chainChoice) Settle() tea.Cmd {
	c.read()
	c.cursor.Follow(len(c.rows), c.key)
	c.cursor.Settle(len(c.rows), c.room())
	return nil
}

// View draws the list.
func (c *chainChoice) View(width, _ int) string {
	w := min(110, width-2)
	widths := table.Widths(c.cols, w-6)
	lines := []string{"  " + table.Head(c.cols, widths, c.look.Faint)}
	from, to := c.cursor.Window(len(c.rows), c.room())
	for i := from; i < to; i++ {
		bar, over := "  ", (*theme.Style)(nil)
		if i == c.cursor.Index() {
			over = &c.look.Cursor
			bar = c.look.Accent.Render(c.look.Glyphs.Bar) + over.Render(" ")
		}
		lines = append(lines, bar+table.Line(c.cols, widths, c.row(&c.rows[i], widths), over))
	}
	return box(c.desk, fmt.Sprintf("Chains %s %d of %d", c.look.Glyphs.Dot, c.cursor.Index()+1, len(c.rows)), lines, w)
}

// columns are as wide as what stands in them; what nothing stands in is left out. A hook is whole or not there.
func (c *chainChoice) columns() []table.Column {
	rows := make([][]table.Cell, len(c.rows))
	counted, hook := false, 6
	for i := range c.rows {
		rows[i] = c.cells(&c.rows[i])
		counted = counted || strings.Contains(rows[i][chainColPolicy].Text, " ")
		hook = max(hook, text.Width(rows[i][chainColHook].Text))
	}
	cols := []table.Column{
		{Title: "table", Min: 6, Want: 28},
		{Title: "chain", Min: 11, Want: 40},
		chainColHook:   {Title: "hook", Min: hook, Order: 1},
		chainColPolicy: {Title: "policy, pkts", Min: 6},
		{Title: "rules", Min: 5, Right: true, Order: 4},
		{Title: "entered", Min: 7, Right: true, Order: 3},
		{Title: "owner", Min: 5, Want: 28, Order: 2},
	}
	if !counted || c.desk.width < 60 {
		cols[chainColPolicy].Title = "policy"
	}
	return table.ByContent(cols, rows)
}

// Where the hook and the policy of a chain stand.
const (
	chainColHook   = 2
	chainColPolicy = 3
)

// row is a chain's row: a policy without its packets where there is no room for both.
func (c *chainChoice) row(r *chainRow, widths []int) []table.Cell {
	cells := c.cells(r)
	if policy := &cells[chainColPolicy].Text; text.Width(*policy) > widths[chainColPolicy] {
		*policy, _, _ = strings.Cut(*policy, " ")
	}
	return cells
}

// cells are the values of a chain's row.
func (c *chainChoice) cells(r *chainRow) []table.Cell {
	policy, drops := r.policy()
	style, entered := c.look.Faint, ""
	if drops {
		style = c.look.Attention
	}
	if r.counted && !r.stray {
		entered = text.Count(r.entered)
	}
	return []table.Cell{
		{Text: text.Safe(r.table), Style: c.look.Faint},
		{Text: strings.Repeat("  ", r.depth) + text.Safe(r.chain), Style: c.look.Text},
		{Text: r.hook(c.variant.Backend), Style: c.look.Faint},
		{Text: policy, Style: style},
		{Text: fmt.Sprint(r.rules()), Style: c.look.Text},
		{Text: entered, Style: c.look.Faint},
		{Text: r.owner(), Style: c.look.Faint},
	}
}
