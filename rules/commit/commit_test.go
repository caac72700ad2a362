package commit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/rules/nftables"
)

// roleVariable makes the test binary something else than a test: a guard, or a
// process that makes a change and can be killed.
const roleVariable = "COMMIT_TEST_ROLE"

func TestMain(m *testing.M) {
	lab.Main()
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "guard":
		exit(newCommitter(nil).Guard(context.Background(), os.Args[len(os.Args)-1]))
	case "maker":
		exit(maker())
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// order is what a maker is told to do.
type order struct {
	Lines   []string // rules of the plan, each with its table in front
	Native  string   // what nft would read
	Variant rules.Variant
	Setting string // value of net.ipv4.ip_forward, "" leaves it
	Confirm time.Duration
	For     time.Duration
	// Rollback rolls back what waits to be confirmed, instead of making a change.
	Rollback bool
	// Step and Signal end the maker when it comes to the step for the Nth time.
	Step   string
	Nth    int
	Signal syscall.Signal
}

func maker() error {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return err
	}
	c := newCommitter(nil)
	seen := 0
	c.OnStep(func(name string) {
		fmt.Println(name)
		if name != o.Step {
			return
		}
		if seen++; seen >= o.Nth {
			_ = syscall.Kill(os.Getpid(), o.Signal)
			time.Sleep(time.Hour) // until the signal has arrived
		}
	})
	if o.Rollback {
		_, err := c.Rollback(context.Background(), "")
		return err
	}
	_, err := c.Run(context.Background(), o.plan(), commit.Options{Confirm: o.Confirm, For: o.For, By: "maker", Leash: true})
	return err
}

func (o order) plan() rules.Plan {
	p := rules.Plan{Title: "Test.", Steps: nativeSteps(o.Native)}
	for _, line := range o.Lines {
		p.Steps = append(p.Steps, rules.StepOf(insertion(o.Variant, line)))
	}
	if o.Setting != "" {
		p.Steps = append(p.Steps, rules.Step{Sysctl: &rules.Sysctl{Name: "net.ipv4.ip_forward", Value: o.Setting}})
	}
	return p
}

// insertion reads "TABLE -A CHAIN …" as a change that appends the rule.
func insertion(at rules.Variant, line string) rules.Change {
	table, spec, _ := strings.Cut(line, " ")
	r, err := rules.Parse(spec)
	if err != nil {
		panic(err)
	}
	return rules.Change{Op: rules.Insert, Family: at.Family, Backend: at.Backend, Table: table, Chain: r.Chain, Rule: r}
}

// settings are the kernel's own.
type settings struct{}

func (settings) Sysctl(name string) (string, error) { return host.Sysctl(name) }

func (settings) WriteSysctl(name, value string) (string, error) { return host.WriteSysctl(name, value) }

func newCommitter(tables commit.Tables) *commit.Committer {
	return newCommitterIn(os.Getenv(commit.StateVariable), tables, nil)
}

func newCommitterIn(dir string, tables commit.Tables, clock commit.Clock) *commit.Committer {
	store, err := commit.Open(dir)
	if err != nil {
		exit(err)
	}
	if tables == nil {
		h, err := iptables.Open(context.Background())
		if err != nil {
			exit(err)
		}
		tables = h
	}
	return commit.New(store, commit.Kernel{Tables: tables, Settings: settings{}, Native: &nftables.Changer{}}, commit.Setup{Guard: guardCommand(), Clock: clock})
}

// guardCommand runs this test binary as a guard.
func guardCommand() []string {
	self, err := os.Executable()
	if err != nil {
		exit(err)
	}
	return []string{"/usr/bin/env", roleVariable + "=guard", self}
}

var variants = []rules.Variant{
	{Family: rules.IPv4, Backend: rules.NFT},
	{Family: rules.IPv6, Backend: rules.NFT},
	{Family: rules.IPv4, Backend: rules.Legacy},
	{Family: rules.IPv6, Backend: rules.Legacy},
}

// gateway is a gateway in namespaces of its own, at one variant.
type gateway struct {
	*testing.T
	at     rules.Variant
	tables *iptables.Host
	dir    string
	c      *commit.Committer
	native bool // its orders change native tables
}

