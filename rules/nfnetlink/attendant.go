package nfnetlink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// attendantName is what a process is called that attends.
const attendantName = "nattui-aside"

// attends tells that this program's main function knows of Attend, so that it may be started to attend.
var attends atomic.Bool

// Attend has to be called first thing by main, and by TestMain of tests, for Aside to work without CAP_SYS_ADMIN. In a
// process that Aside has started it does what that asks for in the network namespace there, and does not return.
func Attend() {
	if len(os.Args) == 0 || os.Args[0] != attendantName {
		attends.Store(true)
		return
	}
	os.Exit(attend())
}

// attendant is a process in a user namespace and a network namespace of its own, that does there what it is asked for over
// a socket: messages are JSON, with descriptors beside them.
type attendant struct {
	cmd  *exec.Cmd
	conn *net.UnixConn
}

// wish is what is asked of an attendant.
type wish struct {
	Socket bool              `json:",omitempty"` // for questions about nf_tables; the answer has it beside it
	Links  map[uint32]string `json:",omitempty"`
	// Run is a program with its arguments; its standard input, output and error are beside the message.
	Run, Env []string `json:",omitempty"`
}

// granted is the answer.
type granted struct {
	Error  string `json:",omitempty"`
	Status int    `json:",omitempty"` // of the program that was run
}

// newAttendant starts one.
func newAttendant(ctx context.Context) (*attendant, error) {
	if !attends.Load() {
		return nil, errors.New("this program does not attend to it")
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs, ours := os.NewFile(uintptr(pair[1]), "attendant"), os.NewFile(uintptr(pair[0]), "attended")
	defer theirs.Close()
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	a := &attendant{cmd: exec.CommandContext(ctx, program), conn: conn.(*net.UnixConn)}
	a.cmd.Args = []string{attendantName}
	a.cmd.ExtraFiles = []*os.File{theirs}
	a.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	if err := startOwned(a.cmd); err != nil {
		conn.Close()
		return nil, fmt.Errorf("user namespaces: %w", err)
	}
	// What is tried may empty tables. That these are not the host's own is looked at, not assumed.
	here, err := os.Readlink("/proc/self/ns/net")
	if err == nil {
		err = a.ask(wish{}, nil, nil, func(g granted) error {
			if g.Error == "" || g.Error == here {
				return fmt.Errorf("%q is not a new one", g.Error)
			}
			return nil
		})
	}
	if err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// startOwned starts a process whose user namespace this one has to set up. A program that has rights by its file (setcap(8))
// does not own what /proc says of itself and of its children, unless it may be looked at (prctl(2), PR_SET_DUMPABLE).
func startOwned(cmd *exec.Cmd) error {
	before, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err == nil && before != 1 && unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) == nil {
		defer func() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(before), 0, 0, 0) }()
	}
	return cmd.Start()
}

func (a *attendant) close() {
	a.conn.Close() // which it ends with
	_ = a.cmd.Wait()
}

// ask sends a wish with descriptors, and hands the answer over, or the descriptor beside it.
func (a *attendant) ask(w wish, beside []int, descriptor func(int) error, answer func(granted) error) error {
	message, err := json.Marshal(w)
	if err != nil {
		return err
	}
	if _, _, err := a.conn.WriteMsgUnix(message, unix.UnixRights(beside...), nil); err != nil {
		return fmt.Errorf("ask in the other network namespace: %w", err)
	}
	var g granted
	fds, err := receive(a.conn, &g)
	switch {
	case err != nil:
		return fmt.Errorf("hear from the other network namespace: %w", err)
	case len(fds) == 1 && descriptor != nil:
		return descriptor(fds[0])
	}
	closeAll(fds)
	return answer(g)
}

// failed is the answer that there is nothing to hand over.
func failed(g granted) error { return errors.New(g.Error) }

func (a *attendant) dial() (s *Socket, err error) {
	err = a.ask(wish{Socket: true}, nil, func(fd int) error {
		s = &Socket{fd: fd, buf: make([]byte, room)}
		return nil
	}, failed)
	return s, err
}

