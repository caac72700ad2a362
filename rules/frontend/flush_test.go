package frontend

import (
	"context"
	"os/exec"
	"testing"

	"nattui/model/lab"
)

func TestMain(m *testing.M) {
	lab.Main()
	m.Run()
}

// TestNFTFlushes hears that tables of others have gone at once, and takes the deletion of the own table alone, or of rules, for
// what somebody wants.
func TestNFTFlushes(t *testing.T) {
	lab.Program(t, "nft")
	if lab.Isolate(t) {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	flushes, err := nftFlushes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	nft := func(script string) {
		t.Helper()
		if out, err := exec.Command("nft", script).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	const own, other = "add table inet nattui; ", "add table inet filter; add chain inet filter input { type filter hook input priority 0; }; "
	nft(own + other)
	nft("flush table inet filter")
	nft("delete table inet nattui")
	nft(own)
	nft("flush ruleset; " + other)
	<-flushes
	nft(own)
	nft("delete table inet nattui")
	cancel()
	if _, ok := <-flushes; ok {
		t.Error("another flush was told than the one")
	}
}
