package doctor_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nattui/model/conntrack"
	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/iptables"
	"nattui/rules/nftables"
)

// ward is a gateway of the lab with a doctor at hand.
type ward struct {
	*lab.Network
	t      *testing.T
	tables *iptables.Host
	kernel *conntrack.Table

	variant variant
	unread  bool // native tables are known by their names alone
}

func newWard(t *testing.T) *ward {
	t.Helper()
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	w := &ward{Network: n, t: t}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close the network: %v", err)
		}
	})
	if w.tables, err = iptables.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.kernel, err = conntrack.Open(conntrack.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.kernel.Close() })
	return w
}

// look reads the gateway as it is now.
func (w *ward) look() *doctor.Gateway {
	w.t.Helper()
	sets, err := w.tables.ReadAll(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	known, err := host.Read(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	native, err := nftables.Read(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if known.Native = evaluate.CompileNative(native); w.unread {
		known.Native = nil
	}
	g := &doctor.Gateway{Facts: &known, Sets: sets, Flows: flow.NewFlows(), Health: w.kernel.Health()}
	if err := w.kernel.Dump(w.t.Context(), g.Flows.Apply); err != nil {
		w.t.Fatal(err)
	}
	if known.Natives, err = iptables.Natives(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if known.NativeFilters, err = iptables.NativeFilterTables(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	g.Drops = host.Drops()
	return g
}

// settle waits until the links that are up have a carrier: the kernel says so some time after it is so.
func (w *ward) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		known, err := host.Read(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if !slices.ContainsFunc(known.Links, func(l facts.Link) bool { return l.Up && !l.Running && l.Name != "docker0" }) {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			w.t.Fatal("a link has no carrier")
		}
	}
}

// apply carries out a plan: rules, then settings, then flows.
func (w *ward) apply(p rules.Plan) {
	w.t.Helper()
	if _, err := w.tables.Apply(w.t.Context(), p.Changes()); err != nil {
		w.t.Fatalf("apply %q: %v", p.Title, err)
	}
	for _, s := range p.Steps {
		switch {
		case s.Sysctl != nil:
			old, err := host.WriteSysctl(s.Sysctl.Name, s.Sysctl.Value)
			if err != nil {
				w.t.Fatal(err)
			}
			if old != s.Sysctl.Old {
				w.t.Errorf("the plan says that %s is %q now; it is %q", s.Sysctl.Name, s.Sysctl.Old, old)
			}
		case s.Forget != nil:
			f := flow.Flow{Orig: rules.MakeTuple(s.Forget.Proto, s.Forget.Src, s.Forget.Dst), Zone: s.Forget.Zone, ID: s.Forget.ID}
			if _, err := w.kernel.Forget([]flow.Flow{f}, func(*flow.Batch) {}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func (w *ward) iptables(program string, args ...string) {
	w.t.Helper()
	var words []string
	for _, a := range args {
		words = append(words, w.say(a))
	}
	if err := w.Gateway.Iptables(w.say(program), words...); err != nil {
		w.t.Fatal(err)
	}
}

// nft loads native nft rules on the gateway.
func (w *ward) nft(text string) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "rules.nft")
	text = strings.NewReplacer(" } }", " }\n}\n", "}; chain", "}\nchain").Replace(w.say(text))
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.run(w.Gateway, "nft", "-f", path)
}

// firewalld are tables as firewalld makes them: what was translated by its own
// rules passes, and what a policy or a zone lets through.
const firewalld = `table inet firewalld {
	chain filter_FWD_public_allow { }
	chain filter_FWD_public { jump filter_FWD_public_allow; ip protocol icmp accept; reject with icmpx admin-prohibited; }
	chain filter_FORWARD_ZONES { iifname "wan0" goto filter_FWD_public; iifname "lan0" accept; goto filter_FWD_public; }
	chain filter_FORWARD {
		type filter hook forward priority filter + 10; policy accept;
		ct state { established, related } accept
		iifname "lo" accept
		ct state { invalid } drop
		jump filter_FORWARD_ZONES
		reject with icmpx admin-prohibited
	}
}`

func (w *ward) run(n *lab.Node, args ...string) {
	w.t.Helper()
	words := slices.Clone(args)
	for i := range words {
		words[i] = w.say(words[i])
	}
	if _, err := n.Output(w.t.Context(), words[0], words[1:]...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) sysctl(name, value string) {
	w.t.Helper()
	if err := w.Gateway.SetSysctl(w.say(name), value); err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) serve(n *lab.Node, network, address string) {
	w.t.Helper()
	if _, err := n.Serve(w.t.Context(), network, netip.MustParseAddrPort(address)); err != nil {
		w.t.Fatal(err)
	}
}

// base is a sound gateway: it forwards, counts flows, shares its address and
// publishes a web server.
func (w *ward) base() {
	w.sysctl("net/ipv4/ip_forward", "1")
	w.sysctl("net/ipv6/conf/all/forwarding", "1")
	// A namespace begins to track, and to have these settings, with the first rule.
	w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-d", "203.0.113.1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
	w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-o", "wan0", "-j", "MASQUERADE")
	for _, s := range []string{"nf_conntrack_acct", "nf_conntrack_timestamp"} {
		_ = w.Gateway.SetSysctl("net/netfilter/"+s, "1")
	}
	w.serve(w.Server2, "tcp", "192.168.0.2:8080")
	w.serve(w.Client, "tcp", "198.51.100.7:80")
}

// How long a question may wait for an answer. One that has to come is waited for until something must be
// broken; one that must not come is missed after a while: a connection that does not come up sends its second packet
// after a second.
const (
	patience = time.Minute
	absence  = 1300 * time.Millisecond
)

// ask puts a question that has to be answered, and returns who answered, seeing whom.
func (w *ward) ask(from *lab.Node, network, to string) (lab.Answer, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	return from.Ask(ctx, network, netip.MustParseAddrPort(to))
}

// secondProvider gives the gateway a better way to the Internet, which nobody answers by.
func (w *ward) secondProvider() {
	w.t.Helper()
	w.run(w.Gateway, "ip", "link", "add", "wan1", "type", "veth", "peer", "name", "far")
	w.run(w.Gateway, "ip", "link", "set", "far", "up")
	w.run(w.Gateway, "ip", "addr", "add", "100.64.9.2/24", "dev", "wan1")
	w.run(w.Gateway, "ip", "link", "set", "wan1", "up")
	w.run(w.Gateway, "ip", "route", "add", "default", "via", "100.64.9.1", "metric", "100")
	w.run(w.Gateway, "ip", "route", "del", "default", "via", "203.0.113.254", "metric", "0")
	w.run(w.Gateway, "ip", "route", "add", "default", "via", "203.0.113.254", "metric", "500")
	for _, s := range []string{"all", "wan0", "wan1"} {
		w.sysctl("net/ipv4/conf/"+s+"/rp_filter", "0")
	}
}

// newIsolated is a ward in a namespace of its own; nil in the process that only waits for it.
func newIsolated(t *testing.T) *ward {
	t.Helper()
	if lab.Isolate(t) {
		return nil
	}
	return newWard(t)
}
