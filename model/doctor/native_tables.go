package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// wholly tells that nothing before a native rule keeps packets from it that its own conditions do not: of a rule that
// leads elsewhere what is inside asks of somebody on the Internet, of one that leads to this host what is asked from
// there.
func (x *Examination) wholly(at evaluate.RuleRef, r *rules.Rule) bool {
	if r.Target.Kind == rules.Redirect {
		return x.fromOutside(at)
	}
	out, _ := x.uplink(at.Family) // without one, what has a public address is taken for it
	world, known := x.worldAddr(at.Family, out)
	for _, link := range x.innerLinks(at.Family, out) {
		client, ok := x.insider(link, at.Family, func(a netip.Addr) bool { return at.Family.Holds(a) && !x.IsLocal(a) })
		if !ok || !known {
			continue
		}
		for _, port := range []uint16{80, 443, 22} {
			way := x.fate(evaluate.Packet{Protocol: rules.TCP, Src: client, Dst: world, SrcPort: 51515, DstPort: port, In: link})
			if way.by(at) {
				return true
			}
		}
	}
	return false
}

// fromOutside tells that a rule takes what somebody on the Internet asks of an address of this host.
func (x *Examination) fromOutside(at evaluate.RuleRef) bool {
	for _, a := range x.inUse("") {
		to := a.Prefix.Addr()
		if !at.Family.Holds(to) || a.Scope != facts.ScopeGlobal || !x.outward(a.Link) {
			continue
		}
		src, known := x.worldAddr(at.Family, a.Link)
		for _, port := range []uint16{80, 443, 22} {
			way := x.fate(evaluate.Packet{Protocol: rules.TCP, Src: src, Dst: to, SrcPort: 51515, DstPort: port, In: a.Link})
			if known && way.by(at) {
				return true
			}
		}
	}
	return false
}

// dormantTables tells of tables whose rules are listed and not in force.
func dormantTables(x *Examination) (list []Finding) {
	set := x.Native.Ruleset()
	if set == nil {
		return nil
	}
	for _, t := range set.Tables {
		if !t.Dormant || !slices.ContainsFunc(t.Chains, func(c *nft.Chain) bool { return c.IsBase() && len(c.Rules) > 0 }) {
			continue
		}
		list = append(list, Finding{
			Check: "dormant-table", Severity: SeverityWarning, Subject: t.Family.String() + " " + t.Name, Evidence: []string{"flags dormant"},
			Sentence: fmt.Sprintf("The nft %s is dormant: its rules are listed and not in force, and no packet meets them.", t),
			Commands: [][]string{{"nft", "add", "table", t.Family.String(), t.Name}},
		})
	}
	return list
}

// natDrops tells of native rules that drop where packets are translated, which people look for among the filters.
func natDrops(x *Examination) (list []Finding) {
	seen := map[uint64]bool{}
	for _, family := range rules.Families {
		for _, hook := range []string{"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"} {
			x.nativeHooked(family, "nat", hook, func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
				if r.Target.Kind != rules.Drop || ownerOf(r, s) != "" || seen[at.Handle] || len(list) >= 8 {
					return
				}
				seen[at.Handle] = true
				list = append(list, Finding{
					Check: "nat-chain-drops", Severity: SeverityWarning, Subject: ruleName(at), Evidence: []string{x.textOf(at, r)},
					Sentence: "The rule drops packets in a chain that is there to translate: connections that it matches do not begin, and no filter shows why. Filter rules are the place for that.",
				})
			})
		}
	}
	return list
}

// pools tells of rules that give many outer ports a range of inner ones: each gets the first that is free, not its own.
func pools(x *Examination) (list []Finding) {
	w := walker{sets: x.sets}
	x.hooked(&w, "nat", "PREROUTING", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		to := r.Target.To
		outer, inner := int(s.dport.Hi)-int(s.dport.Lo), int(to.Ports.Hi)-int(to.Ports.Lo)
		if r.Target.Kind != rules.DNAT || !to.HasPorts || to.HasBase || inner == 0 || outer != inner || ownerOf(r, s) != "" || len(list) > 20 {
			return
		}
		if to.Ports == s.dport {
			return // a port that lies in the range is kept
		}
		list = append(list, Finding{
			Check: "port-pool", Severity: SeverityWarning, Subject: ruleName(at), Evidence: []string{x.textOf(at, r)},
			Sentence: fmt.Sprintf("The ports %s are not handed on one to one: each of them is sent to the first of %s that is free. "+
				"One to one takes a rule or an element of a map for each port, or with iptables --to-destination %s/%d.", s.dport.Text("-"), to.Ports.Text("-"), to, s.dport.Lo),
		})
	})
	return list
}
