package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plan is an intention as ordered steps: the value that is shown, checked, run
// and inverted. Its rule changes are made all together or not at all.
type Plan struct {
	Title string // what it is for, in one sentence
	Steps []Step
}

// Step is one step of a plan: exactly one of Change, Native, Order, Sysctl and Forget is set.
type Step struct {
	Change *Change `json:",omitempty"`
	// Native is one of the plan's native changes, which are made all together or not at all.
	Native *NativeChange `json:",omitempty"`
	Sysctl *Sysctl       `json:",omitempty"`
	Forget *Forget       `json:",omitempty"`
	Order  *Order        `json:",omitempty"`
	// Why explains the step to somebody who meets it for the first time.
	Why string `json:",omitempty"`
}

// Sysctl is the write of one kernel setting.
type Sysctl struct {
	Name  string // with dots: net.ipv4.ip_forward; a dot inside an interface's name is written '/'
	Value string
	Old   string // the value it had, for the way back
	Boot  bool   // also set at boot
	File  string `json:",omitempty"` // where Boot keeps it; SysctlFile if empty
	// AtBoot is what Boot does to File, and what it was before; nil keeps Value.
	AtBoot *Kept `json:",omitempty"`
}

// Forget drops one flow from connection tracking, so that its next packet is
// treated by today's rules. It cannot be undone, and need not be.
type Forget struct {
	Proto    Protocol
	Src, Dst netip.AddrPort // of the original direction; for ICMP the ports are 0
	Zone     uint16         `json:",omitempty"`
	ID       uint32         `json:",omitempty"` // 0: whatever flow has the tuple
	// Code, Type and Ident are set for ICMP and ICMPv6.
	Type, Code uint8  `json:",omitempty"`
	Ident      uint16 `json:",omitempty"`
}

// StepOf is a plan's step that makes one change.
func StepOf(c Change) Step { return Step{Change: &c} }

// Single is the plan that makes just one change.
func Single(c Change) Plan {
	return Plan{Title: c.Sentence(), Steps: []Step{StepOf(c)}}
}

// Changes lists the rule changes of the plan in order.
func (p Plan) Changes() []Change {
	var cs []Change
	for _, s := range p.Steps {
		if s.Change != nil {
			cs = append(cs, *s.Change)
		}
	}
	return cs
}

// Inverse is the plan that undoes this one: the inverse steps in reverse order.
// Flows that were forgotten make themselves again and have no inverse.
func (p Plan) Inverse() Plan {
	inv := Plan{Title: "Undo: " + p.Title}
	for i := len(p.Steps) - 1; i >= 0; i-- {
		switch s := p.Steps[i]; {
		case s.Change != nil:
			c := s.Change.Inverse()
			inv.Steps = append(inv.Steps, Step{Change: &c})
		case s.Sysctl != nil:
			w := s.Sysctl.Inverse()
			inv.Steps = append(inv.Steps, Step{Sysctl: &w})
		case s.Order != nil && !s.Order.Idle:
			o := s.Order.Inverse()
			inv.Steps = append(inv.Steps, Step{Order: &o})
		}
	}
	return inv
}

// Apply runs the plan's rule changes on the sets they belong to and returns the
// sets as they would be, keyed as given. The error is that of the first change
// that does not fit; a *Conflict where the table has changed.
func (p Plan) Apply(sets map[Variant]*Ruleset) (map[Variant]*Ruleset, error) {
	out := make(map[Variant]*Ruleset, len(sets))
	for k, s := range sets {
		out[k] = s
	}
	begun := Sequences{}
	for _, c := range p.Changes() {
		if err := begun.Of(c, sets).Apply(c); err != nil {
			return nil, err
		}
	}
	for k, q := range begun {
		out[k] = q.Now()
	}
	return out, nil
}

// Sequences apply changes to snapshots of several variants.
type Sequences map[Variant]*Sequence

// Of is the sequence that a change belongs to; it begins with the snapshot in sets, or with an empty one.
func (b Sequences) Of(c Change, sets map[Variant]*Ruleset) *Sequence {
	k := Variant{c.Family, c.Backend}
	if b[k] == nil {
		s := sets[k]
		if s == nil {
			s = &Ruleset{Family: k.Family, Backend: k.Backend}
		}
		b[k] = NewSequence(s)
	}
	return b[k]
}

// Variant is one of the iptables of a host, each with a rule set of its own in the
// kernel: one for each family and backend (xtables-legacy(8), xtables-nft(8)).
type Variant struct {
	Family  Family
	Backend Backend
}

// String is the variant as the screen's header shows it: IPv4 · nft.
func (p Variant) String() string {
	if p.Backend == Untold {
		return p.Family.Title() + " · backend not known"
	}
	return p.Family.Title() + " · " + p.Backend.String()
}

// Whys are the reasons of its steps, each once.
func (p Plan) Whys() (all []string) {
	for _, s := range p.Steps {
		if s.Why != "" && !slices.Contains(all, s.Why) {
			all = append(all, s.Why)
		}
	}
	return all
}

