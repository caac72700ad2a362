package doctor

import (
	"fmt"
	"net/netip"

	"nattui/rules"
)

// An address that lies in the network of a link is looked for there by ARP or neighbour discovery. This host may have it and not
// answer: over IPv6 what another link has, over IPv4 where arp_ignore says so.

// unclaimed tells that this host has an address on another link than that on whose network it lies, and does not answer for it
// there.
func (n network) unclaimed(link string, a netip.Addr) bool {
	return n.IsLocal(a) && n.onNet(link, a) && !n.AnswersFor(link, a)
}

// whyUnclaimed says so, with the commands by which this host answers.
func (n network) whyUnclaimed(link string, a netip.Addr) (why string, commands [][]string) {
	where := "this host"
	if at, ok := n.hasAt(a); ok {
		where = at
	}
	if a.Is6() {
		return fmt.Sprintf("%s is an address of %s, and lies in the network of %s: there this host answers no neighbour discovery for it", a, where, link),
			[][]string{{"sysctl", "-w", "net.ipv6.conf." + link + ".proxy_ndp=1"}, {"ip", "-6", "neigh", "add", "proxy", a.String(), "dev", link}}
	}
	return fmt.Sprintf("%s is an address of %s, and lies in the network of %s: there this host answers no ARP for it, as arp_ignore is %d", a, where, link, n.ARPIgnored(link)),
		[][]string{{"ip", "address", "add", whole(a), "dev", link}}
}

// hasAt is the link that has an address.
func (n network) hasAt(a netip.Addr) (string, bool) {
	for i := range n.Addresses {
		if n.Addresses[i].Prefix.Addr() == a {
			return n.Addresses[i].Link, true
		}
	}
	return "", false
}

// notClaimed is the finding about an address that clients ask for.
func (x *Examination) notClaimed(f *Forward) Finding {
	to := f.Asked.Addr()
	why, commands := x.whyUnclaimed(f.Link, to)
	found := Finding{
		Check: "address-unclaimed", Severity: SeverityError, Subject: ruleName(f.Rule), Commands: commands,
		Evidence: []string{fmt.Sprintf("%s has %s", f.Link, x.addressesText(f.Link)), f.ruleCount()},
		Sentence: fmt.Sprintf("Packets to %s do not arrive: %s.", to, why),
	}
	if to.Is6() { // providers route a network to a host's link-local address, too, on whose link it lies
		found.Severity = SeverityWarning
		found.Sentence = fmt.Sprintf("Packets to %s do not arrive, unless a router there has a route for them to this host: %s.", to, why)
	}
	if m, ok := x.holder(f.Link, to); ok {
		found.Severity, found.Commands = SeverityNote, nil
		found.Evidence = append(found.Evidence, fmt.Sprintf("ip neigh: %s on %s is %s", to, f.Link, m.MAC))
		found.Sentence += " Another machine has it now: a director that hands on what it is asked, such as LVS, may do so."
	} else if c := f.rule.Counters; x.stats.of(f.Rule).replied > 0 || c.Known && c.Packets > 0 && f.rule.In == (rules.Iface{Name: f.Link}) {
		found.Severity = SeverityUnknown
		found.Sentence = fmt.Sprintf("Whether packets to %s still arrive is not known: they have arrived before, but %s.", to, why)
	}
	return found
}

// unclaimedSources tells of a range or network of addresses that a rule gives to what leaves, and that nobody answers for in the
// network in which they lie.
func unclaimedSources(x *Examination, s *share, out string) Finding {
	first, last, ok := s.sources()
	if !ok || first == last {
		return Finding{}
	}
	net, ok := x.netOf(out, first)
	if !ok {
		net, ok = x.netOf(out, last)
	}
	if !ok {
		return Finding{}
	}
	first, last = overlap(net, first, last)
	var silent []netip.Addr
	all, a := 0, first
	for ; a.IsValid() && a.Compare(last) <= 0 && all < sourcesTried; a = a.Next() {
		if edge(net, a) {
			continue
		}
		if all++; !x.AnswersFor(out, a) && !x.stats.answeredAs[a] {
			silent = append(silent, a)
		}
	}
	if len(silent) == 0 {
		return Finding{}
	}
	found := Finding{
		Check: "snat-foreign-address", Severity: SeverityError, Subject: ruleName(s.at), Evidence: []string{fmt.Sprintf("%s has %s", out, x.addressesText(out)), x.textOf(s.at, s.rule)},
	}
	more := a.IsValid() && a.Compare(last) <= 0 // that were not looked at
	many, count := fmt.Sprint(all), fmt.Sprint(len(silent))
	if more {
		many, count = "more than "+many, "at least "+count
	}
	found.Sentence = fmt.Sprintf("The rule gives packets one of %s addresses in the network of %s. For %s of them, such as %s, this host does not answer there: whoever is seen with one of these gets no answers.", many, out, count, silent[0])
	if len(silent) == all && !more {
		found.Sentence = fmt.Sprintf("The rule gives packets one of %d addresses in the network of %s, such as %s. This host answers for none of them there: nobody brings the answers here.", all, out, silent[0])
	}
	if first.Is6() {
		found.Severity = SeverityWarning
		found.Sentence += " That is so unless a router there has a route for them to this host."
	}
	found.Sentence += " Give them to the interface, unless another machine has them at times, or have the network route them here."
	for _, a := range silent[:min(len(silent), sourcesGiven)] {
		found.Commands = append(found.Commands, x.giveAddress(Finding{}, out, a).Commands...)
	}
	if len(silent) > sourcesGiven {
		found.Commands = nil // most of them are others'
	}
	return found
}

// How many addresses of a rule are looked at, and to how many the advice is to give them to the interface.
const (
	sourcesTried = 1024
	sourcesGiven = 8
)

// sources are the first and the last address that a rule gives to what leaves.
func (s *share) sources() (first, last netip.Addr, ok bool) {
	to := s.rule.Target.To
	if s.rule.Target.Kind == rules.SNAT {
		return to.Addrs.Lo, to.Addrs.Hi, !to.Addrs.IsZero()
	}
	net, ok := to.Net.Prefix()
	if s.rule.Target.Kind != rules.Netmap || !ok || to.Net.Any() {
		return first, last, false
	}
	if of, single := s.via.src.Prefix(); single && !s.via.src.Any() && !s.via.src.Not && of.Bits() > net.Bits() {
		net = netip.PrefixFrom(mapped(net, of.Addr()), of.Bits()) // a part of the network is mapped
	}
	return net.Masked().Addr(), endOf(net), true
}

// overlap is the part of a range that lies in a network. The range may be far larger than what can be gone through.
func overlap(net netip.Prefix, first, last netip.Addr) (from, to netip.Addr) {
	if start := net.Masked().Addr(); first.Less(start) {
		first = start
	}
	if end := endOf(net); end.Less(last) {
		last = end
	}
	return first, last
}

// endOf is the last address of a network.
func endOf(net netip.Prefix) netip.Addr {
	b := net.Addr().AsSlice()
	for i := net.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	end, _ := netip.AddrFromSlice(b)
	return end
}

// edge tells an address of IPv4 that no machine of a network has: its first and its last.
func edge(net netip.Prefix, a netip.Addr) bool {
	return a.Is4() && net.Bits() < 31 && net.Contains(a) && (a == net.Masked().Addr() || !net.Contains(a.Next()))
}
