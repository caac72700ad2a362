package lab

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Datagrams sends n datagrams of one byte to an IPv4 address, each a connection of its own, so many a second, and returns how
// long that took. It is traffic for benchmarks, and meant for a process of its own: it takes one core as far as it needs it.
func Datagrams(to netip.Addr, n, rate int) (time.Duration, error) {
	start, sent := time.Now(), 0
	for sent < n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return 0, err
		}
		for port := 1; port < 65535 && sent < n; port++ {
			if unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Addr: to.As4(), Port: port}) == nil {
				sent++
			}
			if sent%100 == 0 {
				time.Sleep(time.Until(start.Add(time.Duration(sent) * time.Second / time.Duration(rate))))
			}
		}
		unix.Close(fd)
	}
	return time.Since(start), nil
}
