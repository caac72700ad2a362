package commit

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"nattui/rules"
)

// Committer runs plans on this host. It may be used by several goroutines and,
// over the same state directory, by several processes.
type Committer struct {
	store  *Store
	kernel Kernel
	clock  Clock
	guard  []string // argv that the id of an entry is added to
	root   string
	log    logger
	// step is told what is about to be done, for the tests that interrupt it there.
	step func(name string)
}

// Setup says how a Committer is to work.
type Setup struct {
	// Guard is the command that runs Committer.Guard on the entry whose id is
	// added to it, in another process. Empty: this program with the argument guard.
	Guard []string
	// Clock tells the time; nil: the kernel's.
	Clock Clock
	// Root is where the host's files are, for those that are read at boot; "" is /.
	Root string
}

// New makes a Committer that keeps its state in the store.
func New(store *Store, kernel Kernel, setup Setup) *Committer {
	c := &Committer{store: store, kernel: kernel, clock: setup.Clock, guard: setup.Guard, root: setup.Root, step: func(string) {}}
	if c.clock == nil {
		c.clock = kernelClock{}
	}
	if len(c.guard) == 0 {
		c.guard = []string{ownProgram, "guard"}
	}
	return c
}

// Store is where the state is kept.
func (c *Committer) Store() *Store { return c.store }

// Options say how a plan is to be run, and for whom.
type Options struct {
	// Confirm is how long the change waits to be confirmed before it is taken
	// back; 0: it stands at once.
	Confirm time.Duration
	// For is how long the change is to stand before it ends by itself; 0: for good.
	For time.Duration
	// By is who makes it, From the address of the SSH client.
	By, From string
	// Operators are the addresses from which whoever makes it may have come: more than
	// one where he sits in a terminal that outlives logins. A login from one of them is
	// the proof that the change has not locked him out; see Entry.Proof.
	Operators []netip.Addr
	// Others are ways in that may be cut off as well, in words, and of which a login of an operator proves nothing: it may
	// have come by a tunnel, or through another host, that is older than the change.
	Others []string
	// Leash takes a change that waits to be confirmed back also when the terminal
	// of this process goes away: the shell on it ends or the connection is cut.
	Leash bool
	// Final agrees to that a rule is taken away which could not be made again; see Irreversible.
	Final bool
	// Kind and Undoes are for the journal.
	Kind   Kind
	Undoes string
}

// Unsettled is the error of a change while another one still waits to be confirmed.
type Unsettled struct{ Entry Entry }

// Error says whose it is and until when.
func (e *Unsettled) Error() string {
	text := "change " + e.Entry.ID + whose(e.Entry) + " is unconfirmed"
	if !e.Entry.Deadline.IsZero() {
		text += " until " + e.Entry.Deadline.Local().Format("15:04:05")
	}
	return text + "; first run nattui confirm or nattui rollback"
}

func whose(e Entry) string {
	text := ""
	if e.By != "" {
		text += " by " + e.By
	}
	if e.From != "" {
		text += " from " + e.From
	}
	return text
}

// Changed is the error of a step whose setting is not what the plan expects.
// Nothing was changed.
type Changed struct{ Name, Want, Found string }

// Error says what was expected and what is there.
func (e *Changed) Error() string {
	return fmt.Sprintf("the setting has changed: %s was expected to be %q and is now %q; nothing was changed", e.Name, e.Want, e.Found)
}

