package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// target is a service that does with every connection what serve does.
func target(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// recorded are the events of a forwarder.
type recorded struct {
	all  chan Event
	ends chan error
	*Forwarder
}

// start forwards to a target, and checks at the end that Serve came to its end.
func start(t *testing.T, o Options) *recorded {
	t.Helper()
	r := &recorded{all: make(chan Event, 1<<16), ends: make(chan error, 1)}
	o.Listen = "127.0.0.1:0"
	o.Log = func(e Event) {
		e.Data = bytes.Clone(e.Data)
		r.all <- e
	}
	f, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.Forwarder = f
	go func() { r.ends <- f.Serve() }()
	t.Cleanup(func() { f.Abort() })
	return r
}

// await waits for an event of a kind.
func (r *recorded) await(t *testing.T, k Kind) Event {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e := <-r.all:
			if e.Kind == k {
				return e
			}
		case <-limit:
			t.Fatalf("no event of kind %d", k)
		}
	}
}

func (r *recorded) awaitEnd(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ends:
		return err
	case <-time.After(patience):
		t.Fatal("Serve did not end")
		return nil
	}
}

func (r *recorded) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c) }

// afterTheEnd answers with the length of a request once that has ended.
func afterTheEnd(c *net.TCPConn) {
	n, err := io.Copy(io.Discard, c)
	fmt.Fprintf(c, "%d bytes, %v", n, err)
}

func TestHalfClose(t *testing.T) {
	for _, dump := range []bool{false, true} {
		t.Run(fmt.Sprintf("dump %v", dump), func(t *testing.T) {
			r := start(t, Options{Target: target(t, afterTheEnd), Dump: dump})
			c := r.dial(t)
			if _, err := c.Write(make([]byte, 300_000)); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(c)
			if err != nil || string(answer) != "300000 bytes, <nil>" {
				t.Fatalf("after the end of the request came %q, %v", answer, err)
			}
			e := r.await(t, Closed)
			if e.Sent != 300_000 || e.Received != int64(len(answer)) || e.Err != nil {
				t.Errorf("the log says %d sent, %d received, %v", e.Sent, e.Received, e.Err)
			}
		})
	}
}

// TestServerEndsFirst is the half-close the other way about.
func TestServerEndsFirst(t *testing.T) {
	heard := make(chan string, 1)
	r := start(t, Options{Target: target(t, func(c *net.TCPConn) {
		fmt.Fprint(c, "that is all")
		_ = c.CloseWrite()
		rest, _ := io.ReadAll(c)
		heard <- string(rest)
	})})
	c := r.dial(t)
	if said, err := io.ReadAll(c); err != nil || string(said) != "that is all" {
		t.Fatalf("the server said %q, %v", said, err)
	}
	fmt.Fprint(c, "understood")
	c.Close()
	if got := <-heard; got != "understood" {
		t.Errorf("after its own end the server heard %q", got)
	}
	if e := r.await(t, Closed); e.Err != nil {
		t.Error(e.Err)
	}
}

func TestManyConnections(t *testing.T) {
	r := start(t, Options{Target: target(t, echo)})
	const connections, size = 200, 100_000
	var all sync.WaitGroup
	for n := range connections {
		c := r.dial(t)
		all.Go(func() {
			said := bytes.Repeat([]byte{byte(n)}, size)
			go func() {
				_, _ = c.Write(said)
				_ = c.CloseWrite()
			}()
			if heard, err := io.ReadAll(c); err != nil || !bytes.Equal(heard, said) {
				t.Errorf("connection %d: %d bytes came back, %v", n, len(heard), err)
			}
		})
	}
	all.Wait()
	r.Shut()
	if err := r.awaitEnd(t); err != nil {
		t.Error(err)
	}
	closed, sent := 0, int64(0)
	for close(r.all); ; {
		e, more := <-r.all
		if !more {
			break
		}
		if e.Kind == Closed {
			closed++
			sent += e.Sent
		}
	}
	if closed != connections || sent != connections*size {
		t.Errorf("the log has %d connections that ended, with %d bytes", closed, sent)
	}
}

func TestShutLetsRunningOnesEnd(t *testing.T) {
	r := start(t, Options{Target: target(t, echo)})
	c := r.dial(t)
	r.await(t, Opened)
	if n := r.Shut(); n != 1 {
		t.Errorf("%d connections ran", n)
	}
	if late, err := net.Dial("tcp", r.Addr().String()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a late connection: %v, %v", late, err)
	}
	word := make([]byte, 5)
	fmt.Fprint(c, "still")
	if _, err := io.ReadFull(c, word); err != nil || string(word) != "still" {
		t.Fatalf("the running connection says %q, %v", word, err)
	}
	select {
	case err := <-r.ends:
		t.Fatalf("Serve ended before the last connection: %v", err)
	default:
	}
	c.Close()
	if err := r.awaitEnd(t); err != nil {
		t.Error(err)
	}
}

