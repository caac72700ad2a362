package paste

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nattui/rules"
)

// ground is an empty gateway whose way to the world is known.
func ground() Ground {
	return Ground{
		Sets:   map[rules.Variant]*rules.Ruleset{{Family: rules.IPv4, Backend: rules.NFT}: {Family: rules.IPv4, Backend: rules.NFT}, {Family: rules.IPv6, Backend: rules.NFT}: {Family: rules.IPv6, Backend: rules.NFT}},
		Uplink: "wan0", Uplink4: netip.MustParseAddr("203.0.113.1"),
	}
}

// describe prints all that an import came to, as lines that can be compared.
func describe(im Import) string {
	var b strings.Builder
	for _, f := range im.Remarks {
		fmt.Fprintf(&b, "%d:%d %s %s: %s", f.Line, f.Column, f.Level, f.Word, f.Text)
		if f.Correction != "" {
			fmt.Fprintf(&b, " => %s", f.Correction)
		}
		b.WriteByte('\n')
	}
	for _, q := range im.Questions {
		fmt.Fprintf(&b, "? %s: %s for %s", q.Name, q.What, q.Option)
		if q.Suggestion != "" {
			fmt.Fprintf(&b, ", perhaps %s", q.Suggestion)
		}
		b.WriteByte('\n')
	}
	for _, l := range im.Corrected {
		b.WriteString("> " + l + "\n")
	}
	for _, argv := range im.Plan.Commands() {
		b.WriteString("$ " + rules.ShellLine(argv) + "\n")
	}
	return b.String()
}

