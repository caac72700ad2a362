package host_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// A maze is a random set of links, routes and policy rules of one family.
type maze struct {
	random *rand.Rand
	family rules.Family
	// networks are those of its routes, few enough for some to meet.
	networks []netip.Prefix
}

func newMaze(seed uint64, family rules.Family) maze {
	m := maze{random: rand.New(rand.NewPCG(seed, 1)), family: family}
	for range 8 {
		m.networks = append(m.networks, m.network())
	}
	return m
}

// The maze's links and their addresses, whose networks overlap with its routes.
var mazeLinks = []struct{ name, v4, v4gw, v6, v6gw string }{
	{"w0", "10.0.0.1/16", "10.0.0.2", "fd00:0:0:0::1/64", "fd00:0:0:0::2"},
	{"w1", "10.1.0.1/16", "10.1.0.2", "fd00:0:0:1::1/64", "fd00:0:0:1::2"},
	{"w2", "10.2.0.1/24", "10.2.0.2", "fd00:0:0:2::1/64", "fd00:0:0:2::2"},
}

func buildMazeLinks(t *testing.T) {
	t.Helper()
	for _, conf := range []string{"net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.accept_dad=0"} {
		name, value, _ := strings.Cut(conf, "=")
		if _, err := host.WriteSysctl(name, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range mazeLinks {
		ip(t, "link", "add", link.name, "type", "veth", "peer", "name", link.name+"far")
		ip(t, "link", "set", link.name, "up")
		ip(t, "link", "set", link.name+"far", "up")
		ip(t, "address", "add", link.v4, "dev", link.name)
		ip(t, "-6", "address", "add", link.v6, "dev", link.name, "nodad")
	}
	ip(t, "address", "add", "10.2.0.9/24", "dev", "w2")
	ip(t, "address", "add", "10.1.7.1/30", "dev", "w2")
}

func (m maze) flag() string {
	if m.family == rules.IPv6 {
		return "-6"
	}
	return "-4"
}

// address is one near the borders of the maze's networks.
func (m maze) address() netip.Addr {
	pick := func(values ...byte) byte { return values[m.random.IntN(len(values))] }
	if m.family == rules.IPv6 {
		a := netip.MustParseAddr("fd00::").As16()
		a[7], a[8], a[15] = pick(0, 1, 2, 3, 9), pick(0, 0, 0x80), pick(0, 1, 2, 3, 77)
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{10, pick(0, 1, 2, 3, 9), pick(0, 0, 7, 128), pick(1, 2, 3, 9, 77, 130)})
}

func (m maze) network() netip.Prefix {
	lengths := []int{0, 8, 12, 15, 16, 17, 24, 25, 30, 32}
	if m.family == rules.IPv6 {
		lengths = []int{0, 16, 48, 62, 63, 64, 65, 127, 128}
	}
	return netip.PrefixFrom(m.address(), lengths[m.random.IntN(len(lengths))]).Masked()
}

func (m maze) table() int { return []int{100, 101, 102, 254, 254}[m.random.IntN(5)] }

// route is the command that adds a random route. Metrics differ, since what
// the kernel does with equal IPv6 routes depends on more than the routes.
func (m maze) route(metric int) string {
	kind := []string{"unicast", "unicast", "unicast", "unicast", "unicast", "blackhole", "unreachable", "prohibit", "throw"}[m.random.IntN(9)]
	command := fmt.Sprintf("route add %s %s table %d metric %d", kind, m.networks[m.random.IntN(len(m.networks))], m.table(), metric)
	if kind != "unicast" {
		return command
	}
	link := mazeLinks[m.random.IntN(len(mazeLinks))]
	gateway := link.v4gw
	if m.family == rules.IPv6 {
		gateway = link.v6gw
	}
	if m.random.IntN(3) > 0 {
		command += " via " + gateway + " dev " + link.name + " onlink"
	} else {
		command += " dev " + link.name
	}
	if m.family == rules.IPv4 && m.random.IntN(5) == 0 {
		command += " tos 0x10"
	}
	if m.family == rules.IPv4 && m.random.IntN(5) == 0 {
		command += " src 10.0.0.1"
	}
	return command
}

// policy is the command that adds a random policy rule.
func (m maze) policy(priority int) string {
	var words []string
	add := func(odds int, format string, args ...any) {
		if m.random.IntN(odds) == 0 {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(10, "not")
	add(3, "from %s", m.network())
	add(3, "to %s", m.network())
	add(4, "fwmark %d/0xf", m.random.IntN(4))
	add(4, "iif %s", []string{"lo", "w0", "w1", "w2"}[m.random.IntN(4)])
	add(8, "oif w1")
	add(6, "tos 0x10")
	switch m.random.IntN(12) {
	case 0:
		words = append(words, "unreachable")
	case 1:
		words = append(words, "prohibit")
	case 2:
		words = append(words, "blackhole")
	case 3:
		words = append(words, fmt.Sprintf("goto %d", 1000+10*m.random.IntN(12)))
	case 4:
		words = append(words, "nop")
	default:
		words = append(words, fmt.Sprintf("lookup %d", m.table()))
		add(4, "suppress_prefixlength %d", m.random.IntN(20))
	}
	return fmt.Sprintf("rule add priority %d %s", priority, strings.Join(words, " "))
}

// build replaces the last maze by a new one. Some of the random commands make
// no sense and are refused, which -force overlooks.
func (m maze) build(t *testing.T) {
	t.Helper()
	commands := []string{"rule flush", "rule add priority 32766 lookup main"}
	if m.family == rules.IPv6 {
		commands = append(commands, "rule add priority 0 lookup local")
	}
	for _, table := range []string{"100", "101", "102", "main proto boot"} {
		commands = append(commands, "route flush table "+table)
	}
	for i := range 25 {
		commands = append(commands, m.route(10+i))
	}
	for i := range m.random.IntN(10) {
		commands = append(commands, m.policy(1000+10*i))
	}
	cmd := exec.Command("ip", m.flag(), "-force", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	_ = cmd.Run()
}

func (m maze) query() evaluate.RouteQuery {
	q := evaluate.RouteQuery{Dst: m.address()}
	if m.random.IntN(3) == 0 {
		q.Mark = uint32(m.random.IntN(5))
	}
	if m.random.IntN(3) == 0 {
		q.TOS = 0x10
	}
	if m.random.IntN(2) == 0 {
		q.In, q.Src = mazeLinks[m.random.IntN(len(mazeLinks))].name, m.address()
	}
	return q
}

// TestLookup holds the routes found in recorded facts against the kernel's.
func TestLookup(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	buildMazeLinks(t)
	for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			const mazes, queries = 40, 100
			certain, found, routes, policies := 0, 0, 0, 0
			for seed := range uint64(mazes) {
				m := newMaze(seed, family)
				if _, err := host.WriteSysctl("net.ipv4.conf.all.rp_filter", fmt.Sprint(seed%3)); err != nil {
					t.Fatal(err)
				}
				m.build(t)
				known := read(t)
				routes += count(known.Routes, func(r facts.RouteEntry) bool {
					return r.Origin == "boot" && r.Dst.Addr().Is4() == (family == rules.IPv4)
				})
				policies += count(known.PolicyRules, func(r facts.PolicyRule) bool {
					return r.Family == family && r.Priority >= 1000 && r.Priority < 2000
				})
				for range queries {
					q := m.query()
					kernel, err := host.Lookup(q)
					if err != nil {
						t.Fatalf("maze %d, %+v: %v", seed, q, err)
					}
					verdict := compare(&known, q, kernel)
					if verdict.certain {
						certain++
					}
					if verdict.certain && kernel.Kind == facts.RouteUnicast {
						found++
					}
					if verdict.wrong != "" {
						t.Fatalf("maze %d, %+v: %s\nkernel %+v", seed, q, verdict.wrong, kernel)
					}
				}
			}
			t.Logf("%d of %d lookups were certain, %d found a way out; %d routes, %d policy rules", certain, mazes*queries, found, routes, policies)
			if certain < mazes*queries*9/10 || found < mazes*queries/10 {
				t.Error("too few lookups found anything")
			}
			if routes < mazes*15 || policies < mazes*3 {
				t.Error("the mazes are too simple: most routes or policy rules were refused")
			}
		})
	}
}

func count[T any](list []T, is func(T) bool) int {
	n := 0
	for _, element := range list {
		if is(element) {
			n++
		}
	}
	return n
}

type verdict struct {
	certain bool
	wrong   string
}

// compare tells whether the facts say what the kernel says.
func compare(known *facts.Facts, q evaluate.RouteQuery, kernel facts.Route) verdict {
	if q.In != "" && q.Dst.Is4() {
		// The kernel answers for an arriving packet as a whole.
		ours := known.Host(nil).Route(evaluate.RouteQuery{Src: q.Src, Dst: q.Dst, In: q.In, Mark: q.Mark, TOS: q.TOS})
		return verdict{ours.Kind != evaluate.RoutedUnknown, compareDecision(ours, kernel)}
	}
	ours, certain := known.Lookup(q)
	if !certain {
		return verdict{}
	}
	same := refusal(ours.Kind) == refusal(kernel.Kind)
	if same && !refusal(ours.Kind) {
		same = ours.Kind == kernel.Kind && ours.Out == kernel.Out && ours.Gateway == kernel.Gateway
		// Until there are policy rules the kernel keeps the local table in the
		// main one, and says so (fib_trie_unmerge).
		same = same && (ours.Table == kernel.Table || ours.Table == facts.TableLocal && q.Dst.Is4())
		if q.Dst.Is4() && ours.PrefSrc != kernel.PrefSrc {
			same = false
		}
	}
	if same {
		return verdict{certain: true}
	}
	return verdict{true, fmt.Sprintf("found %+v", ours)}
}

func compareDecision(ours evaluate.Decision, kernel facts.Route) string {
	agree := false
	switch ours.Kind {
	case evaluate.RoutedUnknown:
		agree = true
	case evaluate.RoutedForward:
		agree = kernel.Kind == facts.RouteUnicast && ours.Out == kernel.Out && ours.NextHop == kernel.Gateway
	case evaluate.RoutedLocal:
		agree = kernel.Kind == facts.RouteLocal || kernel.Kind == facts.RouteBroadcast
	case evaluate.RoutedNone, evaluate.RoutedRefused:
		agree = refusal(kernel.Kind)
	}
	if agree {
		return ""
	}
	return fmt.Sprintf("decided %+v", ours)
}

func refusal(k facts.RouteKind) bool {
	switch k {
	case facts.RouteNone, facts.RouteBlackhole, facts.RouteUnreachable, facts.RouteProhibit:
		return true
	}
	return false
}
