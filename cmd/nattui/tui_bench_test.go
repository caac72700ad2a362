package main

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"nattui/model/lab"
)

// buildProgram makes the static binary that is released.
func buildProgram(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "nattui")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return path
}

// manyRules loads so many DNAT rules.
func manyRules(b *testing.B, n int) {
	b.Helper()
	for from := 0; from < n; from += 150 {
		var text strings.Builder
		text.WriteString("*nat\n")
		for i := from; i < min(n, from+150); i++ {
			fmt.Fprintf(&text, "-A PREROUTING -d 203.0.%d.%d/32 -p tcp -m tcp --dport %d -j DNAT --to-destination 192.168.0.2:8080\n", 1+i/250, i%250, 1+i%65535)
		}
		text.WriteString("COMMIT\n")
		cmd := exec.Command("iptables-restore", "--noflush", "-w", "5")
		cmd.Stdin = strings.NewReader(text.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

// manyFlows puts so many flows into the kernel's table.
func manyFlows(b *testing.B, n int) {
	b.Helper()
	c, err := conntrack.Dial(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for i := range n {
		client := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		f := conntrack.NewFlow(unix.IPPROTO_UDP, 0, client, netip.MustParseAddr("203.0.113.1"), uint16(1024+i%60000), 80, 600, 0)
		if err := c.Create(f); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstFrame is the time from the start of the program to its screen, with
// 1,000 rules and 10,000 flows; 150 ms is the bound.
func BenchmarkFirstFrame(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	path := buildProgram(b)
	manyRules(b, 1000)
	manyFlows(b, 10_000)
	var first, rows time.Duration
	for b.Loop() {
		s := sit(b, path)
		first += s.waitFor(b, "PREROUTING")
		rows += s.waitFor(b, "203.0.1.1")
		s.quit(b)
	}
	b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "ms-first-frame")
	b.ReportMetric(float64(rows.Milliseconds())/float64(b.N), "ms-rules-shown")
}

// BenchmarkFloodOnScreen is the CPU time of the whole program for each new flow at
// 20,000 a second, its Flows screen included, beside conntrack -E; and what it
// writes to the terminal in the meantime.
func BenchmarkFloodOnScreen(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	path := buildProgram(b)
	shell(b, "iptables", "-w", "5", "-t", "nat", "-A", "POSTROUTING", "-o", "nowhere", "-j", "MASQUERADE")
	shell(b, "ip", "addr", "add", "10.9.0.2/32", "dev", "lo")
	shell(b, "iptables", "-w", "5", "-A", "INPUT", "-d", "10.9.0.2", "-j", "DROP")
	const rate, seconds = 20_000, 5
	var ours, tool time.Duration
	var written int64
	for b.Loop() {
		s := sit(b, path)
		s.waitFor(b, "PREROUTING")
		_, _ = s.tty.Write([]byte("2"))
		s.waitFor(b, "client")
		before, bytesBefore := usage(s.cmd.Process.Pid), s.bytes.Load()
		floodFor(b, rate, seconds)
		ours += usage(s.cmd.Process.Pid) - before
		written += s.bytes.Load() - bytesBefore
		s.quit(b)
		shell(b, "conntrack", "-F")
		tool += toolFlood(b, rate, seconds)
		shell(b, "conntrack", "-F")
	}
	n := float64(rate * seconds * b.N)
	b.ReportMetric(float64(ours.Microseconds())/n, "cpu-us/event")
	b.ReportMetric(float64(ours)/float64(tool), "x-conntrack-E")
	b.ReportMetric(float64(written)/float64(seconds*b.N), "bytes/s")
}

func shell(b testing.TB, argv ...string) {
	b.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		b.Fatalf("%v: %v: %s", argv, err, out)
	}
}

// usage is the CPU time of a running process, from /proc/PID/stat.
func usage(pid int) time.Duration {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// startFlood has datagrams sent, each a flow of its own, to an address that drops them. Another process does: this one's
// scheduler would have what is measured wait for the sending.
func startFlood(b *testing.B, rate, seconds int) *exec.Cmd {
	b.Helper()
	cmd := exec.Command("flood", strconv.Itoa(rate), strconv.Itoa(seconds))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return cmd
}

// floodFor is a flood from its beginning to its end.
func floodFor(b *testing.B, rate, seconds int) {
	b.Helper()
	if err := startFlood(b, rate, seconds).Wait(); err != nil {
		b.Fatal(err)
	}
}

// flood is the program of startFlood: its arguments are datagrams a second, and for how many seconds.
func flood() {
	given := func(i int) int {
		n, err := strconv.Atoi(os.Args[i])
		if err != nil {
			log.Fatal(err)
		}
		return n
	}
	rate, seconds := given(1), given(2)
	var c *net.UDPConn
	sent := 0
	for begun := time.Now(); sent < rate*seconds; time.Sleep(time.Millisecond) {
		for due := min(rate*seconds, int(time.Since(begun).Seconds()*float64(rate))); sent < due; sent++ {
			if sent%60_000 == 0 {
				var err error
				if c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 9, 0, 2), Port: 0}); err != nil {
					log.Fatal(err)
				}
			}
			_, _ = c.WriteToUDPAddrPort([]byte{0}, netip.AddrPortFrom(netip.MustParseAddr("10.9.0.2"), uint16(1+sent%60_000)))
		}
	}
}

// toolFlood is the CPU time that conntrack -E takes for the same flood.
func toolFlood(b *testing.B, rate, seconds int) time.Duration {
	b.Helper()
	cmd := exec.Command("conntrack", "-E", "-b", strconv.Itoa(64<<20))
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	floodFor(b, rate, seconds)
	_ = cmd.Process.Signal(unix.SIGINT)
	_ = cmd.Wait()
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// BenchmarkKeyOnScreen is the time from a key press to its effect on the terminal, on the
// Flows screen of the real program, with a table of 150,000 flows to which 15,000 a second are added; and the
// program's largest resident memory. Beside it are the times of cat, which only writes what it reads, in the same terminal beside
// the same flood: no program can be sooner. NATTUI_BENCH_FLOWS says how many flows there are at first, where
// nf_conntrack_max allows more, which belongs to the first network namespace, and NATTUI_BENCH_RATE how many are added.
func BenchmarkKeyOnScreen(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	path := buildProgram(b)
	shell(b, "iptables", "-w", "5", "-t", "nat", "-A", "POSTROUTING", "-o", "nowhere", "-j", "MASQUERADE")
	shell(b, "ip", "addr", "add", "10.9.0.2/32", "dev", "lo")
	shell(b, "iptables", "-w", "5", "-A", "INPUT", "-d", "10.9.0.2", "-j", "DROP")
	given := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
			return n
		}
		return otherwise
	}
	n, rate := given("NATTUI_BENCH_FLOWS", 150_000), given("NATTUI_BENCH_RATE", 15_000)
	const seconds, presses = 6, 100
	var ours, floor []time.Duration
	var resident int
	for b.Loop() {
		manyFlows(b, n)
		s := sit(b, path)
		s.waitFor(b, "PREROUTING")
		_, _ = s.tty.Write([]byte("2"))
		s.waitFor(b, "203.0.113.1")
		flooded := startFlood(b, rate, seconds)
		for range presses {
			ours = append(ours, s.press(b, "?", "esc"))
			_, _ = s.tty.Write([]byte("q"))
			s.waitFor(b, "filter")            // the list's keys: the dialog has closed
			time.Sleep(50 * time.Millisecond) // the list is drawn some times
		}
		_ = flooded.Wait()
		resident = max(resident, peakMemory(s.cmd.Process.Pid))
		s.quit(b)
		shell(b, "conntrack", "-F")
		floor = append(floor, echoes(b, n, rate, seconds, presses)...)
	}
	part := func(of []time.Duration, p float64) float64 {
		slices.Sort(of)
		return float64(of[int(p*float64(len(of)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(part(ours, 0.5), "p50-ms")
	b.ReportMetric(part(ours, 0.99), "p99-ms")
	b.ReportMetric(part(floor, 0.5), "cat-p50-ms")
	b.ReportMetric(part(floor, 0.99), "cat-p99-ms")
	b.ReportMetric(float64(resident)/1000, "peak-MB")
}

// echoes are the times that cat takes for a key beside a flood that conntrack -E reads.
func echoes(b *testing.B, flows, rate, seconds, presses int) (took []time.Duration) {
	b.Helper()
	manyFlows(b, flows)
	reader := exec.Command("conntrack", "-E", "-b", strconv.Itoa(64<<20))
	if err := reader.Start(); err != nil {
		b.Fatal(err)
	}
	s := sit(b, "sh", "-c", "stty raw -echo && echo ready && exec cat")
	s.waitFor(b, "ready")
	flooded := startFlood(b, rate, seconds)
	for range presses {
		took = append(took, s.press(b, "?", "?"))
		time.Sleep(50 * time.Millisecond)
	}
	_ = flooded.Wait()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = s.tty.Close()
	_ = reader.Process.Signal(unix.SIGINT)
	_ = reader.Wait()
	shell(b, "conntrack", "-F")
	return took
}

// press sends a key and waits for a text that its effect brings.
func (s *seat) press(b *testing.B, key, text string) time.Duration {
	for len(s.output) > 0 {
		<-s.output
	}
	begun := time.Now()
	_, _ = s.tty.Write([]byte(key))
	s.waitFor(b, text)
	return time.Since(begun)
}

// peakMemory is a process's largest resident memory so far, in kB.
func peakMemory(pid int) (kB int) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, after, ok := strings.Cut(string(data), "VmHWM:"); ok {
		_, _ = fmt.Sscan(after, &kB)
	}
	return kB
}
