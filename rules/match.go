package rules

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Match is one -m block of a rule: the name of an extension and its options.
// A rule meets its matches in order, and all of them must hold.
//
// Matches that nattui understands have types of their own; every other one is
// an Opaque, which keeps the words that were printed.
type Match interface {
	// Module is the name after -m.
	Module() string
	// options are what follows the name, in the order iptables-save prints them.
	options() []Option
}

// option is one option of an extension as printed: an optional "!", a name
// with its dashes, and its arguments.
type Option struct {
	Not  bool
	Name string
	Args []string
}

// opt is an option with its arguments.
func NewOption(not bool, name string, args ...string) Option { return Option{not, name, args} }

// single returns the one argument of an option that has exactly one.
func (o Option) single() (string, bool) {
	if len(o.Args) != 1 {
		return "", false
	}
	return o.Args[0], true
}

// Opaque is a match that nattui does not understand, word for word.
type Opaque struct {
	Name  string
	Words []string // everything after the name
}

func (m Opaque) Module() string { return m.Name }
func (m Opaque) options() []Option {
	if len(m.Words) == 0 {
		return nil
	}
	return []Option{{Args: m.Words}}
}

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

// TCPOption asks for an option in the TCP header by its number.
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

// The sides of a packet. EitherSide is met by source or destination.
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

// IPRange is a match on ranges of addresses that need not be networks (xt_iprange).
type IPRange struct {
	Source, Dest *AddrsMatch
}

// AddrsMatch is a range of addresses with its negation.
type AddrsMatch struct {
	Not bool
	Addrs
}

func (m IPRange) Module() string { return "iprange" }
func (m IPRange) options() (o []Option) {
	if m.Source != nil {
		o = append(o, NewOption(m.Source.Not, "--src-range", AddrText(m.Source.Lo)+"-"+AddrText(m.Source.Hi)))
	}
	if m.Dest != nil {
		o = append(o, NewOption(m.Dest.Not, "--dst-range", AddrText(m.Dest.Lo)+"-"+AddrText(m.Dest.Hi)))
	}
	return o
}

func parseIPRange(_ string, opts []Option) (Match, bool) {
	var m IPRange
	for _, o := range opts {
		text, _ := o.single()
		r, ok := ParseAddrs(text)
		if !ok {
			return nil, false
		}
		switch o.Name {
		case "--src-range":
			m.Source = &AddrsMatch{o.Not, r}
		case "--dst-range":
			m.Dest = &AddrsMatch{o.Not, r}
		default:
			return nil, false
		}
	}
	return m, true
}

// AddrType is a match on what the routing table says an address is (xt_addrtype).
type AddrType struct {
	Source, Dest *TypesMatch
	LimitIn      bool // look only at addresses of the interface the packet came in by
	LimitOut     bool // … leaves by
}

// TypesMatch is a list of route types (LOCAL, UNICAST, …) with its negation.
type TypesMatch struct {
	Not   bool
	Types []string
}

func (m AddrType) Module() string { return "addrtype" }
func (m AddrType) options() (o []Option) {
	if m.Source != nil {
		o = append(o, NewOption(m.Source.Not, "--src-type", strings.Join(m.Source.Types, ",")))
	}
	if m.Dest != nil {
		o = append(o, NewOption(m.Dest.Not, "--dst-type", strings.Join(m.Dest.Types, ",")))
	}
	if m.LimitIn {
		o = append(o, NewOption(false, "--limit-iface-in"))
	}
	if m.LimitOut {
		o = append(o, NewOption(false, "--limit-iface-out"))
	}
	return o
}

func parseAddrType(_ string, opts []Option) (Match, bool) {
	var m AddrType
	for _, o := range opts {
		switch o.Name {
		case "--src-type", "--dst-type":
			text, ok := o.single()
			if !ok {
				return nil, false
			}
			t := &TypesMatch{o.Not, strings.Split(text, ",")}
			if o.Name == "--src-type" {
				m.Source = t
			} else {
				m.Dest = t
			}
		case "--limit-iface-in":
			m.LimitIn = true
		case "--limit-iface-out":
			m.LimitOut = true
		default:
			return nil, false
		}
	}
	return m, true
}

