package rules

import "slices"

// Sequence applies changes one after the other to a snapshot, which stays as it is. What is copied is copied once,
// so that a thousand changes of a chain cost a thousand times one, and not the square of it. A change is made when somebody
// looks: the last one of a plan copies nothing where nobody does.
type Sequence struct {
	now    Ruleset
	due    *Change          // that was checked and is not made yet
	tables map[string]bool  // whose list of chains is a copy
	chains map[chainOf]bool // whose list of rules is a copy
	all    bool             // the list of tables is a copy
	// lines counts the equal rules of the chains that it was asked about.
	lines map[chainOf]map[string]int
}

// chainOf names a chain of a snapshot.
type chainOf struct{ table, chain string }

// NewSequence begins with the snapshot.
func NewSequence(s *Ruleset) *Sequence {
	return &Sequence{now: *s, tables: map[string]bool{}, chains: map[chainOf]bool{}, lines: map[chainOf]map[string]int{}}
}

// Now is the snapshot as the changes have made it so far. The next change alters it; what is to stay has to be read
// before, or be the last.
func (q *Sequence) Now() *Ruleset {
	if c := q.due; c != nil {
		q.due = nil
		q.make(*c)
	}
	return &q.now
}

// Apply makes the next change. The error is that of Change.Check, and nothing is changed then.
func (q *Sequence) Apply(c Change) error {
	now := q.Now()
	c = c.Resolve(now)
	if err := c.Check(now); err != nil {
		return err
	}
	q.due = &c
	return nil
}

// make makes a change that fits.
func (q *Sequence) make(c Change) {
	t := q.table(c.Table)
	switch c.Op {
	case NewChain:
		t.addChain(Chain{Name: c.Chain, Policy: "-"})
		return
	case DeleteChain:
		t.Chains = slices.DeleteFunc(t.Chains, func(k Chain) bool { return k.Name == c.Chain })
		delete(q.chains, chainOf{c.Table, c.Chain})
		delete(q.lines, chainOf{c.Table, c.Chain})
		return
	}
	ch := q.chain(t, c.Chain)
	q.count(c, ch)
	switch c.Op {
	case Insert:
		ch.Rules = slices.Insert(ch.Rules, c.At-1, c.Rule.InChain(c.Chain).settled())
	case Delete:
		ch.Rules = slices.Delete(ch.Rules, c.At-1, c.At)
	case Replace:
		r := c.Rule.InChain(c.Chain).settled()
		r.Counters = ch.Rules[c.At-1].Counters
		ch.Rules[c.At-1] = r
	case Move:
		r := ch.Rules[c.At-1]
		ch.Rules = slices.Delete(ch.Rules, c.At-1, c.At)
		ch.Rules = slices.Insert(ch.Rules, c.To-1, r)
	case SetPolicy:
		ch.Policy = c.Policy
	}
}

// Named is Change.Named for the next change, without looking at each rule of the chain.
func (q *Sequence) Named(c Change) Change {
	now := q.Now()
	ch, ok := now.Chain(c.Table, c.Chain)
	if c.Op != Delete || !ok {
		return c
	}
	at := chainOf{c.Table, c.Chain}
	if q.lines[at] == nil {
		q.lines[at] = map[string]int{}
		for i := range ch.Rules {
			q.lines[at][ch.Rules[i].String()]++
		}
	}
	if q.lines[at][c.Rule.String()] > 1 {
		return c.Named(now)
	}
	c.ByNumber = false
	return c
}

// count keeps the numbers of equal rules up to date that were asked for.
func (q *Sequence) count(c Change, ch *Chain) {
	lines := q.lines[chainOf{c.Table, c.Chain}]
	if lines == nil {
		return
	}
	switch c.Op {
	case Insert:
		lines[c.Rule.InChain(c.Chain).String()]++
	case Delete:
		lines[ch.Rules[c.At-1].String()]--
	case Replace:
		lines[ch.Rules[c.At-1].String()]--
		lines[c.Rule.InChain(c.Chain).String()]++
	}
}

// table is the table, made where it is not there, with a list of chains that may be changed.
func (q *Sequence) table(name string) *Table {
	if !q.all {
		q.now.Tables, q.all = slices.Clone(q.now.Tables), true
	}
	ti := slices.IndexFunc(q.now.Tables, func(t Table) bool { return t.Name == name })
	if ti < 0 {
		q.now.Tables = append(q.now.Tables, emptyTable(name))
		ti = len(q.now.Tables) - 1
	}
	t := &q.now.Tables[ti]
	if !q.tables[name] {
		t.Chains, q.tables[name] = slices.Clone(t.Chains), true
	}
	return t
}

// chain is the chain, with a list of rules that may be changed. A built-in chain that the nft backend has not made
// yet is made.
func (q *Sequence) chain(t *Table, name string) *Chain {
	find := func() int { return slices.IndexFunc(t.Chains, func(k Chain) bool { return k.Name == name }) }
	ci := find()
	if ci < 0 {
		t.addChain(Chain{Name: name, Policy: "ACCEPT"})
		ci = find()
	}
	ch := &t.Chains[ci]
	if at := (chainOf{t.Name, name}); !q.chains[at] {
		ch.Rules, q.chains[at] = append(make([]Rule, 0, len(ch.Rules)+spare), ch.Rules...), true
	}
	return ch
}

// spare is the room for rules that are inserted into a copy, which is not copied again at once then.
const spare = 16

// settled is the rule with its line worked out once, as if it had been read.
func (r Rule) settled() Rule {
	if r.raw == "" {
		r.raw = r.canonical()
	}
	return r
}
