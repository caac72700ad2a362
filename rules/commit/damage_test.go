package commit

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nattui/rules"
)

// openEnded writes a change that somebody still has to do something about: one that waits, or one that ends by itself.
func openEnded(t *testing.T, temporary bool) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := rules.Parse("-A POSTROUTING -s 10.1.0.5/32 -o lo -j MASQUERADE")
	if err != nil {
		t.Fatal(err)
	}
	e := &Entry{ID: "1", State: Pending, At: time.Unix(1, 0), By: "root", begun: in(kernelClock{}, 0)}
	e.Plan = rules.Single(rules.Change{Op: rules.Insert, Table: "nat", Chain: "POSTROUTING", At: 1, Rule: r})
	if !temporary {
		e.Deadline, e.deadline = time.Now().Add(time.Hour), in(kernelClock{}, time.Hour)
	}
	if err := s.append(recordOf(e)); err != nil {
		t.Fatal(err)
	}
	e.State = Applied
	if temporary {
		e.Expires, e.expires = time.Now().Add(time.Hour), in(kernelClock{}, time.Hour)
	} else {
		e.Deadline, e.deadline = time.Now().Add(time.Hour), in(kernelClock{}, time.Hour)
	}
	if err := s.append(withPlan(e)); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDamagedChangeIsLeftAlone damages, loses or cuts what was last told of a change that is open, with and without a
// guard and the file that tells the last record: whoever changes something afterwards, however often, does not settle it.
// Its guard, which has seen the whole, still knows, as long as nothing but the last record is missing.
func TestDamagedChangeIsLeftAlone(t *testing.T) {
	hurt := map[string]func(text []byte) []byte{
		"a bit":       func(text []byte) []byte { text[len(text)-30] ^= 1; return text },
		"its newline": func(text []byte) []byte { text[len(text)-1] ^= 1; return text },
		"gone":        func(text []byte) []byte { return text[:bytes.IndexByte(text, '\n')+1] },
		"cut":         func(text []byte) []byte { return text[:len(text)-9] },
		"more":        func(text []byte) []byte { return append(text, "x\n"...) },
		"the first":   func(text []byte) []byte { text[30] ^= 1; return text },
	}
	for name, damage := range hurt {
		for _, temporary := range []bool{true, false} {
			for _, guarded := range []bool{true, false} {
				for _, head := range []bool{true, false} {
					leftAlone(t, name, damage, temporary, guarded, head)
				}
			}
		}
	}
}

func leftAlone(t *testing.T, name string, damage func([]byte) []byte, temporary, guarded, head bool) {
	t.Helper()
	s := openEnded(t, temporary)
	// A second process, as the first one remembers what it wrote.
	s = &Store{dir: s.dir, wait: s.wait}
	g := guard{c: New(s, Kernel{}, Setup{}), id: "1"}
	g.last = g.read(false)
	if guarded {
		mark, err := s.beGuard("1")
		if err != nil {
			t.Fatal(err)
		}
		defer mark.Close()
	}
	awaitTick(t, s.path(journalName))
	text, err := os.ReadFile(s.path(journalName))
	if err != nil {
		t.Fatal(err)
	}
	if overwrite(t, s.path(journalName), damage(text)); !head {
		if err := os.Remove(s.path(headName)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 4 {
		another := &Store{dir: s.dir, wait: s.wait}
		c := New(another, Kernel{}, Setup{})
		c.OnStep(func(step string) {
			t.Fatalf("%s, temporary %v, guarded %v, head %v: %s", name, temporary, guarded, head, step)
		})
		if err := c.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		j, err := another.readJournal(true)
		if err != nil {
			t.Fatal(err)
		}
		if e := j.byID["1"]; e != nil && e.State != Unknown {
			t.Fatalf("%s, temporary %v, guarded %v, head %v: after %d changes it is %s", name, temporary, guarded, head, n, e.State)
		}
		if _, err := another.choose(j, ""); !temporary && j.byID["1"] != nil && (err == nil) != guarded || err == nil && !guarded {
			t.Errorf("%s, temporary %v, guarded %v, head %v: what waits: %v", name, temporary, guarded, head, err)
		}
		e := &Entry{ID: j.next(), State: Confirmed, begun: in(kernelClock{}, 0), Plan: rules.Plan{Title: "Another."}}
		if err := another.append(recordOf(e)); err != nil {
			t.Fatal(err)
		}
		// A guard that saw the record knows; that there was one more cannot be told where the head is gone, too.
		if e := g.read(false); guarded && head && !e.open() {
			t.Errorf("%s, temporary %v: after %d changes its guard does not know any more: %s", name, temporary, n+1, e.State)
		}
	}
}

// TestDamageWithoutHead: a journal that may have been cut short is not taken for a whole one.
func TestDamageWithoutHead(t *testing.T) {
	s := written(t)
	if said, err := s.Damage(); err != nil || said != "" {
		t.Errorf("of a whole journal: %q, %v", said, err)
	}
	if err := os.Remove(s.path(headName)); err != nil {
		t.Fatal(err)
	}
	s = &Store{dir: s.dir, wait: s.wait}
	if said, err := s.Damage(); err != nil || !strings.Contains(said, "journal.head") {
		t.Errorf("without its head: %q, %v", said, err)
	}
}
