package explain

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// TestRememberedExplanations holds what is remembered for classes of flows against
// the evaluation of each flow, on random gateways with random rules, and flows that
// were translated in every way, also by rules that are gone. NATTUI_SEED repeats a
// run, NATTUI_CLASS_GATEWAYS makes it longer.
func TestRememberedExplanations(t *testing.T) {
	number := func(variable string, otherwise uint64) uint64 {
		if text := os.Getenv(variable); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatalf("%s %q: %v", variable, text, err)
			}
			return n
		}
		return otherwise
	}
	seed := number("NATTUI_SEED", uint64(time.Now().UnixNano()))
	t.Logf("NATTUI_SEED=%d", seed)
	d := &dice{rand.New(rand.NewPCG(seed, 1))}
	var flows, remembered, evaluated, alone int
	kinds := map[Confidence]int{}
	for n := range number("NATTUI_CLASS_GATEWAYS", 60) {
		facts := d.gateway()
		text4, text6 := d.table(false), d.table(true)
		sets := map[rules.Variant]*rules.Ruleset{
			{}:                   readSet(t, rules.IPv4, text4),
			{Family: rules.IPv6}: readSet(t, rules.IPv6, text6),
		}
		gone := evaluate.NewEvaluator(facts.Host(nil), evaluate.Compile(readSet(t, rules.IPv4, d.table(false))), evaluate.Compile(readSet(t, rules.IPv6, d.table(true))))
		x := NewExplainer(nil)
		x.SetRules(sets, facts.Host(nil))
		mark := x.Marker()
		near := d.landmarks(facts, text4+text6)
		var f, last flow.Flow
		for i := range 700 {
			switch {
			case i%7 == 0:
				f = d.flow(near)
				d.translate(&f, pick(d, x.evaluator, x.evaluator, gone), near)
			default:
				f = d.neighbour(last)
				if d.chance(5) {
					d.translate(&f, pick(d, x.evaluator, gone), near)
				}
			}
			last = f
			flows++
			want, _ := With(x.evaluator, &f, nil)
			class, ok := x.memory.classOf(&f)
			known := ok && x.memory.recall(&class) != 0
			switch {
			case !ok:
				alone++
			case known && x.memory.recall(&class) == eachByItself:
				evaluated++
			case known:
				remembered++
				kinds[want.Confidence]++
			}
			plain := f
			if of := x.Of(&plain); of != want {
				t.Fatalf("gateway %d: asked for, %v (%v), not %v (%v)\n%s", n, of, of.Confidence, want, want.Confidence, d.scene(facts, text4, text6, &f))
			}
			if got := mark(&f); got != want {
				t.Fatalf("gateway %d: %v (%v), not %v (%v); in memory %t\n%s", n, got, got.Confidence, want, want.Confidence, known, d.scene(facts, text4, text6, &f))
			}
		}
	}
	t.Logf("%d flows: %d from memory %v, %d of classes that are not remembered, %d in none", flows, remembered, kinds, evaluated, alone)
	if remembered < flows/6 || alone > flows/3 {
		t.Error("little is remembered")
	}
	for _, c := range []Confidence{Exact, Inferred, Ambiguous, Stale} {
		if kinds[c] == 0 && flows > 10_000 {
			t.Errorf("no remembered flow is %s", c)
		}
	}
}

// TestMemoryOfRules: with other rules or another host nothing remembered is left.
func TestMemoryOfRules(t *testing.T) {
	facts, sets := explainGateway(t, "")
	_, others := explainGateway(t, "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.3:8080\n")
	f := explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:81", "192.168.0.3:8080", "198.51.100.7:4000")
	x := NewExplainer(nil)
	mark := x.Marker()
	for range 3 {
		x.SetRules(sets, facts.Host(nil))
		for range 2 {
			if e := mark(&f); e.Confidence != Stale {
				t.Fatalf("without the rule: %v", e)
			}
		}
		x.SetRules(others, facts.Host(nil))
		for range 2 {
			if e := mark(&f); e.String() != "PREROUTING 2" {
				t.Fatalf("with the rule: %v", e)
			}
		}
	}
}

