package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nattui/model/lab"
)

// BenchmarkIdleScreens is the CPU time that each screen of the real program takes while nothing happens, with 1,000
// connections, 20 rules and timeouts that run down, in per cent of one core, from six seconds after it was opened; 0.2 is
// the bound.
func BenchmarkIdleScreens(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	path := buildProgram(b)
	manyRules(b, 20)
	manyFlows(b, 1000)
	const starts, settles, looks = 20 * time.Second, 6 * time.Second, 20 * time.Second
	names := []string{"rules", "flows", "guide", "doctor", "trace", "history"}
	used := make([]time.Duration, len(names))
	for b.Loop() {
		s := sit(b, path)
		s.waitFor(b, "PREROUTING")
		go func() { // a terminal reads what it is sent
			for range s.output {
				continue
			}
		}()
		time.Sleep(starts) // what is looked at only once at the start is not what a screen takes
		for i := range names {
			_, _ = s.tty.Write([]byte{byte('1' + i)})
			time.Sleep(settles)
			before, sent := onCore(s.cmd.Process.Pid), s.bytes.Load()
			time.Sleep(looks)
			used[i] += onCore(s.cmd.Process.Pid) - before
			b.Logf("%s: %v, %d bytes written", names[i], onCore(s.cmd.Process.Pid)-before, s.bytes.Load()-sent)
		}
		s.quit(b)
	}
	for i, name := range names {
		b.ReportMetric(100*used[i].Seconds()/looks.Seconds()/float64(b.N), "%-"+name)
	}
}

// onCore is the time that all threads of a process have run, from /proc/PID/task/TID/schedstat.
func onCore(pid int) (sum time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range threads {
		data, _ := os.ReadFile(path)
		var ran int64
		_, _ = fmt.Sscan(string(data), &ran)
		sum += time.Duration(ran)
	}
	return sum
}
