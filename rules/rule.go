package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Rule is one rule of a chain. It mirrors the kernel's struct ipt_entry: what
// every rule can restrict, then matches in order, then the target.
//
// A Rule is a value; nobody changes the slices inside after it was made.
type Rule struct {
	Chain    string
	Source   Net
	Dest     Net
	In, Out  Iface
	Protocol ProtoMatch
	Fragment Fragment
	Matches  []Match
	Target   Target
	Counters Counters
	// Handle is the kernel's number of the rule in its table, on nft; 0 where it was
	// not asked for or does not exist. It tells equal rules apart, and is no part of
	// what the rule says.
	Handle      uint64
	raw         string // the line as it was read; "" for a rule made here
	unparseable error  // why the line could not be taken apart
}

// Fragment is -f: second and further fragments of an IPv4 packet only.
type Fragment uint8

// The three settings of -f.
const (
	AnyFragment  Fragment = iota
	LaterOnly             // -f
	NotLaterOnly          // ! -f
)

// errNotARule is the base of what Parse reports for text that is no rule at all.
var errNotARule = errors.New("not a rule: it has to begin with -A CHAIN")

// Parse reads one rule as iptables-save prints it, with or without counters in
// front ([3:180] -A …). The rule prints back as the same line, whatever was
// understood of it. A line that begins like a rule and cannot be taken apart (a
// quote that never closes) is returned as an unparseable rule, not as an error.
func Parse(line string) (Rule, error) {
	counters, spec := CutCounters(line)
	words, err := Split(spec)
	if len(words) < 2 || words[0] != "-A" || words[1] == "" {
		return Rule{}, fmt.Errorf("%q: %w", line, errNotARule)
	}
	r := Rule{Chain: words[1], Counters: counters, raw: spec}
	if err == nil {
		err = r.take(words[2:])
	}
	if err != nil {
		r = Rule{Chain: words[1], Counters: counters, raw: spec, unparseable: err}
	}
	return r, nil
}

// CutCounters takes "[packets:bytes] " off the front of a saved line.
func CutCounters(line string) (Counters, string) {
	if !strings.HasPrefix(line, "[") {
		return Counters{}, line
	}
	text, rest, ok := strings.Cut(line[1:], "] ")
	if !ok {
		return Counters{}, line
	}
	c, ok := ParseCounters(text)
	if !ok {
		return Counters{}, line
	}
	return c, rest
}

// impliedMatch is the match of a protocol, which iptables loads where its options come without -m (iptables-extensions(8)):
// saved rules always have it, those that people write may not.
var impliedMatch = map[string]string{
	"tcp": "tcp", "udp": "udp", "udplite": "udplite", "sctp": "sctp", "dccp": "dccp", "icmp": "icmp", "icmpv6": "icmp6", "ipv6-icmp": "icmp6",
}

// take fills the rule from the words after its chain.
func (r *Rule) take(words []string) error {
	not := false
	for i := 0; i < len(words); {
		w := words[i]
		if w == "!" {
			not = true
			i++
			continue
		}
		if w == "-f" {
			r.Fragment = LaterOnly
			if not {
				r.Fragment = NotLaterOnly
			}
			not = false
			i++
			continue
		}
		if i+1 >= len(words) {
			return fmt.Errorf("%s needs a value", w)
		}
		value := words[i+1]
		i += 2
		switch w {
		case "-s", "-d":
			if err := r.takeNet(w, value, not); err != nil {
				return err
			}
		case "-i":
			r.In = Iface{not, value}
		case "-o":
			r.Out = Iface{not, value}
		case "-p":
			r.Protocol = ProtoMatch{not, value}
		case "-m":
			end := blockEnd(words, i)
			r.Matches = append(r.Matches, parseMatch(value, words[i:end]))
			i = end
		case "-g":
			if i != len(words) {
				return fmt.Errorf("-g %s is followed by %s", value, words[i])
			}
			r.Target = Target{Kind: Goto, Name: value}
		case "-j":
			r.Target = faithfulTarget(value, words[i:])
			i = len(words)
		default:
			at := i - 2
			if not {
				at--
			}
			i = blockEnd(words, i)
			if err := r.takeImplied(w, words[at:i]); err != nil {
				return err
			}
		}
		not = false
	}
	return nil
}

