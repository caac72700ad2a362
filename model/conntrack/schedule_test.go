package conntrack

import (
	"testing"
	"time"
)

// at is a time of the tests, so long after the first one.
func at(d time.Duration) time.Time { return time.Unix(1_000_000, 0).Add(d) }

// TestRest: what a round costs, who wants one, and whether anything moves say how long the rest is.
func TestRest(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name       string
		s          schedule
		cost, took time.Duration
		want       time.Duration
	}{
		{"quiet for one round", schedule{fresh: true, still: 1, glance: glance{quiet: true}}, 20 * ms, 0, quietRest},
		{"quiet, but something moved", schedule{fresh: true, glance: glance{quiet: true}}, 20 * ms, 0, time.Second},
		{"quiet, without events", schedule{fresh: true, still: 9, glance: glance{quiet: true, eventless: true}}, 20 * ms, 0, eventlessRest},
		{"nobody wants it", schedule{}, ms, ms, longestRest},
		{"nobody wants it, and it is dear", schedule{}, 100 * ms, ms, 200 * time.Second},
		{"counters, cheap", schedule{fresh: true}, ms, ms, refreshRest},
		{"counters, 4 % of a core", schedule{fresh: true}, 200 * ms, 500 * ms, 4500 * ms},
		{"flows that end silently, cheap", schedule{silent: 1}, ms, ms, reconcileRest},
		{"flows that end silently, 3 ‰ of a core", schedule{silent: 1}, 30 * ms, time.Second, 9 * time.Second},
		{"still for one round", schedule{fresh: true, still: 1}, 20 * ms, 0, time.Second},
		{"still for two", schedule{fresh: true, still: 2}, 20 * ms, 0, 4 * time.Second},
		{"still for three", schedule{fresh: true, still: 3}, 20 * ms, 0, 16 * time.Second},
		{"still for long", schedule{fresh: true, still: 100}, 4 * ms, 0, 20 * time.Second},
		{"still for long, dear", schedule{fresh: true, still: 100}, 60 * ms, 0, longestRest},
		{"still for long, without events", schedule{fresh: true, glance: glance{eventless: true}, still: 100}, 20 * ms, 0, eventlessRest},
		{"still, but so dear that the share takes longer", schedule{fresh: true, still: 100}, 2 * time.Second, 0, 50 * time.Second},
	} {
		test.s.cost, test.s.took = test.cost, test.took
		if got := test.s.rest(); got.Round(ms) != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestStillness: a round in which nothing moved is one whose sum is as before, if counters are wanted, or
// whose silent flows are as many as before.
func TestStillness(t *testing.T) {
	type found struct {
		sum    uint64
		silent int
		still  int
	}
	for name, test := range map[string]struct {
		fresh  bool
		rounds []found
	}{
		"counters":               {true, []found{{1, 0, 0}, {1, 0, 1}, {1, 0, 2}, {2, 0, 0}, {2, 5, 1}}},
		"no counters, silent":    {false, []found{{1, 3, 0}, {2, 3, 1}, {3, 3, 2}, {3, 2, 0}, {3, 2, 1}}},
		"nothing there is moves": {false, []found{{1, 0, 0}, {1, 0, 0}, {1, 0, 0}}},
	} {
		s := schedule{fresh: test.fresh}
		for i, r := range test.rounds {
			if s.note(r.sum, r.silent); s.still != r.still || s.silent != r.silent {
				t.Errorf("%s, round %d: still for %d, want %d; %d silent", name, i, s.still, r.still, s.silent)
			}
			if s.resting() != (r.still > calmRounds) {
				t.Errorf("%s, round %d: resting %v", name, i, s.resting())
			}
		}
	}
}

// TestDue: what moves a round nearer, and what does not.
func TestDue(t *testing.T) {
	const rest = 20 * time.Second
	asleep := schedule{due: at(rest), rested: at(0), still: 9, fresh: true}
	for _, test := range []struct {
		name string
		do   func(*schedule)
		want time.Duration
	}{
		{"nothing", func(*schedule) {}, rest},
		{"events were missed", (*schedule).redo, 0},
		{"something moved", func(s *schedule) { s.hasten(false) }, refreshRest},
		{"something moved while a round is under way", func(s *schedule) { s.hasten(true) }, rest},
		{"something moved that nobody wants to see", func(s *schedule) { s.fresh = false; s.hasten(false) }, rest},
		{"something moved, and it is sooner already", func(s *schedule) { s.due = at(1); s.hasten(false) }, 1},
		{"a silent flow was wanted", func(s *schedule) { s.fresh, s.silent = false, 1; s.hasten(false) }, reconcileRest},
		{"the round failed", func(s *schedule) { s.retry(at(5)) }, 5 + refreshRest},
		{"events were switched off", func(s *schedule) { s.look(at(5), glance{eventless: true}, false) }, 0},
		{"events are as they were", func(s *schedule) { s.look(at(5), glance{}, false) }, rest},
		{"a step of 4 ms for counters", func(s *schedule) { s.stepped(at(7), 4*time.Millisecond) }, 7 + 100*time.Millisecond},
		{"a step of 3 ms for silent flows", func(s *schedule) { s.fresh = false; s.stepped(at(7), 3*time.Millisecond) }, 7 + time.Second},
	} {
		s := asleep
		test.do(&s)
		if got := s.due.Sub(at(0)); got != test.want {
			t.Errorf("%s: due after %v, want %v", test.name, got, test.want)
		}
	}
}

func TestFinishedRound(t *testing.T) {
	r := round{began: at(0), cost: 40 * time.Millisecond, busy: 300 * time.Millisecond}
	end := at(500 * time.Millisecond)
	for _, test := range []struct {
		name        string
		s           schedule
		rested, due time.Duration
	}{
		{"whole", schedule{fresh: true}, 300 * time.Millisecond, time.Second},
		{"another one is due", schedule{fresh: true, again: true}, 300 * time.Millisecond, 300 * time.Millisecond},
		{"nobody wants one", schedule{}, 300 * time.Millisecond, 80 * time.Second},
	} {
		test.s.finished(end, &r)
		if rested, due := test.s.rested.Sub(end), test.s.due.Sub(end); rested != test.rested || due != test.due {
			t.Errorf("%s: rested after %v, want %v, due after %v, want %v", test.name, rested, test.rested, due, test.due)
		}
	}
}

func TestWanted(t *testing.T) {
	for _, test := range []struct {
		s    schedule
		want bool
	}{
		{schedule{}, false},
		{schedule{again: true}, true},
		{schedule{fresh: true}, true},
		{schedule{silent: 1}, true},
		{schedule{still: 3, sum: 9, glance: glance{eventless: true}}, false},
	} {
		if got := test.s.wanted(); got != test.want {
			t.Errorf("%+v: wanted is %v", test.s, got)
		}
	}
	var s schedule
	for i, fresh := range []bool{false, true, true, false} {
		if changed := s.want(fresh); changed != (i == 1 || i == 3) || s.fresh != fresh {
			t.Errorf("wanting %v: changed is %v", fresh, changed)
		}
	}
}

func TestNextIsTheSoonestOfAll(t *testing.T) {
	for _, test := range []struct{ due, looked, want time.Duration }{
		{time.Second, 0, time.Second},
		{time.Hour, 0, settingsPace},
		{time.Hour, 2*time.Second + time.Millisecond, 2*time.Second + settingsPace}, // at the beat
	} {
		s := schedule{due: at(test.due), looked: at(test.looked)}
		if got := s.next().Sub(at(0)); got != test.want {
			t.Errorf("due after %v and looked after %v: next after %v, want %v", test.due, test.looked, got, test.want)
		}
	}
}

// TestQuiet: a rest while no packet passes is over as if they had passed, once they do; and a flow that comes or goes
// without one is noticed.
func TestQuiet(t *testing.T) {
	quiet := schedule{
		due: at(quietRest), rested: at(0), ended: at(0), cost: 20 * time.Millisecond,
		still: 1, fresh: true, glance: glance{quiet: true, count: 7},
	}
	for _, test := range []struct {
		name  string
		saw   glance
		want  time.Duration
		moved bool
	}{
		{"still quiet", glance{quiet: true, count: 7}, quietRest, false},
		{"packets pass", glance{count: 7}, refreshRest, false},
		{"packets pass and flows come", glance{count: 9}, refreshRest, false},
		{"a flow is gone", glance{quiet: true, count: 6}, quietRest, true},
	} {
		s := quiet
		moved := s.look(at(10*time.Second), test.saw, false)
		if due := s.due.Sub(at(0)); due != test.want || moved != test.moved {
			t.Errorf("%s: due after %v, want %v; moved %v", test.name, due, test.want, moved)
		}
	}
}

// TestBecomesQuiet: the rest becomes long once no packet passes any more, unless a round is due or packets have passed that
// none has read.
func TestBecomesQuiet(t *testing.T) {
	for _, test := range []struct {
		name string
		s    schedule
		read bool
		want time.Duration
	}{
		{"nobody wants a round", schedule{}, true, quietRest},
		{"counters are wanted that may have moved", schedule{fresh: true}, true, longestRest},
		{"counters are wanted, and were the same", schedule{fresh: true, still: 1}, true, quietRest},
		{"events were missed", schedule{again: true}, true, longestRest},
		{"not all is read", schedule{fresh: true, still: 1}, false, longestRest},
	} {
		s := test.s
		s.ended, s.due, s.cost = at(0), at(longestRest), time.Millisecond
		s.look(at(10*time.Second), glance{quiet: true}, test.read)
		if due := s.due.Sub(at(0)); due != test.want {
			t.Errorf("%s: due after %v, want %v", test.name, due, test.want)
		}
	}
}
