package ui

import "testing"

// A box that is longer than the screen is read to its end and not beyond: whoever holds the key down is
// a single press away from the line before.
func TestReadingEndsWithTheText(t *testing.T) {
	s := newStage(t, 40, 12, gatewayRules)
	s.press("?")
	beginning := s.screen()
	for range 200 {
		s.press("down")
	}
	end := s.screen()
	s.press("up")
	if end == beginning || s.screen() == end {
		t.Errorf("one line up from the end is\n%s", s.screen())
	}
	s.press("G")
	if s.screen() != end {
		t.Errorf("G does not lead to the end but to\n%s", s.screen())
	}
	s.press("pgup", "pgdown")
	if s.screen() != end {
		t.Errorf("a page up and down does not lead back but to\n%s", s.screen())
	}
	s.press("g")
	if s.screen() != beginning {
		t.Errorf("g does not lead to the beginning but to\n%s", s.screen())
	}
}
