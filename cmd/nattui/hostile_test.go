package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/ui/text"
)

// hostile acts on a terminal in every way there is, if it gets there: OSC 52, BEL, CSI, C1, bidi, zero width.
const hostile = "\x1b]52;c;RVZJTA==\x07\x1b[2J\x1b[31m\u009b8m\u202e\u200b"

// sgr are the colours and weights of the pages that are for a person.
var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// ownWords are the title that the screens give the window, and their question for its background.
var ownWords = regexp.MustCompile(`\x1b\](?:2;[ -~]*|11;\?)\x07`)

// TestHostileWordsOnATerminal puts hostile bytes into all that comes from outside, and looks at what each command and
// screen writes to a terminal.
func TestHostileWordsOnATerminal(t *testing.T) {
	sequential(t)
	if lab.Isolate(t) {
		return
	}
	dir := t.TempDir()
	t.Setenv(commit.StateVariable, filepath.Join(dir, "state"))
	layHostile(t)
	gateway := hostileGateway(t, dir)
	environ := append(os.Environ(), "SSH_CONNECTION="+hostile+"evil-ssh 1 192.0.2.1 22", "SSH_TTY="+hostile+"evil-tty", "SUDO_USER="+hostile+"evil-user", "TMUX="+hostile+"evil-tmux")
	shown := ""
	for _, args := range [][]string{
		{"rules"},
		{"rules", "--json"},
		{"rules", "--family", "ipv6"},
		{"flows"},
		{"doctor"},
		{"doctor", "--json"},
		{"switches"},
		{"record"},
		{"whatif", "tcp", "127.0.0.1:1000", "127.0.0.1:80"},
		{"whatif", "--gateway", gateway, "tcp", "203.0.113.9:1000", "203.0.113.1:80"},
		{"whatif", "--gateway", gateway, "tcp", "203.0.113.9:1000", "203.0.113.1:80", "--in", hostile + "evil-link"},
		{"doctor", "PREROUTING", "1"},
		{"whatif", "--gateway", gateway, "--json", "tcp", "203.0.113.9:1000", "203.0.113.1:80"},
		{"whatif", "--gateway", filepath.Join(dir, hostile+"evil-file"), "tcp", "203.0.113.9:1000", "203.0.113.1:80"},
		{"explain", "-A PREROUTING -p tcp --dport 80 -m comment --comment '" + hostile + "evil-word' -j ACCEPT"},
		{"trace", hostile + "evil-word"},
		{"flows", "--filter", hostile + "evil-word"},
		{hostile + "evil-word"},
		{"rules", "--" + hostile + "evil-word"},
		{"guide", "publish", "--to", hostile + "evil-word", "--port", "80", "--dry-run"},
		{"add", "redirect", "--proto", "tcp", "--in", "lo", "--dport", "80", "--to", "8080", "--comment", "evil-made" + "\u202e", "--yes"},
		{"import", "iptables -t nat -A PREROUTING -i lo -m comment --comment '" + hostile + "evil-word' -j ACCEPT", "--dry-run"},
		{"import", filepath.Join(dir, hostile+"evil-file"), "--dry-run"},
		{"delete", "PREROUTING", "1", "--dry-run"},
		{"delete", "PREROUTING", "1", "--dry-run", "--family", "ipv6"},
		{"park", "PREROUTING", "1", "--yes"},
		{"unpark", "--yes"},
		{"delete", "PREROUTING", "1", "--yes", "--confirm", "1h"},
		{"history"},
		{"rollback", "--yes"},
		{"history"},
		{"history", "--json"},
		{"undo", "--dry-run"},
		{"undo", hostile + "evil-word"},
		{"save", "--dry-run"},
		{"forget", "--dry-run"},
	} {
		out := onPTY(t, environ, args, nil)
		shown += out
		for line := range strings.SplitSeq(sgr.ReplaceAllString(out, ""), "\n") {
			if clean := strings.TrimRight(line, "\r"); strings.ContainsFunc(clean, actsOnTerminals) || !utf8.ValidString(clean) {
				t.Errorf("nattui %q: %q", args, clean)
			}
		}
	}
	// The screens move the cursor themselves; nothing of the others' does.
	screens := onPTY(t, environ, nil, []string{"1", "\r", "\x1b", "2", "3", "4", "\r", "\x1b", "5", "6", "\r", "\x1b", "?", "\x1b", "q"})
	shown += screens
	screens = ownWords.ReplaceAllString(screens, "")
	for _, act := range []string{"\x1b]52", "\x1b]0;", "\x07", "\u009b", "\u202e", "\u200b", "\x1b[5m" + "evil", "\x1b[8m" + "evil"} {
		if strings.Contains(screens, act) {
			at := strings.Index(screens, act)
			t.Errorf("the screens write %q in %q", act, screens[max(0, at-60):min(len(screens), at+20)])
		}
	}
	for _, word := range []string{"evil-comment", "evil-chain", "evil-if", "evil-six", "evil-file", "evil-word", "evil-user", "evil-made", "evil-link", "evil-pr"} {
		if !strings.Contains(shown, word) {
			t.Errorf("%s was seen nowhere: the test shows nothing of it", word)
		}
	}
}

