package evaluate_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nftables"
)

// TestAgreesOnNativeRules holds the evaluator against the kernel with random native rule sets, alone and beside
// those of iptables.
func TestAgreesOnNativeRules(t *testing.T) {
	for _, c := range []struct {
		name     string
		backends []rules.Backend
		tables   int
	}{
		{"alone", nil, 80},
		{"beside nft", []rules.Backend{rules.NFT}, 30},
		{"beside legacy", []rules.Backend{rules.Legacy}, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			lab.Program(t, "nft")
			tables := number(t, "NATTUI_TABLES", c.tables)
			if testing.Short() {
				tables = min(tables, 4)
			}
			agreeOnNative(t, c.backends, seedOf(t), tables)
		})
	}
}

func agreeOnNative(t *testing.T, backends []rules.Backend, seed uint64, tables int) {
	g := openGround(t)
	holdTables(t, g, seed, tables, func(gen *generator) (programs []*evaluate.Program, text string) {
		run(t, "", "nft", "flush ruleset")
		clearTables(t, gen.family, backends)
		programs, text = gen.restore(t, backends)
		native := &nativeGenerator{generator: gen}
		text += native.load(t)
		set, err := nftables.Read(context.Background())
		check(t, "read the native tables", err)
		g.host.Native = evaluate.CompileNative(set)
		return programs, text
	})
}

// nativeGenerator makes random native rule sets, a command a line.
type nativeGenerator struct {
	*generator
	lines []string
	taken map[string]bool // hook and priority
	zone  string          // of the table: ip, ip6 or inet
}

func (g *nativeGenerator) add(format string, args ...any) {
	g.lines = append(g.lines, fmt.Sprintf(format, args...))
}

// nftError names the line that nft complains of.
var nftError = regexp.MustCompile(`(?m)^[^ ]*:(\d+):\d+-\d+: `)

// load makes a rule set and gives it to the kernel, without the lines that nft refuses.
func (g *nativeGenerator) load(t *testing.T) string {
	t.Helper()
	g.taken = map[string]bool{}
	for i := range 1 + g.IntN(3) {
		g.table(i)
	}
	for range 400 {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		cmd.Stdin = strings.NewReader(strings.Join(g.lines, "\n") + "\n")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if cmd.Run() == nil {
			return strings.Join(g.lines, "\n") + "\n"
		}
		bad := nftError.FindAllStringSubmatch(errs.String(), -1)
		if len(bad) == 0 {
			t.Fatalf("nft: %s\n%s", errs.String(), strings.Join(g.lines, "\n"))
		}
		var at []int
		for _, m := range bad {
			line, _ := strconv.Atoi(m[1])
			at = append(at, line-1)
		}
		first := slices.Min(at) // what follows may be wrong because of it
		g.lines = slices.Delete(g.lines, first, first+1)
	}
	t.Fatal("nft refuses everything")
	return ""
}

// The priorities that chains are tried at, by type.
var (
	filterPriorities = []int{-350, -310, -300, -250, -200, -190, -150, -120, -101, -100, -90, -50, -10, 0, 10, 50, 90, 100, 110, 200}
	natPriorities    = []int{-150, -110, -100, -99, -50, 0, 50, 99, 100, 101, 150}
)

var nativeHooks = map[string][]string{
	"filter": {"prerouting", "input", "forward", "output", "postrouting"},
	"nat":    {"prerouting", "prerouting", "input", "output", "postrouting", "postrouting"},
	"route":  {"output"},
}

func (g *nativeGenerator) table(i int) {
	g.zone = pick(g.generator, "inet", g.either("ip", "ip6"))
	table := fmt.Sprintf("%s t%d", g.zone, i)
	g.add("add table %s", table)
	g.sets(table)
	kinds := []string{"nat", "nat", "filter", "filter", "route"}
	for n := range 2 + g.IntN(5) {
		kind := pick(g.generator, kinds...)
		if n == 0 {
			kind = "nat"
		}
		hook := pick(g.generator, nativeHooks[kind]...)
		g.base(table, fmt.Sprintf("c%d", n), kind, hook)
	}
}

