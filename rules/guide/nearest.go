package guide

import (
	"net/netip"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// machine holds an address against what one machine behind this gateway can
// have, and tells by which interface it is reached; "" where that is not known.
func (b *builder) machine(field string, a netip.Addr) (link string, ok bool) {
	switch {
	case a.IsLoopback():
		b.wrong(field, "", "%s is this host itself; for a service on this host use the proxy recipe (REDIRECT)", a)
		return "", false
	case a.IsUnspecified() || a.IsMulticast():
		b.wrong(field, b.machineLike(a), "%s is not the address of a single machine", a)
		return "", false
	}
	if link, own := b.local(a); own {
		b.wrong(field, b.machineLike(a), "%s is this host's own address on %s: a service on this host needs no forwarding; to use another port, use the proxy recipe (REDIRECT)", a, link)
		return "", false
	}
	if _, net, ok := b.netOf(a); ok && a.Is4() && net.Bits() < 31 && (a == net.Addr() || a == last(net)) {
		b.wrong(field, b.machineLike(a), "%s is not a machine: it means all of %s", a, net)
		return "", false
	}
	r, known := b.route(a)
	switch {
	case known && r.Kind == evaluate.RoutedNone:
		b.wrong(field, b.machineLike(a), "there is no route to %s", a)
		return "", false
	case known:
		return r.Out, true
	}
	return "", true
}

// machineLike is an address inside with the last part of another, or the first
// that a machine can have; "" where nothing is inside.
func (b *builder) machineLike(a netip.Addr) string {
	net, err := netip.ParsePrefix(b.anInsideNet(b.Uplinks[b.family].Link))
	if err != nil {
		return ""
	}
	if a.Is4() == net.Addr().Is4() {
		like := counterpart(a, net)
		if _, own := b.local(like); !own && like != net.Addr() && like != last(net) {
			return like.String()
		}
	}
	return b.someHost(net).String()
}

// last is the last address of a network: that of everybody in it, in IPv4.
func last(net netip.Prefix) netip.Addr {
	bytes := net.Masked().Addr().AsSlice()
	for i := range bytes {
		bytes[i] |= 0xff >> max(0, min(8, net.Bits()-8*i))
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

// checkWayOut holds the interface to the Internet.
func (b *builder) checkWayOut(field, name string) {
	up := b.Uplinks[b.family].Link
	switch {
	case name == "" && up == "":
		b.wrong(field, "", "an interface is missing: this host has no default route for %s, so its uplink is not known", b.family.Title())
	case name == "lo":
		b.wrong(field, up, "lo is this host itself, not an uplink")
	default:
		b.checkLink(field, name, up)
	}
}

// netOn is the first network of an interface; "" where it has none.
func (b *builder) netOn(link string) string {
	for _, i := range b.Kernel.Interfaces {
		for _, a := range i.Addrs {
			if i.Name == link && b.family.Holds(a.Addr()) && !a.Addr().IsLinkLocalUnicast() && !a.IsSingleIP() {
				return a.Masked().String()
			}
		}
	}
	return ""
}

// insideNetBesides is a network that is on neither of two interfaces.
func (b *builder) insideNetBesides(out, in string) string {
	for _, i := range b.Kernel.Interfaces {
		if i.Name != out && i.Name != in && i.Name != "lo" {
			if net := b.netOn(i.Name); net != "" {
				return net
			}
		}
	}
	return ""
}

// tunnel is an interface that machines of a VPN may come in by.
func (b *builder) tunnel(out string) string {
	for _, l := range b.Links {
		if l.Name != out && l.narrow() && l.Name != "lo" {
			return l.Name
		}
	}
	return b.insideLink(out)
}

// spell is an address as text; "" for none.
func spell(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// nearestPort is the port that was probably meant: a service's, without what it was separated by; "" where it cannot be told.
func nearestPort(text string) string {
	if service, ok := rules.ServiceNamed(strings.TrimSpace(text)); ok {
		return strconv.Itoa(int(service.Port))
	}
	lo, _, _ := strings.Cut(strings.TrimLeft(text, "-:"), "-")
	n, err := strconv.Atoi(strings.TrimSpace(lo))
	if err != nil || n < 1 || n > 65535 {
		return ""
	}
	return strconv.Itoa(n)
}

// aMachineLike is the server that was probably meant where one machine can have its address, else one near it.
func (b *builder) aMachineLike(text string) string {
	nearest := nearestServer(text)
	at, port := nearest, ""
	if ap, err := netip.ParseAddrPort(nearest); err == nil {
		at, port = ap.Addr().String(), strconv.Itoa(int(ap.Port()))
	}
	a, err := netip.ParseAddr(at)
	if err != nil {
		return nearest
	}
	tried := *b
	tried.objections = nil
	if _, ok := tried.machine("", a); ok {
		return nearest
	}
	like, err := netip.ParseAddr(b.machineLike(a))
	if err != nil {
		return ""
	}
	return withPort(like, port)
}

// nearestServer is the server that was probably meant: without what belongs into
// a browser, without the length of a network, with a colon before the port.
func nearestServer(text string) string {
	s := strings.TrimSpace(text)
	port := ""
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
		if service, ok := rules.ServiceNamed(scheme); ok {
			port = strconv.Itoa(int(service.Port))
		}
	}
	s, _, _ = strings.Cut(s, "/")
	s = strings.Join(strings.Fields(s), ":")
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return withPort(a, port)
	}
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Port() != 0 {
		return ap.String()
	}
	if i := strings.LastIndexByte(s, ':'); i > 0 {
		if a, err := netip.ParseAddr(strings.Trim(s[:i], "[]")); err == nil {
			return withPort(a, nearestPort(s[i+1:]))
		}
	}
	return ""
}
