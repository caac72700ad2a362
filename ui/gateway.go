package ui

import (
	"context"
	"net/netip"
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
	// Journal is the record of changes; nil where none is kept.
	Journal Journal
	// Flows is the live flow table with its sources.
	Flows Flows
	// Surroundings reads what else bears on NAT, for the doctor; it may take some
	// milliseconds. nil: nothing is known of it.
	Surroundings func(ctx context.Context) (model.Surroundings, error)
	// Name looks up the name of an address, "" if it has none; nil where names are not
	// to be had. It may block until its context ends.
	Name func(ctx context.Context, a netip.Addr) string
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
	// With a confirm time the change is taken back after it, unless Journal.Confirm
	// is called; deadline is then when, else zero.
	Apply(ctx context.Context, p rules.Plan, confirm time.Duration) (done rules.Plan, deadline time.Time, err error)
}

// Journal is the record of changes on this host. Its methods may block for some
// seconds, but for Waiting.
type Journal interface {
	// Entries lists all changes, the latest first.
	Entries() ([]Entry, error)
	// Waiting is the change that waits to be confirmed; nil if none does.
	Waiting() (*Entry, error)
	Confirm(ctx context.Context, id string) error
	Rollback(ctx context.Context, id string) error
	// Undo takes a settled change back by a change of its own.
	Undo(ctx context.Context, id string) error
	// Drift compares what runs with what is kept for boot; Save keeps what runs.
	Drift(ctx context.Context) (Drift, error)
	Save(ctx context.Context) error
}

// Entry is one change as the journal tells it.
type Entry struct {
	ID       string
	At       time.Time
	By, From string
	State    string // pending, applied, confirmed, rolled-back or failed
	Deadline time.Time
	Summary  string
	Commands []string
	Result   string // what became of it, where there is something to say
	Stands   bool
}

// Drift is what differs between the rules that run and those kept for boot.
type Drift struct {
	Rules int      // how many differ
	Lines []string // in words
}

// None reports that what runs is what is kept.
func (d Drift) None() bool { return d.Rules == 0 }

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
