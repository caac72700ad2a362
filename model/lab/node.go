package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// answerTimeout bounds every conversation between nodes. They share a kernel,
// so an answer that takes longer is not coming.
const answerTimeout = 5 * time.Second

// Node is one machine of the lab: a network namespace with its addresses. All
// methods may be called concurrently.
type Node struct {
	// Name is what the machine's services call themselves.
	Name string
	// IPv4 and IPv6 are the addresses that others know the machine by.
	IPv4, IPv6 netip.Addr

	ns       netns.NsHandle
	attached bool // somebody else's, who named it

	closing sync.RWMutex // while the namespace is let go of nobody enters it
}

// newNode makes a network namespace and gives it a name for "ip netns exec".
func newNode(name string) (*Node, error) {
	n := &Node{Name: name}
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make network namespace %s: %w", name, err)
		}
		return n.adopt()
	})
	if err != nil {
		return nil, err
	}
	return n, n.Do(loopbackUp)
}

// gatewayNode is the node that the calling process lives in.
func gatewayNode() (*Node, error) {
	n := &Node{Name: "gateway"}
	return n, onOwnThread(n.adopt)
}

// adopt makes the calling thread's network namespace the node's.
func (n *Node) adopt() error {
	ns, err := netns.Get()
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", n.Name, err)
	}
	n.ns = ns
	path := "/run/netns/" + n.Name
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	file.Close()
	if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("name network namespace %s: %w", n.Name, err)
	}
	return nil
}

// close lets go of the namespace, which ends with its last socket.
func (n *Node) close() error {
	if n == nil {
		return nil
	}
	n.closing.Lock()
	defer n.closing.Unlock()
	if !n.ns.IsOpen() {
		return nil
	}
	if n.attached {
		return n.ns.Close()
	}
	path := "/run/netns/" + n.Name
	return errors.Join(unix.Unmount(path, unix.MNT_DETACH), os.Remove(path), n.ns.Close())
}

// Do runs f on an OS thread in the node's network namespace and returns its
// error. Sockets that f opens and programs that it starts belong to the node
// for good; goroutines that it starts do not. f must not end its goroutine, as
// t.FailNow would.
func (n *Node) Do(f func() error) error {
	return onOwnThread(func() error {
		n.closing.RLock()
		err := netns.Set(n.ns)
		n.closing.RUnlock()
		if err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.Name, err)
		}
		return f()
	})
}

