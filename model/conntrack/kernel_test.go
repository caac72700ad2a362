package conntrack

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	timo "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/model/lab"
	"nattui/rules"
)

// run runs a program in the namespace of the test.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// iptables makes one change in the namespace.
func iptables(t testing.TB, program string, words ...string) {
	t.Helper()
	if err := lab.Iptables(program, words...); err != nil {
		t.Fatal(err)
	}
}

// track makes the kernel track connections of the namespace: it does so only
// once a rule refers to connection tracking.
func track(t testing.TB) {
	t.Helper()
	for program, nobody := range map[string]string{"iptables": "192.0.2.254", "ip6tables": "2001:db8::fe"} {
		iptables(t, program, "-t", "nat", "-A", "POSTROUTING", "-s", nobody, "-j", "MASQUERADE")
	}
}

// setSysctl changes a setting of connection tracking in the namespace.
func setSysctl(t testing.TB, name, value string) {
	t.Helper()
	if err := os.WriteFile(sysctlDir+name, []byte(value), 0o644); err != nil {
		t.Skipf("cannot set %s: %v", name, err)
	}
}

func open(t testing.TB, o Options) *Table {
	t.Helper()
	table, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return table
}

// filled is the i-th flow that fill makes.
func filled(i int) timo.Flow {
	client := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	port := uint16(1024 + i%60000)
	f := timo.NewFlow(unix.IPPROTO_UDP, 0, client, netip.MustParseAddr("203.0.113.1"), port, 80, 3600, 0)
	f.TupleReply = timo.Tuple{
		IP:    timo.IPTuple{SourceAddress: netip.MustParseAddr("192.168.0.2"), DestinationAddress: client},
		Proto: timo.ProtoTuple{Protocol: unix.IPPROTO_UDP, SourcePort: 8080, DestinationPort: port},
	}
	return f
}

// fill puts n flows into the table, over ctnetlink.
func fill(t testing.TB, n int) {
	t.Helper()
	c, err := timo.Dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range n {
		if err := c.Create(filled(i)); err != nil {
			t.Fatalf("after %d flows: %v", i, err)
		}
	}
}

// following is a Table whose Follow runs into flows; await waits for a condition
// that is looked at after each batch.
type following struct {
	*Table
	flows   *flow.Flows
	batches chan struct{}
	changes chan flow.Message
	stop    func() error
}

func follow(t testing.TB, o Options) *following {
	t.Helper()
	f := &following{
		Table: open(t, o), flows: flow.NewFlows(),
		batches: make(chan struct{}, 1), changes: make(chan flow.Message, 1<<16),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- f.Follow(ctx, func(b *flow.Batch) {
			f.flows.Apply(b)
			for i := range b.Messages {
				if b.Messages[i].Kind.IsEvent() {
					select {
					case f.changes <- b.Messages[i]:
					default:
					}
				}
			}
			select {
			case f.batches <- struct{}{}:
			default:
			}
		})
	}()
	stopped := false
	f.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := f.stop(); err != nil {
			t.Errorf("Follow: %v", err)
		}
	})
	f.await(t, "the first dump", func() bool { s := f.Feed(); return s.Live && s.Listings > 0 })
	return f
}

// await waits until ok holds; it fails after a time that only a broken program needs.
func (f *following) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for !ok() {
		select {
		case <-f.batches:
		case <-time.After(20 * time.Millisecond): // Feed changes after the batch
		case <-limit.C:
			t.Fatalf("waited in vain for %s; status %+v, %d flows", what, f.Feed(), f.flows.Len())
		}
	}
}

