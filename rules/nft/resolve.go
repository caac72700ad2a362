package nft

import (
	"fmt"
	"slices"
	"strconv"

	"nattui/rules"
)

// Resolve checks that changes fit the ruleset, one after the other, and notes in each what it finds at its place. The error
// is a *rules.NativeConflict.
func Resolve(changes []rules.NativeChange, now *Ruleset) ([]rules.NativeChange, error) {
	r := resolution{now: now, made: map[string]bool{}, gone: map[string]bool{}, old: map[string]bool{}}
	out := slices.Clone(changes)
	for i := range out {
		if found := r.resolve(&out[i]); found != "" {
			return nil, &rules.NativeConflict{Change: out[i], Found: found}
		}
	}
	return out, nil
}

// ResolveFitting is Resolve for changes of which some may not fit: they are left out, and misfits say why.
func ResolveFitting(changes []rules.NativeChange, now *Ruleset) (fitting []rules.NativeChange, misfits []string) {
	r := resolution{now: now, made: map[string]bool{}, gone: map[string]bool{}, old: map[string]bool{}}
	for _, c := range changes {
		if found := r.resolve(&c); found != "" {
			misfits = append(misfits, fmt.Sprintf("not rolled back: %s: %s", c.Line(), found))
			continue
		}
		fitting = append(fitting, c)
	}
	return fitting, misfits
}

// Renews tells whether changes make a table anew that they delete.
func Renews(changes []rules.NativeChange) bool {
	return slices.ContainsFunc(changes, func(c rules.NativeChange) bool { return renewed(changes, c) != 0 })
}

// resolution knows what changes before have added and deleted, by place.
type resolution struct {
	now        *Ruleset
	made, gone map[string]bool
	old        map[string]bool // tables that are deleted, and perhaps made again with nothing of what was in them
}

// key names what a change adds or deletes, but for rules.
func key(c rules.NativeChange) string {
	kind := string(c.What)
	if c.What == rules.NativeMapKind {
		kind = string(rules.NativeSetKind) // of which a name is either
	}
	return kind + " " + c.Place() + " " + c.Key
}

// resolve says what is there instead of what is expected; "" where the change fits.
func (r *resolution) resolve(c *rules.NativeChange) string {
	t := r.now.Table(c.Family, c.Table)
	table := "table " + c.Family + " " + c.Table + " "
	newTable := r.made[table]
	if r.old[table] {
		t = nil
	}
	c.Spot = rules.NativeSpot{}
	if t != nil {
		c.Spot = rules.NativeSpot{Table: t.Handle, Last: t.lastRule()}
	}
	if c.What != rules.NativeTableKind && t == nil && !newTable {
		return "there is no such table"
	}
	switch c.What {
	case rules.NativeRule:
		return r.rule(c, t)
	case rules.NativeElement:
		return r.element(c, t)
	case rules.NativeSetting:
		return t.unlike(c)
	}
	if o := t.object(c.Key, c.Set); c.What == rules.NativeObject && c.Gone && o != nil && o.Kind == objectCounter {
		c.Text = withLine(ownComment.FindString(c.Text), fmt.Sprintf("packets %d bytes %d", o.Counter.Packets, o.Counter.Bytes))
	}
	there := t.has(*c)
	there = there && !r.gone[key(*c)] || r.made[key(*c)]
	if there && !c.Gone {
		return "it is there already"
	}
	if !there && c.Gone {
		return "it is not there"
	}
	r.made[key(*c)], r.gone[key(*c)] = !c.Gone, c.Gone
	r.old[key(*c)] = r.old[key(*c)] || c.Gone
	return ""
}

// lastRule is the highest handle of a rule in the table.
func (t *Table) lastRule() (last uint64) {
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			last = max(last, r.Handle)
		}
	}
	return last
}

// mostBeside is how many rules on either side of a deleted one are noted, mostPrinted of how many the prints are.
const mostBeside, mostPrinted = 64, 8

