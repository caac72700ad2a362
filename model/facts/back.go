package facts

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// ReversePath is whether the kernel believes that a packet can have come from
// where it says, on the interface it came by.
type ReversePath struct {
	Passes bool
	// Certain is false where that hangs on something unknown.
	Certain bool
	// Mode is the filter in effect on the interface.
	Mode RPFilter
	// Back is the route of a packet to the source, as far as it was looked up.
	Back Route
	// Why says what is wrong, as a sentence; empty if it passes.
	Why string
}

// ReversePath checks an arriving packet as the kernel does before it forwards
// or takes it (fib_validate_source in net/ipv4/fib_frontend.c). IPv6 has no
// such check.
func (f *Facts) ReversePath(q evaluate.RouteQuery) ReversePath {
	q.Dst, q.Src = q.Dst.Unmap(), q.Src.Unmap()
	mode := f.Settings.RPFilterOn(q.In)
	if q.In == "" || q.In == "lo" || !q.Src.Is4() {
		return ReversePath{Passes: true, Certain: true, Mode: mode}
	}
	acceptLocal := either(f.Settings.All.AcceptLocal, f.Settings.On(q.In).AcceptLocal)
	back := evaluate.RouteQuery{Dst: q.Src, Src: q.Dst, TOS: q.TOS, Proto: q.Proto, SrcPort: q.DstPort, DstPort: q.SrcPort}
	if either(f.Settings.All.SrcValidMark, f.Settings.On(q.In).SrcValidMark) == SettingOn {
		back.Mark = q.Mark
	}
	// The kernel looks the way back up as if the answer came in where the packet
	// goes out, which policy rules may ask for.
	forth, certain := Route{Kind: RouteBroadcast}, true
	if q.Dst != limitedBroadcast {
		forth, certain = f.Lookup(q)
	}
	switch forth.Kind {
	case RouteUnicast:
		back.In = forth.Out
	case RouteBroadcast:
		back.Src = netip.IPv4Unspecified()
	}
	route, certainBack := f.Lookup(back)
	certain = certain && certainBack
	p := ReversePath{Certain: certain && mode != RPFilterUnknown, Mode: mode, Back: route}
	localnet := f.Settings.RouteLocalnetOn(q.In)
	switch {
	case q.Src.IsMulticast(), q.Src == limitedBroadcast, q.Src.IsUnspecified(), q.Src.IsLoopback() && localnet != SettingOn:
		p.Certain = !q.Src.IsLoopback() || localnet == SettingOff
		p.Why = fmt.Sprintf("%s cannot be the source of a packet on %s", q.Src, q.In)
	case route.Kind == RouteLocal && acceptLocal != SettingOn:
		p.Certain = p.Certain && acceptLocal == SettingOff
		p.Why = fmt.Sprintf("%s is an address of this host, and cannot come in by %s", q.Src, q.In)
	case mode == RPFilterOff && (route.Kind == RouteBroadcast || route.Kind == RouteMulticast || route.Kind == RouteAnycast):
		// Looked at only once there have been policy rules of one's own, of
		// which those that are gone leave no trace.
		p.Certain = p.Certain && f.hasOwnPolicy()
		p.Why = fmt.Sprintf("%s is a %s address, and cannot be the source of a packet", q.Src, route.Kind)
	case mode == RPFilterOff:
		p.Passes = true
	case route.Kind == RouteUnicast && route.Out == q.In, route.Kind == RouteLocal:
		p.Passes = true
	case route.Kind != RouteUnicast:
		p.Why = fmt.Sprintf("there is no route back to %s, and rp_filter on %s is %s", q.Src, q.In, mode)
	case mode == RPFilterLoose:
		p.Passes = true
	case mode == RPFilterStrict && len(f.AddressesOn(q.In)) == 0:
		p.Why = fmt.Sprintf("%s has no address, and its rp_filter is strict", q.In)
	default:
		p.Why = fmt.Sprintf("the route back to %s is by %s, not %s, and rp_filter on %s is %s", q.Src, route.Out, q.In, q.In, mode)
	}
	return p
}

// hasOwnPolicy tells whether there are IPv4 policy rules apart from the three that
// every system starts with.
func (f *Facts) hasOwnPolicy() bool {
	for _, r := range f.PolicyRules {
		if r.Family == rules.IPv4 && r.Priority != 0 && r.Priority != 32766 && r.Priority != 32767 {
			return true
		}
	}
	// A local route that somebody added has the sources looked at as well (fib_has_custom_local_routes).
	return slices.ContainsFunc(f.Routes, func(r RouteEntry) bool {
		return r.Kind == RouteLocal && r.Table == TableLocal && r.Dst.Addr().Is4() && r.Origin != "" && r.Origin != "kernel"
	})
}
