// Package guide turns an intention into a plan: share a connection, publish a
// service, send packets to a proxy of this host, map one network onto another,
// let a VPN out, move a service to another machine. It knows no kernel: what it
// needs of the gateway it is given as values, and what it proposes is a
// rules.Plan, whose every step says why.
package guide

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Host is what recipes need to know of the gateway.
type Host struct {
	// Sets are the tables as they are now, Backend is where new rules go.
	Sets    map[rules.Variant]*rules.Ruleset
	Backend rules.Backend
	// Native is set where new rules become native ones of nft, after the advice: see Advice.Blocked.
	Native bool
	// Kernel has the interfaces and the routes.
	Kernel evaluate.Host
	Links  []Link
	// Uplinks are the ways to the Internet, by family; one without a Link is none.
	Uplinks [2]Uplink
	// Forwards tells whether packets of a family are forwarded; nil: not known.
	Forwards func(rules.Family) (on, known bool)
	// ForwardsFrom tells whether what arrives by a link is forwarded, which a switch of its own may keep it from; nil: not known.
	ForwardsFrom func(link string, family rules.Family) (on, known bool)
	// Lasting tells whether forwarding of a family is also set at boot; nil: not known.
	Lasting func(rules.Family) bool
	// Zone names firewalld's zone of an interface; nil where firewalld does not run.
	Zone func(link string) string
	// Listens tells which program takes what comes to an address of this host;
	// nil: not known.
	Listens func(protocol rules.Protocol, to netip.AddrPort) (program string, ok bool)
	// Managers are programs that make rules of their own and run now.
	Managers []string
	// Session is the address and port at which the operator reached this host;
	// invalid where that was not over the network.
	Session netip.AddrPort
	// Flows are the flows that exist, for moving a service.
	Flows []Flow
}

// Link is an interface as far as recipes care.
type Link struct {
	Name string
	Kind string // such as device, ppp, tun, wireguard, bridge
	MTU  int    // bytes; 0: not known
	Up   bool
}

// Uplink is the interface to the Internet with its address.
type Uplink struct {
	Link string
	Addr netip.Addr
	// Dynamic is set for an address that may change.
	Dynamic bool
}

// Flow is a flow that exists: how to forget it, and who serves it.
type Flow struct {
	rules.Forget
	Server netip.AddrPort
}

// Objection is what speaks against an answer. Nearest is the answer most like it
// that would work.
type Objection struct {
	Field   string // the field's name in the recipe, in lower case: net, out, to, …
	Text    string
	Nearest string
	Warning bool // it can be done, and may not be what is meant
}

// String is the objection, with what would work.
func (p Objection) String() string {
	if p.Nearest == "" {
		return p.Text
	}
	return p.Text + " (try " + p.Nearest + ")"
}

// Advice is what a recipe comes to.
type Advice struct {
	// Plan has no steps while something is wrong, and where nothing is to do.
	Plan rules.Plan
	// InPlace tells that the plan changes rules where they are, on whichever backend: it is not for another.
	InPlace    bool
	Objections []Objection
	// Notes are worth knowing: what is there already, and what it means.
	Notes []string
	Proof Proof
	// Blocked are packets that native filters would drop, where Host.Native is set.
	Blocked []Blocked
}

// Blocked is a packet that a native rule or policy drops, and the rule of iptables that would let it pass, in the chain that
// stands for the hook.
type Blocked struct {
	By     evaluate.RuleRef
	Packet evaluate.Packet
	Accept rules.Rule
	Why    string
}

// Wrong reports an objection that has to be met before anything is done.
func (a Advice) Wrong() bool {
	return slices.ContainsFunc(a.Objections, func(p Objection) bool { return !p.Warning })
}

// Proof is how to see that a recipe works: what to try, and what will then be
// seen of the first packet.
type Proof struct {
	Try string
	// Translating and Passing are the rules that the packet meets.
	Translating, Passing []Watched
	// The flow that will be seen: its protocol, what it asked for (publish), where
	// it comes from (share), and who serves it. Invalid parts are any.
	Protocol rules.Protocol
	Asked    netip.AddrPort
	From     netip.Prefix
	Server   netip.AddrPort
	// In is the interface that it arrives by, and Port what it is for at whatever address (proxy); "" and 0: any.
	In   string
	Port uint16
}

// Watched is a rule whose counter shows that a packet came by. A native one is told by its handle, and its table is named
// with the family, as in inet nattui.
type Watched struct {
	rules.Variant
	Table, Chain, Line string
	Handle             uint64
}

// Recipe is an intention with its answers.
type Recipe interface {
	// Advise makes the plan, or says what is wrong with the answers.
	Advise(h Host) Advice
}

// builder makes a plan step by step, on sets that change as the plan would
// change them.
type builder struct {
	Host
	family     rules.Family
	sets       map[rules.Variant]*rules.Ruleset
	plan       rules.Plan
	objections []Objection
	notes      []string
	proof      Proof
	passed     map[crossing]string // why no rule is needed
	stopped    map[crossing]bool
	blocked    []Blocked
	inPlace    bool
	now        *evaluate.Evaluator // of the sets as they are; nil once they have changed
}

