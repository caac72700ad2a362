package ui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/model/mission"
)

// sentPacket is the packet of a forward that was sent by a machine of the lab, and what came back, nil so far.
type sentPacket struct {
	forward string
	since   uint64 // of the results, when it was sent
	reply   *mission.Reply
}

// sendPacket sends what a client of the forward would send.
func (s *doctorScreen) sendPacket() tea.Cmd {
	f := s.forwardHere()
	if f == nil {
		return nil
	}
	s.sent = &sentPacket{forward: f.Name(), since: s.results.since}
	w := waited{proto: f.Proto, link: f.Link, asked: f.Asked, server: f.Server}
	return s.send(s.sent, func(hosts []mission.Host) (mission.Request, bool) { return waitedFor(w, hosts) })
}

// forwardHere is the forward that is followed, or that under the cursor; nil where there is none.
func (s *doctorScreen) forwardHere() *doctor.Forward {
	if s.follows != nil {
		return s.follows
	}
	if r, ok := s.current(); ok {
		return r.forward
	}
	return nil
}

// replied takes what came back, and looks at the gateway again: counters tell how far the packet came.
func (s *doctorScreen) replied(msg repliedMsg) tea.Cmd {
	if s.sent == nil || msg.to != s.sent {
		return nil
	}
	s.sent.reply = &msg.reply
	if s.sent.since == s.results.since {
		s.results.noteTry(s.sent.forward, s.tryOf(&msg.reply))
	}
	s.generation++
	s.next = time.Time{}
	return s.live()
}

// sentLines are what came back of the packet that was sent for a forward, above what is said about its row.
func (s *doctorScreen) sentLines(r *doctorRow, width int) (lines []string) {
	f := s.follows
	if f == nil {
		f = r.forward
	}
	switch {
	case f == nil || s.sent == nil || s.sent.forward != f.Name() || s.sent.since != s.results.since:
		return nil
	case s.sent.reply == nil:
		return []string{" " + s.look.Attention.Render("sent, waiting for what comes back…")}
	}
	for _, l := range s.replyLines(*s.sent.reply, width) {
		lines = append(lines, " "+l)
	}
	return lines
}
