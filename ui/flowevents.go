package ui

import (
	"sort"
	"time"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// eventList shows what happens to flows as it happens, the newest last. The
// cursor follows the newest until it is moved up.
type eventList struct {
	screen  *flowsScreen
	events  []flow.Event // the ones at hand, oldest first
	frozen  bool         // while paused
	until   uint64       // number of the newest one then
	matched int          // how many have matched until then
	on      uint64       // number of the event under the cursor; 0 follows the newest
	back    int          // how far the cursor is from the newest one shown
	height  int
	widths  []int
}

// load takes the latest events. The cursor stays on its event while newer ones come.
func (l *eventList) load() {
	log := l.screen.gw.Flows.Log()
	l.events, l.matched = log.Tail(eventsKept, l.until), int(log.Matched(l.until))
	if l.frozen && l.until == 0 {
		l.events, l.matched = nil, 0 // nothing had happened yet
	}
	l.back = 0
	if n := len(l.events); l.on != 0 && n > 0 {
		i := sort.Search(n, func(i int) bool { return l.events[i].Number >= l.on })
		l.back = n - 1 - min(i, n-1)
	}
}

// eventsKept is how many events can be scrolled back through.
const eventsKept = 2000

// freeze has the events stand still, those that have happened so far.
func (l *eventList) freeze() {
	l.frozen, l.until = true, l.screen.gw.Flows.Log().Last()
	l.load()
}

// thaw goes on with what has happened since.
func (l *eventList) thaw() { l.frozen, l.until = false, 0 }

func (l *eventList) move(by int) {
	n := len(l.events)
	l.back, l.on = max(0, min(l.back-by, n-1)), 0
	if l.back > 0 {
		l.on = l.events[n-1-l.back].Number
	}
}

// hold keeps the cursor on its event while newer ones come.
func (l *eventList) hold() {
	if n := len(l.events); n > 0 {
		l.on = l.events[n-1-l.back].Number
	}
}

func (l *eventList) settle(height int) {
	l.height = height
	if l.widths == nil {
		l.widths = make([]int, flowCols)
	}
	from, to := l.window()
	for i := from; i < to; i++ {
		if e := &l.events[i]; !e.IsGap() {
			l.screen.measureFlow(&e.Flow, l.widths)
		}
	}
}

// window is the part that is shown: it ends with the newest, unless the cursor
// is further back.
func (l *eventList) window() (from, to int) {
	n := len(l.events)
	to = n
	if l.back >= l.height {
		to = n - l.back + l.height - 1
	}
	to = min(to, n)
	return max(0, to-l.height), to
}

// visible are the flows of the events on the screen.
func (l *eventList) visible() (flows []flow.Flow) {
	from, to := l.window()
	for i := from; i < to; i++ {
		if e := &l.events[i]; !e.IsGap() {
			flows = append(flows, e.Flow)
		}
	}
	return flows
}

func (l *eventList) current() (flow.Flow, bool) {
	if len(l.events) == 0 {
		return flow.Flow{}, false
	}
	e := &l.events[len(l.events)-1-l.back]
	return e.Flow, !e.IsGap()
}

// ended tells that the event under the cursor is the end of its flow.
func (l *eventList) ended() bool {
	return len(l.events) > 0 && l.events[len(l.events)-1-l.back].Kind == flow.EventDestroy
}

func (l *eventList) view(width int) []string {
	s := l.screen
	list := flowList{screen: s, widths: l.widths}
	flow := list.columns()
	cols := []table.Column{{Title: "time", Min: 8, Want: 12}, {Title: "event", Min: 7, Want: 7}}
	if s.listWidth() < 100 {
		cols[0].Want = 8
		for col, most := range map[int]int{colClient: 20, colServed: 23} { // there are fewer columns than in the list
			flow[col].Want = min(max(flow[col].Want, l.widths[col]), most)
		}
	}
	flow[colAsked].Order = flow[colState].Order + 1 // what has changed says more than what was asked for
	tiny := s.listWidth() < tinyWidth
	if tiny {
		cols[1] = table.Column{Min: 3, Want: 3}
		flow[colClient].Want = min(flow[colClient].Want, 15)
		flow[colState].Order, flow[colServed].Order = 1, 2
	}
	cols = append(cols, flow[colProto], flow[colClient], flow[colAsked], flow[colServed], flow[colSeen], flow[colState], flow[colPackets], flow[colBytes])
	widths := table.Widths(cols, width-3)
	ends := endWidths{client: widths[3], asked: widths[4], served: widths[5], seen: widths[6]}
	if ends.seen == 0 {
		cols[5].Title = "  becomes"
	}
	lines := []string{"   " + table.Head(cols, widths, s.look.Faint)}
	if len(l.events) == 0 {
		return append(lines, s.emptyLines(s.silence(), width)...)
	}
	from, to := l.window()
	for i := from; i < to; i++ {
		e := &l.events[i]
		on := i == len(l.events)-1-l.back
		if e.IsGap() {
			lines = append(lines, s.bar(on)+s.gapLine(e, widths[0], width-3))
			continue
		}
		var over *theme.Style
		if on {
			over = &s.look.Cursor
		}
		f := s.flowCells(&e.Flow, ends)
		cells := []table.Cell{s.eventTime(e, widths[0]), s.eventWord(e, tiny), f[colProto], f[colClient], f[colAsked], f[colServed], f[colSeen], f[colState], f[colPackets], f[colBytes]}
		lines = append(lines, s.bar(on)+table.Line(cols, widths, cells, over))
	}
	return lines
}

// silence says why there are no events to see.
func (s *flowsScreen) silence() string {
	counts := s.gw.Flows.Log().Counts()
	switch {
	case s.health.Events == facts.SettingOff || s.gw.Flows.Feed().EventsOff:
		if s.gw.ReadOnly || s.health.Events != facts.SettingOff {
			return "the kernel sends no events: sysctl -w net.netfilter.nf_conntrack_events=1"
		}
		return "the kernel sends no events (nf_conntrack_events=0): w switches them on"
	case !s.query.IsZero() && counts.New+counts.Update+counts.Destroy > 0:
		return "no event matches; press esc to show all"
	case s.health.Tracking == facts.SettingOff:
		return s.emptyNote()
	case s.health.Tracking == facts.SettingUnknown && s.health.Count == 0:
		return s.emptyNote()
	}
	return "no events yet: they appear here as the kernel reports them"
}

// gapLine stands where events are missing.
func (s *flowsScreen) gapLine(e *flow.Event, time, width int) string {
	what := rules.Plural(e.Missed, "event") + " missed here; "
	switch {
	case e.Silence == flow.SilenceBegins:
		what = "the kernel sends no events from here on (nf_conntrack_events=0)"
	case e.Silence == flow.SilenceEnds:
		what = "events again; what happened in between is not told"
	case e.Resync > 0:
		what += "resynced in " + seconds(e.Resync)
	default:
		what += "reading the table again"
	}
	return s.look.Faint.Render(text.Pad(s.eventTime(e, time).Text, time, false)) + "  " + s.look.Attention.Render(text.Fit("! "+what, width-time-2))
}

func (s *flowsScreen) eventTime(e *flow.Event, width int) table.Cell {
	layout := "15:04:05"
	if width >= 12 {
		layout = "15:04:05.000"
	}
	return table.Cell{Text: time.Unix(0, e.At).In(s.now.Location()).Format(layout), Style: s.look.Faint}
}

func (s *flowsScreen) eventWord(e *flow.Event, short bool) table.Cell {
	word, style := "UPDATE", s.look.Text
	switch e.Kind {
	case flow.EventNew:
		word, style = "NEW", s.look.Good
	case flow.EventDestroy:
		word, style = "DESTROY", s.look.Faint
		if short {
			word = "END"
		}
	}
	if short {
		word = word[:3]
	}
	return table.Cell{Text: word, Style: style}
}
