package main

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"nattui/model/lab"
)

// slowReader takes no more than the first write until it is let go.
type slowReader struct {
	mu      sync.Mutex
	text    bytes.Buffer
	reading chan struct{} // closed with the first write
	let     chan struct{}
	news    chan struct{}
}

func newSlowReader() *slowReader {
	return &slowReader{reading: make(chan struct{}), let: make(chan struct{}), news: make(chan struct{}, 1)}
}

func (r *slowReader) Write(b []byte) (int, error) {
	select {
	case <-r.reading:
	default:
		close(r.reading)
	}
	<-r.let
	r.mu.Lock()
	r.text.Write(b)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
	return len(b), nil
}

// await waits until a text has come.
func (r *slowReader) await(t *testing.T, want string) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		r.mu.Lock()
		got := r.text.String()
		r.mu.Unlock()
		if strings.Contains(got, want) {
			return
		}
		select {
		case <-r.news:
		case <-limit:
			t.Fatalf("%q did not come; the end of what did:\n%s", want, got[max(0, len(got)-2000):])
		}
	}
}

// A reader that is too slow costs events, which are counted and told of, and the
// stream goes on.
func TestFollowTellsASlowReaderWhatItMissed(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := lab.Iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.0.2.254", "-j", "MASQUERADE"); err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	send := func(port int) {
		// Nobody listens there, which a later send may be told: no matter.
		_, _ = socket.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)))
	}
	out, talk := newSlowReader(), newSlowReader()
	close(talk.let)
	o := flowsOptions{json: true, follow: true, buffer: 64 << 10}
	c := newFlowsCommand()
	ctx, stop := context.WithCancel(t.Context())
	c.SetContext(ctx)
	c.SetOut(out)
	c.SetErr(talk)
	ended := make(chan error, 1)
	go func() { ended <- o.run(c) }()

	// Until following has begun, what happens is no event.
	limit := time.After(time.Minute)
	for began := false; !began; {
		send(5300)
		select {
		case <-limit:
			t.Fatal("no event came")
		case err := <-ended:
			t.Fatalf("following ended at once: %v", err)
		case <-out.reading:
			began = true
		case <-time.After(10 * time.Millisecond):
			socket.Close()
			if socket, err = net.ListenUDP("udp4", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for port := 10000; port < 15000; port++ {
		send(port)
	}
	close(out.let)
	talk.await(t, " events missed, ")
	send(20001)
	out.await(t, `"dport":20001`)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("following ended with %v", err)
	}
}
