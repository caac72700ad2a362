package commit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules"
)

// written is a journal with a change that was confirmed, one that waits, one that
// is being made, a parked rule, and one that ends by itself.
func written(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(id string, kind Kind, states ...State) {
		r, err := rules.Parse("-A PREROUTING -s 10.0.0." + id + "/32 -j ACCEPT")
		if err != nil {
			t.Fatal(err)
		}
		op := rules.Insert
		if kind == KindPark {
			op = rules.Delete
		}
		e := &Entry{ID: id, Kind: kind, At: time.Unix(1, 0), By: "root", begun: in(kernelClock{}, 0)}
		e.Plan = rules.Single(rules.Change{Op: op, Table: "nat", Chain: "PREROUTING", At: 1, Rule: r})
		for i, state := range states {
			e.State = state
			e.Deadline, e.deadline = time.Time{}, moment{}
			if state == Applied && kind == KindPlan {
				e.Deadline, e.deadline = time.Now().Add(time.Hour), in(kernelClock{}, time.Hour)
			}
			record := updateOf(e)
			if i == 0 {
				record = recordOf(e)
			}
			if err := s.append(record); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("1", KindPlan, Pending, Applied, Confirmed)
	write("2", KindPark, Pending, Applied)
	write("3", KindPlan, Pending, Applied, RolledBack)
	write("5", KindPlan, Pending, Applied)
	return s
}

// openIn are the entries that somebody would still do something about.
func openIn(j *journal) map[string]bool {
	all := map[string]bool{}
	for _, e := range j.entries {
		if e.open() || e.leaving != "" {
			all[e.ID] = true
		}
	}
	return all
}

// parsed is a journal of this text.
func parsed(t testing.TB, text []byte) *journal {
	t.Helper()
	j, err := parseJournal(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestDamagedLinesAreSetAside: what cannot be read is moved away, and the rest stays byte for byte; a line of
// many megabytes is as good a one as any.
func TestDamagedLinesAreSetAside(t *testing.T) {
	s := written(t)
	whole, err := os.ReadFile(s.path(journalName))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	e := &Entry{ID: "6", State: Failed}
	e.Plan.Title = "long"
	e.Files = []File{{Path: "/etc/x", New: bytes.Repeat([]byte("long "), 1<<20)}}
	if err := s.append(recordOf(e)); err != nil {
		t.Fatal(err)
	}
	long, err := os.ReadFile(s.path(journalName))
	if err != nil {
		t.Fatal(err)
	}
	garbage := append(bytes.Repeat([]byte("x"), 300<<10), '\n')
	lied := []byte(`{"sum":"00000000","len":99999999999,"record":{}}` + "\n")
	torn := []byte(`{"sum":"0000`)
	text := slices.Concat(garbage, lines[0], lied, bytes.Join(lines[1:], nil), long[len(whole):], garbage, torn)
	overwrite(t, s.path(journalName), text)
	j, err := s.readJournal(true)
	if err != nil || len(j.damaged) != 3 || j.byID["6"] == nil {
		t.Fatalf("%v; %d damaged lines, change 6 is %v", err, len(j.damaged), j.byID["6"])
	}
	aside, err := s.tidy(j, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	bad, err1 := os.ReadFile(aside)
	good, err2 := os.ReadFile(s.path(journalName))
	if err1 != nil || err2 != nil || !bytes.Equal(bad, slices.Concat(garbage, lied, garbage, torn)) || !bytes.Equal(good, long) {
		t.Errorf("%v, %v; %d bytes set aside, %d kept of %d", err1, err2, len(bad), len(good), len(long))
	}
}

// BenchmarkReadJournal reads a journal of a hundred megabytes in ten thousand records.
func BenchmarkReadJournal(b *testing.B) {
	var text []byte
	var last link
	for n := range 10_000 {
		e := &Entry{ID: "1", State: Failed, Files: []File{{Path: "/etc/x", New: bytes.Repeat([]byte("x"), 7500)}}}
		r := recordOf(e)
		r.Update = n > 0
		line, next, err := sealAfter(r, last)
		if err != nil {
			b.Fatal(err)
		}
		text, last = append(text, line...), next
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		parsed(b, text)
	}
}

// TestFlippedBits flips each bit of each byte of a journal: no change that was
// confirmed, parked or rolled back is ever taken for one that waits, and no rule for
// another one.
func TestFlippedBits(t *testing.T) {
	s := written(t)
	whole, err := os.ReadFile(s.path(journalName))
	if err != nil {
		t.Fatal(err)
	}
	h := s.readHead()
	intact := parsed(t, whole)
	if open := openIn(intact); len(open) != 1 || !open["5"] || s.doubt(intact, h, h.File) != "" {
		t.Fatalf("open in the intact journal: %v, %q", open, s.doubt(intact, h, h.File))
	}
	s.known.Store(nil)
	flips, doubted := 0, 0
	for i := range whole {
		for bit := range 8 {
			whole[i] ^= 1 << bit
			j := parsed(t, whole)
			j.doubtAll(s.doubt(j, h, h.File))
			j.giveWay()
			for id := range openIn(j) {
				if id != "5" {
					t.Fatalf("byte %d, bit %d: change %s is open: %q", i, bit, id, whole[max(0, i-20):min(len(whole), i+20)])
				}
			}
			for _, e := range j.entries {
				if of := intact.byID[e.ID]; of == nil || e.Commands()[0] != of.Commands()[0] {
					t.Fatalf("byte %d, bit %d: change %s is %v", i, bit, e.ID, e.Commands())
				}
				if e.State == Unknown {
					doubted++
				}
			}
			flips++
			whole[i] ^= 1 << bit
		}
	}
	if doubted == 0 {
		t.Error("nothing was ever unknown")
	}
	t.Logf("%d bits flipped", flips)
}

// TestOldRecords puts records back that are older than others: from a backup of the
// journal, of the whole directory, and copied behind the newer ones.
func TestOldRecords(t *testing.T) {
	path := func(s *Store, name string) string { return s.path(name) }
	for name, restore := range map[string]func(t *testing.T, s *Store, journal, head []byte){
		"the journal, in place": func(t *testing.T, s *Store, journal, _ []byte) { overwrite(t, path(s, journalName), journal) },
		"the journal, a new file": func(t *testing.T, s *Store, journal, _ []byte) {
			if err := s.replace(journalName, journal); err != nil {
				t.Fatal(err)
			}
		},
		"all, in place": func(t *testing.T, s *Store, journal, head []byte) {
			overwrite(t, path(s, journalName), journal)
			overwrite(t, path(s, headName), head)
		},
		"all, new files": func(t *testing.T, s *Store, journal, head []byte) {
			for name, text := range map[string][]byte{journalName: journal, headName: head} {
				if err := s.replace(name, text); err != nil {
					t.Fatal(err)
				}
			}
		},
		"the journal alone": func(t *testing.T, s *Store, journal, _ []byte) {
			if err := errors.Join(os.RemoveAll(s.dir), os.Mkdir(s.dir, 0o700)); err != nil {
				t.Fatal(err)
			}
			overwrite(t, path(s, journalName), journal)
		},
		"the journal, beside the head of a shorter one": func(t *testing.T, s *Store, journal, _ []byte) {
			if err := errors.Join(os.RemoveAll(s.dir), os.Mkdir(s.dir, 0o700)); err != nil {
				t.Fatal(err)
			}
			fresh := &Store{dir: s.dir, wait: s.wait}
			if err := fresh.append(recordOf(&Entry{ID: "1", State: Failed, At: time.Unix(1, 0), Plan: rules.Plan{Title: "Another."}})); err != nil {
				t.Fatal(err)
			}
			overwrite(t, path(s, journalName), journal)
		},
		"copied behind": func(t *testing.T, s *Store, journal, _ []byte) {
			now, err := os.ReadFile(path(s, journalName))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(journal), "\n")
			overwrite(t, path(s, journalName), append(now, strings.Join(lines[len(lines)-3:], "")...))
		},
		"cut short": func(t *testing.T, s *Store, _, _ []byte) {
			now, err := os.ReadFile(path(s, journalName))
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, path(s, journalName), now[:len(now)-9])
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := written(t)
			journal, err1 := os.ReadFile(s.path(journalName))
			head, err2 := os.ReadFile(s.path(headName))
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			j, err := s.readJournal(true)
			if err != nil || !j.byID["5"].open() {
				t.Fatal(err, j.byID["5"])
			}
			e := j.byID["5"]
			e.State, e.deadline = Confirmed, moment{}
			if err := s.append(updateOf(e)); err != nil {
				t.Fatal(err)
			}
			awaitTick(t, s.path(journalName))
			restore(t, s, journal, head)
			another := &Store{dir: s.dir, wait: s.wait} // a process that has not seen it before
			if j, err = another.readJournal(false); err != nil {
				t.Fatal(err)
			}
			if open := openIn(j); len(open) > 0 {
				t.Errorf("open: %v", open)
			}
			if got := j.byID["5"].State; got != Unknown && name != "copied behind" {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// awaitTick returns when a change of a file would get a later time than its last one has: a
// file system's clock may be as coarse as a second, and under qemu's user mode it is.
func awaitTick(t *testing.T, path string) {
	t.Helper()
	times := func(path string) fileStamp {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		return stampOf(file)
	}
	written, probe := times(path), filepath.Join(t.TempDir(), "probe")
	for overwrite(t, probe, nil); times(probe).Change <= written.Change; time.Sleep(time.Millisecond) {
		overwrite(t, probe, []byte("."))
	}
}

// overwrite writes a file as cp does: it stays the same file.
func overwrite(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOldJournal reads what a nattui wrote that did not number its records: it is
// known as before, and goes on with numbers.
func TestOldJournal(t *testing.T) {
	s := written(t)
	j, _, err := s.readLines()
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, e := range j.entries {
		line, err := seal(recordOf(e))
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, line...)
	}
	if err := os.Remove(s.path(headName)); err != nil {
		t.Fatal(err)
	}
	overwrite(t, s.path(journalName), text)
	s = &Store{dir: s.dir, wait: s.wait}
	for range 3 {
		j, err = s.readJournal(true)
		if err != nil || len(j.damaged) > 0 || len(j.entries) != 4 || !j.byID["5"].open() || j.byID["1"].State != Confirmed {
			t.Fatalf("%v, %d entries, damaged %v", err, len(j.entries), j.damaged)
		}
		if err := s.append(updateOf(j.byID["5"])); err != nil {
			t.Fatal(err)
		}
	}
	if j.last.N != 2 {
		t.Errorf("the last record read is number %d", j.last.N)
	}
}

// TestRotationKeepsWhatIsToCome rotates a journal again and again: what is parked
// or waits is still there.
func TestRotationKeepsWhatIsToCome(t *testing.T) {
	defer func(n int) { rotateAt = n }(rotateAt)
	rotateAt = 16 << 10
	s := written(t)
	rotated := false
	for n := range 300 {
		j, err := s.readJournal(true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.tidy(j, time.Now()); err != nil {
			t.Fatal(err)
		}
		e := &Entry{ID: j.next(), State: Confirmed, begun: in(kernelClock{}, 0)}
		e.Plan.Title = strings.Repeat("x", 3000)
		if err := s.append(recordOf(e)); err != nil {
			t.Fatal(err)
		}
		parked, err := s.Parked()
		if err != nil || len(parked) != 1 || parked[0].ID != "2" {
			t.Fatalf("after %d changes the parked rules are %v, %v", n, parked, err)
		}
		if waiting, err := s.Waiting(); err != nil || waiting == nil || waiting.ID != "5" {
			t.Fatalf("after %d changes what waits is %v, %v", n, waiting, err)
		}
		_, err = os.Stat(s.path(old(1)))
		rotated = rotated || err == nil
	}
	if info, err := os.Stat(s.path(journalName)); err != nil || !rotated || info.Size() > int64(4*rotateAt) {
		t.Errorf("rotated: %v; the journal is %v", rotated, info.Size())
	}
}

// TestNoFile has things in the place of the journal that are no files: nothing
// hangs.
func TestNoFile(t *testing.T) {
	for _, name := range []string{journalName, lockName, headName} {
		s, err := Open(filepath.Join(t.TempDir(), "state"))
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(s.path(name), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, readErr := s.History()
		l, lockErr := s.tryLock()
		if l != nil {
			l.release()
		}
		appendErr := s.append(recordOf(&Entry{ID: "1", State: Applied}))
		want := map[string]error{journalName: readErr, lockName: lockErr}
		if name == journalName && appendErr == nil {
			t.Error("written to a FIFO")
		}
		if err := want[name]; name != headName && (err == nil || !strings.Contains(err.Error(), "not a regular file")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWordsAreCut keeps what others say short.
func TestWordsAreCut(t *testing.T) {
	s := written(t)
	e := &Entry{ID: "9", State: Failed, Result: strings.Repeat("é", 1<<20)}
	if err := s.append(recordOf(e)); err != nil {
		t.Fatal(err)
	}
	j, err := s.readJournal(true)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(j.byID["9"].Result); n > mostText+64 {
		t.Errorf("%d bytes", n)
	}
}
