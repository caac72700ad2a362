package facts

import (
	"encoding"
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Facts are what is known of the gateway apart from its rules and flows, at one
// moment: an immutable snapshot. What could not be read is left at its unknown
// value, and Gaps says why. Encoded as JSON they come back the same, so that a
// gateway can be recorded in one place and examined in another.
type Facts struct {
	// At is when they were read, in nanoseconds since 1970.
	At       int64
	Hostname string
	// Kernel is the release, as uname -r prints it.
	Kernel string
	// Init is the system that starts services: systemd, openrc, procd, or
	// empty if none of them.
	Init string

	Links     []Link
	Addresses []Address // of each link in the kernel's order
	// Routes are those of all tables, the local one included. RoutesCut is
	// set if there were too many to record; Lookup then is never certain.
	Routes      []RouteEntry
	RoutesCut   bool
	PolicyRules []PolicyRule // in the order the kernel tries them
	Neighbours  []Neighbour
	Stations    []Station `json:",omitempty"`
	// Queues are those that programs listen to for packets (NFQUEUE). nil: not known.
	Queues    []evaluate.Queue
	Settings  Settings
	Listeners []Listener // nil: not known
	// Session is the SSH connection that the operator sits at, if any.
	Session *Session
	// Ways are the ways by which somebody is here or may come, and Seat tells by which
	// of them the operator did. WaysUnknown says what of them could not be looked at;
	// it is empty where all was, and in facts from before there were Ways.
	Ways        []Way    `json:",omitempty"`
	Seat        Seat     `json:",omitzero"`
	WaysUnknown []string `json:",omitempty"`
	// Presences are programs found that make rules or addresses of their own.
	Presences []Presence
	// Natives are nft tables that translate beside those of iptables.
	Natives []rules.NativeTable `json:",omitempty"`
	// Native are the native nft tables, ready for being evaluated; nil where they could not be read.
	Native *evaluate.NativeProgram `json:",omitempty"`
	// NativeFilters are nft tables that may drop packets beside those of iptables.
	NativeFilters []rules.NativeTable `json:",omitempty"`
	// Legacy are the tables of iptables-legacy that the kernel has, whether a program here reads them or not.
	Legacy []rules.LegacyTables `json:",omitempty"`
	// ForwardsAtBoot tells, by family, whether a file switches forwarding on at boot; nil: not known.
	ForwardsAtBoot map[rules.Family]bool `json:"-"`
	// Zones are firewalld's zones by interface; nil where firewalld does not run.
	Zones map[string]string `json:",omitempty"`
	// Proxied are addresses that this host answers ARP or neighbour discovery for on a link although it does not have
	// them (ip neigh add proxy).
	Proxied []Proxied `json:",omitempty"`
	// IPsec are the policies by which what passes is protected (ip xfrm policy); nil: not known.
	IPsec []IPsecPolicy `json:",omitzero"`
	// Gaps say what could not be read, and why.
	Gaps []string

	memo *routeMemo // decisions of Lookup, nil where they are not remembered
}

// Link is a network interface.
type Link struct {
	Index int
	Name  string
	// Kind is what kind of virtual interface it is, such as veth, bridge,
	// vlan, wireguard, tun, vrf; "device" for hardware, "loopback" for lo.
	Kind string
	// Up is set by the administrator, Running by a carrier as well.
	Up, Running  bool
	PointToPoint bool
	MTU          int
	MAC          string // as 02:00:00:00:00:01, or empty
	// Master is the bridge, bond or VRF that it is a part of, or empty.
	Master string
	// Hairpin is set for a port of a bridge that sends back by it what came by it (IFLA_BRPORT_MODE).
	Hairpin bool `json:",omitempty"`
	// VRF is the routing table of the VRF that it is or belongs to, or 0.
	VRF uint32
}

// Address is an address of an interface.
type Address struct {
	Link string
	// Prefix is the address together with the length of its network.
	Prefix netip.Prefix
	// Peer is the other end of a point-to-point link, if it has an address of
	// its own; Broadcast is as set, and may be invalid.
	Peer, Broadcast netip.Addr
	Scope           AddressScope
	// Secondary is set for an IPv4 address that is not the first of its
	// network on the link (IFA_F_SECONDARY).
	Secondary bool
	// Dynamic addresses came with a lifetime, from DHCP or a router, and may
	// change: what translates to them is better a MASQUERADE.
	Dynamic bool
	// Valid and Preferred are the lifetimes that were left, in seconds;
	// 0 stands for ever.
	Valid, Preferred                 uint32
	Deprecated, Tentative, Temporary bool
}

// AddressScope is how far an address is valid (enum rt_scope_t).
type AddressScope uint8

// The scopes.
const (
	ScopeGlobal AddressScope = iota
	ScopeSite
	ScopeLink
	ScopeHost
)

var scopeNames = []string{"global", "site", "link", "host"}

// String is global, site, link or host.
func (s AddressScope) String() string { return nameOf(scopeNames, s) }

// MarshalText encodes the name.
func (s AddressScope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *AddressScope) UnmarshalText(text []byte) error {
	return parseName(s, scopeNames, text, "scope")
}

// Neighbour is a machine on a network of the gateway, as ARP or neighbour
// discovery know it.
type Neighbour struct {
	Link string
	Addr netip.Addr
	MAC  string // empty while it is asked for
	// Reachable is set while the kernel has reason to believe that it
	// answers. Router is told by IPv6 alone.
	Reachable, Router bool
	// Permanent is set where somebody has written the entry (NUD_PERMANENT): it says nothing of whether the machine is there.
	Permanent bool `json:",omitempty"`
	// Stale is set where it was there once and the kernel has not heard of it lately (NUD_STALE), or is about to ask for it anew
	// (NUD_DELAY, NUD_PROBE): whether it still is, nobody knows.
	Stale bool `json:",omitempty"`
}

// Station is a machine that a bridge has learned to be behind one of its ports.
type Station struct{ Bridge, Port, MAC string }

// Listener is a socket that takes connections or datagrams.
type Listener struct {
	Proto rules.Protocol
	// Address is what it is bound to; the unspecified address stands for all.
	Address netip.AddrPort
	// BothFamilies is set for an IPv6 socket on :: that takes IPv4 as well.
	// It is the rule; a socket may have chosen otherwise.
	BothFamilies bool
	// Device is the interface that it is bound to, by which alone packets get to it (SO_BINDTODEVICE in socket(7)); "" for
	// none. DeviceUnknown is set where the kernel does not tell: it lacks sock_diag.
	Device        string `json:",omitempty"`
	DeviceUnknown bool   `json:",omitempty"`
	// Process is the program's name, empty where that may not be read.
	Process string
	PID     int
	// User is whom the program runs as, nil where that is not known.
	User *User `json:",omitempty"`
}

// User is a user and group by number, as -m owner sees those of a program (fsuid and fsgid in proc_pid_status(5)).
type User struct{ UID, GID uint32 }

// Session is the SSH connection that this process was started from.
type Session struct {
	// Client and Server are the connection's ends as this host sees them.
	Client, Server netip.AddrPort
	// Live is on if the connection is established now, off if it is not, as
	// in a tmux that outlived it.
	Live Setting
	// Evidence says how it was found.
	Evidence string
}

// Presence is a program on the gateway that changes rules or addresses by
// itself.
type Presence struct {
	// Name is the one that rules.OwnerOf uses for its rules, where it has any.
	Name    string
	Running bool
	// Evidence is the process, file or socket that it was told by.
	Evidence string
}

// LinkNamed is the link of that name.
func (f *Facts) LinkNamed(name string) (Link, bool) {
	i := slices.IndexFunc(f.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return Link{}, false
	}
	return f.Links[i], true
}

// AddressesOn lists the addresses of a link in the kernel's order.
func (f *Facts) AddressesOn(link string) []Address {
	var found []Address
	for _, a := range f.Addresses {
		if a.Link == link {
			found = append(found, a)
		}
	}
	return found
}

// IsLocal says whether packets to an address are for this host: its own
// addresses, the loopback network and whatever else the local table says.
func (f *Facts) IsLocal(addr netip.Addr) bool {
	addr = addr.Unmap()
	for _, r := range f.Routes {
		if r.Kind == RouteLocal && r.Table == TableLocal && r.Dst.Contains(addr) {
			return true
		}
	}
	return addr.IsLoopback() || slices.ContainsFunc(f.Addresses, func(a Address) bool { return a.Prefix.Addr() == addr })
}

// LinkOf is the link that has an address or, for an address of somebody else,
// the link whose network it is in.
func (f *Facts) LinkOf(addr netip.Addr) (link string, ok bool) {
	addr = addr.Unmap()
	longest := -1
	for _, a := range f.Addresses {
		switch {
		case a.Prefix.Addr() == addr:
			return a.Link, true
		case a.Peer == addr && a.Peer.IsValid(), a.Prefix.Contains(addr):
			if a.Prefix.Bits() > longest && a.Scope != ScopeLink {
				link, longest = a.Link, a.Prefix.Bits()
			}
		}
	}
	return link, longest >= 0
}

// ListensOn finds who takes what comes to a local address and port by an interface: "" for whichever, lo for what this host's
// own programs send.
func (f *Facts) ListensOn(proto rules.Protocol, to netip.AddrPort, in string) (Listener, bool) {
	addr := to.Addr().Unmap()
	var found Listener
	ok := false
	for _, l := range f.Listeners {
		if l.Proto != proto || l.Address.Port() != to.Port() || !f.Hears(l, in) {
			continue
		}
		if bound := l.Address.Addr(); bound == addr {
			return l, true
		} else if bound.IsUnspecified() && (bound.Is4() == addr.Is4() || l.BothFamilies) {
			found, ok = l, true
		}
	}
	return found, ok
}

// Hears tells whether what comes by an interface gets to a listener, as far as its device goes: "" for whichever. One that is
// bound to a VRF hears what comes by the VRF's interfaces (inet_sk_bound_dev_eq in include/net/inet_sock.h).
func (f *Facts) Hears(l Listener, in string) bool {
	if l.Device == "" || in == "" || l.Device == in {
		return true
	}
	link, ok := f.LinkNamed(in)
	master, isLink := f.LinkNamed(l.Device)
	return ok && isLink && link.Master == l.Device && master.Kind == "vrf"
}

// Present tells whether a program that changes rules or addresses was found,
// by the name that rules.OwnerOf gives it.
func (f *Facts) Present(name string) (Presence, bool) {
	i := slices.IndexFunc(f.Presences, func(p Presence) bool { return p.Name == name })
	if i < 0 {
		return Presence{}, false
	}
	return f.Presences[i], true
}

// Uplink is the gateway's way to the Internet: the link of its best default route.
type Uplink struct {
	Link string
	// Router is the next hop, invalid on a link that needs none.
	Router netip.Addr
	// IPv4 and IPv6 are the addresses that the gateway has there.
	IPv4, IPv6 Address
}

// Address is the uplink's address to show: the IPv4 one if there is one.
func (u Uplink) Address() netip.Addr {
	if u.IPv4.Prefix.IsValid() {
		return u.IPv4.Prefix.Addr()
	}
	return u.IPv6.Prefix.Addr()
}

// WAN guesses the interface to the Internet: that of the IPv4 default route with
// the lowest metric, or of the IPv6 one; false if there is no default route.
func (f *Facts) WAN() (Uplink, bool) {
	for _, family := range rules.Families {
		best, ok := f.DefaultRoute(family)
		if !ok {
			continue
		}
		up := Uplink{Link: best.Hops[0].Out, Router: best.Hops[0].Gateway}
		for _, a := range f.AddressesOn(up.Link) {
			switch {
			case a.Scope != ScopeGlobal || a.Deprecated:
			case a.Prefix.Addr().Is4() && !up.IPv4.Prefix.IsValid():
				up.IPv4 = a
			case a.Prefix.Addr().Is6() && !up.IPv6.Prefix.IsValid() && !a.Temporary:
				up.IPv6 = a
			}
		}
		return up, true
	}
	return Uplink{}, false
}

// DefaultRoute is the best usable default route of a family in the main table.
func (f *Facts) DefaultRoute(family rules.Family) (best RouteEntry, ok bool) {
	whole := family.Whole()
	for _, r := range f.Routes {
		usable := r.Dst == whole && r.Table == TableMain && r.Kind == RouteUnicast && len(r.Hops) > 0 && !r.Hops[0].Dead
		if usable && (!ok || r.Metric < best.Metric) {
			best, ok = r, true
		}
	}
	return best, ok
}

// MarshalText encodes a switch as unknown, off, on or auto.
func (s Setting) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is unknown, off, on or auto.
func (s Setting) String() string { return nameOf(settingNames, s) }

// UnmarshalText reads what MarshalText writes.
func (s *Setting) UnmarshalText(text []byte) error {
	return parseName(s, settingNames, text, "setting")
}

var settingNames = []string{"unknown", "off", "on", "auto"}

func nameOf[T ~uint8](names []string, value T) string {
	if int(value) < len(names) {
		return names[value]
	}
	return fmt.Sprintf("%d", value)
}

func parseName[T ~uint8](value *T, names []string, text []byte, what string) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("%s %q: want one of %v", what, text, names)
	}
	*value = T(i)
	return nil
}

var (
	_ encoding.TextUnmarshaler = (*Setting)(nil)
	_ encoding.TextUnmarshaler = (*AddressScope)(nil)
)
