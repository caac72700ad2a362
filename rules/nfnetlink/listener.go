package nfnetlink

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listener has joined the group of nf_tables' notices (NFNLGRP_NFTABLES): every change by anybody, and at its end the
// generation that it made.
type Listener struct {
	file *os.File
	raw  syscall.RawConn
	buf  []byte
}

// listenBuffer holds the notices of a change of some ten thousand rules.
const listenBuffer = 8 << 20

// Listen joins. It needs CAP_NET_ADMIN.
func Listen() (*Listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket for nf_tables: %w", err)
	}
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTABLES)
	}
	if err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.EPERM) {
			return nil, Permission("listening to changes of nf_tables")
		}
		return nil, fmt.Errorf("listen to changes of nf_tables: %w", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, listenBuffer) != nil {
		// Without the privilege in the first user namespace, as much as is allowed.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, listenBuffer)
	}
	l := &Listener{file: os.NewFile(uintptr(fd), "nf_tables"), buf: make([]byte, 128<<10)}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		l.file.Close()
		return nil, fmt.Errorf("listen to changes of nf_tables: %w", err)
	}
	return l, nil
}

// Close leaves the group, and ends a Receive that waits.
func (l *Listener) Close() { l.file.Close() }

// SetRoom sets how many bytes of notices may wait before they are lost.
func (l *Listener) SetRoom(n int) error {
	var err error
	if e := l.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, n) }); e != nil {
		return e
	}
	return err
}

// Receive waits for a datagram; take it apart with Each. Notices that were lost, because too many had to wait, are
// ENOBUFS.
func (l *Listener) Receive() ([]byte, error) {
	var n int
	var err error
	if e := l.raw.Read(func(fd uintptr) bool {
		n, _, err = unix.Recvfrom(int(fd), l.buf, 0)
		return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	}); e != nil {
		return nil, e
	}
	return l.buf[:max(n, 0)], err
}

// Drain hands on the notices that are there already, and does not wait; lost tells that some were lost, because too many had to
// wait. A program that has ended has its changes announced already.
func (l *Listener) Drain(each func(Message)) (lost bool) {
	for {
		var n int
		var err error
		e := l.raw.Control(func(fd uintptr) { n, _, err = unix.Recvfrom(int(fd), l.buf, 0) })
		switch {
		case errors.Is(err, unix.ENOBUFS):
			lost = true
		case e != nil || err != nil || n <= 0:
			return lost
		default:
			Each(l.buf[:n], each)
		}
	}
}

// NewGeneration is the end of a change: the generation that it made, and by which program.
type NewGeneration struct {
	ID      uint32
	PID     int
	Program string
}

// By is the program that made it, as far as the kernel tells.
func (g NewGeneration) By() Process { return Process{g.PID, g.Program} }

// SeesKernelPIDs tells whether the kernel's process ids are this process's: notices carry those of the first PID namespace.
var SeesKernelPIDs = sync.OnceValue(func() bool {
	const first = "pid:[4026531836]" // PROC_PID_INIT_INO
	name, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && name == first
})

// NewGeneration reads a message of the kind NFT_MSG_NEWGEN.
func (m Message) NewGeneration() NewGeneration {
	return NewGeneration{m.Attrs.Get(unix.NFTA_GEN_ID).Word(), int(m.Attrs.Get(unix.NFTA_GEN_PROC_PID).Number()), m.Attrs.Get(unix.NFTA_GEN_PROC_NAME).Text()}
}
