package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options say what Run is to do.
type Options struct {
	// Scenario is the name of one of Scenarios; empty means DefaultScenario.
	Scenario string
	// Mission is the name of a mission to begin with instead; empty for none.
	Mission string
	// Argv is the command to run on the gateway; empty means this program
	// without arguments.
	Argv []string
	// Env is the command's environment, to which the lab adds its own; nil
	// means this process's.
	Env []string
	// Stdin, Stdout and Stderr are the command's, as in exec.Cmd: a file is
	// handed on as it is, nil means the null device.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// ErrNoIptables is wrapped by Run's error where there is no iptables to seed
// the lab's rules with.
var ErrNoIptables = errors.New("iptables is not installed")

// variables of the lab's environment, all pointing into its private /run.
const (
	runDirectory = "/run/nattui-lab"
	// ScenarioVariable is set, to the scenario's or mission's name, in the environment of
	// whatever runs in a lab.
	ScenarioVariable = "NATTUI_LAB"
	// missionVariable is set to the mission's name where there is one, and progressVariable to what is
	// known of the missions so far.
	missionVariable  = "NATTUI_LAB_MISSION"
	progressVariable = "NATTUI_LAB_PROGRESS"
	// screensVariable is set where the lab itself has started the screens, and so can start others.
	screensVariable = "NATTUI_LAB_SCREENS"
)

// Run builds a lab in namespaces of its own, runs a command on its gateway and
// returns the command's exit status, as a shell would: 128 and the number for
// a signal. The error is not nil if there was no lab to run it in; ErrNamespaces
// and ErrNoIptables tell two causes that the user can do something about.
//
// The command gets the terminal, if this process has it: it is in the
// foreground, receives the keyboard's signals and sees the terminal's size
// change. Signals to this process that ask it to end are passed on. When the
// command ends, when ctx is done, or when any of the processes of the lab or
// this one is killed, everything in the lab ends, and with it its namespaces,
// mounts and files.
//
// The program must call Main first in its main function. Needs root, or a
// kernel that lets users make namespaces.
func Run(ctx context.Context, o Options) (status int, err error) {
	at := next{Scenario: o.Scenario, Mission: o.Mission}
	if err := at.check(); err != nil {
		return 0, err
	}
	if err := findIptables(); err != nil {
		return 0, err
	}
	for wanted := &at; wanted != nil && err == nil; {
		err = inCell(func(asUser bool) (err error) {
			status, wanted, err = runLab(ctx, *wanted, o, asUser)
			return err
		})
	}
	if errors.Is(err, ErrNamespaces) && os.Geteuid() != 0 {
		err = fmt.Errorf("%w\nThe lab lives in a user namespace, which this system does not let ordinary users make. As root it works: sudo nattui lab", err)
	}
	return status, err
}

func findIptables() error {
	for _, dir := range filepath.SplitList(pathWithTools(os.Getenv("PATH"))) {
		if info, err := os.Stat(filepath.Join(dir, "iptables-restore")); err == nil && !info.IsDir() {
			return nil
		}
	}
	return fmt.Errorf("%w: the lab's rules need it: %s", ErrNoIptables, installCommand())
}

// installCommand is how iptables gets onto this system.
func installCommand() string {
	commands := []struct{ program, command string }{
		{"apt-get", "apt-get install iptables"},
		{"dnf", "dnf install iptables"},
		{"yum", "yum install iptables"},
		{"apk", "apk add iptables"},
		{"pacman", "pacman -S iptables"},
		{"zypper", "zypper install iptables"},
	}
	for _, c := range commands {
		if _, err := exec.LookPath(c.program); err == nil {
			if os.Geteuid() != 0 {
				return "sudo " + c.command
			}
			return c.command
		}
	}
	return "please install the package iptables"
}

func runLab(ctx context.Context, at next, o Options, asUser bool) (status int, wanted *next, err error) {
	cmd := cellCommand(labKeeper, asUser, labArguments(at, o.Argv), labEnvironment(at, o))
	cmd.SysProcAttr.Setpgid = true
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Stdin, o.Stdout, o.Stderr
	// A reader that never ends, copied into a pipe, must not outlast the lab.
	cmd.WaitDelay = time.Second
	terminal := openTerminal()
	defer terminal.close()
	c, err := startCell(cmd)
	if err != nil {
		return 0, &at, err
	}
	group := cmd.Process.Pid
	defer context.AfterFunc(ctx, func() { _ = syscall.Kill(group, syscall.SIGKILL) })()
	defer passSignals(group)()
	terminal.handTo(group)
	c.begin()
	err = c.wait()
	status = cmd.ProcessState.ExitCode()
	if signaled, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && signaled.Signaled() {
		status = 128 + int(signaled.Signal())
	}
	terminal.takeBack(status)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return status, nil, context.Cause(ctx)
	case errors.As(err, &exit), errors.Is(err, exec.ErrWaitDelay):
		return status, nil, nil
	case err != nil:
		return status, &at, err
	}
	wanted, err = parseNext(c.next)
	return status, wanted, err
}

