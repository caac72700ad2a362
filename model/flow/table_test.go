package flow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"nattui/rules"
)

const second = int64(time.Second)

// testFlow is the i-th of many different flows: some translated, some not, of several protocols.
func testFlow(i int) Flow {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1024+i%60000))
	public := netip.MustParseAddrPort("203.0.113.1:80")
	f := Flow{Orig: rules.MakeTuple(rules.TCP, client, public), ID: uint32(i)*2654435761 + 1, State: TCPEstablished, Timeout: 432000}
	f.Reply = f.Orig.Mirror()
	switch i % 4 {
	case 1:
		f.Reply = rules.MakeTuple(rules.TCP, netip.MustParseAddrPort("192.168.0.2:8080"), client)
		f.Status = StatusDstNAT
	case 2:
		f.Reply = rules.MakeTuple(rules.TCP, public, netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), client.Port()))
		f.State = TCPTimeWait
	case 3:
		f.Orig.Proto, f.Reply.Proto, f.State = rules.UDP, rules.UDP, 0
	}
	return f
}

func listed(n int) *Flows {
	t := NewFlows()
	var b Batch
	b.Reset(second)
	b.Since, b.Begin, b.End, b.Count = second, true, true, n
	for i := range n {
		c := b.Next()
		c.Kind, c.Flow = Listed, testFlow(i)
		c.Flow.SetCounts(uint64(i), uint64(i)*100, uint64(i), uint64(i)*1000)
		c.Has = HasStatus | HasState | HasTimeout | HasCounts
	}
	t.Apply(&b)
	return t
}

func apply(t *Flows, at int64, changes ...Message) {
	t.Apply(&Batch{At: at, Messages: changes})
}

func event(kind MessageKind, f Flow) Message {
	return Message{Kind: kind, Has: HasStatus | HasState | HasTimeout, Flow: f}
}

// byRule counts the flows that each rule's number explains, one by one.
func byRule(table *Flows) map[uint32]int {
	counts := map[uint32]int{}
	for n := range table.ByRule(table.ruleGen) {
		counts[uint32(n)] = 0
	}
	for _, f := range table.Each {
		if f.RuleGen == table.ruleGen {
			counts[f.Rule]++
		}
	}
	return counts
}

// check holds the table against itself: what it counts must be what it has.
func check(t *testing.T, table *Flows) {
	t.Helper()
	var want Totals
	seen := map[Key]bool{}
	for ref, f := range table.Each {
		want.add(f, f.NAT(), 1)
		if seen[f.Key()] {
			t.Fatalf("%v is there twice", f.Orig)
		}
		seen[f.Key()] = true
		if _, found, ok := table.Lookup(f.Key()); !ok || found != ref {
			t.Fatalf("%v is at %v and found at %v, %v", f.Orig, ref, found, ok)
		}
	}
	got := table.Totals()
	want.Vanished, want.Unheard = got.Vanished, got.Unheard
	if got != want {
		t.Fatalf("totals are %+v, the flows make %+v", got, want)
	}
	for n, flows := range byRule(table) {
		if got := table.ByRule(table.ruleGen); int(n) >= len(got) || got[n] != flows {
			t.Fatalf("rule %d has %d flows, ByRule tells %v", n, flows, got)
		}
	}
	used := 0
	for i := range table.index.shards {
		used += table.index.shards[i].used
	}
	if used != got.Flows {
		t.Fatalf("the index has %d entries for %d flows", used, got.Flows)
	}
}

func TestFlowSize(t *testing.T) {
	if size := unsafe.Sizeof(Flow{}); size > 176 {
		t.Errorf("a flow takes %d bytes", size)
	}
}

// TestFlowsAgainstMap applies many random changes to the table and to a map that does the same plainly.
func TestFlowsAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	table, plain := NewFlows(), map[Key]Flow{}
	for step := range 2000 {
		var b Batch
		b.Reset(int64(step+1) * second)
		for range r.IntN(60) {
			f := testFlow(r.IntN(5000))
			f.ID += uint32(r.IntN(2)) // a tuple may be used again
			c := b.Next()
			*c = event(EventNew, f)
			switch {
			case step/200%2 == 1 && r.IntN(3) > 0, r.IntN(3) == 0:
				c.Kind = EventDestroy
				delete(plain, f.Key())
			default:
				plain[f.Key()] = f
			}
		}
		table.Apply(&b)
		if step%100 == 0 {
			check(t, table)
		}
	}
	check(t, table)
	if table.Len() != len(plain) {
		t.Fatalf("the table has %d flows, the map %d", table.Len(), len(plain))
	}
	for k := range plain {
		if _, _, ok := table.Lookup(k); !ok {
			t.Errorf("%v is missing", k)
		}
	}
}

