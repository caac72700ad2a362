package lab

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The addresses of the lab, all from the blocks reserved for documentation and
// private use.
//
//	client                 gateway                        servers
//	203.0.113.10 ───── wan0 203.0.113.1
//	                        lan0 192.168.0.1 ───┬── 192.168.0.2
//	198.51.100.7                                └── 192.168.0.3
//	(the world)
//
// The client doubles as the rest of the world: it has the router that the
// gateway's default route names, and an address somewhere behind it. It has no
// route to the servers' network, as nobody on the Internet has.
var (
	clientIPv4   = netip.MustParsePrefix("203.0.113.10/24")
	routerIPv4   = netip.MustParsePrefix("203.0.113.254/24")
	worldIPv4    = netip.MustParsePrefix("198.51.100.7/32")
	wanIPv4      = netip.MustParsePrefix("203.0.113.1/24")
	lanIPv4      = netip.MustParsePrefix("192.168.0.1/24")
	server2IPv4  = netip.MustParsePrefix("192.168.0.2/24")
	server3IPv4  = netip.MustParsePrefix("192.168.0.3/24")
	clientIPv6   = netip.MustParsePrefix("2001:db8:1::10/64")
	routerIPv6   = netip.MustParsePrefix("2001:db8:1::fe/64")
	worldIPv6    = netip.MustParsePrefix("2001:db8:7::7/128")
	wanIPv6      = netip.MustParsePrefix("2001:db8:1::1/64")
	lanIPv6      = netip.MustParsePrefix("2001:db8:2::1/64")
	server2IPv6  = netip.MustParsePrefix("2001:db8:2::2/64")
	server3IPv6  = netip.MustParsePrefix("2001:db8:2::3/64")
	wholeIPv4    = netip.MustParsePrefix("0.0.0.0/0")
	wholeIPv6    = netip.MustParsePrefix("::/0")
	errNotInside = errors.New("lab: not in namespaces of its own: call Isolate or Main first")
)

// WorldIPv4 and WorldIPv6 are addresses beyond the gateway's default route.
// The client answers for them.
var WorldIPv4, WorldIPv6 = worldIPv4.Addr(), worldIPv6.Addr()

// Network is the lab's wiring: four machines and a switch between the gateway
// and the servers.
type Network struct {
	Client, Gateway, Server2, Server3 *Node
	// HasIPv6 is false on a kernel that does without.
	HasIPv6 bool

	lanSwitch *Node
}

// New builds the network with the calling process on the gateway: interfaces,
// addresses and routes, no rules, nothing forwarded. It refuses to do so
// outside of a cell, where the gateway would be this machine. Needs veth and
// bridge support in the kernel.
func New() (*Network, error) {
	if r := takeRole(); r != testInmate && r != labInmate {
		return nil, errNotInside
	}
	n := &Network{}
	if err := n.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("build the lab's network: %w", err), n.Close())
	}
	return n, nil
}

// Close removes the interfaces and lets go of the namespaces. Connections and
// services that are still open keep theirs until they are closed. Closing twice
// does nothing.
func (n *Network) Close() error {
	var errs []error
	if n.Gateway != nil && n.Gateway.ns.IsOpen() && !n.Gateway.attached {
		errs = append(errs, n.Gateway.Do(func() error { return errors.Join(removeLink("wan0"), removeLink("lan0")) }))
	}
	for _, node := range []*Node{n.Client, n.Server2, n.Server3, n.lanSwitch, n.Gateway} {
		errs = append(errs, node.close())
	}
	return errors.Join(errs...)
}

func removeLink(name string) error {
	link, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return err
	}
	return netlink.LinkDel(link)
}

func (n *Network) build() error {
	gateway, err := gatewayNode()
	if err != nil {
		return err
	}
	n.Gateway = gateway
	for name, node := range map[string]**Node{
		"client": &n.Client, "switch": &n.lanSwitch, "server2": &n.Server2, "server3": &n.Server3,
	} {
		if *node, err = newNode(name); err != nil {
			return err
		}
	}
	n.know()
	if err := n.wire(); err != nil {
		return err
	}
	return n.address()
}

// know notes the machines' addresses, and whether there is IPv6.
func (n *Network) know() {
	n.Client.IPv4, n.Client.IPv6 = clientIPv4.Addr(), clientIPv6.Addr()
	n.Gateway.IPv4, n.Gateway.IPv6 = wanIPv4.Addr(), wanIPv6.Addr()
	n.Server2.IPv4, n.Server2.IPv6 = server2IPv4.Addr(), server2IPv6.Addr()
	n.Server3.IPv4, n.Server3.IPv6 = server3IPv4.Addr(), server3IPv6.Addr()
	_, err := os.Stat("/proc/sys/net/ipv6")
	n.HasIPv6 = err == nil
}

