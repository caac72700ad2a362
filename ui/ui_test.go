package ui

import (
	"context"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/nft"
)

var update = flag.Bool("update", false, "write the golden files anew")

// clock is when every test happens.
var clock = time.Date(2026, 3, 14, 2, 30, 0, 0, time.UTC)

// sets reads rule sets as the kernel prints them.
func sets(t testing.TB, texts map[rules.Variant]string) map[rules.Variant]*rules.Ruleset {
	t.Helper()
	out := map[rules.Variant]*rules.Ruleset{}
	for variant, text := range texts {
		tables, err := rules.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		out[variant] = &rules.Ruleset{Family: variant.Family, Backend: variant.Backend, Tables: tables}
	}
	return out
}

var v4 = rules.Variant{Family: rules.IPv4, Backend: rules.NFT}

const gatewayRules = `*nat
:PREROUTING ACCEPT [31:1860]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [9:540]
:DOCKER - [0:0]
[8123:487380] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -m comment --comment web -j DNAT --to-destination 192.168.0.2:8080
[0:0] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.3:443
[512:30720] -A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888
[4:240] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[8123:487380] -A POSTROUTING -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j SNAT --to-source 192.168.0.1
[22417:1345020] -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
[0:0] -A DOCKER -i docker0 -j RETURN
[0:0] -A DOCKER ! -i docker0 -p udp -m udp --dport 53 -m limit --limit 5/sec -j DNAT --to-destination 172.17.0.2:53
COMMIT
`

// gatewayFacts are facts of the model gateway.
func gatewayFacts() *facts.Facts {
	address := func(link, prefix string) facts.Address {
		return facts.Address{Link: link, Prefix: netip.MustParsePrefix(prefix)}
	}
	route := func(dst, out, via string) facts.RouteEntry {
		hop := facts.Hop{Out: out}
		if via != "" {
			hop.Gateway = netip.MustParseAddr(via)
		}
		return facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix(dst), Hops: []facts.Hop{hop}}
	}
	f := &facts.Facts{
		Hostname:  "gw1",
		Settings:  facts.UnknownSettings(),
		Links:     []facts.Link{{Index: 1, Name: "lo", Kind: "loopback", Up: true}, {Index: 2, Name: "wan0", Kind: "veth", Up: true, Running: true}, {Index: 3, Name: "lan0", Kind: "veth", Up: true, Running: true}},
		Addresses: []facts.Address{address("wan0", "203.0.113.1/24"), address("lan0", "192.168.0.1/24")},
		Routes:    []facts.RouteEntry{route("0.0.0.0/0", "wan0", "203.0.113.254"), route("203.0.113.0/24", "wan0", ""), route("192.168.0.0/24", "lan0", "")},
	}
	for _, a := range f.Addresses { // as the kernel makes them
		f.Routes = append(f.Routes, facts.RouteEntry{Table: facts.TableLocal, Kind: facts.RouteLocal, Dst: netip.PrefixFrom(a.Prefix.Addr(), 32), Hops: []facts.Hop{{Out: a.Link}}})
	}
	for i, table := range []uint32{facts.TableLocal, facts.TableMain, facts.TableDefault} {
		f.PolicyRules = append(f.PolicyRules, facts.PolicyRule{Priority: []uint32{0, 32766, 32767}[i], Action: facts.RuleTable, Table: table, Family: rules.IPv4, SuppressPrefix: -1})
	}
	f.Settings.Forwarding4 = facts.SettingOn
	f.Listeners = []facts.Listener{{Proto: rules.TCP, Address: netip.MustParseAddrPort("0.0.0.0:8888")}}
	f.Neighbours = []facts.Neighbour{{Link: "lan0", Addr: netip.MustParseAddr("192.168.0.2"), Reachable: true}, {Link: "lan0", Addr: netip.MustParseAddr("192.168.0.3"), Reachable: true}}
	return f
}

// kernel stands for the kernel's tables: it applies plans to values by the same
// rules (rules.Plan.Apply) and shows what they have become.
type kernel struct {
	sets    map[rules.Variant]*rules.Ruleset
	refuses error
	applied []rules.Plan
	terms   Terms  // of the last one
	id      string // of what is applied
}

func (k *kernel) Apply(_ context.Context, p rules.Plan, t Terms) (Done, error) {
	p, err := k.make(p)
	k.terms = t
	return Done{ID: k.id, Plan: p}, err
}

func (k *kernel) make(p rules.Plan) (rules.Plan, error) {
	if k.refuses != nil {
		return p, k.refuses
	}
	p, err := p.Resolve(k.sets)
	if err != nil {
		return p, err
	}
	next, err := p.Apply(k.sets)
	if err != nil {
		return p, err
	}
	k.sets = next
	k.applied = append(k.applied, p)
	return p, nil
}

