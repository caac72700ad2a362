package traced

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/paste"
)

// TraceFilter says which packets to trace, as they are when they reach this host or
// are sent by it, before any translation. The replies to them are traced with them.
// Zero fields ask for nothing.
type TraceFilter struct {
	Family rules.Family
	// HasFamily tells that packets of one family alone are meant: Family.
	HasFamily bool
	Proto     rules.Protocol
	Src, Dst  netip.Prefix
	// SrcPorts and DstPorts need a protocol with ports.
	SrcPorts, DstPorts rules.Ports
	In                 string // the interface it arrives by
	// New asks for packets that begin a TCP connection only, and their first replies.
	New bool
}

// traceExample is said wherever a filter is not understood.
const traceExample = "tcp dport 80, or src 203.0.113.10 dst 203.0.113.1 dport 80, or 203.0.113.10 > 203.0.113.1:80"

// ParseTraceFilter reads a filter: conditions that must all hold, of the words that
// the filter for flows has too.
//
//	tcp, udp, icmp, proto P   the protocol
//	src A, dst A              an address or a network, also with a port: 192.0.2.1:80
//	sport N, dport N          a port or a range N-M; TCP where no protocol is given
//	in IFACE                  the interface it arrives by
//	family ipv4, family ipv6
//	new                       packets that begin a connection only
//	A > B                     src A dst B, each with a port or not; "any" for either
//
// The error is a *QueryError that points at the word.
func ParseTraceFilter(line string) (TraceFilter, error) {
	plain := plainArrows(line)
	p := traceParser{words: filter.Words(plain)}
	if err := filter.Unclosed(plain, p.words); err != nil {
		return TraceFilter{}, err
	}
	for p.at < len(p.words) {
		if err := p.condition(); err != nil {
			return TraceFilter{}, err
		}
	}
	if err := p.settle(); err != nil {
		return TraceFilter{}, err
	}
	return p.filter, nil
}

// plainArrows writes "->" and "→" as ">" where they are not quoted, and as long as they
// were, so that an error points at the right word.
func plainArrows(line string) string {
	plain := strings.NewReplacer("->", " >", "→", " > ")
	var b strings.Builder
	for line != "" {
		open := strings.IndexAny(line, `"'`)
		if open < 0 {
			open = len(line)
		}
		b.WriteString(plain.Replace(line[:open]))
		if line = line[open:]; line == "" {
			break
		}
		end := len(line) // a quote that is not closed runs to the end
		if closed := strings.IndexByte(line[1:], line[0]); closed >= 0 {
			end = closed + 2
		}
		b.WriteString(line[:end])
		line = line[end:]
	}
	return b.String()
}

// traceParser reads a filter word by word.
type traceParser struct {
	words  []filter.Word
	at     int
	filter TraceFilter
}

func (p *traceParser) condition() error {
	key := p.words[p.at]
	p.at++
	f := &p.filter
	if p.at < len(p.words) && p.words[p.at].Is(">", "to") {
		p.at++
		if err := p.side(key, &f.Src, &f.SrcPorts); err != nil {
			return err
		}
		to, err := p.value(key, "a destination address")
		if err != nil {
			return err
		}
		return p.side(to, &f.Dst, &f.DstPorts)
	}
	switch {
	case key.Is("new", "syn"):
		f.New = true
		return nil
	case key.Is("src", "client", "from"):
		return p.valueOf(key, "an address, such as 192.0.2.1", func(v filter.Word) error { return p.side(v, &f.Src, &f.SrcPorts) })
	case key.Is("dst", "asked"):
		return p.valueOf(key, "an address, such as 192.0.2.1", func(v filter.Word) error { return p.side(v, &f.Dst, &f.DstPorts) })
	case key.Is("sport"):
		return p.valueOf(key, "a port, such as 4000", func(v filter.Word) error { return tracePorts(v, v.Text, &f.SrcPorts) })
	case key.Is("dport", "port"):
		return p.valueOf(key, "a port, such as 80", func(v filter.Word) error { return tracePorts(v, v.Text, &f.DstPorts) })
	case key.Is("in"):
		return p.valueOf(key, "an interface, such as wan0", func(v filter.Word) error {
			if len(v.Text) > 15 {
				return v.Problem("is too long for an interface name")
			}
			f.In = v.Text
			return nil
		})
	case key.Is("proto"):
		return p.valueOf(key, "a protocol, such as tcp", p.proto)
	case key.Is("family"):
		return p.valueOf(key, "ipv4 or ipv6", p.family)
	case key.Is("ipv4", "ipv6"):
		return p.family(key)
	}
	if _, ok := rules.ParseProtocol(key.Text); ok && len(key.Text) > 0 && key.Text[0] > '9' {
		return p.proto(key)
	}
	if meant := paste.Nearest(key.Text, traceWords); meant != "" {
		return key.Problem("cannot be used in a trace: did you mean %s?", meant)
	}
	return key.Problem("cannot be used in a trace; use %s", traceExample)
}

