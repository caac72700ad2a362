package commit

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	journalName = "journal"
	// keptEntries and keptOutside are entries go on when the journal is rotated, of
	// nattui's and of other programs' changes; keptJournals is how many old ones stay,
	// as journal.1 and so on.
	keptEntries  = 200
	keptOutside  = 50
	keptJournals = 4
	// reserve is the room on the disk that is made sure of together with the
	// record of a change, so that what becomes of it can be noted too.
	reserve = 32 << 10
)

// mostJournal is how long the journal may become, in bytes. It is rotated long before;
// only a single change of a hundred thousand rules comes near. Nothing is made that it
// could not hold, and what is longer is not read: it would take all of the memory.
var mostJournal int64 = 256 << 20

// rotateAt is the size at which the journal is rotated.
var rotateAt = 4 << 20

// journal is what was read of the journal.
type journal struct {
	entries []*Entry
	byID    map[string]*Entry
	records int    // how many could be read
	good    int64  // how long their lines are, in bytes
	damaged []span // those that could not
	torn    span   // the last line, where it has no end: nobody was told of it
	last    link   // the last record
	seen    []link // all records with a number
	older   bool   // records that were written after the last one here are missing
	alone   bool   // nothing tells whether they are, as the head is missing
	written uint64 // the number of the last record that was ever written, as far as is known
	top     int    // no change has had a number above it
	blot    bool   // written is ahead of the head, see leaveGap
	passed  []uint64
}

