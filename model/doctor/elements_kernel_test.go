package doctor_test

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestElementsOfAMap holds that what one element's server has answered is not said of another's, whichever of them shares its
// machine, its port, or what is asked for.
func TestElementsOfAMap(t *testing.T) {
	for name, test := range map[string]struct{ elements, asked, server string }{
		"two machines":           {"80 : 192.168.0.2 . 8080, 81 : 192.168.0.3 . 8081", "81/tcp", "192.168.0.3:8081"},
		"two ports of a machine": {"80 : 192.168.0.2 . 8080, 81 : 192.168.0.2 . 8081", "81/tcp", "192.168.0.2:8081"},
		"another address":        {"80 : 192.168.0.2 . 8080, 81 : 192.168.0.3 . 8081", "tcp 203.0.113.2:81", "192.168.0.3:8081"},
	} {
		t.Run(name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.run(w.Gateway, "ip", "addr", "add", "203.0.113.2/24", "dev", "wan0")
			w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
			w.nft("table ip n { map m { type inet_service : ipv4_addr . inet_service; elements = { " + test.elements + " } }; chain p { type nat hook prerouting priority -100; iifname wan0 dnat ip addr . port to tcp dport map @m; }; }")
			w.settle()
			for _, f := range doctor.Forwards(w.look()) { // before anybody has come
				if steps := doctor.ExamineForward(w.look(), f); steps[0].Check != "arrives" || steps[0].Severity != doctor.SeverityUnknown || strings.Contains(steps[0].Sentence, "counted none") {
					t.Errorf("a rule that does not count: %s", text(steps[:1]))
				}
			}
			if !w.answers(w.Client, netip.Addr{}, web) {
				t.Fatal("no answer")
			}
			g := w.look()
			f, found, err := doctor.Seek(g, test.asked)
			if err != nil || found != nil {
				t.Fatal(err, found)
			}
			if f.Server.String() != test.server {
				t.Errorf("it leads to %s, not %s", f.Server, test.server)
			}
			for _, step := range doctor.ExamineForward(g, f) {
				switch {
				case step.Check == "served" && step.Severity != doctor.SeverityUnknown,
					step.Check == "answer-returns" && step.Severity == doctor.SeverityOK && !strings.HasPrefix(test.server, "192.168.0.2:"):
					t.Errorf("%s", text([]doctor.Finding{step}))
				}
			}
		})
	}
}

// TestServerOfAHash holds that no server is named as the one of all clients where a hash or a count chooses.
func TestServerOfAHash(t *testing.T) {
	for name, key := range map[string]string{"hash": "jhash ip saddr mod 2", "count": "numgen inc mod 2"} {
		t.Run(name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
			w.nft("table ip n { chain p { type nat hook prerouting priority -100; iifname wan0 tcp dport 80 dnat to " + key + " map { 0 : 192.168.0.2, 1 : 192.168.0.3 }; }; }")
			w.settle()
			g := w.look()
			f := doctor.Forwards(g)[0]
			const both = "one of 192.168.0.2:80 and 192.168.0.3:80"
			if !strings.Contains(f.String(), both) {
				t.Errorf("%s", &f)
			}
			for _, step := range doctor.ExamineForward(g, f) {
				if step.Check == "translated" && !strings.Contains(step.Sentence, both) || step.Check == "let-through" && step.Severity == doctor.SeverityOK && !strings.Contains(step.Sentence, "each of") {
					t.Errorf("%s", text([]doctor.Finding{step}))
				}
			}
		})
	}
}
