package sink

import (
	"net"

	"golang.org/x/sys/unix"
)

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