// stage drives the program's model directly, message by message.
type stage struct {
	t      *testing.T
	app    *App
	kernel *kernel
	native *nft.Ruleset
}

func newStage(t *testing.T, width, height int, text string) *stage {
	k := &kernel{sets: sets(t, map[rules.Variant]string{v4: text})}
	s := &stage{t: t, kernel: k}
	s.app = New(t.Context(), Gateway{Changes: k}, Options{UTF8: true, Now: func() time.Time { return clock }})
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	s.send(factsMsg{gatewayFacts()})
	s.tables(true)
	return s
}

// tables shows the screens what the kernel's tables are now.
func (s *stage) tables(changed bool) {
	s.send(tablesMsg{Sets: s.kernel.sets, Native: s.native, At: clock, Changed: changed})
}

// send gives a message to the program and runs what it asks for, until nothing
// more comes of it.
func (s *stage) send(msg tea.Msg) {
	s.t.Helper()
	_, cmd := s.app.Update(msg)
	s.run(cmd)
}

func (s *stage) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			s.run(c)
		}
	case tea.QuitMsg:
		s.t.Log("quit")
	default:
		s.send(msg)
	}
}

// press types keys: names such as enter, or single characters.
func (s *stage) press(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.app.asked.at = s.app.now.Add(-time.Minute) // whoever presses it has read what is on the screen
		s.send(keyPress(name))
	}
}

// write types text.
func (s *stage) write(text string) {
	for _, r := range text {
		s.send(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

func keyPress(name string) tea.KeyPressMsg {
	codes := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft,
		"right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "space": tea.KeySpace, "backspace": tea.KeyBackspace,
	}
	if c, ok := codes[name]; ok {
		k := tea.KeyPressMsg{Code: c}
		if name == "space" {
			k.Text = " "
		}
		return k
	}
	if rest, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: rune(rest[0]), Mod: tea.ModCtrl}
	}
	r := []rune(name)[0]
	return tea.KeyPressMsg{Code: r, Text: name}
}

// screen is what stands on the terminal, without colours.
func (s *stage) screen() string {
	asked := s.app.asked
	defer func() { s.app.asked = asked }()
	s.app.asked.at = s.app.now.Add(-time.Minute) // whoever looks at it has read it
	lines := strings.Split(ansi.Strip(s.app.draw()), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// golden compares the screen with its file.
func (s *stage) golden(name string) {
	s.t.Helper()
	got := s.screen()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if got != string(want) {
		s.t.Errorf("%s is not as it was (go test ./ui -update writes it anew):\n%s", name, got)
	}
	s.fits()
}

// stepped is the step through sizes; in short mode, which is for the race detector, a longer one.
func stepped(n int) int {
	if testing.Short() {
		return 6 * n
	}
	return n
}

// fits checks that nothing sticks out of the terminal.
func (s *stage) fits() {
	s.t.Helper()
	lines := strings.Split(s.app.draw(), "\n")
	if len(lines) != s.app.height {
		s.t.Errorf("%d lines on a terminal of %d", len(lines), s.app.height)
	}
	for i, l := range lines {
		if w := ansi.StringWidth(l); w > s.app.width {
			s.t.Errorf("line %d is %d cells wide on a terminal of %d: %q", i+1, w, s.app.width, ansi.Strip(l))
		}
	}
}

// onPlainTerminal presses keys on a terminal without UTF-8, on which every character must have a likeness.
func (s *stage) onPlainTerminal(names ...string) {
	s.t.Helper()
	s.app.utf8 = false
	s.app.restyle()
	s.press(names...)
	for _, r := range ansi.Strip(s.app.draw()) {
		if r >= 0x7f {
			s.t.Fatalf("%q is drawn on a terminal that cannot show it:\n%s", r, s.screen())
		}
	}
	if strings.Contains(s.screen(), "?  ?") {
		s.t.Errorf("something has no likeness:\n%s", s.screen())
	}
}

func (s *stage) sees(want string) {
	s.t.Helper()
	if !strings.Contains(s.screen(), want) {
		s.t.Errorf("%q is not on the screen:\n%s", want, s.screen())
	}
}

func (s *stage) lacks(text string) {
	s.t.Helper()
	if strings.Contains(s.screen(), text) {
		s.t.Errorf("%q is on the screen:\n%s", text, s.screen())
	}
}

// session is the operator's connection.
func session(client, server string) *facts.Session {
	return &facts.Session{Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(server)}
}
