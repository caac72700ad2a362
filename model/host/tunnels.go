package host

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/rules"
)

// This file finds the packets that tunnels and VPNs live by: those of the kernel by the kind of their link, those of a
// program by who holds the link's device, whatever its name is.

// encapsulators are the kinds of links whose packets arrive at a UDP socket of the kernel's own.
var encapsulators = map[string]string{
	"wireguard": "WireGuard", "vxlan": "VXLAN", "geneve": "Geneve", "l2tpeth": "L2TP", "bareudp": "bareudp", "fou": "FOU", "gtp": "GTP",
}

// carriers are the protocols that kinds of links arrive by, by the family of their ends (ip-link(8)).
var carriers = map[string][2]rules.Protocol{
	"gre": {rules.IPv4: rules.GRE}, "gretap": {rules.IPv4: rules.GRE}, "erspan": {rules.IPv4: rules.GRE},
	"ip6gre": {rules.IPv6: rules.GRE}, "ip6gretap": {rules.IPv6: rules.GRE}, "ip6erspan": {rules.IPv6: rules.GRE},
	"ipip": {rules.IPv4: unix.IPPROTO_IPIP}, "sit": {rules.IPv4: unix.IPPROTO_IPV6},
	"ip6tnl": {rules.IPv6: unix.IPPROTO_IPV6}, "vti": {rules.IPv4: rules.ESP}, "vti6": {rules.IPv6: rules.ESP}, "xfrm": {rules.ESP, rules.ESP},
}

// tunnels adds the links that arrive inside packets of a protocol without ports, as IPsec does: logins may come by them.
func (r *reading) tunnels() {
	add := func(by [2]rules.Protocol, name string) {
		for family, protocol := range by {
			to := [...]netip.Addr{rules.IPv4: netip.IPv4Unspecified(), rules.IPv6: netip.IPv6Unspecified()}[family]
			if protocol != 0 {
				r.facts.Ways = append(r.facts.Ways, facts.Way{Kind: facts.WayVPN, Proto: protocol, Server: netip.AddrPortFrom(to, 0), Program: name})
			}
		}
	}
	for _, l := range r.facts.Links {
		if l.Up {
			add(carriers[l.Kind], l.Name)
		}
	}
	if slices.ContainsFunc(r.facts.IPsec, func(p facts.IPsecPolicy) bool { return p.Protects && p.Dir == "in" }) {
		add(carriers["xfrm"], "IPsec")
	}
}

// Devices by which programs are the other side of a link: of kind tun and tap (Documentation/networking/tuntap.rst), and of
// ppp (Documentation/networking/ppp_generic.rst).
const tunDevice, pppDevice = "/dev/net/tun", "/dev/ppp"

// deviceLinks are the links whose device a process holds: by name those of tun and tap, as "ppp" those of PPP.
func deviceLinks(pid int, descriptor, device string) []string {
	if device == pppDevice {
		return []string{"ppp"}
	}
	file, err := os.Open(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, descriptor))
	if err != nil {
		return nil
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "iff:"); ok {
			return []string{strings.TrimSpace(name)}
		}
	}
	return nil
}

// programTunnels adds the sockets of the programs that links of kind tun, tap and ppp belong to. Whose program is not found is
// not known, unless every process was looked at: then there is none.
func (r *reading) programTunnels() {
	seen := map[int]bool{}
	for _, l := range r.facts.Links {
		device := l.Name
		switch {
		case !l.Up || l.Kind != "tuntap" && l.Kind != "ppp":
			continue
		case l.Kind == "ppp":
			device = "ppp"
			r.generic()
		}
		holders := r.tunnelled[device]
		if len(holders) == 0 && !r.searched {
			r.facts.WaysUnknown = append(r.facts.WaysUnknown, "the program behind the link "+l.Name)
		}
		for _, holder := range holders {
			if holder.elsewhere {
				r.facts.WaysUnknown = append(r.facts.WaysUnknown, "the network namespace of "+holder.name+", which is behind the link "+l.Name)
				continue
			}
			for _, pid := range r.kinOf(holder.pid, l.Kind) {
				if !seen[pid] {
					seen[pid] = true
					r.carriedBy(pid)
				}
			}
		}
	}
}

// generic adds GRE, which PPTP carries PPP by, where a program takes it from the kernel (raw(7)).
func (r *reading) generic() {
	text, err := os.ReadFile("/proc/net/raw")
	known := slices.ContainsFunc(r.facts.Ways, func(w facts.Way) bool { return w.Kind == facts.WayVPN && w.Proto == rules.GRE })
	if err == nil && !known && strings.Contains(string(text), fmt.Sprintf(":%04X ", int(rules.GRE))) {
		r.facts.Ways = append(r.facts.Ways, facts.Way{Kind: facts.WayVPN, Proto: rules.GRE, Server: netip.AddrPortFrom(netip.IPv4Unspecified(), 0), Program: "PPTP"})
	}
}

// kinOf are the processes that make a link together: pppd leaves the packets to the one that started it, or that it starts.
func (r *reading) kinOf(pid int, kind string) []int {
	all := []int{pid}
	if kind != "ppp" {
		return all
	}
	if parent := parentOf(pid); parent > 1 {
		all = append(all, parent)
	}
	for _, p := range r.running {
		if parentOf(p.pid) == pid {
			all = append(all, p.pid)
		}
	}
	return all
}

// carriedBy adds the sockets of a process to the ways in, but for those that are known and those that nobody else reaches.
func (r *reading) carriedBy(pid int) {
	held, name := socketsOf(pid), r.nameOf(pid)
	add := func(w facts.Way) {
		w.Program = name
		known := slices.ContainsFunc(r.facts.Ways, func(k facts.Way) bool { return k.Proto == w.Proto && k.Client == w.Client && k.Server == w.Server })
		if !known && !w.Server.Addr().IsLoopback() {
			r.facts.Ways = append(r.facts.Ways, w)
		}
	}
	for _, kind := range []struct{ protocol, state uint8 }{
		{unix.IPPROTO_TCP, listening}, {unix.IPPROTO_TCP, established}, {unix.IPPROTO_UDP, unconnected}, {unix.IPPROTO_UDP, established},
	} {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			open, err := sockets(family, kind.protocol, kind.state)
			if err != nil {
				r.waysUnknown("sockets of "+name, err)
			}
			for _, s := range open {
				switch {
				case !slices.Contains(held, s.inode):
				case kind.state == established:
					add(facts.Way{Kind: facts.WayTunnel, Proto: rules.Protocol(kind.protocol), Client: s.local, Server: s.remote})
				default:
					add(facts.Way{Kind: facts.WayVPN, Proto: rules.Protocol(kind.protocol), Server: s.local})
				}
			}
		}
	}
}
