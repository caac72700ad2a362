package ui

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"

	"nattui/rules"
	"nattui/rules/nft"
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

// chainRow is a chain of iptables, or a native one.
type chainRow struct {
	table, chain string
	native       nativeChain
}

func (s *rulesScreen) openChains() {
	c := &chainChoice{desk: s.desk, screen: s}
	if s.set() != nil {
		for _, t := range []string{"nat", "filter", "mangle", "raw", "security"} {
			if tab, ok := s.set().Table(t); ok {
				for i := range tab.Chains {
					c.rows = append(c.rows, chainRow{table: t, chain: tab.Chains[i].Name})
				}
			}
		}
	}
	c.rows = append(c.rows, s.nativeRows()...)
	if len(c.rows) == 0 {
		s.say("there are no chains yet: the first rule creates them")
		return
	}
	at := chainRow{table: s.table, chain: s.pane().chain}
	if s.native.name != "" {
		at = rowOf(s.native)
	}
	c.cursor.Seek(at)
	c.cursor.Follow(len(c.rows), c.key)
	s.desk.open(c)
}

func rowOf(n nativeChain) chainRow {
	return chainRow{table: n.family.String() + " " + n.table, chain: n.name, native: n}
}

// nativeRows are the chains that iptables does not show: those that the kernel calls first, by table.
func (s *rulesScreen) nativeRows() (rows []chainRow) {
	if s.tables.Native == nil {
		return nil
	}
	for _, t := range s.tables.Native.Tables {
		if nft.Shown(t, s.tables.Sets) || !t.Meets(s.variant.Family) && t.Family != nft.Bridge && t.Family != nft.ARP {
			continue
		}
		for _, base := range []bool{true, false} {
			for _, c := range t.Chains {
				if c.IsBase() == base {
					rows = append(rows, rowOf(nativeChain{t.Family, t.Name, c.Name}))
				}
			}
		}
	}
	return rows
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
	s.table, s.only, s.native = r.table, r.chain, r.native
	if r.table == "nat" && (r.chain == "PREROUTING" || r.chain == "POSTROUTING") {
		s.only = ""
	}
	s.arrange()
	if r.chain == "POSTROUTING" && s.only == "" {
		s.active = 1
	}
}

func (c *chainChoice) room() int { return max(3, min(len(c.rows), c.boxHeight()-4)) }

// View draws the list.
func (c *chainChoice) View(width, _ int) string {
	w := min(78, width-2)
	cols := []table.Column{
		{Title: "table", Min: 6, Want: c.tableWidth()},
		{Title: "chain", Min: 12, Want: 24, Grow: 1},
		{Title: "hook", Min: 6, Want: 18, Order: 2},
		{Title: "rules", Min: 5, Want: 5, Right: true},
		{Title: "owner", Min: 6, Want: 8, Order: 1},
	}
	widths := table.Widths(cols, w-6)
	lines := []string{"  " + table.Head(cols, widths, c.look.Faint)}
	from, to := c.cursor.Window(len(c.rows), c.room())
	for i := from; i < to; i++ {
		bar, over := "  ", (*lipgloss.Style)(nil)
		if i == c.cursor.Index() {
			over = &c.look.Cursor
			bar = c.look.Accent.Render(c.look.Glyphs.Bar) + over.Render(" ")
		}
		lines = append(lines, bar+table.Line(cols, widths, c.cells(c.rows[i]), over))
	}
	return box(c.desk, "Chains", lines, w)
}

// tableWidth is the width of the longest table's name.
func (c *chainChoice) tableWidth() int {
	width := 6
	for _, r := range c.rows {
		width = max(width, lipgloss.Width(r.table))
	}
	return min(width, 22)
}

// cells are the values of a chain's row.
func (c *chainChoice) cells(r chainRow) []table.Cell {
	hook, drops, n, owner := "", false, 0, rules.ChainOwner(r.chain)
	if r.native.name != "" {
		if t := c.tables.Native.Table(r.native.family.String(), r.native.table); t != nil && t.Chain(r.native.name) != nil {
			chain := t.Chain(r.native.name)
			n, owner = len(chain.Rules), chain.Owner()
			if chain.IsBase() {
				hook, drops = fmt.Sprintf("%s %d", chain.Hook, chain.Priority), chain.Policy.Code == nft.Drop
			}
		}
	} else if ch, _ := c.set().Chain(r.table, r.chain); ch != nil {
		n = len(ch.Rules)
		if ch.BuiltIn() {
			hook, drops = strings.ToLower(r.chain), ch.Policy == "DROP"
		}
	}
	style := c.look.Faint
	if drops {
		hook, style = hook+", drops", c.look.Attention
	}
	return []table.Cell{
		{Text: text.Safe(r.table), Style: c.look.Faint},
		{Text: text.Safe(r.chain), Style: c.look.Text},
		{Text: hook, Style: style},
		{Text: fmt.Sprint(n), Style: c.look.Text},
		{Text: owner, Style: c.look.Faint},
	}
}
