package evaluate_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// The evaluator is held against the kernel: random tables, random packets that
// are really sent through a gateway, and for each of them what it predicted
// compared with the flow that connection tracking made, the interface the
// packet left by and the address it bore, or the host that got it.
//
// NATTUI_SEED repeats a run, NATTUI_TABLES makes it longer or shorter, NATTUI_ONLY is
// the one table to run.

// seedOf is the seed of the run, which a failure prints.
func seedOf(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("NATTUI_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("NATTUI_SEED %q: %v", text, err)
		}
		seed = n
	}
	t.Logf("NATTUI_SEED=%d", seed)
	return seed
}

func number(t *testing.T, variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s %q: %v", variable, text, err)
	}
	return n
}

func TestAgreesWithTheKernel(t *testing.T) {
	for _, c := range []struct {
		name     string
		backends []rules.Backend
		tables   int
	}{
		{"nft", []rules.Backend{rules.NFT}, 200},
		{"legacy", []rules.Backend{rules.Legacy}, 200},
		{"both", []rules.Backend{rules.NFT, rules.Legacy}, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			tables := number(t, "NATTUI_TABLES", c.tables)
			if testing.Short() {
				tables = min(tables, 4)
			}
			agree(t, c.backends, seedOf(t), tables)
		})
	}
}

// countdown is a table at every place a packet passes, each of which takes the
// packet's mark one further if it is what the place before made it: only in the
// right order does it reach the last one, which translates.
var countdown = []struct {
	table, chain string
	from, to     int    // to 0: translate
	only         string // the backend, where they differ
}{
	{"raw", "PREROUTING", 0, 1, ""},
	{"mangle", "PREROUTING", 1, 2, ""},
	{"nat", "PREROUTING", 2, 3, ""},
	{"mangle", "INPUT", 3, 4, ""},
	{"filter", "INPUT", 4, 5, ""},
	{"security", "INPUT", 5, 6, ""},
	{"nat", "INPUT", 6, 0, "legacy"},
	{"nat", "INPUT", 5, 0, "nft"},
	{"mangle", "FORWARD", 3, 4, ""},
	{"filter", "FORWARD", 4, 5, ""},
	{"security", "FORWARD", 5, 6, ""},
	{"mangle", "POSTROUTING", 6, 7, ""},
	{"nat", "POSTROUTING", 7, 0, ""},
	{"raw", "OUTPUT", 0, 17, ""},
	{"mangle", "OUTPUT", 17, 18, ""},
	{"nat", "OUTPUT", 18, 19, ""},
	{"filter", "OUTPUT", 19, 20, ""},
	{"security", "OUTPUT", 20, 21, ""},
	{"mangle", "POSTROUTING", 21, 22, ""},
	{"nat", "POSTROUTING", 22, 0, ""},
}

