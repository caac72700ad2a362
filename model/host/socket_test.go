package host

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
)

// TestSockets holds the two ways to list sockets against each other.
func TestSockets(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	for _, l := range []struct{ network, address string }{{"tcp4", "127.0.0.1:8080"}, {"tcp", ":8081"}, {"tcp6", "[::1]:8082"}, {"tcp6", "[::]:8083"}} {
		listener, err := net.Listen(l.network, l.address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
	}
	for _, l := range []struct{ network, address string }{{"udp4", "127.0.0.1:5353"}, {"udp6", "[::1]:5354"}} {
		conn, err := net.ListenPacket(l.network, l.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	bound := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), "lo") }), err)
	}}
	listener, err := bound.Listen(t.Context(), "tcp4", "0.0.0.0:8084")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	total := 0
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, kind := range []struct{ protocol, state uint8 }{
			{unix.IPPROTO_TCP, listening}, {unix.IPPROTO_UDP, unconnected}, {unix.IPPROTO_TCP, established},
		} {
			asked, err := diagnosed(diagRequest{family: family, protocol: kind.protocol, states: 1 << kind.state}, unix.NLM_F_DUMP)
			if err != nil {
				t.Fatal(err)
			}
			read, err := listed(family, kind.protocol, kind.state)
			if err != nil {
				t.Fatal(err)
			}
			for i := range asked {
				if only := asked[i].local == netip.MustParseAddrPort("[::]:8083") || asked[i].local == netip.MustParseAddrPort("[::1]:8082") || asked[i].local == netip.MustParseAddrPort("[::1]:5354"); asked[i].onlyIPv6 != only {
					t.Errorf("%s takes IPv6 only: %v, want %v", asked[i].local, asked[i].onlyIPv6, only)
				}
				if want := map[bool]int{true: 1}[asked[i].local.Port() == 8084]; asked[i].device != want {
					t.Errorf("%s is bound to %d, want %d", asked[i].local, asked[i].device, want)
				}
				asked[i].onlyIPv6, asked[i].device = false, unsaid // which /proc does not tell
			}
			order := func(a, b socket) int { return int(a.inode) - int(b.inode) }
			slices.SortFunc(asked, order)
			slices.SortFunc(read, order)
			if !slices.Equal(asked, read) {
				t.Errorf("family %d, %+v: sock_diag says\n%+v\n/proc says\n%+v", family, kind, asked, read)
			}
			total += len(asked)
		}
	}
	if total != 9 { // seven that listen, two ends of a connection
		t.Errorf("%d sockets found, want 9", total)
	}
	local, remote := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	if !connected(local, remote) {
		t.Errorf("%s is not connected to %s", local, remote)
	}
	if other := netip.AddrPortFrom(local.Addr(), local.Port()^1); connected(other, remote) {
		t.Errorf("%s is connected to %s", other, remote)
	}
}

func TestParseSocketRefuses(t *testing.T) {
	for _, line := range []string{
		"", "0: 0100007F:0016", "0: 0100007F 00000000:0000 0A 0:0 0:0 0 0 0 1 1", "0: XX00007F:0016 00000000:0000 0A 0:0 0:0 0 0 0 1 1",
		"0: 0100:0016 00000000:0000 0A 0:0 0:0 0 0 0 1 1", "0: 0100007F:0016 00000000:0000 ZZ 0:0 0:0 0 0 0 1 1",
	} {
		if s, err := parseSocket(line, binary.NativeEndian); err == nil {
			t.Errorf("line %q was read as %+v", line, s)
		}
	}
}

// TestSocketsInBothOrders reads what little-endian and big-endian kernels print and answer for the same socket.
func TestSocketsInBothOrders(t *testing.T) {
	const rest = " 0A 00000000:00000000 00:00000000 00000000     0        0 74565 1"
	answer := make([]byte, diagAnswerSize)
	answer[0], answer[1] = unix.AF_INET, listening
	copy(answer[4:], []byte{0x1f, 0x90, 0, 80, 127, 0, 0, 1})
	copy(answer[24:], []byte{192, 0, 2, 1})
	for _, test := range []struct {
		order      binary.ByteOrder
		ipv4, ipv6 string
		inode      []byte
	}{
		{binary.LittleEndian, "0100007F:1F90 010200C0:0050", "B80D0120000000000000000001000000:0016 00000000000000000000000000000000:0000", []byte{0x45, 0x23, 1, 0}},
		{binary.BigEndian, "7F000001:1F90 C0000201:0050", "20010DB8000000000000000000000001:0016 00000000000000000000000000000000:0000", []byte{0, 1, 0x23, 0x45}},
	} {
		want := socket{local: netip.MustParseAddrPort("127.0.0.1:8080"), remote: netip.MustParseAddrPort("192.0.2.1:80"), state: listening, inode: 0x12345, device: unsaid}
		if got, err := parseSocket("0: "+test.ipv4+rest, test.order); err != nil || got != want {
			t.Errorf("%v: %+v, %v", test.order, got, err)
		}
		copy(answer[68:], test.inode)
		want.device = 0
		if got, err := decodeDiag(answer, test.order); err != nil || got != want {
			t.Errorf("%v: the kernel's answer is %+v, %v", test.order, got, err)
		}
		want.local, want.remote, want.device = netip.MustParseAddrPort("[2001:db8::1]:22"), netip.MustParseAddrPort("[::]:0"), unsaid
		if got, err := parseSocket("0: "+test.ipv6+rest, test.order); err != nil || got != want {
			t.Errorf("%v: %+v, %v", test.order, got, err)
		}
	}
}
