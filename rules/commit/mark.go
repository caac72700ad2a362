package commit

import (
	"fmt"
	"slices"

	"nattui/rules"
)

// mark is what a change found at its place before it was made: what tells later
// whether it stands, and where its inverse belongs after others changed the table.
type mark struct {
	Count int  `json:"count,omitempty"` // rules in the chain equal to the change's
	Like  int  `json:"like,omitempty"`  // rules that could be it, printed otherwise
	Prev  text `json:"prev,omitempty"`  // the rule before the place; "": the chain's start
	Next  text `json:"next,omitempty"`  // the rule after it; "": the chain's end
	// Before and Behind are more of the rules around the place that a rule left, the
	// nearest first, with Prev and Next: where those two belong to a program that makes
	// and deletes them again in turn, these tell.
	Before []linePrint `json:"before,omitempty"`
	Behind []linePrint `json:"behind,omitempty"`
	// ToPrev and ToNext are around the new place of a moved rule; From and To are the whole
	// order of its chain before the plan and after the move.
	ToPrev text       `json:"to-prev,omitempty"`
	ToNext text       `json:"to-next,omitempty"`
	From   chainPrint `json:"from,omitempty"`
	To     chainPrint `json:"to,omitempty"`
	// HomeTwin and ToTwin are set where neighbours do not tell whether a move was made: an equal rule has those of the old
	// place after it, or has those of the new one, before it or after.
	HomeTwin bool `json:"home-twin,omitempty"`
	ToTwin   bool `json:"to-twin,omitempty"`
	// Twin is set where an equal rule with the same neighbours was there already.
	Twin bool `json:"twin,omitempty"`
	// On nft handles tell equal rules apart: those that were there before, and the
	// one that was made, in this incarnation of the table; 0 where not known.
	Table uint64   `json:"table,omitempty"`
	Older []uint64 `json:"older,omitempty"`
	Made  uint64   `json:"made,omitempty"`
	// Done is set once the change is known to have been made.
	Done bool `json:"done,omitempty"`
}

// marksOf takes the mark of every change of a resolved plan, given the sets that
// it starts from.
func marksOf(p rules.Plan, all sets) ([]mark, error) {
	begun, counted := rules.Sequences{}, census{}
	var marks []mark
	for _, c := range p.Changes() {
		q := begun.Of(c, all)
		count, list := counted.of(q.Now(), c), listOf(q.Now(), c)
		m := markOf(c, q.Now(), count)
		if err := q.Apply(c); err != nil {
			return nil, err
		}
		if c.Op == rules.Move {
			moved := listOf(q.Now(), c)
			m.ToPrev, m.ToNext = lineAt(moved, c.To-1), lineAt(moved, c.To+1)
			m.HomeTwin = len(betweenOf(moved, c, m.Prev, m.Next)) > 0
			m.ToTwin = len(betweenOf(list, c, m.ToPrev, m.ToNext)) > 0 || len(betweenOf(moved, c, m.ToPrev, m.ToNext)) > 1
			m.From, m.To = orderOf(listOf(setOf(all, rules.Variant{Family: c.Family, Backend: c.Backend}), c)), orderOf(moved)
		}
		count.take(c)
		marks = append(marks, m)
	}
	return marks, nil
}

func setOf(all sets, variant rules.Variant) *rules.Ruleset {
	if s := all[variant]; s != nil {
		return s
	}
	return &rules.Ruleset{Family: variant.Family, Backend: variant.Backend}
}

// markOf is the mark of a change in the set that it is made in, but for the new place
// of a moved rule.
func markOf(c rules.Change, before *rules.Ruleset, count *tally) mark {
	list := listOf(before, c)
	made := c.Rule.InChain(c.Chain)
	m := mark{Count: count.lines[made.String()], Like: count.likes[count.at.likeness(made)]}
	if c.Op == rules.Replace && count.at.likeness(c.Old) == count.at.likeness(made) {
		m.Like-- // it goes
	}
	if t, ok := before.Table(c.Table); ok && m.Count > 0 {
		m.Table, m.Older = t.Incarnation, handlesOf(list, made)
	}
	switch c.Op {
	case rules.Insert:
		m.Prev, m.Next = lineAt(list, c.At-1), lineAt(list, c.At)
	case rules.Delete, rules.Replace, rules.Move:
		m.Prev, m.Next = lineAt(list, c.At-1), lineAt(list, c.At+1)
	}
	if c.Op == rules.Delete || c.Op == rules.Move {
		m.Before, m.Behind = printsAround(list, c.At)
	}
	m.Twin = m.Count > 0 && slices.ContainsFunc(placesOf(list, made), func(p int) bool { return m.between(list, p) })
	return m
}

// between reports whether the rule at a place has the neighbours of the mark.
func (m mark) between(list []rules.Rule, p int) bool {
	return agrees(lineAt(list, p-1), lineAt(list, p+1), m.Prev, m.Next) == 2
}

