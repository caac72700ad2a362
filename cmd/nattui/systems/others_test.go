package systems

import (
	"os/exec"
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
	s := boot(t, []string{"ssh"}, (*system).mayLogIn)
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

// mayLogIn lets root log in from outside by a key.
func (s *system) mayLogIn() {
	s.chroot("sh", "-c", "mkdir -p -m 700 /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 && cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys")
}

// TestMosh: whoever has come by SSH, begun mosh and lost the SSH connection is there by UDP alone. A change that takes its
// ports waits to be confirmed, with a client or before it has come; one of other ports does not.
func TestMosh(t *testing.T) {
	s := boot(t, []string{"ssh"}, (*system).mayLogIn)
	begin := s.outsideCommand("ssh", "-o", "StrictHostKeyChecking=no", "root@"+wanGateway, "LC_ALL=C.UTF-8 mosh-server new -p 60000:61000 -- sleep 1000")
	out, err := begin.Output()
	_, words, ok := strings.Cut(string(out), "MOSH CONNECT ")
	fields := strings.Fields(words)
	if err != nil || !ok || len(fields) < 2 {
		t.Fatalf("mosh-server does not begin: %v: %s", err, out)
	}
	port, key := fields[0], fields[1]
	s.eventually("the SSH connection has ended", func() bool { return !strings.Contains(s.established(), wanHost) })
	waits := func(when, rule, expect string) {
		t.Helper()
		said := s.run("nattui", "import", "--yes", "--accept-doubts", rule)
		history := s.run("nattui", "history")
		if got := strings.Contains(history, "unconfirmed"); got != (expect != "") || !strings.Contains(said, expect) {
			t.Errorf("%s: %s: waits to be confirmed: %v\n%s", when, rule, got, said)
		}
		if expect != "" {
			s.run("nattui", "rollback", "--yes")
		} else {
			s.run("nattui", "undo", "--yes")
		}
	}
	const taken = "iptables -t nat -I PREROUTING -p udp --dport 60000:61000 -j REDIRECT --to-ports 9"
	waits("before its client has come", taken, "will be rolled back")
	// It wants a terminal, and there are none in the system's root as seen from outside.
	inside := s.outsideCommand("env", "LC_ALL=C.UTF-8", "TERM=xterm", "MOSH_KEY="+key, "mosh-client", wanGateway, port)
	client := exec.Command("script", "-qfc", "stty rows 24 cols 80; exec "+strings.Join(inside.Args, " "), "/dev/null")
	in, err := client.StdinPipe()
	if err == nil {
		err = client.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = client.Process.Kill(); _ = client.Wait() })
	// Until then the server waits itself, and does not begin what it is to run.
	s.eventually("the client has come", func() bool { return strings.Contains(s.run("ps", "-eo", "args"), "\nsleep 1000\n") })
	waits("with its client", taken, "will be rolled back")
	waits("its answers", "iptables -I OUTPUT -p udp --sport "+port+" -j DROP", "will be rolled back")
	waits("others' ports", "iptables -t nat -I PREROUTING -p udp --dport 5000 -j REDIRECT --to-ports 9", "")
}

// TestConfirmWithoutRoot: whoever has the two capabilities alone, and sees no other user's sockets, confirms by a new login and
// not by an old one.
func TestConfirmWithoutRoot(t *testing.T) {
	s := boot(t, []string{"ssh"}, func(s *system) {
		s.mayLogIn()
		s.chroot("sh", "-c", "useradd -m -s /bin/bash op && cp /usr/local/bin/nattui /usr/local/bin/nattui-op && setcap cap_net_admin,cap_net_raw+ep /usr/local/bin/nattui-op && "+
			"mkdir -m 700 /home/op/.ssh && cp /root/.ssh/authorized_keys /home/op/.ssh && chown -R op /home/op/.ssh")
	})
	over := func(commands string) string {
		out, _ := s.outsideCommand("ssh", "-o", "StrictHostKeyChecking=no", "op@"+wanGateway, commands).CombinedOutput()
		return string(out)
	}
	const change = "nattui-op import --yes --accept-doubts --confirm 1h 'iptables -A INPUT -s 198.51.100.99 -p tcp --dport 22 -j DROP'"
	if out := over(change + "; nattui-op confirm; nattui-op history"); !strings.Contains(out, "nobody has logged in since") || !strings.Contains(out, "unconfirmed until") {
		t.Errorf("the login that made the change confirms it:\n%s", out)
	}
	if out := over("nattui-op confirm; nattui-op history"); !strings.Contains(out, "op has logged in from "+wanHost) || !strings.Contains(out, "  confirmed\n") {
		t.Errorf("a new login does not confirm it:\n%s", out)
	}
}

// established are the connections to sshd.
func (s *system) established() string {
	s.Helper()
	return s.run("ss", "-Htnp", "state", "established", "sport", "=", ":22")
}
