package doctor_test

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// drains keep new connections out while those that are there go on; stale is set where their rule is gone, too.
var drains = []struct {
	name  string
	drain func(w *ward)
	stale bool
}{
	{"a drop of new ones in mangle", func(w *ward) {
		w.iptables("iptables", "-t", "mangle", "-A", "PREROUTING", "-i", "wan0", "-p", "tcp", "--dport", "80", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
	}, false},
	{"a drop of the first segment in raw", func(w *ward) {
		w.iptables("iptables", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--syn", "-j", "DROP")
	}, false},
	{"the first segment is not tracked", func(w *ward) {
		w.iptables("iptables", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--syn", "-j", "NOTRACK")
	}, false},
	{"the policy of FORWARD", func(w *ward) {
		w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
		w.iptables("iptables", "-P", "FORWARD", "DROP")
	}, false},
	{"a native drop of new ones", func(w *ward) {
		w.nft("table inet drain { chain pre { type filter hook prerouting priority -150; ct state new drop; } }")
	}, false},
	{"a native table that does not track them", func(w *ward) {
		w.nft("table inet drain { chain pre { type filter hook prerouting priority -300; tcp flags & (syn | ack) == syn notrack; } }")
	}, false},
	{"the reverse path filter", func(w *ward) {
		w.secondProvider()
		w.sysctl("net/ipv4/conf/wan0/rp_filter", "1")
	}, false},
	{"the rule is gone behind a drop", func(w *ward) {
		w.iptables("iptables", "-t", "mangle", "-A", "PREROUTING", "-p", "tcp", "--dport", "80", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
		w.iptables("iptables", "-t", "nat", "-D", "PREROUTING", "1")
	}, true},
	{"the rule leads elsewhere behind a policy", func(w *ward) {
		w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
		w.iptables("iptables", "-P", "FORWARD", "DROP")
		w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.3:8080")
	}, true},
}

// TestDrainedIsNotStale: a connection whose rule is there is not stale because its first packet would be dropped today, and is
// not offered to be forgotten; one whose rule is gone is stale whatever drops it.
func TestDrainedIsNotStale(t *testing.T) {
	for _, d := range drains {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
			conn, err := w.Client.Dial(t.Context(), "tcp", netip.MustParseAddrPort("198.51.100.7:0"), netip.MustParseAddrPort(web))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			d.drain(w)
			g := w.look()
			stale := false
			for _, f := range doctor.Examine(g) {
				stale = stale || f.Check == "stale-flows"
			}
			if stale != d.stale {
				t.Errorf("stale: %t", stale)
			}
			if got := made(g); strings.HasPrefix(got, "PREROUTING 1") == d.stale {
				t.Errorf("the connection was made by %q", got)
			}
		})
	}
}

// made says which rules made the connection that web was asked by.
func made(g *doctor.Gateway) (by string) {
	var programs []*evaluate.Program
	for _, s := range g.Sets {
		programs = append(programs, evaluate.Compile(s))
	}
	e := evaluate.NewEvaluator(g.Facts.Host(nil), programs...)
	g.Flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if f.Proto() == rules.TCP && f.AskedFor() == netip.MustParseAddrPort(web) {
			x, _ := explain.With(e, f, nil)
			by = x.String()
		}
		return true
	})
	return by
}