// Run makes the change that the plan describes and returns its entry once the
// change stands. Where it was given time to be confirmed, a guard will take it
// back unless Confirm is called by then, from any process.
//
// Errors: *rules.Conflict and *Changed where the gateway is not as the plan expects,
// *Unsettled, *Busy, what the kernel's adapters report, and what keeps the
// journal from being written: in all these cases nothing is changed, or
// everything was rolled back, and Entry.State tells; *Stuck where it could not be.
// Where ctx ends before the change is written down, nothing is changed; from then on
// it is finished.
func (c *Committer) Run(ctx context.Context, plan rules.Plan, o Options) (Entry, error) {
	c.step("lock")
	l, err := c.store.acquire(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer l.release()
	j, err := c.open(context.WithoutCancel(ctx), l)
	if err != nil {
		return Entry{}, err
	}
	return c.run(ctx, l, j, source{about: plan, plan: func(sets) (rules.Plan, error) { return plan, nil }}, o)
}

// A plan is prepared again because others changed the tables between the check and
// the change, while it still fits, for anewTime and anewAttempts at least.
const (
	anewTime     = 5 * time.Second
	anewAttempts = 10
)

// sets are snapshots of variants.
type sets = map[rules.Variant]*rules.Ruleset

// source makes a plan for the tables as they are at a moment. About names the
// variants that are concerned.
type source struct {
	about rules.Plan
	plan  func(sets) (rules.Plan, error)
	// again is the plan without native changes, which are made by then; nil where plan does not look at what there is of them.
	again func(sets) (rules.Plan, error)
}

// run is Run under the lock.
func (c *Committer) run(ctx context.Context, l *lock, j *journal, wanted source, o Options) (Entry, error) {
	for _, e := range j.entries {
		if c.store.waits(e) {
			return Entry{}, &Unsettled{*e}
		}
	}
	c.step("check")
	d, err := c.draw(ctx, wanted)
	if err == nil {
		err = errors.Join(irreversible(d.plan, o), context.Cause(ctx)) // nothing was changed yet, and nothing will be
	}
	if err != nil {
		return Entry{}, err
	}
	ctx = context.WithoutCancel(ctx) // what has begun is finished
	e := c.begin(j, d, o)
	c.step("journal")
	if err := c.store.append(recordOf(e)); err != nil {
		return Entry{}, fmt.Errorf("%w; nothing was changed", err)
	}
	if !e.deadline.zero() || !e.expires.zero() {
		c.step("guard")
		if err := c.startGuard(ctx, e.ID); err != nil {
			return c.fail(e, fmt.Errorf("start the guard: %w; nothing was changed", err))
		}
	}
	began := time.Now()
	for attempt := 1; ; attempt++ {
		l.inherited(func() { err = c.make(ctx, e, d, wanted) })
		var moved *rules.Conflict
		if !errors.As(err, &moved) && !errors.Is(err, rules.ErrMoved) || attempt >= anewAttempts && time.Since(began) > anewTime {
			break
		}
		// A conflict at the second of several variants can leave something of the first.
		if _, back := c.revert(context.WithoutCancel(ctx), l, e); back != nil {
			break
		}
		if d, err = c.draw(ctx, wanted); err != nil {
			break
		}
		e.Plan, e.marks, e.natives = d.plan, d.marks, perhapsMade
		if err = c.store.append(withPlan(e)); err != nil {
			break
		}
		sidestep(attempt)
	}
	if err != nil {
		return c.rollBackFailed(ctx, l, e, err)
	}
	c.step("stands")
	e.State, e.made = Applied, in(c.clock, 0)
	c.setTimes(e, o)
	if err := c.store.append(withPlan(e)); err != nil {
		return c.rollBackFailed(ctx, l, e, err)
	}
	c.settled(e)
	c.step("done")
	return *e, nil
}

// drawing is a plan that was checked against the gateway as it is.
type drawing struct {
	plan   rules.Plan
	asked  []rules.Change // its changes, with those at the end of a chain left so
	marks  []mark
	before sets
	// generation is that of the native tables that were checked; 0 where none are changed.
	generation uint32
}

// draw checks a plan against the gateway as it is.
func (c *Committer) draw(ctx context.Context, wanted source) (drawing, error) {
	before, err := c.read(ctx, wanted.about)
	if err != nil {
		return drawing{}, err
	}
	plan, err := wanted.plan(before)
	if err != nil {
		return drawing{}, err
	}
	d := drawing{asked: plan.Changes(), before: before}
	if d.plan, err = plan.Resolve(d.before); err != nil {
		return d, err
	}
	for i, s := range d.plan.Steps {
		if s.Order != nil {
			o, err := c.checkOrder(ctx, *s.Order)
			if err != nil {
				return d, err
			}
			d.plan.Steps[i].Order = &o
		}
		if s.Sysctl == nil {
			continue
		}
		w, err := c.checkSetting(*s.Sysctl)
		if err != nil {
			return d, err
		}
		d.plan.Steps[i].Sysctl = &w
	}
	if d.generation, err = c.checkNatives(ctx, &d.plan); err != nil {
		return d, err
	}
	d.marks, err = marksOf(d.plan, c.told(ctx, d.plan, d.before))
	return d, err
}

// read takes snapshots of the variants that a plan changes.
func (c *Committer) read(ctx context.Context, plan rules.Plan) (sets, error) {
	all := sets{}
	for _, ch := range plan.Changes() {
		variant := rules.Variant{Family: ch.Family, Backend: ch.Backend}
		if all[variant] != nil {
			continue
		}
		s, err := c.kernel.Tables.Read(ctx, variant)
		if err != nil {
			return nil, err
		}
		all[variant] = s
	}
	return all, nil
}

// make changes the kernel: rules, then what others are told and settings, then flows.
func (c *Committer) make(ctx context.Context, e *Entry, d drawing, wanted source) error {
	// Native changes come first: they are held to a generation, which those of iptables-nft move on.
	if err := c.makeNatives(ctx, e, d.generation); err != nil {
		return err
	}
	if len(d.asked) > 0 {
		c.step("tables")
		made, err := c.change(ctx, d, wanted)
		if made == nil && err != nil {
			return err
		}
		e.complete(made, d.before)
		c.noteHandles(ctx, e, made)
		if err != nil {
			if lost := c.missing(ctx, e); lost != nil {
				return err
			}
			e.Result = err.Error() // ours stands; others changed the tables in the same moment
		}
	}
	for _, s := range e.Plan.Steps {
		switch {
		case s.Order != nil:
			if err := c.giveOrder(ctx, *s.Order); err != nil {
				return err
			}
		case s.Sysctl != nil:
			c.step("setting")
			if _, err := c.kernel.Settings.WriteSysctl(s.Sysctl.Name, s.Sysctl.Value); err != nil {
				return err
			}
		case s.Forget != nil && c.kernel.Flows != nil:
			c.step("flow")
			if err := c.kernel.Flows.Forget(ctx, *s.Forget); err != nil {
				e.Result = join(e.Result, "a connection could not be forgotten: "+err.Error())
			}
		}
	}
	return nil
}

// change changes the tables. What is at one variant only is worked out again whenever
// others change that variant in the meantime; it is in d.before then as it was in the end.
func (c *Committer) change(ctx context.Context, d drawing, wanted source) ([]rules.Change, error) {
	if len(d.before) != 1 {
		return c.kernel.Tables.Apply(ctx, d.asked)
	}
	for variant := range d.before {
		return c.kernel.Tables.Follow(ctx, variant, func(now *rules.Ruleset) ([]rules.Change, error) {
			d.before[variant] = now
			again := wanted.plan
			if wanted.again != nil {
				again = wanted.again
			}
			plan, err := again(d.before)
			return plan.Changes(), err
		})
	}
	return nil, nil
}

// complete puts the changes as they were made in place of those that were asked for.
func (e *Entry) complete(made []rules.Change, before sets) {
	steps := append([]rules.Step(nil), e.Plan.Steps...)
	i := 0
	for n := range steps {
		if steps[n].Change != nil && i < len(made) {
			change := made[i]
			steps[n].Change = &change
			i++
		}
	}
	e.Plan.Steps = steps
	if marks, err := marksOf(e.Plan, before); err == nil {
		for i := range marks {
			if i < len(e.marks) {
				marks[i].Table, marks[i].Older = e.marks[i].Table, e.marks[i].Older
			}
		}
		e.marks = marks
	}
}

// told is the sets with handles in the chains where a rule of the plan has an equal.
func (c *Committer) told(ctx context.Context, p rules.Plan, all sets) sets {
	next := sets{}
	for variant, s := range all {
		next[variant] = s
	}
	counted := census{}
	for _, ch := range p.Changes() {
		variant := rules.Variant{Family: ch.Family, Backend: ch.Backend}
		s := next[variant]
		list := listOf(s, ch)
		if variant.Backend != rules.NFT || len(list) == 0 || list[0].Handle != 0 || ch.Rule.IsZero() || counted.of(s, ch).lines[ch.Rule.InChain(ch.Chain).String()] == 0 {
			continue
		}
		next[variant] = c.kernel.Tables.Handles(ctx, s, ch.Table, ch.Chain)
	}
	return next
}

// noteHandles notes by which handles the rules that were made can be told from equal ones.
func (c *Committer) noteHandles(ctx context.Context, e *Entry, made []rules.Change) {
	lives := map[string]uint64{}
	for i, ch := range made {
		if i >= len(e.marks) {
			return
		}
		m := &e.marks[i]
		m.Done = true
		if ch.Rule.Handle == 0 {
			continue
		}
		table := ch.Family.String() + " " + ch.Table
		life, known := lives[table]
		if !known {
			of := &rules.Ruleset{Family: ch.Family, Backend: ch.Backend, Tables: []rules.Table{{Name: ch.Table}}}
			if t, ok := c.kernel.Tables.Handles(ctx, of, ch.Table, "").Table(ch.Table); ok {
				life = t.Incarnation
			}
			lives[table] = life
		}
		if m.Table == 0 || m.Table == life {
			m.Table, m.Made = life, ch.Rule.Handle
		}
	}
}

// missing says whether any change of the entry does not stand.
func (c *Committer) missing(ctx context.Context, e *Entry) error {
	now, err := c.read(context.WithoutCancel(ctx), e.Plan)
	if err != nil {
		return err
	}
	back, _ := wayBack(e.Plan, e.marks, c.told(ctx, e.Plan, now))
	if len(back) < len(e.Plan.Changes()) {
		return errors.New("not all changes are there")
	}
	return nil
}

// Stuck is the error of a change that failed and could not be rolled back
// altogether. What Recover or the guard can still do, they will.
type Stuck struct {
	Entry Entry
	Err   error // why the change failed
	Back  error // why it could not be rolled back
}

// Error says both.
func (e *Stuck) Error() string {
	return fmt.Sprintf("%v; and the part of change %s that was applied could not be rolled back: %v", e.Err, e.Entry.ID, e.Back)
}

// Unwrap gives both reasons.
func (e *Stuck) Unwrap() []error { return []error{e.Err, e.Back} }

// rollBackFailed rolls back what there is of a change that failed.
func (c *Committer) rollBackFailed(ctx context.Context, l *lock, e *Entry, cause error) (Entry, error) {
	c.step("rollback failed")
	notes, err := c.revert(context.WithoutCancel(ctx), l, e)
	if err != nil {
		return *e, &Stuck{*e, cause, err}
	}
	e.Result = strings.Join(notes, "; ")
	return c.fail(e, cause)
}

// fail notes that a change was not made.
func (c *Committer) fail(e *Entry, cause error) (Entry, error) {
	e.State, e.Result = Failed, join(cause.Error(), e.Result)
	e.forgetTimes()
	if err := c.store.append(updateOf(e)); err != nil {
		c.log.write(e) // the next nattui finds nothing standing, and notes that
		return *e, cause
	}
	c.log.write(e)
	return *e, cause
}

func (e *Entry) forgetTimes() {
	e.Deadline, e.deadline, e.Expires, e.expires = time.Time{}, moment{}, time.Time{}, moment{}
}

// settled does what is due once a change stands for good.
func (c *Committer) settled(e *Entry) {
	c.log.write(e)
	if e.Unconfirmed() || !e.expires.zero() {
		return
	}
	if err := c.keepSettings(e.Plan); err != nil {
		e.Result = join(e.Result, "not saved for reboot: "+err.Error())
		_ = c.store.append(updateOf(e))
	}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
