package guide

import (
	"fmt"
	"net/netip"
	"strings"

	"nattui/rules"
)

// Move sends a published service to another machine.
type Move struct {
	// From is the server now, ADDRESS or ADDRESS:PORT; To is the new one.
	From, To string
}

// Advise makes the plan: every rule that names the old server, and the flows that
// still go there.
func (m Move) Advise(h Host) Advice {
	b := newBuilder(h, familyOf(m.From), fmt.Sprintf("Move %s to %s", m.From, m.To))
	b.inPlace = true
	from, ok1 := b.endpoint("from", m.From)
	to, ok2 := b.endpoint("to", m.To)
	if !ok1 || !ok2 {
		return b.advice()
	}
	switch {
	case from == to:
		b.wrong("to", "", "it is already there: enter the address of the new server")
		return b.advice()
	case from.Addr().Is4() != to.Addr().Is4():
		b.wrong("to", "", "%s and %s are of different families; NAT cannot translate between them", from.Addr(), to.Addr())
		return b.advice()
	}
	link, ok := b.machine("to", to.Addr())
	if !ok {
		return b.advice()
	}
	b.forwardingFrom(link)
	moved := b.moveRules(from, to)
	if native := b.warnNative(from, to, moved > 0); moved == 0 {
		if !native {
			b.wrong("from", b.aServer(), "no rule forwards to %s", m.From)
		}
		return b.advice()
	}
	for _, f := range h.Flows {
		if f.Server.Addr() == from.Addr() && (from.Port() == 0 || f.Server.Port() == from.Port()) && b.family.Holds(f.Src.Addr()) {
			forget := f.Forget
			b.plan.Steps = append(b.plan.Steps, rules.Step{Forget: &forget, Why: "A connection keeps the translation of its first packet: until it is forgotten, it goes to the old server."})
		}
	}
	if len(h.Flows) > 0 {
		b.note("open connections break: the new server does not know them, so clients must reconnect.")
	}
	b.proof.Server = to
	b.proof.Try = "use the service from outside"
	return b.advice()
}

// endpoint reads ADDRESS or ADDRESS:PORT.
func (b *builder) endpoint(field, text string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return netip.AddrPortFrom(a, 0), true
	}
	ap, err := netip.ParseAddrPort(text)
	switch {
	case text == "" && field == "from":
		b.wrong(field, b.aServer(), "the current server is missing: ADDRESS or ADDRESS:PORT")
		return netip.AddrPort{}, false
	case text == "":
		b.wrong(field, "", "the new server is missing: ADDRESS or ADDRESS:PORT")
		return netip.AddrPort{}, false
	case err != nil || ap.Port() == 0:
		nearest := b.aMachineLike(text)
		if field == "from" {
			nearest = b.aServer()
		}
		if why := rules.WrongPort(text); why != "" {
			b.wrong(field, nearest, "%s", why)
			return netip.AddrPort{}, false
		}
		b.wrong(field, nearest, "%q is not a server: use ADDRESS or ADDRESS:PORT", text)
		return netip.AddrPort{}, false
	}
	return ap, true
}

// aServer is a server that some rule names.
func (b *builder) aServer() string {
	for _, backend := range rules.Holders {
		t, ok := b.set(rules.Variant{Family: b.family, Backend: backend}).Table("nat")
		if !ok {
			continue
		}
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				if ap, ok := r.Target.To.AddrPort(); ok && r.Target.Kind == rules.DNAT && rules.OwnerOf(r) == "" && ap.Addr().IsValid() {
					return r.Target.To.String()
				}
			}
		}
	}
	return ""
}

// moveRules replaces every rule of a person's own that names the old server:
// where it is the new destination, and where it is let through or translated
// on its way back. It returns how many destinations were moved.
func (b *builder) moveRules(from, to netip.AddrPort) int {
	moved := 0
	for _, backend := range rules.Holders {
		variant := rules.Variant{Family: b.family, Backend: backend}
		for _, table := range b.set(variant).Tables {
			for _, chain := range table.Chains {
				for i, r := range chain.Rules {
					next, destination := relocated(r, from, to)
					if next.Same(r) {
						continue
					}
					if owner := rules.OwnerOf(r); owner != "" && !forOthers(chain.Name) {
						b.warn("from", "", "a rule of %s forwards to it, and %s would add that rule again: change it there", owner, owner)
						continue
					}
					why := "The firewall and the return path must also use the new server."
					if destination {
						moved++
						why = fmt.Sprintf("Traffic for %s now goes to %s.", r.Target.To, next.Target.To)
						b.proof.Translating = append(b.proof.Translating, Watched{Variant: variant, Table: table.Name, Chain: chain.Name, Line: next.String()})
					}
					b.change(rules.Change{
						Op: rules.Replace, Family: variant.Family, Backend: variant.Backend, Table: table.Name, Chain: chain.Name, At: i + 1, Rule: next, Old: r, Program: b.set(variant).Name,
					}, why)
				}
			}
		}
	}
	return moved
}

// forOthers reports a chain that its owner keeps for the administrator's rules.
func forOthers(chain string) bool {
	return chain == "DOCKER-USER" || strings.HasPrefix(chain, "ufw-user-") || strings.HasPrefix(chain, "ufw6-user-")
}

// relocated is a rule with the old server replaced by the new one.
func relocated(r rules.Rule, from, to netip.AddrPort) (next rules.Rule, destination bool) {
	next = r
	if r.Target.Kind == rules.DNAT {
		have, single := r.Target.To.AddrPort()
		if !single || have.Addr() != from.Addr() || from.Port() != 0 && r.Target.To.HasPorts && have.Port() != from.Port() || from.Port() != 0 && !r.Target.To.HasPorts && !asksFor(r, from.Port()) {
			return r, false
		}
		next.Target.To.Addrs = rules.AddrRange(to.Addr())
		if to.Port() != 0 {
			next.Target.To.Ports, next.Target.To.HasPorts = rules.Port(to.Port()), true
		}
		return next.Edited(), true
	}
	changed := false
	for _, side := range []struct {
		net  *rules.Net
		dest bool
	}{{&next.Dest, true}, {&next.Source, false}} {
		if a, ok := side.net.Host(); !ok || a != from.Addr() || side.net.Not {
			continue
		}
		if from.Port() != 0 && !sidePort(r, side.dest, from.Port()) {
			continue
		}
		*side.net = rules.NetOfAddr(to.Addr())
		if to.Port() != 0 {
			next.Matches = movedPort(next.Matches, side.dest, from.Port(), to.Port())
		}
		changed = true
	}
	if !changed {
		return r, false
	}
	return next.Edited(), false
}

// asksFor reports a rule for just one destination port.
func asksFor(r rules.Rule, port uint16) bool { return sidePort(r, true, port) }

func sidePort(r rules.Rule, dest bool, port uint16) bool {
	for _, m := range r.Matches {
		if t, ok := m.(rules.Transport); ok {
			p := t.Source
			if dest {
				p = t.Dest
			}
			return p != nil && !p.Not && p.Contains(port)
		}
	}
	return false
}

func movedPort(matches []rules.Match, dest bool, from, to uint16) []rules.Match {
	out := make([]rules.Match, len(matches))
	for i, m := range matches {
		out[i] = m
		t, ok := m.(rules.Transport)
		if !ok {
			continue
		}
		p := &t.Source
		if dest {
			p = &t.Dest
		}
		if *p != nil && (*p).Single() && (from == 0 || (*p).Lo == from) {
			*p = &rules.PortMatch{Ports: rules.Port(to)}
			out[i] = t
		}
	}
	return out
}
