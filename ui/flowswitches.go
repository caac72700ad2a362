package ui

import (
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
)

// flowSwitch is a switch of the kernel that has it tell more of flows.
type flowSwitch struct {
	name string
	now  facts.Setting
	verb string // what the kernel then does with flows
	gain string // what is then known
}

// flowSwitches are those that are off.
func (s *flowsScreen) flowSwitches() []flowSwitch {
	return slices.DeleteFunc([]flowSwitch{
		{"net.netfilter.nf_conntrack_events", s.health.Events, "tell of", "It then reports every connection as it begins, changes and ends, so that short ones are seen too."},
		{"net.netfilter.nf_conntrack_acct", s.health.Accounting, "count", "It then counts packets and bytes of every connection that begins from now on; existing connections stay uncounted."},
		{"net.netfilter.nf_conntrack_timestamp", s.health.Timestamps, "time", "It then records when a connection begins, for those that begin from now on."},
	}, func(w flowSwitch) bool { return w.now != facts.SettingOff })
}

// keyCount has the kernel tell more of connections.
var keyCount = bind("w", "count", "w")

// saySwitchedOn says why there is nothing to switch on.
func (s *flowsScreen) saySwitchedOn() { s.say("the kernel already counts and times connections") }

// askSwitches offers to switch on what is off.
func (s *flowsScreen) askSwitches() {
	off := s.flowSwitches()
	if len(off) == 0 {
		s.saySwitchedOn()
		return
	}
	var p rules.Plan
	var verbs, gains []string
	for _, w := range off {
		p.Steps = append(p.Steps, rules.Step{Sysctl: &rules.Sysctl{Name: w.name, Value: "1", Old: "0"}})
		verbs, gains = append(verbs, w.verb), append(gains, w.gain)
	}
	what := verbs[len(verbs)-1]
	if n := len(verbs) - 1; n > 0 {
		what = strings.Join(verbs[:n], ", ") + " and " + what
	}
	p.Title = "Let the kernel " + what + " flows"
	s.pose(newQuestion(s.desk, p.Title+"?", append(gains, "The cost is very small."), p, "switch on"))
}
