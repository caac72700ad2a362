package ui

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
	"nattui/model/mission"
	"nattui/rules"
)

// labValues is a lab that answers from values: screens are drawn from what they are told, whoever tells it.
// Package lab sends the real packets.
type labValues struct {
	mission  string
	progress mission.Progress
	passes   bool // the goal is reached
	refuses  bool // the server does
	sent     []mission.Request
	moved    string
}

func labHosts() []mission.Host {
	addr := netip.MustParseAddr
	any4 := netip.IPv4Unspecified()
	return []mission.Host{
		{Name: "client", Behind: "wan0", Addresses: []mission.Address{{Link: "eth0", Addr: addr("203.0.113.10")}, {Link: "lo", Addr: addr("198.51.100.7")}, {Link: "eth0", Addr: addr("2001:db8:1::10")}}, Listens: []mission.Listener{{Proto: rules.TCP, Addr: any4, Port: 80}, {Proto: rules.UDP, Addr: any4, Port: 53}}},
		{Name: "gateway", Addresses: []mission.Address{{Link: "wan0", Addr: addr("203.0.113.1")}, {Link: "lan0", Addr: addr("192.168.0.1")}}, Listens: []mission.Listener{{Proto: rules.TCP, Addr: any4, Port: 22}, {Proto: rules.TCP, Addr: any4, Port: 8888}}},
		{Name: "server2", Behind: "lan0", Addresses: []mission.Address{{Link: "eth0", Addr: addr("192.168.0.2")}}, Listens: []mission.Listener{{Proto: rules.TCP, Addr: addr("192.168.0.2"), Port: 8080}, {Proto: rules.TCP, Addr: addr("127.0.0.1"), Port: 6}}},
		{Name: "server3", Behind: "lan0", Addresses: []mission.Address{{Link: "eth0", Addr: addr("192.168.0.3")}}, Listens: []mission.Listener{{Proto: rules.TCP, Addr: any4, Port: 443}}},
	}
}

func (l *labValues) Name() string {
	if l.mission != "" {
		return l.mission
	}
	return "publish"
}

func (l *labValues) Summary() string { return "a web server behind DNAT with its return path" }

func (l *labValues) Mission() (mission.Mission, bool) {
	m, err := mission.Named(l.mission)
	return m, err == nil
}

func (l *labValues) Survey() ([]mission.Host, error) { return labHosts(), nil }

func (l *labValues) Send(_ context.Context, r mission.Request) mission.Reply {
	l.sent = append(l.sent, r)
	if r.To.Port() == 9 {
		return mission.Reply{Request: r, Outcome: mission.Silent, Why: "nothing came back within 3s"}
	}
	if l.refuses {
		return mission.Reply{Request: r, Outcome: mission.Refused, Why: "nothing listens there, or a rule rejects it"}
	}
	at := netip.MustParseAddrPort
	return mission.Reply{Request: r, Outcome: mission.Answered, Server: "server2", At: at("192.168.0.2:8080"), Own: at("203.0.113.10:40000"), Peer: at("192.168.0.1:40000")}
}

func (l *labValues) Check(context.Context) (mission.Progress, error) {
	l.progress.Tries++
	l.progress.At = clock
	l.progress.Steps = []mission.Step{{Want: "client reaches 203.0.113.1:80, answered by server2", OK: l.passes, Saw: "refused: nothing listens there, or a rule rejects it"}, {Want: "server3 still reaches other web servers", OK: true, Saw: "client answered"}}
	l.progress.Done = l.progress.Done || l.passes
	return l.progress, nil
}

func (l *labValues) Hint() (mission.Progress, error) {
	l.progress.Hints++
	return l.progress, nil
}

func (l *labValues) Progress() (map[string]mission.Progress, error) {
	return map[string]mission.Progress{l.Name(): l.progress, "share": {Done: true}}, nil
}

func (l *labValues) Scenarios() (names, summaries []string) {
	return []string{"publish", "empty"}, []string{"a web server behind DNAT", "no rules, no traffic, nothing forwarded: a gateway to begin with, and to try what a recipe says of one without anything"}
}

