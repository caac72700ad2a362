package trace

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"nattui/model/traced"
	"nattui/rules"
)

// report encodes a trace message as the kernel does.
func report(a attrs) []byte {
	return message(0, 0, unix.NFPROTO_IPV4, 0, a).Data
}

func numbered(index uint32) string {
	return map[uint32]string{2: "wan0", 3: "lan0"}[index]
}

func TestDecode(t *testing.T) {
	header := []byte{0x45, 0, 0, 60, 0, 0, 0x40, 0, 63, 6, 0, 0, 203, 0, 113, 10, 192, 168, 0, 2}
	transport := []byte{0x0f, 0xa0, 0x1f, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0x02}
	m, ok := decode(report(attrs{
		text(unix.NFTA_TRACE_TABLE, "filter"), text(unix.NFTA_TRACE_CHAIN, "FORWARD"), number64(unix.NFTA_TRACE_RULE_HANDLE, 7),
		number(unix.NFTA_TRACE_TYPE, unix.NFT_TRACETYPE_RULE), number(unix.NFTA_TRACE_ID, 0xabcdef01),
		{kind: unix.NFTA_TRACE_VERDICT, within: attrs{number(unix.NFTA_VERDICT_CODE, uint32(0xfffffffd)), text(unix.NFTA_VERDICT_CHAIN, "web")}},
		number(unix.NFTA_TRACE_IIF, 2), number(unix.NFTA_TRACE_OIF, 3), number(unix.NFTA_TRACE_MARK, 0x10), number(unix.NFTA_TRACE_NFPROTO, unix.NFPROTO_IPV4),
		{kind: unix.NFTA_TRACE_NETWORK_HEADER, value: header},
		{kind: unix.NFTA_TRACE_TRANSPORT_HEADER, value: transport},
		number(ctID, 99),
	}), "own", numbered)
	if !ok || m.Packet == nil {
		t.Fatal("the report is not understood")
	}
	wantHop := traced.TraceHop{Family: "ip", Table: "filter", Chain: "FORWARD", Handle: 7, Verdict: "jump", To: "web"}
	if m.Hop != wantHop || m.ID != 0xabcdef01 || m.ConnID != 99 || m.Mark != traced.TraceNoMark {
		t.Errorf("the report is %+v", m)
	}
	wantPacket := traced.TracedPacket{
		Proto: rules.TCP, Src: netip.MustParseAddrPort("203.0.113.10:4000"), Dst: netip.MustParseAddrPort("192.168.0.2:8080"),
		In: "wan0", Out: "lan0", Mark: 0x10, TTL: 63, Length: 60, TCPFlags: 2,
	}
	if *m.Packet != wantPacket {
		t.Errorf("the packet is %+v, want %+v", *m.Packet, wantPacket)
	}
}

// TestReportInNativeOrder takes apart a report written byte by byte for machines of each order: the heads of attributes
// are in the machine's, numbers in network order. Run on one of each, it proves both: see the Makefile's bigendian.
func TestReportInNativeOrder(t *testing.T) {
	b := map[bool][]byte{
		false: {
			unix.NFPROTO_IPV4, 0, 0, 0, 6, 0, 1, 0, 't', 0, 0, 0, 6, 0, 2, 0, 'c', 0, 0, 0,
			12, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 8, 0, 4, 0, 0, 0, 0, 3, 12, 0, 5, 0x80, 8, 0, 1, 0, 0, 0, 0, 1,
			8, 0, 14, 0, 0x11, 0x22, 0x33, 0x44,
		},
		true: {
			unix.NFPROTO_IPV4, 0, 0, 0, 0, 6, 0, 1, 't', 0, 0, 0, 0, 6, 0, 2, 'c', 0, 0, 0,
			0, 12, 0, 3, 0, 0, 0, 0, 0, 0, 1, 2, 0, 8, 0, 4, 0, 0, 0, 3, 0, 12, 0x80, 5, 0, 8, 0, 1, 0, 0, 0, 1,
			0, 8, 0, 14, 0x11, 0x22, 0x33, 0x44,
		},
	}[binary.NativeEndian.Uint16([]byte{1, 2}) == 0x0102]
	var r raw
	each(b[4:], r.attribute)
	m, ok := decode(b, "own", numbered)
	if want := (traced.TraceHop{Family: "ip", Table: "t", Chain: "c", Handle: 0x102, Verdict: "accept"}); !ok || m.Hop != want || r.mark != 0x11223344 {
		t.Errorf("the report is %+v, of mark %#x", m, r.mark)
	}
	verdict := attrs{number(unix.NFTA_VERDICT_CODE, 1)}
	written := attrs{
		text(unix.NFTA_TRACE_TABLE, "t"), text(unix.NFTA_TRACE_CHAIN, "c"), number64(unix.NFTA_TRACE_RULE_HANDLE, 0x102), number(unix.NFTA_TRACE_TYPE, unix.NFT_TRACETYPE_RULE),
		{kind: unix.NFTA_TRACE_VERDICT, within: verdict},
		number(unix.NFTA_TRACE_MARK, 0x11223344),
	}.appendTo(nil)
	if !bytes.Equal(written, b[4:]) {
		t.Errorf("written again it is % x, not % x", written, b[4:])
	}
}

