package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Answer is what a service of the lab says to whoever asks: who it is and whom
// it saw. The difference to what the client asked for is the translation.
type Answer struct {
	// Server is the name of the node that answered.
	Server string
	// At is the address and port that the service was reached at.
	At netip.AddrPort
	// Peer is the address and port that the question came from, as the
	// service saw it.
	Peer netip.AddrPort
	// From and To are the question's ends as the client knows them.
	From, To netip.AddrPort
}

func answerText(server string, at, peer net.Addr) string {
	return fmt.Sprintf("%s %s saw %s\n", server, at, peer)
}

func parseAnswer(text string) (Answer, error) {
	var a Answer
	words := strings.Fields(text)
	if len(words) != 4 || words[2] != "saw" {
		return a, fmt.Errorf("answer %q is not of the form: NAME ADDRESS saw PEER", text)
	}
	var errAt, errPeer error
	a.Server = words[0]
	a.At, errAt = netip.ParseAddrPort(words[1])
	a.Peer, errPeer = netip.ParseAddrPort(words[3])
	return a, errors.Join(errAt, errPeer)
}

// streamPath asks the TCP service to go on answering, a line a second, until
// the client has enough.
const streamPath = "/stream"

// Serve starts a service on the node that answers every question with an
// Answer, until ctx is done. Network tcp speaks HTTP, so that curl may
// ask too; udp answers every datagram with one. The service listens when Serve
// returns, at the returned address.
func (n *Node) Serve(ctx context.Context, network string, address netip.AddrPort) (netip.AddrPort, error) {
	switch network {
	case "tcp":
		listener, err := n.Listen(ctx, address)
		if err != nil {
			return netip.AddrPort{}, err
		}
		go n.serveHTTP(ctx, listener)
		return addrPort(listener.Addr()), nil
	case "udp":
		conn, err := n.ListenUDP(ctx, address)
		if err != nil {
			return netip.AddrPort{}, err
		}
		go n.serveUDP(ctx, conn)
		return addrPort(conn.LocalAddr()), nil
	}
	return netip.AddrPort{}, fmt.Errorf("serve on network %q: want tcp or udp", network)
}

func (n *Node) serveHTTP(ctx context.Context, listener *net.TCPListener) {
	defer listener.Close()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		conn, err := listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a client that went away while it waited
		}
		go n.answerHTTP(ctx, conn)
	}
}

// answerHTTP speaks as much of HTTP as curl needs. Package net/http would be
// the largest part of the program.
func (n *Node) answerHTTP(ctx context.Context, conn *net.TCPConn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if conn.SetDeadline(time.Now().Add(answerTimeout)) != nil {
		return
	}
	path, err := readRequest(bufio.NewReader(io.LimitReader(conn, 8192)))
	if err != nil {
		return
	}
	answer := answerText(n.Name, conn.LocalAddr(), conn.RemoteAddr())
	_, err = fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\nServer: %s\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n%s", n.Name, answer)
	if err != nil || path != streamPath || conn.SetDeadline(time.Time{}) != nil {
		return
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for err == nil {
		select {
		case <-second.C:
			_, err = io.WriteString(conn, answer)
		case <-ctx.Done():
			return
		}
	}
}

// readRequest reads the head of an HTTP request and returns its path.
func readRequest(r *bufio.Reader) (path string, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	words := strings.Fields(line)
	if len(words) != 3 {
		return "", fmt.Errorf("request line %q is not of the form: METHOD PATH VERSION", line)
	}
	return words[1], skipHead(r)
}

// skipHead reads to the empty line that ends the head of a message.
func skipHead(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) == "" {
			return nil
		}
	}
}

func (n *Node) serveUDP(ctx context.Context, conn *net.UDPConn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	buffer := make([]byte, 1500)
	for {
		_, peer, err := conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about an earlier answer
		}
		peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
		_, _ = conn.WriteToUDPAddrPort([]byte(answerText(n.Name, conn.LocalAddr(), net.UDPAddrFromAddrPort(peer))), peer)
	}
}

// Ask puts one question to a service of the lab and returns its answer.
// Network is tcp or udp. It gives up after a few seconds: between nodes that
// share a kernel, an answer that takes longer is not coming.
func (n *Node) Ask(ctx context.Context, network string, to netip.AddrPort) (Answer, error) {
	return n.AskFrom(ctx, network, netip.AddrPort{}, to)
}

// AskFrom is Ask with a fixed source address or port.
func (n *Node) AskFrom(ctx context.Context, network string, from, to netip.AddrPort) (Answer, error) {
	conn, err := n.Dial(ctx, network, from, to)
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return Answer{}, err
	}
	text, err := question(conn, network, "/")
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s from %s: %w", to, n.Name, err)
	}
	answer, err := parseAnswer(text)
	answer.From, answer.To = addrPort(conn.LocalAddr()), to
	return answer, err
}

// question sends one question and returns the first line of the answer.
func question(conn net.Conn, network, path string) (string, error) {
	if network == "udp" {
		if _, err := io.WriteString(conn, "who are you?\n"); err != nil {
			return "", err
		}
		return bufio.NewReader(conn).ReadString('\n')
	}
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: nattui-lab\r\n\r\n", path, conn.RemoteAddr())
	if err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	if err := skipHead(r); err != nil {
		return "", err
	}
	return r.ReadString('\n')
}

// stream opens a connection that stays, reads what comes, and returns when ctx
// is done or the connection breaks.
func (n *Node) stream(ctx context.Context, to netip.AddrPort) error {
	conn, err := n.Dial(ctx, "tcp", netip.AddrPort{}, to)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := question(conn, "tcp", streamPath); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return unmapped(a.AddrPort())
	case *net.UDPAddr:
		return unmapped(a.AddrPort())
	}
	return netip.AddrPort{}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
