package conntrack

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	timo "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"nattui/model/flow"
	"nattui/model/lab"
	"nattui/rules"
)

// testdata/messages has messages as a kernel of a little-endian machine sent them: dump lines and events of flows of
// many kinds.
const messagesFile = "testdata/messages"

// With NATTUI_RECORD=1 TestDecodersAgreeOnLiveFlows writes that file anew.
var record = os.Getenv("NATTUI_RECORD") == "1"

// oracle is what ti-mo/conntrack makes of the bytes of one netlink message.
func oracle(b []byte) (c flow.Message, ok bool) {
	var m netlink.Message
	if m.UnmarshalBinary(b) != nil {
		return c, false
	}
	var e timo.Event
	if e.Unmarshal(m) != nil || e.Flow == nil {
		return c, false
	}
	c = fromTimo(e.Flow)
	switch e.Type {
	case timo.EventNew:
		c.Kind = flow.EventNew
	case timo.EventUpdate:
		c.Kind = flow.EventUpdate
	case timo.EventDestroy:
		c.Kind = flow.EventDestroy
	}
	return c, true
}

// plain leaves out of a change what ti-mo cannot tell: which of the fields were there.
func plain(c flow.Message) flow.Message {
	c.Has = 0
	f := &c.Flow
	counts := f.OrigPackets | f.OrigBytes | f.ReplyPackets | f.ReplyBytes
	kept := *f
	*f = flow.Flow{
		Orig: kept.Orig, Reply: kept.Reply, Zone: kept.Zone, ZoneSide: kept.ZoneSide, State: kept.State,
		ID: kept.ID, Status: kept.Status, Mark: kept.Mark, Timeout: kept.Timeout, Start: kept.Start,
	}
	if counts != 0 {
		f.SetCounts(kept.OrigPackets, kept.OrigBytes, kept.ReplyPackets, kept.ReplyBytes)
	}
	if f.Zone == 0 {
		f.ZoneSide = flow.ZoneBoth
	}
	return c
}

// compareDecoders gives one message to both decoders and returns what ours made of it.
func compareDecoders(t *testing.T, b []byte) flow.Message {
	t.Helper()
	want, ok := oracle(b)
	if !ok {
		t.Fatalf("ti-mo cannot read % x", b)
	}
	var got flow.Message
	m, rest, whole := nextMessage(b)
	if !whole || len(rest) != 0 || !m.event(&got) {
		t.Fatalf("a message of %v was not understood: % x", want.Flow.Orig, b)
	}
	if plain(got) != plain(want) {
		t.Errorf("decoded\n%+v\nti-mo has\n%+v\nof % x", plain(got), plain(want), b)
	}
	return got
}

func recorded(t testing.TB) (messages [][]byte) {
	t.Helper()
	b, err := os.ReadFile(messagesFile)
	if err != nil {
		t.Fatal(err)
	}
	return split(t, reorder(b, binary.LittleEndian, binary.NativeEndian))
}

// reorder is a run of messages of a machine of one byte order as one of the other would send them: what the kernel
// says of flows is in network order, only the heads of messages and attributes are not.
func reorder(b []byte, from, to binary.ByteOrder) []byte {
	b = bytes.Clone(b)
	for rest := b; len(rest) >= sizeofHeader; {
		size := int(from.Uint32(rest))
		to.PutUint32(rest, from.Uint32(rest))
		to.PutUint16(rest[4:], from.Uint16(rest[4:]))
		to.PutUint16(rest[6:], from.Uint16(rest[6:]))
		to.PutUint32(rest[8:], from.Uint32(rest[8:]))
		to.PutUint32(rest[12:], from.Uint32(rest[12:]))
		reorderAttributes(rest[sizeofHeader+sizeofNfgenmsg:size], from, to)
		rest = rest[min(align(size), len(rest)):]
	}
	return b
}

func reorderAttributes(b []byte, from, to binary.ByteOrder) {
	for len(b) >= 4 {
		size, kind := int(from.Uint16(b)), from.Uint16(b[2:])
		to.PutUint16(b, uint16(size))
		to.PutUint16(b[2:], kind)
		if kind&unix.NLA_F_NESTED != 0 {
			reorderAttributes(b[4:size], from, to)
		}
		b = b[min(align(size), len(b)):]
	}
}