// TestVerdicts: the number of a queue or an errno sits above the verdict.
func TestVerdicts(t *testing.T) {
	for code, want := range map[uint32]string{0: "drop", 1: "accept", 3 | 5<<16: "queue", 0xffffffff: "continue", 0xfffffffb: "return", 0xfffffffc: "goto"} {
		m, ok := decode(report(attrs{
			text(unix.NFTA_TRACE_TABLE, "t"), text(unix.NFTA_TRACE_CHAIN, "c"), number(unix.NFTA_TRACE_TYPE, unix.NFT_TRACETYPE_RULE), number64(unix.NFTA_TRACE_RULE_HANDLE, 1),
			{kind: unix.NFTA_TRACE_VERDICT, within: attrs{number(unix.NFTA_VERDICT_CODE, code)}},
		}), "own", numbered)
		if !ok || m.Hop.Verdict != want {
			t.Errorf("verdict %#x is %q, want %q", code, m.Hop.Verdict, want)
		}
	}
}

func TestOwnTableMarks(t *testing.T) {
	for _, test := range []struct {
		chain string
		kind  uint32
		want  traced.TraceMark
	}{
		{chainRequestIn, unix.NFT_TRACETYPE_RULE, traced.TraceRequestBegins},
		{chainReplyOut, unix.NFT_TRACETYPE_RULE, traced.TraceReplyBegins},
		{chainReplyIn, unix.NFT_TRACETYPE_POLICY, traced.TraceNothing},
		{chainEndIn, unix.NFT_TRACETYPE_POLICY, traced.TraceArrives},
		{chainEndOut, unix.NFT_TRACETYPE_POLICY, traced.TraceLeaves},
	} {
		m, _ := decode(report(attrs{
			text(unix.NFTA_TRACE_TABLE, "own"), text(unix.NFTA_TRACE_CHAIN, test.chain), number(unix.NFTA_TRACE_TYPE, test.kind), number64(unix.NFTA_TRACE_RULE_HANDLE, 1),
		}), "own", numbered)
		if m.Mark != test.want {
			t.Errorf("%s, type %d: mark %d, want %d", test.chain, test.kind, m.Mark, test.want)
		}
	}
}

// FuzzDecode: whatever comes, nothing breaks, and what is understood is complete.
func FuzzDecode(f *testing.F) {
	f.Add(report(attrs{
		text(unix.NFTA_TRACE_TABLE, "nat"), text(unix.NFTA_TRACE_CHAIN, "PREROUTING"), number(unix.NFTA_TRACE_TYPE, unix.NFT_TRACETYPE_POLICY), number(unix.NFTA_TRACE_POLICY, 1),
		number(unix.NFTA_TRACE_NFPROTO, unix.NFPROTO_IPV6),
		{kind: unix.NFTA_TRACE_NETWORK_HEADER, value: make([]byte, 40)},
		{kind: unix.NFTA_TRACE_TRANSPORT_HEADER, value: make([]byte, 20)},
	}))
	f.Add([]byte{1, 0, 0, 0, 4, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := decode(b, "own", numbered)
		if ok && (m.Hop.Table == "" || m.Hop.Chain == "") {
			t.Errorf("a report without a place: %+v", m)
		}
		if m.Packet != nil && (!m.Packet.Src.IsValid() || m.Packet.Src.Addr().Is4() != m.Packet.Dst.Addr().Is4()) {
			t.Errorf("a packet without ends: %+v", m.Packet)
		}
	})
}
