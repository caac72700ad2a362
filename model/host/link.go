package host

import (
	"errors"
	"math"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nattui/model/facts"
)

// tolerable hides that a dump was interrupted by a change: it is complete
// enough, and Watch tells to read again.
func tolerable(err error) error {
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil
	}
	return err
}

func (r *reading) links() {
	r.linkNames = map[int]string{}
	list, err := netlink.LinkList()
	r.gap("links", tolerable(err))
	tables := map[int]uint32{} // of VRFs
	for _, link := range list {
		a := link.Attrs()
		r.linkNames[a.Index] = a.Name
		if vrf, ok := link.(*netlink.Vrf); ok {
			tables[a.Index] = vrf.Table
		}
	}
	if err == nil {
		r.facts.Links = []facts.Link{}
	}
	for _, link := range list {
		a := link.Attrs()
		table := tables[a.Index]
		if table == 0 {
			table = tables[a.MasterIndex]
		}
		r.facts.Links = append(r.facts.Links, facts.Link{
			Index: a.Index, Name: a.Name, Kind: linkKind(link), MTU: a.MTU, MAC: a.HardwareAddr.String(),
			Up: a.RawFlags&unix.IFF_UP != 0, Running: a.RawFlags&unix.IFF_RUNNING != 0, PointToPoint: a.RawFlags&unix.IFF_POINTOPOINT != 0,
			Master: r.linkNames[a.MasterIndex], Hairpin: a.Protinfo != nil && a.Protinfo.Hairpin, VRF: table,
		})
	}
}

func linkKind(link netlink.Link) string {
	if link.Attrs().RawFlags&unix.IFF_LOOPBACK != 0 {
		return "loopback"
	}
	return link.Type()
}

func (r *reading) addresses() {
	list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	r.gap("addresses", tolerable(err))
	for _, a := range list {
		prefix, ok := prefixOf(a.IPNet)
		if !ok {
			continue
		}
		address := facts.Address{
			Link: r.linkName(a.LinkIndex), Prefix: prefix, Scope: scopeOf(a.Scope),
			Dynamic:    a.Flags&unix.IFA_F_PERMANENT == 0,
			Secondary:  prefix.Addr().Is4() && a.Flags&unix.IFA_F_SECONDARY != 0,
			Deprecated: a.Flags&unix.IFA_F_DEPRECATED != 0,
			Tentative:  a.Flags&unix.IFA_F_TENTATIVE != 0,
			Temporary:  prefix.Addr().Is6() && a.Flags&unix.IFA_F_TEMPORARY != 0,
			Valid:      lifetime(a.ValidLft), Preferred: lifetime(a.PreferedLft),
		}
		if peer, ok := prefixOf(a.Peer); ok && peer.Addr() != prefix.Addr() {
			address.Peer = peer.Addr()
		}
		address.Broadcast, _ = addrOf(a.Broadcast)
		r.facts.Addresses = append(r.facts.Addresses, address)
	}
}

// lifetime makes 0 of the kernel's number for ever.
func lifetime(seconds int) uint32 {
	if uint32(seconds) == math.MaxUint32 {
		return 0
	}
	return uint32(seconds)
}

func scopeOf(scope int) facts.AddressScope {
	switch scope {
	case unix.RT_SCOPE_SITE:
		return facts.ScopeSite
	case unix.RT_SCOPE_LINK:
		return facts.ScopeLink
	case unix.RT_SCOPE_HOST:
		return facts.ScopeHost
	}
	return facts.ScopeGlobal
}

func (r *reading) neighbours() {
	list, err := netlink.NeighList(0, netlink.FAMILY_ALL)
	r.gap("neighbours", tolerable(err))
	const (
		answers = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT
		nobody  = netlink.NUD_NOARP
	)
	for _, n := range list {
		addr, ok := addrOf(n.IP)
		if !ok || n.State&nobody != 0 || addr.IsMulticast() {
			continue
		}
		r.facts.Neighbours = append(r.facts.Neighbours, facts.Neighbour{
			Link: r.linkName(n.LinkIndex), Addr: addr, MAC: n.HardwareAddr.String(),
			Reachable: n.State&answers != 0, Router: n.Flags&netlink.NTF_ROUTER != 0,
			Permanent: n.State&netlink.NUD_PERMANENT != 0, Stale: n.State&(netlink.NUD_STALE|netlink.NUD_DELAY|netlink.NUD_PROBE) != 0,
		})
	}
}

// stations reads where bridges have learned machines to be.
func (r *reading) stations() {
	list, err := netlink.NeighList(0, unix.AF_BRIDGE)
	r.gap("stations", tolerable(err))
	for _, n := range list {
		if n.MasterIndex != 0 && n.State&netlink.NUD_PERMANENT == 0 {
			r.facts.Stations = append(r.facts.Stations, facts.Station{Bridge: r.linkName(n.MasterIndex), Port: r.linkName(n.LinkIndex), MAC: n.HardwareAddr.String()})
		}
	}
}

func addrOf(ip net.IP) (netip.Addr, bool) {
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := addrOf(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr, bits), ok
}
