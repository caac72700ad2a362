package iptables

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// moved tells whether anybody else has changed tables of the nft backend since the
// snapshot, or may have.
func (t *transaction) moved() bool {
	if t.commits == nil {
		return false
	}
	t.commits.catchUp()
	now, err := t.generation()
	if err != nil {
		return false
	}
	if t.commits.lost || now != t.before.Generation+uint32(len(t.commits.seen)) {
		return true
	}
	return slices.ContainsFunc(t.commits.seen, func(k commit) bool { return !t.ours(k) })
}

// make runs the transaction, finds out what became of it and verifies it. made is
// nil where not all of it was made; words are what iptables said then. t.outcomes
// tell whether a part was.
func (t *transaction) make(ctx context.Context) (made []rules.Change, words string, err error) {
	words, err = t.run(ctx)
	t.ended = err
	switch {
	case errors.Is(err, errMoved) || err != nil && !t.started:
		return nil, words, err
	case t.started:
		committed, err := t.lookUp(context.WithoutCancel(ctx), words, err)
		if err == nil && !committed {
			err = errIdle
		}
		if err != nil {
			return nil, words, err
		}
	}
	made, err = t.verify(context.WithoutCancel(ctx))
	return made, "", err
}

// transaction is one run of iptables-restore that changes tables.
type transaction struct {
	host         *Host
	programs     *programs
	lock         *xtablesLock
	script       *script
	before, want *rules.Ruleset
	gated        bool
	commits      *commits // on nft
	started      bool
	ended        error // how the program ended
	pid          int
	span         *span
	// found is how the tables were found afterwards under the xtables lock: nobody who heeds it has changed them.
	found *rules.Ruleset
	// outcomes is what became of each table, once that was looked up.
	outcomes map[string]outcome
}

// run feeds the script to iptables-restore. Words are what it said on failure.
func (t *transaction) run(ctx context.Context) (words string, err error) {
	if err := ctx.Err(); err != nil || t.script.tables() == 0 {
		return "", err
	}
	// A transaction that has begun is finished; the limit is far beyond what the
	// largest table takes and what the lock may.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if t.programs.variant.Backend == rules.NFT {
		if t.commits, err = listenToCommits(t.programs.variant.Family); err != nil {
			return "", err
		}
	}
	head, rest := t.script.split()
	input, feed := io.Pipe()
	moved := make(chan error, 1)
	go func() {
		_, err := feed.Write(head)
		if err == nil {
			err = t.stillThere()
		}
		moved <- err
		if err == nil {
			_, err = feed.Write(rest)
		}
		// Without its COMMIT, iptables-restore changes nothing.
		feed.CloseWithError(err)
	}()
	t.started = true
	words, err = t.programs.runRestore(ctx, t.lock, input, t.begin)
	input.Close() // lets the writer go, if iptables-restore ended early
	after, _ := t.generation()
	t.host.own.end(t.span, after)
	if gate := <-moved; errors.Is(gate, errMoved) {
		return "", gate
	}
	return words, err
}

func (t *transaction) begin(pid int) {
	t.pid = pid
	t.span = t.host.own.begin(pid, commOf(t.programs.restore), t.before.Generation)
}

func (t *transaction) generation() (uint32, error) {
	if t.programs.variant.Backend == rules.Legacy {
		return 0, nil
	}
	return nfnetlink.Generation()
}

// stillThere checks, on nft, that the tables are those that the change was
// checked against.
func (t *transaction) stillThere() error {
	if t.programs.variant.Backend == rules.Legacy || !t.gated {
		return nil
	}
	now, err := nfnetlink.Generation()
	if err == nil && now != t.before.Generation {
		return errMoved
	}
	return err
}

// runRestore runs iptables-restore --noflush -c on the input. began is called
// with its process id.
func (p *programs) runRestore(ctx context.Context, lock *xtablesLock, input io.Reader, began func(pid int), extra ...string) (said string, err error) {
	args := append([]string{"--noflush", "-c", "-w", fmt.Sprint(int(LockWait.Seconds()))}, extra...)
	cmd := command(ctx, p.restore, args...)
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock.spare}
		cmd.Env = append(cmd.Env, lockVariable+"=/proc/self/fd/3")
	}
	// What ends the terminal's foreground does not end a transaction.
	cmd.SysProcAttr.Setpgid = true
	// Nor does the limit leave a part of it behind that could go on.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = orphanWait
	var out words
	cmd.Stdin, cmd.Stderr = input, &out
	if err := cmd.Start(); err != nil {
		if began != nil {
			began(0)
		}
		return "", err
	}
	if began != nil {
		began(cmd.Process.Pid)
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success() {
		err = nil // only the feeding was cut short, and the program did not mind
	}
	return out.String(), err
}

// orphanWait is how long is waited, once a program was killed for its slowness, for
// the programs that it started.
const orphanWait = 5 * time.Second

// refusal makes the error of a restore that failed.
func (p *programs) refusal(ctx context.Context, s *script, words string, err error) error {
	exit := (*exec.ExitError)(nil)
	switch {
	case errors.Is(err, errIdle):
		return &Rejected{Variant: p.variant, Program: p.restore, Words: strings.TrimSpace(words + "\n" + err.Error()), Ended: err}
	case !errors.As(err, &exit):
		return p.failure(ctx, "changing the tables of "+p.variant.String(), p.restore, words, err)
	case strings.Contains(words, "xtables lock"):
		locked := &Locked{Path: lockPath()}
		if file, err := os.Open(locked.Path); err == nil {
			locked.Holders = holders(file)
			file.Close()
		}
		return locked
	case isPermission(words):
		return nfnetlink.Permission("changing the tables of " + p.variant.String())
	}
	rejected := s.rejected(p, words)
	rejected.Ended = err
	return rejected
}