// TestMessageInNativeOrder decodes a message written byte by byte for machines of each order. Run on one of each, it
// proves that both are understood: see the Makefile's bigendian.
func TestMessageInNativeOrder(t *testing.T) {
	little := []byte{
		112, 0, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, unix.AF_INET, 0, 0, 0, // struct nlmsghdr, struct nfgenmsg
		36, 0, 1, 0x80, 20, 0, 1, 0x80, 8, 0, 1, 0, 192, 0, 2, 1, 8, 0, 2, 0, 198, 51, 100, 7, 12, 0, 2, 0x80, 5, 0, 1, 0, 47, 0, 0, 0,
		36, 0, 2, 0x80, 20, 0, 1, 0x80, 8, 0, 1, 0, 198, 51, 100, 7, 8, 0, 2, 0, 192, 0, 2, 1, 12, 0, 2, 0x80, 5, 0, 1, 0, 47, 0, 0, 0,
		8, 0, 8, 0, 0x11, 0x22, 0x33, 0x44, 8, 0, 12, 0, 0xaa, 0xbb, 0xcc, 0xdd, // mark, ID
		4, 0, 99, 0, // something of a later kernel
	}
	big := []byte{
		0, 0, 0, 112, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, unix.AF_INET, 0, 0, 0,
		0, 36, 0x80, 1, 0, 20, 0x80, 1, 0, 8, 0, 1, 192, 0, 2, 1, 0, 8, 0, 2, 198, 51, 100, 7, 0, 12, 0x80, 2, 0, 5, 0, 1, 47, 0, 0, 0,
		0, 36, 0x80, 2, 0, 20, 0x80, 1, 0, 8, 0, 1, 198, 51, 100, 7, 0, 8, 0, 2, 192, 0, 2, 1, 0, 12, 0x80, 2, 0, 5, 0, 1, 47, 0, 0, 0,
		0, 8, 0, 8, 0x11, 0x22, 0x33, 0x44, 0, 8, 0, 12, 0xaa, 0xbb, 0xcc, 0xdd,
		0, 4, 0, 99,
	}
	if got := reorder(little, binary.LittleEndian, binary.BigEndian); !bytes.Equal(got, big) {
		t.Fatalf("reordered it is % x", got)
	}
	native := little
	if binary.NativeEndian.Uint16([]byte{1, 2}) == 0x0102 {
		native = big
	}
	m, rest, ok := nextMessage(native)
	var c flow.Message
	if !ok || len(rest) != 0 || !m.event(&c) {
		t.Fatalf("the message is not understood: %+v", m)
	}
	want := rules.MakeTuple(rules.GRE, netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("198.51.100.7:0"))
	if f := c.Flow; c.Kind != flow.EventNew || f.Orig != want || f.Reply != want.Mirror() || f.Mark != 0x11223344 || f.ID != 0xaabbccdd {
		t.Errorf("the message is %+v", c)
	}
}

func split(t testing.TB, b []byte) (messages [][]byte) {
	t.Helper()
	for len(b) > 0 {
		m, rest, ok := nextMessage(b)
		if !ok {
			t.Fatalf("a broken message in % x", b)
		}
		messages = append(messages, b[:sizeofHeader+len(m.body)])
		b = rest
	}
	return messages
}

func TestDecodersAgreeOnRecordedMessages(t *testing.T) {
	messages := recorded(t)
	if len(messages) < 30 {
		t.Errorf("only %d messages", len(messages))
	}
	for _, b := range messages {
		compareDecoders(t, b)
	}
}

