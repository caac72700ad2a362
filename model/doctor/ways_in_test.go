package doctor

import (
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// datagram is a flow of UDP that nobody has answered.
func datagram(client, asked, served, seen string) flow.Flow {
	status := flow.StatusConfirmed
	if asked != served {
		status |= flow.StatusDstNAT
	}
	f := flowOf(tuple(rules.UDP, client, asked), tuple(rules.UDP, served, seen), status, 0)
	f.Timeout = 25
	return f
}

var wayInKinds = []kind{
	{
		name: "a rule for the wrong side", table: natTable("-A PREROUTING -d 203.0.113.1/32 -i lan0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.0.2:80"),
		spoil: listening("0.0.0.0:22", nil), check: "wrong-interface", severity: SeverityWarning, says: "come by wan0",
		mended: natTable("-A PREROUTING -d 203.0.113.1/32 -i lan0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.0.2:80", "-A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.0.2:80"),
	},
	{
		name: "another service for those outside", table: natTable("-A PREROUTING -d 203.0.113.1/32 -i lan0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.0.2:80"),
		spoil: listening("0.0.0.0:22", nil), check: "wrong-interface", severity: SeverityWarning, says: "come by wan0", mend: listening("203.0.113.1:8080", nil),
	},
	{
		name: "the interface beneath the uplink", table: natTable("-A PREROUTING -i eth9 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.0.2:80"),
		spoil: func(g *Gateway) {
			g.Facts.Links = append(g.Facts.Links, facts.Link{Name: "eth9", Kind: "device", Up: true, Running: true})
			g.Facts.Settings.Links["eth9"] = g.Facts.Settings.Links["wan0"]
		},
		check: "wrong-interface", severity: SeverityError, says: "come by wan0",
		mended: natTable("-A PREROUTING -i wan0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.0.2:80"),
	},
	{
		name: "a flow that is older than the rule", table: natTable("-A PREROUTING -i wan0 -p udp -m udp --dport 5000 -j DNAT --to-destination 192.168.0.2:53"),
		spoil: func(g *Gateway) {
			g.give(datagram("198.51.100.9:4000", "203.0.113.1:5000", "203.0.113.1:5000", "198.51.100.9:4000"))
		},
		check: "stale-flows", severity: SeverityWarning, says: "is not translated", cure: "conntrack -D -p udp -s 198.51.100.9",
		mend: func(g *Gateway) {
			g.give(datagram("198.51.100.9:4000", "203.0.113.1:5000", "192.168.0.2:53", "198.51.100.9:4000"))
		},
	},
	{
		name: "a server that answers from another address", table: natTable("[3:90] -A PREROUTING -i wan0 -p udp -m udp --dport 53 -j DNAT --to-destination 192.168.0.2:53"),
		spoil: func(g *Gateway) {
			g.give(datagram("198.51.100.9:4000", "203.0.113.1:53", "192.168.0.2:53", "198.51.100.9:4000"), datagram("192.168.0.3:53", "198.51.100.9:4000", "198.51.100.9:4000", "192.168.0.3:53"))
		},
		check: "answers-elsewhere", severity: SeverityError, says: "answers from 192.168.0.3:53",
		mend: func(g *Gateway) {
			g.give(datagram("198.51.100.9:4000", "203.0.113.1:53", "192.168.0.2:53", "198.51.100.9:4000"))
		},
	},
	{
		name: "a state that no first packet has", table: natTable("-A PREROUTING -i wan0 -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:80"),
		check: "never-first", severity: SeverityWarning, says: "first packets",
		mended: natTable("-A PREROUTING -i wan0 -p tcp -m conntrack --ctstate NEW -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:80", "-A POSTROUTING -m conntrack --ctstate DNAT -j MASQUERADE"),
	},
	{
		name: "the port that clients come from", table: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --sport 8080 -j DNAT --to-destination 192.168.0.2:80"),
		check: "never-first", severity: SeverityWarning, says: "--dport",
		mended: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.0.2:80"),
	},
}

// An answer to whoever asks for a connection has SYN and ACK: a filter that drops those is named.
func TestAnswerHasItsFlags(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: soundTable + "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP\nCOMMIT\n"})
	for _, f := range Examine(g) {
		if f.Severity >= SeverityWarning && strings.Contains(f.Sentence+strings.Join(f.Evidence, " "), "FORWARD 1") {
			return
		}
	}
	t.Errorf("nobody names it: %v", Examine(g))
}
