package ui

import (
	"fmt"
	"net/netip"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/rules"
)

// probedMsg brings what the server of a forward said.
type probedMsg struct {
	server netip.AddrPort
	probe  doctor.Probe
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
	server := f.Server
	q := newQuestion(s.desk, fmt.Sprintf("Open a test connection to %s?", server), []string{
		"nattui opens one TCP connection from this host and closes it at once. The server may log it. Nothing on this gateway changes.",
	}, rules.Plan{}, "test")
	q.act = func(terms) tea.Cmd {
		var follow tea.Cmd
		if s.follows == nil {
			follow = s.enter()
		}
		s.probing = true
		probe := s.gw.Probe
		return tea.Batch(follow, func() tea.Msg { return probedMsg{server, probe(s.ctx, server)} })
	}
	s.pose(q)
}

// answered examines the forward with what its server said.
func (s *doctorScreen) answered(msg probedMsg) tea.Cmd {
	if !s.probing || s.follows == nil || s.follows.Server != msg.server {
		return nil // left in the meantime
	}
	s.probing, s.led, s.next = false, false, time.Time{}
	s.probed = map[netip.AddrPort]doctor.Probe{msg.server: msg.probe}
	switch {
	case msg.probe.Connected:
		s.sayDone(fmt.Sprintf("%s accepts connections from here", msg.server))
	case msg.probe.Refused:
		s.fail(fmt.Errorf("%s refuses connections", msg.server))
	default:
		s.fail(fmt.Errorf("%s does not answer: %s", msg.server, msg.probe.Why))
	}
	s.generation++
	return s.live()
}
