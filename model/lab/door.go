package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// The door of a lab is a socket by which others come in: a program on one of its machines, with the files of
// whoever asks for it. It lies in the lab's private /run, where only the lab's own user gets at it, by
// /proc/PID/root. A program cannot enter the namespaces by itself: it would have to have one thread only, and Go's have several.
const doorPath = runDirectory + "/door"

// wish is what somebody at the door asks for. Its files, standard input, output and error, come with it.
type wish struct {
	Host string   `json:"host"`
	Argv []string `json:"argv"`
	Env  []string `json:"env"` // added to the lab's
	// Terminal is set where a file is a terminal that the program is to have for itself.
	Terminal bool `json:"terminal"`
}

// outcome answers a wish: the program's exit status, or why there was none.
type outcome struct {
	Status int    `json:"status"`
	Err    string `json:"err,omitempty"`
}

// wishSize is the longest wish, in bytes: as much as the kernel takes of arguments in one word.
const wishSize = 128 * 1024

// openDoor begins to let others in, for as long as this process lives.
func (n *Network) openDoor() error {
	if err := os.MkdirAll(runDirectory, 0o700); err != nil {
		return err
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: doorPath, Net: "unixpacket"})
	if err != nil {
		return fmt.Errorf("open the lab's door: %w", err)
	}
	if err := os.Chmod(doorPath, 0o600); err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.AcceptUnix()
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err == nil:
				go n.letIn(conn)
			}
		}
	}()
	return nil
}

// letIn does what one visitor asks for, and ends it when the visitor goes.
func (n *Network) letIn(conn *net.UnixConn) {
	defer conn.Close()
	var o outcome
	w, files, err := receiveWish(conn)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err == nil {
		o.Status, err = n.grant(conn, w, files)
	}
	if err != nil {
		o.Err = err.Error()
	}
	text, err := json.Marshal(o)
	if err == nil {
		_, _ = conn.Write(text)
	}
}

// receiveWish reads a wish and the three files that come with it.
func receiveWish(conn *net.UnixConn) (w wish, files []*os.File, err error) {
	text, control := make([]byte, wishSize), make([]byte, unix.CmsgSpace(3*4))
	size, controlSize, _, _, err := conn.ReadMsgUnix(text, control)
	if err != nil {
		return w, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:controlSize])
	if err != nil {
		return w, nil, err
	}
	for i := range messages {
		descriptors, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return w, files, err
		}
		for _, d := range descriptors {
			unix.CloseOnExec(d)
			files = append(files, os.NewFile(uintptr(d), "visitor's"))
		}
	}
	if len(files) != 3 {
		return w, files, fmt.Errorf("%d files came instead of 3", len(files))
	}
	return w, files, json.Unmarshal(text[:size], &w)
}

// grant runs the program and returns its exit status, as a shell would.
func (n *Network) grant(conn *net.UnixConn, w wish, files []*os.File) (status int, err error) {
	node, err := n.named(w.Host)
	if err != nil {
		return 0, err
	}
	if len(w.Argv) == 0 {
		return 0, errors.New("no program")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = conn.Read(make([]byte, 1)) // returns when the visitor goes
		cancel()
	}()
	cmd := exec.CommandContext(ctx, w.Argv[0], w.Argv[1:]...)
	// Screens that are opened here are not those that the lab can go on from.
	cmd.Env = append(append(os.Environ(), w.Env...), screensVariable+"=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	// A job of its own, so that it ends as a whole.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: w.Terminal}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := node.Do(cmd.Start); err != nil {
		return 0, fmt.Errorf("run %s on %s: %w", filepath.Base(w.Argv[0]), node.Name, err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}
