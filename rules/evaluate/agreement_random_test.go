package evaluate_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// generator makes random tables, and packets that have to do with them.
type generator struct {
	*rand.Rand
	family rules.Family
	open   bool // rules that leave the answer open may come up
	opened bool // and one did
	now    time.Time
	themes []int // kinds of match that this table is fond of, so that its rules meet
}

// chance is true once in n.
func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

func (g *generator) either(v4, v6 string) string {
	if g.family == rules.IPv6 {
		return v6
	}
	return v4
}

// The addresses of the play: this gateway's own, its neighbours', strangers'.
var (
	own4 = []string{"203.0.113.1", "203.0.113.2", "100.64.0.1", "192.168.0.1", "10.10.0.1"}
	own6 = []string{"2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1", "2001:db8:3::1"}
	wan4 = []string{"203.0.113.10", "203.0.113.66", "8.8.8.8", "100.64.0.9"}
	wan6 = []string{"2001:db8:1::10", "2001:db8:1::66", "2001:db8:99::8", "2001:db8:99::9"}
	lan4 = []string{"192.168.0.2", "192.168.0.3", "192.168.0.33"}
	lan6 = []string{"2001:db8:2::2", "2001:db8:2::3", "2001:db8:2::33"}
	dmz4 = []string{"10.10.3.4", "10.10.200.7"}
	dmz6 = []string{"2001:db8:3::4", "2001:db8:3::7"}
	far4 = []string{"198.51.100.33", "198.51.100.34", "192.0.2.9"}
	far6 = []string{"2001:db8:98::33", "2001:db8:98::34", "2001:db8:dead::9"}
)

func (g *generator) of(v4, v6 []string) string {
	if g.family == rules.IPv6 {
		return pick(g, v6...)
	}
	return pick(g, v4...)
}

func (g *generator) anyAddr() string {
	return pick(g, g.of(own4, own6), g.of(wan4, wan6), g.of(lan4, lan6), g.of(dmz4, dmz6), g.of(far4, far6))
}

func (g *generator) net() string {
	a := g.anyAddr()
	switch g.IntN(8) {
	case 0, 1, 2:
		return a
	case 3:
		return a + g.either("/16", "/32")
	case 4:
		return a + g.either("/255.255.0.7", "/ffff:ffff:ffff::7")
	case 5:
		return a + g.either("/31", "/127")
	case 6:
		return a + g.either("/8", "/16")
	}
	return a + g.either("/24", "/64")
}

func (g *generator) not() string {
	if g.chance(4) {
		return "! "
	}
	return ""
}

var ports = []int{22, 53, 80, 443, 500, 511, 512, 600, 1023, 1024, 5003, 8080, 33000, 40000}

func (g *generator) port() int { return pick(g, ports...) }

func (g *generator) portRange(sep string) string {
	if g.chance(2) {
		return fmt.Sprint(g.port())
	}
	lo := g.port()
	return fmt.Sprintf("%d%s%d", lo, sep, lo+1+g.IntN(3000))
}

// place is where a rule stands: what is allowed there.
type place struct {
	table   string
	chain   string
	hooks   []string // from which it can be reached
	callees []string
}

func (p place) only(hooks ...string) bool {
	for _, h := range p.hooks {
		if !slices.Contains(hooks, h) {
			return false
		}
	}
	return true
}

func (p place) user() bool { return !rules.IsBuiltIn(p.table, p.chain) }

// tables writes a whole set for iptables-restore.
func (g *generator) tables(b rules.Backend) string {
	g.now = time.Now().UTC()
	g.themes = []int{g.IntN(matchKinds), g.IntN(matchKinds)}
	var out strings.Builder
	for _, table := range []string{"raw", "mangle", "nat", "filter"} {
		if table != "nat" && g.chance(3) {
			continue
		}
		if table == "nat" && g.chance(12) {
			continue
		}
		g.table(&out, table)
	}
	return out.String()
}

