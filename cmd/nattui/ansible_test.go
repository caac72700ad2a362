package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"nattui/model/lab"
)

// TestAnsible plays the example of packaging/ansible with Debian's ansible-core: first in check mode, which tells what would change and
// changes nothing, then twice. The first time something changes, the second time nothing does.
func TestAnsible(t *testing.T) {
	sequential(t)
	lab.Program(t, "ansible-playbook")
	if lab.Isolate(t) {
		return
	}
	dir := t.TempDir()
	t.Setenv("NATTUI_STATE", filepath.Join(dir, "state"))
	t.Setenv("ANSIBLE_LOCAL_TEMP", filepath.Join(dir, "tmp"))
	t.Setenv("ANSIBLE_REMOTE_TEMP", filepath.Join(dir, "tmp"))
	t.Setenv("HOME", dir)
	t.Setenv("LC_ALL", "C.UTF-8") // Ansible starts in no other
	sh(t, "ip link set lo up && ip link add wan0 type veth peer name wan1")
	play := func(args ...string) string {
		cmd := exec.Command("ansible-playbook", append([]string{
			"-i", "localhost,", "-c", "local", "-e", "nattui_rules=" + filepath.Join(dir, "gateway.rules"), "-e", "wan=wan0",
			filepath.Join(root, "packaging", "ansible", "nattui.yml"),
		}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("ansible-playbook %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, step := range []struct {
		args    []string
		changed string
	}{
		{[]string{"--check"}, "2"},
		{nil, "2"},
		{nil, "0"},
		{[]string{"--check"}, "0"},
		{[]string{"--check", "-e", "published=8081"}, "2"},
		{[]string{"-e", "published=8081"}, "2"},
	} {
		out := play(step.args...)
		if m := regexp.MustCompile(`changed=(\d+)`).FindStringSubmatch(out); m == nil || m[1] != step.changed {
			t.Errorf("with %v, %v changed, want %s\n%s", step.args, m, step.changed, out)
		}
	}
	out, err := exec.Command("iptables", "-t", "nat", "-S", "PREROUTING").Output()
	if err != nil || !regexp.MustCompile(`-i wan0 -p tcp -m tcp --dport 8081 -j DNAT`).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "gateway.rules")); err != nil {
		t.Error(err)
	}
}
