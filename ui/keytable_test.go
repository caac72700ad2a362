package ui

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
)

// A key does the first thing in its table that works, and says why where none does.
func TestKeyTablePress(t *testing.T) {
	var did []string
	do := func(what string) func() { return func() { did = append(did, what) } }
	works := false
	table := keyTable{
		act(bind("a", "first", "a"), do("first")).when(func() bool { return works }).otherwise(do("why not")),
		act(bind("a", "second", "a"), do("second")).when(func() bool { return !works }),
		act(bind("b", "only", "b"), do("only")).when(func() bool { return works }).otherwise(do("not b")),
		act(bind("c", "never", "c"), do("never")).when(func() bool { return false }),
		elsewhere(bind("d", "a field's")),
	}
	for _, x := range []struct {
		works bool
		key   string
		did   string
		taken bool
		shown string
	}{
		{false, "a", "second", true, "second a field's"},
		{true, "a", "first", true, "first only a field's"},
		{false, "b", "not b", true, "second a field's"},
		{true, "b", "only", true, "first only a field's"},
		{true, "c", "", false, "first only a field's"},
		{true, "d", "", false, "first only a field's"},
		{true, "e", "", false, "first only a field's"},
	} {
		works, did = x.works, nil
		_, taken := table.press(keyPress(x.key))
		var shown []string
		for _, b := range table.working() {
			shown = append(shown, b.Help().Desc)
		}
		if got := strings.Join(did, " "); got != x.did || taken != x.taken || strings.Join(shown, " ") != x.shown {
			t.Errorf("%s while it works %v: did %q, taken %v, shown %q", x.key, x.works, got, taken, shown)
		}
	}
	if _, taken := append(table, others(do("rest"))).press(keyPress("e")); !taken || !slices.Equal(did, []string{"rest"}) {
		t.Errorf("any other key did %q", did)
	}
}

// Whatever is open, help and key line show nothing that does nothing: each key that is shown is taken by
// the table, by the field that is typed in, or on every screen.
func TestShownKeysAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, keys := range [][]string{{"1"}, {"1", "/"}, {"1", "a"}, {"1", "d"}, {"1", "c"}, {"1", "i"}, {"1", "t"}, {"1", "enter"}, {"w"}, {"?"}, {"3"}, {"3", "enter"}, {"4"}, {"5"}, {"5", "/"}, {"6"}} {
			s, _ := sshStage(t, 80, 24)
			s.press(keys...)
			in := s.app.input()
			_, types := in.(typist)
			for _, b := range in.Actions().working() {
				k := b.Keys()[0]
				if in.Actions().takes(b) || types || s.app.everywhere().takes(b) {
					continue
				}
				if strings.Contains(b.Help().Desc, "close") {
					continue // any key does
				}
				t.Errorf("after %v: %s %s is shown and does nothing", keys, k, b.Help().Desc)
			}
		}
	})
}

// Any key closes a box that is only read, and only that box.
func TestAnyKeyClosesABox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("enter", "d")
		if len(s.app.dialogs) != 0 {
			t.Errorf("%T is open", s.app.top())
		}
		s.press("?")
		s.send(tea.KeyPressMsg{Code: 'x', Text: "x"})
		if len(s.app.dialogs) != 0 {
			t.Errorf("%T is open", s.app.top())
		}
	})
}
