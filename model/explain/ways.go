package explain

import (
	"fmt"
	mathbits "math/bits"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// conversationsOf are the ways in that a change may cut off: those that are known of the
// host, and the connections through it by which somebody may come, among the flows.
func conversationsOf(f *facts.Facts, flows *flow.Flows) []conversation {
	ways := slices.Clone(f.Ways)
	if s := f.Session; s != nil && s.Live != facts.SettingOff && !slices.ContainsFunc(ways, func(w facts.Way) bool { return w.Client == s.Client }) {
		ways = append(ways, facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Client: s.Client, Server: s.Server, Own: true})
	}
	if s := f.Session; s != nil && s.Live == facts.SettingOff && f.Seat != facts.SeatConsole {
		// Whoever comes again comes to an address that is there now.
		again := netip.AddrPortFrom(netip.Addr{}, s.Server.Port())
		ways = append(ways, facts.Way{Kind: facts.WayLogin, Proto: rules.TCP, Client: netip.AddrPortFrom(s.Client.Addr(), 0), Server: again, Own: true, Ended: true})
	}
	var all []conversation
	for i := range ways {
		if flows != nil {
			findClient(&ways[i], f, flows)
		}
		all = append(all, untranslated(ways[i], f))
	}
	if flows == nil {
		return all
	}
	through, tunnels := throughTo(f, ways), tunnelsOf(ways)
	n := len(all)
	flows.Each(func(_ flow.Ref, g *flow.Flow) bool {
		for i := range all[:n] {
			if all[i].mayBe(g) {
				all[i].translated(g)
			}
		}
		w, ok := through.way(g)
		if !ok {
			w, ok = ofTunnel(tunnels, f, g)
		}
		if ok && len(all)-n < mostThrough {
			c := untranslated(w, f)
			c.translated(g)
			all = append(all, c)
		}
		return true
	})
	return all
}

// mostThrough bounds the connections through this gateway that are looked at.
const mostThrough = 10_000

// passage finds the connections through this gateway by which somebody may administer something.
type passage struct {
	facts *facts.Facts
	ports []uint16            // on which SSH servers serve
	near  map[netip.Addr]bool // from where somebody is logged in here, and the routers on the way there
}

// throughTo knows where somebody may come from who passes through this gateway first: a login from a host behind it
// may belong to a connection to that host, or to a tunnel's end.
func throughTo(f *facts.Facts, ways []facts.Way) passage {
	p := passage{facts: f, ports: []uint16{22}, near: map[netip.Addr]bool{}}
	host := f.Host(nil)
	for _, w := range ways {
		if w.Kind == facts.WaySSH {
			p.ports = append(p.ports, w.Server.Port())
		}
		login := w.Kind == facts.WaySSH && (w.User != "" || w.Own) || w.Kind == facts.WayLogin || w.Kind == facts.WayShell || w.Kind == facts.WayMosh
		if client := w.Client.Addr(); login && client.IsValid() && !hasAddress(f, client) && !client.IsLoopback() {
			p.near[client] = true
			if host.Route == nil {
				continue
			}
			if to := host.Route(evaluate.RouteQuery{Dst: client}); to.NextHop.IsValid() {
				p.near[to.NextHop] = true
			}
		}
	}
	return p
}

// Passages tells which of the kernel's connections are looked at as ways in: those that pass through this gateway, and
// those that may be of a socket or a tunnel of this host whose way in is known.
func Passages(f *facts.Facts) func(g *flow.Flow) bool {
	p, tunnels := throughTo(f, f.Ways), tunnelsOf(f.Ways)
	ends := map[netip.AddrPort]bool{}
	ports := map[uint16]bool{22: true}
	for _, w := range f.Ways {
		ports[w.Server.Port()] = true
		ends[w.Client] = true
	}
	if s := f.Session; s != nil {
		ports[s.Server.Port()] = true
	}
	return func(g *flow.Flow) bool {
		if ports[g.AskedFor().Port()] || ports[g.ServedBy().Port()] || ends[g.Client()] {
			return true
		}
		if _, ok := p.way(g); ok {
			return true
		}
		_, ok := ofTunnel(tunnels, f, g)
		return ok
	}
}

