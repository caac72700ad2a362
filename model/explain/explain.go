package explain

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Confidence is how sure an explanation is.
type Confidence uint8

// The degrees of confidence. The kernel does not keep which rule made a flow; it
// is found out by evaluating the flow's first packet under today's rules.
const (
	// NotAsked: the flow has not been evaluated yet.
	NotAsked Confidence = iota
	// Exact: today's rules would translate it just like that, and no other way.
	Exact
	// Inferred: today's rules lead to these addresses; a port was chosen by the
	// kernel, a match that cannot be known was taken as met (the flags of its first packet among them), the flow belongs to another,
	// whose helper may have translated it, or it is older than its rule (Older). Without a rule the helper did, as with FTP's data.
	Inferred
	// Ambiguous: several rules could have made it.
	Ambiguous
	// Stale: today's rules would translate it otherwise. It keeps the translation
	// it was made with until it ends or is forgotten.
	Stale
	// Unknown: today's rules would translate it otherwise, but nft tables that are not evaluated
	// translate here too and may have made it, or it may have come by another interface than the one of
	// the route back, or the rules were read before it began. Or its packets would get no further today than before their source is changed.
	Unknown
)

var confidences = [...]string{"", "exact", "inferred", "ambiguous", "stale", "unknown"}

// String is exact, inferred, ambiguous, stale or unknown, as in the JSON output.
func (c Confidence) String() string { return confidences[c] }

// Explanation is why a flow is translated as it is: the rules that give it
// another destination and another source.
type Explanation struct {
	DNAT, SNAT evaluate.RuleRef // zero: no rule
	Confidence Confidence
	// Older tells, for Inferred, that it was there when no packet had met its rule yet, or was explained by another one then, or is
	// one of more than its rule has met packets: see MadeBefore.
	Older bool
	// Unseen are the nft tables that may have made it, for Unknown.
	Unseen string
	// Down is an interface that is down, in whose network one of its ends is, for Unknown: until it is up packets take another
	// way, by other rules.
	Down string
	// Arrival is an interface that it may have come by, by which no rule translates it, for Unknown.
	Arrival string
	// Fresh tells, for Unknown, that today's rules would translate it otherwise as they were read before it began: it is these
	// that have changed since, or something else that translates.
	Fresh bool
	// Halted tells, for Unknown, that its packets would get no further today than before their source is changed.
	Halted bool

	origin uint32 // what explained the flow first, where that is another; 0 where it is not
}

// Doubt says why an explanation is Unknown or Older: "table inet own may also translate here and is not evaluated".
func (e Explanation) Doubt() string {
	switch {
	case e.Older:
		return MadeBefore
	case e.Halted:
		return "today its packets get no further than before their source is changed, so the rule that did that is not known"
	case e.Fresh:
		return "it began after the rules were read, and they would translate it differently: they may have changed since"
	case e.Down != "":
		return e.Down + " is down: what today's rules make of its packets shows when it is up"
	case e.Arrival != "":
		return "it may have come by " + e.Arrival + ", where today's rules would not translate it either"
	}
	return e.Unseen + " may also translate here and is not evaluated"
}

// Rule is the rule to name first: the one that gives another destination, else
// the one that gives another source; zero if none does.
func (e Explanation) Rule() evaluate.RuleRef {
	if !e.DNAT.IsZero() {
		return e.DNAT
	}
	return e.SNAT
}

// explanations are those of one generation so far. Others are only ever appended.
type explanations struct {
	generation uint16
	known      []Explanation // by Flow.Rule - 1
}

