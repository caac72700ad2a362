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
		{108, "end", 0},
		{110, "give", 0}, // it took 8, and only 2 have gone by
		{115, "end", 0},
		{116, "give", 136},
		{140, "give", 136}, // nobody has ended it: it took 20
		{150, "end", 0},
		{155, "give", 0},
		{156, "give", 176},
		{157, "end", 0},
		{158, "give", 178},
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
