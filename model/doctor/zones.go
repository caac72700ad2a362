package doctor

import (
	"fmt"

	"nattui/rules/evaluate"
)

// zonesDiffer tells that it is not known whether answers find their connection, because rules put one of the directions
// into a zone of connection tracking (CT --zone).
func zonesDiffer(first, answer *fate, what string) Finding {
	if !first.known || !answer.known || len(first.Outcomes) == 0 || len(answer.Outcomes) == 0 || first.Outcomes[0].Zoned == answer.Outcomes[0].Zoned {
		return Finding{}
	}
	return unknown(fmt.Sprintf("Whether %s is translated back is not known: rules put only one of the two directions into a zone of connection tracking, and what is in another zone does not know the connection.", what))
}

// ipsecDecides tells that it is not known what becomes of a packet, because an IPsec policy wants it protected.
func (x *Examination) ipsecDecides(way *fate) Finding {
	p := &way.Packet
	if !way.known || len(way.Outcomes) == 0 {
		return Finding{}
	}
	o := &way.Outcomes[0]
	if o.Delivered != evaluate.Forwarded || !o.Dst.Addr.IsValid() {
		return Finding{}
	}
	src, dst := p.Src, o.Dst.Addr
	if p.Of != nil {
		_, to := p.Of.Goes()
		dst = to.Addr()
	}
	policy, ok := x.IPsecPolicyFor("fwd", src, p.Dst) // as it arrived (nf_nat_decode_session)
	if !ok || p.Local || !policy.Protects && !policy.Block {
		if policy, ok = x.IPsecPolicyFor("out", src, dst); !ok || !policy.Protects && !policy.Block {
			return Finding{}
		}
	}
	why := "goes on only if a security association for it is there"
	if policy.Dir == "fwd" {
		why = "passes only if it came protected by IPsec"
	}
	return unknown(fmt.Sprintf("Whether what goes from %s to %s gets through is not known: an IPsec policy is for it, and it %s.", src, dst, why),
		fmt.Sprintf("ip xfrm policy: src %s dst %s dir %s", policy.Src, policy.Dst, policy.Dir))
}
