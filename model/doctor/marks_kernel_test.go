package doctor_test

import (
	"slices"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestNativeMarks: a native chain that sets a mark after the route was chosen is told of, unless another one sets it in time.
func TestNativeMarks(t *testing.T) {
	for name, c := range map[string]struct {
		table string
		late  bool
	}{
		"filter at output":          {`table ip x { chain c { type filter hook output priority mangle; tcp dport 443 meta mark set 9; }; }`, true},
		"route at output":           {`table ip x { chain c { type route hook output priority mangle; tcp dport 443 meta mark set 9; }; }`, false},
		"forward, by a jump":        {`table inet x { chain m { counter meta mark set 9; }; chain c { type filter hook forward priority mangle; jump m; }; }`, true},
		"prerouting":                {`table inet x { chain c { type filter hook prerouting priority mangle; iifname "lan0" meta mark set 9; }; }`, false},
		"both":                      {`table inet x { chain c { type filter hook prerouting priority mangle; meta mark set 9; }; chain d { type filter hook forward priority mangle; meta mark set 9; }; }`, false},
		"another mark":              {`table inet x { chain c { type filter hook forward priority mangle; meta mark set 8; }; }`, false},
		"restored in prerouting":    {`table inet x { chain c { type filter hook prerouting priority mangle; meta mark set ct mark; }; chain d { type filter hook forward priority mangle; meta mark set 9; ct mark set meta mark; }; }`, false},
		"of the other family alone": {`table ip6 x { chain c { type filter hook forward priority mangle; meta mark set 9; }; }`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.run(w.Gateway, "ip", "rule", "add", "fwmark", "9", "lookup", "100")
			w.nft(c.table)
			w.settle()
			found := doctor.Examine(w.look())
			if told := slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Check == "mark-too-late" }); told != c.late {
				t.Errorf("told: %v\n%s", told, text(found))
			}
		})
	}
}
