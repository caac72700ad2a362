package traced

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Ref is the hop's place among the rules of iptables; false where it is none of
// theirs, or its position is not known.
func (h *TraceHop) Ref() (evaluate.RuleRef, bool) {
	family := rules.IPv4
	if h.Family == "ip6" {
		family = rules.IPv6
	}
	if h.Family != family.NFT() || rules.BuiltInChains[h.Table] == nil {
		return evaluate.RuleRef{}, false
	}
	ref := evaluate.RuleRef{Variant: rules.Variant{Family: family, Backend: rules.NFT}, Table: h.Table, Chain: h.Chain}
	if h.Kind == HopRule {
		ref.Position = h.Position
	}
	return ref, h.Kind != HopRule || h.Position > 0
}

// Rule is the rule that was met, where it is one of iptables'.
func (h *TraceHop) Rule(sets map[rules.Variant]*rules.Ruleset) (*rules.Rule, bool) {
	ref, ok := h.Ref()
	if !ok || h.Kind != HopRule {
		return nil, false
	}
	c, ok := sets[ref.Variant].Chain(ref.Table, ref.Chain)
	if !ok || ref.Position > len(c.Rules) {
		return nil, false
	}
	return &c.Rules[ref.Position-1], true
}

// Where is the hop's place in words: nat PREROUTING 2, filter FORWARD policy.
func (h *TraceHop) Where() string {
	if ref, ok := h.Ref(); ok {
		if h.Kind == HopReturn {
			return h.Table + " " + h.Chain + " end"
		}
		return ref.String()
	}
	s := h.place()
	switch {
	case h.Kind == HopPolicy:
		return s + " policy"
	case h.Kind == HopReturn:
		return s + " end"
	case h.Position > 0:
		return fmt.Sprintf("%s %d", s, h.Position)
	}
	return fmt.Sprintf("%s handle %d", s, h.Handle)
}

// place is the chain with its table: nat PREROUTING of iptables, of native tables with their family, as inet fw4 dstnat.
func (h *TraceHop) place() string {
	s := h.Table + " " + h.Chain
	if _, ok := (&TraceHop{Family: h.Family, Table: h.Table, Kind: HopPolicy}).Ref(); !ok {
		s = h.Family + " " + s
	}
	return s
}

// What says what the hop did: the rule as match and outcome, or the policy.
func (h *TraceHop) What(sets map[rules.Variant]*rules.Ruleset) (match, outcome string) {
	if r, ok := h.Rule(sets); ok {
		outcome = r.Becomes(h.Table)
		switch k := r.Target.Kind; {
		case k == rules.DNAT || k == rules.Netmap:
			outcome = k.Name() + " to " + outcome
		case k.Translates():
			outcome = k.Name() + " " + outcome
		}
		return r.MatchText(), outcome
	}
	outcome = h.Verdict
	if h.To != "" {
		outcome += " " + h.To
	}
	if h.Kind == HopRule {
		match = h.Text
		if match != "" {
			outcome = h.Verdict
		}
	}
	return match, outcome
}

// Outcome says in a line what became of the packet.
func (t *Traced) Outcome() string {
	var s string
	switch t.End {
	case TraceForwarded:
		s = "out by " + t.Last.Out
		if t.Last.Out == "lo" {
			s += ", to this host"
		}
	case TraceLocal:
		s = "to this host"
	case TraceDropped, TraceStolen:
		s = "dropped by "
		if t.End == TraceStolen {
			s = "consumed by "
		}
		return s + t.Hops[len(t.Hops)-1].Where()
	default:
		if t.Bridge != "" {
			return "not known" + t.after() + ": the bridge " + t.Bridge + " hands it up as another packet (br_netfilter)"
		}
		return "not seen any more" + t.after() + ": routing refused it (no route, forwarding off, reverse path filter)" + t.unreported() + ", or reports were lost"
	}
	if !t.Translated() {
		return s + ", not translated"
	}
	return s + " as " + t.Last.Ends()
}

// NoteLegacy notes whether rules of the legacy backend apply to the packet too.
func (t *Traced) NoteLegacy(sets map[rules.Variant]*rules.Ruleset) {
	set := sets[rules.Variant{Family: rules.FamilyOf(t.First.Dst.Addr()), Backend: rules.Legacy}]
	t.Untraced = set != nil && slices.ContainsFunc(set.Tables, func(table rules.Table) bool {
		return table.Rules() > 0 || slices.ContainsFunc(table.Chains, func(c rules.Chain) bool { return c.Policy == "DROP" })
	})
}

// unreported is what else a packet may have met that is not seen any more.
func (t *Traced) unreported() string {
	if t.Untraced {
		return ", a rule of the legacy backend dropped it, which is not reported"
	}
	return ""
}

