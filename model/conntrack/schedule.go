package conntrack

import (
	"cmp"
	"time"

	"nattui/rules/beat"
)

const (
	// refreshShare is the part of one core that a refresh of the whole table may take
	// when it is wanted, reconcileShare when it only looks for flows that ended silently.
	refreshShare   = 0.04
	reconcileShare = 0.003
	// refreshRest and reconcileRest are the shortest times between two rounds.
	refreshRest   = time.Second
	reconcileRest = 2 * time.Second
	// idleShare is for the rounds that nobody wants. Where nothing moved in calmRounds rounds one after the other, each
	// rest is four times the one before, until the rounds take no more than calmShare of one core or longestRest is
	// reached: reading walks the kernel's whole hash table, which all namespaces share, also where there is next to nothing in it.
	idleShare   = 0.0005
	calmRounds  = 1
	calmShare   = 0.0002
	longestRest = 30 * time.Second
	// quietRest is the rest while no packet passes on any link and the kernel counts as many flows as before: no counter
	// can have moved, and no flow have ended.
	quietRest = 5 * time.Minute
	// eventlessRest is the longest rest where no event would end it.
	eventlessRest = 5 * time.Second
	// settingsPace is how often it is looked at whether the kernel still sends events, which it does not say, and
	// whether packets pass.
	settingsPace = 2 * time.Second
	// quietSpan is for how long no packet must have passed for it to be quiet.
	quietSpan = time.Second
)

// schedule is when the table is read again as a whole, and at what pace: which depends on
// who wants to know, on what events do not tell, and on whether anything moves.
type schedule struct {
	due    time.Time // when the next round, or the next step of a paced one, may be made
	rested time.Time // when a round may begin even if events were missed
	ended  time.Time // when the last round was whole
	looked time.Time // when the settings were last looked at

	share float64 // of a core that reading counters may take; 0 is refreshShare

	cost, took time.Duration // of the last round: processor time, and the time that went by

	again  bool // another round is due: events were missed, or the last round was not whole
	fresh  bool // the counters of all flows are wanted, or there are no events
	glance      // as last looked
	silent int  // flows of whose end the kernel may not tell

	still int    // rounds in which nothing moved, one after the other
	sum   uint64 // of what the last round told
}

// glance is what is cheap to look at between two rounds.
type glance struct {
	eventless bool // the kernel sends no events
	quiet     bool // no packet has passed for a while, see quietSpan
	count     int  // of all flows
}

// wanted tells whether the whole table is to be read again soon: because
// events were missed, because somebody wants to see rates, because there are no events, or
// because there are flows of which the kernel sends none. Else it is read now and then
// all the same, as not all that happens to a flow makes an event.
func (s *schedule) wanted() bool { return s.again || s.fresh || s.silent > 0 }

// want notes whether the counters of all flows are wanted, and tells whether that is new.
func (s *schedule) want(fresh bool) (changed bool) {
	changed = fresh != s.fresh
	s.fresh = fresh
	return changed
}

// look notes what there is to see, and tells whether flows came or went of which no packet tells. Of what began while
// the kernel sent no events it never will. With the first packet a long rest is one that packets allow, and once none
// passes any more it becomes long, where all is read: no round is under way, and none has passed since the last one began.
func (s *schedule) look(now time.Time, saw glance, read bool) (moved bool) {
	before := s.glance
	s.looked, s.glance = now, saw
	switch {
	case saw.eventless != before.eventless:
		s.redo()
	case before.quiet && !saw.quiet:
		if due := s.ended.Add(s.rest()); due.Before(s.due) {
			s.due = due
		}
	case !before.quiet && saw.quiet && read && !s.again:
		if due := s.ended.Add(s.rest()); due.After(s.due) {
			s.due = due
		}
	}
	return saw.quiet && saw.count != before.count
}

// redo has another round begin as soon as the last one allows.
func (s *schedule) redo() { s.again, s.due = true, s.rested }

// retry has another round begin after a while, as one has failed.
func (s *schedule) retry(now time.Time) { s.again, s.due = true, now.Add(refreshRest) }

// next is when there is something to do: the next round or step of one, or a look at the settings.
func (s *schedule) next() time.Time {
	if look := s.lookAt(); look.Before(s.due) {
		return look
	}
	return s.due
}

// lookAt is when the settings are looked at again.
func (s *schedule) lookAt() time.Time { return beat.After(settingsPace, s.looked) }

// pace is what part of a core a round may take, and how long to rest after it at least.
func (s *schedule) pace() (share float64, rest time.Duration) {
	if s.fresh {
		return cmp.Or(s.share, refreshShare), refreshRest
	}
	return reconcileShare, reconcileRest
}

// steps is how many datagrams of a dump are read between two looks for events.
func (s *schedule) steps() int { return int(dumpSteps * max(1, s.share/refreshShare)) }

// stepped says when the next step of a round may be made, after one that began then and took so much
// processor time.
func (s *schedule) stepped(began time.Time, used time.Duration) {
	share, _ := s.pace()
	s.due = began.Add(time.Duration(float64(used) / share))
}

// note takes what a whole round found: the sum of its counters, and of how many flows the kernel may not tell
// the end. Nothing moved where that is as before: no counter if counters are wanted, else none of these flows.
func (s *schedule) note(sum uint64, silent int) {
	if !s.fresh {
		sum = uint64(silent)
	}
	if sum == s.sum && (s.fresh || silent > 0) {
		s.still++
	} else {
		s.still = 0
	}
	s.sum, s.silent = sum, silent
}

// resting tells whether rests are longer than usual since nothing moves.
func (s *schedule) resting() bool { return s.calm() > 0 }

// calm is how many rounds ago the rests began to be longer; where not even a packet passes, that is one round sooner.
func (s *schedule) calm() int {
	if s.quiet {
		return s.still - calmRounds + 1
	}
	return s.still - calmRounds
}

// hasten has the next round begin as if something had moved in the last one. While one is
// under way it changes nothing for that.
func (s *schedule) hasten(underWay bool) {
	s.still = 0
	if underWay || !s.wanted() {
		return
	}
	_, rest := s.pace()
	if soon := s.rested.Add(rest); soon.Before(s.due) {
		s.due = soon
	}
}

// finished says when the next round may begin, after one that has ended: after an overrun soon, but
// not at once, so that a flood that nobody could keep up with does not become one
// dump after the other.
func (s *schedule) finished(end time.Time, r *round) {
	s.ended, s.cost, s.took = end, r.cost, end.Sub(r.began)
	s.rested = end.Add(r.busy)
	s.due = s.rested
	if !s.again {
		s.due = end.Add(s.rest())
	}
}

// rest is how long to rest after the last round.
func (s *schedule) rest() time.Duration {
	if !s.wanted() {
		rest := max(longestRest, time.Duration(float64(s.cost)/idleShare))
		if s.quiet {
			rest = max(rest, quietRest)
		}
		return rest
	}
	share, least := s.pace()
	pause := max(least, time.Duration(float64(s.cost)/share)-s.took)
	times := s.calm()
	if times <= 0 {
		return pause
	}
	const most = 3 // 64 times the least is longer than the longest
	longer := min(pause<<(2*min(times, most)), time.Duration(float64(s.cost)/calmShare), longestRest)
	if s.quiet {
		longer = quietRest
	}
	if s.eventless {
		longer = min(longer, eventlessRest)
	}
	return max(pause, longer)
}
