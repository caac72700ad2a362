package iptables_test

import (
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// send sends one datagram to a port of this host that is open, so that nothing
// comes back.
func send(t testing.TB, to string) {
	t.Helper()
	open, err := net.ListenPacket("udp", net.JoinHostPort(to, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	conn, err := net.Dial("udp", open.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("knock")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open.ReadFrom(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
}

// dropCapabilities takes all capabilities from the calling goroutine's thread,
// which ends with the goroutine.
func dropCapabilities(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
}

// cpu is the time that this process has spent so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
