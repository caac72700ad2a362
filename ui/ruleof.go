package ui

import (
	"net/netip"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
	"nattui/rules"
)

// keyRuleOf fills the form with a connection or packet.
var keyRuleOf = bind("a", "add a rule for it", "a")

// openRuleOf opens the form for a rule like a draft; of names what it was made from, whose unfinished form is its own.
func (d *desk) openRuleOf(draft rules.Draft, of string) tea.Cmd {
	v := rules.Variant{Family: draft.Family, Backend: d.variant.Backend}
	switch {
	case d.gw.ReadOnly || d.gw.Changes == nil:
		d.refuse(d.onlyLooks())
		return nil
	case d.tables.Sets[v] == nil && !d.natively():
		d.refuse("there is no iptables for " + draft.Family.Title() + " here: the form makes its rules")
		return nil
	}
	if d.tables.Sets[v] != nil {
		d.lookAt(v)
	}
	draft.Chain = rules.DefaultChain(draft.Kind)
	d.open(newFormOf(d, draft, ruleItem{}, nil, of))
	return nil
}

// draftOfFlow is a rule that would translate connections like this one: as it is translated now or, where it is not, to a
// server that is still to be named.
func (s *flowsScreen) draftOfFlow(f *flow.Flow) rules.Draft {
	d := rules.Draft{Family: f.Orig.Family, Kind: rules.DNAT, Protocol: rules.ProtoName(f.Proto()), Dest: f.AskedFor().Addr().String()}
	end := func(a netip.AddrPort) string {
		if f.Proto().HasPorts() {
			return a.String()
		}
		return a.Addr().String()
	}
	port := func(a netip.AddrPort) string {
		_, p, _ := strings.Cut(end(netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port())), ":")
		return p
	}
	d.Ports = port(f.AskedFor())
	switch nat := f.NAT(); {
	case nat&flow.NATDst != 0 && s.isLocal(f.ServedBy().Addr()):
		d.Kind, d.To = rules.Redirect, port(f.ServedBy())
	case nat&flow.NATDst != 0:
		d.To = end(f.ServedBy())
	case nat&flow.NATSrc != 0:
		d.Kind, d.Protocol, d.Dest, d.Ports, d.Source = rules.SNAT, "", "", "", f.Client().Addr().String()
		d.To = f.SeenAs().Addr().String()
		if up, ok := s.uplink(); ok && up.Address() == f.SeenAs().Addr() {
			d.Kind, d.To, d.Out = rules.Masquerade, "", up.Link
		}
	}
	return d
}

// addRuleOf fills the form with the connection under the cursor.
func (s *flowsScreen) addRuleOf() tea.Cmd {
	s.hold()
	f, ok := s.current()
	if !ok || s.facts == nil {
		return nil
	}
	return s.openRuleOf(s.draftOfFlow(&f), f.Orig.String())
}

// addRuleOf fills the form with the packet under the cursor.
func (s *traceScreen) addRuleOf() tea.Cmd {
	r, ok := s.current()
	if !ok {
		return nil
	}
	p := &r.First
	d := rules.Draft{Family: rules.IPv4, Kind: rules.DNAT, Protocol: rules.ProtoName(p.Proto), In: p.In, Dest: p.Dst.Addr().Unmap().String()}
	if p.Dst.Addr().Unmap().Is6() {
		d.Family = rules.IPv6
	}
	if p.Proto.HasPorts() {
		d.Ports = strings.TrimPrefix(netip.AddrPortFrom(netip.IPv4Unspecified(), p.Dst.Port()).String(), "0.0.0.0:")
	}
	if r.Last.Dst != p.Dst && r.Last.Dst.IsValid() {
		d.To = r.Last.Dst.Addr().Unmap().String()
		if p.Proto.HasPorts() {
			d.To = netip.AddrPortFrom(r.Last.Dst.Addr().Unmap(), r.Last.Dst.Port()).String()
		}
	}
	return s.openRuleOf(d, r.First.Ends())
}