// takeImplied takes options of the match that the rule's protocol implies, of which w is the first.
func (r *Rule) takeImplied(w string, words []string) error {
	match, ok := impliedMatch[r.Protocol.Name]
	if !ok || r.Protocol.Not || !strings.HasPrefix(w, "--") {
		return fmt.Errorf("%s is no option of a rule", w)
	}
	r.Matches = append(r.Matches, parseMatch(match, words))
	return nil
}

func (r *Rule) takeNet(option, value string, not bool) error {
	n, ok := ParseNet(value)
	if !ok {
		return fmt.Errorf("%s %s: not an address", option, value)
	}
	n.Not = not
	if option == "-s" {
		r.Source = n
	} else {
		r.Dest = n
	}
	return nil
}

// faithfulTarget reads what follows -j. A target whose typed form would not print as the same words
// keeps its words: what is typed is always faithful.
func faithfulTarget(name string, options []string) Target {
	if len(options) == 0 {
		options = nil
	}
	t := ParseTarget(name, options)
	if !slices.Equal(t.words(nil)[2:], options) {
		return Target{Kind: Other, Name: name, Options: options}
	}
	return t
}

// quoting says how iptables-save prints the argument of an option.
type quoting uint8

const (
	bare     quoting = iota + 1 // as it is
	asNeeded                    // quoted unless it is a plain word
	always                      // in quotes, plain or not
)

// textOptions take exactly one argument, whatever it looks like.
var textOptions = map[string]quoting{
	"--comment": asNeeded, "--log-prefix": asNeeded, "--nflog-prefix": asNeeded, "--helper": asNeeded, "--path": asNeeded,
	"--string": always, "--hex-string": always, "--label": always, "--bytecode": always, "--u32": always,
	"--name": bare, "--match-set": bare, "--hashlimit-name": bare,
}

// blockEnd finds where the options of a match that begin at words[i] end: at
// the next match or at the target.
func blockEnd(words []string, i int) int {
	for ; i < len(words); i++ {
		switch w := words[i]; {
		case textOptions[w] != 0:
			i++
		case w == "-m" || w == "-j" || w == "-g":
			return i
		case w == "!" && i+1 < len(words) && !strings.HasPrefix(words[i+1], "--"):
			return i
		case len(w) == 2 && strings.Contains("sdiopf", w[1:]) && w[0] == '-':
			return i
		}
	}
	return i
}

// parseMatch reads one -m block. A block whose typed form would not print as
// the same words stays opaque: what is typed is always faithful.
func parseMatch(module string, words []string) Match {
	if len(words) == 0 {
		words = nil
	}
	if opts, ok := splitOptions(words); ok {
		return matchOf(module, opts, words)
	}
	return Opaque{module, words}
}

// splitOptions groups the words of a match into options.
func splitOptions(words []string) ([]Option, bool) {
	var opts []Option
	for i := 0; i < len(words); i++ {
		w := words[i]
		not := w == "!" && i+1 < len(words) && strings.HasPrefix(words[i+1], "--")
		switch {
		case not:
			i++
			opts = append(opts, Option{Not: true, Name: words[i]})
		case strings.HasPrefix(w, "--"):
			opts = append(opts, Option{Name: w})
		case len(opts) == 0:
			return nil, false
		default:
			last := &opts[len(opts)-1]
			last.Args = append(last.Args, w)
			continue
		}
		if textOptions[words[i]] != 0 && i+1 < len(words) {
			i++
			last := &opts[len(opts)-1]
			last.Args = append(last.Args, words[i])
		}
	}
	return opts, true
}

// MatchWords are the words that print a match, beginning with -m.
func MatchWords(m Match) []string { return matchWords(nil, m) }

