package ui

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules/evaluate"
	"nattui/ui/table"
	"nattui/ui/text"
)

type noteStyle = lipgloss.Style

func visibleWidth(s string) int { return lipgloss.Width(s) }

// flowList is a window of the sorted table. Its rows come from selections made
// beside Update; the cursor moves at once and rows that are not there yet are
// drawn empty.
type flowList struct {
	screen   *flowsScreen
	selector *flow.Selector

	rows   []flow.Row
	offset int     // of rows[0] within the whole order
	total  int     // flows that match
	of     int     // flows there are
	bytes  uint64  // of those that match, as far as they are known
	rate   float64 // bytes a second

	cursor int      // within the whole order
	top    int      // first row on the screen
	ref    flow.Ref // the flow under the cursor, once it is known
	height int
	widths []int // what columns have needed so far

	running, again bool
	stale          bool // another order or filter is wanted than that of rows
	generation     int
	frozen         bool

	next time.Time // when live data may be selected again
	due  bool      // a selection at that time is arranged
}

type selectedMsg struct {
	generation int
	sel        flow.Selection
	err        error
	cost       time.Duration
}

// dueMsg says that live data may be selected again.
type dueMsg struct{}

// The pace of live data: a row that changes costs the line some bytes and gets
// so much time, and a selection takes a small share of one core at most.
const (
	pacePerRow  = 45 * time.Millisecond
	paceOfCost  = 25
	slowestPace = 5 * time.Second
)

// live takes changes of the table as soon as a new selection is due.
func (l *flowList) live() tea.Cmd {
	wait := l.next.Sub(l.screen.now)
	if wait <= 0 {
		return l.load()
	}
	if l.due {
		return nil
	}
	l.due = true
	return tea.Tick(wait, func(time.Time) tea.Msg { return dueMsg{} })
}

// reset goes back to the top, for a new order or filter.
func (l *flowList) reset() {
	l.generation++
	l.cursor, l.top, l.ref = 0, 0, flow.Ref{}
	l.next = time.Time{}
	l.frozen, l.stale = false, true
}

// frozenRows is how many rows stay at hand while the screen is paused.
const frozenRows = 2000

// load makes a selection in the background. While one is being made, another is
// noted and made afterwards.
func (l *flowList) load() tea.Cmd {
	if l.frozen || l.selector == nil {
		return nil
	}
	if l.running {
		l.again = true
		return nil
	}
	s := l.screen
	limit := 3 * max(1, l.height)
	lead := l.cursor - l.top + l.height
	if s.paused {
		limit, lead = frozenRows, frozenRows/2
		l.frozen = true
	}
	w := flow.Window{Offset: max(0, l.top-l.height), Limit: limit}
	if l.ref != (flow.Ref{}) && l.cursor > 0 {
		w.Around, w.Lead = l.ref, lead
	}
	l.running, l.stale = true, false
	ctx, selector, q, order, now, generation := l.screen.ctx, l.selector, s.flowQuery(), s.sort, s.now.UnixNano(), l.generation
	return func() tea.Msg {
		start := time.Now()
		sel, err := selector.Select(ctx, q.Condition(), order, w, now)
		return selectedMsg{generation, sel, err, time.Since(start)}
	}
}

// selected takes a selection. The cursor stays on its flow, and the flow on its
// line of the screen.
func (l *flowList) selected(msg selectedMsg) tea.Cmd {
	l.running = false
	if msg.err == nil && msg.generation == l.generation {
		before := l.shown()
		l.take(msg.sel)
		pace := max(frame, min(paceOfCost*msg.cost, slowestPace), time.Duration(l.differs(before))*pacePerRow)
		l.next = l.screen.now.Add(pace)
	}
	if l.again || msg.generation != l.generation {
		l.again = false
		return l.load()
	}
	return nil
}

// shown are the flows on the screen, line by line.
func (l *flowList) shown() []flow.Flow {
	flows := make([]flow.Flow, l.height)
	for i := range flows {
		if r, ok := l.row(l.top + i); ok {
			flows[i] = r.Flow
		}
	}
	return flows
}

// differs counts the lines that are not what they were.
func (l *flowList) differs(before []flow.Flow) int {
	n := 0
	for i, f := range l.shown() {
		if i < len(before) && f != before[i] {
			n++
		}
	}
	return n
}

func (l *flowList) take(sel flow.Selection) {
	l.rows, l.offset, l.total, l.of = sel.Rows, sel.Offset, sel.Total, sel.Of
	l.bytes, l.rate = sel.Bytes, sel.ByteRate
	line := l.cursor - l.top
	found := false
	for i := range l.rows {
		if l.cursor > 0 && l.rows[i].Ref == l.ref {
			l.cursor = l.offset + i
			found = true
			break
		}
	}
	l.cursor = max(0, min(l.cursor, l.total-1))
	if found {
		l.top = max(0, l.cursor-line)
	}
	l.note()
	l.keepInSight()
}

// note remembers which flow is under the cursor.
func (l *flowList) note() {
	if r, ok := l.row(l.cursor); ok {
		l.ref = r.Ref
	} else {
		l.ref = flow.Ref{}
	}
}

func (l *flowList) row(i int) (*flow.Row, bool) {
	if i < l.offset || i >= l.offset+len(l.rows) {
		return nil, false
	}
	return &l.rows[i-l.offset], true
}

