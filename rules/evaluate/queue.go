package evaluate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
)

// Queueing is what a rule says of the program that it hands packets to (xt_NFQUEUE, nft_queue).
type Queueing struct {
	// First and Last are the queues that packets are spread over; Open: which they are hangs on the packet.
	First, Last uint16
	Open        bool
	// Bypass lets a packet go on, past the chain that the kernel called, where no program listens.
	Bypass bool
}

// QueueingOf is what a target of iptables says; false if it is none that hands packets to a program.
func QueueingOf(t *rules.Target) (q Queueing, ok bool) {
	if t.Name != "NFQUEUE" && t.Name != "QUEUE" {
		return q, false
	}
	number := func(text string) uint16 {
		n, err := strconv.ParseUint(text, 0, 16)
		q.Open = q.Open || err != nil
		return uint16(n)
	}
	for i, word := range t.Options {
		value := ""
		if i+1 < len(t.Options) {
			value = t.Options[i+1]
		}
		switch word {
		case "--queue-num":
			q.First = number(value)
			q.Last = q.First
		case "--queue-balance":
			first, last, _ := strings.Cut(value, ":")
			q.First, q.Last = number(first), number(last)
		case "--queue-bypass":
			q.Bypass = true
		}
	}
	return q, true
}

// NativeQueueingOf is what a native statement says.
func NativeQueueingOf(e nft.ToQueue) Queueing {
	first := uint16(e.Num)
	return Queueing{First: first, Last: first + uint16(max(e.Total, 1)-1), Open: e.Chosen, Bypass: e.Flags&1 != 0} // NFT_QUEUE_FLAG_BYPASS
}

// String names the queues: queue 3, queues 3-7.
func (q Queueing) String() string {
	if q.First == q.Last {
		return fmt.Sprintf("queue %d", q.First)
	}
	return fmt.Sprintf("queues %d-%d", q.First, q.Last)
}

// Queue is a queue that a program listens to (/proc/net/netfilter/nfnetlink_queue).
type Queue struct {
	Num uint16
	// Copies is set once the program has said what of a packet it wants (NFQNL_CFG_PARAMS); before that packets are dropped.
	Copies bool
}

// Unheard tells that no program takes what a rule hands over: for certain, not, or of some of its queues. queues are those
// that programs listen to, nil where that is not known.
func (q Queueing) Unheard(queues []Queue) Truth {
	if queues == nil || q.Open && len(queues) > 0 {
		return Unknown
	}
	heard, all := 0, int(q.Last)-int(q.First)+1
	for n := range max(all, 0) {
		if slices.ContainsFunc(queues, func(l Queue) bool { return l.Num == q.First+uint16(n) }) {
			heard++
		}
	}
	switch heard {
	case 0:
		return Yes
	case all:
		return No
	}
	return Unknown
}

// deaf tells that the programs behind all queues of a rule have not said yet what they want.
func (q Queueing) deaf(queues []Queue) bool {
	return !slices.ContainsFunc(queues, func(l Queue) bool { return l.Num >= q.First && l.Num <= q.Last && l.Copies })
}

// queued hands a packet to a program, which may drop it or let it go on. Where none listens it is dropped, or goes on past
// the chain with Bypass (nf_queue in net/netfilter/nf_queue.c).
func (m *machine) queued(st *state, q Queueing, here ruleRef) bool {
	queues := m.e.host.Queues
	switch unheard := q.Unheard(queues); {
	case m.through, unheard == Yes && q.Bypass:
		return true
	case unheard == Yes:
		m.finish(st, Dropped, here.ref(), "no program listens to "+q.String())
		return false
	case unheard == No && q.deaf(queues):
		m.finish(st, Dropped, here.ref(), "the program that listens to "+q.String()+" takes nothing")
		return false
	}
	return m.unknownTarget(st, "the program behind "+q.String(), true, here)
}
