package nft

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// Difference is what makes one ruleset of the other: both are of one network namespace, so that a rule that stays has its
// handle in both. Handles in the changes are those of before. Rules need their text in nft's words (Rule.Listed), and bodies
// are what Bodies found in the listing of after, were those of before. beyond names what cannot be said as a change; then the
// changes are not all.
func Difference(before, after *Ruleset, bodies, were map[string]string) (changes []rules.NativeChange, beyond []string) {
	d := difference{bodies: bodies, were: were, links: after.Links}
	for _, t := range before.Tables {
		if now := after.Table(t.Family.String(), t.Name); now == nil || now.Handle != t.Handle {
			d.table(t, nil)
		}
	}
	for _, t := range after.Tables {
		was := before.Table(t.Family.String(), t.Name)
		if was != nil && was.Handle != t.Handle {
			was = nil
		}
		d.table(was, t)
	}
	rules.SortNatives(d.changes)
	return d.changes, d.beyond
}

// difference gathers changes.
type difference struct {
	bodies  map[string]string
	were    map[string]string // of what is deleted
	links   Links
	changes []rules.NativeChange
	beyond  []string
}

// body is what stands between the braces of something that is deleted, or added.
func (d *difference) body(gone bool, key string) string {
	if gone {
		return d.were[key]
	}
	return d.bodies[key]
}

func (d *difference) add(c rules.NativeChange) { d.changes = append(d.changes, c) }

func (d *difference) lacks(format string, args ...any) {
	d.beyond = append(d.beyond, fmt.Sprintf(format, args...))
}

// table compares a table; one of the two is nil where it is not there.
func (d *difference) table(was, now *Table) {
	t := now
	if t == nil {
		t = was
	}
	c := rules.NativeChange{What: rules.NativeTableKind, Family: t.Family.String(), Table: t.Name, Gone: now == nil, Text: d.body(now == nil, t.Family.String()+" "+t.Name)}
	if was == nil || now == nil {
		d.add(c)
	} else if was.Dormant != now.Dormant {
		d.setting(was, now, "")
	}
	d.flowtables(was, now)
	d.objects(was, now)
	for _, s := range setsOf(was) {
		if other := now.named(s.Name); other == nil || other.Handle != s.Handle {
			d.set(s, nil)
		}
	}
	for _, s := range setsOf(now) {
		other := was.named(s.Name)
		if other != nil && other.Handle != s.Handle {
			other = nil
		}
		d.set(other, s)
	}
	for _, ch := range was.chains() {
		if other := now.chain(ch.Name); other == nil || other.Handle != ch.Handle {
			d.chain(ch, nil)
		}
	}
	for _, ch := range now.chains() {
		other := was.chain(ch.Name)
		if other != nil && other.Handle != ch.Handle {
			other = nil
		}
		d.chain(other, ch)
	}
}

// flowtables finds differences in these, which cannot be said as changes.
func (d *difference) flowtables(was, now *Table) {
	list := func(t *Table) (all []string) {
		if t == nil {
			return nil
		}
		for _, f := range t.Flowtables {
			all = append(all, fmt.Sprintf("the flowtable %s of %s", f.Name, t))
		}
		return all
	}
	before, after := list(was), list(now)
	for _, name := range append(slices.Clone(before), after...) {
		if slices.Contains(before, name) != slices.Contains(after, name) {
			d.lacks("%s", name)
		}
	}
}

func (t *Table) chains() []*Chain {
	if t == nil {
		return nil
	}
	return t.Chains
}

func (t *Table) chain(name string) *Chain {
	if t == nil {
		return nil
	}
	return t.Chain(name)
}

// setsOf are the sets of a table that have a name of their own.
func setsOf(t *Table) (all []*Set) {
	if t == nil {
		return nil
	}
	for _, s := range t.Sets {
		if s.Flags&SetAnonymous == 0 {
			all = append(all, s)
		}
	}
	return all
}

// named is a set by its name; nil where there is none, or no table.
func (t *Table) named(name string) *Set {
	if t == nil {
		return nil
	}
	return t.Set(name)
}

func (d *difference) set(was, now *Set) {
	s := now
	if s == nil {
		s = was
	}
	kind := rules.NativeSetKind
	if s.Flags&(SetMap|SetObject) != 0 {
		kind = rules.NativeMapKind
	}
	t := s.Table
	c := rules.NativeChange{What: kind, Family: t.Family.String(), Table: t.Name, Set: s.Name, Gone: now == nil, Text: d.body(now == nil, t.Family.String()+" "+t.Name+" set "+s.Name)}
	switch {
	case was == nil || now == nil:
		d.add(c)
	case was.definition() != now.definition():
		d.lacks("the definition of %s %s of %s", kind, s.Name, t)
	}
	before, after := d.elements(was), d.elements(now)
	for _, e := range before {
		if !slices.Contains(after, e) {
			e.Gone = true
			d.element(s, e)
		}
	}
	for _, e := range after {
		if !slices.Contains(before, e) {
			d.element(s, e)
		}
	}
}

// entryText is an element as nft reads it.
type entryText struct {
	Key, Text string
	Gone      bool
}

func (d *difference) elements(s *Set) (all []entryText) {
	if s == nil {
		return nil
	}
	for _, e := range s.Entries(d.links) {
		all = append(all, entryText{Key: e.Key, Text: e.Text()})
	}
	return all
}

