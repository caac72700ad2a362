package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules/commit"
)

// here runs a script at the gateway itself, as from its console: no SSH in its
// environment, and none among the processes it descends from.
func (r *remote) here(script string) string {
	r.Helper()
	out, err := exec.Command("env", "-u", "SSH_CONNECTION", "sh", "-c", r.line(script)).CombinedOutput()
	if err != nil {
		r.Fatalf("%s: %v: %s", script, err, out)
	}
	return string(out)
}

// program runs until the end of the test under another name, holding a socket.
func (r *remote) program(name string, held interface{ File() (*os.File, error) }) {
	r.Helper()
	binary, err := os.ReadFile("/bin/sleep")
	if err != nil {
		r.Fatal(err)
	}
	path := filepath.Join(r.TempDir(), name)
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		r.Fatal(err)
	}
	file, err := held.File()
	if err != nil {
		r.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command(path, "1000")
	cmd.ExtraFiles = []*os.File{file}
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// listenUDP is a socket of the gateway.
func (r *remote) listenUDP(port uint16) *net.UDPConn {
	r.Helper()
	conn, err := r.n.Gateway.ListenUDP(r.Context(), netip.AddrPortFrom(netip.IPv4Unspecified(), port))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close() })
	return conn
}

// needs skips the test where a program is not installed.
func (r *remote) needs(program string) {
	r.Helper()
	lab.Program(r, program)
}

// somebody logs in and stays.
func (r *remote) somebody() {
	r.Helper()
	_, out := r.login(true, "echo here; cat")
	r.until("somebody is logged in", func() bool { return strings.Contains(out.String(), "here") })
}

// inside runs nattui by a terminal multiplexer's server, and returns what it said.
func (r *remote) inside(script string, run func(script string)) string {
	r.Helper()
	out := filepath.Join(r.dir, "said")
	run(r.line("{ " + script + "; echo status=$?; } >" + out + " 2>&1"))
	r.until("nattui has answered", func() bool {
		text, _ := os.ReadFile(out)
		return strings.Contains(string(text), "status=")
	})
	text, _ := os.ReadFile(out)
	return string(text)
}

// throughTo has somebody connected through the gateway to a port of a server behind it, published as another one.
func (r *remote) throughTo(port, published uint16) {
	r.Helper()
	listener, err := r.n.Server2.Listen(r.Context(), netip.AddrPortFrom(r.n.Server2.IPv4, port))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { listener.Close() })
	r.here(fmt.Sprintf("nattui add dnat --proto tcp --dest 203.0.113.1 --dport %d --to 192.168.0.2:%d --yes; sysctl -q -w net.ipv4.ip_forward=1", published, port))
	conn, err := r.n.Client.Dial(r.Context(), "tcp", netip.AddrPortFrom(r.n.Client.IPv4, 50022), netip.AddrPortFrom(r.n.Gateway.IPv4, published))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close() })
}

// TestWhoMayBeCutOff makes changes that cut somebody off, from seats from which that
// does not show at once: none is called certain, and each waits to be confirmed.
func TestWhoMayBeCutOff(t *testing.T) {
	const tmux = "tmux -S /run/nattui-test-tmux "
	seats := map[string]func(r *remote) string{
		"sudo tmux": func(r *remote) string {
			r.needs("tmux")
			_, out := r.login(true, "env -u SSH_CONNECTION -u SSH_CLIENT -u SSH_TTY "+tmux+"new-session -d; "+tmux+"attach; cat")
			r.Cleanup(func() { _ = exec.Command("tmux", "-S", "/run/nattui-test-tmux", "kill-server").Run() })
			r.until("tmux is there: "+out.String(), func() bool { return exec.Command("tmux", "-S", "/run/nattui-test-tmux", "has-session").Run() == nil })
			return r.inside(lockout, func(script string) { r.here(tmux + "new-window -d " + quoted(script)) })
		},
		"tmux from the console, attached by SSH": func(r *remote) string {
			r.needs("tmux")
			r.here(tmux + "new-session -d")
			r.Cleanup(func() { _ = exec.Command("tmux", "-S", "/run/nattui-test-tmux", "kill-server").Run() })
			_, out := r.login(true, tmux+"attach; cat")
			r.until("tmux is attached", func() bool { return out.String() != "" })
			return r.inside(lockout, func(script string) { r.here(tmux + "new-window -d " + quoted(script)) })
		},
		"screen -x": func(r *remote) string {
			r.needs("screen")
			r.here("mkdir -p -m 755 /run/screen; TERM=xterm screen -dmS nattui-test")
			r.Cleanup(func() { _ = exec.Command("screen", "-S", "nattui-test", "-X", "quit").Run() })
			_, out := r.login(true, "TERM=xterm screen -x nattui-test; cat")
			r.until("screen is attached", func() bool { return out.String() != "" })
			return r.inside(lockout, func(script string) {
				path := filepath.Join(r.dir, "script")
				if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
					r.Fatal(err)
				}
				r.here("screen -S nattui-test -X screen sh " + path)
			})
		},
		"a dead SSH_CONNECTION": func(r *remote) string {
			r.somebody()
			return r.here("SSH_CONNECTION='203.0.113.10 1 203.0.113.1 22' " + lockout)
		},
		"a login that has ended": func(r *remote) string {
			return r.here("SSH_CONNECTION='203.0.113.10 1 203.0.113.1 22' " + lockout)
		},
		"another operator": func(r *remote) string {
			r.somebody()
			return r.here(lockout)
		},
		"mosh": func(r *remote) string {
			r.program("mosh-server", r.listenUDP(60001))
			return r.here("nattui add dnat --proto udp --dport 60000:61000 --dest 203.0.113.1 --to 192.168.0.3 --yes")
		},
		"a VPN server": func(r *remote) string {
			r.program("openvpn", r.listenUDP(1194))
			return r.here("nattui add dnat --proto udp --dport 1194 --in wan0 --to 192.168.0.3 --yes")
		},
		"a VPN server and one of its clients": func(r *remote) string {
			r.program("openvpn", r.listenUDP(1194))
			return r.here("nattui add dnat --proto udp --dport 1194 --source 203.0.113.99 --to 192.168.0.3 --yes")
		},
		"through the gateway": func(r *remote) string {
			r.throughTo(22, 2222)
			return r.here("nattui import 'iptables -A FORWARD -p tcp --dport 22 -j DROP' --yes")
		},
	}
	for name, seat := range seats {
		t.Run(name, func(t *testing.T) {
			onRemote(t, func(r *remote) {
				said := seat(r)
				store, err := commit.Look(commit.Directory())
				if err != nil {
					t.Fatal(err)
				}
				e, err := store.Waiting()
				if err != nil || e == nil {
					t.Fatalf("no change waits to be confirmed (%v); nattui said:\n%s", err, said)
				}
				if strings.Contains(said, "ertainly") {
					t.Errorf("nattui said:\n%s", said)
				}
			})
		})
	}
}

