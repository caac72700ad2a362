package doctor

import (
	"fmt"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// sourceAddress checks the address that packets leave with.
func sourceAddress(x *Examination, s *share) []Finding {
	to := s.rule.Target.To.Addrs
	if s.rule.Target.Kind != rules.SNAT || to.IsZero() || !to.Single() || x.Addresses == nil || x.IsLocal(to.Lo) || x.standby() {
		return nil
	}
	out := s.via.out.Name
	if s.via.out.Any() {
		out, _ = x.uplink(s.at.Family)
		if a, ok := s.via.dst.Host(); ok {
			if route, certain := x.Lookup(evaluate.RouteQuery{Dst: a}); certain {
				out = route.Out
			}
		}
	}
	found := Finding{
		Check: "snat-foreign-address", Severity: SeverityNote, Subject: ruleName(s.at), Evidence: []string{fmt.Sprintf("%s has %s", out, x.addressesText(out))},
		Sentence: fmt.Sprintf("The rule gives packets the address %s, which is none of this host's: answers come back only if the network routes it here.", to.Lo),
	}
	if x.onNet(out, to.Lo) || isInner(to.Lo) && x.outward(out) {
		found.Severity = SeverityError
		found.Sentence = fmt.Sprintf("The rule gives packets the address %s, which is none of this host's: nobody brings the answers here.", to.Lo)
		if own, ok := x.ownAddr(out, to.Lo); ok {
			changed := *s.rule
			changed.Target.To.Addrs = rules.Addrs{Lo: own, Hi: own}
			found.Cure = rules.Plan{
				Title: fmt.Sprintf("Let rule %d of %s use %s, which %s has", s.at.Position, s.at.Chain, own, out),
				Steps: []rules.Step{x.replace(s.at, *s.rule, changed, "so that the answers come to this host")},
			}
		}
	}
	return []Finding{found}
}
