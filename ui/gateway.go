package ui

import (
	"context"
	"io"
	"net/netip"
	"time"

	"nattui/model/doctor"
	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/model/traced"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// Gateway is everything the screens know of and ask from the host. Whoever
// starts the program plugs the kernel's adapters in; a part that this host does
// not have is left nil, and the screens say so.
type Gateway struct {
	// Tables delivers every new snapshot of the rule tables; it is closed when
	// nothing more will come.
	Tables <-chan Tables
	// Facts delivers what is known of the host, again when it changes.
	Facts <-chan *facts.Facts
	// LookAgain has Facts read now, listeners and neighbours included. It does not block; nil where there is
	// nothing to look at.
	LookAgain func()
	// Changes carries out plans.
	Changes Changes
	// Journal is the record of changes; nil where none is kept.
	Journal Journal
	// Flows is the live flow table with its sources.
	Flows Flows
	// Surroundings reads what else bears on NAT, for the doctor; it may take some
	// milliseconds. nil: nothing is known of it.
	Surroundings func(ctx context.Context) doctor.Surroundings
	// Probe asks a server for a TCP connection and closes it at once; it blocks some
	// seconds at most. nil where that cannot be done.
	Probe func(ctx context.Context, server netip.AddrPort) doctor.Probe
	// Name looks up the name of an address, "" if it has none; nil where names are not
	// to be had. It may block until its context ends.
	Name func(ctx context.Context, a netip.Addr) string
	// Export writes a file of that name and tells its path; nil where no files are written. It blocks until write is done.
	Export func(name string, write func(io.Writer) error) (path string, err error)
	// ExportsTo is the directory that Export writes to, "" where that is not known.
	ExportsTo string
	// UserID and GroupID look up the numbers of users and groups that a pasted rule
	// names; nil where names are not to be had.
	UserID, GroupID func(name string) (uint32, bool)
	// Trace sets a trace of single packets off; nil where there is none, and NoTrace then
	// says why. It blocks some milliseconds.
	Trace   func(ctx context.Context, f traced.TraceFilter) (Tracing, error)
	NoTrace string
	// Lab is the test network that this gateway belongs to; nil on a real one.
	Lab Lab
	// NativeAfter is the native tables as a plan would leave them, nil where it does not change them. It tries the plan on a
	// copy of the tables, which takes a fraction of a second. nil where that cannot be done.
	NativeAfter func(ctx context.Context, p rules.Plan) (*evaluate.NativeProgram, error)
	// Ending are the changes in force that end by themselves; nil where there is no journal. It reads a file.
	Ending func() ([]rules.Plan, error)
	// Natively makes plans of native rules; nil where that cannot be done.
	Natively Natively
	// Trouble is said once, at the start: a family or backend that is missing.
	Trouble []string
	// Recorded names the file that the gateway is read from; "" for one that is there. Nothing of it is live then.
	Recorded string
	// RulesAlone is set where Facts never delivers anything, as the file has rules alone.
	RulesAlone bool
	// ReadOnly hides everything that changes something.
	ReadOnly bool
}

// Tables is one consistent look at the rule sets of the host.
type Tables struct {
	Sets map[rules.Variant]*rules.Ruleset
	// Native are the tables of nft; nil where they are not known, and NoNative then says why.
	Native   *nft.Ruleset
	NoNative string
	// Absent tells why a place has no rule set.
	Absent map[rules.Variant]string
	At     time.Time
	// Still is when counters that have moved since the tables before were last seen as they were there; zero where that is
	// not known.
	Still time.Time
	// Changed is set when rules are not what they were, not just counters; By is
	// the program that changed them, where the kernel tells.
	Changed bool
	By      string
	// Err is why the tables could not be read this time; Sets is then the last good one.
	Err error
}

// Changes carries out plans on the kernel.
type Changes interface {
	// Apply checks and runs the plan. It blocks until the kernel has answered, at
	// most some seconds. The error is a *rules.Conflict where the tables have changed.
	Apply(ctx context.Context, p rules.Plan, t Terms) (Done, error)
}

// Terms say how a change is to be made.
type Terms struct {
	// Confirm is how long it waits to be confirmed before it is taken back; 0: it
	// stands at once.
	Confirm time.Duration
	// Provers are the addresses from each of which a new login is to prove that nobody is locked out; nil: not worked
	// out, and those from which the change was made.
	Provers []netip.Addr
	// Unproven are ways in that may be cut off and that no login proves anything of, in words.
	Unproven []string
	// For is how long it is to stand before it ends by itself; 0: for good.
	For time.Duration
	// Park says that the rule which the plan deletes is to be kept, with its place
	// and counters, and brought back by Journal.Undo.
	Park bool
}

// Done is a change that stands.
type Done struct {
	ID string // in the journal; "" where none is kept
	// Plan is the plan as it was run, completed with what its inverse needs.
	Plan     rules.Plan
	Deadline time.Time // when it is taken back unless confirmed; zero: never
}

// Journal is the record of all changes, and the way back. Its methods block while
// another process changes something, at most some seconds.
type Journal interface {
	// Entries lists all changes, the latest first.
	Entries() ([]JournalEntry, error)
	// Snapshots lists the points that one can go back to, the latest first; each has Snapshot set.
	Snapshots() ([]JournalEntry, error)
	// RestorePlan is what leads back to a snapshot from the gateway as it is now, without steps where it is as it was
	// then, and what is to be known about that. Changes.Apply makes the change. It blocks some seconds at most.
	RestorePlan(ctx context.Context, snapshot string) (p rules.Plan, notes []string, err error)
	// Waiting is the change that waits to be confirmed; nil if none does.
	Waiting() (*JournalEntry, error)
	// Confirm keeps a change. gone says what of it is not in the kernel any more, as others have changed that since; "" for
	// nothing.
	Confirm(ctx context.Context, id string) (gone string, err error)
	Rollback(ctx context.Context, id string) error
	// UndoPlan is what undoes a settled change on the gateway as it is now; the
	// error says why it fits no more. Undo does it, by a change of its own.
	UndoPlan(ctx context.Context, id string) (rules.Plan, error)
	Undo(ctx context.Context, id string, t Terms) (Done, error)
	// RuleNotes tells what is known about the rules of the sets, and of the native tables where these are known.
	RuleNotes(sets map[rules.Variant]*rules.Ruleset, native *nft.Ruleset) (RuleNotes, error)
	// Drift compares what runs with what is saved for reboot; Save keeps what runs.
	Drift(ctx context.Context) (Unsaved, error)
	Save(ctx context.Context, t SaveTerms) error
}

// SaveTerms is what was agreed to, besides saving what runs.
type SaveTerms struct {
	Fewer bool // also where fewer rules would be saved than are
	Watch bool // a unit puts them back whenever firewalld or ufw reloads
}

// JournalEntry is one change as the journal tells it, or a snapshot.
type JournalEntry struct {
	ID string // "": a snapshot
	// Snapshot is the name of a snapshot; "" for a change. Files are where it is; Result says why one cannot go back to
	// it, where that is so.
	Snapshot string
	Files    []string
	At       time.Time
	By, From string
	State    string // pending, applied, confirmed, rolled-back or failed
	Deadline time.Time
	Expires  time.Time // when a temporary change ends; zero: never
	Summary  string
	Commands []string
	Result   string // what became of it, where there is something to say
	Stands   bool   // it is in force, as far as the journal knows
	// Undoes is the change that this one undid, UndoneBy the one that undid this one; "" for none.
	Undoes, UndoneBy string
	// Outside is set for what another program changed, By then names it.
	Outside bool
	// Leashed is set for a change that is also rolled back when the terminal is closed that it was made from.
	Leashed bool
	// Proof is, for a change that waits, the first SSH connection that got through
	// after it was made; nil so far.
	Proof *FreshLogin
}

// FreshLogin is an SSH connection that got through after a change was made.
type FreshLogin struct {
	From  netip.Addr
	After time.Duration
}

// RuleNotes are what the journal knows about rules.
type RuleNotes struct {
	// Parked are the rules that were put away, in the order in which that was done.
	Parked []Parked
	// Made tells of the rules that were made with nattui and stand.
	Made map[RuleLine]RuleNote
}

// RuleLine names a rule by its line.
type RuleLine struct {
	Variant     rules.Variant
	Table, Line string
}

// RuleNote is who made a rule, and when, and when it ends by itself; zero: never.
type RuleNote struct {
	ID, By, From string
	At, Expires  time.Time
	// Times is how many equal rules of one chain it speaks of; 0 is one.
	Times int
	// Unsure is set where more equal rules stand there than were made: it is not known which.
	Unsure bool
}

// Parked is a rule that was put away.
type Parked struct {
	ID, By string
	At     time.Time
	// Return brings it back: an insertion at its place in the sets as they are now.
	Return rules.Change
	// Native brings back a native rule, and Return is nothing then.
	Native *rules.NativeChange
}

// Unsaved is what differs between the rules that run and those saved for reboot.
type Unsaved struct {
	Rules int // how many differ
	Lost  int // of these, how many run and are not saved
	// Chains counts those that would come, go, have another policy or their rules in another order.
	Chains int
	Lines  []string // in words
	By     string   // what restores at boot what is saved; "" where nothing is known to
	// Fewer says which files would hold fewer rules than they do if they were saved now.
	Fewer []string
	// Unwatched counts the rules that firewalld or ufw removes at each reload, and that nothing puts back then.
	Unwatched int
	// Idle says why what is saved is not restored when the host starts, as far as is known, a sentence each.
	Idle []string
	// Others are files that restore rules by themselves then, whichever those are, a sentence each.
	Others []string
	// Writes are what a save would write now: files, with what is in them where that is short.
	Writes []string
}

// words say what a reboot would do, or what keeps that from being known.
func (d Unsaved) words() string {
	if d.None() {
		return "saved, but " + d.Idle[0]
	}
	if len(d.Idle)+len(d.Others) > 0 {
		n, what := d.Rules, "rule"
		if n == 0 {
			n, what = d.Chains, "chain"
		}
		return rules.Plural(n, what) + map[bool]string{true: " is", false: " are"}[n == 1] + " not as saved, perhaps not restored at boot; press w to save"
	}
	if d.Rules == 0 {
		return rules.Plural(d.Chains, "chain") + " would change at reboot; press w to save the running rules"
	}
	if d.Lost == d.Rules {
		return rules.Plural(d.Lost, "rule") + " would be lost at reboot; press w to save " + map[bool]string{true: "it", false: "them"}[d.Lost == 1]
	}
	return rules.Plural(d.Rules, "rule") + " would change at reboot; press w to save the running rules"
}

// Safe reports that what runs is what is there after a reboot.
func (d Unsaved) Safe() bool { return d.None() && len(d.Idle) == 0 }

// None reports that what runs is what is kept.
func (d Unsaved) None() bool { return d.Rules+d.Chains == 0 }

// Flows is the live flow table and the questions that can be asked about it.
// All methods but Forget and Details return at once.
type Flows interface {
	// Table is the table that is kept up to date.
	Table() *flow.Flows
	// Log keeps the latest events.
	Log() *flow.EventLog
	// Changed receives a value after the table has changed; changes that nobody
	// has fetched are one value.
	Changed() <-chan struct{}
	// Feed tells how well the table is known.
	Feed() flow.Feed
	// Explain tells which rules made a flow.
	Explain(f *flow.Flow) explain.Explanation
	// RuleFlows are how many live flows each rule explains, as of a moment ago, and
	// how many flows today's rules would translate otherwise; nil while unknown.
	RuleFlows() (byRule map[evaluate.RuleRef]int, stale int)
	// RuleName and FindRule are the names that groups and filters use for rules.
	RuleName(number uint32) string
	FindRule(ref string) (match func(f *flow.Flow) (meant, known bool), err error)
	// Health is the state of the kernel's own table.
	Health() facts.Health
	// Refresh asks for the counters and timeouts of flows that are on the screen.
	Refresh(flows []flow.Flow)
	// KeepFresh says whether counters of all flows are wanted, for sorting by rate.
	KeepFresh(on bool)
	// GiveWay leaves the processor to the screens for so long at most; 0 ends that.
	GiveWay(most time.Duration)
	// Forget drops flows from the kernel's table, and tells how many were still there. Flows already gone are no error.
	Forget(ctx context.Context, flows []flow.Flow) (done int, err error)
	// Details asks for everything the kernel knows of one flow.
	Details(ctx context.Context, f flow.Flow) (flow.Details, error)
}

// Tracing is a trace of packets that runs.
type Tracing interface {
	// Packets delivers packets when their way has ended; it is closed when the trace ends.
	Packets() <-chan *traced.Traced
	// Err is why it ended, once Packets is closed; nil where it was asked to.
	Err() error
	// Missed is how many times reports were lost.
	Missed() int
	// Table is the table in the kernel that sets it off; Leftover says how to remove it
	// should this process be killed, "" where the kernel does.
	Table() string
	Leftover() string
	// Close ends it, and removes what set it off.
	Close() error
}