// Explainer tells for every flow of a table which rule made it. It evaluates
// flows a few at a time, so that a change of the rules costs nothing on the spot,
// and writes the answers into the flows. It is safe for concurrent use.
type Explainer struct {
	flows *flow.Flows

	mu         sync.RWMutex
	evaluator  *evaluate.Evaluator
	chains     map[string]int // their names, with how many rules; nil while the rules are not known
	memory     classMemory    // of this generation
	unmet      unmet
	past       map[uint16]*past // by generation
	lost       bool             // some of it is no longer remembered
	worked     uint16           // the generation by which the table's flows are asked
	toldAt     int64            // when that of now was told
	asked      int64            // when the rules and the host of now were asked for; 0 is not known
	listed     atomic.Int64     // when all flows had been listed first
	outcomes   []evaluate.Outcome
	generation uint16
	known      []Explanation          // by Flow.Rule - 1, of this generation
	until      []int64                // until when no packet had met their rules
	alike      []uint32               // by Flow.Rule, the first number with their name
	named      map[string]uint32      // the first number with a name
	numbers    map[Explanation]uint32 // the other way round
	last       uint32                 // the number given last: flows of one kind come together

	claims *Claims // while they are counted

	origins       []origin // of flows that another rule explained first, by Explanation.origin - 1
	originNumbers map[origin]uint32

	// told is what is known by now, for screens that are drawn and need not wait for a slice of work.
	told atomic.Pointer[explanations]
}

// NewExplainer explains the flows of a table once it has been told the rules.
func NewExplainer(flows *flow.Flows) *Explainer {
	x := &Explainer{flows: flows, originNumbers: map[origin]uint32{{older: true}: 1}, origins: []origin{{older: true}}}
	if flows != nil {
		flows.OrderRules(x.Places)
		flows.NameRules(x.Alike)
	}
	return x
}

// Places are the places of explanations in the order in which packets meet the rules, by Flow.Rule:
// chain by chain, rule by rule, what no rule made last.
func (x *Explainer) Places() []uint32 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	numbers := make([]uint32, len(x.known))
	for i := range numbers {
		numbers[i] = uint32(i + 1)
	}
	slices.SortFunc(numbers, func(a, b uint32) int {
		return compareExplanations(&x.known[a-1], &x.known[b-1])
	})
	places := make([]uint32, len(x.known)+1)
	places[0] = flow.NoPlace
	place := uint32(0)
	for i, n := range numbers {
		if i > 0 && compareExplanations(&x.known[n-1], &x.known[numbers[i-1]-1]) != 0 {
			place++
		}
		if places[n] = place; x.known[n-1].Rule().IsZero() {
			places[n] = flow.NoPlace
		}
	}
	return places
}

// Alike is for every number of an explanation the first one whose text is the same.
func (x *Explainer) Alike() []uint32 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Clone(x.alike)
}

// compareExplanations compares by the rule to name first, then by the other one.
func compareExplanations(a, b *Explanation) int {
	return cmp.Or(compareRefs(a.Rule(), b.Rule()), compareRefs(a.SNAT, b.SNAT))
}

// compareRefs has the hooks' chains in the packet's order before all others.
func compareRefs(a, b evaluate.RuleRef) int {
	way := func(chain string) int {
		if i := slices.Index([]string{"PREROUTING", "OUTPUT", "INPUT", "POSTROUTING"}, chain); i >= 0 {
			return i
		}
		return 4
	}
	return cmp.Or(cmp.Compare(way(a.Chain), way(b.Chain)), strings.Compare(a.Chain, b.Chain), cmp.Compare(a.Position, b.Position),
		cmp.Compare(a.Backend, b.Backend), strings.Compare(a.Table, b.Table))
}

// SetRules begins to explain by other rules or another host; every flow counts as
// not asked again.
func (x *Explainer) SetRules(sets map[rules.Variant]*rules.Ruleset, host evaluate.Host) {
	x.SetRulesAt(sets, host, Read{})
}

// Read is when rules of iptables and those of native tables were read with their counters, in nanoseconds since 1970; 0 is
// not known.
type Read struct {
	Rules, Native int64
	// Asked is when reading any of it, and the host, began: what began later may have met others.
	Asked int64
	// Told is when they are told, with all else that was read of the host since the last time.
	Told int64
}

