package live

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// table is a kernel's table that tells what the test puts into it.
type table struct {
	batches   chan *flow.Batch
	feed      atomic.Pointer[flow.Feed]
	refreshed chan []flow.Flow
	end       error
	closed    atomic.Bool
}

func newTable() *table {
	t := &table{batches: make(chan *flow.Batch), refreshed: make(chan []flow.Flow)}
	t.feed.Store(&flow.Feed{})
	return t
}

func (t *table) Follow(ctx context.Context, deliver func(*flow.Batch)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case b, ok := <-t.batches:
			if !ok {
				return t.end
			}
			deliver(b)
		}
	}
}

func (t *table) Feed() flow.Feed       { return *t.feed.Load() }
func (t *table) Health() facts.Health  { return facts.Health{Count: 7} }
func (t *table) KeepFresh(bool)        {}
func (t *table) GiveWay(time.Duration) {}

func (t *table) Milestone(int64) {}
func (t *table) Close() error    { t.closed.Store(true); return nil }

func (t *table) Refresh(flows []flow.Flow, _ func(*flow.Batch)) error {
	t.refreshed <- flows
	return nil
}

func (t *table) Forget(flows []flow.Flow, deliver func(*flow.Batch)) (int, error) {
	b := &flow.Batch{At: 9}
	for _, f := range flows {
		b.Messages = append(b.Messages, flow.Message{Kind: flow.EventDestroy, Flow: f})
	}
	deliver(b)
	return len(flows), nil
}

func (t *table) Details(*flow.Flow) (flow.Details, error) { return flow.Details{}, nil }

func published() flow.Flow {
	at := netip.MustParseAddrPort
	return flow.Flow{
		ID: 1, State: flow.TCPEstablished, Status: flow.StatusDstNAT | flow.StatusSeenReply,
		Orig:  rules.MakeTuple(rules.TCP, at("203.0.113.10:5000"), at("203.0.113.1:80")),
		Reply: rules.MakeTuple(rules.TCP, at("192.168.0.2:8080"), at("203.0.113.10:5000")),
	}
}

func began(f flow.Flow) *flow.Batch {
	return &flow.Batch{At: 5, Messages: []flow.Message{{Kind: flow.EventNew, Has: flow.HasStatus | flow.HasState | flow.HasTimeout, Flow: f}}}
}

// TestFollow has a connection come, be explained once the rules are known, be read again one question at a time, and be forgotten.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		kernel := newTable()
		s := Follow(ctx, kernel, heap{})
		kernel.batches <- began(published())
		<-s.Changed()
		if s.Table().Len() != 1 || s.Log().Last() != 1 {
			t.Errorf("%d connections, event %d", s.Table().Len(), s.Log().Last())
		}

		tables, err := rules.Read(strings.NewReader("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		s.Explainer().SetRules(map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}, time.Now())
		synctest.Wait()
		f := published()
		if e := s.Explain(&f); e.Confidence != explain.NotAsked {
			t.Errorf("explained as %v without knowing the host", e)
		}
		s.Explainer().SetFacts(&facts.Facts{})
		<-s.Changed()
		synctest.Wait() // something else may have changed before that was explained
		f, _, _ = s.Table().Lookup(f.Key())
		if e := s.Explain(&f); e.Confidence == explain.NotAsked || e.Rule().IsZero() {
			t.Errorf("the rule that made it is told as %v", e)
		}

		s.Refresh([]flow.Flow{f})
		synctest.Wait()
		s.Refresh([]flow.Flow{f, f}) // left out: one question is open
		if flows := <-kernel.refreshed; len(flows) != 1 {
			t.Errorf("%d connections are asked for", len(flows))
		}
		synctest.Wait()

		if n, err := s.Forget(ctx, []flow.Flow{f}); n != 1 || err != nil || s.Table().Len() != 0 {
			t.Errorf("forgot %d, %v: %d are left", n, err, s.Table().Len())
		}
		stop()
		synctest.Wait()
		if !kernel.closed.Load() {
			t.Error("the kernel's table is still open")
		}
	})
}

// TestGaps has what was missed stand in the log where it was missed, with what became of it.
func TestGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := newTable()
		s := Follow(t.Context(), kernel, heap{})
		kernel.batches <- began(published())
		kernel.feed.Store(&flow.Feed{Missed: 30, LastMissed: 30})
		kernel.batches <- began(published())
		kernel.feed.Store(&flow.Feed{Missed: 30, LastMissed: 30, Resyncs: 1, LastResync: 4})
		kernel.batches <- &flow.Batch{At: 8}
		synctest.Wait()
		var missed []uint64
		for _, e := range s.Log().Tail(9, 0) {
			missed = append(missed, e.Missed)
			if e.Missed > 0 && e.Resync != 4 {
				t.Errorf("whole again after %v", e.Resync)
			}
		}
		if len(missed) != 3 || missed[0]+missed[1]+missed[2] != 30 {
			t.Errorf("missed %v", missed)
		}
	})
}

