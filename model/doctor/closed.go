package doctor

import (
	"fmt"
	"net/netip"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// closed is the check that a forward's packets end at a rule which is meant for them.
const closed = "closed"

// closedOnPurpose tells that a forward's packet is dropped by a rule that names what its clients ask for, as it was before
// the translation: whoever wrote that means this forward to be closed, so that it is no fault, and nothing to cure.
func closedOnPurpose(x *Examination, f *Forward, way *fate, o *evaluate.Outcome) (Finding, bool) {
	r, ok := ruleOf(x.sets, o.DroppedBy)
	if !ok || !closes(r) || !namesAsked(r, f.Asked, o.DroppedBy) {
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
	early := at.Chain == "PREROUTING" && (at.Table == "raw" || at.Table == "mangle")
	if host, ok := r.Dest.Host(); early && ok && !r.Dest.Not && host == asked.Addr() {
		return true
	}
	for _, m := range r.Matches {
		switch m := m.(type) {
		case rules.Conntrack:
			if m.Dir == "REPLY" {
				return false
			}
			if p := m.OrigDstPort; p != nil && !p.Not && p.Ports.Single() && p.Contains(asked.Port()) {
				return true
			}
			if n := m.OrigDst; n != nil && !n.Not {
				if host, ok := n.Host(); ok && host == asked.Addr() {
					return true
				}
			}
		case rules.Transport:
			if early && m.Dest != nil && !m.Dest.Not && m.Dest.Single() && m.Dest.Contains(asked.Port()) {
				return true
			}
		}
	}
	return false
}
