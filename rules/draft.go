package rules

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Draft is a NAT rule as a person types it: text in fields, checked as it is
// given. A leading "!" negates an address, an interface or a port.
type Draft struct {
	Family Family
	Kind   Kind // DNAT, SNAT, Masquerade or Redirect
	Chain  string
	// Protocol is a name or number; "" and "all" are any.
	Protocol string
	In, Out  string // interfaces
	Source   string // address or network
	SPorts   string // source ports: 80, 80-90 or 80,443
	Dest     string
	Ports    string // destination ports
	// To is the new place: ADDRESS[:PORT] for DNAT and SNAT, with ranges; a port
	// or range for Redirect and Masquerade.
	To      string
	Comment string

	Random, RandomFully, Persistent bool

	// base is the rule being edited: what the form does not show is kept from it.
	base *Rule
}

// DraftKinds are the kinds of rule that a draft can make.
var DraftKinds = [...]Kind{DNAT, SNAT, Masquerade, Redirect}

// DefaultChain is the chain that a rule of the kind belongs to unless somebody
// chooses another.
func DefaultChain(k Kind) string {
	if k == SNAT || k == Masquerade {
		return "POSTROUTING"
	}
	return "PREROUTING"
}

// ChainsFor lists the built-in chains of table nat that may hold a rule of the
// kind (iptables-extensions(8)).
func ChainsFor(k Kind) []string {
	switch k {
	case DNAT, Redirect:
		return []string{"PREROUTING", "OUTPUT"}
	case SNAT:
		return []string{"POSTROUTING", "INPUT"}
	case Masquerade:
		return []string{"POSTROUTING"}
	}
	return BuiltInChains["nat"]
}

// DraftOf fills a draft from a rule, for editing. What the draft has no field
// for stays with it and comes back in the rule. The error says why a rule cannot
// be edited in fields.
func DraftOf(f Family, r Rule) (Draft, error) {
	if r.unparseable != nil {
		return Draft{}, fmt.Errorf("the rule cannot be taken apart: %w", r.unparseable)
	}
	if !slices.Contains(DraftKinds[:], r.Target.Kind) {
		name := r.Target.Name
		if name == "" {
			name = "no target"
		}
		return Draft{}, fmt.Errorf("a rule with %s cannot be edited in a form: delete it and add another, or use iptables", name)
	}
	d := Draft{
		Family: f, Kind: r.Target.Kind, Chain: r.Chain,
		Protocol: bang(r.Protocol.Not) + r.Protocol.Name,
		In:       bang(r.In.Not) + r.In.Name, Out: bang(r.Out.Not) + r.Out.Name,
		Source: netText(r.Source), Dest: netText(r.Dest),
		Comment: r.Comment(),
		Random:  r.Target.To.Random, RandomFully: r.Target.To.RandomFully, Persistent: r.Target.To.Persistent,
		base: &r,
	}
	for _, m := range r.Matches {
		switch m := m.(type) {
		case Transport:
			if m.Source != nil {
				d.SPorts = bang(m.Source.Not) + m.Source.Text("-")
			}
			if m.Dest != nil {
				d.Ports = bang(m.Dest.Not) + m.Dest.Text("-")
			}
		case Multiport:
			list := bang(m.Not) + strings.ReplaceAll(portList(m.List), ", ", ",")
			switch {
			case m.Side == DestSide && d.Ports == "":
				d.Ports = list
			case m.Side == SourceSide && d.SPorts == "":
				d.SPorts = list
			}
		}
	}
	d.To = r.Target.To.String()
	if r.Target.Kind == Masquerade || r.Target.Kind == Redirect {
		d.To = strings.TrimPrefix(d.To, ":")
	}
	return d, nil
}

// Rule makes the rule and lists what is wrong with the draft. The rule is good
// to use only if none of the problems is an error (HasErrors).
func (d Draft) Rule() (Rule, []Problem) {
	c := draftCheck{Draft: d}
	c.run()
	return c.rule, c.problems
}

