package doctor

import (
	"net/netip"
	"testing"
)

// TestOverlap holds that of a range only what lies in the network is gone through, however large the range is.
func TestOverlap(t *testing.T) {
	for _, c := range []struct{ net, first, last, from, to string }{
		{"203.0.113.0/24", "203.0.113.9", "203.0.113.12", "203.0.113.9", "203.0.113.12"},
		{"203.0.113.1/24", "198.0.0.0", "203.0.113.12", "203.0.113.0", "203.0.113.12"},
		{"203.0.113.0/24", "203.0.113.9", "239.255.255.255", "203.0.113.9", "203.0.113.255"},
		{"2001:db8:0:ffff::/64", "2001:db8::", "2001:db8:0:ffff::5", "2001:db8:0:ffff::", "2001:db8:0:ffff::5"},
		{"2001:db8::/64", "2001:db8::8", "2001:db8:0:ffff::", "2001:db8::8", "2001:db8::ffff:ffff:ffff:ffff"},
	} {
		from, to := overlap(netip.MustParsePrefix(c.net), netip.MustParseAddr(c.first), netip.MustParseAddr(c.last))
		if from.String() != c.from || to.String() != c.to {
			t.Errorf("of %s-%s in %s: %s-%s, want %s-%s", c.first, c.last, c.net, from, to, c.from, c.to)
		}
	}
}
