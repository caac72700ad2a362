package facts

import (
	"net/netip"
	"testing"

	"nattui/rules/evaluate"
)

// TestProtected asks which policy decides.
func TestProtected(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	f := &Facts{IPsec: []IPsecPolicy{
		{Dir: "out", Src: prefix("192.168.0.0/24"), Dst: prefix("10.0.0.0/8"), Priority: 20, Protects: true},
		{Dir: "out", Src: prefix("192.168.0.0/24"), Dst: prefix("10.9.0.0/16"), Priority: 10}, // left alone
		{Dir: "out", Src: prefix("192.168.0.7/32"), Dst: prefix("172.16.0.0/12"), Protects: true, Narrow: true},
		{Dir: "fwd", Src: prefix("10.0.0.0/8"), Dst: prefix("192.168.0.0/24"), Protects: true},
	}}
	for _, test := range []struct {
		out      bool
		src, dst string
		want     evaluate.Truth
	}{
		{true, "192.168.0.9", "10.1.2.3", evaluate.Yes},
		{true, "192.168.0.9", "10.9.2.3", evaluate.No},
		{true, "192.168.1.9", "10.1.2.3", evaluate.No},
		{false, "192.168.0.9", "10.1.2.3", evaluate.No},
		{false, "10.1.2.3", "192.168.0.9", evaluate.Yes},
		{true, "192.168.0.7", "172.16.0.1", evaluate.Unknown},
	} {
		if got := f.Protected(test.out, addr(test.src), addr(test.dst)); got != test.want {
			t.Errorf("out %t, %s to %s: %s, want %s", test.out, test.src, test.dst, got, test.want)
		}
	}
	if got := (&Facts{}).Protected(true, addr("10.0.0.1"), addr("10.0.0.2")); got != evaluate.Unknown {
		t.Errorf("policies that were not read: %s", got)
	}
}
