package flow

import (
	"cmp"
	"slices"
	"time"
)

// Talkers averages the rates of groups over the last minute, so that who talks in bursts, or has ended by now, is told as
// well. The zero value is empty; all groups are to be of one grouping and condition.
type Talkers struct {
	looks []talkersLook // oldest first
}

type talkersLook struct {
	at    int64
	rates map[GroupKey]float64
}

// talkersTime is what is averaged over, talkersStep how far looks are apart at least.
const (
	talkersTime = time.Minute
	talkersStep = 2 * time.Second
)

// Take notes the rates of groups at a time, in nanoseconds since 1970; those without a rate are silent.
func (t *Talkers) Take(groups []Group, at int64) {
	if n := len(t.looks); n > 0 && at-t.looks[n-1].at < int64(talkersStep) {
		return
	}
	look := talkersLook{at, map[GroupKey]float64{}}
	for i := range groups {
		if groups[i].ByteRate > 0 {
			look.rates[groups[i].Key] = groups[i].ByteRate
		}
	}
	t.looks = append(t.looks, look)
	for at-t.looks[0].at > int64(talkersTime) {
		t.looks = t.looks[1:]
	}
}

// Fill writes the average of the last minute into groups, and adds those that were heard of in it and are no more, up to
// limit of all of them; they come back sorted by it, the busiest first.
func (t *Talkers) Fill(groups []Group, limit int) []Group {
	sums := map[GroupKey]float64{}
	for _, look := range t.looks {
		for k, rate := range look.rates {
			sums[k] += rate
		}
	}
	out := slices.Clone(groups)
	for i := range out {
		out[i].Minute = sums[out[i].Key] / max(1, float64(len(t.looks)))
		delete(sums, out[i].Key)
	}
	for k, sum := range sums {
		out = append(out, Group{Key: k, Minute: sum / float64(len(t.looks))})
	}
	slices.SortStableFunc(out, func(a, b Group) int {
		return cmp.Or(-cmp.Compare(a.Minute, b.Minute), -cmp.Compare(a.Flows, b.Flows), cmp.Compare(a.Key.String(), b.Key.String()))
	})
	return out[:min(len(out), limit)]
}
