package doctor

import (
	"net/netip"

	"nattui/rules"
)

// compared tells of a destination that no packet has any more where the rule compares it: POSTROUTING is asked after DNAT, and
// what is for this host itself never comes there.
func (d *doubts) compared() {
	asked, ok := d.rule.Dest.Host()
	s, known := sketch{}.with(&d.rule)
	if d.rule.Chain != "POSTROUTING" || !ok || d.rule.Dest.Not || !known || s.unsure {
		return
	}
	if at, to := d.translates(asked, &s); at > 0 {
		d.say("rule %d of PREROUTING gives packets for %s another destination before they come here: %s is what this rule can match", at, asked, to)
		return
	}
	if d.facts.IsLocal(asked) {
		d.say("%s is an address of this host: packets from others for it never come to POSTROUTING, and after DNAT they have another destination", asked)
	}
}

// translates finds the first DNAT rule of PREROUTING for an address and, where the rule in question names one, its port; and
// where it sends to.
func (d *doubts) translates(asked netip.Addr, s *sketch) (at int, to string) {
	c, ok := d.set.Chain("nat", "PREROUTING")
	if !ok {
		return 0, ""
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		o, ok := sketch{}.with(r)
		switch {
		case r.Target.Kind != rules.DNAT || !ok || o.open() || r.Dest.Any() || !r.Dest.Contains(asked):
		case o.proto != 0 && s.proto != 0 && o.proto != s.proto:
		case s.dport != rules.Ports{} && !(s.dport.Single() && o.names(s.dport.Lo)):
		default:
			return i + 1, r.Target.To.String()
		}
	}
	return 0, ""
}
