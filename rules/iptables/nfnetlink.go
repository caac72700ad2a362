package iptables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules"
)

// This file speaks nfnetlink's nf_tables subsystem (linux/netfilter/nfnetlink.h,
// nf_tables.h) as far as it is asked often: generations, chains and counters.

const nftSubsystem = unix.NFNL_SUBSYS_NFTABLES << 8

// nftFamily is the nf_tables family that holds the iptables tables of a family.
func nftFamily(f rules.Family) byte {
	if f == rules.IPv6 {
		return unix.NFPROTO_IPV6
	}
	return unix.NFPROTO_IPV4
}

// errInterrupted is what a dump reports that the kernel could not finish on one
// state of the tables.
var errInterrupted = errors.New("the tables changed during the dump")

// patience is how long the kernel may take to answer. It answers at once; the
// limit is there so that nothing can hang.
const patience = 10 * time.Second

// nfnl is a netlink socket for requests. One goroutine at a time may use it.
type nfnl struct {
	fd  int
	seq uint32
	buf []byte
}

func dialNfnl() (*nfnl, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
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
	return &nfnl{fd: fd, buf: make([]byte, 256<<10)}, nil
}

func (n *nfnl) close() { unix.Close(n.fd) }

// nftMessage is a message of the nf_tables subsystem.
type nftMessage struct {
	kind       byte   // NFT_MSG_…
	family     byte   // NFPROTO_…
	generation uint16 // low half of the generation it belongs to
	attrs      attributes
}

// attributes are netlink attributes, still encoded.
type attributes []byte

// next takes the first attribute off; ok is false at the end.
func (a *attributes) next() (kind uint16, value []byte, ok bool) {
	b := *a
	if len(b) < unix.SizeofNlAttr {
		return 0, nil, false
	}
	size := int(binary.NativeEndian.Uint16(b))
	if size < unix.SizeofNlAttr || size > len(b) {
		return 0, nil, false
	}
	kind = binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	*a = b[min(align4(size), len(b)):]
	return kind, b[unix.SizeofNlAttr:size], true
}

// get returns the first attribute of the kind, nil if there is none.
func (a attributes) get(kind uint16) []byte {
	for {
		k, v, ok := a.next()
		if !ok {
			return nil
		}
		if k == kind {
			return v
		}
	}
}

// text returns a string attribute.
func (a attributes) text(kind uint16) string { return string(untilNul(a.get(kind))) }

// is compares a string attribute, without making a string of it.
func (a attributes) is(kind uint16, s string) bool { return string(untilNul(a.get(kind))) == s }

func align4(n int) int { return (n + 3) &^ 3 }

func untilNul(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}

// appendText appends a string attribute.
func appendText(b []byte, kind uint16, s string) []byte {
	return appendAttribute(b, kind, append([]byte(s), 0))
}

// appendAttribute appends an attribute with its padding.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// decode reads an nf_tables message from a netlink message's payload.
func decode(header uint16, payload []byte) (nftMessage, bool) {
	if header>>8 != unix.NFNL_SUBSYS_NFTABLES || len(payload) < 4 {
		return nftMessage{}, false
	}
	return nftMessage{byte(header), payload[0], binary.BigEndian.Uint16(payload[2:]), payload[4:]}, true
}

// appendMessage appends a netfilter message (struct nlmsghdr, struct nfgenmsg).
func appendMessage(b []byte, kind, flags uint16, seq uint32, family byte, resource uint16, attrs []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(unix.SizeofNlMsghdr+4+len(attrs)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, family, unix.NFNETLINK_V0)
	b = binary.BigEndian.AppendUint16(b, resource)
	return append(b, attrs...)
}

// ask sends one request and calls each for every message of the answer. The
// message is valid only during the call. A dump that was interrupted by a change
// ends with errInterrupted.
func (n *nfnl) ask(kind uint16, flags uint16, family byte, attrs []byte, each func(nftMessage)) error {
	n.seq++
	req := appendMessage(nil, nftSubsystem|kind, unix.NLM_F_REQUEST|flags, n.seq, family, 0, attrs)
	if err := unix.Sendto(n.fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask nf_tables: %w", err)
	}
	interrupted := false
	for {
		got, _, err := unix.Recvfrom(n.fd, n.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read nf_tables' answer: %w", err)
		}
		done, cut, err := n.answer(n.buf[:got], flags&unix.NLM_F_DUMP != 0, each)
		interrupted = interrupted || cut
		if err != nil || done {
			if err == nil && interrupted {
				err = errInterrupted
			}
			return err
		}
	}
}