// draftCheck turns a draft into a rule, noting problems on the way.
type draftCheck struct {
	Draft
	rule     Rule
	problems []Problem
}

func (c *draftCheck) fail(f Field, format string, args ...any) {
	c.problems = append(c.problems, Problem{Field: f, Text: fmt.Sprintf(format, args...)})
}

func (c *draftCheck) warn(f Field, format string, args ...any) {
	c.problems = append(c.problems, Problem{Field: f, Text: fmt.Sprintf(format, args...), Warning: true})
}

func (c *draftCheck) run() {
	c.rule = Rule{Chain: strings.TrimSpace(c.Chain)}
	if c.rule.Chain == "" {
		c.rule.Chain = DefaultChain(c.Kind)
	}
	if c.base != nil {
		c.rule.Fragment = c.base.Fragment
	}
	c.checkChain()
	c.rule.Protocol = c.protocol()
	c.rule.In = c.iface(FieldIn, c.In, "POSTROUTING", "OUTPUT")
	c.rule.Out = c.iface(FieldOut, c.Out, "PREROUTING", "INPUT")
	c.rule.Source = c.net(FieldSource, c.Source)
	c.rule.Dest = c.net(FieldDest, c.Dest)
	c.rule.Matches = c.matches()
	c.rule.Target = Target{Kind: c.Kind, Name: c.Kind.Name(), To: c.translation()}
	if !HasErrors(c.problems) {
		c.doubts()
	}
}

func (c *draftCheck) checkChain() {
	chain := c.rule.Chain
	if strings.ContainsAny(chain, " \t\"'") || len(chain) > 28 {
		c.fail(FieldChain, "a chain's name has at most 28 characters and no blanks")
	}
	for _, other := range BuiltInChains["nat"] {
		if chain == other && !slices.Contains(ChainsFor(c.Kind), chain) {
			c.fail(FieldChain, "%s is not allowed in %s: it belongs in %s", c.Kind.Name(), chain, strings.Join(ChainsFor(c.Kind), " or "))
		}
	}
	if chain == "FORWARD" {
		c.fail(FieldChain, "FORWARD is a chain of table filter; %s belongs in %s", c.Kind.Name(), strings.Join(ChainsFor(c.Kind), " or "))
	}
}

// matches builds the -m blocks: the transport's ports, the comment, and what
// else the edited rule had, in its order.
func (c *draftCheck) matches() []Match {
	source, sourceNot := c.ports(FieldSPorts, c.SPorts)
	dest, destNot := c.ports(FieldPorts, c.Ports)
	if len(source) > 0 {
		c.needPorts(FieldSPorts)
	}
	if len(dest) > 0 {
		c.needPorts(FieldPorts)
	}
	var made []Match
	t := Transport{Proto: c.rule.Protocol.Name}
	if len(source) == 1 && !c.hadList(SourceSide) {
		t.Source = &PortMatch{sourceNot, source[0]}
	}
	if len(dest) == 1 && !c.hadList(DestSide) {
		t.Dest = &PortMatch{destNot, dest[0]}
	}
	if old, ok := c.oldTransport(); ok && old.Proto == t.Proto {
		t.Flags, t.Option = old.Flags, old.Option
	}
	if t.Source != nil || t.Dest != nil || t.Flags != nil || t.Option != nil {
		made = append(made, t)
	}
	if len(source) > 0 && t.Source == nil {
		made = append(made, Multiport{sourceNot, SourceSide, source})
	}
	if len(dest) > 0 && t.Dest == nil {
		made = append(made, Multiport{destNot, DestSide, dest})
	}
	if text := c.comment(); text != "" {
		made = append(made, Comment{text})
	}
	return c.keepOthers(made)
}

// hadList reports whether the edited rule gives its ports of that side as a list.
func (c *draftCheck) hadList(side Side) bool {
	return c.base != nil && slices.ContainsFunc(c.base.Matches, func(m Match) bool {
		list, ok := m.(Multiport)
		return ok && list.Side == side
	})
}

