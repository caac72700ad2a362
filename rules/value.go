package rules

import (
	"net/netip"
	"strconv"
	"strings"
)

// Net is an address with a mask, as -s and -d take it. The mask need not be a
// prefix: iptables allows any bits (printed 10.0.0.0/255.0.255.0).
type Net struct {
	Not  bool
	Addr netip.Addr // invalid: any address
	Mask netip.Addr
}

// NetOf is the network of a prefix.
func NetOf(p netip.Prefix) Net {
	return Net{Addr: p.Masked().Addr(), Mask: MaskOf(p.Addr().BitLen(), p.Bits())}
}

// Any reports that the net restricts nothing because it was not given.
func (n Net) Any() bool { return !n.Addr.IsValid() }

// Contains reports whether the address lies in the net; Not is the caller's.
func (n Net) Contains(a netip.Addr) bool {
	if n.Any() {
		return true
	}
	if a.Is4() != n.Addr.Is4() {
		return false
	}
	if a.Is4() {
		x, m, want := a.As4(), n.Mask.As4(), n.Addr.As4()
		for i := range x {
			if x[i]&m[i] != want[i]&m[i] {
				return false
			}
		}
		return true
	}
	x, m, want := a.As16(), n.Mask.As16(), n.Addr.As16()
	for i := range x {
		if x[i]&m[i] != want[i]&m[i] {
			return false
		}
	}
	return true
}

// Prefix returns the net as a prefix, if its mask is one.
func (n Net) Prefix() (netip.Prefix, bool) {
	if n.Any() {
		return netip.Prefix{}, false
	}
	bits, ok := PrefixLen(n.Mask)
	return netip.PrefixFrom(n.Addr, bits), ok
}

// Host returns the single address of a net that holds just one.
func (n Net) Host() (netip.Addr, bool) {
	p, ok := n.Prefix()
	return n.Addr, ok && p.IsSingleIP()
}

// String prints the net as iptables-save does, with its mask always given.
func (n Net) String() string {
	if n.Any() {
		return ""
	}
	if p, ok := n.Prefix(); ok {
		return AddrText(n.Addr) + "/" + strconv.Itoa(p.Bits())
	}
	return AddrText(n.Addr) + "/" + AddrText(n.Mask)
}

// ParseNet reads ADDRESS, ADDRESS/LENGTH or ADDRESS/MASK. Bits outside the mask
// are cleared, as iptables does.
func ParseNet(s string) (Net, bool) {
	text, mask, masked := strings.Cut(s, "/")
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return Net{}, false
	}
	if a.Is4In6() && !strings.Contains(text, ":") {
		return Net{}, false
	}
	n := Net{Addr: a, Mask: MaskOf(a.BitLen(), a.BitLen())}
	if masked {
		if bits, err := strconv.ParseUint(mask, 10, 8); err == nil && int(bits) <= a.BitLen() {
			n.Mask = MaskOf(a.BitLen(), int(bits))
		} else if m, err := netip.ParseAddr(mask); err == nil && m.Is4() == a.Is4() {
			n.Mask = m
		} else {
			return Net{}, false
		}
	}
	n.Addr = and(n.Addr, n.Mask)
	return n, true
}

// MaskOf is the netmask of bits leading ones for addresses of the length, 32 or 128.
func MaskOf(length, bits int) netip.Addr {
	var b [16]byte
	for i := range bits {
		b[i/8] |= 0x80 >> (i % 8)
	}
	if length == 32 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}

// PrefixLen is the number of leading ones of a netmask; false where ones follow a zero.
func PrefixLen(mask netip.Addr) (int, bool) {
	bits, ended := 0, false
	for _, b := range mask.AsSlice() {
		for i := 7; i >= 0; i-- {
			switch set := b>>i&1 == 1; {
			case set && ended:
				return 0, false
			case set:
				bits++
			default:
				ended = true
			}
		}
	}
	return bits, true
}

func and(a, m netip.Addr) netip.Addr {
	x, y := a.AsSlice(), m.AsSlice()
	for i := range x {
		x[i] &= y[i]
	}
	r, _ := netip.AddrFromSlice(x)
	return r
}

// AddrText prints an address as inet_ntop does, which the iptables programs use:
// IPv6 addresses of the form ::a.b.c.d end in dotted decimals.
func AddrText(a netip.Addr) string {
	if a.Is6() && !a.Is4In6() {
		if b := a.As16(); [12]byte(b[:12]) == [12]byte{} && (b[12] != 0 || b[13] != 0) {
			return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
		}
	}
	return a.String()
}

// Iface is an interface name as -i and -o take it; a trailing '+' stands for
// any rest, and "+" alone for every interface.
type Iface struct {
	Not  bool
	Name string // "": any interface
}

// Any reports that the interface was not given.
func (i Iface) Any() bool { return i.Name == "" }

