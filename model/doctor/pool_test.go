package doctor_test

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// pooled is a gateway whose web server is one of two, asked by many clients.
func pooled(t *testing.T) *ward {
	w := newWard(t)
	w.base()
	w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-d", "203.0.113.1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2-192.168.0.3:8080")
	for i := range 8 {
		w.run(w.Client, "ip", "addr", "add", "203.0.113."+strconv.Itoa(20+i)+"/24", "dev", "eth0")
	}
	w.settle()
	return w
}

// askedByMany asks as each of the clients, and returns how many were answered.
func (w *ward) askedByMany() (answered int) {
	w.t.Helper()
	for i := range 8 {
		if w.answers(w.Client, netip.MustParseAddr("203.0.113."+strconv.Itoa(20+i)), web) {
			answered++
		}
	}
	return answered
}

// TestServersOfAPoolAreNamed holds that the server named for a client is the one that the kernel gives it.
func TestServersOfAPoolAreNamed(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := pooled(t)
	w.serve(w.Server3, "tcp", "192.168.0.3:8080")
	if n := w.askedByMany(); n != 8 {
		t.Fatalf("%d of 8 are answered", n)
	}
	g := w.look()
	for _, f := range doctor.Examine(g) {
		if f.IsProblem() {
			t.Errorf("a healthy pool has no %s", text([]doctor.Finding{f}))
		}
	}
	f, _ := doctor.FindForward(doctor.Forwards(g), "tcp "+web)
	steps := doctor.ExamineForward(g, f)
	said := regexp.MustCompile(`for (\S+) to (\S+:8080)\.$`).FindStringSubmatch(steps[1].Sentence)
	if said == nil {
		t.Fatal(steps[1].Sentence)
	}
	w.run(w.Client, "ip", "addr", "add", said[1]+"/32", "dev", "lo")
	if !w.answers(w.Client, netip.MustParseAddr(said[1]), web) {
		t.Fatal("no answer")
	}
	for _, f := range w.flows() {
		if f.Client().Addr().String() == said[1] && f.ServedBy().String() != said[2] {
			t.Errorf("%s, and the kernel gives it %s", steps[1].Sentence, f.ServedBy())
		}
	}
	for _, s := range steps {
		if strings.Contains(s.Sentence, "192.168.0.") && !strings.Contains(s.Sentence, said[2][:11]) {
			t.Errorf("%s speaks of another server than %s: %s", s.Check, said[2], s.Sentence)
		}
	}
}

// TestOneServerOfAPoolFails holds that one of two servers that is not there is told, whoever it is.
func TestOneServerOfAPoolFails(t *testing.T) {
	for _, dead := range []string{"192.168.0.2", "192.168.0.3"} {
		t.Run(dead, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			w := pooled(t)
			w.serve(w.Server3, "tcp", "192.168.0.3:8080")
			n := w.Server2
			if dead == "192.168.0.3" {
				n = w.Server3
			}
			w.run(n, "ip", "addr", "del", dead+"/24", "dev", "eth0")
			w.run(w.Gateway, "ip", "neigh", "flush", "all")
			if n := w.askedByMany(); n == 0 || n == 8 {
				t.Fatalf("%d of 8 are answered", n)
			}
			g := w.look()
			names := func(f doctor.Finding) bool {
				return f.IsProblem() && strings.Contains(f.Sentence+strings.Join(f.Evidence, " "), dead)
			}
			if found := doctor.Examine(g); !slices.ContainsFunc(found, names) {
				t.Errorf("it is not told:\n%s", text(found))
			}
			f, _ := doctor.FindForward(doctor.Forwards(g), "tcp "+web)
			steps := doctor.ExamineForward(g, f)
			if !slices.ContainsFunc(steps, names) {
				t.Errorf("it is not told of the forward:\n%s", text(steps))
			}
			for _, s := range steps {
				if s.Severity == doctor.SeverityOK && s.Check != "translated" && s.Check != "route" && s.Check != "let-through" && strings.Contains(s.Sentence, dead) {
					t.Errorf("ok: %s", s.Sentence)
				}
			}
		})
	}
}
