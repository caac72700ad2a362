package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestChanceBesideNative holds that a native table of the same priority which has no rule for a packet leaves chance alone to
// decide between two rules, each of which is followed; and that no cure takes more than the port that is asked for.
func TestChanceBesideNative(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.nft(`table inet fw4 { chain dstnat { type nat hook prerouting priority dstnat; iifname "wan0" tcp dport 7000 counter dnat ip to 192.168.0.3:8080; }; }`)
	for _, line := range []string{
		"-N KUBE-SVC-A", "-N KUBE-SEP-A", "-N KUBE-SEP-B", "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 83 -j KUBE-SVC-A",
		"-A KUBE-SVC-A -m statistic --mode random --probability 0.5 -j KUBE-SEP-A", "-A KUBE-SVC-A -j KUBE-SEP-B",
		"-A KUBE-SEP-A -p tcp -j DNAT --to-destination 192.168.0.2:8080", "-A KUBE-SEP-B -p tcp -j DNAT --to-destination 192.168.0.4:8080",
	} {
		w.iptables("iptables", append([]string{"-t", "nat"}, strings.Fields(line)...)...)
	}
	w.settle()
	g := w.look()
	f, found, err := doctor.Seek(g, "83/tcp")
	if err != nil || found != nil {
		t.Fatal(err, found)
	}
	steps := doctor.ExamineForward(g, f)
	i := slices.IndexFunc(steps, func(f doctor.Finding) bool { return f.Check == "translated" })
	if i < 0 || strings.Contains(steps[i].Sentence, "same priority") || !strings.Contains(steps[i].Sentence, "KUBE-SEP-B") {
		t.Errorf("%s", text(steps))
	}
	for _, s := range steps {
		if s.Check == "not-from-here" && len(s.Cure.Steps) > 0 {
			t.Errorf("it takes every port: %s", text([]doctor.Finding{s}))
		}
	}
}