// wire joins the machines with cables. The order gives the two ends of each
// cable different interface indices, in which case the kernel takes note of its
// carrier at once. Otherwise it may take a second or more, and the switch does
// not forward before. (linkwatch_urgent_event in net/core/link_watch.c)
func (n *Network) wire() error {
	err := n.lanSwitch.Do(func() error {
		return addUp(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "lan"}})
	})
	if err != nil {
		return err
	}
	cables := []struct {
		a     *Node
		aName string
		b     *Node
		bName string
	}{
		{n.Server2, "eth0", n.lanSwitch, "port2"},
		{n.Server3, "eth0", n.lanSwitch, "port3"},
		{n.Gateway, "lan0", n.lanSwitch, "port1"},
		{n.Gateway, "wan0", n.Client, "eth0"},
	}
	for _, c := range cables {
		if err := c.a.Do(noDuplicateDetection); err != nil {
			return err
		}
		if err := c.b.Do(noDuplicateDetection); err != nil {
			return err
		}
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: c.aName}, PeerName: c.bName, PeerNamespace: netlink.NsFd(c.b.ns)}
		if err := c.a.Do(func() error { return addUp(veth) }); err != nil {
			return err
		}
		if err := c.b.Do(func() error { return plugIn(c.bName, c.b == n.lanSwitch) }); err != nil {
			return err
		}
	}
	return nil
}

// noDuplicateDetection makes IPv6 addresses usable at once: nobody else is on
// these cables. It is best effort, since a kernel may lack IPv6.
func noDuplicateDetection() error {
	for _, scope := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+scope+"/accept_dad", []byte("0"), 0o644)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func addUp(link netlink.Link) error {
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("add %s %s: %w", link.Type(), link.Attrs().Name, err)
	}
	return netlink.LinkSetUp(link)
}

// plugIn sets the far end of a cable up, and puts it into the switch if that is
// where it ends.
func plugIn(name string, atSwitch bool) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	if atSwitch {
		bridge, err := netlink.LinkByName("lan")
		if err != nil {
			return fmt.Errorf("find the switch: %w", err)
		}
		if err := netlink.LinkSetMaster(link, bridge); err != nil {
			return fmt.Errorf("put %s into the switch: %w", name, err)
		}
	}
	return netlink.LinkSetUp(link)
}

// address gives the machines their addresses and routes.
func (n *Network) address() error {
	type assignment struct {
		node     *Node
		link     string
		prefixes []netip.Prefix
		routers  []netip.Prefix
	}
	for _, a := range []assignment{
		{n.Client, "eth0", []netip.Prefix{clientIPv4, routerIPv4, clientIPv6, routerIPv6}, nil},
		{n.Client, "lo", []netip.Prefix{worldIPv4, worldIPv6}, nil},
		{n.Gateway, "wan0", []netip.Prefix{wanIPv4, wanIPv6}, []netip.Prefix{routerIPv4, routerIPv6}},
		{n.Gateway, "lan0", []netip.Prefix{lanIPv4, lanIPv6}, nil},
		{n.Server2, "eth0", []netip.Prefix{server2IPv4, server2IPv6}, []netip.Prefix{lanIPv4, lanIPv6}},
		{n.Server3, "eth0", []netip.Prefix{server3IPv4, server3IPv6}, []netip.Prefix{lanIPv4, lanIPv6}},
	} {
		err := a.node.Do(func() error {
			link, err := netlink.LinkByName(a.link)
			if err != nil {
				return fmt.Errorf("find %s: %w", a.link, err)
			}
			for _, prefix := range a.prefixes {
				if err := n.addAddress(link, prefix); err != nil {
					return err
				}
			}
			for _, router := range a.routers {
				if err := n.addDefaultRoute(link, router.Addr()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", a.node.Name, err)
		}
	}
	return nil
}

func (n *Network) addAddress(link netlink.Link, prefix netip.Prefix) error {
	if prefix.Addr().Is6() && !n.HasIPv6 {
		return nil
	}
	address := &netlink.Addr{IPNet: ipNet(prefix)}
	if prefix.Addr().Is6() {
		address.Flags = unix.IFA_F_NODAD
	}
	if prefix == routerIPv6 {
		// Deprecated, so that the client does not speak as the router.
		address.ValidLft, address.PreferedLft = math.MaxInt32, 0
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("add address %s to %s: %w", prefix, link.Attrs().Name, err)
	}
	return nil
}

func (n *Network) addDefaultRoute(link netlink.Link, router netip.Addr) error {
	whole := wholeIPv4
	if router.Is6() {
		if whole = wholeIPv6; !n.HasIPv6 {
			return nil
		}
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(whole), Gw: router.AsSlice()}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("add default route via %s: %w", router, err)
	}
	return nil
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
