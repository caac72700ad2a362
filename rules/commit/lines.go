package commit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strconv"
	"time"
)

// This file reads and writes the lines of the journal, one record each, with a checksum. It is read line by line: a
// journal of a hundred megabytes takes the room of its longest record.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli)) }

// seal makes the line of a record.
func seal(r record) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // the line must hold the very bytes that were summed
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("write journal entry %s: %w", r.ID, err)
	}
	b := bytes.TrimSpace(body.Bytes())
	return fmt.Appendf(nil, `{"sum":%q,"len":%d,"record":%s}`+"\n", checksum(b), len(b), b), nil
}

// sealed is what a line says of its record before it begins; ok is false where it begins otherwise.
func sealed(line []byte) (sum string, at, n int, ok bool) {
	const sumLength = 8
	rest, ok := bytes.CutPrefix(line, []byte(`{"sum":"`))
	if !ok || len(rest) < sumLength {
		return "", 0, 0, false
	}
	sum, rest = string(rest[:sumLength]), rest[sumLength:]
	if rest, ok = bytes.CutPrefix(rest, []byte(`","len":`)); !ok {
		return "", 0, 0, false
	}
	digits, rest, ok := bytes.Cut(rest, []byte(`,"record":`))
	n, err := strconv.Atoi(string(digits))
	return sum, len(line) - len(rest), n, ok && err == nil && n > 0
}

// unseal reads a line, without its newline.
func unseal(line []byte) (record, bool) {
	var r record
	sum, at, n, ok := sealed(line)
	if !ok || len(line) != at+n+1 || line[len(line)-1] != '}' || checksum(line[at:at+n]) != sum {
		return r, false
	}
	return r, json.Unmarshal(line[at:at+n], &r) == nil && r.ID != ""
}

// span is a part of the journal's file, in bytes.
type span struct{ at, n int64 }

// lineReader hands out the lines of a journal. A line that is no record is not kept, however long it is.
type lineReader struct {
	in   *bufio.Reader
	at   int64 // of the next line
	size int64 // of the file: no line is longer
	line []byte
}

// headLength is enough for what a line says of its record.
const headLength = 128

// next is the next line, with its newline unless it is torn; none is left where where.n is 0. It is valid until next is
// called again, and nil where it cannot be a record.
func (l *lineReader) next() (line []byte, where span, torn bool, err error) {
	where.at, l.line = l.at, l.line[:0]
	most := headLength
	for {
		part, err := l.in.ReadSlice('\n')
		where.n += int64(len(part))
		if len(l.line) < most {
			l.line = append(l.line, part...)
		}
		if most == headLength && len(l.line) > 0 {
			_, at, n, ok := sealed(l.line[:min(len(l.line), headLength)])
			if most = 1; ok && where.at+int64(n) <= l.size {
				most = at + n + 2
				l.line = slices.Grow(l.line, max(0, most-len(l.line)))
			}
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		l.at += where.n
		if int64(len(l.line)) == where.n {
			line = l.line
		}
		if err == io.EOF {
			return line, where, where.n > 0, nil
		}
		return line, where, false, err
	}
}

// readLines reads the journal's file.
func (s *Store) readLines() (*journal, fileStamp, error) {
	file, err := s.open(journalName, os.O_RDONLY)
	if missing(err) {
		return &journal{byID: map[string]*Entry{}}, fileStamp{}, nil
	}
	if err != nil {
		return nil, fileStamp{}, fmt.Errorf("read the journal: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && info.Size() > mostJournal {
		return nil, fileStamp{}, fmt.Errorf("the journal %s is longer than %d MiB and cannot be one of nattui's; move it away", file.Name(), mostJournal>>20)
	}
	var j *journal
	if err == nil {
		j, err = parseJournal(io.LimitReader(file, info.Size()), info.Size())
	}
	if err != nil {
		return nil, fileStamp{}, fmt.Errorf("read the journal: %w", err)
	}
	return j, stampOf(file), nil
}

func parseJournal(in io.Reader, size int64) (*journal, error) {
	const chunk = 64 << 10
	j := &journal{byID: map[string]*Entry{}}
	lines := lineReader{in: bufio.NewReaderSize(in, chunk), size: size}
	for {
		line, where, torn, err := lines.next()
		switch {
		case err != nil:
			return nil, err
		case torn && where.n >= headLength && !bytes.HasPrefix(lines.line, []byte(`{"sum":"`)): // nattui never began it
			j.damaged = append(j.damaged, where)
			j.doubtAll(doubtDamaged)
			return j, nil
		case torn:
			j.torn = where
			return j, nil
		case where.n == 0:
			return j, nil
		case where.n == 1:
			continue
		}
		r, ok := unseal(bytes.TrimSuffix(line, []byte("\n")))
		if !ok || !j.follows(r, line) || !j.take(r) {
			j.damaged = append(j.damaged, where)
			j.doubtAll(doubtDamaged)
			continue
		}
		j.records++
		j.byID[r.ID].touched, j.byID[r.ID].told, j.byID[r.ID].doubt = j.records, r.N, ""
		j.good += where.n
	}
}

// hurt reports whether there is anything in the journal's file that could not be read.
func (j *journal) hurt() bool { return len(j.damaged) > 0 || j.torn.n > 0 }

// setAside moves the lines that cannot be read to a file of their own, and returns its path.
func (s *Store) setAside(j *journal, now time.Time) (string, error) {
	name := fmt.Sprintf("%s.damaged-%s", journalName, now.UTC().Format("20060102T150405"))
	for n := 2; ; n++ {
		if _, err := os.Lstat(s.path(name)); missing(err) {
			break
		}
		name = fmt.Sprintf("%s.damaged-%s-%d", journalName, now.UTC().Format("20060102T150405"), n)
	}
	file, err := s.open(journalName, os.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer file.Close()
	bad := j.damaged
	if j.torn.n > 0 {
		bad = append(slices.Clone(bad), j.torn)
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	var good []span
	last := span{}
	for _, b := range append(slices.Clone(bad), span{at: end}) {
		good = append(good, span{last.at + last.n, b.at - last.at - last.n})
		last = b
	}
	if err := s.replaceBy(name, copying(file, bad)); err != nil {
		return "", err
	}
	return s.path(name), s.replaceBy(journalName, copying(file, good))
}

// copying writes parts of a file.
func copying(file io.ReaderAt, parts []span) func(io.Writer) error {
	return func(w io.Writer) error {
		for _, p := range parts {
			if _, err := io.Copy(w, io.NewSectionReader(file, p.at, p.n)); err != nil {
				return err
			}
		}
		return nil
	}
}
