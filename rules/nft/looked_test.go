package nft

import "testing"

// An element of a map is said in the words of a rule.
func TestLooked(t *testing.T) {
	for _, c := range []struct{ by, key, want string }{
		{"tcp dport", "80", "to port 80"},
		{"ip daddr . tcp dport", "203.0.113.1 . 22", "to 203.0.113.1 port 22"},
		{"tcp dport . ip daddr", "22 . 203.0.113.1", "to 203.0.113.1 port 22"},
		{"iifname . ip saddr . udp dport", `"lan0" . 192.168.0.2 . 53`, "that arrives on lan0 from 192.168.0.2 to port 53"},
		{"meta mark", "0x1", "with meta mark 0x1"},
		{"tcp dport . ip daddr", "22", "with tcp dport . ip daddr 22"},
	} {
		if got := looked(c.by, c.key); got != c.want {
			t.Errorf("%s of %s: %q, not %q", c.key, c.by, got, c.want)
		}
	}
}