// layHostile makes rules of both families and a listener with hostile names.
func layHostile(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"iptables", "-t", "nat", "-N", "x\x1b[5mevil-chain"},
		{"iptables", "-t", "nat", "-A", "PREROUTING", "-d", "203.0.113.1", "-i", "wan0", "-p", "tcp", "--dport", "80", "-m", "comment", "--comment", hostile + "evil-comment", "-j", "REDIRECT", "--to-ports", "8080"},
		{"iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "81", "-j", "x\x1b[5mevil-chain"},
		{"iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "\u009bevil-if", "-j", "MASQUERADE"},
		{"ip6tables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "80", "-m", "comment", "--comment", hostile + "evil-six", "-j", "REDIRECT", "--to-ports", "8080"},
		{"ip", "link", "set", "lo", "up"},
		{"ip", "link", "add", "wan0", "type", "veth", "peer", "name", "wan1"},
		{"ip", "addr", "add", "203.0.113.1/24", "dev", "wan0"},
		{"ip", "link", "set", "wan0", "up"},
		{"ip", "link", "set", "wan1", "up"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	name := "\x1b[2J\u202eevil-pr"
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "0.0.0.0:8080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// hostileGateway is this host as it records itself, with an interface of a hostile name.
func hostileGateway(t *testing.T, dir string) string {
	t.Helper()
	recorded, err := exec.Command("nattui", "record").Output()
	if err != nil {
		t.Fatal(err)
	}
	name, err := json.Marshal(hostile + "evil-link")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "gateway.json")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(recorded), `"lo"`, string(name))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// onPTY is what nattui writes to a terminal, while keys are pressed.
func onPTY(t *testing.T, environ, args, keys []string) string {
	t.Helper()
	screen, tty := openTerminal(t)
	defer screen.Close()
	cmd := exec.Command("nattui", args...)
	cmd.Env = append(environ, "TERM=xterm-256color")
	takeTerminal(cmd, tty)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	var out lockedBuffer
	read := make(chan struct{})
	go func() { _, _ = io.Copy(&out, screen); close(read) }()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for n := 0; ; n++ {
		select {
		case <-ended:
			<-read // the other side is closed
			return out.String()
		case <-time.After(150 * time.Millisecond):
		}
		if len(keys) > 0 {
			_, _ = screen.WriteString(keys[n%len(keys)])
		}
		if n > 400 {
			_ = cmd.Process.Kill()
			t.Fatalf("nattui %q does not end:\n%q", args, out.String())
		}
	}
}

// TestCommandsPassTheDoor: whatever character is in a command, what is shown of it is what a shell would be given.
func TestCommandsPassTheDoor(t *testing.T) {
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if word := rules.ShellWord("a" + string(r)); text.Safe(word) != word {
			t.Fatalf("%U: the command has %s, and shown is %s", r, word, text.Safe(word))
		}
	}
}
