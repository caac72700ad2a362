package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/guide"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// explainOptions are the flags of "nattui explain".
type explainOptions struct {
	gateway string // a recorded gateway; "" is this host
	flow    string
	json    bool
	as      string // nft or iptables: the language to say a line in
}

// explainArgs reads the command line of explain by hand: a line begins with a dash
// as often as not.
func explainArgs(args []string) (o explainOptions, line string, err error) {
	var rest []string
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		switch {
		case args[i] == "--json":
			o.json = true
		case name == "--gateway" && given:
			o.gateway = value
		case args[i] == "--gateway" && i+1 < len(args):
			i++
			o.gateway = args[i]
		case name == "--flow" && given:
			o.flow = value
		case name == "--as" && given:
			o.as = value
		case args[i] == "--as":
			if i++; i == len(args) {
				return o, "", usagef("--as takes nft or iptables")
			}
			o.as = args[i]
		case args[i] == "--flow":
			if i+1 == len(args) {
				return o, "", usagef("--flow takes a connection, as in  nattui explain --flow 'tcp 203.0.113.10:55474 203.0.113.1:80'")
			}
			var words []string // quoted or not
			for i++; i < len(args) && !strings.HasPrefix(args[i], "--"); i++ {
				words = append(words, args[i])
			}
			i--
			o.flow = strings.Join(words, " ")
		default:
			rest = append(rest, args[i])
		}
	}
	switch {
	case o.flow != "" && o.gateway != "":
		return o, "", usagef("--flow looks into the live table; a recorded gateway has none")
	case o.as != "" && o.as != "nft" && o.as != "iptables":
		return o, "", usagef("--as %s: use nft or iptables", text.Safe(o.as))
	case o.as != "" && o.flow != "":
		return o, "", usagef("--as goes with a line, not with --flow")
	case o.flow != "" && len(rest) > 0:
		return o, "", usagef("explain takes a line or --flow, not both: %q is too much", rest[0])
	case o.flow == "" && o.json:
		return o, "", usagef("--json goes with --flow")
	case o.flow == "" && len(rest) != 1:
		return o, "", usagef("explain takes one argument: put the line into quotes, as in  nattui explain '-A POSTROUTING …'")
	case o.flow == "":
		line = rest[0]
	}
	return o, line, nil
}

// flowsListed is how many flows are listed where a description fits several.
const flowsListed = 8

// explainFlow looks a flow up in the live table and says what it is.
func explainFlow(c *cobra.Command, o explainOptions) error {
	sought, err := explain.ParseSoughtFlow(o.flow)
	if err != nil {
		return usageError{err}
	}
	flows, err := readFlows(c.Context())
	if err != nil {
		return err
	}
	found, total := sought.Find(flows, flowsListed)
	switch {
	case total == 0:
		return fmt.Errorf("no connection matches %s, of %d in the table;  nattui whatif  predicts what would happen to its first packet", text.Safe(o.flow), flows.Len())
	case total > 1:
		sayWhich(c.ErrOrStderr(), found, total)
		return statusError(exitFailed)
	}
	sets, facts, err := readGateway(c.Context())
	if err != nil {
		return err
	}
	x := explain.NewExplainer(nil)
	x.SetRulesAt(sets, facts.Host(nil), readNow())
	if claims := x.Claims(flows.Len()); claims != nil {
		flows.Each(func(_ flow.Ref, f *flow.Flow) bool { claims.Take(f); return true })
		doubt(x, claims, sets, facts)
	}
	t := told{&found[0], x.Of(&found[0]), sets, facts}
	out := newOutput(c)
	if o.json {
		t.json(out)
	} else {
		t.page(out)
	}
	return out.Flush()
}

