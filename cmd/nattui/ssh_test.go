package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
	"nattui/rules/commit"
)

// remote is a gateway with a real SSH server, and a client on the other side.
type remote struct {
	*testing.T
	n    *lab.Network
	dir  string
	ssh  []string // the command that logs in, without what is to be run
	addr string
}

// onRemote runs a test on a gateway that is administered over SSH. It is left out
// where OpenSSH is not installed or cannot run, and in short mode, as logging in takes long
// under the race detector.
func onRemote(t *testing.T, test func(r *remote)) {
	if testing.Short() {
		t.Skip("left out of short mode: a login over SSH under the race detector takes long")
	}
	sshd := lab.Program(t, "/usr/sbin/sshd")
	for _, program := range []string{"ssh", "ssh-keygen"} {
		lab.Program(t, program)
	}
	onGateway(t, func(t *testing.T, n *lab.Network) {
		r := &remote{T: t, n: n, dir: t.TempDir(), addr: n.Gateway.IPv4.String()}
		keepState(t)
		r.serve(sshd)
		test(r)
	})
}

// serve starts the server, and waits until somebody can log in.
func (r *remote) serve(sshd string) {
	r.Helper()
	host, client := filepath.Join(r.dir, "host"), filepath.Join(r.dir, "client")
	for _, path := range []string{host, client} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput(); err != nil {
			r.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	config := fmt.Sprintf("ListenAddress %s\nHostKey %s\nAuthorizedKeysFile %s.pub\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n", r.addr, host, client)
	r.recordLogins() // in a file of its own: servers of other tests may write down the same addresses
	path := filepath.Join(r.dir, "sshd_config")
	_ = os.MkdirAll("/run/sshd", 0o755) // where sshd shuts its unprivileged part in
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		r.Fatal(err)
	}
	var words lockedBuffer
	server := exec.Command(sshd, "-D", "-e", "-f", path)
	server.Stderr = &words
	server.WaitDelay = time.Second // its children may have its standard error still
	if err := server.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	r.ssh = []string{
		"ssh", "-F", "none", "-i", client, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "ConnectTimeout=2", "-o", "BatchMode=yes", "root@" + r.addr,
	}
	late := time.Now().Add(10 * time.Second)
	for {
		out, err := r.run("true")
		if err == nil {
			return
		}
		if time.Now().After(late) {
			if os.Getuid() != 0 || strings.Contains(words.String(), "privsep") || strings.Contains(words.String(), "setgroups") || strings.Contains(out+words.String(), "Connection reset") || strings.Contains(out+words.String(), "Connection closed") {
				lab.Lacks(r, fmt.Sprintf("sshd cannot serve here: %s%s", out, words.String()))
			}
			r.Fatalf("nobody can log in: %v: %s%s", err, out, words.String())
		}
	}
}

// lockedBuffer is a buffer that a program writes to while the test reads it.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// line is what the shell behind a login runs: nattui with the state of the test.
func (r *remote) line(script string) string {
	return fmt.Sprintf("export PATH='%s' %s='%s' %s=yes; %s", os.Getenv("PATH"), commit.StateVariable, os.Getenv(commit.StateVariable), programsVariable, script)
}

// login starts a login of its own that runs a script. With a terminal, it is what a
// person has before him.
func (r *remote) login(terminal bool, script string) (*exec.Cmd, *lockedBuffer) {
	r.Helper()
	argv := append([]string(nil), r.ssh...)
	if terminal {
		argv = append([]string{argv[0], "-tt"}, argv[1:]...)
	}
	out := &lockedBuffer{}
	cmd := exec.Command(argv[0], append(argv[1:], r.line(script))...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second
	// Something has to be there to read from: a terminal without input ends.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		r.Fatal(err)
	}
	if err := r.n.Client.Do(cmd.Start); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, out
}

// run logs in again, runs a script and returns what it printed.
func (r *remote) run(script string) (string, error) {
	r.Helper()
	cmd, out := r.login(false, script)
	err := cmd.Wait()
	return out.String(), err
}

func (r *remote) until(what string, holds func() bool) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			r.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

func (r *remote) entry(id string) commit.Entry {
	r.Helper()
	store, err := commit.Look(commit.Directory())
	if err != nil {
		r.Fatal(err)
	}
	entries, _, err := store.History()
	if err != nil {
		r.Fatal(err)
	}
	for _, e := range entries {
		if e.ID == id {
			return e
		}
	}
	return commit.Entry{}
}

// lockout sends new connections to the SSH port elsewhere.
const lockout = "nattui add dnat --proto tcp --dest 203.0.113.1 --dport 22 --to 192.168.0.3:22 --yes "

