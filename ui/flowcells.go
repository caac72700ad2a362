package ui

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules/evaluate"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// The columns of the list, in the order of flowColumns.
const (
	colProto = iota
	colClient
	colAsked
	colServed
	colSeen
	colState
	colRate
	colAge
	colTimeout
	colPackets
	colBytes
	colRule
	colMark
	colZone
	flowCols
)

var sortColumnOf = map[flow.Column]int{
	flow.ColumnProto: colProto, flow.ColumnClient: colClient, flow.ColumnAskedFor: colAsked, flow.ColumnServedBy: colServed, flow.ColumnSeenAs: colSeen,
	flow.ColumnState: colState, flow.ColumnRate: colRate, flow.ColumnAge: colAge, flow.ColumnTimeout: colTimeout, flow.ColumnPackets: colPackets,
	flow.ColumnBytes: colBytes, flow.ColumnRule: colRule, flow.ColumnMark: colMark, flow.ColumnZone: colZone, flow.ColumnNAT: colServed,
}

// columns of the list. Address columns are as wide as what they have shown so far.
func (l *flowList) columns() []table.Column {
	cols := []table.Column{
		colProto:   {Title: "proto", Min: 4, Want: 6},
		colClient:  {Title: "client", Min: 14, Want: 15},
		colAsked:   {Title: "asked for", Min: 14, Want: 15, Order: 1},
		colServed:  {Title: "  served by", Min: 14, Want: 17},
		colSeen:    {Title: "  seen as", Min: 14, Want: 17, Order: 5},
		colState:   {Title: "state", Min: 5, Want: 5, Order: 3},
		colRate:    {Title: "B/s", Min: 5, Want: 5, Right: true, Order: 4},
		colAge:     {Title: "age", Min: 6, Want: 6, Right: true, Order: 6},
		colTimeout: {Title: "timeout", Min: 7, Want: 7, Right: true, Order: 7},
		colPackets: {Title: "packets", Min: 7, Want: 7, Right: true, Order: 8},
		colBytes:   {Title: "bytes", Min: 7, Want: 7, Right: true, Order: 9},
		colRule:    {Title: "rule", Min: 14, Want: 16, Order: 10},
		colMark:    {Title: "mark", Min: 6, Want: 10, Order: 11},
		colZone:    {Title: "zone", Min: 4, Want: 5, Right: true, Order: 12},
	}
	for i := range cols {
		if i < len(l.widths) && l.widths[i] > cols[i].Want {
			cols[i].Want = l.widths[i]
			if most := narrowWidths[i]; most > 0 && l.screen.listWidth() < 100 {
				cols[i].Want = min(cols[i].Want, most)
			}
		}
	}
	for _, i := range []int{colMark, colZone} {
		if l.screen.settings.Columns == nil && sortColumnOf[l.screen.sort.By] != i && (i >= len(l.widths) || l.widths[i] == 0) {
			cols[i] = table.Column{Order: cols[i].Order} // none has any
		}
	}
	if l.screen.listWidth() < 100 {
		cols[colProto].Title, cols[colProto].Want = "", 4
		cols[colRule].Want = cols[colRule].Min
	}
	if l.screen.listWidth() < tinyWidth {
		cols[colProto].Order = 7 // whom it is about says more
		cols[colClient].Want = min(cols[colClient].Want, 17)
	}
	g := l.screen.look.Glyphs
	if l.screen.mode == listMode {
		if i, ok := sortColumnOf[l.screen.sort.By]; ok {
			sign := g.Up
			if l.screen.sort.Descending {
				sign = g.Down
			}
			c := &cols[i]
			c.Title += sign
			c.Min = max(c.Min, text.Width(c.Title))
			c.Want = max(c.Want, c.Min)
			if c.Order > 1 { // before anything else that may give way
				c.Order, cols[colAsked].Order = 1, 2
			}
		}
	}
	if w := l.screen.listWidth(); w < 100 && w >= tinyWidth && l.screen.settings.Columns == nil && l.widths != nil {
		l.share(cols, w-3)
	}
	return cols
}

// Lists narrower than tinyWidth show little more than who is translated to whom.
const tinyWidth = 48

// narrowWidths are how wide addresses may become where state and rate need the
// room too; longer ones lose their middle.
var narrowWidths = map[int]int{colClient: 18, colAsked: 16, colServed: 19, colState: 5}

// wholeWidths show an IPv4 address with its port whole.
var wholeWidths = map[int]int{colClient: 21, colServed: 23, colAsked: 21}