// Text is the element as nft reads it: its key, with what else it has, and in a map its value.
func (e Entry) Text() string { return e.text(false) }

// WithState is Text with what the element has counted, and how long it has left.
func (e Entry) WithState() string { return e.text(true) }

func (e Entry) text(state bool) string {
	text := e.Key
	if n := e.Element.Counter; state && n != nil {
		text += fmt.Sprintf(" counter packets %d bytes %d", n.Packets, n.Bytes)
	}
	if e.Element.Timeout != 0 {
		text += fmt.Sprintf(" timeout %dms", e.Element.Timeout)
	}
	if state && e.Element.Expires != 0 {
		text += fmt.Sprintf(" expires %dms", e.Element.Expires)
	}
	if e.Element.Comment != "" {
		text += " comment " + quoted(e.Element.Comment)
	}
	if e.Value != "" {
		text += " : " + e.Value
	}
	return text
}

func (d *difference) element(s *Set, e entryText) {
	t := s.Table
	d.add(rules.NativeChange{What: rules.NativeElement, Family: t.Family.String(), Table: t.Name, Set: s.Name, Key: e.Key, Text: e.Text, Gone: e.Gone})
}

func (d *difference) chain(was, now *Chain) {
	c := now
	if c == nil {
		c = was
	}
	t := c.Table
	change := rules.NativeChange{What: rules.NativeChainKind, Family: t.Family.String(), Table: t.Name, Chain: c.Name, Gone: now == nil, Text: d.body(now == nil, t.Family.String()+" "+t.Name+" chain "+c.Name)}
	switch {
	case was == nil || now == nil:
		d.add(change)
	case was.asked() != now.asked():
		d.lacks("the type, hook or priority of chain %s of %s", c.Name, t)
	case was.Policy != now.Policy:
		d.setting(was.Table, now.Table, c.Name)
	}
	before, after := map[uint64]bool{}, map[uint64]bool{}
	if was != nil {
		for _, r := range was.Rules {
			before[r.Handle] = true
		}
	}
	if now != nil {
		for _, r := range now.Rules {
			after[r.Handle] = true
		}
		for i, r := range now.Rules {
			if before[r.Handle] {
				continue
			}
			add := r.change(now, d.links)
			if next := slices.IndexFunc(now.Rules[i:], func(r *Rule) bool { return before[r.Handle] }); next >= 0 {
				add.Before = now.Rules[i+next].Handle
			}
			d.add(add)
		}
	}
	if was == nil {
		return
	}
	for _, r := range was.Rules {
		if !after[r.Handle] {
			gone := r.change(was, d.links)
			gone.Gone, gone.Handle = true, r.Handle
			d.add(gone)
		}
	}
}

// change is to add the rule to the end of its chain.
func (r *Rule) change(c *Chain, links Links) rules.NativeChange {
	return rules.NativeChange{
		What: rules.NativeRule, Family: c.Table.Family.String(), Table: c.Table.Name, Chain: c.Name,
		Text: strings.Replace(r.Text(c, links), "counter packets 0 bytes 0", "counter", 1), Print: r.Print(c.Table), Words: r.Read(c, links).Sentence(c.Name),
	}
}

// Deletion is to delete the rule from its chain.
func (r *Rule) Deletion(c *Chain, links Links) rules.NativeChange {
	change := r.change(c, links)
	change.Gone, change.Handle = true, r.Handle
	return change
}

// Bodies are what stands between the braces of tables, chains and sets in what  nft list ruleset  prints, but for chains,
// sets, rules and elements, by "FAMILY TABLE", "FAMILY TABLE chain NAME" and "FAMILY TABLE set NAME".
func Bodies(listing string) map[string]string {
	all := map[string]string{}
	table, inner := "", ""
	for line := range strings.Lines(listing) {
		line = listedComment.ReplaceAllString(strings.TrimRight(line, "\n"), "")
		words := strings.Fields(line)
		switch depth := len(line) - len(strings.TrimLeft(line, "\t")); {
		case len(words) == 0:
		case depth == 0 && words[0] == "table" && len(words) > 2:
			table, inner = words[1]+" "+words[2], ""
		case depth == 1 && words[0] == "}":
			inner = ""
		case depth == 1 && words[len(words)-1] == "{" && len(words) >= 3:
			kind := strings.Join(words[:len(words)-2], " ") // of two words for a ct helper
			if kind == "map" {
				kind = "set"
			}
			inner = table + " " + kind + " " + words[len(words)-2]
		case depth == 1 && (words[0] == "flags" || words[0] == "comment"):
			all[table] = withLine(all[table], strings.TrimSpace(line))
		case depth == 2 && inner != "" && ownLine(inner, words):
			all[inner] = withLine(all[inner], strings.TrimSpace(line))
		}
	}
	return all
}

// ownLine tells whether a line within a chain or set is its own, and not a rule or an element.
func ownLine(inner string, words []string) bool {
	if strings.Contains(inner, " chain ") {
		return words[0] == "comment" || words[0] == "type" && slices.Contains(words, "hook")
	}
	return words[0] != "elements" && words[0] != "}"
}

func withLine(a, b string) string {
	if a == "" {
		return b
	}
	return strings.TrimSuffix(a, ";") + "; " + b
}
