package commit

import "time"

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
