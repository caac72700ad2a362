package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"nattui/rules"
)

// Apply makes the changes, all or none, and returns them as they were made: with
// their positions, the counters of what they deleted, and each new rule as the
// kernel prints it, so that their inverses fit.
//
// It reads the tables again and checks every change first: *rules.Conflict
// where a rule is not where the change expects it, *rules.ReadOnly where
// iptables would destroy native nft objects. Then it runs one iptables-restore
// --noflush for each variant, in the order in which the changes first name it, and
// inside a variant one transaction for each table, in the same order. Where a later
// one fails, the earlier ones are undone by the inverse changes; *Partial if
// that fails. Last it reads the tables once more and compares: *Mismatch.
//
// On legacy it holds the xtables lock from the check to the comparison, so that
// no program which heeds the lock can come between. On nft it hands iptables
// everything but the word to commit, makes sure that the generation is still
// the one it checked, and then gives the word. What comes between these two
// steps, within a millisecond, is told as *Mismatch if it matters; no other rule
// is hit, because rules go by what they are, not by where they stand, unless
// iptables cannot tell the rule from a similar one.
//
// How iptables-restore ends does not decide what became of a change: it is looked
// up, see outcome. What the kernel has is made, also where the program was killed
// or complained afterwards; what it has not is not made, also where the program
// reported success, and only that is tried again. *NotKnown where neither can be said.
//
// Other errors: *Rejected with the words of iptables or the kernel, *Locked,
// *Unmakeable, and such that wrap ErrPermission. ctx ends the waiting and the
// reading; a transaction that has begun is finished.
func (h *Host) Apply(ctx context.Context, changes []rules.Change) ([]rules.Change, error) {
	h.writing.Lock()
	defer h.writing.Unlock()
	variants, byVariant := group(changes)
	if err := h.fit(ctx, variants, byVariant); err != nil {
		return nil, err
	}
	made := make([]rules.Change, len(changes))
	var done []rules.Change
	var mismatch error
	for _, variant := range variants {
		one, err := h.applyVariant(ctx, variant, fixed(byVariant[variant].changes))
		if errors.As(err, new(*Mismatch)) || errors.As(err, new(*CountersLost)) {
			mismatch, err = errors.Join(mismatch, err), nil
		}
		if err != nil {
			return nil, h.undo(done, err)
		}
		for i, c := range one {
			made[byVariant[variant].index[i]] = c
		}
		done = append(done, one...)
	}
	return made, mismatch
}

// Follow makes, at one variant, the changes that plan works out from the tables as
// they are. It is Apply for what goes by its rules and their neighbours, and not
// by numbers: where another program changes the tables in the same moment, plan is
// asked again, so that this is no conflict. After a second or so of that it is
// made beside the other program, and what it put elsewhere than meant among the
// rules that stayed is moved to its place; *Mismatch where it could not be. Where plan returns no changes, nothing
// is done; its errors are returned as they are, the others are those of Apply.
func (h *Host) Follow(ctx context.Context, variant rules.Variant, plan func(now *rules.Ruleset) ([]rules.Change, error)) ([]rules.Change, error) {
	h.writing.Lock()
	defer h.writing.Unlock()
	return h.applyVariant(ctx, variant, func(now *rules.Ruleset) ([]rules.Change, error) {
		changes, err := plan(now)
		if err != nil || len(changes) == 0 {
			return nil, err
		}
		return resolve(now, changes)
	})
}

// proposal works out the changes of one variant from a snapshot of it, with their
// positions and counters.
type proposal func(now *rules.Ruleset) ([]rules.Change, error)

// fixed proposes the same changes over any snapshot that they fit.
func fixed(changes []rules.Change) proposal {
	return func(now *rules.Ruleset) ([]rules.Change, error) { return resolve(now, changes) }
}

