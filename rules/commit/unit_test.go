package commit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/commit"
)

// booted is this machine's own files with another systemd, in a container: nothing
// that it writes stays, and it has a network of its own.
type booted struct {
	*testing.T
	init  int // its first process, as seen from here
	state string
}

// boot starts it, or skips where that is not possible.
func boot(t *testing.T) *booted {
	t.Helper()
	if ns, _ := os.Readlink("/proc/self/ns/pid"); os.Geteuid() != 0 || ns != "pid:[4026531836]" || testing.Short() {
		t.Skip("it takes root outside of any container, and some seconds")
	}
	nspawn, err := exec.LookPath("systemd-nspawn")
	if err != nil {
		t.Skip(err)
	}
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		t.Skip(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	root := filepath.Join(dir, "root")
	for _, name := range []string{"root", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("overlay", root, "overlay", 0, "lowerdir=/,upperdir="+dir+"/upper,workdir="+dir+"/work"); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(root, unix.MNT_DETACH) })
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	name := fmt.Sprintf("nattui-test-%d", os.Getpid())
	cmd := exec.Command(nspawn, "-D", root, "-M", name, "--register=no", "--keep-unit", "--private-network",
		"--bind-ro="+self+":/usr/local/bin/commit-test", "-b", "--", "--unit=basic.target")
	cmd.Env = append(os.Environ(), "SYSTEMD_SECCOMP=0", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
	cmd.Stdout, cmd.Stderr = log, log
	ungroup := lab.ControlGroup(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b := &booted{T: t, state: "/var/lib/nattui-test"}
	t.Cleanup(func() {
		if b.init > 0 {
			_ = syscall.Kill(b.init, syscall.SIGKILL)
		}
		_ = cmd.Process.Kill()
		<-ended
		if err := ungroup(); err != nil {
			t.Error(err)
		}
	})
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if fields := strings.Fields(string(children)); len(fields) > 0 {
			b.init, _ = strconv.Atoi(fields[0])
			if out, err := b.try("", "systemctl", "is-active", "basic.target"); err == nil && strings.TrimSpace(out) == "active" {
				return b
			}
		}
		select {
		case err := <-ended:
			ended <- err
			text, _ := os.ReadFile(log.Name())
			t.Skipf("systemd-nspawn cannot boot here: %v: %s", err, text)
		default:
		}
		if time.Now().After(late) {
			text, _ := os.ReadFile(log.Name())
			t.Skipf("systemd does not come up here: %s", text)
		}
	}
}

// try runs a program inside.
func (b *booted) try(input string, argv ...string) (string, error) {
	enter := []string{
		"-t", strconv.Itoa(b.init), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "/usr/bin/env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", commit.StateVariable + "=" + b.state,
	}
	cmd := exec.Command("nsenter", append(enter, argv...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b *booted) run(input string, argv ...string) string {
	b.Helper()
	out, err := b.try(input, argv...)
	if err != nil {
		b.Fatalf("%q: %v: %s", argv, err, out)
	}
	return out
}

// TestGuardComesBack kills the guard in its systemd unit again and again, more often
// and faster than systemd lets a unit start by itself. It rolls back the change at
// its deadline all the same.
func TestGuardComesBack(t *testing.T) {
	b := boot(t)
	b.run("", "iptables-nft", "-t", "nat", "-A", "PREROUTING", "-s", "10.0.0.1", "-j", "ACCEPT")
	before := b.run("", "iptables-nft", "-t", "nat", "-S")
	o := order{Variant: rules.Variant{Family: rules.IPv4, Backend: rules.NFT}, Confirm: 8 * time.Second, Lines: []string{"nat -A PREROUTING -s 10.0.0.9/32 -j ACCEPT"}}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	b.run(string(text), "env", roleVariable+"=maker", "/usr/local/bin/commit-test")
	if rules := b.run("", "iptables-nft", "-t", "nat", "-S"); rules == before {
		t.Fatal("the change was not made")
	}
	units := b.run("", "systemctl", "list-units", "--no-legend", "--plain", "nattui-guard-*")
	unit, _, _ := strings.Cut(units, " ")
	if unit == "" {
		t.Fatalf("the guard is no unit: %q", units)
	}
	kills, last := 0, ""
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		pid := strings.TrimSpace(b.run("", "systemctl", "show", "-p", "MainPID", "--value", unit))
		if pid == "0" || pid == last {
			continue
		}
		signal := []string{"-KILL", "-SEGV", "-HUP", "-PIPE"}[kills%4]
		if _, err := b.try("", "kill", signal, pid); err == nil {
			kills, last = kills+1, pid
			if signal == "-HUP" || signal == "-PIPE" {
				last = "" // which it ignores
			}
		}
	}
	if kills < 10 {
		t.Errorf("it was killed %d times only", kills)
	}
	deadline := time.Now().Add(30 * time.Second)
	for b.run("", "iptables-nft", "-t", "nat", "-S") != before {
		if time.Now().After(deadline) {
			t.Fatalf("killed %d times, it never took the change back:\n%s", kills, b.run("", "systemctl", "status", "--no-pager", unit))
		}
		time.Sleep(100 * time.Millisecond)
	}
	for {
		if out, err := b.try("", "systemctl", "is-active", unit); err != nil && !errors.Is(err, exec.ErrNotFound) && !strings.Contains(out, "activ") || strings.Contains(out, "inactive") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the unit does not end")
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("killed %d times", kills)
}