// TestDecodersAgreeOnLiveFlows makes flows of every kind, lets the kernel tell of them
// by events and by a dump, and gives all its messages to both decoders.
func TestDecodersAgreeOnLiveFlows(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	setSysctl(t, "nf_conntrack_acct", "1")
	setSysctl(t, "nf_conntrack_timestamp", "1")
	s, err := openSocket(64, eventRoom)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.setReceiveBuffer(4 << 20)
	for _, group := range eventGroups {
		if err := s.join(group); err != nil {
			t.Fatal(err)
		}
	}
	makeFlows(t)
	dumped := dumpMessages(t)
	c, err := timo.Dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	all := append(eventMessages(t, s), dumped...)
	seen := map[string]int{}
	for _, b := range all {
		got := compareDecoders(t, b)
		f := &got.Flow
		note := func(what string, yes bool) {
			if yes {
				seen[what]++
			}
		}
		note(f.Proto().String(), true)
		note(f.Family().String(), true)
		note(f.NAT().String(), true)
		note(got.Kind.String(), true)
		note("counters", f.Counts() && f.OrigBytes > 0)
		note("start", f.Start != 0)
		note("stop", got.Stop != 0)
		note("mark", f.Mark == 0x10)
		note("zone", f.Zone == 7 && f.ZoneSide == flow.ZoneBoth)
		note("zone orig", f.Zone == 8 && f.ZoneSide == flow.ZoneOrig)
		note("state", f.StateName() == "ESTABLISHED")
		note("assured", f.Status&flow.StatusAssured != 0)
	}
	for _, what := range []string{
		"tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "254", "ipv4", "ipv6", "none", "snat", "dnat", "both", "new", "update", "destroy",
		"counters", "start", "stop", "mark", "zone", "zone orig", "state", "assured",
	} {
		if seen[what] == 0 {
			t.Errorf("no message with %s among %d: %v", what, len(all), seen)
		}
	}
	if record {
		var file []byte
		for _, b := range all {
			file = append(file, b...)
			file = append(file, make([]byte, align(len(b))-len(b))...)
		}
		if err := os.WriteFile(messagesFile, file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func dumpMessages(t *testing.T) (messages [][]byte) {
	l, err := openListing()
	if err != nil {
		t.Fatal(err)
	}
	defer l.socket.close()
	for {
		if _, err := l.socket.wait(queryPatience); err != nil {
			t.Fatal(err)
		}
		b, _ := l.socket.datagram(0)
		for _, m := range split(t, append([]byte(nil), b...)) {
			if binary.NativeEndian.Uint16(m[4:]) == unix.NLMSG_DONE {
				return messages
			}
			messages = append(messages, m)
		}
	}
}

func eventMessages(t *testing.T, s *socket) (messages [][]byte) {
	for {
		n, err := s.poll()
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return messages
		}
		for i := range n {
			b, _ := s.datagram(i)
			messages = append(messages, split(t, append([]byte(nil), b...))...)
		}
	}
}

// makeFlows makes connections over the loopback, and flows that no packet makes
// here over ctnetlink.
func makeFlows(t *testing.T) {
	t.Helper()
	for _, rule := range []string{
		"-t nat -A OUTPUT -p tcp -d 127.0.0.2 --dport 80 -j REDIRECT --to-ports 8080",
		"-t nat -A POSTROUTING -d 127.0.0.3 -j SNAT --to-source 127.0.0.9",
		"-t nat -A OUTPUT -p tcp -d 127.0.0.4 -j DNAT --to-destination 127.0.0.3:8080",
		"-t mangle -A OUTPUT -p udp -j CONNMARK --set-mark 0x10",
		"-t raw -A OUTPUT -d 127.0.0.7 -j CT --zone 7",
		"-t raw -A OUTPUT -d 127.0.0.8 -j CT --zone-orig 8",
	} {
		iptables(t, "iptables", strings.Fields(rule)...)
	}
	for _, listen := range []string{"127.0.0.1:8080", "127.0.0.3:8080", "127.0.0.3:8081", "[::1]:8080"} {
		serve(t, listen)
	}
	for _, to := range []string{"127.0.0.1:8080", "127.0.0.2:80", "127.0.0.3:8081", "127.0.0.4:9000", "[::1]:8080"} {
		talk(t, "tcp", to, []byte("hello"), true)
	}
	for _, to := range []string{"127.0.0.1:9", "127.0.0.7:9", "127.0.0.8:9", "[::1]:9"} {
		talk(t, "udp", to, []byte("hello"), false)
	}
	echo := []byte{8, 0, 0, 0, 0, 7, 0, 1}
	binary.BigEndian.PutUint16(echo[2:], ^uint16(0x0800+0x0007+0x0001))
	talk(t, "ip4:icmp", "127.0.0.1", echo, true)
	talk(t, "ip6:ipv6-icmp", "::1", []byte{128, 0, 0, 0, 0, 7, 0, 1}, true)
	talk(t, "ip4:254", "127.0.0.1", []byte("hello"), false)

	c, err := timo.Dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	gre := timo.NewFlow(unix.IPPROTO_GRE, 0, a, b, 100, 200, 60, 5)
	sctp := timo.NewFlow(unix.IPPROTO_SCTP, timo.StatusConfirmed|timo.StatusAssured|timo.StatusSeenReply, a, b, 5000, 5001, 60, 0)
	sctp.ProtoInfo.SCTP = &timo.ProtoInfoSCTP{State: 4, VTagOriginal: 1, VTagReply: 2}
	for _, f := range []timo.Flow{gre, sctp} {
		if err := c.Create(f); err != nil {
			t.Fatalf("creating %v: %v", f.TupleOrig, err)
		}
	}
}

// serve answers every connection with what it says.
func serve(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 64)
				n, _ := c.Read(b)
				_, _ = c.Write(b[:n])
			}()
		}
	}()
}

