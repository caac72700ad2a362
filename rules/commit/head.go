package commit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// link is where a record stands in the journal: its number, and the checksum that
// the next one names. Numbers only grow; 0 is a record of a nattui before 1.1, which
// wrote none.
type link struct {
	N   uint64 `json:"n"`
	Sum string `json:"sum"`
}

// beginning is what the first record of a file names in place of one before it.
const beginning = "begin"

// fileStamp is which file the journal is, and when anything about it was last changed
// (st_ctime, which nobody can set): a file that was put back from a backup is
// another one, or was changed later than nattui last wrote it.
type fileStamp struct {
	Inode  uint64 `json:"inode"`
	Change int64  `json:"ctime"` // nanoseconds
}

func stampOf(file *os.File) fileStamp {
	var stat unix.Stat_t
	if unix.Fstat(int(file.Fd()), &stat) != nil {
		return fileStamp{}
	}
	return fileStamp{stat.Ino, unix.TimespecToNsec(stat.Ctim)}
}

// head tells which record was the last one written, in a file beside the journal. It
// is written after the record, so that a crash leaves it one behind at most.
type head struct {
	Last link      `json:"last"`
	File fileStamp `json:"file"`
	// Entry is the highest number that a change was given.
	Entry int `json:"entry,omitempty"`
	// Passed are numbers that no record was given, see leaveGap; the latest ones.
	Passed []uint64 `json:"passed,omitempty"`
}

// keptPassed is how many numbers a head tells that were passed over.
const keptPassed = 16

const headName = "journal.head"

// readHead is nil where there is none that can be read: then it cannot be known what is open in a journal with numbers.
func (s *Store) readHead() *head {
	file, err := s.open(headName, os.O_RDONLY)
	if err != nil {
		return nil
	}
	defer file.Close()
	var text [1024]byte
	n, _ := file.Read(text[:])
	var sealed struct {
		Sum  string          `json:"sum"`
		Head json.RawMessage `json:"head"`
	}
	var h head
	if json.Unmarshal(text[:n], &sealed) != nil || checksum(sealed.Head) != sealed.Sum || json.Unmarshal(sealed.Head, &h) != nil {
		return nil
	}
	return &h
}

// writeHead notes the last record. Where that fails, the head stays behind, which
// tells less and nothing that is wrong. Numbers that were passed over are told with those of before.
func (s *Store) writeHead(last link, at fileStamp, entry int, passed ...uint64) {
	if before := s.readHead(); before != nil {
		passed = slices.Compact(append(before.Passed, passed...))
	}
	body, err := json.Marshal(head{last, at, entry, passed[max(0, len(passed)-keptPassed):]})
	if err != nil {
		return
	}
	text := fmt.Appendf(nil, `{"sum":%q,"head":%s}`+"\n", checksum(body), body)
	file, err := s.open(headName+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return
	}
	_, err = file.Write(text)
	if closed := file.Close(); err == nil && closed == nil && os.Rename(file.Name(), s.path(headName)) == nil {
		return
	}
	_ = os.Remove(file.Name())
}

// beginHead writes, before the first record of all, that there is none: a journal with numbers and without a head is one
// from a backup. It is made durable, unlike what later takes its place: a crash must not lose it.
func (s *Store) beginHead() {
	s.writeHead(link{}, fileStamp{}, 0)
	if file, err := s.open(headName, os.O_RDONLY); err == nil {
		_ = errors.Join(file.Sync(), s.syncDir())
		file.Close()
	}
}

// noteHead is writeHead for the journal's file as it is now.
func (s *Store) noteHead(last link, entry int, passed ...uint64) {
	file, err := s.open(journalName, os.O_RDONLY)
	if err != nil {
		return
	}
	defer file.Close()
	s.known.Store(&last)
	s.writeHead(last, stampOf(file), entry, passed...)
}

// lastRecord is the record that the next one comes after: the journal's last, or
// one that the head tells of and that is not there any more. top is the highest number that a change was given.
func (s *Store) lastRecord() (last link, top int, err error) {
	h := s.readHead()
	if file, err := s.open(journalName, os.O_RDONLY); err == nil {
		at := stampOf(file)
		file.Close()
		if h != nil && h.File == at {
			return h.Last, h.Entry, nil
		}
	}
	j, at, err := s.readLines()
	if err != nil {
		return link{}, 0, err
	}
	last = j.last
	if h != nil && h.Last.N > last.N {
		last = link{N: h.Last.N, Sum: last.Sum}
	}
	if j.records == 0 {
		last.Sum = ""
	}
	return last, j.highest(h, s.doubt(j, h, at)), nil
}

// sealAfter makes the line of the record that comes after another one.
func sealAfter(r record, last link) ([]byte, link, error) {
	r.N, r.After = last.N+1, last.Sum
	if r.After == "" {
		r.After = beginning
	}
	line, err := seal(r)
	if err != nil {
		return nil, link{}, err
	}
	return line, link{r.N, sumOf(line)}, nil
}

// sumOf is the checksum of a line that seal made: its first member.
func sumOf(line []byte) string {
	rest, _ := bytes.CutPrefix(line, []byte(`{"sum":"`))
	return string(rest[:min(8, len(rest))])
}
