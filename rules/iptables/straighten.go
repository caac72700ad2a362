package iptables

import (
	"context"
	"time"

	"nattui/rules"
)

// straighten moves the rules that changes made to where they were meant to be among
// the rules that stayed, and reports whether all of them stand there. It never
// deletes: a rule is moved in one transaction. What cannot be put right beside a
// program that goes on and on stays where it is, and so does what cannot be told
// from an equal rule; the *Mismatch tells of it.
func (h *Host) straighten(ctx context.Context, p *programs, wrong *Mismatch, made []rules.Change) bool {
	if len(wrong.Others) == 0 && !wrong.unseen {
		return false // nobody interfered: iptables made something else of a rule
	}
	s := straightening{want: wrong.Want, made: made, stayed: linesOf(wrong.Want, made)}
	// A rule that somebody deletes and makes again in turn seems to have stayed where
	// two looks find it by chance. Each further look leaves fewer of those.
	began := time.Now()
	for n := 0; n < straightenAttempts || time.Since(began) < straightenTime; n++ {
		a := attempt{host: h, programs: p, again: true, propose: s.next}
		moved, err := a.run(ctx)
		switch {
		case moved != nil || err != nil:
			s.quiet = 0
		case s.lost:
			s.quiet = 0
			if s.missed++; s.missed == missedLooks {
				return false
			}
		default:
			s.quiet++
		}
		if s.quiet == straightLooks {
			return true
		}
		sidestep(n)
	}
	return false
}

// straightLooks is at how many looks in a row everything has to stand as it was meant to.
const straightLooks = 2

// missedLooks is how often a rule may be missing, or be seen twice, before it is taken
// to be: iptables-nft-save 1.8.9 errs while others change the tables.
const missedLooks = 4

// straightening is the work of bringing rules to their places.
type straightening struct {
	want   *rules.Ruleset
	made   []rules.Change
	stayed map[string]bool // lines that were there at every look, behind the table's name
	quiet  int             // looks in a row at which nothing was to be moved
	lost   bool            // a rule is not there, or not told from an equal one, at this look
	missed int             // how often
}

// linesOf are the rules of the chains that the changes are about.
func linesOf(want *rules.Ruleset, made []rules.Change) map[string]bool {
	lines := map[string]bool{}
	for _, c := range made {
		if meant, ok := want.Chain(c.Table, c.Chain); ok {
			for _, r := range meant.Rules {
				lines[c.Table+r.String()] = true
			}
		}
	}
	return lines
}

// next is the first move that is due.
func (s *straightening) next(now *rules.Ruleset) ([]rules.Change, error) {
	s.lost = false
	for _, c := range s.made {
		if c.Op != rules.Insert && c.Op != rules.Replace && c.Op != rules.Move {
			continue
		}
		move, known, err := homeward(c, s.want, now, s.stayed)
		s.lost = s.lost || !known
		if err != nil || move.At > 0 {
			return []rules.Change{move}, err
		}
	}
	return nil, nil
}

// homeward is the move that brings the rule of a change to where it was meant to be
// among the rules that stayed: behind the last of those before it. It is the zero
// value where the rule stands so, and not known where it is gone or not told apart
// from equal ones. The error is errMoved where what is taken to have stayed is in
// another order. Lines that are not there now are taken out of stayed.
func homeward(c rules.Change, want, now *rules.Ruleset, stayed map[string]bool) (move rules.Change, known bool, err error) {
	meant, ok := want.Chain(c.Table, c.Chain)
	real, there := now.Chain(c.Table, c.Chain)
	if !ok || !there {
		return rules.Change{}, false, nil
	}
	line := c.Rule.InChain(c.Chain).String()
	wanted, standing := singles(meant.Rules), singles(real.Rules)
	at, from := wanted[line], standing[line]
	if at == 0 || from == 0 {
		return rules.Change{}, false, nil
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
		return rules.Change{}, true, errMoved
	case last < from && from < first:
		return rules.Change{}, true, nil
	}
	to := last + 1
	if from < to {
		to-- // counted without its old place
	}
	return rules.Change{
		Op: rules.Move, Family: c.Family, Backend: c.Backend, Table: c.Table, Chain: c.Chain,
		At: from, To: to, Rule: real.Rules[from-1],
	}, true, nil
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
