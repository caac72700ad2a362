// Package beat has all that looks at the system again and again do so at the same moments, so that a quiet machine is
// woken once for all of them. What is looked at takes some tens of microseconds; but each time that a Go program wakes
// up, its scheduler looks around for a millisecond (runtime.sysmon), which costs more than that.
package beat

import "time"

// beat is the time between two beats.
const beat = time.Second

// After is when a rest that begins now is over: at the beat that is nearest to its end, and from two seconds on at every
// second beat, so that rests that are not equal meet as well. A rest of less than a beat is not moved. Beats go by the
// wall clock; what is returned, by the clock of now.
func After(rest time.Duration, now time.Time) time.Time {
	due := now.Add(rest)
	if rest < beat {
		return due
	}
	step := beat
	if rest >= 2*beat {
		step = 2 * beat
	}
	past := due.Sub(due.Truncate(step))
	if past > step/2 {
		past -= step
	}
	return due.Add(-past)
}

// Still is the least rest between two looks at something that was the same at so many looks one after the other.
func Still(looks int) time.Duration {
	switch {
	case looks > 30:
		return 4 * time.Second
	case looks > 10:
		return 2 * time.Second
	}
	return 0
}
