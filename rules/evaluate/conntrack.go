package evaluate

import (
	"slices"

	"nattui/rules"
)

// stateTest is --ctstate and --state.
func stateTest(w *rules.WordsMatch) holds {
	wanted := [5]bool{}
	dnat, snat := false, false
	for _, word := range w.Words {
		switch word {
		case "DNAT":
			dnat = true
		case "SNAT":
			snat = true
		default:
			if i := slices.Index(connStates[:], word); i >= 0 {
				wanted[i] = true
			}
		}
	}
	return func(m *machine, st *state) Truth {
		if !st.ct.seen {
			return truth(wanted[StateInvalid]).flip(w.Not)
		}
		hit := wanted[st.ct.state]
		if !hit && st.ct.hasFlow() && (dnat || snat) {
			switch c := m.pkt.Of; {
			case c != nil:
				hit = dnat && c.translatesDest() || snat && c.translatesSource()
			case st.ct.state == StateEstablished:
				return Unknown
			default:
				hit = dnat && st.ct.dnat || snat && st.ct.snat
			}
		}
		return truth(hit).flip(w.Not)
	}
}

// compileConntrack reads the match as xt_conntrack does: a packet without a flow meets
// nothing but --ctstate.
func compileConntrack(m rules.Conntrack, f rules.Family, add addTest) {
	if m.State != nil {
		add(stateTest(m.State), seesNone)
	}
	flow := func(test holds, sees func(*cuts)) {
		withState := m.State != nil
		add(func(mc *machine, st *state) Truth {
			if !st.ct.hasFlow() {
				return truth(withState)
			}
			return test(mc, st)
		}, sees)
	}
	flow(func(*machine, *state) Truth { return Yes }, seesNone)
	if m.Proto != nil {
		n, ok := m.Proto.Number()
		flow(func(mc *machine, _ *state) Truth {
			if !ok {
				return Unknown
			}
			return truth(mc.pkt.Protocol == n).flip(m.Proto.Not)
		}, seesNone)
	}
	compileFlowAddrs(m, f, flow)
	compileFlowPorts(m, flow)
	if m.Status != nil {
		flow(statusTest(m.Status), seesNone)
	}
	if m.Expire != nil {
		flow(unknownTest, seesNone)
	}
	if m.Dir != "" {
		flow(func(mc *machine, st *state) Truth {
			switch c := mc.pkt.Of; {
			case c != nil:
				return truth(c.Answers == (m.Dir == "REPLY"))
			case st.ct.state != StateNew:
				return Unknown
			}
			return truth(m.Dir == "ORIGINAL")
		}, seesNone)
	}
}

// compileFlowAddrs compares the addresses of the packet's flow, in both directions.
func compileFlowAddrs(m rules.Conntrack, f rules.Family, flow addTest) {
	nets := [...]struct {
		net           *rules.Net
		reply, source bool
	}{{m.OrigSrc, false, true}, {m.OrigDst, false, false}, {m.ReplSrc, true, true}, {m.ReplDst, true, false}}
	for _, n := range nets {
		if n.net != nil {
			masked := maskedAddrOf(*n.net)
			flow(func(mc *machine, st *state) Truth {
				a, known := mc.flowAddr(st, n.reply, n.source)
				if !known {
					return Unknown
				}
				return truth(masked.holds(a)).flip(n.net.Not)
			}, seesNet(f, &masked))
		}
	}
}

// compileFlowPorts compares the ports of the packet's flow, in both directions.
func compileFlowPorts(m rules.Conntrack, flow addTest) {
	ports := [...]struct {
		port          *rules.PortMatch
		reply, source bool
	}{{m.OrigSrcPort, false, true}, {m.OrigDstPort, false, false}, {m.ReplSrcPort, true, true}, {m.ReplDstPort, true, false}}
	for _, p := range ports {
		if p.port != nil {
			flow(func(mc *machine, st *state) Truth {
				have, known := mc.flowPort(st, p.reply, p.source)
				if !known {
					return Unknown
				}
				return within(have, p.port.Ports).flip(p.port.Not)
			}, seesPorts(ofBoth, p.port.Ports))
		}
	}
}

// seesNet is for a test that compares either address with a network.
func seesNet(f rules.Family, m *maskedAddr) func(*cuts) {
	if _, whole := m.hosts(f); !whole {
		return nil
	}
	return func(c *cuts) { c.net(ofBoth, m) }
}

// statusTest is --ctstatus. A new flow is neither expected, nor answered, nor
// assured; it is confirmed once it has been through.
func statusTest(w *rules.WordsMatch) holds {
	return func(m *machine, st *state) Truth {
		if m.pkt.Of != nil {
			return liveStatus(w)
		}
		if st.ct.state != StateNew {
			for _, word := range w.Words {
				if word != "NONE" {
					return Unknown
				}
			}
		}
		return truth(st.ct.confirmed && slices.Contains(w.Words, "CONFIRMED")).flip(w.Not)
	}
}

// liveStatus is --ctstatus of a connection that was answered. It is assured later, by what its protocol wants to see, and
// whether a helper expected it is not said.
func liveStatus(w *rules.WordsMatch) Truth {
	switch {
	case slices.Contains(w.Words, "SEEN_REPLY"), slices.Contains(w.Words, "CONFIRMED"):
		return Yes.flip(w.Not)
	case slices.Contains(w.Words, "ASSURED"), slices.Contains(w.Words, "EXPECTED"):
		return Unknown
	}
	return No.flip(w.Not)
}
