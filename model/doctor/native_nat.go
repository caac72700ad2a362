package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkNatives tells of nft tables that translate beside those of iptables, and of the networks that they are made
// for where iptables' rules drop what begins there.
func checkNatives(x *Examination) (list []Finding) {
	for _, n := range x.Unevaluated() {
		list = append(list, Finding{
			Check: "native-nat", Severity: SeverityUnknown, Subject: n.Family + " " + n.Name, Evidence: n.Chains,
			Sentence: fmt.Sprintf("The nft %s translates too, and what it makes of packets is not known here: see  nft list %s.", n, n),
		})
		for _, family := range rules.Families {
			if n.Meets(family) {
				list = append(list, nativeShares(x, n, family)...)
			}
		}
	}
	return list
}

// nativeShares follows what begins in networks that a native table shares an address with: as far as the names of its
// chains tell, such as pstrt.lxdbr0.
func nativeShares(x *Examination, n rules.NativeTable, family rules.Family) (list []Finding) {
	out, ok := x.uplink(family)
	if !ok {
		return nil
	}
	for _, link := range x.innerLinks(family, out) {
		if !slices.ContainsFunc(n.Chains, func(c string) bool { return strings.Contains(c, link) }) {
			continue
		}
		world, known := x.worldAddr(family, out)
		client, ok := x.insider(link, family, func(a netip.Addr) bool { return family.Holds(a) && !x.IsLocal(a) })
		if !ok || !known {
			continue
		}
		found := sharedWay(x, &share{
			at: evaluate.RuleRef{Variant: rules.Variant{Family: family}}, in: link, out: out,
			packet: evaluate.Packet{Protocol: rules.TCP, Src: client, Dst: world, SrcPort: 51515, DstPort: 443, In: link},
		})
		if found.IsProblem() {
			if found.Check != "forwarding-off" {
				found.Subject = link
			}
			list = append(list, found)
		}
	}
	return list
}
