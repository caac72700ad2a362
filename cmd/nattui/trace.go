package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/trace"
	"nattui/model/traced"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/iptables"
	"nattui/ui"
	"nattui/ui/text"
)

type traceOptions struct {
	json    bool
	count   int
	timeout time.Duration
	dryRun  bool
}

func newTraceCommand() *cobra.Command {
	var o traceOptions
	c := &cobra.Command{
		Use:   "trace FILTER",
		Short: "Follow packets through tables, chains and rules, as the kernel reports it",
		Long: "trace shows the path of single packets and of their replies: every rule and policy that matched, what translated or dropped them, and where they went. " +
			"The kernel itself reports this; it does not report rules that did not match. The filter matches packets as they arrive, before translation, with conditions as in nattui flows: " +
			"proto (or tcp, udp, icmp), src, dst, sport, dport, in, family, and new for the first packets of TCP connections; or FROM > TO. " +
			"\n\nnattui adds its own nft table, inet nattui_trace_PID, which traces at most ten packets a second of each kind, and removes it at the end; the kernel removes it if nattui is killed (Linux 5.12). " +
			"The rules of the legacy backend are not reported.",
		Example:           "sudo nattui trace tcp dport 80 new\nsudo nattui trace '203.0.113.10 > 203.0.113.1:80' --count 2\nsudo nattui trace icmp in wan0 --json",
		ValidArgsFunction: completeTraced,
		RunE: func(c *cobra.Command, args []string) error {
			return tracePackets(c, o, strings.Join(args, " "))
		},
	}
	c.Flags().BoolVar(&o.json, "json", false, "one JSON object per packet")
	c.Flags().IntVar(&o.count, "count", 0, "stop after this many packets, replies included; 0: no limit")
	c.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "stop after this time")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "print the nft table, and do nothing")
	return c
}

func tracePackets(c *cobra.Command, o traceOptions, filter string) error {
	f, err := traced.ParseTraceFilter(filter)
	if err != nil {
		sayFiltered(c.Context(), err)
		return usageError{err}
	}
	if o.count < 0 || o.timeout <= 0 {
		return usagef("--count is a number of packets, --timeout a time such as 30s")
	}
	if o.dryRun {
		for _, command := range trace.Commands(f) {
			fmt.Fprintln(c.OutOrStdout(), rules.ShellLine(command))
		}
		return nil
	}
	ctx, stop := context.WithCancelCause(c.Context())
	defer stop(nil)
	w, err := newWitness(ctx)
	if err != nil {
		return err
	}
	t, err := trace.Start(ctx, f)
	if err != nil {
		return err
	}
	defer t.Close()
	// What it takes to begin on a busy machine is no time of the trace.
	defer time.AfterFunc(o.timeout, func() { stop(context.DeadlineExceeded) }).Stop()
	for _, worth := range append(w.unseen(), t.Leftover()) {
		if worth != "" {
			say(stderr, worth)
		}
	}
	say(stderr, fmt.Sprintf("tracing %s with table %s", f, t.Table()))
	out := newOutput(c)
	defer out.Flush()
	if counted, err := o.tellPackets(ctx, t, w, out); counted || err != nil {
		return err
	}
	switch timeUp := errors.Is(context.Cause(ctx), context.DeadlineExceeded); {
	case timeUp && o.count > 0:
		return fmt.Errorf("no more packets within %s", o.timeout)
	case timeUp:
		say(stderr, fmt.Sprintf("ended after %s; use --timeout for longer", o.timeout))
	}
	return nil
}

// tellPackets writes packets until the trace ends, or as many as were asked for have been told.
func (o traceOptions) tellPackets(ctx context.Context, t *trace.Trace, w *witness, out *output) (counted bool, err error) {
	missed := 0
	for n := 1; ; n++ {
		p, more := <-t.Packets()
		if !more {
			return false, t.Err()
		}
		if err := w.tell(ctx, out, p, o.json); err != nil {
			return false, err
		}
		if now := t.Missed(); now > missed {
			missed = now
			say(stderr, "reports arrived faster than they could be read: some hops are missing")
		}
		if n == o.count {
			return true, nil
		}
	}
}

