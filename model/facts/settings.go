package facts

import (
	"maps"
	"reflect"
	"strings"

	"nattui/rules"
)

// Settings are the kernel's switches that NAT depends on, as sysctl names them.
// Numbers are -1 where they are unknown.
type Settings struct {
	// Forwarding4 is net.ipv4.ip_forward, Forwarding6 is
	// net.ipv6.conf.all.forwarding: without them nothing passes the gateway.
	Forwarding4, Forwarding6 Setting
	// All and Default are the conf.all and conf.default of the per-link ones.
	All, Default LinkSettings
	Links        map[string]LinkSettings

	// ConntrackMax and ConntrackCount are how many flows there may be and are,
	// ConntrackBuckets is the size of the hash table.
	ConntrackMax, ConntrackCount, ConntrackBuckets int
	// ConntrackAccounting makes the kernel count packets and bytes of flows,
	// ConntrackTimestamps note when they began, ConntrackEvents announce them.
	ConntrackAccounting, ConntrackTimestamps, ConntrackEvents Setting
	// ConntrackLiberal lets TCP packets outside of the window pass
	// (nf_conntrack_tcp_be_liberal), ConntrackLoose lets flows be picked up in
	// the middle (nf_conntrack_tcp_loose), ConntrackHelper assigned helpers by
	// port until Linux 6.0 (nf_conntrack_helper).
	ConntrackLiberal, ConntrackLoose, ConntrackHelper Setting
	// FwmarkAccept gives an accepted TCP connection, and so its answers, the mark of the packet that began it
	// (net.ipv4.tcp_fwmark_accept, of both families).
	FwmarkAccept Setting `json:",omitzero"`
	// TCPEstablishedTimeout is how long, in seconds, an idle connection is
	// remembered.
	TCPEstablishedTimeout int
	// LocalPorts is the range that the host's own connections use
	// (net.ipv4.ip_local_port_range).
	LocalPorts [2]int
	// IgnoreLinkDown makes routes over links without carrier unused
	// (net.ipv4.conf.all.ignore_routes_with_linkdown).
	IgnoreLinkDown Setting
	// BridgeCallsIptables sends bridged IPv4 packets through iptables
	// (net.bridge.bridge-nf-call-iptables); unknown without br_netfilter.
	BridgeCallsIptables Setting
	// BridgeCallsIp6tables is the same for IPv6 packets, BridgeFiltersVLAN for those with a VLAN tag.
	BridgeCallsIp6tables Setting `json:",omitzero"`
	BridgeFiltersVLAN    Setting `json:",omitzero"`
	// Fixed are the names of settings that cannot be written here, as those of
	// the connection table's size in a network namespace other than the first.
	Fixed []string
}

// Equal reports the same settings. The number of connections is none.
func (s *Settings) Equal(o *Settings) bool {
	a, b := *s, *o
	a.ConntrackCount = b.ConntrackCount
	return reflect.DeepEqual(a, b)
}

// UnknownSettings has every switch unknown.
func UnknownSettings() Settings {
	return Settings{
		All: UnknownLinkSettings(), Default: UnknownLinkSettings(),
		ConntrackMax: -1, ConntrackCount: -1, ConntrackBuckets: -1,
		TCPEstablishedTimeout: -1, LocalPorts: [2]int{-1, -1},
	}
}

// LinkSettings are the switches that each link has, under net.ipv4.conf and
// net.ipv6.conf.
type LinkSettings struct {
	Forwarding4, Forwarding6 Setting
	// ForceForwarding6 forwards what arrives on the link whatever the switch for
	// all says (net.ipv6.conf.LINK.force_forwarding, since Linux 6.17).
	ForceForwarding6 Setting
	// RPFilter is the link's own reverse path filter; see RPFilterOn for the
	// one in effect.
	RPFilter RPFilter
	// RouteLocalnet lets packets to 127.0.0.0/8 be routed, as a DNAT to a
	// service on the loopback address needs.
	RouteLocalnet Setting
	// AcceptLocal takes packets from outside that have one of the host's own
	// addresses as source, SrcValidMark lets the reverse path filter see a
	// packet's mark.
	AcceptLocal, SrcValidMark Setting
	SendRedirects             Setting
	ProxyARP                  Setting
	// BroadcastForwarding forwards directed broadcasts (net.ipv4.conf.LINK.bc_forwarding, on for all and for the link),
	// DisableIPv6 is net.ipv6.conf.LINK.disable_ipv6.
	BroadcastForwarding, DisableIPv6 Setting `json:",omitzero"`
	// ARPIgnore is net.ipv4.conf.LINK.arp_ignore: for which of its addresses a host answers ARP; 0 is all, also where it is
	// not known. ProxyNDP has it answer neighbour discovery for what ip -6 neigh add proxy names.
	ARPIgnore int     `json:",omitzero"`
	ProxyNDP  Setting `json:",omitzero"`
	// AcceptRA is net.ipv6.conf.LINK.accept_ra: a forwarding host hears
	// routers only with 2. -1 is unknown.
	AcceptRA int
}

// UnknownLinkSettings has every switch unknown.
func UnknownLinkSettings() LinkSettings { return LinkSettings{RPFilter: RPFilterUnknown, AcceptRA: -1} }