// way is the way in that a connection is, if it is one.
func (p *passage) way(g *flow.Flow) (facts.Way, bool) {
	if hasAddress(p.facts, g.ServedBy().Addr()) || hasAddress(p.facts, g.Client().Addr()) || g.Status&flow.StatusSeenReply == 0 {
		return facts.Way{}, false
	}
	w := facts.Way{Kind: facts.WayThrough, Proto: g.Proto(), Client: g.Client(), Server: g.AskedFor()}
	switch {
	case g.Proto() == rules.TCP && (slices.Contains(p.ports, g.AskedFor().Port()) || slices.Contains(p.ports, g.ServedBy().Port())):
		return w, true
	case g.Status&flow.StatusAssured != 0 && (p.near[g.ServedBy().Addr()] || p.near[g.Client().Addr()]):
		w.Kind = facts.WayPath
		return w, true
	}
	return facts.Way{}, false
}

// findClient takes the latest client of a server that waits for anybody.
func findClient(w *facts.Way, f *facts.Facts, flows *flow.Flows) {
	if w.Kind != facts.WayMosh || w.Client.Port() != 0 {
		return
	}
	flows.Each(func(_ flow.Ref, g *flow.Flow) bool {
		if g.Proto() == w.Proto && g.ServedBy().Port() == w.Server.Port() && hasAddress(f, g.ServedBy().Addr()) {
			w.Client, w.Server = g.Client(), g.AskedFor()
			return false
		}
		return true
	})
}

// hasAddress tells whether an address is the gateway's own.
func hasAddress(f *facts.Facts, a netip.Addr) bool {
	return slices.ContainsFunc(f.Addresses, func(own facts.Address) bool { return own.Prefix.Addr() == a })
}

// cutOff compares what becomes of the packets of every way in.
func (b *Blast) cutOff(ways []conversation, f *facts.Facts, old, fresh *evaluate.Evaluator, plan rules.Plan, doors []uint16) {
	named := asked{sources: sourcesOf(f, plan), ins: interfacesOf(f, plan), ports: portsNamed(plan), doors: doors}
	slices.SortStableFunc(ways, func(a, c conversation) int { // one's own is named first
		switch {
		case a.Own == c.Own:
			return 0
		case a.Own:
			return -1
		}
		return 1
	})
	for i := range ways {
		w := &ways[i]
		if why := b.settingsAffect(w.Way, plan); why != "" {
			b.affected(w.Way, why)
			continue
		}
		for _, p := range slices.Concat(probesOf(w, f, named), carriersOf(w.Way, f), upkeepOf(w.Way, f)) {
			if same, why := sameOutcome(old, fresh, &p.packet); !same {
				b.affected(w.Way, p.what+" would be treated differently: "+why)
				break
			}
		}
	}
}

func (b *Blast) affected(w facts.Way, why string) {
	if b.cut = append(b.cut, w); !b.Own {
		b.Own, b.OwnWhy, b.Affected = true, why, w
	}
}

// settingsAffect tells whether steps that are no rules bear on a way in.
func (b *Blast) settingsAffect(w facts.Way, plan rules.Plan) string {
	for _, s := range plan.Steps {
		switch {
		case s.Sysctl != nil:
			forwards := s.Sysctl.Name == "net.ipv4.ip_forward" && w.Client.Addr().Is4() || s.Sysctl.Name == "net.ipv6.conf.all.forwarding" && w.Client.Addr().Is6()
			off := forwards && (w.Kind == facts.WayThrough || w.Kind == facts.WayPath) && s.Sysctl.Value == "0"
			if !slices.Contains(harmless, s.Sysctl.Name) || s.Sysctl.Name == "net.ipv6.conf.all.forwarding" && w.Client.Addr().Is6() || off {
				return s.Sysctl.Name + " may affect it"
			}
		case s.Forget != nil && w.Client.IsValid() && (s.Forget.Src == w.Client || s.Forget.Dst == w.Client):
			return "it would be forgotten"
		}
	}
	return ""
}