func TestEventsMergeIntoWhatIsKnown(t *testing.T) {
	table := listed(8)
	f := testFlow(4)
	f.State, f.Timeout = TCPFinWait, 120
	b := Batch{At: 5 * second, Messages: []Message{{Kind: EventUpdate, Has: HasState | HasTimeout, Flow: f}}}
	table.Apply(&b)
	got, _, _ := table.Lookup(f.Key())
	if got.State != TCPFinWait || got.Timeout != 120 || got.Told != 5*second {
		t.Errorf("the update was not taken: %+v", got)
	}
	if !got.Counts() || got.OrigBytes != 400 || got.First != second {
		t.Errorf("the update took away what it did not mention: %+v", got)
	}
	if b.Messages[0].Flow != got {
		t.Errorf("the change was not completed: %+v", b.Messages[0].Flow)
	}
	check(t, table)

	last := testFlow(4)
	last.SetCounts(10, 1000, 20, 2000)
	b = Batch{At: 6 * second, Messages: []Message{{Kind: EventDestroy, Has: HasCounts, Stop: 7, Flow: last}}}
	table.Apply(&b)
	if c := b.Messages[0]; c.Unknown || c.Flow.OrigBytes != 1000 || c.Flow.State != TCPFinWait || c.Flow.First != second {
		t.Errorf("the end was not completed: %+v", c)
	}
	if _, _, ok := table.Lookup(f.Key()); ok {
		t.Error("the flow is still there")
	}
	check(t, table)
}

func TestReusedTupleIsAnotherFlow(t *testing.T) {
	table := listed(1)
	old := testFlow(0)
	again := old
	again.ID++
	apply(table, 2*second, event(EventNew, again))
	if table.Len() != 2 {
		t.Fatalf("%d flows of 2", table.Len())
	}
	apply(table, 3*second, event(EventDestroy, old))
	got, _, ok := table.Lookup(Key{Orig: old.Orig})
	if !ok || got.ID != again.ID || got.Counts() {
		t.Errorf("the new flow is %+v, %v", got, ok)
	}
}

// TestSameIDAgain: where the kernel put the second flow into the place of the first it gives it the same ID.
func TestSameIDAgain(t *testing.T) {
	f := testFlow(0)
	f.Mark = 7
	table := NewFlows()
	made := event(EventNew, f)
	made.Has |= HasMark
	apply(table, second, made)
	f.Mark = 0
	apply(table, 5*second, event(EventNew, f)) // the end of the first was missed
	got, _, _ := table.Lookup(f.Key())
	if got.First != 5*second || got.Mark != 0 || table.Totals().Vanished != 1 {
		t.Errorf("the second flow has mark %d and began at %d; %d vanished", got.Mark, got.First, table.Totals().Vanished)
	}
	check(t, table)

	line := event(Listed, f)
	line.Has, line.Flow.Start = line.Has|HasStart, 6*second
	table.Apply(&Batch{At: 7 * second, Since: 7 * second, Begin: true, End: true, Messages: []Message{line}})
	if got, _, _ := table.Lookup(f.Key()); got.First != 5*second || got.Start != 6*second {
		t.Errorf("the time was told of the flow that was known, which now began at %d", got.First)
	}
	line.Flow.Start = 8 * second
	table.Apply(&Batch{At: 9 * second, Since: 9 * second, Begin: true, End: true, Messages: []Message{line}})
	if got, _, _ := table.Lookup(f.Key()); got.First != 9*second || table.Len() != 1 {
		t.Errorf("the third flow began at %d", got.First)
	}
	check(t, table)
}

