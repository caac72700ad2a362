package ui

// readThrough is how far a plan has been on the screen, which it has to be before it can be applied: where there is no room
// for all of its commands, their reasons and what warns, the key that applies reads on. What the plan would touch, and its
// diff, may follow below.
type readThrough struct {
	what  string // the plan, at a width
	seen  int    // the lines from the first that have been in sight
	until int    // the lines that have to be
}

// note notes the lines that are in sight of a plan, all of its lines, and how many have to be seen.
func (r *readThrough) note(what string, from, room, all, until int) {
	if what != r.what {
		*r = readThrough{what: what}
	}
	to := min(all, from+room)
	if to < all {
		to-- // that line says how many more there are
	}
	if from <= r.seen {
		r.seen = max(r.seen, to)
	}
	r.until = until
}

// whole tells that all that has to be seen has been.
func (r *readThrough) whole() bool { return r.seen >= r.until }

// asks is what is asked about the plan: as long as it is not read it is something else, so that a key which was pressed to
// read on does not apply it by accident.
func (r *readThrough) asks(what string) string {
	if r.whole() {
		return what
	}
	return what + "\n…"
}