func TestAbort(t *testing.T) {
	r := start(t, Options{Target: target(t, echo)})
	c := r.dial(t)
	r.await(t, Opened)
	if n := r.Abort(); n != 1 {
		t.Errorf("%d connections ran", n)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("an aborted connection reads %v, want a reset", err)
	}
	if e := r.await(t, Closed); !errors.Is(e.Err, ErrAborted) {
		t.Errorf("the log says %v", e.Err)
	}
	if err := r.awaitEnd(t); !errors.Is(err, ErrAborted) {
		t.Errorf("Serve returned %v", err)
	}
}

// descriptors are how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestSilentConnectionsHoldNoPipes: a connection has its sockets, and pipes only while bytes flow, before the first
// byte as well as after the last one.
func TestSilentConnectionsHoldNoPipes(t *testing.T) {
	const connections, each = 100, 4 // both ends of two connections are in this process
	r := start(t, Options{Target: target(t, func(c *net.TCPConn) {
		word := make([]byte, 5)
		for { // io.Copy would hold pipes of its own
			if _, err := io.ReadFull(c, word); err != nil {
				return
			}
			_, _ = c.Write(word)
		}
	})})
	before := descriptors(t)
	var all []*net.TCPConn
	for range connections {
		all = append(all, r.dial(t))
	}
	for range connections {
		r.await(t, Opened)
	}
	settled := func(when string) {
		t.Helper()
		const few = 20 // of the runtime
		for limit := time.Now().Add(patience); ; runtime.Gosched() {
			runtime.GC() // lets go of pipes that are kept for the next bytes
			have := descriptors(t) - before
			if have <= connections*each+few {
				return
			}
			if time.Now().After(limit) {
				t.Fatalf("%s %d silent connections have %d descriptors, not %d", when, connections, have, connections*each)
			}
		}
	}
	settled("at first")
	word := make([]byte, 5)
	for _, c := range all {
		fmt.Fprint(c, "hello")
	}
	for _, c := range all {
		if _, err := io.ReadFull(c, word); err != nil || string(word) != "hello" {
			t.Fatalf("%q, %v", word, err)
		}
	}
	settled("after a word")
}

func TestIdleConnectionIsReset(t *testing.T) {
	for _, dump := range []bool{false, true} {
		r := start(t, Options{Target: target(t, echo), IdleTimeout: 20 * time.Millisecond, Dump: dump})
		c := r.dial(t)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("an idle connection reads %v, want a reset", err)
		}
		if e := r.await(t, Closed); !errors.Is(e.Err, ErrIdle) {
			t.Errorf("the log says %v", e.Err)
		}
	}
}

// TestSilence: only bytes that were carried end a silence.
func TestSilence(t *testing.T) {
	var carried traffic
	at := time.Unix(1_000_000, 0)
	for i, look := range []struct {
		after  time.Duration
		bytes  uint64
		silent time.Duration
	}{
		{0, 0, 0}, {time.Second, 0, time.Second}, {time.Second, 0, 2 * time.Second}, {time.Second, 7, 0}, {time.Second, 7, time.Second}, {time.Second, 9, 0},
	} {
		at = at.Add(look.after)
		if got := carried.silentFor(look.bytes, at); got != look.silent {
			t.Errorf("look %d: silent for %v, want %v", i, got, look.silent)
		}
	}
}

// TestCarriedBytes: the kernel's count moves with what passes, either way.
func TestCarriedBytes(t *testing.T) {
	r := start(t, Options{Target: target(t, echo)})
	c := r.dial(t)
	r.await(t, Opened)
	of := r.Forwarder.all()[0]
	before, ok := of.carried()
	if !ok {
		t.Skip("the kernel does not count a socket's bytes")
	}
	fmt.Fprint(c, "hello")
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(patience); ; { // acknowledgements may be late
		now, _ := of.carried()
		if now-before == 4*5 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%d bytes were carried, want 20", now-before)
		}
		runtime.Gosched()
	}
}

