package iptables

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// script is the input of one run of iptables-restore --noflush -c: every table
// in the order in which the changes first touch it, and in each the changes in
// their order.
type script struct {
	lines   []scriptLine
	changes []rules.Change
	// numbered are the changes that delete by number instead of by specification.
	numbered map[int]bool
}

// scriptLine is one line, and the index of the change it belongs to, -1 for none.
type scriptLine struct {
	text   string
	change int
	makes  *rules.Rule // the rule that the line makes, with its counters
}

// compose writes the script that makes the changes, which must fit the set and
// be resolved, and returns the set as it will be. The script holds what the
// changes amount to, not each in turn: what goes from a chain first, then what
// comes, from the front. iptables-nft loses track of a rule that is made, used as
// the place for another, and deleted again in one transaction.
//
// A rule goes by its specification, not by its number, so that whatever somebody
// else does in the same moment, no other rule can be hit. By number go rules whose
// line iptables cannot read, those it could take another rule for, and the
// deletions of the changes in numbered.
func compose(before *rules.Ruleset, changes []rules.Change, numbered map[int]bool) (*script, *rules.Ruleset, error) {
	s := &script{changes: changes, numbered: numbered}
	var drafts []*draft
	q := rules.NewSequence(before)
	for i, c := range changes {
		if err := q.Apply(c); err != nil {
			return nil, nil, err
		}
		at := slices.IndexFunc(drafts, func(d *draft) bool { return d.table == c.Table && d.name == c.Chain })
		if at < 0 {
			at = len(drafts)
			drafts = append(drafts, newDraft(before, c.Table, c.Chain))
		}
		drafts[at].take(i, c)
	}
	for _, table := range touched(changes) {
		var lines []scriptLine
		for _, part := range []func(*draft) ([]scriptLine, error){(*draft).beginning, s.deletions, s.insertions, (*draft).ending} {
			for _, d := range drafts {
				if d.table != table {
					continue
				}
				more, err := part(d)
				if err != nil {
					return nil, nil, err
				}
				lines = append(lines, more...)
			}
		}
		if len(lines) > 0 {
			s.lines = append(s.lines, scriptLine{text: "*" + table, change: -1})
			s.lines = append(append(s.lines, lines...), scriptLine{text: "COMMIT", change: -1})
		}
	}
	return s, q.Now(), nil
}

// draft is a chain while changes are put together.
type draft struct {
	table, name   string
	was           *rules.Chain // nil where the chain did not exist
	exists        bool
	policy        string
	list          []drafted
	gone          map[int]int // places in was.Rules of what goes, and the change that says so
	changed, born int         // the changes that last set the policy and the chain's existence
}

// drafted is a rule of a draft: at its old place, or made anew.
type drafted struct {
	rule   *rules.Rule // of the snapshot, or of the change
	was    int         // place in draft.was.Rules, -1 for one that is made
	change int         // that makes it
}

func newDraft(s *rules.Ruleset, table, name string) *draft {
	d := &draft{table: table, name: name, gone: map[int]int{}}
	if rules.IsBuiltIn(table, name) {
		d.exists, d.policy = true, "ACCEPT"
	}
	if c, ok := s.Chain(table, name); ok {
		d.was, d.exists, d.policy = c, true, c.Policy
		d.list = make([]drafted, len(c.Rules), len(c.Rules)+1)
		for i := range c.Rules {
			d.list[i] = drafted{rule: &c.Rules[i], was: i}
		}
	}
	return d
}

// take puts in change number i.
func (d *draft) take(i int, c rules.Change) {
	switch c.Op {
	case rules.Insert:
		d.list = slices.Insert(d.list, c.At-1, drafted{&c.Rule, -1, i})
	case rules.Delete:
		d.drop(i, c.At-1)
	case rules.Replace:
		made := c.Rule
		made.Counters = d.list[c.At-1].rule.Counters
		d.drop(i, c.At-1)
		d.list = slices.Insert(d.list, c.At-1, drafted{&made, -1, i})
	case rules.Move:
		moved := d.list[c.At-1].rule
		d.drop(i, c.At-1)
		d.list = slices.Insert(d.list, c.To-1, drafted{moved, -1, i})
	case rules.SetPolicy:
		d.policy, d.changed = c.Policy, i
	case rules.NewChain:
		d.exists, d.born = true, i
	case rules.DeleteChain:
		d.exists, d.born = false, i
	}
}

func (d *draft) drop(i, at int) {
	if was := d.list[at].was; was >= 0 {
		d.gone[was] = i
	}
	d.list = slices.Delete(d.list, at, at+1)
}

// beginning makes the chain, or sets its policy.
func (d *draft) beginning() ([]scriptLine, error) {
	switch {
	case d.exists && d.was == nil && !rules.IsBuiltIn(d.table, d.name):
		return []scriptLine{{text: "-N " + word(d.name), change: d.born}}, nil
	case !rules.IsBuiltIn(d.table, d.name):
		return nil, nil
	case d.was == nil && d.policy != "ACCEPT":
		return []scriptLine{{text: fmt.Sprintf(":%s %s [0:0]", d.name, d.policy), change: d.changed}}, nil
	case d.was != nil && d.policy != d.was.Policy:
		return []scriptLine{{text: fmt.Sprintf(":%s %s %s", d.name, d.policy, counted(d.was.Counters)), change: d.changed}}, nil
	}
	return nil, nil
}

