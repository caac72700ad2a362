// Package forward is a port forwarder in user space: it accepts TCP connections
// and carries their bytes to another address and back. It needs no privilege, no
// NAT and no forwarding in the kernel, and pays for that: every byte passes through
// this process, and the server sees this host as its client.
//
// Where nothing is dumped the bytes stay in the kernel (splice(2)), in pipes that a
// connection has only while bytes flow: one that is silent takes two descriptors, its
// two sockets. How many a client may have, and how long one may be silent, is limited.
package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ErrAddress is what errors.Is finds in the error for an invalid address.
var ErrAddress = errors.New("the address is invalid")

// addressError says what is wrong with an address and what would be right.
type addressError string

func addressErrorf(format string, args ...any) error {
	return addressError(fmt.Sprintf(format, args...))
}

func (e addressError) Error() string { return string(e) }

// Is makes it an ErrAddress.
func (addressError) Is(target error) bool { return target == ErrAddress }

// ErrAborted is what Serve returns after Abort has cut connections off.
var ErrAborted = errors.New("aborted")

// Options say what is forwarded where.
type Options struct {
	// Listen is where connections are taken: "host:port", ":port" on all addresses,
	// or a bare port. Port 0 lets the kernel choose.
	Listen string
	// Target is where they go: "host:port". A name is looked up for every connection.
	Target string
	// DialTimeout is how long the target may take to answer; 0: ten seconds.
	DialTimeout time.Duration
	// IdleTimeout is how long a connection may go without a byte in either direction before
	// both sides are reset, to within a quarter; 0: for ever. Keepalives are no bytes.
	IdleTimeout time.Duration
	// PerClient is how many connections one client may have at a time, where an
	// IPv6 client is a whole /64; 0: any number. What comes beyond is reset.
	PerClient int
	// Most is how many connections there may be at a time; 0: as many as there are file descriptors for. Where
	// another one comes, one that is idle makes room, of the client that has the most.
	Most int
	// Log is told everything that happens. It is called by many goroutines, one at a
	// time, and should return soon: the connections wait for it.
	Log func(Event)
	// Dump asks for an event for all data that passes.
	Dump bool
}

// Forwarder takes connections at one address and carries them to another. Listen
// makes one. All methods may be called concurrently.
type Forwarder struct {
	options  Options
	listener *net.TCPListener
	numbers  atomic.Uint64

	logging sync.Mutex
	mu      sync.Mutex
	open    map[*connection]struct{}
	clients clients
	most    int // connections at a time
	leaving int // of those in open, how many make room
	// mayLeave is how many may do so at a time.
	mayLeave int
	running  sync.WaitGroup
	// ending ends the dials when everything is aborted.
	ending context.Context
	abort  context.CancelFunc
}

// Listen begins to take connections, which wait until Serve carries them. The error
// wraps ErrAddress where an address is invalid, and else what the kernel said:
// EADDRINUSE, EADDRNOTAVAIL, or EACCES for a port below 1024 without privilege.
func Listen(ctx context.Context, o Options) (*Forwarder, error) {
	at, err := listenAddress(o.Listen)
	if err != nil {
		return nil, err
	}
	if err := checkTarget(o.Target); err != nil {
		return nil, err
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = func(Event) {}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", at)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.Listen, plain(err))
	}
	f := &Forwarder{options: o, listener: listener.(*net.TCPListener), open: map[*connection]struct{}{}, clients: clients{limit: o.PerClient, have: map[netip.Addr]int{}}}
	f.most, f.mayLeave = room()
	if o.Most != 0 {
		f.most, f.mayLeave = o.Most, leaving
	}
	if f.isTarget(ctx) {
		listener.Close()
		return nil, addressErrorf("%s is where it listens itself, so that it would forward to itself without end", o.Target)
	}
	f.ending, f.abort = context.WithCancel(context.WithoutCancel(ctx))
	return f, nil
}

// listenAddress reads an address to listen on; a bare port is one on all addresses.
func listenAddress(s string) (string, error) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return ":" + strconv.FormatUint(n, 10), nil
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", addressErrorf("%q: listen on a port, such as :8080 or 192.0.2.1:8080", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", addressErrorf("%q: a port is a number from 0 to 65535, where 0 picks a free one", port)
	}
	return s, nil
}

func checkTarget(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return addressErrorf("%q: forward to a host and port, such as 192.168.0.2:80 or [2001:db8::2]:80", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return addressErrorf("%q: a port is a number from 1 to 65535", port)
	}
	return nil
}