// base makes a chain that the kernel calls, with those that it leads to.
func (g *nativeGenerator) base(table, name, kind, hook string) {
	list := filterPriorities
	if kind == "nat" {
		list = natPriorities
	}
	priority := pick(g.generator, list...)
	key := fmt.Sprint(kind == "nat", hook, priority)
	busy := g.taken[key] || kind != "nat" && iptablesPriorities[hook+fmt.Sprint(priority)] || kind == "nat" && (priority == -100 || priority == 100)
	if busy && !g.open {
		return
	}
	g.opened = g.opened || busy
	g.taken[key] = true
	policy := "accept"
	if g.chance(20) && kind != "nat" {
		policy = "drop"
	}
	g.add("add chain %s %s { type %s hook %s priority %d ; policy %s ; }", table, name, kind, hook, priority, policy)
	at := nativePlace{table, name, kind, hook, priority, nil}
	for u := range g.IntN(3) {
		user := fmt.Sprintf("%su%d", name, u)
		at.callees = append(at.callees, user)
	}
	for _, u := range at.callees {
		g.add("add chain %s %s", table, u)
	}
	for i := len(at.callees) - 1; i >= 0; i-- {
		below := at
		below.name, below.callees = at.callees[i], at.callees[i+1:]
		g.rules(below)
	}
	g.rules(at)
}

// iptablesPriorities are where the chains of iptables are.
var iptablesPriorities = map[string]bool{
	"prerouting-300": true, "prerouting-150": true, "input-150": true, "input0": true, "input50": true, "forward-150": true, "forward0": true, "forward50": true,
	// Those of the kernel itself.
	"prerouting-200": true, "prerouting-100": true, "output-200": true, "output-100": true, "input100": true, "postrouting100": true,
	"output-300": true, "output-150": true, "output0": true, "output50": true, "postrouting-150": true,
}

type nativePlace struct {
	table, name, kind, hook string
	priority                int
	callees                 []string
}

func (p nativePlace) before(priority int) bool { return p.kind != "nat" && p.priority < priority }

func (g *nativeGenerator) rules(at nativePlace) {
	for range 1 + g.IntN(7) {
		g.add("add rule %s %s %s", at.table, at.name, g.rule(at))
	}
}

// sets makes the sets and maps of a table.
func (g *nativeGenerator) sets(table string) {
	addr := g.either("ipv4_addr", "ipv6_addr")
	g.add("add set %s addrs { type %s ; flags interval ; }", table, addr)
	g.add("add element %s addrs { %s, %s }", table, g.prefix(), g.span())
	g.add("add set %s ends { type %s . inet_service ; flags interval ; }", table, addr)
	g.add("add element %s ends { %s . %d-%d }", table, g.prefix(), 1, g.port()+1)
	g.add("add set %s pairs { type %s . inet_proto . inet_service ; }", table, addr)
	for range 4 {
		g.add("add element %s pairs { %s . %s . %d }", table, g.anyAddr(), pick(g.generator, "tcp", "udp"), g.port())
	}
	g.add("add map %s servers { type inet_service : %s ; flags interval ; }", table, addr)
	g.add("add element %s servers { %d-%d : %s, %d : %s }", table, 5000, 9000, g.of(lan4, lan6), 80, g.of(dmz4, dmz6))
	g.add("add map %s published { type %s . inet_service : %s . inet_service ; }", table, addr, addr)
	for range 3 {
		g.add("add element %s published { %s . %d : %s . %d }", table, g.of(own4, own6), g.port(), g.of(lan4, lan6), g.port())
	}
}

func (g *nativeGenerator) prefix() string {
	return pick(g.generator, g.either("192.168.0.0/24", "2001:db8:2::/64"), g.either("203.0.113.0/28", "2001:db8:1::/65"), g.either("10.10.0.0/16", "2001:db8:3::/64"), g.anyAddr())
}

func (g *nativeGenerator) ip() string { return g.either("ip", "ip6") }

// rule writes one rule: matches, then what it does.
func (g *nativeGenerator) rule(at nativePlace) string {
	var w []string
	for range g.IntN(3) {
		w = append(w, g.nativeMatch(at))
	}
	if g.chance(4) {
		w = append(w, "counter")
	}
	if g.chance(8) {
		w = append(w, g.nativeMark(at))
	}
	return strings.Join(append(w, g.statement(at)), " ")
}

func (g *nativeGenerator) isNot() string {
	if g.chance(4) {
		return "!= "
	}
	return ""
}