func (t *Traced) after() string {
	if len(t.Hops) == 0 {
		return ""
	}
	h := &t.Hops[len(t.Hops)-1]
	return " after " + h.place()
}

// Question is the packet as the evaluation of rules takes it; false for one that
// cannot be asked about, since it belongs to a flow that was there.
func (t *Traced) Question() (evaluate.Packet, bool) {
	p := &t.First
	if t.Reply || !p.begins() || !p.Src.IsValid() || !p.Dst.IsValid() {
		return evaluate.Packet{}, false
	}
	q := evaluate.Packet{
		Protocol: p.Proto, Src: p.Src.Addr(), Dst: p.Dst.Addr(), In: p.In, Local: p.In == "",
		Mark: p.Mark, TTL: p.TTL, Length: p.Length,
	}
	switch {
	case p.Proto.HasPorts():
		q.SrcPort, q.DstPort = p.Src.Port(), p.Dst.Port()
	case p.Proto.IsICMP():
		q.ICMPType, q.ICMPCode, q.ICMPID, q.Has = p.ICMPType, p.ICMPCode, p.Src.Port(), evaluate.HasICMP
	}
	if p.Proto == rules.TCP {
		q.TCPFlags, q.Has = p.TCPFlags, q.Has|evaluate.HasTCPFlags
	}
	return q, q.Validate() == nil
}

// Agrees tells whether one of the outcomes of an evaluation is what became of the
// packet. A packet that was lost agrees with one that routing refuses, or a rule of the legacy backend drops.
func (t *Traced) Agrees(path *evaluate.Path) bool {
	for i := range path.Outcomes {
		if t.agrees(&path.Outcomes[i]) {
			return true
		}
	}
	return false
}

func (t *Traced) agrees(o *evaluate.Outcome) bool {
	switch t.End {
	case TraceLost:
		return o.Delivered == evaluate.NoRoute || o.Delivered == evaluate.Dropped && (o.DroppedBy.IsZero() || o.DroppedBy.Backend == rules.Legacy)
	case TraceDropped:
		return o.Delivered == evaluate.Dropped
	case TraceStolen:
		return false
	case TraceForwarded:
		home := t.Last.Out == "lo" && o.Delivered == evaluate.Delivered
		if !home && (o.Delivered != evaluate.Forwarded || o.Out != "" && o.Out != t.Last.Out) {
			return false
		}
	case TraceLocal:
		if o.Delivered != evaluate.Delivered {
			return false
		}
	}
	if !t.First.Proto.HasPorts() {
		return addrIn(o.Src, t.Last.Src.Addr()) && addrIn(o.Dst, t.Last.Dst.Addr())
	}
	return o.Src.Holds(t.Last.Src) && o.Dst.Holds(t.Last.Dst)
}

func addrIn(e evaluate.Endpoint, a netip.Addr) bool { return !e.Addr.IsValid() || e.Addr == a }

// Forecast compares the packet's way with what the rules say it should be: a sentence,
// and whether they agree. "" where nothing can be said: the packet belongs to a flow
// that was there, for which NAT was decided before, or what became of it is not known.
func (t *Traced) Forecast(e *evaluate.Evaluator) (sentence string, agrees bool) {
	q, ok := t.Question()
	if !ok || e == nil || t.End == TraceLost && t.Bridge != "" {
		return "", false
	}
	path, err := e.Evaluate(q)
	if err != nil || len(path.Outcomes) == 0 {
		return "", false
	}
	for i := range path.Outcomes {
		if t.Untraced {
			path.Outcomes[i].NameBackends()
		}
	}
	if t.Agrees(&path) {
		if t.End == TraceLost {
			return "as predicted: " + path.Outcomes[0].Sentence(&path.Packet), true
		}
		return "as predicted", true
	}
	var said []string
	for i := range path.Outcomes {
		said = append(said, path.Outcomes[i].Sentence(&path.Packet))
	}
	return "predicted instead: " + strings.Join(said, ", or "), false
}

// Brief is Outcome in a few words: where the packet went as what.
func (t *Traced) Brief() string {
	by, to := " by "+t.Last.Out, ""
	switch t.End {
	case TraceForwarded:
	case TraceLocal:
		by = " here"
	case TraceLost:
		if t.Bridge != "" {
			return "not known" + t.after() + " (bridge)"
		}
		return "not seen" + t.after()
	default:
		return t.Outcome()
	}
	switch {
	case t.Last.Dst != t.First.Dst:
		to = t.Last.end(t.Last.Dst)
	case t.End == TraceForwarded:
		to = "out"
	default:
		return "this host"
	}
	to += by
	if t.Last.Src != t.First.Src {
		to += " as " + t.Last.end(t.Last.Src)
	}
	return to
}
