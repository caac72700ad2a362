package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/model/host"
	"nattui/model/lab"
	"nattui/model/live"
	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nftables"
	"nattui/ui"
	"nattui/ui/text"
	"nattui/ui/theme"
)

type tuiOptions struct {
	readOnly bool
	plain    bool
	theme    string // "": as the terminal says
}

// register adds the flags that say how the screens look.
func (o *tuiOptions) register(c *cobra.Command) {
	c.Flags().StringVar(&o.theme, "theme", o.theme, "colours: "+strings.Join(theme.Choices, ", "))
	c.Flags().BoolVar(&o.plain, "plain", o.plain, "for screen readers: no boxes, and only the lines that change; so it is where TERM is dumb")
	_ = c.RegisterFlagCompletionFunc("theme", cobra.FixedCompletions(theme.Choices, cobra.ShellCompDirectiveNoFileComp))
}

// inLab is the command line by which a lab opens the screens that look so, nil for how they look anyway; given is the
// command that is run there instead, for which the flags mean nothing.
func (o *tuiOptions) inLab(given []string) ([]string, error) {
	if _, err := theme.Choose(o.theme); err != nil {
		return nil, usagef("--theme: %v", err)
	}
	argv := []string{os.Args[0]}
	if o.theme != "" {
		argv = append(argv, "--theme", o.theme)
	}
	if o.plain {
		argv = append(argv, "--plain")
	}
	switch {
	case len(argv) == 1:
		return given, nil
	case len(given) > 0:
		return nil, usagef("%s is for the lab's screens, and a command is run instead: give it to that one", argv[1])
	}
	return argv, nil
}

// runTUI opens the screens on this host.
func runTUI(ctx context.Context, o tuiOptions) error {
	return runScreens(ctx, o, func(ctx context.Context, working *sync.WaitGroup) (ui.Gateway, error) {
		return openGateway(ctx, o, working)
	})
}

// runScreens opens the screens on a gateway. What is still to be written down when its context has ended is in the group.
func runScreens(ctx context.Context, o tuiOptions, open func(context.Context, *sync.WaitGroup) (ui.Gateway, error)) error {
	choice, err := theme.Choose(o.theme)
	if err != nil {
		return usagef("--theme: %v", err)
	}
	if !term.IsTerminal(os.Stdin.Fd()) || !term.IsTerminal(os.Stdout.Fd()) {
		return usagef("the screens need a terminal; without one use  nattui rules  or  nattui flows")
	}
	settings, complaints := readSettings(choice)
	shareCores()
	shortSlices()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP) // so that a change is finished when the terminal goes away
	ctx, forget := whileTerminal(ctx, os.Stdin)
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	defer forget()
	gw, err := open(ctx, &working)
	if err != nil {
		return err
	}
	app := ui.New(ctx, gw, ui.Options{UTF8: theme.UTF8(os.Getenv), Settings: settings, Complaints: complaints})
	err = show(ctx, app, o.plain || os.Getenv("TERM") == "dumb") // which cannot move its cursor
	sayLeft(ctx, app)
	switch {
	case errors.Is(err, tea.ErrInterrupted), ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("the screens ended: %w", err)
	}
	return nil
}

// show runs the screens until they are left.
func show(ctx context.Context, app *ui.App, plain bool) error {
	if !plain {
		_, err := ui.NewProgram(app, os.Stdout, tea.WithContext(ctx)).Run()
		return err
	}
	before, err := term.MakeRaw(os.Stdin.Fd())
	if err != nil {
		return err
	}
	defer func() { _ = term.Restore(os.Stdin.Fd(), before) }()
	_, err = ui.NewPlain(app, os.Stdout, tea.WithContext(ctx)).Run()
	return err
}

// sayLeft finishes what was confirmed on the screens, and says what of it nobody has seen there. It
// waits until then; another signal ends the waiting.
func sayLeft(ctx context.Context, app *ui.App) {
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, line := range app.Leave(ctx, func(what string) { fmt.Fprintln(stderr, "finishing "+what+" …") }) {
		fmt.Fprintln(stderr, text.Safe(line))
	}
}

// shareCores leaves it to the kernel to share the cores between what the screens do
// and the work behind them. Where each core has one of Go's processors and a sort of a million flows
// keeps it busy, Go looks for a key press every 10 ms only; the kernel wakes whoever has rested at once.
func shareCores() {
	const behind = 4 // at work behind the screens at a time: follow, explain, select, collect garbage
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU() + behind)
	}
}

