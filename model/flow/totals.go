package flow

import (
	"nattui/rules"
)

// Totals are how many flows there are, altogether and of each kind.
type Totals struct {
	Flows  int
	NAT    [4]int   // by NAT kind
	Proto  [256]int // by protocol
	Family [2]int   // IPv4, IPv6
	// TCP, SCTP and DCCP by state.
	TCP, SCTP, DCCP [16]int
	// Vanished counts flows that were found gone by a dump although nobody had told of their end.
	Vanished uint64
	// Silent are the flows of which no event has told so far. With
	// nf_conntrack_events=2, the default, the kernel sends none of flows that are older than the subscription.
	Silent int
	// Unheard counts ends of flows of which nobody had told the beginning.
	Unheard uint64
}

// Totals are the numbers of flows of each kind.
func (t *Flows) Totals() Totals {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.totals
}

// add counts a flow in, or with a d of -1 out.
func (s *Totals) add(f *Flow, nat NAT, d int) {
	s.Flows += d
	s.NAT[nat] += d
	s.Proto[f.Orig.Proto] += d
	if f.Orig.Family == rules.IPv6 {
		s.Family[1] += d
	} else {
		s.Family[0] += d
	}
	if f.known&heard == 0 {
		s.Silent += d
	}
	s.state(f.Orig.Proto, f.State, d)
}

func (s *Totals) state(p rules.Protocol, st State, d int) {
	st &= 15
	switch p {
	case rules.TCP:
		s.TCP[st] += d
	case rules.SCTP:
		s.SCTP[st] += d
	case rules.DCCP:
		s.DCCP[st] += d
	}
}