// imported is what a pasted text has to come to: the words that are wrong, each
// with its place and a part of what is said, then the lines as they should be.
var imported = []struct {
	text      string
	said      []string // LINE:COLUMN SEVERITY WORD: part of the text
	asked     []string
	corrected []string
	plan      []string
}{
	{
		text: "iptables -t nat -A POSTROUTING -s 192.168.0.1/24 SNAT --to-destination a.b.c.d",
		said: []string{
			"1:35 doubt 192.168.0.1/24: host bits", "1:50 error SNAT: -j is missing", "1:50 doubt SNAT: neither -o nor -d",
			"1:55 error --to-destination: it takes --to-source",
		},
		asked:     []string{"a.b.c.d: an address for --to-source, perhaps 203.0.113.1"},
		corrected: []string{"iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j SNAT --to-source a.b.c.d"},
	},
	{
		text:      "iptables -A FORWARD -i eth0 -o tun0 -m state -state RELATED,ESTABLISHED -j ACCEPT",
		said:      []string{"1:46 error -state: two dashes"},
		corrected: []string{"iptables -A FORWARD -i eth0 -o tun0 -m state --state RELATED,ESTABLISHED -j ACCEPT"},
	},
	{
		text:      "iptables -A FORWARD -i tun0 -o eth0 -j ACCEPT",
		corrected: []string{"iptables -A FORWARD -i tun0 -o eth0 -j ACCEPT"},
		plan:      []string{"iptables -t filter -A FORWARD -i tun0 -o eth0 -j ACCEPT"},
	},
	{
		text:      "iptables  -t nat -A POSTROUTING -s 192.168.0.1/24 MASQUERADE",
		said:      []string{"1:36 doubt 192.168.0.1/24: host bits", "1:51 error MASQUERADE: -j is missing", "1:51 doubt MASQUERADE: neither -o nor -d"},
		corrected: []string{"iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE"},
	},
	{
		text:      "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080",
		said:      []string{"1:52 doubt DNAT: your own network sends to anybody's port 80"},
		corrected: []string{"iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080"},
	},
	{
		text:      "iptables -t nat -A POSTROUTING -d 192.168.0.2 --dport 8080 -j SNAT --to-source 1.1.1.1",
		said:      []string{"1:47 error --dport: a port needs a protocol"},
		corrected: []string{"iptables -t nat -A POSTROUTING -d 192.168.0.2 -p tcp --dport 8080 -j SNAT --to-source 1.1.1.1"},
	},
	{
		text:      "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j REDIRECT  --to-port 8888",
		said:      []string{"1:70 note --to-port: short for --to-ports"},
		corrected: []string{"iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j REDIRECT --to-ports 8888"},
		plan:      []string{"iptables -t nat -A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888"},
	},
	{
		text:  "#!/bin/sh\nWAN=eth0\nsudo iptables -t nat -A PREROUTING -i $WAN -p tcp \\\n  --dport 80 -j DNAT --to-destination YOUR_IP:8080 # web\necho 1 > /proc/sys/net/ipv4/ip_forward",
		asked: []string{"YOUR_IP: an address for --to-destination"},
		corrected: []string{
			"iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination YOUR_IP:8080", "sysctl -w net.ipv4.ip_forward=1",
		},
	},
	{
		text:      "iptables -t nat -A PREROUTING –i eth0 –p tcp –dport 80 –j DNAT --to-destination <server ip>:80",
		said:      []string{"1:31 error –i: typesetter", "1:39 error –p: typesetter", "1:46 error –dport: typesetter", "1:56 error –j: typesetter"},
		asked:     []string{"<server ip>: an address for --to-destination"},
		corrected: []string{"iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination <server ip>:80"},
	},
	{
		text:      "iptables -t nta -A POSTROUTNG -o eth0 -j masqurade",
		said:      []string{`1:13 error nta: no table "nta"`, "1:20 error POSTROUTNG: no chain", "1:42 error masqurade: neither a target nor a chain"},
		corrected: []string{"iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE"},
	},
	{
		text:      "iptables -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to 10.0.0.2",
		said:      []string{"1:13 error PREROUTING: belongs to table nat", "1:58 note --to: short for --to-destination"},
		corrected: []string{"iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2"},
	},
	{
		text: "iptables -t nat -A PREROUTING -i eth0 -p tcp/udp --dport 53 -j DNAT --to-destination 10.0.0.1",
		said: []string{"1:42 error tcp/udp: one protocol"},
		corrected: []string{
			"iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 53 -j DNAT --to-destination 10.0.0.1",
			"iptables -t nat -A PREROUTING -i eth0 -p udp --dport 53 -j DNAT --to-destination 10.0.0.1",
		},
	},
	{
		text:      "iptables -A INPUT -p tcp --dport 80,443 -m conntrack --state NEW, ESTABLISHED -j ACCEPT",
		said:      []string{"1:34 error 80,443: multiport", "1:54 error --state: that of -m conntrack is --ctstate", "1:62 error NEW,: ends the list"},
		corrected: []string{"iptables -A INPUT -p tcp -m multiport --dports 80,443 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT"},
	},
	{
		text:      "iptables -t nat -A PREROUTING -i eth0 --dport 80 -p tcp --to-destination 10.0.0.1:80 -j DNAT",
		said:      []string{"1:39 error --dport: stands before -p", "1:57 error --to-destination: stands before -j DNAT"},
		corrected: []string{"iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1:80"},
	},
	{
		text:      "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE --to-source 1.2.3.4",
		said:      []string{"1:54 error --to-source: a fixed address is SNAT"},
		corrected: []string{"iptables -t nat -A POSTROUTING -o eth0 -j SNAT --to-source 1.2.3.4"},
	},
	{
		text:      "iptables -t nat -A PREROUTING -i eth0 -d 2001:db8::1 -j DNAT --to-destination 2001:db8::2",
		said:      []string{"1:42 error 2001:db8::1: is an IPv6 address"},
		corrected: []string{"ip6tables -t nat -A PREROUTING -i eth0 -d 2001:db8::1 -j DNAT --to-destination 2001:db8::2"},
	},
	{
		text:      "iptables -t nat -A POSTROUTING -i eth0 -s 10.0.0.0/8 -j MASQUERADE",
		said:      []string{"1:32 error -i: no longer known where a packet arrived"},
		corrected: []string{"iptables -t nat -A POSTROUTING -o eth0 -s 10.0.0.0/8 -j MASQUERADE"},
	},
	{
		text:      "iptables -P FORWARD DROP",
		said:      []string{"1:10 doubt -P: everything that passes this gateway"},
		corrected: []string{"# iptables -P FORWARD DROP"},
	},
	{
		text:      "iptables -F; iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
		said:      []string{"1:10 doubt -F: deletes every rule of table filter"},
		corrected: []string{"# iptables -F", "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE"},
	},
	{
		text:      "iptables -N web && iptables -A FORWARD -p tcp --dport http -j web && iptables -A web -s 10.0.0.1,10.0.0.2 -j ACCEPT",
		corrected: []string{"iptables -N web", "iptables -A FORWARD -p tcp --dport http -j web", "iptables -A web -s 10.0.0.1,10.0.0.2 -j ACCEPT"},
		plan: []string{
			"iptables -t filter -N web", "iptables -t filter -A FORWARD -p tcp -m tcp --dport 80 -j web",
			"iptables -t filter -A web -s 10.0.0.1/32 -j ACCEPT", "iptables -t filter -A web -s 10.0.0.2/32 -j ACCEPT",
		},
	},
	{
		text:      "iptables -C FORWARD -i lan0 -j ACCEPT || iptables -I FORWARD -i lan0 -j ACCEPT",
		corrected: []string{"iptables -C FORWARD -i lan0 -j ACCEPT", "iptables -I FORWARD -i lan0 -j ACCEPT"},
		plan:      []string{"iptables -t filter -I FORWARD 1 -i lan0 -j ACCEPT"},
	},
	{
		text:      "root@gw:~# iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE -m comment --comment 'it is $free'",
		corrected: []string{"iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE -m comment --comment 'it is $free'"},
		plan:      []string{"iptables -t nat -A POSTROUTING -o eth0 -m comment --comment 'it is $free' -j MASQUERADE"},
	},
	{
		text:      "for i in 1 2; do iptables -A FORWARD -s 10.0.0.$i -j ACCEPT; done",
		said:      []string{"1:1 error for: shell logic", "1:18 doubt iptables: not known whether"},
		corrected: []string{"# iptables -A FORWARD -s 10.0.0.$i -j ACCEPT"},
	},
	{
		text:      "reboot",
		said:      []string{"1:1 doubt reboot: is not run"},
		corrected: []string{"# reboot"},
	},
	{text: "   \n# nothing\n", said: []string{"1:1 error : no iptables command"}},
	{
		text: "*nat\n:PREROUTING ACCEPT [0:0]\n:web - [0:0]\n[5:300] -A PREROUTING -i eth0 -j web\n-A web -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1\n-A web -p tcp --dport 81 -j DNAT --to-source 10.0.0.1\nCOMMIT\n",
		said: []string{"1:1 note : what stands in the tables", "6:34 error --to-source: it takes --to-destination"},
		corrected: []string{
			"iptables -t nat -N web", "iptables -t nat -A PREROUTING -i eth0 -j web",
			"iptables -t nat -A web -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1", "iptables -t nat -A web -p tcp --dport 81 -j DNAT --to-destination 10.0.0.1",
		},
	},
}