// ending removes the chain.
func (d *draft) ending() ([]scriptLine, error) {
	if d.was == nil || d.exists {
		return nil, nil
	}
	return []scriptLine{{text: "-X " + word(d.name), change: d.born}}, nil
}

// deletions make go what goes, from the front: iptables looks for each from there. To delete by specification takes the first of
// equal rules: where one before it is to stay, that one goes too and is made again.
func (s *script) deletions(d *draft) ([]scriptLine, error) {
	var byNumber, bySpec []scriptLine
	similar := similarIn(d)
	for _, at := range slices.Sorted(maps.Keys(d.gone)) {
		change, rule := d.gone[at], d.was.Rules[at]
		if s.numbered[change] || rule.Restorable() != nil || similar.equalBefore(at) > mostEqual || similar.mistakable(at) {
			byNumber = append(byNumber, scriptLine{text: "-D " + word(d.name) + " " + strconv.Itoa(at+1), change: change})
			continue
		}
		bySpec = append(bySpec, scriptLine{text: "-D " + word(d.name) + specification(rule), change: change})
		for _, i := range similar.stay[rule.String()] {
			item := &d.list[i]
			if item.was >= 0 && item.was < at {
				bySpec = append(bySpec, scriptLine{text: "-D " + word(d.name) + specification(rule), change: change})
				item.was, item.change = -1, change
			}
		}
	}
	slices.Reverse(byNumber) // the numbers are those of before
	return append(byNumber, bySpec...), nil
}

// insertions make the new rules, from the front of the chain to its end, so that
// each stands before one that was there already.
func (s *script) insertions(d *draft) ([]scriptLine, error) {
	var lines []scriptLine
	length := 0
	for _, item := range d.list {
		if item.was >= 0 {
			length++
		}
	}
	for i, item := range d.list {
		if item.was >= 0 {
			continue
		}
		if err := item.rule.Restorable(); err != nil {
			return nil, &Unmakeable{s.changes[item.change], *item.rule, err}
		}
		place := "-A " + word(d.name)
		if i < length {
			place = "-I " + word(d.name) + " " + strconv.Itoa(i+1)
		}
		length++
		text := counted(item.rule.Counters) + " " + place + specification(*item.rule)
		lines = append(lines, scriptLine{text: text, change: item.change, makes: item.rule})
	}
	return lines, nil
}

// mostEqual is how many equal rules are put back at most for the deletion of a
// later one. Where there are more, it goes by number.
const mostEqual = 16

// similar are the rules of a chain before a script by what could be taken for one another, if any of them goes.
type similar struct {
	list  []rules.Rule
	equal map[string][]int // places by line
	stay  map[string][]int // places in the draft of those that stay, by line
	kin   map[string][]int // places by kinship
}

func similarIn(d *draft) similar {
	s := similar{equal: map[string][]int{}, stay: map[string][]int{}, kin: map[string][]int{}}
	if len(d.gone) == 0 {
		return s
	}
	s.list = d.was.Rules
	for i, r := range s.list {
		s.equal[r.String()] = append(s.equal[r.String()], i)
		s.kin[kinship(r)] = append(s.kin[kinship(r)], i)
	}
	for i, item := range d.list {
		if item.was >= 0 {
			s.stay[item.rule.String()] = append(s.stay[item.rule.String()], i)
		}
	}
	return s
}

// equalBefore counts the rules equal to the one at a place that stand before it.
func (s similar) equalBefore(at int) int {
	n, _ := slices.BinarySearch(s.equal[s.list[at].String()], at)
	return n
}

// mistakable reports whether iptables, asked to delete the rule by its
// specification, could take one of the earlier rules for it. Version 1.8.9 does
// not compare the masks of IPv6 addresses on nft, nor all that the extensions
// connlabel and helper hold; nobody knows of all extensions. So rules that differ
// only in masks, or in the options of something that nattui does not understand,
// count as mistakable.
func (s similar) mistakable(at int) bool {
	r := s.list[at]
	kin := s.kin[kinship(r)]
	before, _ := slices.BinarySearch(kin, at)
	return slices.ContainsFunc(kin[:before], func(i int) bool { return alike(s.list[i], r) && !s.list[i].Same(r) })
}

// kinship is a part of what rules that are alike have in common: all but masks and what is not understood.
func kinship(r rules.Rule) string {
	key := r.Edited()
	key.Source, key.Dest, key.Matches = rules.Net{}, rules.Net{}, nil
	for _, m := range r.Matches {
		if _, opaque := m.(rules.Opaque); !opaque {
			key.Matches = append(key.Matches, m)
		}
	}
	if r.Target.Kind == rules.Other {
		key.Target.Options = nil
	}
	words := []string{key.String()}
	for _, n := range []rules.Net{r.Source, r.Dest} {
		if words = append(words, strconv.FormatBool(n.Not)); !n.Any() && !n.Addr.IsUnspecified() {
			words = append(words, n.Addr.String())
		}
	}
	return strings.Join(words, " ")
}