// tracer sets traces off for the screens, which end with their context; where it cannot it says
// why.
func tracer(tables *iptables.Host) (start func(context.Context, traced.TraceFilter) (ui.Tracing, error), why string) {
	if tables.Lacking() == nil && !slices.ContainsFunc(tables.Variants(), func(p rules.Variant) bool { return p.Backend == rules.NFT }) {
		return nil, "this host has only the legacy backend, whose traces go to the kernel's log"
	}
	return func(ctx context.Context, f traced.TraceFilter) (ui.Tracing, error) {
		t, err := trace.Start(ctx, f)
		if err != nil {
			return nil, err
		}
		return t, nil
	}, ""
}

// witness tells what is seen of packets, with the rules that they met.
type witness struct {
	tables    *iptables.Host
	sets      map[rules.Variant]*rules.Ruleset
	evaluator *evaluate.Evaluator
}

func newWitness(ctx context.Context) (*witness, error) {
	tables, err := openTables(ctx, stderr)
	if err != nil {
		return nil, err
	}
	w := &witness{tables: tables}
	return w, w.read(ctx)
}

// read reads the rules as they are now.
func (w *witness) read(ctx context.Context) error {
	sets, err := w.tables.ReadAll(ctx)
	if err != nil {
		return err
	}
	facts, err := readFacts(ctx)
	if err != nil {
		return err
	}
	w.sets = sets
	programs := make([]*evaluate.Program, 0, len(sets))
	for _, s := range sets {
		programs = append(programs, evaluate.Compile(s))
	}
	w.evaluator = evaluate.NewEvaluator(facts.Host(nil), programs...)
	return nil
}

// current reads the rules again if they have changed since.
func (w *witness) current(ctx context.Context, p *traced.Traced) {
	for variant, s := range w.sets {
		if variant.Backend == rules.NFT && s.Generation != 0 && s.Generation != p.Generation {
			_ = w.read(ctx) // what is known of them is shown all the same
			return
		}
	}
}

// unseen says which rules of this host are not traced.
func (w *witness) unseen() []string {
	var worth []string
	for _, f := range rules.Families {
		s := w.sets[rules.Variant{Family: f, Backend: rules.Legacy}]
		if s == nil {
			continue
		}
		n := 0
		for i := range s.Tables {
			n += s.Tables[i].Rules()
		}
		if n > 0 {
			worth = append(worth, rules.Plural(n, f.Title()+" rule")+" in the legacy backend: applied, but not shown here, because its traces go to the kernel's log")
		}
	}
	return worth
}

func (w *witness) tell(ctx context.Context, out *output, p *traced.Traced, asJSON bool) error {
	w.current(ctx, p)
	p.NoteLegacy(w.sets)
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(w.json(p)); err != nil {
			return err
		}
	} else {
		w.write(out, p)
	}
	return out.Flush()
}

