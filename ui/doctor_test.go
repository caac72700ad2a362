package ui

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/rules"
)

// brokenRules are a gateway on which FORWARD drops what is forwarded, a rule is
// there twice and another catches too much.
const brokenRules = `*nat
:PREROUTING ACCEPT [31:1860]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [9:540]
[12:720] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -m comment --comment web -j DNAT --to-destination 192.168.0.2:8080
[0:0] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -m comment --comment web -j DNAT --to-destination 192.168.0.2:8080
[3:180] -A PREROUTING -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.3:443
[417:25020] -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [12:720]
:OUTPUT ACCEPT [0:0]
-A FORWARD -i lan0 -o wan0 -j ACCEPT
-A FORWARD -i wan0 -o lan0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
`

// soundRules are a gateway with nothing to complain of.
const soundRules = `*nat
:PREROUTING ACCEPT [31:1860]
:POSTROUTING ACCEPT [9:540]
[12:720] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
[417:25020] -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
COMMIT
`

// doctorStage is a stage on which the doctor's screen is shown.
func doctorStage(t *testing.T, width, height int, text string) *stage {
	s := newStage(t, width, height, text)
	if s.app.screens[3] == nil {
		s.app.screens[3] = newDoctorScreen(&s.app.desk)
	}
	s.press("4")
	return s
}

func TestDoctorScreen(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {40, 12}} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				doctorStage(t, size.w, size.h, brokenRules).golden(fmt.Sprintf("doctor-%dx%d", size.w, size.h))
			})
		})
	}
}

// TestDoctorLooksAgainAfterNews: what changed while an examination was under way is looked at soon after it, however long
// the rest would be.
func TestDoctorLooksAgainAfterNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, brokenRules)
		d := s.app.screens[3].(*doctorScreen)
		rows, health := d.rows, d.earlier
		d.running = true
		changed := *s.app.facts
		changed.Settings.Forwarding4 = facts.SettingOff
		_, _ = s.app.Update(factsMsg{&changed})
		if !d.again {
			t.Fatal("the news is not noted")
		}
		d.due, d.calm.looks, d.calm.version = true, 9, d.version()
		_, cmd := s.app.Update(examinedMsg{generation: d.generation, rows: rows, health: health, cost: time.Millisecond})
		if wait := d.next.Sub(d.now); wait > doctorPace || !d.due || cmd == nil {
			t.Errorf("the next examination is in %v", wait)
		}
	})
}

func TestDoctorOnASoundGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, soundRules)
		s.sees("No problems found")
		for _, word := range []string{"error", "warning"} {
			if strings.Contains(s.screen(), word) {
				t.Errorf("a sound gateway shows %q:\n%s", word, s.screen())
			}
		}
	})
}

// Every character of the screen has a likeness on a terminal without UTF-8.
func TestDoctorWithoutUTF8(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, brokenRules)
		s.onPlainTerminal("enter")
	})
}

func TestDoctorShowsEvidenceAndCure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, brokenRules)
		s.press("enter")
		s.golden("doctor-details")
		s.press("esc")
		s.sees("Doctor")
	})
}

// A cure is carried out only after a yes, and the doctor looks again afterwards.
func TestDoctorFixes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, brokenRules)
		s.press("f")
		s.golden("doctor-question")
		s.press("n")
		if len(s.kernel.applied) != 0 {
			t.Fatal("a no was taken for a yes")
		}
		s.press("f")
		s.agree("y")
		if len(s.kernel.applied) != 1 {
			t.Fatalf("%d plans were applied", len(s.kernel.applied))
		}
		s.tables(true)
		c, _ := s.kernel.sets[v4].Chain("filter", "FORWARD")
		if got := c.Rules[len(c.Rules)-1].String(); got != "-A FORWARD -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j ACCEPT" {
			t.Errorf("the last rule of FORWARD is %s", got)
		}
		if strings.Contains(s.screen(), "drops the packet to 192.168.0.2:8080") {
			t.Errorf("the finding is still there:\n%s", s.screen())
		}
		s.press("u")
		s.tables(true)
		s.press("g")
		s.sees("drops the packet to 192.168.0.2:8080")
	})
}

