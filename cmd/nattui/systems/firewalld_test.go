package systems

import (
	"fmt"
	"strings"
	"testing"
)

// allow is an accept of the administrator's in a chain that firewalld ends with REJECT.
const allow = "-A FORWARD -d 192.168.7.10/32 -p tcp -m tcp --dport 80 -j ACCEPT"

// firewalldWith boots firewalld with one of its backends, and as on a slow machine: it has its name on the bus, and counts
// as started, a second before it flushes what others have made.
func firewalldWith(t *testing.T, backend string) *system {
	t.Helper()
	s := boot(t, []string{"firewalld"}, func(s *system) {
		s.chroot("sed", "-i", `s/^    def start(self).*:$/&\n        import time; time.sleep(1)/`, "/usr/lib/python3/dist-packages/firewall/core/fw.py")
		s.chroot("sed", "-i", "s/^FirewallBackend=.*/FirewallBackend="+backend+"/", "/etc/firewalld/firewalld.conf")
		s.chroot("firewall-offline-cmd", "-q", "--zone=external", "--add-interface=wan0")
		s.chroot("firewall-offline-cmd", "-q", "--zone=internal", "--add-interface=lan0")
	})
	s.firewalldRuns()
	return s
}

// firewalldRuns waits until firewalld has made its rules, and flushed those of others.
func (s *system) firewalldRuns() {
	s.Helper()
	s.eventually("firewalld runs", func() bool {
		state, _ := s.try("firewall-cmd", "--state")
		return strings.TrimSpace(state) == "running"
	})
}

// saved fails the test unless save --dry-run counts so many rules of the administrator's, and finds nothing to do.
func (s *system) saved(rules string) {
	s.Helper()
	out := s.run("nattui", "save", "--dry-run")
	if !strings.Contains(out, "nattui: your own rules, restored by the unit nattui.service: "+rules+"\n") {
		s.Errorf("not %s rules are the administrator's:\n%s", rules, out)
	}
}

// TestFirewalldNftables: what is saved is there after each boot, once, behind what firewalld flushes, and after a reload
// where that was asked for.
func TestFirewalldNftables(t *testing.T) {
	s := firewalldWith(t, "nftables")
	s.enter("nat", forward)
	s.enter("nat", share)
	out := s.run("nattui", "save", "--yes")
	if !strings.Contains(out, "may remove 2 rules of these when it reloads") {
		t.Errorf("save does not say what a reload removes:\n%s", out)
	}
	for range 2 {
		s.reboot()
		s.firewalldRuns()
		s.once("nat", forward, share)
	}
	s.run("firewall-cmd", "--reload")
	flushes := !strings.Contains(s.rules("nat"), "8080") // 1.3 does, 2.3 does not with this backend
	s.run("iptables", "-t", "nat", "-F")
	if out, _ := s.try("nattui", "doctor"); !strings.Contains(out, "nattui restore") {
		t.Errorf("the doctor does not say what brings the rules back:\n%s", out)
	}
	if out, err := s.try("nattui", "save", "--yes"); err == nil || !strings.Contains(out, "holds 2 rules of yours and would hold 0") {
		t.Errorf("nothing was saved over something: %v\n%s", err, out)
	}
	s.run("nattui", "restore", "--yes", "--confirm", "off")
	s.once("nat", forward, share)
	s.run("nattui", "save", "--watch", "--yes")
	for range 3 {
		if !flushes {
			s.run("iptables", "-t", "nat", "-F")
		}
		s.run("firewall-cmd", "--reload")
		s.eventually("the rules come back after a reload", func() bool { return strings.Contains(s.rules("nat"), "-o wan0 -j MASQUERADE") })
		s.once("nat", forward, share)
	}
	s.run("systemctl", "restart", "firewalld")
	s.eventually("the rules come back after a restart", func() bool { return strings.Contains(s.rules("nat"), "8080") })
	s.reboot()
	s.once("nat", forward, share)
	if out, _ := s.try("nattui", "doctor"); strings.Contains(out, "when it reloads") {
		t.Errorf("the doctor warns of what is put back:\n%s", out)
	}
	s.run("nattui", "save", "--watch=false", "--yes")
	if s.read("/etc/systemd/system/nattui-watch.service") != "" {
		t.Error("the unit that watches is still there")
	}
	if out, _ := s.try("nattui", "doctor"); !strings.Contains(out, "2 rules when it reloads") {
		t.Errorf("the doctor does not say what a reload removes:\n%s", out)
	}
	if got := strings.TrimSpace(s.run("sysctl", "-n", "net.ipv4.ip_forward")); got != "1" {
		t.Errorf("ip_forward is %s after the reboot", got)
	}
}

