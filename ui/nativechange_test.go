package ui

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"nattui/rules"
	"nattui/rules/nft"
)

// planned is what a script of deletions, and of one rule or element that is added, comes to.
func planned(now *nft.Ruleset, script string) rules.Plan {
	var changes []rules.NativeChange
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		c := rules.NativeChange{What: rules.NativeKind(words[1]), Family: words[2], Table: words[3], Gone: words[0] == "delete"}
		switch _, rest, _ := strings.Cut(line, "{ "); {
		case c.What == rules.NativeElement:
			c.Set, c.Text = words[4], strings.TrimSuffix(strings.TrimSpace(rest), " }")
			c.Key, _, _ = strings.Cut(c.Text, " : ")
		case c.Gone:
			chain := now.Table(c.Family, c.Table).Chain(words[4])
			for _, r := range chain.Rules {
				if fmt.Sprint(r.Handle) == words[6] {
					c = r.Deletion(chain, now.Links)
				}
			}
		default:
			words = append(words[:5], words[7:]...) // but for the handle
			c.Chain, c.Text, c.Print, c.Handle = words[4], strings.Join(words[5:], " "), "of the new one", 99
		}
		changes = append(changes, c)
	}
	return rules.Plan{Steps: rules.NativeSteps(changes)}
}

// newChangingStage is a native gateway with a journal, the cursor on the first rule of table ip gw, which nobody owns.
func newChangingStage(t *testing.T) (*stage, *journal) {
	s := newNativelyStage(t, nil)
	s.send(keyPress("down"))
	j := &journal{}
	s.app.gw.Journal = j
	screen := s.app.screens[0].(*rulesScreen)
	for range 20 {
		if _, it, _ := screen.current(); it.native != nil && it.native.Table.Name == "gw" {
			break
		}
		s.press("down")
	}
	return s, j
}

// lastNatives are the native changes of the plan that was applied last.
func (s *stage) lastNatives() []rules.NativeChange {
	s.t.Helper()
	if len(s.kernel.applied) == 0 {
		s.t.Fatalf("nothing was applied:\n%s", s.app.drawn)
	}
	return s.kernel.applied[len(s.kernel.applied)-1].Natives()
}

// The keys for rules work on a native rule as on one of iptables: each plan is shown or made, and can be undone.
func TestNativeRuleIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newChangingStage(t)
		s.press("d")
		s.sees("Delete rule 1 of ip gw pre?")
		s.sees("$ nft 'delete rule ip gw pre handle")
		s.golden("native-delete")
		s.press("n", "d")
		s.agree("y")
		if c := s.lastNatives(); len(c) != 1 || !c[0].Gone || c[0].Print == "" {
			t.Errorf("deleted: %+v", c)
		}
		s.sees("rule deleted from ip gw pre")
		s.press("J")
		if c := s.lastNatives(); len(c) != 2 || !c[0].Gone || c[1].Gone || c[1].Chain != "pre" {
			t.Errorf("moved: %+v", c)
		}
		s.press("K")
		s.sees("it is the first rule of ip gw pre already")
		s.press("p")
		if c := s.lastNatives(); len(c) != 1 || !c[0].Gone || !s.kernel.terms.Park {
			t.Errorf("parked: %+v, on the terms %+v", c, s.kernel.terms)
		}
		s.press("e")
		s.sees("Edit rule 1 of ip gw pre")
		s.sees("there is nothing to change")
		s.write(" comment \"x\"")
		s.golden("native-edit")
		s.press("enter")
		if c := s.lastNatives(); len(c) != 1 || !strings.HasSuffix(c[0].Text, `comment "x"`) {
			t.Errorf("edited: %+v", c)
		}
	})
}

