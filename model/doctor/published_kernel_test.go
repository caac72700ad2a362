package doctor_test

import (
	"slices"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestPublishedPastInput: a port that Docker publishes is told of, with either backend, however INPUT seems to close it, and
// not where INPUT lets it in.
func TestPublishedPastInput(t *testing.T) {
	for _, backend := range []string{"nft", "legacy"} {
		for name, closes := range map[string][]string{
			"rule":      {"-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "DROP"},
			"catch-all": {"-A", "INPUT", "-i", "wan0", "-j", "DROP"},
			"policy":    {"-P", "INPUT", "DROP"},
			"":          {"-A", "INPUT", "-p", "tcp", "--dport", "81", "-j", "DROP"},
		} {
			t.Run(backend+"/"+name, func(t *testing.T) {
				t.Parallel()
				if lab.Isolate(t) {
					return
				}
				w := newWard(t)
				iptables := func(args ...string) { w.run(w.Gateway, append([]string{"iptables-" + backend}, args...)...) }
				w.base()
				w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
				iptables("-t", "nat", "-N", "DOCKER")
				iptables("-t", "nat", "-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER")
				iptables("-t", "nat", "-A", "DOCKER", "!", "-i", "docker0", "-p", "tcp", "-m", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
				iptables(closes...)
				w.settle()
				if !w.answers(w.Client, lab.WorldIPv4, web) {
					t.Fatal("it is not answered")
				}
				found := doctor.Examine(w.look())
				if told := slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Check == "published-past-input" }); told != (name != "") {
					t.Errorf("told: %v\n%s", told, text(found))
				}
			})
		}
	}
}