func (g *nativeGenerator) nativeMatch(at nativePlace) string {
	ip := g.ip()
	links := []string{"wan0", "lan0", "dmz0", "lo"}
	if g.open && g.chance(8) {
		g.opened = true
		return pick(g.generator, "limit rate 5/minute", "numgen random mod 2 0", "meta random > 1000000000", "ct packets > 2", "tcp option maxseg size > 500")
	}
	switch g.IntN(24) {
	case 0, 1:
		return fmt.Sprintf("%s daddr %s%s", ip, g.isNot(), g.anyAddr())
	case 2:
		return fmt.Sprintf("%s saddr %s%s", ip, g.isNot(), g.prefix())
	case 3:
		return fmt.Sprintf("%s %s %s@addrs", ip, pick(g.generator, "saddr", "daddr"), g.isNot())
	case 4:
		return fmt.Sprintf("%s daddr . th dport %s@ends", ip, g.isNot())
	case 5:
		return fmt.Sprintf("%s daddr . meta l4proto . th dport %s@pairs", ip, g.isNot())
	case 6:
		return fmt.Sprintf("%s dport %s%s", pick(g.generator, "tcp", "udp", "th"), g.isNot(), g.portRange("-"))
	case 7:
		return fmt.Sprintf("%s sport %s{ %d, %d-%d }", pick(g.generator, "tcp", "udp"), g.isNot(), g.port(), 30000, 45000)
	case 8, 9:
		return fmt.Sprintf("%s %s%s", pick(g.generator, "iifname", "oifname", "iif", "oif"), g.isNot(), pick(g.generator, links...))
	case 10:
		return fmt.Sprintf("%s %s{ wan0, lan0 }", pick(g.generator, "iifname", "oifname"), g.isNot())
	case 11:
		return fmt.Sprintf("meta l4proto %s%s", g.isNot(), pick(g.generator, "tcp", "udp", g.either("icmp", "ipv6-icmp"), "{ tcp, udp }"))
	case 12:
		return fmt.Sprintf("%s mark %s%s", pick(g.generator, "meta", "ct"), pick(g.generator, "", "and 0x40 == ", "and 0x43 != "), pick(g.generator, "0x0", "0x1", "0x40"))
	case 13:
		return fmt.Sprintf("ct state %s%s", g.isNot(), pick(g.generator, "new", "established,related", "invalid", "{ new, untracked }", "untracked"))
	case 14:
		return fmt.Sprintf("ct status %s%s", g.isNot(), pick(g.generator, "dnat", "snat", "confirmed"))
	case 15:
		return fmt.Sprintf("fib %s type %s%s", pick(g.generator, "daddr", "saddr", "daddr . iif"), g.isNot(), pick(g.generator, "local", "unicast", "{ local, broadcast }"))
	case 16:
		return pick(g.generator, "fib saddr . iif oif missing", "fib saddr . iif oif exists", "fib daddr oif != 0", "fib saddr oifname wan0",
			"meta iiftype != ether", "fib saddr . mark . iif oif missing", "fib daddr . mark oifname dmz0", "fib saddr . mark oif exists")
	case 17:
		return fmt.Sprintf("ct %s %s %s %s", pick(g.generator, "original", "reply"), ip, pick(g.generator, "saddr", "daddr"), g.anyAddr())
	case 18:
		return fmt.Sprintf("ct %s proto-%s %d", pick(g.generator, "original", "reply"), pick(g.generator, "src", "dst"), g.port())
	case 19:
		return g.either("icmp type echo-request", "icmpv6 type echo-request")
	case 20:
		return fmt.Sprintf("tcp flags %s", pick(g.generator, "syn", "& (fin | syn | rst | ack) == syn", "& ack == ack"))
	case 21:
		return pick(g.generator, g.either("ip ttl > 60", "ip6 hoplimit > 60"), fmt.Sprintf("%s dscp %s", ip, pick(g.generator, "cs0", "af11", "!= cs0")), "meta length < 60", "meta length 40-70")
	case 22:
		return pick(g.generator, "meta pkttype unicast", "meta nfproto "+g.either("ipv4", "ipv6"), "meta skuid 0", "meta skuid 1000", "ether saddr 02:00:00:00:00:01")
	}
	return fmt.Sprintf("%s daddr %s%s", ip, g.isNot(), g.span())
}

func (g *nativeGenerator) nativeMark(at nativePlace) string {
	return pick(g.generator, "meta mark set 0x1", "meta mark set meta mark or 0x40", "meta mark set meta mark and 0xfffffffe", "ct mark set 0x81", "ct mark set meta mark", "meta mark set ct mark", "meta mark set meta mark xor 0x3")
}

func (g *nativeGenerator) statement(at nativePlace) string {
	if g.chance(5) {
		if v := g.verdictMap(at); v != "" {
			if strings.Contains(v, "continue") && g.chance(2) {
				v += " " + g.statement(at) // what follows a map is done where its element says continue
			}
			return v
		}
	}
	if len(at.callees) > 0 && g.chance(3) {
		return pick(g.generator, "jump ", "goto ") + pick(g.generator, at.callees...)
	}
	if at.kind == "nat" && !g.chance(6) {
		if at.hook == "prerouting" || at.hook == "output" {
			return g.nativeDestination()
		}
		return g.nativeSource(at.hook == "postrouting")
	}
	if at.before(-200) && g.chance(5) && (at.hook == "prerouting" || at.hook == "output") {
		return "notrack"
	}
	return pick(g.generator, "accept", "accept", "drop", "return", "reject", "continue", g.nativeMark(at), g.nativeMark(at))
}

