package commit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/commit"
)

// locking are rules that let an operator in by a set, and drop the rest, in the ways that there are to say so. What is
// to come back where the set is not there is marked with +, what is to be held back with -.
var locking = map[string]string{
	"a drop behind": `*filter
:INPUT ACCEPT
:FORWARD ACCEPT
+-A INPUT -s 10.9.9.9/32 -j DROP
+-A INPUT -i lo -j ACCEPT
 -A INPUT -p tcp -m set --match-set ops src -m tcp --dport 22 -j ACCEPT
+-A INPUT -s 10.0.0.7/32 -j ACCEPT
--A INPUT -j DROP
+-A FORWARD -s 10.0.0.8/32 -j DROP
COMMIT`,
	"a reject, and a chain": `*filter
:INPUT ACCEPT
:LAST - 
+-A INPUT -i lo -j ACCEPT
 -A INPUT -m set --match-set ops src -j ACCEPT
+-A INPUT -j LAST
+-A LAST -p tcp -m tcp --dport 80 -j ACCEPT
--A LAST -j REJECT --reject-with icmp-port-unreachable
COMMIT`,
	"an accept in a chain, and the policy": `*filter
:INPUT DROP
:OPS - 
+-A INPUT -i lo -j ACCEPT
+-A INPUT -j OPS
--A INPUT -p udp -j DROP
 -A OPS -m set --match-set ops src -j RETURN
--A OPS -p tcp -m tcp --dport 23 -j DROP
COMMIT`,
	"a redirection": `*nat
:PREROUTING ACCEPT
:POSTROUTING ACCEPT
 -A PREROUTING -m set --match-set ops src -j ACCEPT
--A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2222
+-A POSTROUTING -o wan0 -j MASQUERADE
COMMIT`,
	"a mark": `*mangle
:PREROUTING ACCEPT
 -A PREROUTING -m set --match-set ops src -j MARK --set-xmark 0x1/0xffffffff
COMMIT
*filter
:INPUT DROP
+-A INPUT -i lo -j ACCEPT
+-A INPUT -m mark --mark 0x1 -j ACCEPT
--A INPUT -p udp -j DROP
COMMIT`,
	"a line that cannot be read": `*filter
:INPUT DROP
+-A INPUT -i lo -j ACCEPT
 -A NOWHERE --match-set -j ACCEPT
--A INPUT -j DROP
COMMIT`,
	"refused by the kernel": `*filter
:INPUT DROP
:LAST - 
+-A INPUT -i lo -j ACCEPT
+-A INPUT -s 10.9.9.9/32 -j DROP
+-A INPUT -s 10.0.0.5/32 -j ACCEPT
 -A INPUT -p tcp -m cgroup --path "no/such/--match-set" -j ACCEPT
+-A INPUT -s 10.0.0.7/32 -j ACCEPT
+-A INPUT -j LAST
--A LAST -p udp -j DROP
+-A LAST -s 10.0.0.8/32 -j ACCEPT
--A LAST -j DROP
COMMIT`,
	"only a drop is refused": `*filter
:INPUT ACCEPT
+-A INPUT -i lo -j ACCEPT
 -A INPUT -m set --match-set bad src -j DROP
+-A INPUT -p tcp -m tcp --dport 23 -j DROP
COMMIT`,
}

// TestDropsBehindLostAccepts restores rules of which one needs a set that is not there: a gateway that lacks the accept of
// its operator lacks the drop behind it as well, says so, and has both when the set is there.
func TestDropsBehindLostAccepts(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		t := b.T
		for name, text := range locking {
			var saved, want, held []string
			for line := range strings.Lines(text) {
				line = strings.TrimRight(line, "\n")
				switch line[0] {
				case '+':
					want = append(want, line[1:])
				case '-':
					held = append(held, line[1:])
				}
				saved = append(saved, strings.TrimLeft(line, "+ "))
			}
			all := strings.Join(saved, "\n")
			all = strings.ReplaceAll(all, "\n--A", "\n-A")
			path := filepath.Join(b.root, "/etc/nattui", b.at.Family.String()+"."+b.at.Backend.String())
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(all+"\n"), 0o600)); err != nil {
				t.Fatal(err)
			}
			b.clear()
			b.iptables("-t", "mangle", "-F")
			r, err := b.c.Restore(context.Background(), commit.SaveOptions{Standby: b.at.Backend}, []rules.Variant{b.at})
			if !strings.Contains(fmt.Sprint(err, r.Notes), "--match-set") {
				t.Errorf("%s: the refused rule is not named: %v", name, err)
			}
			now, notes := b.state(), strings.Join(r.Notes, "\n")
			for _, line := range want {
				if !strings.Contains(now, line+"\n") {
					t.Errorf("%s: %q was not restored\n%s", name, line, now)
				}
			}
			for _, line := range held {
				if strings.Contains(now, line+"\n") {
					t.Errorf("%s: %q was restored\n%s", name, line, now)
				}
				if !strings.Contains(notes, line) {
					t.Errorf("%s: %q is not named: %q", name, line, r.Notes)
				}
			}
			lost := strings.Count(all, "\n-A") - len(want)
			again, _ := b.c.Restore(context.Background(), commit.SaveOptions{Standby: b.at.Backend}, []rules.Variant{b.at})
			for _, r := range []commit.Restored{r, again} {
				if name != "a line that cannot be read" && r.Left != lost || strings.Contains(r.Sentence(), "all there") {
					t.Errorf("%s: %d are left of %d: %s", name, r.Left, lost, r.Sentence())
				}
			}
			if strings.Contains(now, ":INPUT DROP") {
				t.Errorf("%s: the policy DROP was restored\n%s", name, now)
			}
		}
	})
}

// TestDropsBehindUnsavedAccepts: where an accept cannot be saved, what it lets pass is not dropped after a start.
func TestDropsBehindUnsavedAccepts(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load("*filter\n:INPUT DROP\n-A INPUT -s 10.0.0.1 -j DROP\n-A INPUT -j DROP\nCOMMIT\n")
		b.iptables("-I", "INPUT", "2", "-s", "10.0.0.7", "-m", "comment", "--comment", "two\nlines", "-j", "ACCEPT")
		_, saving := b.save()
		if len(saving.Unreadable) != 2 || saving.Kept != 1 || !strings.Contains(fmt.Sprint(saving.Notes), "policy DROP of filter INPUT is not saved") {
			b.Errorf("kept %d; not saved %v; %q", saving.Kept, saving.Unreadable, saving.Notes)
		}
		text := b.file("/etc/nattui/ipv4." + b.at.Backend.String())
		if !strings.Contains(text, "10.0.0.1") || strings.Contains(text, "-A INPUT -j DROP") || strings.Contains(text, ":INPUT DROP") {
			b.Errorf("saved:\n%s", text)
		}
		if d, err := b.c.Drift(b.options()); err != nil || len(d.Saved) > 0 {
			b.Errorf("it differs by %+v, %v", d, err)
		}
	})
}
