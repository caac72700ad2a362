package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/model/live"
	"nattui/rules/iptables"
	"nattui/ui/table"
	"nattui/ui/text"
)

// topOptions are the flags of "nattui top".
type topOptions struct {
	json, names  bool
	by, filter   string
	interval     time.Duration
	limit, count int

	grouping flow.GroupBy
	source   *live.Source
	named    *askedNames
	asking   bool // see asks
	talkers  flow.Talkers
}

// topGroupings are what connections can be added up by.
var topGroupings = []flow.GroupBy{flow.GroupByClient, flow.GroupByService, flow.GroupByRule, flow.GroupByTranslation, flow.GroupByPort}

// topPatience is how long beyond its interval the first print waits for the table to be read again, as one reading tells
// no rates: that of a large table comes late.
const topPatience = 5 * time.Second

// topShare is which part of a core reading the counters may take: they are all that it is for.
const topShare = 0.25

// newTopCommand makes "nattui top".
func newTopCommand() *cobra.Command {
	var o topOptions
	var names []string
	for _, g := range topGroupings {
		names = append(names, g.String())
	}
	c := &cobra.Command{
		Use:   "top",
		Short: "Print who uses this gateway most, by the bytes of the last minute",
		Long: "top follows the connections, adds them up by client, service, rule, translation or port, and prints those that moved most bytes, again at every interval until it is interrupted. " +
			"What connections moved that have ended by now counts, too, as far as it was seen; while top has run for less than a minute the first column is of that time. " +
			"Bytes are counted only while net.netfilter.nf_conntrack_acct is 1, and only of connections that began since it is.\n" +
			"On a terminal it prints a table. Otherwise it prints a group per line: bytes per second over the last minute, bytes per second now, connections, bytes, and the group; a dash means unknown, an empty line stands before each print but the first.",
		Example: "nattui top\nnattui top --by service --filter 'nat dnat'\nnattui top --count 1 --interval 10s --json",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	f := c.Flags()
	f.BoolVar(&o.json, "json", false, "one JSON object per group and line")
	f.BoolVar(&o.names, "names", false, "names in place of clients' addresses, from DHCP leases, hosts files and the resolver")
	f.StringVar(&o.by, "by", flow.GroupByClient.String(), "add up by "+strings.Join(names, ", "))
	f.StringVar(&o.filter, "filter", "", "only connections that match, as in nattui flows")
	f.DurationVar(&o.interval, "interval", 5*time.Second, "how long to look before each print")
	f.IntVar(&o.limit, "limit", 10, "print so many groups")
	f.IntVar(&o.count, "count", 0, "print so many times; 0 is until interrupted")
	offer(c, "by", names...)
	_ = c.RegisterFlagCompletionFunc("filter", completeFilter)
	return c
}

func (o *topOptions) check() error {
	known := false
	for _, g := range topGroupings {
		if known = known || g.String() == o.by; g.String() == o.by {
			o.grouping = g
		}
	}
	switch {
	case !known:
		return usagef("--by %s: use client, service, rule, translation or port", text.Safe(o.by))
	case o.interval < time.Second:
		return usagef("--interval %v: rates need a second at least", o.interval)
	case o.limit < 1:
		return usagef("--limit %d: use a number from 1", o.limit)
	case o.count < 0:
		return usagef("--count %d: use a number from 0, which is until interrupted", o.count)
	}
	return nil
}

func (o *topOptions) run(c *cobra.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	kernel, err := conntrack.Open(conntrack.Options{RefreshShare: topShare})
	if err != nil {
		return err
	}
	if health := kernel.Health(); health.Accounting == facts.SettingOff {
		say(c.ErrOrStderr(), "no bytes of connections that begin now: the kernel does not count them; turn that on with  sysctl -w net.netfilter.nf_conntrack_acct=1")
	}
	o.source = live.Follow(ctx, kernel, conntrack.Pages{})
	o.source.KeepFresh(true)
	if o.named = nil; o.names {
		o.named = newAskedNames(namer())
	}
	find := o.source.FindRule
	asked := time.Now()
	if sets, facts, err := readGateway(ctx); err == nil {
		known := explain.NewExplainer(nil)
		known.SetRulesAt(sets, facts.Host(nil), readNow())
		find = func(ref string) (func(*flow.Flow) (meant, known bool), error) {
			if _, err := known.Finder(ref); err != nil {
				return nil, err // the source, which is told the rules here, does not know them yet
			}
			return o.source.FindRule(ref)
		}
		o.source.Explainer().SetRules(sets, asked)
		o.source.Explainer().SetFacts(facts)
		if err := o.followRules(ctx); err != nil {
			return err
		}
	} else if o.grouping == flow.GroupByRule {
		return err
	}
	q, err := filter.Parse(o.filter, find)
	var wrong *filter.Error
	if errors.As(err, &wrong) {
		sayFiltered(c.Context(), err)
		return usagef("--filter: %s\n%s", text.Safe(wrong.Error()), pointAt(o.filter, wrong.Pos, wrong.End))
	} else if err != nil {
		return err
	}
	return o.follow(c, q)
}

// followRules tells the source the rules and the host again whenever they change, until ctx is done.
func (o *topOptions) followRules(ctx context.Context) error {
	tables, err := iptables.Open(ctx)
	if err != nil {
		return err
	}
	changes, err := anyChange(ctx, tables, func() {})
	if err != nil {
		return err
	}
	go readWhenever(ctx, changes, func(ctx context.Context) error {
		asked := time.Now()
		sets, f, err := readRulesAgain(ctx)
		if err == nil {
			o.source.Explainer().SetRules(sets, asked)
			o.source.Explainer().SetFacts(f)
		}
		return err
	}, func(err error) {
		say(stderr, text.Safe(fmt.Sprintf("the rules cannot be read, so those shown may be gone: %v", err)))
	})
	return nil
}

// follow looks at the table every second and prints at every interval.
func (o *topOptions) follow(c *cobra.Command, q filter.Query) error {
	ctx := c.Context()
	out := newOutput(c)
	talkers := &o.talkers
	look := time.NewTicker(time.Second)
	defer look.Stop()
	due, printed := time.Now().Add(o.interval), 0
	for {
		select {
		case <-ctx.Done():
			return nil // as it is asked to
		case now := <-look.C:
			feed := o.source.Feed()
			if feed.Err != nil {
				return feed.Err
			}
			if feed.Listings == 0 {
				due = now.Add(o.interval) // nothing is known before the table has been read once
				continue
			}
			o.asking = o.asks(q)
			if err := talkers.Look(ctx, o.source.Table(), q.Condition(), o.grouping, now.UnixNano(), &feed); err != nil {
				return nil
			}
			if now.Before(due) {
				continue
			}
			found, err := talkers.Group(ctx, o.source.Table(), q.Condition(), o.grouping, flow.GroupsByMinute, o.limit, now.UnixNano(), &feed)
			if err != nil {
				return nil
			}
			if printed == 0 && (o.asking || unrated(found.Groups)) && now.Sub(due) < topPatience {
				continue
			}
			due = now.Add(o.interval)
			if err := o.print(ctx, out, found.Groups, printed > 0); err != nil {
				return err
			}
			if printed++; printed == o.count {
				return nil
			}
		}
	}
}

// asks tells that what is shown goes by rules, and that connections are still asked about them.
func (o *topOptions) asks(q filter.Query) bool {
	byRule, _ := o.source.RuleFlows()
	return byRule == nil && (o.grouping == flow.GroupByRule || q.NeedsRules())
}

// unrated tells that the kernel counts what groups move, and that no rate is known yet.
func unrated(groups []flow.Group) bool {
	return slices.ContainsFunc(groups, func(g flow.Group) bool { return g.Counted > 0 }) &&
		!slices.ContainsFunc(groups, func(g flow.Group) bool { return g.RateKnown() })
}

// topTold is a group as JSON; what is not counted is absent.
type topTold struct {
	At      string   `json:"at"`
	By      string   `json:"by"`
	Name    string   `json:"name"`
	Minute  *float64 `json:"rate_minute,omitempty"`
	Covers  int      `json:"minute_seconds,omitempty"` // over how many seconds that is
	Rate    *float64 `json:"rate,omitempty"`
	Flows   int      `json:"connections"`
	Bytes   *uint64  `json:"bytes,omitempty"`
	Packets *uint64  `json:"packets,omitempty"`
	Least   bool     `json:"least,omitempty"`
}

// covers is over how many seconds the rate of a minute is by now.
func (o *topOptions) covers() int { return min(60, int(math.Round(o.talkers.Span()))) }

// name is what a group is called.
func (o *topOptions) name(ctx context.Context, k *flow.GroupKey) string {
	switch {
	case k.By == flow.GroupByRule:
		return o.source.RuleName(k.Rule)
	case k.By == flow.GroupByClient && o.named != nil:
		if name := o.named.of(ctx, k.Client()).await(ctx); name != "" {
			return name
		}
	}
	return k.String()
}

// askNames has the names of groups asked for, and returns the context that ends when they are waited for no longer.
func (o *topOptions) askNames(ctx context.Context, groups []flow.Group) (patient context.Context, done func()) {
	for i := range groups {
		if k := &groups[i].Key; o.named != nil && k.By == flow.GroupByClient {
			o.named.of(ctx, k.Client())
		}
	}
	return context.WithTimeout(ctx, namesPatience)
}

// tell is a group with what is known of it.
func (o *topOptions) tell(ctx context.Context, at time.Time, g *flow.Group) topTold {
	told := topTold{At: at.UTC().Format(time.RFC3339), By: o.by, Name: text.Safe(o.name(ctx, &g.Key)), Flows: g.Flows}
	if g.MinuteKnown() {
		told.Minute, told.Covers = &g.Minute, o.covers()
	}
	if g.RateKnown() {
		told.Rate, told.Least = &g.ByteRate, g.Least
	}
	told.Least = told.Least || o.asking
	if g.Counted > 0 {
		told.Bytes, told.Packets = &g.Bytes, &g.Packets
	}
	return told
}

func (o *topOptions) print(ctx context.Context, out *output, groups []flow.Group, again bool) error {
	if again && !o.json {
		fmt.Fprintln(out)
	}
	minute := "1 min B/s"
	if n := o.covers(); n < 60 {
		minute = fmt.Sprintf("%d s B/s", n)
	}
	cols := []table.Column{{Title: minute, Min: 9, Want: 9, Right: true}, {Title: "B/s", Min: 7, Want: 7, Right: true}, {Title: "conns", Min: 6, Want: 6, Right: true}, {Title: "bytes", Min: 7, Want: 7, Right: true}, {Title: o.by, Min: 12, Want: 40, Grow: 1}}
	widths := table.Widths(cols, max(40, out.width))
	if out.terminal && !o.json {
		fmt.Fprintln(out, table.Head(cols, widths, out.ink.faint))
	}
	now := time.Now()
	patient, done := o.askNames(ctx, groups)
	defer done()
	for i := range groups {
		told := o.tell(patient, now, &groups[i])
		switch {
		case o.json:
			if err := json.NewEncoder(out).Encode(&told); err != nil {
				return err
			}
		case out.terminal:
			least := func(rate float64) string { return text.AtLeast(text.Rate(rate), told.Least) }
			cells := []table.Cell{{Text: orUnknown(told.Minute, least)}, {Text: orUnknown(told.Rate, least)}, {Text: text.AtLeast(text.Exact(uint64(told.Flows)), o.asking)}, {Text: orUnknown(told.Bytes, text.Count)}, {Text: told.Name}}
			fmt.Fprintln(out, table.Line(cols, widths, cells, nil))
		default:
			whole := func(rate float64) string { return fmt.Sprintf("%.0f", rate) }
			fmt.Fprintln(out, orUnknown(told.Minute, whole), orUnknown(told.Rate, whole), told.Flows, orUnknown(told.Bytes, func(n uint64) string { return strconv.FormatUint(n, 10) }), told.Name)
		}
	}
	return out.Flush()
}

// orUnknown is a value in words, a dash where it is not known.
func orUnknown[T any](value *T, words func(T) string) string {
	if value == nil {
		return unknown
	}
	return words(*value)
}
