package nft

import (
	"slices"
	"strings"

	"nattui/rules"
)

// familiesOf are the families whose packets a rule does something with: those that its conditions let through, of which a
// translation to addresses leaves the other one as it is (nft_nat_inet_eval). None where there are no such packets.
func familiesOf(r *Rule, read Reading) []rules.Family {
	all := slices.Clone(rules.Families[:])
	only := func(f Family) {
		all = slices.DeleteFunc(all, func(of rules.Family) bool {
			return f == IPv4 && of != rules.IPv4 || f == IPv6 && of != rules.IPv6
		})
	}
	only(read.Family)
	for _, a := range read.Asks {
		if f, ok := familyAsked(a); ok {
			only(f)
		}
	}
	for _, e := range r.Exprs {
		if n, ok := e.(NAT); ok {
			only(n.Family)
		}
	}
	return all
}

// familyAsked is the family that a condition holds packets to.
func familyAsked(a Ask) (f Family, ok bool) {
	switch {
	case strings.HasPrefix(a.What, "ct ") && strings.Contains(a.What, " ip "):
		return IPv4, true
	case strings.HasPrefix(a.What, "ct ") && strings.Contains(a.What, " ip6 "):
		return IPv6, true
	case a.What != "meta nfproto" && a.What != "meta protocol":
		return 0, false
	}
	f = map[string]Family{"ipv4": IPv4, "ip": IPv4, "ipv6": IPv6, "ip6": IPv6}[a.Values]
	if a.Op == "!=" { // meta protocol may be of neither, but not where iptables looks
		f = map[Family]Family{IPv4: IPv6, IPv6: IPv4}[f]
	}
	return f, f != 0
}
