package ui

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"

	"nattui/model/traced"
	"nattui/rules"
)

// tracer stands for the kernel's tracing: it remembers what it was asked for, and
// reports the packets that it is given.
type tracer struct {
	asked   []traced.TraceFilter
	refuses error
	packets chan *traced.Traced
	closed  int
}

func (k *tracer) start(_ context.Context, f traced.TraceFilter) (Tracing, error) {
	k.asked = append(k.asked, f)
	if k.refuses != nil {
		return nil, k.refuses
	}
	return k, nil
}

func (k *tracer) Packets() <-chan *traced.Traced { return k.packets }
func (k *tracer) Err() error                     { return nil }
func (k *tracer) Missed() int                    { return 0 }
func (k *tracer) Table() string                  { return "inet nattui_trace_77" }
func (k *tracer) Leftover() string               { return "" }

func (k *tracer) Close() error {
	k.closed++
	return nil
}

// tracedPackets are a request that is published, its reply, one that is dropped and
// one that nobody takes.
func tracedPackets() []*traced.Traced {
	end := netip.MustParseAddrPort
	p := func(in, out, src, dst string, flags uint8) traced.TracedPacket {
		return traced.TracedPacket{Proto: rules.TCP, Src: end(src), Dst: end(dst), In: in, Out: out, TTL: 64, Length: 60, TCPFlags: flags}
	}
	hop := func(table, chain string, position int, verdict string, at traced.TracedPacket) traced.TraceHop {
		h := traced.TraceHop{Family: "ip", Table: table, Chain: chain, Position: position, Handle: 7, Verdict: verdict, Packet: at}
		if position == 0 {
			h.Kind = traced.HopPolicy
		}
		return h
	}
	const syn, synAck = 2, 18
	asked, served := p("wan0", "", "203.0.113.10:4000", "203.0.113.1:80", syn), p("wan0", "lan0", "203.0.113.10:4000", "192.168.0.2:8080", syn)
	seen := p("wan0", "lan0", "192.168.0.1:4000", "192.168.0.2:8080", syn)
	answer, answered := p("lan0", "", "192.168.0.2:8080", "192.168.0.1:4000", synAck), p("lan0", "wan0", "203.0.113.1:80", "203.0.113.10:4000", synAck)
	other := p("wan0", "", "203.0.113.10:4001", "192.168.0.9:81", syn)
	return []*traced.Traced{
		{Number: 1, At: clock, First: asked, Last: seen, End: traced.TraceForwarded, Hops: []traced.TraceHop{
			hop("nat", "PREROUTING", 1, "accept", asked), hop("nat", "POSTROUTING", 1, "accept", served),
		}},
		{Number: 2, At: clock, Reply: true, ReplyTo: 1, First: answer, Last: answered, End: traced.TraceForwarded},
		{Number: 3, At: clock, First: other, Last: other, End: traced.TraceDropped, Hops: []traced.TraceHop{
			hop("nat", "PREROUTING", 0, "accept", other), hop("filter", "FORWARD", 0, "drop", other),
		}},
		{Number: 4, At: clock, First: other, Last: other, End: traced.TraceLost, Hops: []traced.TraceHop{hop("nat", "PREROUTING", 0, "accept", other)}},
	}
}

// traceStage is a stage on which something can be traced.
func traceStage(t *testing.T, width, height int) (*stage, *tracer) {
	s := newStage(t, width, height, gatewayRules)
	k := &tracer{packets: make(chan *traced.Traced, 16)}
	s.app.gw.Trace = k.start
	s.press("5")
	return s, k
}

// running shows a trace that has brought packets and goes on.
func running(t *testing.T, width, height int) (*stage, *tracer) {
	s, k := traceStage(t, width, height)
	s.press("/")
	s.write("tcp in wan0 new")
	// What enter asks for is awaited elsewhere: the trace does not end.
	_, begin := s.app.Update(keyPress("enter"))
	for _, msg := range messages(begin) {
		_, _ = s.app.Update(msg)
	}
	if len(k.asked) != 1 {
		t.Fatalf("the kernel was asked %d times", len(k.asked))
	}
	msg := tracedMsg{generation: s.app.screens[4].(*traceScreen).generation, more: true}
	for _, p := range tracedPackets() {
		msg.add(p, true)
	}
	msg.explain(s.app.tables.Sets, s.app.facts)
	_, _ = s.app.Update(msg)
	return s, k
}

// messages runs what a command asks for, one after the other, and collects what comes.
func messages(cmd tea.Cmd) []tea.Msg {
	if cmd == nil {
		return nil
	}
	msg := cmd()
	if batch, ok := msg.(tea.BatchMsg); ok {
		var all []tea.Msg
		for _, c := range batch {
			all = append(all, messages(c)...)
		}
		return all
	}
	return []tea.Msg{msg}
}

func TestTraceScreen(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {40, 12}} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			s, _ := running(t, size.w, size.h)
			s.golden(fmt.Sprintf("trace-%dx%d", size.w, size.h))
		})
	}
}

func TestTraceTeaches(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {40, 12}} {
		s, _ := traceStage(t, size.w, size.h)
		s.golden(fmt.Sprintf("trace-empty-%dx%d", size.w, size.h))
	}
}

func TestTraceDetails(t *testing.T) {
	s, _ := running(t, 80, 24)
	s.press("enter")
	s.golden("trace-details")
	s.press("esc")
	s.press("down", "down")
	s.sees("dropped by filter FORWARD policy")
	s.press("down")
	s.sees("not seen any more after nat PREROUTING")
}

