package doctor_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// stopped are gateways by which somebody was answered, and then nobody any more. The kernel keeps no times of connections,
// as it does by default.
var stopped = []struct {
	name, network, to, check, says string
	from                           func(*ward) *lab.Node
	begin, fail                    func(w *ward)
}{
	{"a server's own firewall begins to drop", "tcp", web, "server-stopped", "ago, was", client, func(*ward) {}, func(w *ward) {
		w.run(w.Server2, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "8080", "-j", "DROP")
	}},
	{"a server of datagrams falls silent", "udp", "203.0.113.1:9999", "server-stopped", "ago, was", client, func(w *ward) {
		w.serve(w.Server2, "udp", "192.168.0.2:9999")
		w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "wan0", "-p", "udp", "--dport", "9999", "-j", "DNAT", "--to-destination", "192.168.0.2")
	}, func(w *ward) {
		w.run(w.Server2, "iptables", "-A", "INPUT", "-p", "udp", "--dport", "9999", "-j", "DROP")
	}},
	{"what the LAN asks of the Internet is answered no more", "tcp", "198.51.100.7:80", "no-answer", "latest", server3, func(*ward) {}, func(w *ward) {
		w.run(w.Client, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "DROP")
	}},
}

func TestWhatStopsIsTold(t *testing.T) {
	for _, s := range stopped {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newIsolated(t)
			if w == nil {
				return
			}
			w.base()
			w.withoutTimestamps()
			s.begin(w)
			if _, err := w.ask(s.from(w), s.network, s.to); err != nil {
				t.Fatal(err)
			}
			if found := doctor.Examine(w.look()); doctor.Worst(found) >= doctor.SeverityWarning {
				t.Fatalf("it is answered:\n%s", text(found))
			}
			s.fail(w)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for ctx.Err() == nil {
				w.askInVain(s.from(w), s.network, s.to)
				if slices.ContainsFunc(doctor.Examine(w.look()), func(f doctor.Finding) bool {
					return f.Check == s.check && f.IsProblem() && strings.Contains(f.Sentence+strings.Join(f.Evidence, " "), s.says)
				}) {
					return
				}
			}
			t.Errorf("the doctor does not say %s:\n%s", s.check, text(doctor.Examine(w.look())))
		})
	}
}

// withoutTimestamps has the gateway keep no times of connections, as is usual. A kernel that cannot keep any keeps none.
func (w *ward) withoutTimestamps() {
	w.t.Helper()
	if err := w.Gateway.SetSysctl("net/netfilter/nf_conntrack_timestamp", "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
}

// askInVain puts a question several times at once, to which no answer comes.
func (w *ward) askInVain(from *lab.Node, network, to string) {
	ctx, cancel := context.WithTimeout(w.t.Context(), absence)
	defer cancel()
	var asked sync.WaitGroup
	for range 4 {
		asked.Go(func() {
			if _, err := from.Ask(ctx, network, netip.MustParseAddrPort(to)); err == nil {
				w.t.Error("it is answered")
			}
		})
	}
	asked.Wait()
}

// TestOneUnansweredIsNoFault: of a server that has answered, one connection that waits tells nothing.
func TestOneUnansweredIsNoFault(t *testing.T) {
	w := newIsolated(t)
	if w == nil {
		return
	}
	w.base()
	w.withoutTimestamps()
	if _, err := w.ask(w.Client, "tcp", web); err != nil {
		t.Fatal(err)
	}
	w.run(w.Server2, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "8080", "-j", "DROP")
	w.spoiled(trouble{name: "one", from: client, to: web})
	if found := doctor.Examine(w.look()); doctor.Worst(found) >= doctor.SeverityWarning {
		t.Errorf("one connection waits:\n%s", text(found))
	}
}

// TestAnsweredFromAnotherAddress: a program of the gateway that takes datagrams at all addresses answers from the first, and
// nobody who asks at the second is answered.
func TestAnsweredFromAnotherAddress(t *testing.T) {
	for _, translate := range []bool{false, true} {
		t.Run(map[bool]string{false: "asked itself", true: "asked by a forward"}[translate], func(t *testing.T) {
			w := newIsolated(t)
			if w == nil {
				return
			}
			w.base()
			w.run(w.Gateway, "ip", "addr", "add", "203.0.113.5/24", "dev", "wan0")
			conn, err := w.Gateway.ListenUDP(t.Context(), netip.MustParseAddrPort("0.0.0.0:1194"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			to, server := "203.0.113.5:1194", "203.0.113.5:1194"
			if translate {
				to = "203.0.113.5:7000"
				w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-d", "203.0.113.5", "-p", "udp", "--dport", "7000", "-j", "DNAT", "--to-destination", server)
			}
			asking, err := w.Client.Dial(t.Context(), "udp", netip.AddrPort{}, netip.MustParseAddrPort(to))
			if err != nil {
				t.Fatal(err)
			}
			defer asking.Close()
			if _, err := asking.Write([]byte("?")); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 16)
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.WriteToUDPAddrPort(buf[:n], from); err != nil {
				t.Fatal(err)
			}
			found, i := w.finds("answers-elsewhere")
			if said := found[i].Sentence; !strings.Contains(said, server) || !strings.Contains(said, "203.0.113.1:1194") {
				t.Error(said)
			}
			for _, f := range found {
				if f.Check == "no-answer" {
					t.Errorf("the answer is called a question of this host: %s", text([]doctor.Finding{f}))
				}
			}
		})
	}
}
