package textfile_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nattui/rules/textfile"
)

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, "/dev/zero", dir} {
		var irregular *textfile.Irregular
		if text, err := textfile.Read(path); !errors.As(err, &irregular) || irregular.Path != path {
			t.Errorf("%s: %d bytes, %v", path, len(text), err)
		}
	}
	if _, err := textfile.Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}

func TestReadIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int64]string{5: "12345", 6: "12345"} {
		if text, err := textfile.ReadUntil(t.Context(), path, most); string(text) != want || err != nil {
			t.Errorf("at most %d: %q, %v", most, text, err)
		}
	}
	var long *textfile.TooLong
	if text, err := textfile.ReadUntil(t.Context(), path, 4); !errors.As(err, &long) || long.Path != path {
		t.Errorf("at most 4: %q, %v", text, err)
	}
	if text, err := textfile.ReadAll(t.Context(), strings.NewReader("12345"), 4); !errors.As(err, &long) {
		t.Errorf("a stream, at most 4: %q, %v", text, err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.WriteString(w, "half ") // taken: somebody is reading
		cancel()
	}()
	if text, err := textfile.ReadAll(ctx, r, 100); !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", text, err)
	}
}

func TestReadKernel(t *testing.T) {
	for _, path := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/self/status", "/proc/version"} {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := textfile.ReadKernel(path)
		if err != nil || len(got) == 0 || path != "/proc/self/status" && string(got) != string(want) {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
	if _, err := textfile.ReadKernel("/proc/sys/net/nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := textfile.ReadKernel("/proc/sys"); err == nil {
		t.Error("a directory was read")
	}
}
