package doctor_test

import (
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestLinkInsideDown takes the link to the server down on a gateway that lets through only what leaves: the doctor names the
// link, and that FORWARD drops the packet, as it does.
func TestLinkInsideDown(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.iptables("iptables", "-F", "FORWARD")
	w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-o", "wan0", "-j", "ACCEPT")
	w.iptables("iptables", "-P", "FORWARD", "DROP")
	w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "wan0", "-p", "tcp", "--dport", "3001", "-j", "DNAT", "--to-destination", "192.168.0.21:8080")
	w.run(w.Gateway, "ip", "link", "set", "lan0", "down")
	w.settle()
	said := text(doctor.Examine(w.look()))
	for _, want := range []string{"192.168.0.1/24 on lan0, which is down", "policy of FORWARD drops it"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
	for _, not := range []string{"leaves to the Internet", "no network of this host", "itself asks of others"} {
		if strings.Contains(said, not) {
			t.Errorf("%q is said:\n%s", not, said)
		}
	}
}
