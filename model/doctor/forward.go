package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Forward is a rule that gives what arrives another destination, with a packet
// of a client that it is meant for.
type Forward struct {
	Rule evaluate.RuleRef
	// Owner is the program that made it; empty for the administrator.
	Owner string
	Proto rules.Protocol
	// Asked is where clients ask, Server where it goes to: an address of this
	// host for a redirection.
	Asked, Server netip.AddrPort
	// Link is the interface that clients come by, empty if that is not known.
	Link string

	rule   *rules.Rule
	via    sketch
	packet evaluate.Packet
	local  bool // served by this host
	ranged bool // one of several servers or ports
	// drawn is set where the kernel picks a port of several by chance: that of Server is then only an example.
	drawn bool
	// among are the servers of which the kernel picks one by what cannot be foreseen; that of Server is then only an example.
	among []netip.AddrPort
	// exact is set where it was asked for by its port, and is not just one of those that the rule takes.
	exact bool
	// further is set for another address of this host than that which clients ask for first.
	further bool
	// passing is set where the rule takes what is for any address, others' too: Asked is then only an example.
	passing bool
}

// Kind is what its rule does: DNAT, Redirect or Netmap.
func (f *Forward) Kind() rules.Kind { return f.rule.Target.Kind }

// String is the forward in a few words.
func (f *Forward) String() string {
	asked := f.askedText()
	if in := f.via.in; f.passing && !in.Any() && !in.Not {
		asked += " in " + in.Name
	}
	if all, several := f.servers(); several {
		return fmt.Sprintf("%s %s to one of %s", f.Proto, asked, all)
	}
	if len(f.among) > 0 {
		return fmt.Sprintf("%s %s to one of %s", f.Proto, asked, f.amongText())
	}
	return fmt.Sprintf("%s %s to %s", f.Proto, asked, f.Server)
}

// askedText is where clients ask, as the rule says it: an address only where it has one, or is meant for this host's.
func (f *Forward) askedText() string {
	switch {
	case !f.passing:
		return f.Asked.String()
	case f.Asked.Port() == 0:
		return "any address"
	}
	return fmt.Sprintf(":%d", f.Asked.Port())
}

// IsByHand tells that the administrator has made it, by a front end that makes what it is told included.
func (f *Forward) IsByHand() bool { return byHand(f.Owner) }

// Name is the forward's rule as findings name it in their subject, such as PREROUTING 1.
func (f *Forward) Name() string { return ruleName(f.Rule) }

// Forwards lists the forwards of the gateway, in the order of their rules, those
// of either family and backend. Of rules that programs make by the thousand
// only the first hundreds are listed.
func Forwards(g *Gateway) []Forward { return examine(g).forwards }

// foreignForwards is how many rules of other programs are looked at, which may
// have thousands; the administrator's are all looked at, up to ownForwards.
const (
	foreignForwards = 200
	ownForwards     = 2000
)

// forwardsOf walks the nat tables from PREROUTING, up to a number of the administrator's rules and of others; of the
// administrator's those that are left out are named.
func forwardsOf(t *trial, ownForwards, foreignForwards int) (list []Forward, left []evaluate.RuleRef) {
	w := walker{sets: t.sets}
	foreign := 0
	t.hooked(&w, "nat", "PREROUTING", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		switch r.Target.Kind {
		case rules.DNAT, rules.Redirect, rules.Netmap:
		default:
			return
		}
		owner := ownerOf(r, s)
		if owner != "" && foreign >= foreignForwards || owner == "" && len(list)-foreign >= ownForwards {
			if owner == "" {
				left = append(left, at)
			}
			return
		}
		if f, ok := forwardOf(t, at, r, s); ok {
			f.Owner = owner
			if owner != "" {
				foreign++
			}
			list = append(list, f)
		}
	})
	return list, left
}