// TestLockedOutOverSSH makes changes over a real SSH login that keep every new one
// out, and pulls the connection: the gateway is as it was, by itself.
func TestLockedOutOverSSH(t *testing.T) {
	for _, c := range []struct {
		name, confirm, why string
		pull               func(r *remote, login *exec.Cmd)
		restore            func(r *remote)
	}{
		{
			"the client is killed", "auto", "the terminal was closed",
			func(r *remote, login *exec.Cmd) { _ = login.Process.Kill() }, func(*remote) {},
		},
		{
			"the link goes down", "2s", "it was not confirmed in time",
			func(r *remote, _ *exec.Cmd) { r.link("down") }, func(r *remote) { r.link("up") },
		},
		{
			"nothing is said", "2s", "it was not confirmed in time",
			func(*remote, *exec.Cmd) {}, func(*remote) {},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			onRemote(t, func(r *remote) {
				before := r.rules()
				login, out := r.login(true, lockout+"--confirm "+c.confirm+"; cat")
				r.until("the change stands: "+out.String(), func() bool { return strings.Contains(out.String(), "change 1 is applied and will be rolled back at") })
				if !strings.Contains(r.rules(), "192.168.0.3:22") {
					r.Fatalf("the rule is not there:\n%s", out)
				}
				if said, err := r.run("true"); err == nil {
					r.Errorf("a new login gets through in spite of the rule: %s", said)
				}
				c.pull(r, login)
				r.until("the change is taken back", func() bool { return r.entry("1").State == commit.RolledBack })
				if got := r.entry("1"); !strings.HasPrefix(got.Result, c.why) {
					r.Errorf("it was taken back because %q, want %q", got.Result, c.why)
				}
				if got := r.rules(); got != before {
					r.Errorf("the rules are\n%swant\n%s", got, before)
				}
				c.restore(r)
				if said, err := r.run("nattui history"); err != nil || !strings.Contains(said, "rolled back: "+c.why) {
					r.Errorf("after it, a new login: %v: %s", err, said)
				}
			})
		})
	}
}

// link pulls the client's cable, or plugs it in.
func (r *remote) link(state string) {
	r.Helper()
	if out, err := r.n.Client.Output(r.Context(), "ip", "link", "set", "eth0", state); err != nil {
		r.Fatalf("%v: %s", err, out)
	}
	if state == "up" {
		_, err := r.n.Client.Output(r.Context(), "ip", "route", "replace", "default", "via", r.addr)
		if err != nil {
			r.Fatal(err)
		}
	}
}

func (r *remote) rules() string {
	r.Helper()
	out, err := exec.Command("iptables", "-w", "5", "-t", "nat", "-S").Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		r.Fatalf("%v: %s", err, exit.Stderr)
	}
	return string(out)
}

// TestConfirmedFromANewLogin confirms a change over SSH: not from the login that
// made it, which proves nothing, but from a new one, which is shown as the proof it
// is.
func TestConfirmedFromANewLogin(t *testing.T) {
	onRemote(t, func(r *remote) {
		script := "nattui add dnat --proto tcp --dport 22 --source 203.0.113.99 --to 192.168.0.3:22 --yes --confirm 5m; nattui confirm; echo status=$?; cat"
		_, out := r.login(true, script)
		r.until("nattui confirm has answered: "+out.String(), func() bool { return strings.Contains(out.String(), "status=") })
		if !strings.Contains(out.String(), "status=1") || !strings.Contains(out.String(), "Log in again from") {
			r.Errorf("confirmed from the same login:\n%s", out)
		}
		if e := r.entry("1"); !e.Unconfirmed() || e.From != "203.0.113.10" {
			r.Fatalf("the change does not wait: %+v", e)
		}
		said, err := r.run("nattui history; nattui confirm")
		if err != nil || !strings.Contains(said, "root has logged in from 203.0.113.10") || !strings.Contains(said, "change 1 is confirmed") {
			r.Errorf("%v: %s", err, said)
		}
		if e := r.entry("1"); e.State != commit.Confirmed {
			r.Errorf("the change is %s", e.State)
		}
		// What certainly leaves the login alone needs no word at all.
		said, err = r.run("nattui add dnat --proto tcp --dport 81 --to 192.168.0.3 --yes")
		if err != nil || !strings.Contains(said, "change 2 is applied") {
			r.Errorf("%v: %s", err, said)
		}
	})
}

// recordLogins has the server write down who comes and goes, as it does wherever there is such a file (wtmp(5)).
func (r *remote) recordLogins() {
	r.Helper()
	if err := unix.Mount("tmpfs", "/var/log", "tmpfs", 0, ""); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile("/var/log/wtmp", nil, 0o664); err != nil {
		r.Fatal(err)
	}
}

// TestEndedLoginProvesNothing: of a login that has ended nobody knows when its connection began, and that is said.
func TestEndedLoginProvesNothing(t *testing.T) {
	onRemote(t, func(r *remote) {
		_, out := r.login(true, "nattui add dnat --proto tcp --dport 22 --source 203.0.113.99 --to 192.168.0.3:22 --yes --confirm 5m; cat")
		r.until("the change waits: "+out.String(), func() bool { e := r.entry("1"); return e.Unconfirmed() && e.State == commit.Applied })
		tried, words := r.login(true, "echo tried")
		if err := tried.Wait(); err != nil {
			t.Fatalf("%v: %s", err, words)
		}
		r.unproven("or has ended, so that it is not known when it began")
	})
}
