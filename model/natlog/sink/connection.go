package sink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"nattui/model/natlog"
)

// connection is a socket that is connected again when the other end has gone.
type connection struct {
	persistent
	underWay
	network, address string
	tls              *tls.Config // nil: none
	conn             net.Conn
	fresh            bool // nothing was sent since it was connected
	refused          int  // datagrams that found nobody, and what a broken stream had not acknowledged, which is not told yet
}

// Begin connects once, so that an end that is not there is told at once. It blocks for as long as connecting may take.
func (c *connection) Begin(ctx context.Context) {
	if err := c.connect(ctx); err != nil && ctx.Err() == nil {
		c.failing = true
		c.trouble(err)
	}
}

// patience is how long connecting, and one message on a stream, may take before that is told; it is then tried on.
const patience = 10 * time.Second

// connect connects unless that is so.
func (c *connection) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, c.network, c.address)
	if err != nil {
		return err
	}
	if c.stream() {
		c.wire = &wire{Conn: conn}
		conn = c.wire
	}
	if c.tls != nil {
		secured := tls.Client(conn, c.tls)
		greeting, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := secured.HandshakeContext(greeting); err != nil {
			conn.Close()
			return fmt.Errorf("%s: %w", c.address, err)
		}
		conn = secured
	}
	c.conn, c.fresh = conn, true
	return nil
}

// stream tells whether the other end takes a stream, of which a message that is written in part has spoilt the rest.
func (c *connection) stream() bool { return c.network == "tcp" || c.network == "unix" }

// write writes one message. After an error on a stream it is connected again: the message goes to a new connection, whole.
func (c *connection) write(ctx context.Context, message []byte) error {
	defer context.AfterFunc(ctx, func() {
		if conn := c.conn; conn != nil {
			_ = conn.SetWriteDeadline(time.Now())
		}
	})()
	_, err := c.conn.Write(message)
	switch {
	case err == nil && !c.stream() && c.failing && c.unheard():
		return syscall.ECONNREFUSED // this one: it is sent again
	case err == nil:
		c.fresh = false
	case c.stream() || !errors.Is(err, syscall.ECONNREFUSED):
		if c.wire != nil {
			c.acked = acknowledged(c.wire.Conn)
		}
		c.drop()
	case !c.failing:
		c.refused++ // the message before this one
	}
	return err
}

// answerTime is how long after a datagram the word may come that nobody was there to take it.
const answerTime = 200 * time.Millisecond

// unheard waits for the word that nobody took the last datagram (ICMP port unreachable). Without it somebody may have.
func (c *connection) unheard() bool {
	_ = c.conn.SetReadDeadline(time.Now().Add(answerTime))
	_, err := c.conn.Read(make([]byte, 1))
	return errors.Is(err, syscall.ECONNREFUSED)
}

// gap is the record of what found nobody, or was not acknowledged, once somebody is there; false where there is none.
func (c *connection) gap() (natlog.Record, bool) {
	count := c.refused
	c.refused = 0
	return lost(count), count > 0
}

func (c *connection) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.conn, c.wire = nil, nil
	}
}

// Close ends the connection.
func (c *connection) Close() error {
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// lost is the record of messages that went to a collector that answered that nobody was there.
func lost(count int) natlog.Record {
	return natlog.Record{Kind: natlog.Lost, At: time.Now().UnixNano(), Count: uint64(count), Where: natlog.OnTheWay}
}

// endpoint reads where to send: udp://HOST:PORT, tcp://, tls:// or unix:///PATH.
func endpoint(where, port string, schemes ...string) (network, address string, secure bool, err error) {
	u, err := url.Parse(where)
	if err != nil {
		return "", "", false, err
	}
	known := false
	for _, s := range schemes {
		known = known || s == u.Scheme
	}
	switch {
	case !known, u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", "", false, fmt.Errorf("%q: use one of %v, as in %s://192.0.2.1:%s", where, schemes, schemes[0], port)
	case u.Scheme == "unix":
		if u.Path == "" || u.Host != "" {
			return "", "", false, fmt.Errorf("%q: use unix:///PATH, such as unix:///dev/log", where)
		}
		return "unixgram", u.Path, false, nil
	case u.Hostname() == "" || u.Path != "" && u.Path != "/":
		return "", "", false, fmt.Errorf("%q: use %s://HOST:PORT", where, u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", false, fmt.Errorf("%q: a port is a number from 1 to 65535", where)
	}
	if u.Scheme == "tls" {
		return "tcp", net.JoinHostPort(u.Hostname(), port), true, nil
	}
	return u.Scheme, net.JoinHostPort(u.Hostname(), port), false, nil
}

// trusting is TLS for a server whose certificate one of these authorities has signed; those of the system where no file is
// named.
func trusting(address, authorities string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if authorities == "" {
		return config, nil
	}
	text, err := os.ReadFile(authorities)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate (PEM)", authorities)
	}
	return config, nil
}