// TestSilence has the log say where the kernel sent no events, but not that it never did.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := newTable()
		s := Follow(t.Context(), kernel, heap{})
		for _, off := range []bool{true, false, true, true, false} {
			kernel.feed.Store(&flow.Feed{EventsOff: off})
			kernel.batches <- &flow.Batch{At: 8}
			synctest.Wait()
		}
		var told []flow.Silence
		for _, e := range s.Log().Tail(9, 0) {
			told = append(told, e.Silence)
		}
		if want := []flow.Silence{flow.SilenceEnds, flow.SilenceBegins, flow.SilenceEnds}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

// TestEnd has the error that ended the following told with the feed.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := newTable()
		kernel.end = errors.New("no more")
		s := Follow(t.Context(), kernel, heap{})
		close(kernel.batches)
		<-s.Changed()
		synctest.Wait()
		if err := s.Feed().Err; !errors.Is(err, kernel.end) {
			t.Errorf("the feed ended with %v", err)
		}
		if s.Health().Count != 7 {
			t.Errorf("health is %+v", s.Health())
		}
	})
}

// TestCountsWaitForTheTable: as long as the table has not been read, a rule is not said to have no connections.
func TestCountsWaitForTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tables, err := rules.Read(strings.NewReader("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		kernel := newTable()
		s := Follow(t.Context(), kernel, heap{})
		unknown := func(when string) {
			time.Sleep(time.Minute)
			if byRule, _ := s.RuleFlows(); byRule != nil {
				t.Errorf("%s: counted as %v", when, byRule)
			}
		}
		unknown("before anything is known")
		s.Explainer().SetFacts(&facts.Facts{})
		s.Explainer().SetRules(map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}, time.Now())
		unknown("before the table is read")
		kernel.batches <- &flow.Batch{At: 5, Begin: true, Messages: []flow.Message{{Kind: flow.Listed, Flow: published()}}}
		unknown("while the table is read")
		kernel.batches <- &flow.Batch{At: 6, End: true}
		time.Sleep(time.Minute)
		if byRule, _ := s.RuleFlows(); byRule[evaluate.RuleRef{Table: "nat", Chain: "PREROUTING", Position: 1}] != 1 {
			t.Errorf("with all that was read: %v", byRule)
		}
	})
}

// TestCountsAfterAMove: while flows are not explained by the new rules, no rule is shown with the
// connections of the one that stood there before.
func TestCountsAfterAMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := newTable()
		s := Follow(t.Context(), kernel, heap{})
		sets := func(first string) map[rules.Variant]*rules.Ruleset {
			tables, err := rules.Read(strings.NewReader("*nat\n:PREROUTING ACCEPT [0:0]\n" + first + "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n"))
			if err != nil {
				t.Fatal(err)
			}
			return map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}
		}
		counted := func(position int) bool {
			byRule, _ := s.RuleFlows()
			return len(byRule) == 1 && byRule[evaluate.RuleRef{Table: "nat", Chain: "PREROUTING", Position: position}] == 1
		}
		kernel.batches <- &flow.Batch{At: 4, Begin: true, End: true}
		kernel.batches <- began(published())
		<-s.Changed()
		s.Explainer().SetFacts(&facts.Facts{})
		s.Explainer().SetRules(sets(""), time.Now())
		for !counted(1) {
			time.Sleep(time.Millisecond)
		}
		s.Explainer().SetRules(sets("-A PREROUTING -d 203.0.113.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 192.168.0.3\n"), time.Now())
		for range 10_000 { // of fake milliseconds
			if byRule, _ := s.RuleFlows(); byRule != nil && !counted(2) {
				t.Fatalf("counted as %v", byRule)
			}
			time.Sleep(time.Millisecond)
		}
		if !counted(2) {
			t.Error("not counted again")
		}
	})
}

// heap is where the tables of these tests are kept.
type heap struct{}

func (heap) Take() *flow.Room { return new(flow.Room) }
func (heap) Give(*flow.Room)  {}

// TestEbb: memory is given back once, when most of many flows have gone for good.
func TestEbb(t *testing.T) {
	var e ebb
	var told []bool
	for _, flows := range []int{10, 1_000, 1_000, 200_000, 190_000, 40_000, 60_000, 40_000, 30_000, 30_000, 100, 100} {
		told = append(told, e.over(flows))
	}
	want := make([]bool, len(told))
	want[8] = true // the second look at few
	if !slices.Equal(told, want) {
		t.Errorf("%v", told)
	}
}