// long leaves a test out in short mode: it ends or starts many programs and little happens in this one.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}

// everywhere runs a test on a gateway at each variant, in short mode at one: what differs is in package iptables.
func everywhere(t *testing.T, test func(g *gateway)) {
	t.Helper()
	all := variants
	if testing.Short() {
		all = variants[:1]
	}
	for _, variant := range all {
		t.Run(variant.Family.String()+"-"+variant.Backend.String(), func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			test(newGateway(t, variant))
		})
	}
}

// somewhere runs a test at the variant where most rules are.
func somewhere(t *testing.T, test func(g *gateway)) {
	t.Helper()
	if lab.Isolate(t) {
		return
	}
	test(newGateway(t, variants[0]))
}

func newGateway(t *testing.T, at rules.Variant) *gateway {
	t.Helper()
	h, err := iptables.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range h.Absent() {
		if a.Variant == at {
			t.Skip(a)
		}
	}
	g := &gateway{T: t, at: at, tables: h, dir: filepath.Join(t.TempDir(), "state")}
	t.Setenv(commit.StateVariable, g.dir)
	g.c = newCommitterIn(g.dir, h, nil)
	// A guard that is about to end still writes into the directory, which goes next. One that waits for its deadline
	// is let be.
	t.Cleanup(func() {
		for range 40 {
			if len(processes()) == 0 {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return g
}

func (g *gateway) program() string { return g.at.Family.Command() + "-" + g.at.Backend.String() }

func (g *gateway) iptables(args ...string) {
	g.Helper()
	cmd := exec.Command(g.program(), append([]string{"-w", "5"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		g.Fatalf("%s %q: %v\n%s", g.program(), args, err, out)
	}
}

func (g *gateway) addr(n int) string {
	if g.at.Family == rules.IPv6 {
		return fmt.Sprintf("2001:db8::%x/128", n)
	}
	return fmt.Sprintf("10.0.0.%d/32", n)
}

// seed makes three rules in the chains that the tests change.
func (g *gateway) seed() {
	g.Helper()
	if g.native {
		nft(g.T, nativeSeed)
		return
	}
	for n := 1; n <= 3; n++ {
		for _, chain := range []string{"-t nat -A PREROUTING", "-t filter -A FORWARD"} {
			if err := lab.Iptables(g.program(), append(strings.Fields(chain), "-s", g.addr(n), "-j", "ACCEPT")...); err != nil {
				g.Fatal(err)
			}
		}
	}
}

// state prints every table of the variant, without counters, and the setting.
func (g *gateway) state() string {
	g.Helper()
	s, err := g.tables.Read(context.Background(), g.at)
	if err != nil {
		g.Fatal(err)
	}
	var b strings.Builder
	for _, t := range s.Tables {
		for _, c := range t.Chains {
			if len(c.Rules) > 0 || c.Policy != "ACCEPT" {
				fmt.Fprintf(&b, "%s :%s %s\n", t.Name, c.Name, c.Policy)
			}
			for _, r := range c.Rules {
				fmt.Fprintf(&b, "%s %s\n", t.Name, r)
			}
		}
	}
	forward, err := host.Sysctl("net.ipv4.ip_forward")
	if err != nil {
		g.Fatal(err)
	}
	if g.native {
		b.WriteString(listed(g.T))
	}
	return b.String() + "forward " + forward + "\n"
}

func (g *gateway) same(what, got, want string) {
	g.Helper()
	if got != want {
		g.Errorf("%s: the gateway is\n%swant\n%s", what, got, want)
	}
}

// order is a change of two tables and a setting. The kernel prints the second rule
// differently from how it is written.
func (g *gateway) order() order {
	if g.native {
		return order{Variant: g.at, Setting: flipped(g.T), Native: nativeOrder, Lines: []string{"filter -A FORWARD -s " + g.addr(9) + " -j ACCEPT"}}
	}
	return order{Variant: g.at, Setting: flipped(g.T), Lines: []string{
		"nat -A PREROUTING -s " + g.addr(9) + " -j ACCEPT",
		"filter -A FORWARD -s " + g.addr(9) + " -m limit --limit 120/minute -j ACCEPT",
	}}
}

// flipped is the value that ip_forward does not have.
func flipped(t *testing.T) string {
	t.Helper()
	now, err := host.Sysctl("net.ipv4.ip_forward")
	if err != nil {
		t.Fatal(err)
	}
	if now == "0" {
		return "1"
	}
	return "0"
}

func (g *gateway) run(p rules.Plan, o commit.Options) commit.Entry {
	g.Helper()
	e, err := g.c.Run(context.Background(), p, o)
	if err != nil {
		g.Fatal(err)
	}
	return e
}

// takeBack takes a change back as one can: by rolling back one that waits to be confirmed, else by undoing it.
func (g *gateway) takeBack(e commit.Entry, confirm time.Duration) (err error) {
	if confirm > 0 {
		_, err = g.c.Rollback(context.Background(), e.ID)
	} else {
		_, err = g.c.Undo(context.Background(), e.ID, commit.Options{})
	}
	return err
}

// entry is what the journal says of the entry.
func (g *gateway) entry(id string) commit.Entry {
	g.Helper()
	entries, _, err := g.c.Store().History()
	if err != nil {
		g.Fatal(err)
	}
	for _, e := range entries {
		if e.ID == id {
			return e
		}
	}
	g.Fatalf("no entry %s in the journal", id)
	return commit.Entry{}
}

// until waits for a condition, which something else is working towards.
func (g *gateway) until(what string, holds func() bool) {
	g.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			g.Fatalf("still not: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (g *gateway) untilState(id string, want commit.State) {
	g.Helper()
	g.until(fmt.Sprintf("entry %s is %s", id, want), func() bool { return g.entry(id).State == want })
}

// processes are the ids of all processes of the cell but its keeper and this one.
func processes() []int {
	var all []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == 1 || pid == os.Getpid() {
			continue
		}
		// Whoever has ended is gone with its last thread, also where the first process here does not ask how.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") && len(threads) < 2 {
			continue
		}
		all = append(all, pid)
	}
	return all
}

// nobodyLeft waits until no process of the change is left.
func (g *gateway) nobodyLeft() {
	g.Helper()
	g.until("nothing of nattui is left running", func() bool { return len(processes()) == 0 })
	// The mark of a guard that was killed goes with the next nattui.
	if err := g.c.Recover(context.Background()); err != nil {
		g.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(g.dir, "guard-*"))
	if err != nil || len(left) > 0 {
		g.Errorf("marks of guards are left: %v, %v", left, err)
	}
}

func TestChangeStandsAtOnceAndIsUndone(t *testing.T) {
	nativelyToo(t, func(g *gateway) {
		g.seed()
		old := g.state()
		plan := g.order().plan()
		e := g.run(plan, commit.Options{By: "alice", From: "203.0.113.9"})
		now := g.state()
		if now == old {
			g.Fatal("nothing was changed")
		}
		if got := g.entry(e.ID); got.State != commit.Applied || got.By != "alice" || got.From != "203.0.113.9" || len(got.Commands()) != len(plan.Commands()) {
			g.Errorf("the journal says %+v", got)
		}
		undo, err := g.c.Undo(context.Background(), "", commit.Options{})
		if err != nil {
			g.Fatal(err)
		}
		g.same("undone", g.state(), old)
		if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); !errors.As(err, new(*commit.Absent)) {
			g.Errorf("undoing twice: %v", err)
		}
		if id, err := g.c.Store().Redoable(); id != undo.ID || err != nil {
			g.Errorf("to be made again: %q, %v, want %s", id, err, undo.ID)
		}
		if _, err := g.c.Undo(context.Background(), undo.ID, commit.Options{}); err != nil {
			g.Fatal(err)
		}
		g.same("made again", g.state(), now)
		if _, err := g.c.Undo(context.Background(), "", commit.Options{}); err != nil {
			g.Fatal(err)
		}
		g.same("undone again", g.state(), old)
		g.nobodyLeft()
	})
}

func TestRollsBackAtItsDeadline(t *testing.T) {
	nativelyToo(t, func(g *gateway) {
		g.seed()
		old := g.state()
		e := g.run(g.order().plan(), commit.Options{Confirm: 300 * time.Millisecond})
		if g.state() == old {
			g.Fatal("nothing was changed")
		}
		g.untilState(e.ID, commit.RolledBack)
		g.same("rolled back", g.state(), old)
		if _, err := g.c.Confirm(context.Background(), ""); !errors.As(err, new(*commit.Absent)) || !strings.Contains(err.Error(), "not confirmed in time") {
			g.Errorf("confirming too late: %v", err)
		}
		g.nobodyLeft()
	})
}

func TestConfirmedByAnotherProcess(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.seed()
		e := g.run(g.order().plan(), commit.Options{Confirm: time.Hour, By: "alice"})
		now := g.state()
		_, err := g.c.Run(context.Background(), g.order().plan(), commit.Options{})
		var unsettled *commit.Unsettled
		if !errors.As(err, &unsettled) || unsettled.Entry.ID != e.ID || !strings.Contains(err.Error(), "by alice") {
			g.Errorf("a second change: %v", err)
		}
		other := newCommitterIn(g.dir, g.tables, nil)
		if _, err := other.Confirm(context.Background(), ""); err != nil {
			g.Fatal(err)
		}
		g.nobodyLeft()
		g.same("confirmed", g.state(), now)
		if got := g.entry(e.ID); got.State != commit.Confirmed || !got.Deadline.IsZero() {
			g.Errorf("the journal says %+v", got)
		}
	})
}

func TestRolledBackOnDemand(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.seed()
		old := g.state()
		e := g.run(g.order().plan(), commit.Options{Confirm: time.Hour})
		other := newCommitterIn(g.dir, g.tables, nil)
		if _, err := other.Rollback(context.Background(), ""); err != nil {
			g.Fatal(err)
		}
		g.same("rolled back", g.state(), old)
		if got := g.entry(e.ID).State; got != commit.RolledBack {
			g.Errorf("the journal says %s", got)
		}
		g.nobodyLeft()
	})
}

