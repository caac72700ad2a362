package nft_test

import (
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/nft"
)

// TestNotSaid: what iptables and nft decide differently is named, and not said.
func TestNotSaid(t *testing.T) {
	for _, c := range []struct {
		family rules.Family
		rule   string
		lacks  string // "" it is said
	}{
		// A packet without a socket matches the negated owner of iptables alone.
		{rules.IPv4, "-A OUTPUT -m owner ! --uid-owner 0 -j ACCEPT", "owner with !"},
		{rules.IPv4, "-A OUTPUT -m owner --uid-owner 0 -j ACCEPT", ""},
		// IPv6's UNICAST is what an address looks like to iptables, and a kind of route to nft.
		{rules.IPv6, "-A PREROUTING -m addrtype ! --dst-type UNICAST,LOCAL -j ACCEPT", "addrtype"},
		{rules.IPv6, "-A PREROUTING -m addrtype --dst-type LOCAL -j ACCEPT", ""},
		{rules.IPv4, "-A PREROUTING -m addrtype ! --dst-type UNICAST,LOCAL -j ACCEPT", ""},
		// Where a packet without a connection fits the state, iptables asks nothing else of the connection.
		{rules.IPv4, "-A PREROUTING -m conntrack ! --ctstate NEW --ctreplsrc 192.0.2.9 -j ACCEPT", "state"},
		{rules.IPv4, "-A PREROUTING -m conntrack --ctstate INVALID,NEW --ctdir ORIGINAL -j ACCEPT", "state"},
		{rules.IPv4, "-A PREROUTING -m conntrack ! --ctstate INVALID --ctdir ORIGINAL -j ACCEPT", "state"}, // UNTRACKED is left
		{rules.IPv4, "-A PREROUTING -m conntrack --ctstate NEW --ctreplsrc 192.0.2.9 -j ACCEPT", ""},
		{rules.IPv4, "-A PREROUTING -m conntrack ! --ctstate NEW -j ACCEPT", ""},
		{rules.IPv4, "-A PREROUTING -p tcp -m conntrack --ctorigdstport 80:90 -j ACCEPT", ""},
		{rules.IPv4, "-A PREROUTING -m conntrack --ctorigdstport 80:90 -j ACCEPT", "without a protocol"},
		{rules.IPv4, "-A PREROUTING -m statistic --mode random --probability 0.50000000000 -j ACCEPT", ""},
		{rules.IPv4, "-A PREROUTING -m statistic --mode random --probability 1.00000000000 -j ACCEPT", "statistic"},
		{rules.IPv4, "-A FORWARD -j REJECT --reject-with icmp-admin-prohibited", ""},
		{rules.IPv4, "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400", ""},
		{rules.IPv6, "-A PREROUTING -j HL --hl-set 64", ""},
		{rules.IPv4, "-A PREROUTING -j TTL --ttl-inc 1", "TTL"},
		{rules.IPv4, "-A PREROUTING -j DSCP --set-dscp 0x0a", ""},
		{rules.IPv4, "-A INPUT -j NFLOG --nflog-group 5", ""},
		{rules.IPv4, "-A INPUT -j NFLOG --nflog-group 5 --nflog-size 100", "NFLOG"},
		{rules.IPv4, "-A INPUT -j NFQUEUE --queue-num 3 --queue-bypass", ""},
		{rules.IPv4, "-A PREROUTING -j CT --zone 7", ""},
		{rules.IPv4, "-A PREROUTING -j TRACE", ""},
		{rules.IPv4, "-A POSTROUTING -m policy --dir out --pol none -j MASQUERADE", ""},
		{rules.IPv4, "-A POSTROUTING -m policy --dir out --pol ipsec --strict -j ACCEPT", "policy"},
		{rules.IPv4, "-A INPUT -m helper --helper ftp -j ACCEPT", ""},
		{rules.IPv6, "-A FORWARD -j REJECT --reject-with icmp6-policy-fail", ""},
	} {
		r, err := rules.Parse(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		said := nft.FromIPTables(c.family, r)
		lacks := strings.Join(said.Lacks, "; ")
		if (lacks == "") != (c.lacks == "") || !strings.Contains(lacks, c.lacks) {
			t.Errorf("%s %s\n is %q, and lacks %q; want %q", c.family, c.rule, said.Text, lacks, c.lacks)
		}
	}
}
