package ui

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
)

// helpOf opens help and tells what it lists under a heading.
func (s *stage) helpOf(heading string) string {
	s.t.Helper()
	s.send(keyOf("f1"))
	h, ok := s.app.top().(*help)
	if !ok {
		s.t.Fatalf("no help:\n%s", s.screen())
	}
	part := ""
	for _, g := range strings.Split(strings.Join(h.SearchLines(), "\n"), "\n\n") {
		if strings.HasPrefix(g, heading) {
			part = g
		}
	}
	s.press("esc")
	return part
}

// Where letters are text, help lists no key that would be typed; in a box it lists none that does nothing there.
func TestHelpListsWhatWorks(t *testing.T) {
	for name, c := range map[string]struct {
		open    func(s *stage)
		heading string
		with    []string
		without []string
	}{
		"form":   {func(s *stage) { s.press("1", "a") }, "everywhere", []string{"f1 ", "ctrl+p "}, []string{"\n? ", "\n: ", "\n/ ", "\nn ", "\ny ", "\nL "}},
		"import": {func(s *stage) { s.press("1", "i") }, "everywhere", []string{"f1 ", "ctrl+p "}, []string{"\n? ", "\n/ ", "\ny "}},
		"apply": {func(s *stage) {
			s.press("1", "i")
			s.send(tea.PasteMsg{Content: "iptables -A FORWARD -i lan0 -j ACCEPT"})
		}, "in this box", []string{"\nctrl+s "}, nil},
		"request":  {func(s *stage) { s.press("L", "enter") }, "everywhere", []string{"f1 "}, []string{"\n/ ", "\nL ", "\ny "}},
		"export":   {func(s *stage) { s.press("2", "E") }, "everywhere", []string{"? "}, []string{"\n/ ", "\nn "}},
		"columns":  {func(s *stage) { s.press("2", "o") }, "everywhere", []string{"\ny "}, nil},
		"groups":   {func(s *stage) { s.press("2", "b") }, "on this screen", []string{"x/X "}, nil},
		"trace":    {func(s *stage) { s.press("5") }, "everywhere", nil, []string{"\n/ "}},
		"question": {func(s *stage) { s.press("1", "d") }, "in this box", []string{"delete: does what the question names"}, []string{"after a question"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := flowStage(t, 80, 24, someFlows()...)
				s.app.gw.Lab = &labValues{}
				s.app.gw.Export = func(string, func(io.Writer) error) (string, error) { return "", nil }
				s.send(s.app.survey()())
				c.open(s)
				got := s.helpOf(c.heading)
				for _, want := range c.with {
					if !strings.Contains("\n"+got, want) {
						t.Errorf("%q is not listed:\n%s", want, got)
					}
				}
				for _, not := range c.without {
					if strings.Contains("\n"+got, not) {
						t.Errorf("%q is listed:\n%s", not, got)
					}
				}
			})
		})
	}
}

// Any action is found from within a box, too: it closes the box first. Recipes of the guide are found by their names.
func TestPaletteFindsWhatIsBeyondTheBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("1", "c", ":")
		s.write("export")
		s.sees("flows: export")
		s.press("esc")
		s.press(":")
		s.write("undo")
		s.press("enter")
		s.sees("nothing to undo")
		if s.app.top() != nil {
			t.Errorf("the box is still open:\n%s", s.screen())
		}
		s.press("a")
		s.send(keyOf("ctrl+p"))
		s.write("publish")
		s.press("enter")
		if g := s.guide(); s.app.top() != nil || g.asked == nil || g.asked.name != publishName {
			t.Errorf("nothing is to be published:\n%s", s.screen())
		}
	})
}

// A key that does nothing says why.
func TestKeysSayWhyTheyDoNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		for _, c := range [][2]string{
			{"2 b o", "groups and events have their own columns"}, {"1 n", "nothing is searched for"}, {"1 L", "nattui lab opens one"},
		} {
			keys := strings.Fields(c[0])
			s.press(keys...)
			s.sees(c[1])
		}
		s.app.gw.ReadOnly, s.app.gw.Recorded = true, "gw.json"
		s.press("2", "b", "b", "b", "b", "b", "X")
		s.sees("a recorded gateway is only looked at")
		s.press("1", "X")
		s.sees("a recorded gateway is only looked at")
		s.press("w", "enter")
		s.sees("a recorded gateway is only looked at")
	})
}