// TestGoneIsOfTheFlowAskedFor: what begins after the question, with the same ID, is not gone.
func TestGoneIsOfTheFlowAskedFor(t *testing.T) {
	table, f := NewFlows(), testFlow(0)
	apply(table, 2*second, event(EventNew, f))
	table.Apply(&Batch{At: 3 * second, Since: second, Messages: []Message{{Kind: Gone, Flow: f}}})
	if table.Len() != 1 {
		t.Error("a flow that began after the question has gone")
	}
	table.Apply(&Batch{At: 5 * second, Since: 4 * second, Messages: []Message{{Kind: Gone, Flow: f}}})
	if table.Len() != 0 {
		t.Error("a flow that is not there any more has not gone")
	}
	check(t, table)
}

// TestAnswersDoNotAgeADump: answers to questions come while a dump goes on, as many as there are; they must not
// have it forget what ended meanwhile.
func TestAnswersDoNotAgeADump(t *testing.T) {
	table := listed(3)
	line := func(i int) Message { return event(Listed, testFlow(i)) }
	table.Apply(&Batch{At: 10 * second, Since: 10 * second, Begin: true, Messages: []Message{line(0)}})
	apply(table, 11*second, event(EventDestroy, testFlow(1)))
	for at := int64(12); at < 15; at++ {
		table.Apply(&Batch{At: at * second, Since: at * second, Messages: []Message{event(Refreshed, testFlow(0))}})
	}
	table.Apply(&Batch{At: 16 * second, Since: 10 * second, End: true, Messages: []Message{line(1), line(2)}})
	if f := testFlow(1); table.Len() != 2 {
		t.Errorf("%d flows of 2; the one that ended is %v", table.Len(), f.Orig)
	}
	check(t, table)
}

// TestReconcile has a dump with gaps: flows that nobody names vanish, flows made or ended meanwhile do not come back.
func TestReconcile(t *testing.T) {
	table := listed(100)
	line := func(i int) Message {
		c := event(Listed, testFlow(i))
		return c
	}
	var first []Message
	for i := range 40 {
		first = append(first, line(i))
	}
	table.Apply(&Batch{At: 10 * second, Since: 10 * second, Begin: true, Count: 80, Messages: first})
	apply(table, 11*second, event(EventNew, testFlow(200)), event(EventDestroy, testFlow(41)), event(EventDestroy, testFlow(201)))
	// This one was read from the kernel before those events came, and names the dead.
	table.Apply(&Batch{At: 12 * second, Since: 10 * second, Messages: []Message{line(40), line(41), line(201)}})
	apply(table, 13*second, event(EventUpdate, testFlow(60)))
	end := Batch{At: 14 * second, Since: 12 * second, End: true, Messages: []Message{line(42)}}
	table.Apply(&end)
	check(t, table)
	want := map[Key]bool{}
	for i := range 43 {
		if i != 41 {
			f := testFlow(i)
			want[f.Key()] = true
		}
	}
	for _, i := range []int{60, 200} {
		f := testFlow(i)
		want[f.Key()] = true
	}
	for _, f := range table.Each {
		if !want[f.Key()] {
			t.Errorf("%v should have gone", f.Orig)
		}
		delete(want, f.Key())
	}
	for k := range want {
		t.Errorf("%v is missing", k.Orig)
	}
	if n := table.Totals().Vanished; n != 56 {
		t.Errorf("%d flows vanished, not 56", n)
	}
	if end.Silent != 42 {
		t.Errorf("%d silent flows, not 42", end.Silent)
	}
}

// TestEventOutrunsListing: what a dump says of a flow is older than an event that came meanwhile.
func TestEventOutrunsListing(t *testing.T) {
	table := listed(1)
	f := testFlow(0)
	f.State = TCPFinWait
	apply(table, 20*second, event(EventUpdate, f))
	old := Message{Kind: Refreshed, Has: HasState | HasCounts, Flow: testFlow(0)}
	old.Flow.SetCounts(1, 2, 3, 4)
	table.Apply(&Batch{At: 21 * second, Since: 19 * second, Messages: []Message{old}})
	got, _, _ := table.Lookup(f.Key())
	if got.State != TCPFinWait || got.OrigBytes != 2 {
		t.Errorf("state %s, %d bytes", got.StateName(), got.OrigBytes)
	}
	table.Apply(&Batch{At: 23 * second, Since: 22 * second, Messages: []Message{old}})
	if got, _, _ = table.Lookup(f.Key()); got.State != TCPEstablished {
		t.Errorf("state %s after a newer answer", got.StateName())
	}
	check(t, table)
}

