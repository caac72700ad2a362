package ui

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/guide"
)

const bareRules = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"

// guideStage shows screen 3.
func guideStage(t *testing.T, width, height int, tables string) *stage {
	s := newStage(t, width, height, tables)
	if s.app.screens[2] == nil {
		s.app.screens[2] = newGuideScreen(&s.app.desk)
	}
	s.press("3")
	return s
}

func (s *stage) guide() *guideScreen { return s.app.screens[2].(*guideScreen) }

func TestGuideScreen(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {40, 12}} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				guideStage(t, size.w, size.h, bareRules).golden(fmt.Sprintf("guide-%dx%d", size.w, size.h))
			})
		})
	}
}

func TestGuideShare(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {40, 12}} {
		synctest.Test(t, func(t *testing.T) {
			s := guideStage(t, size.w, size.h, bareRules)
			s.press("enter")
			s.golden(fmt.Sprintf("guide-share-%dx%d", size.w, size.h))
			s.press("enter", "enter", "enter")
			s.golden(fmt.Sprintf("guide-share-plan-%dx%d", size.w, size.h))
			s.readOn()
			s.press("enter")
			if len(s.kernel.applied) != 1 || len(s.kernel.applied[0].Steps) != 3 {
				t.Fatalf("applied %+v", s.kernel.applied)
			}
			s.golden(fmt.Sprintf("guide-share-proof-%dx%d", size.w, size.h))
		})
	}
}

func TestGuidePublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.press("down", "enter")
		s.press("enter", "enter")
		s.write("80q") // goes to the field and to nobody else
		s.press("enter")
		s.sees(`"80q" is not a port`)
		s.sees("×Port                80q")
		s.press("up", "backspace", "enter")
		s.write("192.168.0.1:8080")
		s.press("enter")
		s.sees("× Server: 192.168.0.1 is this")
		s.press("up")
		for range "1:8080" {
			s.press("backspace")
		}
		s.write("2:8080")
		s.golden("guide-publish")
		s.press("enter", "enter", "enter", "enter", "enter")
		s.golden("guide-publish-plan")
		s.readOn()
		s.press("enter")
		chain, _ := s.kernel.sets[v4].Chain("nat", "PREROUTING")
		if want := "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080"; len(chain.Rules) != 1 || chain.Rules[0].String() != want {
			t.Errorf("made %v", chain.Rules)
		}
	})
}

// A proxy that waits here is found: no answer is left to be typed.
func TestGuideProxyInSixKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, bareRules)
		s.press("3", "down", "down", "enter", "ctrl+s")
		s.agree("enter")
		chain, _ := s.kernel.sets[v4].Chain("nat", "PREROUTING")
		if want := "-A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888"; len(chain.Rules) != 1 || chain.Rules[0].String() != want {
			t.Errorf("made %v\n%s", chain.Rules, s.screen())
		}
	})
}

// The ticks come with the rules' counters and with the flow.
func TestGuideProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.press("enter", "ctrl+s")
		s.agree("enter")
		s.sees("Waiting for your first packet")
		s.sees("· arrived")
		s.tables(true)
		for i, set := range s.kernel.sets {
			var lines strings.Builder
			if err := rules.Save(&lines, set.Tables); err != nil {
				t.Fatal(err)
			}
			counted := strings.ReplaceAll(lines.String(), "\n-A POSTROUTING", "\n[1:60] -A POSTROUTING")
			s.kernel.sets[i] = sets(t, map[rules.Variant]string{i: counted})[i]
		}
		s.tables(false)
		s.sees("✓ arrived")
		s.sees("✓ translated")
		s.lacks("let through") // connections would tell, and none are followed here
		p := s.guide().proof
		s.send(provedMsg{p, doctor.Proving{Arrived: true, Translated: true, Passed: true, Answered: true, Flow: "tcp 192.168.0.7:4000 198.51.100.7:80"}})
		s.sees("It works")
		s.sees("tcp 192.168.0.7:4000")
		s.press("esc")
		s.sees("What do you want to do?")
	})
}

func TestGuideProofSaysWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.press("enter", "ctrl+s")
		s.agree("enter")
		s.guide().proof.Began = clock.Add(-time.Minute).UnixNano()
		s.tables(false)
		s.sees("Nothing has arrived for 1m")
	})
}

func TestGuideKeepsWhatWasTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.kernel.refuses = errors.New("iptables-restore: line 2 failed")
		s.press("enter", "ctrl+s")
		s.readOn()
		s.sees("enter apply")
		s.press("enter")
		s.sees("× iptables-restore: line 2 failed")
		s.sees("refused: iptables-restore")
		s.sees("192.168.0.0/24")
		s.kernel.refuses = nil
		s.press("ctrl+s")
		s.readOn()
		s.press("ctrl+s")
		s.sees("Waiting for your first packet")
	})
}

func TestGuideFitsEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		for w := 40; w <= 150; w += stepped(11) {
			for h := 12; h <= 50; h += 9 {
				s.send(tea.WindowSizeMsg{Width: w, Height: h})
				for i := range intentions {
					s.guide().at = i
					s.press("enter")
					s.fits()
					if len(s.app.dialogs) > 0 {
						s.send(tea.PasteMsg{Content: "iptables -t nat -A POSTROUTING -s 192.168.0.1/24 MASQUERADE\n"})
						s.fits()
						s.press("esc")
						continue
					}
					s.press("enter", "enter", "enter", "enter", "enter", "enter")
					s.fits()
					s.press("pgdown", "esc", "esc")
					s.fits()
				}
			}
		}
	})
}

func TestGuideASCII(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.app.utf8 = false
		s.app.restyle()
		for _, keys := range [][]string{nil, {"enter"}, {"enter", "enter", "enter"}, {"enter"}, {"esc", "G", "enter"}} {
			s.press(keys...)
			for _, r := range s.screen() {
				if r > 0x7e {
					t.Errorf("%q is shown after %v:\n%s", r, keys, s.screen())
					break
				}
			}
		}
	})
}

// importStage opens the dialog for pasted commands.
func importStage(t *testing.T, width, height int, tables string) *stage {
	s := guideStage(t, width, height, tables)
	s.press("1")
	s.app.open(newImport(&s.app.desk))
	return s
}

func TestImportDialog(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {40, 12}} {
		synctest.Test(t, func(t *testing.T) {
			s := importStage(t, size.w, size.h, bareRules)
			s.send(tea.PasteMsg{Content: "iptables -t nat -A POSTROUTING -s 192.168.0.1/24 MASQUERADE\niptables -A FORWARD -i lan0 -o wan0 -j ACCEPT\n"})
			s.golden(fmt.Sprintf("import-%dx%d", size.w, size.h))
			if s.press("ctrl+s"); len(s.kernel.applied) > 0 {
				t.Fatal("applied what is in doubt")
			}
			s.press("ctrl+t")
			s.sees("applies")
			s.agree("enter")
			if len(s.kernel.applied) != 1 || len(s.app.dialogs) != 0 {
				t.Fatalf("%d plans were applied, %d dialogs are open", len(s.kernel.applied), len(s.app.dialogs))
			}
			chain, _ := s.kernel.sets[v4].Chain("nat", "POSTROUTING")
			if want := "-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE"; chain.Rules[0].String() != want {
				t.Errorf("made %s", chain.Rules[0])
			}
		})
	}
}

func TestImportDialogAsksForGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := importStage(t, 80, 24, bareRules)
		s.write("iptables -t nat -A POSTROUTING -o $WAN -j SNAT --to a.b.c.d")
		s.sees("WAN stands for an interface")
		s.press("enter") // in doubt: a new line, nothing is applied
		s.press("tab", "enter")
		s.sees("a.b.c.d stands for an address")
		s.press("tab")
		s.sees("203.0.113.1")
		s.press("enter")
		s.sees("enter applies 1 change")
		s.press("enter")
		chain, _ := s.kernel.sets[v4].Chain("nat", "POSTROUTING")
		if want := "-A POSTROUTING -o wan0 -j SNAT --to-source 203.0.113.1"; len(chain.Rules) != 1 || chain.Rules[0].String() != want {
			t.Errorf("made %v", chain.Rules)
		}
	})
}

func TestImportDialogAcceptsDoubts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := importStage(t, 80, 24, gatewayRules)
		s.write("iptables -t nat -F POSTROUTING")
		s.sees("deletes every rule of POSTROUTING: 2 now")
		s.press("ctrl+y", "enter")
		if chain, _ := s.kernel.sets[v4].Chain("nat", "POSTROUTING"); len(chain.Rules) != 0 {
			t.Errorf("%d rules are left", len(chain.Rules))
		}
	})
}

// What is in place already is marked in the list, and the mark follows the tables.
func TestGuideMarksWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		if strings.Contains(s.screen(), "in place") {
			t.Errorf("marked on a bare gateway:\n%s", s.screen())
		}
		s.press("enter", "ctrl+s")
		s.agree("enter")
		s.tables(true)
		s.press("esc")
		s.sees("Share a connection        ✓ in place")
	})
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, gatewayRules)
		s.sees("Publish a service         2 in place") // nobody has been seen to be answered
		s.golden("guide-done-80x24")
	})
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, gatewayRules+"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")
		s.sees("Publish a service         2 of 2 fail")
	})
	synctest.Test(t, func(t *testing.T) { // what the doctor warns of
		s := guideStage(t, 80, 24, "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2\n-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.3\nCOMMIT\n")
		s.sees("Publish a service         2 of 2 doubtful")
	})
}

