package ui

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules/beat"
	"nattui/ui/text"
)

// secondMsg comes once a second while the screen is looked at: visible counters
// and the table's health are asked for.
type secondMsg struct{}

// Shows tells whether news may be seen on the screen: live flows are drawn once a selection of them
// has come, not as well when it is asked for.
func (s *flowsScreen) Shows(msg tea.Msg) bool {
	switch msg.(type) {
	case flowsMsg, dueMsg:
		return !s.expecting()
	case selectedMsg:
		return !s.list.same
	case secondMsg:
		return s.ticks()
	}
	return true
}

// expecting tells that flows are being selected for the screen, or will be soon.
func (s *flowsScreen) expecting() bool {
	return s.mode == listMode && !s.paused && (s.list.running || s.list.due)
}

func (s *flowsScreen) tick() tea.Cmd {
	if s.ticking {
		return nil
	}
	s.ticking = true
	pace := time.Second
	if s.still >= stillAfter {
		pace = stillTick
	}
	now := time.Now()
	return tea.Tick(beat.After(pace, now).Sub(now), func(time.Time) tea.Msg { return secondMsg{} })
}

// healthSpan is the time over which the growth of the table is taken, and trendSpan that over which it has to last for
// anything to be foretold from it.
const (
	healthSpan = 12 * time.Second
	trendSpan  = facts.LastingGrowth
)

// earlier is how the table was some seconds ago.
func (s *flowsScreen) earlier() *facts.Health {
	for i := range s.looks {
		if time.Duration(s.health.At-s.looks[i].At) <= healthSpan {
			return &s.looks[i]
		}
	}
	if n := len(s.looks); n > 0 {
		return &s.looks[n-1]
	}
	return &facts.Health{}
}

// trend is how the table was so long ago that its growth since foretells something; the zero value where that is not
// known.
func (s *flowsScreen) trend() *facts.Health {
	if len(s.looks) == 0 {
		return &facts.Health{}
	}
	return &s.looks[0]
}

// second refreshes what changes without an event.
func (s *flowsScreen) second() {
	h := s.gw.Flows.Health()
	if h.At != s.health.At {
		if s.health.At != 0 {
			s.looks = append(s.looks, s.health)
		}
		for len(s.looks) > 1 && time.Duration(h.At-s.looks[1].At) >= trendSpan {
			s.looks = s.looks[1:]
		}
	}
	before := s.health
	before.At = h.At
	if h != before {
		s.lazily = time.Time{}
	}
	s.health = h
	s.noteCount(h.Count)
	if v := s.gw.Flows.Table().Version(); v == s.version {
		s.still++
	} else {
		s.version, s.still = v, 0
	}
	if !s.chosen && h.Accounting == facts.SettingOn && s.sort.By == flow.ColumnAge {
		s.sort = flow.Sort{By: flow.ColumnRate, Descending: true}
	}
	s.gw.Flows.KeepFresh(s.wantsCounters())
	if f, ok := s.current(); ok && !s.paused && !s.onEnded() {
		s.rowTrail.note(&f)
	}
	if visible := s.list.visible(); s.mode == listMode && !s.paused && len(visible) > 0 {
		s.gw.Flows.Refresh(visible)
	}
}

// rowTrail are the byte rates of one flow since it is looked at, a value a second, for a small graph.
type rowTrail struct {
	of    flow.Key
	rates []float64
}

// rowTrailCells is how many seconds of a flow's rate are drawn.
const rowTrailCells = 30

// note takes the rate of the flow that is looked at; that of another one begins anew.
func (t *rowTrail) note(f *flow.Flow) {
	if k := f.Key(); k != t.of {
		*t = rowTrail{of: k}
	}
	if f.HasRate() {
		t.rates = append(t.rates, float64(f.ByteRate))
		t.rates = t.rates[max(0, len(t.rates)-rowTrailCells):]
	}
}

// graph draws the rates of a flow, "" where there is nothing to see yet.
func (t *rowTrail) graph(f *flow.Flow) string {
	if f.Key() != t.of || len(t.rates) < 3 || slices.Max(t.rates) == 0 {
		return ""
	}
	return text.Bars(t.rates)
}

// A graph of the last minutes has trailCells cells of trailStep each.
const (
	trailStep  = 15 * time.Second
	trailCells = 20
)

// noteCount keeps the number of connections for the graph: of each step the last.
func (s *flowsScreen) noteCount(count int) {
	if count < 0 {
		return
	}
	n := len(s.trail)
	if n > 0 && s.now.Sub(s.trailAt) < trailStep {
		s.trail[n-1] = float64(count)
		return
	}
	s.trailAt = s.now
	s.trail = append(s.trail, float64(count))
	if over := len(s.trail) - trailCells; over > 0 {
		s.trail = s.trail[over:]
	}
}

// Where nothing has moved for stillAfter looks, the counters in sight are asked for every stillTick only, and ages and
// timeouts count on at that pace; after calmAfter looks at half of it: nobody waits for them then. Where all that is shown
// counts in minutes, the list is drawn every lazyTick. What moves is drawn at once all the same.
const (
	stillAfter = 5
	stillTick  = 4 * time.Second
	calmAfter  = 8
	calmTick   = 7 * time.Second // which the second look fulfils
	lazyTick   = 15 * time.Second
)

// ticks tells whether a second more can be seen although nothing has happened: by a young flow's age or a timeout
// that is nearly over. A quiet screen of old flows neither wakes the terminal nor costs much.
func (s *flowsScreen) ticks() bool {
	pace := lazyTick
	switch {
	case s.mode != listMode || s.split() || s.detailsOpen():
		pace = 0
	case s.young() && s.still < calmAfter:
		pace = 0
	case s.young():
		pace = calmTick
	}
	if s.now.Sub(s.lazily) < pace {
		return false
	}
	s.lazily = s.now
	return true
}

// young tells whether the list shows a time in seconds.
func (s *flowsScreen) young() bool {
	for i := s.list.top; i < s.list.top+s.list.height; i++ {
		r, ok := s.list.row(i)
		if !ok {
			continue
		}
		now := s.now.UnixNano()
		if left := time.Duration(r.Flow.Remaining(now)) * time.Second; r.Flow.Age(now) <= 2*time.Minute || left > 0 && left <= 2*time.Minute {
			return true
		}
	}
	return false
}

// wantsCounters tells whether the counters of all flows are wanted, not just of those in sight.
func (s *flowsScreen) wantsCounters() bool {
	switch s.mode {
	case eventMode:
		return false
	case groupMode:
		return true
	}
	return s.query.NeedsCounters() || s.sort.By == flow.ColumnRate || s.sort.By == flow.ColumnBytes || s.sort.By == flow.ColumnPackets
}
