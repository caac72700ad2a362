package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"nattui/rules/nfnetlink"
)

// command prepares a program, with its words in English.
func command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = nfnetlink.Lend(&syscall.SysProcAttr{})
	return cmd
}

// saved runs the place's iptables-save -c and returns what it printed.
func (p *programs) saved(ctx context.Context, options ...string) ([]byte, error) {
	var out bytes.Buffer
	var complaint words
	cmd := command(ctx, p.save, append([]string{"-c"}, options...)...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := nfnetlink.Run(ctx, cmd); err != nil {
		return nil, p.failure(ctx, "reading the tables of "+p.variant.String(), p.save, complaint.String(), err)
	}
	return out.Bytes(), nil
}

// mostWords is how much is kept of what a program says; the rest is counted.
const mostWords = 4 << 10

// words are what a program says on its standard error, as far as it is kept.
type words struct {
	kept []byte
	cut  int
}

// Write keeps what there is room for.
func (w *words) Write(b []byte) (int, error) {
	room := min(len(b), mostWords-len(w.kept))
	w.kept = append(w.kept, b[:room]...)
	w.cut += len(b) - room
	return len(b), nil
}

// String is what was kept, and how much was not.
func (w *words) String() string {
	if w.cut == 0 {
		return string(w.kept)
	}
	return fmt.Sprintf("%s … (%d bytes more)", w.kept, w.cut)
}

// failure makes an error of a program that failed.
func (p *programs) failure(ctx context.Context, what, program, words string, err error) error {
	words = strings.TrimSpace(words)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case isPermission(words) || errors.Is(err, os.ErrPermission):
		return nfnetlink.Permission(what)
	case words != "":
		return fmt.Errorf("%s: %s: %w: %s", what, program, err, words)
	}
	return fmt.Errorf("%s: %s: %w", what, program, err)
}

// isPermission recognises the ways in which the programs say that they may not.
func isPermission(words string) bool {
	return strings.Contains(words, "Permission denied") || strings.Contains(words, "you must be root") || strings.Contains(words, "Operation not permitted")
}
