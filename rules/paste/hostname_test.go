package paste

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/rules"
)

// A name where an address belongs is refused with the address that it has now, and is looked up only then.
func TestNamesAreRefusedWithTheirAddress(t *testing.T) {
	asked := 0
	ground := Ground{Backend: rules.NFT, AnyChain: true, HostAddrs: func(name string) ([]netip.Addr, bool) {
		asked++
		switch name {
		case "web.lan", "web":
			return []netip.Addr{netip.MustParseAddr("192.168.0.2"), netip.MustParseAddr("fd00::2")}, true
		case "two.lan":
			return []netip.Addr{netip.MustParseAddr("192.168.0.3"), netip.MustParseAddr("192.168.0.4")}, true
		case "none.lan", "none":
			return nil, true
		}
		return nil, false
	}}
	for line, want := range map[string]string{
		"iptables -A FORWARD -s web.lan -j ACCEPT":                                                        "web.lan is a name: iptables would look it up once, when the rule is made; now it is 192.168.0.2; write 192.168.0.2",
		"iptables -A FORWARD -s web -j ACCEPT":                                                            "now it is 192.168.0.2; write 192.168.0.2",
		"iptables -A FORWARD -s web.lan/24 -j ACCEPT":                                                     "write 192.168.0.2/24",
		"ip6tables -A FORWARD -d web.lan -j ACCEPT":                                                       "now it is fd00::2; write fd00::2",
		"ip6tables -A FORWARD -d two.lan -j ACCEPT":                                                       "now it is 192.168.0.3 or 192.168.0.4, and ip6tables is for IPv6",
		"iptables -A FORWARD -s 10.0.0.1,web.lan -j ACCEPT":                                               "write 10.0.0.1,192.168.0.2",
		"iptables -A FORWARD -s two.lan -j ACCEPT":                                                        "now it is 192.168.0.3 or 192.168.0.4: write one of them",
		"iptables -A FORWARD -s none.lan -j ACCEPT":                                                       "it has no address here now: write the address",
		"iptables -A FORWARD -s none -j ACCEPT":                                                           `"none" is not an address`,
		"iptables -A FORWARD -s unasked.lan -j ACCEPT":                                                    "unasked.lan is a name: iptables would look it up once, when the rule is made; write the address",
		"iptables -A FORWARD -m conntrack --ctorigdst web.lan -j ACCEPT":                                  "write 192.168.0.2",
		"iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination web.lan:8080":           "web.lan is a name, and the rule takes an address; now it is 192.168.0.2; write 192.168.0.2:8080",
		"iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination web.lan":                "write 192.168.0.2",
		"ip6tables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination web.lan:8080":          "write [fd00::2]:8080",
		"iptables -t nat -A POSTROUTING -j SNAT --to-source none.lan":                                     "none.lan is a name, and the rule takes an address; it has no address here now",
		"iptables -t mangle -A PREROUTING -j TEE --gateway web.lan":                                       "write 192.168.0.2",
		"iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:nosuch.lan": `"nosuch.lan" is not a port`,
		"iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:99999":      `"99999" is not a port: ports go from 1 to 65535`,
		"ip6tables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination [2001:db8::2]:99999":   `"99999" is not a port: ports go from 1 to 65535`,
	} {
		im := Read(line, ground)
		var said []string
		for _, r := range im.Remarks {
			words := r.Text
			if r.Correction != "" {
				words += "; write " + r.Correction
			}
			said = append(said, words)
		}
		if all := strings.Join(said, "\n"); !strings.Contains(all, want) || !im.InDoubt() {
			t.Errorf("%s\nsaid %s\nwant %s", line, all, want)
		}
	}
	if asked = 0; Read("iptables -t nat -A PREROUTING -s 192.168.0.2 -p tcp --dport http -j DNAT --to-destination 192.168.0.2:80", ground).InDoubt() || asked > 0 {
		t.Errorf("%d names looked up for what is right", asked)
	}
}