func (r *resolution) rule(c *rules.NativeChange, t *Table) string {
	ch := t.chain(c.Chain)
	chainKey := "chain " + c.Family + " " + c.Table + " " + c.Chain + " "
	if ch == nil || r.gone[chainKey] {
		if r.made[chainKey] && !c.Gone && c.Before == 0 {
			return ""
		}
		return "there is no such chain"
	}
	if !c.Gone {
		if c.Before != 0 && ch.place(c.Before) < 0 {
			return "the rule before which it is to be added is no longer there"
		}
		return ""
	}
	at := ch.place(c.Handle)
	if at < 0 {
		return "the rule is no longer there"
	}
	rule := ch.Rules[at]
	if c.Print != "" && !rule.Is(c.Print, t) {
		return "the rule of handle " + strconv.FormatUint(c.Handle, 10) + " is another one: " + rule.Text(ch, r.now.Links)
	}
	if n, ok := rule.Counter(); ok {
		c.Text = n.within(c.Text)
	}
	for i := at - 1; i >= 0 && len(c.Spot.Prior) < mostBeside; i-- {
		if c.Spot.Prior = append(c.Spot.Prior, ch.Rules[i].Handle); len(c.Spot.PriorPrints) < mostPrinted {
			c.Spot.PriorPrints = append(c.Spot.PriorPrints, ch.Rules[i].Print(t))
		}
	}
	for i := at + 1; i < len(ch.Rules) && len(c.Spot.Behind) < mostBeside; i++ {
		if c.Spot.Behind = append(c.Spot.Behind, ch.Rules[i].Handle); len(c.Spot.BehindPrints) < mostPrinted {
			c.Spot.BehindPrints = append(c.Spot.BehindPrints, ch.Rules[i].Print(t))
		}
	}
	return ""
}

// place is where in the chain the rule of the handle is; -1 where there is none.
func (c *Chain) place(handle uint64) int {
	return slices.IndexFunc(c.Rules, func(r *Rule) bool { return r.Handle == handle })
}

func (r *resolution) element(c *rules.NativeChange, t *Table) string {
	s := t.named(c.Set)
	setKey := "set " + c.Family + " " + c.Table + " " + c.Set + " "
	if s == nil || r.gone[setKey] {
		if r.made[setKey] && !c.Gone {
			return ""
		}
		return "there is no such set"
	}
	e, there := s.entryOf(c.Key, r.now.Links)
	text := e.Text()
	if c.Gone {
		if c.Kept = ""; there && e.WithState() != text {
			c.Kept = e.WithState()
		}
	}
	switch {
	case c.Gone && !there:
		return "it is not there"
	case c.Gone && text != c.Text:
		return fmt.Sprintf("it is  %s  now", text)
	case !c.Gone && there && !r.gone[key(*c)]:
		return fmt.Sprintf("there is  %s  already", text)
	}
	r.gone[key(*c)] = c.Gone
	return ""
}

// entry is the element of a key, as nft reads it.
func (s *Set) entry(key string, links Links) (string, bool) {
	e, there := s.entryOf(key, links)
	return e.Text(), there
}

func (s *Set) entryOf(key string, links Links) (Entry, bool) {
	for _, e := range s.Entries(links) {
		if e.Key == key {
			return e, true
		}
	}
	return Entry{}, false
}

// Follow gives changes that fit one ruleset the handles of another one, in which the same rules are at the same places. A
// handle that is not found is 0.
func Follow(changes []rules.NativeChange, from, to *Ruleset) []rules.NativeChange {
	out := slices.Clone(changes)
	for i := range out {
		c := &out[i]
		a, b := from.Table(c.Family, c.Table).chain(c.Chain), to.Table(c.Family, c.Table).chain(c.Chain)
		c.Handle, c.Before = sameRule(a, b, c.Handle), sameRule(a, b, c.Before)
	}
	return out
}

func sameRule(a, b *Chain, handle uint64) uint64 {
	if handle == 0 || a == nil || b == nil {
		return 0
	}
	at := a.place(handle)
	if at < 0 || at >= len(b.Rules) {
		return 0
	}
	return b.Rules[at].Handle
}
