// Package mission is the lab as values: which machines there are and what they
// listen on, what was sent from one to another and what came back, and the
// missions by which NAT can be learned there. It sends nothing itself; package
// lab does.
package mission

import (
	"net/netip"
	"slices"

	"nattui/rules"
)

// Host is a machine of the lab.
type Host struct {
	Name string
	// Behind is the gateway's interface that the machine's packets arrive by; empty for the gateway itself.
	Behind string
	// Addresses are those that others know it by, the one it is called by first.
	Addresses []Address
	// Listens are its open ports, TCP before UDP, each by its number.
	Listens []Listener
}

// Address is an address of a machine, and the interface that has it.
type Address struct {
	Link string
	Addr netip.Addr
}

// Listener is an open port. Addr is unspecified where it listens on all addresses.
type Listener struct {
	Proto rules.Protocol // TCP or UDP
	Addr  netip.Addr
	Port  uint16
}

// Has tells whether an address is the machine's.
func (h *Host) Has(a netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(x Address) bool { return x.Addr == a })
}

// Listening tells whether the machine listens on a port, on whatever address of the family.
func (h *Host) Listening(proto rules.Protocol, port uint16, family rules.Family) bool {
	return slices.ContainsFunc(h.Listens, func(l Listener) bool {
		return l.Proto == proto && l.Port == port && family.Holds(l.Addr)
	})
}

// Owner is the machine that has an address; nil if none of them has it.
func Owner(hosts []Host, a netip.Addr) *Host {
	for i := range hosts {
		if hosts[i].Has(a) {
			return &hosts[i]
		}
	}
	return nil
}

// Sender is a machine from which a packet arrives at the gateway by an interface; not the one
// that has the address without, if there is another. Empty link: any. It is nil where no machine is behind it.
func Sender(hosts []Host, link string, without netip.Addr) *Host {
	var second *Host
	for i := range hosts {
		h := &hosts[i]
		switch {
		case h.Behind == "" || link != "" && h.Behind != link:
		case !h.Has(without):
			return h
		case second == nil:
			second = h
		}
	}
	return second
}

// Elsewhere is a port that a machine behind another interface listens on, to be asked from a host through the
// gateway, and false where there is none. The last address of a machine is taken: the farthest away.
func Elsewhere(hosts []Host, from *Host, proto rules.Protocol, family rules.Family) (netip.AddrPort, bool) {
	for i := range hosts {
		h := &hosts[i]
		if h.Behind == "" || h.Behind == from.Behind {
			continue
		}
		for _, l := range h.Listens {
			if l.Proto != proto || !family.Holds(l.Addr) {
				continue
			}
			for _, a := range slices.Backward(h.Addresses) {
				if family.Holds(a.Addr) && h.Listening(proto, l.Port, family) {
					return netip.AddrPortFrom(a.Addr, l.Port), true
				}
			}
		}
	}
	return netip.AddrPort{}, false
}
