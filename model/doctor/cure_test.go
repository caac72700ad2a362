package doctor

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// sshd is a listener at all addresses.
var sshd = facts.Listener{Proto: rules.TCP, Address: netip.MustParseAddrPort("0.0.0.0:22"), Process: "sshd"}

func natTable(lines ...string) string {
	return "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" + strings.Join(lines, "\n") + "\nCOMMIT\n"
}

// TestCuresHarmNobody holds that what would do harm is advice, not a cure, and that the same cure is offered where it
// does none.
func TestCuresHarmNobody(t *testing.T) {
	const masquerade = "-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE"
	redirected := func(client, asked string) flow.Flow {
		return flowOf(tuple(rules.TCP, client, asked), tuple(rules.TCP, "192.168.0.1:8888", client), flow.StatusSeenReply|flow.StatusAssured|flow.StatusDstNAT, flow.TCPEstablished)
	}
	for _, test := range []struct {
		name, table string
		spoil       func(*Gateway)
		check       string
		cure        string // part of it; "" for none
		says        string
	}{
		{
			name: "the gone address of a one-to-one rule is not replaced by the gateway's own", check: "old-address", says: "203.0.113.1:22 would no longer come to this host",
			table: natTable("-A PREROUTING -d 203.0.113.99/32 -j DNAT --to-destination 192.168.0.2", masquerade),
			spoil: func(g *Gateway) { g.Facts.Listeners = []facts.Listener{sshd} },
		},
		{
			name: "the gone address of one port is", check: "old-address", cure: "-d 203.0.113.1/32",
			table: natTable("-A PREROUTING -d 203.0.113.99/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 192.168.0.2:443", masquerade),
			spoil: func(g *Gateway) { g.Facts.Listeners = []facts.Listener{sshd} },
		},
		{
			name: "a redirection that has taken others' connections may be a proxy", check: "redirect-too-wide", says: "--dst-type LOCAL",
			table: natTable("-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888", masquerade),
			spoil: func(g *Gateway) { g.give(redirected("192.168.0.7:4000", "198.51.100.9:80")) },
		},
		{
			name: "a redirection that has served this host's addresses alone", check: "redirect-too-wide", cure: "--dst-type LOCAL",
			table: natTable("-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888", masquerade),
			spoil: func(g *Gateway) { g.give(redirected("192.168.0.7:4000", "192.168.0.1:80")) },
		},
		{
			name: "two blocks of ports for the same packets cannot change places", check: "shadowed-rule", says: "No cure is offered",
			table: natTable("-A POSTROUTING -o wan0 -p tcp -j SNAT --to-source 203.0.113.1:5000-5015", "-A POSTROUTING -o wan0 -p tcp -j SNAT --to-source 203.0.113.1:6000-6015"),
			spoil: func(*Gateway) {},
		},
		{
			name: "a rule with an address that nobody answers for stays behind", check: "shadowed-rule", says: "would no longer get to",
			table: natTable(masquerade, "-A POSTROUTING -s 192.168.0.8/32 -o wan0 -j SNAT --to-source 203.0.113.40"),
			spoil: func(*Gateway) {},
		},
		{
			name: "a special rule behind a general one is moved before it", check: "shadowed-rule", cure: "PREROUTING 1",
			table: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -j DNAT --to-destination 192.168.0.3", "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.2:443", masquerade),
			spoil: func(*Gateway) {},
		},
		{
			name: "bridged packets may be wanted", check: "bridge-netfilter", says: "published port of its neighbour",
			table: natTable("-A PREROUTING -d 10.96.0.10/32 -j DNAT --to-destination 10.5.0.20", masquerade),
			spoil: func(g *Gateway) {
				g.addLink(facts.Link{Name: "cni0", Kind: "bridge", Up: true, Running: true, MTU: 1500}, "10.5.0.1/24")
				g.Facts.Settings.BridgeCallsIptables = facts.SettingOn
			},
		},
		{
			name: "a file that is read later than nattui's decides at boot", check: "forwarding-off", cure: "/etc/sysctl.d/99-hardening.conf",
			table: soundTable,
			spoil: func(g *Gateway) {
				g.Facts.Settings.Forwarding4 = facts.SettingOff
				g.BootSettings = map[string]BootSetting{"net.ipv4.ip_forward": {"0", "/etc/sysctl.d/99-hardening.conf"}}
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: test.table})
			test.spoil(g)
			found := Examine(g)
			i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == test.check })
			if i < 0 {
				t.Fatalf("%s is not found: %v", test.check, found)
			}
			var commands []string
			for _, c := range found[i].CureCommands() {
				commands = append(commands, rules.ShellLine(c))
			}
			text := strings.Join(commands, "\n")
			if test.cure == "" && text != "" || !strings.Contains(text, test.cure) || !strings.Contains(found[i].Sentence, test.says) {
				t.Errorf("%s\ncure: %s", found[i].Sentence, text)
			}
		})
	}
}

// TestUntranslatedIsJudged holds that a connection from before the rule is no reason for a second rule.
func TestUntranslatedIsJudged(t *testing.T) {
	g := soundGateway(t)
	old := flowOf(tuple(rules.TCP, "192.168.0.7:4000", "198.51.100.9:80"), tuple(rules.TCP, "198.51.100.9:80", "192.168.0.7:4000"), 0, flow.TCPSynSent)
	g.give(old)
	for _, f := range Examine(g) {
		if f.Check == "not-translated" {
			t.Errorf("%s", f.Sentence)
		}
	}
	g = gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A POSTROUTING -o eth+ -j MASQUERADE")})
	g.give(old)
	if f := Examine(g)[0]; f.Check != "not-translated" || len(f.Cure.Steps) == 0 {
		t.Errorf("%s: %s", f.Check, f.Sentence)
	}
}

// TestSourcePortsOfEachBlock holds that a rule's ports are counted against the connections that it gave them to.
func TestSourcePortsOfEachBlock(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A POSTROUTING -o wan0 -p tcp -m mark --mark 0x1 -j SNAT --to-source 203.0.113.1:5000-5015", "-A POSTROUTING -o wan0 -p tcp -m mark --mark 0x2 -j SNAT --to-source 203.0.113.1:6000-6015")})
	fill := func(first, second int) []Finding {
		var list []flow.Flow
		for block, n := range map[int]int{5000: first, 6000: second} {
			for i := range n {
				client := "192.168.0.7:" + strconv.Itoa(20000+block+i)
				f := flowOf(tuple(rules.TCP, client, "198.51.100.9:443"), tuple(rules.TCP, "198.51.100.9:443", "203.0.113.1:"+strconv.Itoa(block+i)), flow.StatusSeenReply|flow.StatusAssured|flow.StatusSrcNAT, flow.TCPEstablished)
				f.ID = uint32(block + i)
				list = append(list, f)
			}
		}
		g.give(list...)
		return slices.DeleteFunc(Examine(g), func(f Finding) bool { return f.Check != "snat-ports" })
	}
	if found := fill(10, 10); len(found) > 0 {
		t.Errorf("10 of 16 of each block: %v", found)
	}
	if found := fill(16, 3); len(found) != 1 || found[0].Severity != SeverityError || len(found[0].Cure.Steps) > 0 || !strings.Contains(found[0].Subject, "5000-5015") {
		t.Errorf("the first block is used up: %v", found)
	}
}