func TestRefreshDoesNotBringBackTheDead(t *testing.T) {
	table := listed(2)
	apply(table, 2*second, event(EventDestroy, testFlow(1)))
	table.Apply(&Batch{At: 3 * second, Since: second, Messages: []Message{event(Refreshed, testFlow(1)), event(Gone, testFlow(0))}})
	if table.Len() != 0 {
		t.Errorf("%d flows are left", table.Len())
	}
}

func TestRates(t *testing.T) {
	var f Flow
	counted := func(at, bytes int64) {
		var told Flow
		told.SetCounts(uint64(bytes/1000), uint64(bytes), 0, 0)
		f.count(&told, at, false)
	}
	counted(10*second, 1_000_000)
	if f.HasRate() {
		t.Error("a rate from one reading")
	}
	counted(10*second+second/10, 5_000_000) // too close
	if f.HasRate() || f.OrigBytes != 1_000_000 {
		t.Error("a reading after a tenth of a second was taken")
	}
	for i := int64(1); i <= 20; i++ {
		counted(10*second+i*second, 1_000_000+i*500_000)
	}
	if f.ByteRate < 499_000 || f.ByteRate > 501_000 || f.PacketRate < 499 || f.PacketRate > 501 {
		t.Errorf("rate %v B/s, %v packets/s", f.ByteRate, f.PacketRate)
	}
	counted(45*second, 11_000_000)
	if f.ByteRate != 0 {
		t.Errorf("rate %v after 15 quiet seconds", f.ByteRate)
	}
	counted(50*second, 10)
	if f.HasRate() {
		t.Error("a rate although the counters went back")
	}
}

// A rate is that of the last seconds: it is soon whole, and it soon ends, however often the counters are read.
func TestRatesFollowTheLastSeconds(t *testing.T) {
	for _, every := range []time.Duration{300 * time.Millisecond, time.Second, 1100 * time.Millisecond, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		t.Run(every.String(), func(t *testing.T) {
			const begin, stop, speed = 10.5, 25.5, 800e3 // seconds, and bytes a second
			var f Flow
			for at := 10 * second; at < 60*second; at += int64(every) {
				now := float64(at) / float64(second)
				moved := 1000 + (min(max(now, begin), stop)-begin)*speed
				var told Flow
				told.SetCounts(uint64(moved/1000), uint64(moved), 0, 0)
				f.count(&told, at, false)
				rate := float64(f.ByteRate)
				switch {
				case now >= begin+max(4, 2*every.Seconds()) && now <= stop && (rate < 0.9*speed || rate > 1.01*speed):
					t.Errorf("after %.1f s the rate is %.0f", now-begin, rate)
				case now >= stop+2*every.Seconds()+4.5 && (rate != 0 || f.PacketRate != 0 || !f.HasRate()):
					t.Errorf("%.1f s after the last byte the rate is %.0f", now-stop, rate)
				}
			}
		})
	}
}

// A pause in what a flow moves does not count together with one before it.
func TestRateGoesOnAfterAPause(t *testing.T) {
	var f Flow
	bytes := uint64(1000)
	for i := range int64(40) {
		if i%4 == 0 {
			bytes += 400_000
		}
		var told Flow
		told.SetCounts(bytes/1000, bytes, 0, 0)
		f.count(&told, (10+i)*second, false)
		if i > 8 && f.ByteRate < 10_000 {
			t.Errorf("after %d s the rate is %.0f", i, f.ByteRate)
		}
	}
}

