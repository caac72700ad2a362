package rules

import (
	"slices"
	"strconv"
	"strings"
)

// Match is one -m block of a rule: the name of an extension and its options.
// The kernel tests a rule's matches in order, and all of them must hold.
//
// Matches that nattui understands have types of their own; every other one is
// an Opaque, which keeps the words that were printed.
type Match interface {
	// Module is the name after -m.
	Module() string
	// options are what follows the name, in the order iptables-save prints them.
	options() []Option
}

// Option is one option of an extension as printed: an optional "!", a name
// with its dashes, and its arguments.
type Option struct {
	Not  bool
	Name string
	Args []string
}

// NewOption is an option with its arguments.
func NewOption(not bool, name string, args ...string) Option { return Option{not, name, args} }

// single returns the one argument of an option that has exactly one.
func (o Option) single() (string, bool) {
	if len(o.Args) != 1 {
		return "", false
	}
	return o.Args[0], true
}

// onlyOption is the argument of the one option that a match has, by the option's name.
func onlyOption(opts []Option, name string) (text string, not, ok bool) {
	if len(opts) != 1 || opts[0].Name != name {
		return "", false, false
	}
	text, ok = opts[0].single()
	return text, opts[0].Not, ok
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
	text, not, ok := onlyOption(opts, "--mark")
	b, read := ParseBits(text, 0xffffffff)
	return Mark{module == "connmark", not, b}, ok && read
}

// Comment matches always; it is the administrator's note.
type Comment struct{ Text string }

func (m Comment) Module() string    { return "comment" }
func (m Comment) options() []Option { return []Option{NewOption(false, "--comment", m.Text)} }

func parseComment(_ string, opts []Option) (Match, bool) {
	text, not, ok := onlyOption(opts, "--comment")
	return Comment{text}, ok && !not
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