// quoted is a script as one word of a shell.
func quoted(script string) string { return "'" + strings.ReplaceAll(script, "'", `'\''`) + "'" }

// TestNobodyIsCutOff makes changes that leave everybody alone: they apply at once,
// and what was looked at is named.
func TestNobodyIsCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(r *remote)
		want    string
	}{
		"nobody is there":    {func(*remote) {}, "No SSH session found"},
		"somebody logged in": {func(r *remote) { r.somebody() }, "Certainly not affected: 1 SSH login"},
		"somebody and a VPN": {func(r *remote) { r.somebody(); r.program("openvpn", r.listenUDP(1194)) }, "1 VPN server"},
	} {
		t.Run(name, func(t *testing.T) {
			onRemote(t, func(r *remote) {
				c.prepare(r)
				const change = "nattui add dnat --proto tcp --dport 8443 --dest 203.0.113.1 --to 192.168.0.3:443 "
				if said := r.here(change + "--dry-run"); !strings.Contains(said, c.want) {
					t.Errorf("nattui said, without %q:\n%s", c.want, said)
				}
				r.here(change + "--yes")
				if e := r.entry("1"); e.State != commit.Applied || e.Unconfirmed() {
					t.Errorf("it is %s", e.State)
				}
			})
		})
	}
}

// TestWhatIsNoProof confirms a change by what does not prove that its maker can still
// log in.
func TestWhatIsNoProof(t *testing.T) {
	const change = "nattui add dnat --proto tcp --dport 22 --source 203.0.113.99 --to 192.168.0.3:22 --yes --confirm 5m"
	confirm := func(r *remote, want string) {
		r.Helper()
		out, err := exec.Command("sh", "-c", r.line("nattui confirm")).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			r.Errorf("nattui confirm: %v; without %q:\n%s", err, want, out)
		}
		if e := r.entry("1"); !e.Unconfirmed() {
			r.Fatalf("the change is %s", e.State)
		}
	}
	onRemote(t, func(r *remote) {
		// A login from before the change, which asks when it is told to.
		gate := filepath.Join(r.dir, "gate")
		_, older := r.login(true, fmt.Sprintf("echo here; until [ -e %s ]; do sleep 0.05; done; nattui confirm; echo status=$?; cat", gate))
		r.until("the older login is there", func() bool { return strings.Contains(older.String(), "here") })
		_, maker := r.login(true, change+"; cat")
		r.until("the change waits: "+maker.String(), func() bool { e := r.entry("1"); return e.Unconfirmed() && e.State == commit.Applied })
		confirm(r, "nobody has logged in since")
		if err := os.WriteFile(gate, nil, 0o600); err != nil {
			r.Fatal(err)
		}
		r.until("the older login has asked", func() bool { return strings.Contains(older.String(), "status=") })
		if !strings.Contains(older.String(), "status=1") {
			r.Errorf("confirmed by a login from before the change:\n%s", older)
		}
		// A bare connection, as robots make them.
		robot, err := r.n.Client.Dial(r.Context(), "tcp", netip.AddrPortFrom(r.n.Client.IPv4, 50099), netip.AddrPortFrom(r.n.Gateway.IPv4, 22))
		if err != nil {
			r.Fatal(err)
		}
		defer robot.Close()
		if _, err := robot.Read(make([]byte, 4)); err != nil { // SSH-: somebody serves it
			r.Fatal(err)
		}
		confirm(r, "nobody logged in over it")
		// A login from elsewhere.
		argv := append(append([]string(nil), r.ssh...), r.line("echo here; cat"))
		elsewhere, out := exec.Command(argv[0], argv[1:]...), &lockedBuffer{}
		elsewhere.Stdout, elsewhere.Stderr = out, out
		stdin, err := elsewhere.StdinPipe()
		if err != nil {
			r.Fatal(err)
		}
		if err := r.n.Server2.Do(elsewhere.Start); err != nil {
			r.Fatal(err)
		}
		defer func() { stdin.Close(); _ = elsewhere.Process.Kill(); _ = elsewhere.Wait() }()
		r.until("somebody is in from elsewhere: "+out.String(), func() bool { return strings.Contains(out.String(), "here") })
		confirm(r, "made from elsewhere")
		// Without proof, if that is wanted: and it is said.
		said := r.here("nattui confirm --anyway")
		if e := r.entry("1"); e.State != commit.Confirmed || !strings.Contains(e.Result, "confirmed without proof") || !strings.Contains(said, "not proven") {
			r.Errorf("it is %s (%s), and nattui said:\n%s", e.State, e.Result, said)
		}
	})
}
