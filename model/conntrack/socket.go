package conntrack

import (
	"encoding/binary"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a netlink socket of the netfilter family with buffers of its own for
// many datagrams a call. One goroutine at a time may use it; interrupt may be called by any.
//
// It is not with the runtime's poller: that would be woken by every single datagram
// of a flood, also while nobody wants to read, which costs more than all the rest.
type socket struct {
	fd    int
	alarm int // an eventfd that ends a wait

	room  int
	space []byte
	iov   []unix.Iovec
	vec   []mmsghdr
	polls [2]unix.PollFd
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
	alarm, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	s := &socket{
		fd: fd, alarm: alarm, room: room,
		space: make([]byte, n*room), iov: make([]unix.Iovec, n), vec: make([]mmsghdr, n),
		polls: [2]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(alarm), Events: unix.POLLIN}},
	}
	for i := range s.vec {
		s.iov[i].Base = &s.space[i*room]
		s.iov[i].SetLen(room)
		s.vec[i].header.Iov = &s.iov[i]
		s.vec[i].header.SetIovlen(1)
	}
	return s, nil
}

func (s *socket) close() {
	unix.Close(s.fd)
	unix.Close(s.alarm)
}

// wait blocks until there are datagrams and returns their number, or an error of
// the socket. It returns 0 when it has been interrupted or the time patience is over;
// below 0 it has no limit. It occupies a thread while it blocks.
func (s *socket) wait(patience time.Duration) (int, error) {
	if n, err := s.poll(); n != 0 || err != nil {
		return n, err
	}
	var limit *unix.Timespec
	if patience >= 0 {
		t := unix.NsecToTimespec(int64(patience))
		limit = &t
	}
	if _, err := unix.Ppoll(s.polls[:], limit, nil); err != nil && err != unix.EINTR {
		return 0, err
	}
	if s.polls[1].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(s.alarm, count[:])
	}
	return s.poll()
}

// interrupt ends a wait, or the next one at once if none is going on.
func (s *socket) interrupt() {
	one := [8]byte{1, 0, 0, 0, 0, 0, 0, 1} // not 0 in either byte order
	_, _ = unix.Write(s.alarm, one[:])
}

// poll returns the number of datagrams that are there now, perhaps none. It takes a millisecond at most and never
// waits, so Go's scheduler needs not hear of it: being told of a system call has it wake up some 30 times
// to see whether that has ended, which costs a tenth of following a flood.
func (s *socket) poll() (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.vec[0])), uintptr(len(s.vec)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
			return 0, nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
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
	const drops = 8
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0)
	return info[drops], errno == 0 && size >= (drops+1)*4
}

// request begins a ctnetlink message: its two headers, to be followed by attributes.
func request(b []byte, kind, flags uint16, seq uint32, family uint8) []byte {
	b = binary.NativeEndian.AppendUint32(b, sizeofHeader+sizeofNfgenmsg)
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	return append(b, family, 0, 0, 0) // struct nfgenmsg: family, NFNETLINK_V0, no resource
}
