package doctor

import (
	"fmt"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Barred says of each forward that a plan makes in iptables what would drop its first packet once the plan is carried out: the
// rule or policy, where that is certain. after are the rules as the plan leaves them, and native the native tables, nil where it
// does not touch them. It ends after mostBarred of them: what drops so many is one thing as a rule.
func Barred(f *facts.Facts, after map[rules.Variant]*rules.Ruleset, native *evaluate.NativeProgram, p rules.Plan) (list []string) {
	made := forwarding(p)
	if f == nil || len(made) == 0 {
		return nil
	}
	known := *f
	if native != nil {
		known.Native = native
	}
	t := newTrial(&known, after, nil)
	w := walker{sets: after}
	t.hooked(&w, "nat", "PREROUTING", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		if len(list) == mostBarred || !made[forwardingRule{at.Variant, r.String()}] {
			return
		}
		if forward, ok := forwardOf(&t, at, r, s); ok {
			if why := t.barring(&forward); why != "" && !slices.Contains(list, why) {
				list = append(list, why)
			}
		}
	})
	return list
}

// mostBarred is how many reasons Barred gives at most.
const mostBarred = 12

// forwardingRule is a rule of the nat table that sends packets elsewhere, with its chain.
type forwardingRule struct {
	rules.Variant
	line string
}

// forwarding are the rules that a plan makes which send packets elsewhere.
func forwarding(p rules.Plan) map[forwardingRule]bool {
	made := map[forwardingRule]bool{}
	for _, c := range p.Changes() {
		switch c.Rule.Target.Kind {
		case rules.DNAT, rules.Redirect, rules.Netmap:
			if c.Table == "nat" && (c.Op == rules.Insert || c.Op == rules.Replace) {
				made[forwardingRule{rules.Variant{Family: c.Family, Backend: c.Backend}, c.Rule.String()}] = true
			}
		}
	}
	return made
}

// barring says what certainly drops the first packet of a forward behind its translation; "" where nothing does.
func (t *trial) barring(f *Forward) string {
	way := t.brief(f.packet)
	if _, blocked := way.blocked(); blocked && !way.Certain {
		way = t.told(f.packet)
	}
	o, blocked := way.blocked()
	if !blocked || !way.by(f.Rule) || o.DroppedBy.IsZero() || way.unread != "" {
		return ""
	}
	if o.DroppedBy.Position == 0 {
		return fmt.Sprintf("the %s drops what goes to %s, and no rule accepts it: nothing arrives", policyName(o.DroppedBy), f.Server)
	}
	return fmt.Sprintf("rule %s drops what goes to %s: nothing arrives", ruleName(o.DroppedBy), f.Server)
}
