package commit

// Why a change ends by itself.
const (
	notConfirmed = "it was not confirmed in time"
	timeUp       = "its time was up"
)

// setTimes notes when a change ends by itself. Its countdown is no longer than the time that it was given: nothing lasts
// beyond that because nobody was there to confirm it.
func (c *Committer) setTimes(e *Entry, o Options) {
	if o.Confirm > 0 {
		e.Deadline, e.deadline = c.clock.Now().Add(o.Confirm), in(c.clock, o.Confirm)
	}
	if o.For > 0 {
		e.Expires, e.expires = c.clock.Now().Add(o.For), in(c.clock, o.For)
	}
	if o.For > 0 && o.For <= o.Confirm {
		e.Deadline, e.deadline = e.Expires, e.expires
	}
}

// endsFirst reports whether the time of an unconfirmed change is up before, or as, its countdown is over.
func (e *Entry) endsFirst() bool {
	return !e.deadline.zero() && !e.expires.zero() && e.expires.At <= e.deadline.At
}

// Lasts reports whether it is of use to confirm the change: its time goes on after the countdown.
func (e *Entry) Lasts() bool { return !e.endsFirst() }

// ending is when a change ends by itself, and why; the zero moment for never.
func (e *Entry) ending() (end moment, why string) {
	if e.Unconfirmed() && !e.endsFirst() {
		return e.deadline, notConfirmed
	}
	return e.expires, timeUp
}