// traceWords are the words that begin a condition.
var traceWords = []string{"src", "dst", "sport", "dport", "port", "in", "proto", "family", "ipv4", "ipv6", "new", "tcp", "udp", "icmp", "from", "client", "asked"}

// value takes the next word, for a key.
func (p *traceParser) value(key filter.Word, wants string) (filter.Word, error) {
	if p.at < len(p.words) && p.words[p.at].Is("=", "==") {
		p.at++
	}
	if p.at >= len(p.words) {
		return filter.Word{}, key.Problem("needs %s", wants)
	}
	p.at++
	return p.words[p.at-1], nil
}

func (p *traceParser) valueOf(key filter.Word, wants string, take func(filter.Word) error) error {
	v, err := p.value(key, wants)
	if err != nil {
		return err
	}
	return take(v)
}

func (p *traceParser) proto(v filter.Word) error {
	proto, ok := rules.ParseProtocol(v.Text)
	if !ok || proto == 0 {
		return v.Problem("is not a protocol; use tcp, udp, icmp, icmpv6, sctp, gre … or a number")
	}
	p.filter.Proto = proto
	return nil
}

func (p *traceParser) family(v filter.Word) error {
	switch strings.ToLower(v.Text) {
	case "ipv4", "4":
		p.filter.Family, p.filter.HasFamily = rules.IPv4, true
	case "ipv6", "6":
		p.filter.Family, p.filter.HasFamily = rules.IPv6, true
	default:
		return v.Problem("is not a family; use ipv4 or ipv6")
	}
	return nil
}

