package doctor_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// lost are gateways whose forward gets no answer for a reason that another source address does not cure.
var lost = []struct {
	name  string
	spoil func(w *ward)
	to    string
	check string
	says  string // part of the sentence or the evidence
}{
	{"the server drops", func(w *ward) {
		w.run(w.Server2, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "8080", "-j", "DROP")
	}, web, "return-path", "drops or refuses"},
	{"the server rejects", func(w *ward) {
		w.run(w.Server2, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "8080", "-j", "REJECT")
	}, web, "return-path", "drops or refuses"},
	{"somebody has written a wrong neighbour", func(w *ward) {
		w.run(w.Gateway, "ip", "neigh", "replace", "192.168.0.2", "lladdr", "02:00:00:00:00:99", "dev", "lan0", "nud", "permanent")
	}, web, "return-path", "permanent"},
	{"one direction has a zone", func(w *ward) {
		w.iptables("iptables", "-t", "raw", "-A", "PREROUTING", "-i", "wan0", "-j", "CT", "--zone", "7")
	}, web, "return-path", "zone"},
	{"the server's address is link-local", func(w *ward) {
		w.serve(w.Server2, "tcp", "[2001:db8:2::2]:8080")
		w.run(w.Server2, "ip", "address", "add", "fe80::2:2/64", "dev", "eth0", "nodad")
		w.iptables("ip6tables", "-t", "nat", "-A", "PREROUTING", "-d", "2001:db8:1::1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "[fe80::2:2]:8080")
	}, "[2001:db8:1::1]:80", "no-route", "link-local"},
}

// TestNoAnswerIsNotGuessed holds that where no answer comes, the doctor says so and changes no rule: why is not seen from
// the gateway.
func TestNoAnswerIsNotGuessed(t *testing.T) {
	for _, l := range lost {
		t.Run(l.name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.settle()
			l.spoil(w)
			w.spoiled(trouble{name: l.name, from: client, to: l.to})
			found, i := w.finds(l.check)
			if said := text(found[i : i+1]); !strings.Contains(said, l.says) {
				t.Errorf("it does not say %q: %s", l.says, said)
			}
			if len(found[i].CureCommands()) > 0 {
				t.Errorf("it would change something without knowing: %s", text(found[i:i+1]))
			}
		})
	}
}

// finds has the doctor look until it finds a problem of a kind: what was asked just now may still be answered, and until
// then is told as not known.
func (w *ward) finds(check string) (found []doctor.Finding, at int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		found = doctor.Examine(w.look())
		if at = slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == check && f.IsProblem() }); at >= 0 {
			return found, at
		}
		if doctor.Worst(found) < doctor.SeverityWarning && doctor.Unknown(found) == 0 {
			w.t.Fatalf("nothing is said of a connection without answer:\n%s", text(found))
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			w.t.Fatalf("the doctor does not say %s:\n%s", check, text(found))
		}
	}
}

// TestServerThatRefuses: what the server says itself, when it is asked, is the cause that is told.
func TestServerThatRefuses(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	if _, err := w.ask(w.Client, "tcp", web); err != nil {
		t.Fatal(err)
	}
	for _, p := range []doctor.Probe{{Refused: true, Why: "connection refused"}, {Unreachable: true, Why: "no route to host"}} {
		g := w.look()
		g.Probes = map[netip.AddrPort]doctor.Probe{netip.MustParseAddrPort("192.168.0.2:8080"): p}
		f, err := doctor.FindForward(doctor.Forwards(g), "PREROUTING 1")
		if err != nil {
			t.Fatal(err)
		}
		found := doctor.ExamineForward(g, f)
		if last := found[len(found)-1]; last.Check != "server-refuses" || !strings.Contains(last.Sentence, "firewall") {
			t.Errorf("%+v: %s", p, text(found))
		}
	}
}

// TestServerThatResets: a server that resets connections leaves none behind, and that is said.
func TestServerThatResets(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-d", "203.0.113.1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8081")
	if answer, err := w.ask(w.Client, "tcp", web); err == nil {
		t.Fatalf("nobody listens, and %+v", answer)
	}
	found := doctor.Examine(w.look())
	if !slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Check == "no-trace" && strings.Contains(f.Sentence, "refuses") }) {
		t.Errorf("nothing is said of a server that refuses:\n%s", text(found))
	}
}