// esc removes what sets the trace off, and what still comes is nobody's.
func TestTraceStops(t *testing.T) {
	s, k := running(t, 80, 24)
	old := s.app.screens[4].(*traceScreen).generation
	s.press("esc")
	if k.closed != 1 {
		t.Fatalf("closed %d times", k.closed)
	}
	s.sees("4 packets, stopped")
	s.sees("stopped; table inet nattui_trace_77 was removed")
	s.send(tracedMsg{generation: old, rows: []tracedRow{{Traced: tracedPackets()[0]}}, more: true})
	s.sees("4 packets, stopped")
	s.press("esc")
	if k.closed != 1 {
		t.Errorf("closed %d times", k.closed)
	}
}

// A trace that the kernel ends is said to have ended, packets and all.
func TestTraceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, k := traceStage(t, 80, 24)
		for _, p := range tracedPackets() {
			k.packets <- p
		}
		close(k.packets)
		s.press("/")
		s.write("tcp")
		_, begin := s.app.Update(keyPress("enter"))
		for _, msg := range messages(begin) {
			s.send(msg)
		}
		s.sees("4 packets, stopped")
		if k.closed != 1 {
			t.Errorf("closed %d times", k.closed)
		}
	})
}

// A trace of an interface that is not there runs, and says that nothing can come.
func TestTraceOfNoInterface(t *testing.T) {
	for in, want := range map[string]string{"nosuch0": "no interface is called nosuch0 now", "wan0": "tracing with table"} {
		s, k := traceStage(t, 80, 24)
		s.send(factsMsg{gatewayFacts()})
		trace := s.app.screens[4].(*traceScreen)
		trace.asked.In = in
		trace.started(tracingMsg{trace.generation, k, nil})
		if !strings.Contains(s.app.said.text, want) {
			t.Errorf("in %s: it says %q", in, s.app.said.text)
		}
	}
}

func TestTraceFilterLine(t *testing.T) {
	s, k := traceStage(t, 80, 24)
	s.press("/")
	s.write("tcp web")
	s.sees("not understood")
	s.sees(" ^^^ enter starts nothing yet")
	s.golden("trace-wrong-80x24")
	s.press("enter") // starts nothing
	s.press("1")     // is typed, and no screen
	s.sees("tcp web1")
	s.press("esc")
	if len(k.asked) != 0 {
		t.Errorf("the kernel was asked for %v", k.asked)
	}
	s.sees("not tracing")

	s.app.gw.ReadOnly = true
	s.press("/")
	for range len("tcp web1") {
		s.press("backspace")
	}
	s.write("tcp")
	s.press("enter")
	s.sees("--read-only")
	if len(k.asked) != 0 {
		t.Errorf("with --read-only the kernel was asked for %v", k.asked)
	}
}

func TestTraceRefused(t *testing.T) {
	s, k := traceStage(t, 80, 24)
	k.refuses = errors.New("the kernel has no nf_tables that traces")
	s.press("/")
	s.write("udp")
	_, begin := s.app.Update(keyPress("enter"))
	for _, msg := range messages(begin) {
		s.send(msg)
	}
	s.sees("no nf_tables that traces")
	s.sees("0 packets, stopped")
}

// T takes what is under the cursor along.
func TestTraceFromARule(t *testing.T) {
	s, k := traceStage(t, 80, 24)
	s.press("1", "T")
	s.sees("tcp dst 203.0.113.1 dport 80 new")
	if len(k.asked) != 0 {
		t.Error("it started by itself")
	}
	s.press("esc", "4", "T")
	s.sees("4 Doctor")
	if s.app.active != 3 {
		t.Error("T leads away from a screen without rules or flows")
	}
}

// Every character of the screen has a likeness on a terminal without UTF-8.
func TestTraceWithoutUTF8(t *testing.T) {
	s, _ := running(t, 80, 24)
	s.onPlainTerminal("enter")
}

// What goes differently from the rules say stands out.
func TestTraceDisagrees(t *testing.T) {
	s, _ := running(t, 120, 40)
	p := tracedPackets()[0]
	p.Number, p.Last.Dst = 5, netip.MustParseAddrPort("192.168.0.66:8080")
	msg := tracedMsg{generation: s.app.screens[4].(*traceScreen).generation, more: true}
	msg.add(p, true)
	msg.explain(map[rules.Variant]*rules.Ruleset{v4: s.app.tables.Sets[v4]}, s.app.facts)
	_, _ = s.app.Update(msg)
	s.press("G")
	s.sees("predicted instead")
}

// TestTraceIsSearched: / looks through the packets as through every other list and n goes on; T asks what to trace.
func TestTraceIsSearched(t *testing.T) {
	s, _ := running(t, 80, 24)
	at := s.app.screens[4].(*traceScreen)
	s.press("/")
	s.write("syn+ack")
	s.sees("1 hit")
	s.press("enter")
	if at.cursor.Index() != 1 {
		t.Errorf("the search is on packet %d", at.cursor.Index()+1)
	}
	s.press("/")
	s.write("4001")
	s.press("enter", "n")
	if at.cursor.Index() != 3 {
		t.Errorf("the next hit is packet %d", at.cursor.Index()+1)
	}
	s.press("esc", "T")
	s.sees("enter starts")
}