func newBuilder(h Host, family rules.Family, title string) *builder {
	b := &builder{Host: h, family: family, sets: maps.Clone(h.Sets), plan: rules.Plan{Title: title}}
	if b.sets == nil {
		b.sets = map[rules.Variant]*rules.Ruleset{}
	}
	return b
}

// variant is where the plan's rules of tables nat and mangle stand while it is made: in those of the backend, or, where they
// become native ones and these tables of iptables are native ones themselves, beside them.
func (b *builder) variant() rules.Variant {
	v := rules.Variant{Family: b.family, Backend: b.Backend}
	if set := b.set(v); b.Native && (set.Foreign["nat"] != "" || set.Foreign["mangle"] != "") {
		v.Backend = rules.Native
	}
	return v
}

func (b *builder) wrong(field, nearest, format string, args ...any) {
	b.objections = append(b.objections, Objection{Field: field, Text: fmt.Sprintf(format, args...), Nearest: nearest})
}

func (b *builder) warn(field, nearest, format string, args ...any) {
	b.objections = append(b.objections, Objection{Field: field, Text: fmt.Sprintf(format, args...), Nearest: nearest, Warning: true})
}

func (b *builder) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(b.notes, text) {
		b.notes = append(b.notes, text)
	}
}

func (b *builder) failed() bool {
	return slices.ContainsFunc(b.objections, func(p Objection) bool { return !p.Warning })
}

// advice is what has been built.
func (b *builder) advice() Advice {
	a := Advice{Plan: b.plan, Objections: b.objections, Notes: append(b.notes, b.passedNotes()...), Proof: b.proof, Blocked: b.blocked, InPlace: b.inPlace}
	if a.Wrong() {
		a.Plan.Steps = nil
	}
	if len(a.Plan.Steps) == 0 && !a.Wrong() {
		a.Notes = append(a.Notes, "everything it needs is already there")
	}
	return a
}

// link is the name of an interface as a rule's line has it: any byte but a blank and a slash may be in one.
type link string

// String quotes the name where that is needed.
func (l link) String() string { return rules.Quote(string(l)) }

// rule is a rule from its line, as iptables-save prints it.
func rule(format string, args ...any) rules.Rule {
	r, err := rules.Parse(fmt.Sprintf(format, args...))
	if err == nil {
		err = r.Unparseable()
	}
	if err != nil {
		panic(err) // the recipes write whole lines
	}
	return r.Edited()
}

// add puts a rule into a chain of the place that is worked on, at a position, 0
// for the end, unless it stands there already.
func (b *builder) add(variant rules.Variant, table string, r rules.Rule, at int, why string) {
	set := b.set(variant)
	if chain, ok := set.Chain(table, r.Chain); ok {
		for i, other := range chain.Rules {
			if other.Same(r) {
				b.note("rule %d of %s already does this: %s", i+1, r.Chain, r.Sentence())
				return
			}
		}
		if at > len(chain.Rules) {
			at = 0
		}
	} else {
		at = 0
	}
	c := rules.Change{
		Op: rules.Insert, Family: variant.Family, Backend: variant.Backend, Table: table, Chain: r.Chain, At: at, Rule: r, Program: set.Name,
	}
	if by, text, ok := b.shadow(c); ok && b.sourcesHere(text) {
		b.note("rule %d of %s already does this, for these packets and others: %s", by.Position, by.Chain, text.Sentence())
		return
	} else if ok && by.Chain == c.Chain {
		c.At = by.Position
		if text.Target.Kind == rules.Accept || text.Target.Kind == rules.Return {
			b.note("the new rule goes before rule %d of %s, which would keep all of these packets from it: %s", by.Position, by.Chain, text)
		}
	}
	b.change(c, why)
}

// change adds a step and makes it in the sets.
func (b *builder) change(c rules.Change, why string) {
	variant := rules.Variant{Family: c.Family, Backend: c.Backend}
	next, err := c.Apply(b.set(variant))
	if err != nil {
		b.wrong("", "", "%v", err)
		return
	}
	b.sets[variant], b.now = next, nil
	b.plan.Steps = append(b.plan.Steps, rules.Step{Change: &c, Why: why})
}

func (b *builder) set(p rules.Variant) *rules.Ruleset {
	if s := b.sets[p]; s != nil {
		return s
	}
	return &rules.Ruleset{Family: p.Family, Backend: p.Backend}
}

// translate adds a rule of table nat and notes it as one to watch. It stands at
// the end, or before the rule that would take the packet first.
func (b *builder) translate(r rules.Rule, at int, why string) {
	b.add(b.variant(), "nat", r, at, why)
	b.proof.Translating = append(b.proof.Translating, Watched{Variant: b.variant(), Table: "nat", Chain: r.Chain, Line: r.String()})
}

// watched is a rule that is there already.
func (b *builder) watched(at evaluate.RuleRef) Watched {
	w := Watched{Variant: at.Variant, Table: at.Table, Chain: at.Chain, Handle: at.Handle}
	if at.Backend != rules.Native {
		w.Line = b.lineOf(at)
	}
	return w
}

