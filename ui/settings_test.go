package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"nattui/ui/theme"
)

func TestSettings(t *testing.T) {
	s, complaints := ReadSettings([]byte(`
# what this operator likes
theme = "ansi-light"
countdown = "5m"

[keys]
"look again" = ["f5", "ctrl+r"]
delete = "D"
plan = "f2"

[columns]
flows = ["served by", "client", "rule"]
`))
	if len(complaints) > 0 {
		t.Fatalf("complaints: %v", complaints)
	}
	if s.Theme != theme.ANSILight || s.countdown != countdownLong || !slices.Equal(s.Columns, []string{"served by", "client", "rule"}) {
		t.Errorf("read %+v", s)
	}
	if got := fmt.Sprint(s.Keys); got != "map[delete:[D] look again:[f5 ctrl+r] plan:[f2]]" {
		t.Errorf("keys are %s", got)
	}
}

func TestExampleOfSettings(t *testing.T) {
	s, complaints := ReadSettings([]byte(SettingsExample))
	if len(complaints) > 0 || s.Theme != theme.Light || len(s.Keys) != 2 || len(s.Columns) != 5 {
		t.Errorf("read %+v, %v", s, complaints)
	}
}

// Chosen keys are what is dispatched and what is shown.
func TestChosenKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.app.settings, _ = ReadSettings([]byte("[keys]\nadd = \"f2\"\n\"trace it\" = \"f4\""))
		s.press("down")
		s.sees("f2 add")
		s.press("a")
		if len(s.app.dialogs) > 0 {
			t.Error("a still adds")
		}
		s.send(tea.KeyPressMsg{Code: tea.KeyF2})
		if len(s.app.dialogs) == 0 {
			t.Error("f2 does not add")
		}
		s.press("esc")
		s.send(tea.KeyPressMsg{Code: tea.KeyF4})
		s.sees("Trace")
		if s.app.active != 4 {
			t.Error("a key that is shown in no key line was not taken from the settings")
		}
	})
}

// Columns are those that were chosen, in their order; a click sorts by what is under it.
func TestChosenColumns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 120, 24, someFlows()...)
		s.app.settings.Columns = []string{"served by", "client", "state"}
		s.app.screens[1].(*flowsScreen).chosen = true
		s.press("down", "up")
		s.golden("flows-chosen-columns")
		s.send(tea.MouseClickMsg{X: 25, Y: 3, Button: tea.MouseLeft})
		s.sees("client▴")
	})
}

// What is wrong with the settings is on the screen at the start, and any key goes on.
func TestComplaintsOfSettings(t *testing.T) {
	app := New(t.Context(), Gateway{}, Options{UTF8: true, Complaints: []string{"config.toml:3: there is no action \"ad\""}})
	if got := ansi.Strip(app.draw()); !strings.Contains(got, "config.toml:3: there is no action") {
		t.Errorf("shown:\n%s", got)
	}
	app.Update(keyPress("enter"))
	if len(app.dialogs) > 0 {
		t.Error("it is still there")
	}
}

// A key for quit is that of the question and of the screens, which call it otherwise; that may be chosen by itself.
func TestQuitKey(t *testing.T) {
	for text, want := range map[string]string{"keys.quit = \"ctrl+q\"": "ctrl+q", "[keys]\nquit = \"ctrl+q\"\n\"back, quit\" = \"f10\"": "f10"} {
		s, complaints := ReadSettings([]byte(text))
		if got := strings.Join(s.Keys["back, quit"], " "); got != want || len(complaints) > 0 {
			t.Errorf("%s: %q, not %q; %v", text, got, want, complaints)
		}
	}
}