// Check reports whether Apply could make the changes, as far as can be told
// without making them: that they fit the tables as they are, that every chain
// jumped to is there, and that iptables understands them (iptables-restore
// --test). The kernel's own word is had by making them only.
func (h *Host) Check(ctx context.Context, changes []rules.Change) error {
	variants, byVariant := group(changes)
	if err := h.fit(ctx, variants, byVariant); err != nil {
		return err
	}
	for _, variant := range variants {
		p, err := h.programs(variant)
		if err != nil {
			return err
		}
		before, err := h.Read(ctx, variant)
		if err != nil {
			return err
		}
		resolved, err := resolve(before, byVariant[variant].changes)
		if err != nil {
			return err
		}
		s, after, err := compose(before, resolved, nil)
		if err != nil {
			return err
		}
		if err := jumpsFit(p, after, s); err != nil {
			return err
		}
		if err := p.test(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// test runs iptables-restore without committing.
func (p *programs) test(ctx context.Context, s *script) error {
	head, rest := s.split()
	if s.tables() == 0 {
		return nil
	}
	words, err := p.runRestore(ctx, nil, bytes.NewReader(append(slices.Clip(head), rest...)), nil, "--test")
	if err == nil || notFound(words) {
		return nil // --test does not see what earlier lines made or deleted
	}
	return p.refusal(ctx, s, words, err)
}

// Try has the variant's restore program read what is saved, without committing. line is the one that it complains of,
// counted from 1; 0 where it names none. What it says of rules and chains that are not there is no complaint: --test
// does not see what earlier lines made.
func (h *Host) Try(ctx context.Context, variant rules.Variant, text []byte) (line int, err error) {
	p, err := h.programs(variant)
	if err != nil {
		return 0, err
	}
	words, err := p.runRestore(ctx, nil, bytes.NewReader(text), nil, "--test")
	if err == nil || notFound(words) {
		return 0, nil
	}
	if m := namedLine.FindStringSubmatch(words); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	return line, p.refusal(ctx, &script{}, words, err)
}

// jumpsFit checks that the chains which new rules jump to are there: --test
// does not.
func jumpsFit(p *programs, after *rules.Ruleset, s *script) error {
	for i, c := range s.changes {
		if c.Op != rules.Insert && c.Op != rules.Replace {
			continue
		}
		t := c.Rule.Target
		if t.Kind != rules.Jump && t.Kind != rules.Goto {
			continue
		}
		if _, ok := after.Chain(c.Table, t.Name); ok || p.hasTarget(t.Name) {
			continue
		}
		words := fmt.Sprintf("table %s has no chain %s", c.Table, t.Name)
		return &Rejected{Variant: p.variant, Program: p.restore, Words: words, Change: &s.changes[i]}
	}
	return nil
}

// variantChanges are the changes of one variant, and where they stood in the list.
type variantChanges struct {
	changes []rules.Change
	index   []int
}

// group sorts changes by variant, in the order in which they first name it.
func group(changes []rules.Change) ([]rules.Variant, map[rules.Variant]*variantChanges) {
	var variants []rules.Variant
	byVariant := map[rules.Variant]*variantChanges{}
	for i, c := range changes {
		variant := rules.Variant{Family: c.Family, Backend: c.Backend}
		if byVariant[variant] == nil {
			variants = append(variants, variant)
			byVariant[variant] = &variantChanges{}
		}
		g := byVariant[variant]
		g.changes, g.index = append(g.changes, c), append(g.index, i)
	}
	return variants, byVariant
}

// fit checks all changes before any is made, where several variants are concerned;
// for a single one, applyVariant does.
func (h *Host) fit(ctx context.Context, variants []rules.Variant, byVariant map[rules.Variant]*variantChanges) error {
	for _, variant := range variants {
		if _, err := h.programs(variant); err != nil {
			return err
		}
	}
	if len(variants) < 2 {
		return nil
	}
	sets, err := h.readVariants(ctx, variants)
	if err != nil {
		return err
	}
	for _, variant := range variants {
		resolved, err := resolve(sets[variant], byVariant[variant].changes)
		if err != nil {
			return err
		}
		if _, _, err := compose(sets[variant], resolved, nil); err != nil {
			return err
		}
	}
	return nil
}

// resolve gives the changes of one variant their positions and counters.
func resolve(s *rules.Ruleset, changes []rules.Change) ([]rules.Change, error) {
	var plan rules.Plan
	for _, c := range changes {
		plan.Steps = append(plan.Steps, rules.StepOf(c))
	}
	plan, err := plan.Resolve(map[rules.Variant]*rules.Ruleset{{Family: s.Family, Backend: s.Backend}: s})
	return plan.Changes(), err
}

// undo takes back changes that were made before one failed, and returns the
// error to give.
func (h *Host) undo(done []rules.Change, cause error) error {
	var tables []string
	for len(done) > 0 {
		last := done[len(done)-1]
		variant := rules.Variant{Family: last.Family, Backend: last.Backend}
		at := len(done)
		for at > 0 && done[at-1].Family == last.Family && done[at-1].Backend == last.Backend {
			at--
		}
		if _, err := h.applyVariant(context.Background(), variant, fixed(inverses(done[at:]))); err != nil {
			return &Partial{done, cause, err}
		}
		tables = append(touched(done[at:]), tables...)
		done = done[:at]
	}
	if len(tables) > 0 {
		return &TakenBack{tables, cause}
	}
	return cause
}

// keepsCounters tells whether a change takes a rule's counters along.
func keepsCounters(c rules.Change) bool {
	return c.Op == rules.Delete || c.Op == rules.Replace || c.Op == rules.Move
}

// inverses undo the changes: the inverse of each, in reverse order.
func inverses(changes []rules.Change) []rules.Change {
	inv := make([]rules.Change, 0, len(changes))
	for _, c := range slices.Backward(changes) {
		inv = append(inv, c.Inverse())
	}
	return inv
}

// How long a change is prepared anew because somebody else changes the tables.
const (
	// gatedTime is how long nothing is made over other tables than were read, with
	// gatedAttempts at least; after that it is made and verified only.
	gatedTime     = time.Second
	gatedAttempts = 5
	// refusedTime is how long a change is tried again that was refused while the
	// tables changed: its place may have been gone. On a busy machine one try may take
	// seconds, and so there are refusedAttempts at least.
	refusedTime     = 5 * time.Second
	refusedAttempts = 20
	// straightenTime is how long rules are moved that came to stand elsewhere than
	// meant, because the chain changed in the moment they were made, with
	// straightenAttempts at least.
	straightenTime     = 4 * time.Second
	straightenAttempts = 20
)

// errMoved says that the tables changed between the check and the commit.
var errMoved = errors.New("the tables changed at the same time")

// applyVariant makes the changes of one variant.
func (h *Host) applyVariant(ctx context.Context, variant rules.Variant, propose proposal) ([]rules.Change, error) {
	p, err := h.programs(variant)
	if err != nil {
		return nil, err
	}
	var lock *xtablesLock
	if variant.Backend == rules.Legacy && takesSpareLock(p.restore) {
		if lock, err = takeLock(ctx); err != nil {
			return nil, err
		}
		defer lock.release()
	}
	numbered := map[int]bool{}
	began := time.Now()
	for n := 0; ; n++ {
		spent := time.Since(began)
		a := attempt{
			host: h, programs: p, lock: lock, propose: propose, numbered: numbered,
			gated: n < gatedAttempts || spent < gatedTime, again: n < refusedAttempts || spent < refusedTime,
		}
		made, err := a.run(ctx)
		if e := (*Mismatch)(nil); errors.As(err, &e) && lock == nil && h.straighten(context.WithoutCancel(ctx), p, e, made) {
			err = nil
		}
		if !errors.Is(err, errMoved) {
			return made, err
		}
		sidestep(n)
	}
}

// sidestep waits a moment of random length, once a few attempts have come to
// nothing: another program that inserts and deletes in turn could otherwise stay in
// step with ours.
func sidestep(attempt int) {
	if attempt >= 3 {
		time.Sleep(rand.N(20 * time.Millisecond))
	}
}

// attempt is one try to make the changes of a variant.
type attempt struct {
	host     *Host
	programs *programs
	lock     *xtablesLock
	propose  proposal
	numbered map[int]bool // changes whose deletions go by number
	gated    bool         // nothing is made over other tables than were read
	again    bool         // what is refused while others change the tables is tried anew
}

// run reads the tables, makes the changes and verifies them. The error is
// errMoved where nothing was made and it is to be tried anew: somebody changed the
// tables meanwhile, or iptables cannot find a rule by its own specification, which
// is noted in numbered.
func (a *attempt) run(ctx context.Context) ([]rules.Change, error) {
	p := a.programs
	read := a.host.Read
	if a.lock != nil {
		// What was read without the lock may be of another moment than its fingerprint: between two equal ones
		// another program can make rules and delete them again.
		read = func(ctx context.Context, _ rules.Variant) (*rules.Ruleset, error) { return a.host.readAnew(ctx, p) }
	}
	before, err := read(ctx, p.variant)
	if err != nil {
		return nil, err
	}
	changes, err := a.propose(before)
	if err == nil && a.lock == nil && slices.ContainsFunc(changes, keepsCounters) {
		// The counters have to be those of now.
		if before, err = a.host.readAnew(ctx, p); err == nil {
			changes, err = a.propose(before)
		}
	}
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	s, after, err := compose(before, changes, a.numbered)
	if err != nil {
		return nil, err
	}
	t := transaction{host: a.host, programs: p, lock: a.lock, script: s, before: before, want: after, gated: a.gated}
	defer func() { t.commits.close() }()
	made, words, err := t.make(ctx)
	if err == nil || made != nil || errors.Is(err, errMoved) || errors.As(err, new(*NotKnown)) {
		return made, err
	}
	if made, err := a.finish(ctx, &t, err); made != nil {
		return made, err
	}
	refused := p.refusal(ctx, s, words, err)
	moved := t.moved()
	undone, back := t.takeBack(refused)
	if back != nil {
		return nil, back
	}
	if i := s.deletes(refused); notFound(words) && i >= 0 && !a.numbered[i] && a.gated {
		a.numbered[i] = true
		return nil, errMoved
	}
	// A program that was killed was not refused: it would be killed again.
	if e := (*Rejected)(nil); a.again && moved && errors.As(refused, &e) && e.Words != "" {
		return nil, errMoved
	}
	if len(undone) > 0 {
		return nil, &TakenBack{touched(undone), refused}
	}
	return nil, refused
}

// finish makes what is left of a transaction whose program was killed after it had committed some of its tables:
// those that the kernel has not, and only those. made is nil where that does not go, and what was committed stands.
func (a *attempt) finish(ctx context.Context, t *transaction, ended error) (made []rules.Change, err error) {
	exit := (*exec.ExitError)(nil)
	if !errors.As(ended, &exit) || exit.Exited() || !t.has(committedOutcome) || t.has(unknownOutcome) {
		return nil, nil
	}
	var rest []rules.Change
	for _, c := range t.script.changes {
		if t.outcomes[c.Table] == absentOutcome {
			rest = append(rest, c)
		}
	}
	next := attempt{host: a.host, programs: a.programs, lock: a.lock, propose: fixed(rest), numbered: map[int]bool{}, gated: false}
	if done, _ := next.run(ctx); done == nil {
		return nil, nil
	}
	t.found = nil
	return t.verify(ctx)
}

// deletes returns the index of the change whose deletion by specification was
// refused, -1 if it is not known.
func (s *script) deletes(err error) int {
	var r *Rejected
	if !errors.As(err, &r) || r.Change == nil || !strings.HasPrefix(r.Line, "-D ") && len(s.changes) > 1 {
		return -1
	}
	for i := range s.changes {
		if r.Change == &s.changes[i] {
			return i
		}
	}
	return -1
}

// touched lists the tables of changes.
func touched(changes []rules.Change) []string {
	var names []string
	for _, c := range changes {
		if !slices.Contains(names, c.Table) {
			names = append(names, c.Table)
		}
	}
	return names
}

// reworded applies the changes as printed to what there was before.
func reworded(before *rules.Ruleset, made []rules.Change) (*rules.Ruleset, error) {
	q := rules.NewSequence(before)
	for _, c := range made {
		if err := q.Apply(c); err != nil {
			return nil, err
		}
	}
	return q.Now(), nil
}