// TestMemoryPartsRoutes: what the routing decision refuses is no pattern for what it
// lets pass, where no rule and no route tells the two apart.
func TestMemoryPartsRoutes(t *testing.T) {
	known, sets := explainGateway(t, "")
	known.Settings.All.RouteLocalnet = facts.SettingOff
	known.Settings.Links = map[string]facts.LinkSettings{"lan0": {RPFilter: facts.RPFilterOff, RouteLocalnet: facts.SettingOff}}
	x := NewExplainer(nil)
	x.SetRules(sets, known.Host(nil))
	mark := x.Marker()
	for range 2 {
		for to, want := range map[string]string{"127.255.255.254:53": "unknown", "128.0.0.1:53": "POSTROUTING 1"} {
			f := explainedFlow(1, "192.168.0.9:4000", to, to, "203.0.113.1:4000")
			if e := mark(&f); e.String() != want {
				t.Errorf("to %s: %v", to, e)
			}
		}
	}
}

// TestMemoryIsBounded meets more classes than there is room for.
func TestMemoryIsBounded(t *testing.T) {
	var lines strings.Builder
	for i := range 60 {
		fmt.Fprintf(&lines, "-A PREROUTING -s 10.0.0.%d/32 -p tcp -m tcp --dport %d -j DNAT --to-destination 192.168.0.2:8080\n", 2*i+1, 1000+2*i)
	}
	facts, sets := explainGateway(t, lines.String())
	x := NewExplainer(nil)
	x.SetRules(sets, facts.Host(nil))
	mark := x.Marker()
	classes := map[flowClass]bool{}
	for round := range 2 {
		for i := range 120 {
			for k := range 120 {
				from := fmt.Sprintf("10.0.0.%d:4000", i)
				f := explainedFlow(1, from, fmt.Sprintf("203.0.113.1:%d", 1000+k), fmt.Sprintf("203.0.113.1:%d", 1000+k), from)
				c, _ := x.memory.classOf(&f)
				classes[c] = true
				want := Exact
				if i%2 == 1 && k == i-1 {
					want = Stale
				}
				if e := mark(&f); e.Confidence != want {
					t.Fatalf("round %d, %d, %d: %v", round, i, k, e.Confidence)
				}
			}
		}
	}
	if len(classes) < classSlots || len(x.memory.slots) != classSlots {
		t.Errorf("%d classes, %d slots", len(classes), len(x.memory.slots))
	}
}

// TestExplainingAllocatesNothing where the class of a flow is known.
func TestExplainingAllocatesNothing(t *testing.T) {
	facts, sets := explainGateway(t, "")
	x := NewExplainer(nil)
	x.SetRules(sets, facts.Host(nil))
	flows := officeFlows(256)
	for i := range flows {
		x.explain(&flows[i])
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() { i++; x.explain(&flows[i%len(flows)]) }); n != 0 {
		t.Errorf("a flow of a known class costs %.1f allocations", n)
	}
}

// officeFlows are flows of many kinds, of a gateway's ordinary day.
func officeFlows(n int) []flow.Flow {
	flows := make([]flow.Flow, n)
	for i := range flows {
		port := 32768 + i*7919%28000
		inside := fmt.Sprintf("192.168.0.%d:%d", 2+i%250, port)
		outside := fmt.Sprintf("%d.%d.%d.9:443", 20+i%180, i%251, i%13)
		stranger := fmt.Sprintf("%d.%d.%d.7:%d", 20+i%180, i%241, i%17, port)
		switch i % 4 {
		case 0, 1:
			flows[i] = explainedFlow(uint32(i+1), inside, outside, outside, fmt.Sprintf("203.0.113.1:%d", port))
		case 2:
			flows[i] = explainedFlow(uint32(i+1), stranger, "203.0.113.1:80", "192.168.0.2:8080", stranger)
		case 3:
			flows[i] = explainedFlow(uint32(i+1), stranger, "203.0.113.1:22", "203.0.113.1:22", stranger)
		}
	}
	return flows
}

