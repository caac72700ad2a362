package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"nattui/model/lab"
	"nattui/rules/nfnetlink"
)

// The scripts in testdata run the real commands on the real kernel, each in
// namespaces of its own.

// programs are what the scripts can run apart from the system's programs.
var programs = map[string]func(){
	"nattui":       main,
	"unprivileged": unprivileged,
	"traffic":      traffic,
	"begin":        begin,
	"flood":        flood,
}

// programsVariable is set where the programs are on the PATH already: within the
// namespaces of a test, whose processes may end without cleaning up.
const programsVariable = "NATTUI_TEST_PROGRAMS"

func TestMain(m *testing.M) {
	nfnetlink.Attend()
	lab.Main()
	_, isProgram := programs[filepath.Base(os.Args[0])]
	if !isProgram && os.Getenv(programsVariable) != "" {
		os.Exit(m.Run())
	}
	os.Setenv(programsVariable, "yes")
	testscript.Main(m, programs)
}

// concurrent are the scripts of commands that do several things at a time, and all that short mode plays: each starts
// nattui some dozen times.
var concurrent = []string{"doctor", "flows", "follow", "history", "trace"}

// sequential marks a test in which nothing runs at the same time as anything else. It is left out of short runs,
// which are those under the race detector: there is nothing for it to see.
func sequential(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out of short mode: nothing runs at the same time here, and the race detector would see nothing")
	}
}

func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		if name := strings.TrimSuffix(filepath.Base(path), ".txtar"); testing.Short() && !slices.Contains(concurrent, name) {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			testscript.Run(t, testscript.Params{
				Files:               []string{path},
				RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error {
					env.Setenv("NATTUI_STATE", filepath.Join(env.WorkDir, "state")) // never this machine's own
					for _, dir := range []string{"/etc/sysctl.d", "/etc/modules-load.d"} {
						if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil && !errors.Is(err, os.ErrNotExist) {
							return err
						}
					}
					return nil
				},
				Condition: condition,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits":       exits,
					"jsonfields":  jsonFields,
					"lines":       countLines,
					"harmless":    harmless,
					"no-iptables": hideIptables,
				},
			})
		})
	}
}

// condition knows whether a backend of iptables can be used, as in [legacy].
func condition(name string) (bool, error) {
	switch name {
	case "nft", "legacy":
		return exec.Command("iptables-"+name, "-w", "5", "-t", "nat", "-S").Run() == nil &&
			exec.Command("ip6tables-"+name, "-w", "5", "-t", "nat", "-S").Run() == nil, nil
	}
	return false, fmt.Errorf("no condition %s", name)
}

// exits runs a program that is to end with an exit status:
//
//	exits 2 nattui rules --family ipv5
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM [ARG ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	status := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if status != want {
		ts.Fatalf("exit status %d, want %d", status, want)
	}
}

// jsonFields prints fields of every line of a file of JSON objects, a line each,
// with commas between; a dot goes into an object, and what is absent is a dash:
//
//	jsonfields stdout chain orig.dport
func jsonFields(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: jsonfields FILE FIELD ...")
	}
	var out strings.Builder
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		var object map[string]any
		if err := decoder.Decode(&object); err != nil {
			ts.Fatalf("%q: %v", line, err)
		}
		var values []string
		for _, name := range args[1:] {
			values = append(values, field(object, name))
		}
		out.WriteString(strings.Join(values, ", ") + "\n")
	}
	_, err := ts.Stdout().Write([]byte(out.String()))
	ts.Check(err)
}

func field(object map[string]any, name string) string {
	first, rest, deeper := strings.Cut(name, ".")
	value, ok := object[first]
	switch inner, isObject := value.(map[string]any); {
	case !ok:
		return "-"
	case deeper && isObject:
		return field(inner, rest)
	case isObject:
		var keys []string
		for key := range inner {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		return strings.Join(keys, "+")
	}
	return fmt.Sprint(value)
}

// countLines checks how many lines a file has: lines stdout 3.
func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] lines FILE NUMBER")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if got := strings.Count(ts.ReadFile(args[0]), "\n"); (got == want) == neg {
		ts.Fatalf("%s has %d lines", args[0], got)
	}
}

// hideIptables puts an empty directory over every one that has a program of
// iptables, in the mount namespace of the test. Programs that are named are there all the same.
func hideIptables(ts *testscript.TestScript, _ bool, keep []string) {
	empty := ts.MkAbs("empty")
	ts.Check(os.MkdirAll(empty, 0o755))
	for _, name := range keep {
		path, err := exec.LookPath(name)
		ts.Check(err)
		program, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(empty, name), program, 0o755))
	}
	for _, dir := range append(filepath.SplitList(ts.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin", "/sbin") {
		if found, _ := filepath.Glob(filepath.Join(dir, "*tables*")); len(found) > 0 {
			ts.Check(unix.Mount(empty, dir, "", unix.MS_BIND, ""))
		}
	}
}

// unprivileged runs a program as the user nobody of a user namespace that owns
// nothing else: its capabilities are worth nothing to the kernel.
func unprivileged() {
	const nobody = 65534
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}},
	}
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "unprivileged:", err)
		os.Exit(99)
	}
}

// traffic sends a datagram to each of some ports; with -forever again and again,
// every time from another port, until it is killed:
//
//	traffic 127.0.0.1 5300 5302
//	traffic -forever 127.0.0.1 5300 5302
func traffic() {
	args := os.Args[1:]
	forever := args[0] == "-forever"
	if forever {
		args = args[1:]
	}
	from, err1 := strconv.Atoi(args[1])
	to, err2 := strconv.Atoi(args[2])
	if err := errors.Join(err1, err2); err != nil {
		fmt.Fprintln(os.Stderr, "traffic:", err)
		os.Exit(1)
	}
	pace := time.NewTicker(time.Millisecond)
	for again := true; again; again = forever {
		socket, err := net.ListenUDP("udp", nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, "traffic:", err)
			os.Exit(1)
		}
		for port := from; port <= to; port++ {
			// That nobody listens there is told by the next send, and no matter.
			_, _ = socket.WriteToUDP([]byte("hello"), &net.UDPAddr{IP: net.ParseIP(args[0]), Port: port})
		}
		socket.Close()
		<-pace.C
	}
}

// harmless NAME... fails where stdout or stderr holds a byte that acts on a terminal, or does not hold one of
// the words that the text from outside ended with, so that it was shown at all:
//
//	harmless stdout stderr -- WORD...
func harmless(ts *testscript.TestScript, not bool, args []string) {
	if not {
		ts.Fatalf("unsupported: ! harmless")
	}
	var all string
	for i, name := range args {
		if name == "--" {
			for _, word := range args[i+1:] {
				if !strings.Contains(all, word) {
					ts.Fatalf("%q is not there", word)
				}
			}
			return
		}
		read := ts.ReadFile(name)
		all += read
		for line := range strings.Lines(read) {
			if clean := strings.TrimRight(line, "\n"); strings.ContainsFunc(clean, actsOnTerminals) || !utf8.ValidString(clean) {
				ts.Fatalf("%s has %q", name, clean)
			}
		}
	}
}

// actsOnTerminals tells controls (tabs apart) and characters that reorder or hide text.
func actsOnTerminals(r rune) bool {
	return r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co))
}