// takeBack undoes the tables of a script that were committed before a later one
// was refused, and returns the changes that it undid; its error is *Partial.
func (t *transaction) takeBack(cause error) ([]rules.Change, error) {
	if t.script.tables() < 2 {
		return nil, nil
	}
	lost := t.keepCounters()
	now, err := t.host.Read(context.Background(), t.programs.variant)
	if err = errors.Join(lost, err); err != nil {
		return nil, &Partial{nil, cause, err}
	}
	var committed []rules.Change
	for _, c := range t.script.changes {
		if t.outcomes[c.Table] == committedOutcome {
			committed = append(committed, c)
		}
	}
	if len(committed) == 0 {
		return nil, nil
	}
	if err := t.undo(now, committed); err != nil {
		return nil, &Partial{committed, cause, err}
	}
	return committed, nil
}

// undo makes the inverses of changes that were committed.
func (t *transaction) undo(now *rules.Ruleset, committed []rules.Change) error {
	undo, err := resolve(now, inverses(committed))
	if err != nil {
		return err
	}
	s, want, err := compose(now, undo, nil)
	if err != nil {
		return err
	}
	back := transaction{host: t.host, programs: t.programs, lock: t.lock, script: s, before: now, want: want}
	defer func() { back.commits.close() }()
	made, words, err := back.make(context.Background())
	if made == nil && err != nil && !errors.As(err, new(*NotKnown)) {
		return t.programs.refusal(context.Background(), s, words, err)
	}
	if errors.As(err, new(*CountersLost)) {
		return nil // it is undone
	}
	return err
}

// sameTable compares one table of two sets.
func sameTable(a, b *rules.Ruleset, name string) bool {
	only := func(s *rules.Ruleset) *rules.Ruleset {
		if t, ok := s.Table(name); ok {
			return &rules.Ruleset{Tables: []rules.Table{*t}}
		}
		return &rules.Ruleset{}
	}
	return sameRules(only(a), only(b))
}

// verify reads the tables back, compares them with what was wanted, and returns
// the changes with the rules as printed.
func (t *transaction) verify(ctx context.Context) ([]rules.Change, error) {
	got, err := t.readBack(ctx)
	if err != nil {
		return t.script.changes, fmt.Errorf("the change was made, but could not be verified: %w", err)
	}
	if got.Backend == rules.Legacy {
		t.host.recent.Lock()
		if last := t.host.latest[t.programs.variant]; last.set == got {
			t.host.own.left(got.Family, last.print)
		}
		t.host.recent.Unlock()
	}
	printed := printedAs(t.want, got, t.script.changes)
	made := make([]rules.Change, len(t.script.changes))
	for i, c := range t.script.changes {
		made[i] = reprint(c, printed)
	}
	want, err := reworded(t.before, made)
	if err != nil {
		want = t.want
	}
	lost := t.keepCounters()
	t.number(made)
	if lost != nil {
		return made, &CountersLost{lost}
	}
	if zeroed := t.countersLost(got, made); len(zeroed) > 0 {
		lost = fmt.Errorf("%s did not come to set them again in table %s", t.programs.restore, strings.Join(zeroed, ", "))
		return made, &CountersLost{lost}
	}
	tables := touched(made)
	same := !slices.ContainsFunc(tables, func(name string) bool { return !sameTable(want, got, name) })
	if same {
		return made, nil
	}
	mismatch := &Mismatch{Variant: t.programs.variant, Want: want, Got: got, unseen: t.commits == nil && t.lock == nil}
	if t.commits != nil {
		t.commits.catchUp()
		var after bool
		mismatch.Others, after = t.commits.around(t.ours, tables)
		mismatch.unseen = t.commits.lost || !t.commits.follow(t.before.Generation)
		if after && len(mismatch.Others) == 0 && !mismatch.unseen {
			return made, nil // ours was made as intended, and changed by others since
		}
	}
	return made, mismatch
}

// keepCounters makes up for counters that the nft programs forgot.
func (t *transaction) keepCounters() error {
	if t.commits == nil {
		return nil
	}
	t.commits.catchUp()
	span := t.host.own.begin(os.Getpid(), commandName(os.Getpid()), t.before.Generation)
	err := t.commits.keepCounters(t.ours, t.script)
	after, _ := t.generation()
	t.host.own.end(span, after)
	return err
}

// number gives the rules that the changes made their handles, as far as the kernel
// announced them.
func (t *transaction) number(made []rules.Change) {
	if t.commits == nil {
		return
	}
	for _, k := range t.commits.seen {
		if !t.ours(k) || len(k.tables) != 1 {
			continue
		}
		lines, _ := t.script.rulesOf(k.tables[0])
		if len(lines) != len(k.made) {
			continue
		}
		for i, l := range lines {
			c := &made[l.change]
			if v := k.made[i].Get(unix.NFTA_RULE_HANDLE); v != nil && l.makes.Same(t.script.changes[l.change].Rule.InChain(c.Chain)) {
				c.Rule.Handle = v.Number()
			}
		}
	}
}

// ours recognises the commits of the program that this transaction ran.
func (t *transaction) ours(k commit) bool {
	if nfnetlink.SeesKernelPIDs() && (k.by.PID == t.pid || !t.programs.wrapped) {
		return k.by.PID == t.pid
	}
	// The kernel's process ids mean nothing here, or it was another process that our
	// program started. Another program of the same name is told apart by the tables
	// it changed and the rules it made and deleted.
	if k.by.Name != commOf(t.programs.restore) {
		return false
	}
	for _, name := range k.tables {
		made, gone := t.script.rulesOf(name)
		if len(made) != len(k.made) || gone != k.gone || !slices.Contains(t.script.tableNames(), name) {
			return false
		}
	}
	return len(k.tables) > 0
}
