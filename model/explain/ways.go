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

// waysOf are the ways in that a change may cut off: those that are known of the
// host, and the connections through it to SSH servers among the flows.
func waysOf(f *facts.Facts, flows *flow.Flows) []facts.Way {
	ways := slices.Clone(f.Ways)
	if s := f.Session; s != nil && s.Live != facts.SettingOff && !slices.ContainsFunc(ways, func(w facts.Way) bool { return w.Client == s.Client }) {
		ways = append(ways, facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Client: s.Client, Server: s.Server, Own: true})
	}
	if s := f.Session; s != nil && s.Live == facts.SettingOff && f.Seat != facts.SeatConsole {
		// Whoever comes again comes to an address that is there now.
		again := netip.AddrPortFrom(netip.Addr{}, s.Server.Port())
		ways = append(ways, facts.Way{Kind: facts.WayLogin, Proto: rules.TCP, Client: netip.AddrPortFrom(s.Client.Addr(), 0), Server: again, Own: true, Ended: true})
	}
	if flows == nil {
		return ways
	}
	ports := []uint16{22}
	for _, w := range ways {
		if w.Kind == facts.WaySSH && !slices.Contains(ports, w.Server.Port()) {
			ports = append(ports, w.Server.Port())
		}
	}
	seen := map[[2]netip.AddrPort]bool{}
	flows.Each(func(_ flow.Ref, g *flow.Flow) bool {
		if w, ok := throughTo(f, g, ports); ok && !seen[[2]netip.AddrPort{w.Client, w.Server}] {
			seen[[2]netip.AddrPort{w.Client, w.Server}] = true
			ways = append(ways, w)
		}
		return len(seen) < mostThrough
	})
	for i := range ways {
		findClient(&ways[i], f, flows)
	}
	return ways
}

// mostThrough bounds the connections through this gateway that are looked at.
const mostThrough = 1000

