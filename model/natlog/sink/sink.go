package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"nattui/model/natlog"
)

// Sink sends records.
type Sink interface {
	// Send sends records, in their order. The error is that of the context, or one that trying again does not cure.
	Send(ctx context.Context, records []natlog.Record) error
	Close() error
}

// Trouble hears of what keeps a sink from sending, once when it begins (err), and once when it is over (nil).
type Trouble func(err error)

// Pauses between two tries of what did not work.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

// persistent tries something until it works. What fails is told once, and so is that it works again.
type persistent struct {
	trouble Trouble
	failing bool
}

func (p *persistent) until(ctx context.Context, try func() error) error {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		err := try()
		if err == nil {
			if p.failing {
				p.failing = false
				p.trouble(nil)
			}
			return nil
		}
		if fatal := (*Fatal)(nil); errors.As(err, &fatal) {
			return err
		}
		if !p.failing {
			p.failing = true
			p.trouble(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Fatal is an error that trying again does not cure: a reader that is gone.
type Fatal struct{ Err error }

// Error is that of what it wraps.
func (f *Fatal) Error() string { return f.Err.Error() }

// Unwrap is what it wraps.
func (f *Fatal) Unwrap() error { return f.Err }

// stream writes lines of JSON.
type stream struct {
	persistent
	out  io.Writer
	line []byte
}

// Stream writes lines of JSON to a pipe or terminal.
func Stream(out io.Writer, trouble Trouble) Sink {
	return &stream{persistent: persistent{trouble: trouble}, out: out}
}

// Send writes a line for each record. A line that could be written in part alone is completed once there is room.
func (s *stream) Send(ctx context.Context, records []natlog.Record) error {
	s.line = s.line[:0]
	for i := range records {
		s.line = append(records[i].AppendJSON(s.line), '\n')
	}
	rest := s.line
	return s.until(ctx, func() error {
		n, err := s.out.Write(rest)
		rest = rest[min(n, len(rest)):]
		if errors.Is(err, syscall.EPIPE) {
			return &Fatal{err}
		}
		return err
	})
}

// Close leaves the stream open: it is not its own.
func (s *stream) Close() error { return nil }

// File is a file that lines of JSON are added to.
type File struct {
	stream
	path string
	mu   sync.Mutex
	file *os.File
}

// OpenFile adds to a file, which is made if need be, for its owner alone.
func OpenFile(path string, trouble Trouble) (*File, error) {
	f := &File{path: path}
	f.trouble, f.out = trouble, writerFunc(f.write)
	return f, f.Reopen()
}

// Reopen opens the path anew: a program that rotates logs has moved the file away. It may be called while records are
// sent.
func (f *File) Reopen() error {
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("the log cannot be opened: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		f.file.Close()
	}
	f.file = file
	return nil
}

func (f *File) write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Write(b)
}

// Close closes the file once what was written is on the disk.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.file.Sync(), f.file.Close())
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(b []byte) (int, error) { return w(b) }
