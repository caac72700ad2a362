package conntrack

import (
	"testing"
	"time"
)

// TestNextAction is what is done about the table, by what was lost, what is due, and what is under way.
func TestNextAction(t *testing.T) {
	now := at(time.Hour)
	soon, calm, flood := now.Add(time.Second), now.Add(-calmAfter), now.Add(-1)
	running := &listing{}
	for _, test := range []struct {
		name string
		r    round
		l    losses
		s    schedule
		want action
	}{
		{"a round is due", round{}, losses{}, schedule{due: now}, doBegin},
		{"none is due yet", round{}, losses{}, schedule{due: soon}, doNothing},
		{"none is due yet, but the flood is over", round{}, losses{last: calm}, schedule{due: soon, again: true}, doBegin},
		{"none is due yet, and the flood goes on", round{}, losses{last: flood}, schedule{due: soon, again: true}, doNothing},
		{"due in a flood", round{}, losses{last: flood}, schedule{due: now, again: true}, doBegin},
		{"the kernel still drops what comes", round{}, losses{congested: 1, last: calm}, schedule{due: now, again: true}, doNothing},
		{"paced, the next step is due", round{listing: running}, losses{}, schedule{due: now}, doStep},
		{"paced, the next step is not due", round{listing: running}, losses{}, schedule{due: soon}, doNothing},
		{"urgent", round{listing: running, urgent: true}, losses{}, schedule{due: soon}, doStep},
		{"paced, and another one is due", round{listing: running}, losses{last: flood}, schedule{due: soon, again: true}, doStep},
		{"urgent, while the kernel drops", round{listing: running, urgent: true}, losses{congested: 1}, schedule{due: now}, doNothing},
		{"it cannot become whole", round{listing: running, urgent: true}, losses{last: calm}, schedule{again: true}, doReplace},
		{"it cannot, and has replaced one", round{listing: running, urgent: true, anew: true}, losses{last: calm}, schedule{again: true}, doStep},
	} {
		if got := test.r.next(now, &test.l, &test.s); got != test.want {
			t.Errorf("%s: action %d, want %d", test.name, got, test.want)
		}
	}
}

func TestRoundAddsUpWhatItTakes(t *testing.T) {
	r := round{anew: true, cost: time.Hour, busy: time.Hour, urgent: true}
	w := startWatch()
	r.begin(&listing{}, false, w)
	if !r.underWay() || r.hurried() || !r.anew || r.began != w.began || r.cost >= time.Hour || r.cost > r.busy {
		t.Errorf("after its beginning it is %+v", r)
	}
	cost, busy := r.cost, r.busy
	r.spend(2, 3)
	r.spend(20, 30)
	if r.cost != cost+22 || r.busy != busy+33 {
		t.Errorf("it took %v of %v, and then %v of %v", cost, busy, r.cost, r.busy)
	}
	if r.urgent = true; !r.hurried() {
		t.Error("an urgent round does not hurry")
	}
}
