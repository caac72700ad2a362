package doctor_test

import (
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// TestOpensWhatDrops: the commands that are printed for what drops natively let the packet and its answer through, at whatever
// hook it is; where what is known of the packet does not match there, none are printed.
func TestOpensWhatDrops(t *testing.T) {
	for name, c := range map[string]struct {
		table string
		opens bool
	}{
		"prerouting, answers":       {`table inet x { chain c { type filter hook prerouting priority filter; iifname "lan0" fib daddr type != local drop; }; }`, true},
		"ingress, answers":          {`table netdev x { chain c { type filter hook ingress device "lan0" priority filter; tcp sport 8080 drop; }; }`, true},
		"forward":                   {`table inet x { chain c { type filter hook forward priority filter; tcp dport { 80, 8080 } reject with tcp reset; }; }`, true},
		"forward, answers":          {`table inet x { chain c { type filter hook forward priority filter; ct direction reply ct state established drop; }; }`, true},
		"postrouting, late":         {`table inet x { chain c { type filter hook postrouting priority 300; oifname "lan0" tcp dport 8080 drop; }; }`, true},
		"postrouting, late answers": {`table inet x { chain c { type filter hook postrouting priority 300; ip saddr 203.0.113.1 tcp sport 80 drop; }; }`, false},
		"egress":                    {`table netdev x { chain c { type filter hook egress device "lan0" priority filter; tcp dport 8080 drop; }; }`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.iptables("iptables", "-t", "nat", "-F", "POSTROUTING")
			w.nft(c.table)
			w.settle()
			if w.answers(w.Client, lab.WorldIPv4, web) {
				t.Fatal("it is answered")
			}
			var commands [][]string
			found := doctor.Examine(w.look())
			told := false
			for _, f := range found {
				if f.Check == "native-drop" {
					told, commands = true, append(commands, f.Commands...)
				}
			}
			if !told || c.opens != (len(commands) > 0) {
				t.Fatalf("told: %v, commands: %q\n%s", told, commands, text(found))
			}
			for _, argv := range commands {
				w.run(w.Gateway, argv...)
			}
			if answered := w.answers(w.Client, lab.WorldIPv4, web); answered != c.opens {
				t.Errorf("answered behind %q: %v", commands, answered)
			}
		})
	}
}
