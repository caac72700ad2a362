package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

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
}

// String is the forward in a few words.
func (f *Forward) String() string {
	return fmt.Sprintf("%s %s to %s", f.Proto, f.Asked, f.Server)
}

// Forwards lists the forwards of the gateway, in the order of their rules, those
// of either family and backend. Of rules that programs make by the thousand
// only the first hundreds are listed.
func Forwards(g *Gateway) []Forward { return newDoctor(g, Now(g)).all }

// FindForward finds the forward that a person means: by rule (PREROUTING 1) or
// by what is asked for or who serves, with the protocol or without
// (tcp 203.0.113.1:80, 192.168.0.2:8080, :80).
func FindForward(list []Forward, text string) (Forward, error) {
	words := strings.Fields(strings.ReplaceAll(text, "/", " "))
	var found []Forward
	for _, f := range list {
		if f.meant(words) {
			found = append(found, f)
		}
	}
	own := slices.DeleteFunc(slices.Clone(found), func(f Forward) bool { return f.Owner != "" })
	switch {
	case len(own) > 0:
		return own[0], nil
	case len(found) > 0:
		return found[0], nil
	case len(list) == 0:
		return Forward{}, fmt.Errorf("no rule gives what arrives another destination: there is nothing to forward %q", text)
	}
	var known []string
	for i := range list[:min(len(list), 6)] {
		known = append(known, fmt.Sprintf("%s (%s %s)", ruleName(list[i].Rule), list[i].Proto, list[i].Asked))
	}
	if len(list) > 6 {
		known = append(known, fmt.Sprintf("%d more", len(list)-6))
	}
	return Forward{}, fmt.Errorf("no rule forwards %q: name a rule such as PREROUTING 1, or what is asked for such as tcp 203.0.113.1:80; there are %s", text, strings.Join(known, ", "))
}

func (f *Forward) meant(words []string) bool {
	switch len(words) {
	case 2:
		if n, err := strconv.Atoi(words[1]); err == nil && strings.EqualFold(words[0], f.Rule.Chain) {
			return n == f.Rule.Position
		}
		p, ok := rules.ParseProtocol(words[0])
		return ok && p == f.Proto && f.meant(words[1:])
	case 1:
		if port, err := strconv.ParseUint(strings.TrimPrefix(words[0], ":"), 10, 16); err == nil {
			return f.Asked.Port() == uint16(port)
		}
		if a, err := netip.ParseAddr(words[0]); err == nil {
			return a == f.Asked.Addr() || a == f.Server.Addr()
		}
		a, err := netip.ParseAddrPort(words[0])
		return err == nil && (a == f.Asked || a == f.Server)
	}
	return false
}

// foreignForwards is how many rules of other programs are looked at, which may
// have thousands; the administrator's are all looked at, up to ownForwards.
const (
	foreignForwards = 200
	ownForwards     = 2000
)

// forwardsOf walks the nat tables from PREROUTING.
func forwardsOf(d *doctor) []Forward {
	w := walker{doctor: d}
	for _, p := range d.places() {
		w.walk(evaluate.RuleRef{Place: p, Table: "nat", Chain: "PREROUTING"}, sketch{family: p.Family}, func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
			switch r.Target.Kind {
			case rules.DNAT, rules.Redirect, rules.Netmap:
			default:
				return
			}
			owner := ownerOf(r, s)
			if owner != "" && w.foreign >= foreignForwards || owner == "" && len(w.list)-w.foreign >= ownForwards {
				return
			}
			if f, ok := d.forward(at, r, s); ok {
				f.Owner = owner
				if owner != "" {
					w.foreign++
				}
				w.list = append(w.list, f)
			}
		})
	}
	return w.list
}

func ownerOf(r *rules.Rule, s sketch) string {
	if s.owner != "" {
		return s.owner
	}
	return rules.OwnerOf(*r)
}

// walker goes through the chains of a table as packets may.
type walker struct {
	*doctor
	list    []Forward
	foreign int
	steps   int
}

// walkLimit ends a walk through tables that nobody could look through either.
const walkLimit = 200_000