// BenchmarkExplain explains a flow of an office whose class is known, and each by
// itself.
func BenchmarkExplain(b *testing.B) {
	var lines strings.Builder
	for i := range 20 {
		fmt.Fprintf(&lines, "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport %d -j DNAT --to-destination 192.168.0.%d:443\n", 8000+i, 10+i)
	}
	known, sets := explainGateway(b, lines.String())
	flows := officeFlows(1 << 16)
	masked6 := sixFlows(1 << 16)
	known.Addresses = append(known.Addresses, facts.Address{Link: "wan0", Prefix: netip.MustParsePrefix("2001:db8:1::1/64")}, facts.Address{Link: "lan0", Prefix: netip.MustParsePrefix("fd00::1/64")})
	sets[rules.Variant{Family: rules.IPv6}] = readSet(b, rules.IPv6, "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s fd00::/64 -o wan0 -j MASQUERADE\nCOMMIT\n")
	for _, c := range []struct {
		name  string
		known bool
		flows []flow.Flow
	}{{"known", true, flows}, {"known-ipv6", true, masked6}, {"evaluated", false, flows}} {
		b.Run(c.name, func(b *testing.B) {
			x := NewExplainer(nil)
			x.SetRules(sets, known.Host(nil))
			if !c.known {
				x.memory.begin(nil)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				x.explain(&c.flows[i%len(c.flows)])
			}
		})
	}
}

// sixFlows are flows of an IPv6 network that is masked as one address.
func sixFlows(n int) []flow.Flow {
	flows := make([]flow.Flow, n)
	for i := range flows {
		port := 32768 + i*7919%28000
		outside := fmt.Sprintf("[2001:db8:%x:%x::9]:443", 0x100+i%1000, i%13)
		flows[i] = explainedFlow(uint32(i+1), fmt.Sprintf("[fd00::%x]:%d", 2+i%250, port), outside, outside, fmt.Sprintf("[2001:db8:1::1]:%d", port))
	}
	return flows
}

// TestExplainerIsShared asks for explanations while flows are explained and rules
// change.
func TestExplainerIsShared(t *testing.T) {
	facts, sets := explainGateway(t, "")
	table := flow.NewFlows()
	b := &flow.Batch{At: 1}
	flows := officeFlows(64)
	for i := range flows {
		c := b.Next()
		c.Kind, c.Flow = flow.Listed, flows[i]
	}
	table.Apply(b)
	x := NewExplainer(table)
	x.SetRules(sets, facts.Host(nil))
	var all sync.WaitGroup
	all.Go(func() {
		for range 50 {
			x.SetRules(sets, facts.Host(nil))
			for x.Work(7) {
			}
		}
	})
	for range 2 {
		all.Go(func() {
			mark := x.Marker()
			for i := range 3000 {
				f := flows[i%len(flows)]
				want := [...]string{"POSTROUTING 1", "POSTROUTING 1", "PREROUTING 1", "none"}[i%4]
				of, marked := x.Of(&f), mark(&f)
				if marked.String() != want || of != marked && of.Confidence != NotAsked {
					t.Errorf("%v, marked %v, not %s", of, marked, want)
				}
			}
		})
	}
	all.Wait()
}