// labArguments are the lab's own processes' arguments, which read as what they
// are in a list of processes.
func labArguments(at next, argv []string) []string {
	if at.Mission != "" {
		return append([]string{"learn", at.Mission, "--"}, argv...)
	}
	return append([]string{"lab", "--scenario", at.Scenario, "--"}, argv...)
}

func parseLabArguments(args []string) (at next, argv []string) {
	if args[0] == "learn" {
		return next{Mission: args[1]}, args[3:]
	}
	return next{Scenario: args[2]}, args[4:]
}

// labEnvironment is the environment of whatever runs in the lab. The directory
// of this program comes last in PATH, so that the command may call it by name.
func labEnvironment(at next, o Options) []string {
	environ := o.Env
	if environ == nil {
		environ = os.Environ()
	}
	path := ""
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value
		}
	}
	path = pathWithTools(path)
	if program, err := os.Executable(); err == nil {
		path += string(filepath.ListSeparator) + filepath.Dir(program)
	}
	screens := ""
	if opensScreens(o.Argv) {
		screens = "yes"
	}
	return append(slices.Clone(environ),
		"PATH="+path,
		ScenarioVariable+"="+at.name(),
		missionVariable+"="+at.Mission,
		progressVariable+"="+string(at.Progress),
		screensVariable+"="+screens,
		"NATTUI_STATE="+runDirectory+"/state",
		"XTABLES_LOCKFILE="+runDirectory+"/xtables.lock",
	)
}

// opensScreens tells that a command is this program's screens, with options or without: the same can be started again
// in another lab.
func opensScreens(argv []string) bool {
	if len(argv) == 0 {
		return true
	}
	return filepath.Base(argv[0]) == filepath.Base(os.Args[0]) && (len(argv) == 1 || strings.HasPrefix(argv[1], "-"))
}

// passSignals sends what this process is asked to the command's process group,
// until the returned function is called. The kernel has not sent it there: the
// group is one of its own.
func passSignals(group int) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				_ = syscall.Kill(-group, s.(syscall.Signal))
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// Main must be the first call in the main function of a program that uses Run,
// and in TestMain of its tests. If this process was started by Run it becomes
// a part of the lab, and Main does not return; otherwise it returns at once.
func Main() {
	switch takeRole() {
	case labKeeper:
		keep(labInmate)
	case labInmate:
		// Its services are told of by this name; that of the program would be exe.
		_ = os.WriteFile("/proc/self/comm", []byte("nattui lab"), 0o644)
		leave(inhabit())
	}
}

// inhabit builds the lab around this process, runs the command and returns its
// exit status.
func inhabit() int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	at, argv := parseLabArguments(os.Args[1:])
	switch err := move(ctx, at); {
	case ctx.Err() != nil:
		return 128 + int(syscall.SIGINT)
	case err != nil:
		complain(inmateComplaint, noLab, fmt.Errorf("%s: %w", at.name(), err))
	}
	drainSignals() // from here on they are the command's
	cancel()
	pid, err := startCommand(argv)
	if err != nil {
		complain(inmateComplaint, noLab, err)
	}
	status := waitFor(pid, pid)
	if wanted := takeNext(); wanted != "" {
		_, _ = unix.Write(inmateComplaint, []byte(nextLab+":"+wanted))
	}
	return status
}

// move makes this process the gateway of a lab in the given scenario or mission, whose
// traffic lasts as long as the process.
func move(ctx context.Context, at next) error {
	if err := unix.Sethostname([]byte("gw1")); err != nil {
		return fmt.Errorf("name the host: %w", err)
	}
	if err := os.MkdirAll(os.Getenv("NATTUI_STATE"), 0o700); err != nil {
		return err
	}
	if err := beginProgress(); err != nil {
		return err
	}
	n, err := New()
	if err != nil {
		return err
	}
	if err := n.openDoor(); err != nil {
		return err
	}
	if at.Mission != "" {
		return n.Set(context.WithoutCancel(ctx), at.Mission)
	}
	return n.Play(context.WithoutCancel(ctx), at.Scenario)
}

// startCommand starts the command on the gateway. Its end must be waited for
// with waitFor, which sees it stop as well.
func startCommand(argv []string) (pid int, err error) {
	program := "/proc/self/exe"
	if len(argv) == 0 {
		argv = []string{os.Args[0]}
	} else if program, err = exec.LookPath(argv[0]); err != nil {
		return 0, fmt.Errorf("run the command in the lab: %w", err)
	}
	runtime.LockOSThread() // for good: the parent-death signal follows the thread
	pid, err = syscall.ForkExec(program, argv, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, fmt.Errorf("run %s in the lab: %w", argv[0], err)
	}
	return pid, nil
}
