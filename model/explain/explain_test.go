package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// explainGateway is wan0 203.0.113.1 and lan0 192.168.0.1 with a few rules.
func explainGateway(t testing.TB, extra string) (*facts.Facts, map[rules.Variant]*rules.Ruleset) {
	t.Helper()
	text := "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" +
		"-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\n" + extra +
		"-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE\nCOMMIT\n"
	tables, err := rules.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	route := func(dst, out string) facts.RouteEntry {
		return facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix(dst), Hops: []facts.Hop{{Out: out}}}
	}
	f := &facts.Facts{
		Settings: facts.UnknownSettings(),
		Links:    []facts.Link{{Index: 1, Name: "lo", Up: true, Running: true}, {Index: 2, Name: "wan0", Up: true, Running: true}, {Index: 3, Name: "lan0", Up: true, Running: true}},
		Addresses: []facts.Address{
			{Link: "wan0", Prefix: netip.MustParsePrefix("203.0.113.1/24")}, {Link: "lan0", Prefix: netip.MustParsePrefix("192.168.0.1/24")},
		},
		Routes:      []facts.RouteEntry{route("0.0.0.0/0", "wan0"), route("203.0.113.0/24", "wan0"), route("192.168.0.0/24", "lan0")},
		PolicyRules: []facts.PolicyRule{{Family: rules.IPv4, Priority: 32766, Table: facts.TableMain, SuppressPrefix: -1}},
	}
	f.Routes = append(f.Routes, facts.RouteEntry{Table: facts.TableLocal, Kind: facts.RouteLocal, Dst: netip.MustParsePrefix("203.0.113.1/32"), Hops: []facts.Hop{{Out: "wan0"}}},
		facts.RouteEntry{Table: facts.TableLocal, Kind: facts.RouteLocal, Dst: netip.MustParsePrefix("192.168.0.1/32"), Hops: []facts.Hop{{Out: "lan0"}}})
	f.PolicyRules = append([]facts.PolicyRule{{Family: rules.IPv4, Table: facts.TableLocal, SuppressPrefix: -1}}, f.PolicyRules...)
	f.Settings.Forwarding4 = facts.SettingOn
	f.Settings.All.RPFilter, f.Settings.Default.RPFilter = facts.RPFilterOff, facts.RPFilterOff
	return f, map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}
}

func explainedFlow(id uint32, client, asked, served, seen string) flow.Flow {
	at := netip.MustParseAddrPort
	f := flow.Flow{ID: id, Orig: rules.MakeTuple(rules.TCP, at(client), at(asked)), Reply: rules.MakeTuple(rules.TCP, at(served), at(seen)), Status: flow.StatusConfirmed}
	if client != seen {
		f.Status |= flow.StatusSrcNAT
	}
	if asked != served {
		f.Status |= flow.StatusDstNAT
	}
	return f
}

