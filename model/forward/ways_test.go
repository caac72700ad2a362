package forward_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/forward"
	"nattui/model/lab"
)

// The ports of the services, and of the gateway where the same is reached.
const (
	echoes   = 7
	swallows = 9
	shift    = 80 // from a service's port to the gateway's
)

// way is a way from the client to the services on server2. make lays it; at is where the service that echoes is reached.
type way struct {
	name string
	make func(b *testing.B, n *lab.Network, w *way)
	at   netip.AddrPort

	programs []*exec.Cmd // that forward, apart from this one
}

// ways are all that are compared: the article's, and what there is beside them in the kernel.
var ways = []way{
	{name: "routed", make: routed},
	{name: "dnat-legacy", make: func(b *testing.B, n *lab.Network, w *way) { dnat(b, n, w, "iptables-legacy") }},
	{name: "dnat-iptables-nft", make: func(b *testing.B, n *lab.Network, w *way) { dnat(b, n, w, "iptables-nft") }},
	{name: "dnat-nft", make: func(b *testing.B, n *lab.Network, w *way) { native(b, n, w, "") }},
	{name: "dnat-flowtable", make: func(b *testing.B, n *lab.Network, w *way) {
		native(b, n, w, `flowtable fast { hook ingress priority 0; devices = { wan0, lan0 }; }
			chain forward { type filter hook forward priority 0; ct state established meta l4proto tcp flow add @fast; }`)
	}},
	{name: "forwarder", make: forwarded},
	{name: "ssh-L", make: sshForwarded},
}

// buildNetwork is a network whose gateway routes, with the two services on server2.
func buildNetwork(b *testing.B) *lab.Network {
	b.Helper()
	n, err := lab.New()
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b.Cleanup(func() { stop(); n.Close() })
	must(b, n.Gateway.SetSysctl("net/ipv4/ip_forward", "1"))
	_, err = n.Client.Output(ctx, "ip", "route", "add", "192.168.0.0/24", "via", n.Gateway.IPv4.String())
	must(b, err)
	for port, serve := range map[uint16]func(net.Conn){
		echoes:   func(c net.Conn) { _, _ = io.Copy(c, c) },
		swallows: func(c net.Conn) { _, _ = io.Copy(io.Discard, c); _, _ = c.Write([]byte("done")) },
	} {
		l, err := n.Server2.Listen(ctx, netip.AddrPortFrom(n.Server2.IPv4, port))
		must(b, err)
		b.Cleanup(func() { l.Close() })
		go serveAll(l, serve)
	}
	return n
}

