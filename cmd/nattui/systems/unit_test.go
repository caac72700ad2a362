package systems

import (
	"strings"
	"testing"
)

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

// TestLostAccept boots a gateway whose operator comes in by a set that nobody restores: the drop behind the lost accept is
// held back, and the log says so.
func TestLostAccept(t *testing.T) {
	s := boot(t, nil, nil)
	s.run("ipset", "create", "ops", "hash:ip")
	s.enter("filter", "-A INPUT -i lo -j ACCEPT")
	s.enter("filter", "-A INPUT -p tcp -m set --match-set ops src -m tcp --dport 22 -j ACCEPT")
	s.enter("filter", "-A INPUT -j DROP")
	if out := s.run("sh", "-c", "nattui save --yes 2>&1"); !strings.Contains(out, "nothing here is known to restore the ipset ops") {
		t.Errorf("save says:\n%s", out)
	}
	s.reboot()
	s.once("filter", "-A INPUT -i lo -j ACCEPT")
	if now := s.run("iptables-save", "-t", "filter"); strings.Contains(now, "DROP") {
		t.Errorf("it boots locked:\n%s", now)
	}
	if log := s.run("journalctl", "-b", "--no-pager", "-u", "nattui"); !strings.Contains(log, "held back: table filter: -A INPUT -j DROP") {
		t.Errorf("the log has\n%s", log)
	}
	if out := s.run("sh", "-c", "nattui doctor || true"); !strings.Contains(out, "not-restored") {
		t.Errorf("the doctor says:\n%s", out)
	}
	s.run("ipset", "create", "ops", "hash:ip")
	s.run("systemctl", "restart", "nattui")
	s.once("filter", "-A INPUT -j DROP")
}

// TestDisabledPersistent saves where netfilter-persistent is installed and disabled: the rules are back after a reboot.
func TestDisabledPersistent(t *testing.T) {
	s := boot(t, nil, func(s *system) {
		s.chroot("sh", "-c", "dpkg --purge ufw && dpkg -i /opt/packages/*.deb && systemctl disable netfilter-persistent")
	})
	s.enter("nat", share)
	s.run("nattui", "save", "--yes")
	s.reboot()
	s.once("nat", share)
	s.run("systemctl", "disable", "nattui")
	if out := s.run("sh", "-c", "nattui doctor || true"); !strings.Contains(out, "the service nattui, which restores what is saved, is disabled") {
		t.Errorf("the doctor says:\n%s", out)
	}
}
