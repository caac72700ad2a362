package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestDeadEndpoints holds that what other programs publish and nobody answers is told.
func TestDeadEndpoints(t *testing.T) {
	published := func(w *ward, server string) {
		w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
		w.iptables("iptables", "-t", "nat", "-N", "DOCKER")
		w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER")
		w.iptables("iptables", "-t", "nat", "-A", "DOCKER", "!", "-i", "docker0", "-p", "tcp", "-m", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", server)
	}
	for _, c := range []struct {
		name, check, says string
		spoil             func(w *ward)
	}{
		{"a container that is gone", "server-silent", "192.168.0.77", func(w *ward) { published(w, "192.168.0.77:80") }},
		{"a container that hangs", "endpoint-silent", "192.168.0.2:8080", func(w *ward) {
			published(w, "192.168.0.2:8080")
			w.run(w.Server2, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "8080", "-j", "DROP")
		}},
		{"a network without containers", "server-silent", "172.17.0.2", func(w *ward) {
			w.run(w.Gateway, "ip", "link", "add", "docker0", "type", "bridge")
			w.run(w.Gateway, "ip", "addr", "add", "172.17.0.1/16", "dev", "docker0")
			w.run(w.Gateway, "ip", "link", "set", "docker0", "up")
			published(w, "172.17.0.2:80")
		}},
		{"a network that is gone", "no-route", "172.18.0.2", func(w *ward) { published(w, "172.18.0.2:80") }},
		{"a service without endpoints", "service-empty", "shop/web has no endpoints", func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
			w.iptables("iptables", "-N", "KUBE-EXTERNAL-SERVICES")
			w.iptables("iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "NEW", "-j", "KUBE-EXTERNAL-SERVICES")
			w.iptables("iptables", "-A", "KUBE-EXTERNAL-SERVICES", "-p", "tcp", "-m", "comment", "--comment", "shop/web has no endpoints", "-m", "addrtype", "--dst-type", "LOCAL", "-m", "tcp", "--dport", "80", "-j", "REJECT")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.settle()
			c.spoil(w)
			for range 2 {
				if w.answers(w.Client, lab.WorldIPv4, web) {
					t.Fatal("it is answered")
				}
			}
			found := doctor.Examine(w.look())
			if !slices.ContainsFunc(found, func(f doctor.Finding) bool {
				return f.Check == c.check && f.IsProblem() && strings.Contains(f.Sentence+strings.Join(f.Evidence, " "), c.says)
			}) {
				t.Errorf("it is not told:\n%s", text(found))
			}
		})
	}
}
