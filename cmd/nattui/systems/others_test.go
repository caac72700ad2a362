package systems

import (
	"strings"
	"testing"
)

// TestFail2ban: its jump into its own chain is not saved, and comes back by itself.
func TestFail2ban(t *testing.T) {
	s := boot(t, []string{"fail2ban"}, func(s *system) {
		s.write("/etc/fail2ban/jail.d/test.local", "[sshd]\nenabled = true\nbackend = polling\nlogpath = /var/log/auth.log\nbanaction = iptables-multiport\n")
		s.write("/var/log/auth.log", "")
	})
	ban := func() {
		s.eventually("fail2ban answers", func() bool { _, err := s.try("fail2ban-client", "status", "sshd"); return err == nil })
		s.run("fail2ban-client", "set", "sshd", "banip", "198.51.100.7")
		s.eventually("it bans", func() bool { return strings.Contains(s.rules("filter"), "-s 198.51.100.7/32") })
	}
	ban()
	s.saved("0")
	s.enter("nat", forward)
	s.saved("1")
	s.run("nattui", "save", "--yes")
	s.reboot()
	ban()
	s.once("nat", forward)
	s.once("filter", "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd")
}

// TestLibvirt: the rules of its networks are not saved, and come back by themselves.
func TestLibvirt(t *testing.T) {
	s := boot(t, []string{"libvirtd"}, func(s *system) {
		s.chroot("ln", "-sf", "/etc/libvirt/qemu/networks/default.xml", "/etc/libvirt/qemu/networks/autostart/default.xml")
	})
	networked := func() bool { return strings.Contains(s.rules("nat"), "LIBVIRT_PRT -s 192.168.122.0/24") }
	s.eventually("libvirt makes its network", networked)
	s.saved("0")
	s.enter("nat", forward)
	s.run("nattui", "save", "--yes")
	s.reboot()
	s.eventually("libvirt makes its network", networked)
	s.once("nat", forward, "-A POSTROUTING -j LIBVIRT_PRT")
	s.saved("1")
}

// lockout takes the way in of every SSH login.
const lockout = "iptables -t nat -I PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 9"

// TestTerminalsThatOutliveLogins: who attached by SSH to a terminal that was begun at the console may be locked out, and
// a change that could do it is not applied without a way back.
func TestTerminalsThatOutliveLogins(t *testing.T) {
	s := boot(t, []string{"ssh"}, func(s *system) {
		s.chroot("sh", "-c", "mkdir -p -m 700 /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 && cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys")
	})
	// The console: no login, no SSH_CONNECTION.
	s.run("tmux", "new-session", "-d", "-s", "work")
	s.run("screen", "-dmS", "work")
	for name, attach := range map[string]string{"tmux": "tmux attach -t work", "screen": "screen -x work"} {
		login := s.login(attach)
		s.eventually(name+" is attached by SSH", func() bool {
			for line := range strings.Lines(s.run("ps", "-eo", "tty,args")) {
				if tty, args, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(tty, "pts/") && strings.TrimSpace(args) == attach {
					return strings.Contains(s.established(), wanHost)
				}
			}
			return false
		})
		if name == "tmux" {
			s.run("tmux", "send-keys", "-t", "work", "nattui import --yes --accept-doubts '"+lockout+"'", "Enter")
		} else {
			s.run("screen", "-S", "work", "-X", "stuff", "nattui import --yes --accept-doubts '"+lockout+"'\n")
		}
		s.eventually(name+": the change is made", func() bool { return strings.Contains(s.rules("nat"), "--to-ports 9") })
		if out := s.run("nattui", "history"); !strings.Contains(out, "unconfirmed") {
			t.Errorf("%s: the change waits for no confirmation:\n%s", name, out)
		}
		s.run("nattui", "rollback", "--yes")
		_ = login.Process.Kill()
		_ = login.Wait()
		s.eventually("the login ends", func() bool { return !strings.Contains(s.established(), wanHost) })
	}
}

// established are the connections to sshd.
func (s *system) established() string {
	s.Helper()
	return s.run("ss", "-Htnp", "state", "established", "sport", "=", ":22")
}
