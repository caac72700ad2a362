package main

import (
	"bytes"
	"net"
	"os/exec"
	"testing"

	"nattui/model/lab"
)

// TestForgetKeepsWhatARuleMayNotHaveMade: a rule whose counters were cleared since, or that was added again, has matched fewer
// packets than it would have made connections: these may be another's, and are kept.
func TestForgetKeepsWhatARuleMayNotHaveMade(t *testing.T) {
	sequential(t)
	if lab.Isolate(t) {
		return
	}
	t.Setenv("NATTUI_STATE", t.TempDir())
	sh(t, "ip link set lo up")
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	sh(t, "iptables -t nat -A OUTPUT -p tcp -d 127.0.0.9 --dport 80 -j DNAT --to-destination "+server.Addr().String())
	connect := func() {
		conn, err := net.Dial("tcp4", "127.0.0.9:80")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	connect()
	connect()
	forget := func(say string) {
		t.Helper()
		out, err := exec.Command("nattui", "forget", "--filter", "rule OUTPUT/1", "--dry-run").CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte(say)) {
			t.Errorf("%v, and not %q:\n%s", err, say, out)
		}
	}
	forget("to 127.0.0.9:80")
	sh(t, "iptables -t nat -Z OUTPUT")
	connect()
	forget("3 connections also match and are kept: which rule made them is not known")
}
