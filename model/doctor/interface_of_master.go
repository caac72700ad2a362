package doctor

import (
	"fmt"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// masterOf is the bridge, bond or team that every interface a rule names is a part of: to the rules of IP all packets
// come and go by that (br_handle_frame_finish in net/bridge/br_input.c, bond_handle_frame in bond_main.c).
func (n network) masterOf(i rules.Iface) (master, part string, ok bool) {
	if i.Any() || i.Not {
		return "", "", false
	}
	for _, l := range n.Links {
		if !i.Matches(l.Name) {
			continue
		}
		m, found := n.LinkNamed(l.Master)
		if !found || !slices.Contains([]string{"bridge", "bond", "team"}, m.Kind) || ok && m.Name != master {
			return "", "", false
		}
		master, part, ok = m.Name, l.Name, true
	}
	return master, part, ok
}

// comesByMaster tells of a forward whose clients come by the interface that the named one is a part of.
func comesByMaster(x *Examination, f *Forward) Finding {
	return x.namesPart(f.Rule, f.rule, f.via.in, false)
}

// namesPart tells of a rule that names an interface which is a part of another: what it is for comes and goes by that.
func (t *trial) namesPart(at evaluate.RuleRef, r *rules.Rule, i rules.Iface, out bool) Finding {
	master, part, ok := t.masterOf(i)
	if !ok {
		return Finding{}
	}
	m, _ := t.LinkNamed(master)
	what, comes := "come by "+part, "come in"
	if out {
		what, comes = "leave by "+part, "go out"
	}
	found := Finding{
		Check: "wrong-interface", Severity: SeverityError, Subject: ruleName(at), Evidence: []string{r.String(), fmt.Sprintf("ip link: %s is a part of the %s %s", part, m.Kind, master)},
		Sentence: fmt.Sprintf("%s is a part of the %s %s: packets that %s %s by %s, and the rule, which names %s, matches none of them.", part, m.Kind, master, what, comes, master, i.Name),
	}
	changed := *r
	switch {
	case !out && r.In == i:
		changed.In = rules.Iface{Name: master}
	case out && r.Out == i:
		changed.Out = rules.Iface{Name: master}
	default:
		found.Sentence += fmt.Sprintf(" The jump that leads to it has to name %s.", master)
		return found
	}
	if m.Kind == "bridge" && !out && t.ports(master) > 1 {
		found.Sentence += fmt.Sprintf(" With -i %s it takes what comes by the other ports, too; for one port alone it also takes -m physdev --physdev-in %s, and %s = 1.", master, part, settingBridge)
		return found
	}
	found.Cure = rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s name %s", at.Position, at.Chain, master),
		Steps: []rules.Step{t.replace(at, *r, changed, fmt.Sprintf("so packets are seen to %s", comes))},
	}
	return found
}
