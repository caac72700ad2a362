package evaluate

import (
	"net/netip"
	"slices"

	"nattui/rules"
)

// Host is what the evaluation of a packet needs to know of the gateway apart from
// its rules, as values and functions so that it can be a recorded one. The zero
// Host knows nothing; what hangs on that is then uncertain.
type Host struct {
	// Interfaces are all interfaces with their addresses in the kernel's order,
	// as "ip address" lists them. nil: not known.
	Interfaces []Interface
	// LocalRoutes are those of the table "local", which say what kind of address one is (inet_addr_type)
	// beyond what Interfaces tell: whole networks may be this host's own.
	LocalRoutes []LocalRoute
	// Route is the kernel's routing decision, forwarding switch and reverse path
	// filter included. It must not block. nil: not known.
	Route func(RouteQuery) Decision
	// RouteNets are the networks that Route tells apart, in a packet's source or
	// destination: of two addresses that lie in the same of them, and in the same of
	// the host's own networks, of 127.0.0.0/8, 169.254.0.0/16, 0.0.0.0/8, ::1/128 and
	// fe80::/10, it treats one like the other, unless they are of groups. nil: not
	// known, and then there are no Classes.
	RouteNets []netip.Prefix
	// RoutesByPort is set where policy rules ask for protocol and ports, which Route is then told.
	RoutesByPort bool
	// Marks are the marks that policy rules ask for, Ins the interfaces that they ask packets to have come by.
	Marks []uint32
	Ins   []string
	// TOSes are the types of service that policy rules and routes ask for, without the bits about congestion.
	TOSes []uint8
	// Native are the native tables of nft, which are evaluated beside those of iptables. nil: there are none, or they
	// are not known and Natives and Filters name them.
	Native *NativeProgram
	// Natives are nft tables that translate too. They are not evaluated: where there are any that
	// the packet's family meets, no outcome is certain.
	Natives []rules.NativeTable
	// Filters are nft tables that may drop packets besides. They are not evaluated: a Path that a packet's family
	// meets them on is certain only where iptables' rules end it. Outcomes, which compare translations, leave them out.
	Filters []rules.NativeTable
	// Legacy are the tables that iptables-legacy has in the kernel. Those of a family whose program of the legacy backend is not
	// given are not evaluated, and no outcome of the family is certain.
	Legacy []rules.LegacyTables
	// Flows are the flows that exist already, whose tuples are taken. nil: none.
	Flows FlowTable
	// Tracks is set if connection tracking is at work even without a rule of the
	// given sets that needs it, for example because another nft table does.
	Tracks bool
	// IPsec tells whether an IPsec policy (ip xfrm policy) protects what goes from src to dst, as it leaves with out and
	// as it arrives or is forwarded without. nil: not known. RouteNets tell apart what it tells apart.
	IPsec func(out bool, src, dst netip.Addr) Truth
	// IPsecBlocks tells that an IPsec policy for what is forwarded (ip xfrm policy, dir fwd) drops what arrived from src
	// for dst, which are the addresses before any translation (nf_nat_decode_session). nil: none does. RouteNets tell
	// apart what it tells apart.
	IPsecBlocks func(src, dst netip.Addr) bool
	// SentBack says why a bridge does not send to dst what came by it from src and was given dst as its new destination
	// there (br_netfilter): both are behind the same port. It says "" where it does, or that is not known. nil: not known.
	SentBack func(bridge string, src, dst netip.Addr) string
	// Queues are those that programs listen to, in this network namespace. nil: not known.
	Queues []Queue
	// RandomDNATPort is set for kernels that choose at random from a DNAT's range of
	// ports. Others take the first free one unless told --random.
	RandomDNATPort bool
	// NoDCCPTracking is set for kernels whose connection tracking does not know DCCP: its flows have no ports.
	NoDCCPTracking bool
}

// Interface is a network interface and its addresses in the kernel's order.
type Interface struct {
	Name  string
	Index int // 0: not known
	Addrs []InterfaceAddr
	// Down ones take no packets, those with NoIPv6 none of IPv6. What comes by a Port of a bridge or bond counts as
	// come by the bridge or bond.
	Down, NoIPv6, Port bool
	Bridge             bool // it is one, and nft's tables of family bridge see what passes by it
}

