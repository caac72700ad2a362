package commit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nattui/rules"
)

// This file tells what of the saved rules is still wanted, when they are restored after somebody has flushed the tables:
// the saved rules, with what was changed by nattui since they were saved. What other programs have changed is not known,
// as their flush is one of their changes.

// wish is what is wanted of one variant.
type wish struct {
	variant rules.Variant
	tables  []rules.Table
	at      anchors
	notes   []string
}

// wanted changes what was saved in the file by the entries since. Those of another run of the kernel than the given one were
// not saved when it ended, and are not heeded, but for rules that are parked.
func (c *Committer) wanted(j *journal, boot string, variant rules.Variant, path string, text []byte, saved []rules.Table) wish {
	w := wish{variant: variant, tables: saved, at: readAnchors(text)}
	if j == nil {
		return w
	}
	for _, e := range j.entries[c.savedBy(j, path, text):] {
		if !e.Stands() || e.Kind == KindOutside || e.Kind == KindRestore || e.begun.Boot != boot && !j.parked(e) {
			continue
		}
		for i, change := range e.Plan.Changes() {
			if (rules.Variant{Family: change.Family, Backend: change.Backend}) == variant && i < len(e.marks) {
				w.take(e.ID, change, e.marks[i])
			}
		}
	}
	return w
}

// savedBy is where the entries begin that are younger than the file as it is.
func (c *Committer) savedBy(j *journal, path string, text []byte) int {
	for i, e := range slices.Backward(j.entries) {
		if slices.ContainsFunc(e.Files, func(f File) bool { return f.Path == path && bytes.Equal(f.New, text) }) {
			return i + 1
		}
	}
	info, err := os.Stat(filepath.Join("/", c.root, path))
	i := slices.IndexFunc(j.entries, func(e *Entry) bool { return err == nil && e.At.After(info.ModTime()) })
	if i < 0 {
		return len(j.entries)
	}
	return i
}

// take makes a change to what is wanted.
func (w *wish) take(id string, c rules.Change, m mark) {
	switch c.Op {
	case rules.Insert:
		w.insert(c.Table, c.Chain, c.Rule, m.Prev, m.Next)
		w.say("change %s has added %s since the rules were saved", id, c.Table, c.Rule)
	case rules.Delete:
		if w.remove(c.Table, c.Chain, c.Rule) {
			w.say("not restored: change %s has removed %s since the rules were saved", id, c.Table, c.Rule)
		}
	case rules.Replace:
		if w.remove(c.Table, c.Chain, c.Old) {
			w.insert(c.Table, c.Chain, c.Rule, m.Prev, m.Next)
			w.say("change %s has replaced a saved rule by %s", id, c.Table, c.Rule)
		}
	case rules.Move:
		if w.remove(c.Table, c.Chain, c.Rule) {
			w.insert(c.Table, c.Chain, c.Rule, m.ToPrev, m.ToNext)
		}
	case rules.SetPolicy:
		w.chain(c.Table, c.Chain).Policy = c.Policy
	case rules.NewChain:
		w.chain(c.Table, c.Chain)
	case rules.DeleteChain:
		if t := w.table(c.Table); t != nil {
			t.Chains = slices.DeleteFunc(slices.Clone(t.Chains), func(x rules.Chain) bool { return x.Name == c.Chain })
		}
	}
}

func (w *wish) say(format, id, table string, r rules.Rule) {
	w.notes = append(w.notes, fmt.Sprintf(format, id, table+" "+r.String())+"; run  nattui save  to have it so at boot")
}

// table is one of the wanted tables; nil where it is not among them. What is changed is no longer shared with anybody.
func (w *wish) table(name string) *rules.Table {
	i := slices.IndexFunc(w.tables, func(t rules.Table) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	w.tables = slices.Clone(w.tables)
	return &w.tables[i]
}

// chain is one of the wanted chains, made where it is missing.
func (w *wish) chain(table, name string) *rules.Chain {
	t := w.table(table)
	if t == nil {
		w.tables = append(slices.Clone(w.tables), rules.Table{Name: table})
		t = &w.tables[len(w.tables)-1]
	}
	t.Chains = slices.Clone(t.Chains)
	i := slices.IndexFunc(t.Chains, func(c rules.Chain) bool { return c.Name == name })
	if i < 0 {
		policy := "-"
		t.Chains, i = append(t.Chains, rules.Chain{Name: name, Policy: policy}), len(t.Chains)
	}
	t.Chains[i].Rules = slices.Clone(t.Chains[i].Rules)
	return &t.Chains[i]
}

// remove takes the last rule of the kind from a chain; false where there is none.
func (w *wish) remove(table, chain string, r rules.Rule) bool {
	c := w.chain(table, chain)
	line := r.InChain(chain).String()
	for i, x := range slices.Backward(c.Rules) {
		if x.String() == line {
			c.Rules = slices.Delete(c.Rules, i, i+1)
			return true
		}
	}
	return false
}

// insert puts a rule behind or before the rule that it stood beside; next to a rule of another program it stays there.
func (w *wish) insert(table, chain string, r rules.Rule, prev, next text) {
	c := w.chain(table, chain)
	r = r.InChain(chain)
	find := func(line text) int {
		return slices.IndexFunc(c.Rules, func(x rules.Rule) bool { return x.String() == string(line) })
	}
	at := len(c.Rules)
	switch before, behind := find(next), find(prev); {
	case before >= 0:
		at = before
	case behind >= 0:
		at = behind + 1
	case prev == "":
		at = 0
	}
	if next != "" && find(next) < 0 {
		w.at[table+" "+r.String()] = string(next)
	}
	c.Rules = slices.Insert(c.Rules, at, r)
}
