package ui

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"nattui/model/doctor"
	"nattui/model/mission"
	"nattui/rules"
	"nattui/ui/text"
)

// whole is the screen as one line, so that what was broken into rows is found.
func (s *stage) whole() string {
	return strings.Join(strings.Fields(strings.NewReplacer("│", " ", "▌", " ").Replace(s.screen())), " ")
}

func (s *stage) tells(want string) {
	s.t.Helper()
	if !strings.Contains(s.whole(), want) {
		s.t.Errorf("%q is not told whole:\n%s", want, s.screen())
	}
	s.fits()
}

// A refusal that is longer than its row is told whole, by filters and beneath boxes.
func TestRefusalsAreToldWhole(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {60, 20}, {40, 12}} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := flowStage(t, size.w, size.h)
			for filter, why := range map[string]string{"nat dnat dport abc": "8000-8099", "src 10.0.0.300": "is not an address"} {
				s.press("/")
				s.write(filter)
				s.press("enter")
				wrong := s.app.screens[1].(*flowsScreen).filter.wrong
				if !strings.Contains(wrong, why) {
					t.Fatalf("%s is told as %q", filter, wrong)
				}
				s.tells(wrong)
				s.sees(filter)
				s.press("/", "esc")
			}
		})
	}
	s := newStage(t, 80, 24, gatewayRules)
	s.app.refuse(rulesAlone)
	s.send(staleMsg{})
	s.app.saidUntil = clock.Add(time.Minute)
	s.app.refuse(rulesAlone)
	s.send(factsMsg{gatewayFacts()})
	s.tells(rulesAlone)
	s.press("enter") // a box keeps clear of it
	s.tells(rulesAlone)
}

// A taken port is told with what would work.
func TestGuideTellsWhatWouldWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, gatewayRules)
		s.press("down", "enter")
		s.press("tab", "tab")
		s.write("80")
		s.press("tab")
		s.write("192.168.0.9:80")
		s.press("ctrl+s")
		s.sees("(try 8080)")
	})
}

// What is refused in a box goes with the box, and what a key does not do with the next key.
func TestRefusalsGoWithWhatTheyAreAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := importStage(t, 80, 24, bareRules)
		s.send(tea.PasteMsg{Content: "iptables -t nat -A POSTROUTNG -s 192.168.0.0/24 -o wan0 -j MASQUERADE"})
		s.press("enter")
		s.sees("1 mistake left")
		s.press("ctrl+t")
		s.sees("enter applies")
		s.lacks("mistake left")
	})
	s := newStage(t, 80, 24, gatewayRules)
	s.press("a")
	s.write("8")
	s.sees("was not taken")
	s.press("esc")
	s.lacks("was not taken")
	s.press("a")
	s.app.refuse("this cannot be")
	s.send(factsMsg{gatewayFacts()})
	s.sees("this cannot be")
	s.press("esc")
	s.lacks("this cannot be")
}

// Where not all sentences of the doctor have room, as many as have are told whole.
func TestDoctorFillsItsRoom(t *testing.T) {
	s := newStage(t, 80, 24, gatewayRules)
	d := s.app.screens[3].(*doctorScreen)
	d.examined, d.running = true, true
	for i := range 12 {
		d.rows = append(d.rows, doctorRow{finding: doctor.Finding{
			Check: "check", Subject: fmt.Sprint("PREROUTING ", i+1), Severity: doctor.SeverityNote,
			Sentence: fmt.Sprintf("Finding %d is told in a sentence that is longer than one row of the list, and ends in its number %d.", i+1, i+1),
		}})
	}
	d.rows[0].head = "12 findings"
	s.app.active = 3
	for at := range 12 {
		d.cursor.Go(at, 12, d.rowKey)
		s.app.settle()
		if free := strings.Count(s.screen(), "\n\n\n"); free > 0 {
			t.Errorf("rows are free at %d:\n%s", at+1, s.screen())
		}
		if n := strings.Count(s.whole(), fmt.Sprintf("ends in its number %d.", at+1)); n == 0 {
			t.Errorf("%d is cut:\n%s", at+1, s.screen())
		}
		s.fits()
	}
	s.app.height = 18
	s.app.settle()
	s.sees(" of 12 findings")
}

// A value longer than its field says so at either end.
func TestLongValuesAreMarked(t *testing.T) {
	d := &newStage(t, 80, 24, gatewayRules).app.desk
	for cursor, want := range map[int]string{0: "foo192.168.0…", 20: "…168.0.2:8080", 9: "…"} {
		l := newTypedLine()
		l.offer("foo192.168.0.2:8080")
		l.fresh = false
		l.SetCursor(min(cursor, len(l.Value())))
		seen := ansi.Strip(l.draw(d, 14, ""))
		if !strings.Contains(seen, want) || text.Width(seen) > 14 {
			t.Errorf("with the cursor at %d: %q", cursor, seen)
		}
		if head := strings.HasPrefix(seen, "foo"); !head && !strings.HasPrefix(seen, "…") {
			t.Errorf("with the cursor at %d its head is lost: %q", cursor, seen)
		}
	}
}

