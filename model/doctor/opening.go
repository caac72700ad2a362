package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// letThrough is the plan that lets a forward's packets and answers through the
// filter rules.
func (t *trial) letThrough(f *Forward) (rules.Plan, bool) {
	return t.titled("Let what is for "+f.Server.String()+" through the filter rules", nil, t.passages(f), func(t *trial) bool {
		x := t.fate(f.packet)
		next, ok := t.laterPassage(f)
		y := t.fate(next.packet)
		return x.arrives() && (!ok || y.arrives())
	})
}

// acceptLine is the rule that lets a forward's packets through, with %s for the chain: those that were translated, where
// others may come to the same place without being asked there by the forward.
func (f *Forward) acceptLine() string {
	line := "-A %s"
	if all, several := f.servers(); several {
		line += fmt.Sprintf(" -m iprange --dst-range %s-%s", all.Lo, all.Hi)
	} else if !f.local {
		line += " -d " + whole(f.Server.Addr())
	}
	if f.Link != "" && f.local {
		line += " -i " + f.Link
	}
	asked := f.askedLine()
	if name := rules.ProtoName(f.Proto); f.Proto.HasPorts() && f.Server.Port() != 0 && !(f.via.dport == rules.Ports{} && !f.rule.Target.To.HasPorts) && !strings.Contains(asked, "--ctorigdstport") {
		line += fmt.Sprintf(" -p %s -m %s --dport %s", name, name, f.serverPorts())
	} else if f.via.proto != 0 {
		line += " -p " + name
	}
	return line + asked + " -j ACCEPT"
}

// askedLine is the condition that packets have come by the forward's translation; "" where others cannot come to the same
// place, or may as well.
func (f *Forward) askedLine() string {
	to := &f.rule.Target.To
	moved := to.HasPorts && !f.via.names(f.Server.Port())
	switch {
	case !f.local && isInner(f.Server.Addr()), f.rule.Target.Kind == rules.Redirect && !moved:
		return "" // nobody outside asks for it there, or it is the same place
	case !f.local:
		return " -m conntrack --ctstate DNAT"
	}
	var line string
	if a, ok := f.via.dst.Host(); ok {
		line += " --ctorigdst " + a.String()
	}
	if moved && len(f.via.dports) < 2 {
		line += " --ctorigdstport " + f.via.dport.String()
	}
	if line == "" {
		return " -m conntrack --ctstate DNAT"
	}
	return " -m conntrack" + line + " --ctdir ORIGINAL"
}

// titled is open with a title.
func (t *trial) titled(title string, begin []rules.Step, wanted []passage, works func(*trial) bool) (rules.Plan, bool) {
	plan, ok := t.open(begin, wanted, works)
	if !ok {
		return rules.Plan{}, false
	}
	plan.Title = title
	return plan, true
}

// passages are the packets of a forward that have to get through, each with the
// rule that lets just such through.
func (t *trial) passages(f *Forward) []passage {
	list := []passage{{f.packet, f.acceptLine(), "the filter rules see the packet with its new destination, so that is what has to be let through"}}
	if answer, _, ok := t.answerWay(f); ok {
		list = append(list, passage{answer, lastingly, "answers come back the other way and have to get through as well"})
	}
	if next, ok := t.laterPassage(f); ok {
		list = append(list, next)
	}
	return list
}

// passage is a packet that ought to get through, with the rule that would let
// it: an iptables line with %s for the chain.
type passage struct {
	packet evaluate.Packet
	accept string
	why    string
}

// open makes a plan that lets packets through which filter rules drop, and tries
// it. It begins with what was planned before. false: no such plan was found.
func (t *trial) open(begin []rules.Step, wanted []passage, works func(*trial) bool) (rules.Plan, bool) {
	if !t.spent.mayTry() {
		return rules.Plan{}, false
	}
	plan := rules.Plan{Steps: begin}
	now, ok := t.after(plan)
	for range len(wanted) + 2 {
		if !ok {
			return rules.Plan{}, false
		}
		i := slices.IndexFunc(wanted, func(w passage) bool { x := now.fate(w.packet); _, blocked := x.blocked(); return blocked })
		if i < 0 {
			return plan, len(plan.Steps) > 0 && works(&now)
		}
		step, next, found := now.openOne(wanted[i])
		if !found {
			return rules.Plan{}, false
		}
		plan.Steps, now = append(slices.Clone(plan.Steps), step), next
	}
	return rules.Plan{}, false
}

// openOne finds the place for a rule that lets one packet through.
func (t *trial) openOne(w passage) (rules.Step, trial, bool) {
	x := t.fate(w.packet)
	end, _ := x.blocked()
	if end.DroppedBy.IsZero() {
		return rules.Step{}, trial{}, false
	}
	for _, at := range t.spots(&x, end.DroppedBy) {
		step, ok := t.insert(at, fitting(w.accept, x.hook(end.DroppedBy).Chain), w.why)
		if !ok {
			continue
		}
		next, ok := t.after(rules.Plan{Steps: []rules.Step{step}})
		if !ok {
			continue
		}
		if y := next.fate(w.packet); y.arrives() {
			return step, next, true
		}
	}
	return rules.Step{}, trial{}, false
}

// fitting is a rule's line without the interface that its hook does not know: the way out of what has just come, the way
// in of what leaves.
func fitting(line, hook string) string {
	option := map[string]string{"PREROUTING": "-o", "INPUT": "-o", "OUTPUT": "-i", "POSTROUTING": "-i"}[hook]
	words := strings.Fields(line)
	if i := slices.Index(words, option); option != "" && i >= 0 && i+1 < len(words) {
		words = slices.Delete(words, i, i+2)
	}
	return strings.Join(words, " ")
}

// spots are the places to try for a rule that goes before the one that drops:
// where the owner of the tables wants such rules, before the rule itself, and in
// front of everything. Position 0 is the end.
func (t *trial) spots(x *fate, dropper evaluate.RuleRef) []evaluate.RuleRef {
	var spots []evaluate.RuleRef
	hook := x.hook(dropper)
	set := t.sets[dropper.Variant]
	if _, ok := set.Chain(dropper.Table, "DOCKER-USER"); ok && hook.Chain == "FORWARD" && dropper.Table == "filter" {
		spots = append(spots, evaluate.RuleRef{Variant: dropper.Variant, Table: "filter", Chain: "DOCKER-USER", Position: 1})
	}
	if rules.ChainOwner(dropper.Chain) == "" {
		spots = append(spots, dropper)
	}
	first := hook
	first.Position = 1
	return append(spots, hook, first)
}