// precedences holds the order of the tables at every hook against the kernel's.
func precedences(t *testing.T, g *ground, f rules.Family, b rules.Backend) {
	own, stranger, server, face := "192.168.0.1", "203.0.113.10", "192.168.0.2", "198.51.100.99"
	if f == rules.IPv6 {
		own, stranger, server, face = "2001:db8:2::1", "2001:db8:1::10", "2001:db8:2::2", "2001:db8:98::99"
	}
	var text strings.Builder
	for _, table := range []string{"raw", "mangle", "nat", "filter", "security"} {
		fmt.Fprintf(&text, "*%s\n", table)
		for _, c := range countdown {
			target := fmt.Sprintf("MARK --set-mark %d", c.to)
			if c.to == 0 {
				target = "SNAT --to-source " + face
			}
			if c.table == table && (c.only == "" || c.only == b.String()) {
				fmt.Fprintf(&text, "-A %s -m mark --mark %d -j %s\n", c.chain, c.from, target)
			}
		}
		text.WriteString("COMMIT\n")
	}
	restore(t, f, b, text.String())
	defer restore(t, f, b, "*security\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n")
	program := evaluate.Compile(save(t, f, b))
	gen := &generator{Rand: rand.New(rand.NewPCG(1, 1)), family: f}
	for i, to := range []struct {
		src, dst string
		local    bool
	}{{stranger, own, false}, {stranger, server, false}, {own, server, true}} {
		p := gen.packet(g, i)
		p.Protocol, p.SrcPort, p.DstPort, p.TTL, p.TCPFlags, p.Has = rules.UDP, 1000, 2000, 64, 0, evaluate.HasTOS
		p.Src, p.Dst, p.Local, p.Mark = netip.MustParseAddr(to.src), netip.MustParseAddr(to.dst), to.local, 0
		p.In, p.MAC = "", ""
		if !p.Local {
			p.In, p.MAC = "wan0", "02:00:00:00:00:01"
		}
		g.forgetFlows(t)
		e := evaluate.NewEvaluator(g.host, program)
		g.alone = e
		path, err := e.Evaluate(p)
		what, ok := compare(t, g, e, p, false, new(tally))
		if !ok || err != nil || len(path.Outcomes) != 1 || path.Outcomes[0].SNATBy.IsZero() {
			t.Errorf("the order of the tables for %s > %s: %v %s %+v", p.Src, p.Dst, err, what, path.Outcomes)
		}
	}
}

// tally counts what the comparison saw.
type tally struct {
	packets, flows, translated, forwarded, local, gone int
	uncertain, uncertainForNothing, plain              int
	wrong                                              int
}

const packetsPerTable = 50

func agree(t *testing.T, backends []rules.Backend, seed uint64, tables int) {
	g := openGround(t)
	for _, f := range rules.Families {
		precedences(t, g, f, backends[0])
	}
	holdTables(t, g, seed, tables, func(gen *generator) (programs []*evaluate.Program, text string) {
		clearTables(t, gen.family, backends)
		programs, text = gen.restore(t, backends)
		gen.opened = gen.opened || len(backends) > 1
		return programs, text
	})
}

// restore gives random tables of iptables to the kernel, and compiles what that has made of them.
func (g *generator) restore(t *testing.T, backends []rules.Backend) (programs []*evaluate.Program, text string) {
	for _, b := range backends {
		restore(t, g.family, b, g.tables(b))
		set := save(t, g.family, b)
		programs = append(programs, evaluate.Compile(set))
		text += fmt.Sprintf("# %s %s\n%s", g.family, b, rulesOf(set))
	}
	return programs, text
}

// holdTables has load give random tables to the kernel, of either family in turn, and holds each packet's way through them
// against what was predicted.
func holdTables(t *testing.T, g *ground, seed uint64, tables int, load func(*generator) ([]*evaluate.Program, string)) {
	t.Helper()
	var sum tally
	only := number(t, "NATTUI_ONLY", -1)
	for n := range tables {
		if only >= 0 && n != only {
			continue
		}
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		gen := &generator{Rand: r, family: rules.Families[n%2], open: r.IntN(10) < 4}
		programs, text := load(gen)
		g.forgetFlows(t)
		e := evaluate.NewEvaluator(g.host, programs...)
		alone := g.host
		alone.Flows = nil
		g.alone = evaluate.NewEvaluator(alone, programs...)
		for i := range packetsPerTable {
			p := gen.packet(g, i)
			if g.flows.InUse(p.Tuple()) {
				continue // not the first packet of a flow
			}
			if what, ok := compare(t, g, e, p, gen.opened, &sum); !ok {
				t.Errorf("seed %d, table %d, packet %d:\n%s\n%s", seed, n, i, what, text)
				if sum.wrong++; sum.wrong > 3 {
					t.Fatalf("after %+v", sum)
				}
			}
		}
	}
	sum.judge(t, tables, only >= 0)
}

