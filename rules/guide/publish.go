package guide

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Publish makes an inner service reachable at an address of the gateway.
type Publish struct {
	Protocol string // tcp, udp or both; "" is tcp
	// At is the public address; "" is the way out's own.
	At string
	// Port is the public port, or a range such as 8000-8010.
	Port string
	// To is the server inside, ADDRESS or ADDRESS:PORT; without a port it is Port.
	To string
	// Inside makes it reachable by the same address from the server's own
	// network, ThisHost from the gateway itself.
	Inside, ThisHost bool
	// WayBack is "gateway" where the server's answers pass this gateway, which
	// they do if it is its router; with "elsewhere" the server sees the gateway as
	// the client. "" chooses.
	WayBack string
	Comment string
}

// service is a published service with its answers understood.
type service struct {
	Publish
	at       netip.Addr
	out      string // the interface that the address is on
	dynamic  bool
	ports    rules.Ports
	server   netip.Addr
	toPorts  rules.Ports
	link     string // towards the server
	net      netip.Prefix
	oneArmed bool // the server is on the side that clients come from
}

// Advise makes the plan.
func (p Publish) Advise(h Host) Advice {
	b := newBuilder(h, familyOf(p.To), "Publish "+p.To)
	s, ok := b.understand(p)
	if !ok {
		return b.advice()
	}
	b.plan.Title = fmt.Sprintf("Publish %s at %s port %s", withPort(s.server, portText(s.toPorts)), s.at, portText(s.ports))
	protocols := []string{s.Protocol}
	if s.Protocol == "both" {
		protocols = []string{"tcp", "udp"}
	}
	b.forwarding(s.out, s.link)
	for _, proto := range protocols {
		before := len(b.plan.Steps)
		b.publish(s, proto)
		if len(protocols) > 1 {
			b.nameSteps(before, proto)
		}
	}
	number, _ := rules.ProtoNumber(protocols[0])
	b.proof.Protocol, b.proof.Asked = number, netip.AddrPortFrom(s.at, s.ports.Lo)
	b.proof.Server = netip.AddrPortFrom(s.server, s.toPorts.Lo)
	b.proof.Try = fmt.Sprintf("from outside, open a connection to %s (%s)", withPort(s.at, portText(rules.Port(s.ports.Lo))), protocols[0])
	return b.advice()
}

// nameSteps says of each step from one on which protocol it is for, where others are the same for another.
func (b *builder) nameSteps(from int, proto string) {
	for i := range b.plan.Steps[from:] {
		step := &b.plan.Steps[from+i]
		step.Why = strings.ToUpper(proto) + ": " + step.Why
	}
}

func portText(p rules.Ports) string {
	if p.Single() {
		return strconv.Itoa(int(p.Lo))
	}
	return fmt.Sprintf("%d-%d", p.Lo, p.Hi)
}

// OtherGateway is what is to be done where the server's gateway is not this one, in the words of a form.
const OtherGateway = "answer that the server's gateway is another"

// understand reads the answers and holds them against the host.
func (b *builder) understand(p Publish) (service, bool) {
	s := service{Publish: p}
	if s.Protocol == "" {
		s.Protocol = "tcp"
	}
	if !slices.Contains([]string{"tcp", "udp", "both", "sctp"}, s.Protocol) {
		b.wrong("proto", "tcp", "%q has no ports: choose tcp, udp or both", s.Protocol)
	}
	s.ports, _ = b.ports("port", p.Port)
	b.understandServer(&s)
	b.understandAddress(&s)
	if b.failed() {
		return s, false
	}
	s.oneArmed = s.link == s.out
	if s.oneArmed && s.WayBack != "elsewhere" {
		if s.WayBack == "gateway" {
			b.warn("way-back", "elsewhere", "the server is on %s, where clients also come in: it would reply to them directly, and they would drop the reply", s.link)
		} else {
			s.WayBack = "elsewhere"
			b.note("the server is on %s, where clients also come in, so its replies would bypass the gateway; SNAT makes them come back.", s.link)
		}
	}
	switch s.WayBack {
	case "":
		s.WayBack = "gateway"
		b.note("the server must reply through this gateway, so this must be the server's gateway; if it is not, " + OtherGateway + ".")
	case "gateway", "elsewhere":
	default:
		b.wrong("way-back", "gateway", "%q is neither gateway nor elsewhere", s.WayBack)
	}
	b.doubtService(&s)
	return s, !b.failed()
}