func talk(t *testing.T, network, to string, say []byte, answered bool) {
	t.Helper()
	c, err := net.Dial(network, to)
	if err != nil {
		t.Fatalf("%s %s: %v", network, to, err)
	}
	defer c.Close()
	if _, err := c.Write(say); err != nil {
		t.Fatalf("%s %s: %v", network, to, err)
	}
	if answered {
		if _, err := c.Read(make([]byte, 64)); err != nil {
			t.Fatalf("%s %s: %v", network, to, err)
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	messages := recorded(t)
	var b flow.Batch
	b.Messages = make([]flow.Message, 0, len(messages))
	if n := testing.AllocsPerRun(100, func() {
		b.Reset(1)
		for _, raw := range messages {
			m, _, _ := nextMessage(raw)
			m.event(b.Next())
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// odd tells of a message that no kernel sends and on which the decoders may differ: an attribute type above
// 255, which ti-mo cuts off, or the same attribute twice, of which it takes parts of both.
func odd(b []byte, depth int) bool {
	var seen [256]bool
	for a := (attributes{rest: b}); a.next(); {
		if a.kind > 255 || seen[a.kind] || depth > 0 && odd(a.value, depth-1) {
			return true
		}
		seen[a.kind] = true
	}
	return false
}

// mixed tells of another message that no kernel sends: ports of a protocol that has identifiers, or the other way
// round, which ours takes and ti-mo leaves out, or zones in several places, of which each takes another.
func mixed(b []byte) bool {
	zones := 0
	for tuple := (attributes{rest: b}); tuple.next(); {
		if tuple.kind == ctaZone {
			zones++
		}
		if tuple.kind != ctaTupleOrig && tuple.kind != ctaTupleReply {
			continue
		}
		for part := (attributes{rest: tuple.value}); part.next(); {
			if part.kind == ctaTupleZone {
				zones++
			}
			if part.kind != ctaTupleProto {
				continue
			}
			icmp, ids, ports := false, false, false
			for a := (attributes{rest: part.value}); a.next(); {
				switch {
				case a.kind == ctaProtoNum && len(a.value) == 1:
					icmp = rules.Protocol(a.value[0]).IsICMP()
				case a.kind == ctaProtoSrcPort, a.kind == ctaProtoDstPort:
					ports = true
				case a.kind >= ctaProtoICMPID && a.kind <= ctaProtoICMPv6Code:
					ids = true
				}
			}
			if icmp && ports || !icmp && ids {
				return true
			}
		}
	}
	return zones > 1
}

// FuzzDecode feeds both decoders with garbage: what both take they must take for the same.
func FuzzDecode(f *testing.F) {
	for _, m := range recorded(f) {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got flow.Message
		m, rest, ok := nextMessage(b)
		if !ok || !m.event(&got) {
			return
		}
		_ = got.Flow.Orig.String()
		_ = got.Flow.NAT()
		if len(rest) != 0 || odd(m.body[sizeofNfgenmsg:], 3) || mixed(m.body[sizeofNfgenmsg:]) {
			return // ti-mo takes one message at a time
		}
		want, ok := oracle(b)
		if ok && plain(got) != plain(want) {
			t.Errorf("decoded\n%+v\nti-mo has\n%+v", plain(got), plain(want))
		}
	})
}

// recordedTuples are the tuples of the recorded messages, as attributes.
func recordedTuples(t testing.TB) (tuples [][]byte) {
	for _, b := range recorded(t) {
		m, _, _ := nextMessage(b)
		for a := (attributes{rest: m.body[sizeofNfgenmsg:]}); a.next(); {
			if a.kind == ctaTupleOrig || a.kind == ctaTupleReply {
				tuples = append(tuples, a.value)
			}
		}
	}
	return tuples
}

// What plainTuple understands at a glance is what walking the attributes finds.
func FuzzPlainTuple(f *testing.F) {
	plain := 0
	for _, b := range recordedTuples(f) {
		f.Add(b)
		if plainTuple(b, new(rules.Tuple)) {
			plain++
		}
	}
	if plain == 0 {
		f.Error("no tuple of a real message is plain")
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var quick, walked rules.Tuple
		if !plainTuple(b, &quick) {
			if quick != (rules.Tuple{}) {
				t.Errorf("% x is not plain, but left %+v", b, quick)
			}
			return
		}
		if !walkTuple(b, &walked, new(flow.Flow), flow.ZoneOrig) || quick != walked {
			t.Errorf("% x is %+v at a glance, %+v when walked", b, quick, walked)
		}
	})
}
