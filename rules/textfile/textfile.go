// Package textfile reads files that others wrote, wherever a path leads: what it reads
// is a regular file or a stream that was handed over, has a bound in size, and waiting
// for it ends when the caller wants to end. A FIFO that nobody writes to, a device
// without an end and a file of many gigabytes are refused, not waited for.
package textfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Most is the size in bytes up to which a file is read: far more than any rules, settings
// or recorded gateway that people keep.
const Most = 64 << 20

// Irregular is the error of a path that leads to something that is no regular file.
type Irregular struct{ Path, Kind string }

// Error names the path and what is there.
func (e *Irregular) Error() string {
	return fmt.Sprintf("%s is %s, not a regular file; to read a stream use - and standard input", e.Path, e.Kind)
}

// TooLong is the error of a text that is longer than it may be, in bytes.
type TooLong struct {
	Path string // "" for a stream
	Most int64
}

// Error says how long it may be.
func (e *TooLong) Error() string {
	name := e.Path
	if name == "" {
		name = "the text"
	}
	return fmt.Sprintf("%s is longer than %d MiB", name, e.Most>>20)
}

// Read reads a regular file of at most Most bytes. Where there is none, the error wraps
// fs.ErrNotExist. It blocks for as long as the disk does.
func Read(path string) ([]byte, error) { return ReadUntil(context.Background(), path, Most) }

// ReadUntil reads a regular file of at most the given number of bytes until ctx ends. A
// descriptor that a shell has handed over by name (/dev/stdin, /dev/fd/63) may be a pipe
// as well.
func ReadUntil(ctx context.Context, path string, most int64) ([]byte, error) {
	// Without O_NONBLOCK opening a FIFO would wait for a writer.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ENXIO) {
		return nil, &Irregular{path, "a socket"}
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	handed := handedOver(path) && info.Mode()&os.ModeNamedPipe != 0
	if !info.Mode().IsRegular() && !handed {
		return nil, &Irregular{path, kindOf(info.Mode())}
	}
	text, err := ReadAll(ctx, file, most)
	if long := (*TooLong)(nil); errors.As(err, &long) {
		return nil, &TooLong{path, most}
	}
	return text, err
}

// handedOver reports whether a path is the name of a descriptor of this process.
func handedOver(path string) bool {
	path = filepath.Clean(path)
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

func kindOf(mode os.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&os.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&os.ModeDevice != 0:
		return "a device"
	}
	return "no file"
}

// ReadAll reads a stream to its end, at most the given number of bytes, until ctx ends.
func ReadAll(ctx context.Context, r io.Reader, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(Until(ctx, r), most+1))
	if err == nil && int64(len(text)) > most {
		return nil, &TooLong{"", most}
	}
	return text, err
}

// Until is the stream, whose reads end with the cause of ctx when that ends. What is
// read by then is lost.
func Until(ctx context.Context, r io.Reader) io.Reader { return &until{ctx, r} }

type until struct {
	ctx context.Context
	r   io.Reader
}

// readAtOnce is how much is asked for at once, in bytes.
const readAtOnce = 64 << 10

func (u *until) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	type got struct {
		n   int
		err error
	}
	own := make([]byte, min(len(p), readAtOnce)) // p is the caller's again when ctx ends first
	done := make(chan got, 1)
	go func() {
		n, err := u.r.Read(own)
		done <- got{n, err}
	}()
	select {
	case <-u.ctx.Done():
		return 0, context.Cause(u.ctx)
	case g := <-done:
		return copy(p, own[:g.n]), g.err
	}
}

// IsScript tells whether a program is a text that another program runs, so that its process may start others. What cannot be
// read is none.
func IsScript(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	var head [2]byte
	_, err = io.ReadFull(file, head[:])
	return err == nil && string(head[:]) == "#!"
}