func (g *generator) table(out *strings.Builder, table string) {
	fmt.Fprintf(out, "*%s\n", table)
	groups := [][]string{rules.BuiltInChains[table]}
	if table == "nat" {
		groups = [][]string{{"PREROUTING", "OUTPUT"}, {"POSTROUTING"}, {"INPUT"}}
	}
	var all []place
	for n, hooks := range groups {
		var users []string
		for i := range g.IntN(4) {
			users = append(users, fmt.Sprintf("u%d-%d", n, i))
		}
		for _, h := range hooks {
			all = append(all, place{table, h, []string{h}, users})
		}
		for i, u := range users {
			all = append(all, place{table, u, hooks, users[i+1:]})
		}
	}
	for _, p := range all {
		policy := "-"
		if !p.user() {
			policy = "ACCEPT"
			if g.chance(15) {
				policy = "DROP"
			}
		}
		fmt.Fprintf(out, ":%s %s [0:0]\n", p.chain, policy)
	}
	for _, p := range all {
		n := g.IntN(6)
		if g.chance(10) {
			n = 30 // long enough to be indexed
		}
		for range n {
			fmt.Fprintf(out, "-A %s %s\n", p.chain, g.rule(p))
		}
	}
	out.WriteString("COMMIT\n")
}

// rule writes one rule: matches, then a target that the place allows.
func (g *generator) rule(p place) string {
	var w []string
	add := func(format string, args ...any) { w = append(w, fmt.Sprintf(format, args...)) }
	target, needsPorts := g.target(p)
	proto := pick(g, "", "", "tcp", "udp", "icmp", "! tcp")
	if needsPorts {
		proto = pick(g, "tcp", "udp")
	}
	if proto == "icmp" {
		proto = g.either("icmp", "ipv6-icmp")
	}
	if not, name, ok := strings.Cut(proto, " "); ok {
		add("%s -p %s", not, name)
	} else if proto != "" {
		add("-p %s", proto)
	}
	if g.chance(3) {
		add("%s-s %s", g.not(), g.net())
	}
	if g.chance(3) {
		add("%s-d %s", g.not(), g.net())
	}
	if g.chance(4) && (p.user() || !p.only("OUTPUT") && !p.only("POSTROUTING")) {
		add("%s-i %s", g.not(), pick(g, "wan0", "lan0", "dmz0", "lo", "wan+", "l+"))
	}
	if g.chance(4) && (p.user() || !p.only("PREROUTING") && !p.only("INPUT")) {
		add("%s-o %s", g.not(), pick(g, "wan0", "lan0", "dmz0", "lo", "dm+"))
	}
	used := map[string]bool{} // iptables-nft prints a rule that has an option twice as if it had one
	for g.chance(2) {
		m := g.match(p, proto)
		name := optionOf(m)
		if m != "" && !used[name] {
			w = append(w, m)
			used[name] = true
		}
	}
	w = append(w, target)
	return strings.Join(w, " ")
}

// optionOf is the first option of a match: "-m tcp ! --dport 80" is --dport.
func optionOf(match string) string {
	_, option, _ := strings.Cut(match, "--")
	option, _, _ = strings.Cut(option, " ")
	switch {
	case strings.HasPrefix(match, "-m tcp"), strings.HasPrefix(match, "-m udp"), strings.HasPrefix(match, "-m iprange"):
		return option
	}
	module, _, _ := strings.Cut(strings.TrimPrefix(match, "-m "), " ")
	return module
}

// matchKinds counts the cases of match.
const matchKinds = 21

