package conntrack

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/flow"
	"nattui/model/lab"
)

// The benchmarks run their baselines beside themselves and report ratios, as
// absolute figures move from machine to machine. CPU time is user and system time of the process
// that works; the traffic comes from another one.

// TestMain makes the test binary a source of traffic when it is started as one.
func TestMain(m *testing.M) {
	if spec := os.Getenv("NATTUI_TEST_FLOOD"); spec != "" {
		var n, rate int
		if _, err := fmt.Sscanf(spec, "%d %d", &n, &rate); err != nil {
			panic(err)
		}
		if _, err := lab.Datagrams(netip.MustParseAddr("10.9.0.2"), n, rate); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// startFlood begins a flood in another process.
func startFlood(b testing.TB, n, rate int) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("NATTUI_TEST_FLOOD=%d %d", n, rate))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return cmd
}

// swallow lets datagrams to the flood's address vanish after they have become flows.
func swallow(b testing.TB) {
	b.Helper()
	run(b, "ip", "addr", "add", "10.9.0.2/32", "dev", "lo")
	iptables(b, "iptables", "-A", "INPUT", "-d", "10.9.0.2", "-j", "DROP")
}

func cpu(who int) time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(who, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// spent is the CPU time that this process takes for work, without what the garbage of
// earlier work costs.
func spent(work func()) time.Duration {
	runtime.GC()
	before := cpu(unix.RUSAGE_SELF)
	work()
	return cpu(unix.RUSAGE_SELF) - before
}

func benchFlows() int {
	if n, err := strconv.Atoi(os.Getenv("NATTUI_BENCH_FLOWS")); err == nil && n > 0 {
		return n
	}
	return 262144
}

// BenchmarkDump reads a table of 262,144 flows into the flow table, beside reading the same
// and decoding nothing, ti-mo's Dump, and conntrack -L.
func BenchmarkDump(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	track(b)
	n := benchFlows()
	fill(b, n)
	table := open(b, Options{})
	var ours, bare, timo, tool time.Duration
	var held float64
	for b.Loop() {
		bare += spent(func() { readBare(b, n) })
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		flows := flow.NewFlows()
		ours += spent(func() {
			if err := table.Dump(context.Background(), flows.Apply); err != nil {
				b.Fatal(err)
			}
		})
		runtime.GC()
		runtime.ReadMemStats(&after)
		if flows.Len() != n {
			b.Fatalf("%d flows of %d", flows.Len(), n)
		}
		held = float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
		timo += spent(func() {
			if all, err := dial(b).Dump(nil); err != nil || len(all) != n {
				b.Fatal(len(all), err)
			}
		})
		tool += ofTool(b, "-L")
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N) / float64(n) }
	b.ReportMetric(per(ours), "cpu-ns/flow")
	b.ReportMetric(per(bare), "bare-cpu-ns/flow")
	b.ReportMetric(float64(ours)/float64(bare), "x-bare")
	b.ReportMetric(float64(ours)/float64(timo), "x-timo")
	if tool > 0 {
		b.ReportMetric(float64(ours)/float64(tool), "x-conntrack-L")
	}
	b.ReportMetric(held, "heap-B/flow")
}

// readBare reads the table and decodes nothing: the floor.
func readBare(b *testing.B, want int) {
	l, err := openListing()
	if err != nil {
		b.Fatal(err)
	}
	defer l.socket.close()
	for n := 0; ; {
		if _, err := l.socket.wait(queryPatience); err != nil {
			b.Fatal(err)
		}
		datagram, _ := l.socket.datagram(0)
		for len(datagram) > 0 {
			m, rest, ok := nextMessage(datagram)
			if !ok {
				b.Fatal("a broken message")
			}
			if m.kind == unix.NLMSG_DONE {
				if n != want {
					b.Fatalf("%d flows of %d", n, want)
				}
				return
			}
			n++
			datagram = rest
		}
	}
}

