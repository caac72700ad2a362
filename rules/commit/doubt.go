package commit

import (
	"errors"
	"os"
	"slices"

	"nattui/rules"

	"golang.org/x/sys/unix"
)

// Why an entry is Unknown.
const (
	doubtDamaged = "a later record of the journal is damaged"
	doubtGap     = "journal records after this one are missing"
	doubtOlder   = "the journal is older than its last record, as from a backup"
	doubtTouched = "the journal's file was replaced or changed by something else"
	doubtAlone   = "the file that tells the journal's last record is missing, as where only the journal came from a backup"
)

// follows reports whether a record comes next in the journal. Where records are
// missing between, what was open before may have been settled by one of them. One
// that is older than what stands before it is none of this journal.
func (j *journal) follows(r record, line []byte) bool {
	switch {
	case r.N == 0:
		// An old nattui wrote no numbers, and one that comes back does not either.
		if j.last.N > 0 {
			return false
		}
	case r.N <= j.last.N:
		return false
	case j.records == 0 && r.After != beginning,
		j.records > 0 && (r.After != j.last.Sum || r.N != j.last.N+1):
		j.doubtAll(doubtGap)
	}
	j.last = link{r.N, sumOf(line)}
	if r.N > 0 {
		j.seen = append(j.seen, j.last)
	}
	return true
}

// doubt says why it cannot be known what is open in a journal that was read to its
// end; "" where it can.
func (s *Store) doubt(j *journal, h *head, at fileStamp) string {
	why := doubtTouched
	switch {
	case j.last.N == 0 && (h == nil || h.Last.N == 0): // nothing yet, or from an old nattui that wrote no numbers
		return ""
	case h == nil:
		why = doubtAlone
	case j.last.N < h.Last.N, j.last.N == h.Last.N && j.last.Sum != h.Last.Sum:
		return doubtOlder
	case h.File == at, j.last.N == 1 && h.Last.N == 0, j.last.N > h.Last.N && slices.Contains(j.seen, h.Last): // the head was not written any more
		return ""
	}
	// This process has seen the journal with these records: whatever was done to the
	// file, they are the ones.
	if known := s.known.Load(); known != nil && slices.Contains(j.seen, *known) {
		return ""
	}
	return why
}

// beingWritten reports whether somebody is changing something, and may be writing
// the journal. It opens the lock for reading only.
func (s *Store) beingWritten() bool {
	file, err := s.open(lockName, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer file.Close()
	return errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// doubtAll notes that what is open now may have been settled by what cannot be read.
func (j *journal) doubtAll(why string) {
	if why == "" {
		return
	}
	for _, e := range j.entries {
		if e.open() && e.doubt == "" {
			e.doubt = why
		}
	}
}

// leaveGap passes over the number of a record where nothing else will say, once the damaged lines are set aside and the
// head is written again, that what became of a change is not known.
func (j *journal) leaveGap() {
	lost := func(e *Entry) bool {
		return e.doubt == doubtDamaged || e.doubt != "" && e.doubt != doubtGap && e.State == Pending
	}
	if j.written <= j.last.N && slices.ContainsFunc(j.entries, lost) {
		j.written = j.last.N + 1
		j.passed = append(j.passed, j.written)
		j.blot = true
	}
}

// noneSince reports whether all records after the one of the number are there, and none of them tells of the entry. A
// number that was passed over is that of none.
func (j *journal) noneSince(n uint64, e *Entry) bool {
	there := map[uint64]bool{}
	for _, l := range j.seen {
		there[l.N] = true
	}
	for _, p := range j.passed {
		there[p] = true
	}
	for next := n + 1; next <= j.written; next++ {
		if !there[next] {
			return false
		}
	}
	return e.told <= n
}

// giveWay makes the entries Unknown that are in doubt: nothing is done about them.
func (j *journal) giveWay() {
	for _, e := range j.entries {
		if e.doubt == "" {
			continue
		}
		e.Result = join("it was "+string(e.State)+", and may no longer be: "+e.doubt, e.Result)
		e.State, e.leaving, e.waited = Unknown, "", !e.deadline.zero()
		e.forgetTimes()
	}
}

// parked reports whether the entry has put a rule away that can be brought back.
func (j *journal) parked(e *Entry) bool {
	if e.Kind != KindPark {
		return false
	}
	_, err := j.undoable(e.ID)
	return err == nil
}

// noteUnknown writes down which entries are Unknown, so that they stay so when the
// journal goes on. One that has a guard is left to it: it has seen what there was.
func (c *Committer) noteUnknown(j *journal) {
	for _, e := range j.entries {
		if e.doubt == "" || c.store.guarded(e.ID) {
			continue
		}
		c.log.write(e)
		if err := c.store.append(updateOf(e)); err != nil {
			c.log.say(err.Error()) // the next one finds it in doubt again
			continue
		}
		e.doubt = ""
	}
}

// Unfinished are the changes that nobody takes care of: whose maker was killed,
// whose guard is gone, or that the journal does not tell enough of. What only looks
// says so; a command that changes something, the screens and the start of the host
// settle them. It writes nothing.
func (s *Store) Unfinished() ([]Entry, error) {
	j, err := s.readJournal(false)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, e := range j.entries {
		switch {
		case e.doubt != "":
		case !e.open() || s.guarded(e.ID), e.State == Pending && s.beingWritten():
			continue
		}
		all = append(all, *e)
	}
	return all, nil
}

// Damage says what the journal does not tell any more because it is damaged or older than what was written; "" where
// it is whole. What it does not tell (changes, parked rules) is unknown, not absent. It writes nothing.
func (s *Store) Damage() (string, error) {
	j, err := s.readJournal(false)
	if err != nil {
		return "", err
	}
	switch lines := len(j.damaged); {
	case lines > 0:
		return rules.Plural(lines, "record") + " of the journal cannot be read: what was told there of changes and parked rules is not known", nil
	case j.older:
		return "the journal is older than what was last written: what has happened since, parked rules included, is not known", nil
	case j.alone:
		return "whether the journal is whole is not known: the file journal.head beside it is missing, as where only the journal came from a backup", nil
	}
	return "", nil
}
