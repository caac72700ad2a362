package doctor_test

import (
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestNativeRuleThatTakesBeforeIsNamed: where a native rule takes a client's packet before the rule that forwards, the doctor
// names it, as what-if does.
func TestNativeRuleThatTakesBeforeIsNamed(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.nft(`table ip gw {
		chain sub { accept; }
		chain pre { type nat hook prerouting priority dstnat; iifname "wan0" accept; tcp dport 80 counter dnat to 192.168.0.2:8080; }
	}`)
	for _, c := range []struct{ change, want string }{
		{"", "is taken by ip gw pre 1 before, and no packet was found that is not"},
		{`flush chain ip gw pre; add rule ip gw pre iifname "wan0" jump sub; add rule ip gw pre tcp dport 80 counter dnat to 192.168.0.2:8080`, "is taken by ip gw sub 1 before"},
		{`flush chain ip gw sub; add rule ip gw sub return`, "The rule translates"},
		{`flush chain ip gw pre; add rule ip gw pre iifname "wan0" return; add rule ip gw pre tcp dport 80 counter dnat to 192.168.0.2:8080`, "is taken by ip gw pre 1 before"},
		{`flush chain ip gw pre; add rule ip gw pre iifname "wan0" counter; add rule ip gw pre tcp dport 80 counter dnat to 192.168.0.2:8080`, "The rule translates"},
	} {
		if c.change != "" {
			w.nft(c.change)
		}
		g := w.look()
		f, _, err := doctor.Seek(g, "tcp 203.0.113.1:80")
		if err != nil {
			t.Fatal(err)
		}
		if said := text(doctor.ExamineForward(g, f)); !strings.Contains(said, c.want) || strings.Contains(said, "leave it open") {
			t.Errorf("%s: it does not say %q:\n%s", c.change, c.want, said)
		}
	}
}
