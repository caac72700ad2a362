package evaluate

import "nattui/rules"

// stage is a place on a packet's way: a table's chain at a hook, or what the
// kernel does between them.
type stage uint8

const (
	stageIngress stage = iota
	stageEarlyPrerouting
	stageRawPrerouting
	stageAfterRawPrerouting
	stageTrackPrerouting
	stageAfterTrackPrerouting
	stageManglePrerouting
	stageAfterManglePrerouting
	stageNATPrerouting
	stageLatePrerouting
	stageRouteInput
	stageEarlyInput
	stageMangleInput
	stageAfterMangleInput
	stageFilterInput
	stageAfterFilterInput
	stageSecurityInput
	stageAfterSecurityInput
	stageNATInput
	stageLateSecurityInput // iptables-nft gives its security chains a priority after nat's
	stageLateInput
	stageDeliver
	stageEarlyForward
	stageMangleForward
	stageAfterMangleForward
	stageFilterForward
	stageAfterFilterForward
	stageSecurityForward
	stageLateForward
	stageEarlyPostrouting
	stageManglePostrouting
	stageAfterManglePostrouting
	stageNATPostrouting
	stageLatePostrouting
	stageEgress
	stageLeave
	stageRouteOutput
	stageEarlyOutput
	stageRawOutput
	stageAfterRawOutput
	stageTrackOutput
	stageAfterTrackOutput
	stageMangleOutput
	stageAfterMangleOutput
	stageNATOutput
	stageAfterNATOutput
	stageFilterOutput
	stageAfterFilterOutput
	stageSecurityOutput
	stageLateOutput
	stages
)

// hooks are the chains of iptables that the kernel calls at the stages, which follow one
// another by the priorities of linux/netfilter_ipv4.h. Stages between them are for native chains alone.
var hooks = [stages]struct {
	table, chain string
}{
	stageRawPrerouting:     {"raw", "PREROUTING"},
	stageManglePrerouting:  {"mangle", "PREROUTING"},
	stageNATPrerouting:     {"nat", "PREROUTING"},
	stageMangleInput:       {"mangle", "INPUT"},
	stageFilterInput:       {"filter", "INPUT"},
	stageSecurityInput:     {"security", "INPUT"},
	stageNATInput:          {"nat", "INPUT"},
	stageLateSecurityInput: {"security", "INPUT"},
	stageMangleForward:     {"mangle", "FORWARD"},
	stageFilterForward:     {"filter", "FORWARD"},
	stageSecurityForward:   {"security", "FORWARD"},
	stageLateForward:       {"security", "FORWARD"},
	stageManglePostrouting: {"mangle", "POSTROUTING"},
	stageNATPostrouting:    {"nat", "POSTROUTING"},
	stageRawOutput:         {"raw", "OUTPUT"},
	stageMangleOutput:      {"mangle", "OUTPUT"},
	stageNATOutput:         {"nat", "OUTPUT"},
	stageFilterOutput:      {"filter", "OUTPUT"},
	stageSecurityOutput:    {"security", "OUTPUT"},
	stageLateOutput:        {"security", "OUTPUT"},
}

// isKernel reports that no chain is called at the stage: the kernel itself does something.
func (s stage) isKernel() bool {
	switch s {
	case stageTrackPrerouting, stageTrackOutput, stageRouteInput, stageRouteOutput, stageDeliver, stageLeave:
		return true
	}
	return false
}

// of reports whether a backend's chain is called at the stage. One that is not known counts as legacy: nothing but the NAT
// of INPUT is between the two.
func (s stage) of(b rules.Backend) bool {
	switch s {
	case stageSecurityInput, stageSecurityForward, stageSecurityOutput:
		return b != rules.NFT
	case stageLateSecurityInput, stageLateForward, stageLateOutput:
		return b == rules.NFT
	}
	return true
}

// isNAT reports whether flows get a binding at the stage.
func (s stage) isNAT() bool {
	switch s {
	case stageNATPrerouting, stageNATInput, stageNATPostrouting, stageNATOutput:
		return true
	}
	return false
}

// ofOwn reports whether this host's own packets pass the stage.
func (s stage) ofOwn() bool { return s >= stageEarlyPostrouting && s != stageLeave }

// bindsSource reports which end a NAT stage translates (HOOK2MANIP).
func (s stage) bindsSource() bool { return s == stageNATPostrouting || s == stageNATInput }
