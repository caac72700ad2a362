package nft

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// Said is a rule in the words of the other language.
type Said struct {
	// Text is the rule as nft reads it, all but its table and chain, or the words of an iptables command after its program.
	Text string
	// Words are those of an iptables command.
	Words []string
	// Lacks names what cannot be said there. Where it is not empty, Text is not the same rule.
	Lacks []string
}

// FromIPTables says a rule of iptables in nft's words, for a chain of a table of the family inet: where nothing of the rule
// holds it to IPv4 or IPv6, that is said first. Packets and bytes are counted, as iptables does.
func FromIPTables(f rules.Family, r rules.Rule) Said {
	s := saying{family: f, rule: r, ip: "ip", version: "ipv4"}
	if f == rules.IPv6 {
		s.ip, s.version = "ip6", "ipv6"
	}
	s.ends()
	if !slices.ContainsFunc(s.parts, func(part string) bool { return strings.HasPrefix(part, s.ip+" ") }) {
		s.parts = slices.Insert(s.parts, 0, "meta nfproto "+s.version)
	}
	s.protocol()
	for _, m := range r.Matches {
		s.match(m)
	}
	s.say("counter")
	s.target()
	for _, m := range r.Matches {
		if c, ok := m.(rules.Comment); ok {
			s.comment(c.Text)
		}
	}
	return Said{Text: strings.Join(s.parts, " "), Lacks: s.lacks}
}

// saying is a rule while it is said.
type saying struct {
	family      rules.Family
	rule        rules.Rule
	ip, version string
	parts       []string
	lacks       []string
}

func (s *saying) say(format string, args ...any) {
	s.parts = append(s.parts, fmt.Sprintf(format, args...))
}

func (s *saying) lack(what string) { s.lacks = append(s.lacks, what) }

// unless is nft's != where something is negated.
func unless(not bool) string {
	if not {
		return "!= "
	}
	return ""
}

// ends are addresses and interfaces.
func (s *saying) ends() {
	r := &s.rule
	for _, i := range []struct {
		word string
		rules.Iface
	}{{"iifname", r.In}, {"oifname", r.Out}} {
		name, open := strings.CutSuffix(i.Name, "+")
		switch {
		case i.Any() || name == "" && !i.Not:
			continue
		case name == "":
			s.lack("an interface that is not of any name")
			continue
		case open:
			name += "*"
		}
		s.say("%s %s%s", i.word, unless(i.Not), quoted(name))
	}
	s.network("saddr", r.Source)
	s.network("daddr", r.Dest)
	switch {
	case r.Fragment == rules.AnyFragment:
	case s.family == rules.IPv6:
		s.lack("-f")
	case r.Fragment == rules.LaterOnly:
		s.say("ip frag-off & 0x1fff != 0")
	default:
		s.say("ip frag-off & 0x1fff == 0")
	}
}

func (s *saying) network(field string, n rules.Net) {
	if n.Any() {
		return
	}
	p, ok := n.Prefix()
	switch {
	case !ok && n.Not:
		s.say("%s %s & %s != %s", s.ip, field, n.Mask, n.Addr)
	case !ok:
		s.say("%s %s & %s == %s", s.ip, field, n.Mask, n.Addr)
	case p.IsSingleIP():
		s.say("%s %s %s%s", s.ip, field, unless(n.Not), n.Addr)
	case p.Bits() == 0 && n.Not:
		s.lack("addresses that are not any")
	case p.Bits() > 0:
		s.say("%s %s %s%s", s.ip, field, unless(n.Not), p)
	}
}

func (s *saying) protocol() {
	p := s.rule.Protocol
	if p.Any() {
		return
	}
	n, ok := p.Number()
	if !ok {
		s.lack("-p " + p.Name)
		return
	}
	if s.ported() != "th" && slices.ContainsFunc(s.rule.Matches, hasPorts) && !slices.ContainsFunc(s.rule.Matches, followsProtocol) {
		return // which is in the words about the ports
	}
	s.say("meta l4proto %s%s", unless(p.Not), protocolWord(n))
}

// followsProtocol tells whether a match has to come behind the protocol: one that counts packets would count others too, and
// ports of a connection are ports by its protocol alone.
func followsProtocol(m rules.Match) bool {
	switch m := m.(type) {
	case rules.Statistic:
		return true
	case rules.Opaque:
		return m.Name == "limit"
	case rules.Conntrack:
		return m.OrigSrcPort != nil || m.OrigDstPort != nil || m.ReplSrcPort != nil || m.ReplDstPort != nil
	}
	return false
}

