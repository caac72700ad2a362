package lab_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
)

// The test binary plays three parts besides its own: the lab's processes (by
// lab.Main), a program that runs a command in a lab, and a command that tells
// about its terminal.
const partVariable = "NATTUI_LAB_TEST_PART"

func TestMain(m *testing.M) {
	lab.Main()
	part := os.Getenv(partVariable)
	os.Unsetenv(partVariable)
	switch part {
	case "run":
		os.Exit(runCommand())
	case "terminal":
		os.Exit(tellTerminal())
	case "screens":
		os.Exit(playScreens())
	case "enter":
		os.Exit(enterLab())
	}
	os.Exit(m.Run())
}

// runCommand is what "nattui lab -- COMMAND" does.
func runCommand() int {
	options := lab.Options{Scenario: "publish", Argv: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if len(options.Argv) > 0 && options.Argv[0] == "tell-terminal" {
		options.Argv[0] = os.Args[0]
		options.Env = append(os.Environ(), partVariable+"=terminal")
	}
	status, err := lab.Run(context.Background(), options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	return status
}

// labCommand runs a command in a lab, from a process of its own.
func labCommand(t *testing.T, argv ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, argv...)
	cmd.Env = append(os.Environ(), partVariable+"=run")
	return cmd
}

// needNamespaces skips the test where not even Isolate would work.
func needNamespaces(t *testing.T) {
	t.Helper()
	_, err := lab.Run(t.Context(), lab.Options{Scenario: "empty", Argv: []string{"true"}})
	if errors.Is(err, lab.ErrNamespaces) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRun(t *testing.T) {
	needNamespaces(t)
	tests := []struct {
		name, script string
		status       int
		stdout       string
	}{
		{"status", "exit 7", 7, ""},
		{"signal", "kill -TERM $$", 128 + 15, ""},
		{"host name", "hostname", 0, "gw1\n"},
		{"input", "cat", 0, "from outside"},
		{"rules", "iptables-save -t nat | grep -c -- '-A '", 0, "5\n"},
		{"forwarding", "cat /proc/sys/net/ipv4/ip_forward", 0, "1\n"},
		{"state", `touch "$NATTUI_STATE/journal" && ls "$NATTUI_STATE"`, 0, "journal\n"},
		{"scenario", `echo "$NATTUI_LAB"`, 0, "publish\n"},
		{"nodes", "ip netns list | sort | cut -d' ' -f1 | tr '\\n' ' '", 0, "client gateway server2 server3 switch "},
		{"orphans", "(sleep 0.01 & ) ; exit 3", 3, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status, err := lab.Run(t.Context(), lab.Options{
				Argv: []string{"sh", "-c", test.script}, Stdin: strings.NewReader("from outside"), Stdout: &stdout, Stderr: &stderr,
			})
			if err != nil || status != test.status || stdout.String() != test.stdout {
				t.Errorf("status %d, %v, output %q; want %d, %q\n%s", status, err, &stdout, test.status, test.stdout, &stderr)
			}
		})
	}
}

// TestRunLeavesTheHostsFiles: rules that are saved in a lab, whatever program saves them and wherever it works, are not what
// the host loads at its next boot.
func TestRunLeavesTheHostsFiles(t *testing.T) {
	needNamespaces(t)
	for _, dir := range []string{"/etc", "/var/lib"} {
		t.Run(dir, func(t *testing.T) {
			name := fmt.Sprintf("nattui-lab-test-%d", os.Getpid())
			t.Chdir(dir)
			var output bytes.Buffer
			status, err := lab.Run(t.Context(), lab.Options{
				Scenario: "empty", Stdout: &output, Stderr: &output,
				Argv: []string{"sh", "-c", "mkdir -p " + dir + "/" + name + " && echo x >" + name + "/a && echo x >" + name + "/../" + name + "-b; ls -d " + name},
			})
			if os.Geteuid() == 0 && (status != 0 || err != nil || output.String() != name+"\n") {
				t.Errorf("writing in a lab: status %d, %v\n%s", status, err, &output)
			}
			for _, left := range []string{name, name + "-b"} {
				if _, err := os.Lstat(filepath.Join(dir, left)); err == nil {
					t.Errorf("%s is on the host", left)
					_ = os.RemoveAll(filepath.Join(dir, left))
				}
			}
		})
	}
}

func TestRunLegacy(t *testing.T) {
	needNamespaces(t)
	if _, err := exec.LookPath("iptables-legacy"); err != nil {
		t.Skip(err)
	}
	var output bytes.Buffer
	status, err := lab.Run(t.Context(), lab.Options{
		Scenario: "empty", Stdout: &output, Stderr: &output,
		Argv: []string{"iptables-legacy", "-w", "5", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "80", "-j", "REDIRECT"},
	})
	if status != 0 || err != nil {
		t.Errorf("the legacy backend in a lab: status %d, %v\n%s", status, err, &output)
	}
}

func TestRunErrors(t *testing.T) {
	needNamespaces(t)
	tests := []struct {
		name    string
		options lab.Options
		want    string
	}{
		{"scenario", lab.Options{Scenario: "nosuch"}, `no scenario "nosuch": there are publish, share`},
		{"command", lab.Options{Argv: []string{"no-such-command"}}, "no-such-command"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := lab.Run(t.Context(), test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestRunCancelled(t *testing.T) {
	needNamespaces(t)
	ctx, cancel := context.WithCancel(t.Context())
	reads, writes := io.Pipe()
	go func() {
		_, _ = bufio.NewReader(reads).ReadString('\n')
		cancel()
	}()
	_, err := lab.Run(ctx, lab.Options{Argv: []string{"sh", "-c", "echo ready; exec sleep 1000"}, Stdout: writes})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// TestRunWhereForbidden runs in a cell whose user namespaces are used up.
func TestRunWhereForbidden(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("as root it works without", func(t *testing.T) {
		status, err := lab.Run(t.Context(), lab.Options{Argv: []string{"true"}})
		if status != 0 || err != nil {
			t.Errorf("status %d, %v", status, err)
		}
	})
	t.Run("as a user it says what to do", func(t *testing.T) {
		cmd := labCommand(t, "true")
		cmd.Path = publicCopy(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.EINVAL) {
			t.Skip("this cell has no other users")
		}
		if err == nil || !strings.Contains(string(out), "sudo nattui lab") {
			t.Errorf("%v, output %q; want it to name the way: sudo nattui lab", err, out)
		}
	})
}

const nobody = 65534

// TestAsOrdinaryUser runs the tests of this package that need a cell as a user
// without any privilege.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the other tests ran as an ordinary user already")
	}
	program := publicCopy(t)
	dir := filepath.Dir(program)
	names := []string{"TestIsolate", "TestTranslation", "TestRun", "TestRunLegacy", "TestGone", "TestMove", "TestEnter"}
	cmd := exec.Command(program, "-test.v", "-test.run=^("+strings.Join(names, "|")+")$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), lab.ErrNamespaces.Error()) {
		t.Skip(lab.ErrNamespaces)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range names {
		if !strings.Contains(string(out), "--- PASS: "+name+" (") {
			t.Errorf("%s did not pass as an ordinary user:\n%s", name, out)
		}
	}
}

// publicCopy is a copy of the test binary that every user may run, alone in a
// directory that every user may write to.
func publicCopy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "lab.test")
	if err := os.WriteFile(program, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return program
}

// TestGone kills each process of a lab in turn and looks for what is left.
func TestGone(t *testing.T) {
	needNamespaces(t)
	processes := []string{"opener", "keeper", "inmate", "command"}
	for i, victim := range processes {
		t.Run("killed "+victim, func(t *testing.T) {
			mounts, links, temporary := mountTable(t), interfaces(t), t.TempDir()
			cmd := labCommand(t, "sh", "-c", "echo ready; read never; exit 1")
			cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
			stdin, keepsReading, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer keepsReading.Close()
			defer stdin.Close()
			cmd.Stdin = stdin
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
				t.Fatalf("the command said %q, %v", line, err)
			}
			family := descendants(t, cmd.Process.Pid)
			if len(family) != len(processes) {
				t.Fatalf("the lab's processes are %v, want %v", family, processes)
			}
			handles := pidHandles(t, family)
			if err := syscall.Kill(family[i], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if status := cmd.ProcessState.ExitCode(); victim != "opener" && status != 128+9 {
				t.Errorf("the opener's exit status is %d, want 137", status)
			}
			for k, handle := range handles {
				if !endsSoon(handle) {
					t.Errorf("the %s is still there", processes[k])
				}
			}
			if now := mountTable(t); now != mounts {
				t.Errorf("the mounts were\n%s\nand are\n%s", mounts, now)
			}
			if now := interfaces(t); now != links {
				t.Errorf("the interfaces were %s and are %s", links, now)
			}
			if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
				t.Errorf("files are left: %v, %v", left, err)
			}
		})
	}
}

func mountTable(t *testing.T) string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(table)
}

func interfaces(t *testing.T) string {
	t.Helper()
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, link := range links {
		names = append(names, link.Name)
	}
	return strings.Join(names, " ")
}

// descendants lists a process and what descends from it, each an only child,
// oldest first.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	childOf := map[int]int{}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// pid (name) state parent …, and the name may be anything
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		parent, _ := strconv.Atoi(fields[1])
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		childOf[parent] = child
	}
	family := []int{pid}
	for child, ok := childOf[pid]; ok; child, ok = childOf[child] {
		family = append(family, child)
	}
	return family
}

