package traffic

import (
	"testing"
	"time"
)

// TestEcho: counters that moved are told for twelve seconds at each look, then every ten seconds for five minutes.
func TestEcho(t *testing.T) {
	var e Echo
	start := time.Unix(1_000_000, 0)
	if e.Due(start) {
		t.Error("nothing has moved yet")
	}
	e.Moved(start)
	told := 0
	var last time.Duration
	for at := 2 * time.Second; at < time.Hour; at += 2 * time.Second {
		if e.Due(start.Add(at)) {
			if gap := at - last; at > 10*time.Second && gap != 10*time.Second {
				t.Errorf("told after %v, %v after the time before", at, gap)
			}
			told, last = told+1, at
		}
	}
	if told < 30 || told > 40 || last < 4*time.Minute || last >= 5*time.Minute {
		t.Errorf("told %d times, the last time after %v", told, last)
	}
}