// throughTo is the way in that a flow is: a connection that passes through to an
// SSH server.
func throughTo(f *facts.Facts, g *flow.Flow, ports []uint16) (facts.Way, bool) {
	if g.Proto() != rules.TCP || !slices.Contains(ports, g.AskedFor().Port()) && !slices.Contains(ports, g.ServedBy().Port()) {
		return facts.Way{}, false
	}
	if hasAddress(f, g.ServedBy().Addr()) || hasAddress(f, g.Client().Addr()) || g.Status&flow.StatusSeenReply == 0 {
		return facts.Way{}, false
	}
	return facts.Way{Kind: facts.WayThrough, Proto: rules.TCP, Client: g.Client(), Server: g.AskedFor()}, true
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
func (b *Blast) cutOff(f *facts.Facts, old, fresh *evaluate.Evaluator, plan rules.Plan) {
	sources := sourcesOf(f, plan)
	ins := interfacesOf(f, plan)
	ways := slices.Clone(b.Ways)
	slices.SortStableFunc(ways, func(a, c facts.Way) int { // one's own is named first
		switch {
		case a.Own == c.Own:
			return 0
		case a.Own:
			return -1
		}
		return 1
	})
	for _, w := range ways {
		if b.Own {
			return
		}
		if why := b.settingsAffect(w, plan); why != "" {
			b.affected(w, why)
			continue
		}
		for _, p := range append(probesOf(w, f, sources, ins), carriersOf(w, f)...) {
			if same, why := sameOutcome(old, fresh, &p.packet); !same {
				b.affected(w, p.what+" would be treated differently: "+why)
				break
			}
		}
	}
}

func (b *Blast) affected(w facts.Way, why string) {
	if !b.Own {
		b.Own, b.OwnWhy, b.Affected = true, why, w
	}
}

// settingsAffect tells whether steps that are no rules bear on a way in.
func (b *Blast) settingsAffect(w facts.Way, plan rules.Plan) string {
	for _, s := range plan.Steps {
		switch {
		case s.Sysctl != nil:
			forwards := s.Sysctl.Name == "net.ipv4.ip_forward" && w.Client.Addr().Is4() || s.Sysctl.Name == "net.ipv6.conf.all.forwarding" && w.Client.Addr().Is6()
			off := forwards && w.Kind == facts.WayThrough && s.Sysctl.Value == "0"
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

// probesOf are those by which a way in lives, and by which it would come again.
func probesOf(w facts.Way, f *facts.Facts, sources []netip.Addr, ins []string) []probe {
	if w.Client.IsValid() && w.Client.Port() != 0 && w.Server.IsValid() {
		return connectionOf(w, f)
	}
	var clients []netip.AddrPort
	anyPort := uint16(50000)
	if !w.Proto.HasPorts() {
		anyPort = 0
	}
	if w.Client.IsValid() {
		clients = append(clients, netip.AddrPortFrom(w.Client.Addr(), anyPort))
	} else {
		for _, a := range sources {
			clients = append(clients, netip.AddrPortFrom(a, anyPort))
		}
	}
	servers := []netip.AddrPort{w.Server}
	if !w.Server.IsValid() || w.Server.Addr().IsUnspecified() {
		port := w.Server.Port()
		if w.Kind == facts.WayLogin && port == 0 {
			port = 22
		}
		servers = nil
		for _, a := range f.Addresses {
			if a.Prefix.Addr().IsLoopback() {
				continue
			}
			servers = append(servers, netip.AddrPortFrom(a.Prefix.Addr(), port))
		}
	}
	var all []probe
	for _, client := range clients {
		for _, server := range servers {
			if client.Addr().Is4() != server.Addr().Is4() {
				continue
			}
			for _, in := range append([]string{""}, ins...) {
				if p, err := evaluate.NewPacket(w.Proto, client, server); err == nil {
					p.In = in
					all = append(all, probe{p, "a packet to it from " + client.Addr().String()})
				}
			}
			if p, err := evaluate.NewPacket(w.Proto, server, client); err == nil {
				p.Local, p.State = true, evaluate.StateEstablished
				all = append(all, probe{p, "the reply to " + client.Addr().String()})
			}
		}
	}
	return all
}

// connectionOf are the packets of a connection whose ends are known, by either of
// the interfaces by which it may arrive.
func connectionOf(w facts.Way, f *facts.Facts) []probe {
	arriving, err := evaluate.NewPacket(w.Proto, w.Client, w.Server)
	if err != nil {
		return nil
	}
	established := arriving
	established.State = evaluate.StateEstablished
	leaving, _ := evaluate.NewPacket(w.Proto, w.Server, w.Client)
	leaving.State = evaluate.StateEstablished
	leaving.Local = w.Kind != facts.WayThrough
	if w.Proto == rules.TCP {
		established.Has |= evaluate.HasTCPFlags
		leaving.Has |= evaluate.HasTCPFlags
		established.TCPFlags, leaving.TCPFlags = 0x10, 0x10 // ACK
	}
	again, its, answers := "a new one", "its packets", "replies to it"
	if w.Own {
		again, its, answers = "a new connection of yours", "packets of your connection", "replies to your connection"
	}
	all := []probe{{arriving, again}}
	if w.Kind != facts.WayThrough || !hasAddress(f, w.Server.Addr()) {
		all = append(all, probe{established, its}, probe{leaving, answers})
	}
	for _, a := range f.Addresses {
		// It may come by the link that has the address, wherever the route back leads.
		if a.Prefix.Addr() == w.Server.Addr() && a.Link != "lo" {
			for _, p := range slices.Clone(all) {
				if !p.packet.Local {
					p.packet.In = a.Link
					all = append(all, p)
				}
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
			if len(all) < 2*most && !r.Source.Any() {
				add(neighbourOf(netip.PrefixFrom(r.Source.Addr, maskBits(r.Source))))
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
		case w.Kind == facts.WayThrough:
			count("SSH connection through this gateway")
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