func TestExplainer(t *testing.T) {
	facts, sets := explainGateway(t, "")
	cases := []struct {
		name string
		flow flow.Flow
		want string
		sure Confidence
	}{
		{"published", explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.7:4000"), "PREROUTING 1", Exact},
		{"shared", explainedFlow(2, "192.168.0.9:4000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.1:4000"), "POSTROUTING 1", Exact},
		{"shared by another port", explainedFlow(3, "192.168.0.9:4001", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.1:1024"), "POSTROUTING 1", Inferred},
		{"plain", explainedFlow(4, "198.51.100.7:4000", "203.0.113.1:22", "203.0.113.1:22", "198.51.100.7:4000"), "none", Exact},
		{"to where it goes no more", explainedFlow(5, "198.51.100.7:4001", "203.0.113.1:80", "192.168.0.3:8080", "198.51.100.7:4001"), "stale", Stale},
		{"from before the rule", explainedFlow(6, "198.51.100.7:4002", "203.0.113.1:80", "203.0.113.1:80", "198.51.100.7:4002"), "stale", Stale},
		{"masqueraded as an address of long ago", explainedFlow(7, "192.168.0.9:4002", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.77:4002"), "stale", Stale},
	}
	data := explainedFlow(8, "198.51.100.7:4003", "203.0.113.1:51201", "192.168.0.2:51201", "198.51.100.7:4003")
	again := explainedFlow(9, "198.51.100.7:4004", "203.0.113.1:51201", "192.168.0.2:51201", "198.51.100.7:4004")
	again.Status |= flow.StatusExpected
	cases = append(cases, cases[4])
	cases[len(cases)-1].name, cases[len(cases)-1].flow = "as no rule does", data
	cases = append(cases, cases[3])
	last := &cases[len(cases)-1]
	last.name, last.flow, last.sure = "data of a connection with a helper", again, Inferred
	table := flow.NewFlows()
	b := &flow.Batch{At: 1}
	for _, c := range cases {
		change := b.Next()
		change.Kind, change.Flow = flow.Listed, c.flow
	}
	table.Apply(b)
	x := NewExplainer(table)
	if x.Work(10) {
		t.Error("there is work without rules")
	}
	x.SetRules(sets, facts.Host(nil))
	for range len(cases) {
		x.Work(1)
	}
	for _, c := range cases {
		f, _, ok := table.Lookup(c.flow.Key())
		if !ok {
			t.Fatalf("%s: gone", c.name)
		}
		e := x.Of(&f)
		if e.String() != c.want || e.Confidence != c.sure {
			t.Errorf("%s: %s, %s; want %s, %s", c.name, e, e.Confidence, c.want, c.sure)
		}
	}
	counts, stale := x.RuleCounts()
	if stale != 4 || counts[evaluate.RuleRef{Table: "nat", Chain: "POSTROUTING", Position: 1}] != 2 {
		t.Errorf("%v, %d stale", counts, stale)
	}
	stalest, err := x.Finder("stale")
	if err != nil {
		t.Fatal(err)
	}
	f, _, _ := table.Lookup(cases[4].flow.Key())
	if is, known := stalest(&f); !is || !known {
		t.Error("a stale flow is not found as such")
	}
}

// A rule is found by the word for its place, and no other rule by that.
func TestFinderByPlace(t *testing.T) {
	at := func(f rules.Family, b rules.Backend, table, chain string, n int) evaluate.RuleRef {
		return evaluate.RuleRef{Variant: rules.Variant{Family: f, Backend: b}, Table: table, Chain: chain, Position: n}
	}
	refs := []evaluate.RuleRef{
		at(rules.IPv4, rules.NFT, "nat", "PREROUTING", 1), at(rules.IPv4, rules.Legacy, "nat", "PREROUTING", 1), at(rules.IPv6, rules.NFT, "nat", "PREROUTING", 1),
		at(rules.IPv4, rules.NFT, "nat", "PREROUTING", 2), at(rules.IPv4, rules.Native, "inet fw4", "dstnat", 1), at(rules.IPv4, rules.Native, "ip other", "dstnat", 1),
	}
	x := &Explainer{}
	for _, r := range refs {
		x.known = append(x.known, Explanation{DNAT: r, Confidence: Exact})
	}
	x.told.Store(&explanations{1, x.known})
	of := func(find func(*flow.Flow) (bool, bool), number uint32) bool {
		is, known := find(&flow.Flow{Rule: number, RuleGen: 1})
		if _, other := find(&flow.Flow{Rule: number, RuleGen: 2}); !known || other {
			t.Errorf("of rule %d it is known: %v, and of one of other rules: %v", number, known, other)
		}
		return is
	}
	for i, r := range refs {
		match, err := x.Finder(PlaceOf(r))
		if err != nil {
			t.Fatal(err)
		}
		for n := range refs {
			if of(match, uint32(n+1)) != (n == i) {
				t.Errorf("%s means %v: %v", PlaceOf(r), refs[n], n != i)
			}
		}
	}
	match, err := x.Finder("PREROUTING/1")
	if err != nil || !of(match, 1) || of(match, 3) {
		t.Errorf("a name without a family is not that of IPv4: %v, %v, %v", of(match, 1), of(match, 3), err)
	}
	if name := x.Name(3); name != "ipv6 PREROUTING 1" {
		t.Errorf("the rule of IPv6 is called %q", name)
	}
	if match, err = x.Finder("ipv6/PREROUTING/1"); err != nil || of(match, 1) || !of(match, 3) {
		t.Errorf("the rule of IPv6 is not found by its name: %v, %v, %v", of(match, 1), of(match, 3), err)
	}
	for _, wrong := range []string{"PREROUTING/0", "nat/PREROUTING", "PREROUTING/x", "/"} {
		if _, err := x.Finder(wrong); err == nil {
			t.Errorf("%q is taken for a rule", wrong)
		}
	}
}

// A word that is no rule here is refused with what is near; before the rules are known any chain may be there.
func TestFinderRefuses(t *testing.T) {
	facts, sets := explainGateway(t, "")
	x := NewExplainer(nil)
	if _, err := x.Finder("lexx"); err != nil {
		t.Errorf("refused before the rules are known: %v", err)
	}
	x.SetRules(sets, facts.Host(nil))
	for ref, want := range map[string]string{
		"stale": "", "Unknown": "", "none": "", "1": "", "PREROUTING": "", "prerouting/1": "", "ipv4/nft/nat/POSTROUTING/1": "", "OUTPUT": "",
		"stael":         "there is no chain stael: did you mean stale?",
		"PREROUTNG/1":   "there is no chain PREROUTNG: did you mean PREROUTING?",
		"lexx":          "there is no chain lexx: use PREROUTING/1, a chain, stale, older, ambiguous, unknown or none",
		"PREROUTING/99": "PREROUTING has no rule 99: it has",
		"99":            "no chain has a rule 99: the longest has",
		"0":             "is not a rule: rules count from 1",
	} {
		_, err := x.Finder(ref)
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && !strings.HasPrefix(got, want) {
			t.Errorf("rule %s: %v; want %q", ref, err, want)
		}
	}
}

// What is forgotten after a change is never the operator's own connection, even
// where today's rules would lead it elsewhere.
func TestKeptFlowsSpareTheOperator(t *testing.T) {
	known, before := explainGateway(t, "")
	table := flow.NewFlows()
	b := &flow.Batch{At: 1}
	for i, client := range []string{"198.51.100.9:50000", "198.51.100.9:50001"} {
		c := b.Next()
		c.Kind, c.Flow = flow.Listed, explainedFlow(uint32(i+1), client, "203.0.113.1:80", "192.168.0.2:8080", client)
	}
	table.Apply(b)
	r, err := rules.Parse("-A PREROUTING -d 203.0.113.1/32 -p tcp -j DNAT --to-destination 192.168.0.3")
	if err != nil {
		t.Fatal(err)
	}
	plan := rules.Single(rules.Change{Op: rules.Insert, Table: "nat", Chain: r.Chain, At: 1, Rule: r})
	after, err := plan.Apply(before)
	if err != nil {
		t.Fatal(err)
	}
	known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("192.168.0.2:8080")}
	kept, changed, _ := KeptFlows(context.Background(), known, Rules{Sets: before}, Rules{Sets: after}, table, 10)
	if changed != 1 || len(kept) != 1 || kept[0].Client().Port() != 50001 {
		t.Errorf("%d: %v", changed, kept)
	}
}

func TestBlastInWords(t *testing.T) {
	session := &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000")}
	for _, c := range []struct {
		blast      Blast
		own, flows string
	}{
		{Blast{}, "No SSH session found", ""},
		{Blast{Session: session, Looked: 1431, Flows: 1431}, "from 198.51.100.9 is certainly not affected", "None of 1,431 live connections would"},
		{Blast{Session: session, Affected: facts.Way{Client: session.Client}, Own: true, OwnWhy: "it would go", Changed: 1, Looked: 5, Flows: 5}, "may be affected: it would go.", "1 of 5 live connections is affected; it keeps its translation"},
		{Blast{Looked: 1, Flows: 1}, "", "The one live connection would not be translated differently."},
		{Blast{Changed: 1, Looked: 1, Flows: 1}, "", "The one live connection is affected; it keeps"},
		{Blast{Changed: 1200, Looked: 20000, Flows: 1000000}, "", "1,200 of the first 20,000 of 1,000,000 live connections"},
	} {
		if got := c.blast.OwnSentence(); !strings.Contains(got, c.own) {
			t.Errorf("%q lacks %q", got, c.own)
		}
		if got := c.blast.FlowsSentence("x"); !strings.Contains(got, c.flows) || c.flows == "" && got != "" && c.blast.Flows == 0 {
			t.Errorf("%q lacks %q", got, c.flows)
		}
	}
}

func TestBlast(t *testing.T) {
	known, before := explainGateway(t, "")
	known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22")}
	table := flow.NewFlows()
	b := &flow.Batch{At: 1}
	change := b.Next()
	change.Kind, change.Flow = flow.Listed, explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.7:4000")
	table.Apply(b)
	plan := func(line string, at int) rules.Plan {
		r, err := rules.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		return rules.Single(rules.Change{Op: rules.Insert, Table: "nat", Chain: r.Chain, At: at, Rule: r})
	}
	for _, c := range []struct {
		plan    rules.Plan
		own     bool
		changed int
	}{
		{plan("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.3:443", 1), false, 0},
		{plan("-A PREROUTING -d 203.0.113.1/32 -p tcp -j DNAT --to-destination 192.168.0.3", 1), true, 1},
		{plan("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.3:80", 1), false, 1},
		{plan("-A PREROUTING -p tcp -m tcp --dport 22 -m limit --limit 1/sec -j REDIRECT --to-ports 2222", 1), true, 0},
		{rules.Plan{Steps: []rules.Step{{Sysctl: &rules.Sysctl{Name: "net.ipv4.ip_forward", Value: "1"}}}}, false, 0},
		{rules.Plan{Steps: []rules.Step{{Sysctl: &rules.Sysctl{Name: "net.ipv4.conf.all.rp_filter", Value: "1"}}}}, true, 0},
	} {
		after, err := c.plan.Apply(before)
		if err != nil {
			t.Fatal(err)
		}
		got := BlastOf(known, Rules{Sets: before}, Rules{Sets: after}, c.plan, table, 1000)
		if got.Own != c.own || got.Changed != c.changed {
			t.Errorf("%v: own %v (%s), %d changed; want %v, %d", c.plan.Commands(), got.Own, got.OwnWhy, got.Changed, c.own, c.changed)
		}
		kept, changed, _ := KeptFlows(context.Background(), known, Rules{Sets: before}, Rules{Sets: after}, table, 10)
		if changed != c.changed || len(kept) != c.changed {
			t.Errorf("%v: %d flows keep their translation, %d of them named; want %d", c.plan.Commands(), changed, len(kept), c.changed)
		}
	}
}

// TestSortByRule: flows stand in the order in which packets meet the rules, not in that in which
// the rules were first seen at work.
func TestSortByRule(t *testing.T) {
	facts, sets := explainGateway(t, "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.3:8080\n")
	table := flow.NewFlows()
	b := &flow.Batch{At: 1}
	for _, f := range []flow.Flow{
		explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:22", "203.0.113.1:22", "198.51.100.7:4000"),
		explainedFlow(2, "192.168.0.9:4000", "198.51.100.7:443", "198.51.100.7:443", "203.0.113.1:4000"),
		explainedFlow(3, "198.51.100.7:4000", "203.0.113.1:81", "192.168.0.3:8080", "198.51.100.7:4000"),
		explainedFlow(4, "198.51.100.7:4000", "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.7:4000"),
	} {
		c := b.Next()
		c.Kind, c.Flow = flow.Listed, f
	}
	table.Apply(b)
	x := NewExplainer(table)
	x.SetRules(sets, facts.Host(nil))
	for x.Work(1) {
	}
	for descending, want := range map[bool][]string{
		false: {"PREROUTING 1", "PREROUTING 2", "POSTROUTING 1", "none"},
		true:  {"POSTROUTING 1", "PREROUTING 2", "PREROUTING 1", "none"},
	} {
		sel, err := flow.NewSelector(table).Select(context.Background(), nil, flow.Sort{By: flow.ColumnRule, Descending: descending}, flow.Window{Limit: -1}, 2)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range sel.Rows {
			got = append(got, x.Of(&sel.Rows[i].Flow).String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("descending %v: %q, not %q", descending, got, want)
		}
	}
}

// TestScreensDoNotWait has what a screen asks for while it is drawn answered although the
// explanations are held by others at the time.
func TestScreensDoNotWait(t *testing.T) {
	facts, sets := explainGateway(t, "")
	table := flow.NewFlows()
	b := &flow.Batch{At: 1}
	for _, f := range officeFlows(8) {
		c := b.Next()
		c.Kind, c.Flow = flow.Listed, f
	}
	table.Apply(b)
	x := NewExplainer(table)
	x.SetRules(sets, facts.Host(nil))
	for x.Work(100) {
	}
	known, unknown := officeFlows(8)[0], officeFlows(8)[1]
	known, _, _ = table.Lookup(known.Key())
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.Of(&known); e.Confidence == NotAsked {
		t.Error("what has been explained is not known")
	}
	if e := x.Of(&unknown); e.Confidence != NotAsked {
		t.Errorf("%s, although nobody could be asked", e)
	}
}

// TestFilterWhileRulesChange: a filter by rule is asked while the table is locked for reading; that goes on beside new rules,
// new flows and explanations, each of which locks the table for writing.
func TestFilterWhileRulesChange(t *testing.T) {
	facts, sets := explainGateway(t, "")
	table := flow.NewFlows()
	x := NewExplainer(table)
	x.SetRules(sets, facts.Host(nil))
	meant, err := x.Finder("PREROUTING/1")
	if err != nil {
		t.Fatal(err)
	}
	where := func(f *flow.Flow, _ int64, _ flow.MessageKind) bool {
		is, _ := meant(f)
		return is
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 300 {
			x.SetRules(sets, facts.Host(nil))
			for x.Work(20) {
				continue
			}
		}
	}()
	selector := flow.NewSelector(table)
	for id := uint32(1); ; id++ {
		select {
		case <-done:
			return
		default:
		}
		b := &flow.Batch{At: int64(id)}
		change := b.Next()
		change.Kind, change.Flow = flow.EventNew, explainedFlow(1+id%5000, "198.51.100.7:"+strconv.Itoa(1+int(id)%60000), "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.7:"+strconv.Itoa(1+int(id)%60000))
		table.Apply(b)
		if _, err := table.Group(t.Context(), where, flow.GroupByRule, flow.GroupsByFlows, -1, int64(id)); err != nil {
			t.Fatal(err)
		}
		if _, err := selector.Select(t.Context(), where, flow.Sort{}, flow.Window{Limit: 10}, int64(id)); err != nil {
			t.Fatal(err)
		}
	}
}