// hasPorts tells whether a match is about the ports of the rule's protocol.
func hasPorts(m rules.Match) bool {
	switch m := m.(type) {
	case rules.Transport:
		return m.Source != nil || m.Dest != nil
	case rules.Multiport:
		return m.Side != rules.EitherSide
	}
	return false
}

// protocolWord is a protocol by a name that every nft knows, else by its number.
func protocolWord(n rules.Protocol) string {
	switch n {
	case rules.TCP, rules.UDP, rules.SCTP, rules.DCCP, rules.UDPLite, rules.ICMP, rules.ESP, rules.AH:
		return rules.ProtoName(n)
	case rules.ICMPv6:
		return "ipv6-icmp"
	}
	return strconv.Itoa(int(n))
}

// ported is the protocol of a rule's ports, as nft has headers of it.
func (s *saying) ported() string {
	n, ok := s.rule.Protocol.Number()
	if !ok || s.rule.Protocol.Not {
		return "th"
	}
	switch n {
	case rules.TCP, rules.UDP, rules.SCTP, rules.DCCP, rules.UDPLite:
		return rules.ProtoName(n)
	}
	return "th"
}

func portText(p rules.Ports) string {
	if p.Single() {
		return strconv.Itoa(int(p.Lo))
	}
	return fmt.Sprintf("%d-%d", p.Lo, p.Hi)
}

func (s *saying) ports(field string, not bool, list ...rules.Ports) {
	var all []string
	for _, p := range list {
		all = append(all, portText(p))
	}
	text := strings.Join(all, ", ")
	if len(all) > 1 {
		text = "{ " + text + " }"
	}
	s.say("%s %s %s%s", s.ported(), field, unless(not), text)
}

// target says what becomes of the packet.
func (s *saying) target() {
	t := s.rule.Target
	switch t.Kind {
	case rules.NoTarget:
	case rules.Accept, rules.Drop, rules.Return:
		s.say("%s", strings.ToLower(t.Kind.Name()))
	case rules.Jump:
		s.say("jump %s", t.Name)
	case rules.Goto:
		s.say("goto %s", t.Name)
	case rules.DNAT, rules.SNAT:
		s.translation(strings.ToLower(t.Kind.Name()), t.To)
	case rules.Masquerade, rules.Redirect:
		word := "masquerade"
		if t.Kind == rules.Redirect {
			word = "redirect"
		}
		if t.To.HasPorts {
			word += " to :" + portText(t.To.Ports)
		}
		s.say("%s%s", word, flagWords(t.To))
	case rules.Netmap:
		s.netmap(t.To.Net)
	case rules.SetMark:
		s.say("meta mark set %s", changed("meta mark", t.Mark.Set))
	case rules.SetConnMark:
		s.connMark(t.Mark)
	default:
		s.other(t)
	}
}