// The map of a lab opens from any box, and a digit in one says what it is for.
func TestKeysInBoxesSayWhatTheyDo(t *testing.T) {
	s, l := labStage(t, 80, 24, "", gatewayRules)
	s.press("enter")
	s.press("2")
	s.sees("2 and then G goes to line 2")
	s.press("L")
	s.sees("The lab: ")
	_ = l
	other := newStage(t, 80, 24, gatewayRules)
	other.press("enter", "d")
	other.sees("the box is closed; once more is d (delete)")
	other.press("d")
	other.lacks("the box is closed")
}

// Why a key does nothing is said in words of its own.
func TestKeysSayWhyNot(t *testing.T) {
	s := newStage(t, 80, 24, gatewayRules)
	for keys, why := range map[string]string{"1 R": "no change waits to be confirmed", "3 T": "there is no packet to trace here", "1 a ctrl+n": "here nothing was left before"} {
		s.press(strings.Fields(keys)...)
		s.tells(why)
		s.press("esc")
	}
	m := mission.Missions()[0]
	lab, _ := labStage(t, 80, 24, m.Name, gatewayRules)
	lab.press("n")
	lab.sees("the goal is not reached yet")
}

// A filter's counts are of the rules that it lists.
func TestFilterCountsWhatItLists(t *testing.T) {
	s := newStage(t, 80, 24, gatewayRules)
	s.press("/")
	s.write("8443")
	s.press("enter")
	s.sees("1 of 6 rules")
	s.sees("0 of 2 rules")
	s.sees("none of 2 rules matches")
	s.sees("1 of 8 rules")
}

// Pasted lines stay in sight when another is begun.
func TestPastedLinesStayInSight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := importStage(t, 80, 24, gatewayRules)
		s.send(tea.PasteMsg{Content: "iptables -t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 81 -j DNAT --to 192.168.0.9:80\niptables -t nat -A PREROUTNG -d 203.0.113.1 -p tcp --dport 82 -j DNAT --to 192.168.0.9:82"})
		s.press("enter")
		s.sees(" 1 iptables")
		s.sees(" 2 iptables")
		s.press("ctrl+t")
		s.sees(" 1 iptables")
		s.sees(" 2 iptables")
	})
}

// What the tracer is for can be read to its end on the smallest terminal.
func TestTraceHelpScrolls(t *testing.T) {
	s := newStage(t, 40, 12, gatewayRules)
	s.press("5")
	s.sees("more lines")
	s.press("G")
	s.sees("when you press esc.")
	s.lacks("more line")
}

// A box of the lab follows to a hint that was asked for, and its list tells how much more of it there is.
func TestLabBoxesTellWhereTheyAre(t *testing.T) {
	m := mission.Missions()[0]
	s, _ := labStage(t, 60, 14, m.Name, gatewayRules)
	for i := range m.Hints {
		s.press("h")
		s.tells(m.Hints[i][len(m.Hints[i])-12:])
	}
	s.press("h")
	s.sees("there are no more hints")
	s.press("L", "o")
	s.sees("Another lab (1-")
}

// While another's change waits, why a form is not applied is told whole beside how much time is left.
func TestRefusalBesideTheCountdownIsWhole(t *testing.T) {
	s, _ := sshStage(t, 80, 24)
	s.app.pending = &pending{id: "2", by: "root", deadline: clock.Add(86 * time.Second)}
	s.press("a")
	s.app.refuse(s.app.firstSettle())
	s.send(factsMsg{gatewayFacts()})
	s.sees("1m26s left")
	s.tells("first confirm or roll back")
}

// Where nothing is wrong, the key that fixes says so.
func TestNothingToFix(t *testing.T) {
	s := newStage(t, 80, 24, gatewayRules)
	d := s.app.screens[3].(*doctorScreen)
	d.examined, d.running = true, true
	d.rows = []doctorRow{{finding: doctor.Finding{Check: "sound", Subject: "this gateway", Sentence: "No problems found."}, head: "0 findings"}}
	s.app.active = 3
	s.press("f")
	s.sees("nothing to fix here")
}

