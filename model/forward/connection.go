package forward

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// connection is a client's connection and the one to the target that serves it.
type connection struct {
	*Forwarder
	number uint64
	from   netip.Addr // whose it is
	leaves bool       // it makes room for another one; under the lock of the forwarder
	client *net.TCPConn
	began  time.Time

	mu     sync.Mutex
	target *net.TCPConn // nil while there is none
	isCut  bool
	cause  error // why it was cut

	traffic traffic // as last looked at, by endIdle alone
}

// carry connects to the target and carries bytes both ways until both sides have
// said all, or one of them is gone.
func (c *connection) carry() {
	e := Event{Number: c.number, From: addressOf(c.client.RemoteAddr()), To: c.options.Target}
	if err := c.dial(); err != nil {
		reset(c.client)
		e.Kind, e.Err = Failed, err
		c.log(e)
		return
	}
	e.Kind, e.As, e.Took = Opened, addressOf(c.target.LocalAddr()), time.Since(c.began)
	c.log(e)

	there := make(chan flowEnd, 1)
	go func() { there <- c.flow(c.target, c.client, Request) }()
	back := c.flow(c.client, c.target, Reply)
	forth := <-there
	c.client.Close()
	c.target.Close()

	e.Kind, e.Sent, e.Received, e.Took = Closed, forth.bytes, back.bytes, time.Since(c.began)
	e.Err = errors.Join(forth.err, back.err)
	if forth.err != nil && back.err != nil { // one broke, and took the other along
		e.Err = forth.err
		if errors.Is(forth.err, net.ErrClosed) {
			e.Err = back.err
		}
	}
	if errors.Is(e.Err, net.ErrClosed) {
		c.mu.Lock()
		e.Err = c.cause
		c.mu.Unlock()
	}
	c.log(e)
}

func (c *connection) dial() error {
	dialer := net.Dialer{Timeout: c.options.DialTimeout}
	conn, err := dialer.DialContext(c.ending, "tcp", c.options.Target)
	switch {
	case err != nil && c.ending.Err() != nil:
		return ErrAborted
	case err != nil:
		return plain(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target = conn.(*net.TCPConn)
	if c.isCut {
		reset(c.target)
		return ErrAborted
	}
	return nil
}

// cut resets both sides. Only the first cause counts.
func (c *connection) cut(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isCut {
		c.isCut, c.cause = true, why
	}
	reset(c.client)
	if c.target != nil {
		reset(c.target)
	}
}

// flowEnd is how one direction ended.
type flowEnd struct {
	bytes int64
	err   error
}

// flow carries one direction. The end of it is passed on and leaves the other
// direction alone; an error ends both, since nobody can go on talking to a side
// that is gone.
func (c *connection) flow(to, from *net.TCPConn, d Direction) flowEnd {
	var n int64
	var err error
	if c.options.Dump {
		n, err = io.Copy(to, tap{from, c, d})
	} else {
		n, err = passOn(to, from)
	}
	if err == nil {
		err = to.CloseWrite()
		if errors.Is(err, unix.ENOTCONN) {
			err = nil // it has closed already, which is all that was to be said
		}
	}
	if err != nil {
		err = broken(err, d)
		c.cut(err)
		return flowEnd{n, err}
	}
	c.log(Event{Kind: HalfClosed, Number: c.number, Direction: d})
	return flowEnd{n, nil}
}

// broken says why a direction ended; net.ErrClosed is the other one's doing.
func broken(err error, d Direction) error {
	if errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	return &brokenError{d, plain(err)}
}

// brokenError tells which way the bytes went that found nobody.
type brokenError struct {
	way Direction
	err error
}

func (e *brokenError) Error() string { return e.err.Error() + " (" + e.way.String() + ")" }
func (e *brokenError) Unwrap() error { return e.err }

// reset closes a connection so that the other side sees it was no regular end.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	c.Close()
}

// tap shows what passes. It is not a TCP connection, and therefore io.Copy takes
// the bytes through this process.
type tap struct {
	io.Reader
	of        *connection
	direction Direction
}

func (t tap) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	if n > 0 {
		t.of.log(Event{Kind: Data, Number: t.of.number, Direction: t.direction, Data: b[:n]})
	}
	return n, err
}

func addressOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := tcp.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
