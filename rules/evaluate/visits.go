package evaluate

import (
	"cmp"
	"slices"
)

// telling is which of the rules on a packet's way are told: none, those that match or may, or all that the packet is
// compared with.
type telling uint8

const (
	tellsNothing telling = iota
	tellsMet
	tellsAll
)

// of tells whether a rule is told that the packet meets with this answer.
func (t telling) of(answer Truth) bool { return t == tellsAll || t == tellsMet && answer != No }

// tell records a rule that was met; a branch that meets it with another answer
// makes it unknown.
func (m *machine) tell(st *state, c *program, rule int32, t Truth, unknown string) {
	key := toldVisit{st.stage, st.looped, c, rule}
	if at, ok := m.told[key]; ok {
		if v := &m.path.Visits[at]; v.Verdict != t {
			v.Verdict = Unknown
		}
		return
	}
	if m.told == nil {
		m.told = make(map[toldVisit]int)
	}
	m.told[key] = len(m.path.Visits)
	v := Visit{RuleRef: ruleRef{c, rule}.ref(), Verdict: t, Unknown: unknown, stage: st.stage, looped: st.looped}
	if c.native != nil {
		v.In, v.links = c.native.chain, c.native.table.links
	}
	switch {
	case rule < 0:
	case c.native != nil:
		v.Native = c.native.rules[rule].rule
	default:
		v.Rule = c.rules[rule].rule
	}
	m.path.Visits = append(m.path.Visits, v)
}

// inHookOrder puts what was told of several branches in the order in which the kernel's hooks come.
func inHookOrder(visits []Visit) {
	slices.SortStableFunc(visits, func(a, b Visit) int {
		if a.looped != b.looped {
			if b.looped {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.stage, b.stage)
	})
}

// entry stands for a chain itself among what was told.
const entry = -2

// noteEntry notes that a chain is entered again at the same place: its rules may be met once and not the other time.
func (m *machine) noteEntry(c *program, st *state) {
	key := toldVisit{st.stage, st.looped, c, entry}
	if _, before := m.told[key]; before {
		m.again = true
		return
	}
	if m.told == nil {
		m.told = make(map[toldVisit]int)
	}
	m.told[key] = entry
}

// ruleRef is a RuleRef before it is put into words.
type ruleRef struct {
	chain *program
	rule  int32 // from 0; -1 is the policy
}

func (r ruleRef) ref() RuleRef {
	if r.chain == nil {
		return RuleRef{}
	}
	if n := r.chain.native; n != nil {
		ref := RuleRef{r.chain.variant, r.chain.table, n.chain.Name, int(r.rule) + 1, 0}
		if r.rule >= 0 {
			ref.Handle = n.rules[r.rule].rule.Handle
		}
		return ref
	}
	return RuleRef{r.chain.variant, r.chain.table, r.chain.chain.Name, int(r.rule) + 1, 0}
}
