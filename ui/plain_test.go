package ui

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

// lineReader drives the program that prints lines, as a stage does the other.
type lineReader struct {
	stage *stage
	plain *plain
	out   bytes.Buffer
}

func newLineReader(t *testing.T) *lineReader {
	r := &lineReader{stage: newStage(t, 80, 24, gatewayRules)}
	r.stage.app.plain = true
	r.stage.app.restyle()
	r.plain = &plain{App: r.stage.app, out: &r.out, before: map[string]bool{}}
	return r
}

// run does what the program asks for; what comes of it reaches the lines.
func (r *lineReader) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil, tea.QuitMsg:
	case tea.BatchMsg:
		for _, c := range msg {
			r.run(c)
		}
	default:
		_, cmd := r.plain.Update(msg)
		r.run(cmd)
	}
}

// press presses keys and writes down what was printed after each.
func (r *lineReader) press(names ...string) {
	for _, name := range names {
		r.out.WriteString("[" + name + "]\n")
		_, cmd := r.plain.Update(keyPress(name))
		r.run(cmd)
	}
}

func TestPlainScreens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLineReader(t)
		r.plain.Update(tea.WindowSizeMsg{Width: 40, Height: 12})
		r.press("down", "enter", "esc", "a", "tab", "tab", "u", "d", "p", "tab", "esc", "d", "n", "3", "4")
		got := strings.ReplaceAll(r.out.String(), "\r\n", "\n")
		path := filepath.Join("testdata", "plain.golden")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s is not as it was (go test ./ui -update writes it anew):\n%s", path, got)
		}
		for _, c := range got {
			if c > '~' || c < ' ' && c != '\n' {
				t.Fatalf("%q was printed", c)
			}
		}
	})
}

// What comes of a question, or is done by others, is read when it comes.
func TestPlainPrintsWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLineReader(t)
		r.press("down")
		r.out.Reset()
		rule, _ := ruleAt(r.stage.kernel.sets[v4], "nat", "PREROUTING", 3)
		plan := rules.Single(rules.Change{Op: rules.Delete, Table: "nat", Chain: "PREROUTING", At: 3, Rule: *rule})
		if _, err := r.stage.kernel.make(plan); err != nil {
			t.Fatal(err)
		}
		r.plain.Update(tablesMsg{Sets: r.stage.kernel.sets, At: clock, Changed: true})
		if got := r.out.String(); !strings.Contains(got, "PREROUTING -- 3 rules") {
			t.Errorf("a rule that another program has deleted is read as %q", got)
		}
		r.out.Reset()
		_, cmd := r.plain.Update(keyPress("4"))
		if got := r.out.String(); !strings.Contains(got, "checking the gateway") {
			t.Errorf("the doctor begins with %q", got)
		}
		r.out.Reset()
		r.run(cmd)
		if got := r.out.String(); !strings.Contains(got, "3 findings") {
			t.Errorf("what the doctor has found is read as %q", got)
		}
	})
}

// While the doctor finds the same, however often connections come and go, nothing is read.
func TestPlainDoctorIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLineReader(t)
		r.press("4")
		d := r.plain.screens[3].(*doctorScreen)
		r.out.Reset()
		for range 3 {
			d.calm.looks = 0 // as a new connection does
			r.plain.Update(frameMsg{})
			time.Sleep(2 * doctorPace)
			_, cmd := r.plain.Update(doctorDueMsg{})
			r.run(cmd)
		}
		if r.out.Len() > 0 {
			t.Errorf("printed by itself: %s", &r.out)
		}
	})
}

// What changes by itself is not read aloud, unless it is said.
func TestPlainIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLineReader(t)
		r.press("down")
		r.out.Reset()
		r.plain.Update(tablesMsg{Sets: r.stage.kernel.sets, At: clock})
		if r.out.Len() > 0 {
			t.Errorf("printed by itself: %s", &r.out)
		}
		r.stage.app.say("the change was confirmed elsewhere")
		r.plain.Update(frameMsg{})
		if got := r.out.String(); got != "- the change was confirmed elsewhere\r\n" {
			t.Errorf("what was said is printed as %q", got)
		}
	})
}

// A connection that has become older, or has moved more, is not read again with every key.
func TestPlainKnowsConnectionsAgain(t *testing.T) {
	r := newLineReader(t)
	r.press("2")
	before := r.plain.nameOf("> tcp  203.0.113.10:55474  203.0.113.1:80  => 192.168.0.2:8080  ESTAB  -  59s  5d  19  10.0k  PREROUTING 1")
	if after := r.plain.nameOf("tcp  203.0.113.10:55474  203.0.113.1:80  => 192.168.0.2:8080  ESTAB  1.2k  >1m1s  4d23h  20  10.1k  PREROUTING 1"); after != before {
		t.Errorf("%q became %q", before, after)
	}
	if other := r.plain.nameOf("tcp  203.0.113.10:55475  203.0.113.1:80  => 192.168.0.2:8080  ESTAB  -  59s  5d  19  10.0k  PREROUTING 1"); other == before {
		t.Errorf("another connection is taken for %q", before)
	}
}

// A comment is read whole, the cursor has a sign of its own, and no number is told before the rules have been read.
func TestPlainRulesAreReadWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLineReader(t)
		long := strings.TrimSpace(strings.Repeat("until the machine of the second floor has moved ", 4))
		k := r.stage.kernel
		k.sets = sets(t, map[rules.Variant]string{v4: strings.Replace(gatewayRules, "--comment web", "--comment \""+long+"\"", 1)})
		_, cmd := r.plain.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
		r.run(cmd)
		_, cmd = r.plain.Update(tablesMsg{Sets: k.sets, At: clock, Changed: true})
		r.run(cmd)
		r.press("2", "1")
		for _, want := range []string{">  1  tcp to 203.0.113.1:80  -> 192.168.0.2:8080  8,123  ", "  " + long + "\r\n", "in -> PREROUTING"} {
			if !strings.Contains(r.out.String(), want) {
				t.Errorf("%q is not read:\n%s", want, r.out.String())
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.app.screens[0].(*rulesScreen).tables.Sets = nil
		s.app.screens[0].(*rulesScreen).list()
		s.press("2", "1")
		s.sees("reading the tables")
		s.lacks("0 rules")
		s.fits()
	})
}