// leftForward is one of the forwards that were left out because there are so many; false where a rule is none of them.
func (x *Examination) leftForward(at evaluate.RuleRef) (f Forward, ok bool) {
	if !slices.Contains(x.left, at) {
		return f, false
	}
	w := walker{sets: x.sets}
	x.hooked(&w, "nat", "PREROUTING", func(here evaluate.RuleRef, r *rules.Rule, s sketch) {
		if here == at && !ok {
			f, ok = forwardOf(&x.trial, at, r, s)
		}
	})
	return f, ok
}

// otherAddresses are forwards of rules that take what is for any address of this host, each with the addresses on
// further ways in from the Internet: what works by one way may fail by another.
func (t *trial) otherAddresses(forwards []Forward) (list []Forward) {
	for i := range forwards {
		f := forwards[i]
		if !f.via.dst.Any() || !f.via.toHost && f.rule.Target.Kind == rules.Redirect {
			continue
		}
		for _, a := range t.inUse("") {
			to := a.Prefix.Addr()
			if len(list) >= othersExamined {
				return list
			}
			if to == f.Asked.Addr() || a.Scope != facts.ScopeGlobal || a.Secondary || !f.Rule.Family.Holds(to) || a.Link == f.Link || !t.outward(a.Link) {
				continue
			}
			if p, ok := t.askingBy(a.Link, f.Proto, netip.AddrPortFrom(to, f.Asked.Port())); ok {
				if way := t.fate(p); way.by(f.Rule) {
					other := f
					other.Link, other.packet, other.further, other.passing = a.Link, p, true, false
					other.aim(to, f.Asked.Port())
					t.serve(&other, f.rule, f.Asked.Port())
					t.settle(&other)
					list = append(list, other)
				}
			}
		}
	}
	return list
}

// othersExamined is how many of them are looked at.
const othersExamined = 100

// forwardOf makes a packet that is meant for a rule, and says where it goes.
func forwardOf(t *trial, at evaluate.RuleRef, r *rules.Rule, s sketch) (Forward, bool) {
	f := Forward{Rule: at, rule: r, via: s}
	if s.proto == 0 {
		s.proto = rules.TCP
	}
	f.Proto = rules.Protocol(s.proto)
	f.Link = t.arrivalLink(s)
	if at.Backend == rules.Native && r.Target.Kind == rules.Redirect && s.dst.Any() && s.in.Any() && !s.toHost {
		f.Link = t.proxied(s, f.Link) // filters that keep the Internet from a proxy are right
	}
	asked, ok := t.askedAddr(s, f.Link, r.Target.Kind)
	if !ok {
		return f, false
	}
	ports := s.ports()
	f.aim(asked, ports[0])
	t.serve(&f, r, ports[0])
	client, ok := t.clientOn(f.Link, s, f.Server.Addr())
	if !ok {
		return f, false
	}
	f.packet.Protocol, f.packet.Src, f.packet.In = s.proto, client, f.Link
	if s.proto.HasPorts() {
		if f.packet.SrcPort = s.sport.Lo; f.packet.SrcPort == 0 {
			f.packet.SrcPort = 51515
		}
	}
	t.seekOwn(&f, asked, ports)
	t.serve(&f, r, f.Asked.Port())
	t.settle(&f)
	f.passing = s.dst.Any() && !t.IsLocal(f.Asked.Addr())
	return f, true
}

// proxied is the interface by which clients of a transparent proxy come: one inside, if there is any.
func (t *trial) proxied(s sketch, otherwise string) string {
	out, _ := t.uplink(s.family)
	for _, link := range t.innerLinks(s.family, out) {
		if !slices.ContainsFunc(s.notIn, func(i rules.Iface) bool { return i.Matches(link) }) {
			return link
		}
	}
	return otherwise
}