// match writes one match.
func (g *generator) match(p place, proto string) string {
	ported := proto == "tcp" || proto == "udp"
	tracked := p.table != "raw"
	kind := g.IntN(matchKinds)
	if g.chance(2) {
		kind = pick(g, g.themes...)
	}
	if p.table == "filter" && g.chance(5) {
		kind = 12 // marks are made to be looked at there
	}
	switch kind {
	case 0, 1, 2:
		if ported {
			return fmt.Sprintf("-m %s %s--dport %s", proto, g.not(), g.portRange(":"))
		}
		if proto == "icmp" {
			return fmt.Sprintf("-m icmp %s--icmp-type %s", g.not(), pick(g, "8", "13", "8/0", "0", "any"))
		}
		if proto == "ipv6-icmp" {
			return fmt.Sprintf("-m icmp6 %s--icmpv6-type %s", g.not(), pick(g, "128", "129", "128/0", "1"))
		}
	case 3:
		if ported {
			return fmt.Sprintf("-m %s %s--sport %s", proto, g.not(), g.portRange(":"))
		}
	case 4:
		if ported {
			return fmt.Sprintf("-m multiport %s%s %d,%s,%d", g.not(), pick(g, "--dports", "--sports", "--ports"), g.port(), g.portRange(":"), g.port())
		}
	case 5:
		if proto == "tcp" {
			return fmt.Sprintf("-m tcp %s--tcp-flags %s %s", g.not(), pick(g, "FIN,SYN,RST,ACK", "SYN", "ACK,SYN"), pick(g, "SYN", "ACK", "NONE"))
		}
	case 6:
		lo, hi := g.anyAddr(), g.anyAddr()
		if netip.MustParseAddr(hi).Less(netip.MustParseAddr(lo)) {
			lo, hi = hi, lo
		}
		return fmt.Sprintf("-m iprange %s--%s-range %s-%s", g.not(), pick(g, "src", "dst"), lo, hi)
	case 7, 8:
		return g.addrType(p)
	case 9, 10:
		if tracked {
			return g.conntrack()
		}
		return fmt.Sprintf("-m conntrack %s--ctstate %s", g.not(), pick(g, "NEW", "INVALID", "UNTRACKED", "NEW,INVALID"))
	case 11:
		return fmt.Sprintf("-m state %s--state %s", g.not(), pick(g, "NEW", "ESTABLISHED,RELATED", "INVALID", "NEW,UNTRACKED"))
	case 12, 13:
		return fmt.Sprintf("-m %s %s--mark %s", pick(g, "mark", "mark", "connmark"), g.not(), pick(g, "0x1", "0x0", "0x1/0x1", "0x40/0x40", "0x3/0x7", "0x80/0xf0", "0x4/0x4", "0x2/0x3"))
	case 14:
		if g.family == rules.IPv6 {
			return fmt.Sprintf("-m hl %s", pick(g, "--hl-eq 64", "--hl-lt 60", "--hl-gt 62", "! --hl-eq 63"))
		}
		return fmt.Sprintf("-m ttl %s", pick(g, "--ttl-eq 64", "--ttl-lt 60", "--ttl-gt 62", "! --ttl-eq 63"))
	case 15:
		return fmt.Sprintf("-m length %s--length %s", g.not(), pick(g, "43", "30:50", "60:", ":55"))
	case 16:
		return pick(g, "-m dscp --dscp 0x0a", "-m dscp ! --dscp 0x0a", "-m tos --tos 0x28/0x3f", "-m tos ! --tos 0x10/0xff")
	case 17, 20:
		if p.only("PREROUTING", "INPUT", "FORWARD") {
			return fmt.Sprintf("-m mac %s--mac-source %s", g.not(), pick(g, "02:00:00:00:00:01", "02:00:00:00:00:02"))
		}
		if p.only("OUTPUT", "POSTROUTING") {
			return fmt.Sprintf("-m owner %s", pick(g, "--uid-owner 0", "! --uid-owner 0", "--uid-owner 5-9", "--gid-owner 0", "--socket-exists", "! --socket-exists"))
		}
		return fmt.Sprintf("-m pkttype %s--pkt-type %s", g.not(), pick(g, "unicast", "multicast"))
	case 18:
		return g.time()
	case 19:
		if g.open && g.chance(2) {
			g.opened = true
			return pick(g, "-m statistic --mode random --probability 0.5", "-m statistic --mode nth --every 3 --packet 1",
				"-m limit --limit 1/hour --limit-burst 3", "-m hashlimit --hashlimit-above 1/sec --hashlimit-mode srcip --hashlimit-name x", "-m u32 --u32 0x0=0x0:0xffffffff")
		}
		return `-m comment --comment "a note"`
	}
	return ""
}

