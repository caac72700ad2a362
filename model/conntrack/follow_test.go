package conntrack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/flow"
	"nattui/model/lab"
)

// inject gives a follower whose events come from the test: what is written to fd is a datagram of them.
func inject(t *testing.T, deliver func(*flow.Batch)) (f *follower, fd int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSocket(eventDatagrams, eventRoom)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		t.Skip("there is no netlink of netfilter, as in an emulator")
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(s.fd)
	s.fd, s.polls[0].Fd = pair[0], int32(pair[0])
	t.Cleanup(func() { s.close(); unix.Close(pair[1]) })
	return &follower{table: &Table{events: s}, deliver: deliver, schedule: schedule{due: time.Now().Add(time.Hour), looked: time.Now()}}, pair[1]
}

// TestMalformedMessagesAreCountedAndSkipped feeds events among garbage: messages cut off anywhere,
// with wrong lengths, flipped bits, too long ones, empty ones, and such as are no events.
func TestMalformedMessagesAreCountedAndSkipped(t *testing.T) {
	good := recorded(t)
	flows := flow.NewFlows()
	var told []flow.Message
	f, fd := inject(t, func(b *flow.Batch) {
		told = append(told, b.Messages...)
		flows.Apply(b)
	})
	var want []flow.Message
	sent := 0
	write := func(b []byte) {
		t.Helper()
		if _, err := unix.Write(fd, b); err != nil {
			t.Fatal(err)
		}
		if sent++; sent%8 == 0 { // the other side takes no more than some
			if _, err := f.read(); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect := func(b []byte) {
		for len(b) > 0 {
			m, rest, ok := nextMessage(b)
			var c flow.Message
			if ok && m.event(&c) {
				want = append(want, c)
			}
			b = rest
		}
	}
	malformed := uint64(0)
	bad := func(b []byte) { write(b); malformed++ }
	for i, b := range good {
		write(b)
		expect(b)
		for _, n := range []int{0, 1, 15, 16, 19, 20, 40, len(b) / 2, len(b) - 1} {
			bad(b[:n]) // cut off
		}
		short := bytes.Clone(b[:sizeofHeader+sizeofNfgenmsg])
		binary.NativeEndian.PutUint32(short, uint32(len(short)))
		bad(short) // without tuples
		long := bytes.Clone(b)
		binary.NativeEndian.PutUint32(long, 1<<31)
		bad(long)
		torn := bytes.Clone(b)
		binary.NativeEndian.PutUint16(torn[sizeofHeader+sizeofNfgenmsg:], 0xffff) // the first attribute's length
		bad(torn)
		done := bytes.Clone(b)
		binary.NativeEndian.PutUint16(done[4:], unix.NLMSG_DONE)
		bad(done)
		bad(append(bytes.Clone(b), make([]byte, eventRoom)...))
		padded := append(bytes.Clone(b), make([]byte, align(len(b))-len(b))...)
		both := append(padded, good[(i+1)%len(good)]...)
		write(both)
		expect(both)
	}
	for flows.Len() == 0 || uint64(len(told))+f.table.Feed().Malformed < uint64(len(want))+malformed {
		if n, err := f.read(); n == 0 || err != nil {
			t.Fatalf("%d events of %d, %d malformed of %d: %v", len(told), len(want), f.table.Feed().Malformed, malformed, err)
		}
	}
	if feed := f.table.Feed(); feed.Malformed != malformed || feed.Events != uint64(len(want)) {
		t.Errorf("%d malformed, not %d, and %d events, not %d", feed.Malformed, malformed, feed.Events, len(want))
	}
	for i := range want {
		if plain(told[i]) != plain(want[i]) {
			t.Fatalf("event %d is %+v, not %+v", i, told[i], want[i])
		}
	}
}

// TestGarbageHurtsNothing flips bits of real messages and lets the table take what comes of it: whatever it is, it is
// either an event or counted.
func TestGarbageHurtsNothing(t *testing.T) {
	good, flows, r := recorded(t), flow.NewFlows(), rand.New(rand.NewPCG(1, 1))
	f, fd := inject(t, flows.Apply)
	const n = 20_000
	for range n {
		b := bytes.Clone(good[r.IntN(len(good))])
		for range 1 + r.IntN(6) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		if r.IntN(4) == 0 {
			b = b[:r.IntN(len(b))]
		}
		if _, err := unix.Write(fd, b); err != nil {
			t.Fatal(err)
		}
		if got, err := f.read(); got != 1 || err != nil {
			t.Fatalf("%d datagrams of 1, %v", got, err)
		}
	}
	feed := f.table.Feed()
	if feed.Malformed == 0 || feed.Events == 0 || feed.Malformed+feed.Events < n {
		t.Errorf("%d malformed, %d events of %d messages", feed.Malformed, feed.Events, n)
	}
	for _, flow := range flows.Each {
		_ = flow.AppendJSON(nil, 1, "")
	}
}

// TestSumTellsWhatMoves: every counter, state and identity counts.
func TestSumTellsWhatMoves(t *testing.T) {
	one := flow.Flow{ID: 7, OrigPackets: 3, OrigBytes: 300}
	for name, move := range map[string]func(*flow.Flow){
		"another flow": func(f *flow.Flow) { f.ID++ }, "a packet": func(f *flow.Flow) { f.OrigPackets++ }, "an answer": func(f *flow.Flow) { f.ReplyPackets++ },
		"bytes": func(f *flow.Flow) { f.ReplyBytes++ }, "state": func(f *flow.Flow) { f.State++ }, "status": func(f *flow.Flow) { f.Status |= flow.StatusAssured },
	} {
		moved := one
		if move(&moved); sumOf(&moved) == sumOf(&one) {
			t.Errorf("%s makes no difference", name)
		}
	}
}

// TestRefreshEndsTheRest: a question about the visible flows that finds a counter moved has
// the whole table read soon.
func TestRefreshEndsTheRest(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	setSysctl(t, "nf_conntrack_acct", "1")
	fill(t, 1)
	f := follow(t, Options{})
	f.KeepFresh(true)
	f.await(t, "a long rest", f.resting.Load)
	var seen []flow.Flow
	for _, flow := range f.flows.Each {
		flow.OrigPackets++ // as if some had been counted differently meanwhile
		seen = append(seen, *flow)
	}
	if err := f.Refresh(seen, func(*flow.Batch) {}); err != nil {
		t.Fatal(err)
	}
	f.await(t, "the end of the rest", func() bool { return !f.resting.Load() })
}
