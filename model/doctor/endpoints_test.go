package doctor_test

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
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

// TestGoneEndpointsAreToldOnce: of many pods that are gone there is one finding, which names some of them.
func TestGoneEndpointsAreToldOnce(t *testing.T) {
	for _, c := range []struct{ check, network string }{{"server-silent", "192.168.0."}, {"no-route", "10.244.3."}} {
		t.Run(c.check, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.settle()
			w.run(w.Gateway, "ip", "route", "add", "unreachable", "10.244.3.0/24")
			w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
			w.iptables("iptables", "-t", "nat", "-N", "KUBE-SERVICES")
			w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-j", "KUBE-SERVICES")
			for i := range 9 {
				n := strconv.Itoa(i)
				for _, chain := range []string{"KUBE-SVC-" + n, "KUBE-SEP-" + n} {
					w.iptables("iptables", "-t", "nat", "-N", chain)
				}
				w.iptables("iptables", "-t", "nat", "-A", "KUBE-SERVICES", "-d", "203.0.113.1", "-p", "tcp", "--dport", strconv.Itoa(30000+i), "-j", "KUBE-SVC-"+n)
				w.iptables("iptables", "-t", "nat", "-A", "KUBE-SVC-"+n, "-j", "KUBE-SEP-"+n)
				w.iptables("iptables", "-t", "nat", "-A", "KUBE-SEP-"+n, "-p", "tcp", "-j", "DNAT", "--to-destination", c.network+strconv.Itoa(70+i)+":8080")
				ctx, cancel := context.WithTimeout(t.Context(), absence/5)
				_, _ = w.Client.Ask(ctx, "tcp", netip.MustParseAddrPort("203.0.113.1:"+strconv.Itoa(30000+i)))
				cancel()
			}
			w.meets(said{from: client, to: "203.0.113.1:30008"})
			var told []doctor.Finding
			for _, f := range doctor.Examine(w.look()) {
				if f.Check == c.check || f.Check == "endpoint-silent" {
					told = append(told, f)
				}
			}
			if len(told) != 1 || !told[0].IsProblem() || !strings.Contains(text(told), "9 endpoints") || !strings.Contains(text(told), "and 4 more") || !strings.Contains(text(told), c.network+"70:8080") {
				t.Errorf("it is told:\n%s", text(told))
			}
		})
	}
}
