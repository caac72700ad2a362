package systems

import (
	"strings"
	"testing"
)

// TestWatchIsTurnedOnAndOff: systemd knows of the unit that watches as soon as it is there, and no longer than that, also
// by undo; turning it off does not take saving.
func TestWatchIsTurnedOnAndOff(t *testing.T) {
	s := boot(t, nil, nil)
	s.enter("nat", forward)
	s.enter("nat", share)
	state := func(want string) {
		t.Helper()
		state, _ := s.try("systemctl", "is-active", "nattui-watch.service")
		stale, _ := s.try("systemctl", "show", "--property=NeedDaemonReload", "nattui-watch.service", "nattui.service")
		if strings.TrimSpace(state) != want || strings.Contains(stale, "yes") {
			t.Errorf("the unit is %s, not %s; %s", strings.TrimSpace(state), want, stale)
		}
	}
	s.run("nattui", "save", "--watch", "--yes")
	state("active")
	s.run("nattui", "undo", "--yes")
	state("inactive")
	s.run("nattui", "undo", "2", "--yes")
	state("active")
	saved := s.read("/etc/nattui/ipv4.nft")
	s.run("systemctl", "stop", "nattui-watch.service") // it would put the rules back
	s.run("iptables", "-t", "nat", "-F")
	if out, err := s.try("nattui", "save", "--yes"); err == nil {
		t.Errorf("nothing was saved over something:\n%s", out)
	}
	out := s.run("nattui", "save", "--watch=false", "--yes")
	state("inactive")
	if _, err := s.try("test", "-e", "/etc/systemd/system/nattui-watch.service"); err == nil || s.read("/etc/nattui/ipv4.nft") != saved {
		t.Errorf("the unit is there still, or the saved rules are others:\n%s\n%s", out, s.read("/etc/nattui/ipv4.nft"))
	}
	s.run("nattui", "undo", "--yes")
	state("active")
}
