package forward

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// ErrIdle is the error of a connection that was silent for too long.
var ErrIdle = errors.New("idle for too long")

// idleLooks is how often a connection is looked at within the time it may be silent.
const idleLooks = 4

// traffic is what a connection's sockets have carried, as TCP counts it.
type traffic struct {
	bytes uint64    // that came, and that were sent and arrived, of both sockets
	since time.Time // since when they are as many
}

// silentFor notes how many bytes there were by now, and returns how long there have been no more.
func (t *traffic) silentFor(bytes uint64, now time.Time) time.Duration {
	if bytes != t.bytes || t.since.IsZero() {
		*t = traffic{bytes, now}
	}
	return now.Sub(t.since)
}

// endIdle cuts connections that were silent for too long, until Serve ends.
func (f *Forwarder) endIdle(ended <-chan struct{}) {
	look := time.NewTicker(max(f.options.IdleTimeout/idleLooks, time.Millisecond))
	defer look.Stop()
	for {
		select {
		case <-ended:
			return
		case now := <-look.C:
			for _, c := range f.all() {
				if bytes, ok := c.carried(); ok && c.traffic.silentFor(bytes, now) >= f.options.IdleTimeout {
					c.cut(ErrIdle)
				}
			}
		}
	}
}

// all are the connections that there are now.
func (f *Forwarder) all() []*connection {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*connection, 0, len(f.open))
	for c := range f.open {
		all = append(all, c)
	}
	return all
}

// carried are the bytes that both sockets have carried so far; false while there is no target. What waits in
// the buffer of a side that does not read is not carried.
func (c *connection) carried() (uint64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.target == nil || c.isCut {
		return 0, false
	}
	client, ok := bytesOf(c.client)
	target, also := bytesOf(c.target)
	return client + target, ok && also
}

// bytesOf asks the kernel what a socket has carried (TCP_INFO in tcp(7), tcpi_bytes_acked and
// tcpi_bytes_received, Linux 4.1); false where it does not tell.
func bytesOf(c *net.TCPConn) (n uint64, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		info, failed := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if ok = failed == nil; ok {
			n = info.Bytes_acked + info.Bytes_received
		}
	})
	return n, ok && err == nil
}