// judge holds that little was uncertain, and that the run was worth it.
func (s *tally) judge(t *testing.T, tables int, one bool) {
	t.Helper()
	t.Logf("%+v", *s)
	bound := 50
	if tables < 100 {
		bound = 20 // a few tables that leave little certain weigh more then
	}
	if tables >= 10 && s.uncertainForNothing*bound > s.plain { // of fewer tables one alone decides
		t.Errorf("%d of %d answers were uncertain though the rules leave nothing open", s.uncertainForNothing, s.plain)
	}
	if !one && tables >= 20 && (s.translated < s.packets/20 || s.forwarded < s.packets/10 || s.local < s.packets/20 || s.gone < s.packets/20) {
		t.Errorf("the run was too uniform to tell much: %+v", *s)
	}
}

// compare sends a packet and holds what was predicted against what happened.
func compare(t *testing.T, g *ground, e *evaluate.Evaluator, p evaluate.Packet, open bool, sum *tally) (string, bool) {
	path, err := e.Evaluate(p)
	if err != nil {
		return fmt.Sprintf("%+v: %v", p, err), false
	}
	quick, quickCertain := e.Outcomes(nil, &p)
	got := g.send(t, p)
	sum.count(path, got, open, neededNothing(g, p, got))
	fits := func(outcomes []evaluate.Outcome) bool {
		for i := range outcomes {
			if got.fits(&outcomes[i]) {
				return true
			}
		}
		return path.Incomplete
	}
	if fits(path.Outcomes) && fits(quick) && quickCertain == path.Certain && (!path.Certain || got.fits(&path.Outcomes[0])) {
		return "", true
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%+v\nthe kernel: %s\npredicted (certain %v, quick %v):\n", p, got, path.Certain, quickCertain)
	for _, o := range path.Outcomes {
		fmt.Fprintf(&b, "  %s %s > %s %s out %s tracked %v, %s, %s, dropped by %s %s\n", o.Delivered, o.Src, o.Dst, o.NAT(), o.Out, o.Tracked, o.DNATBy, o.SNATBy, o.DroppedBy, o.Why)
	}
	for _, o := range quick {
		fmt.Fprintf(&b, "  quick: %s %s > %s out %s\n", o.Delivered, o.Src, o.Dst, o.Out)
	}
	for _, v := range path.Visits {
		if v.Verdict != evaluate.No {
			fmt.Fprintf(&b, "  %s %s %v\n", v.RuleRef, v.Verdict, v.Rule)
			if v.Native != nil {
				b.WriteString(v.Native.Program())
			}
		}
	}
	fmt.Fprintf(&b, "  doubts %v\n", path.Doubts)
	return b.String(), false
}

// neededNothing reports that a packet met with what it would have met without
// the flows that exist. Where they are in its way, the kernel picks another port
// at random, and no rule is to blame.
func neededNothing(g *ground, p evaluate.Packet, got event) bool {
	outcomes, certain := g.alone.Outcomes(nil, &p)
	return !certain || got.fits(&outcomes[0])
}

func (s *tally) count(path evaluate.Path, got event, open, alone bool) {
	s.packets++
	if got.tracked {
		s.flows++
	}
	if got.translated {
		s.translated++
	}
	switch {
	case got.out != "":
		s.forwarded++
	case got.local:
		s.local++
	default:
		s.gone++
	}
	if !open {
		s.plain++
	}
	if !path.Certain {
		s.uncertain++
		if !open && alone {
			s.uncertainForNothing++
		}
	}
}

func program(f rules.Family, b rules.Backend, what string) string {
	name := "iptables"
	if f == rules.IPv6 {
		name = "ip6tables"
	}
	path, err := exec.LookPath(name + "-" + b.String() + "-" + what)
	if err != nil {
		path = filepath.Join("/usr/sbin", name+"-"+b.String()+"-"+what)
	}
	return path
}

func run(t *testing.T, input string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s\n%s", argv, err, errs.String(), input)
	}
	return out.String()
}

func restore(t *testing.T, f rules.Family, b rules.Backend, text string) {
	t.Helper()
	run(t, text, program(f, b, "restore"))
}

