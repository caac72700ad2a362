package nftables

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"nattui/rules/nfnetlink"
)

// ours are the programs that this process has had change the tables lately, so that its own changes are told from others'.
var ours started

// started notes processes by their numbers, with the generation that each was to change.
type started struct {
	mu   sync.Mutex
	last []begunAt
}

type begunAt struct {
	pid        int
	generation uint32
}

// mostStarted is how many are noted: a notice comes within a moment of its change.
const mostStarted = 16

func (s *started) note(pid int, generation uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = append(s.last, begunAt{pid, generation})
	s.last = s.last[max(0, len(s.last)-mostStarted):]
}

// byItself tells whether a thread of this process made it, as one that traces packets makes a table for that. Where the kernel's
// process ids are not this process's, by its name.
func byItself(g nfnetlink.NewGeneration) bool {
	if nfnetlink.SeesKernelPIDs() {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", g.PID))
		return g.PID > 0 && err == nil
	}
	name, err := os.ReadFile("/proc/self/comm")
	return err == nil && strings.TrimSpace(string(name)) == g.Program
}

// made tells whether one of them made a generation out of the one that it was to change.
func (s *started) made(g nfnetlink.NewGeneration) bool {
	if byItself(g) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.last, func(b begunAt) bool {
		same := b.generation+1 == g.ID && g.Program == "nft"
		return same && (b.pid == g.PID || !nfnetlink.SeesKernelPIDs())
	})
}