// share gives addresses the cells that the columns beside them do not need, up to the width of the list.
func (l *flowList) share(cols []table.Column, width int) {
	const gap = 2
	for _, i := range []int{colProto, colRate} {
		cols[i].Min = min(cols[i].Min, max(l.widths[i], text.Width(cols[i].Title), 3))
		cols[i].Want = cols[i].Min
	}
	for _, i := range []int{colAsked, colServed} {
		cols[i].Want = max(cols[i].Min, min(cols[i].Want, l.widths[i]))
	}
	shown := []int{colProto, colClient, colAsked, colServed, colState, colRate}
	if i, ok := sortColumnOf[l.screen.sort.By]; ok && !slices.Contains(shown, i) {
		shown[len(shown)-1] = i // which comes in first
	}
	left := width + gap
	for _, i := range shown {
		left -= cols[i].Want + gap
	}
	for _, i := range []int{colClient, colServed, colAsked} {
		more := max(0, min(left, min(l.widths[i], wholeWidths[i])-cols[i].Want))
		cols[i].Want += more
		left -= more
	}
}

// measure notes how wide the addresses on the screen are, so that columns grow
// once and then stay.
func (l *flowList) measure() {
	if l.widths == nil {
		l.widths = make([]int, flowCols)
	}
	for i := l.top; i < l.top+l.height; i++ {
		r, ok := l.row(i)
		if !ok {
			continue
		}
		l.screen.measureFlow(&r.Flow, l.widths)
	}
}

func (s *flowsScreen) measureFlow(f *flow.Flow, widths []int) {
	const longest = 47 // an IPv6 address with its port; a name may be longer
	grow := func(col, n int) { widths[col] = max(widths[col], min(n, longest)) }
	mark := text.Width(s.look.Glyphs.Becomes) + 1
	grow(colClient, len(s.endpoint(f, f.Client())))
	grow(colAsked, len(s.endpoint(f, f.AskedFor())))
	if f.NAT()&flow.NATDst != 0 {
		grow(colServed, len(s.endpoint(f, f.ServedBy()))+mark)
	}
	if f.NAT()&flow.NATSrc != 0 {
		seen := len(s.endpoint(f, f.SeenAs())) + mark
		grow(colSeen, seen)
		if f.NAT() == flow.NATSrc && (s.listWidth() < 100 || len(s.settings.Columns) > 0) {
			grow(colServed, seen) // which has it there
		}
	}
	grow(colState, min(11, len(f.StateName())))
	grow(colProto, len(f.Proto().String()))
	grow(colMark, len(markText(f)))
	grow(colZone, len(zoneText(f)))
	if f.HasRate() {
		grow(colRate, len(text.Rate(float64(f.ByteRate))))
	}
}

// rateHolds is for how long a rate is shown as that of now after its counters were read.
const rateHolds = 15 * time.Second

// bar marks the row under the cursor.
func (s *flowsScreen) bar(on bool) string {
	if !on {
		return "   "
	}
	return " " + s.look.Accent.Render(s.look.Glyphs.Bar) + s.look.Cursor.Render(" ")
}

func (s *flowsScreen) flowLine(f *flow.Flow, lay *flowLayout, on bool) string {
	var over *theme.Style
	if on {
		over = &s.look.Cursor
	}
	return s.bar(on) + table.Line(lay.cols, lay.widths, lay.arrange(s.flowCells(f, lay.ends())), over)
}

// endWidths are the widths of the columns of a flow's four ends and of its rule, 0 where there is no such column.
type endWidths struct{ client, asked, served, seen, rule int }

// flowCells are the values of a flow's row. Where there is no column for the new
// source, it stands in the one for the new destination. Addresses that are too long for
// their column lose their middle, so that the port stays.
func (s *flowsScreen) flowCells(f *flow.Flow, room endWidths) []table.Cell {
	look, g := s.look, s.look.Glyphs
	now := s.now.UnixNano()
	faint := func(t string) table.Cell { return table.Cell{Text: t, Style: look.Faint} }
	plain := func(t string) table.Cell { return table.Cell{Text: t, Style: look.Text} }
	nat := f.NAT()
	cells := make([]table.Cell, flowCols)
	short := func(a netip.AddrPort, width int) string { return text.Endpoint(s.endpoint(f, a), width) }
	marked := func(mark string, a netip.AddrPort, width int) string {
		mark += " "
		return mark + short(a, width-text.Width(mark))
	}
	cells[colProto] = faint(f.Proto().String())
	cells[colClient] = plain(short(f.Client(), room.client))
	cells[colAsked] = plain(short(f.AskedFor(), room.asked))
	cells[colServed], cells[colSeen] = faint("  ="), faint("  =")
	if nat&flow.NATDst != 0 {
		cells[colServed] = table.Cell{Text: marked(g.Becomes, f.ServedBy(), room.served), Style: s.natStyle(f)}
	}
	if nat&flow.NATSrc != 0 {
		cells[colSeen] = table.Cell{Text: marked(g.Outof, f.SeenAs(), room.seen), Style: look.SNAT}
		if room.seen == 0 && nat == flow.NATSrc {
			cells[colServed] = table.Cell{Text: marked(g.Outof, f.SeenAs(), room.served), Style: look.SNAT}
		}
	}
	cells[colState] = s.stateCell(f)
	for _, c := range []int{colRate, colPackets, colBytes, colRule, colMark, colZone} {
		cells[c] = faint(g.None)
	}
	if f.HasRate() && (s.paused || f.ByteRate == 0 || now-f.Counted <= int64(rateHolds)) {
		cells[colRate] = plain(text.Rate(float64(f.ByteRate)))
		if f.ByteRate == 0 {
			cells[colRate].Style = look.Faint
		}
	}
	cells[colAge] = faint(ageText(f, now))
	cells[colTimeout] = faint(text.Steady(time.Duration(f.Remaining(now)) * time.Second))
	if f.Counts() {
		cells[colPackets] = plain(text.Count(f.Packets()))
		cells[colBytes] = plain(text.Count(f.Bytes()))
	}
	if room.rule > 0 {
		cells[colRule] = s.ruleCell(f, room.rule)
	}
	if f.Mark != 0 {
		cells[colMark] = plain(markText(f))
	}
	if f.Zone != 0 {
		cells[colZone] = plain(zoneText(f))
	}
	return cells
}