// A rule is edited by fields, which hold what it says, and keeps what it has counted.
func TestNativeRuleInTheForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newChangingStage(t)
		screen := s.app.screens[0].(*rulesScreen)
		chain := s.native.Table("inet", "fw4").Chain("dstnat_wan")
		s.run(screen.openFields(nativeFieldsMsg{edit: nativeEditOf(t, s, chain, 0)}))
		s.run(s.app.settle())
		s.app.drawn = s.app.draw()
		s.sees("Edit rule 1 of inet fw4 dstnat_wan")
		s.golden("native-form")
		s.press("ctrl+s")
		s.agree("enter")
		s.sees("nothing was changed")
		s.run(screen.openFields(nativeFieldsMsg{edit: nativeEditOf(t, s, chain, 0)}))
		s.press("enter", "enter", "enter", "enter", "enter", "enter", "enter")
		s.write("192.168.0.9:99")
		s.press("ctrl+s")
		s.agree("enter")
		c := s.lastNatives()
		if len(c) != 2 || !c[0].Gone || c[0].Handle != chain.Rules[0].Handle || !strings.Contains(c[1].Text, "dnat ip to 192.168.0.9:99") || !strings.Contains(c[1].Text, "packets 17 bytes 1020") {
			t.Errorf("edited: %+v", c)
		}
	})
}

// nativeEditOf is a rule of a chain as fields, as the kernel's side of the program finds it.
func nativeEditOf(t *testing.T, s *stage, chain *nft.Chain, at int) nativeEdit {
	t.Helper()
	base := *chain // the rule is told as of a base chain
	base.Hook, base.Type = "prerouting", "nat"
	fields, err := chain.Rules[at].Fields(&base, s.native.Links)
	if err != nil {
		t.Fatal(err)
	}
	return nativeEdit{ruleItem{at: at + 1, native: chain, rule: chain.Rules[at]}, fields, 0, s.native.Links}
}

// An element of a map is a forward of its own: it is deleted and edited on its line. Elements that have no order are not moved.
func TestElementIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newChangingStage(t)
		s.press("enter", "down")
		s.sees("203.0.113.1 . 25")
		s.press("J")
		s.sees("an element has no order: move its rule")
		s.press("p")
		s.sees("only whole rules can be parked")
		s.press("d")
		s.sees("Delete 203.0.113.1 . 22 from ip gw published?")
		s.agree("y")
		if c := s.lastNatives(); len(c) != 1 || c[0].Line() != "delete element ip gw published { 203.0.113.1 . 22 }" {
			t.Errorf("deleted: %+v", c)
		}
		s.press("e")
		s.sees("Edit an element of ip gw published")
		s.sees("add element ip gw published { 203.0.113.1 . 22 comment \"ssh\" : 192.168.0.4 . 22 }")
		s.press("esc")
		s.press("i")
		s.lacks("add element") // what was edited does not stand among pasted commands
	})
}

// A rule that another program makes is not changed, and it is said how that is done there.
func TestOwnersRuleIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, key := range []string{"d", "J", "p", "e"} {
			s, _ := newChangingStage(t)
			s.press("g", key)
			s.sees("table inet fw4 belongs to fw4")
			s.sees("use uci or LuCI")
			if len(s.kernel.applied) > 0 {
				t.Errorf("%s has changed it", key)
			}
		}
	})
}

// A parked native rule stays in sight at its place, and the same key restores it.
func TestParkedNativeRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := newChangingStage(t)
		_, it, _ := s.app.screens[0].(*rulesScreen).current()
		back := it.rule.Deletion(it.native, s.native.Links)
		back.Gone, back.Handle, back.Before = false, 0, it.native.Rules[1].Handle
		j.notes.Parked = []Parked{{ID: "7", By: "root", At: clock, Native: &back}}
		s.tables(true)
		s.press("down")
		s.sees("parked: ")
		s.sees("Press p to restore it to its place")
		s.golden("native-parked")
		for _, key := range []string{"e", "d", "J"} {
			s.press(key)
			s.sees("it is parked: press p to restore it first")
		}
		s.press("p")
		if len(j.said) != 1 || j.said[0] != "undo 7" {
			t.Errorf("the journal was told %v", j.said)
		}
	})
}

// Without nft nothing can be changed, which is said.
func TestNativeRuleWithoutNFT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newChangingStage(t)
		s.app.gw.Natively = nil
		s.press("d")
		s.sees("the program nft, which is not installed")
	})
}
