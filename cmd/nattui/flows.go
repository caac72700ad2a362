package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"nattui/model/conntrack"
	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/text"
)

// flowsOptions are the flags of "nattui flows".
type flowsOptions struct {
	json, follow bool
	filter, sort string
	limit        int

	buffer int // for events, in bytes; 0 is as much as is good
	query  filter.Query
	order  *flow.Sort // nil: as the kernel tells them
	rules  ruleBook
}

// newFlowsCommand makes "nattui flows".
func newFlowsCommand() *cobra.Command {
	var o flowsOptions
	c := &cobra.Command{
		Use:   "flows",
		Short: "Print the current connections, or every event as it happens",
		Long: "flows prints the connections that the kernel tracks: the client, the address it asked for, the server that answers, and the address that server sees. " +
			"On a terminal \"=\" means unchanged. Otherwise it prints one connection per line: protocol, state, nat, client, asked for, served by, seen as, seconds left, packets, bytes, and bytes per second if requested; a dash means unknown.\n" +
			"With --follow it prints every event from then on instead: new, update, destroy. Events that the kernel could not deliver are counted on standard error.\n" +
			"\nA filter is a list of conditions that must all hold; \"or\", \"not\" and parentheses combine them:\n" +
			"  src A, dst A, host A, client A, asked A, server A, seen A\n" +
			"                   A is an address, with a port or without, a network, a range,\n" +
			"                   or a list of these: 10.0.0.0/8  10.0.*  192.168.0.2:8080\n" +
			"  sport N, dport N, port N\n" +
			"                   N is a port, a service, a range, or a list:\n" +
			"                   80,https  8000-8099\n" +
			"  proto tcp        or any other name or number\n" +
			"  state S          established, syn_sent …; assured, replied, unreplied\n" +
			"  nat dnat         or snat, both, none, any\n" +
			"  event new        or update, destroy: with --follow\n" +
			"  rule R           the rule that made it: 3, PREROUTING/3, PREROUTING,\n" +
			"                   ipv6/PREROUTING/3, none, stale, older, ambiguous\n" +
			"  family ipv4, mark N, zone N, id N\n" +
			"  bytes, packets, rate, pps, timeout, age\n" +
			"                   with = != > >= < <=, as in  bytes>1M  rate>8Mbit/s  age<30s,\n" +
			"                   or a range: bytes 10k-1M\n" +
			"Any other word is searched for in the whole line.\n" +
			"\nColumns to sort by: " + strings.Join(sortColumns(), ", ") + ".\n" +
			"\nA rate is measured: to sort or filter by rate, the whole table is read twice, a second apart, and every connection gets its bytes per second " +
			"(the last column, or \"rate\"). A connection that began in that second has none.",
		Example: "nattui flows --filter 'nat dnat dport 80'\n" +
			"nattui flows --sort -rate --limit 10\n" +
			"nattui flows --filter 'rule PREROUTING/1'\n" +
			"nattui flows --follow --json --filter 'event new not host 192.168.0.7'",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	f := c.Flags()
	f.BoolVar(&o.json, "json", false, "one JSON object per connection and line")
	f.BoolVar(&o.follow, "follow", false, "print events as they happen, until interrupted")
	f.StringVar(&o.filter, "filter", "", "only connections that match")
	f.StringVar(&o.sort, "sort", "", "sort by a column, the largest first with a minus: bytes, -bytes")
	f.IntVar(&o.limit, "limit", 0, "stop after this many; 0 is no limit")
	offer(c, "sort", sortColumns()...)
	_ = c.RegisterFlagCompletionFunc("filter", completeFilter)
	return c
}

// ruleBook knows the rules of this host once something asks for them.
type ruleBook struct {
	ctx       context.Context
	explainer *explain.Explainer
	err       error
	// following is the table whose events are followed; the rules are watched then. nil for one look.
	following *conntrack.Table
	flows     *flow.Flows // of that table
	watch     *ruleWatch
	kernel    *generations
	made      uint32 // the generation of nf_tables that was read for one look
}

// open reads the rules, once.
func (r *ruleBook) open() (*explain.Explainer, error) {
	switch {
	case r.explainer != nil || r.err != nil:
	case r.following != nil:
		if r.watch, r.err = r.watchRules(); r.err == nil {
			r.explainer = r.watch.explainer
		}
	default:
		if r.kernel, r.err = openGenerations(); r.err != nil {
			break
		}
		context.AfterFunc(r.ctx, r.kernel.Close)
		r.made = r.kernel.now()
		var sets map[rules.Variant]*rules.Ruleset
		var facts *facts.Facts
		if sets, facts, r.err = readGateway(r.ctx); r.err == nil {
			r.explainer = explain.NewExplainer(nil)
			r.explainer.SetRulesAt(sets, facts.Host(nil), readNow())
		}
	}
	return r.explainer, r.err
}

// watchRules begins to watch the rules.
func (r *ruleBook) watchRules() (*ruleWatch, error) {
	tables, err := openTables(r.ctx, stderr)
	if err != nil {
		return nil, err
	}
	return watchRules(r.ctx, tables, r.following, r.flows, func(err error) {
		say(stderr, text.Safe(fmt.Sprintf("the rules cannot be read, so that of connections is unknown: %v", err)))
	})
}

// isUnchanged tells that the rules are still those that were read, as far as nf_tables tells.
func (r *ruleBook) isUnchanged() bool { return r.made == r.kernel.now() }

// find reads the rule condition of a filter.
func (r *ruleBook) find(ref string) (func(*flow.Flow) (meant, known bool), error) {
	x, err := r.open()
	if err != nil {
		return nil, fmt.Errorf("the rules cannot be read: %w", err)
	}
	return x.Finder(ref)
}

// readNow is for rules that have just been read.
func readNow() explain.Read {
	now := time.Now().UnixNano()
	return explain.Read{Rules: now, Native: now, Told: now}
}

// sortColumns are the names of the columns.
func sortColumns() []string {
	var names []string
	for _, c := range flow.Columns() {
		names = append(names, c.String())
	}
	return names
}

func completeFilter(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var lines []string
	for _, w := range filter.Complete(typed, len(typed), rulesToComplete(c.Context())) {
		lines = append(lines, typed[:w.From]+w.Text+typed[w.To:]+"\t"+w.Hint)
	}
	return lines, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func (o *flowsOptions) run(c *cobra.Command) error {
	o.rules.ctx = c.Context()
	table, err := conntrack.Open(conntrack.Options{ReceiveBuffer: o.buffer})
	if err != nil {
		return err
	}
	defer table.Close()
	if o.follow {
		o.rules.following, o.rules.flows = table, flow.NewFlows() // what an event leaves out was told before
	}
	if err := o.check(); err != nil {
		return err
	}
	p := &flowPrinter{output: newOutput(c), json: o.json, left: math.MaxInt}
	if o.limit > 0 {
		p.left = o.limit
	}
	if o.json || o.query.NeedsRules() || o.order != nil && o.order.By == flow.ColumnRule {
		x, err := o.rules.open()
		if err == nil && !o.follow {
			err = o.rules.settle(table)
		}
		if err == nil {
			p.mark, p.explain, p.members = x.Marker(), x.Of, map[uint32]string{}
			p.watch = o.rules.watch
		}
	}
	p.rates, p.order = o.wantsRates(), o.order
	switch {
	case o.follow:
		err = o.runFollow(c, table, p)
	case o.order != nil || o.wantsRates():
		err = o.runSorted(c, table, p)
	default:
		err = o.runList(c, table, p)
	}
	if flushErr := p.Flush(); p.err == nil {
		p.err = flushErr
	}
	if p.err != nil {
		return p.err
	}
	if err == nil && !p.printed {
		sayWhyEmpty(c, table)
	}
	return err
}

// check reads the flags that are little languages of their own.
func (o *flowsOptions) check() error {
	var err error
	var wrong *filter.Error
	if o.query, err = filter.Parse(o.filter, o.rules.find); err == nil && !o.follow {
		if err = o.query.OfFlows(); err != nil {
			return usagef("--filter: event works for events only: add --follow")
		}
	}
	if errors.As(err, &wrong) {
		sayFiltered(o.rules.ctx, err)
		return usagef("--filter: %s\n%s", text.Safe(wrong.Error()), pointAt(o.filter, wrong.Pos, wrong.End))
	}
	if o.limit < 0 {
		return usagef("--limit %d: use a number from 0, which is no limit", o.limit)
	}
	if o.sort == "" {
		return nil
	}
	if o.follow {
		return usagef("--sort and --follow: events come in their own order; drop one of the two")
	}
	name, descending := strings.CutPrefix(o.sort, "-")
	column, ok := flow.ParseColumn(name)
	if !ok {
		return usagef("--sort %s: use %s, with a minus in front for the largest first", text.Safe(o.sort), strings.Join(sortColumns(), ", "))
	}
	o.order = &flow.Sort{By: column, Descending: descending}
	return nil
}

// pointAt prints a line and marks a word of it beneath.
func pointAt(line string, from, to int) string {
	indent := cells(line[:from])
	return "  " + text.Safe(line) + "\n  " + strings.Repeat(" ", indent) + strings.Repeat("^", max(cells(line[from:to]), 1))
}

// runList prints the flows while the kernel tells them: one goroutine reads, this
// one explains and prints.
func (o *flowsOptions) runList(c *cobra.Command, table *conntrack.Table, p *flowPrinter) error {
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	told, spare := make(chan toldFlows, toldAhead), make(chan toldFlows, toldAhead)
	for range toldAhead {
		spare <- toldFlows{}
	}
	ended := make(chan error, 1)
	go func() {
		defer close(told)
		ended <- table.Dump(ctx, func(b *flow.Batch) {
			t := <-spare
			t.at, t.flows = b.At, t.flows[:0]
			for i := range b.Messages {
				if b.Messages[i].Kind == flow.Listed {
					t.flows = append(t.flows, b.Messages[i].Flow)
				}
			}
			t.unsure = p.mark != nil && !o.rules.isUnchanged()
			told <- t
		})
	}()
	for t := range told {
		o.printList(p, t)
		if p.full() {
			stop()
		}
		spare <- t
	}
	if err := <-ended; !p.full() {
		return err
	}
	return nil
}

// toldFlows are some flows as the kernel told them.
type toldFlows struct {
	at     int64
	flows  []flow.Flow
	unsure bool // the rules have changed since they were read
}

// toldAhead is how many of these may be read before they are printed.
const toldAhead = 16

// printList prints those flows that match.
func (o *flowsOptions) printList(p *flowPrinter, t toldFlows) {
	for i := range t.flows {
		if p.full() {
			return
		}
		f := &t.flows[i]
		f.Told, f.First = t.at, t.at
		if p.unsure = t.unsure; !p.unsure {
			p.note(f)
		}
		if o.query.Match(f, t.at) {
			p.flow(f, t.at)
		}
	}
}

// wantsRates tells whether rates are asked for, which takes two readings.
func (o *flowsOptions) wantsRates() bool {
	return o.query.NeedsRates() || o.order != nil && o.order.By == flow.ColumnRate
}

// rateTime is the time between the two readings that a rate is made of.
const rateTime = time.Second

// runSorted prints the flows in order, once all are known.
func (o *flowsOptions) runSorted(c *cobra.Command, table *conntrack.Table, p *flowPrinter) error {
	flows := flow.NewFlows()
	if x := o.rules.explainer; x != nil {
		flows.OrderRules(x.Places)
		flows.NameRules(x.Alike)
	}
	apply := func(b *flow.Batch) {
		for i := range b.Messages {
			p.note(&b.Messages[i].Flow)
		}
		flows.Apply(b)
	}
	again := time.NewTimer(rateTime)
	defer again.Stop()
	if err := table.Dump(c.Context(), apply); err != nil {
		return err
	}
	if o.wantsRates() {
		select {
		case <-again.C:
		case <-c.Context().Done():
			return c.Context().Err()
		}
		if err := table.Dump(c.Context(), apply); err != nil {
			return err
		}
	}
	order := flow.Sort{By: flow.ColumnAge}
	if o.order != nil {
		order = *o.order
	}
	window := flow.Window{Limit: -1}
	if o.limit > 0 {
		window.Limit = o.limit
	}
	now := time.Now().UnixNano()
	selection, err := flow.NewSelector(flows).Select(c.Context(), o.query.Condition(), order, window, now)
	if err != nil {
		return err
	}
	for i := range selection.Rows {
		if !p.flow(&selection.Rows[i].Flow, now) {
			break
		}
	}
	return nil
}

// runFollow prints events until it is interrupted, the limit is reached or
// nobody reads any more.
func (o *flowsOptions) runFollow(c *cobra.Command, table *conntrack.Table, p *flowPrinter) error {
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	go func() {
		waitForHangup(os.Stdout)
		stop()
	}()
	ended := make(chan struct{})
	defer close(ended)
	defer context.AfterFunc(c.Context(), func() {
		select {
		case <-ended:
		case <-time.After(readerPatience):
			leaveReader(c)
		}
	})()
	flows := o.rules.flows
	table.KeepFresh(o.wantsRates())
	loss := lossTeller{command: c, table: table}
	err := table.Follow(ctx, func(b *flow.Batch) {
		flows.Apply(b)
		p.begin(b)
		for i := range b.Messages {
			change := &b.Messages[i]
			if !change.Kind.IsEvent() {
				continue
			}
			p.noteEvent(change, b)
			if !o.query.MatchEvent(change.Kind, &change.Flow, b.At) {
				continue
			}
			if !p.event(change.Kind, &change.Flow, b.At) {
				stop()
				break
			}
		}
		if err := p.Flush(); err != nil && p.err == nil {
			p.err = err
			stop()
		}
		loss.tell(false)
	})
	loss.tell(true)
	if n := table.Feed().Unread; n > 0 && c.Context().Err() != nil {
		loss.say(fmt.Sprintf("%s more had arrived when it was interrupted", text.Exact(n)))
	}
	p.printed = true // silence is no wonder here
	return err
}

// readerPatience is how long an interrupted command waits for a reader that does not read.
const readerPatience = time.Second

// leaveReader ends the program in the middle of writing to a reader that does not read, such as a pager
// that shows its first page.
func leaveReader(c *cobra.Command) {
	say(c.ErrOrStderr(), "interrupted while the reader was blocked: the last line may be incomplete")
	os.Exit(1)
}

// lossTeller says on standard error what the kernel could not deliver.
type lossTeller struct {
	command   *cobra.Command
	table     *conntrack.Table
	missed    uint64
	malformed uint64
	said      time.Time // when a loss was last told of
	eventsOff bool
}

// lossPace is the shortest time between two lines about losses.
const lossPace = time.Second

// tell says what was lost since it last did, at its pace, or at once at the end.
func (l *lossTeller) tell(end bool) {
	feed := l.table.Feed()
	if feed.EventsOff && !l.eventsOff {
		l.say("the kernel sends no events here (nf_conntrack_events=0), whatever happens: turn them on with  sysctl -w net.netfilter.nf_conntrack_events=1")
		l.eventsOff = true
	}
	if !end && time.Since(l.said) < lossPace {
		return
	}
	if n := feed.Missed - l.missed; n > 0 {
		l.say(fmt.Sprintf("%s missed, %s since the start: they arrived faster than they could be written", rules.Plural(n, "event"), text.Exact(feed.Missed)))
		l.missed, l.said = feed.Missed, time.Now()
	}
	if n := feed.Malformed - l.malformed; n > 0 {
		l.say(rules.Plural(n, "message") + " from the kernel could not be decoded: skipped")
		l.malformed, l.said = feed.Malformed, time.Now()
	}
}

func (l *lossTeller) say(sentence string) { say(l.command.ErrOrStderr(), sentence) }

// waitForHangup waits until nobody can read a pipe or terminal any more. On a
// file it waits for ever.
func waitForHangup(f *os.File) {
	fds := []unix.PollFd{{Fd: int32(f.Fd())}}
	for {
		_, err := unix.Poll(fds, -1)
		if err == nil || !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// sayWhyEmpty explains an empty list where it is not that nothing matches.
func sayWhyEmpty(c *cobra.Command, table *conntrack.Table) {
	h := table.Health()
	for _, note := range h.Notes(&h, &h) {
		if note.Name == "not-tracking" || note.Name == "nothing-tracked" {
			say(c.ErrOrStderr(), strings.ToLower(note.Sentence[:1])+strings.TrimSuffix(note.Sentence[1:], "."))
		}
	}
}
