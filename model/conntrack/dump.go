package conntrack

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/flow"
)

// listing is a dump of the table that is under way on a socket of its own. The
// kernel fills the next datagram when one is read, so reading never blocks and
// what is read was true when the read before was made.
type listing struct {
	socket *socket
	batch  flow.Batch
	asked  bool // the batches so far have told that a listing began
	since  int64
	// again is set when the kernel said that the table changed under the dump (NLM_F_DUMP_INTR).
	again     bool
	malformed int
	// sum is of the counters, states and identities of all flows so far, in whatever order: equal ones tell
	// that nothing has moved.
	sum uint64
}

// A dump's datagrams have up to 32 KiB (netlink_dump in net/netlink/af_netlink.c).
const dumpRoom = 64 << 10

func openListing() (*listing, error) {
	s, err := openSocket(1, dumpRoom)
	if err != nil {
		return nil, err
	}
	l := &listing{socket: s, since: now()}
	if err := s.send(request(nil, msgGet, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, 1, unix.AF_UNSPEC)); err != nil {
		s.close()
		return nil, err
	}
	return l, nil
}

// step reads and decodes one datagram. The batch is valid until the next step.
func (l *listing) step(count int) (b *flow.Batch, done bool, err error) {
	n, err := l.socket.wait(queryPatience)
	if err != nil {
		return nil, false, err
	}
	if n == 0 {
		return nil, false, unix.ETIMEDOUT
	}
	at := now()
	l.batch.Reset(at)
	l.batch.Since = l.since
	l.since = at
	if !l.asked {
		l.batch.Begin, l.batch.Count, l.asked = true, count, true
	}
	for i := range n {
		datagram, whole := l.socket.datagram(i)
		if !whole {
			l.malformed++
		}
		if done, err = l.decode(datagram); err != nil {
			return nil, false, err
		}
	}
	l.batch.End = done && !l.again
	return &l.batch, done, nil
}

func (l *listing) decode(datagram []byte) (done bool, err error) {
	for len(datagram) > 0 {
		m, rest, ok := nextMessage(datagram)
		if !ok {
			l.malformed++
			return false, nil
		}
		datagram = rest
		if m.flags&unix.NLM_F_DUMP_INTR != 0 {
			l.again = true
		}
		switch m.kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			if errno := m.errno(); errno != 0 {
				return true, errno
			}
			return true, nil
		case msgNew:
			c := l.batch.Next()
			c.Kind = flow.Listed
			if !decode(m.body, c) {
				l.batch.Drop()
				l.malformed++
				continue
			}
			l.sum += sumOf(&c.Flow)
		}
	}
	return false, nil
}

// sumOf is a number that changes when a flow moves, for adding up.
func sumOf(f *flow.Flow) uint64 {
	const odd1, odd2, odd3 = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9
	n := uint64(f.ID)<<32 | uint64(f.Status)<<8 | uint64(f.State)
	return n*odd1 + f.Packets()*odd2 + f.Bytes()*odd3
}

// Dump reads the whole table once and calls deliver for about every 170 flows.
// The first batch has Begin set and the last one End. The batch is valid only until
// deliver returns. Dump blocks until all is read or ctx is done.
func (t *Table) Dump(ctx context.Context, deliver func(*flow.Batch)) error {
	l, err := openListing()
	if err != nil {
		return explain("reading the connection table", err)
	}
	defer l.socket.close()
	count := t.count()
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading the connection table: %w", err)
		}
		b, done, err := l.step(count)
		if err != nil {
			return explain("reading the connection table", err)
		}
		b.End = done
		deliver(b)
		if done {
			t.state.malformed.Add(uint64(l.malformed))
			return nil
		}
	}
}

func now() int64 { return time.Now().UnixNano() }
