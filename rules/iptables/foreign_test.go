package iptables

import (
	"context"
	"os/exec"
	"testing"

	"nattui/model/lab"
	"nattui/rules"
)

// TestForeignRules has rules that iptables-nft-save shows without a condition, or ends with an error because of: the table is
// not shown then, and the others are.
func TestForeignRules(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	nft := lab.Program(t, "nft")
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v: %s", name, args, err, out)
		}
	}
	at := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
	for _, test := range []struct {
		rule    []string
		foreign bool
	}{
		{[]string{"ip", "saddr", "{", "10.0.0.0/8,", "192.168.0.0/16", "}", "accept"}, true},
		{[]string{"iifname", "{", "eth0,", "eth1", "}", "accept"}, true},
		{[]string{"ip", "daddr", "10.0.0.2-10.0.0.9", "drop"}, true},
		{[]string{"ip", "saddr", ">", "10.0.0.1", "accept"}, true},
		{[]string{"ip", "saddr", "!=", "10.0.0.2-10.0.0.9", "accept"}, true},
		{[]string{"meta", "skuid", "0", "accept"}, true},
		{[]string{"ip", "dscp", "cs1", "accept"}, true},
		{[]string{"ct", "mark", "5", "accept"}, true},
		{[]string{"meta", "mark", "set", "1"}, true},
		{[]string{"meta", "iifgroup", "3", "accept"}, true},
		{[]string{"ct", "state", "new", "accept"}, true},
		{[]string{"ip", "saddr", "10.0.0.0/8", "tcp", "dport", "22", "counter", "accept"}, false},
		{[]string{"udp", "dport", "!=", "5-7", "counter", "drop"}, false},
	} {
		run(nft, "flush", "ruleset")
		run("iptables-nft", "-A", "FORWARD", "-j", "DROP")
		run("iptables-nft", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2")
		run(nft, append([]string{"insert", "rule", "ip", "filter", "FORWARD"}, test.rule...)...)
		h, err := Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		set, err := h.Read(context.Background(), at)
		if err != nil {
			t.Errorf("%q: %v", test.rule, err)
			continue
		}
		if _, shown := set.Table("filter"); shown == test.foreign || (set.Foreign["filter"] != "") != test.foreign {
			t.Errorf("%q: filter is shown: %v, foreign: %q", test.rule, shown, set.Foreign["filter"])
		}
		if c, ok := set.Chain("nat", "PREROUTING"); !ok || len(c.Rules) != 1 || set.Foreign["nat"] != "" {
			t.Errorf("%q: nat is %+v, foreign: %q", test.rule, c, set.Foreign["nat"])
		}
	}
}

// TestOwnRules has what iptables-nft makes of every kind of match and target that it writes as nft expressions.
func TestOwnRules(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	h, err := Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []rules.Variant{{Family: rules.IPv4, Backend: rules.NFT}, {Family: rules.IPv6, Backend: rules.NFT}} {
		program, icmp, to := "iptables-nft", []string{"-p", "icmp", "--icmp-type", "8/0"}, "10.0.0.0/8"
		if at.Family == rules.IPv6 {
			program, icmp, to = "ip6tables-nft", []string{"-p", "icmpv6", "--icmpv6-type", "128"}, "fd00::/8"
		}
		for _, args := range [][]string{
			{"-i", "eth+", "-o", "eth1", "!", "-s", to, "-d", to},
			{"-p", "tcp", "--dport", "1:99", "!", "--sport", "7:9", "--syn"},
			{"-p", "udp", "!", "--dport", "53"},
			icmp,
			{"-m", "mark", "--mark", "1/0xff"},
			{"-m", "limit", "--limit", "3/min"},
			{"-m", "pkttype", "--pkt-type", "broadcast"},
			{"-m", "conntrack", "--ctstate", "NEW"},
			{"-p", "tcp", "-m", "multiport", "--dports", "80,443"},
			{"-m", "comment", "--comment", "x"},
			{"-j", "NFLOG", "--nflog-group", "3"},
			{"-j", "LOG"},
			{"-j", "REJECT"},
			{"!", "-p", "tcp"},
			{"-m", "mac", "--mac-source", "02:00:00:00:00:01"},
		} {
			if out, err := exec.Command(program, append([]string{"-A", "FORWARD"}, args...)...).CombinedOutput(); err != nil {
				t.Fatalf("%q: %v: %s", args, err, out)
			}
			set, err := h.Read(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Foreign) > 0 {
				t.Errorf("%s %q is taken for one of nft: %v", program, args, set.Foreign)
			}
			_ = exec.Command(program, "-F").Run()
		}
	}
}
