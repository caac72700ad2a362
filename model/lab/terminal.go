package lab

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal is the controlling terminal while this process's group has it in
// the foreground. The zero pointer stands for none, and does nothing.
type terminal struct {
	tty      *os.File
	settings *unix.Termios
}

func openTerminal() *terminal {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	settings, settingsErr := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil || settingsErr != nil || foreground != unix.Getpgrp() {
		tty.Close()
		return nil
	}
	return &terminal{tty: tty, settings: settings}
}

func (t *terminal) close() {
	if t != nil {
		t.tty.Close()
	}
}

// handTo puts a process group into the foreground: the keyboard's signals go
// there, and only it may read.
func (t *terminal) handTo(group int) {
	if t != nil {
		_ = unix.IoctlSetPointerInt(int(t.tty.Fd()), unix.TIOCSPGRP, group)
	}
}

// takeBack puts this process's group into the foreground again, and the
// terminal's settings back to what they were. After a violent end it also
// leaves the modes that a full-screen program would have left by itself.
func (t *terminal) takeBack(status int) {
	if t == nil {
		return
	}
	// A process in the background that changes the terminal is stopped,
	// unless it ignores this.
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	t.handTo(unix.Getpgrp())
	if status == 128+int(syscall.SIGKILL) {
		_, _ = t.tty.WriteString(plainScreen)
	}
	_ = unix.IoctlSetTermios(int(t.tty.Fd()), unix.TCSETSW, t.settings)
}

// plainScreen ends the mouse, focus and paste reports, shows the cursor, leaves
// the alternate screen and resets the colours.
const plainScreen = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[?1049l\x1b[m"