func (g *generator) addrType(p place) string {
	limit := ""
	if g.chance(4) {
		switch {
		case p.only("PREROUTING", "INPUT"):
			limit = " --limit-iface-in"
		case p.only("OUTPUT", "POSTROUTING"):
			limit = " --limit-iface-out"
		}
	}
	kind := pick(g, "LOCAL", "UNICAST", "LOCAL", "MULTICAST", g.either("BROADCAST,LOCAL", "UNICAST,LOCAL"))
	return fmt.Sprintf("-m addrtype %s--%s-type %s%s", g.not(), pick(g, "src", "dst", "dst"), kind, limit)
}

func (g *generator) conntrack() string {
	var w []string
	for range 1 + g.IntN(2) {
		not := g.not()
		switch g.IntN(7) {
		case 0:
			w = append(w, not+"--ctstate "+pick(g, "NEW", "DNAT", "SNAT", "ESTABLISHED,RELATED", "NEW,DNAT", "INVALID,UNTRACKED"))
		case 1:
			w = append(w, not+"--ctorigsrc "+g.net())
		case 2:
			w = append(w, not+"--ctorigdst "+g.net())
		case 3:
			w = append(w, not+"--ctreplsrc "+g.net())
		case 4:
			w = append(w, not+"--ctrepldst "+g.net())
		case 5:
			w = append(w, not+pick(g, "--ctorigsrcport", "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport")+" "+g.portRange(":"))
		case 6:
			w = append(w, pick(g, "--ctstatus ASSURED", "! --ctstatus ASSURED", "--ctstatus CONFIRMED", "! --ctstatus CONFIRMED", "--ctstatus NONE", "--ctdir ORIGINAL", "--ctdir REPLY", "--ctproto 6", "! --ctproto 17"))
		}
	}
	// Every option may be given once.
	seen := map[string]bool{}
	w = slices.DeleteFunc(w, func(s string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(s, "! "), " ")
		defer func() { seen[name] = true }()
		return seen[name]
	})
	return "-m conntrack " + strings.Join(w, " ")
}

// time writes a window that is far from ending or beginning just now.
func (g *generator) time() string {
	at := func(h time.Duration) string { return g.now.Add(h * time.Hour).Format("15:04:05") }
	today, other := g.now.Weekday().String()[:3], g.now.AddDate(0, 0, 3).Weekday().String()[:3]
	if g.now.Hour() == 23 && g.now.Minute() > 40 {
		today, other = "Mon,Tue,Wed,Thu,Fri,Sat,Sun", "Mon,Tue,Wed,Thu,Fri,Sat,Sun"
	}
	return "-m time " + pick(g,
		"--timestart "+at(-3)+" --timestop "+at(3), "--timestart "+at(3)+" --timestop "+at(6),
		"--weekdays "+today, "--weekdays "+other, "! --weekdays "+other,
		"--datestop "+g.now.AddDate(-1, 0, 0).Format("2006-01-02T15:04:05"), "--datestart "+g.now.AddDate(0, -1, 0).Format("2006-01-02T15:04:05"))
}