func (a *attendant) addLinks(links map[uint32]string) error {
	if len(links) == 0 {
		return nil
	}
	return a.ask(wish{Links: links}, nil, nil, func(g granted) error {
		if g.Error != "" {
			return failed(g)
		}
		return nil
	})
}

// run has a program run in there. It has files for its standard input, output and error, whose content is copied.
func (a *attendant) run(cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	var files [3]*os.File
	var fds []int
	for i, name := range []string{"input", "output", "error"} {
		fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		files[i] = os.NewFile(uintptr(fd), name)
		defer files[i].Close()
		fds = append(fds, fd)
	}
	if cmd.Stdin != nil {
		if _, err := io.Copy(files[0], cmd.Stdin); err != nil {
			return err
		}
		if _, err := files[0].Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	err := a.ask(wish{Run: append([]string{cmd.Path}, cmd.Args[1:]...), Env: cmd.Env}, fds, nil, func(g granted) error {
		switch {
		case g.Error != "":
			return failed(g)
		case g.Status != 0:
			return fmt.Errorf("exit status %d", g.Status)
		}
		return nil
	})
	for i, w := range []io.Writer{cmd.Stdout, cmd.Stderr} {
		if w == nil {
			continue
		}
		if _, copyErr := io.Copy(w, io.NewSectionReader(files[i+1], 0, 1<<62)); copyErr != nil {
			return errors.Join(err, copyErr)
		}
	}
	return err
}

// attend does what it is asked for until the other end is closed.
func attend() int {
	conn, err := net.FileConn(os.NewFile(3, "attended"))
	if err != nil || !owned() {
		fmt.Fprintln(os.Stderr, "nattui: this is started by nattui itself, in namespaces of its own")
		return 1
	}
	c := conn.(*net.UnixConn)
	for {
		var w wish
		fds, err := receive(c, &w)
		if err != nil {
			return 0
		}
		g, beside := w.fulfil(fds)
		closeAll(fds)
		message, err := json.Marshal(g)
		if err == nil {
			_, _, err = c.WriteMsgUnix(message, unix.UnixRights(beside...), nil)
		}
		closeAll(beside)
		if err != nil {
			return 1
		}
	}
}

// owned tells that this process is in a user namespace that was made for it, where the rights that it lends to programs are
// those over its own network alone: one user is mapped, as newAttendant does it.
func owned() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(data))
	return err == nil && len(fields) == 3 && fields[2] == "1"
}

// fulfil does what is wished for.
func (w wish) fulfil(fds []int) (g granted, beside []int) {
	var err error
	switch {
	case w.Socket:
		var s *Socket
		if s, err = Dial(); err == nil {
			beside = []int{s.fd}
		}
	case w.Links != nil:
		err = onThisThread{}.addLinks(w.Links)
	case len(w.Run) > 0 && len(fds) == 3:
		g.Status, err = runWith(w, fds)
	default:
		g.Error, err = os.Readlink("/proc/self/ns/net")
	}
	if err != nil {
		g.Error = err.Error()
	}
	return g, beside
}

// runWith runs a program with descriptors for its input, output and error, and returns its status.
func runWith(w wish, fds []int) (int, error) {
	cmd := exec.Command(w.Run[0], w.Run[1:]...)
	cmd.Env = w.Env
	var files [3]*os.File
	for i, fd := range fds {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return 0, err
		}
		files[i] = os.NewFile(uintptr(dup), "")
		defer files[i].Close()
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	err := cmd.Run()
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		return exited.ExitCode(), nil
	}
	return 0, err
}

// receive reads a message, and returns the descriptors beside it.
func receive(c *net.UnixConn, message any) (fds []int, err error) {
	body, control := make([]byte, 256<<10), make([]byte, unix.CmsgSpace(3*4))
	n, controls, _, _, err := c.ReadMsgUnix(body, control)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(control[:controls])
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		rights, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		fds = append(fds, rights...)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	return fds, json.NewDecoder(bytes.NewReader(body[:n])).Decode(message)
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
