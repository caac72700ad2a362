package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
)

// translating makes this network namespace translate what goes to ports 5301 (DNAT) and 5302 (SNAT).
func translating(t *testing.T) {
	t.Helper()
	t.Setenv("NATTUI_STATE", filepath.Join(t.TempDir(), "state"))
	for _, line := range []string{
		"ip link set lo up",
		"iptables -t nat -A OUTPUT -p udp --dport 5301 -j DNAT --to-destination 127.0.0.1:5391",
		"iptables -t nat -A POSTROUTING -p udp --dport 5302 -j SNAT --to-source 127.0.0.9",
		"ip6tables -t nat -A OUTPUT -p udp --dport 5301 -j DNAT --to-destination [::1]:5391",
		"echo 1 >/proc/sys/net/netfilter/nf_conntrack_acct",
		"echo 1 >/proc/sys/net/netfilter/nf_conntrack_timestamp",
	} {
		sh(t, line)
	}
}

func sh(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// startDaemon starts a program that runs until the test ends.
func startDaemon(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said\n%s", name, &said)
		}
	})
	return cmd
}

// awaitFor waits until a condition holds.
func awaitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}

// logging is a running nattui log.
type logging struct {
	cmd  *exec.Cmd
	said bytes.Buffer
	out  string
}

// startLog starts nattui log, and waits until it hears of connections.
func startLog(t *testing.T, args ...string) *logging {
	t.Helper()
	l := &logging{cmd: exec.Command("nattui", append([]string{"log"}, args...)...), out: filepath.Join(t.TempDir(), "out")}
	out, err := os.Create(l.out)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	l.cmd.Stdout, l.cmd.Stderr = out, &l.said
	before := listenersNow(t)
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFor(t, "nattui log does not listen", func() bool { return listenersNow(t) > before })
	return l
}