// ports reads a port or a range.
func (b *builder) ports(field, text string) (rules.Ports, bool) {
	lo, hi, isRange := strings.Cut(strings.ReplaceAll(text, ":", "-"), "-")
	l, err := strconv.ParseUint(strings.TrimSpace(lo), 10, 16)
	h := l
	if isRange && err == nil {
		h, err = strconv.ParseUint(strings.TrimSpace(hi), 10, 16)
	}
	switch {
	case text == "":
		b.wrong(field, "", "a port is missing: a number from 1 to 65535, or a range such as 8000-8010")
	case strings.Contains(text, ",") || len(strings.Fields(text)) > 1:
		b.wrong(field, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })[0], "%q is several ports: use one port or a range such as 8000-8010", text)
	case err != nil || l == 0:
		b.wrong(field, nearestPort(text), "%q is not a port: use a number from 1 to 65535, or a range such as 8000-8010", text)
	case h < l:
		b.wrong(field, fmt.Sprintf("%d-%d", h, l), "the range %s is reversed", text)
	default:
		return rules.Ports{Lo: uint16(l), Hi: uint16(h)}, true
	}
	return rules.Ports{}, false
}

func (b *builder) understandServer(s *service) {
	addr, port := s.To, ""
	if a, err := netip.ParseAddr(strings.Trim(s.To, "[]")); err == nil {
		addr = a.String()
	} else if i := strings.LastIndexByte(s.To, ':'); i >= 0 {
		addr, port = strings.Trim(s.To[:i], "[]"), s.To[i+1:]
	}
	server, err := netip.ParseAddr(addr)
	switch {
	case s.To == "":
		b.wrong("to", "", "a server is missing: enter its address, such as 192.168.0.2 or 192.168.0.2:8080")
		return
	case err != nil || server.Zone() != "":
		nearest := b.aMachineLike(s.To)
		if nearest == "" && s.To[0] >= '0' && s.To[0] <= '9' {
			nearest = b.machineLike(netip.Addr{})
		}
		b.wrong("to", nearest, "%q is not a server: use its address, such as 192.168.0.2 or 192.168.0.2:8080", s.To)
		return
	}
	s.server, s.toPorts = server, s.ports
	if port != "" {
		var ok bool
		before := len(b.objections)
		if s.toPorts, ok = b.ports("to", port); !ok {
			for i := range b.objections[before:] {
				p := &b.objections[before+i]
				p.Nearest = withPort(server, p.Nearest) // without one it is the public port
			}
			return
		}
		if !s.toPorts.Single() && s.toPorts != s.ports && s.ports != (rules.Ports{}) {
			nearest := withPort(server, portText(rules.Port(s.toPorts.Lo)))
			if !s.ports.Single() {
				nearest = server.String()
			}
			b.wrong("to", nearest, "a port range maps to the same ports: otherwise the kernel would choose any of %s for each connection", port)
			return
		}
	}
	var ok bool
	if s.link, ok = b.machine("to", server); !ok {
		return
	}
	if link, net, ok := b.netOf(server); ok {
		s.net = net
		if s.link == "" {
			s.link = link
		}
	} else if s.link != "" && s.link == b.Uplinks[b.family].Link && private(server) {
		b.warn("to", b.machineLike(server), "%s is not in a network inside: its packets would leave by %s, the uplink", server, s.link)
	}
}