// Forwards of native tables are marked as those of iptables are.
func TestGuideMarksNativeForwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNativeStage(t, 120, 40, map[rules.Variant]string{v4: ""})
		f := gatewayFacts()
		f.Native = evaluate.CompileNative(s.native)
		s.send(factsMsg{f})
		s.press("3")
		s.sees("Publish a service         1 in place")
		s.sees("Redirect to a proxy here  fails")
	})
}

// The marks are looked for again once connections are others, as servers answer or do so no more; not at each of them.
func TestGuideMarksFollowTheConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		s.press("3")
		s.sees("Publish a service         1 of 2 fails")
		g := s.guide()
		if g.doing.due(g) {
			t.Error("nothing has changed, and it is looked for again")
		}
		f.tell(flow.EventNew, aFlow(9, "203.0.113.10:55475", "203.0.113.1:80", "192.168.0.2:8080", "192.168.0.1:55475"))
		if g.doing.due(g) {
			t.Error("it is looked for again at once")
		}
		g.doing.at = g.now.Add(-donePace)
		if !g.doing.due(g) {
			t.Error("connections are others, and it is not looked for again")
		}
		g.doing.running = true
		if g.doing.due(g) {
			t.Error("it is looked for twice at a time")
		}
	})
}

// The connection that was waited for stands there as in Flows.
func TestGuideProofShowsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("3", "enter", "ctrl+s")
		s.agree("enter")
		seen := someFlows()[0]
		s.send(provedMsg{s.guide().proof, doctor.Proving{Arrived: true, Translated: true, Flow: seen.Orig.String(), Seen: &seen}})
		s.golden("guide-proof-connection")
		s.guide().proof.Wanted.Passing = []guide.Watched{{}}
		s.sees("· let through")
		s.send(provedMsg{s.guide().proof, doctor.Proving{Passed: true}})
		s.sees("✓ let through")
		s.fits()
	})
}

// A recipe whose rules are all there has nothing of an earlier plan beside it, and waits for a packet at once.
func TestGuideWithNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.press("enter", "ctrl+s")
		s.agree("enter")
		s.tables(true)
		s.press("esc", "enter")
		s.sees("rule 1 of POSTROUTING already")
		s.lacks("@@")
		s.press("ctrl+s")
		s.sees("nothing to do; enter waits for a packet")
		s.sees("enter wait for a packet")
		s.lacks("apply")
		s.lacks("countdown")
		s.app.asked.at = clock // nothing is agreed to
		s.send(keyPress("enter"))
		s.sees("Waiting for your first packet")
	})
}

// While a change is unconfirmed nothing offers to undo it, which is refused then.
func TestUndoIsNotOfferedWhileUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 24)
		s.kernel.sets = sets(t, map[rules.Variant]string{v4: bareRules})
		s.tables(true)
		s.press("3", "enter", "ctrl+s")
		s.agree("enter")
		s.sees("u undo")
		s.waits("4", 27*time.Second)
		s.lacks("undo")
		s.sees("C confirm")
	})
}

// Keys that settle a change are not offered where they are text.
func TestCountdownOffersNoLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 24)
		s.waits("4", 27*time.Second)
		s.press("3", "enter")
		s.sees("27s unless confirmed")
		s.lacks("C confirm")
		s.press("ctrl+s")
		s.sees("C confirm  R roll back")
	})
}

// The page that waits says what has happened: the packet arrived and was refused, and the connection that the kernel had of it.
func TestGuideProofOfARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		s.app.gw.Lab = &labValues{refuses: true}
		s.press("3", "enter", "ctrl+s")
		s.agree("enter")
		s.sees("enter/esc back to the list")
		p := s.guide().proof
		p.Wanted = guide.Proof{Protocol: rules.TCP, Asked: netip.MustParseAddrPort("203.0.113.1:81"), Try: "try it"}
		gone := aFlow(9, "203.0.113.10:55475", "203.0.113.1:81", "192.168.0.2:9999", "203.0.113.10:55475")
		gone.Status &^= flow.StatusSeenReply
		f.tell(flow.EventNew, gone)
		f.tell(flow.EventDestroy, gone)
		p.searched = time.Time{}
		s.press("s")
		s.sees("Arrived, but the server refuses")
		s.sees("refused")
		s.sees("192.168.0.2:9999")
		s.sees("This connection has ended")
		s.lacks("Waiting for")
		s.press("enter")
		s.sees("What do you want to do?")
	})
}

// The plan is searched as long as it is what is shown; a question, or the page that waits, has nothing to search.
func TestGuideSearchesWhatIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.press("/")
		s.sees("esc end search")
		s.lacks("show all")
		s.press("esc", "enter", "ctrl+s", "/")
		s.write("snat")
		s.sees("hit")
		s.press("esc")
		s.agree("enter")
		s.press("/")
		s.lacks("hit")
	})
}