// SetRulesAt is SetRules with rules that were read then: of flows that are older than a rule which no packet had met by then,
// that rule is not said to have made them, nor of those that another one made under rules or a host before.
func (x *Explainer) SetRulesAt(sets map[rules.Variant]*rules.Ruleset, host evaluate.Host, at Read) {
	programs := make([]*evaluate.Program, 0, len(sets))
	for _, s := range sets {
		programs = append(programs, evaluate.Compile(s))
	}
	evaluator := evaluate.NewEvaluator(host, programs...)
	classes, chains := evaluator.Classes(), chainsOf(sets, &host)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.evaluator = evaluator
	x.chains = chains
	x.memory.begin(classes)
	if x.past == nil || at.Rules == 0 {
		x.past, x.lost = map[uint16]*past{}, false
	} else {
		x.keepPast()
	}
	x.unmet.see(sets, host.Native.Ruleset(), at)
	x.toldAt, x.asked = at.Told, at.Asked
	if x.claims != nil {
		clear(x.claims.of)
	}
	x.generation++
	if x.generation == 0 {
		x.generation = 1
	}
	x.known, x.until, x.numbers, x.last = nil, nil, map[Explanation]uint32{}, 0
	x.alike, x.named = []uint32{0}, map[string]uint32{}
	x.told.Store(&explanations{generation: x.generation})
}

// Work explains up to so many flows that were not asked yet, and tells whether
// there are more. A flow takes about half a microsecond in an ordinary table, and a
// tenth of that where one of its class was explained before.
func (x *Explainer) Work(limit int) (more bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.evaluator == nil {
		return false
	}
	x.worked = x.generation
	return x.flows.Explain(x.generation, func(f *flow.Flow) (uint32, bool) {
		limit--
		number := x.explain(f)
		if c := x.claims; c != nil && !f.BeganAfter(c.since) {
			c.take(&x.known[number-1])
		}
		return number, limit <= 0
	})
}

// explain is the number of a flow's explanation.
func (x *Explainer) explain(f *flow.Flow) uint32 {
	if f.RuleGen == x.generation && f.Rule != 0 && int(f.Rule) <= len(x.known) {
		return f.Rule // what explained it first is remembered with that
	}
	number := x.evaluated(f)
	if e := x.known[number-1]; e.Confidence == Stale {
		number = x.number(x.unlessFresh(f, e))
	}
	if until := x.until[number-1]; until != 0 {
		number = x.number(x.known[number-1].dated(f, until))
	}
	return x.numberSinceThen(f, number)
}

// evaluated is the number of what today's rules make of a flow: what is remembered of its class, or
// what its evaluation comes to.
func (x *Explainer) evaluated(f *flow.Flow) uint32 {
	class, ok := x.memory.classOf(f)
	if !ok {
		e, outcomes := With(x.evaluator, f, x.outcomes[:0])
		x.outcomes = outcomes
		return x.number(e)
	}
	number := x.memory.recall(&class)
	if number != 0 && number != eachByItself {
		return number
	}
	e, outcomes, common := asker{x.evaluator, x.memory.classes}.explain(f, x.outcomes[:0])
	x.outcomes = outcomes
	explanation := x.number(e)
	switch {
	case number != 0:
	case common:
		x.memory.note(&class, explanation)
	default:
		x.memory.note(&class, eachByItself)
	}
	return explanation
}

// number is how an explanation is written into a flow.
func (x *Explainer) number(e Explanation) uint32 {
	if x.last != 0 && x.known[x.last-1] == e {
		return x.last
	}
	n, ok := x.numbers[e]
	if !ok {
		x.known, x.until = append(x.known, e), append(x.until, x.unmet.of(&e))
		x.told.Store(&explanations{x.generation, x.known})
		n = uint32(len(x.known))
		x.numbers[e] = n
		name := e.label()
		if x.named[name] == 0 {
			x.named[name] = n
		}
		x.alike = append(x.alike, x.named[name])
	}
	x.last = n
	return n
}

// Told is what is written into a flow; known is false where it was not asked by today's rules yet. It does not block.
func (x *Explainer) Told(f *flow.Flow) (e Explanation, known bool) {
	told := x.told.Load()
	if told == nil || f.RuleGen != told.generation || f.Rule == 0 || int(f.Rule) > len(told.known) {
		return Explanation{}, false
	}
	return told.known[f.Rule-1], true
}

