package ui

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// feed is a flow source whose events a test tells.
type feed struct {
	table     *flow.Flows
	log       *flow.EventLog
	changed   chan struct{}
	explainer *explain.Explainer
	health    facts.Health
	status    flow.Feed
	forgotten []flow.Flow
	whole     uint32 // of every flow's timeout, in seconds
	fresh     bool
	way, ways atomic.Int64 // how long was given last, and how often
	uncounted bool         // it is not known yet which connections rules made
	now       func() time.Time
}

func newFeed() *feed {
	f := &feed{table: flow.NewFlows(), log: flow.NewEventLog(1000), changed: make(chan struct{}, 1), status: flow.Feed{Live: true}, now: func() time.Time { return clock }}
	f.explainer = explain.NewExplainer(f.table)
	f.health = facts.Health{At: clock.UnixNano(), Tracking: facts.SettingOn, Events: facts.SettingOn, Accounting: facts.SettingOn, Timestamps: facts.SettingOn, Max: 262144, Buckets: 262144}
	return f
}

func (f *feed) Table() *flow.Flows { return f.table }

func (f *feed) Log() *flow.EventLog { return f.log }

func (f *feed) Changed() <-chan struct{} { return f.changed }

func (f *feed) Feed() flow.Feed {
	told := f.status
	told.CountedAt = f.now().UnixNano()
	return told
}

func (f *feed) Refresh([]flow.Flow) {}

func (f *feed) KeepFresh(on bool) { f.fresh = on }

func (f *feed) GiveWay(most time.Duration) {
	f.way.Store(int64(most))
	if most > 0 {
		f.ways.Add(1)
	}
}

func (f *feed) Explain(x *flow.Flow) explain.Explanation { return f.explainer.Of(x) }

func (f *feed) RuleName(n uint32) string { return f.explainer.Name(n) }

func (f *feed) FindRule(r string) (func(*flow.Flow) (meant, known bool), error) {
	return f.explainer.Finder(r)
}

func (f *feed) Health() facts.Health {
	h := f.health
	h.Count = f.table.Len()
	return h
}

func (f *feed) RuleFlows() (map[evaluate.RuleRef]int, int) {
	if f.uncounted {
		return nil, 0
	}
	counts, stale := f.explainer.RuleCounts()
	return counts, stale
}

func (f *feed) Forget(_ context.Context, flows []flow.Flow) (int, error) {
	f.forgotten = append(f.forgotten, flows...)
	return len(flows), nil
}

func (f *feed) Details(_ context.Context, x flow.Flow) (flow.Details, error) {
	if f.whole == 0 {
		return flow.Details{Flow: x}, nil
	}
	return flow.Details{Flow: x, TimeoutWhole: f.whole, TimeoutSetting: "nf_conntrack_tcp_timeout_established"}, nil
}

// tell gives the table an event of a flow.
func (f *feed) tell(kind flow.MessageKind, flows ...flow.Flow) {
	b := &flow.Batch{At: f.now().UnixNano()}
	for _, x := range flows {
		c := b.Next()
		c.Kind, c.Flow = kind, x
		c.Has = ^flow.Fields(0)
	}
	f.table.Apply(b)
	f.log.Append(b)
	for f.explainer.Work(100) {
	}
}

// aFlow is a TCP flow by its four ends.
func aFlow(id int, client, asked, served, seen string) flow.Flow {
	at := netip.MustParseAddrPort
	x := flow.Flow{
		ID:   uint32(id),
		Orig: rules.MakeTuple(rules.TCP, at(client), at(asked)), Reply: rules.MakeTuple(rules.TCP, at(served), at(seen)),
		State: flow.TCPEstablished, Status: flow.StatusSeenReply | flow.StatusAssured | flow.StatusConfirmed, Timeout: 432000,
		Start: clock.Add(-time.Duration(id) * time.Minute).UnixNano(),
	}
	if client != seen {
		x.Status |= flow.StatusSrcNAT
	}
	if asked != served {
		x.Status |= flow.StatusDstNAT
	}
	x.SetCounts(uint64(10*id), uint64(1000*id), uint64(9*id), uint64(9000*id))
	return x
}

// someFlows are the ones of the sketch: published, shared, redirected, plain.
func someFlows() []flow.Flow {
	pending := aFlow(5, "198.51.100.9:40001", "203.0.113.1:8443", "192.168.0.3:443", "198.51.100.9:40001")
	pending.State, pending.Status = flow.TCPSynSent, flow.StatusDstNAT|flow.StatusConfirmed
	return []flow.Flow{
		aFlow(1, "203.0.113.10:55474", "203.0.113.1:80", "192.168.0.2:8080", "192.168.0.1:55474"),
		aFlow(2, "192.168.0.7:41022", "93.184.216.34:443", "93.184.216.34:443", "203.0.113.1:41022"),
		aFlow(3, "192.168.0.9:50100", "198.51.100.20:80", "192.168.0.1:8888", "192.168.0.9:50100"),
		aFlow(4, "192.168.0.7:22000", "192.168.0.1:22", "192.168.0.1:22", "192.168.0.7:22000"),
		pending,
	}
}

func flowStage(t *testing.T, width, height int, flows ...flow.Flow) (*stage, *feed) {
	f := newFeed()
	k := &kernel{sets: sets(t, map[rules.Variant]string{v4: gatewayRules})}
	s := &stage{t: t, kernel: k}
	s.app = New(t.Context(), Gateway{Changes: k, Flows: f}, Options{UTF8: true, Now: func() time.Time { return clock }})
	f.explainer.SetRules(k.sets, gatewayFacts().Host(nil))
	f.tell(flow.Listed, flows...)
	s.tables(true)
	s.send(factsMsg{gatewayFacts()})
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	s.quiet(shownFlows)
	return s, f
}

// shownFlows opens the flows screen.
func shownFlows(s *stage) { s.press("2") }

// quiet runs something without the ticks that would go on for ever.
func (s *stage) quiet(do func(*stage)) {
	s.stopTicks()
	do(s)
}

// stopTicks makes the flows screen believe that its clock ticks already.
func (s *stage) stopTicks() { s.app.screens[1].(*flowsScreen).ticking = true }

// refresh lets the screen take what the table has become.
func (s *stage) refresh() {
	cmd := s.app.screens[1].Receive(flowsMsg{})
	s.run(cmd)
	s.run(s.app.settle())
}