func TestClientLimit(t *testing.T) {
	r := start(t, Options{Target: target(t, echo), PerClient: 2})
	first := r.dial(t)
	r.dial(t)
	r.await(t, Opened)
	r.await(t, Opened)
	third, err := net.Dial("tcp", r.Addr().String()) // the reset may be there first
	if err == nil {
		_, err = third.Read(make([]byte, 1))
		third.Close()
	}
	if !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("one too many sees %v, want a reset", err)
	}
	if e := r.await(t, Refused); !strings.Contains(e.Err.Error(), "127.0.0.1 has 2 connections") {
		t.Errorf("the log says %v", e.Err)
	}
	first.Close()
	r.await(t, Closed)
	// The place is free a moment after the log says so.
	for limit := time.Now().Add(patience); r.Running() > 1; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatal("its place is not free")
		}
	}
	r.dial(t)
	r.await(t, Opened)
}

// TestRoomForOthers has a few clients take all the connections there may be: whoever comes then is served all the same, and
// neither the first of those that came before nor one that talks is cut off for it.
func TestRoomForOthers(t *testing.T) {
	const most, clients = 100, 5
	r := start(t, Options{Target: target(t, echo), Most: most})
	from := func(n byte) *net.TCPConn {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, n)}}
		c, err := dialer.Dial("tcp", r.Addr().String())
		if errors.Is(err, unix.ECONNRESET) {
			return nil // refused, and the reset was there first
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.(*net.TCPConn)
	}
	answers := func(c *net.TCPConn) error {
		if c == nil {
			return unix.ECONNRESET
		}
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	honest := from(100)
	r.await(t, Opened)
	for n := range 5 * most { // far more than there is room for
		from(byte(1 + n%clients))
	}
	for limit := time.Now().Add(patience); r.Running() < most; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("there are %d connections", r.Running())
		}
	}
	for range 5 {
		if err := answers(from(101)); err != nil {
			t.Errorf("whoever comes then is not served: %v", err)
		}
	}
	if err := answers(honest); err != nil {
		t.Errorf("who was there before was cut off: %v", err)
	}
	for limit := time.Now().Add(patience); r.Running() > most; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("there are %d connections", r.Running())
		}
	}
}

// TestRoomAmongMany has as many clients as there may be connections open one each and say nothing: whoever comes then is
// served soon all the same, and one that has said something is not cut off for it.
func TestRoomAmongMany(t *testing.T) {
	const most = 16
	r := start(t, Options{Target: target(t, echo), Most: most})
	from := func(n byte) net.Conn {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, n)}}
		c, err := dialer.Dial("tcp", r.Addr().String())
		if err != nil {
			return nil // refused, and the reset was there first
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	answers := func(c net.Conn) bool {
		if c == nil || c.SetDeadline(time.Now().Add(patience)) != nil {
			return false
		}
		if _, err := c.Write([]byte("x")); err != nil {
			return false
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err == nil
	}
	honest := from(100)
	if !answers(honest) {
		t.Fatal("the first is not served")
	}
	for n := range byte(most - 1) {
		from(1 + n)
		r.await(t, Opened)
	}
	for limit := time.Now().Add(patience); !answers(from(101)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("whoever comes then is not served")
		}
	}
	if !answers(honest) {
		t.Error("who had said something was cut off")
	}
}

// TestNoRoom: where nobody has many and nobody was silent, the newcomer is refused.
func TestNoRoom(t *testing.T) {
	r := start(t, Options{Target: target(t, echo), Most: 2})
	for range 2 {
		c := r.dial(t)
		r.await(t, Opened)
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if third, err := net.Dial("tcp", r.Addr().String()); err == nil { // the reset may be there first
		defer third.Close()
	}
	if e := r.await(t, Refused); !strings.Contains(e.Err.Error(), "there are 2 connections, as many as") {
		t.Errorf("the log says %v", e.Err)
	}
}

// TestClients: a client is an address, of IPv6 a /64; refusals are told once a second.
func TestClients(t *testing.T) {
	c := clients{limit: 1, have: map[netip.Addr]int{}}
	now := time.Unix(1_000_000, 0)
	for i, step := range []struct {
		from    string
		release bool
		after   time.Duration
		taken   bool
		told    string
	}{
		{from: "192.0.2.1", taken: true},
		{from: "192.0.2.2", taken: true},
		{from: "::ffff:192.0.2.1", told: "192.0.2.1"},
		{from: "2001:db8::1", taken: true},
		{from: "2001:db8::ffff"},
		{from: "2001:db8:0:1::1", taken: true},
		{from: "192.0.2.1", after: refusalPause, told: "1 more"},
		{from: "192.0.2.1", release: true},
		{from: "192.0.2.1", taken: true},
	} {
		now = now.Add(step.after)
		if step.release {
			c.release(netip.MustParseAddr(step.from))
			continue
		}
		refusal, taken := c.take(netip.MustParseAddr(step.from), now)
		if taken != step.taken || (refusal != nil) != (step.told != "") || refusal != nil && !strings.Contains(refusal.Error(), step.told) {
			t.Errorf("step %d, %s: %v, %v", i, step.from, taken, refusal)
		}
	}
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::9", "2001:db8:0:1::9"} {
		c.release(netip.MustParseAddr(a))
	}
	if len(c.have) != 0 {
		t.Errorf("%v are left", c.have)
	}
}

