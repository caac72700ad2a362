package systems

import (
	"strings"
	"testing"
)

// ownTable is nattui's own native table; "" where it is not there.
func (s *system) ownTable() string {
	out, _ := s.try("nft", "list", "table", "inet", "nattui")
	if !strings.HasPrefix(out, "table inet nattui") {
		return ""
	}
	return out
}

// TestNativeBesideFirewalld: a forward in nattui's own table works beside the real firewalld, which makes its tables anew
// when it reloads or boots, and lets pass what others have translated. Its own rules are left to it.
func TestNativeBesideFirewalld(t *testing.T) {
	s := firewalldWith(t, "nftables")
	s.outside()
	s.serve("lan", lanHost+":80")
	told := func() string {
		return s.run("firewall-cmd", "--zone=external", "--list-all") + s.run("firewall-cmd", "--permanent", "--zone=external", "--list-all")
	}
	before := told()
	out := s.publish("--backend", "native")
	if strings.Contains(out, "firewall-cmd") || !strings.Contains(out, "add rule inet nattui prerouting") {
		t.Errorf("firewalld is told, or the rule is not native:\n%s", out)
	}
	if strings.Contains(out, "will block") {
		t.Errorf("firewalld lets pass what was translated:\n%s", out)
	}
	if nat := s.rules("nat"); strings.Contains(nat, "8080") {
		t.Errorf("iptables has it:\n%s", nat)
	}
	own := s.ownTable()
	s.run("firewall-cmd", "--reload")
	s.reached("after a reload")
	if now := s.ownTable(); strings.Count(now, "dport 8080") != strings.Count(own, "dport 8080") || now == "" {
		t.Errorf("nattui's own table is\n%s\nand was\n%s", now, own)
	}
	if out, err := s.try("nattui", "delete", "--table", "inet firewalld", "nat_PREROUTING", "1", "--yes"); err == nil || !strings.Contains(out, "belongs to firewalld") {
		t.Errorf("a rule of firewalld's was deleted, or it is not said whose it is: %v\n%s", err, out)
	}
	s.run("nattui", "save", "--yes")
	s.reboot()
	s.outside()
	s.firewalldRuns()
	s.reached("after a boot")
	s.run("nattui", "undo", "--yes") // the save
	s.run("nattui", "undo", "--yes")
	if now := told(); now != before {
		t.Errorf("after undo, firewalld has\n%s\nand had\n%s", now, before)
	}
	if got := s.ask("", wanGateway+":8080"); got != "" || s.ownTable() != "" {
		t.Errorf("after undo, the port answers %q, and there is\n%s", got, s.ownTable())
	}
}

// TestNativeBesideDocker: a native forward and a port that the real Docker publishes are both reached, also after Docker has
// started again.
func TestNativeBesideDocker(t *testing.T) {
	s := boot(t, nil, nil)
	s.run("sysctl", "-qw", "net.ipv4.ip_forward=1") // it leaves FORWARD open where this was on as it started
	s.run("systemctl", "enable", "-q", "--now", "containerd", "docker")
	s.container()
	s.serve("lan", lanHost+":80")
	both := func(when string) {
		t.Helper()
		s.reached(when)
		s.eventually("the container answers "+when, func() bool {
			const get = `exec 3<>/dev/tcp/$0/$1; printf 'GET / HTTP/1.0\r\n\r\n' >&3; timeout 2 cat <&3`
			page, _ := s.outsideCommand("bash", "-c", get, wanGateway, "8888").Output()
			return strings.HasSuffix(strings.TrimSpace(string(page)), "container")
		})
	}
	s.run("nattui", "add", "dnat", "--backend", "native", "-i", "wan0", "-p", "tcp", "--dport", "8080", "--to", lanHost+":80", "--yes")
	both("at first")
	s.run("systemctl", "restart", "docker")
	s.eventually("Docker publishes", func() bool { return strings.Contains(s.rules("nat"), "--dport 8888") })
	both("after Docker has started again")
	if s.ownTable() == "" || strings.Contains(s.rules("nat"), "8080") {
		t.Errorf("the forward is not native: %s", s.rules("nat"))
	}
	s.run("nattui", "undo", "--yes")
	if got := s.ask("", wanGateway+":8080"); got != "" {
		t.Errorf("after undo, the port answers %q", got)
	}
}
