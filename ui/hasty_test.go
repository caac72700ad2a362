package ui

import (
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

// Two escapes that came together, which a terminal makes alt+esc of, are two.
func TestTwoEscapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 24)
		s.press("?", "/")
		s.write("zzz")
		s.send(tea.KeyPressMsg{Code: tea.KeyEscape, Mod: tea.ModAlt})
		s.press("j")
		if s.app.typing() {
			t.Errorf("what was typed on is still open:\n%s", s.screen())
		}
	})
}

// A new rule that would never be met is doubted where it is made: at the end of its chain, and not where it comes before.
func TestFormDoubtsWhatIsNeverMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 40, "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n")
		draft := rules.Draft{Family: rules.IPv4, Kind: rules.DNAT, Chain: "PREROUTING", Protocol: "tcp", Ports: "80", Dest: "203.0.113.1", To: "192.168.0.3:81"}
		f := newFormOf(&s.app.desk, draft, ruleItem{}, nil, "")
		s.app.open(f)
		s.send(shownMsg{})
		s.sees("rule 1 of PREROUTING takes all")
		f.place = placeFirst
		s.send(shownMsg{})
		s.lacks("rule 1 of PREROUTING takes all")
	})
}