// probe is a packet to compare, and what it stands for.
type probe struct {
	packet evaluate.Packet
	what   string
}

// asked is for whom a way in is looked at that waits for anybody: addresses to come from, links to come by, ports to come from,
// and ports that lead to SSH servers.
type asked struct {
	sources []netip.Addr
	ins     []string
	ports   []uint16
	doors   []uint16
}

// probesOf are those by which a way in lives, and by which it would come again.
func probesOf(w *conversation, f *facts.Facts, from asked) []probe {
	if w.Way.Client.IsValid() && w.Way.Client.Port() != 0 && w.Server.IsValid() {
		all := w.packets(f, nil)
		all = append(all, otherPorts(all, from.ports)...)
		if (w.Kind == facts.WayTunnel || w.Outward) && w.client == w.seen && w.asked == w.served {
			back := *w
			back.client, back.asked, back.served, back.seen = w.asked, w.client, w.client, w.asked
			back.fromHere, back.toHere = w.toHere, w.fromHere
			all = append(all, back.packets(f, nil)...)
		}
		return all
	}
	var clients []netip.AddrPort
	anyPort := uint16(50000)
	if !w.Proto.HasPorts() {
		anyPort = 0
	}
	if w.Way.Client.IsValid() {
		clients = append(clients, netip.AddrPortFrom(w.Way.Client.Addr(), anyPort))
	} else {
		for _, a := range from.sources {
			clients = append(clients, netip.AddrPortFrom(a, anyPort))
		}
	}
	var all []probe
	for _, client := range clients {
		for _, server := range serversOf(&w.Way, f, from.doors) {
			if client.Addr().Is4() != server.Addr().Is4() {
				continue
			}
			c := *w
			c.client, c.asked, c.served, c.seen = client, server, server, client
			probes := c.packets(f, from.ins)
			all = append(append(all, probes...), otherPorts(probes, from.ports)...)
			if isTunnel(w.Way) {
				all = append(all, c.outwards(f, from.ins, from.ports)...)
			}
		}
	}
	return all
}

// serversOf are the ends that a way in may have here: its own, or each address of this host; of a login whose connection is
// not known, by each of the ports that lead to an SSH server.
func serversOf(w *facts.Way, f *facts.Facts, doors []uint16) []netip.AddrPort {
	if w.Server.IsValid() && !w.Server.Addr().IsUnspecified() {
		return []netip.AddrPort{w.Server}
	}
	ports := []uint16{w.Server.Port()}
	if w.Kind == facts.WayLogin {
		ports = doors
	}
	var all []netip.AddrPort
	for _, a := range f.Addresses {
		if !a.Prefix.Addr().IsLoopback() {
			for _, port := range ports {
				all = append(all, netip.AddrPortFrom(a.Prefix.Addr(), port))
			}
		}
	}
	return all
}

// anywhere is an address of the Internet, by family.
var anywhere = [...]netip.Addr{rules.IPv4: netip.MustParseAddr("192.0.2.77"), rules.IPv6: netip.MustParseAddr("2001:db8:77::77")}

