// Package traffic tells whether packets pass on the links of a network namespace: while none does, no counter of a rule or
// of a connection has moved, and none of them need be read.
package traffic

import (
	"bytes"
	"time"

	"nattui/rules/textfile"
)

// Watch knows what the links have counted. The zero value has not looked yet.
type Watch struct {
	links []byte // their counters at the last look
	quiet int    // how often there was none, one look after the other
}

// Rest is the time between two looks at whether packets pass, where nothing else is read while none do.
const Rest = 2 * time.Second

// mostQuiet is after how many looks counters are read all the same, as somebody may have set them back.
const mostQuiet = 8

// Spares tells that counters which were read after the last look need not be read again.
func (w *Watch) Spares() bool {
	if w.Quiet() {
		w.quiet++
	} else {
		w.quiet = 0
	}
	return w.quiet%mostQuiet > 0
}

// Quiet tells that no link of the calling thread's network namespace has counted a packet since it was last asked,
// the loopback included; false at the first time and where the kernel does not tell. A packet that was made here and
// dropped before it reached a link is counted by none, and some drivers count late: by a second or two. It does not block;
// the source is /proc/net/dev, proc_net(5).
func (w *Watch) Quiet() bool {
	text, err := textfile.ReadKernel("/proc/thread-self/net/dev")
	if err != nil {
		w.links = nil
		return false
	}
	quiet := bytes.Equal(text, w.links)
	w.links = text
	return quiet
}
