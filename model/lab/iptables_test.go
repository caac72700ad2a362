package lab_test

import (
	"os/exec"
	"strings"
	"testing"

	"nattui/model/lab"
)

// TestIptables makes each kind of change by itself.
func TestIptables(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	for _, line := range []string{
		"-t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT", "-t nat -I PREROUTING -s 192.0.2.1 -j ACCEPT", "-t nat -I PREROUTING 2 -s 192.0.2.2 -j ACCEPT",
		"-t nat -R PREROUTING 2 -s 192.0.2.3 -j ACCEPT", "-t nat -A PREROUTING -s 192.0.2.4 -j ACCEPT", "-t nat -D PREROUTING -s 192.0.2.4 -j ACCEPT",
		"-t nat -D PREROUTING 1", "-N web", "-A web -j DROP", "-F web", "-A web -j ACCEPT", "-A FORWARD -j REJECT", "-F FORWARD", "-P FORWARD DROP",
	} {
		if err := lab.Iptables("iptables", strings.Fields(line)...); err != nil {
			t.Fatal(err)
		}
	}
	for table, want := range map[string]string{
		"nat":    "-P PREROUTING ACCEPT\n-P INPUT ACCEPT\n-P OUTPUT ACCEPT\n-P POSTROUTING ACCEPT\n-A PREROUTING -s 192.0.2.3/32 -j ACCEPT\n-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT\n",
		"filter": "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N web\n-A web -j ACCEPT\n",
	} {
		if got, err := exec.Command("iptables", "-w", "5", "-t", table, "-S").Output(); err != nil || string(got) != want {
			t.Errorf("%s is\n%s%v, want\n%s", table, got, err, want)
		}
	}
	for _, line := range []string{"", "-A", "-t nat", "-t nat -R PREROUTING -j ACCEPT", "-P FORWARD", "-Z FORWARD", "-A nowhere -j ACCEPT"} {
		if err := lab.Iptables("iptables", strings.Fields(line)...); err == nil {
			t.Errorf("%q was done", line)
		}
	}
	if err := lab.Iptables("no-iptables", "-N", "web"); err == nil {
		t.Error("a program that is not there was run")
	}
}
