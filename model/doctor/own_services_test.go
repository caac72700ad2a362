package doctor

import (
	"net/netip"
	"slices"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

// serves gives a gateway a program that waits for datagrams.
func serves(at, process string) func(*Gateway) {
	return func(g *Gateway) {
		g.Facts.Listeners = append(slices.Clone(g.Facts.Listeners), facts.Listener{Proto: rules.UDP, Address: netip.MustParseAddrPort(at), Process: process})
	}
}

func inputTable(lines string) string {
	return "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n" + lines + "COMMIT\n"
}

var serviceKinds = []kind{
	{
		name: "INPUT keeps everybody from the DHCP server", table: inputTable(""), spoil: serves("0.0.0.0:67", "dnsmasq"), check: "service-closed", severity: SeverityWarning,
		says: "-P INPUT DROP", mended: inputTable("-A INPUT -i lan0 -p udp -m udp --dport 67 -j ACCEPT\n"),
	},
	{
		name: "INPUT lets in DHCP of those who have an address alone", table: inputTable("-A INPUT -s 192.168.0.0/24 -p udp -m udp --dport 67 -j ACCEPT\n"), spoil: serves("0.0.0.0:67", "dnsmasq"),
		check: "service-closed", severity: SeverityWarning, says: "lan0", mended: inputTable("-A INPUT -i lan0 -j ACCEPT\n"),
	},
	{
		name: "INPUT keeps everybody from the DNS server", table: inputTable("-A INPUT -p tcp -m tcp --dport 53 -j ACCEPT\n"), spoil: serves("192.168.0.1:53", "unbound"), check: "service-closed",
		severity: SeverityNote, says: "gives DNS here", mended: inputTable("-A INPUT -i lan0 -p udp -m udp --dport 53 -j ACCEPT\n"),
	},
}

// TestServicesThatAreClosedOnPurpose: a program that reads DHCP from the interface needs no rule, and one that listens at
// the loopback address serves this host alone.
func TestServicesThatAreClosedOnPurpose(t *testing.T) {
	for at, process := range map[string]string{"0.0.0.0:67": "dhcpd", "127.0.0.53:53": "systemd-resolved", "0.0.0.0:68": "dhclient", "203.0.113.1:53": "named"} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: inputTable("")})
		serves(at, process)(g)
		for _, f := range Examine(g) {
			if f.Check == "service-closed" {
				t.Errorf("%s at %s: %s", process, at, f.Sentence)
			}
		}
	}
}