func (w *walker) walk(at evaluate.RuleRef, s sketch, visit func(evaluate.RuleRef, *rules.Rule, sketch)) {
	chain, ok := w.sets[at.Place].Chain(at.Table, at.Chain)
	if !ok || s.depth > 12 {
		return
	}
	for i := range chain.Rules {
		if w.steps++; w.steps > walkLimit {
			return
		}
		r := &chain.Rules[i]
		here := at
		here.Position = i + 1
		next, ok := s.with(r)
		if !ok {
			continue
		}
		if k := r.Target.Kind; k == rules.Jump || k == rules.Goto {
			next.depth++
			if next.owner == "" {
				next.owner = rules.OwnerOf(*r)
			}
			into := at
			into.Chain = r.Target.Name
			w.walk(into, next, visit)
			continue
		}
		visit(here, r, next)
	}
}

// sketch is what a packet has to be in order to meet a rule and the jumps that
// lead to it, as far as one value can say.
type sketch struct {
	family       rules.Family
	proto        rules.Protocol
	src, dst     rules.Net
	in, out      rules.Iface
	notIn        []rules.Iface
	sport, dport rules.Ports
	toHost       bool // the destination is an address of this host
	marked       bool // hangs on a mark
	unsure       bool // hangs on something else that is not looked at
	notSrc       []rules.Net
	owner        string
	depth        int
}

// with adds the conditions of a rule; false if no packet can be made for it.
func (s sketch) with(r *rules.Rule) (sketch, bool) {
	if r.Unparseable() != nil {
		return s, false
	}
	if !r.Protocol.Any() {
		n, ok := r.Protocol.Number()
		if !ok || r.Protocol.Not {
			s.unsure = true
		} else {
			s.proto = n
		}
	}
	s.notSrc, s.notIn = slices.Clip(s.notSrc), slices.Clip(s.notIn)
	switch {
	case r.Source.Any():
	case r.Source.Not:
		s.notSrc = append(s.notSrc, r.Source)
	default:
		s.src = r.Source
	}
	switch {
	case r.Dest.Any():
	case r.Dest.Not:
		s.unsure = true
	default:
		s.dst = r.Dest
	}
	switch {
	case r.In.Any():
	case r.In.Not:
		s.notIn = append(s.notIn, r.In)
	default:
		s.in = r.In
	}
	if !r.Out.Any() {
		s.out = r.Out
	}
	for _, m := range r.Matches {
		s.match(m)
	}
	return s, true
}

func (s *sketch) match(m rules.Match) {
	switch m := m.(type) {
	case rules.Comment:
	case rules.Transport:
		if n, ok := rules.ProtoNumber(m.Proto); ok {
			s.proto = n
		}
		if m.Dest != nil && !m.Dest.Not {
			s.dport = m.Dest.Ports
		}
		if m.Source != nil && !m.Source.Not {
			s.sport = m.Source.Ports
		}
	case rules.Multiport:
		if !m.Not && m.Side != rules.SourceSide && len(m.List) > 0 {
			s.dport = m.List[0]
		}
	case rules.AddrType:
		s.toHost = s.toHost || m.Dest != nil && !m.Dest.Not && slices.Contains(m.Dest.Types, "LOCAL")
	case rules.Mark:
		s.marked = true
	case rules.Conntrack, rules.CTState:
	default:
		s.unsure = true
	}
}

// forward makes a packet that is meant for a rule, and says where it goes.
func (d *doctor) forward(at evaluate.RuleRef, r *rules.Rule, s sketch) (Forward, bool) {
	f := Forward{Rule: at, rule: r, via: s}
	if s.proto == 0 {
		s.proto = rules.TCP
	}
	f.Proto = rules.Protocol(s.proto)
	f.Link = d.arrivalLink(s)
	asked, ok := d.askedAddr(s, f.Link, r.Target.Kind)
	if !ok {
		return f, false
	}
	ports := s.ports()
	f.aim(asked, ports[0])
	d.serve(&f, r, ports[0])
	client, ok := d.clientOn(f.Link, s, f.Server.Addr())
	if !ok {
		return f, false
	}
	f.packet.Protocol, f.packet.Src, f.packet.In = s.proto, client, f.Link
	if s.proto.HasPorts() {
		if f.packet.SrcPort = s.sport.Lo; f.packet.SrcPort == 0 {
			f.packet.SrcPort = 51515
		}
	}
	// A rule for many ports may stand behind others for some of them.
	for _, port := range ports {
		if f.aim(asked, port); len(ports) == 1 {
			break
		}
		if x := d.fate(f.packet); x.by(at) {
			break
		}
		f.aim(asked, ports[0])
	}
	d.serve(&f, r, f.Asked.Port())
	return f, true
}

