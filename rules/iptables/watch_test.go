package iptables_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/iptables"
)

// longest is far more than anything waited for here takes.
const longest = time.Minute

// take waits for the next value of a channel.
func take[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v, ok := <-from:
		if !ok {
			t.Fatalf("waiting for %s: the channel is closed", what)
		}
		return v
	case <-time.After(longest):
		t.Fatalf("waiting for %s: nothing came", what)
	}
	panic("unreachable")
}

func TestWatch(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 2)
		ctx, cancel := context.WithCancel(context.Background())
		notices, err := h.Watch(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		cmd := exec.Command(program(at), "-w", "5", "-t", "nat", "-A", "PREROUTING", "-j", "ACCEPT")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		n := take(t, notices, "a notice")
		t.Logf("told after %v", time.Since(begin))
		if n.Variant != at || n.Own || n.Resync {
			t.Errorf("the notice is %+v", n)
		}
		if at.Backend == rules.NFT {
			if n.By.Name != program(at) || n.By.PID == 0 {
				t.Errorf("the author is %v, want %s", n.By, program(at))
			}
			if !slices.Equal(n.Tables, []string{"nat"}) {
				t.Errorf("the tables are %q, want nat", n.Tables)
			}
			if got := read(t, h, at).Generation; got != n.Generation {
				t.Errorf("the notice is of generation %d, the tables are of %d", n.Generation, got)
			}
		}
		c := change(at, rules.Delete)
		c.At, c.Rule = 1, numbered(t, at, 1)
		apply(t, h, c)
		if n := take(t, notices, "a notice of our own change"); !n.Own {
			t.Errorf("the notice of our own change is %+v", n)
		}
		cancel()
		for range notices { // until it is closed
		}
	})
}

func TestWatchIgnoresOtherTables(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	at := rules.Variant{}
	h := open(t, at)
	notices, err := h.Watch(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "nft", "add table inet other; add chain inet other nat")
	run(t, "ip6tables-nft", "-t", "nat", "-A", "PREROUTING", "-j", "ACCEPT")
	run(t, "iptables-nft", "-t", "mangle", "-A", "PREROUTING", "-j", "ACCEPT")
	if n := take(t, notices, "a notice"); !slices.Equal(n.Tables, []string{"mangle"}) {
		t.Errorf("the notice is of %q, want mangle alone", n.Tables)
	}
}

func TestLive(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 2)
		// Without a rule that translates, the namespace tracks no connections, and
		// no packet meets the nat table.
		load(t, at, "*nat\n-A POSTROUTING -p tcp -j MASQUERADE\nCOMMIT\n", "--noflush")
		ctx, cancel := context.WithCancel(context.Background())
		live, err := h.Live(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		first := take(t, live, "the first snapshot")
		if !first.Changed || first.Err != nil || text(t, first.Rules) != saved(t, at, "-c") {
			t.Fatalf("the first snapshot is %+v\n%s", first, text(t, first.Rules))
		}
		run(t, program(at), "-w", "5", "-t", "nat", "-A", "OUTPUT", "-p", "udp", "-j", "ACCEPT")
		second := take(t, live, "the snapshot after a change")
		if !second.Changed || second.Own {
			t.Errorf("the second snapshot is changed %v, own %v", second.Changed, second.Own)
		}
		if at.Backend == rules.NFT && second.By.Name != program(at) {
			t.Errorf("changed by %v, want %s", second.By, program(at))
		}
		if got, want := text(t, second.Rules), saved(t, at, "-c"); got != want {
			t.Errorf("after the change\n%s\niptables-save prints\n%s", got, want)
		}
		knock(t, at)
		third := take(t, live, "the snapshot with counters")
		if third.Changed {
			t.Error("a packet counts as a change of the rules")
		}
		if c, _ := third.Rules.Chain("nat", "OUTPUT"); len(c.Rules) != 1 || c.Rules[0].Counters.Packets != 1 {
			t.Errorf("after one packet OUTPUT is %+v", c)
		}
		if c, _ := second.Rules.Chain("nat", "OUTPUT"); c.Rules[0].Counters.Packets != 0 {
			t.Error("an earlier snapshot was changed")
		}
		cancel()
		for range live { // until it is closed
		}
	})
}