func sayWhich(w io.Writer, found []flow.Flow, total int) {
	say(w, fmt.Sprintf("%d connections match; say which:", total))
	for i := range found {
		f := &found[i]
		fmt.Fprintf(w, "  nattui explain --flow '%s %s %s'\n", f.Proto(), f.End(f.Client()), f.End(f.AskedFor()))
	}
	if more := total - len(found); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

// told is a flow with why it is as it is.
type told struct {
	*flow.Flow
	why   explain.Explanation
	sets  map[rules.Variant]*rules.Ruleset
	facts *facts.Facts
}

// wayStep is one station of a packet's way.
type wayStep struct {
	Where string `json:"where"`
	What  string `json:"what"`
	Spec  string `json:"spec,omitempty"`
}

// way are the stations of the flow's first packet and of the answer.
func (t *told) way() []wayStep {
	f := t.Flow
	in, _ := t.facts.LinkOf(f.Client().Addr())
	if route, ok := t.facts.Lookup(evaluate.RouteQuery{Dst: f.Client().Addr()}); ok && route.Out != "" {
		in = route.Out
	}
	arrives, first := "arrives by "+in, "in"
	if asked := t.ruleAt(t.why.DNAT).In; !asked.Any() && !asked.Not && !asked.Matches(in) {
		arrives = "arrives by " + asked.Name + ", as the rule requires"
	} else if t.why.Confidence == explain.Ambiguous {
		arrives = "probably arrives by " + in + " (not recorded)"
	}
	if t.facts.IsLocal(f.Client().Addr()) {
		arrives, first = "sent by this host", "this host"
	}
	steps := []wayStep{{first, fmt.Sprintf("%s to %s, %s", f.End(f.Client()), f.End(f.AskedFor()), arrives), ""}}
	if f.NAT()&flow.NATDst != 0 {
		steps = append(steps, t.ruleStep(t.why.DNAT, "PREROUTING", "to "+f.End(f.ServedBy())+" instead"))
	}
	served := f.ServedBy().Addr()
	if t.facts.IsLocal(served) {
		steps = append(steps, wayStep{"routing", "to a program of this host", ""})
	} else if route, ok := t.facts.Lookup(evaluate.RouteQuery{Dst: served}); ok && route.Out != "" {
		what := "leaves by " + route.Out
		if asked := t.ruleAt(t.why.SNAT).Out; !asked.Any() && !asked.Not && !asked.Matches(route.Out) {
			what = "leaves by " + asked.Name + ", as the rule requires"
		} else if route.Gateway.IsValid() {
			what += " via " + route.Gateway.String()
		}
		steps = append(steps, wayStep{"routing", what, ""})
	}
	if f.NAT()&flow.NATSrc != 0 {
		steps = append(steps, t.ruleStep(t.why.SNAT, "POSTROUTING", "from "+f.End(f.SeenAs())+" instead"))
	}
	steps = append(steps, wayStep{"served", fmt.Sprintf("%s sees %s", f.End(f.ServedBy()), f.End(f.SeenAs())), ""})
	back := "no reply yet"
	if f.Status&flow.StatusSeenReply != 0 {
		back = fmt.Sprintf("%s to %s", f.End(f.ServedBy()), f.End(f.SeenAs()))
		if f.NAT() != flow.NATNone {
			back += fmt.Sprintf(", turned back into %s to %s", f.End(f.AskedFor()), f.End(f.Client()))
		}
	}
	return append(steps, wayStep{"answer", back, ""})
}

func (t *told) ruleStep(r evaluate.RuleRef, chain, what string) wayStep {
	if r.IsZero() {
		if t.why.Confidence == explain.Stale {
			return wayStep{chain, what + ", by a rule that no longer exists", ""}
		}
		return wayStep{chain, what + ", by an unknown rule", ""}
	}
	step := wayStep{fmt.Sprintf("%s %d", r.Chain, r.Position), what, ""}
	if t.why.Older {
		step.What += ", as this rule does now"
	}
	if rule := t.ruleAt(r); !rule.IsZero() {
		step.Spec = rule.String()
	}
	return step
}

// ruleAt is the rule at its place; zero where there is none.
func (t *told) ruleAt(r evaluate.RuleRef) rules.Rule {
	set := t.sets[r.Variant]
	if set == nil || r.Position == 0 {
		return rules.Rule{}
	}
	if c, ok := set.Chain(r.Table, r.Chain); ok && r.Position <= len(c.Rules) {
		return c.Rules[r.Position-1]
	}
	return rules.Rule{}
}

// today says what the rules of now would do with such a packet, where that is
// something else: translate it otherwise, or drop it.
func (t *told) today() string {
	var programs []*evaluate.Program
	for _, s := range t.sets {
		programs = append(programs, evaluate.Compile(s))
	}
	path, err := evaluate.NewEvaluator(t.facts.Host(nil), programs...).Evaluate(explain.FirstPacket(t.Flow))
	if err != nil || len(path.Outcomes) == 0 {
		return ""
	}
	if t.why.Confidence != explain.Stale && (!path.Certain || path.Outcomes[0].DroppedBy.IsZero()) {
		return ""
	}
	return "Today: " + path.Outcomes[0].Sentence(&path.Packet)
}

func (t *told) json(out *output) {
	members := t.why.AppendJSON(nil)
	add := func(name string, value any) {
		if len(members) > 0 {
			members = append(members, ',')
		}
		encoded, _ := json.Marshal(value) // strings and lists of them cannot fail
		members = append(append(strconv.AppendQuote(members, name), ':'), encoded...)
	}
	add("stale", t.why.Confidence == explain.Stale)
	add("sentence", t.Sentence())
	add("way", t.way())
	_, _ = out.Write(append(t.AppendJSON(nil, time.Now().UnixNano(), string(members)), '\n'))
}

func (t *told) page(out *output) {
	width := helpWidth
	if out.terminal {
		width = min(out.width, helpWidth)
	}
	paragraph := func(s string) {
		for _, l := range text.Wrap(text.Safe(s), width, 0) {
			fmt.Fprintln(out, l)
		}
	}
	plain := func(l string) string {
		if out.terminal && !theme.UTF8(os.Getenv) {
			return strings.Map(theme.ASCII, l)
		}
		return l
	}
	paragraph(t.Sentence())
	now := time.Now().UnixNano()
	var state []string
	if s := t.StateName(); s != "" {
		state = append(state, s)
	}
	if t.Start != 0 {
		state = append(state, "began "+t.Age(now).Round(time.Second).String()+" ago")
	}
	state = append(state, fmt.Sprintf("expires in %d s without a packet", t.Remaining(now)))
	if t.Counts() {
		state = append(state, rules.Plural(t.Packets(), "packet")+", "+rules.Plural(t.Bytes(), "byte"))
	}
	fmt.Fprintln(out, out.ink.faint.Render(strings.Join(state, ", ")))
	fmt.Fprintln(out)
	for _, l := range guide.Way(t.marked()...) {
		fmt.Fprintln(out, " "+plain(l))
	}
	fmt.Fprintln(out)
	for _, s := range t.way() {
		fmt.Fprintln(out, " "+out.ink.strong.Render(text.Pad(text.Safe(s.Where), 15, false))+" "+text.Safe(s.What))
		if s.Spec != "" {
			fmt.Fprintln(out, strings.Repeat(" ", 17)+out.ink.faint.Render(text.Safe(s.Spec)))
		}
	}
	fmt.Fprintln(out)
	paragraph(strings.TrimSpace(t.name() + t.why.Verdict()))
	if today := t.today(); today != "" {
		paragraph(today)
	}
	if t.why.Confidence == explain.Stale {
		fmt.Fprintf(out, "  $ %s\n", text.Safe(rules.ShellLine(rules.Step{Forget: t.forget()}.Commands()[0])))
	}
}

// name says which rules made it.
func (t *told) name() string {
	if t.why.Rule().IsZero() {
		return ""
	}
	if t.why.Confidence == explain.Ambiguous {
		return fmt.Sprintf("Perhaps made by %s. ", strings.TrimPrefix(t.why.String(), "ambiguous "))
	}
	return fmt.Sprintf("As %s makes it today (%s%s). ", t.why, t.handles(), t.why.Confidence)
}

// handles are those of the native rules that made it.
func (t *told) handles() (text string) {
	for _, r := range []evaluate.RuleRef{t.why.DNAT, t.why.SNAT} {
		if r.Handle != 0 {
			text += fmt.Sprintf("handle %d, ", r.Handle)
		}
	}
	return text
}

func (t *told) forget() *rules.Forget {
	w := &rules.Forget{Proto: t.Proto(), Src: t.Client(), Dst: t.AskedFor(), Zone: t.Zone}
	if id, kind, code, ok := t.Orig.ICMP(); ok {
		w.Ident, w.Type, w.Code = id, kind, code
	}
	return w
}

// marked are the chains of the kernel's that translated the flow.
func (t *told) marked() []string {
	var chains []string
	for _, r := range []evaluate.RuleRef{t.why.DNAT, t.why.SNAT} {
		if !r.IsZero() {
			chains = append(chains, guide.Leads(t.sets[r.Variant], r.Table, r.Chain)...)
		}
	}
	if len(chains) > 0 {
		return chains
	}
	if t.NAT()&flow.NATDst != 0 {
		chains = append(chains, "PREROUTING")
	}
	if t.NAT()&flow.NATSrc != 0 {
		chains = append(chains, "POSTROUTING")
	}
	return chains
}