func TestImport(t *testing.T) {
	for _, c := range imported {
		im := Read(c.text, ground())
		ok := len(im.Remarks) == len(c.said) && len(im.Questions) == len(c.asked)
		for i := range min(len(im.Remarks), len(c.said)) {
			f := im.Remarks[i]
			place, text, _ := strings.Cut(c.said[i], ": ")
			ok = ok && fmt.Sprintf("%d:%d %s %s", f.Line, f.Column, f.Level, f.Word) == place && strings.Contains(f.Text, text)
		}
		for i, want := range c.asked {
			ok = ok && strings.Contains(describe(im), "? "+want+"\n") && i < len(im.Questions)
		}
		var plan []string
		for _, argv := range im.Plan.Commands() {
			plan = append(plan, rules.ShellLine(argv))
		}
		if !ok || !slices.Equal(im.Corrected, c.corrected) || !slices.Equal(plan, c.plan) {
			t.Errorf("%s\ncomes to\n%s", c.text, describe(im))
		}
	}
}

// What is corrected is right: read again it has no error and no doubt.
func TestCorrectedLinesAreRight(t *testing.T) {
	for _, c := range imported {
		text := strings.Join(Read(c.text, ground()).Corrected, "\n")
		for _, f := range Read(text, ground()).Remarks {
			if f.Level != Note && !strings.Contains(f.Text, "no iptables command") {
				t.Errorf("%s\nis corrected to\n%s\nof which is said: %s", c.text, text, f)
			}
		}
	}
}

