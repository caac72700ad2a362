package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"nattui/model/lab"
)

// relayStream takes the messages of one connection over TCP apart by their lengths, and hands each to a collector that
// takes datagrams alone, as nfcapd does.
func relayStream(t *testing.T, from net.Listener, to string) (relayed <-chan error) {
	t.Helper()
	out, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		defer out.Close()
		in, err := from.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer in.Close()
		for message := make([]byte, 1<<16); ; {
			if _, err = io.ReadFull(in, message[:4]); err != nil {
				break
			}
			length := binary.BigEndian.Uint16(message[2:])
			if binary.BigEndian.Uint16(message) != 10 || length < 20 {
				err = fmt.Errorf("a message begins with % x", message[:4])
				break
			}
			if _, err = io.ReadFull(in, message[4:length]); err != nil {
				break
			}
			if _, err = out.Write(message[:length]); err != nil {
				break
			}
		}
		if errors.Is(err, io.EOF) { // between two messages
			err = nil
		}
		ended <- err
	}()
	return ended
}

// TestLogToACollectorOfFlows has nfcapd and nfdump read what is sent, over UDP and TCP.
func TestLogToACollectorOfFlows(t *testing.T) {
	sequential(t)
	lab.Program(t, "nfcapd")
	lab.Program(t, "nfdump")
	if lab.Isolate(t) {
		return
	}
	translating(t)
	t.Run("udp", func(t *testing.T) { collectFlows(t, "udp://127.0.0.1", nil) })
	t.Run("tcp", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		collectFlows(t, "tcp://"+listener.Addr().String(), listener)
	})
}

// collectFlows has the real collector count what a log sends; over TCP by way of a listener.
func collectFlows(t *testing.T, where string, listener net.Listener) {
	dir := t.TempDir()
	collector := startDaemon(t, "nfcapd", "-w", dir, "-b", "127.0.0.1", "-p", "4739", "-t", "3600")
	awaitFor(t, "nfcapd does not listen", func() bool {
		text, _ := os.ReadFile("/proc/thread-self/net/udp")
		return bytes.Contains(text, []byte(":1283 ")) // 4739
	})
	var relayed <-chan error
	if listener != nil {
		relayed = relayStream(t, listener, "127.0.0.1:4739")
	}
	l := startLog(t, "--ipfix", where, "--domain", "7")
	beginAndEnd(t)
	awaitFor(t, "the connections are still there", func() bool {
		out, _ := exec.Command("sh", "-c", "conntrack -L 2>/dev/null; conntrack -f ipv6 -L 2>/dev/null").Output()
		return !bytes.Contains(out, []byte("dport=530")) // what goes to the collector is a connection as well
	})
	_ = l.stop(t) // everything is sent by then
	if relayed != nil {
		if err := <-relayed; err != nil {
			t.Errorf("the stream: %v", err)
		}
	}
	_ = collector.Process.Signal(syscall.SIGTERM)
	_ = collector.Wait()
	files, _ := filepath.Glob(filepath.Join(dir, "nfcapd.*"))
	var all bytes.Buffer
	for _, file := range files {
		out, err := exec.Command("nfdump", "-r", file, "-o", "raw").Output()
		if err != nil {
			t.Fatal(err)
		}
		all.Write(out)
	}
	text := regexp.MustCompile(`[ \t]+`).ReplaceAllString(all.String(), " ")
	for want, n := range map[string]int{
		"Flow Record:": 6, "proto = 17 UDP": 6, "dst xlt port = 5391": 4, "src xlt ip = 127.0.0.9": 2,
		"nat event = 4:": 2, "nat event = 5:": 2, "nat event = 1:": 1, "nat event = 2:": 1,
	} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%q is there %d times, want %d", want, got, n)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
