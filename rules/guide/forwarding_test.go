package guide

import (
	"strings"
	"testing"

	"nattui/rules"
)

// TestForwardingOfOneLink holds that a link whose own switch is off gets it turned on, where the switch of all links does not
// see to it.
func TestForwardingOfOneLink(t *testing.T) {
	const lan, wan, all = "sysctl -w net.ipv4.conf.lan0.forwarding=1", "sysctl -w net.ipv4.conf.wan0.forwarding=1", "sysctl -w net.ipv4.ip_forward=1"
	for _, c := range []struct {
		name   string
		recipe Recipe
		off    string // the link
		on     bool   // the switch of all links
		want   string
	}{
		{"share", Share{Net: "192.168.0.0/24"}, "lan0", true, lan},
		{"share, the way out", Share{Net: "192.168.0.0/24"}, "wan0", true, wan},
		{"share a VPN that reaches the LAN", Share{Net: "10.8.0.0/24", In: "tun0", VPN: true, Reach: "192.168.0.0/24"}, "lan0", true, lan},
		{"share, another link", Share{Net: "192.168.0.0/24"}, "tun0", true, ""},
		{"share, and all are off", Share{Net: "192.168.0.0/24"}, "lan0", false, all},
		{"publish", Publish{Port: "80", To: "192.168.0.2"}, "lan0", true, lan},
		{"one to one", OneToOne{Outside: "203.0.113.9", Inside: "192.168.0.9"}, "lan0", true, lan},
		{"move", Move{From: "10.8.0.9", To: "192.168.0.9"}, "lan0", true, lan},
		{"proxy", Proxy{In: "lan0", Port: "80", ToPort: "8888"}, "lan0", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := gateway(t, "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.8.0.9\nCOMMIT\n")
			h.Forwards = func(rules.Family) (bool, bool) { return c.on, true }
			h.ForwardsFrom = func(link string, _ rules.Family) (bool, bool) { return c.on && link != c.off, true }
			var set []string
			a := c.recipe.Advise(h)
			for _, s := range a.Plan.Steps {
				if s.Sysctl != nil && s.Sysctl.Old != s.Sysctl.Value {
					set = append(set, rules.ShellLine(s.Commands()[0]))
				}
			}
			if got := strings.Join(set, "\n"); got != c.want {
				t.Errorf("it sets %q, not %q:\n%s", got, c.want, told(a))
			}
		})
	}
}
