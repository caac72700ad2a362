package flow

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Talkers tell what groups of flows have moved over the last minute: also those of many short flows, which have ended
// before anybody could measure a rate. The zero value has not looked yet; one is for one grouping and condition. It is for
// one goroutine at a time.
type Talkers struct {
	last  []talkersCount // by place in the table
	looks []talkersLook  // oldest first
	begun int64          // from when on it knows: of the first look, when the earliest flow began that counts there
}

// talkersCount is what a flow had counted when it was looked at last.
type talkersCount struct {
	id    uint32
	bytes uint64
}

type talkersLook struct {
	at    int64
	moved map[GroupKey]uint64
}

// talkersTime is what is told of. Looks are talkersStep apart at least, the first few talkersFirst, as somebody waits for them.
const (
	talkersTime  = time.Minute
	talkersStep  = 5 * time.Second
	talkersFirst = 900 * time.Millisecond
	talkersFew   = 4
)

// Look adds up what flows have moved since the look before, at the time now in nanoseconds since 1970; sooner than some
// seconds after that one it does nothing. It reads the whole table, as Group does, and keeps 16 bytes a flow. The first
// look counts what flows have moved that began within the minute before. The error is ctx's.
func (t *Talkers) Look(ctx context.Context, flows *Flows, where Condition, by GroupBy, now int64) error {
	first := len(t.looks) == 0
	step := talkersStep
	if len(t.looks) < talkersFew {
		step = talkersFirst
	}
	if !first && now-t.looks[len(t.looks)-1].at < int64(step) {
		return nil
	}
	if first {
		t.begun = now
	}
	look := talkersLook{now, map[GroupKey]uint64{}}
	for c := 0; ; c++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		flows.mu.RLock()
		if c >= len(flows.chunks) {
			flows.mu.RUnlock()
			break
		}
		flows.eachOf(c, func(pos uint32, f *Flow) {
			moved := t.moved(pos, f, first, now)
			if moved == 0 || !where.holds(f, now) {
				return
			}
			look.moved[by.key(f)] += moved
			if first {
				t.begun = min(t.begun, f.Start)
			}
		})
		flows.mu.RUnlock()
	}
	t.looks = append(t.looks, look)
	for now-t.looks[0].at > int64(talkersTime) {
		t.looks = t.looks[1:]
	}
	return nil
}

// moved is how many bytes a flow has moved since it was looked at last.
func (t *Talkers) moved(pos uint32, f *Flow, first bool, now int64) uint64 {
	if int(pos) >= len(t.last) {
		t.last = append(t.last, make([]talkersCount, int(pos)+1-len(t.last))...)
	}
	before := t.last[pos]
	if !f.Counts() {
		return 0
	}
	t.last[pos] = talkersCount{f.ID, f.Bytes()}
	switch at, exact := f.Since(); {
	case before.id == f.ID && before.bytes <= f.Bytes() && !first:
		return f.Bytes() - before.bytes
	case first && !exact, exact && now-at > int64(talkersTime):
		return 0 // nobody knows when it moved that
	}
	return f.Bytes()
}

// Span is over how much time the looks tell, in seconds.
func (t *Talkers) Span() float64 {
	if len(t.looks) == 0 {
		return 1
	}
	last := t.looks[len(t.looks)-1].at
	return max(1, time.Duration(min(last-t.begun, int64(talkersTime))).Seconds())
}

// Fill writes into groups how many bytes a second they have moved over the last minute, or over what is known of it, and
// adds those that have moved something and are no more, up to limit of all of them; they come back sorted by it, the
// busiest first.
func (t *Talkers) Fill(groups []Group, limit int) []Group {
	sums := map[GroupKey]float64{}
	for _, look := range t.looks {
		for k, moved := range look.moved {
			sums[k] += float64(moved)
		}
	}
	span := t.Span()
	out := slices.Clone(groups)
	for i := range out {
		out[i].Minute = sums[out[i].Key] / span
		out[i].MinuteKnown = out[i].Minute > 0 || out[i].Counted > 0 && len(t.looks) > 1
		delete(sums, out[i].Key)
	}
	for k, sum := range sums {
		out = append(out, Group{Key: k, Minute: sum / span, MinuteKnown: true})
	}
	slices.SortStableFunc(out, func(a, b Group) int {
		return cmp.Or(-cmp.Compare(a.Minute, b.Minute), -cmp.Compare(a.Flows, b.Flows), cmp.Compare(a.Key.String(), b.Key.String()))
	})
	return out[:min(len(out), limit)]
}