// side reads an address, a network, or an address with ports.
func (p *traceParser) side(v filter.Word, to *netip.Prefix, ports *rules.Ports) error {
	text := v.Text
	if v.Is("any", "*") {
		return nil
	}
	if n, err := netip.ParsePrefix(text); err == nil {
		*to = n.Masked()
		return nil
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil && a.Zone() == "" {
		*to = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return v.NotAddress("use 192.0.2.1, 192.0.2.0/24 or 192.0.2.1:80")
	}
	host, port := strings.Trim(text[:i], "[]"), text[i+1:]
	if host != "" && host != "*" && host != "any" {
		a, err := netip.ParseAddr(host)
		if err != nil || a.Zone() != "" {
			return v.NotAddress("use 192.0.2.1:80 or [2001:db8::1]:80")
		}
		*to = netip.PrefixFrom(a, a.BitLen())
	}
	return tracePorts(v, port, ports)
}

func tracePorts(v filter.Word, text string, to *rules.Ports) error {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || a == 0 || b < a {
		return v.NoPorts(text, "80 or 8000-8080")
	}
	*to = rules.Ports{Lo: uint16(a), Hi: uint16(b)}
	return nil
}

// settle derives what follows from the conditions, and refuses what contradicts.
func (p *traceParser) settle() error {
	f := &p.filter
	refuse := func(format string, args ...any) error { return &filter.Error{Problem: fmt.Sprintf(format, args...)} }
	if *f == (TraceFilter{}) {
		return refuse("which packets should be traced? for example %s", traceExample)
	}
	if f.New && f.Proto == 0 {
		f.Proto = rules.TCP
	}
	ported := f.SrcPorts != rules.Ports{} || f.DstPorts != rules.Ports{}
	if ported && f.Proto == 0 {
		f.Proto = rules.TCP
	}
	if ported && !f.Proto.HasPorts() {
		return refuse("%s has no ports", f.Proto)
	}
	if f.New && f.Proto != rules.TCP {
		return refuse("new works for tcp only, not for %s", f.Proto)
	}
	for _, n := range []netip.Prefix{f.Src, f.Dst} {
		family := rules.IPv4
		switch {
		case !n.IsValid():
			continue
		case n.Addr().Is6():
			family = rules.IPv6
		}
		if f.HasFamily && f.Family != family {
			return refuse("%s is not in the address family of the other conditions, %s", n.Addr(), f.Family)
		}
		f.Family, f.HasFamily = family, true
	}
	switch {
	case f.Proto == rules.ICMP && f.Only(rules.IPv6):
		f.Proto = rules.ICMPv6
	case f.Proto == rules.ICMP:
		f.Family, f.HasFamily = rules.IPv4, true
	case f.Proto == rules.ICMPv6 && f.Only(rules.IPv4):
		return refuse("icmpv6 does not work with IPv4 addresses")
	case f.Proto == rules.ICMPv6:
		f.Family, f.HasFamily = rules.IPv6, true
	}
	return nil
}

// Only tells that packets of the other family are not meant.
func (f TraceFilter) Only(family rules.Family) bool { return f.HasFamily && f.Family == family }

// String is the filter as ParseTraceFilter reads it.
func (f TraceFilter) String() string {
	var words []string
	add := func(s ...string) { words = append(words, s...) }
	if f.Proto != 0 {
		if !f.Proto.Named() {
			add("proto")
		}
		add(f.Proto.String())
	}
	if f.HasFamily && !f.Src.IsValid() && !f.Dst.IsValid() && !f.Proto.IsICMP() {
		add("family", f.Family.String())
	}
	addr := func(key string, n netip.Prefix) {
		switch {
		case n.IsValid() && n.IsSingleIP():
			add(key, n.Addr().String())
		case n.IsValid():
			add(key, n.String())
		}
	}
	port := func(key string, p rules.Ports) {
		switch {
		case p == rules.Ports{}:
		case p.Single():
			add(key, strconv.Itoa(int(p.Lo)))
		default:
			add(key, fmt.Sprintf("%d-%d", p.Lo, p.Hi))
		}
	}
	addr("src", f.Src)
	port("sport", f.SrcPorts)
	addr("dst", f.Dst)
	port("dport", f.DstPorts)
	if f.In != "" {
		add("in", quoted(f.In))
	}
	if f.New {
		add("new")
	}
	return strings.Join(words, " ")
}

// quoted is a name as one word of a filter, whatever is in it. One that has both kinds of
// quotation marks cannot be written, nor can it come from a filter.
func quoted(name string) string {
	if name != "" && !strings.ContainsAny(name, " \t\n\r()<>=!\"'→") && !strings.EqualFold(name, "to") {
		return name
	}
	if strings.Contains(name, `"`) {
		return "'" + name + "'"
	}
	return `"` + name + `"`
}

// TraceOfFlow is the filter for the packets of a flow, as its client sends them.
func TraceOfFlow(f *flow.Flow) TraceFilter {
	src, dst := f.Client(), f.AskedFor()
	t := TraceFilter{
		Family: f.Orig.Family, Proto: f.Proto(),
		Src: netip.PrefixFrom(src.Addr(), src.Addr().BitLen()), Dst: netip.PrefixFrom(dst.Addr(), dst.Addr().BitLen()),
	}
	if t.Proto.HasPorts() {
		t.SrcPorts, t.DstPorts = rules.Port(src.Port()), rules.Port(dst.Port())
	}
	return t
}

// TraceOfRule is the filter for the packets that a rule may match. Where the rule
// sees packets after translation its destination says nothing of how they come, and
// is left out.
func TraceOfRule(family rules.Family, chain string, r *rules.Rule) TraceFilter {
	t := TraceFilter{Family: family, HasFamily: true}
	if n, ok := r.Protocol.Number(); ok && !r.Protocol.Any() && !r.Protocol.Not {
		t.Proto = rules.Protocol(n)
	}
	if n, ok := r.Source.Prefix(); ok && !r.Source.Not {
		t.Src = n
	}
	if !r.In.Any() && !r.In.Not && !strings.HasSuffix(r.In.Name, "+") {
		t.In = r.In.Name
	}
	if chain == "POSTROUTING" || chain == "INPUT" {
		return t
	}
	if n, ok := r.Dest.Prefix(); ok && !r.Dest.Not {
		t.Dst = n
	}
	for _, m := range r.Matches {
		if m, ok := m.(rules.Transport); ok && m.Dest != nil && !m.Dest.Not {
			t.DstPorts = m.Dest.Ports
		}
	}
	return t
}
