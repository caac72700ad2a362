package model

import (
	"context"
	"slices"
	"strings"
	"testing"
)

func TestEventLog(t *testing.T) {
	table, log := NewFlows(), NewEventLog(10)
	step := func(kind ChangeKind, from, to int) {
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
	q, err := ParseQuery("nat dnat", nil)
	if err != nil {
		t.Fatal(err)
	}
	log.SetQuery(q, second)
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
	happen := func(kind ChangeKind, of ...int) {
		b := Batch{At: second}
		for _, i := range of {
			*b.Next() = event(kind, testFlow(i))
		}
		table.Apply(&b)
		log.Append(&b)
	}
	find := func(line string) []uint64 {
		q, err := ParseQuery(line, nil)
		if err != nil {
			t.Fatal(err)
		}
		log.SetQuery(q, second)
		var numbers []uint64
		for _, e := range log.Tail(99, 0) {
			numbers = append(numbers, e.Number)
		}
		return numbers
	}
	happen(EventNew, 1, 2, 3, 4, 5, 6)
	want := find("nat dnat")
	if len(want) == 0 || len(want) == 6 {
		t.Fatalf("%d of 6 events are told of by the filter", len(want))
	}
	if got := find("id 4000000"); len(got) != 0 {
		t.Errorf("events %v match", got)
	}
	if got := find("nat dnat"); !slices.Equal(got, want) {
		t.Errorf("afterwards %v match, not %v", got, want)
	}
	// Those that match stay although many others come.
	happen(EventUpdate, slices.Repeat([]int{2}, 20)...)
	if got := find("nat dnat event new"); !slices.Equal(got, want) {
		t.Errorf("after others %v match, not %v", got, want)
	}
	if got := find(""); len(got) != 10 || got[9] != 26 {
		t.Errorf("without a filter there are %v", got)
	}
	if got := log.Tail(99, 20); len(got) != 4 || got[3].Number != 20 {
		t.Errorf("up to 20 there are %v", got)
	}
}

// TestEventsCostNoHeap has a log that is full take events without asking for memory, with and without a filter.
func TestEventsCostNoHeap(t *testing.T) {
	all, err := ParseQuery("proto tcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []Query{{}, all} {
		log := NewEventLog(256)
		log.SetQuery(q, second)
		var b Batch
		b.Reset(second)
		for i := range 512 {
			*b.Next() = event(EventNew, testFlow(i))
		}
		log.Append(&b)
		if n := testing.AllocsPerRun(20, func() { log.Append(&b) }); n > 0 {
			t.Errorf("512 events allocate %v times, filtered by %q", n, q)
		}
	}
}

// TestGroups holds each group against the flows that its own filter finds.
func TestGroups(t *testing.T) {
	table := listed(4000)
	for name, f := range queryFlows() {
		if name != "web" {
			apply(table, 2*second, event(EventNew, *f))
		}
	}
	ctx := context.Background()
	for by := range groupings {
		groups, total, err := table.Groups(ctx, Query{}, by, GroupsByBytes, -1, 3*second)
		if err != nil || total != len(groups) {
			t.Fatalf("%v: %d groups of %d, %v", by, len(groups), total, err)
		}
		all := 0
		for i, g := range groups {
			all += g.Flows
			if i > 0 && g.Bytes > groups[i-1].Bytes {
				t.Errorf("%v: %v is out of order", by, g.Key.String())
			}
			if i > 20 && i < len(groups)-20 {
				continue
			}
			q, err := ParseQuery(g.Key.Query(nil), nil)
			if err != nil {
				t.Errorf("%v: %v", g.Key.String(), err)
				continue
			}
			sel, err := NewSelector(table).Select(ctx, q, Sort{}, Window{Limit: 0}, 3*second)
			if err != nil || sel.Total != g.Flows || sel.Bytes != g.Bytes {
				t.Errorf("%q finds %d flows of %d in %v, %v", q, sel.Total, g.Flows, g.Key.String(), err)
			}
		}
		if all != table.Len() {
			t.Errorf("%v: %d flows of %d", by, all, table.Len())
		}
		top, total, err := table.Groups(ctx, Query{}, by, GroupsByFlows, 1, 3*second)
		if err != nil || len(top) != 1 || total != len(groups) {
			t.Errorf("%v: the largest is %v of %d, %v", by, top, total, err)
		}
	}
}

func TestGroupNames(t *testing.T) {
	var names []string
	for _, f := range queryFlows() {
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

func TestHealthNotes(t *testing.T) {
	fine := Health{At: 10 * second, Tracking: SettingOn, Count: 100, Max: 262144, Buckets: 65536, Accounting: SettingOn, Timestamps: SettingOn, Events: SettingAuto, HasStats: true}
	for name, c := range map[string]struct {
		now    func(*Health)
		before func(*Health)
		want   string
	}{
		"fine":        {now: func(*Health) {}, want: ""},
		"full":        {now: func(h *Health) { h.Count = 260000; h.Buckets = 262144 }, want: "table-full error"},
		"filling":     {now: func(h *Health) { h.Count = 220000; h.Buckets = 262144 }, want: "table-filling warning"},
		"growing":     {now: func(h *Health) { h.Count = 100000 }, before: func(h *Health) { h.Count = 90000 }, want: "table-growing warning"},
		"off":         {now: func(h *Health) { h.Accounting, h.Events, h.Timestamps = SettingOff, SettingOff, SettingOff }, want: "events-off warning accounting-off note timestamps-off note"},
		"untracked":   {now: func(h *Health) { h.Tracking, h.Count = SettingOff, 0 }, want: "not-tracking note"},
		"empty":       {now: func(h *Health) { h.Tracking, h.Count = SettingUnknown, 0 }, want: "nothing-tracked note"},
		"unknown":     {now: func(h *Health) { *h = Health{At: second, Count: -1, Max: -1, Buckets: -1} }, want: ""},
		"dropping":    {now: func(h *Health) { h.Stats.Drop = 5 }, before: func(h *Health) { h.Stats.Drop = 3 }, want: "drop error"},
		"has dropped": {now: func(h *Health) { h.Stats.Drop = 5 }, before: func(h *Health) { h.Stats.Drop = 5 }, want: "drop note"},
		"no port":     {now: func(h *Health) { h.Stats.Drop, h.Stats.InsertFailed, h.Stats.Found = 48, 48, 97 }, want: "insert-failed error"},
		"both":        {now: func(h *Health) { h.Stats.Drop, h.Stats.InsertFailed = 50, 48 }, want: "drop error insert-failed error"},
		"crowded":     {now: func(h *Health) { h.Count, h.Buckets = 5000, 1000 }, want: "table-crowded warning"},
	} {
		now, before := fine, fine
		before.At = 5 * second
		c.now(&now)
		if c.before != nil {
			c.before(&before)
		} else {
			before.Count = now.Count
		}
		var got []string
		for _, n := range now.Notes(&before) {
			got = append(got, n.Name, n.Severity)
			if n.Sentence == "" {
				t.Errorf("%s: %s says nothing", name, n.Name)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}
