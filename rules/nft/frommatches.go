package nft

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// match says a match of iptables.
func (s *saying) match(m rules.Match) {
	switch m := m.(type) {
	case rules.Comment: // which comes last
	case rules.Transport:
		s.transport(m)
	case rules.Multiport:
		field := map[rules.Side]string{rules.SourceSide: "sport", rules.DestSide: "dport"}[m.Side]
		if field == "" {
			s.lack("-m multiport --ports")
			return
		}
		s.ports(field, m.Not, m.List...)
	case rules.Conntrack:
		s.conntrack(m)
	case rules.CTState:
		s.states(m.Not, m.States)
	case rules.Mark:
		s.mark(m)
	case rules.IPRange:
		s.addresses("saddr", m.Source)
		s.addresses("daddr", m.Dest)
	case rules.AddrType:
		s.addrType(m)
	case rules.ICMPType:
		s.icmp(m)
	case rules.Owner:
		s.owner(m)
	default:
		s.headers(m)
	}
}

// headers says matches on what a packet has in its header.
func (s *saying) headers(m rules.Match) {
	switch m := m.(type) {
	case rules.TTL:
		op := map[string]string{"eq": unless(m.Not), "lt": "< ", "gt": "> "}[m.Compare]
		field := "ip ttl"
		if m.HopLimit {
			field = "ip6 hoplimit"
		}
		s.say("%s %s%d", field, op, m.Value)
	case rules.Length:
		s.say("meta length %s%s", unless(m.Not), portText(rules.Ports{Lo: m.Lo, Hi: m.Hi}))
	case rules.DSCP:
		s.say("%s dscp %s0x%x", s.ip, unless(m.Not), m.Value)
	case rules.PktType:
		kind := map[string]string{"unicast": "host"}[m.Type]
		if kind == "" {
			kind = m.Type
		}
		s.say("meta pkttype %s%s", unless(m.Not), kind)
	case rules.MAC:
		s.say("ether saddr %s%s", unless(m.Not), strings.ToLower(m.Address))
	case rules.Statistic:
		s.statistic(m)
	case rules.Opaque:
		if m.Name == "limit" {
			s.limit(m.Words)
			return
		}
		if said := policies[m.Name+" "+strings.Join(m.Words, " ")]; said != "" {
			s.say("%s", said)
			return
		}
		if m.Name == "helper" && len(m.Words) == 2 && m.Words[0] == "--helper" && !strings.ContainsAny(m.Words[1], `"\`) {
			s.say("ct helper %q", m.Words[1])
			return
		}
		s.lack(strings.TrimSpace("-m " + m.Name + " " + strings.Join(m.Words, " ")))
	default:
		s.lack("-m " + m.Module())
	}
}

// policies are what -m policy asks of IPsec without more, in nft's words (nft(8), "meta", "rt").
var policies = map[string]string{
	"policy --dir in --pol ipsec": "meta ipsec exists", "policy --dir in --pol none": "meta ipsec missing",
	"policy --dir out --pol ipsec": "rt ipsec exists", "policy --dir out --pol none": "rt ipsec missing",
}

func (s *saying) transport(m rules.Transport) {
	if m.Source != nil {
		s.ports("sport", m.Source.Not, m.Source.Ports)
	}
	if m.Dest != nil {
		s.ports("dport", m.Dest.Not, m.Dest.Ports)
	}
	if m.Option != nil {
		s.lack("--tcp-option")
	}
	if f := m.Flags; f != nil {
		op := "=="
		if f.Not {
			op = "!="
		}
		s.say("tcp flags & 0x%x %s 0x%x", f.Mask, op, f.Comp)
	}
}

func (s *saying) states(not bool, words []string) {
	var states, status []string
	for _, w := range words {
		if w == "SNAT" || w == "DNAT" {
			status = append(status, strings.ToLower(w))
		} else {
			states = append(states, strings.ToLower(w))
		}
	}
	switch {
	case len(states) > 0 && len(status) > 0:
		s.lack("--ctstate with SNAT or DNAT among states")
	case len(status) > 1:
		s.lack("--ctstate SNAT,DNAT")
	case len(status) == 1 && not:
		s.say("ct status & %s == 0", status[0])
	case len(status) == 1:
		s.say("ct status %s", status[0])
	case len(states) == 1:
		s.say("ct state %s%s", unless(not), states[0])
	default:
		s.say("ct state %s{ %s }", unless(not), strings.Join(states, ", "))
	}
}

func (s *saying) conntrack(m rules.Conntrack) {
	if m.State != nil {
		s.states(m.State.Not, m.State.Words)
		// Of a packet without a connection nothing else is asked then (conntrack_mt in net/netfilter/xt_conntrack.c).
		meant := func(state string) bool { return slices.Contains(m.State.Words, state) != m.State.Not }
		if m != (rules.Conntrack{State: m.State}) && (meant("INVALID") || meant("UNTRACKED")) {
			s.lack("-m conntrack that asks more than a state which packets without a connection have")
		}
	}
	for _, n := range []struct {
		field string
		net   *rules.Net
	}{{"original %s saddr", m.OrigSrc}, {"original %s daddr", m.OrigDst}, {"reply %s saddr", m.ReplSrc}, {"reply %s daddr", m.ReplDst}} {
		if n.net == nil {
			continue
		}
		p, ok := n.net.Prefix()
		if !ok {
			s.lack("an address of the connection with a mask that is no prefix")
			continue
		}
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		s.say("ct "+n.field+" %s%s", s.ip, unless(n.net.Not), text)
	}
	if m.Dir != "" {
		s.say("ct direction %s", strings.ToLower(m.Dir))
	}
	for _, p := range []struct {
		field string
		port  *rules.PortMatch
	}{{"original proto-src", m.OrigSrcPort}, {"original proto-dst", m.OrigDstPort}, {"reply proto-src", m.ReplSrcPort}, {"reply proto-dst", m.ReplDstPort}} {
		switch {
		case p.port != nil && s.ported() == "th":
			s.lack("-m conntrack with ports, without a protocol that has them")
		case p.port != nil:
			s.say("ct %s %s%s", p.field, unless(p.port.Not), portText(p.port.Ports))
		}
	}
	if m.Status != nil || m.Proto != nil || m.Expire != nil {
		s.lack("-m conntrack with status, protocol or expiry")
	}
}

// statistic lets a share of packets through. The counter of xt_statistic begins at the number of the packet and matches where
// it comes round; numgen's begins at 0 with the first packet (net/netfilter/xt_statistic.c, nft_numgen.c).
func (s *saying) statistic(m rules.Statistic) {
	if m.Nth {
		if m.Every == 0 || m.At >= m.Every {
			s.lack("-m statistic of no packet")
			return
		}
		op := "=="
		if m.Not {
			op = "!="
		}
		s.say("numgen inc mod %d %s %d", m.Every, op, m.Every-1-m.At)
		return
	}
	share, err := strconv.ParseFloat(m.Probability, 64)
	const whole = 1 << 31 // to which xt_statistic rounds
	if limit := math.Round(share * whole); err != nil || limit < 1 || limit >= whole {
		s.lack("-m statistic of all packets or none")
	} else {
		op := "<"
		if m.Not {
			op = ">="
		}
		s.say("numgen random mod %d %s %d", uint32(whole), op, uint32(limit))
	}
}

func (s *saying) mark(m rules.Mark) {
	field, op := "meta mark", "=="
	if m.Conn {
		field = "ct mark"
	}
	if m.Not {
		op = "!="
	}
	if m.Mask == 0xffffffff {
		s.say("%s %s 0x%x", field, op, m.Value)
		return
	}
	s.say("%s & 0x%x %s 0x%x", field, m.Mask, op, m.Value)
}

func (s *saying) addresses(field string, m *rules.AddrsMatch) {
	if m != nil {
		s.say("%s %s %s%s-%s", s.ip, field, unless(m.Not), m.Lo, m.Hi)
	}
}

func (s *saying) addrType(m rules.AddrType) {
	if m.LimitIn || m.LimitOut {
		s.lack("-m addrtype with --limit-iface-in or --limit-iface-out")
		return
	}
	for _, side := range []struct {
		field string
		types *rules.TypesMatch
	}{{"saddr", m.Source}, {"daddr", m.Dest}} {
		if side.types == nil {
			continue
		}
		if s.family == rules.IPv6 && !alikeInIPv6(side.types.Types) {
			s.lack("addrtype of IPv6 by other types than LOCAL or MULTICAST alone, which fib tells apart otherwise")
			return
		}
		text := strings.ToLower(strings.Join(side.types.Types, ", "))
		if len(side.types.Types) > 1 {
			text = "{ " + text + " }"
		}
		s.say("fib %s type %s%s", side.field, unless(side.types.Not), text)
	}
}

// alikeInIPv6 tells whether addrtype and fib mean the same by types of IPv6. To addrtype UNICAST is what an address looks
// like, local or unreachable ones included, and it falls out beside LOCAL (match_type6 in net/netfilter/xt_addrtype.c).
func alikeInIPv6(types []string) bool {
	return len(types) == 1 && (strings.EqualFold(types[0], "LOCAL") || strings.EqualFold(types[0], "MULTICAST"))
}

func (s *saying) icmp(m rules.ICMPType) {
	header := "icmp"
	if m.V6 {
		header = "icmpv6"
	}
	switch {
	case m.Any:
	case m.Not && m.Code != nil:
		s.lack("a type and code of ICMP that are negated together")
	case m.Code != nil:
		s.say("%s type %d %s code %d", header, m.Type, header, *m.Code)
	default:
		s.say("%s type %s%d", header, unless(m.Not), m.Type)
	}
}

func (s *saying) owner(m rules.Owner) {
	if m.SocketExists != nil || m.Suppl {
		s.lack("-m owner with --socket-exists or --suppl-groups")
	}
	for _, id := range []struct {
		field string
		match *rules.IDMatch
	}{{"skuid", m.UID}, {"skgid", m.GID}} {
		if id.match == nil {
			continue
		}
		if id.match.Not { // which packets without a socket match in iptables (owner_mt in net/netfilter/xt_owner.c), and not in nft
			s.lack("-m owner with !")
			continue
		}
		text := fmt.Sprint(id.match.Lo)
		if id.match.Lo != id.match.Hi {
			text += fmt.Sprintf("-%d", id.match.Hi)
		}
		s.say("meta %s %s", id.field, text)
	}
}

// limit says -m limit, of which iptables-save prints the burst unless it is 5.
func (s *saying) limit(words []string) {
	rate, burst := "", "5"
	for i := 0; i+1 < len(words); i += 2 {
		switch words[i] {
		case "--limit":
			rate = words[i+1]
		case "--limit-burst":
			burst = words[i+1]
		}
	}
	number, unit, ok := strings.Cut(rate, "/")
	long := map[string]string{"sec": "second", "min": "minute", "hour": "hour", "day": "day"}[unit]
	if !ok || long == "" {
		s.lack("-m limit " + strings.Join(words, " "))
		return
	}
	s.say("limit rate %s/%s burst %s packets", number, long, burst)
}
