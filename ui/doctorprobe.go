package ui

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/rules"
)

// probedMsg brings what the server of a forward said, and the others that its clients may be sent to.
type probedMsg struct {
	server netip.AddrPort
	since  uint64 // of the results, when they were asked
	probes map[netip.AddrPort]doctor.Probe
}

// sayNoServer says why there is no server to ask.
func (s *doctorScreen) sayNoServer() {
	if s.gw.Probe == nil {
		s.say("servers cannot be tested from here")
		return
	}
	s.say("choose a forward first: the test connects to its server")
}

// askServer asks whether to ask the server of the forward for a connection: the
// only thing that the doctor does and others see.
func (s *doctorScreen) askServer() {
	f := s.follows
	if r, ok := s.current(); f == nil && ok {
		f = r.forward
	}
	switch {
	case f.Proto != rules.TCP || !f.Server.IsValid() || f.Server.Port() == 0:
		s.say("only a TCP server on a single port can be tested")
		return
	case s.probing:
		s.say("connecting to the server")
		return
	}
	chosen := *f
	title, told := fmt.Sprintf("Open a test connection to %s?", f.Server), "nattui opens one TCP connection from this host and closes it at once. The server may log it. Nothing on this gateway changes."
	if f.HasSeveral() {
		title, told = "Open test connections to the servers?", "nattui opens a TCP connection from this host to each that clients may be sent to, up to eight, and closes it at once. The servers may log it. Nothing on this gateway changes."
	}
	q := newQuestion(s.desk, title, []string{told}, rules.Plan{}, "test")
	q.act = func(terms) tea.Cmd {
		var follow tea.Cmd
		if s.follows == nil {
			follow = s.enter()
		}
		s.probing = true
		g := &doctor.Gateway{Facts: s.facts, Sets: s.tables.Sets}
		since := s.results.since
		return tea.Batch(follow, func() tea.Msg { return probedMsg{chosen.Server, since, s.probeAll(g, chosen)} })
	}
	s.pose(q)
}

// probeAll asks the servers of a forward at once, and returns what each has said. It blocks for as long as the slowest.
func (s *doctorScreen) probeAll(g *doctor.Gateway, f doctor.Forward) map[netip.AddrPort]doctor.Probe {
	targets := doctor.Targets(g, f)
	if !slices.Contains(targets, f.Server) {
		targets = append(targets, f.Server)
	}
	said := make([]doctor.Probe, len(targets))
	var asked sync.WaitGroup
	for i, server := range targets {
		asked.Go(func() { said[i] = s.gw.Probe(s.ctx, server) })
	}
	asked.Wait()
	probes := map[netip.AddrPort]doctor.Probe{}
	for i, server := range targets {
		probes[server] = said[i]
	}
	return probes
}

// answered examines the gateway, or the forward, with what its server said.
func (s *doctorScreen) answered(msg probedMsg) tea.Cmd {
	s.probing = false
	if msg.since != s.results.since {
		s.say("rules or links changed during the test of " + msg.server.String() + ": test it again")
		return nil
	}
	for server, p := range msg.probes {
		p.At = s.now
		msg.probes[server] = p
	}
	s.results.note(msg.probes)
	s.led, s.next = false, time.Time{}
	s.tellProbes(msg)
	s.generation++
	return s.live()
}

// tellProbes says what was heard: of several, of the first that does not answer.
func (s *doctorScreen) tellProbes(msg probedMsg) {
	for _, server := range slices.SortedFunc(maps.Keys(msg.probes), netip.AddrPort.Compare) {
		switch p := msg.probes[server]; {
		case p.Connected:
			continue
		case p.Refused:
			s.fail(fmt.Errorf("%s refuses connections", server))
		default:
			s.fail(fmt.Errorf("%s does not answer: %s", server, p.Why))
		}
		return
	}
	if n := len(msg.probes); n > 1 {
		s.sayDone(fmt.Sprintf("all %d servers and ports accept connections from here", n))
		return
	}
	s.sayDone(fmt.Sprintf("%s accepts connections from here", msg.server))
}
