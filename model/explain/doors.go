package explain

import (
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// This file finds the ports by which rules lead to the SSH servers of this host: whoever comes again, and is connected no
// more, may come by any of them.

// doorsOf are the ports that lead to an SSH server here as the rules are: its own, and those that are translated to it.
func doorsOf(ways []facts.Way, f *facts.Facts, sets map[rules.Variant]*rules.Ruleset, old *evaluate.Evaluator) []uint16 {
	var ports []uint16
	add := func(port uint16) {
		if port != 0 && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	for _, w := range ways {
		if w.Kind == facts.WaySSH || w.Kind == facts.WayLogin {
			add(w.Server.Port())
		}
	}
	for _, l := range f.Listeners {
		if l.Proto == rules.TCP && (l.Process == "sshd" || l.Process == "dropbear") {
			add(l.Address.Port())
		}
	}
	if ports == nil {
		add(22)
	}
	doors := slices.Clone(ports)
	for _, port := range translatedPorts(sets) {
		if !slices.Contains(doors, port) && leadsTo(f, old, port, ports) {
			doors = append(doors, port)
		}
	}
	return doors
}

// translatedPorts are destination ports that rules of table nat ask for.
func translatedPorts(sets map[rules.Variant]*rules.Ruleset) []uint16 {
	const most = 1000
	var all []uint16
	add := func(p rules.Ports) {
		for _, port := range []uint16{p.Lo, p.Hi} {
			if len(all) < most && !slices.Contains(all, port) {
				all = append(all, port)
			}
		}
	}
	for _, s := range sets {
		nat, ok := s.Table("nat")
		if !ok {
			continue
		}
		for i := range nat.Chains {
			for j := range nat.Chains[i].Rules {
				for _, m := range nat.Chains[i].Rules[j].Matches {
					switch m := m.(type) {
					case rules.Transport:
						if m.Dest != nil {
							add(m.Dest.Ports)
						}
					case rules.Multiport:
						for _, p := range m.List {
							add(p)
						}
					}
				}
			}
		}
	}
	return all
}

// leadsTo tells whether a packet to a port of this host may come to one of the ports where SSH servers serve.
func leadsTo(f *facts.Facts, old *evaluate.Evaluator, port uint16, ports []uint16) bool {
	for _, a := range f.Addresses {
		own := a.Prefix.Addr()
		if own.IsLoopback() {
			continue
		}
		p, err := evaluate.NewPacket(rules.TCP, netip.AddrPortFrom(anywhere[rules.FamilyOf(own)], 50000), netip.AddrPortFrom(own, port))
		if err != nil {
			continue
		}
		outcomes, _, _ := old.Ends(&p)
		for i := range outcomes {
			o := &outcomes[i]
			if o.Delivered == evaluate.Delivered && slices.ContainsFunc(ports, o.Dst.Ports.Contains) {
				return true
			}
		}
	}
	return false
}
