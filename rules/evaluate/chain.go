package evaluate

import (
	"cmp"

	"nattui/rules"
)

// frame is a chain that a packet is in, and how far.
type frame struct {
	chain *program
	pos   int32 // the next rule, from 0
	lists int8  // how many of the index's lists are left; 0: read rule by rule
	left  [4][]int32
}

// enter puts a chain on the stack.
func (m *machine) enter(c *program, st *state) {
	m.stack = append(m.stack, frame{chain: c})
	if m.tells == tellsMet {
		m.noteEntry(c, st)
	}
	x := c.index
	if x == nil || m.tells == tellsAll || st.has&(unknownSrc|unknownDst) != 0 {
		return
	}
	f := &m.stack[len(m.stack)-1]
	add := func(list []int32) {
		if len(list) > 0 {
			f.left[f.lists] = list
			f.lists++
		}
	}
	if len(x.byPort) > 0 {
		if !st.dport.Single() {
			return
		}
		add(x.byPort[portKey(m.pkt.Protocol, st.dport.Lo)])
	}
	if len(x.byDst) > 0 {
		add(x.byDst[st.dst])
	}
	if len(x.bySrc) > 0 {
		add(x.bySrc[st.src])
	}
	add(x.rest)
	if f.lists == 0 { // nothing can be met
		f.pos = int32(len(c.rules))
	}
}

// length is how many rules the chain has.
func (c *program) length() int {
	if c.native != nil {
		return len(c.native.rules)
	}
	return len(c.rules)
}

// next is the next rule the packet may meet; -1 at the chain's end.
func (f *frame) next() int32 {
	if f.lists == 0 {
		if int(f.pos) >= f.chain.length() {
			return -1
		}
		f.pos++
		return f.pos - 1
	}
	best, from := int32(-1), 0
	for i := range f.left[:f.lists] {
		if l := f.left[i]; len(l) > 0 && (best < 0 || l[0] < best) {
			best, from = l[0], i
		}
	}
	if best < 0 {
		return -1
	}
	f.left[from] = f.left[from][1:]
	f.pos = best + 1
	return best
}

// walk takes the packet through the chain on the stack, up to what ends it:
// true if the packet goes on to the next chain the kernel calls.
func (m *machine) walk(st *state) bool {
	for {
		f := &m.stack[len(m.stack)-1]
		at := f.next()
		if at < 0 {
			if !m.back(st) {
				return false
			}
			if len(m.stack) == 0 {
				return true
			}
			continue
		}
		if m.budget--; m.budget < 0 {
			return m.giveUp()
		}
		if f.chain.native != nil {
			switch m.native(st, ruleRef{f.chain, at}) {
			case chainGoesOn:
				continue
			case hookEnds:
				return true
			case wayEnds:
				return false
			}
		}
		r := &f.chain.rules[at]
		t, open := m.meets(r, st)
		if m.tells.of(t) {
			m.tell(st, f.chain, at, t, open)
		}
		if t == No {
			continue
		}
		if t == Unknown && r.act != actNothing {
			m.undecided(ruleRef{f.chain, at}, open)
			m.fork(st)
			f = &m.stack[len(m.stack)-1]
		}
		if r.alters != 0 {
			m.altered = digest(m.altered, r.alters, uint64(t))
		}
		switch m.perform(st, r, ruleRef{f.chain, at}) {
		case hookEnds:
			return true
		case wayEnds:
			return false
		}
	}
}

// perform does what a rule does with a packet that meets it.
func (m *machine) perform(st *state, r *code, here ruleRef) afterRule {
	goesOn := func(on bool) afterRule {
		if on {
			return hookEnds
		}
		return wayEnds
	}
	switch r.act {
	case actNothing:
	case actMark, actConnMark, actUntrack, actZone, actTTL, actTOS, actBlurMark:
		m.alter(st, r)
		m.marked(st, r.act == actMark || r.act == actConnMark || r.act == actBlurMark, here)
	case actAccept:
		return hookEnds
	case actDrop:
		return m.drops(st, here)
	case actReturn:
		return m.returns(st)
	case actJump:
		m.enter(m.programOf(here.chain).chains[r.to], st)
	case actGoto:
		m.enterInstead(m.programOf(here.chain).chains[r.to], st)
	case actTranslate:
		return goesOn(m.translate(st, *r.translation, here))
	case actVerdict:
		q, _ := QueueingOf(&r.rule.Target)
		return goesOn(m.queued(st, q, here))
	default:
		return goesOn(m.unknownTarget(st, r.rule.Target.Name, false, here))
	}
	return chainGoesOn
}

// returns goes back to the chain that jumped here.
func (m *machine) returns(st *state) afterRule {
	switch {
	case !m.back(st):
		return wayEnds
	case len(m.stack) == 0:
		return hookEnds
	}
	return chainGoesOn
}

// giveUp ends a packet's way that takes too many rules to follow.
func (m *machine) giveUp() bool {
	m.incomplete = true
	m.doubt(Doubt{What: "too many rules to follow"})
	return false
}

// enterInstead puts a chain on the stack in place of the one that goes to it.
func (m *machine) enterInstead(next *program, st *state) {
	// What follows in a chain the kernel calls is its policy, which the frame
	// below stands for.
	if len(m.stack) > 1 {
		m.stack = m.stack[:len(m.stack)-1]
	} else {
		m.stack[0].seekEnd()
	}
	m.enter(next, st)
}

// seekEnd leaves nothing of the chain to meet but its policy.
func (f *frame) seekEnd() {
	f.pos, f.lists = int32(f.chain.length()), 0
}

