package ui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
	"nattui/ui/table"
	"nattui/ui/theme"
)

type noteStyle = theme.Style

// flowList is a window of the sorted table. Its rows come from selections made
// beside Update; the cursor moves at once and rows that are not there yet are
// drawn empty.
type flowList struct {
	same     bool // the latest selection shows what the one before showed
	screen   *flowsScreen
	selector *flow.Selector

	rows   []flow.Row
	offset int        // of rows[0] within the whole order
	total  int        // flows that match
	of     int        // flows there are
	sum    flow.Group // of those that match

	cursor int       // within the whole order
	top    int       // first row on the screen
	ref    flow.Ref  // the flow under the cursor, once it is known
	noted  flow.Flow // that flow, as it was last
	held   bool      // the cursor stays on its flow
	lost   *lostFlow // that flow is not of the selection any more; nil while it is
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
	around     flow.Ref // the flow that was to be in sight
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
	l.held, l.lost = false, nil
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
	if l.ref != (flow.Ref{}) && l.held {
		w.Around, w.Lead = l.ref, lead
	}
	l.running, l.stale = true, false
	ctx, selector, q, order, now, generation := l.screen.ctx, l.selector, s.flowQuery(), s.sort, s.now.UnixNano(), l.generation
	return func() tea.Msg {
		start := time.Now()
		sel, err := selector.Select(ctx, q.Condition(), order, w, now)
		return selectedMsg{generation, w.Around, sel, err, time.Since(start)}
	}
}

// selected takes a selection. The cursor stays on its flow, and the flow on its
// line of the screen.
func (l *flowList) selected(msg selectedMsg) tea.Cmd {
	l.running, l.same = false, false
	switch {
	case msg.err != nil || msg.generation != l.generation:
	case l.elsewhere(msg):
		l.again = true
	default:
		before, sum, of := l.shown(), l.sum, l.of
		l.take(msg.sel)
		l.same = len(l.rows) > 0 && l.differs(before) == 0 && sum == l.sum && of == l.of
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
	l.sum = flow.Group{Flows: sel.Total, Counted: sel.Counted, Packets: sel.Packets, Bytes: sel.Bytes, ByteRate: sel.ByteRate, Least: sel.Rated < sel.Total}
	line := l.cursor - l.top
	l.lost = nil
	switch {
	case l.ref == (flow.Ref{}):
	case !l.held:
		l.follow()
	default:
		if at := l.find(l.ref); at >= 0 {
			l.cursor = l.offset + at
			l.top = max(0, l.cursor-line)
		} else {
			l.keepLost()
		}
	}
	l.cursor = max(0, min(l.cursor, l.total-1))
	l.note()
	l.keepInSight()
}

// note remembers which flow is under the cursor.
func (l *flowList) note() {
	if r, ok := l.row(l.cursor); ok {
		l.ref, l.noted = r.Ref, r.Flow
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
	l.held = true
	by = l.leaveLost(by)
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

// view draws the list.
func (l *flowList) view(width int) []string {
	s := l.screen
	lay := l.layout(width - 3)
	lines := []string{"   " + table.Head(lay.cols, lay.widths, s.look.Faint)}
	if l.total == 0 {
		return append(lines, s.emptyLines(s.emptyNote(), width)...)
	}
	for i := l.top; i < min(l.top+l.height, l.total); i++ {
		r, ok := l.row(i)
		if !ok {
			lines = append(lines, s.bar(i == l.cursor)+s.look.Faint.Render("…"))
			continue
		}
		if l.lost != nil && i == l.cursor {
			lines = append(lines, l.lostLine(&r.Flow, width-3))
			continue
		}
		lines = append(lines, s.flowLine(&r.Flow, &lay, i == l.cursor))
	}
	return lines
}
