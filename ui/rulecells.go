package ui

import (
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// numberCell is the position of a rule, marked where no packet reaches the rule: beside the number, as before a condition
// the mark would be taken for iptables' not.
func (s *rulesScreen) numberCell(it ruleItem) (cell table.Cell, dead bool) {
	if _, dead = s.deadAt(it); dead {
		return table.Cell{Text: "!" + strconv.Itoa(it.at), Style: s.look.Attention}, true
	}
	return table.Cell{Text: strconv.Itoa(it.at), Style: s.look.Faint}, false
}

// flowsCell is how many connections of now a rule has made.
func (s *rulesScreen) flowsCell(n int) table.Cell {
	if n > 0 {
		return table.Cell{Text: text.Count(uint64(n)), Style: s.look.Good}
	}
	return table.Cell{Text: text.Count(uint64(n)), Style: s.look.Faint}
}

// cells are the values of a rule's row. An owner that has no column stands behind
// the chain that is jumped to.
func (s *rulesScreen) cells(r *rules.Rule, it ruleItem) []table.Cell {
	look := s.look
	indent := strings.Repeat("  ", it.depth)
	matchStyle := look.Text
	if r.Target.Kind == rules.NoTarget || r.Unparseable() != nil {
		matchStyle = look.Faint
	}
	match := text.Safe(r.MatchText())
	if n, ok := s.noteOf(s.table, r); ok && !n.Expires.IsZero() {
		match = text.Duration(n.Expires.Sub(s.now)) + " left: " + match
	}
	number, dead := s.numberCell(it)
	if dead {
		matchStyle = look.Attention
	}
	owner := rules.OwnerOf(*r)
	becomes, style := s.becomes(r)
	if owner != "" && !s.ownerShown && jumps(r) {
		becomes += "  " + owner
	}
	cells := []table.Cell{
		number,
		{Text: indent + match, Style: matchStyle},
		{Text: becomes, Style: style},
		{Text: text.Unknown, Style: look.Faint},
		{Text: text.Unknown, Style: look.Faint},
		{Text: text.Unknown, Style: look.Faint},
		{Text: text.Unknown, Style: look.Faint},
		{Text: owner, Style: look.Faint},
		{Text: text.Safe(r.Comment()), Style: look.Faint},
		{Text: s.rates.graph(it.key, graphCells), Style: look.Accent},
	}
	if r.Counters.Known {
		numbers := look.Text
		if r.Counters.Packets == 0 {
			numbers = look.Faint
		}
		cells[ruleColPackets] = table.Cell{Text: text.Count(r.Counters.Packets), Style: numbers}
		cells[ruleColBytes] = table.Cell{Text: text.Count(r.Counters.Bytes), Style: numbers}
	}
	if rate, ok := s.packetRate(it.variant, s.table, it.chain, it.at); ok {
		style := look.Text
		if rate == 0 {
			style = look.Faint
		}
		cells[ruleColRate] = table.Cell{Text: text.Rate(rate), Style: style}
	}
	if n, ok := s.ruleFlows(it); ok {
		cells[ruleColFlows] = s.flowsCell(n)
	}
	for i := range cells {
		if cells[i].Text == text.Unknown {
			cells[i].Text = look.Glyphs.None
		}
	}
	return cells
}

// parkedCells are the values of a parked rule's row.
func (s *rulesScreen) parkedCells(it ruleItem) []table.Cell {
	if n := it.parked.Native; n != nil {
		cells := make([]table.Cell, ruleColumns)
		cells[ruleColNumber].Text = s.look.Glyphs.None
		cells[ruleColMatch].Text = strings.Repeat("  ", it.depth) + "parked: " + text.Safe(n.Text)
		for i := range cells {
			cells[i].Style = s.look.Faint
		}
		return cells
	}
	r := &it.parked.Return.Rule
	becomes, _ := s.becomes(r)
	cells := []table.Cell{
		{Text: s.look.Glyphs.None},
		{Text: strings.Repeat("  ", it.depth) + "parked: " + text.Safe(r.MatchText())},
		{Text: becomes},
		{},
		{},
		{},
		{},
		{Text: rules.OwnerOf(*r)},
		{Text: text.Safe(r.Comment())},
		{},
	}
	if r.Counters.Known {
		cells[ruleColPackets].Text, cells[ruleColBytes].Text = text.Count(r.Counters.Packets), text.Count(r.Counters.Bytes)
	}
	for i := range cells {
		cells[i].Style = s.look.Faint
	}
	return cells
}

// becomes is the translation of a rule with the sign and colour of its kind.
func (s *rulesScreen) becomes(r *rules.Rule) (string, theme.Style) {
	g, look := s.look.Glyphs, s.look
	what := text.Safe(r.Becomes(s.table))
	switch r.Target.Kind {
	case rules.DNAT:
		return g.Into + " " + what, look.DNAT
	case rules.SNAT, rules.Masquerade:
		return g.Outof + " " + what, look.SNAT
	case rules.Netmap:
		if strings.HasPrefix(what, "from ") {
			return g.Outof + " " + what, look.SNAT
		}
		return g.Into + " " + what, look.DNAT
	case rules.Redirect:
		return g.Into + " " + what, look.Redirect
	case rules.Jump, rules.Goto:
		return g.Branch + " " + what, look.Faint
	case rules.Drop:
		return g.Cross + " dropped", look.Broken
	}
	return "  " + what, look.Faint
}
