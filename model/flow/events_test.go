package flow

import (
	"context"
	"slices"
	"strings"
	"testing"

	"nattui/rules"
)

func TestEventLog(t *testing.T) {
	table, log := NewFlows(), NewEventLog(10)
	step := func(kind MessageKind, from, to int) {
		b := Batch{At: second}
		for i := from; i < to; i++ {
			*b.Next() = event(kind, testFlow(i))
		}
		table.Apply(&b)
		log.Append(&b)
	}
	step(EventNew, 0, 25)
	step(Listed, 100, 110) // no event
	if n := log.Last(); n != 25 || log.Counts().New != 25 {
		t.Fatalf("last event %d, counts %+v", n, log.Counts())
	}
	numbers := func(n int, until uint64) (list []uint64) {
		for _, e := range log.Tail(n, until) {
			list = append(list, e.Number)
		}
		return list
	}
	for _, c := range []struct {
		n     int
		until uint64
		want  []uint64
	}{
		{3, 0, []uint64{23, 24, 25}},
		{3, 20, []uint64{18, 19, 20}},
		{3, 17, []uint64{16, 17}},
		{3, 15, nil},
		{99, 0, []uint64{16, 17, 18, 19, 20, 21, 22, 23, 24, 25}},
		{0, 0, nil},
	} {
		if got := numbers(c.n, c.until); !slices.Equal(got, c.want) {
			t.Errorf("%d until %d are %v, not %v", c.n, c.until, got, c.want)
		}
	}
	log.SetFilter(func(f *Flow, _ int64, _ MessageKind) bool { return f.NAT()&NATDst != 0 }, second)
	if got := numbers(99, 0); !slices.Equal(got, []uint64{18, 22}) {
		t.Errorf("after a filter there are %v", got)
	}
	step(EventDestroy, 0, 25)
	for _, e := range log.Tail(3, 0) {
		if e.Kind != EventDestroy || e.Flow.NAT() != NATDst || e.Unknown {
			t.Errorf("event %+v", e)
		}
	}
	if log.Last() != 50 || log.Matched(0) != 8 || log.Matched(25) != 2 || log.Counts().Destroy != 25 {
		t.Errorf("%d events, %d of them match, %+v", log.Last(), log.Matched(0), log.Counts())
	}
}

// TestEventFilterLosesNothing: a filter that is typed letter by letter, and taken away again, leaves
// the events there that the letters on the way to it did not match.
func TestEventFilterLosesNothing(t *testing.T) {
	table, log := NewFlows(), NewEventLog(10)
	happen := func(kind MessageKind, of ...int) {
		b := Batch{At: second}
		for _, i := range of {
			*b.Next() = event(kind, testFlow(i))
		}
		table.Apply(&b)
		log.Append(&b)
	}
	find := func(where Condition) []uint64 {
		log.SetFilter(where, second)
		var numbers []uint64
		for _, e := range log.Tail(99, 0) {
			numbers = append(numbers, e.Number)
		}
		return numbers
	}
	happen(EventNew, 1, 2, 3, 4, 5, 6)
	dnat := func(f *Flow, _ int64, _ MessageKind) bool { return f.NAT()&NATDst != 0 }
	want := find(dnat)
	if len(want) == 0 || len(want) == 6 {
		t.Fatalf("%d of 6 events are told of by the filter", len(want))
	}
	if got := find(func(f *Flow, _ int64, _ MessageKind) bool { return f.ID == 4000000 }); len(got) != 0 {
		t.Errorf("events %v match", got)
	}
	if got := find(dnat); !slices.Equal(got, want) {
		t.Errorf("afterwards %v match, not %v", got, want)
	}
	// Those that match stay although many others come.
	happen(EventUpdate, slices.Repeat([]int{2}, 20)...)
	if got := find(func(f *Flow, now int64, kind MessageKind) bool { return kind == EventNew && dnat(f, now, kind) }); !slices.Equal(got, want) {
		t.Errorf("after others %v match, not %v", got, want)
	}
	if got := find(nil); len(got) != 10 || got[9] != 26 {
		t.Errorf("without a filter there are %v", got)
	}
	if got := log.Tail(99, 20); len(got) != 4 || got[3].Number != 20 {
		t.Errorf("up to 20 there are %v", got)
	}
}

// TestEventsCostNoHeap has a log that is full take events without asking for memory, with and without a filter.
func TestEventsCostNoHeap(t *testing.T) {
	tcp := func(f *Flow, _ int64, _ MessageKind) bool { return f.Proto() == rules.TCP }
	for _, where := range []Condition{nil, tcp} {
		log := NewEventLog(256)
		log.SetFilter(where, second)
		var b Batch
		b.Reset(second)
		for i := range 512 {
			*b.Next() = event(EventNew, testFlow(i))
		}
		log.Append(&b)
		if n := testing.AllocsPerRun(20, func() { log.Append(&b) }); n > 0 {
			t.Errorf("512 events allocate %v times, filtered: %t", n, where != nil)
		}
	}
}

// TestGroups holds the sum of all groups against the table.
func TestGroups(t *testing.T) {
	table := listed(4000)
	for name, f := range sampleFlows() {
		if name != "web" {
			apply(table, 2*second, event(EventNew, *f))
		}
	}
	ctx := context.Background()
	for by := range groupings {
		groups, total, err := table.Groups(ctx, nil, by, GroupsByBytes, -1, 3*second)
		if err != nil || total != len(groups) {
			t.Fatalf("%v: %d groups of %d, %v", by, len(groups), total, err)
		}
		all := 0
		for i, g := range groups {
			all += g.Flows
			if i > 0 && g.Bytes > groups[i-1].Bytes {
				t.Errorf("%v: %v is out of order", by, g.Key.String())
			}
		}
		if all != table.Len() {
			t.Errorf("%v: %d flows of %d", by, all, table.Len())
		}
		top, total, err := table.Groups(ctx, nil, by, GroupsByFlows, 1, 3*second)
		if err != nil || len(top) != 1 || total != len(groups) {
			t.Errorf("%v: the largest is %v of %d, %v", by, top, total, err)
		}
	}
}

func TestGroupNames(t *testing.T) {
	var names []string
	for _, f := range sampleFlows() {
		for by := range groupings {
			k := by.key(f)
			names = append(names, k.String())
		}
	}
	slices.Sort(names)
	want := strings.Join([]string{
		"192.168.0.7", "192.168.0.7", "2001:db8::7", "203.0.113.10",
		"dnat tcp 203.0.113.1:80 to 192.168.0.2:8080", "icmp", "icmp 1.1.1.1",
		"no rule", "no rule", "no rule", "not translated", "not translated", "rule 3",
		"snat udp seen as 203.0.113.1", "tcp 203.0.113.1:80", "tcp 443", "tcp 80", "tcp [2001:db8::1]:443", "udp 53", "udp 8.8.8.8:53",
	}, "\n")
	if got := strings.Join(names, "\n"); got != want {
		t.Errorf("the groups are\n%s\nnot\n%s", got, want)
	}
}