// aim makes the forward's packet one to a port of the address that is asked for.
func (f *Forward) aim(asked netip.Addr, port uint16) {
	f.Asked = netip.AddrPortFrom(asked, port)
	f.packet.Dst, f.packet.DstPort = asked, port
}

// ports are those that a packet may have, some of them where they are many.
func (s *sketch) ports() []uint16 {
	switch {
	case !s.proto.HasPorts():
		return []uint16{0}
	case s.dport == rules.Ports{}:
		return []uint16{80, 443, 33434, 47808, 9}
	case s.dport.Single():
		return []uint16{s.dport.Lo}
	}
	return []uint16{s.dport.Lo, s.dport.Hi, s.dport.Lo + (s.dport.Hi-s.dport.Lo)/2}
}

// serve finds out where a forward leads to.
func (d *doctor) serve(f *Forward, r *rules.Rule, port uint16) {
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
		addr, _ = d.redirectAddr(f.Link, f.Asked.Addr())
	case rules.Netmap:
		if p, ok := to.Net.Prefix(); ok {
			addr, f.ranged = p.Addr(), !p.IsSingleIP()
		}
	}
	if to.HasPorts {
		port = to.Ports.Lo
		f.ranged = f.ranged || !to.Ports.Single()
	}
	f.local = f.local || addr.IsValid() && d.f.IsLocal(addr)
	f.Server = netip.AddrPortFrom(addr, port)
}

