package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules/commit"
)

// TestAnsibleBySSH plays the example as it is meant, over a real sshd, with a rule for the very port: the change waits, and the
// play confirms it by a connection that is newer.
func TestAnsibleBySSH(t *testing.T) {
	lab.Program(t, "ansible-playbook")
	onRemote(t, func(r *remote) {
		text, err := os.ReadFile(filepath.Join(root, "packaging", "ansible", "nattui.yml"))
		if err != nil {
			t.Fatal(err)
		}
		environment := fmt.Sprintf("  gather_facts: false\n  environment:\n    PATH: '%s'\n    %s: '%s'\n    %s: 'yes'\n",
			os.Getenv("PATH"), commit.StateVariable, os.Getenv(commit.StateVariable), programsVariable)
		for old, now := range map[string]string{
			"  gather_facts: false\n": environment,
			"--dport {{ published }} -j DNAT --to-destination 192.168.0.2:80": "--dport 22 -j CONNMARK --set-mark 7",
		} {
			if !strings.Contains(string(text), old) {
				t.Fatalf("the play has no %q", old)
			}
			text = []byte(strings.Replace(string(text), old, now, 1))
		}
		play := filepath.Join(r.dir, "play.yml")
		if err := os.WriteFile(play, text, 0o600); err != nil {
			t.Fatal(err)
		}
		temporary := filepath.Join(r.dir, "tmp")
		cmd := exec.Command("ansible-playbook", "-i", r.addr+",", "-u", "root", "--private-key", filepath.Join(r.dir, "client"),
			"-e", "nattui_rules="+filepath.Join(r.dir, "gateway.rules"), "-e", "wan=wan0", "-e", "ansible_remote_tmp="+temporary, play)
		cmd.Env = append(os.Environ(), "ANSIBLE_HOST_KEY_CHECKING=False", "ANSIBLE_LOCAL_TEMP="+temporary, "HOME="+r.dir, "LC_ALL=C.UTF-8")
		out := &lockedBuffer{}
		cmd.Stdout, cmd.Stderr = out, out
		if err := r.n.Client.Do(cmd.Start); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if e := r.entry("1"); e.State != commit.Confirmed {
			t.Errorf("the change is %+v\n%s", e, out)
		}
	})
}