func (l *flowList) keepInSight() {
	if l.height <= 0 {
		return
	}
	l.top = min(max(l.top, l.cursor-l.height+1), l.cursor)
	l.top = max(0, min(l.top, l.total-l.height))
}

// move moves the cursor; rows that are missing then are asked for.
func (l *flowList) move(by int) tea.Cmd {
	low, high := 0, l.total-1
	if l.frozen {
		low, high = l.offset, l.offset+len(l.rows)-1
	}
	l.cursor = max(low, min(l.cursor+by, high))
	l.keepInSight()
	l.note()
	_, first := l.row(l.top)
	_, last := l.row(min(l.top+l.height, l.total) - 1)
	if first && last && l.ref != (flow.Ref{}) {
		return nil
	}
	l.generation++
	return l.load()
}

// freeze fetches what can be scrolled through while the screen is paused.
func (l *flowList) freeze() tea.Cmd { return l.load() }

func (l *flowList) current() (flow.Flow, bool) {
	r, ok := l.row(l.cursor)
	if !ok {
		return flow.Flow{}, false
	}
	return r.Flow, true
}

// visible are the flows on the screen.
func (l *flowList) visible() []flow.Flow {
	var flows []flow.Flow
	for i := l.top; i < l.top+l.height; i++ {
		if r, ok := l.row(i); ok {
			flows = append(flows, r.Flow)
		}
	}
	return flows
}

// settle fits the list to a height and asks for rows that are missing there.
func (l *flowList) settle(height int) tea.Cmd {
	l.height = height
	l.keepInSight()
	l.measure()
	if l.stale && !l.running {
		return l.load()
	}
	if l.total == 0 || l.running || l.frozen {
		return nil
	}
	_, first := l.row(l.top)
	_, last := l.row(min(l.top+l.height, l.total) - 1)
	if first && last {
		return nil
	}
	return l.load()
}

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
			c.Min = max(c.Min, lipgloss.Width(c.Title))
			c.Want = max(c.Want, c.Min)
			if c.Order > 1 { // before anything else that may give way
				c.Order, cols[colAsked].Order = 1, 2
			}
		}
	}
	return cols
}

// Lists narrower than tinyWidth show little more than who is translated to whom.
const tinyWidth = 48

// narrowWidths are how wide addresses may become where state and rate need the
// room too; longer ones lose their middle.
var narrowWidths = map[int]int{colClient: 18, colAsked: 16, colServed: 19, colState: 5}

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
	mark := lipgloss.Width(s.look.Glyphs.Becomes) + 1
	grow(colClient, len(s.endpoint(f, f.Client())))
	grow(colAsked, len(s.endpoint(f, f.AskedFor())))
	if f.NAT()&flow.NATDst != 0 {
		grow(colServed, len(s.endpoint(f, f.ServedBy()))+mark)
	}
	if f.NAT()&flow.NATSrc != 0 {
		seen := len(s.endpoint(f, f.SeenAs())) + mark
		grow(colSeen, seen)
		if s.listWidth() < 100 && f.NAT() == flow.NATSrc {
			grow(colServed, seen) // which has it there
		}
	}
	grow(colState, min(11, len(f.StateName())))
}

// view draws the list.
func (l *flowList) view(width int) []string {
	s := l.screen
	cols := l.columns()
	widths := table.Widths(cols, width-3)
	if widths[colSeen] == 0 {
		becomes(&cols[colServed])
	}
	lines := []string{"   " + table.Head(cols, widths, s.look.Faint)}
	if l.total == 0 {
		return append(lines, s.emptyLines(s.emptyNote(), width)...)
	}
	for i := l.top; i < min(l.top+l.height, l.total); i++ {
		r, ok := l.row(i)
		if !ok {
			lines = append(lines, s.bar(i == l.cursor)+s.look.Faint.Render("…"))
			continue
		}
		lines = append(lines, s.flowLine(&r.Flow, cols, widths, i == l.cursor))
	}
	return lines
}

// becomes has a column tell of the new source too; it keeps the sign that it is sorted by.
func becomes(served *table.Column) {
	served.Title = strings.Replace(served.Title, "served by", "becomes", 1)
}

// bar marks the row under the cursor.
func (s *flowsScreen) bar(on bool) string {
	if !on {
		return "   "
	}
	return " " + s.look.Accent.Render(s.look.Glyphs.Bar) + s.look.Cursor.Render(" ")
}

func (s *flowsScreen) flowLine(f *flow.Flow, cols []table.Column, widths []int, on bool) string {
	var over *lipgloss.Style
	if on {
		over = &s.look.Cursor
	}
	return s.bar(on) + table.Line(cols, widths, s.flowCells(f, endWidths{widths[colClient], widths[colAsked], widths[colServed], widths[colSeen], widths[colRule]}), over)
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
		return mark + short(a, width-lipgloss.Width(mark))
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
	if f.HasRate() {
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
		cells[colMark] = plain(fmt.Sprintf("0x%x", f.Mark))
	}
	if f.Zone != 0 {
		cells[colZone] = plain(fmt.Sprint(f.Zone))
	}
	return cells
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
	return text.Fit(r.Chain, width-len(position)) + position
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
