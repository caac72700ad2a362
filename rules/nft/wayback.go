package nft

import (
	"fmt"
	"slices"

	"nattui/rules"
)

// Way is the way back from changes in the tables as they are.
type Way struct {
	Changes []rules.NativeChange
	// Notes tell what no longer fits, and is left as it is.
	Notes []string
	// Kept tells which tables, chains and sets stay because others have built on them; of a WayBack it is among the Notes.
	Kept []string
}

// WayBack works out how to roll back changes that Resolve has looked at, in the tables as they are now. What does not stand,
// because it was never made or others have undone it, needs nothing. What others have built on it stays.
func WayBack(changes []rules.NativeChange, now *Ruleset) Way {
	w := wayBack{now: now, taken: map[RuleKey]bool{}, leaving: map[RuleKey]bool{}, changes: changes}
	back := w.all()
	back.Notes, back.Kept = append(back.Notes, back.Kept...), nil
	return back
}

// UndoWay is WayBack for changes that stood for some time: a rule that was added is found too where it was deleted and added
// again since, or its table was made anew with it.
func UndoWay(changes []rules.NativeChange, now *Ruleset) Way {
	w := wayBack{now: now, taken: map[RuleKey]bool{}, leaving: map[RuleKey]bool{}, changes: changes, again: true}
	return w.all()
}

func (w *wayBack) all() Way {
	changes := w.changes
	// Rules and elements first: the rest goes only if nothing else is left in it. What was added before what was deleted: of
	// a rule that was moved, the one that is there is that which was added.
	for _, gone := range []bool{false, true} {
		for _, c := range changes {
			if c.Gone == gone && (c.What == rules.NativeRule || c.What == rules.NativeElement) {
				w.take(c)
			}
		}
	}
	for _, c := range slices.Backward(changes) {
		if !c.Gone && c.What != rules.NativeRule && c.What != rules.NativeElement {
			w.take(c)
		}
	}
	for _, c := range changes { // which come back in their order: of base chains with equal priorities that made last is asked first
		if c.Gone && c.What != rules.NativeRule && c.What != rules.NativeElement {
			w.take(c)
		}
	}
	w.keepWhole()
	rules.SortNatives(w.Changes)
	return w.Way
}

type wayBack struct {
	Way
	now     *Ruleset
	changes []rules.NativeChange
	taken   map[RuleKey]bool // rules that are spoken for
	leaving map[RuleKey]bool // those of them that go
	again   bool             // rules may have been made again since
}

func (w *wayBack) note(format string, args ...any) {
	w.Notes = append(w.Notes, fmt.Sprintf(format, args...))
}

// take adds what undoes a change.
func (w *wayBack) take(c rules.NativeChange) {
	t := w.now.Table(c.Family, c.Table)
	anew := t != nil && c.Spot.Table != 0 && t.Handle != c.Spot.Table && !w.restores(c.Family, c.Table)
	if anew && !(w.again && !c.Gone) {
		w.note("table %s %s was made anew since: what was changed in it before is gone (%s)", c.Family, c.Table, c.Line())
		return
	}
	inv := c
	inv.Gone, inv.Handle, inv.Before, inv.Spot = !c.Gone, 0, 0, rules.NativeSpot{}
	old := renewed(w.changes, c)
	switch {
	case old != 0 && t != nil && t.Handle == old, old != 0 && t == nil && !c.Gone:
		return // it was not made, or is gone again
	case old != 0 && c.Gone:
		w.Changes = append(w.Changes, inv)
		return
	}
	switch {
	case c.What == rules.NativeRule && c.Gone:
		w.restoreRule(c, inv, t)
	case c.What == rules.NativeRule:
		if r := w.find(c, t); r != nil {
			inv.Handle = r.Handle
			w.Changes = append(w.Changes, inv)
		} else if r := replacement(c, t); r != nil && !anew {
			w.note("the rule was replaced by another one, which is left as it is: %s (it was: %s)", r.Text(t.chain(c.Chain), w.now.Links), c.Text)
		}
	case c.What == rules.NativeElement:
		w.element(c, inv, t)
	case c.What == rules.NativeSetting:
		w.setting(c, t)
	default:
		w.container(c, inv, t)
	}
}

// keepWhole leaves a table that was made anew as it is where it cannot go again.
func (w *wayBack) keepWhole() {
	goes := func(c rules.NativeChange) bool {
		return w.now.Table(c.Family, c.Table) == nil || slices.ContainsFunc(w.Changes, func(o rules.NativeChange) bool {
			return o.Gone && o.What == rules.NativeTableKind && o.Family == c.Family && o.Table == c.Table
		})
	}
	kept := map[string]bool{}
	for _, c := range w.Changes {
		if renewed(w.changes, c) != 0 && !goes(c) {
			kept[c.Family+" "+c.Table] = true
		}
	}
	w.Changes = slices.DeleteFunc(w.Changes, func(c rules.NativeChange) bool { return kept[c.Family+" "+c.Table] })
}

