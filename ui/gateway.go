package ui

import (
	"context"
	"time"

	"nattui/model"
	"nattui/rules"
)

// Gateway is everything the screens know of and ask from the host. Whoever
// starts the program plugs the kernel's adapters in; a part that this host does
// not have is left nil, and the screens say so.
type Gateway struct {
	// Tables delivers every new snapshot of the rule tables; it is closed when
	// nothing more will come.
	Tables <-chan Tables
	// Facts delivers what is known of the host, again when it changes.
	Facts <-chan *model.Facts
	// Changes carries out plans.
	Changes Changes
	// Flows is the live flow table with its sources.
	Flows Flows
	// Trouble is said once, at the start: a family or backend that is missing.
	Trouble []string
	// ReadOnly hides everything that changes something.
	ReadOnly bool
}

// Tables is one consistent look at the rule sets of the host.
type Tables struct {
	Sets map[rules.Place]*rules.Ruleset
	// Absent tells why a place has no rule set.
	Absent map[rules.Place]string
	At     time.Time
	// Changed is set when rules are not what they were, not just counters; By is
	// the program that changed them, where the kernel tells.
	Changed bool
	By      string
	// Err is why the tables could not be read this time; Sets is then the last good one.
	Err error
}

// Changes carries out plans on the kernel.
type Changes interface {
	// Apply checks and runs the plan and returns it as it was run, completed with
	// what its inverse needs. It blocks until the kernel has answered, at most
	// some seconds. The error is a *rules.Conflict where the tables have changed.
	Apply(ctx context.Context, p rules.Plan) (rules.Plan, error)
}

// Flows is the live flow table and the questions that can be asked about it.
// All methods but Forget, Details and SetSwitch return at once.
type Flows interface {
	// Table is the table that is kept up to date.
	Table() *model.Flows
	// Log keeps the latest events.
	Log() *model.EventLog
	// Changed receives a value after the table has changed; changes that nobody
	// has fetched are one value.
	Changed() <-chan struct{}
	// Feed tells how well the table is known.
	Feed() model.Feed
	// Explain tells which rules made a flow.
	Explain(f *model.Flow) model.Explanation
	// RuleFlows are how many live flows each rule explains, as of a moment ago, and
	// how many flows today's rules would translate otherwise; nil while unknown.
	RuleFlows() (byRule map[rules.RuleRef]int, stale int)
	// RuleName and FindRule are the names that groups and filters use for rules.
	RuleName(number uint32) string
	FindRule(ref string) (match func(number uint32) bool, err error)
	// Health is the state of the kernel's own table.
	Health() model.Health
	// Refresh asks for the counters and timeouts of flows that are on the screen.
	Refresh(flows []model.Flow)
	// KeepFresh says whether counters of all flows are wanted, for sorting by rate.
	KeepFresh(on bool)
	// Forget drops flows from the kernel's table. Flows already gone count as done.
	Forget(ctx context.Context, flows []model.Flow) (done int, err error)
	// Details asks for everything the kernel knows of one flow.
	Details(ctx context.Context, f model.Flow) (model.Details, error)
}
