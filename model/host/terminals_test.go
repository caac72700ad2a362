package host_test

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/model/host"
	"nattui/model/lab"
)

// TestTerminalsOfOtherServers: who works in a terminal that a server of another kind than SSH has made is here, whether or not this
// process descends from it; where a proxy is before the server, it is not known who.
func TestTerminalsOfOtherServers(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	client := netip.MustParseAddrPort("203.0.113.10:50022")
	for _, from := range []struct {
		node *lab.Node
		at   netip.AddrPort
		port uint16
	}{{n.Client, client, 9090}, {n.Gateway, netip.MustParseAddrPort("127.0.0.1:50023"), 9091}} {
		address := netip.AddrPortFrom(n.Gateway.IPv4, from.port)
		if from.at.Addr().IsLoopback() {
			address = netip.AddrPortFrom(from.at.Addr(), from.port)
		}
		listener, err := n.Gateway.Listen(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		file := arrives(t, listener, from.node, from.at)
		inTerminal(t, exec.Command(program(t, "/bin/sleep", "webterm"), "1000"), file)
		file.Close()
	}
	// One that dialled out, as agents do that give their terminal to somebody elsewhere.
	far, err := n.Client.Listen(t.Context(), netip.MustParseAddrPort("203.0.113.10:443"))
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	var dialled net.Conn
	if err := n.Gateway.Do(func() (err error) {
		dialled, err = net.Dial("tcp", "203.0.113.10:443")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	file, err := dialled.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	dialled.Close() // the agent alone holds it
	inTerminal(t, exec.Command(program(t, "/bin/sleep", "agent"), "1000"), file)
	file.Close()
	known, err := host.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(known.Ways, func(w facts.Way) bool {
		return w.Kind == facts.WayShell && w.Outward && w.Client == netip.MustParseAddrPort("203.0.113.10:443") && w.Program == "agent"
	}) {
		t.Errorf("whom the agent has dialled is not among %v", known.Ways)
	}
	if !slices.ContainsFunc(known.Ways, func(w facts.Way) bool { return w.Kind == facts.WayShell && w.Client == client && !w.Own }) {
		t.Errorf("whoever came from %v is not among %v", client, known.Ways)
	}
	if !slices.ContainsFunc(known.WaysUnknown, func(what string) bool { return strings.Contains(what, "webterm") }) {
		t.Errorf("who is behind the proxy counts as known: %v", known.WaysUnknown)
	}
}

// inTerminal starts a program as the leader of a session with a pseudo-terminal of its own, and with a file beside.
func inTerminal(t *testing.T, cmd *exec.Cmd, file *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err := unix.IoctlRetInt(int(master.Fd()), unix.TIOCGPTPEER) // returns a descriptor
	if err != nil {
		t.Fatal(err)
	}
	terminal := os.NewFile(uintptr(slave), "pts")
	defer terminal.Close()
	cmd.Stdin, cmd.ExtraFiles = terminal, []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}
