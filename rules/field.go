package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Field names one entry of a Draft, for pointing at what a problem is about.
type Field string

// The fields of a Draft.
const (
	FieldChain    Field = "chain"
	FieldProtocol Field = "protocol"
	FieldIn       Field = "in"
	FieldOut      Field = "out"
	FieldSource   Field = "source"
	FieldSPorts   Field = "sport"
	FieldDest     Field = "dest"
	FieldPorts    Field = "dport"
	FieldTo       Field = "to"
	FieldComment  Field = "comment"
)

// Problem is what is wrong, or doubtful, about one field of a draft. Text says
// what is wrong and what would be right.
type Problem struct {
	Field   Field
	Text    string
	Warning bool // the rule can be made, but it may not be what was meant
}

// HasErrors reports whether any of the problems keeps the rule from being made.
func HasErrors(ps []Problem) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

// cutNot takes a leading "!" off.
func cutNot(s string) (text string, not bool) {
	s = strings.TrimSpace(s)
	text, not = strings.CutPrefix(s, "!")
	return strings.TrimSpace(text), not
}

func (c *draftCheck) protocol() ProtoMatch {
	text, not := cutNot(c.Protocol)
	text = strings.ToLower(text)
	if text == "" || text == "all" || text == "any" {
		if not {
			c.fail(FieldProtocol, "“not any protocol” matches nothing: name a protocol, or leave it empty")
		}
		return ProtoMatch{}
	}
	n, ok := ProtoNumber(text)
	switch {
	case text == "both":
		c.fail(FieldProtocol, "one rule has one protocol: make one of tcp and one of udp (nattui add --proto both makes two)")
		return ProtoMatch{}
	case !ok:
		c.fail(FieldProtocol, "%q is not a protocol: use tcp, udp, icmp, another name of /etc/protocols, or a number from 1 to 255", text)
		return ProtoMatch{}
	}
	switch {
	case n == ICMPv6 && c.Family == IPv4:
		c.fail(FieldProtocol, "IPv4 has icmp, not ipv6-icmp")
	case n == ICMP && c.Family == IPv6:
		c.fail(FieldProtocol, "IPv6 has ipv6-icmp, not icmp")
	}
	return ProtoMatch{Not: not, Name: ProtoName(n)}
}

func (c *draftCheck) iface(f Field, s string, notIn ...string) Iface {
	text, not := cutNot(s)
	if text == "" {
		if not {
			c.fail(f, "“!” needs the name of an interface after it")
		}
		return Iface{}
	}
	switch {
	case slices.Contains(notIn, c.rule.Chain):
		if f == FieldIn {
			c.fail(f, "in %s the incoming interface is no longer known: match the outgoing interface or the source", c.rule.Chain)
		} else {
			c.fail(f, "in %s the outgoing interface is not yet known: match the incoming interface or the destination", c.rule.Chain)
		}
	case len(text) > 15:
		c.fail(f, "%q is too long for an interface: at most 15 characters", text)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '/' || r == '"' || r == '\'' || r > '~' }):
		c.fail(f, "%q is not an interface: a name has no blanks, quotes or slashes (eth0, or eth+ for all that begin with eth)", text)
	case strings.Contains(strings.TrimSuffix(text, "+"), "+"):
		c.fail(f, "%q: a “+” is allowed only at the end, as a wildcard", text)
	}
	return Iface{Not: not, Name: text}
}

func (c *draftCheck) net(f Field, s string) Net {
	text, not := cutNot(s)
	if text == "" || text == "any" || text == "0.0.0.0/0" || text == "::/0" {
		if not {
			c.fail(f, "“not any address” matches nothing: name an address, or leave it empty")
		}
		return Net{}
	}
	n, ok := ParseNet(text)
	if !ok {
		c.fail(f, "%q is not an address: %s", text, c.addressHint(text))
		return Net{}
	}
	if !c.Family.Holds(n.Addr) {
		c.fail(f, "%s is an %s address, and this is a rule for %s", text, c.Family.Other().Title(), c.Family.Title())
		return Net{}
	}
	if given, _, masked := strings.Cut(text, "/"); masked {
		if a, err := netip.ParseAddr(given); err == nil && a != n.Addr {
			c.warn(f, "%s has bits outside its mask: the network is %s", text, n)
		}
	}
	n.Not = not
	return n
}

func (c *draftCheck) addressHint(text string) string {
	example := "192.168.0.2 or 192.168.0.0/24"
	if c.Family == IPv6 {
		example = "2001:db8::2 or 2001:db8::/64"
	}
	if c.Family == IPv4 && strings.Count(text, ":") == 1 {
		return "put the port in the port's field"
	}
	if strings.Contains(text, ",") {
		return "one address or network per rule; add a rule for each"
	}
	if strings.Contains(text, "-") && strings.Count(text, ".") > 3 {
		return "a range must be a network here, such as 192.168.0.0/24"
	}
	return "use " + example
}

// ports reads 80, 80-90, 80:90, 80,443 and names of well-known services.
func (c *draftCheck) ports(f Field, s string) (list []Ports, not bool) {
	text, not := cutNot(s)
	if text == "" {
		if not {
			c.fail(f, "“!” needs a port after it")
		}
		return nil, false
	}
	for item := range strings.SplitSeq(text, ",") {
		p, why := onePort(strings.TrimSpace(item))
		if why != "" {
			c.fail(f, "%s", why)
			return nil, not
		}
		list = append(list, p)
	}
	slots := 0
	for _, p := range list {
		slots++
		if !p.Single() {
			slots++
		}
	}
	if len(list) > 1 && slots > 15 {
		c.fail(f, "a list holds at most 15 ports, a range counting as two; this one needs %d: add a second rule for the rest", slots)
	}
	return list, not
}

// onePort reads a port or a range; why says what is wrong with it.
func onePort(item string) (p Ports, why string) {
	sep := "-"
	if strings.Contains(item, ":") {
		sep = ":"
	}
	lo, hi, isRange := strings.Cut(item, sep)
	l, why := portNumber(lo, item)
	if why != "" {
		return Ports{}, why
	}
	if !isRange {
		return Port(l), ""
	}
	h, why := portNumber(hi, item)
	if why != "" {
		return Ports{}, why
	}
	if h < l {
		return Ports{}, fmt.Sprintf("%s is reversed: use %d-%d", item, h, l)
	}
	return Ports{l, h}, ""
}

// portNumber reads a port, which is a part of what was typed.
func portNumber(s, typed string) (uint16, string) {
	s = strings.TrimSpace(s)
	if service, ok := ServiceNamed(s); ok {
		return service.Port, ""
	}
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case s == "":
		return 0, "a port is missing: use a number from 1 to 65535, or a range such as 8000-8010"
	case err != nil:
		return 0, fmt.Sprintf("%q is not a port: use a number from 1 to 65535, or a range such as 8000-8010", typed)
	case n < 1 || n > 65535:
		return 0, fmt.Sprintf("%q is not a port: ports go from 1 to 65535", s)
	}
	return uint16(n), ""
}
