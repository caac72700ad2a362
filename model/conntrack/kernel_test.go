package conntrack

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	timo "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"nattui/model"
	"nattui/model/lab"
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

// track makes the kernel track connections of the namespace: it does so only
// once a rule refers to connection tracking.
func track(t testing.TB) {
	t.Helper()
	for _, iptables := range []string{"iptables", "ip6tables"} {
		run(t, iptables, "-w", "5", "-t", "nat", "-A", "POSTROUTING", "-s", map[string]string{"iptables": "192.0.2.254", "ip6tables": "2001:db8::fe"}[iptables], "-j", "MASQUERADE")
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
	flows   *model.Flows
	batches chan struct{}
	changes chan model.Change
	stop    func() error
}

func follow(t testing.TB, o Options) *following {
	t.Helper()
	f := &following{
		Table: open(t, o), flows: model.NewFlows(),
		batches: make(chan struct{}, 1), changes: make(chan model.Change, 1<<16),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- f.Follow(ctx, func(b *model.Batch) {
			f.flows.Apply(b)
			for i := range b.Changes {
				if b.Changes[i].Kind.IsEvent() {
					select {
					case f.changes <- b.Changes[i]:
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
	f.await(t, "the first dump", func() bool { return f.Status().Live && !f.Status().Listing })
	return f
}

// await waits until ok holds; it fails after a time that only a broken program needs.
func (f *following) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for !ok() {
		select {
		case <-f.batches:
		case <-time.After(20 * time.Millisecond): // Status changes after the batch
		case <-limit.C:
			t.Fatalf("waited in vain for %s; status %+v, %d flows", what, f.Status(), f.flows.Len())
		}
	}
}

func TestFollowSeesWhatIsThereAndWhatComes(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	fill(t, 1000)
	f := follow(t, Options{})
	f.await(t, "the flows that were there", func() bool { return f.flows.Len() == 1000 })
	c, err := timo.Dial(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Create(filled(1000)); err != nil {
		t.Fatal(err)
	}
	f.await(t, "a new flow", func() bool { return f.flows.Len() == 1001 })
	if err := c.Delete(filled(0)); err != nil {
		t.Fatal(err)
	}
	f.await(t, "the end of a flow", func() bool { return f.flows.Len() == 1000 })
	if n := f.flows.Totals().NAT[model.NATDst]; n != 1000 {
		t.Errorf("%d flows of 1000 with dnat", n)
	}
	if err := f.stop(); err != nil {
		t.Error(err)
	}
}