// CTState is the older spelling of a match on the connection's state (-m state).
type CTState struct {
	Not    bool
	States []string // NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED
}

func (m CTState) Module() string { return "state" }
func (m CTState) options() []Option {
	return []Option{NewOption(m.Not, "--state", strings.Join(m.States, ","))}
}

func parseCTState(_ string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--state" {
		return nil, false
	}
	text, ok := opts[0].single()
	return CTState{opts[0].Not, strings.Split(text, ",")}, ok
}

// Conntrack is a match on what connection tracking knows of the packet's flow
// (xt_conntrack). Every part that is given must hold.
type Conntrack struct {
	State                                              *WordsMatch // NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED, SNAT, DNAT
	Status                                             *WordsMatch // NONE, EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED
	Proto                                              *ProtoMatch
	OrigSrc                                            *Net
	OrigDst                                            *Net
	ReplSrc                                            *Net
	ReplDst                                            *Net
	OrigSrcPort, OrigDstPort, ReplSrcPort, ReplDstPort *PortMatch
	Expire                                             *ExpireMatch
	Dir                                                string // ORIGINAL, REPLY or ""
}

// WordsMatch is a list of key words with its negation.
type WordsMatch struct {
	Not   bool
	Words []string
}

// ExpireMatch is a range of seconds left, with its negation.
type ExpireMatch struct {
	Not    bool
	Lo, Hi uint32
}

func (m Conntrack) Module() string { return "conntrack" }
func (m Conntrack) options() (o []Option) {
	if m.State != nil {
		o = append(o, NewOption(m.State.Not, "--ctstate", strings.Join(m.State.Words, ",")))
	}
	if m.Proto != nil {
		o = append(o, NewOption(m.Proto.Not, "--ctproto", m.Proto.Name))
	}
	nets := [...]struct {
		name string
		net  *Net
	}{{"--ctorigsrc", m.OrigSrc}, {"--ctorigdst", m.OrigDst}, {"--ctreplsrc", m.ReplSrc}, {"--ctrepldst", m.ReplDst}}
	for _, n := range nets {
		if n.net != nil {
			text := n.net.String()
			if a, ok := n.net.Host(); ok {
				text = AddrText(a)
			}
			o = append(o, NewOption(n.net.Not, n.name, text))
		}
	}
	if m.Status != nil {
		o = append(o, NewOption(m.Status.Not, "--ctstatus", strings.Join(m.Status.Words, ",")))
	}
	if m.Expire != nil {
		text := strconv.FormatUint(uint64(m.Expire.Lo), 10)
		if m.Expire.Hi != m.Expire.Lo {
			text += ":" + strconv.FormatUint(uint64(m.Expire.Hi), 10)
		}
		o = append(o, NewOption(m.Expire.Not, "--ctexpire", text))
	}
	ports := [...]struct {
		name string
		port *PortMatch
	}{{"--ctorigsrcport", m.OrigSrcPort}, {"--ctorigdstport", m.OrigDstPort}, {"--ctreplsrcport", m.ReplSrcPort}, {"--ctrepldstport", m.ReplDstPort}}
	for _, p := range ports {
		if p.port != nil {
			o = append(o, NewOption(p.port.Not, p.name, p.port.String()))
		}
	}
	if m.Dir != "" {
		o = append(o, NewOption(false, "--ctdir", m.Dir))
	}
	return o
}