// isTarget tells that the target is this forwarder's own address. A name that is
// not known now is none of ours.
func (f *Forwarder) isTarget(ctx context.Context) bool {
	host, port, _ := net.SplitHostPort(f.options.Target)
	own := f.Addr()
	if port != strconv.Itoa(int(own.Port())) {
		return false
	}
	ctx, stop := context.WithTimeout(ctx, f.options.DialTimeout)
	defer stop()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false
	}
	for _, a := range addresses {
		a = a.Unmap()
		if a == own.Addr() || own.Addr().IsUnspecified() && (a.IsUnspecified() || isOurs(a)) {
			return true
		}
	}
	return false
}

// isOurs tells whether this host has the address.
func isOurs(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, one := range all {
		if p, err := netip.ParsePrefix(one.String()); err == nil && p.Addr().Unmap() == a {
			return true
		}
	}
	return false
}

// Addr is where it listens.
func (f *Forwarder) Addr() netip.AddrPort {
	a := f.listener.Addr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Running is how many connections there are now.
func (f *Forwarder) Running() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}

// Serve carries connections until Shut or Abort has been called and the last one
// has ended. What goes wrong with one connection is an event and ends that one only.
func (f *Forwarder) Serve() error {
	ended := make(chan struct{})
	defer close(ended)
	if f.options.IdleTimeout > 0 {
		go f.endIdle(ended)
	}
	f.accept()
	f.running.Wait()
	if f.ending.Err() != nil {
		return ErrAborted
	}
	return nil
}

// The pauses after an accept that failed, for want of descriptors for instance.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = time.Second
)

func (f *Forwarder) accept() {
	pause := firstPause
	for {
		client, err := f.listener.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			f.log(Event{Kind: Refused, Err: fmt.Errorf("take a connection: %w", plain(err))})
			select {
			case <-time.After(pause):
			case <-f.ending.Done():
			}
			pause = min(2*pause, maxPause)
		default:
			pause = firstPause
			f.start(client)
		}
	}
}

// start carries a connection in goroutines of its own, unless its client has too many.
func (f *Forwarder) start(client *net.TCPConn) {
	from := addressOf(client.RemoteAddr())
	f.mu.Lock()
	refusal, taken := f.clients.take(from.Addr(), time.Now())
	var leaves *connection
	if taken {
		var full error
		if leaves, full = f.makeRoom(from.Addr()); full != nil {
			f.clients.release(from.Addr())
			refusal, taken = f.clients.tell(full, time.Now()), false
		}
	}
	if !taken {
		f.mu.Unlock()
		reset(client)
		if refusal != nil {
			f.log(Event{Kind: Refused, From: from, Err: refusal})
		}
		return
	}
	c := &connection{Forwarder: f, number: f.numbers.Add(1), from: clientOf(from.Addr()), client: client, began: time.Now()}
	f.open[c] = struct{}{}
	f.running.Add(1)
	aborted := f.ending.Err() != nil
	f.mu.Unlock()
	if leaves != nil {
		leaves.cut(ErrRoom)
	}
	if aborted {
		c.cut(ErrAborted)
	}
	go func() {
		defer f.running.Done()
		c.carry()
		f.mu.Lock()
		delete(f.open, c)
		if c.leaves {
			f.leaving--
		}
		f.clients.release(from.Addr())
		f.mu.Unlock()
	}()
}

// Shut takes no more connections and lets those go on that run; Serve returns with
// the last. It returns how many they are. Once shut, it does nothing.
func (f *Forwarder) Shut() int {
	f.listener.Close()
	return f.Running()
}

// Abort takes no more connections and resets those that run. It returns how many
// they were.
func (f *Forwarder) Abort() int {
	f.listener.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.abort()
	for c := range f.open {
		c.cut(ErrAborted)
	}
	return len(f.open)
}

func (f *Forwarder) log(e Event) {
	f.logging.Lock()
	defer f.logging.Unlock()
	e.At = time.Now()
	f.options.Log(e)
}

// plain is an error of package net without the addresses that the caller names
// anyway; with the cause where a caller may look for it.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, unix.ETIMEDOUT) || isTimeout(err) {
		return errNoAnswer
	}
	for _, errno := range []unix.Errno{unix.EADDRINUSE, unix.EACCES, unix.EADDRNOTAVAIL, unix.ECONNREFUSED, unix.ECONNRESET, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EPIPE, unix.EMFILE} {
		if errors.Is(err, errno) {
			return errno
		}
	}
	return err
}

var errNoAnswer = errors.New("no answer in time")

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
