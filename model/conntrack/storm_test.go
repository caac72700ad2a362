package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	timo "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"nattui/model/flow"
	"nattui/model/lab"
	"nattui/rules"
)

// stormsOfTest is how many storms TestStorms plays unless it is asked for more.
const stormsOfTest = 8

// TestStorms lets all that befalls a connection table befall it at once, and then wants the table that was
// followed to be the kernel's: flow for flow, by tuple, zone and ID, with status, state, mark and translation.
// It plays some storms that are the same each time, or those of NATTUI_SEED, or with
// NATTUI_STORMS=20m ever new ones for so long.
func TestStorms(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	first, last := uint64(1), uint64(stormsOfTest)
	end := time.Now()
	if text := os.Getenv("NATTUI_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("NATTUI_SEED %q: %v", text, err)
		}
		first, last = seed, seed
	}
	if text := os.Getenv("NATTUI_STORMS"); text != "" {
		long, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("NATTUI_STORMS %q: %v", text, err)
		}
		end = end.Add(long)
		if os.Getenv("NATTUI_SEED") == "" {
			first = uint64(end.UnixNano())
		}
		last = first
	}
	s := newSky(t)
	for seed := first; seed <= last || time.Now().Before(end); seed++ {
		s.play(seed)
	}
}

// sky is the namespace over which storms pass.
type sky struct {
	*testing.T
	flows  *flow.Flows // outlives one Follow, as its table would if the kernel's changed meanwhile
	fences uint32
}

func newSky(t *testing.T) *sky {
	track(t)
	for _, rule := range []string{
		"-t nat -A OUTPUT -p tcp -d 127.0.0.2 --dport 80 -j REDIRECT --to-ports 8080",
		"-t nat -A OUTPUT -p udp -d 127.128.0.0/10 -j DNAT --to-destination 127.0.0.1:9",
		"-t nat -A POSTROUTING -d 127.0.0.3 -j SNAT --to-source 127.0.0.9",
		"-t mangle -A OUTPUT -p udp -m statistic --mode random --probability 0.3 -j CONNMARK --set-mark 0x10",
		"-t raw -A OUTPUT -d 127.192.0.0/10 -j CT --zone 7",
		"-t raw -A OUTPUT -d 127.64.0.0/10 -j CT --zone-orig 8",
	} {
		iptables(t, "iptables", strings.Fields(rule)...)
	}
	serve(t, "127.0.0.1:8080")
	serve(t, "127.0.0.3:8080")
	return &sky{T: t, flows: flow.NewFlows()}
}

// storm is one of them.
type storm struct {
	*sky
	table *Table
	rand  *rand.Rand
	size  int // how much of each kind happens

	stir chan struct{} // a batch was applied
	held sync.RWMutex  // held for writing while the receiver is busy with something else
	told strings.Builder
}

func (s *sky) play(seed uint64) {
	s.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	buffer := []int{4 << 10, 16 << 10, 64 << 10, 200 << 10, 1 << 20, 8 << 20, 64 << 20}[r.IntN(7)]
	if r.IntN(3) == 0 {
		s.flows = flow.NewFlows()
	}
	w := &storm{sky: s, rand: r, size: 20 << r.IntN(7), stir: make(chan struct{}, 1)}
	w.table = open(s, Options{ReceiveBuffer: buffer})
	fmt.Fprintf(&w.told, "NATTUI_SEED=%d, buffer of %d, size %d:", seed, buffer, w.size)

	events := []string{"1", "2", "2", "0"}[r.IntN(4)]
	setSysctl(s, "nf_conntrack_events", events)
	setSysctl(s, "nf_conntrack_acct", strconv.Itoa(r.IntN(2)))
	setSysctl(s, "nf_conntrack_udp_timeout", []string{"1", "2", "30", "120"}[r.IntN(4)])
	setSysctl(s, "nf_conntrack_icmp_timeout", []string{"1", "30"}[r.IntN(2)])
	fmt.Fprintf(&w.told, " events=%s", events)

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.table.Follow(ctx, w.take) }()
	w.blow()
	began := time.Now()
	silent := w.awaitAgreement()
	feed := w.table.Feed()
	s.Logf("%s; %d flows, %d events, %d missed in %d overruns, resynced in %v; equal after %v, silent %v",
		w.told.String(), s.flows.Len(), feed.Events, feed.Missed, feed.Overruns, feed.LastResync.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), silent)
	if feed.Malformed != 0 {
		s.Errorf("%s; %d messages were malformed", w.told.String(), feed.Malformed)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			s.Errorf("%s; Follow: %v", w.told.String(), err)
		}
	case <-time.After(time.Minute):
		s.Fatalf("%s; Follow does not end", w.told.String())
	}
	if err := w.table.Close(); err != nil {
		s.Errorf("%s; closing: %v", w.told.String(), err)
	}
}