// back returns from a chain; from one the kernel calls, with its policy.
func (m *machine) back(st *state) bool {
	last := len(m.stack) - 1
	c := m.stack[last].chain
	m.stack = m.stack[:last]
	if last > 0 {
		return !m.divided || m.fresh(st)
	}
	if m.tells.of(Yes) {
		m.tell(st, c, -1, Yes, "")
	}
	return !c.drops || m.drops(st, ruleRef{c, -1}) == chainGoesOn
}

// programOf is the program that a chain belongs to.
func (m *machine) programOf(c *program) *Program {
	for _, p := range m.tables.programs {
		if p.set.Backend == c.variant.Backend && c.id < len(p.chains) && p.chains[c.id] == c {
			return p
		}
	}
	return nil
}

// meets compares the packet with a rule. open names the first match that cannot
// be decided.
func (m *machine) meets(r *code, st *state) (t Truth, open string) {
	t = Yes
	if what := r.what; what != 0 {
		if what&(onNever|onUnknown|onHoles) != 0 {
			if t, open = m.odd(what); t == No {
				return No, ""
			}
		}
		if what&onDst != 0 && st.has&unknownDst == 0 && r.dst.holds(st.dst) == (r.flip&onDst != 0) {
			return No, ""
		}
		if what&onSrc != 0 && st.has&unknownSrc == 0 && r.src.holds(st.src) == (r.flip&onSrc != 0) {
			return No, ""
		}
		if what&onProtocol != 0 && what&onUnknown == 0 && (r.protocol == m.pkt.Protocol) == (r.flip&onProtocol != 0) {
			return No, ""
		}
		if what&onIn != 0 && st.has&unknownIn == 0 && r.in.holds(st.in) == (r.flip&onIn != 0) {
			return No, ""
		}
		if what&onOut != 0 && st.has&unknownOut == 0 && r.out.holds(st.out) == (r.flip&onOut != 0) {
			return No, ""
		}
		if what&onDport != 0 {
			switch within(st.dport, r.dport).flip(r.flip&onDport != 0) {
			case No:
				return No, ""
			case Unknown:
				t, open = Unknown, "the destination port"
			}
		}
		if what&onSport != 0 {
			switch within(st.sport, r.sport).flip(r.flip&onSport != 0) {
			case No:
				return No, ""
			case Unknown:
				t, open = Unknown, "the source port"
			}
		}
		if st.has != 0 {
			if u := st.unknownOf(what); u != "" {
				t, open = Unknown, u
			}
		}
	}
	for i := range r.tests {
		m.particular = m.particular || r.tests[i].sees == nil
		switch r.tests[i].holds(m, st) {
		case No:
			return No, ""
		case Unknown:
			if t == Yes {
				t, open = Unknown, r.tests[i].name
			}
		}
	}
	return t, open
}

// odd is what a rule says that never matches, cannot be read, or compares under a mask with holes.
func (m *machine) odd(what uint16) (t Truth, open string) {
	switch {
	case what&onNever != 0:
		return No, ""
	case what&onUnknown != 0:
		t, open = Unknown, "a rule that cannot be read"
	default:
		t = Yes
	}
	m.particular = m.particular || what&onHoles != 0
	return t, open
}

// unknownOf names which of the things a rule compares is not known.
func (st *state) unknownOf(what uint16) string {
	switch {
	case what&onSrc != 0 && st.has&unknownSrc != 0:
		return "the source address"
	case what&onDst != 0 && st.has&unknownDst != 0:
		return "the destination address"
	case what&onIn != 0 && st.has&unknownIn != 0:
		return "the incoming interface"
	case what&onOut != 0 && st.has&unknownOut != 0:
		return "the outgoing interface"
	}
	return ""
}

// alter does what the targets do that let a packet go on changed.
func (m *machine) alter(st *state, r *code) {
	change := &r.rule.Target.Mark
	switch r.act {
	case actMark:
		setMark(&st.mark, &st.blurred, change.Set)
	case actConnMark:
		m.alterConnMark(st, change)
	case actUntrack:
		m.untrack(st)
	case actZone:
		st.zoned = st.zoned || !st.ct.seen
	case actTTL:
		st.setTTL(&r.rule.Target)
	case actTOS:
		st.setTOS(&r.rule.Target)
	case actBlurMark:
		st.mark, st.blurred = 0, ^uint32(0)
	}
}

func setMark(mark, blurred *uint32, set rules.Bits) {
	*mark = *mark&^set.Mask ^ set.Value
	*blurred &^= set.Mask
}

// alterConnMark copies or sets the flow's mark (connmark_tg). A packet without
// a flow has none.
func (m *machine) alterConnMark(st *state, c *rules.MarkChange) {
	if !st.ct.hasFlow() {
		return
	}
	switch {
	case c.Save:
		st.connMark = st.connMark&^c.CTMask ^ st.mark&c.NFMask
		st.connBlurred = st.connBlurred&^c.CTMask | st.blurred&c.NFMask
	case c.Restore:
		st.mark = st.mark&^c.NFMask ^ st.connMark&c.CTMask
		st.blurred = st.blurred&^c.NFMask | st.connBlurred&c.CTMask
	default:
		setMark(&st.connMark, &st.connBlurred, c.Set)
	}
}

// unknownTarget follows what a target may do that is not understood: let the
// packet go on, take it, or, where not even that is known (decided not set), change it in ways that cannot be told.
func (m *machine) unknownTarget(st *state, name string, decided bool, here ruleRef) bool {
	m.undecided(here, "what "+cmp.Or(name, "this rule, which cannot be parsed,")+" does with it")
	if !m.through {
		m.finish(st, Dropped, here.ref(), name)
	}
	if !decided {
		anything := *st
		anything.has |= unknownSrc | unknownDst
		m.finish(&anything, Forwarded, RuleRef{}, name)
		m.incomplete = true
	}
	return true
}