// seekOwn finds a packet that meets a forward's rule where those before it take some: of many ports, of many clients
// and of many addresses one may be left.
func (t *trial) seekOwn(f *Forward, asked netip.Addr, ports []uint16) {
	client := f.packet.Src
	clients := append([]netip.Addr{client}, t.alsoBy(f)...)
	addrs := append([]netip.Addr{asked}, spread(f.via.dst)...)
	if len(clients)*len(addrs)*len(ports) == 1 {
		return
	}
	for _, f.packet.Src = range clients {
		if f.packet.Src != client && t.IsLocal(f.packet.Src) {
			continue
		}
		for _, to := range addrs {
			for _, port := range ports {
				f.aim(to, port)
				if way := t.brief(f.packet); way.by(f.Rule) {
					return
				}
			}
		}
	}
	f.packet.Src = client
	f.aim(asked, ports[0])
}

// alsoBy are further clients that a forward may be meant for, of which a rule before it may leave some: from all over the network
// that its rule names, or who may come by its interface from anywhere.
func (t *trial) alsoBy(f *Forward) (list []netip.Addr) {
	if !f.via.src.Any() {
		return spread(f.via.src)
	}
	all := strangers
	for _, a := range t.AddressesOn(f.Link) {
		all = slices.Concat(all, spread(rules.NetOf(a.Prefix)))
	}
	for _, a := range all {
		excepted := slices.ContainsFunc(f.via.notSrc, func(n rules.Net) bool { return n.Contains(a) })
		if f.Rule.Family.Holds(a) && !t.IsLocal(a) && !excepted && t.comesBy(a, f.Link) {
			list = append(list, a)
		}
	}
	return list
}

// spread are addresses from the quarters of a network; none of a single address or of all.
func spread(n rules.Net) (list []netip.Addr) {
	p, ok := n.Prefix()
	if host := p.Addr().BitLen() - p.Bits(); !ok || n.Any() || n.Not || host < 3 {
		return nil
	}
	for _, quarter := range []byte{0, 1, 2, 3} {
		b := p.Masked().Addr().AsSlice()
		for i := range 2 {
			if bit := p.Bits() + i; quarter>>(1-i)&1 == 1 {
				b[bit/8] |= 0x80 >> (bit % 8)
			}
		}
		b[len(b)-1] |= 1
		a, _ := netip.AddrFromSlice(b)
		list = append(list, a)
	}
	return list
}

// aim makes the forward's packet one to a port of the address that is asked for.
func (f *Forward) aim(asked netip.Addr, port uint16) {
	f.Asked = netip.AddrPortFrom(asked, port)
	f.packet.Dst, f.packet.DstPort = asked, port
}

// serve finds out where a forward leads to.
func (n network) serve(f *Forward, r *rules.Rule, port uint16) {
	to := r.Target.To
	addr := f.Asked.Addr()
	switch r.Target.Kind {
	case rules.DNAT:
		if !to.Addrs.IsZero() {
			addr = to.Addrs.Lo
			f.ranged = !to.Addrs.Single()
		}
	case rules.Redirect:
		f.local = true
		addr, _ = n.redirectAddr(f.Link, f.Asked.Addr())
	case rules.Netmap:
		if p, ok := to.Net.Prefix(); ok {
			addr, f.ranged = mapped(p, f.Asked.Addr()), !p.IsSingleIP()
		}
	}
	f.drawn = false
	if to.HasPorts {
		port, f.drawn = landing(to, port)
		f.ranged = f.ranged || !to.Ports.Single()
	}
	f.local = f.local || addr.IsValid() && n.IsLocal(addr)
	f.Server = netip.AddrPortFrom(addr, port)
}

// landing is the port that a rule gives what is asked of a port, as nf_nat_l4proto_unique_tuple and get_unique_tuple in
// net/netfilter/nf_nat_core.c choose it; drawn where chance decides, and the port is only the first.
func landing(to rules.Translation, asked uint16) (port uint16, drawn bool) {
	lo, hi := min(to.Ports.Lo, to.Ports.Hi), max(to.Ports.Lo, to.Ports.Hi)
	switch {
	case lo == hi:
		return lo, false
	case to.HasBase:
		return uint16(uint32(lo) + uint32(asked-to.Base)%(uint32(hi-lo)+1)), false
	case to.Random || to.RandomFully:
		return lo, true
	case lo <= asked && asked <= hi:
		return asked, false
	}
	return lo, false
}

