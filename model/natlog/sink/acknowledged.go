package sink

import (
	"net"

	"golang.org/x/sys/unix"
)

// underWay are the messages on a stream that the other end has not acknowledged, as far as is known.
type underWay struct {
	wire    *wire // the socket below TLS; nil: not connected, or no stream
	written []written
	acked   int64 // of the connection that was dropped last, how many bytes the other end's kernel has; -1: unknown
}

// wire counts what is written to a socket.
type wire struct {
	net.Conn
	length int64
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.length += int64(n)
	return n, err
}

// written is a message that the kernel took for a stream: where it ends there, and how many events it tells.
type written struct {
	end    int64
	events uint32
}

// mostWritten is how many messages are kept before it is looked up which of them have arrived.
const mostWritten = 256

// sent keeps a message in mind that is still to arrive.
func (u *underWay) sent(events uint32) {
	if u.wire == nil {
		return
	}
	if u.written = append(u.written, written{u.wire.length, events}); len(u.written) > mostWritten {
		u.arrived(acknowledged(u.wire.Conn))
	}
}

// arrived forgets the messages of which the other end's kernel has all.
func (u *underWay) arrived(acked int64) {
	n := 0
	for n < len(u.written) && u.written[n].end <= acked {
		n++
	}
	u.written = append(u.written[:0], u.written[n:]...)
}

// unacknowledged counts the events that were on their way when a connection broke: the kernel took them, and the other end
// did not say that it has them. The connection is forgotten.
func (u *underWay) unacknowledged() (events int) {
	u.arrived(u.acked)
	for _, w := range u.written {
		events += int(w.events)
	}
	u.written = u.written[:0]
	return events
}

// acknowledged is how many bytes written to a TCP connection the other end's kernel has acknowledged, also once the connection
// is broken; -1 where that is not known (another kind of connection, Linux before 4.2).
func acknowledged(conn net.Conn) int64 {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return -1
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1
	}
	acked := int64(-1)
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			acked = max(0, int64(info.Bytes_acked)-1) // the first is the SYN (tcpi_bytes_acked, RFC 4898 tcpEStatsAppHCThruOctetsAcked)
		}
	})
	return acked
}
