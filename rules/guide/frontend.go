package guide

import (
	"fmt"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// zone is firewalld's zone of an interface; "" where firewalld does not own the firewall.
func (b *builder) zone(link string) string {
	if b.Zone == nil || !slices.Contains(b.Managers, "firewalld") {
		return ""
	}
	return b.Zone(link)
}

// order adds an order to another program to the plan.
func (b *builder) order(o rules.Order, why string) {
	b.plan.Steps = append(b.plan.Steps, rules.Step{Order: &o, Why: why})
}

// publishByFirewalld has firewalld forward the port, in the zone where clients come in, and in the server's own if it is
// to be reached from there. What is made beside firewalld is gone at its next reload.
func (b *builder) publishByFirewalld(s service, proto, zone string) {
	zones := []string{zone}
	if inner := b.zone(s.link); s.Inside && inner != zone {
		zones = append(zones, inner)
	}
	for _, zone := range zones {
		// A rule of the "rich language" names the address (firewalld.richlanguage(5)).
		spec := fmt.Sprintf(`rule family="%s" destination address="%s" forward-port port="%s" protocol="%s" to-port="%s" to-addr="%s"`,
			b.family, s.at, portText(s.ports), proto, portText(s.toPorts), s.server)
		kind := "rich-rule"
		if s.dynamic && b.family == rules.IPv4 {
			kind, spec = "forward-port", fmt.Sprintf("port=%s:proto=%s:toport=%s:toaddr=%s", portText(s.ports), proto, portText(s.toPorts), s.server)
		}
		for _, lasting := range []bool{false, true} {
			base, when, why := []string{"firewall-cmd", "--zone=" + zone}, "now", "firewalld owns this firewall: it translates, and lets pass what it has translated."
			if lasting {
				base, when, why = append(base, "--permanent"), "at boot and after a reload", "Without this the forward is gone after firewalld reloads."
			}
			verb := func(verb string) []string { return append(slices.Clone(base), "--"+verb+"-"+kind+"="+spec) }
			o := rules.Order{
				By: "firewalld", Add: verb("add"), Remove: verb("remove"), Query: verb("query"),
				What: fmt.Sprintf("Forward %s port %s in zone %s to %s, %s", proto, portText(s.ports), zone, withPort(s.server, portText(s.toPorts)), when),
			}
			if !lasting {
				o.Diverts = s.ports
			}
			b.order(o, why)
		}
	}
}

// passByUfw has ufw let a service pass; false where ufw does not own the firewall, or there is nothing to let pass.
func (b *builder) passByUfw(p passage, s service, proto, toPorts string) bool {
	chain := map[rules.Family]string{rules.IPv4: "ufw-user-forward", rules.IPv6: "ufw6-user-forward"}[b.family]
	if !slices.Contains(b.Managers, "ufw") {
		return false
	}
	path, err := b.evaluator().Evaluate(p.packet)
	if err != nil {
		return false
	}
	by, stopped := dropped(path)
	if _, ok := b.set(by.Variant).Chain("filter", chain); !stopped || !ok {
		return false
	}
	words := []string{"allow", "in", "on", p.packet.In, "out", "on", s.link, "to", s.server.String(), "port", toPorts, "proto", proto}
	b.order(rules.Order{
		By: "ufw", What: fmt.Sprintf("Let %s pass from %s to %s", withPort(s.server, portText(s.toPorts))+"/"+proto, p.packet.In, s.link),
		Add:    append([]string{"ufw", "route"}, words...),
		Remove: append([]string{"ufw", "route", "delete"}, words...),
		Query:  []string{"ufw", "show", "added"},
		Line:   "ufw route allow in on " + p.packet.In + " out on " + s.link + " to " + s.server.String() + " port " + toPorts + " proto " + proto,
	}, p.why+" ufw owns it, and keeps what it is told itself.")
	b.suppose(by.Variant, p.accept.InChain(chain))
	return true
}

// suppose goes on as if a rule stood at the beginning of a chain of table filter: one that another program will make.
func (b *builder) suppose(variant rules.Variant, r rules.Rule) {
	c := rules.Change{Op: rules.Insert, Family: variant.Family, Backend: variant.Backend, Table: "filter", Chain: r.Chain, At: 1, Rule: r}
	if next, err := c.Apply(b.set(variant)); err == nil {
		b.sets[variant], b.now = next, nil
	}
}

// Admit is what ufw has to be told so that it lets pass what a DNAT rule forwards; nothing where it does already, does not
// own the firewall, or would have to be told of more than one port range.
func Admit(h Host, p Publish, r rules.Rule) []rules.Step {
	b := newBuilder(h, familyOf(p.To), "")
	if p.At == "" {
		p.At = b.addressFor(r)
	}
	s, ok := b.understand(p)
	if !ok || s.Protocol == "both" || r.Target.Kind != rules.DNAT {
		return nil
	}
	c := rules.Change{Op: rules.Insert, Family: b.family, Backend: h.Backend, Table: "nat", Chain: r.Chain, Rule: r}
	next, err := c.Apply(b.set(b.variant()))
	if err != nil {
		return nil
	}
	b.sets[b.variant()], b.now = next, nil
	number, _ := rules.ProtoNumber(s.Protocol)
	first := evaluate.Packet{Protocol: number, Src: world(b.family), Dst: s.at, SrcPort: 40000, DstPort: s.ports.Lo, In: s.out}
	if !r.In.Any() && !r.In.Not {
		first.In = r.In.Name
	}
	ports := s.toPorts.String()
	accept := rule("-A FORWARD -d %s -p %s -m %s --dport %s -j ACCEPT", full(s.server), s.Protocol, s.Protocol, ports)
	b.passByUfw(passage{first, accept, "ufw drops forwarded packets, also those of this rule."}, s, s.Protocol, ports)
	return b.plan.Steps
}

// addressFor is an address that clients of a rule may ask for that names none: one of the interface that it names;
// "" leaves it to the uplink.
func (b *builder) addressFor(r rules.Rule) string {
	for _, i := range b.Kernel.Interfaces {
		if r.In.Any() || r.In.Not || i.Name != r.In.Name {
			continue
		}
		for _, a := range i.Addrs {
			if to := a.Addr(); b.family.Holds(to) && !to.IsLoopback() && !to.IsLinkLocalUnicast() {
				return to.String()
			}
		}
	}
	return ""
}
