package commit

import (
	"context"

	"nattui/rules"
)

// Tables changes the rules.
type Tables interface {
	// Read takes a snapshot of one variant.
	Read(ctx context.Context, variant rules.Variant) (*rules.Ruleset, error)
	// Apply makes the changes, all or none, and returns them as they were made. A
	// *rules.Conflict says that the tables are not as expected. Changes returned
	// together with an error were made, and are not what was intended.
	Apply(ctx context.Context, changes []rules.Change) ([]rules.Change, error)
	// Follow is Apply for changes of one variant that are worked out from the tables
	// as they are, and again when they change in the meantime.
	Follow(ctx context.Context, variant rules.Variant, plan func(now *rules.Ruleset) ([]rules.Change, error)) ([]rules.Change, error)
	// Handles returns the snapshot with the handles of a chain's rules and the
	// incarnation of its table, with no chain only the latter; as it is where they
	// are not known.
	Handles(ctx context.Context, s *rules.Ruleset, table, chain string) *rules.Ruleset
	// Check reports whether Apply could make the changes, as far as can be told without making them.
	Check(ctx context.Context, changes []rules.Change) error
	// Try has the program that will restore it read a saved text, and changes nothing. line is the one that the error is
	// about; 0 where it is about none.
	Try(ctx context.Context, variant rules.Variant, text []byte) (line int, err error)
}

// Settings changes the kernel's settings.
type Settings interface {
	// Sysctl reads one; names are written as in rules.Sysctl.
	Sysctl(name string) (string, error)
	// WriteSysctl sets one and returns what it was.
	WriteSysctl(name, value string) (old string, err error)
}

// Flows changes what connection tracking knows.
type Flows interface {
	// Forget drops a flow; one that is gone already counts as done.
	Forget(ctx context.Context, f rules.Forget) error
}

// Kernel is what changes are made to. Flows may be nil where there is no
// connection tracking.
type Kernel struct {
	Tables   Tables
	Settings Settings
	Flows    Flows
	// Native is nil where native tables cannot be changed.
	Native Native
	// FrontEnds take orders; nil where none can be given.
	FrontEnds FrontEnds
}

// FrontEnds carry out orders to the programs that own the firewall of a host.
type FrontEnds interface {
	// Has asks whether what is ordered is there, whichever way the order goes.
	Has(ctx context.Context, o rules.Order) (bool, error)
	// Give has the program do it; it takes effect when Give returns.
	Give(ctx context.Context, o rules.Order) error
	// Direct are the rules and chains that such a program was handed as they are and has made now, as command lines of
	// iptables, each as a shell reads it.
	Direct(ctx context.Context) ([]string, error)
}
