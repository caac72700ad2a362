package nfnetlink

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// notice is one of nf_tables written byte by byte: headers are in the machine's order, numbers in network order. Run for
// a machine of each order, it proves both: see the Makefile's bigendian.
var notice = map[bool][]byte{
	false: {
		44, 0, 0, 0, 15, 10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x12, 0x34, // struct nlmsghdr, struct nfgenmsg
		8, 0, 1, 0, 0xab, 0xcd, 0x12, 0x34, 8, 0, 2, 0, 0, 0, 1, 2, 7, 0, 3, 0, 'i', 'p', 0, 0,
	},
	true: {
		0, 0, 0, 44, 10, 15, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 2, 0, 0x12, 0x34,
		0, 8, 0, 1, 0xab, 0xcd, 0x12, 0x34, 0, 8, 0, 2, 0, 0, 1, 2, 0, 7, 0, 3, 'i', 'p', 0, 0,
	},
}[binary.NativeEndian.Uint16([]byte{1, 2}) == 0x0102]

func TestMessages(t *testing.T) {
	seen := 0
	cut := notice[:30]
	datagram := append(append(append([]byte(nil), notice...), notice...), cut...)
	Each(datagram, func(m Message) {
		seen++
		if m.Kind != unix.NFT_MSG_NEWGEN || m.Family != unix.NFPROTO_IPV4 || m.Generation != 0x1234 {
			t.Errorf("the message is %+v", m)
		}
		if n := m.Attrs.Get(1).Word(); n != 0xabcd1234 {
			t.Errorf("its number is %#x", n)
		}
		if name := m.Attrs.Get(3); name.Text() != "ip" || !name.Is("ip") || name.Is("i") || name.Is("ip6") {
			t.Errorf("its name is %q", name.Text())
		}
		if m.Attrs.Has(4) || !m.Attrs.Has(2) || m.Attrs.Get(4).Number() != 0 || m.Attrs.Get(4).Text() != "" {
			t.Errorf("its attributes are % x", m.Attrs)
		}
	})
	if seen != 2 {
		t.Errorf("%d messages of 2", seen)
	}
	attrs := AppendAttribute(nil, 1, []byte{0xab, 0xcd, 0x12, 0x34})
	attrs = AppendText(AppendAttribute(attrs, 2, []byte{0, 0, 1, 2}), 3, "ip")
	if again := appendPacket(nil, unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN, 0, 7, unix.NFPROTO_IPV4, 0x1234, attrs); string(again) != string(notice) {
		t.Errorf("written again it is % x, not % x", again, notice)
	}
}

// TestAnswer has answers that are whole, interrupted in a message or in the end alone, refused and cut short.
func TestAnswer(t *testing.T) {
	part := func(kind, flags uint16, content ...byte) []byte {
		b := appendPacket(nil, kind, flags, 5, 0, 0, content)
		if kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR { // which have no struct nfgenmsg
			b = append(b[:unix.SizeofNlMsghdr], content...)
			binary.NativeEndian.PutUint32(b, uint32(len(b)))
		}
		return b
	}
	number := func(errno unix.Errno) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(-int32(errno))) }
	const rule = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWRULE
	other := appendPacket(nil, rule, 0, 4, 0, 0, nil)
	for _, test := range []struct {
		name              string
		parts             [][]byte
		seen              int
		done, interrupted bool
		err               error
	}{
		{"whole", [][]byte{part(rule, 0), part(rule, 0), part(unix.NLMSG_DONE, 0, number(0)...)}, 2, true, false, nil},
		{"to be continued", [][]byte{part(rule, 0)}, 1, false, false, nil},
		{"the rest of another", [][]byte{other, part(rule, 0)}, 1, false, false, nil},
		{"interrupted", [][]byte{part(rule, unix.NLM_F_DUMP_INTR), part(unix.NLMSG_DONE, 0, number(0)...)}, 1, true, true, nil},
		{"interrupted at the end", [][]byte{part(rule, 0), part(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, number(0)...)}, 1, true, true, nil},
		{"given up", [][]byte{part(unix.NLMSG_DONE, 0, number(unix.EINTR)...)}, 0, true, false, ErrInterrupted},
		{"refused", [][]byte{part(unix.NLMSG_ERROR, 0, number(unix.EPERM)...)}, 0, true, false, ErrPermission},
		{"none there", [][]byte{part(unix.NLMSG_ERROR, 0, number(unix.ENOENT)...)}, 0, true, false, unix.ENOENT},
		{"cut short", [][]byte{part(rule, 0), part(rule, 0)[:18]}, 1, true, false, errCut},
	} {
		t.Run(test.name, func(t *testing.T) {
			var datagram []byte
			for _, p := range test.parts {
				datagram = append(datagram, p...)
			}
			seen := 0
			done, interrupted, err := (&Socket{seq: 5}).answer(datagram, true, func(Message) { seen++ })
			if seen != test.seen || done != test.done || interrupted != test.interrupted || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("%d messages, done %v, interrupted %v, %v", seen, done, interrupted, err)
			}
		})
	}
}