func TestImportAnswersFillGaps(t *testing.T) {
	g := ground()
	g.Answers = map[string]string{"WAN": "eth0", "YOUR_IP": "10.0.0.9", "a.b.c.d": "1.2.3.4"}
	im := Read("iptables -t nat -A PREROUTING -i ${WAN} -p tcp --dport 80 -j DNAT --to-destination YOUR_IP:8080; iptables -t nat -A POSTROUTING -o \"$WAN\" -j SNAT --to a.b.c.d", g)
	want := "$ iptables -t nat -A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.9:8080\n$ iptables -t nat -A POSTROUTING -o eth0 -j SNAT --to-source 1.2.3.4\n"
	if !strings.HasSuffix(describe(im), want) {
		t.Errorf("comes to\n%s", describe(im))
	}
}

const standing = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -i wan0 -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353
-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
COMMIT
`

// Commands about rules that stand find them in the tables, and each is held
// against what those before it have made.
func TestImportChangesWhatStands(t *testing.T) {
	for text, want := range map[string]string{
		"iptables -t nat -D PREROUTING -p tcp --dport 80 -i wan0 -j DNAT --to 192.168.0.2:8080":          "delete 1 -A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\n",
		"iptables -t nat -D PREROUTING 1\niptables -t nat -D PREROUTING 2":                               "delete 1 -A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\ndelete 2 -A PREROUTING -i wan0 -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353\n",
		"iptables -t nat -R PREROUTING 3 -i wan0 -p udp --dport 53 -j DNAT --to-destination 192.168.0.3": "replace 3 -A PREROUTING -i wan0 -p udp -m udp --dport 53 -j DNAT --to-destination 192.168.0.3\n",
		"iptables -t nat -I PREROUTING 2 -i wan0 -j RETURN":                                              "insert 2 -A PREROUTING -i wan0 -j RETURN\n",
		"iptables -t nat -I PREROUTING 9 -i wan0 -j RETURN":                                              "error -I: PREROUTING has 3 rules, so there is no place 9\n",
		"iptables -t nat -D PREROUTING -i wan0 -j RETURN":                                                "error -D: PREROUTING has no such rule to delete; the most alike is  -A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\n",
		"iptables -t nat -D PREROUTING -i wan0 -j RETURN 2>/dev/null || true":                            "note -D: PREROUTING has no such rule to delete; the most alike is  -A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\n",
		"iptables -t nat -X DOCKER":                                                                      "error -X: DOCKER cannot go while a rule jumps to it:  -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n",
		"iptables -t nat -F":                                                                             "doubt -F: -F deletes every rule of table nat: 4 now, among them 1 of docker, which will miss them; what follows does not need it\n",
		"iptables -t nat -E DOCKER box":                                                                  "new-chain 0 \nreplace 2 -A PREROUTING -m addrtype --dst-type LOCAL -j box\ndelete-chain 0 \n",
	} {
		g := ground()
		tables, err := rules.Read(strings.NewReader(standing))
		if err != nil {
			t.Fatal(err)
		}
		g.Sets[rules.Variant{Family: rules.IPv4, Backend: rules.NFT}].Tables = tables
		im := Read(text, g)
		var b strings.Builder
		for _, f := range im.Remarks {
			if f.Level > Note || len(im.Plan.Steps) == 0 {
				fmt.Fprintf(&b, "%s %s: %s\n", f.Level, f.Word, f.Text)
			}
		}
		for _, c := range im.Plan.Changes() {
			line := ""
			if !c.Rule.IsZero() {
				line = c.Rule.String()
			}
			fmt.Fprintf(&b, "%s %d %s\n", c.Op, c.At, line)
		}
		if b.String() != want {
			t.Errorf("%s\ncomes to\n%snot\n%s", text, b.String(), want)
		}
		if _, err := im.Plan.Apply(g.Sets); err != nil {
			t.Errorf("%s: the plan does not fit: %v", text, err)
		}
	}
}

func TestImportFlushAccepted(t *testing.T) {
	g := ground()
	tables, _ := rules.Read(strings.NewReader(standing))
	g.Sets[rules.Variant{Family: rules.IPv4, Backend: rules.NFT}].Tables = tables
	g.AcceptDoubts = true
	im := Read("iptables -t nat -F\niptables -t nat -X\niptables -t nat -P OUTPUT ACCEPT", g)
	after, err := im.Plan.Apply(g.Sets)
	if err != nil {
		t.Fatal(err)
	}
	table, _ := after[rules.Variant{Family: rules.IPv4, Backend: rules.NFT}].Table("nat")
	if table.Rules() != 0 || len(table.Chains) != 2 {
		t.Errorf("%d rules and %d chains are left\n%s", table.Rules(), len(table.Chains), describe(im))
	}
}

// typed are lines as people type them. What the import says of each is held
// against iptables itself: what it would apply as given iptables takes, and
// prints as the import says; what it calls an error iptables refuses.
var typed = []string{
	"-t nat -A PREROUTING -p tcp -j DNAT --to-destination 1.2.3.4 --dport 80",
	"-t nat -A PREROUTING --dport 80 -p tcp -j DNAT --to 1.2.3.4",
	"-t nat -A PREROUTING -p tcp --to-destination 1.2.3.4 -j DNAT --dport 80",
	"-A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT",
	"-A FORWARD -m conntrack --ctstate established,related,new -j ACCEPT",
	"-A FORWARD -m state -state ESTABLISHED,RELATED -j ACCEPT",
	"-A FORWARD -s ! 10.0.0.0/8 -j ACCEPT",
	"-A FORWARD ! -s 10.0.0.0/8 -j ACCEPT",
	"-t nat -A PREROUTING -j DROP",
	"-t nat -A POSTROUTING -p tcp --dport 80 -j DNAT --to-destination 1.2.3.4",
	"-A INPUT -p icmp --icmp-type ping -j ACCEPT",
	"-A INPUT -p tcp -m udp --dport 5 -j ACCEPT",
	"-A INPUT -p tcp -p udp -j ACCEPT",
	"-A INPUT -j LOG --log-level info --log-prefix 'x: '",
	"-A INPUT -j REJECT",
	"-A INPUT -s 10.1/16 -j REJECT",
	"-A INPUT -s 010.1.1.1 -j REJECT",
	"-A INPUT -i eth0 -i eth1 -j REJECT",
	"-A INPUT -p tcp --syn -j REJECT --reject-with tcp-rst",
	"-A INPUT --proto tcp --dest 1.2.3.4 --in eth0 --jump ACCEPT",
	"-A INPUT --proto tcp --dest 1.2.3.4 --in-int eth0 --jump ACCEPT",
	"-A INPUT -ptcp -j ACCEPT",
	"--append INPUT --out-interface=eth0 -j ACCEPT",
	"-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
	"-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss",
	"-t mangle -A FORWARD -j TCPMSS --set-mss 1400",
	"-A FORWARD -m limit --limit 120/minute --limit-burst 5 -j ACCEPT",
	"-A FORWARD -m limit -j ACCEPT",
	"-t mangle -A FORWARD -j MARK --set-mark 1/2",
	"-t mangle -A FORWARD -j CONNMARK --save-mark",
	"-A FORWARD -m mac --mac-source AA:bb:cc:dd:ee:0f -j ACCEPT",
	"-A FOO -j ACCEPT",
	"-t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-destination 1.2.3.4",
	"-w -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT",
	"-w 5 -t nat -A PREROUTING -p tcp --dport 81 -j REDIRECT --to-port http",
	"-A FORWARD -m mark --mark 5 -m ttl --ttl-gt 5 -m length --length 5: -j ACCEPT",
	"-t nat -A PREROUTING -p tcp -m multiport --dports http,443,1:3 -j REDIRECT",
	"-t nat -A PREROUTING -p tcp -m multiport --dport 5 -j REDIRECT",
	"-t nat -A PREROUTING -m multiport --dports 5 -j REDIRECT",
	"-t nat -A PREROUTING -d 1.1.1.1 DNAT --to-destination 1.2.3.4",
	"-t nat -P PREROUTING DROP",
	"-A FORWARD -m conntrack ! --ctstate INVALID -j ACCEPT",
	"-A FORWARD -m conntrack --ctstate ! INVALID -j ACCEPT",
	"-A FORWARD -p TCP --sport 0:65535 --dport 80:80 -j ACCEPT",
	"-A FORWARD -p TCP --dport 80 -j accept",
	"-t NAT -A POSTROUTING -o eth0 -j MASQUERADE",
	"-t nat -A POSTROUTING -o eth0 -p udp -j MASQUERADE --to-ports 5-9",
	"-t nat -A POSTROUTING -o eth0 -j MASQUERADE --to-ports 5-9",
	"-t nat -A PREROUTING -d 10.9.0.0/24 -j NETMAP --to 1.2.3.4/24",
	"-t nat -A POSTROUTING -o eth0 -j SNAT --to 1.2.3.4 --to-source 1.2.3.5",
	"-t nat -A POSTROUTING -i eth0 -j MASQUERADE",
	"-t nat -A PREROUTING -o eth0 -j DNAT --to-destination 1.2.3.4",
	"-t nat -A PREROUTING -i eth0 -p tcp --dport 80,443 -j REDIRECT",
	"-t nat -A PREROUTING -i eth0 -p tcp --dport 80-90 -j REDIRECT",
	"-t nat -A PREROUTING -i eth0 -p tcp --dport 70000 -j REDIRECT",
	"-t nat -A PREROUTING -i eth0 -p tcp --dport web -j REDIRECT",
	"-t nat -A PREROUTING -i eth0 -p icmp --dport 80 -j REDIRECT",
	"-t nat -A PREROUTING -i eth0 -j DNAT --to-destination 1.2.3.4:80",
	"-t nat -A PREROUTING -i eth0 -j DNAT --to-destination 1.2.3.4:",
	"-t nat -A PREROUTING -i eth0 -p tcp -j DNAT --to-destination 1.2.3.4:80:90",
	"-t nat -A PREROUTING -i eth0 -p tcp -j DNAT --to-destination 1.2.3.4/24",
	"-t nat -A PREROUTING -i eth0 -p tcp -j DNAT",
	"-t nat -A PREROUTING -i eth0 -p tcp -j DNAT --to-destination 1.2.3.4-1.2.3.9:80-90 --random --persistent",
	"-t nat -A POSTROUTING -o eth0 -j SNAT",
	"-t nat -A POSTROUTING -o eth0 -s 10.0.0.1,10.0.0.2 -d 10.1.0.0/16,10.2.0.0/16 -j MASQUERADE",
	"-t nat -A OUTPUT -d 10.0.0.1 -p tcp -m tcp --dport 80 -m owner ! --uid-owner 0 -j DNAT --to-destination :8080",
	"-t nat -A PREROUTING -i eth0 -m addrtype --dst-type local -j ACCEPT",
	"-A FORWARD -m iprange --src-range 10.0.0.1-10.0.0.9 -j ACCEPT",
	"-A FORWARD -s 10.0.0.1-10.0.0.9 -j ACCEPT",
	"-A FORWARD -s 300.0.0.1 -j ACCEPT",
	"-A FORWARD -s 10.0.0.0/33 -j ACCEPT",
	"-A FORWARD -d 10.0.0.1:80 -j ACCEPT",
	"-A FORWARD -p tpc --dport 80 -j ACCEPT",
	"-A FORWARD -p tcp --dports 80 -j ACCEPT",
	"-A FORWARD -p tcp --dprot 80 -j ACCEPT",
	"-A FORWARD -m stat --state NEW -j ACCEPT",
	"-A FORWARD --state NEW -j ACCEPT",
	"-A FORWARD -m conntrack --state NEW -j ACCEPT",
	"-A FORWARD -m state --ctstate NEW -j ACCEPT",
	"-A FORWARD -m state --state NWE -j ACCEPT",
	"-A FORWARD -i eth0 -o -j ACCEPT",
	"-A FORWARD -j",
	"-A -i eth0 -j ACCEPT",
	"-t nat -i eth0 -j ACCEPT",
	"-A FORWARD -j ACCEPT -j DROP",
	"-A FORWARD -c 5 300 -i eth0 -j ACCEPT",
	"-A FORWARD -m comment --comment 'it'\\''s \"here\"' -j ACCEPT",
	"-A FORWARD -f -j ACCEPT",
	"-A FORWARD -p 47 -j ACCEPT",
	"-A FORWARD -p all -j ACCEPT",
	"-A FORWARD -i + -s 0/0 -j ACCEPT",
	"-A FORWARD -p tcp -m time --timestart 08:00 --timestop 18:00 -j ACCEPT",
	"-A FORWARD -m time --weekdays Mon,Tue --timestart 8:00 -j ACCEPT",
	"-A FORWARD -m time --datestart 2020-01-01 --monthdays 1,2 --kerneltz -j ACCEPT",
	"-A FORWARD -m statistic --mode nth --every 3 -j ACCEPT",
	"-A FORWARD -m connlimit --connlimit-above 10 -j DROP",
	"-A FORWARD -m set -j ACCEPT",
	"-A FORWARD -m statistic --mode nth --every 3 --packet 0 -j ACCEPT",
	"-A FORWARD -m statistic --mode random --probability 0.5 -j ACCEPT",
	"-t raw -A PREROUTING -p udp --dport 53 -j CT --notrack",
	"-t raw -A PREROUTING -p udp --dport 53 -j NOTRACK",
	"-N FORWARD",
	"-X FOO",
	"-D FORWARD 3",
	"-P FORWARD REJECT",
	"-I FORWARD 3 -j ACCEPT",
	"-T nat -A POSTROUTING -o eth0 -j MASQUERADE",
	"-t nat -A POSTROUTING -o eth0 -D 1.2.3.4 -j MASQUERADE",
	"-t nat -A POSTROUTING -o eth0 --dst 1.2.3.4 --src 1.2.3.5 -j MASQUERADE --random-fully",
	"-t nat -A POSTROUTING -o averyveryverylongname -j MASQUERADE",
	"-t filter -A FORWARD -j MASQUERADE",
	"-A FORWARD -t filter -j ACCEPT",
	"-A FORWARD -g ACCEPT",
}

func TestImportAgreesWithIptables(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("unshare is not installed")
	}
	took := 0
	for _, line := range typed {
		// The line's words, as the shell would give them to iptables.
		commands, _ := new(scriptReader).read("iptables " + line)
		argv := texts(commands[0].words)
		im := Read("iptables "+line, ground())
		refused := slices.ContainsFunc(im.Remarks, func(f Remark) bool { return f.Level == Error })
		cmd := exec.Command("unshare", append([]string{"-n", "sh", "-c", `"$@" && iptables-save`, "sh"}, argv...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.Output()
		if (err != nil) != refused {
			t.Errorf("iptables %s\niptables: %v %s\nimport:\n%s", line, err, out, describe(im))
			continue
		}
		if err != nil || im.InDoubt() {
			continue
		}
		took++
		var want, got []string
		for l := range strings.Lines(string(out)) {
			if strings.HasPrefix(l, "-A") {
				want = append(want, strings.TrimSpace(l))
			}
		}
		for _, c := range im.Plan.Changes() {
			got = append(got, c.Rule.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("iptables %s\nis printed by iptables as\n%s\nand read here as\n%s", line, strings.Join(want, "\n"), strings.Join(got, "\n"))
		}
	}
	if took < 30 {
		t.Errorf("only %d lines were compared", took)
	}
}

func FuzzImport(f *testing.F) {
	for _, c := range imported {
		f.Add(c.text)
	}
	for _, line := range typed {
		f.Add("iptables " + line)
	}
	for _, text := range []string{"iptables -A \"", "iptables-restore <<E\n*nat\n", "a$(b `c", "$X -A ${Y:-3} <z>", "-", "iptables - ! ! -s , -d", "*nat\n-A x \"", "&& || ; | ( ) < > 2>&1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4000 {
			return
		}
		im := Read(text, ground())
		if im.InDoubt() != (len(im.Plan.Steps) == 0) && im.InDoubt() {
			t.Fatalf("a plan although something is in doubt:\n%s", describe(im))
		}
		if _, err := im.Plan.Apply(ground().Sets); err != nil {
			t.Fatalf("the plan does not fit the tables: %v\n%s", err, describe(im))
		}
		lines := strings.Count(text, "\n") + 1
		for _, f := range im.Remarks {
			if f.Line < 1 || f.Line > lines || f.Column < 1 {
				t.Fatalf("a place outside the text: %s", f)
			}
		}
		for _, c := range im.Plan.Changes() {
			if c.Rule.IsZero() {
				continue
			}
			if r, err := rules.Parse(c.Rule.String()); err != nil || r.String() != c.Rule.String() {
				t.Fatalf("a rule that does not read back: %s", c.Rule)
			}
		}
	})
}

