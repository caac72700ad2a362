package facts

import (
	"encoding/json"
	"net/netip"

	"nattui/rules"
)

// The routing tables that have names of their own (enum rt_class_t).
const (
	TableDefault uint32 = 253
	TableMain    uint32 = 254
	TableLocal   uint32 = 255
)

// RouteKind is what a route does with a packet (rtm_type).
type RouteKind uint8

// The kinds. RouteNone is the absence of a route; RouteThrow makes the kernel
// go on with the next policy rule as if there were none.
const (
	RouteNone RouteKind = iota
	RouteUnicast
	RouteLocal
	RouteBroadcast
	RouteAnycast
	RouteMulticast
	RouteBlackhole
	RouteUnreachable
	RouteProhibit
	RouteThrow
	RouteOther
)

var routeKindNames = []string{
	"none", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit", "throw", "other",
}

// String is the name that ip route uses; none stands for no route.
func (k RouteKind) String() string { return nameOf(routeKindNames, k) }

// MarshalText encodes the name.
func (k RouteKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (k *RouteKind) UnmarshalText(text []byte) error {
	return parseName(k, routeKindNames, text, "kind of route")
}

// RouteEntry is one route of one table.
type RouteEntry struct {
	Table  uint32
	Dst    netip.Prefix
	Kind   RouteKind
	Metric uint32
	// TOS restricts an IPv4 route to packets of that type of service; 0 does not.
	TOS uint8
	// PrefSrc is the source address that the host's own packets take; invalid
	// if the route does not say.
	PrefSrc netip.Addr
	// Hops are the ways to go on; more than one share the load.
	Hops []Hop
	// Origin is who made the route: kernel, boot, static, dhcp, ra, bird …
	Origin string
	// Opaque is set if the route has conditions that are not recorded here, so
	// that a lookup that comes by it is uncertain.
	Opaque bool
}

// Hop is one way to go on.
type Hop struct {
	Out string
	// Gateway is the next machine, invalid where the destination is reached
	// directly. It may be of the other family.
	Gateway netip.Addr
	// Dead hops are not used: the link is down. LinkDown ones have no carrier
	// and are used unless Settings.IgnoreLinkDown.
	Dead, LinkDown bool
}

// PolicyRule says which packets are looked up in which table ("ip rule").
type PolicyRule struct {
	Family   rules.Family
	Priority uint32
	Action   RuleAction
	// Table is where to look, for RuleTable.
	Table uint32
	// Goto is the priority to go on at, for RuleGoto.
	Goto uint32
	// From and To are networks that source and destination must be in; invalid
	// ones match everything.
	From, To netip.Prefix
	// In and Out are interfaces. "lo" as In stands for the host's own packets.
	In, Out string
	// The packet's mark must be Mark in the bits of Mask.
	Mark, Mask uint32
	TOS        uint8
	// Proto, SrcPorts and DstPorts restrict to a protocol and inclusive ranges
	// of ports; zero values do not.
	Proto              rules.Protocol
	SrcPorts, DstPorts [2]uint16
	// Not inverts all of the above.
	Not bool
	// SuppressPrefix discards what the table says if the route's network is
	// that long or shorter; -1 does not.
	SuppressPrefix int
	// L3Master stands for the table of the packet's VRF.
	L3Master bool
	// Opaque is set if the rule has conditions that are not recorded here.
	Opaque bool
}

// RuleAction is what a policy rule does (FR_ACT_*).
type RuleAction uint8

// The actions.
const (
	RuleTable RuleAction = iota
	RuleGoto
	RuleNop
	RuleBlackhole
	RuleUnreachable
	RuleProhibit
)

var ruleActionNames = []string{"lookup", "goto", "nop", "blackhole", "unreachable", "prohibit"}

// String is the name that ip rule uses.
func (a RuleAction) String() string { return nameOf(ruleActionNames, a) }

// MarshalText encodes the name.
func (a RuleAction) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (a *RuleAction) UnmarshalText(text []byte) error {
	return parseName(a, ruleActionNames, text, "action of a policy rule")
}

// Route is where a packet goes.
type Route struct {
	Kind RouteKind
	// Out is the interface that it leaves by; lo if it is for this host.
	Out string
	// Gateway is the next machine, invalid where the destination is reached
	// directly.
	Gateway netip.Addr
	// PrefSrc is the source address that the host's own packets take on this
	// route, as far as the route or, for IPv4, the interface says.
	PrefSrc netip.Addr
	// Table is where the route was found; 0 if nowhere.
	Table uint32
	// Ways are the routes that it may be, this one among them, where all that is open is which of several nexthops the
	// kernel's hash takes; else nil.
	Ways []Route
}

// recordedRule is a policy rule as recorded gateways have it: with the IP version for the family.
type recordedRule struct {
	Family uint8
	*plainRule
}

type plainRule PolicyRule

// MarshalJSON writes the rule with 4 or 6 for its family.
func (r PolicyRule) MarshalJSON() ([]byte, error) {
	version := uint8(4)
	if r.Family == rules.IPv6 {
		version = 6
	}
	return json.Marshal(recordedRule{version, (*plainRule)(&r)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *PolicyRule) UnmarshalJSON(text []byte) error {
	recorded := recordedRule{Family: 4, plainRule: (*plainRule)(r)}
	if err := json.Unmarshal(text, &recorded); err != nil {
		return err
	}
	r.Family = rules.IPv4
	if recorded.Family == 6 {
		r.Family = rules.IPv6
	}
	return nil
}
