package systems

import (
	"strings"
	"testing"
)

// publish has nattui publish the server inside, and fails the test unless it is reached from outside.
func (s *system) publish(args ...string) string {
	s.Helper()
	out := s.run(append([]string{"nattui", "guide", "publish", "--at", wanGateway, "--port", "8080", "--to", lanHost + ":80", "--watch=false", "--yes"}, args...)...)
	s.reached("after publishing")
	return out
}

// reached waits until the published port answers: a first packet may be lost while neighbours are found.
func (s *system) reached(when string) {
	s.Helper()
	s.forwards(when)
}

// outside has the default route lead outside, as a gateway has it.
func (s *system) outside() {
	s.Helper()
	s.run("ip", "route", "replace", "default", "via", wanHost)
}

// TestPublishByFirewalld: where firewalld owns the firewall, it is told to forward, now and for good, and told to stop by
// undo; whoever had told it so before keeps what he has.
func TestPublishByFirewalld(t *testing.T) {
	s := firewalldWith(t, "nftables")
	s.outside()
	s.serve("lan", lanHost+":80")
	told := func() string {
		return s.run("firewall-cmd", "--zone=external", "--list-all") + s.run("firewall-cmd", "--permanent", "--zone=external", "--list-all")
	}
	before := told()
	if out := s.publish(); strings.Count(out, "firewall-cmd --zone=external") != 2 {
		t.Errorf("these are not two commands:\n%s", out)
	}
	s.run("firewall-cmd", "--reload")
	s.reached("after a reload")
	s.reboot()
	s.outside()
	s.reached("after a boot")
	s.run("nattui", "undo", "--yes")
	if now := told(); now != before {
		t.Errorf("after undo, firewalld has\n%s\nand had\n%s", now, before)
	}
	if got := s.ask("", wanGateway+":8080"); got != "" {
		t.Errorf("after undo, the port answers %q", got)
	}
	// A change that is not confirmed is rolled back, also where it is firewalld's.
	s.publish("--confirm", "1h")
	s.run("nattui", "rollback", "--yes")
	if now := told(); now != before {
		t.Errorf("after rolling back, firewalld has\n%s\nand had\n%s", now, before)
	}
}

// TestPublishByUfw: the translation is iptables', and what ufw drops it is told to let pass.
func TestPublishByUfw(t *testing.T) {
	s := boot(t, []string{"ufw"}, func(s *system) {
		s.chroot("sed", "-i", "s/^ENABLED=.*/ENABLED=yes/", "/etc/ufw/ufw.conf")
	})
	s.outside()
	s.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	s.serve("lan", lanHost+":80")
	before := s.run("ufw", "show", "added")
	if out := s.publish(); !strings.Contains(out, "ufw route allow in on wan0 out on lan0 to 192.168.7.10 port 80 proto tcp\n") {
		t.Errorf("ufw is not told:\n%s", out)
	}
	s.run("ufw", "reload")
	s.reached("after a reload")
	s.saved("1")
	s.run("nattui", "save", "--yes")
	s.reboot()
	s.outside()
	s.reached("after a boot")
	s.run("nattui", "undo", "--yes") // the save
	undone := func() {
		t.Helper()
		s.run("nattui", "undo", "--yes")
		if now := s.run("ufw", "show", "added"); now != before {
			t.Errorf("after undo, ufw has\n%s\nand had\n%s", now, before)
		}
	}
	undone()
	// A single rule needs it as well.
	s.run("nattui", "add", "dnat", "-i", "wan0", "-p", "tcp", "--dport", "8080", "--to", lanHost+":80", "--yes")
	s.reached("after adding the rule alone")
	undone()
	// Nor does it hang on a default route, by which the uplink is known; and the guide does not say that nothing is needed.
	s.run("ip", "route", "flush", "default")
	s.run("nattui", "add", "dnat", "-i", "wan0", "-p", "tcp", "--dport", "8080", "--to", lanHost+":80", "--yes")
	s.reached("after adding the rule without a default route")
	undone()
	if out := s.run("nattui", "guide", "publish", "--port", "8080", "--at", wanGateway, "--to", lanHost+":80", "--dry-run"); strings.Contains(out, "No FORWARD rule is needed") || !strings.Contains(out, "ufw route allow") {
		t.Errorf("what the guide says of FORWARD:\n%s", out)
	}
}
