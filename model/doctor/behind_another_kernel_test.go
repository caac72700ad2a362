package doctor_test

import (
	"slices"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestBehindAnotherRouter: where the uplink has a private address, it is not known whether packets for a public one arrive that is
// nowhere here, until some have.
func TestBehindAnotherRouter(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		says    bool
	}{"private": {"192.168.9.2/24", true}, "public": {"203.0.113.1/24", false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.run(w.Gateway, "ip", "address", "flush", "dev", "wan0")
			w.run(w.Gateway, "ip", "address", "add", c.address, "dev", "wan0")
			w.run(w.Gateway, "ip", "route", "replace", "default", "dev", "wan0")
			w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
			w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "wan0", "-d", "198.51.100.77", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
			w.settle()
			found := doctor.Examine(w.look())
			told := slices.ContainsFunc(found, func(f doctor.Finding) bool {
				return f.Check == "old-address" && f.Severity == doctor.SeverityUnknown
			})
			if told != c.says {
				t.Errorf("told: %v\n%s", told, text(found))
			}
		})
	}
}
