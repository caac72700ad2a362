package iptables

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// ErrPermission is wrapped by every error that means: this process lacks
// CAP_NET_ADMIN (or, for legacy tables, CAP_NET_RAW).
var ErrPermission = nfnetlink.ErrPermission

// NotInstalled is the error of Open on a host without any iptables.
type NotInstalled struct {
	// Install is the command that would install it on this host; "" where the
	// package manager is none that nattui knows.
	Install string
	// Absent says for each variant what is missing.
	Absent []Absence
}

// Error says what is missing and how to get it.
func (e *NotInstalled) Error() string {
	for _, a := range e.Absent {
		if a.Reason != Missing {
			return "no iptables can be used here: " + a.String()
		}
	}
	text := "iptables is not installed"
	if e.Install != "" {
		return text + "; install it with: " + e.Install
	}
	return text + "; install the package iptables"
}

// Rejected is the error of a change that iptables or the kernel refused. Nothing
// was changed.
type Rejected struct {
	Variant rules.Variant
	Program string // the restore program that was run
	// Words is what it said, verbatim, without trailing newlines.
	Words string
	// Ended is the error with which it ended, a signal for one; nil where it only said no.
	Ended error
	// Line is the line of the restore input that it named, as it was written;
	// "" where it named none, or only the end of the table.
	Line string
	// Change is the change that the line belongs to; nil where unknown.
	Change *rules.Change
}

// Error is the refusal in its own words, with the command it is about.
func (e *Rejected) Error() string {
	words := strings.Join(strings.Fields(e.Words), " ")
	exit := (*exec.ExitError)(nil)
	if errors.As(e.Ended, &exit) && !exit.Exited() {
		text := fmt.Sprintf("%s was killed (%v) before it changed anything", e.Program, exit)
		if words != "" {
			text += ", having said: " + words
		}
		return text + "; nothing was changed"
	}
	if words == "" && e.Ended != nil {
		words = "no reason given (" + e.Ended.Error() + ")"
	}
	if e.Change != nil {
		commands := e.Change.Commands()
		return fmt.Sprintf("refused: %s (%s); nothing was changed", words, rules.ShellLine(commands[len(commands)-1]))
	}
	return fmt.Sprintf("refused by %s: %s; nothing was changed", e.Program, words)
}

// Refused reports whether the program or the kernel said no. One that was killed, or did nothing without a word, did not.
func (e *Rejected) Refused() bool {
	exit := (*exec.ExitError)(nil)
	killed := errors.As(e.Ended, &exit) && !exit.Exited()
	return e.Words != "" && !killed && !errors.Is(e.Ended, errIdle)
}

// Culprit is the change that was refused, where it is known among others.
func (e *Rejected) Culprit() (rules.Change, bool) {
	if e.Change == nil {
		return rules.Change{}, false
	}
	return *e.Change, true
}

// TakenBack is the error of a change to several tables of which some were made when
// the restore program failed at a later one, and were rolled back. Nothing of it is left.
type TakenBack struct {
	Tables []string // that were changed and rolled back
	Err    error    // why the rest failed
}

// Error says what was made and rolled back.
func (e *TakenBack) Error() string {
	text := strings.TrimSuffix(e.Err.Error(), "; nothing was changed")
	if len(e.Tables) == 1 {
		return fmt.Sprintf("%s; table %s had been changed by then and was rolled back", text, e.Tables[0])
	}
	return fmt.Sprintf("%s; the tables %s had been changed by then and were rolled back", text, strings.Join(e.Tables, ", "))
}

// Unwrap is why.
func (e *TakenBack) Unwrap() error { return e.Err }

// Locked is the error of a change that found the xtables lock held for longer
// than LockWait. Nothing was changed.
type Locked struct {
	Path string
	// Holders are the processes that hold the lock, as far as /proc/locks tells.
	Holders []nfnetlink.Process
}

// Error names who could hold the lock.
func (e *Locked) Error() string {
	who := "another program"
	if len(e.Holders) > 0 {
		var names []string
		for _, p := range e.Holders {
			names = append(names, p.String())
		}
		who = strings.Join(names, ", ")
	}
	return fmt.Sprintf("the lock %s is held by %s, still after %v; nothing was changed", e.Path, who, LockWait)
}

// Mismatch is the error of a change after which the tables are not what was
// intended: either another program changed them in the same moment, or iptables
// made something else of a rule. The changes are made.
type Mismatch struct {
	Variant rules.Variant
	// Want is what was intended, Got what stands there now.
	Want, Got *rules.Ruleset
	// Others are the processes that changed the tables meanwhile, if known.
	Others []nfnetlink.Process
	// unseen says that others may have changed them without its being known who.
	unseen bool
}

// Error says where the two first differ.
func (e *Mismatch) Error() string {
	text := fmt.Sprintf("the change was made, but %s is not as intended: %s", e.Variant, difference(e.Want, e.Got))
	if len(e.Others) > 0 {
		text += fmt.Sprintf("; %s changed the tables at the same time", e.Others[0])
	} else if e.unseen {
		text += "; other programs changed the tables at the same time"
	}
	return text
}

