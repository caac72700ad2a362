// Package nfnetlink asks the kernel about its nf_tables by netlink (linux/netfilter/nfnetlink.h, nf_tables.h): generations,
// tables, chains, rules and sets, in the network namespace of the calling thread. It needs CAP_NET_ADMIN there.
package nfnetlink

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrInterrupted is a dump that the kernel could not finish on one state of the tables.
	ErrInterrupted = errors.New("the tables changed during the dump")
	// ErrAbsent is wrapped by the error of a question to a kernel without nf_tables.
	ErrAbsent = errors.New("the kernel has no nf_tables")
)

// patience is how long the kernel may take to answer. It answers at once; the limit is there so that nothing can hang.
const patience = 10 * time.Second

// room is for a datagram. The kernel fills 32 KiB of it, and begins a dump of rules from the top for each datagram, so
// that smaller ones would cost the square of their number.
const room = 64 << 10

// Socket is for questions. One goroutine at a time may use it.
type Socket struct {
	fd  int
	seq uint32
	buf []byte
}

// Dial opens a socket; close it after use.
func Dial() (*Socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return nil, fmt.Errorf("open a netlink socket: %w", ErrAbsent)
	case err != nil:
		return nil, fmt.Errorf("open a netlink socket for nf_tables: %w", err)
	}
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("prepare a netlink socket for nf_tables: %w", err)
	}
	return &Socket{fd: fd, buf: make([]byte, room)}, nil
}

// Close ends it.
func (s *Socket) Close() { unix.Close(s.fd) }

// Ask sends one request and calls each for every message of the answer. The message is valid only during the call. A dump
// that was interrupted by a change ends with ErrInterrupted.
func (s *Socket) Ask(kind, flags uint16, family byte, attrs []byte, each func(Message)) error {
	s.seq++
	if err := s.send(AppendMessage(nil, kind, unix.NLM_F_REQUEST|flags, s.seq, family, attrs)); err != nil {
		return err
	}
	interrupted := false
	for {
		datagram, err := s.receive()
		if err != nil {
			return err
		}
		done, cut, err := s.answer(datagram, flags&unix.NLM_F_DUMP != 0, each)
		interrupted = interrupted || cut
		switch {
		case err != nil:
			return err
		case done && interrupted:
			return ErrInterrupted
		case done:
			return nil
		}
	}
}

// Dump asks for all objects of a kind, once; see Ask.
func (s *Socket) Dump(kind uint16, family byte, attrs []byte, each func(Message)) error {
	return s.Ask(kind, unix.NLM_F_DUMP, family, attrs, each)
}

// Generation is the number of the present state of the network namespace's nf_tables. Every change of any object of them
// makes a new one. A kernel without nf_tables is ErrAbsent.
func (s *Socket) Generation() (id uint32, err error) {
	err = s.Ask(unix.NFT_MSG_GETGEN, 0, unix.NFPROTO_UNSPEC, nil, func(m Message) { id = m.Attrs.Get(unix.NFTA_GEN_ID).Word() })
	if errors.Is(err, unix.EINVAL) { // nfnetlink without this subsystem (nfnetlink.c, nfnetlink_rcv_msg)
		err = ErrAbsent
	}
	return id, err
}

// Generation opens a socket for the one question.
func Generation() (uint32, error) {
	s, err := Dial()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	return s.Generation()
}

// ReplaceRule replaces a rule, given the attributes of the request, in a transaction of its own.
func (s *Socket) ReplaceRule(family byte, attrs []byte) error {
	begin, replace := s.seq+1, s.seq+2
	s.seq += 3
	const subsystem = unix.NFNL_SUBSYS_NFTABLES
	batch := appendPacket(nil, unix.NFNL_MSG_BATCH_BEGIN, unix.NLM_F_REQUEST, begin, unix.NFPROTO_UNSPEC, subsystem, nil)
	batch = AppendMessage(batch, unix.NFT_MSG_NEWRULE, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_REPLACE, replace, family, attrs)
	batch = appendPacket(batch, unix.NFNL_MSG_BATCH_END, unix.NLM_F_REQUEST, s.seq, unix.NFPROTO_UNSPEC, subsystem, nil)
	if err := s.send(batch); err != nil {
		return err
	}
	for {
		datagram, err := s.receive()
		if err != nil {
			return err
		}
		for p := range packets(datagram) {
			switch {
			case !p.whole:
				return errCut
			case p.failure() != 0:
				return asError(p.failure())
			case p.seq == replace:
				return nil
			}
		}
	}
}

func (s *Socket) send(b []byte) error {
	if err := unix.Sendto(s.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask nf_tables: %w", err)
	}
	return nil
}

// receive waits for a datagram, which is valid until the next one.
func (s *Socket) receive() ([]byte, error) {
	for {
		n, _, err := unix.Recvfrom(s.fd, s.buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, fmt.Errorf("read nf_tables' answer: %w", err)
		default:
			return s.buf[:n], nil
		}
	}
}

var errCut = errors.New("nf_tables' answer is cut short")

// answer takes one datagram of an answer.
func (s *Socket) answer(datagram []byte, dump bool, each func(Message)) (done, interrupted bool, err error) {
	for p := range packets(datagram) {
		if !p.whole {
			return true, interrupted, errCut
		}
		if p.seq != s.seq {
			continue // the rest of an answer that was given up
		}
		interrupted = interrupted || p.flags&unix.NLM_F_DUMP_INTR != 0
		if p.kind == unix.NLMSG_DONE || p.kind == unix.NLMSG_ERROR {
			return true, interrupted, asError(p.failure())
		}
		if m, ok := p.message(); ok {
			each(m)
		}
		if !dump {
			return true, interrupted, nil
		}
	}
	return false, interrupted, nil
}

// asError says what the kernel's error number means here.
func asError(errno unix.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.EPERM, unix.EACCES:
		return Permission("asking the kernel for its nf_tables")
	case unix.EINTR:
		return ErrInterrupted
	default:
		return fmt.Errorf("nf_tables: %w", errno)
	}
}