// InterfaceAddr is one address of an interface.
type InterfaceAddr struct {
	netip.Prefix            // the address and the length of its network
	Peer         netip.Addr // of a point-to-point link; invalid if none
	Broadcast    netip.Addr // invalid if none
	Secondary    bool       // IPv4: not the first of its network (IFA_F_SECONDARY)
	Scope        AddrScope
	Deprecated   bool // IPv6: not for new flows
	Tentative    bool // IPv6: not usable yet
	Temporary    bool // IPv6: a privacy address
}

// LocalRoute is a network that the table "local" has a route for.
type LocalRoute struct {
	Net  netip.Prefix
	Kind string // as -m addrtype names it: LOCAL, BROADCAST, ANYCAST …
	Dev  string // the interface of the route
}

// AddrScope is how far an IPv4 address is valid.
type AddrScope uint8

// The scopes (rt_scope_t).
const (
	ScopeGlobal AddrScope = iota
	ScopeLink
	ScopeHost
)

// RouteQuery is a packet as routing sees it.
type RouteQuery struct {
	// Dst and Src are its addresses; Src may be invalid for a packet of the
	// host's own whose source is yet to be chosen.
	Dst, Src netip.Addr
	// In is the interface that it arrived on, empty for the host's own. Out is
	// one that it is bound to leave by, usually empty.
	In, Out string
	Mark    uint32
	TOS     uint8
	// Proto and the ports count where policy rules ask for them; a zero Proto
	// is unknown.
	Proto            rules.Protocol
	SrcPort, DstPort uint16
	// Bare asks for the routes' word alone, as fib does in rules: not whether the kernel takes the packet or lets it leave.
	Bare bool
}

// Routed is what the routes say of a packet.
type Routed uint8

// The kinds of decision.
const (
	RoutedUnknown Routed = iota
	RoutedLocal          // to this host
	RoutedForward        // out by an interface
	RoutedNone           // no route, or one that refuses
	RoutedRefused        // forwarding is off, or the source cannot come that way: dropped
)

// Decision is a routing decision.
type Decision struct {
	Kind Routed
	Out  string // the interface it leaves by; lo for what a host sends to itself
	// NextHop is the gateway; invalid where the destination is reached directly.
	NextHop netip.Addr
	Why     string // for RouteNone and RouteRefused
	// Ways are the decisions that are possible, of which the kernel's hash takes one for each connection or packet;
	// nil where there is one.
	Ways []Decision
}

// FlowTable tells of the flows that exist. It is asked only by packets that
// begin a flow, and must be safe for concurrent use.
type FlowTable interface {
	// InUse reports whether any flow has the tuple, in either direction.
	InUse(rules.Tuple) bool
	// Mapped calls yield with the source that each flow of the given original
	// source has after translation, until yield returns false.
	Mapped(protocol rules.Protocol, src netip.AddrPort, yield func(netip.AddrPort) bool)
}

// hostAddrs is what is looked up in a host's addresses.
type hostAddrs struct {
	known      bool
	local      map[netip.Addr][]string // address to the interfaces that have it
	nets       []LocalRoute            // of more than one address, the longest first
	broadcasts map[netip.Addr][]string
	own        map[netip.Addr][]string // broadcast addresses of the interfaces' own networks
	interfaces []Interface
}

func indexAddrs(interfaces []Interface, routes []LocalRoute) hostAddrs {
	h := hostAddrs{
		known: interfaces != nil, interfaces: interfaces,
		local: map[netip.Addr][]string{}, broadcasts: map[netip.Addr][]string{}, own: map[netip.Addr][]string{},
	}
	for _, i := range interfaces {
		for _, a := range i.Addrs {
			if a.Tentative {
				continue
			}
			addr := a.Addr()
			h.local[addr] = append(h.local[addr], i.Name)
			if addr.Is4() && addr.IsLoopback() {
				h.nets = append(h.nets, LocalRoute{a.Masked(), "LOCAL", i.Name})
			}
			if a.Broadcast.IsValid() {
				h.broadcasts[a.Broadcast] = append(h.broadcasts[a.Broadcast], i.Name)
				h.own[a.Broadcast] = append(h.own[a.Broadcast], i.Name)
			}
			if addr.Is4() && a.Bits() < 31 {
				last := lastOf(a.Prefix)
				h.broadcasts[last] = append(h.broadcasts[last], i.Name)
				h.own[last] = append(h.own[last], i.Name)
			}
		}
	}
	for _, r := range routes {
		h.add(r)
	}
	slices.SortStableFunc(h.nets, func(a, b LocalRoute) int { return b.Net.Bits() - a.Net.Bits() })
	return h
}

