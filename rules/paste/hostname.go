package paste

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
)

// hostValue says of a word in the place of an address that it is the name of a host, which address that has now, and what
// to write with it; nil for what is no name. looked tells that iptables itself would look it up, which it does for -s and -d.
// A word without a dot is a name where it has an address.
func (c *commandReader) hostValue(s string, looked bool) *badValue {
	name, rest := s, ""
	if i := strings.IndexAny(s, ":/"); i >= 0 {
		name, rest = s[:i], s[i:]
	}
	dotted := hostName.MatchString(name) && !looseNumber.MatchString(name)
	if !dotted && !hostLabel.MatchString(name) {
		return nil
	}
	found, known := c.ground.addrsOf(name)
	fit := slices.DeleteFunc(slices.Clone(found), func(a netip.Addr) bool { return !c.family.Holds(a) })
	text := name + " is a name, and the rule takes an address"
	if looked {
		text = name + " is a name: iptables would look it up once, when the rule is made"
	}
	switch {
	case len(found) == 0 && !dotted:
		return nil
	case !known:
		return &badValue{text: text + "; write the address"}
	case len(found) == 0:
		return &badValue{text: text + "; it has no address here now: write the address"}
	case len(fit) == 0:
		return &badValue{text: fmt.Sprintf("%s; now it is %s, and %s is for %s", text, orList(found), c.family.Command(), c.family.Title())}
	case len(fit) > 1:
		return &badValue{text: fmt.Sprintf("%s; now it is %s: write one of them", text, orList(fit))}
	}
	return &badValue{text: fmt.Sprintf("%s; now it is %s", text, fit[0]), fix: withRest(fit[0], rest)}
}

// withRest is an address with the port or the mask that stood behind a name.
func withRest(a netip.Addr, rest string) string {
	if port, ok := strings.CutPrefix(rest, ":"); ok && port != "" {
		if a.Is6() {
			return "[" + a.String() + "]:" + port
		}
		return a.String() + ":" + port
	}
	return rules.AddrText(a) + strings.TrimSuffix(rest, ":")
}

func orList(list []netip.Addr) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
	}
	return strings.Join(words, " or ")
}

func (g *Ground) addrsOf(name string) (found []netip.Addr, known bool) {
	if g.HostAddrs == nil {
		return nil, false
	}
	return g.HostAddrs(name)
}
