package doctor

import (
	"fmt"
	"net/netip"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Doubts are what speaks against a NAT rule on this host: that it translates to
// a place nobody is at, that an earlier rule is the same, that nothing is forwarded.
// Where the host is not known well enough it says nothing. old is the rule that
// is being changed, nil for a new one.
func Doubts(f *facts.Facts, set *rules.Ruleset, r rules.Rule, old *rules.Rule) []string {
	d := doubts{facts: f, set: set, rule: r, old: old}
	d.duplicate()
	if why := firstPacket(&d.rule); why != "" {
		d.say("%s", why)
	}
	if f != nil {
		d.forwarding()
		d.destination()
		d.source()
		d.compared()
		d.links()
		d.takes()
	}
	return d.found
}

// NeverMet says which rule takes all that one would that a change makes; "" where none does, or it is the same rule, of which Doubts
// tells.
func NeverMet(set *rules.Ruleset, c rules.Change) string {
	c = c.Resolve(set)
	after, err := c.Apply(set)
	if err != nil || c.Op != rules.Insert && c.Op != rules.Replace {
		return ""
	}
	dead, ok := evaluate.Compile(after).DeadAt(c.Table, c.Chain, c.At)
	if !ok || dead.Kind != evaluate.Shadowed && dead.Kind != evaluate.AfterAll {
		return ""
	}
	return fmt.Sprintf("rule %d of %s takes all that this one would: it would never match; place it before that one", dead.By.Position, dead.By.Chain)
}

type doubts struct {
	facts *facts.Facts
	set   *rules.Ruleset
	rule  rules.Rule
	old   *rules.Rule
	found []string
}

func (d *doubts) say(format string, args ...any) {
	d.found = append(d.found, fmt.Sprintf(format, args...))
}

// duplicate finds the same rule in the same chain.
func (d *doubts) duplicate() {
	c, ok := d.set.Chain("nat", d.rule.Chain)
	if !ok {
		return
	}
	for i := range c.Rules {
		if c.Rules[i].Same(d.rule) && (d.old == nil || !d.old.Same(d.rule)) {
			d.say("rule %d of %s is the same: this one would never match", i+1, c.Name)
			return
		}
	}
}

func (d *doubts) family() rules.Family {
	if d.set != nil && d.set.Family == rules.IPv6 {
		return rules.IPv6
	}
	return rules.IPv4
}

// forwarding tells that what is translated does not leave the host.
func (d *doubts) forwarding() {
	setting, name := d.facts.Settings.Forwarding4, "net.ipv4.ip_forward"
	if d.family() == rules.IPv6 {
		setting, name = d.facts.Settings.Forwarding6, "net.ipv6.conf.all.forwarding"
	}
	if setting != facts.SettingOff {
		return
	}
	to := d.rule.Target.To.Addrs.Lo
	switch d.rule.Target.Kind {
	case rules.DNAT:
		if to.IsValid() && !d.facts.IsLocal(to) && d.rule.Chain == "PREROUTING" {
			d.say("forwarding is off (%s=0): nothing reaches %s", name, to)
		}
	case rules.SNAT, rules.Masquerade:
		if d.rule.Chain == "POSTROUTING" {
			d.say("forwarding is off (%s=0): only this host's own connections leave", name)
		}
	}
}

// destination checks where a rule sends packets to.
func (d *doubts) destination() {
	to := d.rule.Target.To
	switch d.rule.Target.Kind {
	case rules.DNAT:
		if !to.Addrs.IsZero() && to.Addrs.Single() && !to.Addrs.Lo.IsLoopback() {
			d.reaches(to.Addrs.Lo)
		}
	case rules.Redirect:
		d.listens(to)
	}
}

func (d *doubts) reaches(a netip.Addr) {
	if d.facts.IsLocal(a) {
		return
	}
	route, certain := d.facts.Lookup(evaluate.RouteQuery{Dst: a})
	if !certain {
		return
	}
	switch route.Kind {
	case facts.RouteUnicast, facts.RouteLocal:
	default:
		d.say("there is no route to %s", a)
	}
}

func (d *doubts) listens(to rules.Translation) {
	n, ok := d.rule.Protocol.Number()
	if !ok || d.rule.Protocol.Not || !to.HasPorts || !to.Ports.Single() || n != rules.TCP && n != rules.UDP || d.facts.Listeners == nil {
		return
	}
	loopbackOnly := false
	for _, l := range d.facts.Listeners {
		if l.Proto != n || l.Address.Port() != to.Ports.Lo {
			continue
		}
		a := l.Address.Addr()
		if d.family() == rules.IPv4 && a.Is6() && !l.BothFamilies || d.family() == rules.IPv6 && a.Is4() {
			continue
		}
		if !a.IsLoopback() {
			return
		}
		loopbackOnly = true
	}
	if loopbackOnly && d.rule.Chain == "PREROUTING" {
		d.say("port %d is listened on at the loopback address alone: packets from outside do not get there", to.Ports.Lo)
		return
	}
	if !loopbackOnly {
		d.say("nothing listens on %s port %d here", d.rule.Protocol.Name, to.Ports.Lo)
	}
}

// source checks the address that packets leave with.
func (d *doubts) source() {
	to := d.rule.Target.To.Addrs
	if d.rule.Target.Kind != rules.SNAT || to.IsZero() || !to.Single() || d.rule.Chain != "POSTROUTING" {
		return
	}
	if !d.facts.IsLocal(to.Lo) {
		d.say("%s is not an address of this host: answers come back only if the network routes it here", to.Lo)
	}
}

// links checks that interfaces exist.
func (d *doubts) links() {
	if len(d.facts.Links) == 0 {
		return
	}
	for _, i := range [...]rules.Iface{d.rule.In, d.rule.Out} {
		if i.Any() {
			continue
		}
		found := false
		for _, l := range d.facts.Links {
			found = found || i.Matches(l.Name)
		}
		if !found {
			d.say("interface %s does not exist now", i.Name)
		}
	}
}
