package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// Sentence says the rule in words: which packets, and what becomes of them.
func (r Rule) Sentence() string {
	if r.unparseable != nil {
		return "This rule cannot be parsed: " + r.unparseable.Error() + "."
	}
	text := r.subject() + r.conditions() + " " + r.outcome()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// subject names the packets by protocol.
func (r Rule) subject() string {
	switch {
	case r.Protocol.Any():
		return "everything"
	case r.Protocol.Not:
		return "everything but " + protocolTitle(r.Protocol.Name)
	}
	return protocolTitle(r.Protocol.Name)
}

func protocolTitle(name string) string {
	switch n, _ := ProtoNumber(name); n {
	case TCP, UDP, SCTP, DCCP, GRE, ESP, AH, ICMP:
		return strings.ToUpper(ProtoName(n))
	case ICMPv6:
		return "ICMPv6"
	}
	if _, err := strconv.Atoi(name); err == nil {
		return "IP protocol " + name
	}
	return name
}

// conditions are the parts of the rule that restrict it, in words.
func (r Rule) conditions() string {
	var b strings.Builder
	var from, to []string // what is said of the two ends
	say := func(format string, args ...any) { fmt.Fprintf(&b, " "+format, args...) }
	if !r.In.Any() {
		say("that %s", arrival(r.In, "arrives on", "does not arrive on"))
	}
	if !r.Source.Any() {
		from = append(from, negated(r.Source.Not)+netWords(r.Source))
	}
	if !r.Dest.Any() {
		to = append(to, negated(r.Dest.Not)+netWords(r.Dest))
	}
	var rest []string
	for _, m := range r.Matches {
		f, t, other := matchPhrases(m)
		from, to, rest = append(from, f...), append(to, t...), append(rest, other...)
	}
	if len(from) > 0 {
		say("from %s", strings.Join(from, " "))
	}
	if len(to) > 0 {
		say("to %s", strings.Join(to, " "))
	}
	if !r.Out.Any() {
		say("that %s", arrival(r.Out, "leaves by", "does not leave by"))
	}
	switch r.Fragment {
	case LaterOnly:
		rest = append(rest, "in second and later fragments")
	case NotLaterOnly:
		rest = append(rest, "not in later fragments")
	}
	for i, phrase := range rest {
		if i > 0 {
			b.WriteByte(',')
		}
		say("%s", phrase)
	}
	return b.String()
}

func negated(not bool) string {
	if not {
		return "anything but "
	}
	return ""
}

func netWords(n Net) string {
	if a, ok := n.Host(); ok {
		return AddrText(a)
	}
	return n.String()
}

func arrival(i Iface, yes, no string) string {
	verb := yes
	if i.Not {
		verb = no
	}
	if i.Name == "+" {
		return verb + " any interface"
	}
	if stem, ok := strings.CutSuffix(i.Name, "+"); ok {
		return verb + " an interface named " + stem + "…"
	}
	return verb + " " + i.Name
}

func portWords(p PortMatch) string {
	text := "port " + p.String()
	if !p.Single() {
		text = fmt.Sprintf("ports %d to %d", p.Lo, p.Hi)
	}
	if p.Not {
		return "any but " + text
	}
	return text
}

// matchPhrases says a match in words: what belongs to the source, what to the
// destination, and what stands apart.
func matchPhrases(m Match) (from, to, rest []string) {
	switch m := m.(type) {
	case Transport:
		return transportPhrases(m)
	case Multiport:
		words := negated(m.Not) + "ports " + portList(m.List)
		switch m.Side {
		case SourceSide:
			from = append(from, words)
		case DestSide:
			to = append(to, words)
		default:
			rest = append(rest, "from or to "+words)
		}
	case IPRange:
		if m.Source != nil {
			from = append(from, negated(m.Source.Not)+m.Source.String())
		}
		if m.Dest != nil {
			to = append(to, negated(m.Dest.Not)+m.Dest.String())
		}
	case AddrType:
		if m.Source != nil {
			from = append(from, typeWords(*m.Source))
		}
		if m.Dest != nil {
			to = append(to, typeWords(*m.Dest))
		}
	case CTState:
		rest = append(rest, "in "+notWord(m.Not)+strings.Join(m.States, " or ")+" connections")
	case Conntrack:
		rest = append(rest, conntrackPhrases(m)...)
	case Mark:
		rest = append(rest, markPhrase(m))
	case Comment:
	case TTL:
		rest = append(rest, ttlPhrase(m))
	case Length:
		rest = append(rest, lengthPhrase(m))
	case Time:
		rest = append(rest, timePhrase(m))
	case TOS:
		rest = append(rest, fmt.Sprintf("with %sTOS %s/%s", notWord(m.Not), hex2(m.Value), hex2(m.Mask)))
	case DSCP:
		rest = append(rest, fmt.Sprintf("with %sDSCP %s", notWord(m.Not), hex2(uint32(m.Value))))
	case PktType:
		rest = append(rest, notWord(m.Not)+"sent as "+pktTypeWord(m.Type))
	case MAC:
		from = append(from, negated(m.Not)+"hardware address "+m.Address)
	case Owner:
		rest = append(rest, ownerPhrases(m)...)
	case ICMPType:
		rest = append(rest, icmpPhrase(m))
	case Statistic:
		rest = append(rest, statisticPhrase(m))
	default:
		rest = append(rest, extensionPhrase(m))
	}
	return from, to, rest
}

func ttlPhrase(m TTL) string {
	what := map[bool]string{false: "TTL", true: "hop limit"}[m.HopLimit]
	return fmt.Sprintf("with a %s %s%s %d", what, notWord(m.Not), map[string]string{"eq": "of", "lt": "below", "gt": "above"}[m.Compare], m.Value)
}

func transportPhrases(m Transport) (from, to, rest []string) {
	if m.Source != nil {
		from = append(from, portWords(*m.Source))
	}
	if m.Dest != nil {
		to = append(to, portWords(*m.Dest))
	}
	if m.Flags != nil {
		rest = append(rest, fmt.Sprintf("with %sTCP flags %s of %s", notWord(m.Flags.Not), FlagNames(m.Flags.Comp), FlagNames(m.Flags.Mask)))
	}
	if m.Option != nil {
		rest = append(rest, fmt.Sprintf("with %sTCP option %d", notWord(m.Option.Not), m.Option.Number))
	}
	return from, to, rest
}

func markPhrase(m Mark) string {
	whose := "the mark"
	if m.Conn {
		whose = "the connection mark"
	}
	return fmt.Sprintf("with %s %s%s", whose, notWord(m.Not), m.Text(0xffffffff))
}

func notWord(not bool) string {
	if not {
		return "not "
	}
	return ""
}

func portList(list []Ports) string {
	text := make([]string, len(list))
	for i, p := range list {
		text[i] = p.Text("-")
	}
	return strings.Join(text, ", ")
}

func typeWords(t TypesMatch) string {
	words := map[string]string{"LOCAL": "an address of this host", "BROADCAST": "a broadcast address", "MULTICAST": "a multicast address", "UNICAST": "a unicast address"}
	var names []string
	for _, name := range t.Types {
		if w, ok := words[name]; ok {
			names = append(names, w)
		} else {
			names = append(names, "an address of type "+name)
		}
	}
	return negated(t.Not) + strings.Join(names, " or ")
}

func conntrackPhrases(m Conntrack) (rest []string) {
	if m.State != nil {
		rest = append(rest, "in "+notWord(m.State.Not)+strings.Join(m.State.Words, " or ")+" connections")
	}
	words := Conntrack{
		Status: m.Status, Proto: m.Proto, OrigSrc: m.OrigSrc, OrigDst: m.OrigDst, ReplSrc: m.ReplSrc, ReplDst: m.ReplDst,
		OrigSrcPort: m.OrigSrcPort, OrigDstPort: m.OrigDstPort, ReplSrcPort: m.ReplSrcPort, ReplDstPort: m.ReplDstPort, Expire: m.Expire,
	}
	names := map[string]string{
		"--ctorigsrc": "whose connection came from", "--ctorigdst": "whose connection asked for",
		"--ctreplsrc": "whose connection is served by", "--ctrepldst": "whose connection is seen as",
		"--ctorigsrcport": "whose connection came from port", "--ctorigdstport": "whose connection asked for port",
		"--ctreplsrcport": "whose connection is served by port", "--ctrepldstport": "whose connection is seen as port",
		"--ctproto": "whose connection is", "--ctstatus": "with connection status", "--ctexpire": "with seconds left:",
	}
	for _, o := range words.options() {
		rest = append(rest, names[o.Name]+" "+notWord(o.Not)+strings.Join(o.Args, " "))
	}
	switch m.Dir {
	case "ORIGINAL":
		rest = append(rest, "in the direction of the request")
	case "REPLY":
		rest = append(rest, "in the direction of the reply")
	}
	return rest
}

func ownerPhrases(m Owner) (rest []string) {
	if m.UID != nil {
		rest = append(rest, notWord(m.UID.Not)+"sent by user "+m.UID.text())
	}
	if m.GID != nil {
		rest = append(rest, notWord(m.GID.Not)+"sent by group "+m.GID.text())
	}
	if m.SocketExists != nil {
		rest = append(rest, notWord(!*m.SocketExists)+"sent by a socket of this host")
	}
	return rest
}

func icmpPhrase(m ICMPType) string {
	names := map[uint8]string{0: "echo reply", 3: "destination unreachable", 5: "redirect", 8: "echo request", 11: "time exceeded"}
	if m.V6 {
		names = map[uint8]string{1: "destination unreachable", 2: "packet too big", 3: "time exceeded", 128: "echo request", 129: "echo reply", 133: "router solicitation", 134: "router advertisement", 135: "neighbour solicitation", 136: "neighbour advertisement"}
	}
	if m.Any {
		return "of any type"
	}
	text := fmt.Sprintf("%sof type %d", notWord(m.Not), m.Type)
	if name, ok := names[m.Type]; ok {
		text += " (" + name + ")"
	}
	if m.Code != nil {
		text += fmt.Sprintf(" code %d", *m.Code)
	}
	return text
}

func statisticPhrase(m Statistic) string {
	if m.Nth {
		return fmt.Sprintf("%severy %s time", notWord(m.Not), ordinal(uint64(m.Every)))
	}
	p, _ := strconv.ParseFloat(m.Probability, 64)
	return fmt.Sprintf("with a chance of %.4g%%", 100*flip(p, m.Not))
}

func flip(p float64, not bool) float64 {
	if not {
		return 1 - p
	}
	return p
}

// outcome says what becomes of the packets.
func (r Rule) outcome() string {
	t := r.Target
	extra := t.To.flagWords()
	switch t.Kind {
	case NoTarget:
		return "is counted"
	case DNAT:
		return "goes to " + t.To.place() + extra
	case SNAT:
		return "leaves as if from " + t.To.place() + extra
	case Masquerade:
		whose := "the outgoing interface's address"
		if !r.Out.Any() && !r.Out.Not && !strings.HasSuffix(r.Out.Name, "+") {
			whose = r.Out.Name + "'s address"
		}
		if t.To.HasPorts {
			whose += ", " + portWords(PortMatch{Ports: t.To.Ports})
		}
		return "leaves as if from " + whose + extra
	case Redirect:
		if t.To.HasPorts {
			return "goes to this host, " + portWords(PortMatch{Ports: t.To.Ports}) + extra
		}
		return "goes to this host itself" + extra
	case Netmap:
		side := "destination"
		if r.Chain == "POSTROUTING" || r.Chain == "INPUT" {
			side = "source"
		}
		return "gets its " + side + " mapped one to one into " + t.To.Net.String()
	case Accept:
		return "is let through as it is"
	case Drop:
		return "is dropped"
	case Return:
		return "is done with " + r.Chain
	case Jump:
		return "is sent through " + t.Name
	case Goto:
		return "goes on in " + t.Name
	case SetMark:
		return "gets the mark " + t.Mark.Set.Text(0xffffffff)
	case SetConnMark:
		switch {
		case t.Mark.Save:
			return "has its mark kept with the connection"
		case t.Mark.Restore:
			return "gets the mark of its connection"
		}
		return "has its connection marked " + t.Mark.Set.Text(0xffffffff)
	}
	if say := targetPhrases[t.Name]; say != nil {
		return say(t.Options)
	}
	return "is handed to " + Join(append([]string{t.Name}, t.Options...))
}

// place says the new address and port in words.
func (t Translation) place() string {
	var parts []string
	switch {
	case t.Addrs.IsZero():
	case t.Addrs.Single():
		parts = append(parts, AddrText(t.Addrs.Lo))
	default:
		parts = append(parts, "one of "+AddrText(t.Addrs.Lo)+" to "+AddrText(t.Addrs.Hi))
	}
	if t.HasPorts {
		parts = append(parts, portWords(PortMatch{Ports: t.Ports}))
		if t.HasBase {
			parts = append(parts, fmt.Sprintf("counted from port %d", t.Base))
		}
	}
	return strings.Join(parts, " ")
}

func (t Translation) flagWords() string {
	var words []string
	if t.RandomFully {
		words = append(words, "by a fully random port")
	} else if t.Random {
		words = append(words, "by a random port")
	}
	if t.Persistent {
		words = append(words, "always the same for one client")
	}
	if len(words) == 0 {
		return ""
	}
	return ", " + strings.Join(words, ", ")
}
