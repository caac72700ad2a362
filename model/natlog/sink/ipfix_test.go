package sink

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"nattui/model/flow"
	"nattui/model/lab"
	"nattui/model/natlog"
	"nattui/rules"
)

// reading is one connection of a collector over TCP (RFC 7011, 10.4): messages one after another, each as long as it says,
// templates before what they tell of, and numbers that count data records from 0.
type reading struct {
	from      *bufio.Reader
	lengths   map[uint16]int
	sequence  uint32
	events    int
	lost      uint64
	templates int
}

func readingOf(conn net.Conn) *reading {
	return &reading{from: bufio.NewReader(conn), lengths: map[uint16]int{}}
}

// message reads one message.
func (r *reading) message() error {
	header := make([]byte, 16)
	if _, err := io.ReadFull(r.from, header); err != nil {
		return err
	}
	version, length, sequence := binary.BigEndian.Uint16(header), int(binary.BigEndian.Uint16(header[2:])), binary.BigEndian.Uint32(header[8:])
	if version != 10 || length < 20 || sequence != r.sequence || binary.BigEndian.Uint32(header[12:]) != 7 {
		return fmt.Errorf("after %d records a message begins with % x", r.sequence, header)
	}
	body := make([]byte, length-len(header))
	if _, err := io.ReadFull(r.from, body); err != nil {
		return fmt.Errorf("a message is cut: %w", err)
	}
	set, size := binary.BigEndian.Uint16(body), int(binary.BigEndian.Uint16(body[2:]))
	if size != len(body) {
		return fmt.Errorf("a set of %d bytes in a body of %d", size, len(body))
	}
	if set < 256 {
		return r.template(body[4:], set == 3)
	}
	if r.lengths[set] == 0 || (size-4)%r.lengths[set] != 0 {
		return fmt.Errorf("%d bytes of template %d, which has %d", size-4, set, r.lengths[set])
	}
	records := (size - 4) / r.lengths[set]
	r.sequence += uint32(records)
	if r.lengths[set] == 20 { // scope, time, count: what was not sent
		r.lost = binary.BigEndian.Uint64(body[size-8:])
	} else {
		r.events += records
	}
	return nil
}

func (r *reading) template(b []byte, options bool) error {
	for r.templates++; len(b) >= 4; {
		id, fields := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if b = b[4:]; options {
			b = b[2:]
		}
		if len(b) < 4*fields {
			return errors.New("a template is cut")
		}
		for ; fields > 0; fields, b = fields-1, b[4:] {
			r.lengths[id] += int(binary.BigEndian.Uint16(b[2:]))
		}
	}
	return nil
}

// until reads messages until it has so many events.
func (r *reading) until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for !reached() {
		if err := r.message(); err != nil {
			t.Fatalf("%s: %v, after %d events and %d lost", what, err, r.events, r.lost)
		}
	}
	if r.templates != 2 {
		t.Errorf("%s: %d messages with templates on this connection, want 2", what, r.templates)
	}
}