// TestFirewalldIptables: of the hundred rules that firewalld makes with iptables none is the administrator's, his own
// stand before its REJECT after a boot, and without firewalld the gateway boots open.
func TestFirewalldIptables(t *testing.T) {
	s := firewalldWith(t, "iptables")
	s.saved("0")
	s.run("sh", "-c", "iptables -w 5 -I"+strings.TrimPrefix(allow, "-A")+"; ip6tables -w 5 -t nat -A POSTROUTING -o wan0 -j MASQUERADE")
	s.enter("nat", forward)
	s.saved("3")
	s.run("nattui", "save", "--yes")
	s.reboot()
	s.firewalldRuns()
	s.once("nat", forward)
	s.once("filter", allow)
	now := s.rules("filter")
	if strings.Index(now, allow) > strings.Index(now, "-A FORWARD -j FORWARD_") {
		t.Errorf("the accept stands behind what rejects:\n%s", now)
	}
	s.run("systemctl", "disable", "-q", "firewalld")
	s.reboot()
	s.once("nat", forward)
	if now, want := s.rules("filter"), "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"+allow+"\n"; now != want {
		t.Errorf("without firewalld:\n%s", now)
	}
}

// TestWhileFirewalldStarts: what is changed while firewalld is being started waits for it, and is there afterwards; what
// looks says that it is not known yet. firewalld is held before it has its name, and before it has its rules.
func TestWhileFirewalldStarts(t *testing.T) {
	s := firewalldWith(t, "iptables")
	const hold = `#!/bin/sh
while [ -e /run/hold-$1 ]; do touch /run/held-$1; sleep 0.05; done
`
	s.run("sh", "-c", "printf '%s' '"+hold+"' >/usr/local/sbin/hold; chmod 755 /usr/local/sbin/hold")
	s.write("/etc/systemd/system/firewalld.service.d/hold.conf", "[Service]\nExecStartPre=/usr/local/sbin/hold start\n")
	s.run("sed", "-i", `s|time.sleep(1)|subprocess; subprocess.call(["/usr/local/sbin/hold", "rules"])|; s|import time; subprocess|import subprocess|`, "/usr/lib/python3/dist-packages/firewall/core/fw.py")
	s.run("systemctl", "daemon-reload")
	for when, why := range map[string]string{"start": "firewalld is starting", "rules": "firewalld does not answer"} {
		s.run("touch", "/run/hold-"+when)
		s.run("systemctl", "restart", "--no-block", "firewalld")
		s.eventually("firewalld is held", func() bool { _, err := s.try("test", "-e", "/run/held-"+when); return err == nil })
		said := make(chan string, 1)
		go func() {
			_, err := s.try("sh", "-c", "(nattui rules; nattui add dnat --proto tcp --dest "+wanGateway+" --dport 8080 --to "+lanHost+":80 --yes) >/var/tmp/said-"+when+" 2>&1")
			said <- fmt.Sprint(err)
		}()
		s.eventually("nattui waits", func() bool {
			now := s.read("/var/tmp/said-" + when)
			return strings.Contains(now, why+"; waiting") && strings.Contains(now, why+": which rules there will be is not known yet")
		})
		if len(said) > 0 {
			t.Fatalf("held at %s: nattui did not wait: %s", when, s.read("/var/tmp/said-"+when))
		}
		s.run("rm", "/run/hold-"+when)
		if err := <-said; err != "<nil>" {
			t.Fatalf("held at %s: %s\n%s", when, err, s.read("/var/tmp/said-"+when))
		}
		s.firewalldRuns()
		s.once("nat", forward)
		s.run("nattui", "undo", "--yes")
	}
}

// TestFirewalldDirect: rules that firewalld was handed as they are, for now and for good, are its own: they are not saved,
// and do not come back once it has removed them.
func TestFirewalldDirect(t *testing.T) {
	s := firewalldWith(t, "nftables")
	for _, when := range []string{"", "--permanent "} {
		s.run("sh", "-c", "firewall-cmd "+when+"--direct --add-rule ipv4 filter FORWARD 0 -s 10.7.0.0/16 -j ACCEPT")
		s.run("sh", "-c", "firewall-cmd "+when+"--direct --add-passthrough ipv4 -t nat -A POSTROUTING -s 10.6.0.0/16 -j MASQUERADE")
		s.run("sh", "-c", "firewall-cmd "+when+"--direct --add-chain ipv4 filter zork")
	}
	s.run("firewall-cmd", "--direct", "--add-rule", "ipv4", "nat", "POSTROUTING", "0", "-s", "10.5.0.0/16", "-j", "MASQUERADE") // only for now
	s.saved("0")
	s.enter("nat", share)
	s.run("nattui", "save", "--watch", "--yes")
	if now := s.read("/etc/nattui/ipv4.nft"); strings.Contains(now, "zork") || strings.Contains(now, "10.") {
		t.Errorf("saved:\n%s", now)
	}
	s.run("firewall-cmd", "--permanent", "--direct", "--remove-rule", "ipv4", "filter", "FORWARD", "0", "-s", "10.7.0.0/16", "-j", "ACCEPT")
	s.run("iptables", "-t", "nat", "-F")
	s.run("firewall-cmd", "--reload")
	s.eventually("the rules come back after a reload", func() bool { return strings.Contains(s.rules("nat"), "-o wan0 -j MASQUERADE") })
	if now := s.rules("filter") + s.rules("nat"); strings.Contains(now, "10.7.0.0") || strings.Contains(now, "10.5.0.0") {
		t.Errorf("what firewalld has removed is back:\n%s", now)
	}
	if out, _ := s.try("nattui", "doctor"); strings.Contains(out, "boot-drift") {
		t.Errorf("the doctor says:\n%s", out)
	}
}
