package main

import (
	"os/exec"
	"strings"
	"testing"

	"nattui/model/lab"
)

// The whole program goes back to a snapshot from History, and undoes that: the kernel has the rule again, and no more.
func TestSnapshotsOnTheScreens(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	path := ownProgram(t)
	sh(t, "ip link set lo up; iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080")
	sh(t, "nattui snapshot before && iptables -t nat -F PREROUTING")
	redirected := func() bool {
		out, err := exec.Command("iptables", "-t", "nat", "-S", "PREROUTING").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(out), "--to-ports 8080")
	}
	w := watch(t, sit(t, path), 80, 24)
	w.sees("Rules")
	w.press("6")
	w.sees("Snapshot before")
	w.press("b")
	w.sees("Go back to snapshot before?")
	if redirected() {
		t.Fatal("it went back before anybody agreed")
	}
	w.agrees("y", "rule added to PREROUTING")
	awaitFor(t, "the rule is not back", redirected)
	w.press("1")
	w.press("u")
	w.sees("undone")
	awaitFor(t, "the rule is still there", func() bool { return !redirected() })
	w.end()
}
