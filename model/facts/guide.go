package facts

import (
	"net/netip"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/guide"
)

// GuideHost is the gateway as recipes want it: these facts, the tables as they
// are, and the backend that new rules go to. flows may be nil; of them those that
// are translated are told.
func (f *Facts) GuideHost(sets map[rules.Variant]*rules.Ruleset, backend rules.Backend, flows *flow.Flows) guide.Host {
	h := guide.Host{
		Sets: sets, Backend: backend, Kernel: f.Host(nil),
		Forwards: func(family rules.Family) (on, known bool) {
			s := f.Settings.Forwarding4
			if family == rules.IPv6 {
				s = f.Settings.Forwarding6
			}
			return s == SettingOn, s == SettingOn || s == SettingOff
		},
		ForwardsFrom: func(link string, family rules.Family) (on, known bool) {
			if family == rules.IPv6 {
				return true, true // it asks the switch for all links
			}
			s := f.Settings.ForwardsFrom(link, family)
			return s == SettingOn, s == SettingOn || s == SettingOff
		},
		Listens: func(protocol rules.Protocol, to netip.AddrPort) (string, bool) {
			l, ok := f.ListensOn(rules.Protocol(protocol), to, "")
			return l.Process, ok
		},
	}
	if f.ForwardsAtBoot != nil {
		h.Lasting = func(family rules.Family) bool { return f.ForwardsAtBoot[family] }
	}
	if f.Zones != nil {
		h.Zone = func(link string) string { return f.Zones[link] }
	}
	for _, l := range f.Links {
		h.Links = append(h.Links, guide.Link{Name: l.Name, Kind: l.Kind, MTU: l.MTU, Up: l.Up})
	}
	for _, family := range rules.Families {
		if route, ok := f.DefaultRoute(family); ok {
			h.Uplinks[family] = f.guideUplink(family, route.Hops[0].Out)
		}
	}
	for _, p := range f.Presences {
		if p.Running {
			h.Managers = append(h.Managers, p.Name)
		}
	}
	if f.Session != nil {
		h.Session = f.Session.Server
	}
	if flows != nil && len(f.Unevaluated()) == 0 && len(f.UnreadLegacy(sets)) == 0 { // else nobody knows which of them are an iptables rule's
		h.Flows = guideFlows(flows)
	}
	return h
}

// guideUplink is a way to the Internet with the address that this host has there.
func (f *Facts) guideUplink(family rules.Family, link string) guide.Uplink {
	up := guide.Uplink{Link: link}
	for _, a := range f.AddressesOn(link) {
		if !family.Holds(a.Prefix.Addr()) || a.Scope != ScopeGlobal || a.Deprecated || a.Temporary {
			continue
		}
		if !up.Addr.IsValid() {
			up.Addr, up.Dynamic = a.Prefix.Addr(), a.Dynamic
		}
	}
	return up
}

// guideFlows are the flows whose destination is translated.
func guideFlows(flows *flow.Flows) []guide.Flow {
	var list []guide.Flow
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		server := f.Reply.Source()
		if server != f.Orig.Destination() && !f.Proto().IsICMP() {
			forget := rules.Forget{Proto: f.Proto(), Src: f.Orig.Source(), Dst: f.Orig.Destination(), Zone: f.Zone, ID: f.ID}
			list = append(list, guide.Flow{Forget: forget, Server: server})
		}
		return true
	})
	return list
}