// mapped is the address of a network that NETMAP puts in place of another: the part of the host stays.
func mapped(to netip.Prefix, a netip.Addr) netip.Addr {
	net, host := to.Masked().Addr().AsSlice(), a.AsSlice()
	if len(net) != len(host) {
		return to.Addr()
	}
	for i := range net {
		if bits := to.Bits() - 8*i; bits < 8 {
			mask := byte(0xff) >> max(bits, 0)
			net[i] = net[i]&^mask | host[i]&mask
		}
	}
	addr, _ := netip.AddrFromSlice(net)
	return addr
}

func (f *Forward) subject(given string) string {
	if given != "" {
		return given
	}
	return ruleName(f.Rule)
}

func (f *Forward) ruleCount() string {
	if !f.rule.Counters.Known {
		return "the rule's counter is not known"
	}
	return "the rule matched " + rules.Plural(int(f.rule.Counters.Packets), "packet")
}

// clientsBy are addresses that clients of a forward may have.
func (n network) clientsBy(f *Forward) []netip.Addr {
	list := []netip.Addr{f.packet.Src}
	for _, m := range n.Neighbours {
		if m.Link == f.Link && m.Reachable && m.Addr.Is4() && len(list) < 9 && f.via.src.Any() {
			list = append(list, m.Addr)
		}
	}
	return list
}

// answer is what a server sends back; false where it does not pass through here.
func (n network) answer(f *Forward) (evaluate.Packet, bool) {
	if f.local || !f.Server.Addr().IsValid() {
		return evaluate.Packet{}, false
	}
	route, certain := n.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	if route.Kind != facts.RouteUnicast || !certain {
		return evaluate.Packet{}, false
	}
	return answerTo(netip.AddrPortFrom(f.packet.Src, f.packet.SrcPort), f.Server, f.Proto, route.Out), true
}

// answerWay is what becomes of a server's answer, with the mark that rules have given its connection.
func (t *trial) answerWay(f *Forward) (evaluate.Packet, fate, bool) {
	p, ok := t.answer(f)
	if f.local && f.Server.Addr().IsValid() {
		p, ok = answerTo(netip.AddrPortFrom(f.packet.Src, f.packet.SrcPort), f.Server, f.Proto, ""), true
		p.Local = true
		if p.Src.IsLoopback() {
			p.Src = f.Asked.Addr() // it is routed as what it was asked for
		}
	}
	if !ok {
		return p, fate{}, false
	}
	way := t.fate(f.packet)
	if p.ConnMark, p.ConnMarkOpen = t.connMark(f.packet); len(way.Outcomes) == 1 {
		p = answering(p, f.packet, &way.Outcomes[0])
	}
	return p, t.fate(p), true
}

// connMark is the mark that a connection has after its first packet; the bits of open are not known.
func (t *trial) connMark(first evaluate.Packet) (mark, open uint32) {
	if !t.marks {
		return 0, 0
	}
	way := t.fate(first)
	return way.connMark()
}

// connMark is the mark that a packet leaves to its connection; the bits of open are not known.
func (x *fate) connMark() (mark, open uint32) {
	for i, o := range x.Outcomes {
		if i == 0 {
			mark = o.ConnMark
		}
		open |= o.ConnMarkOpen | mark ^ o.ConnMark
	}
	return mark &^ open, open
}

// serverPorts are the ports that packets of a forward may have at the server.
func (f *Forward) serverPorts() string {
	if f.rule.Target.To.HasPorts {
		return f.rule.Target.To.Ports.String()
	}
	if f.via.dport != (rules.Ports{}) {
		return f.via.dport.String()
	}
	return fmt.Sprint(f.Server.Port())
}