func TestSelectSortsTheWindow(t *testing.T) {
	table := listed(5000)
	s := NewSelector(table)
	for _, by := range Columns() {
		for _, descending := range []bool{false, true} {
			order := Sort{by, descending}
			all, err := s.Select(context.Background(), nil, order, Window{Limit: -1}, 100*second)
			if err != nil || len(all.Rows) != 5000 || all.Total != 5000 {
				t.Fatalf("%v: %d rows of %d, %v", order, len(all.Rows), all.Total, err)
			}
			if !slices.IsSortedFunc(all.Rows, func(a, b Row) int {
				by := ranking{Sort: order}
				return by.rank(&a.Flow, a.Ref.Pos, 100*second).compare(by.rank(&b.Flow, b.Ref.Pos, 100*second))
			}) {
				t.Errorf("%v is not sorted", order)
			}
			for _, from := range []int{0, 1, 40, 2500, 4960, 4999, 6000} {
				part, err := s.Select(context.Background(), nil, order, Window{Offset: from, Limit: 40}, 100*second)
				if err != nil {
					t.Fatal(err)
				}
				if want := min(from, 4960); part.Offset != want || !slices.Equal(part.Rows, all.Rows[want:want+40]) {
					t.Errorf("%v from %d: offset %d and other rows", order, from, part.Offset)
				}
			}
			for _, at := range []int{0, 3, 2500, 4985, 4999} {
				for _, w := range []Window{{Limit: 20, Lead: 7}, {Limit: 20}, {Limit: 1, Lead: 90}, {Limit: -1, Lead: 50}, {Limit: 6000}} {
					w.Around = all.Rows[at].Ref
					around, err := s.Select(context.Background(), nil, order, w, 100*second)
					from, to := max(0, at-w.Lead), len(all.Rows)
					if w.Limit >= 0 {
						from = max(0, min(from, to-w.Limit))
						to = min(to, from+w.Limit)
					}
					if err != nil || around.Offset != from || !slices.Equal(around.Rows, all.Rows[from:to]) {
						t.Errorf("%v: around flow %d with %+v the offset is %d, not %d, with %d rows, %v", order, at, w, around.Offset, from, len(around.Rows), err)
					}
				}
			}
		}
	}
}

func TestSelectPutsUnknownLast(t *testing.T) {
	table := listed(10)
	apply(table, 2*second, event(EventNew, testFlow(20)))
	s := NewSelector(table)
	for _, descending := range []bool{false, true} {
		sel, err := s.Select(context.Background(), nil, Sort{ColumnBytes, descending}, Window{Limit: -1}, 3*second)
		if err != nil || sel.Rows[10].Flow.Counts() {
			t.Errorf("descending %v: the flow without counters is not last", descending)
		}
	}
}

// TestSelectAllocatesByTheWindow has a selection cost the heap what its window takes, however many flows it passes.
func TestSelectAllocatesByTheWindow(t *testing.T) {
	const flows = 4000
	var batch Batch
	table := NewFlows()
	fillTable(table, flows, &batch, second)
	s := NewSelector(table)
	_, ref, _ := table.Lookup(Key{Orig: testFlow(flows / 2).Orig})
	w := Window{Limit: 100, Around: ref, Lead: 50}
	per := testing.AllocsPerRun(10, func() {
		if _, err := s.Select(t.Context(), nil, Sort{By: ColumnBytes}, w, second); err != nil {
			t.Fatal(err)
		}
	})
	if per > 20 {
		t.Errorf("a selection of 100 of %d flows allocates %v times", flows, per)
	}
}

func TestSelectStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := NewSelector(listed(10)).Select(ctx, nil, Sort{}, Window{Limit: 5}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestReadersAndWriter runs readers beside a writer; the race detector watches.
func TestReadersAndWriter(t *testing.T) {
	table := listed(3000)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			s := NewSelector(table)
			for {
				select {
				case <-stop:
					return
				default:
				}
				sel, err := s.Select(context.Background(), nil, Sort{By: ColumnBytes}, Window{Limit: 20}, 5*second)
				if err != nil || sel.Total > sel.Of {
					t.Errorf("%d of %d, %v", sel.Total, sel.Of, err)
				}
				var f Flow
				for _, row := range sel.Rows {
					table.Read(row.Ref, &f)
				}
				table.Totals()
			}
		})
	}
	for step := range 300 {
		var b Batch
		b.Reset(int64(step+2) * second)
		for i := range 300 {
			c := b.Next()
			*c = event(EventNew, testFlow(3000+(step*31+i)%4000))
			if (step/10)%2 == 1 {
				c.Kind = EventDestroy
			}
		}
		table.Apply(&b)
	}
	close(stop)
	readers.Wait()
	check(t, table)
}

