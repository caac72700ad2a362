package doctor

import (
	"fmt"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// queued is a rule that hands packets to a program.
type queued struct {
	at   evaluate.RuleRef
	says evaluate.Queueing
	text string
	met  bool // its counter is not zero
}

// checkQueues tells of rules that hand packets to a program where none listens: what they match is dropped, or passes
// without having been looked at.
func checkQueues(x *Examination) (list []Finding) {
	for _, q := range x.queuedRules() {
		if q.says.Unheard(x.Queues) != evaluate.Yes || len(list) >= alike {
			continue
		}
		found := queuedToNobody(&q)
		switch {
		case q.says.Bypass:
			found.Severity = SeverityNote
		case q.met || x.dropsKnown(q.at):
			found.Severity = SeverityError
		}
		list = append(list, found)
	}
	return list
}

// queuedToNobody is the finding that no program takes what a rule hands over.
func queuedToNobody(q *queued) Finding {
	found := Finding{
		Check: "queue-unheard", Severity: SeverityWarning, Subject: ruleName(q.at), Evidence: []string{q.text, "no program listens to " + q.says.String()},
		Sentence: fmt.Sprintf("The rule hands packets to the program behind %s, and none listens there: they are dropped. Start the program (Suricata, Snort and other filters), or let packets pass without it (--queue-bypass; in nft, queue flags bypass).", q.says),
	}
	if q.says.Bypass {
		found.Sentence = fmt.Sprintf("The rule hands packets to the program behind %s, and none listens there: they go on without having been looked at.", q.says)
	}
	return found
}

// queuedRules are all rules that hand packets to programs, of iptables and of native tables.
func (x *Examination) queuedRules() (list []queued) {
	for _, p := range x.variants() {
		for _, t := range x.sets[p].Tables {
			for i := range t.Chains {
				for j := range t.Chains[i].Rules {
					r := &t.Chains[i].Rules[j]
					if says, ok := evaluate.QueueingOf(&r.Target); ok {
						at := evaluate.RuleRef{Variant: p, Table: t.Name, Chain: t.Chains[i].Name, Position: j + 1}
						list = append(list, queued{at, says, r.String(), r.Counters.Known && r.Counters.Packets > 0})
					}
				}
			}
		}
	}
	return append(list, x.nativelyQueued()...)
}

func (x *Examination) nativelyQueued() (list []queued) {
	set := x.Native.Ruleset()
	if set == nil {
		return nil
	}
	for _, t := range set.Tables {
		if t.Dormant || !x.evaluatesNatively(t) {
			continue
		}
		for _, c := range t.Chains {
			for i, r := range c.Rules {
				for _, e := range r.Exprs {
					to, ok := e.(nft.ToQueue)
					if !ok {
						continue
					}
					at := evaluate.RuleRef{Variant: rules.Variant{Backend: rules.Native}, Table: t.Family.String() + " " + t.Name, Chain: c.Name, Position: i + 1, Handle: r.Handle}
					if t.Family.String() == rules.IPv6.NFT() {
						at.Family = rules.IPv6
					}
					list = append(list, queued{at: at, says: evaluate.NativeQueueingOf(to), text: r.Text(c, set.Links)})
				}
			}
		}
	}
	return list
}

// dropsKnown tells that a rule drops what clients of a forward ask for, or what begins inside.
func (x *Examination) dropsKnown(at evaluate.RuleRef) bool {
	packets := sharedPackets(x)
	for i := range x.forwards {
		packets = append(packets, x.forwards[i].packet)
	}
	for _, p := range packets {
		way := x.fate(p)
		if o, blocked := way.blocked(); blocked && sameRule(o.DroppedBy, at) {
			return true
		}
	}
	return false
}

// sameRule tells that two references mean one rule; a native one of a table for both families is met by either.
func sameRule(a, b evaluate.RuleRef) bool {
	if a.Backend == rules.Native && b.Backend == rules.Native {
		return a.Table == b.Table && a.Chain == b.Chain && a.Handle == b.Handle
	}
	return a == b
}

// droppedUnheard is what there is to say where a packet is dropped because no program takes it; false where that is not
// why.
func (x *Examination) droppedUnheard(by evaluate.RuleRef, what string) (Finding, bool) {
	for _, q := range x.queuedRules() {
		if sameRule(q.at, by) && q.says.Unheard(x.Queues) == evaluate.Yes {
			found := queuedToNobody(&q)
			found.Severity = SeverityError
			found.Evidence = append(found.Evidence, "it drops "+what)
			return found, true
		}
	}
	return Finding{}, false
}