// stop interrupts it, and returns what it has written to standard output.
func (l *logging) stop(t *testing.T) string {
	t.Helper()
	_ = l.cmd.Process.Signal(os.Interrupt)
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("nattui log ended with %v\n%s", err, &l.said)
	}
	text, err := os.ReadFile(l.out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// listenersNow counts the sockets that hear of connections.
func listenersNow(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/netlink")
	if err != nil {
		t.Fatal(err)
	}
	return len(regexp.MustCompile(`(?m)^\S+\s+12\s+\d+\s+0000000[1-7]`).FindAll(text, -1))
}

// beginAndEnd has translated connections begin and end: one of each kind and family, and one that is not translated.
func beginAndEnd(t *testing.T) {
	t.Helper()
	sh(t, "traffic 127.0.0.1 5300 5302 && traffic ::1 5301 5301 && conntrack -F >/dev/null 2>&1 && conntrack -f ipv6 -F >/dev/null 2>&1")
}

// eventsIn counts the events in lines of JSON, by kind and family.
func eventsIn(t *testing.T, text string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for line := range strings.Lines(text) {
		var l struct {
			Event, NAT string
			Orig       struct {
				Src     string
				Packets *int
			}
			Rule struct{ Chain, ID string }
			End  string
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch l.Event {
		case "begin":
			counts["begin "+l.NAT+" "+l.Orig.Src+" "+l.Rule.Chain]++
			if len(l.Rule.ID) != 12 {
				t.Errorf("no rule in %s", line)
			}
		case "end":
			counts["end "+l.NAT+" "+l.Orig.Src+" "+l.Rule.Chain]++
			if l.Orig.Packets == nil || *l.Orig.Packets != 1 || l.End == "" {
				t.Errorf("no packets or no end in %s", line)
			}
		default:
			counts[l.Event]++
		}
	}
	return counts
}

// logged is what beginAndEnd comes to.
var logged = map[string]int{
	"begin dnat 127.0.0.1 OUTPUT": 1, "begin snat 127.0.0.1 POSTROUTING": 1, "begin dnat ::1 OUTPUT": 1,
	"end dnat 127.0.0.1 OUTPUT": 1, "end snat 127.0.0.1 POSTROUTING": 1, "end dnat ::1 OUTPUT": 1, "start": 1, "stop": 1,
}

// TestLogOnStandardOutput logs to standard output and a file, and finds there who had an address.
func TestLogOnStandardOutput(t *testing.T) {
	sequential(t)
	if lab.Isolate(t) {
		return
	}
	translating(t)
	file := filepath.Join(t.TempDir(), "nat.json")
	l, toFile := startLog(t), startLog(t, "--file", file)
	beginAndEnd(t)
	ended := func(path string) func() bool {
		return func() bool { text, _ := os.ReadFile(path); return bytes.Count(text, []byte(`"event":"end"`)) == 3 }
	}
	awaitFor(t, "the ends are not logged", ended(l.out))
	awaitFor(t, "the ends are not in the file", ended(file))
	text := l.stop(t)
	if got := eventsIn(t, text); fmt.Sprint(got) != fmt.Sprint(logged) {
		t.Errorf("logged %v, want %v:\n%s", got, logged, text)
	}
	_ = toFile.stop(t)
	sh(t, "gzip "+file)
	var snat struct {
		Orig  struct{ Sport int }
		Start time.Time
	}
	line := regexp.MustCompile(`.*"nat":"snat".*"event":"end".*`).FindString(text)
	if err := json.Unmarshal([]byte(line), &snat); err != nil {
		t.Fatal(err)
	}
	who := func(at time.Time) (string, error) {
		out, err := exec.Command("nattui", "log", "--who", "127.0.0.9:"+strconv.Itoa(snat.Orig.Sport), "--at", at.Format(time.RFC3339Nano), file+".gz").Output()
		return string(out), err
	}
	if out, err := who(snat.Start); err != nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"as":"seen_as"`) || !strings.Contains(out, `"certain":true`) {
		t.Errorf("who had it: %q, %v", out, err)
	}
	if out, err := who(snat.Start.Add(-time.Hour)); err == nil || out != "" {
		t.Errorf("an hour before somebody had it: %q", out)
	}
}

// asRootInside runs the test again in namespaces of its own for network and mounts alone: the journal looks at control groups,
// which lab.Isolate hides.
func asRootInside(t *testing.T, environ string) {
	t.Helper()
	if os.Geteuid() != 0 {
		lab.Lacks(t, "root: the journal does not start in a user namespace")
	}
	cmd := exec.Command(lab.Program(t, "unshare"), "--net", "--mount", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), environ)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("inside: %v\n%s", err, out)
	}
}

// giveMachineID gives this mount namespace an identity of its own, without which there is no journal (machine-id(5)): a
// machine on which systemd has never run has none.
func giveMachineID(t *testing.T) {
	t.Helper()
	const path = "/etc/machine-id"
	own := filepath.Join(t.TempDir(), "machine-id")
	if err := os.WriteFile(own, []byte("00112233445566778899aabbccddeeff\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		// The file to mount on may not be made on the host: the directory becomes one in memory above it.
		if err := unix.Mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir="+overlayDir(t, "upper")+",workdir="+overlayDir(t, "work")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount(own, path, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
}

// overlayDir is a directory in /run, which is in memory.
func overlayDir(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("/run", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLogToTheJournal has systemd's journal keep the log, with its fields.
func TestLogToTheJournal(t *testing.T) {
	sequential(t)
	const journald = "/lib/systemd/systemd-journald"
	lab.Program(t, journald)
	lab.Program(t, "journalctl")
	if os.Getenv("NATTUI_TEST_JOURNAL") == "" {
		asRootInside(t, "NATTUI_TEST_JOURNAL=yes")
		return
	}
	translating(t)
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("/run/log/journal", 0o755); err != nil {
		t.Fatal(err)
	}
	giveMachineID(t)
	startDaemon(t, "env", "SYSTEMD_LOG_TARGET=console", journald)
	awaitFor(t, "the journal does not listen", func() bool { _, err := os.Stat("/run/systemd/journal/socket"); return err == nil })
	l := startLog(t, "--journald")
	beginAndEnd(t)
	read := func() string {
		out, _ := exec.Command("sh", "-c", "journalctl --sync; journalctl -o json -t nattui").Output()
		return string(out)
	}
	awaitFor(t, "the ends are not in the journal", func() bool { return strings.Count(read(), `"NAT_EVENT":"end"`) == 3 })
	_ = l.stop(t)
	var records strings.Builder
	for line := range strings.Lines(read()) {
		var entry map[string]string
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["NAT_JSON"] != "" {
			records.WriteString(entry["NAT_JSON"] + "\n")
		}
		if entry["NAT_KIND"] == "snat" && !strings.HasPrefix(entry["NAT_SEEN_AS"], "127.0.0.9:") {
			t.Errorf("seen as %q", entry["NAT_SEEN_AS"])
		}
	}
	want := map[string]int{}
	for k, n := range logged {
		if strings.Contains(k, " ") {
			want[k] = n
		}
	}
	if got := eventsIn(t, records.String()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the journal has %v, want %v", got, want)
	}
}

// TestLogToSyslog has rsyslog take the log over UDP, TCP and a Unix socket.
func TestLogToSyslog(t *testing.T) {
	sequential(t)
	lab.Program(t, "rsyslogd")
	if lab.Isolate(t) {
		return
	}
	translating(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "log")
	config := fmt.Sprintf(`module(load="imudp")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
input(type="imudp" address="127.0.0.1" port="5514" ruleset="keep")
input(type="imtcp" address="127.0.0.1" port="5515" ruleset="keep")
input(type="imuxsock" Socket="%s" ruleset="keep" UseSpecialParser="off" ParseHostname="on")
template(name="parsed" type="string" string="%%inputname%% %%app-name%% %%msgid%% %%syslogpriority-text%% %%msg%%\n")
ruleset(name="keep") { action(type="omfile" file="%s/parsed" template="parsed") }
`, socket, dir)
	path := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	startDaemon(t, "rsyslogd", "-n", "-f", path, "-i", filepath.Join(dir, "pid"))
	awaitFor(t, "rsyslog does not listen", func() bool {
		udp, _ := os.ReadFile("/proc/thread-self/net/udp")
		tcp, _ := os.ReadFile("/proc/thread-self/net/tcp")
		_, err := os.Stat(socket)
		return err == nil && bytes.Contains(udp, []byte(":158A ")) && bytes.Contains(tcp, []byte(":158B "))
	})
	for input, where := range map[string]string{"imudp": "udp://127.0.0.1:5514", "imtcp": "tcp://127.0.0.1:5515", "imuxsock": "unix://" + socket} {
		l := startLog(t, "--syslog", where)
		beginAndEnd(t)
		var mine string
		awaitFor(t, input+" has not got the ends", func() bool {
			text, _ := os.ReadFile(filepath.Join(dir, "parsed"))
			mine = ""
			for _, m := range regexp.MustCompile(`(?m)^`+input+` nattui (\w+) info\s+(\{.*\})$`).FindAllStringSubmatch(string(text), -1) {
				if !strings.Contains(m[2], `"event":"`+m[1]+`"`) {
					t.Fatalf("the message id is %s in %s", m[1], m[0])
				}
				mine += m[2] + "\n"
			}
			return strings.Count(mine, `"event":"end"`) == 3
		})
		_ = l.stop(t)
		want := map[string]int{"start": 1}
		for k, n := range logged {
			if k != "stop" {
				want[k] = n
			}
		}
		if got := eventsIn(t, mine); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s got %v, want %v", input, got, want)
		}
	}
}

// TestLogToAStoppedReader: a reader that stops is waited for as long as there is room, then what does not fit is counted where it
// is missing, and everything is accounted for.
func TestLogToAStoppedReader(t *testing.T) {
	sequential(t)
	if lab.Isolate(t) {
		return
	}
	translating(t)
	cmd := exec.Command("nattui", "log", "--buffer", "100")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if first, err := lines.ReadString('\n'); err != nil || !strings.Contains(first, `"event":"start"`) {
		t.Fatalf("it begins with %q, %v", first, err)
	}
	// Far more than the pipe and the buffer take, while nobody reads.
	const connections = 3000
	sh(t, "iptables -t nat -A OUTPUT -p udp --dport 10000:12999 -j DNAT --to-destination 127.0.0.1:5391")
	sh(t, fmt.Sprintf("traffic 127.0.0.1 10000 %d", 10000+connections-1))
	awaitFor(t, "the kernel's buffer is not empty", func() bool {
		text, _ := os.ReadFile("/proc/thread-self/net/netlink")
		for _, m := range regexp.MustCompile(`(?m)^\S+\s+12\s+\d+\s+0000000[1-7]\s+(\d+)`).FindAllSubmatch(text, -1) {
			if string(m[1]) != "0" {
				return false
			}
		}
		return true
	})
	rest := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(lines)
		rest <- string(text)
	}()
	sh(t, "traffic 127.0.0.1 5302 5302") // one more, before which the gap is told
	_ = cmd.Process.Signal(os.Interrupt)
	text := <-rest
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, &said)
	}
	began, lost := strings.Count(text, `"event":"begin"`), 0
	for _, m := range regexp.MustCompile(`"event":"lost".*"count":(\d+),"where":"buffer"`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		lost += n
	}
	if lost == 0 || began+lost < connections || began+lost > connections+2 {
		t.Errorf("%d began and %d were lost, of %d connections\n%s", began, lost, connections+1, &said)
	}
}