func alike(a, b rules.Rule) bool {
	return a.In == b.In && a.Out == b.Out && a.Protocol == b.Protocol && a.Fragment == b.Fragment &&
		alikeNet(a.Source, b.Source) && alikeNet(a.Dest, b.Dest) && alikeTarget(a.Target, b.Target) &&
		slices.EqualFunc(a.Matches, b.Matches, alikeMatch)
}

// alikeNet compares networks but for their masks. No network is like ::/64.
func alikeNet(a, b rules.Net) bool {
	zero := func(n rules.Net) bool { return n.Any() || n.Addr.IsUnspecified() }
	return a.Not == b.Not && (a.Addr == b.Addr || zero(a) && zero(b))
}

func alikeTarget(a, b rules.Target) bool {
	return a.Kind == b.Kind && a.Name == b.Name && (a.Kind == rules.Other || reflect.DeepEqual(a, b))
}

func alikeMatch(a, b rules.Match) bool {
	if _, opaque := a.(rules.Opaque); opaque {
		return a.Module() == b.Module()
	}
	return reflect.DeepEqual(a, b)
}

// specification is what follows "-A CHAIN" in the rule's line, with a blank in front.
func specification(r rules.Rule) string {
	return strings.TrimPrefix(r.String(), "-A "+r.Chain)
}

// counted prints counters as iptables-restore -c reads them.
func counted(c rules.Counters) string { return fmt.Sprintf("[%d:%d]", c.Packets, c.Bytes) }

// word quotes a name if iptables-restore would cut it.
func word(name string) string {
	if name == "" || strings.ContainsAny(name, " \t\"\\'") {
		return rules.Quote(name)
	}
	return name
}

// split gives the script's text up to the first COMMIT, which changes nothing
// yet, and the rest.
func (s *script) split() (head, rest []byte) {
	var b bytes.Buffer
	cut := 0
	for _, l := range s.lines {
		if l.text == "COMMIT" && cut == 0 {
			cut = b.Len()
		}
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.Bytes()[:cut], b.Bytes()[cut:]
}

// tables counts the tables of the script.
func (s *script) tables() int { return len(s.tableNames()) }

// tableNames lists the tables of the script, in its order.
func (s *script) tableNames() []string {
	var names []string
	for _, l := range s.lines {
		if name, begins := strings.CutPrefix(l.text, "*"); begins && l.change < 0 {
			names = append(names, name)
		}
	}
	return names
}

// rulesOf lists the lines that make rules in a table, in the order of the script,
// and counts those that delete one.
func (s *script) rulesOf(table string) (made []scriptLine, gone int) {
	for _, l := range s.lines {
		switch {
		case l.change < 0 || s.changes[l.change].Table != table:
		case l.makes != nil:
			made = append(made, l)
		case strings.HasPrefix(l.text, "-D "):
			gone++
		}
	}
	return made, gone
}

// makes counts the rules that the script makes.
func (s *script) makes() int {
	n := 0
	for _, l := range s.lines {
		if l.makes != nil {
			n++
		}
	}
	return n
}

// namedLine finds the number of the line that iptables-restore complains of:
// "line 3 failed", "line 3: RULE_APPEND failed", "Error occurred at line: 3".
var namedLine = regexp.MustCompile(`(?m)(?:^|\s)line:? (\d+)`)

// rejected makes the error of a run that failed with the words.
func (s *script) rejected(p *programs, words string) *Rejected {
	r := &Rejected{Variant: p.variant, Program: p.restore, Words: strings.TrimRight(words, "\n")}
	at := -1
	if m := namedLine.FindStringSubmatch(words); m != nil {
		n, _ := strconv.Atoi(m[1])
		at = n - 1
	}
	// nft counts a line too many for what it finds only at the next one.
	if at > 0 && at <= len(s.lines) && strings.Contains(words, "does not exist") {
		if at == len(s.lines) || s.lines[at].change < 0 || !mentions(words, s.lines[at].text) {
			at--
		}
	}
	if at >= 0 && at < len(s.lines) && s.lines[at].change >= 0 {
		r.Line = s.lines[at].text
		r.Change = &s.changes[s.lines[at].change]
	} else if len(s.changes) == 1 {
		r.Change = &s.changes[0]
	}
	return r
}

var quotedName = regexp.MustCompile("[`']([^`']+)'")

// mentions reports whether the line has the name that the words have in quotes.
func mentions(words, line string) bool {
	m := quotedName.FindStringSubmatch(words)
	return m != nil && strings.Contains(line, m[1])
}

// notFound is what iptables-restore says of a deletion whose specification
// matches no rule: some extensions print an option differently from how they keep it.
func notFound(words string) bool {
	return strings.Contains(words, "does a matching rule exist") || strings.Contains(words, "Bad rule") || strings.Contains(words, "RULE_DEL")
}