// A setting is set and undone like a rule.
func TestDoctorSwitchesForwarding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, soundRules)
		f := gatewayFacts()
		f.Settings.Forwarding4 = facts.SettingOff
		s.send(factsMsg{f})
		s.sees("net.ipv4.ip_forward")
		s.press("g", "f")
		s.agree("y")
		if len(s.kernel.applied) != 1 {
			t.Fatal("nothing was applied")
		}
		step := s.kernel.applied[0].Steps[0].Sysctl
		if step == nil || step.Name != "net.ipv4.ip_forward" || step.Value != "1" || step.Old != "0" || !step.Boot {
			t.Errorf("the plan's step is %+v", step)
		}
		s.press("u")
		if back := s.kernel.applied[1].Steps[0].Sysctl; back == nil || back.Value != "0" {
			t.Errorf("it is taken back by %+v", back)
		}
	})
}

func TestDoctorFollowsAForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, brokenRules)
		s.press("G", "up", "up", "enter") // three forwards, the first
		s.golden("doctor-forward")
		s.sees("the way of PREROUTING 1")
		s.sees("forward-dropped")
		s.press("q")
		s.sees("what is wrong or risky now")
	})
}

// A way that is open is that of today's rule, and its heading with it.
func TestDoctorFollowsTheRuleOfToday(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, brokenRules)
		s.press("G", "enter") // the last of the forwards
		s.sees("the way of PREROUTING 3")
		s.sees("to 192.168.0.3:443")
		const was = "-A PREROUTING -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.3:443"
		for _, c := range []struct{ now, sees string }{
			{strings.Replace(was, "0.3:443", "0.4:443", 1), "to 192.168.0.4:443"},
			{"-A PREROUTING -p tcp -m tcp --dport 25 -j ACCEPT\n[0:0] " + strings.Replace(was, "0.3:443", "0.4:443", 1), "the way of PREROUTING 4"},
			{"-A PREROUTING -p tcp -m tcp --dport 8444 -j ACCEPT", "PREROUTING 4 is gone, or is another rule now"},
		} {
			s.kernel.sets = sets(t, map[rules.Variant]string{v4: strings.Replace(brokenRules, was, c.now, 1)})
			s.tables(true)
			s.sees(c.sees)
		}
	})
}

// Nothing is examined while another screen is shown.
func TestDoctorRestsWhileHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, soundRules)
		d := s.app.screens[3].(*doctorScreen)
		s.press("1")
		before := d.next
		s.kernel.sets = sets(t, map[rules.Variant]string{v4: brokenRules})
		s.tables(true)
		if d.running || d.due || len(d.rows) == 0 || d.next.After(before) {
			t.Errorf("the doctor is at work while nobody looks: running %v, due %v", d.running, d.due)
		}
		s.press("4")
		s.sees("drops the packet to 192.168.0.2:8080")
	})
}

func TestDoctorFitsEverySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for w := minWidth; w <= 160; w += 30 {
			for h := minHeight; h <= 50; h += 9 {
				s := doctorStage(t, w, h, brokenRules)
				s.fits()
				s.press("enter")
				s.fits()
				s.press("esc", "f")
				s.fits()
				s.press("n", "G", "enter")
				s.fits()
			}
		}
	})
}

// A server is asked only after a yes, and what it says is part of the forward's way.
func TestDoctorAsksTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, soundRules)
		asked := 0
		s.app.gw.Probe = func(_ context.Context, server netip.AddrPort) doctor.Probe {
			if asked++; server != netip.MustParseAddrPort("192.168.0.2:8080") {
				t.Errorf("asks %s", server)
			}
			if asked > 1 {
				return doctor.Probe{Connected: true}
			}
			return doctor.Probe{Refused: true, Why: "connection refused"}
		}
		s.press("p")
		s.sees("choose a forward first")
		s.press("G", "p")
		s.golden("doctor-probe")
		s.press("enter")
		if asked != 0 {
			t.Error("a server is asked although nobody said so")
		}
		s.press("p")
		s.agree("y")
		s.sees("192.168.0.2:8080 refuses connections")
		s.sees("server-refuses")
		s.golden("doctor-refuses")
		s.press("p")
		s.agree("y")
		s.sees("accepts connections from here")
		if strings.Contains(s.screen(), "server-refuses") {
			t.Errorf("what it said before still stands:\n%s", s.screen())
		}
		s.press("esc", "enter")
		if strings.Contains(s.screen(), "accepts") && asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// Each server that clients may be sent to is asked: that one of them answers tells nothing of the others.
func TestDoctorAsksEachServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 100, 30, strings.Replace(soundRules, "--to-destination 192.168.0.2:8080", "--to-destination 192.168.0.2-192.168.0.3:8080", 1))
		var asked sync.Map
		s.app.gw.Probe = func(_ context.Context, server netip.AddrPort) doctor.Probe {
			asked.Store(server.String(), true)
			if server.Addr() == netip.MustParseAddr("192.168.0.3") {
				return doctor.Probe{Refused: true, Why: "connection refused"}
			}
			return doctor.Probe{Connected: true}
		}
		s.press("G", "p")
		s.sees("Open test connections to the servers?")
		s.agree("y")
		s.sees("192.168.0.3:8080 refuses connections")
		for _, server := range []string{"192.168.0.2:8080", "192.168.0.3:8080"} {
			if _, ok := asked.Load(server); !ok {
				t.Errorf("%s is not asked", server)
			}
		}
	})
}

// While an examination finds the same again and no connection changes, the next one comes later each time, and soon again after that.
func TestDoctorRestsWhileNothingHappens(t *testing.T) {
	var c calmness
	var got []time.Duration
	for _, x := range []struct {
		same    bool
		version uint64
	}{{false, 0}, {true, 0}, {true, 0}, {true, 0}, {true, 0}, {true, 1}, {true, 0}, {false, 0}} {
		got = append(got, c.note(x.same, x.version, clock, time.Millisecond))
	}
	want := []time.Duration{3, 6, 12, 24, 24, 3, 6, 3}
	for i := range want {
		if got[i] != want[i]*time.Second {
			t.Errorf("the rests are %v", got)
			break
		}
	}
	if got := c.note(false, 0, clock, time.Second); got != doctorShare*time.Second {
		t.Errorf("a long examination is followed by a rest of %v", got)
	}
	if got := c.note(true, 0, clock, 20*time.Millisecond); got != doctorCalmShare*20*time.Millisecond {
		t.Errorf("the same again is followed by a rest of %v", got)
	}
}

// What a test of the server proved counts with its time, in the steps, the list and the head, until rules, links or the server
// change.
func TestDoctorRemembersItsTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 100, 30, soundRules)
		s.app.gw.Probe = func(context.Context, netip.AddrPort) doctor.Probe {
			return doctor.Probe{Refused: true, Why: "connection refused"}
		}
		ask := func() {
			s.press("G", "p")
			s.agree("y")
			s.sees("refuses connections (tested at 02:30:00)")
			s.press("esc")
			s.sees("error    PREROUTING 1  192.168.0.2:8080 refuses connections (tested at 02:30:00)")
			s.sees("error    PREROUTING 1  tcp 203.0.113.1:80")
			s.lacks("No problems found")
			s.press("G", "enter")
			s.sees("server-refuses")
			s.sees("(tested at 02:30:00)")
			s.press("esc")
		}
		for name, change := range map[string]func(){
			"rules": func() { s.tables(true) },
			"links": func() {
				f := gatewayFacts()
				f.Addresses[0].Prefix = netip.MustParsePrefix("203.0.113.9/24")
				s.send(factsMsg{f})
			},
			"server": func() {
				for _, mac := range []string{"02:00:00:00:00:02", "02:00:00:00:00:12"} {
					f := gatewayFacts()
					f.Neighbours[0].MAC = mac
					s.send(factsMsg{f})
				}
			},
		} {
			s.send(factsMsg{gatewayFacts()})
			ask()
			s.tables(false)
			s.sees("(tested at 02:30:00)")
			change()
			if strings.Contains(s.screen(), "(tested at") {
				t.Errorf("%s changed, and the result still counts:\n%s", name, s.screen())
			}
		}
	})
}

// What came back of a packet that was sent from the doctor counts as well.
func TestDoctorRemembersWhatItSent(t *testing.T) {
	s, l := labStage(t, 100, 30, "", soundRules)
	s.press("4", "G")
	s.sees("unseen")
	s.press("s")
	s.sees("ok       PREROUTING 1")
	s.press("enter")
	s.sees("192.168.0.2:8080 answered client at 02:30:00")
	l.refuses = true
	s.press("s")
	s.sees("server-refuses")
	s.sees("client was refused at 02:30:00")
	s.press("esc")
	s.sees("error    PREROUTING 1  client was refused at 02:30:00")
	s.lacks("No problems found")
	s.tables(true)
	s.lacks("refused")
}

// TestDoctorHeadStays: while nothing changes the heading is the same but for its time, however often connections change.
func TestDoctorHeadStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, brokenRules)
		s.sees("5 findings at 02:30:00")
		d := s.app.screens[3].(*doctorScreen)
		for range 3 {
			d.calm.looks = 0 // as a new connection does
			s.sees("5 findings at 02:30:")
			time.Sleep(2 * doctorPace)
			s.send(doctorDueMsg{})
			s.sees("5 findings at 02:30:")
		}
	})
}
