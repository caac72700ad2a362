package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/doctor"
)

// hangs are gateways on which the first packet of a connection and its answer get through, and not what the client sends then.
var hangs = []trouble{
	{name: "a forward lets only new connections in", check: "established-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-P", "FORWARD", "DROP")
		w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-o", "lan0", "-p", "tcp", "--dport", "8080", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-o", "wan0", "-j", "ACCEPT")
	}, from: client, to: web},
	{name: "a forward lets only new connections in, and answers", check: "established-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-P", "FORWARD", "DROP")
		w.iptables("iptables", "-A", "FORWARD", "-p", "tcp", "--syn", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "ESTABLISHED", "--ctdir", "REPLY", "-j", "ACCEPT")
	}, from: client, to: web},
	{name: "the LAN's connections are let out only as new ones", check: "established-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
		w.iptables("iptables", "-P", "FORWARD", "DROP")
		w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-o", "wan0", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-o", "lan0", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT")
	}, from: server3, to: "198.51.100.7:80"},
	{name: "INPUT lets only new connections to a proxy in", check: "established-dropped", spoil: func(w *ward) {
		w.serve(w.Gateway, "tcp", "0.0.0.0:8888")
		w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8888")
		w.iptables("iptables", "-P", "INPUT", "DROP")
		w.iptables("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "8888", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
	}, from: client, to: web},
	{name: "INPUT lets only new connections to a program of the gateway in", check: "established-dropped", spoil: func(w *ward) {
		w.serve(w.Gateway, "tcp", "0.0.0.0:8022")
		w.iptables("iptables", "-P", "INPUT", "DROP")
		w.iptables("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "8022", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
	}, from: client, to: "203.0.113.1:8022"},
	{name: "the answers of the server are dropped by their direction", check: "answers-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctdir", "REPLY", "-j", "DROP")
	}, from: client, to: web},
	{name: "the answers of the server are dropped as what was answered", check: "answers-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstatus", "SEEN_REPLY", "-j", "DROP")
	}, from: client, to: web},
	{name: "INPUT has no rule for the gateway's own connections", check: "answers-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "INPUT", "-i", "lan0", "-j", "ACCEPT")
		w.iptables("iptables", "-P", "INPUT", "DROP")
	}, from: gateway, to: "198.51.100.7:80"},
	{name: "OUTPUT lets the gateway's own connections only begin", check: "established-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
		w.iptables("iptables", "-P", "OUTPUT", "DROP")
	}, from: gateway, to: "198.51.100.7:80"},
}

// TestConnectionsThatHang: connections that come up and are never used are no healthy ones. The cure has them answered.
func TestConnectionsThatHang(t *testing.T) {
	for i, trouble := range hangs {
		t.Run(trouble.name, func(t *testing.T) { cure(t, trouble, variants[i%2]) })
	}
}

// stops are gateways on which connections stop after the first answer, and what to do is said in words or in nft's.
var stops = []struct {
	name, check, says string
	spoil             func(w *ward)
	from              trouble
}{
	{
		"native nft lets only new connections through", "native-drop", "after the first one",
		func(w *ward) {
			w.nft(`table inet filter { chain forward { type filter hook forward priority 0; policy drop; iifname "wan0" tcp dport 8080 ct state new accept; iifname "lan0" accept; } }`)
		},
		trouble{from: client, to: web},
	},
	{
		"native nft lets what is answered out, and not in", "native-drop", "after the first one",
		func(w *ward) {
			w.nft(`table ip filter4 { chain forward { type filter hook forward priority 0; policy drop; ct state new accept; ct direction reply ct state established accept; } }`)
		},
		trouble{from: client, to: web},
	},
	{
		"answers are dropped by their length", "let-through", "FORWARD 1 may drop the answer from",
		func(w *ward) {
			w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-p", "tcp", "-m", "length", "--length", "40:100", "-j", "DROP")
		},
		trouble{from: client, to: web},
	},
	{
		"answers are dropped by how many there were", "let-through", "FORWARD 1 may drop the answer from",
		func(w *ward) {
			w.iptables("iptables", "-A", "FORWARD", "-p", "tcp", "-m", "connbytes", "--connbytes", "1:", "--connbytes-dir", "reply", "--connbytes-mode", "packets", "-j", "DROP")
		},
		trouble{from: client, to: web},
	},
	{
		"answers for the LAN are dropped by their length", "let-through", "FORWARD 1 may drop the answers",
		func(w *ward) {
			w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-p", "tcp", "-m", "length", "--length", "40:100", "-j", "DROP")
		},
		trouble{from: server3, to: "198.51.100.7:80"},
	},
	{
		"a mark for a route of its own is given to the first packet alone", "established-elsewhere", "CONNMARK",
		func(w *ward) {
			w.secondProvider()
			w.run(w.Gateway, "ip", "route", "add", "default", "via", "203.0.113.254", "table", "77")
			w.run(w.Gateway, "ip", "rule", "add", "fwmark", "7", "lookup", "77")
			// SNAT: a masqueraded connection that leaves by another way is forgotten, and begins anew with its next packet
			// (nf_nat_oif_changed in net/netfilter/nf_nat_proto.c).
			w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-j", "SNAT", "--to-source", "203.0.113.1")
			w.iptables("iptables", "-t", "mangle", "-A", "PREROUTING", "-i", "lan0", "-m", "conntrack", "--ctstate", "NEW", "-j", "MARK", "--set-mark", "7")
		},
		trouble{from: server3, to: "198.51.100.7:80"},
	},
}

