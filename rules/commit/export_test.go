package commit

import (
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
