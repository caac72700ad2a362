package commit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// Observer notes in the journal what other programs change, as far as it is told
// to look. It is for one goroutine; several may look over the same state
// directory: what one has noted, the others do not.
type Observer struct {
	c    *Committer
	seen map[rules.Variant]sight
}

// sight is what a variant was like, and how much of the journal there was then.
type sight struct {
	rules   *rules.Ruleset
	records int
}

// mostNoted is how many changes of rules are kept of one entry. What is larger, a
// whole firewall that was loaded, is noted by its size alone.
const mostNoted = 200

// Observer makes one that has seen nothing yet.
func (c *Committer) Observer() *Observer {
	return &Observer{c, map[rules.Variant]sight{}}
}

// Look reads a variant and notes what is other than at the last look and was not
// done with nattui, as one entry by the programs named, which may be none. The
// first look notes nothing. Where nothing is to be noted, the entry is zero.
func (o *Observer) Look(ctx context.Context, variant rules.Variant, by ...string) (Entry, error) {
	// With the lock held, no nattui is changing anything, and the journal tells of
	// every change that one has made.
	l, err := o.c.store.acquire(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer l.release()
	j, err := o.c.open(ctx, l)
	if err != nil {
		return Entry{}, err
	}
	now, err := o.c.kernel.Tables.Read(ctx, variant)
	if err != nil {
		return Entry{}, err
	}
	last, known := o.seen[variant]
	o.seen[variant] = sight{now, j.records}
	if !known {
		return Entry{}, nil
	}
	before := withOurs(last.rules, now, j.since(last.records, variant))
	plan := rules.Difference(before, now)
	if len(plan.Steps) == 0 {
		return Entry{}, nil
	}
	e := &Entry{ID: j.next(), Kind: KindOutside, At: o.c.clock.Now(), By: programs(by), State: Applied, begun: in(o.c.clock, 0)}
	e.made = e.begun
	e.Plan = plan
	if e.Plan.Title = titleOf(plan, variant); len(plan.Steps) > mostNoted {
		e.Plan.Steps = nil
	} else if e.marks, err = marksOf(plan, sets{variant: before}); err != nil {
		return Entry{}, err
	}
	for i := range e.marks {
		e.marks[i].Done = plan.Changes()[i].Op == rules.Move // it was seen
	}
	if err := o.c.store.append(recordOf(e)); err != nil {
		return Entry{}, err
	}
	o.seen[variant] = sight{now, j.records + 1}
	o.c.log.write(e)
	return *e, nil
}

// programs names those who did it.
func programs(by []string) string {
	var names []string
	for _, name := range by {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	const most = 3
	switch {
	case len(names) == 0:
		return "another program"
	case len(names) > most:
		return strings.Join(names[:most-1], ", ") + " and " + rules.Plural(len(names)-most+1, "other")
	}
	return strings.Join(names, ", ")
}

// titleOf is a plan in one line.
func titleOf(p rules.Plan, variant rules.Variant) string {
	changes := p.Changes()
	if len(changes) == 1 {
		return changes[0].Sentence()
	}
	counts := map[rules.Op]int{}
	var chains []string
	for _, c := range changes {
		counts[c.Op]++
		if name := c.Table + " " + c.Chain; !slices.Contains(chains, name) {
			chains = append(chains, name)
		}
	}
	var parts []string
	for _, w := range []struct {
		op   rules.Op
		what string
	}{{rules.Insert, "new rules"}, {rules.Delete, "rules gone"}, {rules.NewChain, "new chains"}, {rules.DeleteChain, "chains gone"}, {rules.SetPolicy, "policies changed"}} {
		if n := counts[w.op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", w.what, n))
		}
	}
	where := strings.Join(chains, ", ")
	if len(chains) > 3 {
		where = fmt.Sprintf("%s and %d more chains", strings.Join(chains[:2], ", "), len(chains)-2)
	}
	return fmt.Sprintf("%s %s: %s.", variant, where, strings.Join(parts, ", "))
}

// line is a line that came or went, or a chain or a policy that did.
type line struct {
	sign               byte
	table, chain, text string
}

// since counts the lines that entries told of since then may have added or taken.
// An entry may have been made and rolled back in the meantime, so each counts for
// both directions.
func (j *journal) since(records int, variant rules.Variant) map[line]int {
	if records > j.records {
		records = 0 // rotated in the meantime
	}
	ours := map[line]int{}
	for _, e := range j.entries {
		if e.touched <= records {
			continue
		}
		for _, c := range e.Plan.Changes() {
			if (rules.Variant{Family: c.Family, Backend: c.Backend}) != variant {
				continue
			}
			if c.Op == rules.Move {
				ours[reordered(c.Table, c.Chain)]++
			}
			for _, l := range linesOf(c) {
				ours[l]++
			}
			for _, l := range linesOf(c.Inverse()) {
				ours[l]++
			}
		}
	}
	return ours
}

// reordered stands for a rule of ours that was moved in a chain. The difference may tell of it by another rule: that the
// second went before the first is that the first went behind the second.
func reordered(table, chain string) line { return line{'~', table, chain, ""} }

// onlyReordered are the chains in which a rule of ours was moved and where the lines of others are the same, in another order.
func onlyReordered(changes []rules.Change, ours map[line]int) map[[2]string]bool {
	more := map[line]int{} // of a text, without its sign
	for _, c := range changes {
		for _, l := range linesOf(c) {
			if ours[l] > 0 {
				continue
			}
			n := map[byte]int{'+': 1, '-': -1}[l.sign]
			l.sign = 0
			more[l] += n
		}
	}
	chains := map[[2]string]bool{}
	for _, c := range changes {
		chains[[2]string{c.Table, c.Chain}] = ours[reordered(c.Table, c.Chain)] > 0
	}
	for l, n := range more {
		if n != 0 {
			chains[[2]string{l.table, l.chain}] = false
		}
	}
	return chains
}

// linesOf are the lines that a change adds and takes.
func linesOf(c rules.Change) []line {
	at := func(sign byte, text string) line { return line{sign, c.Table, c.Chain, text} }
	rule := c.Rule.InChain(c.Chain).String
	switch c.Op {
	case rules.Insert:
		return []line{at('+', rule())}
	case rules.Delete:
		return []line{at('-', rule())}
	case rules.Replace:
		return []line{at('-', c.Old.InChain(c.Chain).String()), at('+', rule())}
	case rules.Move:
		return []line{at('-', rule()), at('+', rule())}
	case rules.SetPolicy:
		return []line{at('=', c.Policy)}
	case rules.NewChain:
		return []line{at('+', "")}
	case rules.DeleteChain:
		return []line{at('-', "")}
	}
	return nil
}

// withOurs is what there was before, with those of the differences to now made
// that are ours. Where they cannot be told apart, nothing is.
func withOurs(before, now *rules.Ruleset, ours map[line]int) *rules.Ruleset {
	if len(ours) == 0 {
		return before
	}
	next := before
	// Steps are placed in what the ones before have left; those of others are left
	// out here, which moves what comes behind them in the same chain.
	shift := map[[2]string]int{}
	changes := rules.Difference(before, now).Changes()
	moved := onlyReordered(changes, ours)
	for _, c := range changes {
		chain := [2]string{c.Table, c.Chain}
		of := linesOf(c)[0]
		if ours[of] == 0 && !moved[chain] {
			switch c.Op {
			case rules.Insert:
				shift[chain]--
			case rules.Delete:
				shift[chain]++
			}
			continue
		}
		ours[of] = max(0, ours[of]-1)
		c.At += shift[chain]
		c.Next = ""
		after, err := c.Apply(next)
		if err != nil {
			return before
		}
		next = after
	}
	return next
}
