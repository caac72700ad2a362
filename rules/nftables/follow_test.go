package nftables

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules/nft"
)

// TestFollow makes a rule, has it count a packet, adds an element and deletes the table: each is told, what changed by whom,
// and counters by themselves.
func TestFollow(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	program := lab.Program(t, "nft")
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("nft %q: %v: %s", args, err, out)
		}
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	snapshots, err := (&Reader{Listed: true}).Follow(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	// until is the first snapshot that fits.
	until := func(what string, fits func(Snapshot) bool) Snapshot {
		t.Helper()
		for s := range snapshots {
			if s.Err != nil {
				t.Fatal(s.Err)
			}
			if fits(s) {
				return s
			}
		}
		t.Fatalf("no snapshot with %s", what)
		return Snapshot{}
	}
	chain := func(s Snapshot) *nft.Chain {
		if table := s.Rules.Table("inet", "own"); table != nil {
			return table.Chain("out")
		}
		return nil
	}
	if first := until("anything", func(Snapshot) bool { return true }); len(first.Rules.Tables) != 0 || !first.Changed {
		t.Errorf("at first it is %+v", first)
	}
	run("add", "table", "inet", "own")
	run("add", "set", "inet", "own", "friends", "{ type ipv4_addr; }")
	run("add", "chain", "inet", "own", "out", "{ type filter hook output priority 0; }")
	run("add", "rule", "inet", "own", "out", "udp", "dport", "9", "counter")
	made := until("the rule", func(s Snapshot) bool { c := chain(s); return c != nil && len(c.Rules) == 1 })
	if !made.Changed || !strings.HasPrefix(made.By, "nft (") {
		t.Errorf("it changed: %v, by %q", made.Changed, made.By)
	}
	if text := chain(made).Rules[0].Listed; text != "udp dport 9 counter packets 0 bytes 0" {
		t.Errorf("nft lists it as %q", text)
	}
	conn, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	counted := until("a packet", func(s Snapshot) bool { n, _ := chain(s).Rules[0].Counter(); return n.Packets == 1 })
	if counted.Changed || counted.By != "" {
		t.Errorf("a counter is told as a change by %q", counted.By)
	}
	if text := chain(counted).Rules[0].Listed; text != "udp dport 9 counter packets 1 bytes 29" {
		t.Errorf("it is listed as %q", text)
	}
	run("add", "element", "inet", "own", "friends", "{ 192.0.2.1 }")
	until("the element", func(s Snapshot) bool {
		return s.Changed && len(s.Rules.Table("inet", "own").Set("friends").Elements) == 1
	})
	run("delete", "table", "inet", "own")
	until("nothing", func(s Snapshot) bool { return s.Changed && len(s.Rules.Tables) == 0 })
	cancel()
	for range snapshots { // it is closed
	}
}

// TestSameRules tells changes of rules from those of counters.
func TestSameRules(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	program := lab.Program(t, "nft")
	read := func(text string) *nft.Ruleset {
		t.Helper()
		cmd := exec.Command(program, "-f", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		set, err := Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	all := func(*nft.Chain) bool { return true }
	before := read("table ip t { set s { type ipv4_addr; }\n chain c { type nat hook prerouting priority 0; counter accept; }\n}")
	if again := read("reset counters"); !before.SameRules(again, all) {
		t.Error("the same is not the same")
	}
	for _, change := range []string{"add rule ip t c drop", "add element ip t s { 192.0.2.1 }", "add chain ip t d", "add table ip6 t", "flush chain ip t c"} {
		after := read(change)
		if before.SameRules(after, all) {
			t.Errorf("%s is not seen", change)
		}
		before = after
	}
}
