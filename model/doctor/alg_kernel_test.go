package doctor_test

import (
	"slices"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestNativeHelper: a native rule gives FTP's connections their helper, too; who looks at the forward alone is told where none does.
func TestNativeHelper(t *testing.T) {
	for _, gives := range []bool{false, true} {
		name := "without"
		if gives {
			name = "with"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "wan0", "-p", "tcp", "--dport", "21", "-j", "DNAT", "--to-destination", "192.168.0.2")
			if gives {
				w.run(w.Gateway, "nft", `add table inet h; add ct helper inet h ftp-std { type "ftp" protocol tcp; }; add chain inet h p { type filter hook prerouting priority filter; }; add rule inet h p tcp dport 21 ct helper set "ftp-std"`)
			}
			w.settle()
			g := w.look()
			forward, _, err := doctor.Seek(g, "tcp 203.0.113.1:21")
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range [][]doctor.Finding{doctor.Examine(g), doctor.ExamineForward(g, forward)} {
				if told := slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Check == "helper-missing" }); told == gives {
					t.Errorf("it is missing: %v\n%s", told, text(found))
				}
			}
		})
	}
}