// take applies a batch, when the receiver has the time.
func (w *storm) take(b *flow.Batch) {
	w.held.RLock()
	defer w.held.RUnlock()
	w.flows.Apply(b)
	select {
	case w.stir <- struct{}{}:
	default:
	}
}

// blow lets some of what may happen happen at once, and waits until all is over.
func (w *storm) blow() {
	kinds := []struct {
		name string
		play func(*rand.Rand)
	}{
		{"flood", w.flood},
		{"flood", w.flood},
		{"reuse", w.reuse},
		{"reuse", w.reuse},
		{"talk", w.talks},
		{"ping", w.pings},
		{"flush", w.flush},
		{"busy", w.busy},
		{"toggle", w.toggle},
		{"refresh", w.refresh},
		{"forget", w.forget},
		{"fresh", w.fresh},
	}
	var all sync.WaitGroup
	for _, kind := range kinds {
		seed := w.rand.Uint64()
		if w.rand.IntN(2) == 0 {
			continue
		}
		w.told.WriteString(" " + kind.name)
		all.Go(func() { kind.play(rand.New(rand.NewPCG(seed, 1))) })
	}
	all.Wait()
}

// flood sends datagrams, each of which is a flow of its own.
func (w *storm) flood(r *rand.Rand) {
	for left := w.size * 10; left > 0; {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			w.Error(err)
			return
		}
		addr := [4]byte{127, byte(r.Uint32()), byte(r.Uint32()), 1}
		for range min(left, 1+r.IntN(2000)) {
			left--
			_ = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Addr: addr, Port: 1 + r.IntN(65535)})
		}
		unix.Close(fd)
	}
}

// one is one of a small number of flows that reuse makes and ends again and again.
func one(r *rand.Rand) timo.Flow {
	n := byte(1 + r.IntN(30))
	from, to := netip.AddrFrom4([4]byte{192, 0, 2, n}), netip.AddrFrom4([4]byte{198, 51, 100, n})
	if n%3 == 0 {
		from, to = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: n}), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: 1, 15: n})
	}
	timeout := []uint32{1, 2, 600}[r.IntN(3)]
	proto, mark := []uint8{unix.IPPROTO_UDP, unix.IPPROTO_TCP}[n%2], uint32(r.IntN(3))
	f := timo.NewFlow(proto, timo.StatusConfirmed, from, to, 1000, 2000, timeout, mark)
	if proto == unix.IPPROTO_TCP {
		f.ProtoInfo.TCP = &timo.ProtoInfoTCP{State: uint8(1 + r.IntN(8))}
	}
	if r.IntN(2) == 0 {
		f.Status |= timo.StatusSeenReply | timo.StatusAssured
	}
	f.Zone = uint16(r.IntN(3))
	return f
}

// reuse makes, changes and ends flows of few tuples, in three zones.
func (w *storm) reuse(r *rand.Rand) {
	c, err := timo.Dial(nil)
	if err != nil {
		w.Error(err)
		return
	}
	defer c.Close()
	for range w.size * 4 {
		f := one(r)
		switch r.IntN(4) {
		case 0:
			_ = c.Create(f)
		case 1:
			_ = c.Delete(f)
		case 2:
			f.Status = 0 // some of its bits must not be taken back
			_ = c.Update(f)
		case 3:
			_ = c.Delete(f)
			_ = c.Create(f)
		}
	}
}

