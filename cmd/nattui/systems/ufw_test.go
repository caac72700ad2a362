package systems

import (
	"strings"
	"testing"
)

// byHand is an accept that somebody put into the chain of ufw's users, where ufw makes rules of its own.
const byHand = "-A ufw-user-forward -d 192.168.7.10/32 -p tcp -m tcp --dport 80 -j ACCEPT"

// TestUfw: what ufw restores from its files is ufw's and never saved; what was put into its chains by hand is the
// administrator's, and back after a boot, and after a reload where that was asked for.
func TestUfw(t *testing.T) {
	s := boot(t, []string{"ufw"}, func(s *system) {
		s.chroot("sed", "-i", "s/^ENABLED=.*/ENABLED=yes/", "/etc/ufw/ufw.conf")
		s.write("/etc/ufw/before.rules", "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.9.0.0/16 -o wan0 -j MASQUERADE\n"+
			"-A PREROUTING -i wan0 -p tcp --dport 2222 -j DNAT --to-destination 192.168.7.10:22\nCOMMIT\n"+s.read("/etc/ufw/before.rules"))
	})
	s.run("ufw", "route", "allow", "in", "on", "lan0", "out", "on", "wan0", "from", "192.168.7.0/24")
	s.saved("0")
	s.enter("filter", byHand)
	s.enter("nat", forward)
	s.saved("2")
	s.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	out := s.run("nattui", "save", "--yes")
	if !strings.Contains(out, "may remove 1 rule of these when it reloads") {
		t.Errorf("save does not say what a reload removes:\n%s", out)
	}
	s.serve("lan", lanHost+":80")
	const ufws = "-A POSTROUTING -s 10.9.0.0/16 -o wan0 -j MASQUERADE"
	all := func(when string) {
		t.Helper()
		s.once("nat", forward)
		s.once("filter", byHand)
		s.forwards(when)
	}
	s.reboot()
	all("after a boot")
	s.once("nat", ufws)
	s.run("ufw", "reload") // which restores its *nat once more
	if strings.Contains(s.rules("filter"), byHand) {
		t.Fatal("ufw left the rule alone, and the rest tests nothing")
	}
	s.run("nattui", "save", "--yes", "--replace")
	if saved := s.read("/etc/nattui/ipv4.nft"); strings.Contains(saved, "10.9.0.0") || strings.Contains(saved, "2222") {
		t.Errorf("rules of ufw's own are saved:\n%s", saved)
	}
	s.enter("filter", byHand)
	s.run("nattui", "save", "--watch", "--yes")
	for _, argv := range [][]string{{"ufw", "reload"}, {"ufw", "--force", "disable"}, {"ufw", "--force", "enable"}} {
		s.run(argv...)
		if argv[2%len(argv)] == "disable" {
			continue // its chains are gone
		}
		s.eventually("the rule comes back", func() bool { return strings.Contains(s.rules("filter"), byHand) })
		all(strings.Join(argv, " "))
	}
	s.reboot()
	all("after another boot")
	s.once("nat", ufws)
}
