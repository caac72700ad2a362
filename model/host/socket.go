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

	"golang.org/x/sys/unix"

	"nattui/model"
)

// socket is a line of /proc/net/tcp and its kin.
type socket struct {
	local, remote netip.AddrPort
	state         uint8 // as TCP numbers its states; UDP uses two of them
	inode         uint64
}

const (
	established = 1
	unconnected = 7 // of UDP: nobody in particular is the other end
	listening   = 10
)

// tables are the kernel's lists of sockets, by protocol and family.
var tables = []struct {
	file  string
	proto model.Proto
	wants uint8
}{
	{"tcp", unix.IPPROTO_TCP, listening},
	{"tcp6", unix.IPPROTO_TCP, listening},
	{"udp", unix.IPPROTO_UDP, unconnected},
	{"udp6", unix.IPPROTO_UDP, unconnected},
}

func (r *reading) listeners() {
	for _, table := range tables {
		err := eachSocket(table.file, func(s socket) bool {
			// TCP lists listeners first; a busy proxy has many others.
			if s.state != table.wants {
				return table.wants != listening
			}
			holder := r.holders[s.inode]
			r.facts.Listeners = append(r.facts.Listeners, model.Listener{
				Proto: table.proto, Address: s.local, Process: holder.name, PID: holder.pid,
				BothFamilies: s.local.Addr() == netip.IPv6Unspecified(),
			})
			return true
		})
		if !errors.Is(err, os.ErrNotExist) { // without IPv6 there is no tcp6
			r.gap("listeners", err)
		}
	}
}

// eachSocket reads a table of sockets until yield returns false. It is the
// calling thread's network namespace that counts.
func eachSocket(table string, yield func(socket) bool) error {
	file, err := os.Open("/proc/thread-self/net/" + table)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Scan() // the heading
	for lines.Scan() {
		s, err := parseSocket(lines.Text())
		if err != nil {
			return fmt.Errorf("/proc/net/%s: %w", table, err)
		}
		if !yield(s) {
			return nil
		}
	}
	return lines.Err()
}

// parseSocket reads a line: number, local and remote address, state, queues,
// timer, retransmissions, user, timeout, inode (proc(5)).
func parseSocket(line string) (socket, error) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return socket{}, fmt.Errorf("line %q has %d fields, want 10 or more", line, len(fields))
	}
	local, errLocal := parseEndpoint(fields[1])
	remote, errRemote := parseEndpoint(fields[2])
	state, errState := strconv.ParseUint(fields[3], 16, 8)
	inode, errInode := strconv.ParseUint(fields[9], 10, 64)
	return socket{local, remote, uint8(state), inode}, errors.Join(errLocal, errRemote, errState, errInode)
}

// parseEndpoint reads an address as words of four bytes in the machine's order,
// and a port, all in hexadecimal: 0100007F:0016.
func parseEndpoint(text string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("address %q is not made of words in hexadecimal", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	number, err := strconv.ParseUint(port, 16, 16)
	addr, ok := netip.AddrFromSlice(raw)
	if err != nil || !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q is not an address and a port", text)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), nil
}