func dial(t testing.TB) *timo.Conn {
	t.Helper()
	c, err := timo.Dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// differences tells which flows only the kernel or only the table has.
func differences(t testing.TB, flows *flow.Flows) (kernel, table int) {
	t.Helper()
	dump, err := dial(t).Dump(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[flow.Key]bool{}
	for i := range dump {
		c := fromTimo(&dump[i])
		keys[c.Flow.Key()] = true
	}
	for _, f := range flows.Each {
		if !keys[f.Key()] {
			table++
		}
		delete(keys, f.Key())
	}
	return len(keys), table
}

func TestFollowSeesWhatIsThereAndWhatComes(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	fill(t, 200)
	f := follow(t, Options{})
	f.await(t, "the flows that were there", func() bool { return f.flows.Len() == 200 })
	c := dial(t)
	if err := c.Create(filled(200)); err != nil {
		t.Fatal(err)
	}
	f.await(t, "a new flow", func() bool { return f.flows.Len() == 201 })
	// The kernel sends no events of the flow that is older than the subscription, so
	// its end is found by reading the table again.
	for _, i := range []int{0, 200} {
		if err := c.Delete(filled(i)); err != nil {
			t.Fatal(err)
		}
	}
	f.await(t, "the end of two flows", func() bool { return f.flows.Len() == 199 })
	if n := f.flows.Totals().NAT[flow.NATDst]; n != 199 {
		t.Errorf("%d flows of 199 with dnat", n)
	}
	if kernel, table := differences(t, f.flows); kernel+table != 0 {
		t.Errorf("%d flows are missing, %d too many", kernel, table)
	}
	if err := f.stop(); err != nil {
		t.Error(err)
	}
}

// TestOverrun lets the kernel overrun a small buffer while nobody reads.
func TestOverrun(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	table, flows := open(t, Options{ReceiveBuffer: 4096}), flow.NewFlows()
	if b := table.Feed().Buffer; b.Got > 64<<10 {
		t.Fatalf("the buffer has %d bytes", b.Got)
	}
	blocked, release, repaired := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		first := true
		ended <- table.Follow(ctx, func(b *flow.Batch) {
			flows.Apply(b)
			if len(b.Messages) > 0 && b.Messages[0].Kind.IsEvent() && first {
				first = false
				close(blocked)
				<-release
			}
			if b.End && !first {
				repaired <- struct{}{}
			}
		})
	}()
	for table.Feed().Listings == 0 {
		time.Sleep(time.Millisecond)
	}
	c := dial(t)
	for i := 0; i < 3000; i++ {
		if err := c.Create(filled(i)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-blocked
		}
	}
	for i := 100; i < 200; i++ {
		if err := c.Delete(filled(i)); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	<-repaired
	for table.Feed().Resyncs == 0 {
		time.Sleep(time.Millisecond)
	}
	s := table.Feed()
	if s.Overruns == 0 || s.Missed == 0 || s.Missed+s.Events != 3000+100 || s.LastMissed == 0 || s.LastResync <= 0 {
		t.Errorf("status %+v of 3100 events", s)
	}
	if kernel, table := differences(t, flows); kernel+table != 0 {
		t.Errorf("%d flows are missing, %d too many", kernel, table)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestLossesWhileTheBufferIsRead: once a buffer has overrun the kernel drops all that comes until it has been read
// to its end, and says so only at the beginning. That is not to be missed: neither what is dropped
// while the table is read already, nor its number.
func TestLossesWhileTheBufferIsRead(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	table, flows := open(t, Options{ReceiveBuffer: 8 << 20}), flow.NewFlows()
	if b := table.Feed().Buffer; b.Got < 2<<20 {
		t.Skipf("a buffer of %d bytes is read at once", b.Got)
	}
	first, second := make(chan struct{}), make(chan struct{})
	gate := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		events, ends := 0, 0
		ended <- table.Follow(ctx, func(b *flow.Batch) {
			flows.Apply(b)
			if len(b.Messages) > 0 && b.Messages[0].Kind.IsEvent() {
				if events++; events == 1 {
					close(first)
					<-gate
				}
			}
			if b.End || events == 3 {
				if ends++; ends == 2 { // of a listing, or in the middle of the buffer
					close(second)
					<-gate
				}
			}
		})
	}()
	for table.Feed().Listings == 0 {
		time.Sleep(time.Millisecond)
	}
	c, sent := dial(t), uint64(0)
	must := func(err error) {
		t.Helper()
		if sent++; err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		must(c.Create(filled(i)))
	}
	<-first
	one := filled(0)
	for before, _ := table.events.drops(); ; {
		one.Mark++
		must(c.Update(one))
		if now, ok := table.events.drops(); !ok {
			t.Fatal("the kernel does not tell what it drops, as it does since Linux 4.12")
		} else if now > before {
			break
		}
	}
	gate <- struct{}{}
	<-second
	must(c.Create(filled(100)))
	must(c.Delete(filled(50)))
	gate <- struct{}{}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s := table.Feed()
		kernel, here := differences(t, flows)
		if s.Resyncs > 0 && !s.Lost && kernel+here == 0 && s.Missed+s.Events == sent {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("%d flows are missing, %d too many; %d of %d events told or missed; %+v", kernel, here, s.Missed+s.Events, sent, s)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRefreshForgetDetails(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	setSysctl(t, "nf_conntrack_acct", "1")
	f := follow(t, Options{})
	makeFlows(t)
	f.await(t, "the flows", func() bool { k, n := differences(t, f.flows); return k+n == 0 && f.flows.Len() > 12 })
	var rows []flow.Flow
	for _, one := range f.flows.Each {
		rows = append(rows, *one)
		d, err := f.Details(one)
		if err != nil || d.Flow.Key() != one.Key() || d.Use == 0 {
			t.Errorf("details of %v: %+v, %v", one.Orig, d, err)
		}
		if sctp := one.Proto() == rules.SCTP; sctp != (d.SCTP != nil) || sctp && d.SCTP.ReplyTag != 2 {
			t.Errorf("details of %v: %+v", one.Orig, d.SCTP)
		}
	}
	counted := 0
	if err := f.Refresh(rows, func(b *flow.Batch) {
		if len(b.Messages) != len(rows) {
			t.Errorf("%d answers to %d questions", len(b.Messages), len(rows))
		}
		for i := range b.Messages {
			c := &b.Messages[i]
			if c.Kind != flow.Refreshed {
				t.Errorf("%v of %v", c.Kind, c.Flow.Orig)
			}
			if c.Flow.Counts() {
				counted++
			}
		}
		f.flows.Apply(b)
	}); err != nil {
		t.Fatal(err)
	}
	if counted < 10 {
		t.Errorf("counters of %d flows of %d", counted, len(rows))
	}

	other := rows[0]
	other.ID++
	apply := func(b *flow.Batch) { f.flows.Apply(b) }
	if n, err := f.Forget([]flow.Flow{other}, apply); n != 0 || err != nil {
		t.Errorf("forgot %d flows of another ID, %v", n, err)
	}
	if _, err := f.Details(&other); !errors.Is(err, flow.ErrGone) {
		t.Errorf("details of a flow of another ID: %v", err)
	}
	for want := len(rows); want >= 0; want -= len(rows) {
		if n, err := f.Forget(rows, apply); n != want || err != nil {
			t.Errorf("forgot %d flows of %d, %v", n, want, err)
		}
	}
	if f.flows.Len() != 0 {
		t.Errorf("%d flows are left", f.flows.Len())
	}
	if kernel, _ := differences(t, f.flows); kernel != 0 {
		t.Errorf("the kernel still has %d flows", kernel)
	}
	if err := f.Refresh(rows, func(b *flow.Batch) {
		for i := range b.Messages {
			if b.Messages[i].Kind != flow.Gone {
				t.Errorf("%v of a flow that has gone", b.Messages[i].Kind)
			}
		}
	}); err != nil {
		t.Error(err)
	}
}

func TestKeepFreshBringsRates(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	setSysctl(t, "nf_conntrack_acct", "1")
	f := follow(t, Options{})
	c, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f.KeepFresh(true)
	f.await(t, "a rate", func() bool {
		_, _ = c.Write(make([]byte, 1000))
		for _, one := range f.flows.Each {
			if one.Proto() == rules.UDP && one.ByteRate > 1000 {
				return true
			}
		}
		return false
	})
	if s := f.Feed(); !s.Fresh || s.Round <= 0 {
		t.Errorf("status %+v", s)
	}
}

// TestCountedAt: up to when counters are known goes on by itself while no packet passes, and stays where they were last read
// once one has.
func TestCountedAt(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	setSysctl(t, "nf_conntrack_acct", "1")
	c, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send := func() { _, _ = c.Write(make([]byte, 1000)) }
	send()
	f := follow(t, Options{})
	f.await(t, "the quiet", func() bool {
		a, b := f.Feed(), f.Feed()
		return a.CountedAt > 0 && b.CountedAt > a.CountedAt && b.Listings == a.Listings
	})
	f.await(t, "the end of the quiet", func() bool {
		send()
		a, b := f.Feed(), f.Feed()
		return a.CountedAt > 0 && b.CountedAt == a.CountedAt
	})
	f.KeepFresh(true)
	before := f.Feed()
	f.await(t, "another reading", func() bool {
		send()
		return f.Feed().Listings > before.Listings && f.Feed().CountedAt > before.CountedAt
	})
}

// TestCounting: from the first counters of a reading to the last it is told that some are later than the time that is told.
func TestCounting(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	fill(t, 3000)
	table := open(t, Options{})
	table.KeepFresh(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var ended time.Time
	err = table.Follow(ctx, func(b *flow.Batch) {
		_, _ = c.Write(make([]byte, 1000))
		feed := table.Feed()
		switch listed := len(b.Messages) > 0 && b.Messages[0].Kind == flow.Listed; {
		case b.End && (feed.Counting || feed.CountedAt <= ended.UnixNano()):
			t.Errorf("at its end: %+v", feed)
			cancel()
		case b.End && !ended.IsZero():
			cancel()
		case b.End:
			ended = time.Now()
		case listed && !feed.Counting && !ended.IsZero() && feed.CountedAt == table.Feed().CountedAt: // else nothing passes
			t.Errorf("while it is read: %+v", feed)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestWithoutEvents: where events are off the table is still known, by reading it again and again.
func TestWithoutEvents(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	setSysctl(t, "nf_conntrack_events", "0")
	f := follow(t, Options{})
	fill(t, 100)
	f.await(t, "flows without events", func() bool { return f.flows.Len() == 100 })
	if err := dial(t).Flush(); err != nil {
		t.Fatal(err)
	}
	f.await(t, "the end of flows without events", func() bool { return f.flows.Len() == 0 })
	if s := f.Feed(); !s.EventsOff || s.Events != 0 {
		t.Errorf("status %+v", s)
	}
	if h := f.Health(); h.Events != facts.SettingOff || h.Count != 0 || h.Max <= 0 || !h.HasStats {
		t.Errorf("health %+v", h)
	}
}

// TestEventsSwitchedOffMeanwhile: the kernel does not say that it sends none any more.
func TestEventsSwitchedOffMeanwhile(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	f := follow(t, Options{})
	setSysctl(t, "nf_conntrack_events", "0")
	fill(t, 100)
	f.await(t, "flows without events", func() bool { return f.flows.Len() == 100 && f.Feed().EventsOff })
	setSysctl(t, "nf_conntrack_events", "1")
	f.await(t, "the events", func() bool { return !f.Feed().EventsOff })
	if err := dial(t).Create(filled(100)); err != nil {
		t.Fatal(err)
	}
	f.await(t, "a flow with an event", func() bool { return f.flows.Len() == 101 && f.Feed().Events == 1 })
}

// TestNotPermitted runs without CAP_NET_ADMIN and wants an error that says so.
func TestNotPermitted(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	runtime.LockOSThread() // the thread loses its capabilities for good
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
	table, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	nothing := func(*flow.Batch) { t.Error("something was delivered") }
	one := flow.Flow{Orig: rules.MakeTuple(rules.UDP, netip.MustParseAddrPort("1.1.1.1:1"), netip.MustParseAddrPort("1.1.1.2:1"))}
	_, forget := table.Forget([]flow.Flow{one}, func(*flow.Batch) {})
	_, details := table.Details(&one)
	for what, err := range map[string]error{
		"Follow": table.Follow(context.Background(), nothing), "Dump": table.Dump(context.Background(), nothing),
		"Refresh": table.Refresh([]flow.Flow{one}, nothing), "Forget": forget, "Details": details,
	} {
		if !errors.Is(err, ErrNotPermitted) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFollowStops: a quiet Follow ends at once when its context does, and can be begun again.
func TestFollowStops(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	f := follow(t, Options{})
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	fill(t, 3)
	ctx, cancel := context.WithCancel(context.Background())
	again := flow.NewFlows()
	if err := f.Follow(ctx, func(b *flow.Batch) {
		again.Apply(b)
		if b.End {
			cancel()
		}
	}); err != nil || again.Len() != 3 {
		t.Errorf("%d flows of 3, %v", again.Len(), err)
	}
}

// TestMilestone: what has waited while nobody read is not said to have begun after what was known meanwhile; what comes later is.
func TestMilestone(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	table, flows := open(t, Options{}), flow.NewFlows()
	blocked, release, heard := make(chan struct{}), make(chan struct{}), make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		first := true
		ended <- table.Follow(ctx, func(b *flow.Batch) {
			flows.Apply(b)
			for i := range b.Messages {
				if b.Messages[i].Kind != flow.EventNew {
					continue
				}
				if first {
					first = false
					close(blocked)
					<-release
				}
				heard <- struct{}{}
			}
		})
	}()
	for table.Feed().Listings == 0 {
		time.Sleep(time.Millisecond)
	}
	c := dial(t)
	create := func(i int) {
		t.Helper()
		if err := c.Create(filled(i)); err != nil {
			t.Fatal(err)
		}
	}
	create(0)
	<-blocked
	create(1)
	time.Sleep(2 * flow.PromptWithin)
	milestone := time.Now().UnixNano()
	table.Milestone(milestone)
	time.Sleep(2 * flow.PromptWithin) // as long as nobody reads it
	close(release)
	<-heard
	<-heard
	time.Sleep(2 * flow.PromptWithin)
	create(2)
	<-heard
	began := 0
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if f.BeganAfter(milestone) {
			began++
		}
		return true
	})
	if began != 1 || flows.Len() != 3 {
		t.Errorf("%d of %d flows began after the milestone", began, flows.Len())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
