package host

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/rules"
)

// socket is an Internet socket of this network namespace.
type socket struct {
	local, remote netip.AddrPort
	state         uint8 // as TCP numbers its states; UDP uses two of them
	inode         uint64
	onlyIPv6      bool
	device        int // the number of the interface that it is bound to; 0: none, unsaid: not known
}

const (
	established = 1
	unconnected = 7 // of UDP: nobody in particular is the other end
	listening   = 10
)

// unsaid is the device of a socket of which it is not told.
const unsaid = -1

// listeners reads the sockets that wait for somebody. Where some of them could not be read none are told: a list
// with gaps would say that nobody listens where somebody does.
func (r *reading) listeners() {
	found, whole := []facts.Listener{}, true
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, kind := range []struct{ protocol, state uint8 }{{unix.IPPROTO_TCP, listening}, {unix.IPPROTO_UDP, unconnected}} {
			sockets, err := sockets(family, kind.protocol, kind.state)
			r.gap("listeners", err)
			whole = whole && err == nil
			for _, s := range sockets {
				holder := r.holders[s.inode]
				l := facts.Listener{
					Proto: rules.Protocol(kind.protocol), Address: s.local, Process: holder.name, PID: holder.pid, User: userIDs(holder.pid),
					BothFamilies: s.local.Addr() == netip.IPv6Unspecified() && !s.onlyIPv6,
				}
				if l.DeviceUnknown = s.device == unsaid; !l.DeviceUnknown {
					l.Device = r.linkName(s.device)
				}
				found = append(found, l)
			}
		}
	}
	if whole {
		r.facts.Listeners = found
	}
}

// sockets lists those in one state. It asks by sock_diag, which looks only
// where such sockets can be; where that is missing, /proc tells it too, after
// walking through the whole of the kernel's hash tables.
func sockets(family, protocol, state uint8) ([]socket, error) {
	found, err := diagnosed(diagRequest{family: family, protocol: protocol, states: 1 << state}, unix.NLM_F_DUMP)
	if err == nil {
		return found, nil
	}
	found, err = listed(family, protocol, state)
	if errors.Is(err, os.ErrNotExist) { // without IPv6 there is no tcp6
		return nil, nil
	}
	return found, err
}

// connected tells whether there is an established TCP connection between two
// ends, of which local is here.
func connected(local, remote netip.AddrPort) bool {
	family := uint8(unix.AF_INET)
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	found, err := diagnosed(diagRequest{family: family, protocol: unix.IPPROTO_TCP, states: 1 << established, local: local, remote: remote}, 0)
	if errors.Is(err, unix.ENOENT) {
		return false
	}
	if err != nil {
		found = connections()
	}
	for _, s := range found {
		if s.local == local && s.remote == remote && s.state == established {
			return true
		}
	}
	return false
}

// connections are all established TCP connections.
func connections() []socket {
	var all []socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		found, _ := sockets(family, unix.IPPROTO_TCP, established)
		all = append(all, found...)
	}
	return all
}

// connections are the established TCP connections as they were when this reading first asked for them.
func (r *reading) connections() []socket {
	if r.established == nil {
		found := connections()
		r.established = &found
	}
	return *r.established
}

// diagRequest is a question to sock_diag (struct inet_diag_req_v2 in
// include/uapi/linux/inet_diag.h): about sockets in the states of a bit mask, or
// about the one between two ends.
type diagRequest struct {
	family, protocol uint8
	states           uint32
	local, remote    netip.AddrPort
}

const (
	diagRequestSize = 56
	diagAnswerSize  = 72
	diagOnlyIPv6    = 11 // INET_DIAG_SKV6ONLY
)

// Len is the size of the request.
func (q diagRequest) Len() int { return diagRequestSize }

