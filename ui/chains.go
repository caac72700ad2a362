package ui

import (
	"fmt"

	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
)

// chainChoice lists every chain of every table, to look at one.
type chainChoice struct {
	*desk
	screen *rulesScreen
	rows   []chainRow
	cursor table.Cursor[chainRow]
}

type chainRow struct{ table, chain string }

func (s *rulesScreen) openChains() {
	c := &chainChoice{desk: s.desk, screen: s}
	if s.set() == nil {
		return
	}
	for _, t := range []string{"nat", "filter", "mangle", "raw", "security"} {
		if tab, ok := s.set().Table(t); ok {
			for i := range tab.Chains {
				c.rows = append(c.rows, chainRow{t, tab.Chains[i].Name})
			}
		}
	}
	if len(c.rows) == 0 {
		s.say("there are no chains yet: the first rule creates them")
		return
	}
	c.cursor.Seek(chainRow{s.table, s.pane().chain})
	c.cursor.Follow(len(c.rows), c.key)
	s.desk.open(c)
}

func (c *chainChoice) key(i int) chainRow { return c.rows[i] }

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
	s.table, s.only = r.table, r.chain
	if r.table == "nat" && (r.chain == "PREROUTING" || r.chain == "POSTROUTING") {
		s.only = ""
	}
	s.arrange()
	if r.chain == "POSTROUTING" && s.only == "" {
		s.active = 1
	}
}

func (c *chainChoice) room() int { return max(3, min(len(c.rows), c.desk.height-6)) }

// View draws the list.
func (c *chainChoice) View(width, _ int) string {
	w := min(64, width-2)
	cols := []table.Column{{Title: "table", Min: 6, Want: 8}, {Title: "chain", Min: 12, Want: 28, Grow: 1}, {Title: "rules", Min: 5, Want: 6, Right: true}, {Title: "owner", Min: 6, Want: 10, Order: 1}}
	widths := table.Widths(cols, w-6)
	lines := []string{"  " + table.Head(cols, widths, c.look.Faint)}
	from, to := c.cursor.Window(len(c.rows), c.room())
	for i := from; i < to; i++ {
		r := c.rows[i]
		ch, _ := c.set().Chain(r.table, r.chain)
		n := 0
		if ch != nil {
			n = len(ch.Rules)
		}
		bar, over := "  ", c.look.Cursor
		cells := []table.Cell{{Text: r.table, Style: c.look.Faint}, {Text: text.Safe(r.chain), Style: c.look.Text}, {Text: fmt.Sprint(n), Style: c.look.Text}, {Text: rules.ChainOwner(r.chain), Style: c.look.Faint}}
		if i == c.cursor.Index() {
			bar = c.look.Accent.Render(c.look.Glyphs.Bar) + over.Render(" ")
			lines = append(lines, bar+table.Line(cols, widths, cells, &over))
			continue
		}
		lines = append(lines, bar+table.Line(cols, widths, cells, nil))
	}
	return box(c.desk, "Chains", lines, w)
}