func (l *labValues) Move(scenario, name string) error {
	if scenario == "empty" {
		return errors.New("this lab was started with a command of its own")
	}
	l.moved = scenario + name
	return nil
}

// labStage is a stage in a lab; of a mission unless that is empty.
func labStage(t *testing.T, width, height int, of, tables string) (*stage, *labValues) {
	l := &labValues{mission: of}
	k := &kernel{sets: sets(t, map[rules.Variant]string{v4: tables})}
	s := &stage{t: t, kernel: k}
	s.app = New(t.Context(), Gateway{Changes: k, Lab: l}, Options{UTF8: true, Now: func() time.Time { return clock }})
	s.run(s.app.Init())
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	s.send(factsMsg{gatewayFacts()})
	s.tables(true)
	return s, l
}

// A request that was sent is replaced by what is typed next, as the one that the line opens with; one that was refused is
// gone on with, and it is said which part of it is wrong.
func TestLabLineAfterSending(t *testing.T) {
	s, l := labStage(t, 80, 24, "", gatewayRules)
	s.press("L", "enter")
	s.write("tcp 203.0.113.1:80")
	s.press("enter")
	s.write("foo")
	s.sees("from client  foo")
	s.press("ctrl+z")
	s.sees("from client  tcp 203.0.113.1:80")
	s.write("foo")
	s.press("enter")
	s.sees("\"80foo\" is not a port: ports go from 1 to 65535")
	s.press("backspace", "backspace", "backspace", "enter")
	if len(l.sent) != 2 || l.sent[1] != l.sent[0] {
		t.Errorf("sent %+v", l.sent)
	}
}

func TestLabMap(t *testing.T) {
	s, l := labStage(t, 80, 24, "", gatewayRules)
	s.sees("LAB publish L")
	s.press("L")
	s.golden("lab-map")
	s.press("enter")
	s.sees("from client  tcp 203.0.113.1:80") // what has to pass the gateway
	s.press("enter")
	if len(l.sent) != 1 || l.sent[0].From != "client" || l.sent[0].To.String() != "203.0.113.1:80" || l.sent[0].Proto != rules.TCP {
		t.Errorf("sent %+v", l.sent)
	}
	s.press("down", "down")
	s.sees("from server2  tcp 198.51.100.7:80")
	s.press("ctrl+u")
	s.write("udp 198.51.100.7")
	s.press("enter")
	s.sees("The port is missing: 198.51.100.7:80.")
	s.write(":9")
	s.press("enter")
	s.sees("no answer: nothing came back within 3s")
	s.press("esc")
	s.golden("lab-map-replies")
	s.press("s") // again
	if n := len(l.sent); n != 3 || l.sent[2] != l.sent[1] {
		t.Errorf("sent %+v", l.sent)
	}
	s.press("v")
	s.sees("2001:db8:1::10")
	s.press("esc")
	s.lacks("The lab:")
}

func TestMission(t *testing.T) {
	s, l := labStage(t, 80, 24, "publish", bareRules)
	s.golden("mission")
	s.press("h", "c")
	s.golden("mission-tried")
	l.passes = true
	s.press("c")
	s.sees("The goal was reached at 02:30:00; c checks again.")
	s.press("esc")
	s.sees("LAB mission publish ✓ L")
	s.press("L", "m", "n")
	if l.moved != "return-path" {
		t.Errorf("the next mission is %q", l.moved)
	}
	s.press("L")
	s.sees("The lab: mission publish")
	s.press("m")
	s.sees("Mission: Publish a service")
}

func TestLabChoice(t *testing.T) {
	s, l := labStage(t, 80, 24, "", gatewayRules)
	s.press("L", "o")
	s.golden("lab-choice")
	s.press("G", "enter")
	s.sees("this lab was started with a command of its own")
	s.press("o", "j", "j", "enter")
	if l.moved != "return-path" {
		t.Errorf("moved to %q", l.moved)
	}
}

