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
	// block is the range that a rule gives ports from; zero: it sets none.
	block rules.Ports
}

// portCount is how many flows share a use of ports, and the rule that gave the first of them its address.
type portCount struct {
	flows int
	rule  evaluate.RuleRef
}

// usePort counts a flow whose source was translated.
func (c *flowStats) usePort(f *flow.Flow, e explain.Explanation) {
	if !f.Proto().HasPorts() {
		return
	}
	seen := f.SeenAs()
	k := portUse{proto: f.Proto(), from: seen.Addr(), to: f.ServedBy(), lowPorts: f.Client().Port() < 1024}
	by := e.SNAT
	if block, ok := c.blockOf(by, seen.Port()); ok {
		k.block, k.lowPorts, by = block.ports, false, block.rule
	}
	u := c.ports[k]
	if u == nil {
		u = &portCount{rule: by}
		c.ports[k] = u
	}
	u.flows++
}

// portBlock is a range of ports that a rule gives to what it translates.
type portBlock struct {
	rule  evaluate.RuleRef
	ports rules.Ports
}

// portBlocks are those of the rules of POSTROUTING.
func portBlocks(t *trial) (list []portBlock) {
	w := walker{sets: t.sets}
	for _, p := range t.variants() {
		w.walk(evaluate.RuleRef{Variant: p, Table: "nat", Chain: "POSTROUTING"}, sketch{family: p.Family}, func(at evaluate.RuleRef, r *rules.Rule, _ sketch) {
			if r.Target.To.HasPorts && (r.Target.Kind == rules.SNAT || r.Target.Kind == rules.Masquerade) {
				list = append(list, portBlock{at, r.Target.To.Ports})
			}
		})
	}
	return list
}

// blockOf is the block that a port was given from: that of the rule which is said to have made the flow, or, where
// several rules could have, the one that holds the port. false: it was given from all ports.
func (c *flowStats) blockOf(by evaluate.RuleRef, port uint16) (portBlock, bool) {
	var held portBlock
	found := false
	for _, b := range c.blocks {
		if !b.ports.Contains(port) {
			continue
		}
		if b.rule == by {
			return b, true
		}
		if !found {
			held, found = b, true
		}
	}
	return held, found
}

// checkSourcePorts tells of services towards which no source port is left.
func checkSourcePorts(x *Examination) (list []Finding) {
	for _, use := range slices.SortedFunc(maps.Keys(x.stats.ports), x.stats.busier) {
		count := x.stats.ports[use]
		room, limited := use.room()
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
		if limited && count.flows < room && x.stats.elsewhere(use) {
			found.Severity = SeverityNote // it is near full, and connections are given ports of others as well
		}
		if h := x.Health; h.HasStats && h.Stats.InsertFailed > 0 {
			found.Evidence = append(found.Evidence, fmt.Sprintf("insert_failed = %d", h.Stats.InsertFailed))
		}
		if limited {
			found.Subject += ", ports " + use.block.Text("-")
			found.Evidence = append(found.Evidence, fmt.Sprintf("%s gives ports %s", ruleName(count.rule), use.block.Text("-")))
			found.Sentence += " The rule gives no other ports. Where these are all that may be used, spread the connections over several blocks of ports, by marks that -m statistic sets in PREROUTING; where any may be used, take the range from the rule."
		}
		list = append(list, found)
	}
	return list
}

// elsewhere tells that connections to the same service are given ports from other blocks too, in which there is room.
func (c *flowStats) elsewhere(use portUse) bool {
	for other, count := range c.ports {
		room, limited := other.room()
		if limited && other.block != use.block && other.proto == use.proto && other.from == use.from && other.to == use.to && count.flows*5 < room*4 {
			return true
		}
	}
	return false
}

// busier orders uses of ports by how many flows share them, most first.
func (c *flowStats) busier(a, b portUse) int {
	return cmp.Or(cmp.Compare(c.ports[b].flows, c.ports[a].flows), cmp.Compare(a.proto, b.proto), a.from.Compare(b.from), a.to.Compare(b.to))
}

// room is how many source ports may be given towards one service.
func (u *portUse) room() (ports int, limited bool) {
	switch {
	case u.block != rules.Ports{}:
		return int(u.block.Hi) - int(u.block.Lo) + 1, true
	case u.lowPorts:
		return 511, false // 1 to 511, or 600 to 1023 (nf_nat_l4proto_unique_tuple)
	}
	return 65535 - 1023, false
}