func readSet(t testing.TB, f rules.Family, text string) *rules.Ruleset {
	t.Helper()
	tables, err := rules.Read(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return &rules.Ruleset{Family: f, Tables: tables}
}

// dice draw gateways, rules and flows.
type dice struct{ *rand.Rand }

func (d *dice) chance(n int) bool { return d.IntN(n) == 0 }

func pick[T any](d *dice, of ...T) T { return of[d.IntN(len(of))] }

var (
	dice4 = []string{"203.0.113.1", "203.0.113.2", "192.168.0.1", "192.168.0.2", "192.168.0.77", "10.10.0.1", "10.10.3.4", "198.51.100.7", "198.51.100.33", "8.8.8.8", "100.64.0.9", "127.0.0.1"}
	dice6 = []string{"2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1", "2001:db8:2::2", "2001:db8:2::77", "2001:db8:3::4", "2001:db8:99::8", "2001:db8:98::33", "fd00::5", "::1", "fe80::9"}
)

func (d *dice) addr(six bool) netip.Addr {
	if six {
		return netip.MustParseAddr(pick(d, dice6...))
	}
	return netip.MustParseAddr(pick(d, dice4...))
}

func (d *dice) net(six bool) netip.Prefix {
	a := d.addr(six)
	bits := pick(d, 32, 24, 16, 31, 8, 30)
	if six {
		bits = pick(d, 128, 64, 48, 127, 16, 56)
	}
	return netip.PrefixFrom(a, bits).Masked()
}

var links = []string{"wan0", "lan0", "dmz0", "ppp0"}

// gateway draws facts of which all that routing looks at may come up.
func (d *dice) gateway() *facts.Facts {
	f := &facts.Facts{Settings: facts.UnknownSettings(), Kernel: pick(d, "6.18.0", "5.15.0", "")}
	for i, name := range append([]string{"lo"}, links...) {
		f.Links = append(f.Links, facts.Link{Index: i + 1, Name: name, Up: true, Running: true})
	}
	if d.chance(12) {
		f.Links[4].VRF = 9
	}
	route := func(table uint32, kind facts.RouteKind, dst netip.Prefix, hops ...facts.Hop) {
		f.Routes = append(f.Routes, facts.RouteEntry{
			Table: table, Kind: kind, Dst: dst, Hops: hops,
			Metric: pick(d, uint32(0), 0, 10, 100), Opaque: d.chance(40), TOS: pick(d, uint8(0), 0, 0, 0, 0, 8),
		})
	}
	owns := func(link, addr string, bits int) {
		a := netip.MustParseAddr(addr)
		at := facts.Address{
			Link: link, Prefix: netip.PrefixFrom(a, bits), Scope: pick(d, facts.ScopeGlobal, facts.ScopeGlobal, facts.ScopeGlobal, facts.ScopeLink),
			Secondary: d.chance(8), Deprecated: d.chance(8), Tentative: d.chance(12), Temporary: d.chance(8),
		}
		if d.chance(6) {
			at.Peer = d.addr(a.Is6())
		}
		if a.Is4() && d.chance(4) {
			at.Broadcast = netip.MustParseAddr("203.0.113.255")
			route(facts.TableLocal, facts.RouteBroadcast, netip.PrefixFrom(at.Broadcast, 32), facts.Hop{Out: link})
		}
		f.Addresses = append(f.Addresses, at)
		route(facts.TableLocal, facts.RouteLocal, netip.PrefixFrom(a, a.BitLen()), facts.Hop{Out: link})
		if !d.chance(8) {
			route(facts.TableMain, facts.RouteUnicast, at.Prefix.Masked(), facts.Hop{Out: link})
		}
	}
	if !d.chance(4) {
		owns("lo", "127.0.0.1", 8)
		owns("lo", "::1", 128)
	}
	owns("wan0", "203.0.113.1", pick(d, 24, 32))
	owns("wan0", "2001:db8:1::1", 64)
	owns("lan0", "192.168.0.1", pick(d, 24, 16))
	owns("lan0", "2001:db8:2::1", 64)
	if d.chance(2) {
		owns("dmz0", "10.10.0.1", 16)
		owns("wan0", "203.0.113.2", 24)
		owns("wan0", "2001:db8:1::2", 64)
	}
	hop := func(six bool) facts.Hop {
		h := facts.Hop{Out: pick(d, links...), Dead: d.chance(15), LinkDown: d.chance(15)}
		if d.chance(2) {
			h.Gateway = d.addr(six)
		}
		return h
	}
	for _, six := range []bool{false, true} {
		whole := rules.IPv4.Whole()
		if six {
			whole = rules.IPv6.Whole()
		}
		if !d.chance(5) {
			route(facts.TableMain, facts.RouteUnicast, whole, hop(six))
		}
		for range d.IntN(5) {
			hops := []facts.Hop{hop(six)}
			if d.chance(5) {
				hops = append(hops, hop(six))
			}
			route(pick(d, facts.TableMain, facts.TableMain, 7, 8), pick(d, facts.RouteUnicast, facts.RouteUnicast, facts.RouteUnicast, facts.RouteBlackhole, facts.RouteThrow, facts.RouteUnreachable, facts.RouteAnycast), d.net(six), hops...)
		}
		d.policy(f, six)
	}
	d.settings(&f.Settings)
	return f
}

// policy draws policy rules.
func (d *dice) policy(f *facts.Facts, six bool) {
	family := rules.IPv4
	if six {
		family = rules.IPv6
	}
	rule := func(priority, table uint32) facts.PolicyRule {
		return facts.PolicyRule{Family: family, Priority: priority, Table: table, SuppressPrefix: -1}
	}
	f.PolicyRules = append(f.PolicyRules, rule(0, facts.TableLocal))
	for i := range d.IntN(4) {
		r := rule(uint32(100+i), pick(d, facts.TableMain, 7, 8))
		if d.chance(2) {
			r.From = d.net(six)
		}
		if d.chance(3) {
			r.To = d.net(six)
		}
		if d.chance(4) {
			r.In = pick(d, append([]string{"lo"}, links...)...)
		}
		if d.chance(4) {
			r.Mark, r.Mask = 1, pick(d, uint32(1), 0xff)
		}
		if d.chance(6) {
			r.Proto, r.DstPorts = 6, [2]uint16{80, 90}
		}
		if d.chance(4) {
			r.SuppressPrefix = pick(d, 0, 16)
		}
		r.Not, r.Opaque = d.chance(6), d.chance(20)
		r.Action = pick(d, facts.RuleTable, facts.RuleTable, facts.RuleTable, facts.RuleTable, facts.RuleGoto, facts.RuleNop, facts.RuleBlackhole, facts.RuleProhibit)
		r.Goto = 102
		f.PolicyRules = append(f.PolicyRules, r)
	}
	f.PolicyRules = append(f.PolicyRules, rule(32766, facts.TableMain))
}

func (d *dice) settings(s *facts.Settings) {
	setting := func() facts.Setting {
		return pick(d, facts.SettingOff, facts.SettingOn, facts.SettingOn, facts.SettingOn, facts.SettingOff, facts.SettingUnknown)
	}
	mostlyOn := func() facts.Setting {
		return pick(d, facts.SettingOn, facts.SettingOn, facts.SettingOn, facts.SettingOn, facts.SettingOn, facts.SettingOff)
	}
	filter := func() facts.RPFilter {
		return pick(d, facts.RPFilterOff, facts.RPFilterOff, facts.RPFilterStrict, facts.RPFilterLoose, facts.RPFilterOff, facts.RPFilterUnknown)
	}
	s.Forwarding4, s.Forwarding6, s.IgnoreLinkDown = mostlyOn(), mostlyOn(), setting()
	s.All.RPFilter, s.All.AcceptLocal, s.All.SrcValidMark, s.All.RouteLocalnet = pick(d, facts.RPFilterOff, filter()), setting(), setting(), setting()
	s.Links = map[string]facts.LinkSettings{}
	for _, name := range append([]string{"lo"}, links...) {
		l := facts.UnknownLinkSettings()
		l.Forwarding4, l.RPFilter, l.AcceptLocal, l.SrcValidMark, l.RouteLocalnet = mostlyOn(), filter(), setting(), setting(), setting()
		s.Links[name] = l
	}
}

// table draws a nat table, and marks and filters before and after.
func (d *dice) table(six bool) string {
	var b strings.Builder
	match := func(proto string) string {
		var w []string
		not := func() string { return pick(d, "", "", "", "! ") }
		if d.chance(3) {
			w = append(w, not()+"-s "+d.net(six).String())
		}
		if d.chance(3) {
			w = append(w, not()+"-d "+d.net(six).String())
		}
		if proto != "" {
			w = append(w, "-p "+proto)
		}
		if proto == "tcp" || proto == "udp" {
			switch d.IntN(6) {
			case 0, 1:
				w = append(w, fmt.Sprintf("-m %s %s--dport %d", proto, not(), d.port()))
			case 2:
				w = append(w, fmt.Sprintf("-m %s --sport %d:%d", proto, 1000, 1000+d.IntN(50000)))
			case 3:
				w = append(w, fmt.Sprintf("-m multiport --dports %d,%d:%d", d.port(), 8000, 8100))
			}
		}
		switch d.IntN(9) {
		case 0:
			w = append(w, "-m addrtype "+not()+"--dst-type LOCAL")
		case 1:
			w = append(w, "-m conntrack "+not()+"--ctorigdst "+d.net(six).String())
		case 2:
			lo, hi := d.addr(six), d.addr(six)
			if hi.Less(lo) {
				lo, hi = hi, lo
			}
			w = append(w, fmt.Sprintf("-m iprange %s--%s-range %s-%s", not(), pick(d, "src", "dst"), lo, hi))
		case 3:
			if d.chance(3) {
				w = append(w, "-m statistic --mode random --probability 0.5")
			}
		case 4:
			w = append(w, "-m mark "+not()+"--mark 0x1/0x1")
		}
		return strings.Join(w, " ")
	}
	proto := func() string { return pick(d, "", "tcp", "udp", "tcp") }
	bracket := func(a netip.Addr) string {
		if a.Is6() {
			return "[" + a.String() + "]"
		}
		return a.String()
	}
	line := func(chain, match, target string) {
		fmt.Fprintf(&b, "-A %s\n", strings.Join(strings.Fields(chain+" "+match+" "+target), " "))
	}
	b.WriteString("*mangle\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n")
	for range d.IntN(3) {
		line(pick(d, "PREROUTING", "OUTPUT"), match(proto()), "-j MARK --set-xmark 0x1/0x1")
	}
	b.WriteString("COMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	for range d.IntN(6) {
		p := pick(d, "tcp", "udp", "")
		target := pick(d,
			"-j DNAT --to-destination "+d.addr(six).String(),
			fmt.Sprintf("-j DNAT --to-destination %s:%d", bracket(d.addr(six)), d.port()),
			fmt.Sprintf("-j DNAT --to-destination %s:%d-%d", bracket(d.addr(six)), 8000, 8000+d.IntN(20)),
			fmt.Sprintf("-j DNAT --to-destination %s:8000-8099/%d --random", bracket(d.addr(six)), 80),
			"-j REDIRECT", fmt.Sprintf("-j REDIRECT --to-ports %d", d.port()), "-j RETURN", "-j ACCEPT")
		if d.chance(12) {
			target = "-j NETMAP --to " + map[bool]string{false: "192.168.0.0/24", true: "2001:db8:2::/64"}[six]
		}
		line(pick(d, "PREROUTING", "PREROUTING", "OUTPUT"), match(p), target)
	}
	for range d.IntN(5) {
		p, a := pick(d, "tcp", "udp", ""), d.addr(six)
		target := pick(d,
			"-j MASQUERADE", "-j MASQUERADE", "-j MASQUERADE --random", "-j MASQUERADE --to-ports 2000-2009",
			"-j SNAT --to-source "+a.String(), fmt.Sprintf("-j SNAT --to-source %s:%d-%d", bracket(a), 3000, 3000+d.IntN(40000)),
			fmt.Sprintf("-j SNAT --to-source %s-%s%s", a, a.Next(), pick(d, "", " --persistent")), "-j RETURN", "-j ACCEPT")
		out := ""
		if d.chance(2) {
			out = "-o " + pick(d, links...)
		}
		line(pick(d, "POSTROUTING", "POSTROUTING", "POSTROUTING", "INPUT"), match(p), target)
		if out != "" {
			line("POSTROUTING", out+" "+match(proto()), "-j SNAT --to-source "+d.addr(six).String())
		}
	}
	b.WriteString("COMMIT\n*filter\n:FORWARD " + pick(d, "ACCEPT", "ACCEPT", "ACCEPT", "DROP") + " [0:0]\n:INPUT ACCEPT [0:0]\n")
	for range d.IntN(3) {
		line(pick(d, "FORWARD", "INPUT"), match(proto()), pick(d, "-j ACCEPT", "-j DROP"))
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

var dicePorts = []uint16{0, 1, 80, 511, 512, 550, 599, 600, 1023, 1024, 2000, 2009, 2010, 3000, 8000, 8080, 8099, 40000, 65535}

func (d *dice) port() uint16 { return max(1, pick(d, dicePorts...)) }

func (d *dice) anyPort() uint16 {
	switch d.IntN(4) {
	case 0:
		return uint16(d.Uint32())
	case 1:
		return 40000 + uint16(d.IntN(20000))
	}
	return pick(d, dicePorts...) + uint16(d.IntN(3)) - 1
}

// landmarks are addresses that rules and routes have to do with, and their
// neighbours; those of IPv4 first.
func (d *dice) landmarks(f *facts.Facts, text string) (near [2][]netip.Addr) {
	add := func(a netip.Addr) {
		for _, b := range []netip.Addr{a, a.Next(), a.Prev()} {
			if b.IsValid() {
				at := map[bool]int{false: 0, true: 1}[b.Is6()]
				near[at] = append(near[at], b)
			}
		}
	}
	for _, r := range f.Routes {
		add(r.Dst.Addr())
	}
	for _, r := range f.PolicyRules {
		add(r.From.Addr())
		add(r.To.Addr())
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \n-[],", r) }) {
		if p, err := netip.ParsePrefix(word); err == nil {
			add(p.Addr())
		} else if a, err := netip.ParseAddr(word); err == nil {
			add(a)
		}
	}
	for _, s := range append(append([]string{"0.0.0.0", "255.255.255.255", "224.0.0.1", "126.1.1.1", "127.9.9.9", "128.1.1.1", "::", "ff02::1", "fe80::1", "::ffff:192.168.0.2"}, dice4...), dice6...) {
		add(netip.MustParseAddr(s))
	}
	return near
}

func (d *dice) near(near [2][]netip.Addr, six bool) netip.Addr {
	if six {
		return pick(d, near[1]...)
	}
	return pick(d, near[0]...)
}

// flow draws one that is not translated.
func (d *dice) flow(near [2][]netip.Addr) flow.Flow {
	six := d.chance(3)
	src, dst := d.near(near, six), d.near(near, six)
	if d.chance(2) {
		dst = d.addr(six)
	}
	if d.chance(2) {
		src = d.addr(six)
	}
	proto := pick(d, rules.TCP, rules.TCP, rules.UDP, rules.ICMP, rules.GRE)
	var f flow.Flow
	switch proto {
	case rules.ICMP:
		if six {
			proto = rules.ICMPv6
		}
		f.Orig = rules.MakeICMP(rules.Protocol(proto), src, dst, d.anyPort(), pick(d, uint8(8), 128, 13, 0), pick(d, uint8(0), 0, 1))
	default:
		f.Orig = rules.MakeTuple(rules.Protocol(proto), netip.AddrPortFrom(src, d.anyPort()), netip.AddrPortFrom(dst, d.anyPort()))
	}
	if d.chance(100) {
		f.Orig.Proto = 0
	}
	f.Reply = f.Orig.Mirror()
	return f
}

// translate gives a flow the translation that rules lead to, or any other.
func (d *dice) translate(f *flow.Flow, e *evaluate.Evaluator, near [2][]netip.Addr) {
	f.Reply = f.Orig.Mirror()
	f.Status = 0
	six := f.Family() == rules.IPv6
	seen, served := &f.Reply.Dst, &f.Reply.Src
	seenPort, servedPort := &f.Reply.DstPort, &f.Reply.SrcPort
	if f.Proto().IsICMP() {
		seenPort, servedPort = &f.Reply.SrcPort, new(uint16)
	}
	p := FirstPacket(f)
	if outcomes, _ := e.Outcomes(nil, &p); len(outcomes) > 0 && !d.chance(3) {
		o := pick(d, outcomes...)
		if o.Src.Addr.IsValid() && o.Dst.Addr.IsValid() {
			*seen, *served = mapped(o.Src.Addr), mapped(o.Dst.Addr)
			*seenPort = o.Src.Ports.Lo + uint16(d.IntN(1+int(o.Src.Ports.Hi-o.Src.Ports.Lo)))
			*servedPort = o.Dst.Ports.Lo + uint16(d.IntN(1+int(o.Dst.Ports.Hi-o.Dst.Ports.Lo)))
		}
	} else if !d.chance(3) {
		*seen = mapped(d.near(near, six))
	}
	if d.chance(8) {
		*served = mapped(d.near(near, six))
	}
	if d.chance(8) {
		*seenPort = d.anyPort()
	}
	if d.chance(8) {
		*servedPort = d.anyPort()
	}
	switch {
	case d.chance(20):
		f.Status = flow.Status(d.Uint32())
	case !d.chance(5):
		f.Status = flow.Status(f.NAT()) << 4
	}
	if d.chance(60) {
		f.Reply.Family = pick(d, rules.IPv4, rules.IPv6)
	}
}

func mapped(a netip.Addr) [16]byte { return a.As16() }

// neighbour is a flow that differs from another one a little.
func (d *dice) neighbour(f flow.Flow) flow.Flow {
	turn := func(a, b *[16]byte) {
		same := *a == *b
		at := 15 - d.IntN(2)
		a[at] ^= 1 << d.IntN(8)
		if same {
			*b = *a // what passed through still does
		}
	}
	turnPort := func(a, b *uint16) {
		same := *a == *b
		*a ^= 1 << d.IntN(16)
		if same {
			*b = *a
		}
	}
	for range 1 + d.IntN(2) {
		switch d.IntN(7) {
		case 0:
			turn(&f.Orig.Src, &f.Reply.Dst)
		case 1:
			turn(&f.Orig.Dst, &f.Reply.Src)
		case 2:
			if f.Proto().IsICMP() {
				turnPort(&f.Orig.SrcPort, &f.Reply.SrcPort)
			} else {
				turnPort(&f.Orig.SrcPort, &f.Reply.DstPort)
			}
		case 3:
			if !f.Proto().IsICMP() {
				turnPort(&f.Orig.DstPort, &f.Reply.SrcPort)
			}
		case 4:
			turnPort(&f.Reply.DstPort, new(uint16))
		case 5:
			turnPort(&f.Reply.SrcPort, new(uint16))
		case 6:
			turn(pick(d, &f.Reply.Dst, &f.Reply.Src), new([16]byte))
		}
	}
	return f
}

// scene is what somebody who looks for a fault wants to see.
func (d *dice) scene(f *facts.Facts, text4, text6 string, one *flow.Flow) string {
	text := text4
	if one.Family() == rules.IPv6 {
		text = text6
	}
	return fmt.Sprintf("%s\n%s served by %s, seen as %s, status %x\naddresses %+v\nroutes %+v\npolicy %+v", text, one.Orig, one.ServedBy(), one.SeenAs(), one.Status, f.Addresses, f.Routes, f.PolicyRules)
}