// RPFilter is how strictly the kernel checks that the source of a packet could
// have come the way it came (RFC 3704; net.ipv4.conf.*.rp_filter).
type RPFilter uint8

// The modes: off, only by the interface a packet back would take, by any
// interface.
const (
	RPFilterUnknown RPFilter = iota
	RPFilterOff
	RPFilterStrict
	RPFilterLoose
)

var rpFilterNames = []string{"unknown", "off", "strict", "loose"}

// String is unknown, off, strict or loose.
func (m RPFilter) String() string { return nameOf(rpFilterNames, m) }

// MarshalText encodes the name.
func (m RPFilter) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (m *RPFilter) UnmarshalText(text []byte) error {
	return parseName(m, rpFilterNames, text, "rp_filter mode")
}

// On are a link's settings, unknown if the link is.
func (s *Settings) On(link string) LinkSettings {
	if l, ok := s.Links[link]; ok {
		return l
	}
	return UnknownLinkSettings()
}

// RPFilterOn is the reverse path filter in effect on a link: the larger of its
// own number and that of all links, where strict is 1 and loose 2.
func (s *Settings) RPFilterOn(link string) RPFilter {
	own := s.On(link).RPFilter
	if own == RPFilterUnknown || s.All.RPFilter == RPFilterUnknown {
		return RPFilterUnknown
	}
	return max(own, s.All.RPFilter)
}

// either is how most per-link switches take effect: on for all links or on for
// this one (IN_DEV_ORCONF in include/linux/inetdevice.h).
func either(all, own Setting) Setting {
	switch {
	case all == SettingOn || own == SettingOn:
		return SettingOn
	case all == SettingOff && own == SettingOff:
		return SettingOff
	}
	return SettingUnknown
}

// RouteLocalnetOn tells whether packets that arrive on a link may be routed to
// the loopback network.
func (s *Settings) RouteLocalnetOn(link string) Setting {
	return either(s.All.RouteLocalnet, s.On(link).RouteLocalnet)
}

// ForwardsFrom tells whether packets of a family that arrive on a link are
// forwarded at all. In IPv4 that is the link's own switch, which ip_forward
// sets together with all others; IPv6 asks the switch for all links, and where
// that is off whether the link is forced.
func (s *Settings) ForwardsFrom(link string, family rules.Family) Setting {
	if family == rules.IPv6 {
		if s.Forwarding6 == SettingOff && s.On(link).ForceForwarding6 == SettingOn {
			return SettingOn
		}
		return s.Forwarding6
	}
	if own := s.On(link).Forwarding4; own != SettingUnknown {
		return own
	}
	return s.Forwarding4
}

// DeafToRouters is the setting of the link by which this host learns its IPv6
// default route, if it would lose that as it begins to forward.
func (f *Facts) DeafToRouters() (setting string, ok bool) {
	r, ok := f.DefaultRoute(rules.IPv6)
	if !ok || r.Origin != "ra" || f.Settings.On(r.Hops[0].Out).AcceptRA != 1 {
		return "", false
	}
	return LinkSetting6(r.Hops[0].Out, "accept_ra"), true
}

// WithSetting is the host with another value of a switch that routing depends on.
func (f *Facts) WithSetting(name, value string) *Facts {
	changed := *f
	s := &changed.Settings
	on := SettingOff
	if value != "0" {
		on = SettingOn
	}
	switch name {
	case "net.ipv4.ip_forward":
		s.Forwarding4 = on
		s.Links = maps.Clone(s.Links)
		for link, l := range s.Links { // ip_forward sets all links at once (inet_forward_change)
			l.Forwarding4 = on
			s.Links[link] = l
		}
		return &changed
	case "net.ipv6.conf.all.forwarding":
		s.Forwarding6 = on
		return &changed
	}
	if name == "net.bridge.bridge-nf-call-iptables" {
		s.BridgeCallsIptables = on
		return &changed
	}
	rest, ok := strings.CutPrefix(name, "net.ipv4.conf.")
	at := strings.LastIndexByte(rest, '.')
	if !ok || at < 0 {
		return &changed
	}
	link, setting := strings.ReplaceAll(rest[:at], "/", "."), rest[at+1:]
	l := s.On(link)
	switch setting {
	case "forwarding":
		l.Forwarding4 = on
	case "route_localnet":
		l.RouteLocalnet = on
	case "rp_filter":
		l.RPFilter = map[string]RPFilter{"0": RPFilterOff, "1": RPFilterStrict, "2": RPFilterLoose}[value]
	}
	s.Links = maps.Clone(s.Links)
	if s.Links == nil {
		s.Links = map[string]LinkSettings{}
	}
	s.Links[link] = l
	return &changed
}

// LinkSetting is the name of a setting of an interface, whose dots are written
// as slashes.
func LinkSetting(link, setting string) string {
	return "net.ipv4.conf." + strings.ReplaceAll(link, ".", "/") + "." + setting
}

// LinkSetting6 is the name of an IPv6 setting of an interface.
func LinkSetting6(link, setting string) string {
	return "net.ipv6.conf." + strings.ReplaceAll(link, ".", "/") + "." + setting
}
