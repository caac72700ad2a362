package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/sys/unix"

	"nattui/model/flow"
	"nattui/model/lab"
	"nattui/rules"
)

// onTerminal runs a command with a terminal of some columns as its standard
// output, and returns what it wrote there.
func onTerminal(t *testing.T, columns int, environ []string, argv ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = slave, os.Stderr
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "COLORTERM=", "LC_ALL=C.UTF-8", "NO_COLOR="), environ...)
	written := make(chan string)
	go func() {
		b, _ := io.ReadAll(master) // ends with an error when the last slave is closed
		written <- string(b)
	}()
	err = cmd.Run()
	slave.Close()
	text := strings.ReplaceAll(<-written, "\r\n", "\n")
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, text)
	}
	return text
}

func mustRun(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}

func TestPagesOnATerminal(t *testing.T) {
	sequential(t)
	if lab.Isolate(t) {
		return
	}
	if page := onTerminal(t, 80, nil, "nattui", "rules"); !strings.Contains(page, "no rules in table nat yet") {
		t.Errorf("without rules: %q", page)
	}
	mustRun(t, "iptables", "-t", "nat", "-A", "PREROUTING", "-d", "203.0.113.1", "-p", "tcp", "--dport", "80", "-m", "comment", "--comment", "\x1b[31mred", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
	mustRun(t, "iptables", "-t", "nat", "-A", "OUTPUT", "-p", "udp", "--dport", "5301", "-j", "DNAT", "--to-destination", "127.0.0.1:5391")
	mustRun(t, "iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-o", "wan0", "-j", "MASQUERADE")
	mustRun(t, "sh", "-c", "echo 600 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout") // longer than the test takes
	mustRun(t, "traffic", "127.0.0.1", "5301", "5301")

	const dnatColour = "\x1b[36m"
	for _, command := range [][]string{{"nattui", "rules"}, {"nattui", "flows"}, {"nattui", "flows", "--help"}} {
		for _, columns := range []int{40, 80, 120, 250} {
			if columns < 80 && len(command) > 2 {
				continue // examples stay whole, to be copied
			}
			page := onTerminal(t, columns, nil, command...)
			for line := range strings.Lines(page) {
				if w := ansi.StringWidth(strings.TrimSuffix(line, "\n")); w > columns {
					t.Errorf("%q on %d columns has a line of %d: %q", command, columns, w, line)
				}
			}
			if strings.Contains(page, "\x1b[31m") {
				t.Errorf("%q: a comment reached the terminal as it is", command)
			}
		}
	}
	page := onTerminal(t, 100, nil, "nattui", "rules")
	for _, want := range []string{"tcp to 203.0.113.1:80", dnatColour + "192.168.0.2:8080", "from wan0's address", "POSTROUTING", "1 rule"} {
		if !strings.Contains(page, want) {
			t.Errorf("rules: no %q in\n%s", want, page)
		}
	}
	page = onTerminal(t, 140, nil, "nattui", "flows")
	for _, want := range []string{"client", "seen as", "127.0.0.1:5301", dnatColour + "⇒ 127.0.0.1:5391", "packets"} {
		if !strings.Contains(page, want) {
			t.Errorf("flows: no %q in\n%s", want, page)
		}
	}
	// What is translated, and what flows are sorted by, is there on a narrow terminal too.
	mustRun(t, "iptables", "-t", "nat", "-A", "POSTROUTING", "-p", "udp", "--dport", "5302", "-j", "SNAT", "--to-source", "127.0.0.9")
	mustRun(t, "traffic", "127.0.0.1", "5302", "5302")
	for _, c := range []struct {
		columns int
		args    []string
		want    []string
	}{
		{80, nil, []string{"becomes", "state", "127.0.0.1:5301", "⇒ 127.0.0.1:5391", "◂ 127.0.0.9:"}},
		{40, nil, []string{"becomes", ":5391", "◂ 127."}},
		{80, []string{"--sort", "-rate"}, []string{"B/s"}},
		{120, []string{"--sort", "-rate"}, []string{"B/s", "seen as"}},
		{80, []string{"--sort", "bytes"}, []string{"bytes"}},
		{80, []string{"--sort", "rule"}, []string{"rule", "OUTPUT 1"}},
		{80, []string{"--sort", "id"}, []string{" id\n"}},
	} {
		page := ansi.Strip(onTerminal(t, c.columns, nil, append([]string{"nattui", "flows"}, c.args...)...))
		for _, want := range c.want {
			if !strings.Contains(page, want) {
				t.Errorf("%d columns, %v: no %q in\n%s", c.columns, c.args, want, page)
			}
		}
		for line := range strings.Lines(page) {
			if w := ansi.StringWidth(strings.TrimSuffix(line, "\n")); w > c.columns {
				t.Errorf("%v on %d columns has a line of %d: %q", c.args, c.columns, w, line)
			}
		}
	}
	page = onTerminal(t, 100, []string{"NO_COLOR=1"}, "nattui", "rules")
	if strings.Contains(page, dnatColour) {
		t.Errorf("NO_COLOR: there is colour in %q", page)
	}
	page = onTerminal(t, 140, []string{"LC_ALL=C"}, "nattui", "flows")
	if strings.ContainsFunc(page, func(r rune) bool { return r > 0x7f }) || !strings.Contains(page, "=>") {
		t.Errorf("without UTF-8: %q", page)
	}
}

// someFlow is a flow as a dump tells it.
func someFlow() flow.Flow {
	orig := rules.MakeTuple(rules.TCP, netip.MustParseAddrPort("203.0.113.10:55474"), netip.MustParseAddrPort("203.0.113.1:80"))
	f := flow.Flow{Orig: orig, Reply: rules.MakeTuple(rules.TCP, netip.MustParseAddrPort("192.168.0.2:8080"), netip.MustParseAddrPort("203.0.113.10:55474")), State: flow.TCPEstablished, Timeout: 432000, ID: 77}
	f.SetCounts(10, 1000, 12, 34000)
	return f
}

func TestPrintingFlowsDoesNotAllocate(t *testing.T) {
	f := someFlow()
	now := time.Now().UnixNano()
	for _, p := range []*flowPrinter{{json: true}, {}} {
		p.output = &output{Writer: bufio.NewWriterSize(io.Discard, outputBuffer)}
		p.left = 1 << 30
		p.flow(&f, now)
		p.event(flow.EventNew, &f, now)
		if n := testing.AllocsPerRun(1000, func() { p.flow(&f, now) }); n != 0 {
			t.Errorf("json %v: a flow takes %v allocations", p.json, n)
		}
		if n := testing.AllocsPerRun(1000, func() { p.event(flow.EventNew, &f, now) }); n != 0 {
			t.Errorf("json %v: an event takes %v allocations", p.json, n)
		}
	}
}

func BenchmarkFlowJSON(b *testing.B) {
	f := someFlow()
	p := &flowPrinter{output: &output{Writer: bufio.NewWriterSize(io.Discard, outputBuffer)}, json: true, left: math.MaxInt}
	for b.Loop() {
		p.flow(&f, 0)
	}
}
