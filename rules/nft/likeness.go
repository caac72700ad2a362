package nft

import (
	"fmt"
	"slices"

	"nattui/rules"
)

// Likeness is how a copy of tables, which nft has made of what it prints, differs from them: some rules are not read as they
// were printed.
type Likeness struct {
	from  *Ruleset
	rules map[RuleKey]original // by the rule of the copy
	sets  map[string]*Set      // by the path of the copy
}

// original is a rule that was copied, of the same sense where the copy does the same.
type original struct {
	rule  *Rule
	of    *Table
	sense bool
}

// Liken compares tables with their copies in another ruleset. odd is a table whose copy has other chains, sets or objects, or
// another number of rules, so that it is not known which is which; nil where there is none.
func Liken(tables []*Table, copies *Ruleset) (l *Likeness, odd *Table) {
	l = &Likeness{copies, map[RuleKey]original{}, map[string]*Set{}}
	for _, t := range tables {
		other := copies.Table(t.Family.String(), t.Name)
		if other == nil || t.frame() != other.frame() {
			return l, t
		}
		for _, c := range t.Chains {
			there := other.Chain(c.Name)
			for i, r := range c.Rules {
				if at := there.Rules[i]; at.Print(other) != r.Print(t) {
					l.rules[there.Key(at)] = original{r, t, at.Sense(other) == r.Sense(t)}
				}
			}
		}
		for _, s := range setsOf(t) {
			if there := other.Set(s.Name); there.holds() != s.holds() {
				l.sets[there.Path()] = s
			}
		}
	}
	return l, nil
}

// Exact tells that there is no difference.
func (l *Likeness) Exact() bool { return len(l.rules)+len(l.sets) == 0 }

// frame is a table without what its rules say and its sets hold.
func (t *Table) frame() string {
	bare := &Table{Family: t.Family, Name: t.Name, Dormant: t.Dormant, Objects: t.Objects, Flowtables: t.Flowtables}
	var counts []string
	for _, c := range t.Chains {
		chain := *c
		chain.Rules = nil
		bare.Chains = append(bare.Chains, &chain)
		counts = append(counts, fmt.Sprintf("%s %d", c.Name, len(c.Rules)))
	}
	slices.Sort(counts)
	for _, s := range setsOf(t) {
		set := *s
		set.Elements = nil
		bare.Sets = append(bare.Sets, &set)
	}
	return bare.Print() + fmt.Sprint(counts)
}

// Touched says what changes of the copy are about that is not like what was copied, so that it could not be restored; "" where
// they touch nothing of the kind.
func (l *Likeness) Touched(changes []rules.NativeChange) string {
	for _, c := range changes {
		t := l.from.Table(c.Family, c.Table)
		switch {
		case t == nil:
		case c.What == rules.NativeRule && c.Gone:
			if o, odd := l.rules[RuleKey{t.Family, t.Name, c.Handle}]; odd && !o.sense {
				return "rule " + c.Place() + " " + c.Text
			}
		case c.Set != "" && l.sets[c.Place()] != nil:
			return "set " + c.Place()
		}
	}
	return ""
}

// Sense is the print of a rule that was copied, by the handle of its copy, where that is not held alike and does the same:
// what restores it is another print of it. It is "" for others.
func (l *Likeness) Sense(c rules.NativeChange) string {
	t := l.from.Table(c.Family, c.Table)
	if t == nil || c.What != rules.NativeRule || !c.Gone {
		return ""
	}
	if o, odd := l.rules[RuleKey{t.Family, t.Name, c.Handle}]; odd && o.sense {
		return o.rule.Sense(o.of)
	}
	return ""
}

// Originals are tables of the copy, as they are after a change, with what was copied in place of what is not like it.
func (l *Likeness) Originals(tables []*Table) []*Table {
	if l.Exact() {
		return tables
	}
	var all []*Table
	for _, t := range tables {
		next := t.copied()
		for _, c := range next.Chains {
			c.Rules = slices.Clone(c.Rules)
			for i, r := range c.Rules {
				if o, odd := l.rules[c.Key(r)]; odd {
					c.Rules[i] = o.within(next)
				}
			}
		}
		for _, s := range next.Sets {
			if real := l.sets[s.Path()]; real != nil {
				s.Elements = real.Elements
			}
		}
		next.index = nil
		all = append(all, next)
	}
	return all
}

// within is the rule in another table, into which its sets without a name go with it, under names that are free there.
func (o original) within(t *Table) *Rule {
	next := *o.rule
	next.Exprs = slices.Clone(next.Exprs)
	for i, e := range next.Exprs {
		look, ok := e.(Lookup)
		s := o.of.Set(look.Set)
		if !ok || s == nil || s.Flags&SetAnonymous == 0 {
			continue
		}
		own := *s
		own.Name, own.Table = "copied "+s.Name, t
		look.Set = own.Name
		next.Exprs[i] = look
		t.index = nil
		t.Sets = append(t.Sets, &own)
	}
	return &next
}
