package evaluate

import (
	"slices"

	"nattui/rules/nft"
)

// afterRule is how a packet's way goes on after a native rule.
type afterRule uint8

const (
	chainGoesOn afterRule = iota // with what is on the stack
	hookEnds                     // with the next chain that the kernel calls
	wayEnds                      // it is dropped
)

// native takes a packet through one native rule (nft_do_chain).
func (m *machine) native(st *state, here ruleRef) afterRule {
	r := &here.chain.native.rules[here.rule]
	m.particular = m.particular || r.particular
	all, open, waiting := Yes, "", false
	tell := func() {
		if m.tells.of(all) {
			m.tell(st, here.chain, here.rule, all, open)
		}
		if all != No && r.writes != 0 {
			m.altered = digest(m.altered, r.writes, uint64(all))
		}
	}
	for i := range r.ops {
		o := &r.ops[i]
		if o.does == opLook {
			switch o.look(m, st) {
			case No:
				if all == Yes || waiting {
					all, open = No, ""
				}
				tell()
				return chainGoesOn
			case Unknown:
				if all == Yes {
					all, open = Unknown, o.name
				}
				waiting = true
			}
			continue
		}
		if waiting {
			waiting = false
			m.undecided(here, open)
			m.fork(st)
		}
		if o.does == opAct {
			o.act(m, st)
			m.marked(st, r.marks, here)
			continue
		}
		if o.does == opVerdictMap {
			after, goesOn := m.verdictMap(st, o, here, all == Yes)
			if goesOn {
				continue
			}
			if all != Yes {
				tell()
			}
			return after
		}
		tell()
		return m.ends(st, o, here)
	}
	tell()
	return chainGoesOn
}

// ends does what a rule ends with.
func (m *machine) ends(st *state, o *op, here ruleRef) afterRule {
	switch o.does {
	case opVerdict:
		return m.verdict(st, o.end, here)
	case opNAT:
		return m.translateNative(st, o.nat, here)
	}
	if o.does == opQueue {
		if m.queued(st, o.queue, here) {
			return hookEnds
		}
		return wayEnds
	}
	if !m.unknownTarget(st, o.name, !o.anything, here) {
		return wayEnds
	}
	return hookEnds
}

// verdict does what a verdict says.
func (m *machine) verdict(st *state, v verdict, here ruleRef) afterRule {
	switch v.code {
	case nft.Accept:
		return hookEnds
	case nft.Drop:
		return m.drops(st, here)
	case nft.Return:
		return m.returns(st)
	case nft.Jump, nft.Goto:
		switch {
		case v.chain == nil:
			return m.ends(st, &op{does: opUnknownEnd, name: "a chain that is not there"}, here)
		case v.code == nft.Jump:
			m.enter(v.chain, st)
		default:
			m.enterInstead(v.chain, st)
		}
	case nft.Queue:
		return m.ends(st, &op{does: opUnknownEnd, name: "the program behind the queue"}, here)
	}
	return chainGoesOn
}

// verdictMap does what a verdict map says. Where the key is not known, each of the elements that it may belong to
// divides the way. goesOn is set where the rule goes on behind it: the element says continue (NFT_CONTINUE).
func (m *machine) verdictMap(st *state, o *op, here ruleRef, tells bool) (after afterRule, goesOn bool) {
	var room [16]int32
	list, all := o.set.candidates(room[:0], &m.regs, o.key)
	answer, open := Yes, ""
	switch {
	case len(list) == 0 && !o.set.written:
		answer = No
	case len(list) != 1 || !all || o.set.written:
		answer, open = Unknown, o.name
	}
	ends := o.set.verdicts(list)
	goesOn = slices.ContainsFunc(ends, func(v nft.Verdict) bool { return v.Code == nft.Continue })
	if m.tells.of(answer) && tells && !goesOn {
		m.tell(st, here.chain, here.rule, answer, open)
	}
	if answer == Unknown {
		m.undecided(here, open)
		if !all || o.set.written {
			m.fork(st)
		}
	}
	if len(list) == 0 {
		return chainGoesOn, false
	}
	table := here.chain.native.table
	for i := range ends {
		if ends[i].Code == nft.Continue || i == 0 && !goesOn {
			continue // this branch itself
		}
		other := *st
		end := table.verdict(m.family, &ends[i])
		m.inBranch(&other, func() afterRule { return m.verdict(&other, end, here) })
	}
	if goesOn || len(ends) == 0 {
		return chainGoesOn, goesOn
	}
	return m.verdict(st, table.verdict(m.family, &ends[0]), here), false
}

// verdicts are what elements of a verdict map say, each once.
func (s *nativeSet) verdicts(list []int32) []nft.Verdict {
	var ends []nft.Verdict
	for _, at := range list {
		if v := s.set.Elements[at].Verdict; v != nil && !slices.Contains(ends, *v) {
			ends = append(ends, *v)
		}
	}
	return ends
}

// inBranch does something with a branch of the packet's way, which is followed later unless it ends.
func (m *machine) inBranch(st *state, do func() afterRule) {
	m.kept = append(m.kept[:0], m.stack...)
	how := do()
	if how == hookEnds {
		m.stack = m.stack[:0]
	}
	if how != wayEnds {
		m.divide()
		m.putAside(st)
	}
	m.stack = append(m.stack[:0], m.kept...)
}
