package sink

import (
	"bufio"
	"context"
	"net"
	"strings"
	"syscall"
	"testing"
)

// TestSyslogCountsWhatWasUnderWay: records that the kernel had taken for a stream, and that the other end had not acknowledged
// when it went, are told as lost once it is back.
func TestSyslogCountsWhatWasUnderWay(t *testing.T) {
	narrow := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	listener, err := narrow.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	s, err := Syslog("tcp://"+address, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(t.Context(), records(1, 1000)); err != nil { // far more than it has room for, and less than this end has
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	listener.Close()
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sent := make(chan error, 1)
	go func() {
		err := s.Send(context.Background(), records(2, 2))
		for i := 0; err == nil && i < 100; i++ { // the first may still be taken before the reset is heard of
			err = s.Send(context.Background(), records(3, 3))
		}
		s.Close() // after which no more comes
		sent <- err
	}()
	if conn, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	from := bufio.NewReader(conn)
	for {
		text := frame(t, from)
		if strings.Contains(text, `"where":"collector"`) {
			break
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
