package explain

import (
	"net/netip"
	"testing"

	"nattui/model/flow"
	"nattui/rules"
)

func TestSoughtFlow(t *testing.T) {
	at := netip.MustParseAddrPort
	one := func(proto rules.Protocol, client, asked, server, seen string) flow.Flow {
		return flow.Flow{Orig: rules.MakeTuple(proto, at(client), at(asked)), Reply: rules.MakeTuple(proto, at(server), at(seen)), ID: uint32(at(client).Port())}
	}
	flows := flow.NewFlows()
	batch := flow.Batch{Messages: []flow.Message{
		{Kind: flow.Listed, Flow: one(rules.TCP, "203.0.113.10:1001", "203.0.113.1:80", "192.168.0.2:8080", "192.168.0.1:1001")},
		{Kind: flow.Listed, Flow: one(rules.TCP, "203.0.113.10:1002", "203.0.113.1:443", "192.168.0.3:443", "203.0.113.10:1002")},
		{Kind: flow.Listed, Flow: one(rules.UDP, "192.168.0.7:1003", "198.51.100.7:53", "198.51.100.7:53", "203.0.113.1:1003")},
		{Kind: flow.Listed, Flow: one(rules.TCP, "[2001:db8::10]:1004", "[2001:db8::1]:80", "[fd00::2]:8080", "[2001:db8::10]:1004")},
	}}
	flows.Apply(&batch)
	for text, want := range map[string]uint32{
		"tcp 203.0.113.10:1001 203.0.113.1:80":     1001,
		"203.0.113.10:1001 -> 203.0.113.1:80":      1001,
		"TCP 203.0.113.10:1001→203.0.113.1:80":     1001,
		"from 203.0.113.10:1001 to 203.0.113.1:80": 1001,
		"tcp 203.0.113.1:80 203.0.113.10:1001":     1001, // the answer, as the client sees it
		"tcp 192.168.0.2:8080 192.168.0.1:1001":    1001, // the answer, as the server sends it
		"tcp 192.168.0.1:1001 192.168.0.2:8080":    1001,
		"tcp 203.0.113.10:1001 192.168.0.2:8080":   1001,
		"tcp * 203.0.113.1:443":                    1002,
		"192.168.0.3":                              1002,
		":53":                                      1003,
		"udp 192.168.0.7 *":                        1003,
		"tcp [2001:db8::10]:1004 [2001:db8::1]:80": 1004,
		"fd00::2": 1004,
		"udp 17 29 src=192.168.0.7 dst=198.51.100.7 sport=1003 dport=53":                                                                                              1003,
		"tcp 6 431999 ESTABLISHED src=203.0.113.10 dst=203.0.113.1 sport=1002 dport=443 src=192.168.0.3 dst=203.0.113.10 sport=443 dport=1002 [ASSURED] mark=0 use=1": 1002,
	} {
		q, err := ParseSoughtFlow(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if found, total := q.Find(flows, 3); total != 1 || found[0].ID != want {
			t.Errorf("%s: %d flows, want the one with port %d: %v", text, total, want, found)
		}
	}
	for text, want := range map[string]int{"203.0.113.10": 2, "tcp": 0, "tcp *": 3, "tcp 203.0.113.9:1 203.0.113.1:80": 0} {
		q, err := ParseSoughtFlow(text)
		if err != nil && want > 0 {
			t.Errorf("%s: %v", text, err)
		}
		if _, total := q.Find(flows, 3); total != want {
			t.Errorf("%s: %d flows, want %d", text, total, want)
		}
	}
	for _, text := range []string{"", "tcp", "tcp one two", "tcp 1.2.3.4:99999 1.2.3.4:5", "tcp 1.2.3.4:1 1.2.3.4:2 1.2.3.4:3", "src=one dst=two"} {
		if _, err := ParseSoughtFlow(text); err == nil {
			t.Errorf("%q is understood", text)
		}
	}
}