// What is wrong is named with its line, and the rest counts.
func TestWrongSettings(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`thme = "dark"`, `1: there is no setting thme: did you mean "theme"?`},
		{"\n\ntheme = \"solarized\"", `3: theme: "solarized" is not a theme: auto, dark, light, ansi, ansi-dark, ansi-light, none`},
		{"theme = 3", `1: theme is a word in quotes`},
		{"countdown = \"1h\"", `1: countdown: "1h" is none of auto, off, 30s, 90s, 5m`},
		{"[colours]\nred = 1", `1: there is no section [colours]: [keys] and [columns]`},
		{"[keys]\nad = \"A\"", `2: there is no action "ad": did you mean "add"?`},
		{"[keys]\nadd = \"d\"", `2: keys.add: "d" is delete in Rules`},
		{"[keys]\n# swapped: no clash\nadd = \"d\"\ndelete = \"a\"", ``},
		{"keys = { add = \"d\" }", `1: keys.add: "d" is delete in Rules`},
		{"keys.add = \"q\"", `1: keys.add: "q" is back, quit in Rules`},
		{"[keys]\nadd = \"crtl+a\"", `2: keys.add: "crtl+a" is not a key`},
		{"[keys]\nadd = \"entr\"", `2: keys.add: "entr" is not a key: did you mean "enter"?`},
		{"[keys]\nadd = \"ctrl+c\"", `2: keys.add: ctrl+c always quits`},
		{"[keys]\nplan = \"p\"", `2: keys.plan: "p" is typed as text in "Adding and editing a rule"; take one with ctrl or alt, or f1 to f12`},
		{"[keys]\nadd = 3", `2: keys.add is a key or a list of keys, such as "f5" or ["f5", "ctrl+r"]`},
		{"[columns]\nflows = [\"foo\"]", `2: columns.flows: there is no column "foo": there are ` + strings.Join(flowColumnNames, ", ")},
		{"[columns]\nflows = [\"clinet\"]", `2: columns.flows: there is no column "clinet": did you mean "client"?`},
		{"[columns]\nflows = [\"rate\", \"rate\"]", `2: columns.flows: "rate" is there twice`},
		{"[columns]\nrules = [\"match\"]", `2: columns can be chosen for flows only, not for rules`},
		{"theme = \"light\"\ntheme = \"dark\"", `2: theme stands in line 1 already; that is used`},
		{"\n[keys\n", `2: expected character ]; none of the settings is used`},
	} {
		_, complaints := ReadSettings([]byte(c.text))
		var got []string
		for _, x := range complaints {
			got = append(got, fmt.Sprintf("%d: %s", x.Line, x.Text))
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s\ngives %s\nnot   %s", c.text, strings.Join(got, "\n"), c.want)
		}
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("theme = \"light\"\n[keys]\nadd = [\"x\", \"y\"]\n")
	f.Add("keys = { add = \"d\", a.b = 1 }\n[[keys]]\n[a.b]\nc.d = \"\"")
	f.Fuzz(func(t *testing.T, text string) {
		_, complaints := ReadSettings([]byte(text))
		for _, c := range complaints {
			if c.Line < 1 || c.Line > strings.Count(text, "\n")+1 {
				t.Errorf("%q: line %d: %s", text, c.Line, c.Text)
			}
		}
	})
}

// The columns of Flows, their order and what sorts them are chosen on the screen, too.
func TestFlowChooser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 120, 24, someFlows()...)
		s.press("o", "down", "down", "space")
		s.golden("flows-columns")
		s.press("g", "J")
		if got := s.app.settings.Columns; len(got) != len(flowColumnNames)-1 || got[0] != "client" || got[1] != "proto" || slices.Contains(got, "asked for") {
			t.Errorf("the columns are %q", got)
		}
		_, content := s.app.input().(copied).Copied()
		read, complaints := ReadSettings([]byte(content))
		if len(complaints) > 0 || !slices.Equal(read.Columns, s.app.settings.Columns) {
			t.Errorf("%s is read as %q, %v", content, read.Columns, complaints)
		}
		s.press("/")
		s.write("bytes")
		s.press("enter", "enter")
		s.sees("largest first")
		s.press("enter")
		s.sees("smallest first")
		s.press("D", "q")
		if s.app.settings.Columns != nil || len(s.app.dialogs) > 0 {
			t.Error("the usual columns are not back")
		}
		s.sees("bytes▴")
	})
}
