package flow

import (
	"slices"
)

// NoPlace is the place of what no rule made.
const NoPlace = ^uint32(0)

// OrderRules says how to sort by rule: places returns the place of every number that
// Flow.Rule may have, by that number.
func (t *Flows) OrderRules(places func() []uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.places = places
}

// NameRules says which rules are called the same, and so are one group: alike returns for every number that Flow.Rule may
// have the first one with its name.
func (t *Flows) NameRules(alike func() []uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alike = alike
}

// keyOf is the group to which a flow belongs.
func (t *Flows) keyOf(by GroupBy) func(*Flow) GroupKey {
	t.mu.RLock()
	names := t.alike
	t.mu.RUnlock()
	if by != GroupByRule || names == nil {
		return by.key
	}
	alike := names()
	return func(f *Flow) GroupKey {
		k := by.key(f)
		if int(k.Rule) < len(alike) {
			k.Rule = alike[k.Rule]
		}
		return k
	}
}

func (t *Flows) rulePlaces() []uint32 {
	t.mu.RLock()
	places := t.places
	t.mu.RUnlock()
	if places == nil {
		return nil
	}
	return places()
}

// ByRule is how many flows Explain has given each rule's number in the generation gen, by the number.
func (t *Flows) ByRule(gen uint16) []int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if gen != t.ruleGen {
		return nil
	}
	return slices.Clone(t.byRule)
}

// Unexplained is how many flows Explain has not visited since its generation began.
func (t *Flows) Unexplained() (n int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, k := range t.chunks {
		if k != nil {
			n += int(k.unexplained)
		}
	}
	return n
}

// unexplain forgets which rule made a flow, as its translation is another now.
func (t *Flows) unexplain(pos uint32, f *Flow) {
	if f.RuleGen == t.ruleGen {
		t.byRule[f.Rule]--
		t.chunks[pos>>chunkBits].unexplained++
	}
	f.Rule, f.RuleGen = 0, 0
}

// Explain asks which rule made each flow that has not been explained since
// generation gen began, and writes the answers down. It visits only chunks that
// have such flows, and stops early when explain says so (more is then true). While
// explain runs the table is locked for writing, so it should take a microsecond, not more.
//
// gen must not be 0; a new one makes all flows unexplained.
func (t *Flows) Explain(gen uint16, explain func(*Flow) (rule uint32, stop bool)) (more bool) {
	t.mu.Lock()
	if t.ruleGen != gen {
		t.ruleGen = gen
		clear(t.byRule)
		for _, k := range t.chunks {
			if k != nil {
				k.unexplained = k.used
			}
		}
	}
	t.unlock()
	for c := 0; ; c++ {
		t.mu.Lock()
		// One lock for all chunks without such flows: to wait for each among those who read would take long.
		for c < len(t.chunks) && (t.chunks[c] == nil || t.chunks[c].unexplained == 0) {
			c++
		}
		if c >= len(t.chunks) {
			t.unlock()
			return false
		}
		stopped := t.explainChunk(c, explain)
		t.unlock()
		if stopped {
			return true
		}
	}
}

func (t *Flows) explainChunk(c int, explain func(*Flow) (uint32, bool)) (stopped bool) {
	k := t.chunks[c]
	t.eachOf(c, func(pos uint32, f *Flow) {
		if stopped || f.RuleGen == t.ruleGen {
			return
		}
		f.Rule, stopped = explain(f)
		f.RuleGen = t.ruleGen
		if more := int(f.Rule) + 1 - len(t.byRule); more > 0 {
			t.byRule = append(t.byRule, make([]int, more)...)
		}
		t.byRule[f.Rule]++
		k.unexplained--
		t.changes++
	})
	return stopped
}