// knock sends one datagram to this host itself.
func knock(t testing.TB, at rules.Variant) {
	t.Helper()
	to := map[rules.Family]string{rules.IPv4: "127.0.0.1", rules.IPv6: "::1"}[at.Family]
	send(t, to)
}

func TestCountersAreThoseOfIptablesSave(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 3)
		load(t, at, "*nat\n-A POSTROUTING -p tcp -j MASQUERADE\n:side - [0:0]\n:empty - [0:0]\n-A OUTPUT -p tcp -j ACCEPT\n-A OUTPUT -p udp -j side\n-A side -j empty\n-A side -p udp -j RETURN\nCOMMIT\n"+
			"*filter\n:mine - [0:0]\n:FORWARD DROP [4:44]\n-A OUTPUT -j mine\n-A mine\nCOMMIT\n*mangle\n-A OUTPUT -p udp\nCOMMIT\n", "--noflush", "-c")
		before := read(t, h, at)
		if again, err := h.Counters(t.Context(), before); err != nil || again != before {
			t.Errorf("counters that did not move give another snapshot, or %v", err)
		}
		knock(t, at)
		now, err := h.Counters(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		got, want := text(t, now), saved(t, at, "-c")
		if got != want {
			t.Errorf("counters\n%s\niptables-save -c prints\n%s", got, want)
		}
		if got == text(t, before) {
			t.Error("a packet was not counted")
		}
		run(t, program(at), "-w", "5", "-t", "nat", "-A", "side", "-j", "ACCEPT")
		if _, err := h.Counters(t.Context(), now); err == nil || !strings.Contains(err.Error(), iptables.ErrChanged.Error()) {
			t.Errorf("counters of other rules: %v, want %v", err, iptables.ErrChanged)
		}
	})
}

// crowd is a nat table of so many rules in chains of so many, as large clusters
// have them.
func crowd(at rules.Variant, n, perChain int) string {
	var b strings.Builder
	b.WriteString("*nat\n")
	for i := 0; i < n; i += perChain {
		fmt.Fprintf(&b, ":SVC-%06d - [0:0]\n", i)
	}
	for i := range n {
		fmt.Fprintf(&b, "-A SVC-%06d -d %s -p tcp -m comment --comment \"team/service:%d\" -m tcp --dport %d -j DNAT --to-destination %s\n",
			i-i%perChain, host(at, 1+i%250), i, 1000+i%60000, addr(at, 1+i%250))
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// BenchmarkHuge measures what a table of 60,000 rules costs to read, and to
// recount or look at for changes, and which share of one core the latter takes at
// the pace that Refresh gives. It needs root: in a user namespace, iptables-nft
// cannot load so many rules at once.
func BenchmarkHuge(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("needs root")
	}
	for _, at := range variants {
		b.Run(at.Family.String()+"-"+at.Backend.String(), func(b *testing.B) {
			// A network namespace for this thread, which ends with the goroutine.
			runtime.LockOSThread()
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				b.Skip(err)
			}
			h := open(b, at)
			load(b, at, crowd(at, 60000, 20))
			begin := time.Now()
			s := read(b, h, at)
			reading := time.Since(begin)
			if t, ok := s.Table("nat"); !ok || t.Rules() != 60000 {
				b.Fatal("60,000 rules were loaded, and others read")
			}
			var spent time.Duration
			for b.Loop() {
				begin := cpu()
				if _, err := h.Counters(b.Context(), s); err != nil {
					b.Fatal(err)
				}
				spent += cpu() - begin
			}
			each := spent / time.Duration(b.N)
			share := 100 * float64(each) / float64(each+iptables.Refresh(each))
			b.ReportMetric(share, "%core")
			b.ReportMetric(reading.Seconds(), "s/read")
			if share >= 5 {
				b.Errorf("refreshing counters takes %.1f%% of a core", share)
			}
		})
	}
}
