package doctor

import (
	"fmt"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkTransparent tells of rules that hand packets for others to a program here (TPROXY) where no route keeps them
// here: what is then routed on, the kernel drops, because it has a socket already (ip_forward in net/ipv4/ip_forward.c).
func checkTransparent(x *Examination) (list []Finding) {
	w := walker{sets: x.sets}
	told := map[rules.Family]bool{}
	x.hooked(&w, "mangle", "PREROUTING", func(at evaluate.RuleRef, r *rules.Rule, _ sketch) {
		if r.Target.Name != "TPROXY" || told[at.Family] || x.Routes == nil || x.keptHere(at.Family) {
			return
		}
		told[at.Family] = true
		ip, all := "ip", at.Family.Whole().String()
		if at.Family == rules.IPv6 {
			ip = "ip -6"
		}
		list = append(list, Finding{
			Check: "proxy-not-routed", Severity: SeverityError, Subject: ruleName(at), Evidence: []string{r.String(), counted(r), "no policy rule leads to a table with a local route for " + all},
			Sentence: fmt.Sprintf("The rule hands packets for others to a program of this host, and no route keeps them here: they are lost. It takes a route and a rule for the mark that TPROXY sets: %s route add local %s dev lo table 100; %s rule add fwmark MARK lookup 100.", ip, all, ip),
		})
	})
	return list
}

// keptHere tells that some policy rule leads to a table by whose routes everything is for this host.
func (n network) keptHere(family rules.Family) bool {
	for i := range n.Routes {
		r := &n.Routes[i]
		if r.Kind != facts.RouteLocal || r.Dst.Bits() != 0 || !family.Holds(r.Dst.Addr()) {
			continue
		}
		for _, p := range n.PolicyRules {
			if p.Action == facts.RuleTable && p.Table == r.Table && p.Family == family {
				return true
			}
		}
	}
	return false
}
