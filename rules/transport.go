package rules

import (
	"strconv"
	"strings"
)

// PortMatch is a match on one port or range of ports, with its negation.
type PortMatch struct {
	Not bool
	Ports
}

// Transport is the match that comes with a protocol that has ports: tcp, udp,
// udplite, sctp, dccp (xt_tcpudp, xt_sctp, xt_dccp).
type Transport struct {
	Proto        string
	Source, Dest *PortMatch
	Flags        *TCPFlags  // tcp
	Option       *TCPOption // tcp
}

// TCPFlags compares those flags of a TCP header that Mask names with Comp.
type TCPFlags struct {
	Not        bool
	Mask, Comp uint8
}

// TCPOption matches packets whose TCP header has the option of a number (RFC 9293, 3.1), or lacks it.
type TCPOption struct {
	Not    bool
	Number uint8
}

func (m Transport) Module() string { return m.Proto }
func (m Transport) options() (o []Option) {
	if m.Source != nil {
		o = append(o, NewOption(m.Source.Not, "--sport", m.Source.String()))
	}
	if m.Dest != nil {
		o = append(o, NewOption(m.Dest.Not, "--dport", m.Dest.String()))
	}
	if m.Option != nil {
		o = append(o, NewOption(m.Option.Not, "--tcp-option", strconv.Itoa(int(m.Option.Number))))
	}
	if m.Flags != nil {
		o = append(o, NewOption(m.Flags.Not, "--tcp-flags", FlagNames(m.Flags.Mask), FlagNames(m.Flags.Comp)))
	}
	return o
}

func parseTransport(module string, opts []Option) (Match, bool) {
	m := Transport{Proto: module}
	for _, o := range opts {
		switch o.Name {
		case "--sport", "--dport":
			text, _ := o.single()
			p, ok := ParsePorts(text, ":")
			if !ok {
				return nil, false
			}
			if o.Name == "--sport" {
				m.Source = &PortMatch{o.Not, p}
			} else {
				m.Dest = &PortMatch{o.Not, p}
			}
		case "--tcp-flags":
			if module != "tcp" || len(o.Args) != 2 {
				return nil, false
			}
			mask, ok1 := ParseFlags(o.Args[0])
			comp, ok2 := ParseFlags(o.Args[1])
			if !ok1 || !ok2 {
				return nil, false
			}
			m.Flags = &TCPFlags{o.Not, mask, comp}
		case "--tcp-option":
			text, _ := o.single()
			n, err := strconv.ParseUint(text, 10, 8)
			if module != "tcp" || err != nil {
				return nil, false
			}
			m.Option = &TCPOption{o.Not, uint8(n)}
		default:
			return nil, false
		}
	}
	return m, true
}

var tcpFlags = [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"}

// FlagNames are TCP flags as iptables-save prints them: FIN,SYN, or NONE.
func FlagNames(f uint8) string {
	if f == 0 {
		return "NONE"
	}
	var names []string
	for i, name := range tcpFlags {
		if f>>i&1 == 1 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseFlags reads TCP flags as --tcp-flags takes them.
func ParseFlags(s string) (f uint8, ok bool) {
	switch s {
	case "NONE":
		return 0, true
	case "ALL":
		return 0x3f, true
	}
words:
	for name := range strings.SplitSeq(s, ",") {
		for i, flag := range tcpFlags {
			if name == flag {
				f |= 1 << i
				continue words
			}
		}
		return 0, false
	}
	return f, true
}

// Multiport is a list of up to 15 ports and ranges (xt_multiport).
type Multiport struct {
	Not  bool
	Side Side
	List []Ports
}

// Side says which end of a packet a match looks at.
type Side uint8

// The sides of a packet. EitherSide matches if source or destination does.
const (
	SourceSide Side = iota
	DestSide
	EitherSide
)

var multiportOptions = [...]string{SourceSide: "--sports", DestSide: "--dports", EitherSide: "--ports"}

func (m Multiport) Module() string { return "multiport" }
func (m Multiport) options() []Option {
	text := make([]string, len(m.List))
	for i, p := range m.List {
		text[i] = p.String()
	}
	return []Option{NewOption(m.Not, multiportOptions[m.Side], strings.Join(text, ","))}
}

func parseMultiport(_ string, opts []Option) (Match, bool) {
	if len(opts) != 1 {
		return nil, false
	}
	m := Multiport{Not: opts[0].Not}
	found := false
	for side, name := range multiportOptions {
		if opts[0].Name == name {
			m.Side, found = Side(side), true
		}
	}
	text, ok := opts[0].single()
	if !found || !ok {
		return nil, false
	}
	for item := range strings.SplitSeq(text, ",") {
		p, ok := ParsePorts(item, ":")
		if !ok {
			return nil, false
		}
		m.List = append(m.List, p)
	}
	return m, true
}
