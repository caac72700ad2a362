package explain

import (
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// untold tells that a plan bears on forwarded packets of a family whose connections the kernel does not know: without a rule
// that needs it, none is tracked.
func untold(f *facts.Facts, old *evaluate.Evaluator, plan rules.Plan) bool {
	return slices.ContainsFunc(rules.Families[:], func(family rules.Family) bool {
		forwarding, name := f.Settings.Forwarding4, "net.ipv4.ip_forward"
		if family == rules.IPv6 {
			forwarding, name = f.Settings.Forwarding6, "net.ipv6.conf.all.forwarding"
		}
		if forwarding != facts.SettingOn || old.Tracks(family) {
			return false
		}
		return slices.ContainsFunc(plan.Steps, func(s rules.Step) bool { return forwards(s, family, name) })
	})
}

// unhooks tells that nothing needs connection tracking of a family any more after a change: the kernel ends it with its last
// user (nf_ct_netns_put), and connections that were translated are so no longer, from their next packet on.
func (t *comparison) unhooks(family rules.Family) bool {
	return t.old != nil && t.old.Tracks(family) && !t.fresh.Tracks(family)
}

// forwards tells whether a step may change what becomes of forwarded packets of a family; setting is what switches them.
func forwards(s rules.Step, family rules.Family, setting string) bool {
	switch {
	case s.Sysctl != nil:
		return s.Sysctl.Name == setting
	case s.Change != nil:
		return s.Change.Family == family && s.Change.Chain != "INPUT" && s.Change.Chain != "OUTPUT"
	case s.Native != nil:
		return s.Native.Family != family.Other().NFT()
	}
	return s.Order != nil && !s.Order.Idle
}