func (b *builder) link(name string) (Link, bool) {
	i := slices.IndexFunc(b.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return Link{}, false
	}
	return b.Links[i], true
}

// checkLink holds an interface against those that there are. Where it is missing, or unlike any that can be meant there,
// the nearest that works is meant.
func (b *builder) checkLink(field, name, meant string) bool {
	if name == "" {
		b.wrong(field, meant, "an interface is missing")
		return false
	}
	if len(b.Links) == 0 {
		return true
	}
	if _, ok := b.link(name); !ok {
		names := make([]string, len(b.Links))
		for i, l := range b.Links {
			names[i] = l.Name
		}
		b.wrong(field, b.closestLink(name, meant), "this host has no interface %s: it has %s", name, strings.Join(names, ", "))
		return false
	}
	return true
}

// closestLink is the interface that shares most letters at its beginning with name, and meant where none shares any.
// The uplink is never taken for an interface inside, nor lo for any.
func (b *builder) closestLink(name, meant string) string {
	best, most := meant, 0
	up := b.Uplinks[b.family].Link
	for _, l := range b.Links {
		if l.Name == "lo" || l.Name == up && meant != up {
			continue
		}
		if n := sharedLetters(name, l.Name); n > most {
			best, most = l.Name, n
		}
	}
	return best
}

// sharedLetters counts the letters that two words begin with alike.
func sharedLetters(a, b string) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// route is where a packet to an address leaves, forwarding taken as on.
func (b *builder) route(dst netip.Addr) (evaluate.Decision, bool) {
	if b.Kernel.Route == nil || !dst.IsValid() {
		return evaluate.Decision{}, false
	}
	r := b.Kernel.Route(evaluate.RouteQuery{Dst: dst})
	return r, r.Kind != evaluate.RoutedUnknown
}

// local reports an address of this host, and the interface that has it.
func (b *builder) local(a netip.Addr) (link string, ok bool) {
	for _, i := range b.Kernel.Interfaces {
		for _, have := range i.Addrs {
			if have.Addr() == a {
				return i.Name, true
			}
		}
	}
	return "", false
}

// netOf is the network that an interface's address lies in and that holds a.
func (b *builder) netOf(a netip.Addr) (link string, net netip.Prefix, ok bool) {
	for _, i := range b.Kernel.Interfaces {
		for _, have := range i.Addrs {
			if have.Masked().Contains(a) && !have.Addr().IsLoopback() {
				return i.Name, have.Masked(), true
			}
		}
	}
	return "", netip.Prefix{}, false
}

// addressOn is this host's first address of the family on an interface.
func (b *builder) addressOn(link string) netip.Addr {
	for _, i := range b.Kernel.Interfaces {
		if i.Name != link {
			continue
		}
		for _, a := range i.Addrs {
			if b.family.Holds(a.Addr()) && !a.Addr().IsLinkLocalUnicast() && !a.Secondary {
				return a.Addr()
			}
		}
	}
	return netip.Addr{}
}

// world is an address that stands for anybody on the Internet: of the blocks for
// documentation (RFC 5737, RFC 3849), so that it is nobody's.
func world(f rules.Family) netip.Addr {
	if f == rules.IPv6 {
		return netip.MustParseAddr("2001:db8:ffff::77")
	}
	return netip.MustParseAddr("198.51.100.77")
}

// someHost is an address of a network that is not this host's own.
func (b *builder) someHost(net netip.Prefix) netip.Addr {
	if net.IsSingleIP() {
		return net.Addr()
	}
	a := net.Masked().Addr().Next()
	for range 8 {
		if _, own := b.local(a); !own {
			return a
		}
		a = a.Next()
	}
	return a
}

// someHosts are a few addresses of a network, from its beginning and its end.
func (b *builder) someHosts(net netip.Prefix) []netip.Addr {
	first := b.someHost(net)
	if net.IsSingleIP() {
		return []netip.Addr{first}
	}
	list := []netip.Addr{first}
	if next := first.Next(); net.Contains(next) {
		list = append(list, next)
	}
	bytes := first.AsSlice()
	for i := range bytes {
		bytes[i] |= 0xff >> max(0, min(8, net.Bits()-8*i))
	}
	if last, ok := netip.AddrFromSlice(bytes); ok && net.Contains(last.Prev()) {
		list = append(list, last.Prev())
	}
	return slices.DeleteFunc(list, func(a netip.Addr) bool { _, own := b.local(a); return own })
}

// familyOf tells the family of what was typed: an address with two colons is IPv6.
func familyOf(words ...string) rules.Family {
	for _, w := range words {
		if strings.Count(w, ":") >= 2 {
			return rules.IPv6
		}
	}
	return rules.IPv4
}

// full is an address as iptables-save prints one of a rule.
func full(a netip.Addr) string { return rules.NetOfAddr(a).String() }

// withPort is a new destination as iptables prints it.
func withPort(a netip.Addr, ports string) string {
	switch {
	case ports == "":
		return a.String()
	case a.Is6():
		return "[" + a.String() + "]:" + ports
	}
	return a.String() + ":" + ports
}