// markText and zoneText are the mark and the zone of a flow, "" where it has none.
func markText(f *flow.Flow) string {
	if f.Mark == 0 {
		return ""
	}
	return fmt.Sprintf("0x%x", f.Mark)
}

func zoneText(f *flow.Flow) string {
	if f.Zone == 0 {
		return ""
	}
	return strconv.Itoa(int(f.Zone))
}

// ruleCell names the rule that made the flow.
func (s *flowsScreen) ruleCell(f *flow.Flow, width int) table.Cell {
	e := s.gw.Flows.Explain(f)
	switch {
	case isRelated(f, e):
		return table.Cell{Text: "related", Style: s.look.Faint}
	case e.Confidence == explain.NotAsked:
		return table.Cell{Text: s.look.Glyphs.None, Style: s.look.Faint}
	case e.Confidence == explain.Stale:
		return table.Cell{Text: "! stale", Style: s.look.Attention}
	case e.Confidence == explain.Unknown:
		return table.Cell{Text: "? unknown", Style: s.look.Faint}
	case e.Rule().IsZero():
		return table.Cell{Text: s.look.Glyphs.None, Style: s.look.Faint}
	}
	style := s.look.Text
	if e.Confidence != explain.Exact {
		style = s.look.Faint
	}
	return table.Cell{Text: shortenRule(e.Rule(), width), Style: style}
}

// shortenRule names a rule; a long chain's name gives way to the number.
func shortenRule(r evaluate.RuleRef, width int) string {
	position := " " + strconv.Itoa(r.Position)
	return text.Fit(explain.FamilyPrefix(r)+r.Chain, width-len(position)) + position
}

// isRelated tells that a flow was translated because it belongs to another one, by that one's helper and
// not by a rule: the data of FTP, for instance.
func isRelated(f *flow.Flow, e explain.Explanation) bool {
	return f.Status&flow.StatusExpected != 0 && e.Confidence != explain.Exact
}

// shortStates are the states that are longer than their column.
var shortStates = map[string]string{
	"ESTABLISHED": "ESTAB", "SYN_SENT": "SYN", "SYN_SENT2": "SYN2", "SYN_RECV": "SYN+", "FIN_WAIT": "FIN", "CLOSE_WAIT": "CLSW", "LAST_ACK": "LACK", "TIME_WAIT": "TIMEW",
	"COOKIE_WAIT": "COOKW", "COOKIE_ECHOED": "COOKE", "SHUTDOWN_SENT": "SHUTS", "SHUTDOWN_RECD": "SHUTR", "SHUTDOWN_ACK_SENT": "SHUTA",
}

func (s *flowsScreen) stateCell(f *flow.Flow) table.Cell {
	name := f.StateName()
	if short, ok := shortStates[name]; ok && s.listWidth() < 120 {
		name = short
	}
	style := s.look.Faint
	switch {
	case f.Status&flow.StatusSeenReply == 0:
		style = s.look.Attention
		if name == "" {
			name = "wait"
		}
	case f.StateName() == "ESTABLISHED", name == "":
		style = s.look.Good
		if name == "" {
			name = "ok"
		}
	case strings.HasPrefix(f.StateName(), "SYN"):
		style = s.look.Attention
	}
	return table.Cell{Text: name, Style: style}
}

// ageText is how old a flow is, with a sign where it may be older: it was there before it was first seen.
func ageText(f *flow.Flow, now int64) string {
	age := f.Age(now)
	if _, exact := f.Since(); exact {
		return text.Steady(age)
	}
	out := ">" + text.Steady(age)
	if len(out) > 6 {
		out = ">" + text.Duration(age.Truncate(time.Hour))
	}
	return out
}