// handlesOf are the handles of the rules equal to r; nil unless all are known.
func handlesOf(list []rules.Rule, r rules.Rule) []uint64 {
	var all []uint64
	for _, at := range placesOf(list, r) {
		if list[at-1].Handle == 0 {
			return nil
		}
		all = append(all, list[at-1].Handle)
	}
	return all
}

// listOf are the rules of the change's chain.
func listOf(s *rules.Ruleset, c rules.Change) []rules.Rule {
	if ch, ok := s.Chain(c.Table, c.Chain); ok {
		return ch.Rules
	}
	return nil
}

// lineAt is the line at a place, counted from 1; "" outside of the chain.
func lineAt(list []rules.Rule, at int) text {
	if at < 1 || at > len(list) {
		return ""
	}
	return text(list[at-1].String())
}

// agrees scores how well the surroundings of a place are the expected ones.
func agrees(prev, next, wantPrev, wantNext text) int {
	n := 0
	if prev == wantPrev {
		n++
	}
	if next == wantNext {
		n++
	}
	return n
}

// best is the candidate with the highest score; among equals the one nearest to
// at. 0 if there is none.
func best(candidates []int, at int, score func(int) int) int {
	found := 0
	for _, p := range candidates {
		d := score(p)
		if found != 0 {
			d -= score(found)
		}
		if found == 0 || d > 0 || d == 0 && distance(p, at) < distance(found, at) {
			found = p
		}
	}
	return found
}

func distance(a, b int) int { return max(a-b, b-a) }

// placesOf are the places at which a rule equal to r stands.
func placesOf(list []rules.Rule, r rules.Rule) []int {
	var at []int
	line := r.String()
	for i := range list {
		if list[i].String() == line {
			at = append(at, i+1)
		}
	}
	return at
}

// wayBack works out how to take the changes of a plan back in the sets as they
// are now: the changes to make, in order, and notes on what no longer fits. A
// change that does not stand, because it was never made or somebody else took it
// back, needs nothing.
func wayBack(p rules.Plan, marks []mark, all sets) (back []rules.Change, notes []string) {
	back, _, notes = wayBackOf(p, marks, all, func(rules.Change, string) {})
	return back, notes
}

// wayBackOf is wayBack, and tells for each change which of the plan's it takes back, and needless those for which nothing is to be
// done, with the note about each.
func wayBackOf(p rules.Plan, marks []mark, all sets, needless func(rules.Change, string)) (back []rules.Change, of []int, notes []string) {
	changes := p.Changes()
	begun := map[rules.Variant]*present{}
	for i, c := range slices.Backward(changes) {
		variant := rules.Variant{Family: c.Family, Backend: c.Backend}
		if begun[variant] == nil {
			begun[variant] = presentOf(setOf(all, variant))
		}
		now := begun[variant]
		var m mark
		if i < len(marks) {
			m = marks[i]
		}
		inv, note := m.inverse(c, now)
		if note != "" {
			notes = append(notes, note)
		}
		if inv == nil {
			needless(c, note)
			continue
		}
		if err := now.apply(*inv); err != nil {
			notes = append(notes, fmt.Sprintf("left as it is: %s (%v)", firstCommand(*inv), err))
			continue
		}
		back, of = append(back, *inv), append(of, i)
	}
	return back, of, notes
}

func firstCommand(c rules.Change) string { return rules.ShellLine(c.Commands()[0]) }

// inverse is what rolls back one change in the tables as they are now; nil where
// nothing is to be done.
func (m mark) inverse(c rules.Change, now *present) (*rules.Change, string) {
	inv := c.Inverse()
	ch, list := now.chain(c), now.list(c)
	switch c.Op {
	case rules.Insert:
		return m.removal(c, inv, now)
	case rules.Delete:
		if !ch.there && !rules.IsBuiltIn(c.Table, c.Chain) {
			return nil, fmt.Sprintf("chain %s is gone, so its rule stays deleted: %s", c.Chain, c.Rule.String())
		}
		return m.restoration(c, inv, list)
	case rules.Replace:
		at, ok, doubt := m.find(c, now)
		if !ok {
			if doubt != "" {
				return nil, doubt
			}
			if list.count(c.Old) > 0 {
				return nil, ""
			}
			return nil, fmt.Sprintf("the changed rule is gone: %s", c.Rule.String())
		}
		inv.At, inv.Old = at, list.at(at).Rule
		return &inv, ""
	case rules.Move:
		return m.homecoming(c, inv, now)
	case rules.SetPolicy:
		switch ch.policy {
		case c.Policy:
			return &inv, ""
		case c.OldPolicy:
			return nil, ""
		}
		return nil, fmt.Sprintf("the policy of %s is %s now", c.Chain, ch.policy)
	case rules.NewChain:
		switch {
		case !ch.there:
			return nil, ""
		case list.n > 0:
			return nil, fmt.Sprintf("chain %s is kept: it holds %s that this change did not add", c.Chain, rules.Plural(list.n, "rule"))
		}
		if user := now.used(c); user != "" {
			return nil, fmt.Sprintf("chain %s is kept: it is used by %q", c.Chain, user)
		}
		return &inv, ""
	case rules.DeleteChain:
		if ch.there {
			return nil, ""
		}
		return &inv, ""
	}
	return nil, ""
}