// Serialize encodes the request.
func (q diagRequest) Serialize() []byte {
	b := make([]byte, diagRequestSize)
	b[0], b[1] = q.family, q.protocol
	binary.NativeEndian.PutUint32(b[4:], q.states)
	binary.BigEndian.PutUint16(b[8:], q.local.Port())
	binary.BigEndian.PutUint16(b[10:], q.remote.Port())
	copy(b[12:28], q.local.Addr().AsSlice())
	copy(b[28:44], q.remote.Addr().AsSlice())
	binary.NativeEndian.PutUint64(b[48:], ^uint64(0)) // whichever socket it is
	return b
}

func diagnosed(q diagRequest, flags int) ([]socket, error) {
	request := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, flags)
	request.AddData(q)
	messages, err := request.Execute(unix.NETLINK_INET_DIAG, 0)
	if err := tolerable(err); err != nil {
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	var found []socket
	for _, m := range messages {
		s, err := decodeDiag(m, binary.NativeEndian)
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, nil
}

// decodeDiag reads an answer (struct inet_diag_msg) of a machine of an order of bytes, which
// ports and addresses do not have: they are as in packets.
func decodeDiag(m []byte, order binary.ByteOrder) (socket, error) {
	if len(m) < diagAnswerSize {
		return socket{}, fmt.Errorf("an answer about a socket of %d bytes, want %d", len(m), diagAnswerSize)
	}
	end := func(port, address int) netip.AddrPort {
		addr := netip.AddrFrom4([4]byte(m[address:]))
		if m[0] == unix.AF_INET6 {
			addr = netip.AddrFrom16([16]byte(m[address:])).Unmap()
		}
		return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(m[port:]))
	}
	s := socket{local: end(4, 8), remote: end(6, 24), state: m[1], device: int(order.Uint32(m[40:])), inode: uint64(order.Uint32(m[68:]))}
	attributes, err := nl.ParseRouteAttr(m[diagAnswerSize:])
	if err != nil {
		return s, fmt.Errorf("an answer about a socket: %w", err)
	}
	for _, a := range attributes {
		if a.Attr.Type == diagOnlyIPv6 && len(a.Value) > 0 {
			s.onlyIPv6 = a.Value[0] != 0
		}
	}
	return s, nil
}

// listed reads a table of /proc/net, in the calling thread's namespace.
func listed(family, protocol, state uint8) ([]socket, error) {
	name := map[uint8]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp"}[protocol]
	if family == unix.AF_INET6 {
		name += "6"
	}
	file, err := os.Open("/proc/thread-self/net/" + name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var found []socket
	lines := bufio.NewScanner(file)
	lines.Scan() // the heading
	for lines.Scan() {
		s, err := parseSocket(lines.Text(), binary.NativeEndian)
		if err != nil {
			return found, fmt.Errorf("/proc/net/%s: %w", name, err)
		}
		if s.state == state {
			found = append(found, s)
		}
	}
	return found, lines.Err()
}

// parseSocket reads a line: number, local and remote address, state, queues,
// timer, retransmissions, user, timeout, inode (proc(5)).
func parseSocket(line string, order binary.ByteOrder) (socket, error) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return socket{}, fmt.Errorf("line %q has %d fields, want 10 or more", line, len(fields))
	}
	local, errLocal := parseEndpoint(fields[1], order)
	remote, errRemote := parseEndpoint(fields[2], order)
	state, errState := strconv.ParseUint(fields[3], 16, 8)
	inode, errInode := strconv.ParseUint(fields[9], 10, 64)
	return socket{local: local, remote: remote, state: uint8(state), inode: inode, device: unsaid}, errors.Join(errLocal, errRemote, errState, errInode)
}

// parseEndpoint reads an address as words of four bytes in the machine's order,
// and a port, all in hexadecimal: 0100007F:0016 is 127.0.0.1:22 on a little-endian one.
func parseEndpoint(text string, order binary.ByteOrder) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("address %q is not made of words in hexadecimal", text)
	}
	for i := 0; i < len(raw); i += 4 {
		order.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	number, err := strconv.ParseUint(port, 16, 16)
	addr, ok := netip.AddrFromSlice(raw)
	if err != nil || !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q is not an address and a port", text)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), nil
}
