package evaluate

import (
	"net/netip"
	"testing"

	"nattui/rules"
)

// A packet that meets the rule goes from one host to another, where the rule leaves a choice.
func TestSamplePacket(t *testing.T) {
	for _, c := range []struct{ line, src, dst string }{
		{"-A POSTROUTING -s 192.168.1.0/24 -d 192.168.1.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE", "192.168.1.3:40000", "192.168.1.2:80"},
		{"-A POSTROUTING -s 192.168.1.2/32 -d 192.168.1.0/24 -p tcp -m tcp --dport 80 -j MASQUERADE", "192.168.1.2:40000", "192.168.1.3:80"},
		{"-A POSTROUTING -s 192.168.1.0/24 -d 192.168.1.0/24 -j MASQUERADE", "192.168.1.2:40000", "192.168.1.3:80"},
		{"-A POSTROUTING -s 10.0.0.0/31 -d 10.0.0.1/32 -j MASQUERADE", "10.0.0.0:40000", "10.0.0.1:80"},
		{"-A POSTROUTING -s 198.51.100.0/24 -d 198.51.100.9/32 -j MASQUERADE", "198.51.100.2:40000", "198.51.100.9:80"},
		{"-A POSTROUTING -s 192.168.0.0/24 -j MASQUERADE", "192.168.0.2:40000", "198.51.100.20:80"},
		{"-A PREROUTING -d 198.51.100.9/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1", "198.51.100.10:40000", "198.51.100.9:80"},
		{"-A PREROUTING -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1", "198.51.100.9:40000", "203.0.113.1:80"},
		{"-A PREROUTING -d 192.168.0.0/24 -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1", "198.51.100.9:40000", "192.168.0.1:80"},
		{"-A PREROUTING -p tcp -m addrtype ! --dst-type LOCAL -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1", "198.51.100.9:40000", "198.51.100.20:80"},
	} {
		r, err := rules.Parse(c.line)
		if err != nil {
			t.Fatal(err)
		}
		_, src, dst, _, _ := SamplePacket(r, rules.IPv4, netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("192.168.0.1"))
		if src.String() != c.src || dst.String() != c.dst {
			t.Errorf("%s: from %s to %s, not from %s to %s", c.line, src, dst, c.src, c.dst)
		}
	}

	// Where no address of this host is known, the destination is left to be typed.
	r, err := rules.Parse("-A PREROUTING -p tcp -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, dst, _, ok := SamplePacket(r, rules.IPv4); !ok || dst.Addr().IsValid() {
		t.Errorf("a destination is invented: %s", dst)
	}
}