// find looks for the rule that an Insert or a Replace made: by its handle, else by
// how many equal rules there are, else by its neighbours. doubt says that one of
// the equal rules may be it and which is not known.
func (m mark) find(c rules.Change, now *present) (at int, ok bool, doubt string) {
	list, made := now.list(c), c.Rule.InChain(c.Chain)
	score := func(p int) int { return agrees(list.line(p-1), list.line(p+1), m.Prev, m.Next) }
	equal := list.equal(made.String())
	if mine, sure := m.byHandle(now, c, equal); sure {
		return best(mine, c.At, score), len(mine) > 0, ""
	}
	if len(equal) > m.Count {
		return best(equal, c.At, score), true, ""
	}
	if at := slices.IndexFunc(equal, func(p int) bool { return score(p) == 2 }); at >= 0 && !m.Twin {
		return equal[at], true, ""
	}
	if len(equal) > 0 && m.Done {
		return 0, false, fmt.Sprintf("it is not known whether the rule left in %s was added by this change or existed before: %s", c.Chain, made)
	}
	if m.Count > 0 || c.Op == rules.Replace && list.count(c.Old) > 0 {
		return 0, false, ""
	}
	return m.findAlike(c, list, score)
}

// byHandle picks from the places of equal rules those that the change made. sure is
// false where handles do not tell: on legacy, in another incarnation of the table,
// or when the rules were made again in the meantime, as by loading a saved table.
func (m mark) byHandle(now *present, c rules.Change, equal []int) (mine []int, sure bool) {
	if m.Table == 0 || now.incarnation(c) != m.Table {
		return nil, false
	}
	list, olders := now.list(c), 0
	for _, at := range equal {
		switch handle := list.at(at).Handle; {
		case handle == 0:
			return nil, false
		case handle == m.Made:
			return []int{at}, true
		case slices.Contains(m.Older, handle):
			olders++
		case m.Made == 0:
			mine = append(mine, at)
		}
	}
	return mine, len(m.Older) > 0 && olders == len(m.Older)
}

// removal rolls back an insertion.
func (m mark) removal(c, inv rules.Change, now *present) (*rules.Change, string) {
	at, ok, doubt := m.find(c, now)
	if !ok {
		return nil, doubt
	}
	inv.At, inv.Rule = at, now.list(c).at(at).Rule
	return &inv, ""
}

// restoration rolls back a deletion.
func (m mark) restoration(c, inv rules.Change, list *lineup) (*rules.Change, string) {
	if m.Count == 0 {
		m.Count = 1
	}
	if list.count(c.Rule.InChain(c.Chain)) >= m.Count {
		return nil, ""
	}
	at, sure := m.slot(list, c.At)
	inv.At, inv.Next = at, expectation(list.line(at))
	if !sure {
		return &inv, fmt.Sprintf("the rules around rule %d of %s have changed; its place is now %d: %s", c.At, c.Chain, at, c.Rule.String())
	}
	return &inv, ""
}

// slot is where the rule belongs that left the place at: behind the rules that stood
// before it, and before those that stood behind, as far as they are still there; among
// such places, beside its old neighbours. It is sure where those two have
// nothing between them now, or all that is left of the others is in its old order.
func (m mark) slot(list *lineup, at int) (place int, sure bool) {
	stretches, known := m.disorder(list)
	least := slices.MinFunc(stretches, func(a, b stretch) int { return a.wrong - b.wrong }).wrong
	stretches = slices.DeleteFunc(stretches, func(s stretch) bool { return s.wrong > least })
	var all []int
	for _, s := range stretches { // the nearest one of each, should no neighbour be there
		all = append(all, max(s.first, min(s.last, at)))
	}
	for _, p := range m.beside(list) {
		if slices.ContainsFunc(stretches, func(s stretch) bool { return s.first <= p && p <= s.last }) {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	score := func(p int) int { return agrees(list.line(p-1), list.line(p), m.Prev, m.Next) }
	place = best(all, at, score)
	return place, score(place) == 2 || least == 0 && (known || score(place) > 0)
}

// beside are the places that have one of the neighbours that are remembered.
func (m mark) beside(list *lineup) []int {
	all := list.equal(string(m.Next))
	for _, p := range list.equal(string(m.Prev)) {
		all = append(all, p+1)
	}
	if m.Prev == "" {
		all = append(all, 1)
	}
	if m.Next == "" {
		all = append(all, list.n+1)
	}
	return all
}

// expectation is the line before which a rule is to be inserted.
func expectation(line text) string {
	if line != "" {
		return string(line)
	}
	return rules.EndOfChain
}