func (b *builder) understandAddress(s *service) {
	up := b.Uplinks[b.family]
	s.out, s.at, s.dynamic = up.Link, up.Addr, up.Dynamic
	if s.At != "" {
		a, err := netip.ParseAddr(s.At)
		switch {
		case err != nil:
			b.wrong("at", spell(up.Addr), "%q is not an %s address", s.At, b.family.Title())
			return
		case !b.family.Holds(a):
			b.wrong("at", spell(up.Addr), "the server's address is %s and %s is not: NAT cannot translate between families", b.family.Title(), a)
			return
		case a.IsLoopback() || a.IsUnspecified() || a.IsMulticast():
			b.wrong("at", spell(up.Addr), "nobody outside can reach %s", a)
			return
		}
		s.at, s.dynamic = a, up.Dynamic && a == up.Addr
		if link, own := b.local(a); own {
			s.out = link
		} else if len(b.Kernel.Interfaces) > 0 {
			b.warn("at", spell(up.Addr), "%s is not an address of this host: this works only if the router sends its packets here", a)
		}
		return
	}
	if !s.at.IsValid() {
		b.wrong("at", "", "this host's public %s address is not known: enter the one that clients will use", b.family.Title())
	}
}

// doubtService warns of services that hide something that works now.
func (b *builder) doubtService(s *service) {
	for _, proto := range []string{"tcp", "udp"} {
		if s.Protocol != proto && s.Protocol != "both" || b.Listens == nil {
			continue
		}
		number, _ := rules.ProtoNumber(proto)
		for port := int(s.ports.Lo); port <= int(s.ports.Hi) && port < int(s.ports.Lo)+64; port++ {
			if program, ok := b.Listens(number, netip.AddrPortFrom(s.at, uint16(port))); ok {
				if program == "" {
					program = "a program"
				}
				b.warn("port", "", "%s of this host itself listens on port %d: it could no longer be reached at %s", program, port, s.at)
			}
		}
	}
	if b.Session.IsValid() && s.ports.Contains(b.Session.Port()) && b.Session.Addr().Unmap() == s.at && s.Protocol != "udp" {
		b.warn("port", "", "you are connected to this host by port %d: new sessions like yours would go to %s", b.Session.Port(), s.server)
	}
	if private(s.at) {
		b.note("%s is a private address: clients on the Internet reach it only if another router in front forwards to it", s.at)
	}
}

// shared is the block that providers use behind a NAT of their own (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func private(a netip.Addr) bool { return a.IsPrivate() || shared.Contains(a) }

// publish adds the rules of one protocol.
func (b *builder) publish(s service, proto string) {
	ports, toPorts := s.ports.String(), s.toPorts.String()
	to := s.server.String()
	if s.toPorts != s.ports {
		to = withPort(s.server, portText(s.toPorts))
	}
	comment := ""
	if s.Comment != "" {
		comment = "-m comment --comment " + rules.Quote(s.Comment)
	}
	match := fmt.Sprintf("-p %s -m %s --dport %s %s", proto, proto, ports, comment)
	asked := "-d " + full(s.at)
	if s.dynamic {
		asked = ""
	}
	number, _ := rules.ProtoNumber(proto)
	first := evaluate.Packet{Protocol: number, Src: world(b.family), Dst: s.at, SrcPort: 40000, DstPort: s.ports.Lo, In: s.out}
	by := ""
	if s.out != "" { // without a default route it is not known by which link the packets come
		by = "-i " + link(s.out).String()
	}
	r := rule("-A PREROUTING %s %s %s -j DNAT --to-destination %s", asked, by, match, to)
	switch {
	case s.Inside && s.dynamic:
		r = rule("-A PREROUTING -p %s -m %s --dport %s -m addrtype --dst-type LOCAL %s -j DNAT --to-destination %s", proto, proto, ports, comment, to)
		b.note("the address may change, so the rule matches every address of this host, including those inside.")
	case s.Inside:
		r = rule("-A PREROUTING %s %s -j DNAT --to-destination %s", asked, match, to)
	}
	zone := b.zone(s.out)
	switch taken := b.taken(first, s); {
	case taken:
	case zone != "":
		b.publishByFirewalld(s, proto, zone)
	default:
		b.translate(r, b.exception(first, r), fmt.Sprintf("Packets for port %s of %s go to %s instead. This happens before routing, so that they are routed to the server.", portText(s.ports), s.at, to))
	}
	if b.failed() {
		return
	}
	if zone == "" {
		b.passService(s, proto, first, toPorts)
	}
	b.wayBack(s, proto, toPorts)
	if s.ThisHost {
		own := asked
		if own == "" {
			own = "-m addrtype --dst-type LOCAL"
			b.add(b.variant(), "nat", rule("-A OUTPUT -p %s -m %s --dport %s %s -j DNAT --to-destination %s", proto, proto, ports, own, to), 0, hostWhy)
		} else {
			b.add(b.variant(), "nat", rule("-A OUTPUT %s -p %s -m %s --dport %s -j DNAT --to-destination %s", own, proto, proto, ports, to), 0, hostWhy)
		}
		b.passHost(s, proto, first, toPorts)
	}
}