// ofTool is the CPU time of a run of conntrack, 0 where it is not installed.
func ofTool(b *testing.B, args ...string) time.Duration {
	path, err := exec.LookPath("conntrack")
	if err != nil {
		return 0
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Run(); err != nil {
		b.Fatalf("conntrack %v: %v", args, err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// BenchmarkEvents follows 20,000 and 60,000 new flows a second into the flow table and
// an event log, beside reading the same events in the same frames and decoding nothing,
// and conntrack -E.
func BenchmarkEvents(b *testing.B) {
	for _, rate := range []int{20_000, 60_000} {
		b.Run(strconv.Itoa(rate), func(b *testing.B) {
			if lab.Isolate(b) {
				return
			}
			track(b)
			swallow(b)
			n := 3 * rate
			var ours, bare, tool time.Duration
			var missed uint64
			for b.Loop() {
				o, m := followFlood(b, n, rate)
				ours, missed = ours+o, missed+m
				bare += bareFlood(b, n, rate)
				tool += toolFlood(b, n, rate)
			}
			per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(b.N) / float64(n) }
			b.ReportMetric(per(ours), "cpu-us/event")
			b.ReportMetric(per(bare), "bare-cpu-us/event")
			b.ReportMetric(float64(ours)/float64(bare), "x-bare")
			if tool > 0 {
				b.ReportMetric(float64(ours)/float64(tool), "x-conntrack-E")
			}
			b.ReportMetric(float64(missed)/float64(b.N), "missed")
		})
	}
}

// followFlood follows a flood, and returns the CPU time that took and how many events were missed.
func followFlood(b *testing.B, n, rate int) (took time.Duration, missed uint64) {
	if err := dial(b).Flush(); err != nil {
		b.Fatal(err)
	}
	table, flows, events := open(b, Options{}), flow.NewFlows(), flow.NewEventLog(4096)
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error), make(chan struct{})
	var whole atomic.Bool
	go func() {
		ended <- table.Follow(ctx, func(batch *flow.Batch) {
			flows.Apply(batch)
			events.Append(batch)
			if batch.End && whole.CompareAndSwap(false, true) {
				close(ready)
			}
		})
	}()
	<-ready
	took = spent(func() {
		if err := startFlood(b, n, rate).Wait(); err != nil {
			b.Fatal(err)
		}
		// A datagram to the port it comes from is a reply to another one, so there may be fewer than n.
		for end := time.Now().Add(10 * time.Second); flows.Len() < table.count(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				b.Fatalf("%d flows of %d, %+v", flows.Len(), n, table.Feed())
			}
		}
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	})
	return took, table.Feed().Missed
}

// bareFlood reads the events of a flood in frames and decodes nothing.
func bareFlood(b *testing.B, n, rate int) time.Duration {
	if err := dial(b).Flush(); err != nil {
		b.Fatal(err)
	}
	s, err := openSocket(eventDatagrams, eventRoom)
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	got, _ := s.setReceiveBuffer(defaultReceiveBuffer)
	if err := s.join(unix.NFNLGRP_CONNTRACK_NEW); err != nil {
		b.Fatal(err)
	}
	return spent(func() {
		cmd := startFlood(b, n, rate)
		over := make(chan error, 1)
		go func() { over <- cmd.Wait() }()
		for {
			m, err := s.wait(time.Second)
			if m == 0 && err == nil {
				break
			}
			time.Sleep(frameFor(got))
		}
		if err := <-over; err != nil {
			b.Fatal(err)
		}
	})
}

// toolFlood is the CPU time of conntrack -E during a flood, 0 where it is not installed.
func toolFlood(b *testing.B, n, rate int) time.Duration {
	path, err := exec.LookPath("conntrack")
	if err != nil {
		return 0
	}
	if err := dial(b).Flush(); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(path, "-E", "-e", "NEW", "-b", strconv.Itoa(defaultReceiveBuffer))
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if err := startFlood(b, n, rate).Wait(); err != nil {
		b.Fatal(err)
	}
	_ = cmd.Process.Signal(unix.SIGINT)
	_ = cmd.Wait()
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// BenchmarkResync follows a flood of 60,000 flows a second with a buffer that is too small for
// it, and reports how long after its end the table was whole again, and how much was missed.
func BenchmarkResync(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	track(b)
	swallow(b)
	const n, rate = 240_000, 60_000
	var late time.Duration
	var missed uint64
	for b.Loop() {
		if err := dial(b).Flush(); err != nil {
			b.Fatal(err)
		}
		f := follow(b, Options{ReceiveBuffer: 64 << 10})
		if err := startFlood(b, n, rate).Wait(); err != nil {
			b.Fatal(err)
		}
		end := time.Now()
		f.await(b, "a whole table", func() bool {
			s := f.Feed()
			return f.flows.Len() == f.count() && s.Resyncs > 0 && !s.Listing
		})
		late += time.Since(end)
		missed += f.Feed().Missed
		if kernel, table := differences(b, f.flows); kernel+table != 0 {
			b.Fatalf("%d flows are missing, %d too many", kernel, table)
		}
		if err := f.stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(late.Seconds()/float64(b.N), "s-until-whole")
	b.ReportMetric(float64(missed)/float64(b.N), "missed")
}