// pidHandles refer to processes, and never to later ones with their numbers.
func pidHandles(t *testing.T, pids []int) []int {
	t.Helper()
	var handles []int
	for _, pid := range pids {
		handle, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(handle) })
		handles = append(handles, handle)
	}
	return handles
}

func endsSoon(handle int) bool {
	const soon = 10 * time.Second
	deadline := time.Now().Add(soon)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n == 1
		}
	}
}

// TestSuspend presses the key that stops a job, which nobody could continue,
// and then the one that interrupts it.
func TestSuspend(t *testing.T) {
	needNamespaces(t)
	ptmx, tty := openPty(t)
	cmd := labCommand(t, "sh", "-c", "(trap 'echo continued' CONT; echo ready; while :; do read line; done); exit 1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := ptmx.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	screen := bufio.NewReader(ptmx)
	expectLine(t, screen, "ready")
	if _, err := ptmx.Write([]byte{'\x1a'}); err != nil {
		t.Fatal(err)
	}
	expectLine(t, screen, "continued")
	if _, err := ptmx.Write([]byte{'\x03'}); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 128+int(syscall.SIGINT) {
		t.Errorf("exit status %d, want 130", status)
	}
}

// tellTerminal prints what a full-screen program would depend on, then every
// resize, and ends with status 3 at the keyboard's interrupt.
func tellTerminal() int {
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGINT)
	foreground, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err != nil || foreground != unix.Getpgrp() {
		fmt.Printf("not in the foreground: %d, %v\n", foreground, err)
		return 1
	}
	settings, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		fmt.Println("no terminal:", err)
		return 1
	}
	settings.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(0, unix.TCSETS, settings); err != nil {
		fmt.Println("settings refused:", err)
		return 1
	}
	fmt.Println("ready")
	for s := range signals {
		if s == syscall.SIGINT {
			break
		}
		size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
		if err != nil {
			return 1
		}
		fmt.Printf("size %dx%d\n", size.Col, size.Row)
	}
	fmt.Println("interrupt")
	return 3
}

func TestTerminal(t *testing.T) {
	needNamespaces(t)
	ptmx, tty := openPty(t)
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := labCommand(t, "tell-terminal")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := ptmx.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	screen := bufio.NewReader(ptmx)
	expectLine(t, screen, "ready")
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 132, Row: 43}); err != nil {
		t.Fatal(err)
	}
	expectLine(t, screen, "size 132x43")
	if _, err := ptmx.Write([]byte{'\x03'}); err != nil {
		t.Fatal(err)
	}
	expectLine(t, screen, "interrupt")
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 3 {
		t.Errorf("exit status %d, want the command's, 3", status)
	}
	after, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil || after.Lflag != before.Lflag {
		t.Errorf("the terminal's settings were %x and are %x, %v", before.Lflag, after.Lflag, err)
	}
}

func expectLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %q on the terminal: %v, %q", want, err, line)
		}
		if strings.Contains(line, want) {
			return
		}
	}
}

func openPty(t *testing.T) (ptmx, tty *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	ptmx = os.NewFile(uintptr(fd), "/dev/ptmx")
	t.Cleanup(func() { ptmx.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return ptmx, tty
}
