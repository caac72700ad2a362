package systems

import (
	"strings"
	"testing"
)

// TestNftablesService: Debian's nftables.service flushes all of nf_tables whenever it starts. What is saved comes back, native and
// of iptables, where that was asked for, and by hand; and after a boot.
func TestNftablesService(t *testing.T) {
	s := boot(t, []string{"nftables"}, func(s *system) {
		s.write("/etc/nftables.conf", "flush ruleset\ntable inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t\ttcp dport 9 drop\n\t}\n}\n")
	})
	s.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	s.serve("lan", lanHost+":80")
	s.run("nattui", "add", "dnat", "--backend", "native", "-i", "wan0", "-p", "tcp", "--dport", "8080", "--to", lanHost+":80", "--yes")
	s.enter("nat", share)
	s.run("nattui", "save", "--yes")
	s.run("systemctl", "restart", "nftables")
	if s.ownTable() != "" || strings.Contains(s.rules("nat"), share) {
		t.Fatal("nftables.service left the rules alone, and the rest tests nothing")
	}
	s.run("nattui", "restore", "--yes")
	s.once("nat", share)
	s.forwards("after a restore by hand")
	s.run("nattui", "save", "--watch", "--yes")
	s.run("systemctl", "restart", "nftables")
	s.eventually("the rules come back", func() bool { return s.ownTable() != "" && strings.Contains(s.rules("nat"), share) })
	s.forwards("after another restart")
	s.reboot()
	s.once("nat", share)
	s.forwards("after a boot")
	if own := s.ownTable(); strings.Count(own, "dport 8080") != 1 {
		t.Errorf("after a boot the table is\n%s", own)
	}
}
