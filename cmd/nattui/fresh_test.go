package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nattui/model/lab"
)

// TestFreshIsNotStale: what a rule has made at once is not said to be of rules that are no more, on the backend that announces
// changes and on the one that does not, before the rule has been read and after.
func TestFreshIsNotStale(t *testing.T) {
	sequential(t)
	if lab.Isolate(t) {
		return
	}
	t.Setenv("NATTUI_STATE", t.TempDir())
	sh(t, "ip link set lo up")
	for _, program := range []string{"iptables-nft", "iptables-legacy"} {
		sh(t, program+" -t nat -A OUTPUT -p tcp -d 127.0.0.8 --dport 79 -j DNAT --to-destination 127.0.0.1:79")
	}
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("nattui", "flows", "--follow", "--json", "--filter", "proto tcp")
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	before := listenersNow(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }()
	awaitFor(t, "nattui flows does not listen", func() bool { return listenersNow(t) > before })
	port := 80
	for _, program := range []string{"iptables-nft", "iptables-legacy"} {
		for range 3 {
			rule := fmt.Sprintf("%s -t nat -%%s OUTPUT -p tcp -d 127.0.0.9 --dport %d -j DNAT --to-destination %s", program, port, server.Addr())
			sh(t, fmt.Sprintf(rule, "A"))
			conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.9:%d", port))
			if err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 1)
			if _, err = conn.Write(answer); err == nil {
				_, err = io.ReadFull(conn, answer)
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(port%3) * 1100 * time.Millisecond) // before the legacy rules are read again, and after
			if out, err := exec.Command("nattui", "forget", "--filter", "rule stale", "--dry-run").CombinedOutput(); err != nil || bytes.Contains(out, []byte("127.0.0.9")) {
				t.Errorf("forgets what it has just made: %v\n%s", err, out)
			}
			_ = conn.Close()
			port++
		}
	}
	ended := fmt.Sprintf(`"dport":%d`, port-1)
	told := func() string { text, _ := os.ReadFile(path); return string(text) }
	awaitFor(t, "the last is not told of", func() bool { return strings.Contains(told(), ended) && strings.Contains(told(), "TIME_WAIT") })
	for line := range strings.Lines(told()) {
		var l struct {
			Event string
			Orig  struct{ Dst string }
			Rule  struct{ Confidence string }
		}
		if err := json.Unmarshal([]byte(line), &l); err == nil && l.Orig.Dst == "127.0.0.9" && l.Rule.Confidence == "stale" {
			t.Errorf("called stale: %s", line)
		}
	}
}
