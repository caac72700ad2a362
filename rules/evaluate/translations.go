package evaluate

// This file finds what translates a flow that is there. Its first packet got through, so what would drop such a packet
// today, or would keep it from being tracked, was not there then, or did not match.

// Translations appends to buf what may become of the first packet of a flow that is there, as Outcomes does, were it let
// through: rules and policies that drop it, programs that may, and NOTRACK are passed over. What the kernel drops itself, as
// for want of a route, ends there, with the translation that it has by then.
func (e *Evaluator) Translations(buf []Outcome, p *Packet) (outcomes []Outcome, certain bool) {
	m := machines.Get().(*machine)
	defer m.release()
	if !m.begins(e, p) {
		return buf, false
	}
	m.through = true
	m.run()
	return append(buf, m.outcomes...), m.certain()
}

// Translations is Evaluator.Translations, with common as Outcomes has it.
func (c *Classes) Translations(buf []Outcome, p *Packet) (outcomes []Outcome, certain, common bool) {
	return c.outcomes(buf, p, true)
}

// drops ends a packet's way by a rule or a policy that drops it, unless it is to be let through.
func (m *machine) drops(st *state, by ruleRef) afterRule {
	if m.through {
		return chainGoesOn
	}
	m.finish(st, Dropped, by.ref(), "")
	return wayEnds
}
