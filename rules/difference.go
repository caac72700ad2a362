package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Difference is the plan that makes of one snapshot of a variant another, such as
// what somebody else has done in the meantime: chains that are new first, then the
// rules, then chains that are gone. A rule that was moved is deleted and
// inserted. Counters and tables that are [Ruleset.Foreign] do not count.
func Difference(before, after *Ruleset) Plan {
	var d difference
	d.like = Change{Family: after.Family, Backend: after.Backend, Program: after.Name}
	for _, name := range tableNames(before, after) {
		if after.Foreign[name] != "" || before.Foreign[name] != "" {
			continue
		}
		d.table(name, chainsOf(before, name), chainsOf(after, name))
	}
	return Plan{Steps: d.steps}
}

// difference gathers the steps from one snapshot to another.
type difference struct {
	like  Change
	steps []Step
}

func tableNames(a, b *Ruleset) []string {
	var names []string
	for _, s := range [...]*Ruleset{a, b} {
		for i := range s.Tables {
			if !slices.Contains(names, s.Tables[i].Name) {
				names = append(names, s.Tables[i].Name)
			}
		}
	}
	return names
}

func chainsOf(s *Ruleset, table string) []Chain {
	if t, ok := s.Table(table); ok {
		return t.Chains
	}
	return nil
}

func (d *difference) add(op Op, edit func(*Change)) {
	c := d.like
	c.Op = op
	edit(&c)
	d.steps = append(d.steps, StepOf(c))
}

func (d *difference) table(name string, before, after []Chain) {
	d.like.Table = name
	was := map[string]*Chain{}
	for i := range before {
		was[before[i].Name] = &before[i]
	}
	for i := range after {
		if c := &after[i]; was[c.Name] == nil && !c.BuiltIn() {
			d.add(NewChain, func(n *Change) { n.Chain = c.Name })
		}
	}
	for i := range after {
		c := &after[i]
		old := was[c.Name]
		delete(was, c.Name)
		if old == nil {
			old = &Chain{Policy: "ACCEPT"}
		}
		if c.BuiltIn() && old.Policy != c.Policy {
			d.add(SetPolicy, func(n *Change) { n.Chain, n.Policy, n.OldPolicy = c.Name, c.Policy, old.Policy })
		}
		d.chain(c.Name, old.Rules, c.Rules)
	}
	var gone []string
	for i := range before {
		if c := &before[i]; was[c.Name] != nil {
			d.chain(c.Name, c.Rules, nil)
			switch {
			case !c.BuiltIn():
				gone = append(gone, c.Name)
			case c.Policy != "ACCEPT":
				d.add(SetPolicy, func(n *Change) { n.Chain, n.Policy, n.OldPolicy = c.Name, "ACCEPT", c.Policy })
			}
		}
	}
	for _, name := range gone {
		d.add(DeleteChain, func(n *Change) { n.Chain = name })
	}
}

// chain takes the steps from one list of rules to another. Each step is placed in
// the list as the ones before have left it.
func (d *difference) chain(name string, before, after []Rule) {
	at, length := 1, len(before)
	for _, e := range Edits(before, after) {
		switch e.Sign {
		case ' ':
			at++
		case '-':
			d.add(Delete, func(c *Change) { c.Chain, c.At, c.Rule = name, at, before[e.At-1] })
			length--
		case '+':
			d.add(Insert, func(c *Change) {
				c.Chain, c.At, c.Rule = name, at, after[e.At-1]
				if at > length {
					c.Next = EndOfChain
				}
			})
			at++
			length++
		}
	}
}

// Edit is one line on the way from one list of rules to another: ' ' stays, '-' goes, '+'
// comes. At is its place in the list it is of, from 1, the new one for what stays.
type Edit struct {
	Sign byte
	At   int
}

// mostCells bounds the work of finding the fewest edits; beyond it, what lies
// between an equal beginning and an equal end counts as replaced altogether.
const mostCells = 1 << 20

// Edits are the edits that make of one list of rules another: the fewest, deletions before insertions. Counters do not
// count.
func Edits(before, after []Rule) []Edit {
	return EditsOf(len(before), len(after), func(i, j int) bool { return before[i].Same(after[j]) })
}

// EditsOf is Edits of lists of any kind with so many elements; same compares one of the first with one of the second, both
// counted from 0.
func EditsOf(before, after int, same func(i, j int) bool) []Edit {
	head := 0
	for head < before && head < after && same(head, head) {
		head++
	}
	tail := 0
	for tail < before-head && tail < after-head && same(before-1-tail, after-1-tail) {
		tail++
	}
	edits := make([]Edit, 0, max(before, after))
	for i := range head {
		edits = append(edits, Edit{' ', i + 1})
	}
	edits = between(edits, before-tail-head, after-tail-head, head, func(i, j int) bool { return same(head+i, head+j) })
	for i := after - tail; i < after; i++ {
		edits = append(edits, Edit{' ', i + 1})
	}
	return edits
}