// answer handles one datagram of an answer.
func (n *nfnl) answer(b []byte, dump bool, each func(nftMessage)) (done, interrupted bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		kind := binary.NativeEndian.Uint16(b[4:])
		flags := binary.NativeEndian.Uint16(b[6:])
		seq := binary.NativeEndian.Uint32(b[8:])
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return true, interrupted, errors.New("nf_tables' answer is cut short")
		}
		payload := b[unix.SizeofNlMsghdr:size]
		b = b[min(align4(size), len(b)):]
		if seq != n.seq {
			continue // the rest of an answer that was given up
		}
		interrupted = interrupted || flags&unix.NLM_F_DUMP_INTR != 0
		switch kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			if len(payload) >= 4 {
				err = errnoOf(int32(binary.NativeEndian.Uint32(payload)))
			}
			return true, interrupted, err
		default:
			if m, ok := decode(kind, payload); ok {
				each(m)
			}
			if !dump {
				return true, interrupted, nil
			}
		}
	}
	return false, interrupted, nil
}

func errnoOf(code int32) error {
	switch errno := unix.Errno(-code); {
	case code == 0:
		return nil
	case errno == unix.EPERM || errno == unix.EACCES:
		return permission("asking the kernel for its nf_tables")
	case errno == unix.EINTR:
		return errInterrupted
	default:
		return fmt.Errorf("nf_tables: %w", errno)
	}
}

// dump asks for all objects of a kind, once; see ask.
func (n *nfnl) dump(kind uint16, family byte, attrs []byte, each func(nftMessage)) error {
	return n.ask(kind, unix.NLM_F_DUMP, family, attrs, each)
}

// generation returns the number of the current nf_tables generation of the
// network namespace. Every change of any nf_tables object makes a new one.
func (n *nfnl) generation() (uint32, error) {
	var id uint32
	err := n.ask(unix.NFT_MSG_GETGEN, 0, unix.NFPROTO_UNSPEC, nil, func(m nftMessage) {
		if v := m.attrs.get(unix.NFTA_GEN_ID); len(v) == 4 {
			id = binary.BigEndian.Uint32(v)
		}
	})
	return id, err
}

// generation opens a socket for the one question.
func generation() (uint32, error) {
	n, err := dialNfnl()
	if err != nil {
		return 0, err
	}
	defer n.close()
	return n.generation()
}

// replaceRule replaces a rule, given the attributes of the request, in a
// transaction of its own.
func (n *nfnl) replaceRule(family byte, attrs []byte) error {
	begin, replace := n.seq+1, n.seq+2
	n.seq += 3
	const nft = unix.NFNL_SUBSYS_NFTABLES
	batch := appendMessage(nil, unix.NFNL_MSG_BATCH_BEGIN, unix.NLM_F_REQUEST, begin, unix.NFPROTO_UNSPEC, nft, nil)
	batch = appendMessage(batch, nftSubsystem|unix.NFT_MSG_NEWRULE, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_REPLACE, replace, family, 0, attrs)
	batch = appendMessage(batch, unix.NFNL_MSG_BATCH_END, unix.NLM_F_REQUEST, n.seq, unix.NFPROTO_UNSPEC, nft, nil)
	if err := unix.Sendto(n.fd, batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send a transaction to nf_tables: %w", err)
	}
	for {
		got, _, err := unix.Recvfrom(n.fd, n.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read nf_tables' answer: %w", err)
		}
		for b := n.buf[:got]; len(b) >= unix.SizeofNlMsghdr+4; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.SizeofNlMsghdr || size > len(b) {
				return errors.New("nf_tables' answer is cut short")
			}
			if err := errnoOf(int32(binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr:]))); err != nil {
				return err
			}
			if binary.NativeEndian.Uint32(b[8:]) == replace {
				return nil
			}
			b = b[min(align4(size), len(b)):]
		}
	}
}
