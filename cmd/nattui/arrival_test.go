package main

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules/commit"
)

// This file holds changes and proofs against people who came otherwise than straight and anew to the SSH server of the
// gateway.

// by is the same gateway, with more options for ssh.
func (r *remote) by(options ...string) *remote {
	other := *r
	other.ssh = append(append([]string{r.ssh[0]}, options...), r.ssh[1:]...)
	return &other
}

// from logs in from another host, and stays.
func (r *remote) from(host *lab.Node, terminal bool, script string) *lockedBuffer {
	r.Helper()
	argv := append([]string(nil), r.ssh...)
	if terminal {
		argv = append([]string{argv[0], "-tt"}, argv[1:]...)
	}
	cmd, out := exec.Command(argv[0], append(argv[1:], r.line(script+"; echo here; cat"))...), &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		r.Fatal(err)
	}
	if err := host.Do(cmd.Start); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { stdin.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	r.until("somebody is in: "+out.String(), func() bool { return strings.Contains(out.String(), "here") })
	return out
}

// waits makes a change that waits to be confirmed.
func (r *remote) waits(login func(script string)) {
	r.Helper()
	login("nattui add dnat --proto tcp --dport 22 --source 203.0.113.99 --to 192.168.0.3:22 --yes --confirm 5m")
	r.until("the change waits", func() bool { e := r.entry("1"); return e.Unconfirmed() && e.State == commit.Applied })
}

// unproven asks to confirm, which is to be refused for a reason.
func (r *remote) unproven(reason string) {
	r.Helper()
	out, err := exec.Command("env", "-u", "SSH_CONNECTION", "sh", "-c", r.line("nattui confirm")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), reason) {
		r.Errorf("nattui confirm: %v; without %q:\n%s", err, reason, out)
	}
	if e := r.entry("1"); !e.Unconfirmed() {
		r.Fatalf("the change is %s", e.State)
	}
}

// TestOldConnectionsProveNothing: a session, a password and a login that come by a TCP connection from before the change say
// nothing about new ones.
func TestOldConnectionsProveNothing(t *testing.T) {
	const reason = "older than the change or has ended"
	for name, proof := range map[string]func(r *remote) (login func()){
		"a new session in an old connection": func(r *remote) func() {
			control := filepath.Join(r.dir, "control")
			_, first := r.by("-M", "-S", control).login(true, "echo here; cat")
			r.until("the first session is there: "+first.String(), func() bool { return strings.Contains(first.String(), "here") })
			return func() {
				_, out := r.by("-S", control).login(true, "echo again; cat")
				r.until("the second session is there: "+out.String(), func() bool { return strings.Contains(out.String(), "again") })
			}
		},
		"a password typed after the change": func(r *remote) func() {
			key, gate, ask := filepath.Join(r.dir, "client"), filepath.Join(r.dir, "gate"), filepath.Join(r.dir, "ask")
			other := filepath.Join(r.dir, "locked")
			text, err := os.ReadFile(key)
			if err != nil {
				r.Fatal(err)
			}
			for path, text := range map[string]string{other: string(text), ask: "#!/bin/sh\ntouch " + gate + ".asked\nuntil [ -e " + gate + " ]; do sleep 0.05; done\necho secret-words\n"} {
				if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
					r.Fatal(err)
				}
			}
			if out, err := exec.Command("ssh-keygen", "-q", "-p", "-N", "secret-words", "-f", other).CombinedOutput(); err != nil {
				r.Fatalf("%v: %s", err, out)
			}
			r.Setenv("SSH_ASKPASS", ask)
			r.Setenv("SSH_ASKPASS_REQUIRE", "force")
			late := r.by("-o", "BatchMode=no")
			for i, word := range late.ssh {
				if word == key {
					late.ssh[i] = other
				}
			}
			_, out := late.login(true, "echo entered; cat")
			r.until("it asks for the password: "+out.String(), func() bool { _, err := os.Stat(gate + ".asked"); return err == nil })
			return func() {
				if err := os.WriteFile(gate, nil, 0o600); err != nil {
					r.Fatal(err)
				}
				r.until("it is in: "+out.String(), func() bool { return strings.Contains(out.String(), "entered") })
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onRemote(t, func(r *remote) {
				login := proof(r)
				r.waits(func(script string) { r.login(true, script+"; cat") })
				login()
				r.unproven(reason)
				// What is new proves it still.
				if said, err := r.run("nattui confirm"); err != nil || !strings.Contains(said, "root has logged in from 203.0.113.10") {
					t.Errorf("%v: %s", err, said)
				}
			})
		})
	}
}

// TestOneselfProvesNothing: a login from the gateway to itself meets other rules than one from elsewhere.
func TestOneselfProvesNothing(t *testing.T) {
	onRemote(t, func(r *remote) {
		r.from(r.n.Gateway, true, "true")
		r.waits(func(script string) { r.here(script) })
		r.from(r.n.Gateway, true, "true")
		r.unproven("this host itself")
	})
}