// readJournal reads what can be read, and marks what cannot be known as Unknown.
// An absent journal is an empty one. held says that the lock is held, and nobody is
// writing in the meantime.
func (s *Store) readJournal(held bool) (*journal, error) {
	for attempt := 0; ; attempt++ {
		h := s.readHead()
		j, at, err := s.readLines()
		if err != nil {
			return nil, err
		}
		why := s.doubt(j, h, at)
		if why != "" && !held && attempt < 100 && s.beingWritten() {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if why == "" {
			s.known.Store(&j.last)
		}
		if h != nil {
			j.written, j.passed = h.Last.N, h.Passed
		}
		j.written = max(j.written, j.last.N)
		j.top = j.highest(h, why)
		j.older, j.alone = why == doubtOlder, why == doubtAlone
		j.doubtAll(why)
		j.leaveGap()
		j.giveWay()
		return j, nil
	}
}

// take brings the entries up to a record; false where it makes no sense.
func (j *journal) take(r record) bool {
	e := j.byID[r.ID]
	if e == nil {
		if r.Update {
			return false
		}
		e = &Entry{}
		if e.take(r) != nil {
			return false
		}
		j.entries, j.byID[r.ID] = append(j.entries, e), e
		return true
	}
	return e.take(r) == nil
}

// append adds a record, synced, and makes sure of room for what will follow it.
// The lock must be held.
func (s *Store) append(r record) error {
	last, top, err := s.lastRecord()
	if err != nil {
		return err
	}
	line, next, err := sealAfter(r, last)
	if err != nil {
		return err
	}
	_, statErr := os.Lstat(s.path(journalName))
	if missing(statErr) && last.N == 0 && s.readHead() == nil {
		s.beginHead()
	}
	file, err := s.open(journalName, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	end := info.Size()
	if !r.Update && end+2*int64(len(line))+reserve > mostJournal {
		return fmt.Errorf("the journal %s has no room for a change of that size: it holds %d MiB at most", s.path(journalName), mostJournal>>20)
	}
	if tail := make([]byte, 1); end > 0 {
		if _, err := file.ReadAt(tail, end-1); err == nil && tail[0] != '\n' {
			line = append([]byte("\n"), line...) // after half a line that could not be set aside
		}
	}
	if !r.Update {
		// Not every file system can reserve; then the word of the last record counts.
		err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, end, int64(len(line))+reserve)
		if err == unix.ENOSPC || err == unix.EDQUOT {
			return fmt.Errorf("write the journal %s: %w", s.path(journalName), err)
		}
	}
	if _, err = file.WriteAt(line, end); err == nil {
		err = file.Sync()
	}
	if err == nil && missing(statErr) {
		err = s.syncDir()
	}
	if err != nil {
		_ = file.Truncate(end) // no half a line, if that can still be done
		return fmt.Errorf("write the journal %s: %w", s.path(journalName), err)
	}
	s.known.Store(&next)
	s.writeHead(next, stampOf(file), max(top, numberOf(r.ID)))
	return nil
}

// replace puts content in place of a file, durably, in one step.
func (s *Store) replace(name string, content []byte) error {
	return s.replaceBy(name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// replaceBy is replace with what write writes.
func (s *Store) replaceBy(name string, write func(io.Writer) error) error {
	file, err := s.open(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if err = write(file); err == nil {
		err = file.Sync()
	}
	file.Close()
	if err == nil {
		err = os.Rename(file.Name(), s.path(name))
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return err
	}
	return s.syncDir()
}

// end is the record that the next one comes after. Where the last ones are missing their numbers stay used: the gap says
// for good that what was open before it is not known.
func (j *journal) end() link { return link{max(j.written, j.last.N), j.last.Sum} }

// tidy sets aside what is damaged and rotates a journal that has grown. The lock
// must be held. It returns the path of the file that the damaged lines are in now,
// "" if there were none.
func (s *Store) tidy(j *journal, now time.Time) (aside string, err error) {
	if j.hurt() {
		if aside, err = s.setAside(j, now); err != nil {
			return "", fmt.Errorf("set aside the damaged part of the journal: %w", err)
		}
		j.damaged, j.torn = nil, span{}
		s.noteHead(j.end(), j.top, j.passed...)
	}
	if j.good > int64(rotateAt) {
		if err := s.rotate(j); err != nil {
			return aside, fmt.Errorf("rotate the journal: %w", err)
		}
	}
	return aside, nil
}

// rotate begins a new journal with the latest entries and all that is still to
// come: what is open, and rules that are parked or end by themselves. It leaves a
// journal alone that would not become much smaller.
func (s *Store) rotate(j *journal) error {
	var fresh []byte
	last := link{N: j.end().N}
	kept := j.latest()
	for _, e := range j.entries {
		if !kept[e] && !e.open() && e.State != Unknown && !j.parked(e) {
			continue
		}
		line, next, err := sealAfter(recordOf(e), last)
		if err != nil {
			return err
		}
		fresh, last = append(fresh, line...), next
	}
	if int64(len(fresh)) > j.good/2 {
		return nil
	}
	for n := keptJournals; n > 1; n-- {
		if err := os.Rename(s.path(old(n-1)), s.path(old(n))); err != nil && !missing(err) {
			return err
		}
	}
	if err := os.Link(s.path(journalName), s.path(old(1))); err != nil {
		return err
	}
	if err := s.replace(journalName, fresh); err != nil {
		s.noteHead(j.end(), j.top) // the link has changed the file
		return err
	}
	j.good, j.last, j.written = int64(len(fresh)), last, last.N
	s.noteHead(last, j.top)
	return nil
}

// latest are the entries that go on when the journal is rotated: what other
// programs did must not crowd out what was done with nattui.
func (j *journal) latest() map[*Entry]bool {
	var own, others []*Entry
	for _, e := range j.entries {
		if e.Kind == KindOutside {
			others = append(others, e)
		} else {
			own = append(own, e)
		}
	}
	own, others = own[max(0, len(own)-keptEntries):], others[max(0, len(others)-keptOutside):]
	// Entries that hold long plans may be all of the journal's size already.
	for _, list := range []*[]*Entry{&own, &others} {
		for len(*list) > 1 && sizeOf(*list) > rotateAt/4 {
			*list = (*list)[len(*list)/2:]
		}
	}
	kept := map[*Entry]bool{}
	for _, e := range append(own, others...) {
		kept[e] = true
	}
	return kept
}

func sizeOf(entries []*Entry) int {
	n := 0
	for _, e := range entries {
		line, _ := seal(recordOf(e))
		n += len(line)
	}
	return n
}

func old(n int) string { return journalName + "." + strconv.Itoa(n) }

// History are the entries of the journal, oldest first. aside are the files in
// which damaged parts of it were put. It needs no lock: what is just being
// written is not there yet.
func (s *Store) History() (entries []Entry, aside []string, err error) {
	j, err := s.readJournal(false)
	if err != nil {
		return nil, nil, err
	}
	undone := j.undone()
	for _, e := range j.entries {
		told := *e
		told.UndoneBy = undone[e.ID]
		entries = append(entries, told)
	}
	names, _ := os.ReadDir(s.dir)
	for _, n := range names {
		if strings.HasPrefix(n.Name(), journalName+".damaged-") && !strings.HasSuffix(n.Name(), ".new") {
			aside = append(aside, s.path(n.Name()))
		}
	}
	return entries, aside, nil
}