func parseConntrack(_ string, opts []Option) (Match, bool) {
	var m Conntrack
	for _, o := range opts {
		text, ok := o.single()
		if !ok {
			return nil, false
		}
		switch o.Name {
		case "--ctstate":
			m.State = &WordsMatch{o.Not, strings.Split(text, ",")}
		case "--ctstatus":
			m.Status = &WordsMatch{o.Not, strings.Split(text, ",")}
		case "--ctproto":
			m.Proto = &ProtoMatch{o.Not, text}
		case "--ctdir":
			m.Dir, ok = text, !o.Not
		case "--ctexpire":
			m.Expire, ok = parseExpire(o.Not, text)
		case "--ctorigsrc":
			m.OrigSrc, ok = parseNetMatch(o.Not, text)
		case "--ctorigdst":
			m.OrigDst, ok = parseNetMatch(o.Not, text)
		case "--ctreplsrc":
			m.ReplSrc, ok = parseNetMatch(o.Not, text)
		case "--ctrepldst":
			m.ReplDst, ok = parseNetMatch(o.Not, text)
		case "--ctorigsrcport":
			m.OrigSrcPort, ok = parsePortMatch(o.Not, text)
		case "--ctorigdstport":
			m.OrigDstPort, ok = parsePortMatch(o.Not, text)
		case "--ctreplsrcport":
			m.ReplSrcPort, ok = parsePortMatch(o.Not, text)
		case "--ctrepldstport":
			m.ReplDstPort, ok = parsePortMatch(o.Not, text)
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	return m, true
}

func parseNetMatch(not bool, s string) (*Net, bool) {
	n, ok := ParseNet(s)
	n.Not = not
	return &n, ok
}

func parsePortMatch(not bool, s string) (*PortMatch, bool) {
	p, ok := ParsePorts(s, ":")
	return &PortMatch{not, p}, ok
}

func parseExpire(not bool, s string) (*ExpireMatch, bool) {
	lo, hi, ok := parseRange(s, ":")
	return &ExpireMatch{not, lo, hi}, ok
}

// parseRange reads a number, or two with a sign between them.
func parseRange(s, sep string) (lo, hi uint32, ok bool) {
	first, last, isRange := strings.Cut(s, sep)
	if !isRange {
		last = first
	}
	l, err1 := strconv.ParseUint(first, 10, 32)
	h, err2 := strconv.ParseUint(last, 10, 32)
	return uint32(l), uint32(h), err1 == nil && err2 == nil
}

// Mark is a match on the packet's mark (module mark) or on its flow's (connmark).
type Mark struct {
	Conn bool
	Not  bool
	Bits
}

func (m Mark) Module() string {
	if m.Conn {
		return "connmark"
	}
	return "mark"
}

func (m Mark) options() []Option {
	return []Option{NewOption(m.Not, "--mark", m.Text(0xffffffff))}
}

func parseMark(module string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--mark" {
		return nil, false
	}
	text, _ := opts[0].single()
	b, ok := ParseBits(text, 0xffffffff)
	return Mark{module == "connmark", opts[0].Not, b}, ok
}

// Comment matches always; it is the administrator's note.
type Comment struct{ Text string }

func (m Comment) Module() string    { return "comment" }
func (m Comment) options() []Option { return []Option{NewOption(false, "--comment", m.Text)} }

func parseComment(_ string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--comment" || opts[0].Not {
		return nil, false
	}
	text, ok := opts[0].single()
	return Comment{text}, ok
}

// TTL compares the time to live (IPv4, module ttl) or hop limit (IPv6, module hl).
type TTL struct {
	HopLimit bool
	Not      bool
	Compare  string // eq, lt, gt
	Value    uint8
}

func (m TTL) Module() string {
	if m.HopLimit {
		return "hl"
	}
	return "ttl"
}

func (m TTL) options() []Option {
	return []Option{NewOption(m.Not, "--"+m.Module()+"-"+m.Compare, strconv.Itoa(int(m.Value)))}
}

func parseTTL(module string, opts []Option) (Match, bool) {
	if len(opts) != 1 {
		return nil, false
	}
	compare, ok := strings.CutPrefix(opts[0].Name, "--"+module+"-")
	text, _ := opts[0].single()
	n, err := strconv.ParseUint(text, 10, 8)
	if !ok || err != nil || compare != "eq" && compare != "lt" && compare != "gt" {
		return nil, false
	}
	return TTL{module == "hl", opts[0].Not, compare, uint8(n)}, true
}