func TestExplain(t *testing.T) {
	table := listed(3000)
	asked := 0
	explain := func(f *Flow) (uint32, bool) {
		asked++
		return uint32(f.NAT()) + 1, asked%1000 == 0
	}
	for table.Explain(2, explain) {
	}
	if asked != 3000 {
		t.Fatalf("asked %d times", asked)
	}
	f := testFlow(1)
	got, _, _ := table.Lookup(f.Key())
	if got.Rule != 3 || got.RuleGen != 2 {
		t.Errorf("rule %d of generation %d", got.Rule, got.RuleGen)
	}
	apply(table, 3*second, event(EventNew, testFlow(5000)))
	for table.Explain(2, explain) {
	}
	if asked != 3001 {
		t.Errorf("asked %d times after one more flow", asked)
	}
	for table.Explain(3, explain) {
	}
	if asked != 6002 {
		t.Errorf("asked %d times in a new generation", asked)
	}
	check(t, table)
	for i := range 100 {
		apply(table, 4*second, event(EventDestroy, testFlow(i)))
	}
	check(t, table)
}

func TestChunksComeAndGo(t *testing.T) {
	table := listed(10 * chunkSize)
	var b Batch
	b.Reset(2 * second)
	for i := range 10 * chunkSize {
		*b.Next() = event(EventDestroy, testFlow(i))
	}
	table.Apply(&b)
	for i, k := range table.chunks {
		if k != nil {
			t.Errorf("chunk %d is still there", i)
		}
	}
	for i := range b.Messages {
		b.Messages[i] = event(EventNew, testFlow(i))
	}
	table.Apply(&b)
	check(t, table)
	if len(table.chunks) != 10 {
		t.Errorf("%d chunks", len(table.chunks))
	}
}

func ExampleFlow_NAT() {
	f := testFlow(1)
	fmt.Println(f.NAT(), f.Client(), "asked for", f.AskedFor(), "and is served by", f.ServedBy())
	// Output: dnat 10.0.0.1:1025 asked for 203.0.113.1:80 and is served by 192.168.0.2:8080
}

// TestVersionStaysWhereNothingMoved: hearing of a flow again is no change, what is seen of it is.
func TestVersionStaysWhereNothingMoved(t *testing.T) {
	table := listed(3)
	told := testFlow(1)
	told.SetCounts(1, 100, 1, 1000)
	refresh := func(at int64, f Flow) bool {
		before := table.Version()
		table.Apply(&Batch{At: at, Since: at, Messages: []Message{{Kind: Refreshed, Has: HasStatus | HasState | HasTimeout | HasCounts, Flow: f}}})
		return table.Version() != before
	}
	refresh(2*second, told) // the first rate: none
	at := 12 * second
	told.Timeout -= 11
	if refresh(at, told) {
		t.Error("only time has passed, and the version is another")
	}
	for _, c := range []struct {
		name   string
		change func(f *Flow)
	}{
		{"a new timeout", func(f *Flow) { f.Timeout += 11 }},
		{"a state", func(f *Flow) { f.State = TCPTimeWait }},
		{"a mark", func(f *Flow) { f.Mark = 7 }},
		{"packets", func(f *Flow) { f.SetCounts(2, 200, 1, 1000) }},
	} {
		other := told
		c.change(&other)
		if at += second; !refresh(at, other) {
			t.Errorf("%s makes no other version", c.name)
		}
		told.SetCounts(other.OrigPackets, other.OrigBytes, other.ReplyPackets, other.ReplyBytes)
		at += second
		refresh(at, told)
	}
	for range 30 { // until the rate is none any more
		at += second
		told.Timeout--
		refresh(at, told)
	}
	at += second
	told.Timeout--
	if refresh(at, told) {
		t.Error("half a minute after the last packet a rate still moves")
	}
}

// TestSizeDoesNotWait has the table's size and version told while it is being changed.
func TestSizeDoesNotWait(t *testing.T) {
	table := listed(8)
	version := table.Version()
	table.mu.Lock()
	defer table.mu.Unlock()
	if table.Len() != 8 || table.Version() != version {
		t.Errorf("%d flows, version %d", table.Len(), table.Version())
	}
}