// On recorded rules alone no key is offered that could only refuse.
func TestRecordedRulesOfferWhatWorks(t *testing.T) {
	s := newStage(t, 120, 24, gatewayRules)
	s.app.facts, s.app.gw.Recorded, s.app.gw.ReadOnly, s.app.gw.RulesAlone = nil, "mailed.nft", true, true
	s.press("1")
	s.lacks("trace it")
	s.press("T")
	s.sees("nothing can be traced")
	s.lacks("trace tcp")
	s.press("3")
	s.lacks("enter begin")
	s.lacks("w switches")
	s.press("enter")
	s.tells(rulesAlone)
	s.press("4")
	s.sees("anything else is wrong is not known")
	s.lacks("w switches")
	s.press("w")
	s.tells(rulesAlone)
	s.app.gw.NoTrace = "a recorded gateway has no packets to trace"
	s.press("5")
	s.lacks("/ what to trace")
	s.press("/")
	s.tells("a recorded gateway has no packets to trace")
	s.press("1", "t")
	s.sees("the file has rules alone")
	s.sees("nor what else filters there")
	s.sees("other outcomes are possible")
}

// Without colour, and in ASCII, a mark keeps away from the label it is at, the field and the row under the cursor are not told
// by what frames are drawn with, and a key is told from what it does.
func TestMonochromeScreen(t *testing.T) {
	s := newStage(t, 80, 24, gatewayRules)
	s.app.utf8 = false
	s.send(tea.ColorProfileMsg{Profile: colorprofile.ASCII})
	s.sees(" >   1  tcp to 203.0.113.1:80")
	s.sees(" a: add  e: edit")
	s.sees("?: more")
	s.press("a")
	s.press("tab", "tab", "tab", "tab")
	s.write("999")
	s.press("tab", "shift+tab")
	s.sees("| > x From       999")
	s.sees("|     Chain ")
	s.sees("up: back")
	s.fits()
	s.press("esc")
	at := strings.Index(lineOf(s.screen(), "?: more"), "?: more")
	s.send(tea.MouseClickMsg{X: at, Y: 22, Button: tea.MouseLeft})
	s.sees("Keys (")
	colour := newStage(t, 80, 24, gatewayRules)
	colour.sees(" a add  e edit")
}

// The key line names what its keys do there: how to leave a form that was filled before, and no reading on where all is in sight.
func TestKeyLinesOfForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 24)
		s.press("a", "tab", "tab")
		s.write("tcp")
		s.press("esc", "a")
		s.sees("ctrl+n start anew  esc close")
		g := guideStage(t, 80, 24, bareRules)
		g.press("down", "down", "down", "enter")
		g.sees("Outside")
		g.lacks("read on")
		g.sees("esc close")
	})
	s := newStage(t, 80, 24, gatewayRules)
	s.press("5", "w")
	s.tells("w is a key of Rules (1): switches, ")
	s.tells("Doctor (4): switches")
}

// What a box says of the connections that it lists is told whole beside however many these are.
func TestKeptFlowsAreExplainedWhole(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {40, 12}, {60, 14}} {
		s, _ := flowStage(t, size[0], size[1], someFlows()...)
		for range 8 {
			s.app.kept.flows = append(s.app.kept.flows, someFlows()...)
		}
		s.app.kept.count = 500
		s.app.open(newKeptFlows(&s.app.desk))
		s.app.settle()
		s.app.drawn = s.app.draw()
		box := strings.Join(strings.Fields(strings.NewReplacer("│", " ").Replace(s.screen())), " ")
		if !strings.Contains(box, "keep their translation until they end") || !strings.Contains(box, "them. ▌") && !strings.Contains(box, "not listed. ▌") {
			t.Errorf("%v:\n%s", size, s.screen())
		}
		s.fits()
	}
}

// A filter is told of beside what is said, and where nothing matches it.
func TestFilterBesideTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("/")
		s.write("dport 443")
		s.press("enter")
		s.app.sayDone("1 connection forgotten")
		s.send(factsMsg{gatewayFacts()})
		s.sees("1 connection forgotten  / dport 443")
		s.press("/")
		s.write(" sport 1")
		s.press("enter")
		s.sees("no connection matches “dport 443 sport 1”")
		s.press("esc", "1", "/")
		s.write("8443")
		s.press("enter", "d")
		s.agree("y")
		s.sees("rule 2 of PREROUTING deleted")
		s.sees("/ 8443")
		s.fits()
	})
}

// Where enter opens what a rule leads to, A leads to the rule, also from one of its elements.
func TestRuleItselfIsReached(t *testing.T) {
	s := newNativeStage(t, 80, 24, nil)
	s.press("down")
	s.sees("A the rule itself")
	s.press("enter", "down", "A")
	s.sees("─ Rule 1 of pre ─")
	s.press("esc")
	other := newStage(t, 80, 24, gatewayRules)
	other.press("down", "down", "down")
	other.sees("enter open chain  A the rule itself")
	other.press("A")
	other.sees("─ Rule 4 of PREROUTING ─")
}

// Where there is no rule, none is saved.
func TestNothingToSave(t *testing.T) {
	s, j := historyStage(t, 80, 24)
	j.drift = &Unsaved{}
	s.kernel.sets = sets(t, map[rules.Variant]string{v4: "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"})
	s.tables(true)
	s.press("1", "6", "w")
	s.sees("there are no rules here to save")
}