// talks opens and closes connections, some of them translated.
func (w *storm) talks(r *rand.Rand) {
	for range max(1, w.size/4) {
		to := []string{"127.0.0.1:8080", "127.0.0.2:80", "127.0.0.3:8080"}[r.IntN(3)]
		c, err := net.Dial("tcp", to)
		if err != nil {
			continue // a flow was forgotten at the wrong moment
		}
		_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		if r.IntN(3) > 0 {
			_, _ = c.Write([]byte("hello"))
			_, _ = c.Read(make([]byte, 8))
		}
		if r.IntN(2) == 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
}

// pings asks for echoes with many identifiers.
func (w *storm) pings(r *rand.Rand) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		w.Error(err)
		return
	}
	defer unix.Close(fd)
	for range w.size {
		echo := []byte{8, 0, 0, 0, 0, 0, 0, 1}
		id := uint16(r.IntN(1000))
		binary.BigEndian.PutUint16(echo[4:], id)
		sum := uint32(0x0800) + uint32(id) + 1
		binary.BigEndian.PutUint16(echo[2:], ^uint16(sum+sum>>16))
		_ = unix.Sendto(fd, echo, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + r.IntN(5))}})
	}
}

// flush empties the table now and then.
func (w *storm) flush(r *rand.Rand) {
	c, err := timo.Dial(nil)
	if err != nil {
		w.Error(err)
		return
	}
	defer c.Close()
	for range 1 + r.IntN(3) {
		w.meanwhile(r)
		if err := c.Flush(); err != nil {
			w.Errorf("emptying the table: %v", err)
		}
	}
}

// meanwhile waits until some more batches have come, so that what comes next is amid the rest.
func (w *storm) meanwhile(r *rand.Rand) {
	patience := time.After(50 * time.Millisecond)
	for range r.IntN(6) {
		select {
		case <-w.stir:
		case <-patience:
			return
		}
	}
}

// busy holds the receiver up, so that events gather, and get lost where the buffer is small.
func (w *storm) busy(r *rand.Rand) {
	for range 1 + r.IntN(4) {
		w.held.Lock()
		w.flood(r)
		w.held.Unlock()
		w.meanwhile(r)
	}
}

// toggle changes the kernel's settings.
func (w *storm) toggle(r *rand.Rand) {
	for range 1 + r.IntN(4) {
		w.meanwhile(r)
		setSysctl(w, "nf_conntrack_acct", strconv.Itoa(r.IntN(2)))
		setSysctl(w, "nf_conntrack_events", strconv.Itoa(r.IntN(3)))
	}
}

// some are a few of the flows that are known.
func (w *storm) some(r *rand.Rand) (flows []flow.Flow) {
	skip, want := r.IntN(100), 1+r.IntN(200)
	for _, f := range w.flows.Each {
		if skip--; skip < 0 {
			flows = append(flows, *f)
		}
		if len(flows) == want {
			break
		}
	}
	return flows
}

// refresh asks for flows as a screen does.
func (w *storm) refresh(r *rand.Rand) {
	for range w.size {
		if err := w.table.Refresh(w.some(r), w.take); err != nil {
			w.Errorf("refreshing: %v", err)
		}
	}
}

// forget deletes flows as the screens do.
func (w *storm) forget(r *rand.Rand) {
	for range 1 + r.IntN(5) {
		w.meanwhile(r)
		if _, err := w.table.Forget(w.some(r), w.take); err != nil {
			w.Errorf("forgetting: %v", err)
		}
	}
}

// fresh wants the whole table fresh, and then not.
func (w *storm) fresh(r *rand.Rand) {
	for i := range 2 * (1 + r.IntN(3)) {
		w.table.KeepFresh(i%2 == 0)
		w.meanwhile(r)
	}
}