func serveAll(l *net.TCPListener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { defer c.Close(); serve(c) }()
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// atGateway is where the gateway is asked for the service that echoes.
func atGateway(n *lab.Network) netip.AddrPort {
	return netip.AddrPortFrom(n.Gateway.IPv4, echoes+shift)
}

// swallowing is where the same way leads to the service that swallows.
func (w *way) swallowing() netip.AddrPort {
	return netip.AddrPortFrom(w.at.Addr(), w.at.Port()+swallows-echoes)
}

// routed asks the server itself; no connection is tracked.
func routed(_ *testing.B, n *lab.Network, w *way) { w.at = netip.AddrPortFrom(n.Server2.IPv4, echoes) }

// dnat is one rule a service, of iptables' legacy or nft backend.
func dnat(b *testing.B, n *lab.Network, w *way, program string) {
	b.Helper()
	lab.Program(b, program)
	for _, port := range []int{echoes, swallows} {
		must(b, n.Gateway.Iptables(program, "-t", "nat", "-A", "PREROUTING", "-i", "wan0", "-p", "tcp", "--dport", fmt.Sprint(port+shift),
			"-j", "DNAT", "--to-destination", fmt.Sprintf("%s:%d", n.Server2.IPv4, port)))
	}
	b.Cleanup(func() { must(b, n.Gateway.Iptables(program, "-t", "nat", "-F", "PREROUTING")) })
	w.at = atGateway(n)
}

// native is a table of nft; fast is what else is in it. A kernel that cannot do that is left out.
func native(b *testing.B, n *lab.Network, w *way, fast string) {
	b.Helper()
	lab.Program(b, "nft")
	file := filepath.Join(b.TempDir(), "table.nft")
	var rules strings.Builder
	for _, port := range []int{echoes, swallows} {
		fmt.Fprintf(&rules, "tcp dport %d dnat to %s:%d; ", port+shift, n.Server2.IPv4, port)
	}
	text := fmt.Sprintf("table ip bench {\n%s\nchain pre { type nat hook prerouting priority dstnat; %s }\n}\n", fast, rules.String())
	must(b, os.WriteFile(file, []byte(text), 0o600))
	if said, err := n.Gateway.Output(context.Background(), "nft", "-f", file); err != nil {
		if fast == "" {
			b.Fatal(err, said)
		}
		b.Skip("no flowtable here: ", err)
	}
	b.Cleanup(func() {
		_, err := n.Gateway.Output(context.Background(), "nft", "delete", "table", "ip", "bench")
		must(b, err)
	})
	w.at = atGateway(n)
}

// forwarded is nattui forward, in this process.
func forwarded(b *testing.B, n *lab.Network, w *way) {
	b.Helper()
	for _, port := range []int{echoes, swallows} {
		f, err := forward.Listen(context.Background(), forward.Options{
			Listen: fmt.Sprintf("%s:%d", n.Gateway.IPv4, port+shift), Target: fmt.Sprintf("%s:%d", n.Server2.IPv4, port),
		})
		must(b, err)
		b.Cleanup(func() { f.Abort() })
		go func() { _ = f.Serve() }()
	}
	w.at = atGateway(n)
}

// sshForwarded is ssh -L on the client, by a login on the gateway, which connects to the server.
func sshForwarded(b *testing.B, n *lab.Network, w *way) {
	b.Helper()
	sshd, ssh, keygen := lab.Program(b, "sshd"), lab.Program(b, "ssh"), lab.Program(b, "ssh-keygen")
	dir := b.TempDir()
	host, key, configuration := filepath.Join(dir, "host"), filepath.Join(dir, "key"), filepath.Join(dir, "sshd_config")
	for _, path := range []string{host, key} {
		if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput(); err != nil {
			b.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	must(b, os.WriteFile(configuration, []byte(fmt.Sprintf("ListenAddress %s\nHostKey %s\nAuthorizedKeysFile %s.pub\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n",
		n.Gateway.IPv4, host, key)), 0o600))
	_ = os.MkdirAll("/run/sshd", 0o755) // where sshd shuts its unprivileged part in
	// Each connection of the login's keeps a port for a minute after its end, and a few runs would take all of them.
	must(b, n.Gateway.SetSysctl("net/ipv4/tcp_max_tw_buckets", "1"))
	w.start(b, n.Gateway, sshd, "-D", "-e", "-f", configuration)
	awaitPort(b, n.Client, netip.AddrPortFrom(n.Gateway.IPv4, 22))
	w.at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), echoes+shift)
	args := []string{"-N", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ExitOnForwardFailure=yes", "-o", "LogLevel=ERROR"}
	for _, port := range []int{echoes, swallows} {
		args = append(args, "-L", fmt.Sprintf("%s:%d:%s:%d", w.at.Addr(), port+shift, n.Server2.IPv4, port))
	}
	w.start(b, n.Client, ssh, append(args, n.Gateway.IPv4.String())...)
	awaitPort(b, n.Client, w.at)
}

// start starts a program on a node, which ends with the benchmark.
func (w *way) start(b *testing.B, on *lab.Node, program string, args ...string) {
	b.Helper()
	c := exec.Command(program, args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	must(b, on.Do(c.Start))
	w.programs = append(w.programs, c)
	b.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if b.Failed() {
			b.Logf("%s: %s", program, said.String())
		}
	})
}

// awaitPort waits until something listens.
func awaitPort(b *testing.B, from *lab.Node, at netip.AddrPort) {
	b.Helper()
	for range 200 {
		c, err := from.Dial(context.Background(), "tcp", netip.AddrPort{}, at)
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatalf("nothing listens at %s", at)
}

// cpu is what this process has taken, and the programs that forward with their children: client, server, forwarder, and the kernel's
// work for them, most of which it does as they send.
func (w *way) cpu(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	total := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	for _, p := range w.programs {
		total += processTime(b, p.Process.Pid)
	}
	return total
}

// processTime is what a process and all beneath it have taken (proc_pid_stat(5): fields 14 and 15, in hundredths).
func processTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	must(b, err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var total time.Duration
	for _, i := range []int{11, 12} {
		ticks, err := strconv.Atoi(fields[i])
		must(b, err)
		total += time.Duration(ticks) * 10 * time.Millisecond
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for child := range strings.FieldsSeq(string(children)) {
		if id, err := strconv.Atoi(child); err == nil {
			total += processTime(b, id)
		}
	}
	return total
}
