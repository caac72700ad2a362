package doctor

import (
	"net/netip"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/nft"
)

// Gateway is everything that the doctor looks at: one moment of the gateway, as
// values. Of what is nil or unknown nothing is said.
type Gateway struct {
	Facts *facts.Facts // nil: the rules are all there is, of which Look alone tells
	Sets  map[rules.Variant]*rules.Ruleset
	// NativeAlone are the native tables where the rules are all there is; nil: none, or not known. Else the facts have them.
	NativeAlone *nft.Ruleset
	// Unread are variants whose tables could not be read, with the reason; they are not among Sets.
	Unread map[rules.Variant]string
	Flows  *flow.Flows
	// Explained is what is known to have made a flow of these, where they are followed while rules change; nil: the rules were
	// read after the flows.
	Explained func(*flow.Flow) explain.Explanation
	// Health is that of the connection table; Earlier is the same some seconds
	// before, to tell what happens from what has happened.
	Health, Earlier facts.Health
	Surroundings
	// Probes are answers of servers that were asked for a connection, by their
	// addresses; the doctor asks nobody itself.
	Probes map[netip.AddrPort]Probe
	// Tries are what came of packets that clients sent for forwards, by the forwards' names.
	Tries map[string]Try
}

// Surroundings are what bears on NAT besides rules, flows and facts.
type Surroundings struct {
	// Unseen says of each family and backend that is not shown, why.
	Unseen []string
	// Saved are the rules that are loaded at boot, a file each.
	Saved []SavedRules
	// Drift is how what runs differs from what is kept for boot, where that was
	// compared already; nil has the doctor compare with Saved itself.
	Drift *BootDrift
	// BootSettings are the settings that files set at boot; nil if those were
	// not read.
	BootSettings map[string]BootSetting
	// Drops are what the kernel itself has lost, DropsBefore the same some time earlier, to tell what happens from what
	// has happened.
	Drops, DropsBefore facts.KernelDrops
	// Failover is what is known of conntrackd and keepalived; nil: neither is there, or it was not looked.
	Failover *facts.Failover
	// SetsBefore are the rules with their counters as they were at the look before; nil: there was none.
	SetsBefore map[rules.Variant]*rules.Ruleset
}

// SavedRules are the contents of a file that is loaded at boot.
type SavedRules struct {
	Path   string
	Family rules.Family
	Tables []rules.Table
}

// BootDrift is what differs between the rules that run and those kept for boot.
type BootDrift struct {
	// Gone are rules that run and would be gone after the next start, Back those
	// that are kept and do not run; Orders is how many chains stand in another order.
	Gone, Back []string
	// Chains are the chains that would come, go or have another policy.
	Chains []string
	// Removed is how many of Back a change of nattui has removed since they were kept, so that restoring leaves them out.
	Removed int
	Orders  int
	// Nothing is kept at all. By is what restores the rules.
	Nothing bool
	By      string
	// Unwatched counts the rules that firewalld or ufw removes whenever it reloads, and that nothing puts back.
	Unwatched int
	// Elsewhere are changes in native tables that other files load, and that these do not have.
	Elsewhere []string
	// Idle says why what is kept, or a part of it, is not restored when the host starts, as far as is known, a sentence each.
	Idle []string
	// Others are files that restore rules by themselves when the host starts, whichever those are, a sentence each.
	Others []string
}

// BootSetting is a setting as a file has it.
type BootSetting struct{ Value, Path string }

// Now is the moment at which a gateway was looked at, in nanoseconds since 1970.
func Now(g *Gateway) int64 {
	now := g.Health.At
	if g.Facts != nil {
		now = max(now, g.Facts.At)
	}
	return now
}