func (c *draftCheck) oldTransport() (Transport, bool) {
	if c.base != nil {
		for _, m := range c.base.Matches {
			if t, ok := m.(Transport); ok {
				return t, true
			}
		}
	}
	return Transport{}, false
}

// keepOthers puts the new matches where the edited rule had theirs, and keeps
// those that the draft has no field for.
func (c *draftCheck) keepOthers(made []Match) []Match {
	if c.base == nil {
		return made
	}
	var out []Match
	use := func(same func(Match) bool) {
		if i := slices.IndexFunc(made, same); i >= 0 {
			out = append(out, made[i])
			made = slices.Delete(made, i, i+1)
		}
	}
	for _, old := range c.base.Matches {
		switch old := old.(type) {
		case Transport:
			use(func(m Match) bool { _, ok := m.(Transport); return ok })
		case Comment:
			use(func(m Match) bool { _, ok := m.(Comment); return ok })
		case Multiport:
			if old.Side == EitherSide {
				out = append(out, old)
				continue
			}
			use(func(m Match) bool { p, ok := m.(Multiport); return ok && p.Side == old.Side })
		default:
			out = append(out, old)
		}
	}
	return append(made, out...)
}

func (c *draftCheck) needPorts(f Field) {
	if !c.rule.Protocol.HasPorts() && !c.failed(FieldProtocol) {
		name := c.Protocol
		if name == "" {
			c.fail(FieldProtocol, "a port needs a protocol that has ports: choose tcp or udp")
			return
		}
		c.fail(f, "%s has no ports: choose tcp or udp, or leave the port empty", name)
	}
}

func (c *draftCheck) failed(f Field) bool {
	return slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Field == f && !p.Warning })
}

// maxComment is XT_MAX_COMMENT_LEN without its final zero.
const maxComment = 255

func (c *draftCheck) comment() string {
	text := c.Comment
	switch {
	case len(text) > maxComment:
		c.fail(FieldComment, "a comment holds at most %d bytes; this one has %d", maxComment, len(text))
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		c.fail(FieldComment, "a comment is one line of text without control characters")
	}
	return text
}

func (c *draftCheck) translation() Translation {
	t := Translation{Random: c.Random, RandomFully: c.RandomFully, Persistent: c.Persistent}
	text := strings.TrimSpace(c.To)
	switch c.Kind {
	case Redirect, Masquerade:
		c.toPorts(&t, text)
	default:
		c.toPlace(&t, text)
	}
	if c.base != nil && c.base.Target.Kind == c.Kind && c.base.Target.To.HasBase && t.HasPorts && t.Ports == c.base.Target.To.Ports {
		t.Base, t.HasBase = c.base.Target.To.Base, true
	}
	return t
}

// toPorts reads the new port of REDIRECT and MASQUERADE.
func (c *draftCheck) toPorts(t *Translation, text string) {
	text = strings.TrimPrefix(text, ":")
	if text == "" {
		return
	}
	if a, err := netip.ParseAddrPort(text); err == nil {
		c.fail(FieldTo, "%s takes a port only, since the address is this host's: %d", c.Kind.Name(), a.Port())
		return
	}
	if _, err := netip.ParseAddr(text); err == nil {
		c.fail(FieldTo, "%s takes a port, not an address; to send packets to another host use DNAT", c.Kind.Name())
		return
	}
	p, why := onePort(text)
	if why != "" {
		c.fail(FieldTo, "%s", why)
		return
	}
	t.Ports, t.HasPorts = p, true
	c.needPorts(FieldTo)
}

// placeExample is what DNAT and SNAT take, with an example of the family.
func (c *draftCheck) placeExample() (what, example string) {
	switch {
	case c.Kind == SNAT && c.Family == IPv6:
		return "an address", "2001:db8::1 or [2001:db8::1]:1024-65535"
	case c.Kind == SNAT:
		return "an address", "203.0.113.1 or 203.0.113.1:1024-65535"
	case c.Family == IPv6:
		return "a destination", "2001:db8::2 or [2001:db8::2]:8080"
	}
	return "a destination", "192.168.0.2 or 192.168.0.2:8080"
}

