package iptables

import (
	"context"
	"errors"
	"os/exec"
	"slices"

	"nattui/rules"
)

// outcome is what became of a table of a transaction, whatever the program that was
// to make it says: it may have been killed after its commit, fail although the
// kernel has everything, or report success and have done nothing.
//
// On nft the kernel announces each transaction with the process id of who made it,
// before that process goes on. What was not announced by our own process was not
// made, unless announcements were lost. On legacy, and then, the tables tell.
type outcome uint8

const (
	unknownOutcome outcome = iota
	absentOutcome          // the kernel has nothing of it
	committedOutcome
)

// errIdle is the cause of a change that a program left out without a complaint.
var errIdle = errors.New("it reported success, and the kernel has nothing of the change")

// lookUp finds out what became of the tables of the script after the program ended
// in the way that ended says, and reports whether all of them were committed. The
// error is ended where one was not, and *NotKnown where that cannot be said.
func (t *transaction) lookUp(ctx context.Context, words string, ended error) (made bool, err error) {
	names := t.script.tableNames()
	t.outcomes = map[string]outcome{}
	var now *rules.Ruleset
	switch {
	case t.pid == 0:
		for _, name := range names {
			t.outcomes[name] = absentOutcome
		}
	case errors.Is(ended, exec.ErrWaitDelay):
		// Something that it started lives on and may still commit.
	default:
		t.announced(names)
		if t.has(unknownOutcome) {
			if now, err = t.host.Read(ctx, t.programs.variant); err == nil {
				t.compare(names, now)
				if t.lock != nil {
					t.found = now
				}
			}
		}
	}
	switch {
	case t.has(unknownOutcome):
		return false, &NotKnown{Variant: t.programs.variant, Program: t.programs.restore, Words: words, Ended: ended, Err: err}
	case t.has(absentOutcome):
		return false, ended
	}
	return true, nil
}

// has tells whether any table of the script has come to the outcome.
func (t *transaction) has(o outcome) bool {
	return slices.ContainsFunc(t.script.tableNames(), func(name string) bool { return t.outcomes[name] == o })
}

// announced takes the outcomes from what the kernel announced.
func (t *transaction) announced(names []string) {
	if t.commits == nil {
		return
	}
	t.commits.catchUp()
	for _, name := range names {
		switch {
		case slices.ContainsFunc(t.commits.seen, func(k commit) bool { return t.ours(k) && slices.Contains(k.tables, name) }):
			t.outcomes[name] = committedOutcome
		case !t.commits.lost:
			t.outcomes[name] = absentOutcome
		}
	}
}

// compare takes the outcomes that are not known yet from the tables as they are.
// Tables that are as before have nothing of a change, also where the kernel might
// print what was to come like what was there.
func (t *transaction) compare(names []string, now *rules.Ruleset) {
	var want *rules.Ruleset
	for _, name := range names {
		if t.outcomes[name] != unknownOutcome {
			continue
		}
		if want == nil {
			want = t.wantAsPrinted(now)
		}
		switch {
		case sameTable(t.before, now, name) && !sameTable(t.before, t.want, name):
			t.outcomes[name] = absentOutcome
		case sameTable(want, now, name):
			t.outcomes[name] = committedOutcome
		default:
			t.outcomes[name] = lineOutcome(tableLines(t.before, name), tableLines(want, name), tableLines(now, name))
		}
	}
}

// wantAsPrinted is what was wanted, with the rules as the kernel prints them now.
func (t *transaction) wantAsPrinted(now *rules.Ruleset) *rules.Ruleset {
	printed := printedAs(t.want, now, t.script.changes)
	made := make([]rules.Change, len(t.script.changes))
	for i, c := range t.script.changes {
		made[i] = reprint(c, printed)
	}
	if want, err := reworded(t.before, made); err == nil {
		return want
	}
	return t.want
}

// lineOutcome tells, where others changed a table as well, whether each line that
// was to come or go did, or none of them.
func lineOutcome(before, want, now map[chainLine]int) outcome {
	var came, stayed bool
	lines := map[chainLine]bool{}
	for _, set := range []map[chainLine]int{before, want} {
		for line := range set {
			lines[line] = true
		}
	}
	for line := range lines {
		wanted, real := want[line]-before[line], now[line]-before[line]
		switch {
		case wanted == 0:
		case real == wanted:
			came = true
		case real == 0:
			stayed = true
		default:
			return unknownOutcome
		}
	}
	strangers := false // lines that may be how the kernel prints one of ours
	for line := range now {
		strangers = strangers || before[line] == 0 && want[line] == 0
	}
	switch {
	case came && !stayed:
		return committedOutcome
	case stayed && !came && !strangers:
		return absentOutcome
	}
	return unknownOutcome
}

// chainLine is a line of a chain: a rule, or ":POLICY".
type chainLine struct{ chain, text string }

// tableLines counts the lines of a table.
func tableLines(s *rules.Ruleset, name string) map[chainLine]int {
	lines := map[chainLine]int{}
	t, ok := s.Table(name)
	if !ok {
		return lines
	}
	for _, c := range t.Chains {
		if !c.BuiltIn() || c.Policy != "ACCEPT" {
			lines[chainLine{c.Name, ":" + c.Policy}]++
		}
		for _, r := range c.Rules {
			lines[chainLine{c.Name, r.String()}]++
		}
	}
	return lines
}
