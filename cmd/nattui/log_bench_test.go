package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"nattui/model/lab"
)

// begin sends N datagrams of one byte, each a connection of its own, RATE a second, and says how long that took.
//
//	begin 10.9.0.2 200000 20000
func begin() {
	to, n, rate := netip.MustParseAddr(os.Args[1]), atoi(os.Args[2]), atoi(os.Args[3])
	took, err := lab.Datagrams(to, n, rate)
	if err != nil {
		panic(err)
	}
	fmt.Println(took.Nanoseconds())
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// BenchmarkLog logs translated connections of which 20,000 (and 40,000) begin and as many end a second, for ten seconds, with
// the real program on one core and traffic of another. It reports how many a second there were, what the log says was lost,
// what is missing without being said, and how much of its core the program took. Events that are lost may be told again as
// found when the table is read anew, so lost, begun and ended may come to more than there were.
func BenchmarkLog(b *testing.B) {
	for _, rate := range []int{20_000, 40_000} {
		b.Run(strconv.Itoa(rate), func(b *testing.B) {
			if lab.Isolate(b) {
				return
			}
			taskset := lab.Program(b, "taskset")
			path := buildProgram(b)
			for _, line := range []string{
				"ip link set lo up", "ip addr add 10.9.0.2/32 dev lo", "iptables -A INPUT -d 10.9.0.2 -j DROP",
				"iptables -t nat -A POSTROUTING -p udp -d 10.9.0.2 -j SNAT --to-source 10.9.0.3",
				"echo 1 >/proc/sys/net/netfilter/nf_conntrack_acct; echo 1 >/proc/sys/net/netfilter/nf_conntrack_timestamp",
				"echo 1 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout; sysctl -qw net.netfilter.nf_conntrack_max=2000000 || true",
			} {
				if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
					b.Fatalf("%s: %v: %s", line, err, out)
				}
			}
			b.Setenv("NATTUI_STATE", filepath.Join(b.TempDir(), "state"))
			n := 10 * rate
			var took, onCPU time.Duration
			var sum tally
			for b.Loop() {
				file := filepath.Join(b.TempDir(), "nat.json")
				log := exec.Command(taskset, "-c", "0", path, "log", "--file", file)
				log.Stderr = os.Stderr
				if err := log.Start(); err != nil {
					b.Fatal(err)
				}
				awaitStart(b, file)
				out, err := exec.Command(taskset, "-c", "1", "begin", "10.9.0.2", strconv.Itoa(n), strconv.Itoa(rate)).Output()
				if err != nil {
					b.Fatal(err)
				}
				took += time.Duration(atoi(string(bytes.TrimSpace(out))))
				awaitEmpty(b)
				awaitQuiet(b, file)
				_ = log.Process.Signal(os.Interrupt)
				if err := log.Wait(); err != nil {
					b.Fatal(err)
				}
				onCPU += log.ProcessState.UserTime() + log.ProcessState.SystemTime()
				sum.add(b, file)
			}
			b.ReportMetric(float64(sum.begun)/took.Seconds(), "begun/s")
			b.ReportMetric(float64(sum.ended)/took.Seconds(), "ended/s")
			b.ReportMetric(float64(sum.lost)/float64(b.N), "lost")
			b.ReportMetric(float64(max(0, 2*n*b.N-sum.begun-sum.ended-sum.lost))/float64(b.N), "unsaid")
			b.ReportMetric(100*onCPU.Seconds()/took.Seconds(), "%-core")
			b.ReportMetric(float64(onCPU.Microseconds())/float64(sum.begun+sum.ended), "cpu-us/event")
		})
	}
}

// awaitStart waits until a log has begun.
func awaitStart(b *testing.B, file string) {
	b.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if text, _ := os.ReadFile(file); bytes.Contains(text, []byte(`"event":"start"`)) {
			return
		}
		if time.Now().After(limit) {
			b.Fatal("the log does not begin")
		}
	}
}

// awaitEmpty waits until the connections have ended by themselves, as they did all the time.
func awaitEmpty(b *testing.B) {
	b.Helper()
	for limit := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if text, _ := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count"); atoi(string(bytes.TrimSpace(text))) == 0 {
			return
		}
		if time.Now().After(limit) {
			b.Fatal("connections have not ended")
		}
	}
}

// awaitQuiet waits until nothing is added to a log any more.
func awaitQuiet(b *testing.B, file string) {
	b.Helper()
	for last := int64(-1); ; time.Sleep(2 * time.Second) {
		info, err := os.Stat(file)
		if err != nil {
			b.Fatal(err)
		}
		if info.Size() == last {
			return
		}
		last = info.Size()
	}
}

// tally is what a log tells of.
type tally struct{ begun, ended, lost int }

var lostLine = regexp.MustCompile(`"event":"lost".*"count":(\d+)`)

// add adds what is in a file.
func (t *tally) add(b *testing.B, path string) {
	b.Helper()
	file, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case bytes.Contains(line, []byte(`"event":"begin"`)):
			t.begun++
		case bytes.Contains(line, []byte(`"event":"end"`)):
			t.ended++
		default:
			if m := lostLine.FindSubmatch(line); m != nil {
				t.lost += atoi(string(m[1]))
				b.Logf("%s", line)
			}
		}
	}
	if err := lines.Err(); err != nil {
		b.Fatal(err)
	}
}
