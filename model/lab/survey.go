package lab

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nattui/model/mission"
	"nattui/rules"
)

// Survey says who is in the lab: each machine with its addresses and what it listens on, as the
// kernel has them now.
func (n *Network) Survey() ([]mission.Host, error) {
	var hosts []mission.Host
	for _, m := range n.machines() {
		h := mission.Host{Name: m.name}
		switch *m.node {
		case n.Client:
			h.Behind = "wan0"
		case n.Server2, n.Server3:
			h.Behind = "lan0"
		}
		err := (*m.node).Do(func() error { return surveyHere(&h) })
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", m.name, err)
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// surveyHere looks at the network namespace of the calling thread.
func surveyHere(h *mission.Host) error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	// From the Internet inwards: wan0 before lan0, and lo with the world's addresses last.
	slices.SortFunc(links, func(a, b netlink.Link) int {
		return cmp.Or(cmp.Compare(a.Attrs().RawFlags&unix.IFF_LOOPBACK, b.Attrs().RawFlags&unix.IFF_LOOPBACK), cmp.Compare(b.Attrs().Name, a.Attrs().Name))
	})
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		for _, link := range links {
			addresses, err := netlink.AddrList(link, family)
			if err != nil {
				return err
			}
			for _, a := range addresses {
				ip, ok := netip.AddrFromSlice(a.IP)
				ip = ip.Unmap()
				if ok && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && ip != routerIPv4.Addr() && ip != routerIPv6.Addr() {
					h.Addresses = append(h.Addresses, mission.Address{Link: link.Attrs().Name, Addr: ip})
				}
			}
		}
	}
	h.Listens, err = listening()
	return err
}

// listening reads the open ports of the calling thread's network namespace (proc_net_tcp in the kernel's
// documentation; state 0A is TCP_LISTEN, 07 an unconnected UDP socket).
func listening() (list []mission.Listener, err error) {
	for _, table := range []struct {
		file, state string
		proto       rules.Protocol
	}{{"tcp", "0A", rules.TCP}, {"tcp6", "0A", rules.TCP}, {"udp", "07", rules.UDP}, {"udp6", "07", rules.UDP}} {
		text, err := os.ReadFile("/proc/thread-self/net/" + table.file)
		if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(table.file, "6") {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if len(words) < 4 || words[3] != table.state {
				continue
			}
			at, err := procAddrPort(words[1])
			if err != nil {
				return nil, fmt.Errorf("/proc/net/%s: %w", table.file, err)
			}
			l := mission.Listener{Proto: table.proto, Addr: at.Addr(), Port: at.Port()}
			if !slices.Contains(list, l) {
				list = append(list, l)
			}
		}
	}
	slices.SortFunc(list, func(a, b mission.Listener) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port), a.Addr.Compare(b.Addr))
	})
	return list, nil
}

// procAddrPort reads an address and port as /proc/net has them: words of four bytes in the machine's order, then the port.
func procAddrPort(text string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("no address: %q", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	a, ok := netip.AddrFromSlice(raw)
	p, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("no address and port: %q", text)
	}
	return netip.AddrPortFrom(a, uint16(p)), nil
}
