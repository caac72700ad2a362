package ui

// readThrough is how far a plan has been on the screen, which it has to be to its end before it can be applied: where there is
// no room for all of it, its commands and reasons, what it would touch and its diff, the key that applies reads on.
type readThrough struct {
	what string // the plan, at a width
	seen int    // the lines from the first that have been in sight
	all  int    // its lines
}

// note notes the lines that are in sight of a plan, and how many it has.
func (r *readThrough) note(what string, from, room, all int) {
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
	r.all = all
}

// whole tells that all of it has been seen.
func (r *readThrough) whole() bool { return r.seen >= r.all }

// asks is what is asked about the plan: as long as it is not read it is something else, so that a key which was pressed to
// read on does not apply it by accident.
func (r *readThrough) asks(what string) string {
	if r.whole() {
		return what
	}
	return what + "\n…"
}
