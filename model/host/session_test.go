package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/model/host"
	"nattui/model/lab"
)

// tellSession makes the test binary print the session it finds, and end.
const tellSession = "NATTUI_HOST_TEST_TELL_SESSION"

func TestMain(m *testing.M) {
	lab.Main()
	if os.Getenv(tellSession) == "" {
		os.Exit(m.Run())
	}
	facts, err := host.Read(context.Background())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(facts.Session)
}

// TestSession looks for the SSH connection from below a shell that has it in
// its environment, and one that has dropped it.
func TestSession(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	t.Setenv("SSH_CONNECTION", "")
	os.Unsetenv("SSH_CONNECTION")
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	listener, err := n.Gateway.Listen(t.Context(), netip.AddrPortFrom(n.Gateway.IPv4, 22))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := n.Client.Dial(t.Context(), "tcp", netip.MustParseAddrPort("203.0.113.10:50022"), netip.AddrPortFrom(n.Gateway.IPv4, 22))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := listener.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()

	const live, gone = "203.0.113.10 50022 203.0.113.1 22", "203.0.113.10 50023 203.0.113.1 22"
	tests := []struct {
		name, variable, script string
		want                   facts.Setting
		evidence               string
	}{
		{"in the environment", live, `"$0"; exit`, facts.SettingOn, "SSH_CONNECTION"},
		{"dropped, as by sudo", live, `unset SSH_CONNECTION; "$0"; exit`, facts.SettingOn, "SSH_CONNECTION of process"},
		{"outlived", gone, `"$0"; exit`, facts.SettingOff, "SSH_CONNECTION"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := sessionBelow(t, test.variable, test.script)
			if found == nil || found.Live != test.want || !strings.HasPrefix(found.Evidence, test.evidence) {
				t.Fatalf("found %+v, want it %v by %s", found, test.want, test.evidence)
			}
			client := strings.Join(strings.Fields(test.variable)[:2], ":")
			if found.Client.String() != client || found.Server.String() != "203.0.113.1:22" {
				t.Errorf("found %+v, want it from %s", found, client)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		if found := sessionBelow(t, "", `"$0"; exit`); found != nil {
			t.Errorf("found %+v where there is none", found)
		}
	})
	t.Run("the server's socket", func(t *testing.T) {
		// A process called sshd holds the connection, and no environment tells.
		file, err := accepted.File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		sshd := program(t, "/bin/sh", "sshd")
		cmd := exec.Command(sshd, "-c", `"$0"; exit`, self(t))
		cmd.ExtraFiles = []*os.File{file}
		found := decodeSession(t, cmd, "")
		if found == nil || found.Live != facts.SettingOn || found.Client.String() != "203.0.113.10:50022" || !strings.Contains(found.Evidence, "(sshd)") {
			t.Errorf("found %+v, want the connection that sshd holds", found)
		}
	})
}

// A login is a connection that a process called sshd holds, and it begins when that
// process does: the one from before a moment is told from the one after it.
func TestLogins(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	listener, err := n.Gateway.Listen(t.Context(), netip.AddrPortFrom(n.Gateway.IPv4, 22))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sshd := program(t, "/bin/sleep", "sshd")
	login := func(client string) time.Duration {
		file := arrives(t, listener, n.Client, netip.MustParseAddrPort(client))
		var before unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &before); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(sshd, "1000")
		cmd.ExtraFiles = []*os.File{file}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		file.Close()
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return time.Duration(before.Nano())
	}
	const tick = 10 * time.Millisecond
	first := login("203.0.113.10:50022")
	second := login("203.0.113.10:50023")
	found := host.Logins()
	if len(found) != 2 || found[0].Began+tick < first || found[1].Began+tick < second || found[1].Began < found[0].Began {
		t.Fatalf("found %v; they began after %v and %v", found, first, second)
	}
	clients := []string{found[0].Client.String(), found[1].Client.String()}
	slices.Sort(clients)
	if !slices.Equal(clients, []string{"203.0.113.10:50022", "203.0.113.10:50023"}) || found[0].Server.Port() != 22 {
		t.Errorf("found %v", found)
	}
}

// arrives is a connection from a node as the process has it that is to serve it.
func arrives(t *testing.T, listener *net.TCPListener, from *lab.Node, at netip.AddrPort) *os.File {
	t.Helper()
	conn, err := from.Dial(t.Context(), "tcp", at, listener.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	accepted, err := listener.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	file, err := accepted.File()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func sessionBelow(t *testing.T, variable, script string) *facts.Session {
	t.Helper()
	return decodeSession(t, exec.Command("sh", "-c", script, self(t)), variable)
}

func decodeSession(t *testing.T, cmd *exec.Cmd, variable string) *facts.Session {
	t.Helper()
	cmd.Env = append(os.Environ(), tellSession+"=yes")
	if variable != "" {
		cmd.Env = append(cmd.Env, "SSH_CONNECTION="+variable)
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var found *facts.Session
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return found
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// program is a copy of a program under another name.
func program(t *testing.T, original, name string) string {
	t.Helper()
	binary, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPresence(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	before := read(t)
	for _, p := range before.Presences {
		if p.Running && p.Name != "ufw" { // which is told by a file of the host's
			t.Errorf("%+v runs in a namespace where nothing does", p)
		}
	}
	cmd := exec.Command(program(t, "/bin/sleep", "dockerd"), "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	found := read(t)
	if p, ok := found.Present("docker"); !ok || !p.Running || p.Evidence != "process dockerd" {
		t.Errorf("docker is %+v, %v", p, ok)
	}
}
