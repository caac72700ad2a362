// Package systems boots real Debian systems with the programs that make rules beside nattui, and looks at what is
// left of the administrator's rules. .ci/systems makes the system, once per machine; each test gets an overlay over it.
package systems

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// root is where the prepared system is; "" where there is none, and why.
var root, lacking = findRoot()

// rootVariable says where the prepared system is.
const rootVariable = "NATTUI_SYSTEMS"

// findRoot looks for the system that .ci/systems has made.
func findRoot() (root, lacking string) {
	where := os.Getenv(rootVariable)
	if where == "" {
		where = "/var/cache/nattui-systems"
	}
	switch _, err := os.Stat(filepath.Join(where, "version")); {
	case os.Geteuid() != 0:
		return "", "booting a system needs root"
	case err != nil:
		return "", "no system to boot in " + where + ": make it, once per machine, with .ci/systems"
	}
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		return "", err.Error()
	}
	return filepath.Join(where, "root"), ""
}

// Roles of this test's own program.
const (
	roleVariable = "NATTUI_SYSTEMS_ROLE"
	roleTests    = "tests"
	roleServe    = "serve"
	roleDial     = "dial"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case roleServe:
		serve(os.Args[1])
	case roleDial:
		dial(os.Args[1])
	case roleTests:
		err := errors.Join(unix.Mount("proc", "/proc", "proc", 0, ""), os.MkdirAll("/run/netns", 0o755), unix.Mount("tmpfs", "/run/netns", "tmpfs", 0, ""))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	flag.Parse()
	if lacking != "" || testing.Short() {
		os.Exit(m.Run()) // each test says so
	}
	os.Exit(enclosed())
}

// enclosed runs the tests in namespaces of processes and mounts of their own: whatever ends them, their systems,
// mounts and named networks end with them.
func enclosed() int {
	build, err := os.MkdirTemp("", "nattui-systems")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(build)
	program := filepath.Join(build, "nattui")
	compile := exec.Command("go", "build", "-o", program, "nattui/cmd/nattui")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s", err, out)
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"="+roleTests, programVariable+"="+program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNET, Unshareflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		return max(1, exit.ExitCode())
	} else if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
