package forward

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// This file keeps room for those who come: where there are as many connections as there are descriptors for, the one that
// was silent longest goes, of the client that has the most of them.

// ErrRoom is the error of a connection that has made room for another one.
var ErrRoom = errors.New("ended to make room for another connection: it was idle longest of the client with the most connections")

const (
	// each is how many descriptors a connection takes: two sockets, and where bytes flow both ways for a moment two pipes.
	each = 2 + 2*2
	// reserved are for everything else: standard files, the listener, a name that is looked up, the poller.
	reserved = 32
	// leaving is how many connections may be on their way out while others come, where there is room for that.
	leaving = 64
)

// room is how many connections there are descriptors for (RLIMIT_NOFILE, whose soft limit Go raises), and how many may be on
// their way out beside them. That all of them carry bytes at the same moment is not counted on: without a pipe bytes are
// copied.
func room() (most, mayLeave int) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 1 << 20, leaving
	}
	const share, part = each / 2, 16
	all := int(min(limit.Cur, 1<<24))
	mayLeave = max(1, min(leaving, all/part))
	return max(1, (all-reserved-2*mayLeave)/share), mayLeave
}

// makeRoom makes room for a client's connection where there is none. It returns the connection that is to be cut, or an
// error where the newcomer is to be refused: nobody else has more connections, and nobody was silent. The lock must be held.
func (f *Forwarder) makeRoom(from netip.Addr) (leaves *connection, err error) {
	if f.most <= 0 || len(f.open)-f.leaving < f.most {
		return nil, nil
	}
	if f.leaving < f.mayLeave {
		leaves = f.idlest(clientOf(from))
	}
	if leaves == nil {
		return nil, fmt.Errorf("refused: there are %d connections, as many as there are file descriptors for (ulimit -n)", f.most)
	}
	leaves.leaves = true
	f.leaving++
	return leaves, nil
}

// few is how many more connections than the newcomer a client may have and count as one that has not many.
const few = 8

// Where nobody has many, a connection gives way that was silent for a while; one that has carried nothing yet, sooner: whoever
// opens them from many addresses and says nothing must not keep everybody else out.
const (
	silentFor = 10 * time.Second
	unusedFor = time.Second
)

// idlest is the connection that was silent longest of the client that has the most.
func (f *Forwarder) idlest(newcomer netip.Addr) (idlest *connection) {
	most := 0
	for c := range f.open {
		if !c.leaves {
			most = max(most, f.clients.have[c.from])
		}
	}
	alike := most <= 2*f.clients.have[newcomer]+few
	longest := time.Duration(-1)
	for c := range f.open {
		if c.leaves || f.clients.have[c.from] < most {
			continue
		}
		silent, used := c.silence()
		if alike && (used && silent <= silentFor || !used && silent <= unusedFor) {
			continue
		}
		if silent > longest {
			idlest, longest = c, silent
		}
	}
	return idlest
}

// silence is how long no byte has come or gone (tcpi_last_data_recv and tcpi_last_data_sent in TCP_INFO), and whether any
// ever has (tcpi_bytes_received).
func (c *connection) silence() (silent time.Duration, used bool) {
	c.mu.Lock()
	target := c.target
	c.mu.Unlock()
	silent = time.Since(c.began)
	for _, socket := range []*net.TCPConn{c.client, target} {
		if socket == nil {
			continue
		}
		raw, err := socket.SyscallConn()
		if err != nil {
			continue
		}
		_ = raw.Control(func(fd uintptr) {
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				used = used || info.Bytes_received > 0
				silent = min(silent, time.Duration(min(info.Last_data_recv, info.Last_data_sent))*time.Millisecond)
			}
		})
	}
	return silent, used
}
