package iptables

import (
	"os"
	"path/filepath"
	"sync"

	"nattui/rules"
)

// own remembers which changes of the tables are this Host's, so that a notice of
// them can say so.
type own struct {
	mu   sync.Mutex
	pids map[int]bool
	name string // of the program that is running or ran last
	// inFlight counts programs that are running; from and to are the generations
	// between which the last of them worked.
	inFlight int
	from, to uint32
	// prints are the fingerprints of the legacy tables after the last change.
	prints map[rules.Family]uint64
}

// inFirstNamespace says whether the kernel's process ids are this process's:
// notices carry those of the first PID namespace.
var inFirstNamespace = sync.OnceValue(func() bool {
	const first = "pid:[4026531836]" // PROC_PID_INIT_INO
	name, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && name == first
})

// begin notes a program that is about to change the tables.
func (o *own) begin(pid int, program string, from uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pids[pid] = true
	o.name = commOf(program)
	o.inFlight++
	if o.inFlight == 1 {
		o.from = from
	}
	o.to = ^uint32(0)
}

// end notes that it ended, at the latest with the generation to.
func (o *own) end(to uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.inFlight--; o.inFlight == 0 {
		o.to = to
	}
}

// made says whether the change that made the generation is this Host's.
func (o *own) made(by Process, generation uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if inFirstNamespace() {
		return o.pids[by.PID]
	}
	return by.Name != "" && (by.Name == o.name || by.Name == commandName(os.Getpid())) && generation > o.from && generation <= o.to
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
