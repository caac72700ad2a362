package traffic

import "time"

// Echo knows when counters that no longer move are told all the same: at each look for some seconds, so that the rates of
// the last seconds end, and once in a while for some minutes, so that graphs of these go on. The zero value has seen none move.
type Echo struct {
	moved, told time.Time
}

const (
	rateEcho  = 12 * time.Second // a step of the graphs, at least
	graphEcho = 5 * time.Minute
	graphPace = 9 * time.Second // so that looks at every second beat meet ten seconds
)

// Moved notes that counters have moved and are told.
func (e *Echo) Moved(at time.Time) { e.moved, e.told = at, at }

// Due tells that counters which are as they were are to be told, and notes that they are.
func (e *Echo) Due(at time.Time) bool {
	switch since := at.Sub(e.moved); {
	case e.moved.IsZero() || since >= graphEcho:
		return false
	case since >= rateEcho && at.Sub(e.told) < graphPace:
		return false
	}
	e.told = at
	return true
}
