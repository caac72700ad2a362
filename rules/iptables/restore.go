package iptables

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
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
}

// compose writes the script that makes the changes, which must fit the set and
// be resolved. A rule goes by its specification, never by its number, so that
// whatever somebody else does in the same moment, no other rule can be hit;
// unless iptables cannot read the rule's line, or the change's index is in
// numbered.
func compose(before *rules.Ruleset, changes []rules.Change, numbered map[int]bool) (*script, *rules.Ruleset, error) {
	s := &script{changes: changes, numbered: numbered}
	var tables []string
	byTable := map[string][]scriptLine{}
	now := before
	for i, c := range changes {
		if _, seen := byTable[c.Table]; !seen {
			tables = append(tables, c.Table)
			byTable[c.Table] = nil
		}
		var list []rules.Rule
		chain, ok := now.Chain(c.Table, c.Chain)
		if ok {
			list = chain.Rules
		}
		next, err := c.Apply(now)
		if err != nil {
			return nil, nil, err
		}
		lines, err := s.linesOf(i, c, list, chain)
		if err != nil {
			return nil, nil, err
		}
		for _, text := range lines {
			byTable[c.Table] = append(byTable[c.Table], scriptLine{text, i})
		}
		now = next
	}
	for _, table := range tables {
		s.lines = append(s.lines, scriptLine{"*" + table, -1})
		s.lines = append(s.lines, byTable[table]...)
		s.lines = append(s.lines, scriptLine{"COMMIT", -1})
	}
	return s, now, nil
}

// linesOf are the lines of one change to a chain that holds list now.
func (s *script) linesOf(i int, c rules.Change, list []rules.Rule, chain *rules.Chain) ([]string, error) {
	switch c.Op {
	case rules.Insert:
		return s.insertion(c, c.Rule, c.Rule.Counters, c.At, len(list))
	case rules.Delete:
		return s.deletion(i, c, list)
	case rules.Replace:
		lines, err := s.deletion(i, c, list)
		if err != nil {
			return nil, err
		}
		made, err := s.insertion(c, c.Rule, list[c.At-1].Counters, c.At, len(list)-1)
		return append(lines, made...), err
	case rules.Move:
		rule := list[c.At-1]
		lines, err := s.deletion(i, c, list)
		if err != nil {
			return nil, err
		}
		made, err := s.insertion(c, rule, rule.Counters, c.To, len(list)-1)
		return append(lines, made...), err
	case rules.SetPolicy:
		var counters rules.Counters
		if chain != nil {
			counters = chain.Counters
		}
		return []string{fmt.Sprintf(":%s %s %s", word(c.Chain), word(c.Policy), counted(counters))}, nil
	case rules.NewChain:
		return []string{"-N " + word(c.Chain)}, nil
	case rules.DeleteChain:
		return []string{"-X " + word(c.Chain)}, nil
	}
	return nil, fmt.Errorf("no such operation: %d", c.Op)
}

// insertion makes a rule stand at a place of a chain of so many rules, with
// its counters.
func (s *script) insertion(c rules.Change, r rules.Rule, counters rules.Counters, at, length int) ([]string, error) {
	if err := unreadable(r); err != nil {
		return nil, &Unmakeable{c, err}
	}
	place := "-A " + word(c.Chain)
	if at <= length {
		place = "-I " + word(c.Chain) + " " + strconv.Itoa(at)
	}
	return []string{counted(counters) + " " + place + specification(r)}, nil
}

// deletion makes the rule at c.At go. To delete by specification takes the first
// of equal rules: where the one meant is a later one, all up to it are deleted
// and the others put back.
func (s *script) deletion(i int, c rules.Change, list []rules.Rule) ([]string, error) {
	rule := list[c.At-1]
	if s.numbered[i] || unreadable(rule) != nil {
		return []string{"-D " + word(c.Chain) + " " + strconv.Itoa(c.At)}, nil
	}
	var lines, back []string
	for at, r := range list[:c.At] {
		if !r.Same(rule) {
			continue
		}
		lines = append(lines, "-D "+word(c.Chain)+specification(rule))
		if at < c.At-1 {
			again, err := s.insertion(c, r, r.Counters, at+1, len(list)-len(lines)+len(back))
			if err != nil {
				return nil, err
			}
			back = append(back, again...)
		}
	}
	return append(lines, back...), nil
}

var errLineBreak = errors.New("it contains a line break")

// unreadable says why iptables-restore could not read the rule's line; nil if it can.
func unreadable(r rules.Rule) error {
	if err := r.Unparseable(); err != nil {
		return err
	}
	if strings.ContainsAny(r.String(), "\n\r\x00") {
		return errLineBreak
	}
	return nil
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
func (s *script) tables() int {
	n := 0
	for _, l := range s.lines {
		if l.text == "COMMIT" {
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
	r := &Rejected{Place: p.place, Program: p.restore, Words: strings.TrimRight(words, "\n")}
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
