package commit

import (
	"os"
	"slices"
	"testing"
	"time"
)

// TestNumbersAreNotGivenTwice puts the journal back from a backup, whole and in part, or damages it: the change that is
// made next gets a number that none had before.
func TestNumbersAreNotGivenTwice(t *testing.T) {
	type files struct{ journal, head []byte }
	for name, restore := range map[string]func(t *testing.T, s *Store, old files){
		"the journal, in place": func(t *testing.T, s *Store, old files) { overwrite(t, s.path(journalName), old.journal) },
		"the journal, a new file": func(t *testing.T, s *Store, old files) {
			if err := s.replace(journalName, old.journal); err != nil {
				t.Fatal(err)
			}
		},
		"the whole directory": func(t *testing.T, s *Store, old files) {
			for name, text := range map[string][]byte{journalName: old.journal, headName: old.head} {
				if err := s.replace(name, text); err != nil {
					t.Fatal(err)
				}
			}
		},
		"the journal without its head": func(t *testing.T, s *Store, old files) {
			overwrite(t, s.path(journalName), old.journal)
			if err := os.Remove(s.path(headName)); err != nil {
				t.Fatal(err)
			}
		},
		"no journal": func(t *testing.T, s *Store, _ files) {
			if err := os.Remove(s.path(journalName)); err != nil {
				t.Fatal(err)
			}
		},
		"cut short": func(t *testing.T, s *Store, old files) {
			if err := os.Truncate(s.path(journalName), int64(len(old.journal)+9)); err != nil {
				t.Fatal(err)
			}
		},
		"the last records damaged": func(t *testing.T, s *Store, old files) {
			now, err := os.ReadFile(s.path(journalName))
			if err != nil {
				t.Fatal(err)
			}
			for i := len(old.journal); i < len(now); i += 10 {
				if now[i] != '\n' {
					now[i] ^= 1
				}
			}
			overwrite(t, s.path(journalName), now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := written(t)
			given := []string{}
			give := func(s *Store) string {
				j, err := s.readJournal(true)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.tidy(j, time.Now()); err != nil {
					t.Fatal(err)
				}
				id := j.next()
				if slices.Contains(given, id) {
					t.Errorf("number %s is given twice", id)
				}
				given = append(given, id)
				if err := s.append(recordOf(&Entry{ID: id, State: Applied})); err != nil {
					t.Fatal(err)
				}
				return id
			}
			journal, err1 := os.ReadFile(s.path(journalName))
			head, err2 := os.ReadFile(s.path(headName))
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			for range 3 {
				give(s)
			}
			awaitTick(t, s.path(journalName))
			restore(t, s, files{journal, head})
			// Another process that has not seen it before, which only settles, and a third.
			another := &Store{dir: s.dir, wait: s.wait}
			j, err := another.readJournal(true)
			if err == nil {
				_, err = another.tidy(j, time.Now())
			}
			if err != nil {
				t.Fatal(err)
			}
			third := &Store{dir: s.dir, wait: s.wait}
			for range 3 {
				give(third)
			}
		})
	}
	t.Run("nothing was done to it", func(t *testing.T) {
		s := written(t)
		j, err := (&Store{dir: s.dir, wait: s.wait}).readJournal(true)
		if err != nil || j.next() != "6" {
			t.Errorf("the next number is %s, %v", j.next(), err)
		}
	})
}
