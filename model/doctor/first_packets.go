package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// checkFirstPackets tells of rules of table nat that no first packet of a connection meets, which are all that the table sees: they
// ask for a state that it cannot have, or for the port that clients come from, which is another one each time.
func checkFirstPackets(x *Examination) []Finding {
	var list []Finding
	for at, r := range x.rulesOf("nat") {
		if why := firstPacket(r); why != "" && rules.OwnerOf(*r) == "" {
			list = append(list, Finding{
				Check: "never-first", Severity: SeverityWarning, Subject: ruleName(at), Evidence: []string{r.String()},
				Sentence: strings.ToUpper(why[:1]) + why[1:] + ".",
			})
		}
	}
	return list
}

// firstPacket says why no, or hardly any, first packet of a connection meets a rule of table nat, which sees no others; "" where
// nothing speaks against it. It looks at the state that the rule asks for, and at the port that clients come from.
func firstPacket(r *rules.Rule) string {
	for _, m := range r.Matches {
		var states *rules.WordsMatch
		switch m := m.(type) {
		case rules.CTState:
			states = &rules.WordsMatch{Not: m.Not, Words: m.States}
		case rules.Conntrack:
			states = m.State
		case rules.Transport:
			if port := m.Source; port != nil && !port.Not && m.Dest == nil && m.Proto == "tcp" && port.Ports.Lo == port.Ports.Hi && port.Ports.Hi < 32768 && r.Counters.Packets == 0 &&
				(r.Target.Kind == rules.DNAT || r.Target.Kind == rules.Redirect) {
				return fmt.Sprintf("it asks for packets that come from port %d: clients come from another port each time; --dport asks for the port that they go to", port.Ports.Lo)
			}
			continue
		default:
			continue
		}
		if states == nil || states.Not || !r.Target.Kind.Translates() || slices.ContainsFunc(states.Words, func(w string) bool { return w == "NEW" || w == "SNAT" || w == "DNAT" }) {
			continue
		}
		if slices.Contains(states.Words, "RELATED") {
			return "table nat sees only first packets of connections, and those of state NEW it does not take: only connections that a helper expects meet it"
		}
		return "table nat sees only first packets of connections, and none of them is " + strings.Join(states.Words, " or ") + ": no packet meets it"
	}
	return ""
}
