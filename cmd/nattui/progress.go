package main

import (
	"fmt"
	"io"
	"os"
)

// progress shows on a terminal, in one line that goes again, how far something long has come.
type progress struct {
	file  *os.File // nil: nothing is shown
	total int
}

// progressFrom is the number of lines or changes from which on it is worth showing, and how many lie between two words.
const progressFrom = 500

// newProgress shows nothing where w is no terminal, or there is little to do.
func newProgress(w io.Writer, total int) *progress {
	file, ok := terminalOf(w)
	if !ok || total < progressFrom {
		file = nil
	}
	return &progress{file, total}
}

// at says how many lines were read.
func (p *progress) at(n int) {
	if n > 0 && n%progressFrom == 0 {
		p.say(fmt.Sprintf("reading: %d of %d lines", n, p.total))
	}
}

// say puts the words in place of the ones before. They are nattui's own.
func (p *progress) say(words string) {
	if p.file != nil {
		_, _ = fmt.Fprint(p.file, "\r\x1b[K"+words)
	}
}

// end takes the line away.
func (p *progress) end() { p.say("") }