// The page of the guide that waits sends what it waits for: each recipe from the right machine.
func TestGuideSendsWhatItWaitsFor(t *testing.T) {
	for _, c := range []struct {
		keys     []string
		from, to string
	}{
		{[]string{"enter"}, "server2", "198.51.100.7:80"}, // share
		{[]string{"down", "enter", "down", "down", "8", "0", "down", "paste 192.168.0.2:8080"}, "client", "203.0.113.1:80"},
		{[]string{"down", "down", "enter", "down", "down", "8", "1", "down", "8", "8", "8", "8"}, "server2", "198.51.100.7:81"}, // proxy
	} {
		synctest.Test(t, func(t *testing.T) {
			s, l := labStage(t, 80, 24, "", bareRules)
			s.press("3")
			for _, k := range c.keys {
				if text, ok := strings.CutPrefix(k, "paste "); ok {
					s.send(tea.PasteMsg{Content: text})
					continue
				}
				s.press(k)
			}
			s.press("ctrl+s")
			s.readOn()
			s.press("enter")
			s.sees("s sends it, from a machine of this lab")
			s.press("s")
			if len(l.sent) != 1 || l.sent[0].From != c.from || l.sent[0].To.String() != c.to {
				t.Errorf("%v: sent %+v, want from %s to %s", c.keys, l.sent, c.from, c.to)
			}
			s.sees("server2 answered at")
			s.fits()
		})
	}
}

func TestDoctorSendsTheForwardsPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := labStage(t, 80, 24, "", gatewayRules)
		s.press("4")
		for s.app.screens[3].(*doctorScreen).forwardHere() == nil {
			s.press("j")
		}
		s.press("s")
		if len(l.sent) != 1 || l.sent[0].From != "client" || l.sent[0].To.String() != "203.0.113.1:80" {
			t.Errorf("sent %+v", l.sent)
		}
		s.sees("client sent tcp 203.0.113.1:80: server2 answered")
		s.press("enter")
		s.sees("client sent tcp 203.0.113.1:80: server2 answered")
	})
}

// What the flow table tells within a second of a search is looked at when the second is over.
func TestGuideProofMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24)
		s.press("3", "enter", "ctrl+s")
		s.agree("enter")
		s.sees("· answered")
		x := aFlow(2, "192.168.0.7:41022", "93.184.216.34:443", "93.184.216.34:443", "203.0.113.1:41022")
		x.Start = clock.Add(time.Second).UnixNano()
		f.tell(flow.EventNew, x)
		s.run(s.guide().Receive(flowsMsg{}))
		s.sees("✓ answered")
	})
}

// No box of the lab sticks out of the terminal.
func TestLabFitsEverywhere(t *testing.T) {
	s, _ := labStage(t, 80, 24, "hairpin", gatewayRules)
	for _, way := range [][]string{{}, {"h", "h", "h", "c"}, {"L"}, {"enter"}, {"enter"}, {"esc", "o"}} {
		s.press(way...)
		for w := 40; w <= 250; w += stepped(7) {
			s.send(tea.WindowSizeMsg{Width: w, Height: 12 + w%17})
			if s.fits(); t.Failed() {
				t.Fatalf("after the keys %q on %dx%d", way, w, s.app.height)
			}
		}
	}
}

// Whoever is faster than the look at who is there loses no key.
func TestLabMapBeforeTheHostsAreKnown(t *testing.T) {
	s, _ := labStage(t, 80, 24, "", gatewayRules)
	s.app.bench.hosts = nil
	_, survey := s.app.Update(keyPress("L"))
	s.press("enter")
	s.sees("looking who is there")
	s.run(survey)
	s.sees("from client  tcp 203.0.113.1:80")
}

// On the smallest terminal the one machine that is shown stands under what its columns are.
func TestLabMapOnASmallTerminalHasTitles(t *testing.T) {
	s, _ := labStage(t, 40, 12, "", gatewayRules)
	s.press("L", "enter")
	s.sees("addresses")
	s.sees("client")
	s.fits()
}

