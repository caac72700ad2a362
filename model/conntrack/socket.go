package conntrack

import (
	"encoding/binary"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a netlink socket of the netfilter family with buffers of its own for
// many datagrams a call. One goroutine at a time may use it.
type socket struct {
	fd   int
	file *os.File
	raw  syscall.RawConn

	room  int
	space []byte
	iov   []unix.Iovec
	vec   []mmsghdr
	got   int
	// attempt is what the runtime calls when the socket may be readable; made once,
	// as a closure in each call would be an allocation.
	attempt func(fd uintptr) bool
	errno   unix.Errno
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	size   uint32
}

// openSocket opens a socket that takes up to n datagrams of room bytes a call.
func openSocket(n, room int) (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	s := &socket{
		fd: fd, file: os.NewFile(uintptr(fd), "netlink"), room: room,
		space: make([]byte, n*room), iov: make([]unix.Iovec, n), vec: make([]mmsghdr, n),
	}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, err
	}
	for i := range s.vec {
		s.iov[i].Base = &s.space[i*room]
		s.iov[i].SetLen(room)
		s.vec[i].header.Iov = &s.iov[i]
		s.vec[i].header.SetIovlen(1)
	}
	s.attempt = func(fd uintptr) bool {
		for {
			n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&s.vec[0])), uintptr(len(s.vec)), unix.MSG_DONTWAIT, 0, 0)
			if s.got, s.errno = int(n), errno; errno != unix.EINTR {
				return errno != unix.EAGAIN
			}
		}
	}
	return s, nil
}

func (s *socket) close() { s.file.Close() }

// wait blocks until there are datagrams, the socket has an error, or the
// deadline of the file is over, and returns the number of datagrams.
func (s *socket) wait() (int, error) {
	s.got, s.errno = 0, 0
	if err := s.raw.Read(s.attempt); err != nil {
		return 0, err
	}
	return s.result()
}

// poll returns the number of datagrams that are there now, perhaps none.
func (s *socket) poll() (int, error) {
	s.attempt(uintptr(s.fd))
	if s.errno == unix.EAGAIN {
		return 0, nil
	}
	return s.result()
}

func (s *socket) result() (int, error) {
	if s.errno != 0 {
		return 0, s.errno
	}
	return s.got, nil
}

// datagram is one of those that the last wait or poll brought. It is not whole
// when it was longer than the room for it.
func (s *socket) datagram(i int) (b []byte, whole bool) {
	v := &s.vec[i]
	return s.space[i*s.room : i*s.room+min(int(v.size), s.room)], v.header.Flags&unix.MSG_TRUNC == 0
}

// send sends messages to the kernel.
func (s *socket) send(b []byte) error {
	return unix.Sendto(s.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// join subscribes to an event group.
func (s *socket) join(group int) error {
	return unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
}

func (s *socket) leave(group int) error {
	return unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, group)
}

// setReceiveBuffer asks for a buffer of so many bytes, beyond net.core.rmem_max
// if that is allowed, and returns what the kernel gave.
func (s *socket) setReceiveBuffer(bytes int) (got int, forced bool) {
	forced = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) == nil
	if !forced {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
	}
	got, _ = unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return got / 2, forced // the kernel doubles what is asked for, for its own bookkeeping (socket(7))
}

// drops is how many datagrams the kernel could not deliver to the socket so far
// (SK_MEMINFO_DROPS of SO_MEMINFO, Linux 4.12). It is false on older kernels.
func (s *socket) drops() (uint32, bool) {
	const drops, soMeminfo = 8, 55
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, soMeminfo,
		uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0)
	return info[drops], errno == 0 && size >= (drops+1)*4
}

// interrupt ends a wait at the given time; the zero time is never.
func (s *socket) interrupt(at time.Time) { _ = s.file.SetReadDeadline(at) }

// request begins a ctnetlink message: its two headers, to be followed by attributes.
func request(b []byte, kind, flags uint16, seq uint32, family uint8) []byte {
	b = binary.NativeEndian.AppendUint32(b, sizeofHeader+sizeofNfgenmsg)
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	return append(b, family, 0, 0, 0) // struct nfgenmsg: family, NFNETLINK_V0, no resource
}
