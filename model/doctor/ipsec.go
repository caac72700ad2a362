package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkIPsec tells of what an IPsec policy is to protect and a rule gives another source: it no longer fits the
// policy, and leaves unprotected (nf_xfrm_me_harder in net/netfilter/nf_nat_proto.c).
func checkIPsec(x *Examination) (list []Finding) {
	for _, policy := range x.IPsec {
		if policy.Dir != "out" || !policy.Protects || len(list) >= alike {
			continue
		}
		src, ok1 := x.hostIn(policy.Src)
		dst, ok2 := farHostIn(policy.Dst)
		if !ok1 || !ok2 {
			continue
		}
		p := evaluate.Packet{Protocol: rules.TCP, Src: src, Dst: dst, SrcPort: 51515, DstPort: 443}
		if p.In, _ = x.LinkOf(src); x.IsLocal(src) {
			p.In, p.Local = "", true
		}
		way := x.fate(p)
		for _, o := range way.Outcomes {
			if o.SNAT && !policy.Src.Contains(o.Src.Addr) && o.Delivered == evaluate.Forwarded {
				list = append(list, x.unprotected(policy.Src, policy.Dst, &o, &way))
				break
			}
		}
	}
	return list
}

// hostIn is an address of a network that a policy protects, of a machine behind this host or of this host itself.
func (n network) hostIn(p netip.Prefix) (netip.Addr, bool) {
	for _, a := range n.Addresses {
		if !p.Overlaps(a.Prefix.Masked()) || a.Prefix.Addr().Is4() != p.Addr().Is4() {
			continue
		}
		if c, ok := n.insider(a.Link, rules.FamilyOf(p.Addr()), func(c netip.Addr) bool { return p.Contains(c) && !n.IsLocal(c) }); ok {
			return c, true
		}
	}
	if p.IsSingleIP() || p.Bits() == 0 {
		return p.Addr(), p.IsSingleIP()
	}
	return p.Masked().Addr().Next(), true
}

// farHostIn is an address of a network at the other end.
func farHostIn(p netip.Prefix) (netip.Addr, bool) {
	if p.IsSingleIP() {
		return p.Addr(), true
	}
	return p.Masked().Addr().Next(), p.Bits() > 0
}

func (x *Examination) unprotected(src, dst netip.Prefix, o *evaluate.Outcome, way *fate) Finding {
	found := Finding{
		Check: "ipsec-translated", Severity: SeverityError, Subject: ruleName(o.SNATBy), Evidence: []string{fmt.Sprintf("ip xfrm policy: src %s dst %s dir out", src, dst)},
		Sentence: fmt.Sprintf("The rule gives what goes from %s to %s the source %s: the IPsec policy for these networks no longer fits it, and it leaves by %s unprotected, where nobody answers.", src, dst, o.Src.Addr, o.Out),
	}
	if r, ok := ruleOf(x.sets, o.SNATBy); ok {
		found.Evidence = append(found.Evidence, r.String())
	}
	line := fmt.Sprintf("-A %%s -s %s -d %s -m policy --dir out --pol ipsec -j ACCEPT", src, dst)
	if step, ok := x.insert(way.hook(o.SNATBy), line, "what IPsec protects keeps its source"); ok && step.Change != nil {
		step.Change.At = max(step.Change.At, 1)
		plan := rules.Plan{Title: fmt.Sprintf("Leave what IPsec protects from %s to %s as it is", src, dst), Steps: []rules.Step{step}}
		if t, ok := x.after(plan); ok {
			after := t.fate(way.Packet)
			if after.known && !slices.ContainsFunc(after.Outcomes, func(o evaluate.Outcome) bool { return o.SNAT }) {
				found.Cure = plan
			}
		}
	}
	return uncertain(found, way)
}