func (g *nativeGenerator) verdictMap(at nativePlace) string {
	verdict := func() string {
		if len(at.callees) > 0 && g.chance(2) {
			return pick(g.generator, "jump ", "goto ") + pick(g.generator, at.callees...)
		}
		if at.kind == "nat" {
			return pick(g.generator, "accept", "return", "continue")
		}
		return pick(g.generator, "accept", "drop", "return", "continue")
	}
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf("iifname vmap { wan0 : %s, lan0 : %s }", verdict(), verdict())
	case 1:
		return fmt.Sprintf("tcp dport vmap { 22 : %s, 80-500 : %s, 8080 : %s }", verdict(), verdict(), verdict())
	case 2:
		return fmt.Sprintf("%s daddr . th dport vmap { %s . 80 : %s, %s . 443 : %s }", g.ip(), g.anyAddr(), verdict(), g.of(own4, own6), verdict())
	case 3:
		return fmt.Sprintf("ct state vmap { established : %s, new : %s, invalid : %s }", verdict(), verdict(), verdict())
	case 4:
		if g.open {
			g.opened = true
			return fmt.Sprintf("numgen random mod 2 vmap { 0 : %s, 1 : %s }", verdict(), verdict())
		}
	}
	return fmt.Sprintf("%s saddr vmap { %s : %s, %s : %s }", g.ip(), g.either("192.168.0.0/24", "2001:db8:2::/64"), verdict(), g.of(wan4, wan6), verdict())
}

func (g *nativeGenerator) nativeDestination() string {
	ip := g.ip()
	to := pick(g.generator, g.of(lan4, lan6), g.of(lan4, lan6), g.of(dmz4, dmz6), g.of(own4, own6), g.of(wan4, wan6))
	family := ""
	if g.zone == "inet" {
		family = ip + " "
	}
	proto := "meta l4proto { tcp, udp } "
	switch g.IntN(12) {
	case 0, 1:
		return "dnat " + family + "to " + to
	case 2, 3:
		return fmt.Sprintf("%sdnat %sto %s:%d", proto, family, g.bracket(to), g.port())
	case 4:
		return "dnat " + family + "to " + g.span() + pick(g.generator, "", " persistent")
	case 5:
		return fmt.Sprintf("%sdnat %sto :%d", proto, family, g.port())
	case 6:
		return fmt.Sprintf("%sdnat %sto tcp dport map @servers", "", family)
	case 7:
		return fmt.Sprintf("dnat %s addr . port to %s daddr . tcp dport map @published", ip, ip)
	case 8:
		return "redirect"
	case 9:
		return fmt.Sprintf("%sredirect to :%d", proto, g.port())
	case 10:
		return fmt.Sprintf("dnat %s prefix to %s daddr map { %s : %s }", ip, ip, g.either("203.0.113.0/28", "2001:db8:1::/65"), g.either("192.168.0.0/28", "2001:db8:2::/65"))
	}
	if !g.open {
		return "dnat " + family + "to " + to
	}
	g.opened = true
	return fmt.Sprintf("dnat %sto numgen inc mod 2 map { 0 : %s, 1 : %s }", family, g.of(lan4, lan6), g.of(dmz4, dmz6))
}

func (g *nativeGenerator) nativeSource(post bool) string {
	ip := g.ip()
	to := pick(g.generator, g.of(own4, own6), g.of(own4, own6), g.of(far4, far6))
	family := ""
	if g.zone == "inet" {
		family = ip + " "
	}
	proto := "meta l4proto { tcp, udp } "
	n := g.IntN(8)
	if !post && n < 3 {
		n = 3
	}
	switch n {
	case 0, 1:
		return "masquerade"
	case 2:
		return fmt.Sprintf("%smasquerade to :%d", proto, g.port())
	case 3:
		return "snat " + family + "to " + to
	case 4:
		return "snat " + family + "to " + g.either("203.0.113.1-203.0.113.6", "2001:db8:1::1-2001:db8:1::6") + pick(g.generator, "", " persistent")
	case 5:
		return fmt.Sprintf("%ssnat %sto %s:%d", proto, family, g.bracket(to), g.port())
	case 6:
		return fmt.Sprintf("snat %s to %s saddr map { %s : %s, %s : %s }", ip, ip, g.either("192.168.0.0/24", "2001:db8:2::/64"), to, g.of(wan4, wan6), g.of(far4, far6))
	}
	return fmt.Sprintf("snat %s prefix to %s saddr map { %s : %s }", ip, ip, g.either("192.168.0.0/24", "2001:db8:2::/64"), g.either("198.51.100.0/24", "2001:db8:98::/64"))
}
