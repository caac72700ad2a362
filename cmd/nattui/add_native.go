package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/guide"
	"nattui/rules/iptables"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// native tells whether a rule is to be made natively: where that was asked for, and where nothing was said on a host without
// iptables, or one where its tables nat are empty and native rules translate.
func (f *variantFlags) native(ctx context.Context, host *iptables.Host) (bool, error) {
	if f.backend != "" {
		return f.backend == rules.Native.String(), nil
	}
	if host.Lacking() != nil {
		return nftables.Installed(), nil
	}
	now, err := natives.reader.Read(ctx)
	if err != nil || !now.Translates() {
		return false, nil // what speaks against iptables is said there
	}
	sets, err := host.ReadAll(ctx)
	if err != nil {
		return false, err
	}
	for _, set := range sets {
		if natRules(set) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// addNative adds rules to nattui's own table.
func (o *addOptions) addNative(c *cobra.Command, host *iptables.Host, wanted []rules.Rule) error {
	var texts []string
	for _, rule := range wanted {
		said := nft.FromIPTables(o.draft.Family, rule)
		if len(said.Lacks) > 0 {
			return usagef("nft cannot say this: %s", text.Safe(strings.Join(said.Lacks, ", ")))
		}
		texts = append(texts, said.Text)
	}
	now, err := natives.reader.Read(c.Context())
	if err != nil {
		return err
	}
	script, err := nft.AddOwn(now, wanted[0].Chain, o.at, texts)
	if err != nil {
		return usageError{err}
	}
	steps, trial, err := nativeSteps(c.Context(), now, script)
	if err != nil {
		return err
	}
	f, err := readFacts(c.Context())
	if err != nil {
		return err
	}
	plan := rules.Plan{Title: fmt.Sprintf("Add to table inet %s: %s", nft.OwnTable, wanted[0].Sentence()), Steps: steps}
	sets, err := host.ReadAll(c.Context())
	if err != nil {
		return err
	}
	if err := o.sayNativeDoubts(c, &f, sets, wanted, &plan); err != nil {
		return err
	}
	f.Native = evaluate.CompileNative(trial.Predicted(now))
	for _, rule := range wanted {
		sayDropped(c, &f, sets, rule, o.draft.Family)
	}
	return o.carryOut(c, host, plan)
}

// sayNativeDoubts says what on this host speaks against the rules, and adds to the plan what ufw has to be told.
func (o *addOptions) sayNativeDoubts(c *cobra.Command, f *facts.Facts, sets map[rules.Variant]*rules.Ruleset, wanted []rules.Rule, plan *rules.Plan) error {
	said := map[string]bool{}
	for _, rule := range wanted {
		for _, doubt := range doctor.Doubts(f, &rules.Ruleset{Family: o.draft.Family, Backend: rules.NFT}, rule, nil) {
			if !said[doubt] {
				said[doubt] = true
				say(c.ErrOrStderr(), "warning: "+text.Safe(doubt))
			}
		}
		if _, ok := f.Present("ufw"); !ok || rule.Target.Kind != rules.DNAT {
			continue
		}
		h := f.GuideHost(sets, rules.NFT, nil)
		for _, step := range guide.Admit(h, guide.Publish{Protocol: rule.Protocol.Name, At: o.draft.Dest, Port: o.draft.Ports, To: o.draft.To}, rule) {
			say(c.ErrOrStderr(), text.Safe(step.Why))
			plan.Steps = append(plan.Steps, step)
		}
	}
	return nil
}

// sayDropped says where a filter of this gateway would drop what a new rule forwards: that a packet was translated lets it
// through nowhere by itself, and what one base chain accepts another one may drop.
func sayDropped(c *cobra.Command, f *facts.Facts, sets map[rules.Variant]*rules.Ruleset, rule rules.Rule, family rules.Family) {
	p, ok := arriving(f, rule, family)
	if !ok {
		return
	}
	var programs []*evaluate.Program
	for _, s := range sets {
		programs = append(programs, evaluate.Compile(s))
	}
	path, err := evaluate.NewEvaluator(f.Host(nil), programs...).Evaluate(p)
	if err != nil {
		return
	}
	for _, out := range path.Outcomes {
		if out.Delivered == evaluate.Dropped && !out.DroppedBy.IsZero() {
			words := "some of what it forwards may be"
			if path.Certain {
				words = "what it forwards is"
			}
			say(c.ErrOrStderr(), "warning: "+words+" dropped by "+text.Safe(out.DroppedBy.String())+"; "+text.Safe(opens(f, out.DroppedBy)))
			return
		}
	}
}

// opens says what lets translated packets pass the chain of a rule or policy that drops them, in the words of whoever owns it.
func opens(f *facts.Facts, by evaluate.RuleRef) string {
	if by.Backend != rules.Native {
		program := by.Family.Command()
		return "to let it pass:  " + rules.ShellLine([]string{program, "-I", by.Chain, "-m", "conntrack", "--ctstate", "DNAT", "-j", "ACCEPT"})
	}
	family, name, _ := strings.Cut(by.Table, " ")
	t := f.Native.Ruleset().Table(family, name)
	if t == nil {
		return ""
	}
	place := rules.NativeChange{What: rules.NativeRule, Family: family, Table: name, Chain: by.Chain, Text: "ct status dnat accept"}
	if err := nft.Allowed([]rules.NativeChange{place}, f.Native.Ruleset()); err != nil {
		return err.Error()
	}
	return "to let it pass:  " + rules.ShellLine([]string{"nft", "insert rule " + place.Place() + " " + place.Text}) +
		"  (nattui import takes that too), and write it to where that table is loaded from"
}

// arriving is a packet that a new DNAT is meant for, from the Internet; false where none can be told.
func arriving(f *facts.Facts, rule rules.Rule, family rules.Family) (evaluate.Packet, bool) {
	if rule.Target.Kind != rules.DNAT || rule.Chain != "PREROUTING" {
		return evaluate.Packet{}, false
	}
	client, to := netip.MustParseAddr("192.0.2.77"), rule.Dest.Addr
	if family == rules.IPv6 {
		client = netip.MustParseAddr("2001:db8:77::77")
	}
	if !rule.Source.Any() && !rule.Source.Not {
		client = rule.Source.Addr
	}
	for _, a := range f.Addresses {
		if to.IsValid() && !rule.Dest.Not {
			break
		}
		if on := a.Prefix.Addr(); family.Holds(on) && !on.IsLoopback() && a.Scope == facts.ScopeGlobal && (rule.In.Any() || rule.In.Matches(a.Link)) {
			to = on
		}
	}
	if !to.IsValid() {
		return evaluate.Packet{}, false
	}
	proto, ok := rule.Protocol.Number()
	if !ok || rule.Protocol.Any() {
		proto = rules.TCP
	}
	p, err := evaluate.NewPacket(proto, netip.AddrPortFrom(client, 50000), netip.AddrPortFrom(to, portOf(rule)))
	if err == nil && !rule.In.Not && !strings.HasSuffix(rule.In.Name, "+") {
		p.In = rule.In.Name
	}
	return p, err == nil
}

// portOf is a port that a rule is about; 80 where it says none.
func portOf(rule rules.Rule) uint16 {
	for _, m := range rule.Matches {
		switch m := m.(type) {
		case rules.Transport:
			if m.Dest != nil && !m.Dest.Not {
				return m.Dest.Lo
			}
		case rules.Multiport:
			if m.Side == rules.DestSide && !m.Not && len(m.List) > 0 {
				return m.List[0].Lo
			}
		}
	}
	return 80
}