// add notes a route of the table "local".
func (h *hostAddrs) add(r LocalRoute) {
	of := map[string]map[netip.Addr][]string{"LOCAL": h.local, "BROADCAST": h.broadcasts}[r.Kind]
	switch a := r.Net.Addr(); {
	case !r.Net.IsSingleIP() || of == nil:
		h.nets = append(h.nets, r)
	case !slices.Contains(of[a], r.Dev):
		of[a] = append(of[a], r.Dev)
	}
}

// netOf is the narrowest network of the table "local" that an address is in.
func (h *hostAddrs) netOf(a netip.Addr) (LocalRoute, bool) {
	i := slices.IndexFunc(h.nets, func(r LocalRoute) bool { return r.Net.Contains(a) })
	if i < 0 {
		return LocalRoute{}, false
	}
	return h.nets[i], true
}

// lastOf is the highest address of an IPv4 network.
func lastOf(p netip.Prefix) netip.Addr {
	b, m := p.Addr().As4(), rules.MaskOf(32, p.Bits()).As4()
	for i := range b {
		b[i] |= ^m[i]
	}
	return netip.AddrFrom4(b)
}

// isLocal reports whether the address is this host's.
func (h *hostAddrs) isLocal(a netip.Addr) bool {
	if _, ok := h.local[a]; ok {
		return true
	}
	n, ok := h.netOf(a)
	return ok && n.Kind == "LOCAL"
}

