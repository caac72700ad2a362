package commit

import (
	"net/netip"
	"time"

	"nattui/rules"
	"nattui/rules/nft"
)

// State is how far a change has come.
type State string

// The states of an entry. Pending becomes Applied, or Failed where nothing was
// changed, or RolledBack. Applied is the end for a change without a deadline.
const (
	Pending    State = "pending"     // written down; perhaps being made
	Applied    State = "applied"     // stands
	Confirmed  State = "confirmed"   // stands, and somebody said that it may
	RolledBack State = "rolled-back" // was made and rolled back
	Failed     State = "failed"      // was refused; nothing of it stands
	// Unknown is a change that was open when the journal was damaged, or is older than
	// what is known to have been written. Nothing is done about it until somebody says
	// by its id that it is to be confirmed or rolled back.
	Unknown State = "unknown"
)

// Kind is what an entry is the record of.
type Kind string

// The kinds of entries.
const (
	KindPlan Kind = ""     // a plan was run
	KindUndo Kind = "undo" // the entry that Undoes names was rolled back
	KindPark Kind = "park" // a rule was put away; undoing this brings it back
	KindSave Kind = "save" // the rules were saved for reboot
	// KindRestore is a plan that adds what is saved and missing, made by hand.
	KindRestore Kind = "restore"
	// KindOutside was changed by another program, and only seen.
	KindOutside Kind = "outside"
)

// Entry is one change of the gateway as the journal tells it.
type Entry struct {
	ID    string // a number, counted up
	Kind  Kind
	At    time.Time // when it was begun
	By    string    // who: a user, and through whom: "root (sudo: alice)"
	From  string    // the address of the SSH client; "" for a local terminal
	State State
	// Deadline is when it is rolled back unless confirmed; zero: never.
	Deadline time.Time
	// Expires is when a temporary change ends; zero: never.
	Expires time.Time
	Plan    rules.Plan // resolved, and once made, as the kernel prints it
	// Result says what became of it, where there is something to say: the words of
	// the refusal, why it was rolled back, what of it could not be.
	Result string
	// Gone says, of a change that has just been confirmed, what of it is not in the kernel any more as others have changed
	// that since, or why this is not known; "" for nothing. Result holds it too.
	Gone string
	// Undoes is the entry that this one rolls back.
	Undoes string
	// UndoneBy is the later entry that rolled this one back, as History tells it; "" while it stands, also because that one
	// was undone in its turn.
	UndoneBy string
	// Files are what was written for boot.
	Files []File

	marks    []mark
	begun    moment
	deadline moment // the same as Deadline, on a clock that does not jump
	expires  moment
	terminal terminal
	made     moment
	// operators are the addresses from which its maker may have come.
	operators []netip.Addr
	// others are ways in that a login of theirs proves nothing of.
	others []string
	// touched is which of the records that could be read last told of the entry, counted from 1; told is that record's number.
	touched int
	told    uint64
	// leaving is why the change is being rolled back, from before that is begun: it
	// may be half gone, and cannot be confirmed any more.
	leaving string
	// natives is what is known of whether its native changes were made.
	natives outcome
	// doubt is why it is not known what became of it, found when the journal was read.
	doubt string
	// waited tells that it was to be confirmed before that.
	waited bool
}

// begin is the entry of a change that is about to be made.
func (c *Committer) begin(j *journal, d drawing, o Options) *Entry {
	e := &Entry{ID: j.next(), Kind: o.Kind, At: c.clock.Now(), By: o.By, From: o.From, State: Pending, Undoes: o.Undoes, begun: in(c.clock, 0), operators: o.Operators, others: o.Others}
	if o.Leash && o.Confirm > 0 {
		e.terminal = ownTerminal()
	}
	c.setTimes(e, o)
	e.Plan, e.marks = d.plan, d.marks
	return e
}

// Unconfirmed reports whether the change could still be rolled back by itself:
// it is being made, or waits to be confirmed.
func (e *Entry) Unconfirmed() bool {
	return e.State == Pending || e.State == Applied && !e.deadline.zero()
}

// Outlook is the state as people and programs are told: a change that waits to be confirmed is pending, although it is made.
func (e *Entry) Outlook() State {
	if e.Unconfirmed() {
		return Pending
	}
	return e.State
}

// Stands reports whether the change is in force as far as this journal knows:
// made, and neither rolled back nor refused. Undoing is an entry of its own.
func (e *Entry) Stands() bool { return e.State == Applied || e.State == Confirmed }

// Leashed reports whether the change is also rolled back when the terminal goes
// away that it was made from.
func (e *Entry) Leashed() bool { return e.Unconfirmed() && e.terminal != (terminal{}) }

// Made is when the change came to stand, as the time since the host was started
// (CLOCK_BOOTTIME); 0 where that is not known or was before this start.
func (e *Entry) Made(c Clock) time.Duration {
	if e.made.Boot != c.Boot() {
		return 0
	}
	return e.made.At
}

// FromHere reports whether the change was made from the terminal of this process.
func (e *Entry) FromHere() bool {
	return e.terminal != (terminal{}) && e.terminal == ownTerminal()
}

// Return is the change that brings back, in the sets as they are now, the rule
// that a park entry has put away: where it comes to stand. It is false where it
// would not.
func (e *Entry) Return(now map[rules.Variant]*rules.Ruleset) (rules.Change, bool) {
	back, _ := wayBack(e.Plan, e.marks, now)
	if e.Kind != KindPark || len(back) != 1 {
		return rules.Change{}, false
	}
	return back[0], true
}

// ReturnNative is Return for a native rule, in the native tables as they are now; nil tables return nothing.
func (e *Entry) ReturnNative(now *nft.Ruleset) (rules.NativeChange, bool) {
	changes := e.Plan.Natives()
	if e.Kind != KindPark || len(changes) != 1 || now == nil {
		return rules.NativeChange{}, false
	}
	back := nft.UndoWay(changes, now)
	if len(back.Changes) != 1 || len(back.Notes) > 0 {
		return rules.NativeChange{}, false
	}
	return back.Changes[0], true
}

// Temporary reports whether the change still has to end by itself.
func (e *Entry) Temporary() bool { return e.temporary() }

// temporary reports whether the change still has to end by itself.
func (e *Entry) temporary() bool { return e.Stands() && !e.expires.zero() }

// open reports whether somebody still has to do something about the entry.
func (e *Entry) open() bool { return e.Unconfirmed() || e.temporary() }

// Commands are the command lines of the entry, each as a shell reads it.
func (e *Entry) Commands() []string {
	var lines []string
	for _, argv := range e.Plan.Commands() {
		lines = append(lines, rules.ShellLine(argv))
	}
	return lines
}

// Summary is the entry in one line.
func (e *Entry) Summary() string { return e.Plan.Title }

// outcome is what is known of whether changes were made.
type outcome uint8

const (
	perhapsMade outcome = iota // the process that made them was killed, perhaps before
	madeForSure
	unmade
)

// File is a file that was written for boot, and what it was before.
type File struct {
	Path     string
	Old, New []byte
	Existed  bool // before
	Mode     uint32
	Link     bool // New is the target of a symbolic link
	Remove   bool // it is removed instead
}
