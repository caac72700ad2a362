package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// closed is the check that a forward's packets end at a rule which is meant for them.
const closed = "closed"

// closedOnPurpose tells that a forward's packet is dropped by a rule that names what its clients ask for, as it was before
// the translation: whoever wrote that means this forward to be closed, so that it is no fault, and nothing to cure.
func closedOnPurpose(x *Examination, f *Forward, way *fate, o *evaluate.Outcome) (Finding, bool) {
	r, ok := ruleOf(x.sets, o.DroppedBy)
	if !ok || !closes(r) || !namesAsked(r, f.Asked, o.DroppedBy) || x.keepsInside(o.DroppedBy, f) {
		return Finding{}, false
	}
	return Finding{
		Check: closed, Severity: SeverityNote, Subject: ruleName(f.Rule), Evidence: []string{x.dropperText(o.DroppedBy), f.ruleCount()},
		Sentence: fmt.Sprintf("%s names what clients of this forward ask for, %s, and drops it: the forward is closed to %s on purpose.", dropperName(o.DroppedBy, way.hook(o.DroppedBy)), f.Asked, f.packet.Src),
	}, true
}

// namesAsked tells that a rule names what is asked for by its original destination: the connection's, or the packet's in a
// table that sees it before the translation.
func namesAsked(r *rules.Rule, asked netip.AddrPort, at evaluate.RuleRef) bool {
	// A port alone, before the translation, is everybody's.
	early := at.Chain == "PREROUTING" && (at.Table == "raw" || at.Table == "mangle")
	if host, ok := r.Dest.Host(); early && ok && !r.Dest.Not && host == asked.Addr() {
		return true
	}
	return slices.ContainsFunc(r.Matches, func(m rules.Match) bool {
		c, ok := m.(rules.Conntrack)
		if !ok || c.Dir == "REPLY" {
			return false
		}
		if p := c.OrigDstPort; p != nil && !p.Not && p.Single() && p.Contains(asked.Port()) {
			return true
		}
		if c.OrigDst == nil || c.OrigDst.Not {
			return false
		}
		host, single := c.OrigDst.Host()
		return single && host == asked.Addr()
	})
}

// keepsInside tells that a rule which drops what is for a forward also keeps machines inside from the same port of others: it
// is not meant for the forward alone.
func (x *Examination) keepsInside(by evaluate.RuleRef, f *Forward) bool {
	return f.Proto.HasPorts() && slices.ContainsFunc(sharedPackets(x), func(p evaluate.Packet) bool {
		p.Protocol, p.DstPort = f.Proto, f.Asked.Port()
		way := x.fate(p)
		o, blocked := way.blocked()
		return blocked && o.DroppedBy == by
	})
}
