package sink

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nattui/model/natlog"
)

func records(from, to int) (list []natlog.Record) {
	for i := from; i <= to; i++ {
		list = append(list, natlog.Record{Kind: natlog.Start, At: 1, Count: uint64(i)})
	}
	return list
}

func quiet(error) {}

// TestSyslogStreamComesBack has a server over TCP go away and come back: what was sent since arrives, whole.
func TestSyslogStreamComesBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	troubles := make(chan error, 9)
	var over atomic.Bool
	s, err := Syslog("tcp://"+address, "", func(err error) { over.Store(err == nil); troubles <- err })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(t.Context(), records(1, 1)); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := frame(t, bufio.NewReader(conn)); !strings.HasSuffix(got, `"open":1}`) {
		t.Errorf("came %q", got)
	}
	// It resets the connection: what the client writes next fails.
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	listener.Close()
	sent := make(chan error, 1)
	go func() {
		for i := 2; i < 100_000; i++ { // until one has failed: the kernel may take some before it hears of the reset
			if err := s.Send(context.Background(), records(i, i)); err != nil || over.Load() {
				sent <- err
				return
			}
		}
		sent <- fmt.Errorf("it never failed")
	}()
	if err := <-troubles; err == nil {
		t.Error("no error was told")
	}
	listener, err = net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if conn, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := frame(t, bufio.NewReader(conn)); !strings.Contains(got, " start - ") {
		t.Errorf("came %q", got)
	}
	if err := <-troubles; err != nil {
		t.Errorf("told %v, want that it works again", err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// frame reads one message with its length before it.
func frame(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	message, err := readFrame(from)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func readFrame(from *bufio.Reader) (string, error) {
	var n int
	if _, err := fmt.Fscanf(from, "%d ", &n); err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(from, b)
	return string(b), err
}

// TestSyslogTLS trusts the authority that it is given, and no other.
func TestSyslogTLS(t *testing.T) {
	certificate, file := selfSigned(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	got := make(chan string, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if message, err := readFrame(bufio.NewReader(conn)); err == nil {
				got <- message
			}
		}
	}()
	s, err := Syslog("tls://"+listener.Addr().String(), file, func(err error) { t.Log(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(t.Context(), records(7, 7)); err != nil {
		t.Fatal(err)
	}
	if message := <-got; !strings.HasSuffix(message, `"open":7}`) {
		t.Errorf("came %q", message)
	}
	ctx, stop := context.WithCancel(t.Context())
	var why error
	strict, err := Syslog("tls://"+listener.Addr().String(), "", func(err error) { why = err; stop() })
	if err != nil {
		t.Fatal(err)
	}
	if err := strict.Send(ctx, records(8, 8)); err == nil || why == nil || !strings.Contains(why.Error(), "certificate") {
		t.Errorf("a server that nobody vouches for: %v, told %v", err, why)
	}
}

func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// TestDatagramsToNobody: over UDP nobody answers for what arrives, but that nobody is there is told by ICMP, counted, and
// written where it happened once somebody is.
func TestDatagramsToNobody(t *testing.T) {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	free.Close()
	troubles := make(chan error, 9)
	s, err := Syslog("udp://"+address, "", func(err error) { troubles <- err })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sent := make(chan error, 1)
	go func() { sent <- s.Send(context.Background(), records(1, 3)) }()
	if err := <-troubles; err == nil {
		t.Error("no error was told")
	}
	server, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	room := make([]byte, 2000)
	count, lost := 0, 0
	for count < 3 {
		n, _, err := server.ReadFrom(room)
		if err != nil {
			t.Fatal(err)
		}
		_, object, _ := strings.Cut(string(room[:n]), " - ")
		if strings.Contains(object, `"where":"collector"`) {
			var c int
			_, after, _ := strings.Cut(object, `"count":`)
			_, _ = fmt.Sscanf(after, "%d", &c)
			count, lost = count+c, lost+c
			continue
		}
		count++
	}
	if err := <-sent; err != nil || lost == 0 {
		t.Errorf("%v; %d were counted as lost", err, lost)
	}
}

// TestNobodyIsToldOnce: while nobody takes datagrams, nothing is said but once, however long it is tried.
func TestNobodyIsToldOnce(t *testing.T) {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	free.Close()
	for name, open := range map[string]func(Trouble) (Sink, error){
		"syslog": func(told Trouble) (Sink, error) { return Syslog("udp://"+address, "", told) },
		"IPFIX":  func(told Trouble) (Sink, error) { return IPFIX("udp://"+address, 1, time.Minute, told) },
	} {
		var troubles []error
		tries := 0
		ctx, cancel := context.WithCancel(t.Context())
		s, err := open(func(err error) {
			if troubles = append(troubles, err); len(troubles) > 1 {
				cancel()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		var c *connection
		switch of := s.(type) {
		case *syslogServer:
			c = &of.connection
		case *collector:
			c = &of.connection
		}
		s.(interface{ Begin(ctx context.Context) }).Begin(ctx)
		for ; tries < 4 && ctx.Err() == nil; tries++ {
			limit, stop := context.WithTimeout(ctx, 2*answerTime)
			_ = s.Send(limit, records(1, 3))
			stop()
		}
		if len(troubles) != 1 || troubles[0] == nil || !c.failing {
			t.Errorf("%s: told %v", name, troubles)
		}
		cancel()
		s.Close()
	}
}

// TestFile adds whole lines to a file, to another one once it was rotated, and waits where there is no room.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nat.json")
	f, err := OpenFile(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for i, rotate := range []bool{true, false} {
		if err := f.Send(t.Context(), records(2*i, 2*i+1)); err != nil {
			t.Fatal(err)
		}
		if rotate {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			if err := f.Reopen(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{path + ".1": "open\":1}\n", path: "open\":3}\n"} {
		text, err := os.ReadFile(name)
		if err != nil || strings.Count(string(text), "\n") != 2 || !strings.HasSuffix(string(text), want) {
			t.Errorf("%s has %q, %v", name, text, err)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s can be read by everybody: %v %v", name, info.Mode(), err)
		}
	}
	if _, err := OpenFile(filepath.Join(path, "no"), quiet); err == nil {
		t.Error("a file beneath a file was opened")
	}
}

// fullDisk takes some bytes and then none until there is room.
type fullDisk struct {
	text strings.Builder
	left int
}

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.left)
	d.text.Write(b[:n])
	if d.left -= n; n < len(b) {
		return n, fmt.Errorf("write: no space left on device")
	}
	return n, nil
}

// TestFullDisk: a line that fits in part alone is completed when there is room again.
func TestFullDisk(t *testing.T) {
	disk := &fullDisk{left: 70}
	var told []error
	s := Stream(disk, func(err error) {
		told = append(told, err)
		disk.left = 10_000
	})
	if err := s.Send(t.Context(), records(1, 4)); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(disk.text.String(), "\n"); len(lines) != 5 || len(told) != 2 || told[0] == nil || told[1] != nil || strings.Count(disk.text.String(), `"event"`) != 4 {
		t.Errorf("told %v and wrote\n%s", told, disk.text.String())
	}
}

// TestEndpoints reads where to send.
func TestEndpoints(t *testing.T) {
	for _, where := range []string{"", "udp://", "http://x", "udp://x/path", "tls://u@h", "unix://dev/log", "udp:514", "logs.example.net", "udp://192.0.2.1:99999", "tcp://192.0.2.1:0"} {
		if _, err := Syslog(where, "", quiet); err == nil {
			t.Errorf("%q is taken", where)
		}
	}
	for where, want := range map[string]string{
		"udp://192.0.2.1": "udp 192.0.2.1:514", "tcp://logs": "tcp logs:601", "tls://[2001:db8::1]": "tcp [2001:db8::1]:6514",
		"udp://logs:99": "udp logs:99", "unix:///dev/log": "unixgram /dev/log",
	} {
		s, err := Syslog(where, "", quiet)
		if err != nil {
			t.Errorf("%q: %v", where, err)
			continue
		}
		if c := &s.(*syslogServer).connection; c.network+" "+c.address != want {
			t.Errorf("%q is %s %s, want %s", where, c.network, c.address, want)
		}
	}
}
