package evaluate

import (
	"hash/fnv"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// This file tells packets apart that end their way alike, but not as the same packet.

// alterations are the targets that make of a packet what no rule's answer shows, but a router, a queue or
// a receiver: its hop count, its class, its options, who else gets it.
var alterations = []string{
	"TTL", "HL", "TOS", "DSCP", "ECN", "TCPMSS", "TCPOPTSTRIP", "CLASSIFY", "SECMARK", "CONNSECMARK", "SET", "TEE", "CT", "NOTRACK", "HMARK",
}

// alteredBy is a digest of what a target does to a packet beside its way; 0 where that is nothing, or nothing
// that could keep the packet from anywhere.
func alteredBy(t rules.Target) uint64 {
	if !slices.Contains(alterations, t.Name) || t.Kind == rules.Jump || t.Kind == rules.Goto || livesLonger(t) {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(t.Name + " " + strings.Join(t.Options, " ")))
	return h.Sum64()
}

// countedBy is a digest of the conditions that keep count of the packets which meet them, in a list that other rules of the
// same name ask: recent and hashlimit (iptables-extensions(8)); 0 where none does.
func countedBy(conditions []rules.Match) (sum uint64) {
	for _, m := range conditions {
		if module := m.Module(); module != "hashlimit" && module != "recent" {
			continue
		}
		words := rules.MatchWords(m)
		asksOnly := slices.Contains(words, "--rcheck") // of recent, which else sets, updates or removes
		if !asksOnly {
			h := fnv.New64a()
			h.Write([]byte(strings.Join(words, " ")))
			sum ^= h.Sum64()
		}
	}
	return sum
}

// livesLonger tells whether a packet goes as far as programs send them, or farther (net.ipv4.ip_default_ttl).
func livesLonger(t rules.Target) bool {
	if t.Name != "TTL" && t.Name != "HL" || len(t.Options) != 2 {
		return false
	}
	const usual = 64
	n, err := strconv.Atoi(t.Options[1])
	return err == nil && (strings.HasSuffix(t.Options[0], "-inc") || strings.HasSuffix(t.Options[0], "-set") && n >= usual)
}

// digest adds to a sum over what befell a packet, in order.
func digest(sum, what, how uint64) uint64 {
	const prime = 0x9e3779b97f4a7c15
	return ((sum^what)*prime ^ how) * prime
}

// undecided notes a rule of which it is not known what it does with the packet. Two gateways may have the same ends for it,
// and which of these it comes to hangs on other conditions.
func (m *machine) undecided(here ruleRef, what string) {
	if m.compares {
		m.open = digest(m.open, m.e.sumOf(here), maphash.String(stackSeed, what))
	}
	m.doubt(Doubt{RuleRef: here.ref(), What: what})
}

// marked notes a rule that writes marks of which bits are not known, where marks is set: that they are none the better known
// afterwards does not tell that they are the same.
func (m *machine) marked(st *state, marks bool, here ruleRef) {
	if m.compares && marks && st.blurred|st.connBlurred != 0 {
		m.open = digest(m.open, m.e.sumOf(here), 0)
	}
}

// sumOf is a sum over all that a rule says, with what is in the sets that it looks into. That of a native rule is kept: sets
// may be large.
func (e *Evaluator) sumOf(here ruleRef) uint64 {
	if here.chain == nil {
		return 0
	}
	n := here.chain.native
	switch {
	case here.rule < 0:
		return maphash.String(stackSeed, here.chain.table+" policy")
	case n == nil:
		return maphash.String(stackSeed, here.chain.table+" "+here.chain.rules[here.rule].rule.String())
	}
	r := n.rules[here.rule].rule
	if sum, ok := e.sums.Load(r); ok {
		return sum.(uint64)
	}
	table := n.chain.Table
	text := table.String() + " " + n.chain.Name + " " + r.Print(table)
	for _, s := range r.Sets(table) {
		text += " " + s.Print()
	}
	sum := maphash.String(stackSeed, text)
	e.sums.Store(r, sum)
	return sum
}

// Ends are the outcomes of a packet, as Outcomes has them, and a digest of what else the rules do to it on any
// of its ways: hop count, class, options, marks, tracking; open is one of what divides these ways and is not known. Of two
// evaluators that answer alike, the packet ends alike and as the same packet.
func (e *Evaluator) Ends(p *Packet) (outcomes []Outcome, altered, open uint64) {
	m := machines.Get().(*machine)
	defer m.release()
	if !m.begins(e, p) {
		return nil, 0, 0
	}
	m.compares = true
	m.run()
	return slices.Clone(m.outcomes), m.altered, m.open
}