// CountersLost is the error of a change that was made as intended, and after which rules do not go on counting from where
// they were.
type CountersLost struct{ Err error }

// Error says so, and why.
func (e *CountersLost) Error() string {
	return "the change was made, but counters were lost: " + e.Err.Error()
}

// Unwrap is why.
func (e *CountersLost) Unwrap() error { return e.Err }

// NotKnown is the error of a change of which nobody can say whether the kernel has
// it: the restore program ended without a word, and what it did could not be looked
// up. It was not tried again.
type NotKnown struct {
	Variant rules.Variant
	Program string // the restore program that was run
	Words   string // what it said
	Ended   error  // how it ended; nil: as if all were well
	Err     error  // why what it did could not be looked up; nil: the tables do not tell
}

// Error says what happened and what is not known.
func (e *NotKnown) Error() string {
	text := "it is not known whether the change was made in " + e.Variant.String() + ": " + e.Program + " ended"
	if e.Ended != nil {
		text += " with " + e.Ended.Error()
	}
	if words := strings.Join(strings.Fields(e.Words), " "); words != "" {
		text += " (" + words + ")"
	}
	if e.Err != nil {
		return text + ", and the tables could not be read: " + e.Err.Error()
	}
	return text + ", and others changed the same rules at the same time"
}

// Unwrap is why it could not be looked up.
func (e *NotKnown) Unwrap() error { return e.Err }

// Unmakeable is the error of a change that would have to make a rule which no
// restore input can express: iptables printed it in a way that it cannot read.
type Unmakeable struct {
	Change rules.Change
	Rule   rules.Rule
	Why    error
}

// Error says which rule and why.
func (e *Unmakeable) Error() string {
	return fmt.Sprintf("iptables-restore cannot read the rule %q (%v), so it can be deleted but not made, moved or restored; nothing was changed", e.Rule.String(), e.Why)
}

// Unwrap is why.
func (e *Unmakeable) Unwrap() error { return e.Why }

// Culprit is the change that would have to make it.
func (e *Unmakeable) Culprit() (rules.Change, bool) { return e.Change, true }

// Partial is the error of a change to several tables of which some were made and
// could not be undone after a later one failed.
type Partial struct {
	Made []rules.Change // what stands, in the order it was made
	Err  error          // why the rest failed
	Undo error          // why it could not be undone
}

// Error says what stands.
func (e *Partial) Error() string {
	return fmt.Sprintf("%d of the changes were made before the next failed (%v) and could not be undone: %v", len(e.Made), e.Err, e.Undo)
}

// Unwrap gives both reasons.
func (e *Partial) Unwrap() []error { return []error{e.Err, e.Undo} }

// difference tells the first place in which two sets differ, counters aside.
func difference(want, got *rules.Ruleset) string {
	for _, t := range want.Tables {
		for _, c := range t.Chains {
			other, ok := got.Chain(t.Name, c.Name)
			if !ok {
				if len(c.Rules) > 0 || !c.BuiltIn() || c.Policy != "ACCEPT" {
					return fmt.Sprintf("%s %s is missing", t.Name, c.Name)
				}
				continue
			}
			if c.Policy != other.Policy {
				return fmt.Sprintf("%s %s has the policy %s, not %s", t.Name, c.Name, other.Policy, c.Policy)
			}
			for i := range max(len(c.Rules), len(other.Rules)) {
				w, g := lineAt(c.Rules, i), lineAt(other.Rules, i)
				if w != g {
					return fmt.Sprintf("rule %d of %s %s is %q, not %q", i+1, t.Name, c.Name, g, w)
				}
			}
		}
	}
	for _, t := range got.Tables {
		for _, c := range t.Chains {
			if _, ok := want.Chain(t.Name, c.Name); !ok && (!c.BuiltIn() || len(c.Rules) > 0) {
				return fmt.Sprintf("%s %s is there", t.Name, c.Name)
			}
		}
	}
	return "nothing differs any more"
}

func lineAt(list []rules.Rule, i int) string {
	if i >= len(list) {
		return ""
	}
	return list[i].String()
}

// sameRules reports whether two sets hold the same chains, policies and rules.
// A built-in chain that is missing equals one that is empty and accepts: the nft
// backend makes chains when they are first used.
func sameRules(a, b *rules.Ruleset) bool {
	return holds(a, b) && holds(b, a)
}

func holds(a, b *rules.Ruleset) bool {
	for _, t := range b.Tables {
		others, _ := a.Table(t.Name)
		for i, c := range t.Chains {
			var other *rules.Chain
			ok := others != nil
			if ok && i < len(others.Chains) && others.Chains[i].Name == c.Name {
				other = &others.Chains[i] // mostly they stand in the same order
			} else if ok {
				other, ok = others.Chain(c.Name)
			}
			if !ok {
				if !c.BuiltIn() || c.Policy != "ACCEPT" || len(c.Rules) > 0 {
					return false
				}
				continue
			}
			if other.Policy != c.Policy || !slices.EqualFunc(other.Rules, c.Rules, rules.Rule.Same) {
				return false
			}
		}
	}
	return true
}