// Of is the explanation of a flow. One that was not asked yet is asked now, unless others are just being
// asked: it then remains NotAsked, so that a screen that is drawn never waits.
func (x *Explainer) Of(f *flow.Flow) Explanation {
	if e, known := x.Told(f); known {
		return e
	}
	if !x.mu.TryRLock() {
		return Explanation{}
	}
	defer x.mu.RUnlock()
	if x.evaluator == nil {
		return Explanation{}
	}
	if class, ok := x.memory.classOf(f); ok {
		if number := x.memory.recall(&class); number != 0 && number != eachByItself {
			e, _ := x.sinceThen(f, x.unlessFresh(f, x.known[number-1]).dated(f, x.until[number-1]))
			return e
		}
	}
	e, _ := With(x.evaluator, f, nil)
	e, _ = x.sinceThen(f, x.unlessFresh(f, e).dated(f, x.unmet.of(&e)))
	return e
}

// Marker explains flows that are in no table, for one goroutine: it writes into each
// which rule made it, as filters and sorting by rule ask for.
func (x *Explainer) Marker() func(*flow.Flow) Explanation {
	return func(f *flow.Flow) Explanation {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.evaluator == nil {
			return Explanation{}
		}
		f.Rule, f.RuleGen = x.explain(f), x.generation
		return x.known[f.Rule-1]
	}
}

// RuleCounts are how many live flows each rule explains, but those that it has not made (Older), and how many flows are
// stale. Flows that were not asked yet are missing.
func (x *Explainer) RuleCounts() (counts map[evaluate.RuleRef]int, stale int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	counts = map[evaluate.RuleRef]int{}
	for n, flows := range x.flows.ByRule(x.generation) {
		if n == 0 || n > len(x.known) || flows == 0 {
			continue
		}
		e := x.known[n-1]
		if e.Confidence == Stale {
			stale += flows
			continue
		}
		if e.Older {
			continue
		}
		for _, r := range [...]evaluate.RuleRef{e.DNAT, e.SNAT} {
			if !r.IsZero() {
				counts[r] += flows
			}
		}
	}
	return counts, stale
}

// Name is the text of an explanation's number, as groups and filters show it.
func (x *Explainer) Name(number uint32) string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if number == 0 || int(number) > len(x.known) {
		return "not known yet"
	}
	return x.known[number-1].label()
}

// MadeBefore is what Older stands for.
const MadeBefore = "another rule may have made it, or this one before it was added again or its counters were cleared"

// OlderLabel is what tells, behind the names of rules, that older ones may have made a group of flows, or these before they were
// added again.
const OlderLabel = " (or older)"

// label is the name by which flows are put together: those that a rule has made apart from those that only fit it.
func (e Explanation) label() string {
	if e.Older {
		return e.String() + OlderLabel
	}
	return e.String()
}

// String names the rules: PREROUTING 1 + POSTROUTING 2, with "stale",
// "unknown" or "ambiguous" where it is so.
func (e Explanation) String() string {
	var parts []string
	for _, r := range [...]evaluate.RuleRef{e.DNAT, e.SNAT} {
		if !r.IsZero() {
			parts = append(parts, nameOf(r))
		}
	}
	text := strings.Join(parts, " + ")
	switch e.Confidence {
	case Stale, Unknown:
		return e.Confidence.String()
	case Ambiguous:
		return strings.TrimSpace("ambiguous " + text)
	}
	if text == "" {
		return "none"
	}
	return text
}

// Columns tell it in a table of text: the rules, none where no rule has made it and empty where that is not known, how sure that
// is, and whether an older rule may have made it.
func (e Explanation) Columns() [3]string {
	rule := ""
	if e.Confidence < Stale && e.Confidence != NotAsked {
		rule = strings.TrimPrefix(e.String(), Ambiguous.String()+" ")
	}
	return [3]string{rule, e.Confidence.String(), strconv.FormatBool(e.Older)}
}

// FirstPacket is the packet that began the flow, as far as the flow tells.
func FirstPacket(f *flow.Flow) evaluate.Packet {
	client, asked := f.Client(), f.AskedFor()
	p := evaluate.Packet{Protocol: f.Proto(), Src: client.Addr(), Dst: asked.Addr(), ConnMark: 0}
	switch id, kind, code, ok := f.Orig.ICMP(); {
	case ok:
		p.ICMPID, p.ICMPType, p.ICMPCode, p.Has = id, kind, code, evaluate.HasICMP
	case f.Proto().HasPorts():
		p.SrcPort, p.DstPort = client.Port(), asked.Port()
	}
	return p
}