// matchWords prints a match, beginning with -m.
func matchWords(w []string, m Match) []string {
	return append(append(w, "-m", m.Module()), optionWords(m.options())...)
}

// specWords prints everything after the chain's name in the order that
// iptables-save uses.
func (r Rule) specWords(w []string) []string {
	not := func(n bool) {
		if n {
			w = append(w, "!")
		}
	}
	if !r.Source.Any() {
		not(r.Source.Not)
		w = append(w, "-s", r.Source.String())
	}
	if !r.Dest.Any() {
		not(r.Dest.Not)
		w = append(w, "-d", r.Dest.String())
	}
	if !r.In.Any() {
		not(r.In.Not)
		w = append(w, "-i", r.In.Name)
	}
	if !r.Out.Any() {
		not(r.Out.Not)
		w = append(w, "-o", r.Out.Name)
	}
	if r.Protocol.Name != "" {
		not(r.Protocol.Not)
		w = append(w, "-p", r.Protocol.Name)
	}
	if r.Fragment != AnyFragment {
		not(r.Fragment == NotLaterOnly)
		w = append(w, "-f")
	}
	for _, m := range r.Matches {
		w = matchWords(w, m)
	}
	return r.Target.words(w)
}

// Spec returns the rule as argv words without the chain: what follows
// "iptables -A CHAIN". It fails for an unparseable rule, which no command line
// could make again.
func (r Rule) Spec() ([]string, error) {
	if r.unparseable != nil {
		return nil, fmt.Errorf("the rule cannot be made again: %w", r.unparseable)
	}
	if r.raw != "" {
		words, _ := Split(r.raw)
		return words[2:], nil
	}
	return r.specWords(nil), nil
}

// String prints the rule as iptables-save does, without counters:
// "-A CHAIN …". A rule that was read prints exactly as it was read.
func (r Rule) String() string {
	if r.raw != "" {
		return r.raw
	}
	return r.canonical()
}

// canonical prints the rule from its typed parts.
func (r Rule) canonical() string {
	var b strings.Builder
	b.WriteString("-A ")
	b.WriteString(r.Chain)
	var how quoting
	for _, w := range r.specWords(nil) {
		b.WriteByte(' ')
		switch how {
		case asNeeded:
			b.WriteString(Quote(w))
		case always:
			b.WriteString(quoted(w))
		default:
			b.WriteString(Join([]string{w}))
		}
		if how != 0 {
			how = 0
		} else {
			how = textOptions[w]
		}
	}
	return b.String()
}

// Unparseable tells why the rule's line could not be taken apart; nil for every
// ordinary rule. Nothing but its text is known of such a rule.
func (r Rule) Unparseable() error { return r.unparseable }

var errLineBreak = errors.New("it contains a line break")

// Restorable says why iptables-restore could not read the rule's line, so that the rule can be
// deleted and not made again; nil if it can.
func (r Rule) Restorable() error {
	if r.unparseable != nil {
		return r.unparseable
	}
	if strings.ContainsAny(r.String(), "\n\r\x00") {
		return errLineBreak
	}
	return nil
}

// Same reports whether two rules are the same rule to the kernel: their lines
// are equal, counters aside.
func (r Rule) Same(o Rule) bool { return r.String() == o.String() }

// InChain is the rule as it reads in another chain.
func (r Rule) InChain(chain string) Rule {
	if r.raw != "" {
		r.raw = "-A " + chain + strings.TrimPrefix(r.raw, "-A "+r.Chain)
	}
	r.Chain = chain
	return r
}

// Edited returns the rule with its line made again from its typed parts, for use
// after fields were changed.
func (r Rule) Edited() Rule {
	r.raw = ""
	r.unparseable = nil
	return r
}

// Comment returns the text of the rule's comments, joined by a blank.
func (r Rule) Comment() string {
	var text []string
	for _, m := range r.Matches {
		if c, ok := m.(Comment); ok {
			text = append(text, c.Text)
		}
	}
	return strings.Join(text, " ")
}