// write says a packet's way in words.
func (w *witness) write(out *output, p *traced.Traced) {
	head := fmt.Sprintf("#%d ", p.Number)
	if p.Reply {
		head += fmt.Sprintf("reply to #%d: ", p.ReplyTo)
	}
	fmt.Fprintf(out, "%s %s%s\n", out.ink.faint.Render(p.At.Format("15:04:05.000")), head, out.ink.strong.Render(text.Safe(p.Title())))
	before := p.First
	for i := range p.Hops {
		h := &p.Hops[i]
		if h.Packet.Src != before.Src || h.Packet.Dst != before.Dst {
			w.writeChange(out, &h.Packet)
			before = h.Packet
		}
		match, outcome := h.What(w.sets)
		what := text.Safe(strings.TrimPrefix(match+"  ", "  "))
		ink := out.ink.faint
		if r, ok := h.Rule(w.sets); ok {
			if r.Target.Kind.Translates() {
				ink = out.ink.of(r.Target.Kind)
			}
		}
		fmt.Fprintf(out, "  %-28s %s%s\n", text.Safe(h.Where()), what, ink.Render(text.Safe(outcome)))
	}
	if p.Last.Src != before.Src || p.Last.Dst != before.Dst {
		w.writeChange(out, &p.Last)
	}
	fmt.Fprintf(out, "%s %s", out.becomes, text.Safe(p.Outcome()))
	if said, agrees := p.Forecast(w.evaluator); agrees {
		fmt.Fprintf(out, "  %s", out.ink.faint.Render("("+text.Safe(said)+")"))
	} else if said != "" {
		fmt.Fprintf(out, "\n   %s", text.Safe(said))
	}
	fmt.Fprintln(out)
}

// writeChange says what the packet has become.
func (w *witness) writeChange(out *output, p *traced.TracedPacket) {
	fmt.Fprintf(out, "  %-28s %s\n", "", "now "+text.Safe(p.Ends()))
}

// The JSON form of a packet's way.
type (
	jsonTraced struct {
		Number    int       `json:"number"`
		At        string    `json:"at"`
		Reply     bool      `json:"reply"`
		ReplyTo   int       `json:"reply_to,omitempty"`
		Proto     string    `json:"proto"`
		Sort      string    `json:"sort,omitempty"`
		Orig      jsonEnds  `json:"orig"`
		Result    jsonEnds  `json:"result"`
		Delivered string    `json:"delivered"`
		In        string    `json:"in"`
		Out       string    `json:"out"`
		Mark      uint32    `json:"mark"`
		TTL       uint8     `json:"ttl"`
		Length    uint16    `json:"length"`
		Path      []jsonHop `json:"path"`
		Predicted *bool     `json:"predicted,omitempty"`
		Outcome   string    `json:"outcome"`
	}
	jsonHop struct {
		Family   string `json:"family"`
		Table    string `json:"table"`
		Chain    string `json:"chain"`
		Position int    `json:"position"`
		Handle   uint64 `json:"handle,omitempty"`
		Spec     string `json:"spec"`
		Verdict  string `json:"verdict"`
		To       string `json:"to,omitempty"`
	}
)

func (w *witness) json(p *traced.Traced) jsonTraced {
	j := jsonTraced{
		Number: p.Number, At: p.At.Format(time.RFC3339Nano), Reply: p.Reply, ReplyTo: p.ReplyTo, Proto: p.First.Proto.String(), Sort: p.First.Sort(),
		Orig: tracedEnds(&p.First), Result: tracedEnds(&p.Last), Delivered: p.End.String(), In: p.First.In, Out: p.Last.Out,
		Mark: p.First.Mark, TTL: p.First.TTL, Length: p.First.Length, Path: []jsonHop{}, Outcome: p.Outcome(),
	}
	for i := range p.Hops {
		h := &p.Hops[i]
		spec := h.Text
		if r, ok := h.Rule(w.sets); ok {
			spec = r.String()
		} else if h.Kind != traced.HopRule {
			spec = "policy"
			if h.Kind == traced.HopReturn {
				spec = "end"
			}
		}
		j.Path = append(j.Path, jsonHop{h.Family, h.Table, h.Chain, h.Position, h.Handle, spec, h.Verdict, h.To})
	}
	if said, agrees := p.Forecast(w.evaluator); said != "" {
		j.Predicted = &agrees
	}
	return j
}

func tracedEnds(p *traced.TracedPacket) jsonEnds {
	e := jsonEnds{Src: p.Src.Addr().String(), Dst: p.Dst.Addr().String()}
	if p.Proto.HasPorts() {
		e.Sport, e.Dport = p.Src.Port(), p.Dst.Port()
	}
	return e
}