// Matches reports whether the name is meant; Not is the caller's.
func (i Iface) Matches(name string) bool {
	if stem, ok := strings.CutSuffix(i.Name, "+"); ok {
		return strings.HasPrefix(name, stem)
	}
	return i.Name == "" || i.Name == name
}

// Ports is a range of ports, both ends included. iptables accepts a range whose
// end lies before its start (4:3); it matches nothing.
type Ports struct{ Lo, Hi uint16 }

// Port is the range of one port.
func Port(p uint16) Ports { return Ports{p, p} }

// Contains reports whether the port lies in the range.
func (p Ports) Contains(port uint16) bool { return p.Lo <= port && port <= p.Hi }

// Single reports a range of exactly one port.
func (p Ports) Single() bool { return p.Lo == p.Hi }

// Text is the range as people write it, its ends joined by sep, or the only port.
func (p Ports) Text(sep string) string {
	if p.Single() {
		return strconv.Itoa(int(p.Lo))
	}
	return strconv.Itoa(int(p.Lo)) + sep + strconv.Itoa(int(p.Hi))
}

// String prints the range as a match does: 80 or 80:90.
func (p Ports) String() string { return p.Text(":") }

// ParsePorts reads a port, or a range whose ends are joined by sep.
// ParsePorts reads a port, or a range whose ends are joined by sep; an end that is left out is 0 or 65535.
func ParsePorts(s, sep string) (Ports, bool) {
	lo, hi, isRange := strings.Cut(s, sep)
	l, err := strconv.ParseUint(lo, 10, 16)
	if isRange && lo == "" {
		l, err = 0, nil
	}
	if err != nil {
		return Ports{}, false
	}
	if !isRange {
		return Port(uint16(l)), true
	}
	h, err := strconv.ParseUint(hi, 10, 16)
	if hi == "" {
		h, err = 65535, nil
	}
	return Ports{uint16(l), uint16(h)}, err == nil
}

// Addrs is a range of addresses, both ends included. The zero value is no range.
type Addrs struct{ Lo, Hi netip.Addr }

// AddrRange is the range of one address.
func AddrRange(a netip.Addr) Addrs { return Addrs{a, a} }

// IsZero reports that no address was given.
func (r Addrs) IsZero() bool { return !r.Lo.IsValid() }

// Single reports a range of exactly one address.
func (r Addrs) Single() bool { return r.Lo == r.Hi }

// Contains reports whether the address lies in the range.
func (r Addrs) Contains(a netip.Addr) bool {
	return a.Is4() == r.Lo.Is4() && a.Compare(r.Lo) >= 0 && a.Compare(r.Hi) <= 0
}

// String prints the range: 10.0.0.1 or 10.0.0.1-10.0.0.9.
func (r Addrs) String() string {
	if r.IsZero() {
		return ""
	}
	if r.Single() {
		return AddrText(r.Lo)
	}
	return AddrText(r.Lo) + "-" + AddrText(r.Hi)
}

// ParseAddrs reads an address, or a range ADDRESS-ADDRESS.
func ParseAddrs(s string) (Addrs, bool) {
	lo, hi, isRange := strings.Cut(s, "-")
	l, err := netip.ParseAddr(lo)
	if err != nil || l.Zone() != "" {
		return Addrs{}, false
	}
	if !isRange {
		return AddrRange(l), true
	}
	h, err := netip.ParseAddr(hi)
	if err != nil || h.Is4() != l.Is4() || h.Zone() != "" {
		return Addrs{}, false
	}
	return Addrs{l, h}, true
}

// Bits is a value under a mask, as marks, TOS and DSCP are compared and set.
type Bits struct{ Value, Mask uint32 }

// ParseBits reads VALUE/MASK, or a value with all as its mask.
func ParseBits(s string, all uint32) (Bits, bool) {
	value, mask, masked := strings.Cut(s, "/")
	v, err := strconv.ParseUint(value, 0, 32)
	if err != nil {
		return Bits{}, false
	}
	if !masked {
		return Bits{uint32(v), all}, true
	}
	m, err := strconv.ParseUint(mask, 0, 32)
	return Bits{uint32(v), uint32(m)}, err == nil
}

// Hex is a number as iptables-save prints marks.
func Hex(v uint32) string { return "0x" + strconv.FormatUint(uint64(v), 16) }

// Text is the value with its mask, or alone where the mask is all.
func (b Bits) Text(all uint32) string {
	if b.Mask == all {
		return Hex(b.Value)
	}
	return Hex(b.Value) + "/" + Hex(b.Mask)
}

// Counters are a rule's or a chain's packets and bytes.
type Counters struct {
	Packets, Bytes uint64
	Known          bool // false where the text they were read from had none
}

// NetOfAddr is the net that holds just one address.
func NetOfAddr(a netip.Addr) Net { return NetOf(netip.PrefixFrom(a, a.BitLen())) }
