package nftables

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules/nft"
)

// TestWords has rules as nft takes them, and how they read: conditions, what becomes of packets, the sentence.
func TestWords(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	program := lab.Program(t, "nft")
	for _, test := range []struct{ family, rule, text, match, becomes, target, sentence string }{
		{
			"ip", `iifname "wan0" tcp dport 80 dnat to 192.168.0.2:8080`, "", "tcp :80 in wan0", "192.168.0.2:8080", "DNAT",
			"TCP that arrives on wan0 to port 80 goes to 192.168.0.2 port 8080.",
		},
		{
			"inet", `iifname "wan0" meta l4proto {tcp, udp} th dport {53, 5353} dnat ip6 to [fd00::2]:53`, `iifname "wan0" meta l4proto { tcp, udp } th dport { 53, 5353 } dnat ip6 to [fd00::2]:53`,
			"tcp,udp :53,5353 in wan0", "[fd00::2]:53", "DNAT", "TCP or UDP that arrives on wan0 to ports 53, 5353 goes to fd00::2 port 53.",
		},
		{
			"inet", `ip daddr 203.0.113.1 tcp dport {80, 443} ct state new dnat ip to 192.168.0.2-192.168.0.9 random,persistent`, `ip daddr 203.0.113.1 tcp dport { 80, 443 } ct state new dnat ip to 192.168.0.2-192.168.0.9 random,persistent`,
			"tcp to 203.0.113.1:80,443 new", "192.168.0.2-192.168.0.9", "DNAT",
			"TCP to 203.0.113.1 ports 80, 443 in new connections goes to one of 192.168.0.2 to 192.168.0.9, by a random port, always the same for one client.",
		},
		{
			"ip", `ip saddr 192.168.0.0/24 oifname "wan0" masquerade`, "", "from 192.168.0.0/24 out wan0", "from wan0's address", "MASQUERADE",
			"Everything from 192.168.0.0/24 that leaves by wan0 leaves as if from wan0's address.",
		},
		{"inet", `ct expiration < 10s masquerade`, "ct expiration < 10s masquerade", "ct expiration < 10s", "from outgoing address", "MASQUERADE", "Everything if ct expiration < 10s leaves as if from the outgoing interface's address."},
		{
			"ip6", `ip6 saddr fd00::/64 ip6 daddr != fd00::/64 snat to 2001:db8::1`, "", "from fd00::/64 to !fd00::/64", "from 2001:db8::1", "SNAT",
			"Everything from fd00::/64 to anything but fd00::/64 leaves as if from 2001:db8::1.",
		},
		{
			"ip", `tcp dport 80 redirect to :8888`, "", "tcp :80", "this host :8888", "REDIRECT", "TCP to port 80 goes to this host, port 8888.",
		},
		{
			"ip", `dnat to tcp dport map { 80 : 10.0.0.2, 443 : 10.0.0.3 }`, "", "tcp", "by tcp dport", "DNAT", "TCP goes to what the rule's map says for its TCP port.",
		},
		{
			"ip", `dnat to ip daddr . tcp dport map @forwards`, "dnat ip to ip daddr . tcp dport map @forwards", "tcp", "@forwards by ip daddr . tcp dport", "DNAT",
			"TCP goes to what the map forwards says for its destination address and TCP port.",
		},
		{
			"ip", `ip protocol tcp dnat to numgen inc mod 2 map { 0 : 10.0.0.2, 1 : 10.0.0.3 }:8443`, "", "tcp", "10.0.0.2:8443 or 10.0.0.3:8443", "DNAT",
			"TCP goes to one of 10.0.0.2:8443 or 10.0.0.3:8443, chosen in turn.",
		},
		{
			"ip", `ip daddr 203.0.113.0/29 dnat prefix to 10.0.0.0/29`, "ip daddr 203.0.113.0/29 dnat prefix to 10.0.0.0/29", "to 203.0.113.0/29", "10.0.0.0/29", "DNAT",
			"Everything to 203.0.113.0/29 gets its destination mapped one to one into 10.0.0.0/29.",
		},
		{
			"inet", `iifname "wan*" ct status dnat accept`, "", "in wan* ct status dnat", "accepted", "ACCEPT",
			"Everything that arrives on an interface named wan… with connection status dnat is let through as it is.",
		},
		{
			"inet", `fib daddr type local tcp dport 22 counter log prefix "ssh " drop`, `fib daddr type local tcp dport 22 counter packets 0 bytes 0 log prefix "ssh " drop`,
			"tcp :22 dst local", "dropped", "DROP", "TCP to an address of this host port 22 is logged and dropped.",
		},
		{"inet", `iifname vmap { "lan0" : jump inside, "wan0" : drop }`, "", "everything", "by iifname", "vmap", "Everything goes where the rule's map says for its incoming interface."},
		{
			"inet", `meta mark & 0xff == 0x12 reject with icmpx admin-prohibited`, "meta mark & 0x000000ff == 0x00000012 reject with icmpx admin-prohibited",
			"mark & 0x000000ff == 0x00000012", "rejected with icmpx admin-prohibited", "REJECT", "Everything if meta mark & 0x000000ff == 0x00000012 is rejected with icmpx admin-prohibited.",
		},
		{"inet", `ip saddr @friends meta mark set 0x7`, `ip saddr @friends meta mark set 0x00000007`, "from @friends", "mark 0x00000007", "MARK", "Everything from an address of the set friends gets the mark 0x00000007."},
	} {
		t.Run(test.rule, func(t *testing.T) {
			_ = exec.Command(program, "flush", "ruleset").Run()
			sets := ""
			if test.family != "ip6" {
				sets = "set friends { type ipv4_addr; }\nmap forwards { type ipv4_addr . inet_service : ipv4_addr . inet_service; }\n"
			}
			file := filepath.Join(t.TempDir(), "rules")
			text := "table " + test.family + " t {\n" + sets + "chain inside {\n}\nchain c {\n" + test.rule + "\n}\n}\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(program, "-f", file).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			set, err := Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c := set.Tables[0].Chain("c")
			r := c.Rules[0].Read(c, nil)
			want := test.text
			if want == "" {
				want = test.rule
			}
			for _, x := range []struct{ what, got, want string }{
				{"text", r.Text(), want},
				{"match", r.MatchText(), test.match},
				{"becomes", r.Becomes(nil), test.becomes},
				{"target", r.Target(), test.target},
				{"sentence", r.Sentence("c"), test.sentence},
			} {
				if x.got != x.want {
					t.Errorf("%s\n     %s\nwant %s", x.what, x.got, x.want)
				}
			}
		})
	}
}