// Resolve gives every insertion at the end the position it will have and every
// change what it needs to be undone exactly, given the sets it starts from.
func (p Plan) Resolve(sets map[Variant]*Ruleset) (Plan, error) {
	out := p
	out.Steps = append([]Step(nil), p.Steps...)
	begun := Sequences{}
	for i, s := range out.Steps {
		if s.Change == nil {
			continue
		}
		q := begun.Of(*s.Change, sets)
		c := s.Change.Resolve(q.Now())
		c.completeFrom(q.Now())
		c = q.Named(c)
		if err := q.Apply(c); err != nil {
			return p, err
		}
		out.Steps[i].Change = &c
	}
	return out, nil
}

// completeFrom replaces the rule that the change expects (Delete, Move, Replace) by that rule as it is in
// the set, with its counters and handle, so that the inverse restores the counters. A rule that is not
// there is left as it is, for Check to report.
func (c *Change) completeFrom(s *Ruleset) {
	ch, ok := s.Chain(c.Table, c.Chain)
	if !ok || c.At < 1 || c.At > len(ch.Rules) {
		return
	}
	here := ch.Rules[c.At-1]
	switch c.Op {
	case Delete, Move:
		if here.Same(c.Rule) {
			c.Rule = here
		}
	case Replace:
		if here.Same(c.Old) {
			c.Old = here
		}
	}
}

// Commands are the command lines of the whole plan, each as argv.
func (p Plan) Commands() [][]string {
	var all [][]string
	for _, s := range p.Steps {
		all = append(all, s.Commands()...)
	}
	return all
}

// Commands are the command lines that a person would type for the step.
func (s Step) Commands() [][]string {
	switch {
	case s.Change != nil:
		return s.Change.Commands()
	case s.Sysctl != nil:
		return s.Sysctl.commands()
	case s.Forget != nil:
		return [][]string{s.Forget.command()}
	case s.Order != nil:
		return [][]string{s.Order.Command()}
	case s.Native != nil:
		return [][]string{s.Native.Command()}
	}
	return nil
}

// Sentence says the step in words.
func (s Step) Sentence() string {
	switch {
	case s.Change != nil:
		return s.Change.Sentence()
	case s.Sysctl != nil:
		return s.Sysctl.sentence()
	case s.Order != nil:
		return s.Order.Sentence()
	case s.Native != nil:
		return s.Native.Sentence()
	case s.Forget != nil:
		return "Forget the connection " + s.Forget.Src.String() + " to " + s.Forget.Dst.String() + ", so that today's rules decide about its next packet."
	}
	return ""
}

func (f Forget) command() []string {
	c := []string{"conntrack", "-D", "-p", ProtoName(f.Proto), "-s", f.Src.Addr().String(), "-d", f.Dst.Addr().String()}
	if f.Src.Addr().Is6() {
		c = append(c, "-f", "ipv6")
	}
	if f.Proto.HasPorts() {
		c = append(c, "--sport", strconv.Itoa(int(f.Src.Port())), "--dport", strconv.Itoa(int(f.Dst.Port())))
	}
	if f.Proto == ICMP || f.Proto == ICMPv6 {
		c = append(c, "--icmp-type", strconv.Itoa(int(f.Type)), "--icmp-code", strconv.Itoa(int(f.Code)), "--icmp-id", strconv.Itoa(int(f.Ident)))
	}
	if f.Zone != 0 {
		c = append(c, "-w", strconv.Itoa(int(f.Zone)))
	}
	return c
}

// ShellLine prints argv as a line that a POSIX shell reads back as the same
// words, for showing and copying; nattui itself never runs it through a shell.
func ShellLine(argv []string) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = ShellWord(w)
		if w == appends && i > 0 && argv[0] == "echo" {
			words[i] = w
		}
	}
	return strings.Join(words, " ")
}

// ShellWord is a word as a POSIX shell reads it back, quoted where it has to be. What a screen does not show as it is, such as
// control characters and marks of writing direction, is written as bytes in $'…' (POSIX.1-2024, 2.2.4; bash, ksh and zsh):
// shown in any other way, it would not be what is copied.
func ShellWord(w string) string {
	if w == "!" {
		return w
	}
	if !utf8.ValidString(w) || strings.ContainsFunc(w, unseen) {
		return bytesWord(w)
	}
	plain := w != "" && strings.IndexFunc(w, func(r rune) bool {
		return needsQuote(r) && !strings.ContainsRune("./:,+=%@", r)
	}) < 0
	if plain {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// bytesWord is a word with what cannot be seen as the bytes that it is made of.
func bytesWord(w string) string {
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(w); {
		r, size := utf8.DecodeRuneInString(w[i:])
		switch {
		case r == utf8.RuneError && size <= 1, unseen(r):
			for _, c := range []byte(w[i : i+size]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		case r == '\\', r == '\'':
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String() + "'"
}

// unseen tells that a character acts on a terminal, or has no shape of its own.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}