// passHost lets this host's own connections to the service out, and their answers in.
func (b *builder) passHost(s service, proto string, first evaluate.Packet, toPorts string) {
	own := first
	own.In, own.Src, own.Local = "", s.at, true
	b.pass(passage{
		own, rule("-A OUTPUT -d %s -p %s -m %s --dport %s -j ACCEPT", full(s.server), proto, proto, toPorts),
		"The firewall also blocks what this host itself sends to the server.",
	})
	answer := evaluate.Packet{
		Protocol: first.Protocol, Src: s.server, Dst: s.at, SrcPort: s.toPorts.Lo, DstPort: 40000, In: s.link, State: evaluate.StateEstablished,
	}
	b.pass(passage{
		answer, rule("-A INPUT -s %s -p %s -m %s --sport %s %s", full(s.server), proto, proto, toPorts, answers),
		"The server's replies to this host must also be let in.",
	})
}

const hostWhy = "What this host itself sends does not pass PREROUTING: the same rule in OUTPUT makes the service reachable from this host too."

// taken looks for a rule that translates the packet already: to where it should
// go, or elsewhere, which is a problem.
func (b *builder) taken(first evaluate.Packet, s service) bool {
	path, err := b.evaluator().Evaluate(first)
	if err != nil {
		return false
	}
	for _, o := range path.Outcomes {
		if o.DNATBy.IsZero() {
			continue
		}
		if o.Dst.Addr == s.server && o.Dst.Ports.Contains(s.toPorts.Lo) && path.Certain {
			b.note("rule %d of %s already sends it there: %s", o.DNATBy.Position, o.DNATBy.Chain, b.lineOf(o.DNATBy))
			b.proof.Translating = append(b.proof.Translating, b.watched(o.DNATBy))
			return true
		}
		b.wrong("port", b.freePort(s, first), "port %d of %s is taken: rule %d of %s sends it to %s; choose another port, or move that service", s.ports.Lo, s.at, o.DNATBy.Position, o.DNATBy.Chain, o.Dst)
		return true
	}
	return false
}

// freePort is a port that no rule translates yet.
func (b *builder) freePort(s service, first evaluate.Packet) string {
	for _, port := range []uint16{s.ports.Lo + 8000, s.ports.Lo + 8001, s.ports.Lo + 10000} {
		first.DstPort = port
		if port < s.ports.Lo || !s.ports.Single() {
			continue
		}
		path, err := b.evaluator().Evaluate(first)
		if err == nil && !slices.ContainsFunc(path.Outcomes, func(o evaluate.Outcome) bool { return !o.DNATBy.IsZero() }) {
			return strconv.Itoa(int(port))
		}
	}
	return ""
}

// exception is the place before a rule of PREROUTING that would let the packet go
// untranslated if the new rule came last; 0 if none does.
func (b *builder) exception(first evaluate.Packet, last rules.Rule) int {
	trial := newBuilder(b.Host, b.family, "")
	trial.sets = maps.Clone(b.sets)
	trial.add(b.variant(), "nat", last, 0, "")
	path, err := trial.evaluator().Evaluate(first)
	if err != nil || slices.ContainsFunc(path.Outcomes, func(o evaluate.Outcome) bool { return o.DNAT }) {
		return 0
	}
	for _, v := range path.Visits {
		if v.Table == "nat" && v.Chain == "PREROUTING" && v.Position > 0 && v.Verdict == evaluate.Yes && v.Variant == b.variant() {
			b.note("it goes before rule %d of PREROUTING, which would accept the packet untranslated: %s", v.Position, v.Rule)
			return v.Position
		}
	}
	return 0
}

