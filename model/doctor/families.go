package doctor

import (
	"fmt"
	"net/netip"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// checkFamilies tells of redirections that hold for one family alone, where clients reach this host over both and the
// program that they lead to takes both.
func checkFamilies(x *Examination) (list []Finding) {
	for i := range x.forwards {
		f := &x.forwards[i]
		if !f.local || f.ranged || !byHand(f.Owner) || f.rule.Target.Kind != rules.Redirect || !x.IsLocal(f.Asked.Addr()) || !f.Proto.HasPorts() || len(list) >= alike {
			continue
		}
		if found := otherFamily(x, f); found.Check != "" {
			list = append(list, found)
		}
	}
	return list
}

// otherFamily follows what clients ask of the same port over the other family.
func otherFamily(x *Examination, f *Forward) Finding {
	if _, ok := x.ListensOn(f.Proto, f.Server, f.Link); !ok || !f.via.src.Any() {
		return Finding{} // of that the forward itself tells; or it is for some clients alone
	}
	other := rules.IPv6
	if f.Rule.Family == rules.IPv6 {
		other = rules.IPv4
	}
	for _, a := range x.inUse(f.Link) {
		to := a.Prefix.Addr()
		if !other.Holds(to) || a.Scope != facts.ScopeGlobal || a.Temporary || a.Deprecated {
			continue
		}
		p, ok := x.askingBy(f.Link, f.Proto, netip.AddrPortFrom(to, f.Asked.Port()))
		if _, serves := x.ListensOn(f.Proto, netip.AddrPortFrom(to, f.Server.Port()), f.Link); !ok || !serves {
			continue
		}
		if found := oneFamily(x, f, p); found.Check != "" {
			return found
		}
	}
	return Finding{}
}

// oneFamily tells that a question which a redirection takes over one family ends here over the other.
func oneFamily(x *Examination, f *Forward, p evaluate.Packet) Finding {
	way := x.fate(p)
	if !way.known || way.Incomplete || way.translators != "" || way.unread != "" || len(way.Outcomes) != 1 || way.Outcomes[0].DNAT {
		return Finding{}
	}
	asked := netip.AddrPortFrom(p.Dst, p.DstPort)
	has, lacks := f.Rule.Family.Title(), rules.FamilyOf(p.Dst).Title()
	found := Finding{Check: "one-family", Severity: SeverityNote, Subject: ruleName(f.Rule), Evidence: []string{x.textOf(f.Rule, f.rule)}}
	o, blocked := way.blocked()
	switch _, serves := x.ListensOn(f.Proto, asked, f.Link); {
	case blocked && !o.DroppedBy.IsZero():
		found.Evidence = append(found.Evidence, x.dropperText(o.DroppedBy))
		found.Sentence = fmt.Sprintf("The rule holds for %s alone: over %s what is for %s is not redirected to port %d. %s drops it.", has, lacks, asked, f.Server.Port(), dropperName(o.DroppedBy, way.hook(o.DroppedBy)))
	case !blocked && way.Outcomes[0].Delivered == evaluate.Delivered && !serves:
		found.Evidence = append(found.Evidence, fmt.Sprintf("no %s socket at %s", f.Proto, asked))
		found.Sentence = fmt.Sprintf("The rule holds for %s alone: over %s what is for %s is not redirected to port %d, and no program listens there.", has, lacks, asked, f.Server.Port())
	default:
		return Finding{}
	}
	if f.via.dst.Any() && inBoth(f.Rule) {
		found.Severity = SeverityWarning
		found.Sentence += fmt.Sprintf(" Its table is for both: leave out what makes the rule one for %s alone, where it is loaded from.", has)
		if f.Rule.Table == nft.INet.String()+" fw4" {
			found.Sentence += " fw4 has it as  option family any  of the redirect in /etc/config/firewall."
		}
	}
	return uncertain(found, &way)
}

// inBoth tells that a native rule stands in a table for both families.
func inBoth(at evaluate.RuleRef) bool {
	return at.Backend == rules.Native && strings.HasPrefix(at.Table, nft.INet.String()+" ")
}
