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

	"nattui/model/lab"
)

// The benchmarks measure what each way to forward a port takes to do the same: a client on the far side of the gateway, a
// service behind it. Beside them runs what it takes without any, where the gateway just routes. One command measures all:
//
//	go test ./model/forward -run '^$' -bench Forward -benchtime 4x -count 5

func TestMain(m *testing.M) {
	lab.Main()
	os.Exit(m.Run())
}

// eachWay measures the ways one after the other, each with nothing of the others there.
func eachWay(b *testing.B, measure func(b *testing.B, n *lab.Network, w *way)) {
	b.Helper()
	if lab.Isolate(b) {
		return
	}
	for i := range ways {
		b.Run(ways[i].name, func(b *testing.B) {
			n := buildNetwork(b)
			w := ways[i]
			w.make(b, n, &w)
			measure(b, n, &w)
		})
	}
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
	const connections, each = 4, 256 << 20
	eachWay(b, func(b *testing.B, n *lab.Network, w *way) {
		began := w.cpu(b)
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
		b.ReportMetric((w.cpu(b)-began).Seconds()/gigabytes, "cpu-s/GB")
	})
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
	const clients, each = 4, 1000
	eachWay(b, func(b *testing.B, n *lab.Network, w *way) {
		began := w.cpu(b)
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
		if b.Failed() {
			return
		}
		slices.Sort(took)
		b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "conn/s")
		b.ReportMetric((w.cpu(b)-began).Seconds()*1e6/float64(len(took)), "cpu-us/conn")
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	})
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
	eachWay(b, func(b *testing.B, n *lab.Network, w *way) {
		c := dial(b, n, w.at)
		defer c.Close()
		one := []byte{'x'}
		began := w.cpu(b)
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
		b.ReportMetric((w.cpu(b)-began).Seconds()*1e6/float64(len(took)), "cpu-us/trip")
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us")
		b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-us")
	})
}