// openGateway plugs the kernel's adapters into what the screens ask for. working is
// what still has to be written down when ctx has ended.
func openGateway(ctx context.Context, o tuiOptions, working *sync.WaitGroup) (ui.Gateway, error) {
	natives.reader.Listed = true
	gw := ui.Gateway{ReadOnly: o.readOnly}
	tables, err := iptables.Open(ctx)
	if err != nil {
		return gw, err
	}
	kernel, err := conntrack.Open(conntrack.Options{})
	told, factsChanged := rulesChanged(func(map[rules.Variant]*rules.Ruleset, time.Time) {}), func(*facts.Facts) {}
	switch {
	case errors.Is(err, conntrack.ErrUnsupported):
		gw.Trouble = append(gw.Trouble, err.Error())
	case err != nil:
		return gw, err
	default:
		flows := live.Follow(ctx, kernel, conntrack.Pages{})
		gw.Flows = flows
		told, factsChanged = flows.Explainer().SetRules, flows.Explainer().SetFacts
	}
	others := newOutsiders()
	var latest atomic.Pointer[map[rules.Variant]*rules.Ruleset]
	seen := func(sets map[rules.Variant]*rules.Ruleset, asked time.Time) { latest.Store(&sets); told(sets, asked) }
	if gw.Tables, err = followTables(ctx, tables, seen, others.saw); err != nil {
		return gw, err
	}
	gw.Trace, gw.NoTrace = tracer(tables)
	gw.Name, gw.UserID, gw.GroupID = namer(), userID, groupID
	gw.Probe, gw.Export, gw.NativeAfter, gw.Ending = ask, export, nativeAfter, ending
	gw.ExportsTo, _ = os.Getwd()
	if session, err := lab.Inside(); err == nil {
		gw.Lab = session
	}
	if nftables.Installed() {
		gw.Natively = nativePlans{}
	}
	gw.Surroundings = comparing(tables, &latest)
	anew := make(chan struct{}, 1)
	gw.Facts = followFacts(ctx, anew, factsChanged)
	gw.LookAgain = func() { nudge(anew) }
	go watchNatives(ctx, anew)
	if o.readOnly {
		gw.Trouble = append(gw.Trouble, unfinished()...)
		if gw.Journal, err = lookAtJournal(tables); err != nil {
			gw.Trouble = append(gw.Trouble, err.Error())
		}
	} else {
		safe, err := openSafeChanges(ctx, tables, kernel)
		if err != nil {
			gw.ReadOnly = true
			gw.Trouble = append(gw.Trouble, withoutJournal(err))
		} else {
			gw.Changes, gw.Journal = noticed{safe, anew}, safe
			working.Go(func() { others.note(ctx, firstLook(ctx, safe.committer, tables.Variants())) })
		}
	}
	gw.Trouble = append(gw.Trouble, unusable(tables)...)
	return gw, nil
}

// unusable says which iptables of this host cannot be used, as far as that is worth knowing.
func unusable(tables *iptables.Host) (notes []string) {
	if unseen := tables.Unseen(); unseen != "" {
		return []string{unseen}
	}
	for _, a := range tables.Absent() {
		if a.Reason == iptables.TooOld || a.Reason == iptables.Unseen || a.Reason == iptables.Broken || a.Variant.Backend == tables.Default() {
			notes = append(notes, a.String())
		}
	}
	return notes
}

// export writes a file that did not exist before, in the working directory and for this user's eyes: it tells who talks to whom.
func export(name string, write func(io.Writer) error) (path string, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("export: %w", err)
	}
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(name)
		return "", fmt.Errorf("export: %w", err)
	}
	if path, err = filepath.Abs(name); err != nil {
		return name, nil
	}
	return path, nil
}

// namer names addresses: by the leases and hosts files of this host, else by its resolver. A lab has none of them.
func namer() func(context.Context, netip.Addr) string {
	if os.Getenv(lab.ScenarioVariable) != "" {
		return nameOf
	}
	leases := &host.Leases{}
	return func(ctx context.Context, a netip.Addr) string {
		if name := leases.Name(ctx, a); name != "" {
			return name
		}
		return nameOf(ctx, a)
	}
}

// nameOf asks the resolver for the name of an address.
func nameOf(ctx context.Context, a netip.Addr) string {
	names, err := net.DefaultResolver.LookupAddr(ctx, a.String())
	if err != nil || len(names) == 0 {
		return ""
	}
	return strings.TrimSuffix(names[0], ".")
}

// comparing reads the gateway's surroundings, each time with the counters of the look before.
func comparing(tables *iptables.Host, latest *atomic.Pointer[map[rules.Variant]*rules.Ruleset]) func(context.Context) doctor.Surroundings {
	var last atomic.Pointer[doctor.Surroundings]
	return func(ctx context.Context) doctor.Surroundings {
		var sets map[rules.Variant]*rules.Ruleset
		if now := latest.Load(); now != nil {
			sets = *now
		}
		s := surroundings(ctx, tables, sets)
		if before := last.Swap(&doctor.Surroundings{Drops: s.Drops, SetsBefore: sets}); before != nil {
			s.DropsBefore, s.SetsBefore = before.Drops, before.SetsBefore
		}
		return s
	}
}