// between adds the edits of what has no equal beginning nor end: by the longest
// common subsequence, deletions before insertions.
func between(edits []Edit, before, after, head int, same func(i, j int) bool) []Edit {
	width := after + 1
	var longest []int32 // from i and j on, at i*width+j
	if before*after > 0 && before*after <= mostCells {
		longest = make([]int32, (before+1)*width)
		for i := before - 1; i >= 0; i-- {
			for j := after - 1; j >= 0; j-- {
				if same(i, j) {
					longest[i*width+j] = longest[(i+1)*width+j+1] + 1
				} else {
					longest[i*width+j] = max(longest[(i+1)*width+j], longest[i*width+j+1])
				}
			}
		}
	}
	i, j := 0, 0
	for i < before || j < after {
		switch {
		case longest != nil && i < before && j < after && same(i, j):
			edits = append(edits, Edit{' ', head + j + 1})
			i, j = i+1, j+1
		case i < before && (j == after || longest == nil || longest[(i+1)*width+j] >= longest[i*width+j+1]):
			edits = append(edits, Edit{'-', head + i + 1})
			i++
		default:
			edits = append(edits, Edit{'+', head + j + 1})
			j++
		}
	}
	return edits
}

// DiffLine is one line of a plan that is shown as a diff.
type DiffLine struct {
	// Sign is '-' for what goes, '+' for what comes, ' ' for a rule beside it that
	// stays, and '@' for the line that says where the next ones stand.
	Sign byte
	// At is the rule's position: before the plan for '-', after it otherwise; 0 for
	// what is no rule.
	At   int
	Text string
}

// String is the line as it is printed, without colours.
func (l DiffLine) String() string {
	at := ""
	if l.At > 0 {
		at = strconv.Itoa(l.At)
	}
	if l.Sign == '@' {
		return "@@ " + l.Text + " @@"
	}
	return fmt.Sprintf("%c %3s  %s", l.Sign, at, l.Text)
}

// Diff shows what a plan does to the sets, chain by chain, each change with the
// rule before and after it. The error is that of Apply.
func (p Plan) Diff(sets map[Variant]*Ruleset) ([]DiffLine, error) {
	after, err := p.Apply(sets)
	if err != nil {
		return nil, err
	}
	type where struct {
		variant      Variant
		table, chain string
	}
	var lines []DiffLine
	seen := map[where]bool{}
	for _, c := range p.Changes() {
		w := where{Variant{c.Family, c.Backend}, c.Table, c.Chain}
		if seen[w] {
			continue
		}
		seen[w] = true
		if of := chainDiff(sets[w.variant], after[w.variant], w.table, w.chain); len(of) > 0 {
			title := w.table + " " + w.chain
			if w.variant.Family == IPv6 {
				title += ", IPv6"
			}
			lines = append(append(lines, DiffLine{Sign: '@', Text: title}), of...)
		}
	}
	lines = append(lines, p.nativesDiff()...)
	return append(append(lines, p.ordersDiff()...), p.settingsDiff()...), nil
}

func chainDiff(before, after *Ruleset, table, name string) []DiffLine {
	was, had := before.Chain(table, name)
	is, has := after.Chain(table, name)
	if !had {
		was = &Chain{Policy: "ACCEPT"}
		if has && !is.BuiltIn() {
			was.Policy = ""
		}
	}
	if !has {
		is = &Chain{}
	}
	var lines []DiffLine
	line := func(sign byte, policy string) {
		switch policy {
		case "":
		case "-":
			lines = append(lines, DiffLine{Sign: sign, Text: "the chain itself"})
		default:
			lines = append(lines, DiffLine{Sign: sign, Text: "policy " + policy})
		}
	}
	if was.Policy != is.Policy {
		line('-', was.Policy)
		line('+', is.Policy)
	}
	edits := Edits(was.Rules, is.Rules)
	for i, e := range edits {
		beside := i > 0 && edits[i-1].Sign != ' ' || i+1 < len(edits) && edits[i+1].Sign != ' '
		switch {
		case e.Sign == '-':
			lines = append(lines, DiffLine{'-', e.At, lineIn(&was.Rules[e.At-1], name)})
		case e.Sign == '+' || beside:
			lines = append(lines, DiffLine{e.Sign, e.At, lineIn(&is.Rules[e.At-1], name)})
		}
	}
	return lines
}

// lineIn is a rule's line beneath the name of its chain.
func lineIn(r *Rule, chain string) string { return strings.TrimPrefix(r.String(), "-A "+chain+" ") }

// ordersDiff are the lines about what other programs are told.
func (p Plan) ordersDiff() []DiffLine {
	var lines []DiffLine
	for _, o := range p.Orders() {
		if o.Idle {
			continue
		}
		if head := (DiffLine{Sign: '@', Text: o.By}); !slices.Contains(lines, head) {
			lines = append(lines, head)
		}
		lines = append(lines, DiffLine{Sign: map[bool]byte{false: '+', true: '-'}[o.Gone], Text: ShellLine(o.Command())})
	}
	return lines
}

// settingsDiff are the lines about settings.
func (p Plan) settingsDiff() []DiffLine {
	var lines []DiffLine
	for _, s := range p.Steps {
		if s.Sysctl == nil {
			continue
		}
		if len(lines) == 0 {
			lines = append(lines, DiffLine{Sign: '@', Text: "settings"})
		}
		if s.Sysctl.Old != "" && s.Sysctl.Old != s.Sysctl.Value {
			lines = append(lines, DiffLine{Sign: '-', Text: s.Sysctl.Name + " = " + s.Sysctl.Old})
		}
		lines = append(lines, DiffLine{Sign: '+', Text: s.Sysctl.Name + " = " + s.Sysctl.Value})
	}
	return lines
}
