package conntrack

import (
	"testing"
	"time"
)

// TestGiveWay: at most every second moment is given, however often it is asked for.
func TestGiveWay(t *testing.T) {
	const ms, most = int64(time.Millisecond), 20 * time.Millisecond
	var w way
	for _, step := range []struct {
		at   int64
		do   string
		till int64
	}{
		{100, "give", 120},
		{105, "give", 120}, // it lasts already
		{108, "end", 111},  // until the screen is on its way
		{110, "give", 111},
		{112, "give", 111}, // it took 11, and only 1 has gone by
		{122, "give", 142},
		{166, "give", 186}, // nobody has ended it: it took 20
		{185, "end", 186},  // it ends by itself sooner
		{190, "give", 186},
		{206, "give", 226},
		{207, "end", 210},
		{213, "give", 210},
		{214, "give", 234},
	} {
		if step.do == "end" {
			w.end(step.at * ms)
		} else {
			w.give(step.at*ms, most)
		}
		if till := w.until.Load(); till != step.till*ms {
			t.Errorf("%s at %d: until %d, not %d", step.do, step.at, till/ms, step.till)
		}
	}
}
