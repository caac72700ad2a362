package doctor

import (
	"fmt"

	"nattui/rules/nft"
)

// checkARPFilters tells of nft tables of family arp that drop: IPv4 finds its neighbours by ARP, and no rule of iptables, nor of
// another family, sees these packets. What such rules ask for is not evaluated.
func checkARPFilters(x *Examination) (list []Finding) {
	set := x.Native.Ruleset()
	if set == nil {
		return nil
	}
	for _, t := range set.Tables {
		if t.Family != nft.ARP || t.Dormant {
			continue
		}
		for _, c := range t.Chains {
			what := map[string]string{"input": "what neighbours ask and answer by ARP", "output": "what this host asks and answers by ARP"}[c.Hook]
			all, some := arpDropped(c)
			if what == "" || !all && !some {
				continue
			}
			found := Finding{
				Check: "arp-dropped", Severity: SeverityError, Subject: fmt.Sprintf("%s, chain %s", t, c.Name), Evidence: []string{fmt.Sprintf("nft %s, chain %s: hook %s, policy %s", t, c.Name, c.Hook, c.Policy)},
				Sentence: fmt.Sprintf("The nft %s drops %s: no neighbour finds this host, or is found, over IPv4, and nothing arrives as soon as they have forgotten each other.", t, what),
			}
			if !all {
				found.Severity = SeverityUnknown
				found.Sentence = fmt.Sprintf("Whether neighbours find this host, and are found, over IPv4 is not known: the nft %s drops some of %s, and its rules are not evaluated.", t, what)
			}
			list = append(list, found)
		}
	}
	return list
}

// arpFiltered tells that nobody on an Ethernet finds this host, or is found, to ask for a forward.
func arpFiltered(x *Examination, f *Forward) Finding {
	if link, ok := x.LinkNamed(f.Link); !ok || !f.Asked.Addr().Is4() || link.MAC == "" || link.Kind == "loopback" || link.PointToPoint {
		return Finding{}
	}
	for _, found := range checkARPFilters(x) {
		if found.IsProblem() {
			return found
		}
	}
	return Finding{}
}

// arpDropped tells that a chain drops every packet, or may drop some.
func arpDropped(c *nft.Chain) (all, some bool) {
	accepts := false
	for _, r := range c.Rules {
		verdict, always := plainVerdict(r)
		switch {
		case verdict == nil:
			continue
		case always && verdict.Code == nft.Drop:
			return !accepts, true
		case always && verdict.Code == nft.Accept:
			return false, some
		case verdict.Code == nft.Drop:
			some = true
		case verdict.Code == nft.Accept:
			accepts = true
		default:
			accepts, some = true, true // another chain decides
		}
	}
	return c.Policy.Code == nft.Drop && !accepts, some || c.Policy.Code == nft.Drop
}

// plainVerdict is a rule's verdict, nil where it has none, and whether the rule gives it to every packet.
func plainVerdict(r *nft.Rule) (verdict *nft.Verdict, always bool) {
	always = true
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case nft.Immediate:
			if e.Verdict != nil {
				verdict = e.Verdict
			}
		case nft.Counter, nft.Log:
		default:
			always = false
		}
	}
	return verdict, always
}
