package rules

import (
	"slices"
	"strconv"
	"strings"
)

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
	text, not, ok := onlyOption(opts, "--state")
	return CTState{not, strings.Split(text, ",")}, ok
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