func save(t *testing.T, f rules.Family, b rules.Backend) *rules.Ruleset {
	t.Helper()
	tables, err := rules.Read(strings.NewReader(run(t, "", program(f, b, "save"))))
	if err != nil {
		t.Fatal(err)
	}
	return &rules.Ruleset{Family: f, Backend: b, Tables: tables}
}

// rulesOf prints a rule set without its counters.
func rulesOf(s *rules.Ruleset) string {
	var b bytes.Buffer
	if err := rules.Save(&b, s.Tables); err != nil {
		return err.Error()
	}
	return b.String()
}

// clearTables empties what an earlier table left behind.
func clearTables(t *testing.T, f rules.Family, backends []rules.Backend) {
	var b strings.Builder
	for _, table := range []string{"raw", "mangle", "nat", "filter"} {
		fmt.Fprintf(&b, "*%s\n", table)
		for _, chain := range rules.BuiltInChains[table] {
			fmt.Fprintf(&b, ":%s ACCEPT [0:0]\n", chain)
		}
		b.WriteString("COMMIT\n")
	}
	for _, backend := range backends {
		restore(t, f, backend, b.String())
	}
}

// event is what became of a packet that was sent.
type event struct {
	tracked    bool
	src, dst   netip.AddrPort // as translated, where tracked
	translated bool
	out        string // the interface it left by, "" if none
	seenSrc    netip.Addr
	seenDst    netip.Addr
	local      bool // this host got it
}

func (e event) String() string {
	s := "no flow"
	if e.tracked {
		s = fmt.Sprintf("flow %s > %s", e.src, e.dst)
	}
	if e.out != "" {
		s += fmt.Sprintf(", left by %s as %s > %s", e.out, e.seenSrc, e.seenDst)
	}
	if e.local {
		s += ", delivered here"
	}
	return s
}

// fits reports whether that is what an outcome says.
func (e event) fits(o *evaluate.Outcome) bool {
	if e.tracked != o.Tracked || e.tracked && (!o.Matches(e.src, e.dst) || e.translated && o.NAT() == "none") {
		return false
	}
	switch o.Delivered {
	case evaluate.Forwarded:
		return e.out != "" && (o.Out == "" || o.Out == e.out) && !e.local &&
			(!o.Src.Addr.IsValid() || o.Src.Addr == e.seenSrc) && (!o.Dst.Addr.IsValid() || o.Dst.Addr == e.seenDst)
	case evaluate.Delivered:
		return e.local && e.out == ""
	}
	return !e.local && e.out == ""
}

// flowTable keeps the flows that exist, as the kernel tells of them.
type flowTable struct {
	replies map[rules.Tuple]rules.Tuple // original to reply
	taken   map[rules.Tuple]int
}

func (f *flowTable) add(orig, reply rules.Tuple) {
	f.replies[orig] = reply
	f.taken[orig]++
	f.taken[reply]++
}

func (f *flowTable) remove(orig, reply rules.Tuple) {
	if _, ok := f.replies[orig]; !ok {
		return
	}
	delete(f.replies, orig)
	for _, t := range []rules.Tuple{orig, reply} {
		if f.taken[t]--; f.taken[t] <= 0 {
			delete(f.taken, t)
		}
	}
}

func (f *flowTable) InUse(t rules.Tuple) bool { return f.taken[t] > 0 }

func (f *flowTable) Mapped(protocol rules.Protocol, src netip.AddrPort, yield func(netip.AddrPort) bool) {
	for orig, reply := range f.replies {
		if from, _ := endsOf(orig); orig.Proto != protocol || from != src {
			continue
		}
		if seen, _ := endsOf(reply.Mirror()); !yield(seen) {
			return
		}
	}
}

// nonce marks the payload of a packet, to know it again wherever it comes out.
func nonce(p evaluate.Packet, serial uint64) []byte {
	h := fnv.New64a()
	fmt.Fprintf(h, "%+v %d", p, serial)
	return h.Sum([]byte("nattui:"))
}
