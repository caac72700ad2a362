package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// checkNetworks tells of networks with private addresses that no rule translates on their way to the Internet, and of those
// of which a filter drops what nothing would translate.
func checkNetworks(x *Examination) (list []Finding) {
	out, ok := x.wayToInternet(rules.IPv4)
	if !ok || x.Settings.Forwarding4 != facts.SettingOn {
		return nil
	}
	if a, ok := x.ownAddr(out, netip.IPv4Unspecified()); !ok || isInner(a) {
		return nil // the router before this host may translate
	}
	world, ok := x.beyondLink(rules.IPv4, out)
	if !ok {
		return nil
	}
	for _, link := range x.innerLinks(rules.IPv4, out) {
		client, ok := x.insider(link, rules.IPv4, func(a netip.Addr) bool { return a.Is4() && !x.IsLocal(a) && isInner(a) })
		if !ok {
			continue
		}
		way := x.fate(evaluate.Packet{Protocol: rules.TCP, Src: client, Dst: world, SrcPort: 51515, DstPort: 443, In: link})
		if found := x.keptInside(&way, link, out); found.Check != "" {
			list = append(list, found)
			continue
		}
		if !way.known || way.Incomplete || way.translators != "" || slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.SNAT || o.Delivered != evaluate.Forwarded || o.Out != out }) {
			continue
		}
		list = append(list, Finding{
			Check: "not-shared", Severity: SeverityNote, Subject: link, Evidence: []string{fmt.Sprintf("%s has %s", link, x.addressesText(link))},
			Sentence: fmt.Sprintf("No rule gives what machines at %s send to the Internet by %s a public source: they get no answers from there.", link, out),
		})
	}
	return list
}

// wayToInternet is the link of the default route, or without one the only link with a public address.
func (n network) wayToInternet(family rules.Family) (string, bool) {
	if out, ok := n.uplink(family); ok {
		return out, true
	}
	var links []string
	for _, l := range n.Links {
		if l.Up && l.Kind != "loopback" && n.outward(l.Name) {
			links = append(links, l.Name)
		}
	}
	if len(links) != 1 {
		return "", false
	}
	return links[0], true
}

// keptInside tells that a native filter drops what a network sends to the Internet, which nothing would translate either.
// That may be meant, unless the table that drops it is made to translate it too, and does not.
func (x *Examination) keptInside(way *fate, link, out string) Finding {
	o, blocked := way.blocked()
	if !blocked || o.DroppedBy.Backend != rules.Native || way.translators != "" || !x.sharesNothing(out) {
		return Finding{}
	}
	from, _ := x.netOf(link, way.Packet.Src)
	s := share{in: link, out: out, packet: way.Packet, at: evaluate.RuleRef{Variant: rules.Variant{Family: rules.FamilyOf(way.Packet.Src)}}}
	if anyAllowed(x, &s, way.Packet, 0) {
		return Finding{} // others are kept out on purpose
	}
	w := nativeWay{packet: way.Packet, to: netip.AddrPortFrom(way.Packet.Dst, way.Packet.DstPort), from: from, in: link, out: out}
	found, ok := droppedNatively(x, &w, way, link, fmt.Sprintf("what %s sends to the Internet by %s", link, out))
	if !ok {
		return Finding{}
	}
	d, _ := way.nativeDropper(o.DroppedBy)
	if chain := idleTranslator(d.hooked.Table); chain != "" {
		found.Severity = SeverityWarning
		found.Evidence = append(found.Evidence, fmt.Sprintf("nft %s, chain %s: hook postrouting, no rule translates", d.hooked.Table, chain))
		found.Sentence += fmt.Sprintf(" Its chain %s, which is there to give such packets another source, translates nothing: both rules are missing.", chain)
		return found
	}
	found.Severity, found.Commands = SeverityNote, nil
	found.Sentence, _, _ = strings.Cut(found.Sentence, " iptables does not show it")
	found.Sentence += " Nothing would translate it either: that network is kept inside, perhaps on purpose."
	return found
}

// sharesNothing tells that no rule gives another source to what leaves by a link.
func (x *Examination) sharesNothing(out string) bool {
	shares := false
	w := walker{sets: x.sets}
	x.hooked(&w, "nat", "POSTROUTING", func(_ evaluate.RuleRef, r *rules.Rule, s sketch) {
		shares = shares || r.Target.Kind.Translates() && (s.out.Any() || s.out.Matches(out))
	})
	return !shares
}

// idleTranslator is a chain of a table that the kernel asks for the source of what leaves and that no rule is in, nor in
// those that it leads to.
func idleTranslator(t *nft.Table) string {
	for _, c := range t.Chains {
		if c.Type != "nat" || c.Hook != "postrouting" {
			continue
		}
		if !slices.ContainsFunc(append(c.Led(), c), func(c *nft.Chain) bool { return len(c.Rules) > 0 }) {
			return c.Name
		}
	}
	return ""
}
