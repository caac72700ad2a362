package iptables

import (
	"path/filepath"
	"slices"
	"sync"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// own remembers which changes of the tables are this Host's, so that a notice of
// them can say so.
type own struct {
	mu    sync.Mutex
	spans []*span
	// prints are the fingerprints of the legacy tables after the last change.
	prints map[rules.Family]uint64
}

// span is the work of one process for this Host: generations after from, up to
// and including to, are its own if they are by the process.
type span struct {
	by       nfnetlink.Process
	from, to uint32
}

// mostSpans is how many are remembered: a notice comes soon after its change.
const mostSpans = 64

// begin notes a process that is about to change the tables.
func (o *own) begin(pid int, name string, from uint32) *span {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &span{nfnetlink.Process{PID: pid, Name: name}, from, ^uint32(0)}
	if len(o.spans) == mostSpans {
		o.spans = o.spans[1:]
	}
	o.spans = append(o.spans, s)
	return s
}

// end notes that it has ended, at the latest with the generation to.
func (o *own) end(s *span, to uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s != nil {
		s.to = to
	}
}

// made says whether the change that made the generation is this Host's.
func (o *own) made(by nfnetlink.Process, generation uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.spans, func(s *span) bool {
		same := s.by.Name == by.Name
		if nfnetlink.SeesKernelPIDs() {
			same = s.by.PID == by.PID
		}
		return same && generation > s.from && generation <= s.to
	})
}

// left notes what the legacy tables are like after a change.
func (o *own) left(family rules.Family, print uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.prints[family] = print
}

// printed says whether this Host left the legacy tables like that.
func (o *own) printed(family rules.Family, print uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return print != 0 && o.prints[family] == print
}

// commOf is the name that a process running the program has: the first 15 bytes
// of the file's name.
func commOf(program string) string {
	name := filepath.Base(program)
	return name[:min(len(name), 15)]
}