// restores tells whether the changes have deleted the table, so that it comes back with another number.
func (w *wayBack) restores(family, table string) bool {
	return slices.ContainsFunc(w.changes, func(c rules.NativeChange) bool {
		return c.Gone && c.What == rules.NativeTableKind && c.Family == family && c.Table == table
	})
}

// find is the rule that a change has added; nil where it is not there.
func (w *wayBack) find(c rules.NativeChange, t *Table) *Rule {
	r := added(c, t, w.taken)
	if r == nil && w.again {
		c.Handle, c.Spot.Last = 0, 0
		r = added(c, t, w.taken)
	}
	if r != nil {
		w.taken[RuleKey{t.Family, t.Name, r.Handle}] = true
		w.leaving[RuleKey{t.Family, t.Name, r.Handle}] = true
	}
	return r
}

// added is the rule that a change has added to its table: by its handle, unless others have replaced it, or else, where that is
// not known, one that came later than the change was checked, and does the same.
func added(c rules.NativeChange, t *Table, taken map[RuleKey]bool) *Rule {
	ch := t.chain(c.Chain)
	if ch == nil {
		return nil
	}
	for _, r := range ch.Rules {
		if taken[ch.Key(r)] {
			continue
		}
		known := c.Handle != 0 && r.Handle == c.Handle || c.Handle == 0 && r.Handle > c.Spot.Last
		if known && (r.Is(c.Print, t) || c.Handle != 0 && c.Print == "") {
			return r
		}
	}
	return nil
}

// replacement is the rule that has the handle of the one that a change has added, and is another one: nft replace leaves the
// handle on newer kernels; nil where there is none.
func replacement(c rules.NativeChange, t *Table) *Rule {
	ch := t.chain(c.Chain)
	if ch == nil || c.Handle == 0 {
		return nil
	}
	if at := ch.place(c.Handle); at >= 0 && !ch.Rules[at].Is(c.Print, t) {
		return ch.Rules[at]
	}
	return nil
}

// restoreRule adds a deleted rule again, between the rules that it was between.
func (w *wayBack) restoreRule(c, inv rules.NativeChange, t *Table) {
	ch := t.chain(c.Chain)
	if ch == nil {
		if w.makes(rules.NativeChainKind, c) {
			w.Changes = append(w.Changes, inv)
			return
		}
		w.note("chain %s of table %s %s is gone, so its rule stays deleted: %s", c.Chain, c.Family, c.Table, c.Text)
		return
	}
	if ch.place(c.Handle) >= 0 && t.Handle == c.Spot.Table {
		return // it was not deleted
	}
	c.Handle = 0
	if r := added(c, t, w.taken); r != nil { // a way back that was interrupted has restored it
		w.taken[RuleKey{t.Family, t.Name, r.Handle}] = true
		return
	}
	inv.Before = ch.slot(c.Spot, w.leaving)
	w.Changes = append(w.Changes, inv)
}

// makes tells whether the changes have deleted the chain or set that a change is in.
func (w *wayBack) makes(kind rules.NativeKind, c rules.NativeChange) bool {
	return slices.ContainsFunc(w.changes, func(o rules.NativeChange) bool {
		isSet := o.What == rules.NativeSetKind || o.What == rules.NativeMapKind
		return o.Gone && (o.What == kind || kind == rules.NativeSetKind && isSet) && o.Place() == c.Place()
	})
}

// slot is the handle of the rule before which a deleted one belongs; 0: at the end. It goes by that neighbour of then which
// stood nearest and is there, of two as near by the one above: those beneath it may have been put back since. Rules that
// leave meanwhile are none to stand before.
func (c *Chain) slot(s rules.NativeSpot, leaving map[RuleKey]bool) uint64 {
	above, upper := -1, -1 // the neighbour, and where it is now
	for i := range s.Prior {
		if upper = c.placeAgain(s.Prior[i], s.PriorPrints, i, s.Last); upper >= 0 {
			above = i
			break
		}
	}
	beneath, lower := -1, -1
	for i := range s.Behind {
		if lower = c.placeAgain(s.Behind[i], s.BehindPrints, i, s.Last); lower >= 0 && !leaving[c.Key(c.Rules[lower])] {
			beneath = i
			break
		}
	}
	switch {
	case above < 0 && beneath < 0:
		return 0
	case above < 0, beneath >= 0 && beneath < above:
		return c.Rules[lower].Handle
	}
	for _, r := range c.Rules[upper+1:] {
		if !leaving[c.Key(r)] {
			return r.Handle
		}
	}
	return 0
}

