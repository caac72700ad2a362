package beat

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAfter(t *testing.T) {
	at := func(s float64) time.Time { return time.Date(2026, 3, 14, 2, 30, 0, int(s*1e9), time.UTC) }
	for _, c := range []struct {
		now, rest, then float64
	}{
		{0, 1, 1},
		{0.005, 1, 1},
		{0.4, 1, 1},
		{0.6, 1, 2},
		{1.005, 1, 2},
		{0.1, 2, 2},
		{1.1, 2, 4},
		{2.005, 2, 4},
		{0.3, 3, 4},
		{0.3, 29, 30},
		{2.002, 6, 8},
		{0.3, 0.2, 0.5},
	} {
		rest := time.Duration(c.rest * float64(time.Second))
		if got := After(rest, at(c.now)); got.Sub(at(c.then)).Abs() > time.Microsecond {
			t.Errorf("at %v after a rest of %v: %v, not %v", c.now, rest, got.Sub(at(0)), c.then)
		}
	}
}

// What changes is looked at again at its own pace; what does not, ever less often.
func TestStill(t *testing.T) {
	before := time.Duration(0)
	for looks := range 100 {
		rest := Still(looks)
		if looks < 10 && rest != 0 || rest < before || rest > 4*time.Second || looks > 40 && rest == 0 {
			t.Errorf("after %d looks: %v, and before that %v", looks, rest, before)
		}
		before = rest
	}
}

// A rest is at most half shorter or longer, and what rests for as long ends at the same moments for good.
func TestRestsMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1_780_000_000, rapid.Int64Range(0, int64(time.Minute)).Draw(t, "start"))
		rest := time.Duration(rapid.Int64Range(int64(beat), int64(time.Minute)).Draw(t, "rest"))
		first := After(rest, start)
		if wait := first.Sub(start); wait < rest/2 || wait > rest+rest/2 {
			t.Fatalf("%v for a rest of %v", wait, rest)
		}
		other := start.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "later")))
		second := After(rest, other)
		apart := second.Sub(first)
		if apart%time.Second != 0 || rest >= 2*time.Second && apart%(2*time.Second) != 0 {
			t.Fatalf("%v apart", apart)
		}
	})
}
