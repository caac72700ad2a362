package iptables

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// TestOverrun gives the listener so little room that the notices of one change
// do not fit: it must say so, and hear what comes after.
func TestOverrun(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	h, err := Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := nfnetlink.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetRoom(1); err != nil {
		t.Fatal(err)
	}
	var many strings.Builder
	many.WriteString("*nat\n")
	for i := range 300 {
		fmt.Fprintf(&many, "-A PREROUTING -p tcp -m tcp --dport %d -j ACCEPT\n", 1+i)
	}
	many.WriteString("COMMIT\n")
	restore := exec.Command("iptables-nft-restore")
	restore.Stdin = strings.NewReader(many.String())
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	variant := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
	notices, ended := make(chan Notice), make(chan struct{})
	go func() {
		h.follow(ctx, l, []rules.Variant{variant}, notices)
		close(ended)
	}()
	for n := range notices {
		if n.Resync {
			break
		}
	}
	if err := l.SetRoom(1 << 20); err != nil { // with none, the next notices are lost as well
		t.Fatal(err)
	}
	if out, err := exec.Command("iptables-nft", "-t", "mangle", "-A", "INPUT").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for n := range notices {
		if slices.Contains(n.Tables, "mangle") {
			break
		}
	}
	cancel()
	<-ended
}
