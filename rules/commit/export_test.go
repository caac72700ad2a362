package commit

import (
	"context"
	"net/netip"
	"time"
)

// OnStep calls f before each step of what the Committer does.
func (c *Committer) OnStep(f func(name string)) { c.step = f }

// SetLockWait says how long is waited for the lock.
func (s *Store) SetLockWait(d time.Duration) { s.wait = d }

// RotateAt has journals rotated at another size until the function is called that
// it returns.
func RotateAt(size int) (end func()) {
	was := rotateAt
	rotateAt = size
	return func() { rotateAt = was }
}

// MadeAt is a change that was made at a time since the host was started, by one of some operators; it may cut off others.
func MadeAt(at time.Duration, operators []netip.Addr, others ...string) Entry {
	return Entry{made: moment{KernelClock().Boot(), at}, operators: operators, others: others}
}

// Alarm is what wakes a guard: woken waits at most for the pause, and tells whether the journal was written before that was
// over.
func (s *Store) Alarm() (woken func(pause time.Duration) bool, end func()) {
	a := s.watch()
	return a.wait, a.close
}

// Locked takes the lock and gives it back.
func (s *Store) Locked(ctx context.Context) error {
	l, err := s.acquire(ctx)
	if err == nil {
		l.release()
	}
	return err
}

// Note writes an entry into the journal.
func (s *Store) Note(id string) error { return s.append(record{ID: id, State: Applied}) }

// Pauses are those between the attempts of a guard that cannot do what is due.
func Pauses(n int) []time.Duration {
	var all []time.Duration
	pause := time.Duration(0)
	for range n {
		pause = longerPause(pause)
		all = append(all, pause)
	}
	return all
}
