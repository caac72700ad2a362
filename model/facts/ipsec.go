package facts

import (
	"net/netip"
	"slices"

	"nattui/rules/evaluate"
)

// Proxied is an address that this host answers for on a link.
type Proxied struct {
	Link string
	Addr netip.Addr
}

// IPsecPolicy says that what goes between two networks is protected by IPsec, or is not (struct xfrm_userpolicy_info).
type IPsecPolicy struct {
	// Dir is out, in or fwd.
	Dir      string
	Src, Dst netip.Prefix
	// Priority orders policies, the lowest first. Block drops what it matches. Protects is set where it names a
	// transformation; a policy without one lets packets pass as they are.
	Priority        int
	Block, Protects bool
	// Narrow policies are for some protocol, port, interface or mark alone.
	Narrow bool
}

// Protected tells whether an IPsec policy protects what goes from src to dst as it leaves (out), or as it arrives. The
// first policy that matches decides.
func (f *Facts) Protected(out bool, src, dst netip.Addr) evaluate.Truth {
	if f.IPsec == nil {
		return evaluate.Unknown
	}
	answer := evaluate.Truth(evaluate.No)
	for _, p := range slices.SortedStableFunc(slices.Values(f.IPsec), func(a, b IPsecPolicy) int { return a.Priority - b.Priority }) {
		if (p.Dir == "out") != out || !p.Src.Contains(src) || !p.Dst.Contains(dst) {
			continue
		}
		if p.Narrow {
			if p.Protects {
				answer = evaluate.Unknown
			}
			continue
		}
		if p.Protects {
			return evaluate.Yes
		}
		return answer
	}
	return answer
}

// blocked tells that an IPsec policy has the kernel drop what goes from src to dst in a direction: out, fwd or in.
func (f *Facts) blocked(dir string, src, dst netip.Addr) bool {
	p, ok := f.IPsecPolicyFor(dir, src, dst)
	return ok && p.Block && !p.Narrow
}

// IPsecPolicyFor is the policy that decides about what goes from src to dst in a direction: out, fwd or in. One that is
// for some ports or the like alone may not be for it; it is told where it comes first and does something.
func (f *Facts) IPsecPolicyFor(dir string, src, dst netip.Addr) (policy IPsecPolicy, ok bool) {
	for _, p := range f.IPsec {
		if p.Dir != dir || !p.Src.Contains(src) || !p.Dst.Contains(dst) || p.Narrow && !p.Block && !p.Protects {
			continue
		}
		if !ok || p.Priority < policy.Priority {
			policy, ok = p, true
		}
	}
	return policy, ok
}