// target writes what a rule does; needsPorts is set where it takes a protocol.
func (g *generator) target(p place) (text string, needsPorts bool) {
	if len(p.callees) > 0 && g.chance(3) {
		return pick(g, "-j ", "-j ", "-g ") + pick(g, p.callees...), false
	}
	if g.chance(9) {
		return pick(g, "-j RETURN", "-j ACCEPT", "", "-j RETURN"), false
	}
	switch p.table {
	case "raw":
		return pick(g, "-j MARK --set-xmark 0x2/0x2", "-j CT --notrack", "-j ACCEPT", "-j MARK --set-xmark 0x40/0x40", "-j RETURN", "-j NFLOG"), false
	case "mangle":
		return pick(g, "-j MARK --set-xmark 0x1/0xffffffff", "-j MARK --set-xmark 0x41/0x43", "-j MARK --set-xmark 0x0/0x40", "-j MARK --set-xmark 0x7/0x3", "-j MARK --set-xmark 0x3/0x0",
			"-j CONNMARK --set-xmark 0x81/0xff", "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", "-j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xf0",
			g.of([]string{"-j TTL --ttl-set 1", "-j TTL --ttl-dec 63", "-j TTL --ttl-inc 1", "-j TTL --ttl-set 64"}, []string{"-j HL --hl-set 1", "-j HL --hl-dec 63", "-j HL --hl-inc 1", "-j HL --hl-set 64"}),
			pick(g, "-j TOS --set-tos 0x10", "-j TOS --set-tos 0x00/0xfc", "-j TOS --or-tos 0x10", "-j TOS --and-tos 0xef", "-j TOS --xor-tos 0x38", "-j DSCP --set-dscp 4", "-j DSCP --set-dscp 0"),
			"-j ACCEPT", "-j RETURN"), false
	case "filter":
		return pick(g, "-j ACCEPT", "-j DROP", "-j ACCEPT", "-j RETURN", "-j REJECT", "-j MARK --set-xmark 0x5/0x5"), false
	}
	if p.only("PREROUTING", "OUTPUT") {
		return g.destination()
	}
	return g.source(p.only("POSTROUTING"))
}

// flags are what may follow a range of ports; random ones leave it open.
func (g *generator) flags() string {
	if g.open && g.chance(3) {
		g.opened = true
		return " --random"
	}
	if g.chance(4) {
		return " --persistent"
	}
	return ""
}

func (g *generator) bracket(a string) string {
	if g.family == rules.IPv6 {
		return "[" + a + "]"
	}
	return a
}

// span is a range of addresses that begins in the LAN.
func (g *generator) span() string {
	if g.chance(5) {
		return g.either("192.168.0.2-192.168.3.9", "2001:db8:2::2-2001:db8:2:ffff::5")
	}
	return g.either("192.168.0.2-192.168.0.9", "2001:db8:2::2-2001:db8:2::9")
}

func (g *generator) destination() (string, bool) {
	to := pick(g, g.of(lan4, lan6), g.of(lan4, lan6), g.of(dmz4, dmz6), g.of(own4, own6), g.of(wan4, wan6))
	switch g.IntN(10) {
	case 0, 1:
		return "-j DNAT --to-destination " + to, false
	case 2, 3:
		return fmt.Sprintf("-j DNAT --to-destination %s:%d", g.bracket(to), g.port()), true
	case 4:
		return "-j DNAT --to-destination " + g.span() + pick(g, "", " --persistent"), false
	case 5:
		if !g.open {
			return fmt.Sprintf("-j DNAT --to-destination :%d", g.port()), true
		}
		g.opened = true
		return fmt.Sprintf("-j DNAT --to-destination %s:6000-6009%s", g.bracket(to), g.flags()), true
	case 6:
		lo := g.port()
		return fmt.Sprintf("-j DNAT --to-destination %s:6000-6999/%d", g.bracket(to), lo), true
	case 7:
		return "-j REDIRECT", false
	case 8:
		return fmt.Sprintf("-j REDIRECT --to-ports %d", g.port()), true
	}
	return "-j NETMAP --to " + g.either("192.168.0.0/24", "2001:db8:2::/64"), false
}