// translations are connections that begin, and every third ends; each fifth is one of IPv6.
func translations(from, to int) (list []natlog.Record) {
	for i := from; i <= to; i++ {
		client, server, seen := netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("203.0.113.1")
		if i%5 == 0 {
			client, server, seen = netip.MustParseAddr("fd00::7"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
		}
		port := uint16(1024 + i)
		r := natlog.Record{Kind: natlog.Begin, At: time.Now().UnixNano(), Flow: flow.Flow{
			Orig:  rules.MakeTuple(rules.UDP, netip.AddrPortFrom(client, port), netip.AddrPortFrom(server, 53)),
			Reply: rules.MakeTuple(rules.UDP, netip.AddrPortFrom(server, 53), netip.AddrPortFrom(seen, port)),
		}}
		if i%3 == 0 {
			r.Kind = natlog.End
			r.Flow.SetCounts(1, 60, 1, 90)
		}
		list = append(list, r)
	}
	return list
}

// TestIPFIXStreamComesBack: a collector over TCP gets whole messages, and the templates first. It goes while events are on
// their way, and comes back: it gets the templates again, what was sent meanwhile, and how many events were lost on the way.
func TestIPFIXStreamComesBack(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	const address = "127.0.0.1:4739"
	shell := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	shell("ip", "link", "set", "lo", "up")
	listen := func() net.Listener {
		t.Helper()
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	accept := func(l net.Listener) *net.TCPConn {
		t.Helper()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return conn.(*net.TCPConn)
	}
	listener := listen()
	troubles := make(chan error, 9)
	s, err := IPFIX("tcp://"+address, 7, time.Minute, func(err error) { troubles <- err })
	if err != nil {
		t.Fatal(err)
	}
	send := func(from, to int) {
		t.Helper()
		if err := s.Send(t.Context(), translations(from, to)); err != nil {
			t.Fatal(err)
		}
	}
	send(1, 1000)
	conn := accept(listener)
	first := readingOf(conn)
	first.until(t, "at first", func() bool { return first.events == 1000 })

	// What is sent now does not get there; then the collector resets the connection.
	drop := []string{"INPUT", "-p", "tcp", "--dport", "4739", "-j", "DROP"}
	shell(append([]string{"iptables", "-A"}, drop...)...)
	send(1001, 1040)
	_ = conn.SetLinger(0)
	conn.Close()
	listener.Close()
	shell(append([]string{"iptables", "-D"}, drop...)...)
	sent := make(chan error, 1)
	go func() { sent <- s.Send(context.Background(), translations(1041, 1060)) }()
	if err := <-troubles; err == nil {
		t.Error("no error was told")
	}

	listener = listen()
	defer listener.Close()
	conn = accept(listener)
	defer conn.Close()
	second := readingOf(conn)
	second.until(t, "again", func() bool { return second.events >= 20 && second.lost > 0 })
	if err := <-sent; err != nil || second.events != 20 || second.lost != 40 {
		t.Errorf("%v; %d events came, and %d were told to be lost; want 20 and 40", err, second.events, second.lost)
	}
	if err := <-troubles; err != nil {
		t.Errorf("the end of the trouble was told as %v", err)
	}
	s.Close()
	if err := second.message(); !errors.Is(err, io.EOF) {
		t.Errorf("it ends with %v", err)
	}
}

// TestIPFIXDatagramsToNobody: a datagram that nobody took is counted by the events that it told, and that is sent once
// somebody is there.
func TestIPFIXDatagramsToNobody(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := server.LocalAddr().String()
	troubles := make(chan error, 9)
	s, err := IPFIX("udp://"+address, 7, time.Minute, func(err error) { troubles <- err })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	events, lost, room := 0, uint64(0), make([]byte, 2000)
	read := func() {
		t.Helper()
		n, _, err := server.ReadFrom(room)
		if err != nil {
			t.Fatal(err)
		}
		switch set, body := binary.BigEndian.Uint16(room[16:]), room[20:n]; set {
		case 256:
			events += len(body) / 34
		case 260:
			lost = binary.BigEndian.Uint64(body[12:])
		}
	}
	if err := s.Send(t.Context(), translations(1, 2)); err != nil {
		t.Fatal(err)
	}
	for events < 2 {
		read()
	}
	server.Close()
	if err := s.Send(t.Context(), translations(1, 2)); err != nil { // one datagram, to nobody
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- s.Send(context.Background(), translations(4, 4)) }()
	if err := <-troubles; err == nil {
		t.Error("no error was told")
	}
	if server, err = net.ListenPacket("udp", address); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for events < 3 || lost == 0 {
		read()
	}
	if err := <-sent; err != nil || events != 3 || lost != 2 {
		t.Errorf("%v; %d events came, and %d were told to be lost; want 3 and 2", err, events, lost)
	}
}