// What the list of machines cuts on a narrow terminal is told of the one under the cursor.
func TestLabMapTellsWhatItCuts(t *testing.T) {
	s, _ := labStage(t, 40, 12, "", gatewayRules)
	s.press("L")
	for _, want := range []string{"203.0.113.10,198.51.100.7listensontcp80,udp53", "wan0203.0.113.1,lan0192.168.0.1listensontcp228888"} {
		if got := flat(s.screen()); !strings.Contains(got, want) {
			t.Errorf("%s is not on the screen:\n%s", want, s.screen())
		}
		s.press("down")
	}
	s.lacks("listens on")
	s.press("enter")
	s.sees("from server2")
	s.fits()
}

// After the last mission the list of labs opens, and it is said that there is no other.
func TestAfterTheLastMission(t *testing.T) {
	s, l := labStage(t, 80, 24, "lock-out", gatewayRules)
	l.passes = true
	s.press("c", "n")
	s.sees("Another lab")
	s.sees("that was the last mission")
}

// Hints say where a command is run: not on the screens.
func TestHintsSayWhereCommandsRun(t *testing.T) {
	for _, m := range mission.Missions() {
		for _, h := range m.Hints {
			if strings.Contains(h, ": nattui ") != strings.Contains(h, "nattui lab enter gateway") {
				t.Errorf("%s: %s", m.Name, h)
			}
		}
	}
}

// A request is typed as soon as it is known who is there, also where nothing is known of the gateway yet.
func TestLabMapBeforeTheGatewayIsKnown(t *testing.T) {
	s := &stage{t: t, kernel: &kernel{}}
	s.app = New(t.Context(), Gateway{Lab: &labValues{}}, Options{UTF8: true, Now: func() time.Time { return clock }})
	s.run(s.app.Init())
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.press("L", "enter")
	s.sees("from client  tcp ")
}

// What is typed and not sent is kept for each machine.
func TestLabKeepsDrafts(t *testing.T) {
	s, l := labStage(t, 80, 24, "", gatewayRules)
	s.press("L", "enter", "ctrl+u")
	s.write("udp 9.9.9.9:1")
	s.press("esc", "enter")
	s.sees("from client  udp 9.9.9.9:1")
	s.press("down")
	s.lacks("9.9.9.9")
	s.press("up")
	s.sees("from client  udp 9.9.9.9:1")
	s.press("ctrl+z")
	s.sees("from client  tcp 203.0.113.1:80") // the usual one
	s.press("esc", "esc", "L", "enter", "ctrl+u")
	s.write("udp 9.9.9.9:1")
	s.press("esc", "esc", "L", "enter", "enter")
	if len(l.sent) != 1 || l.sent[0].To.String() != "9.9.9.9:1" {
		t.Errorf("sent %v", l.sent)
	}
}

// The choice of another lab and the map are searched like every list, and enter leaves the line before it begins anything.
func TestLabListsAreSearched(t *testing.T) {
	s, l := labStage(t, 80, 24, "", gatewayRules)
	s.press("L", "/")
	s.write("server3")
	s.press("enter", "enter")
	s.sees("from server3")
	s.press("esc", "esc", "o", "/")
	s.write("hairpin")
	s.press("enter")
	if l.moved != "" {
		t.Fatalf("enter on the search line begins %q", l.moved)
	}
	s.press("enter")
	if l.moved != "hairpin" {
		t.Errorf("begins %q", l.moved)
	}
}

// A mission that was reached once is told with its time, on another day with its date.
func TestMissionSaysWhenItWasChecked(t *testing.T) {
	s, l := labStage(t, 80, 24, "publish", bareRules)
	l.passes = true
	s.press("c")
	s.sees("The goal was reached at 02:30:00; c checks again.")
	l.progress.At = clock.AddDate(0, 0, -1)
	s.press("esc", "L", "m")
	s.sees("The goal was reached at 2026-03-13 02:30:00; c checks again.")
}
