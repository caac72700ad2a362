package flow

import (
	"context"
	"time"
)

// Talkers tell what groups of flows move now and have moved over the last minute: also those of many short flows, which
// are read once, and which have ended before anybody could measure a rate. The zero value has not looked yet; one is for one
// grouping and condition. It is for one goroutine at a time.
type Talkers struct {
	last   []talkersCount // by place in the table
	looks  []talkersLook  // oldest first
	behind bool           // packets pass again that were not counted yet
}

// talkersCount is what a flow had counted when it was looked at last.
type talkersCount struct {
	id    uint32
	bytes uint64
}

// talkersLook is what was moved from a time on until another, and by which groups also what nobody counted: some of their
// flows were there all the time and have no counters.
type talkersLook struct {
	from, to int64
	moved    map[GroupKey]uint64
	lacking  map[GroupKey]bool
}

// rate is how many bytes a second a group moved.
func (l *talkersLook) rate(k GroupKey) float64 {
	return float64(l.moved[k]) / max(1, time.Duration(l.to-l.from).Seconds())
}

// talkersTime is what is told of. Looks are talkersApart at least, so that their rates mean something; those that lie back
// are kept in steps of talkersStep.
const (
	talkersTime  = time.Minute
	talkersStep  = 5 * time.Second
	talkersApart = 900 * time.Millisecond
)

// Look adds up what flows have moved since the look before, at the time now in nanoseconds since 1970, where counters are
// known as the feed tells; where that is no further than at the look before, or where they are just being read, it does nothing,
// as new flows are counted only when they are read. It reads the whole table, as Group does, and keeps 16 bytes a flow. The first
// look only notes the counters. The error is ctx's.
func (t *Talkers) Look(ctx context.Context, flows *Flows, where Condition, by GroupBy, now int64, feed *Feed) error {
	counted := feed.CountedAt
	look, first := talkersLook{from: counted, to: counted, moved: map[GroupKey]uint64{}, lacking: map[GroupKey]bool{}}, len(t.looks) == 0
	if !first {
		look.from = t.looks[len(t.looks)-1].to
	}
	t.behind = counted < look.from
	if counted == 0 || feed.Counting || !first && counted-look.from < int64(talkersApart) {
		return nil
	}
	key := flows.keyOf(by)
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
			moved := t.moved(pos, f, now)
			if first {
				return
			}
			lacks := !f.Counts() && f.First <= look.from
			if moved == 0 && !lacks || !where.holds(f, now) {
				return
			}
			if lacks {
				look.lacking[key(f)] = true
				return
			}
			look.moved[key(f)] += moved
		})
		flows.mu.RUnlock()
	}
	t.keep(look)
	return nil
}

// keep adds a look, puts those before it together to steps, and drops what is older than the time that is told of.
func (t *Talkers) keep(look talkersLook) {
	if n := len(t.looks); n > 2 && t.looks[n-1].to-t.looks[n-2].from <= int64(talkersStep) {
		last, before := &t.looks[n-1], &t.looks[n-2]
		for k, moved := range last.moved {
			before.moved[k] += moved
		}
		before.to = last.to
		t.looks = t.looks[:n-1]
	}
	t.looks = append(t.looks, look)
	for look.to-t.looks[0].to >= int64(talkersTime) {
		t.looks = t.looks[1:]
	}
}

// moved is how many bytes a flow has moved since it was looked at last.
func (t *Talkers) moved(pos uint32, f *Flow, now int64) uint64 {
	if int(pos) >= len(t.last) {
		t.last = append(t.last, make([]talkersCount, int(pos)+1-len(t.last))...)
	}
	before := t.last[pos]
	if !f.Counts() {
		return 0
	}
	t.last[pos] = talkersCount{f.ID, f.Bytes()}
	switch at, exact := f.Since(); {
	case before.id == f.ID && before.bytes <= f.Bytes():
		return f.Bytes() - before.bytes
	case exact && now-at > int64(talkersTime):
		return 0 // nobody knows when it moved that
	}
	return f.Bytes()
}

// Span is over how much time the looks tell, in seconds.
func (t *Talkers) Span() float64 {
	if len(t.looks) == 0 {
		return 1
	}
	told := time.Duration(t.looks[len(t.looks)-1].to - t.looks[0].from)
	return max(1, told.Seconds())
}

// Group looks, and is Flows.Group with how many bytes a second the groups move now and have moved over the last minute, or over
// what is known of it: also those that have moved something and are no more.
func (t *Talkers) Group(ctx context.Context, flows *Flows, where Condition, by GroupBy, order GroupOrder, limit int, now int64, feed *Feed) (Grouping, error) {
	if err := t.Look(ctx, flows, where, by, now, feed); err != nil {
		return Grouping{}, err
	}
	groups, err := flows.groups(ctx, where, by, now)
	return groupingOf(t.rated(groups), order, limit), err
}

// rated are groups with their rates, and those that are no more.
func (t *Talkers) rated(groups []Group) []Group {
	sums := map[GroupKey]float64{}
	for _, look := range t.looks {
		for k, moved := range look.moved {
			sums[k] += float64(moved)
		}
	}
	span := t.Span()
	for i := range groups {
		g := &groups[i]
		t.rate(g, sums[g.Key]/span)
		g.Moves = g.Counted > 0 && len(t.looks) > 1 && !t.behind
		delete(sums, g.Key)
	}
	for k, sum := range sums {
		gone := Group{Key: k, Moves: len(t.looks) > 1}
		t.rate(&gone, sum/span)
		groups = append(groups, gone)
	}
	return groups
}

// rate writes the rates of a group.
func (t *Talkers) rate(g *Group, minute float64) {
	g.Minute = minute
	switch n := len(t.looks); {
	case n == 0: // where nothing is read again and again, the rates of flows are all that is known
	case n == 1 || t.behind:
		g.ByteRate = 0
	default:
		g.ByteRate, g.Least = t.looks[n-1].rate(g.Key), t.looks[n-1].lacking[g.Key]
	}
}
