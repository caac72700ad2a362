package systems

import "testing"

// The rules of the administrator that the tests begin with: one forward, and the share of the uplink.
const (
	forward = "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.7.10:80"
	share   = "-A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE"
)

// enter adds a rule of the administrator by hand.
func (s *system) enter(table, line string) {
	s.Helper()
	s.run("sh", "-c", "iptables -w 5 -t "+table+" "+line)
}

// TestOwnUnit has the rules restored by nattui's own unit, exactly once however often it runs.
func TestOwnUnit(t *testing.T) {
	s := boot(t, nil, nil)
	s.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	s.enter("nat", forward)
	s.enter("nat", share)
	s.run("nattui", "save", "--yes")
	s.reboot()
	s.once("nat", forward, share)
	s.run("systemctl", "restart", "nattui")
	s.once("nat", forward, share)
	s.run("iptables", "-t", "nat", "-F")
	s.run("systemctl", "restart", "nattui")
	s.once("nat", forward, share)
	s.serve("lan", lanHost+":80")
	s.forwards("")
}

// TestNetfilterPersistent has the rules restored by Debian's own service, and once only where nattui restores too.
func TestNetfilterPersistent(t *testing.T) {
	s := boot(t, nil, func(s *system) {
		s.chroot("sh", "-c", "dpkg --purge ufw && dpkg -i /opt/packages/*.deb")
	})
	s.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	s.enter("nat", forward)
	s.enter("nat", share)
	s.run("nattui", "save", "--yes")
	s.reboot()
	s.once("nat", forward, share)
	s.run("nattui", "restore", "--yes", "--confirm", "off")
	s.once("nat", forward, share)
	// Somebody saves everything, as the program offers, and nattui saves again.
	s.run("netfilter-persistent", "save")
	s.run("nattui", "save", "--yes")
	s.reboot()
	s.once("nat", forward, share)
}
