package beat

import (
	"bytes"
	"time"

	"nattui/rules/textfile"
)

// Traffic knows whether packets have passed on the links of a network namespace: while none has, no counter of a rule
// or of a connection has moved, and none of them need be read. The zero value has not looked yet.
type Traffic struct {
	links []byte // their counters at the last look
	quiet int    // how often there was none, one look after the other
}

// QuietRest is the rest between two looks at whether packets pass, where nothing else is read while none do.
const QuietRest = 2 * time.Second

// mostQuiet is after how many looks counters are read all the same, as somebody may have set them back.
const mostQuiet = 8

// Spares tells that counters which were read after the last look need not be read again.
func (t *Traffic) Spares() bool {
	if t.Quiet() {
		t.quiet++
	} else {
		t.quiet = 0
	}
	return t.quiet%mostQuiet > 0
}

// Quiet tells that no link of the calling thread's network namespace has counted a packet since it was last asked,
// the loopback included; false at the first time and where the kernel does not tell. A packet that was made here and
// dropped before it reached a link is counted by none, and some drivers count late: by a second or two. It does not block;
// the source is /proc/net/dev, proc_net(5).
func (t *Traffic) Quiet() bool {
	text, err := textfile.ReadKernel("/proc/thread-self/net/dev")
	if err != nil {
		t.links = nil
		return false
	}
	quiet := bytes.Equal(text, t.links)
	t.links = text
	return quiet
}