func flagWords(t rules.Translation) string {
	var all []string
	for _, f := range []struct {
		on   bool
		word string
	}{{t.Random, "random"}, {t.RandomFully, "fully-random"}, {t.Persistent, "persistent"}} {
		if f.on {
			all = append(all, f.word)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " " + strings.Join(all, ",")
}

func (s *saying) translation(word string, t rules.Translation) {
	if t.HasBase {
		s.lack("a shifted range of ports (/" + strconv.Itoa(int(t.Base)) + ")")
	}
	bracket := func(a netip.Addr) string {
		if a.Is6() && t.HasPorts {
			return "[" + a.String() + "]"
		}
		return a.String()
	}
	to := ""
	if !t.Addrs.IsZero() {
		to = bracket(t.Addrs.Lo)
		if !t.Addrs.Single() {
			to += "-" + bracket(t.Addrs.Hi)
		}
	}
	if t.HasPorts {
		to += ":" + portText(t.Ports)
	}
	if !t.Addrs.IsZero() {
		word += " " + s.ip
	}
	s.say("%s to %s%s", word, to, flagWords(t))
}

// netmap maps one network into another, which nft does by a map with one prefix.
func (s *saying) netmap(to rules.Net) {
	from, field, word := s.rule.Dest, "daddr", "dnat"
	if s.rule.Chain == "POSTROUTING" || s.rule.Chain == "INPUT" {
		from, field, word = s.rule.Source, "saddr", "snat"
	}
	a, ok := from.Prefix()
	b, too := to.Prefix()
	if from.Any() || from.Not || !ok || !too || a.Bits() != b.Bits() {
		s.lack("NETMAP without a network of the same size to map from")
		return
	}
	s.say("%s %s prefix to %s %s map { %s : %s }", word, s.ip, s.ip, field, a, b)
}

// changed is a mark with the bits of a mask cleared and a value xored in.
func changed(mark string, b rules.Bits) string {
	if b.Mask == 0xffffffff {
		return fmt.Sprintf("0x%x", b.Value)
	}
	return fmt.Sprintf("%s & 0x%x ^ 0x%x", mark, ^b.Mask, b.Value)
}

func (s *saying) connMark(m rules.MarkChange) {
	whole := m.NFMask == 0xffffffff && m.CTMask == 0xffffffff
	switch {
	case m.Save && whole:
		s.say("ct mark set meta mark")
	case m.Restore && whole:
		s.say("meta mark set ct mark")
	case m.Save, m.Restore:
		s.lack("a part of a mark that is copied (--nfmask, --ctmask)")
	default:
		s.say("ct mark set %s", changed("ct mark", m.Set))
	}
}

// other are targets that nattui keeps as words.
func (s *saying) other(t rules.Target) {
	words := strings.Join(t.Options, " ")
	switch {
	case t.Name == "REJECT" && (words == "" || words == "--reject-with icmp-port-unreachable" || words == "--reject-with icmp6-port-unreachable"):
		s.say("reject")
	case t.Name == "REJECT" && len(t.Options) == 2 && rejections[t.Options[1]] != "":
		s.say("reject with %s", rejections[t.Options[1]])
	case t.Name == "NOTRACK", t.Name == "CT" && words == "--notrack":
		s.say("notrack")
	case t.Name == "TCPMSS" && words == "--clamp-mss-to-pmtu":
		s.say("tcp option maxseg size set rt mtu")
	case t.Name == "LOG" && len(t.Options) == 2 && t.Options[0] == "--log-prefix" && !strings.ContainsAny(t.Options[1], `"\`):
		s.say("log prefix %q", t.Options[1])
	case t.Name == "LOG" && words == "":
		s.say("log")
	case t.Name == "NFQUEUE" && len(t.Options) == 3 && t.Options[0] == "--queue-num" && t.Options[2] == "--queue-bypass":
		s.say("queue num %s bypass", t.Options[1])
	case t.Name == "TRACE" && words == "":
		s.say("meta nftrace set 1")
	case len(t.Options) == 2 && setters[s.version+" "+t.Name+" "+t.Options[0]] != "":
		s.say(setters[s.version+" "+t.Name+" "+t.Options[0]], t.Options[1])
	default:
		s.lack(strings.TrimSpace("-j " + t.Name + " " + words))
	}
}

// setters are targets with one value in nft's words, by version, target and option.
var setters = map[string]string{
	"ipv4 TCPMSS --set-mss": "tcp option maxseg size set %s", "ipv6 TCPMSS --set-mss": "tcp option maxseg size set %s",
	"ipv4 NFLOG --nflog-group": "log group %s", "ipv6 NFLOG --nflog-group": "log group %s",
	"ipv4 NFQUEUE --queue-num": "queue num %s", "ipv6 NFQUEUE --queue-num": "queue num %s",
	"ipv4 DSCP --set-dscp": "ip dscp set %s", "ipv6 DSCP --set-dscp": "ip6 dscp set %s",
	"ipv4 TTL --ttl-set": "ip ttl set %s", "ipv6 HL --hl-set": "ip6 hoplimit set %s",
	"ipv4 CT --zone": "ct zone set %s", "ipv6 CT --zone": "ct zone set %s",
}

// mostComment is how long a comment of a rule may be in nft (NFTNL_UDATA_COMMENT_MAXLEN).
const mostComment = 128

func (s *saying) comment(text string) {
	switch {
	case strings.ContainsAny(text, "\"\n"):
		s.lack("a comment with a quotation mark")
	case len(text) > mostComment:
		s.lack(fmt.Sprintf("a comment of %d bytes, where nft has room for %d", len(text), mostComment))
	case text != "":
		s.say("comment %s", quoted(text))
	}
}