// sourcesOf are addresses to stand for whoever may come: one in the Internet, one
// on each network of the gateway, and one that each changed rule is about.
func sourcesOf(f *facts.Facts, plan rules.Plan) []netip.Addr {
	all := slices.Clone(anywhere[:])
	add := func(a netip.Addr) {
		if a.IsValid() && !a.IsUnspecified() && !hasAddress(f, a) && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	const most = 32
	for _, a := range f.Addresses {
		if len(all) < most && !a.Prefix.Addr().IsLoopback() && !a.Prefix.IsSingleIP() {
			add(neighbourOf(a.Prefix))
		}
	}
	for _, c := range plan.Changes() {
		for _, r := range []rules.Rule{c.Rule, c.Old} {
			for _, n := range []rules.Net{r.Source, r.Dest} { // answers go to where questions come from
				if len(all) < 2*most && !n.Any() {
					add(neighbourOf(netip.PrefixFrom(n.Addr, maskBits(n))))
				}
			}
		}
	}
	for _, word := range nativeWords(plan) {
		if p, err := netip.ParsePrefix(word); err == nil && len(all) < 2*most {
			add(neighbourOf(p))
		} else if a, err := netip.ParseAddr(word); err == nil && len(all) < 2*most {
			add(a)
		}
	}
	return all
}

// nativeWords are the words of the native changes of a plan, without quotation marks and commas.
func nativeWords(plan rules.Plan) []string {
	var all []string
	for _, c := range plan.Natives() {
		all = append(all, strings.FieldsFunc(c.Text, func(r rune) bool { return strings.ContainsRune(" ,\"{}", r) })...)
	}
	return all
}

// maskBits is the length of a network's mask; 0 for one that has gaps.
func maskBits(n rules.Net) int {
	bits := 0
	for _, b := range n.Mask.AsSlice() {
		bits += mathbits.LeadingZeros8(^b)
		if b != 0xff {
			break
		}
	}
	return bits
}

// neighbourOf is another address of the network, or the only one.
func neighbourOf(p netip.Prefix) netip.Addr {
	if !p.IsValid() || p.IsSingleIP() {
		return p.Addr()
	}
	for a := p.Masked().Addr().Next(); p.Contains(a); a = a.Next() {
		if a != p.Addr() {
			return a
		}
	}
	return p.Addr()
}

// interfacesOf are the links that changed rules name as the way in.
func interfacesOf(f *facts.Facts, plan rules.Plan) []string {
	var all []string
	for _, c := range plan.Changes() {
		for _, r := range []rules.Rule{c.Rule, c.Old} {
			for _, l := range f.Links {
				name := strings.TrimSuffix(r.In.Name, "+")
				match := l.Name == r.In.Name || name != r.In.Name && strings.HasPrefix(l.Name, name)
				if !r.In.Any() && match && l.Kind != "loopback" && !slices.Contains(all, l.Name) {
					all = append(all, l.Name)
				}
			}
		}
	}
	words := nativeWords(plan)
	for _, l := range f.Links {
		if slices.Contains(words, l.Name) && l.Kind != "loopback" && !slices.Contains(all, l.Name) {
			all = append(all, l.Name)
		}
	}
	return all
}

// lookedAt names what was looked at, counted: "1 SSH login, 2 SSH connections through
// this gateway".
func lookedAt(ways []facts.Way) string {
	counts := map[string]int{}
	var order []string
	count := func(what string) {
		if counts[what]++; counts[what] == 1 {
			order = append(order, what)
		}
	}
	for _, w := range ways {
		switch {
		case w.Kind == facts.WaySSH && w.User == "":
			count("SSH connection")
		case w.Kind == facts.WaySSH:
			count("SSH login")
		case w.Kind == facts.WayMosh:
			count("mosh session")
		case w.Kind == facts.WayVPN:
			count("VPN server")
		case w.Kind == facts.WayTunnel:
			count("tunnel connection")
		case w.Kind == facts.WayThrough:
			count("SSH connection through this gateway")
		case w.Kind == facts.WayPath:
			count("connection through this gateway of hosts that logins come from")
		case w.Kind == facts.WayRelay:
			count("relayed connection")
		case w.Kind == facts.WayShell:
			count("shell by another server")
		case w.Ended:
			count("ended login")
		default:
			count("other login")
		}
	}
	var parts []string
	for _, what := range order {
		if n := counts[what]; n > 1 {
			first, rest, _ := strings.Cut(what, " through")
			if rest != "" {
				rest = " through" + rest
			}
			parts = append(parts, fmt.Sprintf("%d %ss%s", n, first, rest))
			continue
		}
		parts = append(parts, "1 "+what)
	}
	return strings.Join(parts, ", ")
}