// silentPort is an address that is taken, so that nobody else is given it, and at which nobody listens.
func silentPort(t *testing.T) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
}

func TestNobodyAtTheTarget(t *testing.T) {
	r := start(t, Options{Target: silentPort(t)})
	for range 2 { // the first failure is no reason to stop
		c, err := net.Dial("tcp", r.Addr().String()) // the reset may be there first
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the client sees %v, want a reset", err)
		}
		if e := r.await(t, Failed); !errors.Is(e.Err, unix.ECONNREFUSED) {
			t.Errorf("the log says %v", e.Err)
		}
	}
}

func TestResetIsPassedOn(t *testing.T) {
	r := start(t, Options{Target: target(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 4))
		_ = c.SetLinger(0)
	})})
	c := r.dial(t)
	fmt.Fprint(c, "bang")
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the client reads %v, want a reset", err)
	}
	if e := r.await(t, Closed); !errors.Is(e.Err, unix.ECONNRESET) {
		t.Errorf("the log says %v", e.Err)
	}
}

func TestDumpEscapes(t *testing.T) {
	r := start(t, Options{Target: target(t, afterTheEnd), Dump: true})
	c := r.dial(t)
	fmt.Fprint(c, "hello\r\n\x1b[2Jwörld\x00\xff")
	_ = c.CloseWrite()
	var lines []string
	for len(lines) < 2 {
		e := r.await(t, Data)
		if e.Direction != Request {
			t.Fatalf("%s before the request was whole", e.Direction)
		}
		for _, l := range e.Lines() {
			_, said, _ := strings.Cut(l, "#1 ")
			lines = append(lines, said)
		}
	}
	want := []string{`> "hello\r\n"`, `> "\x1b[2Jwörld\x00\xff"`}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("dumped %q, want %q", lines, want)
	}
	if e := r.await(t, Data); e.Direction != Reply {
		t.Errorf("the answer goes %s", e.Direction)
	}
}

func TestLongLinesAreBroken(t *testing.T) {
	e := Event{Kind: Data, Data: []byte(strings.Repeat("ä", dumpWidth))}
	lines := e.Lines()
	if len(lines) != 3 && len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines {
		if strings.Contains(l, `\x`) {
			t.Errorf("a character was broken: %.60s", l)
		}
	}
}

func TestAddresses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		listen, target string
		want           error
	}{
		{"127.0.0.1:0", "192.0.2.1:80", nil},
		{"0", "localhost:80", nil},
		{"[::1]:0", "[2001:db8::2]:80", nil},
		{":http", "192.0.2.1:80", ErrAddress},
		{":70000", "192.0.2.1:80", ErrAddress},
		{"192.0.2.1", "192.0.2.1:80", ErrAddress},
		{":0", "192.0.2.1", ErrAddress},
		{":0", ":80", ErrAddress},
		{":0", "192.0.2.1:0", ErrAddress},
		{":0", "192.0.2.1:http", ErrAddress},
		{taken.Addr().String(), "192.0.2.1:80", unix.EADDRINUSE},
		{"192.0.2.1:0", "192.0.2.1:80", unix.EADDRNOTAVAIL},
	} {
		f, err := Listen(context.Background(), Options{Listen: test.listen, Target: test.target})
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("Listen(%q, %q): %v, want %v", test.listen, test.target, err, test.want)
		}
		if f != nil {
			f.Abort()
		}
	}
	port := taken.Addr().(*net.TCPAddr).Port
	taken.Close()
	at := fmt.Sprintf("127.0.0.1:%d", port)
	if _, err := Listen(context.Background(), Options{Listen: fmt.Sprintf(":%d", port), Target: at}); !errors.Is(err, ErrAddress) {
		t.Errorf("a forwarder to itself: %v", err)
	}
}