// TestForwards has the elements of a map, which are forwards of their own.
func TestForwards(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	program := lab.Program(t, "nft")
	cmd := exec.Command(program, "-f", "-")
	cmd.Stdin = strings.NewReader(`table ip t {
		map forwards { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 203.0.113.1 . 443 : 192.168.0.3 . 8443, 203.0.113.1 . 80 comment "web" : 192.168.0.2 . 8080 } }
		map nets { type ipv4_addr : ipv4_addr; flags interval; elements = { 10.0.0.0/24 : 192.0.2.1, 10.0.1.5-10.0.1.9 : 192.0.2.2 } }
		chain c { dnat to ip daddr . tcp dport map @forwards; snat to ip saddr map @nets; }
	}`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	set, err := Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	c := set.Tables[0].Chain("c")
	for _, r := range c.Rules {
		d, _ := r.Read(c, nil).Main()
		for _, e := range d.Map.Entries(nft.Links{}) {
			got = append(got, e.Key+" > "+d.Place(e)+" "+e.Element.Comment)
		}
	}
	want := "203.0.113.1 . 80 > 192.168.0.2:8080 web\n203.0.113.1 . 443 > 192.168.0.3:8443 \n10.0.0.0/24 > 192.0.2.1 \n10.0.1.5-10.0.1.9 > 192.0.2.2 "
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("the forwards are\n%s\nwant\n%s", text, want)
	}
}