// Length is a match on the length of the packet, IP header included, in bytes.
type Length struct {
	Not    bool
	Lo, Hi uint16
}

func (m Length) Module() string { return "length" }
func (m Length) options() []Option {
	return []Option{NewOption(m.Not, "--length", Ports{m.Lo, m.Hi}.String())}
}

func parseLength(_ string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--length" {
		return nil, false
	}
	text, _ := opts[0].single()
	p, ok := ParsePorts(text, ":")
	return Length{opts[0].Not, p.Lo, p.Hi}, ok
}

// TOS is a match on the type-of-service byte under a mask.
type TOS struct {
	Not bool
	Bits
}

func (m TOS) Module() string { return "tos" }
func (m TOS) options() []Option {
	return []Option{NewOption(m.Not, "--tos", hex2(m.Value)+"/"+hex2(m.Mask))}
}

func hex2(v uint32) string {
	if v < 16 {
		return "0x0" + strconv.FormatUint(uint64(v), 16)
	}
	return Hex(v)
}

func parseTOS(_ string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--tos" {
		return nil, false
	}
	text, _ := opts[0].single()
	b, ok := ParseBits(text, 0xff)
	return TOS{opts[0].Not, b}, ok && b.Value < 256 && b.Mask < 256
}

// DSCP is a match on the upper six bits of the type-of-service byte.
type DSCP struct {
	Not   bool
	Value uint8
}

func (m DSCP) Module() string    { return "dscp" }
func (m DSCP) options() []Option { return []Option{NewOption(m.Not, "--dscp", hex2(uint32(m.Value)))} }

func parseDSCP(_ string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--dscp" {
		return nil, false
	}
	text, _ := opts[0].single()
	b, ok := ParseBits(text, 0x3f)
	return DSCP{opts[0].Not, uint8(b.Value)}, ok && b.Value < 64
}

// PktType is a match on how the packet reached the link: unicast, broadcast, multicast.
type PktType struct {
	Not  bool
	Type string
}

func (m PktType) Module() string    { return "pkttype" }
func (m PktType) options() []Option { return []Option{NewOption(m.Not, "--pkt-type", m.Type)} }

func parsePktType(_ string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--pkt-type" {
		return nil, false
	}
	text, ok := opts[0].single()
	return PktType{opts[0].Not, text}, ok
}

// MAC is a match on the Ethernet source address.
type MAC struct {
	Not     bool
	Address string // as printed: six hex bytes
}

func (m MAC) Module() string    { return "mac" }
func (m MAC) options() []Option { return []Option{NewOption(m.Not, "--mac-source", m.Address)} }

func parseMAC(_ string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--mac-source" {
		return nil, false
	}
	text, ok := opts[0].single()
	return MAC{opts[0].Not, text}, ok
}

// Owner is a match on the process that sends a local packet (OUTPUT and POSTROUTING).
type Owner struct {
	UID, GID     *IDMatch
	SocketExists *bool // value false: negated
	Suppl        bool  // supplementary groups count too
}

// IDMatch is a range of user or group ids with its negation.
type IDMatch struct {
	Not    bool
	Lo, Hi uint32
}

func (m Owner) Module() string { return "owner" }
func (m Owner) options() (o []Option) {
	if m.SocketExists != nil {
		o = append(o, NewOption(!*m.SocketExists, "--socket-exists"))
	}
	if m.UID != nil {
		o = append(o, NewOption(m.UID.Not, "--uid-owner", m.UID.text()))
	}
	if m.GID != nil {
		o = append(o, NewOption(m.GID.Not, "--gid-owner", m.GID.text()))
	}
	if m.Suppl {
		o = append(o, NewOption(false, "--suppl-groups"))
	}
	return o
}

func (m IDMatch) text() string {
	s := strconv.FormatUint(uint64(m.Lo), 10)
	if m.Lo != m.Hi {
		s += "-" + strconv.FormatUint(uint64(m.Hi), 10)
	}
	return s
}