// toPlace reads the new address and port of DNAT and SNAT.
func (c *draftCheck) toPlace(t *Translation, text string) {
	what, example := c.placeExample()
	switch {
	case text == "" && c.Kind == SNAT: // to which replies come back
		c.fail(FieldTo, "SNAT needs a new address, one of this gateway's: %s", example)
		return
	case text == "":
		c.fail(FieldTo, "%s needs a new address: %s", c.Kind.Name(), example)
		return
	}
	if strings.Contains(text, "/") && !strings.Contains(text, ":") {
		c.fail(FieldTo, "%s is a network: give one address, or a range such as 192.168.0.2-192.168.0.9", text)
		return
	}
	if !t.Parse(text) {
		if why := WrongPort(text); why != "" {
			c.fail(FieldTo, "%s", why)
			return
		}
		c.fail(FieldTo, "%q is not %s: use %s", text, what, example)
		return
	}
	if !t.Addrs.IsZero() {
		switch {
		case !c.Family.Holds(t.Addrs.Lo):
			c.fail(FieldTo, "%s is an %s address, and this is a rule for %s", t.Addrs.Lo, c.Family.Other().Title(), c.Family.Title())
		case t.Addrs.Hi.Less(t.Addrs.Lo):
			c.fail(FieldTo, "the range is reversed: use %s-%s", t.Addrs.Hi, t.Addrs.Lo)
		case t.Addrs.Lo.IsUnspecified() || t.Addrs.Lo.IsMulticast():
			c.fail(FieldTo, "%s cannot be the address of one host: use %s", t.Addrs.Lo, example)
		}
	}
	if t.HasPorts {
		if t.Ports.Hi < t.Ports.Lo {
			c.fail(FieldTo, "the port range is reversed: use %d-%d", t.Ports.Hi, t.Ports.Lo)
		}
		if t.Ports.Lo == 0 {
			c.fail(FieldTo, "0 is not a port: ports go from 1 to 65535")
		}
		c.needPorts(FieldTo)
	}
}

// doubts warns of rules that can be made and are seldom meant.
func (c *draftCheck) doubts() {
	r := c.rule
	if m := looksLikePort.FindStringSubmatch(strings.TrimSpace(c.To)); m != nil && !r.Target.To.HasPorts {
		c.warn(FieldTo, "%s is an address as a whole: for port %s of %s write [%s]:%s", m[0], m[2], m[1], m[1], m[2])
	}
	switch c.Kind {
	case DNAT, Redirect:
		if r.Chain == "PREROUTING" && r.Dest.Any() && r.In.Any() {
			c.warn(FieldDest, "without an address or interface this also matches what your own network sends to anyone%s", forPorts(r))
		}
		if a := r.Target.To.Addrs; !a.IsZero() && a.Lo.IsLoopback() {
			c.warn(FieldTo, "the kernel refuses packets from outside for 127.0.0.0/8 unless route_localnet is on: let the service listen on another address")
		}
	case Masquerade, SNAT:
		if r.Chain == "POSTROUTING" && r.Out.Any() && r.Dest.Any() {
			c.warn(FieldOut, "without an outgoing interface or destination this also hides clients from your own servers")
		}
	}
}

// looksLikePort is an IPv6 address that ends as if a port came behind a shorter one.
var looksLikePort = regexp.MustCompile(`^([0-9a-fA-F:]*::[0-9a-fA-F:]*[0-9a-fA-F]):([1-9][0-9]{1,3})$`)

func forPorts(r Rule) string {
	for _, m := range r.Matches {
		switch m := m.(type) {
		case Transport:
			if m.Dest != nil {
				return "'s " + portWords(*m.Dest)
			}
		case Multiport:
			return "'s ports " + portList(m.List)
		}
	}
	return ""
}