// seen is what two tables must agree on about a flow.
type seen struct {
	reply  rules.Tuple
	side   flow.ZoneSide
	status flow.Status
	state  flow.State
	mark   uint32
}

func sight(f *flow.Flow) seen {
	return seen{f.Reply, f.ZoneSide, f.Status, f.State, f.Mark}
}

// kernel is the table as the other decoder reads it.
func (w *storm) kernel() map[flow.Key]seen {
	c, err := timo.Dial(nil)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	dump, err := c.Dump(nil)
	for errors.Is(err, unix.EINTR) {
		dump, err = c.Dump(nil)
	}
	if err != nil {
		w.Fatal(err)
	}
	flows := make(map[flow.Key]seen, len(dump))
	for i := range dump {
		f := plain(fromTimo(&dump[i])).Flow
		flows[f.Key()] = sight(&f)
	}
	return flows
}

// disagreement tells what the kernel and the table that was followed say differently, empty for nothing.
// The kernel is asked before and after, as flows may end and change meanwhile.
func (w *storm) disagreement() (n int, example string) {
	before := w.kernel()
	ours := make(map[flow.Key]seen, w.flows.Len())
	for _, f := range w.flows.Each {
		if f.Zone == 0 {
			f.ZoneSide = flow.ZoneBoth
		}
		ours[f.Key()] = sight(f)
	}
	after := w.kernel()
	differ := func(format string, args ...any) {
		if n++; n <= 3 {
			example += fmt.Sprintf("\n  "+format, args...)
		}
	}
	for k, f := range ours {
		was, had := before[k]
		is, has := after[k]
		if !had && !has {
			differ("only here: %+v %+v", k, f)
		} else if (!had || f != was) && (!has || f != is) {
			differ("%+v is here %+v, there %+v and then %+v", k, f, was, is)
		}
	}
	for k, was := range before {
		if is, has := after[k]; has && is == was {
			if _, ok := ours[k]; !ok {
				differ("only there: %+v %+v", k, is)
			}
		}
	}
	return n, example
}

// agreementLimit is how long after a storm the table may be wrong on a busy machine. Where the kernel tells of
// all ends it is right as soon as all events have been read; of flows of which it does not, a round finds out,
// which takes its time.
const agreementLimit = 2 * time.Minute

// awaitAgreement waits until all that happened has been told of, and the tables agree. It tells
// whether there are flows of which the kernel says nothing.
func (w *storm) awaitAgreement() (silent bool) {
	w.Helper()
	c, err := timo.Dial(nil)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	// Whatever the kernel told before this flow has been read once it is there.
	w.fences++
	fence := timo.NewFlow(unix.IPPROTO_UDP, 0, netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2"), uint16(w.fences), uint16(w.fences>>16), 600, 0)
	if err := c.Create(fence); err != nil {
		w.Fatal(err)
	}
	fenced := flow.Key{Orig: fromTuple(&fence.TupleOrig)}
	limit := time.NewTimer(agreementLimit)
	defer limit.Stop()
	compared := uint64(0)
	for why := ""; ; {
		feed := w.table.Feed()
		silent := feed.EventsOff || w.flows.Totals().Silent > 0
		if silent {
			w.table.KeepFresh(true) // else it may take a while until it is known what has ended
		}
		switch _, _, ok := w.flows.Lookup(fenced); {
		case !ok:
			why = "the last flow is not known"
		case feed.Listings == 0 || feed.Lost:
			why = "the table is not whole"
		case silent && feed.Listings == compared:
		default:
			compared = feed.Listings
			n, example := w.disagreement()
			if n == 0 {
				return silent
			}
			why = fmt.Sprintf("%d differences:%s", n, example)
		}
		select {
		case <-w.stir:
		case <-time.After(20 * time.Millisecond):
		case <-limit.C:
			w.Fatalf("%s\nafter %v %s\n%+v\n%d silent flows, kernel %+v", w.told.String(), agreementLimit, why, w.table.Feed(), w.flows.Totals().Silent, w.table.Health())
		}
	}
}
