package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// portUse is what flows share that need different source ports: the address they
// are given and the service they go to.
type portUse struct {
	proto    rules.Protocol
	from     netip.Addr
	to       netip.AddrPort
	lowPorts bool // ports below 1024 are given from a pool of their own
}

// portCount is how many flows share a use of ports, and the rule that gave the first of them its address.
type portCount struct {
	flows int
	rule  evaluate.RuleRef
}

// usePort counts a flow whose source was translated.
func (c *census) usePort(f *flow.Flow, e explain.Explanation) {
	if !f.Proto().HasPorts() {
		return
	}
	k := portUse{f.Proto(), f.SeenAs().Addr(), f.ServedBy(), f.Client().Port() < 1024}
	u := c.ports[k]
	if u == nil {
		u = &portCount{rule: e.SNAT}
		c.ports[k] = u
	}
	u.flows++
}

// checkSourcePorts tells of services towards which no source port is left.
func checkSourcePorts(x *Examination) (list []Finding) {
	for _, use := range slices.SortedFunc(maps.Keys(x.census.ports), x.census.busier) {
		count := x.census.ports[use]
		room, limited := room(x, use, count.rule)
		if count.flows*5 < room*4 || count.flows < 3 {
			continue
		}
		found := Finding{
			Check: "snat-ports", Severity: SeverityWarning, Subject: fmt.Sprintf("%s to %s %s", use.from, use.proto, use.to),
			Evidence: []string{fmt.Sprintf("%d of %d ports of %s are in use towards %s %s", count.flows, room, use.from, use.proto, use.to)},
			Sentence: fmt.Sprintf("Source ports for %s %s run out: connections there fail at random, which looks like a fault at the far end.", use.proto, use.to),
		}
		if count.flows >= room {
			found.Severity = SeverityError
		}
		if h := x.Health; h.HasStats && h.Stats.InsertFailed > 0 {
			found.Evidence = append(found.Evidence, fmt.Sprintf("insert_failed = %d", h.Stats.InsertFailed))
		}
		if limited {
			found.Cure = allPorts(x, count.rule)
		}
		list = append(list, found)
	}
	return list
}

// busier orders uses of ports by how many flows share them, most first.
func (c *census) busier(a, b portUse) int {
	return cmp.Or(cmp.Compare(c.ports[b].flows, c.ports[a].flows), cmp.Compare(a.proto, b.proto), a.from.Compare(b.from), a.to.Compare(b.to))
}

// room is how many source ports may be given towards one service.
func room(x *Examination, use portUse, by evaluate.RuleRef) (ports int, limited bool) {
	if r, ok := ruleOf(x.sets, by); ok && r.Target.To.HasPorts {
		return int(r.Target.To.Ports.Hi) - int(r.Target.To.Ports.Lo) + 1, true
	}
	if use.lowPorts {
		return 511, false // 1 to 511, or 600 to 1023 (nf_nat_l4proto_unique_tuple)
	}
	return 65535 - 1023, false
}

// allPorts takes the limit on ports from a rule.
func allPorts(x *Examination, by evaluate.RuleRef) rules.Plan {
	r, ok := ruleOf(x.sets, by)
	if !ok {
		return rules.Plan{}
	}
	changed := *r
	changed.Target.To.HasPorts, changed.Target.To.Ports = false, rules.Ports{}
	return rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s use all ports", by.Position, by.Chain),
		Steps: []rules.Step{x.replace(by, *r, changed, "every connection to the same service needs a source port of its own")},
	}
}
