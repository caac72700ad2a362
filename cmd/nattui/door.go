package main

import (
	"io"
	"os"

	"github.com/charmbracelet/x/term"

	"nattui/ui/text"
)

// stream is standard output or standard error, with the one door that all words pass on their way there: what
// others have named or written never acts on a terminal.
type stream struct {
	text.Door
	file *os.File
}

// stdout and stderr are this process's. Nothing of a command's writes to os.Stdout or os.Stderr beside them, but for
// the screens, whose renderer has a door of its own, and the lab, which hands them to the program it runs.
var stdout, stderr = newStream(os.Stdout), newStream(os.Stderr)

func newStream(file *os.File) *stream {
	if startedClosed(file) {
		return &stream{Door: text.Door{To: closedOutput{}}, file: file}
	}
	return &stream{Door: text.Door{To: file}, file: file}
}

// terminalOf is the terminal that a command's output goes to; false where it goes elsewhere.
func terminalOf(w io.Writer) (*os.File, bool) {
	s, ok := w.(*stream)
	if !ok || !term.IsTerminal(s.file.Fd()) {
		return nil, false
	}
	return s.file, true
}