// addrType is what the local routing table says of an IPv4 address, looking at
// one interface only if dev is given (__inet_dev_addr_type).
func (h *hostAddrs) addrType(a netip.Addr, dev string) string {
	switch {
	case a.IsUnspecified() || a == limitedBroadcast:
		return "BROADCAST"
	case a.IsMulticast():
		return "MULTICAST"
	case on(h.local[a], dev):
		return "LOCAL"
	case on(h.broadcasts[a], dev):
		return "BROADCAST"
	}
	if n, ok := h.netOf(a); ok && (dev == "" || dev == n.Dev) {
		return n.Kind
	}
	return "UNICAST"
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func on(interfaces []string, dev string) bool {
	if dev == "" {
		return len(interfaces) > 0
	}
	for _, i := range interfaces {
		if i == dev {
			return true
		}
	}
	return false
}

func (h *hostAddrs) interfaceOf(name string) *Interface {
	for i := range h.interfaces {
		if h.interfaces[i].Name == name {
			return &h.interfaces[i]
		}
	}
	return nil
}

// redirectTo is the address that REDIRECT gives a packet that arrived by the
// interface: the first one, of IPv6 the first of its destination's scope (nf_nat_redirect_ipv4, nf_nat_redirect_ipv6).
func (h *hostAddrs) redirectTo(name string, dst netip.Addr) (netip.Addr, bool) {
	i := h.interfaceOf(name)
	if i == nil {
		return netip.Addr{}, false
	}
	for _, a := range i.Addrs {
		if a.Addr().Is4() != dst.Is4() || a.Tentative || dst.Is6() && a.Addr().Is4In6() {
			continue
		}
		if scope := scopeOf(dst); dst.Is6() && scope != 0 && scope != scopeOf(a.Addr()) {
			continue
		}
		return a.Addr(), true
	}
	return netip.Addr{}, false
}

// scopeOf is the scope of an IPv6 address as far as it is narrower than global, 0 where it is not (__ipv6_addr_type in
// net/ipv6/addrconf_core.c, of which the numbers are).
func scopeOf(a netip.Addr) uint8 {
	const loopback, linkLocal, siteLocal, compatible = 0x10, 0x20, 0x40, 0x80
	b := a.As16()
	switch {
	case a.IsMulticast():
		return map[byte]uint8{1: loopback, 2: linkLocal, 5: siteLocal}[b[1]&0xf]
	case a.IsLoopback():
		return loopback
	case a.IsLinkLocalUnicast():
		return linkLocal
	case b[0] == 0xfe && b[1]&0xc0 == 0xc0:
		return siteLocal
	case [12]byte(b[:12]) == [12]byte{} && !a.IsUnspecified():
		return compatible
	}
	return 0
}

// masqueradeAs is the address that MASQUERADE gives a packet that leaves by the
// interface (inet_select_addr, ipv6_dev_get_saddr).
func (h *hostAddrs) masqueradeAs(name string, dst, nextHop netip.Addr) (netip.Addr, bool) {
	if dst.Is6() {
		return h.select6(name, dst)
	}
	if !nextHop.Is4() {
		nextHop = dst
	}
	var first netip.Addr
	if i := h.interfaceOf(name); i != nil {
		for _, a := range i.Addrs {
			if !a.Addr().Is4() || a.Secondary || a.Scope != ScopeGlobal {
				continue
			}
			reached := a.Prefix
			if a.Peer.Is4() {
				reached = netip.PrefixFrom(a.Peer, a.Bits())
			}
			if reached.Contains(nextHop) {
				return a.Addr(), true
			}
			if !first.IsValid() {
				first = a.Addr()
			}
		}
	}
	if first.IsValid() {
		return first, true
	}
	for _, i := range h.interfaces {
		for _, a := range i.Addrs {
			if a.Addr().Is4() && !a.Secondary && a.Scope == ScopeGlobal {
				return a.Addr(), true
			}
		}
	}
	return netip.Addr{}, false
}

// select6 chooses an IPv6 source address (RFC 6724, section 5, as far as it
// depends on the addresses alone).
func (h *hostAddrs) select6(name string, dst netip.Addr) (netip.Addr, bool) {
	var best InterfaceAddr
	bestOn := ""
	for _, i := range h.interfaces {
		if i.Name != name && (dst.IsMulticast() || dst.IsLinkLocalUnicast()) {
			continue
		}
		for _, a := range i.Addrs {
			if !a.Addr().Is6() || a.Tentative || a.Addr().IsMulticast() {
				continue
			}
			if bestOn == "" || prefers6(a, i.Name, best, bestOn, name, dst) {
				best, bestOn = a, i.Name
			}
		}
	}
	return best.Addr(), bestOn != ""
}

// prefers6 reports whether a is better than b as source of packets to dst.
func prefers6(a InterfaceAddr, aOn string, b InterfaceAddr, bOn, out string, dst netip.Addr) bool {
	if x, y := a.Addr() == dst, b.Addr() == dst; x != y {
		return x
	}
	if x, y := scope6(a.Addr()), scope6(b.Addr()); x != y {
		want := scope6(dst)
		if x < y {
			return x >= want
		}
		return y < want
	}
	if a.Deprecated != b.Deprecated {
		return b.Deprecated
	}
	if x, y := aOn == out, bOn == out; x != y {
		return x
	}
	if x, y := label6(a.Addr()) == label6(dst), label6(b.Addr()) == label6(dst); x != y {
		return x
	}
	if a.Temporary != b.Temporary {
		return b.Temporary
	}
	return commonBits(a.Addr(), dst, a.Bits()) > commonBits(b.Addr(), dst, b.Bits())
}

func scope6(a netip.Addr) int {
	switch {
	case a.IsLoopback():
		return 1
	case a.IsLinkLocalUnicast(), a.IsLinkLocalMulticast():
		return 2
	}
	return 14
}

// labels6 are the address selection labels every Linux starts with (net/ipv6/addrlabel.c).
var labels6 = []struct {
	net   netip.Prefix
	label int
}{
	{netip.MustParsePrefix("::1/128"), 0},
	{netip.MustParsePrefix("::/96"), 3},
	{netip.MustParsePrefix("2001::/32"), 6},
	{netip.MustParsePrefix("2001:10::/28"), 7},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("fc00::/7"), 5},
	{netip.MustParsePrefix("::/0"), 1},
}

func label6(a netip.Addr) int {
	for _, l := range labels6 {
		if l.net.Contains(a) {
			return l.label
		}
	}
	return 1
}

func commonBits(a, b netip.Addr, limit int) int {
	x, y := a.As16(), b.As16()
	n := 0
	for n < limit && x[n/8]>>(7-n%8)&1 == y[n/8]>>(7-n%8)&1 {
		n++
	}
	return n
}

// DownBeside is an interface that is down, in whose network one of the addresses is, "" if there is none; any tells whether one
// is down at all. What goes there takes another way while it is, and so meets other rules.
func (e *Evaluator) DownBeside(addrs ...netip.Addr) (name string, any bool) {
	for i := range e.host.Interfaces {
		if link := &e.host.Interfaces[i]; link.Down && len(link.Addrs) > 0 {
			any = true
			if slices.ContainsFunc(link.Addrs, func(a InterfaceAddr) bool {
				return slices.ContainsFunc(addrs, a.Contains) || slices.Contains(addrs, a.Peer)
			}) {
				return link.Name, true
			}
		}
	}
	return "", any
}
