package ui

import (
	"time"

	"charm.land/lipgloss/v2"

	"nattui/model"
	"nattui/ui/table"
	"nattui/ui/text"
)

// eventList shows what happens to flows as it happens, the newest last. The
// cursor follows the newest until it is moved up.
type eventList struct {
	screen *flowsScreen
	events []model.Event // the ones at hand, oldest first
	last   uint64        // number of the newest there is
	until  uint64        // number of the newest shown while paused; 0 follows
	back   int           // how far the cursor is from the newest one shown
	height int
	widths []int
}

// load takes the latest events.
func (l *eventList) load() {
	log := l.screen.gw.Flows.Log()
	before := l.last
	l.last = log.Last()
	until := l.until
	if until == 0 {
		until = l.last
		if l.back > 0 && before > 0 {
			// The cursor stays on its event while newer ones come.
			l.back += int(l.last - before)
		}
	}
	l.back = min(l.back, eventsKept-1)
	l.events = log.Tail(eventsKept, until)
	l.back = max(0, min(l.back, len(l.events)-1))
}

// eventsKept is how many events can be scrolled back through.
const eventsKept = 2000

func (l *eventList) freeze() {
	l.load()
	l.until = l.last
}

func (l *eventList) move(by int) { l.back = max(0, min(l.back-by, len(l.events)-1)) }

func (l *eventList) settle(height int) {
	l.height = height
	if l.widths == nil {
		l.widths = make([]int, flowCols)
	}
	from, to := l.window()
	for i := from; i < to; i++ {
		if e := &l.events[i]; e.Missed == 0 {
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

func (l *eventList) current() (model.Flow, bool) {
	if len(l.events) == 0 {
		return model.Flow{}, false
	}
	e := &l.events[len(l.events)-1-l.back]
	return e.Flow, e.Missed == 0
}

func (l *eventList) view(width int) []string {
	s := l.screen
	list := flowList{screen: s, widths: l.widths}
	flow := list.columns()
	cols := []table.Column{{Title: "time", Min: 8, Want: 12}, {Title: "event", Min: 7, Want: 7}}
	if s.listWidth() < 100 {
		cols[0].Want = 8
	}
	flow[colAsked].Order = flow[colState].Order + 1 // what has changed says more than what was asked for
	cols = append(cols, flow[colProto], flow[colClient], flow[colAsked], flow[colServed], flow[colSeen], flow[colState], flow[colPackets], flow[colBytes])
	widths := table.Widths(cols, width-3)
	merged := widths[6] == 0
	if merged {
		cols[5].Title = "  becomes"
	}
	lines := []string{"   " + table.Head(cols, widths, s.look.Faint)}
	if len(l.events) == 0 {
		return append(lines, "   "+s.look.Faint.Render(text.Fit(s.silence(), width-4)))
	}
	from, to := l.window()
	for i := from; i < to; i++ {
		e := &l.events[i]
		on := i == len(l.events)-1-l.back
		if e.Missed > 0 {
			lines = append(lines, s.bar(on)+s.gapLine(e, widths[0], width-3))
			continue
		}
		var over *lipgloss.Style
		if on {
			over = &s.look.Cursor
		}
		f := s.flowCells(&e.Flow, merged)
		cells := []table.Cell{s.eventTime(e, widths[0]), s.eventWord(e), f[colProto], f[colClient], f[colAsked], f[colServed], f[colSeen], f[colState], f[colPackets], f[colBytes]}
		lines = append(lines, s.bar(on)+table.Line(cols, widths, cells, over))
	}
	return lines
}

// silence says why there are no events to see.
func (s *flowsScreen) silence() string {
	counts := s.gw.Flows.Log().Counts()
	switch {
	case s.health.Events == model.SettingOff || s.gw.Flows.Feed().EventsOff:
		return "the kernel sends no events: sysctl -w net.netfilter.nf_conntrack_events=1"
	case !s.query.IsZero() && counts.New+counts.Update+counts.Destroy > 0:
		return "no event matches: esc shows all"
	case s.health.Tracking == model.SettingOff:
		return "nothing is tracked yet: conntrack starts with the first NAT rule"
	}
	return "nothing has happened yet: events appear here as the kernel reports them"
}

// gapLine stands where events are missing.
func (s *flowsScreen) gapLine(e *model.Event, time, width int) string {
	what := plural(int(e.Missed), "event") + " missed here; "
	if e.Resync > 0 {
		what += "resynced in " + seconds(e.Resync)
	} else {
		what += "the table is being read anew"
	}
	return s.look.Faint.Render(text.Pad(s.eventTime(e, time).Text, time, false)) + "  " + s.look.Attention.Render(text.Fit("! "+what, width-time-2))
}

func (s *flowsScreen) eventTime(e *model.Event, width int) table.Cell {
	layout := "15:04:05"
	if width >= 12 {
		layout = "15:04:05.000"
	}
	return table.Cell{Text: time.Unix(0, e.At).In(s.now.Location()).Format(layout), Style: s.look.Faint}
}

func (s *flowsScreen) eventWord(e *model.Event) table.Cell {
	switch e.Kind {
	case model.EventNew:
		return table.Cell{Text: "NEW", Style: s.look.Good}
	case model.EventDestroy:
		return table.Cell{Text: "DESTROY", Style: s.look.Faint}
	}
	return table.Cell{Text: text.Fit("UPDATE", 7), Style: s.look.Text}
}