// What people write into the files that are read at boot is kept there, and set
// now as well where the text says so.
func TestImportKeepsSettings(t *testing.T) {
	g := ground()
	g.Setting = func(name string) (string, bool) { return "0", name == "net.ipv4.ip_forward" }
	for text, want := range map[string]string{
		`echo "net.ipv4.ip_forward=1" >> /etc/sysctl.conf`:                                       "echo 'net.ipv4.ip_forward = 1' >> /etc/sysctl.conf",
		"echo net.ipv4.ip_forward = 1 >> /etc/sysctl.d/99-nat.conf":                              "echo 'net.ipv4.ip_forward = 1' >> /etc/sysctl.d/99-nat.conf",
		"echo net.ipv4.ip_forward=1 | cat":                                                       "",
		"sudo echo net.ipv4.ip_forward=1 >> /etc/sysctl.conf\nsysctl -p":                         "sysctl -w net.ipv4.ip_forward=1\necho 'net.ipv4.ip_forward = 1' >> /etc/sysctl.conf",
		"echo net.ipv4.ip_forward=1 >> /etc/sysctl.conf; echo 1 > /proc/sys/net/ipv4/ip_forward": "echo 'net.ipv4.ip_forward = 1' >> /etc/sysctl.conf\nsysctl -w net.ipv4.ip_forward=1",
		"echo net.ipv4.ip_forward=0 >> /etc/sysctl.conf":                                         "echo 'net.ipv4.ip_forward = 0' >> /etc/sysctl.conf",
	} {
		im := Read(text, g)
		var lines []string
		for _, argv := range im.Plan.Commands() {
			lines = append(lines, rules.ShellLine(argv))
		}
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("%s\nis\n%s\nwant\n%s", text, got, want)
		}
	}
	im := Read("echo net.ipv4.ip_forward=1 > /etc/sysctl.conf", g)
	if !im.InDoubt() || !strings.Contains(describe(im), ">>") {
		t.Errorf("a file that would be emptied:\n%s", describe(im))
	}
	im = Read("iptables -nat -A POSTROUTING -o wan0 -j MASQUERADE", ground())
	if !im.InDoubt() || len(im.Corrected) != 1 || im.Corrected[0] != "iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE" {
		t.Errorf("-nat:\n%s", describe(im))
	}
}

// TestByteOrderMark has a mark in front of a text, as editors put it there, leave the text as it is.
func TestByteOrderMark(t *testing.T) {
	const line = "iptables -t nat -A PREROUTING -i lan0 -p tcp --dport 90 -j REDIRECT --to-ports 8888\r\n"
	plain, marked := Read(line, Ground{}), Read("\ufeff"+line, Ground{})
	if len(plain.Plan.Steps) != 1 || !reflect.DeepEqual(plain, marked) {
		t.Errorf("with a byte order mark: %+v\nwithout: %+v", marked, plain)
	}
}