func TestConflictDoesNothing(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.seed()
		p := g.order().plan()
		gone := insertion(g.at, "nat -A PREROUTING -s "+g.addr(7)+" -j ACCEPT")
		gone.Op, gone.At = rules.Delete, 2
		p.Steps = slices.Insert(p.Steps, 1, rules.StepOf(gone))
		old := g.state()
		if _, err := g.c.Run(context.Background(), p, commit.Options{}); !errors.As(err, new(*rules.Conflict)) {
			g.Errorf("the error is %v", err)
		}
		p = g.order().plan()
		p.Steps[2].Sysctl.Old = "7"
		if _, err := g.c.Run(context.Background(), p, commit.Options{}); !errors.As(err, new(*commit.Changed)) {
			g.Errorf("the error is %v", err)
		}
		g.same("after a conflict", g.state(), old)
		if entries, _, _ := g.c.Store().History(); len(entries) != 0 {
			g.Errorf("the journal has %d entries", len(entries))
		}
	})
}

func TestRejectedMiddleStepTakesAllBack(t *testing.T) {
	everywhere(t, func(g *gateway) {
		g.seed()
		p := g.order().plan()
		// The form of the command is right, and only the kernel knows that there is
		// no such chain.
		p.Steps = slices.Insert(p.Steps, 1, rules.StepOf(insertion(g.at, "filter -A FORWARD -j NOWHERE")))
		old := g.state()
		e, err := g.c.Run(context.Background(), p, commit.Options{Confirm: time.Hour})
		if err == nil || !strings.Contains(err.Error(), "NOWHERE") {
			g.Errorf("the error is %v", err)
		}
		g.same("after a refusal", g.state(), old)
		if got := g.entry(e.ID); got.State != commit.Failed || !strings.Contains(got.Result, "NOWHERE") {
			g.Errorf("the journal says %s, %s", got.State, got.Result)
		}
		// A setting that the kernel refuses comes after rules that it took.
		p = g.order().plan()
		p.Steps[2].Sysctl.Value = "not a number"
		if _, err := g.c.Run(context.Background(), p, commit.Options{}); err == nil {
			g.Error("the kernel took a setting that is no number")
		}
		g.same("after a refused setting", g.state(), old)
		g.nobodyLeft()
	})
}
