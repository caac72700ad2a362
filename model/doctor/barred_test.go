package doctor_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/model/lab"
	"nattui/rules"
)

// TestBarred: what would drop what a new rule forwards is said before it is made, and nothing where it arrives.
func TestBarred(t *testing.T) {
	forward, err := rules.Parse("-A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.2:8080")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		filter [][]string
		says   string
	}{
		"nothing":             {nil, ""},
		"policy":              {[][]string{{"iptables", "-P", "FORWARD", "DROP"}}, "the policy of FORWARD drops what goes to 192.168.0.2:8080"},
		"rule":                {[][]string{{"iptables", "-A", "FORWARD", "-i", "wan0", "-j", "DROP"}}, "rule FORWARD 1 drops"},
		"native":              {[][]string{{"nft", "add table inet f; add chain inet f c { type filter hook forward priority 5; policy drop; }"}}, "the policy of inet f c drops"},
		"policy and accept":   {[][]string{{"iptables", "-P", "FORWARD", "DROP"}, {"iptables", "-A", "FORWARD", "-d", "192.168.0.2", "-p", "tcp", "--dport", "8080", "-j", "ACCEPT"}}, ""},
		"what is not known":   {[][]string{{"iptables", "-P", "FORWARD", "DROP"}, {"iptables", "-A", "FORWARD", "-m", "statistic", "--mode", "random", "--probability", "0.5", "-j", "ACCEPT"}}, ""},
		"accepts before NAT":  {[][]string{{"iptables", "-P", "FORWARD", "DROP"}, {"iptables", "-A", "FORWARD", "-p", "tcp", "--dport", "81", "-j", "ACCEPT"}}, "the policy of FORWARD drops"},
		"way not there":       {[][]string{{"iptables", "-P", "FORWARD", "DROP"}, {"ip", "link", "set", "wan0", "down"}, {"ip", "link", "set", "wan0", "name", "ppp0"}}, ""},
		"drops another's way": {[][]string{{"iptables", "-A", "FORWARD", "-i", "lan0", "-j", "DROP"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			for _, argv := range c.filter {
				w.run(w.Gateway, argv...)
			}
			w.settle()
			g := w.look()
			plan := rules.Single(rules.Change{Op: rules.Insert, Family: rules.IPv4, Backend: rules.NFT, Table: "nat", Chain: "PREROUTING", Rule: forward})
			after, err := plan.Apply(g.Sets)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(doctor.Barred(g.Facts, after, nil, plan), "\n")
			if c.says == "" && said != "" || !strings.Contains(said, c.says) {
				t.Errorf("it says %q, not %q", said, c.says)
			}
		})
	}
}

// TestBarredIsLinear: what twice as many forwards allocate to be told is about twice as much, also where none arrives. Each
// was followed through all rules before it.
func TestBarredIsLinear(t *testing.T) {
	v := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
	bytes := func(n int) uint64 {
		var nat strings.Builder
		plan := rules.Plan{}
		for i := range n {
			line := fmt.Sprintf("-A PREROUTING -d 10.0.%d.%d/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2", i/250, i%250)
			rule, err := rules.Parse(line)
			if err != nil {
				t.Fatal(err)
			}
			plan.Steps = append(plan.Steps, rules.Single(rules.Change{Op: rules.Insert, Family: v.Family, Backend: v.Backend, Table: "nat", Chain: "PREROUTING", Rule: rule}).Steps...)
			nat.WriteString(line + "\n")
		}
		tables, err := rules.Read(strings.NewReader("*nat\n:PREROUTING ACCEPT [0:0]\n" + nat.String() + "COMMIT\n*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		f := facts.Facts{
			Links:     []facts.Link{{Name: "wan0", Index: 2, Up: true, Running: true}, {Name: "lan0", Index: 3, Up: true, Running: true}},
			Addresses: []facts.Address{{Link: "wan0", Prefix: netip.MustParsePrefix("203.0.113.1/24")}, {Link: "lan0", Prefix: netip.MustParsePrefix("192.168.0.1/24")}},
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		doctor.Barred(&f, map[rules.Variant]*rules.Ruleset{v: {Tables: tables}}, nil, plan)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := bytes(500), bytes(1000)
	if few == 0 || many > 3*few {
		t.Errorf("500 forwards take %d bytes, 1,000 take %d", few, many)
	}
}

// TestTakenFromPrograms: a rule that takes the connections of a program of this host is told of, before it is made.
func TestTakenFromPrograms(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.settle()
	g := w.look()
	listen := func(at string) facts.Listener {
		return facts.Listener{Proto: rules.TCP, Address: netip.MustParseAddrPort(at), Process: "sshd"}
	}
	for line, c := range map[string]struct {
		listens []string
		says    string
	}{
		"-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 192.168.0.2":                                       {[]string{"0.0.0.0:22"}, "sshd of this host listens on tcp port 22: new connections to it go elsewhere"},
		"-A PREROUTING -i wan0 -p tcp -m multiport --dports 80,22 -j DNAT --to-destination 192.168.0.2":                                       {[]string{"203.0.113.1:22", "0.0.0.0:80"}, "sshd of this host listens on tcp port 22: new connections to it and to 1 more by wan0 go"},
		"-A PREROUTING -p tcp -m tcp --dport 20:30 -j REDIRECT --to-ports 9":                                                                  {[]string{"0.0.0.0:22"}, "sshd of this host"},
		"-A PREROUTING -d 198.51.100.7/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 192.168.0.2":                                      {[]string{"0.0.0.0:22"}, ""},
		"-A PREROUTING -d 203.0.113.1/32 -p udp -m udp --dport 22 -j DNAT --to-destination 192.168.0.2":                                       {[]string{"0.0.0.0:22"}, ""},
		"-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 2222 -j DNAT --to-destination 203.0.113.1:22":                                  {[]string{"0.0.0.0:22"}, ""},
		"-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT":                                                                                  {[]string{"0.0.0.0:22"}, ""},
		"-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 192.168.0.2:220":                                   {[]string{"127.0.0.1:22", "[::]:22"}, ""},
		"-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 22 -m mac --mac-source 02:00:00:00:00:01 -j DNAT --to-destination 192.168.0.2": {[]string{"0.0.0.0:22"}, ""},
	} {
		r, err := rules.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		g.Facts.Listeners = nil
		for _, at := range c.listens {
			g.Facts.Listeners = append(g.Facts.Listeners, listen(at))
		}
		said := strings.Join(doctor.Doubts(g.Facts, g.Sets[rules.Variant{Family: rules.IPv4, Backend: rules.NFT}], r, nil), "\n")
		if told := strings.Contains(said, "of this host listens"); told != (c.says != "") || !strings.Contains(said, c.says) {
			t.Errorf("%s\nsays %q, not %q", line, said, c.says)
		}
	}
}
