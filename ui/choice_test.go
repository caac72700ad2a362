package ui

import (
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

// chosenOf is what a choice of the form stands at.
func (f *fields) chosenOf(name string) string {
	for _, x := range f.list {
		if c, is := x.(*choice); is && c.name == name {
			return c.options[c.at].label
		}
	}
	return ""
}

// What is typed at a choice names an option, letter by letter; what names none leaves the choice as it was before, and gets a
// word, at the field and below.
func TestChoiceIsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.press("down", "enter")
		for typed, want := range map[string]string{"udp": "udp", "tcp ": "tcp and udp", "tcp and": "tcp and udp", "u": "udp"} {
			s.press("down", "up") // away, and back to the choice
			s.write(typed)
			if got := s.guide().fields.chosenOf("proto"); got != want {
				t.Errorf("%q chose %s, not %s", typed, got, want)
			}
			s.lacks("was not taken")
			s.tells("Protocol is now " + want)
		}
		s.press("down", "up")
		s.write("tcp")
		s.press("down", "up")
		s.write("80")
		s.sees("‹ tcp ›  only ←/→")
		s.tells("Protocol is chosen with ←/→: 80 was not taken, it is still tcp")
		s.press("right")
		s.press("tab", "tab")
		s.write("8888")
		if got := s.guide().answers.port; got != "8888" {
			t.Errorf("the port is %q", got)
		}
	})
}

// In the form, too, where there is no room for it beside the choice.
func TestChoiceInTheForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a")
		s.write("80")
		s.tells("Kind is chosen with ←/→: 80 was not taken")
		s.send(tea.PasteMsg{Content: "80"})
		s.sees("nothing was pasted: Kind is chosen with ←/→")
		s.fits()
	})
}

// Text that was meant for another field changes no choice, whatever its letters are: neither where it begins as an option does,
// nor by letters that are keys of their own, nor in the field that makes the others anew.
func TestStrayTextChangesNoChoice(t *testing.T) {
	for _, text := range []string{"web server", "nosuch0", "192.168.0.2:8080", "88", "11", "10 minutes more", "server", "h", "hello world", "lasting", " x", "masquerading", "forum"} {
		for field, was := range map[string]string{"lasts": "1 hour", "place": "first", "chain": "OUTPUT", "kind": "DNAT: publish a server"} {
			t.Run(field+" "+text, func(t *testing.T) {
				s, _ := sshStage(t, 80, 24)
				s.press("a")
				f := s.app.top().(*form)
				f.draft.Kind, f.draft.Chain, f.place, f.lasts = rules.DNAT, "OUTPUT", placeFirst, time.Hour
				f.build()
				for f.fields.focused() != field {
					s.press("tab")
				}
				if got := f.fields.chosenOf(field); got != was {
					t.Fatalf("%s begins as %q", field, got)
				}
				if text == "h" {
					s.write("x") // of which h is the second letter
				}
				s.write(text)
				if got := f.fields.chosenOf(field); got != was {
					t.Errorf("%q made %s %q", text, field, got)
				}
				if f.draft.Chain != "OUTPUT" || f.draft.Kind != rules.DNAT {
					t.Errorf("%q left %s of %s", text, f.draft.Chain, f.draft.Kind.Name())
				}
				s.tells("was not taken, it is still " + was)
			})
		}
	}
}

// A letter is a key as long as nothing goes on behind it; after a pause another begins a new name.
func TestLetterIsAKey(t *testing.T) {
	now := clock
	s, _ := sshStage(t, 80, 24)
	s.app.clock = func() time.Time { return now }
	s.press("a", "shift+tab")
	f := s.app.top().(*form)
	for i, want := range []string{"10 minutes", "1 hour", "1 day", "10 minutes"} {
		s.write("1")
		if got := f.fields.chosenOf("lasts"); got != want {
			t.Errorf("1 for the %d. time chose %s, not %s", i+1, got, want)
		}
		s.tells("Lasts is now " + want)
		now = now.Add(spellingPause)
	}
	s.write("80")
	s.tells("it is still 10 minutes")
	s.press("l") // the text goes on
	s.tells("80l was not taken, it is still 10 minutes")
	s.press("right")
	s.press("h")
	if got := f.fields.chosenOf("lasts"); got != "10 minutes" {
		t.Errorf("→ and h led to %s", got)
	}
}
