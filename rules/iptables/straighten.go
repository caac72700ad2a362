package iptables

import (
	"context"
	"time"

	"nattui/rules"
)

// straighten moves the rules that changes made to where they were meant to be among
// the rules that stayed. It never deletes: a rule is moved in one transaction. What
// cannot be put right beside a program that goes on and on stays where it is; the
// *Mismatch tells of it.
func (h *Host) straighten(ctx context.Context, p *programs, want *rules.Ruleset, made []rules.Change) {
	stayed := map[string]bool{} // lines that were there at every look
	for _, c := range made {
		if meant, ok := want.Chain(c.Table, c.Chain); ok {
			for _, r := range meant.Rules {
				stayed[c.Table+r.String()] = true
			}
		}
	}
	began := time.Now()
	for n := 0; n < straightenAttempts || time.Since(began) < straightenTime; n++ {
		a := attempt{host: h, programs: p, again: true, propose: func(now *rules.Ruleset) ([]rules.Change, error) {
			for _, c := range made {
				if move, err := homeward(c, want, now, stayed); err != nil || move.At > 0 {
					return []rules.Change{move}, err
				}
			}
			return nil, nil
		}}
		if moved, err := a.run(ctx); moved == nil && err == nil {
			return
		}
		sidestep(n)
	}
}

// homeward is the move that brings the rule of a change to where it was meant to be
// among the rules that stayed: behind the last of those before it. It is the zero
// value where the rule stands so, or is not told apart from equal ones. The error is
// errMoved where what is taken to have stayed is in another order. Lines that are
// not there now are taken out of stayed.
func homeward(c rules.Change, want, now *rules.Ruleset, stayed map[string]bool) (rules.Change, error) {
	meant, ok := want.Chain(c.Table, c.Chain)
	real, there := now.Chain(c.Table, c.Chain)
	if !ok || !there || c.Op != rules.Insert && c.Op != rules.Replace && c.Op != rules.Move {
		return rules.Change{}, nil
	}
	line := c.Rule.InChain(c.Chain).String()
	wanted, standing := singles(meant.Rules), singles(real.Rules)
	at, from := wanted[line], standing[line]
	if at == 0 || from == 0 {
		return rules.Change{}, nil
	}
	last, first := 0, len(real.Rules)+1 // of what belongs before it, and behind
	for other, place := range wanted {
		now := standing[other]
		if now == 0 {
			delete(stayed, c.Table+other)
		}
		switch {
		case other == line || !stayed[c.Table+other]:
		case place < at:
			last = max(last, now)
		default:
			first = min(first, now)
		}
	}
	switch {
	case first < last:
		return rules.Change{}, errMoved
	case last < from && from < first:
		return rules.Change{}, nil
	}
	to := last + 1
	if from < to {
		to-- // counted without its old place
	}
	return rules.Change{
		Op: rules.Move, Family: c.Family, Backend: c.Backend, Table: c.Table, Chain: c.Chain,
		At: from, To: to, Rule: real.Rules[from-1],
	}, nil
}

// singles are the places of the rules that have no equal in the list, by line.
func singles(list []rules.Rule) map[string]int {
	at, seen := map[string]int{}, map[string]bool{}
	for i, r := range list {
		line := r.String()
		if seen[line] {
			delete(at, line)
			continue
		}
		at[line], seen[line] = i+1, true
	}
	return at
}
