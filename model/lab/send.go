package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/mission"
	"nattui/rules"
)

// sendTimeout is how long Send waits for an answer: the machines share a kernel.
const sendTimeout = 3 * time.Second

// Send sends a request from a machine of the lab and tells what came back. It blocks until then, at most
// some three seconds.
func (n *Network) Send(ctx context.Context, r mission.Request) mission.Reply {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	reply := mission.Reply{Request: r}
	node, err := n.named(r.From)
	if err != nil {
		reply.Why = err.Error()
		return reply
	}
	began := time.Now()
	switch r.Proto {
	case rules.ICMP, rules.ICMPv6:
		err = node.ping(ctx, &reply)
	case rules.TCP, rules.UDP:
		err = node.inquire(ctx, &reply)
	default:
		err = fmt.Errorf("%s cannot be sent from here: only tcp, udp and ping", r.Proto)
	}
	reply.Took = time.Since(began)
	if err != nil {
		reply.Outcome, reply.Why = outcomeOf(err, r)
	}
	return reply
}

func (n *Node) ping(ctx context.Context, reply *mission.Reply) error {
	from, err := n.Ping(ctx, reply.To.Addr())
	if err != nil {
		return err
	}
	reply.Outcome, reply.At = mission.Answered, netip.AddrPortFrom(from, 0)
	return nil
}

// inquire asks the service that a request is for.
func (n *Node) inquire(ctx context.Context, reply *mission.Reply) error {
	network := reply.Proto.String()
	conn, err := n.dialPatiently(ctx, network, reply.Source, reply.To)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	reply.Own = addrPort(conn.LocalAddr())
	text, err := question(conn, network, "/")
	if err != nil {
		if network == "tcp" {
			err = connectedError{err}
		}
		return err
	}
	reply.Outcome = mission.Answered
	if answer, err := parseAnswer(text); err == nil {
		reply.Server, reply.At, reply.Peer = answer.Server, answer.At, answer.Peer
	} else {
		reply.Said = strings.TrimSpace(text)
	}
	return nil
}

// connectedError is what went wrong once a connection was there.
type connectedError struct{ error }

func (e connectedError) Unwrap() error { return e.error }

// dialPatiently is Dial that waits for a source port which something of this lab uses for a moment.
func (n *Node) dialPatiently(ctx context.Context, network string, from, to netip.AddrPort) (net.Conn, error) {
	for {
		conn, err := n.Dial(ctx, network, from, to)
		if !errors.Is(err, unix.EADDRINUSE) || !from.IsValid() {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// outcomeOf says what an error means for whoever sent the request.
func outcomeOf(err error, r mission.Request) (mission.Outcome, string) {
	connected := errors.As(err, new(connectedError))
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		if r.Proto == rules.UDP {
			return mission.Refused, "nothing listens on UDP port " + fmt.Sprint(r.To.Port()) + " there, or a rule rejects it"
		}
		return mission.Refused, "nothing listens there, or a rule rejects it"
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		return mission.Unreachable, "there is no way to " + r.To.Addr().String() + " from " + r.From
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return mission.Failed, "a rule on " + r.From + " forbids it"
	case connected && errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
		return mission.Refused, "the connection was closed before an answer"
	case connected:
		return mission.Silent, "the connection is there, but nobody answered on it"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, net.ErrClosed):
		return mission.Silent, fmt.Sprintf("nothing came back within %v", sendTimeout)
	}
	return mission.Failed, err.Error()
}
