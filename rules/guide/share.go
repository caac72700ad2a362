package guide

import (
	"fmt"
	"net/netip"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Share lets the machines of a network out by one of the gateway's addresses.
type Share struct {
	// Net is the network inside, such as 192.168.0.0/24.
	Net string
	// Out is the interface to the Internet; "" is the one of the default route.
	Out string
	// As is the address to be seen as; "" chooses: the interface's own if it is
	// fixed, MASQUERADE if it may change.
	As string
	// VPN marks a network of remote machines that come in by a tunnel, and In is
	// that tunnel; for others In is found by the routes.
	VPN bool
	In  string
	// Reach is a network inside that the VPN's machines reach as well; "" none.
	Reach string
}

// Advise makes the plan.
func (s Share) Advise(h Host) Advice {
	family := familyOf(s.Net)
	b := newBuilder(h, family, fmt.Sprintf("Let %s out", s.Net))
	if s.Out == "" {
		s.Out = h.Uplinks[family].Link
	}
	net, in, ok := b.checkShare(&s)
	if !ok {
		return b.advice()
	}
	b.plan.Title = fmt.Sprintf("Let %s out by %s", net, s.Out)
	b.forwarding(s.Out, in, b.linkTo(s.Reach))
	b.shareRule(s, net)
	b.passShare(s, net, in)
	b.clamp(s.Out)
	if in != "" && in != s.Out {
		b.clamp(in)
	}
	if s.Reach != "" {
		b.reach(s, net, in)
	}
	b.proof.From = net
	b.proof.Try = fmt.Sprintf("from a machine in %s, open any page on the Internet", net)
	return b.advice()
}

// checkShare holds the answers against the host.
func (b *builder) checkShare(s *Share) (net netip.Prefix, in string, ok bool) {
	b.checkWayOut("out", s.Out)
	net, good := b.network("net", s.Net)
	if !good || b.failed() {
		return net, "", false
	}
	if in = s.In; in != "" {
		b.checkTunnel(s, net)
	}
	if r, known := b.route(b.someHost(net)); known && in == "" {
		in = r.Out
		switch {
		case r.Kind == evaluate.RoutedNone:
			b.wrong("net", b.anInsideNet(s.Out), "there is no route to %s: replies would not find their way back", net)
		case in == s.Out && s.Out != b.Uplinks[b.family].Link:
			b.wrong("out", b.Uplinks[b.family].Link, "%s itself is on %s: the uplink is another interface", net, s.Out)
		case in == s.Out:
			b.wrong("net", b.anInsideNet(s.Out), "%s is on the side of %s, the uplink", net, s.Out)
		case r.Kind == evaluate.RoutedLocal:
			in = ""
		}
	}
	if r, known := b.route(world(b.family)); known && r.Out != s.Out && r.Kind != evaluate.RoutedLocal {
		if r.Kind == evaluate.RoutedNone {
			b.warn("out", "", "this host has no default route, so it cannot reach the Internet itself")
		} else {
			b.warn("out", r.Out, "packets to the Internet leave by %s, not by %s, so this rule would not match them", r.Out, s.Out)
		}
	}
	if s.As != "" {
		as, err := netip.ParseAddr(s.As)
		own := b.addressOn(s.Out)
		switch {
		case err != nil:
			b.wrong("as", spell(own), "%q is not an %s address", s.As, b.family.Title())
		case !b.family.Holds(as):
			b.wrong("as", spell(own), "%s is %s and %s is not: NAT cannot translate between families", net, b.family.Title(), as)
		default:
			if _, local := b.local(as); !local && own.IsValid() {
				b.warn("as", own.String(), "%s is not an address of this host: replies come back only if the router sends them here", as)
			}
		}
	}
	b.checkReach(s, net)
	return net, in, !b.failed()
}

// checkTunnel holds the tunnel of a VPN against its network.
func (b *builder) checkTunnel(s *Share, net netip.Prefix) {
	if !b.checkLink("in", s.In, b.tunnel(s.Out)) {
		return
	}
	if s.In == s.Out || s.In == "lo" {
		b.wrong("in", b.tunnel(s.Out), "%s is the uplink: the VPN's machines arrive on another interface, their tunnel", s.In)
		return
	}
	if l, ok := b.link(s.In); s.VPN && ok && !l.narrow() {
		nearest := b.tunnel(s.Out)
		if nearest == s.In {
			nearest = ""
		}
		b.warn("in", nearest, "%s does not look like a VPN tunnel: for a network of your own, share a connection", s.In)
	}
	for _, i := range b.Kernel.Interfaces {
		for _, a := range i.Addrs {
			if i.Name != s.In && b.family.Holds(a.Addr()) && !a.IsSingleIP() && a.Masked().Overlaps(net) {
				b.wrong("net", b.netOn(s.In), "%s overlaps %s, the network of %s: the gateway cannot tell which machine is meant", net, a.Masked(), i.Name)
				return
			}
		}
	}
	if r, known := b.route(b.someHost(net)); known && r.Out != s.In && r.Kind != evaluate.RoutedLocal {
		by := "by " + r.Out
		if r.Kind == evaluate.RoutedNone {
			by = "nowhere"
		}
		b.wrong("net", b.netOn(s.In), "replies to %s would go %s, not by %s", net, by, s.In)
	}
}

// checkReach holds the network that a VPN's machines reach as well.
func (b *builder) checkReach(s *Share, net netip.Prefix) {
	if s.Reach == "" {
		return
	}
	reach, ok := b.network("reach", s.Reach)
	if !ok {
		return
	}
	r, known := b.route(b.someHost(reach))
	nearest := b.insideNetBesides(s.Out, s.In)
	switch {
	case !b.family.Holds(reach.Addr()):
		b.wrong("reach", nearest, "%s is %s and %s is not", net, b.family.Title(), reach)
	case reach.Overlaps(net):
		b.wrong("reach", nearest, "%s is the VPN's own network", reach)
	case known && r.Kind == evaluate.RoutedNone:
		b.wrong("reach", nearest, "there is no route to %s", reach)
	case known && r.Out == s.Out:
		b.warn("reach", nearest, "%s is reached by %s, the uplink, so it is not inside", reach, r.Out)
	}
}

// network reads a network, and says which one is meant where host bits are set.
func (b *builder) network(field, text string) (netip.Prefix, bool) {
	if text == "" {
		b.wrong(field, b.anInsideNet(b.Uplinks[b.family].Link), "a network is missing")
		return netip.Prefix{}, false
	}
	net, err := netip.ParsePrefix(text)
	if err != nil {
		if a, err := netip.ParseAddr(text); err == nil {
			if link, whole, ok := b.netOf(a); ok {
				b.warn(field, whole.String(), "%s is one machine on %s only", text, link)
			}
			return netip.PrefixFrom(a, a.BitLen()), true
		}
		nearest := b.netOn(text)
		if nearest == "" {
			nearest = b.anInsideNet(b.Uplinks[b.family].Link)
		}
		b.wrong(field, nearest, "%q is not a network: use the form 192.168.0.0/24", text)
		return netip.Prefix{}, false
	}
	if net.Masked() != net {
		b.warn(field, net.Masked().String(), "%s is taken as the network %s", text, net.Masked())
	}
	if net.Bits() == 0 {
		b.wrong(field, b.anInsideNet(b.Uplinks[b.family].Link), "%s is everyone: enter the network inside", text)
		return net, false
	}
	return net.Masked(), true
}

// anInsideNet is a network of this host that is not on the way out.
func (b *builder) anInsideNet(out string) string {
	for _, i := range b.Kernel.Interfaces {
		if i.Name == out {
			continue
		}
		for _, a := range i.Addrs {
			if b.family.Holds(a.Addr()) && !a.Addr().IsLoopback() && !a.Addr().IsLinkLocalUnicast() && !a.IsSingleIP() {
				return a.Masked().String()
			}
		}
	}
	return ""
}

// shareRule is the SNAT or MASQUERADE.
func (b *builder) shareRule(s Share, net netip.Prefix) {
	if who := b.translatedAlready(net, s.Out); who != "" {
		b.note("%s", who)
		return
	}
	special := b.specials(net, s.Out)
	defer func() { b.warnSpecials(special, net, s.Out) }()
	up := b.Uplinks[b.family]
	as, _ := netip.ParseAddr(s.As)
	if !as.IsValid() && up.Link == s.Out && !up.Dynamic && up.Addr.IsValid() {
		if l, ok := b.link(s.Out); !ok || l.Kind != "ppp" {
			as = up.Addr
		}
	}
	if as.IsValid() {
		b.translate(rule("-A POSTROUTING -s %s -o %s -j SNAT --to-source %s", net, link(s.Out), as), 0,
			fmt.Sprintf("Machines in %s have private addresses that the Internet cannot reply to. Packets leaving by %s get the gateway's own fixed address %s, and replies are translated back.", net, s.Out, as))
		return
	}
	b.translate(rule("-A POSTROUTING -s %s -o %s -j MASQUERADE", net, link(s.Out)), 0,
		fmt.Sprintf("Machines in %s have private addresses that the Internet cannot reply to. Packets leaving by %s get the current address of %s, which may change; replies are translated back.", net, s.Out, s.Out))
}

// translatedAlready says which rule translates the network's packets as it is, or would if no filter dropped them.
func (b *builder) translatedAlready(net netip.Prefix, out string) string {
	path, err := b.unfiltered().evaluator().Evaluate(b.outward(b.someHost(net), out))
	if err != nil || len(path.Outcomes) == 0 {
		return ""
	}
	for _, o := range path.Outcomes {
		if o.SNATBy.IsZero() {
			return ""
		}
	}
	by := path.Outcomes[0].SNATBy
	b.proof.Translating = append(b.proof.Translating, b.watched(by))
	return fmt.Sprintf("rule %d of %s already translates %s: %s", by.Position, by.Chain, net, b.lineOf(by))
}

// passShare is the pair of FORWARD: everything out, answers back.
func (b *builder) passShare(s Share, net netip.Prefix, in string) {
	if in == "" {
		return
	}
	for _, inside := range b.someHosts(net) {
		for _, try := range tries {
			b.pass(passage{
				evaluate.Packet{Protocol: try.protocol, Src: inside, Dst: world(b.family), SrcPort: 40000, DstPort: try.port, In: in, Out: s.Out},
				rule("-A FORWARD -s %s -i %s -o %s -j ACCEPT", net, link(in), link(s.Out)),
				fmt.Sprintf("The firewall blocks forwarded packets; this lets packets from %s out.", net),
			})
			b.pass(passage{
				evaluate.Packet{Protocol: try.protocol, Src: world(b.family), Dst: inside, SrcPort: try.port, DstPort: 40000, In: s.Out, Out: in, State: evaluate.StateEstablished},
				rule("-A FORWARD -d %s -i %s -o %s %s", net, link(s.Out), link(in), answers),
				fmt.Sprintf("Replies come back by %s: only packets of connections opened from inside get in.", s.Out),
			})
		}
	}
}

// linkTo is the interface that leads to a network; "" where none is given, or it is not known.
func (b *builder) linkTo(net string) string {
	p, err := netip.ParsePrefix(net)
	if err != nil {
		return ""
	}
	r, _ := b.route(b.someHost(p))
	return r.Out
}

// tries are packets of several kinds: a rule that lets one kind through does not
// let all.
var tries = []struct {
	protocol rules.Protocol
	port     uint16
}{{rules.TCP, 443}, {rules.UDP, 53}, {rules.TCP, 61234}}

// reach lets the machines of a VPN reach a network inside.
func (b *builder) reach(s Share, net netip.Prefix, in string) {
	inside, ok := b.network("reach", s.Reach)
	if !ok {
		return
	}
	r, known := b.route(b.someHost(inside))
	if !known || r.Out == "" {
		return
	}
	b.pass(passage{
		evaluate.Packet{Protocol: rules.TCP, Src: b.someHost(net), Dst: b.someHost(inside), SrcPort: 40000, DstPort: 443, In: in, Out: r.Out},
		rule("-A FORWARD -s %s -d %s -i %s -o %s -j ACCEPT", net, inside, link(in), link(r.Out)), fmt.Sprintf("Machines of the VPN reach %s.", inside),
	})
	b.pass(passage{
		evaluate.Packet{Protocol: rules.TCP, Src: b.someHost(inside), Dst: b.someHost(net), SrcPort: 443, DstPort: 40000, In: r.Out, Out: in, State: evaluate.StateEstablished},
		rule("-A FORWARD -s %s -d %s -i %s -o %s %s", inside, net, link(r.Out), link(in), answers), fmt.Sprintf("Replies from %s come back.", inside),
	})
	b.note("machines in %s must have a route to %s through this gateway; they do if it is their default gateway", inside, net)
}