func TestConnectionsThatStop(t *testing.T) {
	for _, s := range stops {
		t.Run(s.name, func(t *testing.T) { s.from.name = s.name; stop(t, s.from, s.spoil, s.check, s.says) })
	}
}

func stop(t *testing.T, x trouble, spoil func(*ward), check, says string) {
	t.Parallel()
	w := newIsolated(t)
	if w == nil {
		return
	}
	w.base()
	w.settle()
	spoil(w)
	w.spoiled(x)
	found, i := w.finds(check)
	if said := text(found[i : i+1]); !strings.Contains(said, says) {
		t.Errorf("the doctor does not say %q: %s", says, said)
	}
}

// TestWhatDiedHereIsNotLostElsewhere: answers that ended here, by a rule that was cured since or by IPsec, are not said to be
// lost behind this host.
func TestWhatDiedHereIsNotLostElsewhere(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(w *ward)
		check string // of the finding whose cure is applied; "": none
	}{
		{"after a cure", func(w *ward) {
			w.iptables("iptables", "-P", "FORWARD", "DROP")
			w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-p", "tcp", "--dport", "8080", "-j", "ACCEPT")
		}, "answers-dropped"},
		{"an IPsec policy without an association", func(w *ward) {
			w.run(w.Gateway, "ip", "xfrm", "policy", "add", "src", "192.168.0.0/24", "dst", "203.0.113.0/24", "dir", "out", "tmpl", "src", "203.0.113.1", "dst", "203.0.113.10", "proto", "esp", "mode", "tunnel")
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newIsolated(t)
			if w == nil {
				return
			}
			w.base()
			w.settle()
			c.spoil(w)
			w.spoiled(trouble{name: c.name, from: client, to: web})
			if c.check != "" {
				found, i := w.finds(c.check)
				w.apply(found[i].Cure)
			}
			found := doctor.Examine(w.look())
			if slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Check == "answer-lost" }) {
				t.Errorf("the answers ended here:\n%s", text(found))
			}
			if doctor.Unknown(found) == 0 && doctor.Worst(found) < doctor.SeverityWarning {
				t.Errorf("nobody was answered, and nothing is said of it:\n%s", text(found))
			}
		})
	}
}

// TestSecondDatagram: a filter that lets only the first datagram of a client in is told of, though that is answered.
func TestSecondDatagram(t *testing.T) {
	w := newIsolated(t)
	if w == nil {
		return
	}
	w.base()
	w.serve(w.Server2, "udp", "192.168.0.2:9999")
	w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "wan0", "-p", "udp", "--dport", "9999", "-j", "DNAT", "--to-destination", "192.168.0.2")
	w.iptables("iptables", "-P", "FORWARD", "DROP")
	w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
	w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-j", "ACCEPT")
	w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-p", "tcp", "-j", "ACCEPT")
	if _, err := w.ask(w.Client, "udp", "203.0.113.1:9999"); err != nil {
		t.Fatal(err)
	}
	found := doctor.Examine(w.look())
	i := slices.IndexFunc(found, func(f doctor.Finding) bool {
		return f.Check == "established-dropped" && f.Severity == doctor.SeverityWarning && strings.HasPrefix(f.Subject, "PREROUTING 2")
	})
	if i < 0 {
		t.Fatalf("nothing is said of the second datagram:\n%s", text(found))
	}
	w.apply(found[i].Cure)
	if found := doctor.Examine(w.look()); slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Check == "established-dropped" }) {
		t.Errorf("after its cure:\n%s", text(found))
	}
}

// TestWhatWasTranslatedGoesOn: rules that ask how a connection was translated let all of its packets pass.
func TestWhatWasTranslatedGoesOn(t *testing.T) {
	w := newIsolated(t)
	if w == nil {
		return
	}
	w.base()
	w.settle()
	w.iptables("iptables", "-P", "FORWARD", "DROP")
	w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "DNAT", "-j", "ACCEPT")
	w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctorigsrc", "192.168.0.0/24", "-j", "ACCEPT")
	for _, q := range []question{{client, web}, {server3, "198.51.100.7:80"}} {
		if _, err := w.ask(q.from(w), "tcp", q.to); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range doctor.Examine(w.look()) {
		if f.IsProblem() || f.Severity == doctor.SeverityUnknown {
			t.Errorf("a healthy gateway has no %s", text([]doctor.Finding{f}))
		}
	}
}
