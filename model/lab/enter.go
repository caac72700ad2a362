package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"
)

// Running is a lab that somebody has started.
type Running struct {
	PID  int    // of its first process that can be seen from here
	Name string // the scenario or mission
	door string
}

// ErrNoRunningLab is wrapped by errors that mean: there is no lab to enter.
var ErrNoRunningLab = errors.New("no lab is running")

// FindRunning lists the labs of this user, or of all where this is root: the own one alone for a process in a lab.
func FindRunning() ([]Running, error) {
	if name := os.Getenv(ScenarioVariable); name != "" {
		if _, err := os.Stat(doorPath); err == nil {
			return []Running{{PID: os.Getpid(), Name: name, door: doorPath}}, nil
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []Running
	for _, dir := range processes {
		environ, err := os.ReadFile(dir + "/environ")
		if err != nil || !slices.Contains(strings.Split(string(environ), "\x00"), roleVariable+"="+string(labInmate)) {
			continue // somebody else's, or gone
		}
		r := Running{door: dir + "/root" + doorPath}
		r.PID, _ = strconv.Atoi(filepath.Base(dir))
		for entry := range strings.SplitSeq(string(environ), "\x00") {
			if name, ok := strings.CutPrefix(entry, ScenarioVariable+"="); ok {
				r.Name = name
			}
		}
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b Running) int { return a.PID - b.PID })
	return found, nil
}

// Enter runs a command on a machine of a lab that runs already, and returns its exit status as a shell would. Without
// argv that is the user's shell. The command has the caller's standard files; where standard input is a terminal it
// gets one of its own, which shows on the caller's. It ends with ctx. Pid chooses the lab where there are several; 0: the only one.
func Enter(ctx context.Context, pid int, host string, argv []string) (status int, err error) {
	r, err := chooseRunning(pid)
	if err != nil {
		return 0, err
	}
	if !slices.Contains(Machines(), host) {
		return 0, fmt.Errorf("no host %q in the lab: there are %s", host, strings.Join(Machines(), ", "))
	}
	w := wish{Host: host, Argv: argv, Env: visitorEnvironment()}
	if len(argv) == 0 {
		w.Argv = []string{shell()}
	}
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: r.door, Net: "unixpacket"})
	if err != nil {
		return 0, fmt.Errorf("the lab of process %d (%s) does not answer: %w", r.PID, r.Name, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	status, err = visitWith(conn, w, []*os.File{os.Stdin, os.Stdout, os.Stderr})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return status, err
}

// visitWith visits with files, or with a terminal of the visit's own where they are one.
func visitWith(conn *net.UnixConn, w wish, files []*os.File) (status int, err error) {
	if !term.IsTerminal(files[0].Fd()) {
		return visit(conn, w, files)
	}
	w.Terminal = true
	t, err := borrowTerminal(files)
	if err != nil {
		return 0, err
	}
	defer t.giveBack()
	return t.during(func(files []*os.File) (int, error) { return visit(conn, w, files) })
}

func chooseRunning(pid int) (Running, error) {
	labs, err := FindRunning()
	if err != nil {
		return Running{}, err
	}
	var names []string
	for _, r := range labs {
		if r.PID == pid || pid == 0 && len(labs) == 1 {
			return r, nil
		}
		names = append(names, fmt.Sprintf("%d (%s)", r.PID, r.Name))
	}
	switch {
	case len(labs) == 0:
		return Running{}, fmt.Errorf("%w that you may enter: start one in another terminal with  nattui lab", ErrNoRunningLab)
	case pid != 0:
		return Running{}, fmt.Errorf("no lab has process %d: there are %s", pid, strings.Join(names, ", "))
	}
	return Running{}, fmt.Errorf("several labs are running: choose one with --pid: %s", strings.Join(names, ", "))
}

func shell() string {
	if s := os.Getenv("SHELL"); s != "" {
		return s
	}
	return "/bin/sh"
}

// visitorEnvironment is what of the caller's environment is about the terminal and the language rather than the host.
func visitorEnvironment() (kept []string) {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		switch {
		case strings.HasPrefix(name, "LC_"), slices.Contains([]string{"TERM", "COLORTERM", "NO_COLOR", "LANG", "NATTUI_THEME"}, name):
			kept = append(kept, entry)
		}
	}
	return kept
}

// visit tells the door what is wanted and waits for the outcome.
func visit(conn *net.UnixConn, w wish, files []*os.File) (status int, err error) {
	text, err := json.Marshal(w)
	if err != nil {
		return 0, err
	}
	if len(text) > wishSize {
		return 0, errors.New("the command is too long")
	}
	var descriptors []int
	for _, f := range files {
		descriptors = append(descriptors, int(f.Fd()))
	}
	if _, _, err := conn.WriteMsgUnix(text, unix.UnixRights(descriptors...), nil); err != nil {
		return 0, fmt.Errorf("ask at the lab's door: %w", err)
	}
	answer := make([]byte, wishSize)
	size, err := conn.Read(answer)
	if err != nil || size == 0 {
		return 0, errors.New("the lab has ended")
	}
	var o outcome
	if err := json.Unmarshal(answer[:size], &o); err != nil {
		return 0, err
	}
	if o.Err != "" {
		return 0, errors.New(o.Err)
	}
	return o.Status, nil
}

// borrowed is a terminal for a program elsewhere: a pseudo-terminal whose far end the program gets, while this
// process copies between its near end and the real one. The program leads a session, and a session can only have
// a terminal that no other has.
type borrowed struct {
	near, far *os.File
	files     []*os.File // with the far end in place of what is a terminal
	before    *term.State
	resizes   chan os.Signal
}

func borrowTerminal(files []*os.File) (*borrowed, error) {
	near, far, err := openPseudoTerminal()
	if err != nil {
		return nil, fmt.Errorf("make a terminal for the command: %w", err)
	}
	b := &borrowed{near: near, far: far, resizes: make(chan os.Signal, 1)}
	for _, f := range files {
		if term.IsTerminal(f.Fd()) {
			f = far
		}
		b.files = append(b.files, f)
	}
	b.resize()
	if b.before, err = term.MakeRaw(os.Stdin.Fd()); err != nil {
		return nil, errors.Join(err, near.Close(), far.Close())
	}
	signal.Notify(b.resizes, syscall.SIGWINCH)
	return b, nil
}

// openPseudoTerminal opens a pair of ends (pts(4)).
func openPseudoTerminal() (near, far *os.File, err error) {
	if near, err = os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(near.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		far, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, near.Close())
	}
	return near, far, nil
}

// resize gives the program's terminal the size of the real one.
func (b *borrowed) resize() {
	if size, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(int(b.near.Fd()), unix.TIOCSWINSZ, size)
	}
}

// during copies while f does.
func (b *borrowed) during(f func(files []*os.File) (int, error)) (int, error) {
	go func() {
		for range b.resizes {
			b.resize()
		}
	}()
	go func() { _, _ = io.Copy(b.near, os.Stdin) }()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(os.Stdout, b.near) // ends with EIO once nobody has the far end
	}()
	status, err := f(b.files)
	b.far.Close()
	<-shown
	return status, err
}

func (b *borrowed) giveBack() {
	signal.Stop(b.resizes)
	close(b.resizes)
	_ = term.Restore(os.Stdin.Fd(), b.before)
	b.near.Close()
}
