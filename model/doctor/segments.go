package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// isTunnel tells a link whose packets have to be smaller than Ethernet's, by its name or kind.
func isTunnel(l facts.Link) bool {
	for _, prefix := range []string{"ppp", "tun", "wg", "gre", "vti", "ipip", "sit", "he-"} {
		if strings.HasPrefix(l.Name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"wireguard", "tun", "ppp", "gre", "ipip", "sit", "vti", "xfrm", "ip6tnl"}, l.Kind)
}

// checkSegments tells of ways out on which large packets get lost, unless TCP is told
// to send smaller ones.
func checkSegments(x *Examination) (list []Finding) {
	if x.clamps() || !x.passes() {
		return list
	}
	for _, l := range x.Links {
		if !l.Up || l.Kind == "loopback" || !x.wayOut(l.Name) {
			continue
		}
		widest, from := 0, ""
		for _, other := range x.Links {
			if other.Name != l.Name && other.Up && other.Kind != "loopback" && other.Master == "" && len(x.AddressesOn(other.Name)) > 0 && other.MTU > widest {
				widest, from = other.MTU, other.Name
			}
		}
		if l.MTU <= 0 || l.MTU >= widest {
			continue
		}
		found := Finding{
			Check: "mss-clamp", Severity: SeverityNote, Subject: l.Name, Evidence: []string{fmt.Sprintf("MTU of %s is %d, of %s %d", l.Name, l.MTU, from, widest), "no rule has TCPMSS"},
			Sentence: fmt.Sprintf("Packets of %s do not fit through %s: where the message that says so gets lost, connections come up and then hang.", from, l.Name),
		}
		if isTunnel(l) {
			found.Severity = SeverityWarning
		}
		found.Cure = x.clamp(l.Name)
		list = append(list, found)
	}
	return list
}

// clamp is the plan that has both ends of TCP connections choose segments that fit
// the narrower side of this host, in both directions.
func (t *trial) clamp(link string) rules.Plan {
	plan := rules.Plan{Title: "Let TCP through " + link + " use smaller segments"}
	for _, family := range rules.Families {
		p, ok := t.usual(family)
		of := family
		if !ok || t.Facts.Settings.ForwardsFrom(link, of) != facts.SettingOn {
			continue
		}
		const line = "-A %s -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"
		if step, ok := t.insert(evaluate.RuleRef{Variant: p, Table: "mangle", Chain: "FORWARD"}, line, "each side of a TCP connection then sends segments that fit"); ok {
			plan.Steps = append(plan.Steps, step)
		}
	}
	return plan
}

// clamps tells that some rule changes TCP's segment size already.
func (t *trial) clamps() bool {
	for _, s := range t.sets {
		for i := range s.Tables {
			for j := range s.Tables[i].Chains {
				if slices.ContainsFunc(s.Tables[i].Chains[j].Rules, func(r rules.Rule) bool { return r.Target.Name == "TCPMSS" }) {
					return true
				}
			}
		}
	}
	return t.setsSegments()
}

// setsSegments tells that a native rule writes TCP's segment size.
func (t *trial) setsSegments() bool {
	set := t.Native.Ruleset()
	if set == nil {
		return false
	}
	return slices.ContainsFunc(set.Tables, func(table *nft.Table) bool {
		return slices.ContainsFunc(table.Chains, func(c *nft.Chain) bool {
			return slices.ContainsFunc(c.Rules, func(r *nft.Rule) bool {
				return slices.ContainsFunc(r.Exprs, func(e nft.Expr) bool {
					h, ok := e.(nft.Exthdr)
					return ok && h.Set && h.Op == "tcpopt" && h.Type == maximumSegmentSize
				})
			})
		})
	})
}

// maximumSegmentSize is the kind of that option of TCP (RFC 9293, 3.2).
const maximumSegmentSize = 2

// passes tells that the host is a gateway: it forwards and translates.
func (t *trial) passes() bool {
	return (t.Facts.Settings.Forwarding4 == facts.SettingOn || t.Facts.Settings.Forwarding6 == facts.SettingOn) && slices.ContainsFunc(t.variants(), func(p rules.Variant) bool {
		t, ok := t.sets[p].Table("nat")
		return ok && t.Rules() > 0
	})
}

// wayOut tells that a link leads to the Internet, or that a rule translates what
// leaves by it.
func (t *trial) wayOut(link string) bool {
	for _, r := range t.Facts.Routes {
		if r.Dst.Bits() == 0 && r.Kind == facts.RouteUnicast && slices.ContainsFunc(r.Hops, func(h facts.Hop) bool { return h.Out == link }) {
			return true
		}
	}
	for _, p := range t.variants() {
		if c, ok := t.sets[p].Chain("nat", "POSTROUTING"); ok && slices.ContainsFunc(c.Rules, func(r rules.Rule) bool {
			return r.Target.Kind.Translates() && !r.Out.Any() && !r.Out.Not && r.Out.Matches(link) && rules.OwnerOf(r) == ""
		}) {
			return true
		}
	}
	return false
}