// passService lets the translated packet and its answers through FORWARD.
func (b *builder) passService(s service, proto string, first evaluate.Packet, toPorts string) {
	accept := rule("-A FORWARD -d %s -p %s -m %s --dport %s -j ACCEPT", full(s.server), proto, proto, toPorts)
	in := passage{first, accept, fmt.Sprintf("The firewall blocks forwarded packets. It sees the packet after translation, so this rule allows the server's address and port, %s.", withPort(s.server, portText(s.toPorts)))}
	if !b.passByUfw(in, s, proto, toPorts) {
		b.pass(in)
	}
	if s.Inside && s.net.IsValid() {
		from := first
		from.In, from.Src = s.link, b.otherHost(s)
		again := passage{from, accept, "The firewall also blocks what comes from inside and goes back inside."}
		if !b.passByUfw(again, s, proto, toPorts) {
			b.pass(again)
		}
	}
	back := evaluate.Packet{
		Protocol: first.Protocol, Src: s.server, Dst: world(b.family), SrcPort: s.toPorts.Lo, DstPort: 40000, In: s.link, Out: s.out, State: evaluate.StateEstablished,
	}
	b.pass(passage{
		back, rule("-A FORWARD -s %s -p %s -m %s --sport %s %s", full(s.server), proto, proto, toPorts, answers),
		"The server's replies must also pass: those of connections that were let in.",
	})
}

// otherHost is another machine of the server's network.
func (b *builder) otherHost(s service) netip.Addr {
	a := b.someHost(s.net)
	if a == s.server {
		a = b.someHost(netip.PrefixFrom(a.Next(), a.BitLen()))
		if _, own := b.local(a); own {
			a = a.Next()
		}
	}
	return a
}

// wayBack makes the server's answers return by the gateway where they would not.
func (b *builder) wayBack(s service, proto, toPorts string) {
	own := b.addressOn(s.link)
	action := "-j MASQUERADE"
	if own.IsValid() && !(s.link == s.out && s.dynamic) {
		action = "-j SNAT --to-source " + own.String()
	}
	match := fmt.Sprintf("-p %s -m %s --dport %s -m conntrack --ctstate DNAT", proto, proto, toPorts)
	if s.WayBack == "elsewhere" {
		b.note("the server will see the gateway as the client of every connection: its log no longer shows the real client.")
		b.add(b.variant(), "nat", rule("-A POSTROUTING -d %s -o %s %s %s", full(s.server), link(s.link), match, action), b.beforeOthers(s, s.out, world(b.family)),
			"The server would reply directly or by another route, and the client drops such a reply. With the gateway's own address as the source, replies come back here. This is the step that everyone forgets.")
		return
	}
	if s.Inside && s.net.IsValid() {
		b.add(b.variant(), "nat", rule("-A POSTROUTING -s %s -d %s %s %s", s.net, full(s.server), match, action), b.beforeOthers(s, s.link, b.otherHost(s)),
			fmt.Sprintf("If a machine in %s connects to %s, the server replies directly, and the client drops the reply (no hairpin NAT). With the gateway's address as the source the reply comes back here. The server sees the gateway as the client of these connections only.", s.net, s.at))
	}
}

// beforeOthers is the place before a rule of POSTROUTING that takes the packet
// first, 0 if none does.
func (b *builder) beforeOthers(s service, in string, src netip.Addr) int {
	number, _ := rules.ProtoNumber(strings.Replace(s.Protocol, "both", "tcp", 1))
	path, err := b.evaluator().Evaluate(evaluate.Packet{Protocol: number, Src: src, Dst: s.at, SrcPort: 40000, DstPort: s.ports.Lo, In: in})
	if err != nil {
		return 0
	}
	for _, v := range path.Visits {
		if v.Table == "nat" && v.Chain == "POSTROUTING" && v.Position > 0 && v.Verdict == evaluate.Yes && v.Variant == b.variant() &&
			v.Rule != nil && (v.Rule.Target.Kind == rules.Accept || v.Rule.Target.Kind == rules.Return) {
			return v.Position
		}
	}
	return 0
}