// TestEachProves: where a change may cut off one of two, the other one's login proves nothing for him.
func TestEachProves(t *testing.T) {
	onRemote(t, func(r *remote) {
		r.from(r.n.Client, true, "true")
		r.from(r.n.Server2, true, "true")
		r.here("nattui add dnat --proto tcp --dport 22 --source 203.0.113.10 --to 192.168.0.3:22 --yes --confirm 5m")
		r.from(r.n.Server2, true, "true")
		r.unproven("made from elsewhere")
		said := r.here("nattui confirm --anyway 2>&1")
		if e := r.entry("1"); e.State != commit.Confirmed || !strings.Contains(said, "not proven") {
			t.Errorf("it is %s, and nattui said:\n%s", e.State, said)
		}
	})
}

// TestRoundaboutWays cuts off people who came otherwise than straight to port 22: none is called certain, and each
// change waits to be confirmed.
func TestRoundaboutWays(t *testing.T) {
	for name, seat := range map[string]func(r *remote) string{
		"by a redirect": func(r *remote) string {
			r.here("iptables -t nat -A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22")
			_, out := r.by("-p", "2222").login(true, "echo here; cat")
			r.until("somebody is in: "+out.String(), func() bool { return strings.Contains(out.String(), "here") })
			return r.here("nattui import 'iptables -t nat -D PREROUTING 1' --yes --corrected --accept-doubts")
		},
		"by a host behind": func(r *remote) string {
			r.throughTo(2022, 2299)
			r.from(r.n.Server2, true, "true")
			return r.here("nattui import 'iptables -t nat -D PREROUTING 1' --yes --corrected --accept-doubts")
		},
		"by a relay here": func(r *remote) string {
			relay := exec.Command("sh", "-c", r.line("exec nattui forward 203.0.113.1:8022 203.0.113.1:22"))
			if err := relay.Start(); err != nil {
				r.Fatal(err)
			}
			r.Cleanup(func() { _ = relay.Process.Kill(); _ = relay.Wait() })
			r.until("somebody is in", func() bool {
				out, err := r.by("-p", "8022").run("echo here")
				return err == nil && strings.Contains(out, "here")
			})
			_, out := r.by("-p", "8022").login(true, "echo here; cat")
			r.until("somebody is in: "+out.String(), func() bool { return strings.Contains(out.String(), "here") })
			return r.here("nattui add dnat --proto tcp --dport 8022 --dest 203.0.113.1 --to 192.168.0.3:22 --yes")
		},
		"by a shell of another server": func(r *remote) string {
			listener, err := r.n.Gateway.Listen(r.Context(), netip.AddrPortFrom(r.n.Gateway.IPv4, 7681))
			if err != nil {
				r.Fatal(err)
			}
			defer listener.Close()
			conn, err := r.n.Client.Dial(r.Context(), "tcp", netip.AddrPortFrom(r.n.Client.IPv4, 50023), netip.AddrPortFrom(r.n.Gateway.IPv4, 7681))
			if err != nil {
				r.Fatal(err)
			}
			r.Cleanup(func() { conn.Close() })
			accepted, err := listener.AcceptTCP()
			if err != nil {
				r.Fatal(err)
			}
			file, err := accepted.File()
			accepted.Close() // the server alone holds it
			if err != nil {
				r.Fatal(err)
			}
			ttyd := filepath.Join(r.TempDir(), "ttyd")
			text, err := os.ReadFile("/bin/sh")
			if err != nil {
				r.Fatal(err)
			}
			if err := os.WriteFile(ttyd, text, 0o755); err != nil {
				r.Fatal(err)
			}
			server := exec.Command("env", "-u", "SSH_CONNECTION", ttyd, "-c", r.line("nattui add dnat --proto tcp --dport 7681 --dest 203.0.113.1 --to 192.168.0.3:22 --yes 3>&-; exit"))
			server.ExtraFiles = []*os.File{file}
			out, err := server.CombinedOutput()
			file.Close()
			if err != nil {
				r.Fatalf("%v: %s", err, out)
			}
			return string(out)
		},
		"by what is not found": func(r *remote) string {
			r.from(r.n.Gateway, true, "true")
			return r.here("nattui add dnat --proto tcp --dport 8022 --dest 203.0.113.1 --to 192.168.0.3:22 --yes")
		},
		"data alone": func(r *remote) string {
			r.somebody()
			return r.here("nattui import 'iptables -A INPUT -p tcp --tcp-flags PSH PSH -j DROP' --yes")
		},
	} {
		t.Run(name, func(t *testing.T) {
			onRemote(t, func(r *remote) {
				said := seat(r)
				store, err := commit.Look(commit.Directory())
				if err != nil {
					t.Fatal(err)
				}
				if e, err := store.Waiting(); err != nil || e == nil {
					t.Fatalf("no change waits to be confirmed (%v); nattui said:\n%s", err, said)
				}
				if strings.Contains(said, "ertainly") {
					t.Errorf("nattui said:\n%s", said)
				}
			})
		})
	}
}
