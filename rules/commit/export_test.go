package commit

import "time"

// OnStep calls f before each step of what the Committer does.
func (c *Committer) OnStep(f func(name string)) { c.step = f }

// SetLockWait says how long is waited for the lock.
func (s *Store) SetLockWait(d time.Duration) { s.wait = d }