// placeAgain is where the i-th neighbour of a deleted rule is, by its handle or, where it was made anew since, by its print
// if one alone has it: rules that are made later have higher handles than last. It is -1 where there is none.
func (c *Chain) placeAgain(handle uint64, prints []string, i int, last uint64) int {
	at := c.place(handle)
	if at >= 0 || i >= len(prints) {
		return at
	}
	for j, r := range c.Rules {
		if r.Handle <= last || !r.Is(prints[i], c.Table) {
			continue
		}
		if at >= 0 {
			return -1
		}
		at = j
	}
	return at
}

func (w *wayBack) element(c, inv rules.NativeChange, t *Table) {
	s := t.named(c.Set)
	if s == nil {
		switch {
		case !c.Gone:
		case w.makes(rules.NativeSetKind, c):
			w.Changes = append(w.Changes, inv)
		default:
			w.note("set %s of table %s %s is gone, so its element stays deleted: %s", c.Set, c.Family, c.Table, c.Text)
		}
		return
	}
	text, there := s.entry(c.Key, w.now.Links)
	switch same := there && text == c.Text; {
	case same && c.Gone, !there && !c.Gone:
		return // it was not made, or is undone already
	case there && !same && text != w.other(c):
		w.note("element %s of %s %s %s is  %s  now", c.Key, c.Family, c.Table, c.Set, text)
	case same || c.Gone:
		w.Changes = append(w.Changes, inv)
	}
}

// other is the element that the changes have put in place of the one that a change is about, or the other way round; ""
// where there is none.
func (w *wayBack) other(c rules.NativeChange) string {
	for _, o := range w.changes {
		if o.Gone != c.Gone && o.What == c.What && o.Place() == c.Place() && o.Key == c.Key {
			return o.Text
		}
	}
	return ""
}

// container undoes a change of a table, chain or set.
func (w *wayBack) container(c, inv rules.NativeChange, t *Table) {
	if t.has(c) == c.Gone {
		return
	}
	if !c.Gone {
		if why := w.used(c, t); why != "" {
			w.Kept = append(w.Kept, fmt.Sprintf("%s %s is kept: %s", c.What, c.Place(), why))
			return
		}
	}
	w.Changes = append(w.Changes, inv)
}

// used says what else there is in a table, chain or set that would be deleted, or uses it.
func (w *wayBack) used(c rules.NativeChange, t *Table) string {
	goes := func(what rules.NativeKind, name string) bool {
		return slices.ContainsFunc(w.Changes, func(o rules.NativeChange) bool {
			return o.Gone && o.What == what && o.Family == c.Family && o.Table == c.Table && o.Chain+o.Set == name
		})
	}
	if c.What == rules.NativeTableKind {
		for _, ch := range t.Chains {
			if !goes(rules.NativeChainKind, ch.Name) {
				return "it has chain " + ch.Name
			}
		}
		for _, s := range setsOf(t) {
			if !goes(rules.NativeSetKind, s.Name) && !goes(rules.NativeMapKind, s.Name) {
				return "it has set " + s.Name
			}
		}
		for _, o := range t.Objects {
			if !goes(rules.NativeObject, o.Name) {
				return "it has " + o.kind() + " " + o.Name
			}
		}
		if len(t.Flowtables) > 0 {
			return "it has flowtables that this change did not add"
		}
		return ""
	}
	for _, ch := range t.Chains {
		for _, r := range ch.Rules {
			if w.taken[ch.Key(r)] {
				continue
			}
			if c.What == rules.NativeChainKind && ch.Name == c.Chain {
				return "it has a rule that this change did not add"
			}
			if c.What == rules.NativeChainKind && slices.Contains(r.leads(t), c.Chain) || c.Set != "" && r.names(c.Set, c.What == rules.NativeObject) {
				return "a rule of chain " + ch.Name + " uses it"
			}
		}
	}
	return w.members(c, t)
}

// members says what is left in a set.
func (w *wayBack) members(c rules.NativeChange, t *Table) string {
	if c.What == rules.NativeObject {
		return "" // the kernel knows whether a map has it
	}
	s := t.named(c.Set)
	if s == nil {
		return ""
	}
	for _, e := range s.Entries(w.now.Links) {
		gone := slices.ContainsFunc(w.Changes, func(o rules.NativeChange) bool {
			return o.Gone && o.What == rules.NativeElement && o.Place() == c.Place() && o.Key == e.Key
		})
		if !gone {
			return "it has an element that this change did not add: " + e.Text()
		}
	}
	return ""
}

// names tells whether the rule looks something up in a set, or puts something into it; with object, whether it uses the
// object of that name.
func (r *Rule) names(set string, object bool) bool {
	if object {
		return slices.ContainsFunc(r.Exprs, func(e Expr) bool { ref, ok := e.(ObjRef); return ok && ref.Name == set })
	}
	return slices.ContainsFunc(r.Exprs, func(e Expr) bool {
		switch e := e.(type) {
		case Lookup:
			return e.Set == set
		case ObjRef:
			return e.Set == set
		case Dynset:
			return e.Set == set
		}
		return false
	})
}
