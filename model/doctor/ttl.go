package doctor

import (
	"fmt"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// dies tells why a packet that the rules let through ends all the same: a rule has left it a time to live that lasts
// no further than here, or than the next router. "" if it lives.
func (x *Examination) dies(way *fate) (why string) {
	o, blocked := way.blocked()
	switch {
	case !way.known || len(way.Outcomes) == 0:
		return ""
	case blocked && o.DroppedBy.IsZero() && o.Delivered == evaluate.Dropped && o.TTL == 1:
		return "its TTL expires here"
	}
	for i := range way.Outcomes {
		o := &way.Outcomes[i]
		if o.Delivered != evaluate.Forwarded || o.TTL != 1 || !o.Dst.Addr.IsValid() {
			return ""
		}
		route, certain := x.Lookup(evaluate.RouteQuery{Dst: o.Dst.Addr, Src: o.Src.Addr, In: o.In})
		if !certain || !route.Gateway.IsValid() || route.Out != o.Out {
			return ""
		}
		why = fmt.Sprintf("it leaves by %s with a TTL of 1, and ends at the next router, %s", o.Out, route.Gateway)
	}
	return why
}

// ttlRules are the rules that have changed a packet's time to live, as evidence.
func (x *Examination) ttlRules(p evaluate.Packet) (list []string) {
	way := x.told(p)
	for _, v := range way.Visits {
		if v.Rule != nil && v.Verdict != evaluate.No && (v.Rule.Target.Name == "TTL" || v.Rule.Target.Name == "HL") {
			list = append(list, ruleName(v.RuleRef)+": "+v.Text())
		}
	}
	return list[:min(len(list), 4)]
}

// ttlEnds tells of a packet that dies of its time to live, before or after this host.
func ttlEnds(x *Examination, p evaluate.Packet, what string) Finding {
	way := x.fate(p)
	why := x.dies(&way)
	if why == "" {
		return Finding{}
	}
	severity := SeverityError
	if way.arrives() {
		severity = SeverityWarning // the next router itself takes it
	}
	return Finding{
		Check: "ttl-expires", Severity: severity, Evidence: x.ttlRules(p),
		Sentence: fmt.Sprintf("%s gets no further: %s. A rule leaves it that %s; set a larger one, such as 64.", what, why, ttlWord(rules.FamilyOf(p.Src))),
	}
}

func ttlWord(f rules.Family) string {
	return map[rules.Family]string{rules.IPv4: "TTL", rules.IPv6: "hop limit"}[f]
}