// redirectAddr is the address that REDIRECT gives what arrives on a link: the
// first one.
func (d *doctor) redirectAddr(link string, like netip.Addr) (netip.Addr, bool) {
	for _, a := range d.f.AddressesOn(link) {
		if a.Prefix.Addr().Is4() == like.Is4() && a.Scope != facts.ScopeLink {
			return a.Prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// arrivalLink is the interface by which a packet for a rule comes.
func (d *doctor) arrivalLink(s sketch) string {
	fits := func(link string) bool {
		return link != "" && link != "lo" && (s.in.Any() || s.in.Matches(link)) &&
			!slices.ContainsFunc(s.notIn, func(i rules.Iface) bool { return i.Matches(link) })
	}
	if !s.in.Any() && !strings.HasSuffix(s.in.Name, "+") {
		return s.in.Name
	}
	if p, ok := s.src.Prefix(); ok && !s.src.Any() {
		if link, ok := d.f.LinkOf(p.Addr()); ok && fits(link) {
			return link
		}
	}
	if a, ok := s.dst.Host(); ok {
		if link, ok := d.f.LinkOf(a); ok && fits(link) {
			return link
		}
	}
	if wan, ok := d.uplink(s.family); ok && fits(wan) {
		return wan
	}
	for _, l := range d.f.Links {
		if fits(l.Name) && l.Up {
			return l.Name
		}
	}
	return ""
}

// uplink is the link of the best default route of a family.
func (d *doctor) uplink(family rules.Family) (string, bool) {
	r, ok := d.f.DefaultRoute(family)
	if !ok {
		return "", false
	}
	return r.Hops[0].Out, true
}

// outward tells that the world is beyond a link: it has a default route in some
// table, or a public IPv4 address.
func (d *doctor) outward(link string) bool {
	for _, r := range d.f.Routes {
		if r.Dst.Bits() == 0 && slices.ContainsFunc(r.Hops, func(h facts.Hop) bool { return h.Out == link }) {
			return true
		}
	}
	return slices.ContainsFunc(d.f.AddressesOn(link), func(a facts.Address) bool {
		return a.Scope == facts.ScopeGlobal && a.Prefix.Addr().Is4() && !isInner(a.Prefix.Addr())
	})
}

// shared is the network of carriers' own NAT (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// isInner tells an address that the world has no way to.
func isInner(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback() || shared.Contains(a)
}

// askedAddr is the address that clients of a rule ask for.
func (d *doctor) askedAddr(s sketch, link string, kind rules.Kind) (netip.Addr, bool) {
	if !s.dst.Any() {
		if a, ok := s.dst.Host(); ok {
			return a, true
		}
		for _, a := range d.f.Addresses {
			if s.family.Holds(a.Prefix.Addr()) && s.dst.Contains(a.Prefix.Addr()) {
				return a.Prefix.Addr(), true
			}
		}
		return s.dst.Addr.Next(), true
	}
	if kind == rules.Redirect && !s.toHost && link != "" && !d.outward(link) {
		// A transparent proxy: clients ask somebody in the world.
		if a, ok := d.worldAddr(s.family, ""); ok {
			return a, true
		}
	}
	for _, a := range d.f.AddressesOn(link) {
		if s.family.Holds(a.Prefix.Addr()) && a.Scope == facts.ScopeGlobal {
			return a.Prefix.Addr(), true
		}
	}
	return d.worldAddr(s.family, "")
}

// strangers are addresses of somebody in the world, from the blocks that are
// reserved for documentation.
var strangers = []netip.Addr{
	netip.MustParseAddr("198.51.100.201"), netip.MustParseAddr("192.0.2.201"), netip.MustParseAddr("203.0.113.201"), netip.MustParseAddr("198.18.7.201"),
	netip.MustParseAddr("2001:db8:c9c9::c9"), netip.MustParseAddr("2001:db8:f00d::c9"),
}

// worldAddr is an address of somebody who is on no network of this host, reached
// by a link, or by any if that is empty.
func (d *doctor) worldAddr(family rules.Family, link string) (netip.Addr, bool) {
	var spare netip.Addr
	for _, a := range strangers {
		if !family.Holds(a) || d.f.IsLocal(a) {
			continue
		}
		if _, near := d.f.LinkOf(a); near {
			continue
		}
		if !spare.IsValid() {
			spare = a
		}
		if r, _ := d.f.Lookup(evaluate.RouteQuery{Dst: a}); r.Kind == facts.RouteUnicast && (link == "" || r.Out == link) {
			return a, true
		}
	}
	return spare, spare.IsValid()
}

// clientOn is an address of somebody who may come by a link.
func (d *doctor) clientOn(link string, s sketch, server netip.Addr) (netip.Addr, bool) {
	fits := func(a netip.Addr) bool {
		return s.family.Holds(a) && a != server && !d.f.IsLocal(a) && (s.src.Any() || s.src.Contains(a)) &&
			!slices.ContainsFunc(s.notSrc, func(n rules.Net) bool { return n.Contains(a) })
	}
	if !s.src.Any() {
		a := s.src.Addr
		for range 64 {
			if fits(a) && a != s.src.Addr {
				return a, true
			}
			if _, single := s.src.Host(); single {
				return a, true
			}
			a = a.Next()
		}
		return netip.Addr{}, false
	}
	if link == "" || d.outward(link) {
		if a, ok := d.worldAddr(s.family, link); ok && fits(a) {
			return a, true
		}
	}
	if a, ok := d.insider(link, s.family, fits); ok {
		return a, true
	}
	a, ok := d.worldAddr(s.family, link)
	return a, ok && fits(a)
}

// insider is a machine on a network of a link: one that is known, or one that
// might be there.
func (d *doctor) insider(link string, family rules.Family, fits func(netip.Addr) bool) (netip.Addr, bool) {
	for _, n := range d.f.Neighbours {
		if n.Link == link && n.Reachable && fits(n.Addr) && !n.Addr.IsLinkLocalUnicast() && d.onNet(link, n.Addr) {
			return n.Addr, true
		}
	}
	for _, a := range d.f.AddressesOn(link) {
		p := a.Prefix.Masked()
		if a.Peer.IsValid() && fits(a.Peer) {
			return a.Peer, true
		}
		if !family.Holds(p.Addr()) || a.Scope == facts.ScopeLink || p.IsSingleIP() {
			continue
		}
		candidate := p.Addr()
		for range 64 {
			if candidate = candidate.Next(); !p.Contains(candidate) {
				break
			}
			if fits(candidate) {
				return candidate, true
			}
		}
	}
	return netip.Addr{}, false
}

// onNet tells that an address is in one of a link's networks.
func (d *doctor) onNet(link string, a netip.Addr) bool {
	return slices.ContainsFunc(d.f.AddressesOn(link), func(x facts.Address) bool { return x.Prefix.Contains(a) })
}
