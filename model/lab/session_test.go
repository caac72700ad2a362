package lab_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
)

// playScreens is what the screens do in a lab that they leave for another: in share it asks for a hint and goes on to
// publish, where it says what is known of share.
func playScreens() int {
	s, err := lab.Inside()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer s.Close()
	hosts, err := s.Survey()
	fmt.Println(s.Name(), len(hosts), err)
	if s.Name() == "share" {
		_, err := s.Hint()
		fmt.Println(err, s.Move("", "nothing") != nil, s.Move("", "publish"))
		return 0
	}
	all, err := s.Progress()
	fmt.Println(all["share"].Hints, err)
	return 5
}

// enterLab is what "nattui lab enter" does.
func enterLab() int {
	status, err := lab.Enter(context.Background(), 0, os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Println(err)
		return 99
	}
	return status
}

// A lab that the screens leave for another begins anew, and what was learned stays known.
func TestMove(t *testing.T) {
	needNamespaces(t)
	var output bytes.Buffer
	status, err := lab.Run(t.Context(), lab.Options{Mission: "share", Env: append(os.Environ(), partVariable+"=screens"), Stdout: &output, Stderr: &output})
	const want = "share 4 <nil>\n<nil> true <nil>\npublish 4 <nil>\n1 <nil>\n"
	if status != 5 || err != nil || output.String() != want {
		t.Errorf("status %d, %v\n%s", status, err, &output)
	}
	// One that was started for a command of its own stays until that ends.
	output.Reset()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	status, err = lab.Run(t.Context(), lab.Options{Mission: "share", Argv: []string{"sh", "-c", program}, Env: append(os.Environ(), partVariable+"=screens"), Stdout: &output, Stderr: &output})
	if status != 0 || err != nil || !strings.Contains(output.String(), "started with a command of its own") {
		t.Errorf("status %d, %v\n%s", status, err, &output)
	}
}

// Whoever enters from a terminal has one there: with its size, its keys, and the exit status of what ran.
func TestEnter(t *testing.T) {
	if lab.Isolate(t) { // so that no other lab can be seen
		return
	}
	host := labCommand(t, "sh", "-c", "echo up; exec sleep 300")
	up, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Process.Kill(); _ = host.Wait() }()
	if line, err := bufio.NewReader(up).ReadString('\n'); line != "up\n" {
		t.Fatalf("the lab says %q, %v", line, err)
	}
	ptmx, tty := openPty(t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 91, Row: 33}); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "server3", "sh", "-c", `trap 'echo interrupted' INT; stty size; ip -br -4 address show eth0; read word; read word; echo "got $word"; exit 6`)
	cmd.Env = append(os.Environ(), partVariable+"=enter")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := ptmx.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	screen := bufio.NewReader(ptmx)
	expectLine(t, screen, "33 91")
	expectLine(t, screen, "192.168.0.3/24")
	if _, err := ptmx.Write([]byte("\x03")); err != nil { // to the program there, not to the one here
		t.Fatal(err)
	}
	expectLine(t, screen, "interrupted")
	if _, err := ptmx.Write([]byte("one\nword\n")); err != nil {
		t.Fatal(err)
	}
	expectLine(t, screen, "got ")
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 6 {
		t.Errorf("exit status %d, want 6", status)
	}
}
