package commit_test

import (
	"context"
	"testing"
	"time"

	"nattui/rules/commit"
)

// TestAlarmIsOfTheJournal holds that a guard is woken by what is written into the journal, and not by the lock, which it
// writes into itself whenever it tries again.
func TestAlarmIsOfTheJournal(t *testing.T) {
	s, err := commit.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	woken, end := s.Alarm()
	defer end()
	if err := s.Locked(context.Background()); err != nil {
		t.Fatal(err)
	}
	if woken(0) {
		t.Error("woken by the lock")
	}
	if err := s.Note("1"); err != nil {
		t.Fatal(err)
	}
	if !woken(time.Minute) {
		t.Error("not woken by the journal")
	}
}

// TestGuardTriesEverMoreSeldom has a guard fail for an hour.
func TestGuardTriesEverMoreSeldom(t *testing.T) {
	pauses := commit.Pauses(200)
	for i, p := range pauses[1:] {
		if p < pauses[i] || p < time.Second {
			t.Fatalf("pause %d is %v after %v", i+1, p, pauses[i])
		}
	}
	var all time.Duration
	tries := 0
	for ; all < time.Hour; tries++ {
		all += pauses[tries]
	}
	if tries > 70 || pauses[len(pauses)-1] > time.Minute {
		t.Errorf("it tries %d times in an hour, at last each %v", tries, pauses[len(pauses)-1])
	}
}