func parseOwner(_ string, opts []Option) (Match, bool) {
	var m Owner
	for _, o := range opts {
		ok := true
		switch o.Name {
		case "--uid-owner":
			m.UID, ok = parseID(o)
		case "--gid-owner":
			m.GID, ok = parseID(o)
		case "--socket-exists":
			yes := !o.Not
			m.SocketExists = &yes
		case "--suppl-groups":
			m.Suppl = true
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	return m, true
}

func parseID(o Option) (*IDMatch, bool) {
	text, _ := o.single()
	lo, hi, ok := parseRange(text, "-")
	return &IDMatch{o.Not, lo, hi}, ok
}

// ICMPType is a match on the type, and where given the code, of an ICMP
// (module icmp) or ICMPv6 (icmp6) message.
type ICMPType struct {
	V6   bool
	Not  bool
	Any  bool // "any": every type
	Type uint8
	Code *uint8
}

func (m ICMPType) Module() string {
	if m.V6 {
		return "icmp6"
	}
	return "icmp"
}

func (m ICMPType) options() []Option {
	name := "--icmp-type"
	if m.V6 {
		name = "--icmpv6-type"
	}
	text := strconv.Itoa(int(m.Type))
	if m.Any {
		text = "any"
	}
	if m.Code != nil {
		text += "/" + strconv.Itoa(int(*m.Code))
	}
	return []Option{NewOption(m.Not, name, text)}
}

func parseICMPType(module string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--icmp-type" && opts[0].Name != "--icmpv6-type" {
		return nil, false
	}
	m := ICMPType{V6: module == "icmp6", Not: opts[0].Not}
	text, _ := opts[0].single()
	if text == "any" {
		m.Any = true
		return m, true
	}
	kind, code, coded := strings.Cut(text, "/")
	n, err := strconv.ParseUint(kind, 10, 8)
	if err != nil {
		return nil, false
	}
	m.Type = uint8(n)
	if coded {
		n, err := strconv.ParseUint(code, 10, 8)
		if err != nil {
			return nil, false
		}
		c := uint8(n)
		m.Code = &c
	}
	return m, true
}

// Time is a match on the time of day and date (xt_time). The words are kept as
// printed; the evaluator reads them.
type Time struct{ Options []TimeOption }

// TimeOption is one condition of a Time match, such as timestart 08:00:00.
type TimeOption struct {
	Not   bool
	Name  string // without dashes
	Value string
}

func (m Time) Module() string { return "time" }
func (m Time) options() (o []Option) {
	for _, t := range m.Options {
		if t.Value == "" {
			o = append(o, NewOption(t.Not, "--"+t.Name))
		} else {
			o = append(o, NewOption(t.Not, "--"+t.Name, t.Value))
		}
	}
	return o
}

func parseTime(_ string, opts []Option) (Match, bool) {
	var m Time
	for _, o := range opts {
		switch o.Name {
		case "--timestart", "--timestop", "--monthdays", "--weekdays", "--datestart", "--datestop":
			text, ok := o.single()
			if !ok {
				return nil, false
			}
			m.Options = append(m.Options, TimeOption{o.Not, o.Name[2:], text})
		case "--kerneltz", "--contiguous", "--localtz":
			m.Options = append(m.Options, TimeOption{o.Not, o.Name[2:], ""})
		default:
			return nil, false
		}
	}
	return m, true
}

// Statistic lets a share of packets through: at random, or every nth (xt_statistic).
type Statistic struct {
	Nth         bool
	Not         bool
	Probability string // as printed, 0.50000000000
	Every, At   uint32 // nth mode: one of Every packets, the one numbered At
}

func (m Statistic) Module() string { return "statistic" }
func (m Statistic) options() []Option {
	if !m.Nth {
		return []Option{NewOption(false, "--mode", "random"), NewOption(m.Not, "--probability", m.Probability)}
	}
	o := []Option{NewOption(false, "--mode", "nth"), NewOption(m.Not, "--every", strconv.FormatUint(uint64(m.Every), 10))}
	if m.At != 0 {
		o = append(o, NewOption(false, "--packet", strconv.FormatUint(uint64(m.At), 10)))
	}
	return o
}

func parseStatistic(_ string, opts []Option) (Match, bool) {
	var m Statistic
	for _, o := range opts {
		text, ok := o.single()
		var err error
		var n uint64
		switch o.Name {
		case "--mode":
			m.Nth = text == "nth"
		case "--probability":
			m.Not, m.Probability = o.Not, text
			_, err = strconv.ParseFloat(text, 64)
		case "--every":
			n, err = strconv.ParseUint(text, 10, 32)
			m.Not, m.Every = o.Not, uint32(n)
		case "--packet":
			n, err = strconv.ParseUint(text, 10, 32)
			m.At = uint32(n)
		default:
			ok = false
		}
		if !ok || err != nil {
			return nil, false
		}
	}
	return m, true
}

// NetOfAddr is the net that holds just one address.
func NetOfAddr(a netip.Addr) Net { return NetOf(netip.PrefixFrom(a, a.BitLen())) }

// parsers read the options of the modules that nattui understands.
var parsers = map[string]func(module string, opts []Option) (Match, bool){
	"tcp": parseTransport, "udp": parseTransport, "udplite": parseTransport, "sctp": parseTransport, "dccp": parseTransport,
	"multiport": parseMultiport, "iprange": parseIPRange, "addrtype": parseAddrType,
	"state": parseCTState, "conntrack": parseConntrack, "mark": parseMark, "connmark": parseMark,
	"comment": parseComment, "ttl": parseTTL, "hl": parseTTL, "length": parseLength,
	"tos": parseTOS, "dscp": parseDSCP, "pkttype": parsePktType, "mac": parseMAC, "owner": parseOwner,
	"icmp": parseICMPType, "icmp6": parseICMPType, "time": parseTime, "statistic": parseStatistic,
}

// Understands tells whether matches of the module have a type of their own.
func Understands(module string) bool {
	_, ok := parsers[module]
	return ok
}

// NewMatch is a match of a module with its options in the order in which iptables-save prints them. It is
// Opaque where the module is not understood, or its typed form would not print as the same words.
func NewMatch(module string, opts []Option) Match {
	return matchOf(module, opts, optionWords(opts))
}

func matchOf(module string, opts []Option, words []string) Match {
	if parse, ok := parsers[module]; ok {
		if m, ok := parse(module, opts); ok && slices.Equal(matchWords(nil, m)[2:], words) {
			return m
		}
	}
	return Opaque{module, words}
}

// optionWords are options as they stand on a command line.
func optionWords(opts []Option) []string {
	var words []string
	for _, o := range opts {
		if o.Not {
			words = append(words, "!")
		}
		if o.Name != "" {
			words = append(words, o.Name)
		}
		words = append(words, o.Args...)
	}
	return words
}

// Conntrack reads a conntrack match that cannot be printed from its typed form
// as it stood, and so is kept as its words: one with bits outside its masks
// (--ctorigsrc 10.0.0.1/8), which the kernel keeps and never looks at, or with
// its options in another order.
func (m Opaque) Conntrack() (Conntrack, bool) {
	opts, ok := splitOptions(m.Words)
	if m.Name != "conntrack" || !ok {
		return Conntrack{}, false
	}
	parsed, ok := parseConntrack(m.Name, opts)
	if !ok {
		return Conntrack{}, false
	}
	typed, ok := parsed.(Conntrack)
	return typed, ok && slices.Equal(masked(matchWords(nil, parsed)[2:]), masked(m.Words))
}

// masked returns the words in order, addresses cut to their masks.
func masked(words []string) []string {
	words = slices.Clone(words)
	for i, w := range words {
		if n, ok := ParseNet(w); ok {
			words[i] = n.String()
		}
	}
	slices.Sort(words)
	return words
}