func (g *generator) source(post bool) (string, bool) {
	to := pick(g, g.of(own4, own6), g.of(own4, own6), g.of(far4, far6))
	n := g.IntN(9)
	if !post && (n == 2 || n == 3 || n == 4) {
		n = 0
	}
	switch n {
	case 0, 1:
		return "-j SNAT --to-source " + to + g.flags(), false
	case 2, 3:
		return "-j MASQUERADE" + strings.Replace(g.flags(), " --persistent", "", 1), false
	case 4:
		if !g.open {
			return fmt.Sprintf("-j MASQUERADE --to-ports %d", g.port()), true
		}
		g.opened = true
		return "-j MASQUERADE --to-ports 2000-2009", true
	case 5:
		return "-j SNAT --to-source " + g.either("203.0.113.1-203.0.113.6", "2001:db8:1::1-2001:db8:1::6") + pick(g, "", " --persistent"), false
	case 6:
		return fmt.Sprintf("-j SNAT --to-source %s:%d", g.bracket(to), g.port()), true
	case 7:
		if !g.open {
			return fmt.Sprintf("-j SNAT --to-source %s:1-65535", g.bracket(to)), true
		}
		g.opened = true
		return fmt.Sprintf("-j SNAT --to-source %s:%d-%d%s", g.bracket(to), 30000, 40000, g.flags()), true
	}
	return "-j NETMAP --to " + g.either("198.51.100.0/24", "2001:db8:98::/64"), false
}

// packet makes a packet that the tables above have something to say about.
func (g *generator) packet(w *ground, serial int) evaluate.Packet {
	p := evaluate.Packet{Protocol: pick(g, rules.TCP, rules.TCP, rules.UDP, rules.UDP, rules.Protocol(rules.ICMP)), Time: time.Now()}
	if p.Protocol == rules.ICMP && g.family == rules.IPv6 {
		p.Protocol = rules.ICMPv6
	}
	addr := netip.MustParseAddr
	p.Dst = addr(g.anyAddr())
	if g.chance(3) {
		p.Dst = addr(g.of(own4, own6))
	}
	if g.chance(3) {
		p.Local = true
		p.Src = addr(g.of(own4, own6))
		p.UID, p.GID, p.Has = 0, 0, evaluate.HasUID|evaluate.HasGID
		if g.chance(6) {
			p.Mark = pick(g, uint32(1), 0x40)
		}
	} else {
		from := []struct {
			in   string
			addr string
		}{{"wan0", g.of(wan4, wan6)}, {"wan0", g.of(wan4, wan6)}, {"lan0", g.of(lan4, lan6)}, {"dmz0", g.of(dmz4, dmz6)}}
		f := pick(g, from...)
		p.In, p.Src = f.in, addr(f.addr)
		if g.chance(15) {
			p.In = pick(g, "wan0", "lan0", "dmz0")
		}
		p.MAC = pick(g, "02:00:00:00:00:01", "02:00:00:00:00:02")
	}
	p.TTL = pick(g, uint8(64), 64, 63, 50, 128)
	if g.chance(40) {
		p.TTL = 1
	}
	p.TOS, p.Has = pick(g, uint8(0), 0x28, 0x10), p.Has|evaluate.HasTOS
	header := 20
	switch p.Protocol {
	case rules.TCP:
		p.TCPFlags, p.Has = 2, p.Has|evaluate.HasTCPFlags
		if g.chance(8) {
			p.TCPFlags = pick(g, uint8(0x10), 0x01, 0x12, 0x18)
		}
		p.SrcPort, p.DstPort = g.sourcePort(), uint16(g.port())
	case rules.UDP:
		header = 8
		p.SrcPort, p.DstPort = g.sourcePort(), uint16(g.port())
	default:
		header = 8
		p.ICMPID, p.Has = pick(g, uint16(1), 2, 3, 700, 40000), p.Has|evaluate.HasICMP
		p.ICMPType = 8
		if p.Protocol == rules.ICMPv6 {
			p.ICMPType = 128
		} else if g.chance(10) {
			p.ICMPType = 13
		}
	}
	ip := 20
	if g.family == rules.IPv6 {
		ip = 40
	}
	p.Length = uint16(ip + header + helloPayload)
	return p
}

// sourcePort is often the same, so that flows of one source come about.
func (g *generator) sourcePort() uint16 {
	if g.chance(2) {
		return pick(g, uint16(600), 40000)
	}
	return uint16(g.port())
}