// onOwnThread runs f on an OS thread that may change its network namespace,
// and puts the thread back afterwards or throws it away.
func onOwnThread(f func() error) error {
	ended := errors.New("lab: the function ended its goroutine instead of returning")
	result := make(chan error, 1)
	go func() {
		err := ended
		defer func() { result <- err }()
		runtime.LockOSThread()
		home, homeErr := netns.Get()
		if homeErr != nil {
			err = fmt.Errorf("open the network namespace to return to: %w", homeErr)
			return
		}
		defer home.Close()
		err = f()
		// A goroutine that ends locked takes its thread along.
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return <-result
}

// Listen announces a TCP service on the node; address is an IP address and
// port, where port 0 picks a free one.
func (n *Node) Listen(ctx context.Context, address netip.AddrPort) (*net.TCPListener, error) {
	var listener net.Listener
	err := n.Do(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, oneFamily("tcp", address), address.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", n.Name, err)
	}
	return listener.(*net.TCPListener), nil
}

// oneFamily keeps package net from serving IPv4 on an IPv6 socket.
func oneFamily(network string, address netip.AddrPort) string {
	if address.Addr().Is4() {
		return network + "4"
	}
	return network + "6"
}

// ListenUDP opens an unconnected UDP socket on the node.
func (n *Node) ListenUDP(ctx context.Context, address netip.AddrPort) (*net.UDPConn, error) {
	var conn net.PacketConn
	err := n.Do(func() (err error) {
		conn, err = new(net.ListenConfig).ListenPacket(ctx, oneFamily("udp", address), address.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", n.Name, err)
	}
	return conn.(*net.UDPConn), nil
}

// Dial connects from the node to address; network is tcp or udp. From may be
// the zero value, or fix the source address, port, or both.
func (n *Node) Dial(ctx context.Context, network string, from, to netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{Timeout: answerTimeout}
	if from.IsValid() {
		if network == "udp" {
			dialer.LocalAddr = net.UDPAddrFromAddrPort(from)
		} else {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(from)
		}
	}
	var conn net.Conn
	err := n.Do(func() (err error) {
		conn, err = dialer.DialContext(ctx, network, to.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("from %s: %w", n.Name, err)
	}
	return conn, nil
}

// SendUDP sends one datagram with exactly these addresses and ports, and waits
// for nothing. The source address may be one that the node does not have.
func (n *Node) SendUDP(from, to netip.AddrPort, payload []byte) error {
	return n.Do(func() error {
		socket, err := openUDP(from)
		if err != nil {
			return fmt.Errorf("on %s: %w", n.Name, err)
		}
		defer unix.Close(socket)
		if err := unix.Sendto(socket, payload, 0, sockaddr(to)); err != nil {
			return fmt.Errorf("send from %s to %s: %w", from, to, err)
		}
		return nil
	})
}

// openUDP opens a UDP socket in the calling thread's network namespace, bound
// to any address whatever, for a tiny fraction of what package net takes.
func openUDP(from netip.AddrPort) (socket int, err error) {
	domain := unix.AF_INET
	if from.Addr().Is6() {
		domain = unix.AF_INET6
	}
	socket, err = unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, fmt.Errorf("open a UDP socket: %w", err)
	}
	_ = unix.SetsockoptInt(socket, unix.SOL_IP, unix.IP_TRANSPARENT, 1)
	if domain == unix.AF_INET6 {
		_ = unix.SetsockoptInt(socket, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
	}
	if err := unix.Bind(socket, sockaddr(from)); err != nil {
		unix.Close(socket)
		return 0, fmt.Errorf("bind to %s: %w", from, err)
	}
	return socket, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// Ping sends one echo request and returns the address that the reply came
// from.
func (n *Node) Ping(ctx context.Context, to netip.Addr) (netip.Addr, error) {
	network, protocol := "ip4:icmp", unix.IPPROTO_ICMP
	var request icmp.Message
	id := os.Getpid() & 0xffff
	request.Type, request.Body = ipv4.ICMPTypeEcho, &icmp.Echo{ID: id, Seq: 1, Data: []byte("nattui lab")}
	if to.Is6() {
		network, protocol = "ip6:ipv6-icmp", unix.IPPROTO_ICMPV6
		request.Type = ipv6.ICMPTypeEchoRequest
	}
	packet, err := request.Marshal(nil)
	if err != nil {
		return netip.Addr{}, err
	}
	conn, err := n.listenIP(ctx, network)
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return netip.Addr{}, err
	}
	if _, err := conn.WriteTo(packet, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return netip.Addr{}, fmt.Errorf("ping %s from %s: %w", to, n.Name, err)
	}
	return awaitEcho(conn, protocol, id)
}

func (n *Node) listenIP(ctx context.Context, network string) (net.PacketConn, error) {
	var conn net.PacketConn
	err := n.Do(func() (err error) {
		conn, err = new(net.ListenConfig).ListenPacket(ctx, network, "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("on %s: %w", n.Name, err)
	}
	return conn, nil
}

func awaitEcho(conn net.PacketConn, protocol, id int) (netip.Addr, error) {
	buffer := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("wait for the echo reply: %w", err)
		}
		reply, err := icmp.ParseMessage(protocol, buffer[:size])
		if err != nil || (reply.Type != ipv4.ICMPTypeEchoReply && reply.Type != ipv6.ICMPTypeEchoReply) {
			continue
		}
		if echo, ok := reply.Body.(*icmp.Echo); ok && echo.ID == id {
			address, _ := netip.AddrFromSlice(from.(*net.IPAddr).IP)
			return address.Unmap(), nil
		}
	}
}

// Output runs a program on the node and returns its standard output. The error
// carries what the program said on standard error.
func (n *Node) Output(ctx context.Context, name string, args ...string) (string, error) {
	return n.pipe(ctx, "", name, args...)
}

// pipe runs a program on the node with input on its standard input.
func (n *Node) pipe(ctx context.Context, input, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := n.Do(cmd.Start); err != nil {
		return "", fmt.Errorf("run %s on %s: %w", name, n.Name, err)
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("%s %q on %s: %w: %s", name, args, n.Name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// Sysctl reads a setting of the node's network, named as in
// "net/ipv4/ip_forward".
func (n *Node) Sysctl(name string) (string, error) {
	var value []byte
	err := n.Do(func() (err error) {
		value, err = os.ReadFile("/proc/sys/" + name)
		return err
	})
	return strings.TrimSpace(string(value)), err
}

// SetSysctl changes a setting of the node's network.
func (n *Node) SetSysctl(name, value string) error {
	return n.Do(func() error {
		return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644)
	})
}
