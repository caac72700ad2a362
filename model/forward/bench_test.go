package forward_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/forward"
	"nattui/model/lab"
)

// The benchmarks measure what the kernel's DNAT and this forwarder take to do the
// same: a client on the far side of the gateway, a service behind it. Beside them
// runs what it takes without either, where the gateway just routes.

func TestMain(m *testing.M) {
	lab.Main()
	os.Exit(m.Run())
}

// The ports of the two ways, and of the services.
const (
	byKernel    = 80
	byForwarder = 81
	echoes      = 7
	swallows    = 9
	shift       = 1000 // from the port that echoes to the one that swallows
)

// ways are where the client connects to, by the way it goes.
type way struct {
	name string
	at   netip.AddrPort
}

// buildWays makes the three ways from the client to the services on server2.
func buildWays(b *testing.B) (*lab.Network, []way) {
	b.Helper()
	n, err := lab.New()
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b.Cleanup(func() { stop(); n.Close() })
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	must(n.Gateway.SetSysctl("net/ipv4/ip_forward", "1"))
	_, err = n.Client.Output(ctx, "ip", "route", "add", "192.168.0.0/24", "via", n.Gateway.IPv4.String())
	must(err)
	for listen, to := range map[int]int{byKernel: echoes, byKernel + shift: swallows} {
		must(n.Gateway.Iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "wan0", "-p", "tcp", "--dport", fmt.Sprint(listen),
			"-j", "DNAT", "--to-destination", fmt.Sprintf("%s:%d", n.Server2.IPv4, to)))
	}
	for port, serve := range map[uint16]func(net.Conn){
		echoes:   func(c net.Conn) { _, _ = io.Copy(c, c) },
		swallows: func(c net.Conn) { _, _ = io.Copy(io.Discard, c); _, _ = c.Write([]byte("done")) },
	} {
		l, err := n.Server2.Listen(ctx, netip.AddrPortFrom(n.Server2.IPv4, port))
		must(err)
		b.Cleanup(func() { l.Close() })
		go serveAll(l, serve)
	}
	for listen, to := range map[int]int{byForwarder: echoes, byForwarder + shift: swallows} {
		f, err := forward.Listen(ctx, forward.Options{
			Listen: fmt.Sprintf("%s:%d", n.Gateway.IPv4, listen), Target: fmt.Sprintf("%s:%d", n.Server2.IPv4, to),
		})
		must(err)
		b.Cleanup(func() { f.Abort() })
		go func() { _ = f.Serve() }()
	}
	return n, []way{
		{"routed", netip.AddrPortFrom(n.Server2.IPv4, echoes)},
		{"kernel", netip.AddrPortFrom(n.Gateway.IPv4, byKernel)},
		{"forwarder", netip.AddrPortFrom(n.Gateway.IPv4, byForwarder)},
	}
}

func serveAll(l *net.TCPListener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { defer c.Close(); serve(c) }()
	}
}

// swallowing is where the same way leads to the service that swallows.
func (w way) swallowing() netip.AddrPort {
	if w.name == "routed" {
		return netip.AddrPortFrom(w.at.Addr(), swallows)
	}
	return netip.AddrPortFrom(w.at.Addr(), w.at.Port()+shift)
}

// cpu is what this process has taken: client, server, forwarder, and the kernel's
// work for them, most of which it does as they send.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// dial connects from the client by the node's own thread, as cheaply as that goes.
func dial(b *testing.B, n *lab.Network, to netip.AddrPort) net.Conn {
	b.Helper()
	c, err := n.Client.Dial(context.Background(), "tcp", netip.AddrPort{}, to)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkForwardBulk sends a gigabyte over four connections.
func BenchmarkForwardBulk(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	n, ways := buildWays(b)
	const connections, each = 4, 256 << 20
	for _, w := range ways {
		b.Run(w.name, func(b *testing.B) {
			began := cpu(b)
			for b.Loop() {
				var all sync.WaitGroup
				for range connections {
					c := dial(b, n, w.swallowing())
					all.Go(func() { send(b, c, each) })
				}
				all.Wait()
			}
			gigabytes := float64(b.N) * connections * each / 1e9
			b.ReportMetric(gigabytes/b.Elapsed().Seconds(), "GB/s")
			b.ReportMetric((cpu(b)-began).Seconds()/gigabytes, "cpu-s/GB")
		})
	}
}

func send(b *testing.B, c net.Conn, size int) {
	defer c.Close()
	chunk := make([]byte, 256<<10)
	for ; size > 0; size -= len(chunk) {
		if _, err := c.Write(chunk); err != nil {
			b.Error(err)
			return
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if said, err := io.ReadAll(c); err != nil || string(said) != "done" {
		b.Errorf("the server says %q, %v", said, err)
	}
}

// BenchmarkForwardConnections makes connections one after the other by four
// clients: connect, one byte there and back, close.
func BenchmarkForwardConnections(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	n, ways := buildWays(b)
	const clients, each = 4, 1000
	for _, w := range ways {
		b.Run(w.name, func(b *testing.B) {
			began := cpu(b)
			var took []time.Duration
			var mu sync.Mutex
			for b.Loop() {
				var all sync.WaitGroup
				for range clients {
					all.Go(func() {
						mine, err := connectOften(n, w.at, each)
						if err != nil {
							b.Error(err)
						}
						mu.Lock()
						took = append(took, mine...)
						mu.Unlock()
					})
				}
				all.Wait()
			}
			slices.Sort(took)
			b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "conn/s")
			b.ReportMetric((cpu(b)-began).Seconds()*1e6/float64(len(took)), "cpu-us/conn")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
		})
	}
}

// connectOften makes connections from a thread that stays on the client, with bare
// sockets, so that the measure is the way and not the measuring.
func connectOften(n *lab.Network, to netip.AddrPort, times int) ([]time.Duration, error) {
	took := make([]time.Duration, 0, times)
	err := n.Client.Do(func() error {
		for range times {
			began := time.Now()
			if err := connectOnce(to); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		return nil
	})
	return took, err
}

func connectOnce(to netip.AddrPort) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	// Closing by reset keeps the client from running out of ports.
	_ = unix.SetsockoptLinger(s, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err := unix.Connect(s, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return fmt.Errorf("connect to %s: %w", to, err)
	}
	one := []byte{'x'}
	if _, err := unix.Write(s, one); err != nil {
		return err
	}
	_, err = unix.Read(s, one)
	return err
}

// BenchmarkForwardRoundTrip measures one byte there and back on a connection that
// stands.
func BenchmarkForwardRoundTrip(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	n, ways := buildWays(b)
	for _, w := range ways {
		b.Run(w.name, func(b *testing.B) {
			c := dial(b, n, w.at)
			defer c.Close()
			one := []byte{'x'}
			began := cpu(b)
			var took []time.Duration
			for b.Loop() {
				for range 10_000 {
					sent := time.Now()
					if _, err := c.Write(one); err != nil {
						b.Fatal(err)
					}
					if _, err := c.Read(one); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(sent))
				}
			}
			slices.Sort(took)
			b.ReportMetric((cpu(b)-began).Seconds()*1e6/float64(len(took)), "cpu-us/trip")
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-us")
		})
	}
}
