package host

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"nattui/rules/evaluate"
)

// queues reads to which queues programs listen, in the calling thread's network namespace. Without the file nothing in
// this kernel hands packets to programs.
func (r *reading) queues() {
	text, err := os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_queue")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.gap("queues", err)
		return
	}
	if _, known := os.Stat("/proc/thread-self/net/netfilter"); known != nil {
		return // nor is anything else of netfilter to be seen
	}
	r.facts.Queues = queuesIn(string(text))
}

// queuesIn are the queues of a text as the kernel prints it: number, program's port, how many wait, how packets are
// copied, of which 0 is not at all (seq_show in net/netfilter/nfnetlink_queue.c).
func queuesIn(text string) []evaluate.Queue {
	list := []evaluate.Queue{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 4 {
			continue
		}
		if n, err := strconv.ParseUint(words[0], 10, 16); err == nil {
			list = append(list, evaluate.Queue{Num: uint16(n), Copies: words[3] != "0"})
		}
	}
	return list
}
