package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/model/mission"
)

// attempt is what somebody does in a mission, as a script for sh.
type attempt struct{ name, script string }

// rolledBack waits until the countdown of the latest change has ended.
const rolledBack = "until nattui history | grep -q 'rolled back'; do sleep 0.2; done\n"

// attempts are a right solution of each mission, by nattui's own commands, and wrong ones that people do try.
var attempts = map[string]struct {
	right []attempt
	wrong []attempt
}{
	"share": {
		right: []attempt{{"guide", "nattui guide share --net 192.168.0.0/24 --yes"}, {"masquerade", "nattui switch ip_forward on --yes\nnattui add masquerade --source 192.168.0.0/24 --out wan0 --yes"}},
		wrong: []attempt{
			{"forwarding alone", "nattui switch ip_forward on --yes"},
			{"the rule alone", "nattui add masquerade --source 192.168.0.0/24 --out wan0 --yes"},
			{"one machine", "nattui switch ip_forward on --yes\nnattui add masquerade --source 192.168.0.2 --out wan0 --yes"},
		},
	},
	"publish": {
		right: []attempt{{"guide", "nattui guide publish --port 80 --to 192.168.0.2:8080 --yes"}, {"by hand", "nattui add dnat --proto tcp --in wan0 --dport 80 --to 192.168.0.2:8080 --yes"}},
		wrong: []attempt{
			{"anybody's port 80", "nattui add dnat --proto tcp --dport 80 --to 192.168.0.2:8080 --yes"},
			{"the port is forgotten", "nattui add dnat --proto tcp --dest 203.0.113.1 --dport 80 --to 192.168.0.2 --yes"},
		},
	},
	"return-path": {
		right: []attempt{
			{"snat", "nattui add snat --proto tcp --dest 192.168.0.2 --dport 8080 --to 192.168.0.1 --yes"},
			{"a route on the server", "nattui lab enter server2 -- ip route add default via 192.168.0.1"},
		},
		wrong: []attempt{
			{"the public address, as in the article", "nattui add snat --proto tcp --dest 192.168.0.2 --dport 8080 --to 203.0.113.1 --yes"},
			{"masquerade at the wrong door", "nattui add masquerade --proto tcp --dest 192.168.0.2 --out wan0 --yes"},
		},
	},
	"hairpin": {
		right: []attempt{{"masquerade for the LAN", "nattui add masquerade --proto tcp --source 192.168.0.0/24 --dest 192.168.0.2 --dport 8080 --out lan0 --yes"}},
		wrong: []attempt{
			{"for everybody", "nattui add masquerade --proto tcp --dest 192.168.0.2 --dport 8080 --out lan0 --yes"},
			{"at the wrong door", "nattui add masquerade --proto tcp --source 192.168.0.0/24 --dest 192.168.0.2 --out wan0 --yes"},
		},
	},
	"proxy": {
		right: []attempt{{"guide", "nattui guide proxy --in lan0 --port 80 --to 8888 --yes"}},
		wrong: []attempt{
			{"from the Internet, as in the article", "nattui add redirect --proto tcp --in wan0 --dport 80 --to 8888 --yes"},
			{"from anywhere", "nattui add redirect --proto tcp --dport 80 --to 8888 --yes"},
			{"all of TCP", "nattui add redirect --proto tcp --in lan0 --to 8888 --yes"},
		},
	},
	"stale": {
		right: []attempt{
			{"move", "nattui guide move --from 192.168.0.2:53 --to 192.168.0.3:53 --yes"},
			{"edit and forget", "nattui edit PREROUTING 1 --to 192.168.0.3:53 --yes\nnattui forget --yes"},
		},
		wrong: []attempt{
			{"the rule alone", "nattui edit PREROUTING 1 --to 192.168.0.3:53 --yes"},
			{"forgetting alone", "nattui forget --filter 'client 203.0.113.10' --yes"},
		},
	},
	"forward-drop": {
		right: []attempt{{"the server's port", "nattui import 'iptables -I FORWARD 1 -i wan0 -o lan0 -d 192.168.0.2 -p tcp --dport 8080 -j ACCEPT' --yes"}},
		wrong: []attempt{
			{"before DNAT", "nattui import 'iptables -A FORWARD -d 203.0.113.1 -p tcp --dport 80 -j ACCEPT' --yes"},
			{"all doors open", "nattui import 'iptables -P FORWARD ACCEPT' --accept-doubts --yes"},
			{"all from outside", "nattui import 'iptables -A FORWARD -i wan0 -o lan0 -j ACCEPT' --yes"},
		},
	},
	"lock-out": {
		right: []attempt{{
			"rolled back",
			"nattui add dnat --proto tcp --dest 203.0.113.1 --dport 22 --to 192.168.0.2:22 --confirm 3s --yes\n" + rolledBack +
				"nattui guide publish --port 2222 --to 192.168.0.2:22 --yes",
		}, {
			"undone by hand after a look",
			"iptables -t nat -I PREROUTING 1 -d 203.0.113.1 -p tcp --dport 22 -j DNAT --to 192.168.0.2:22\n" +
				"until nattui learn --check | grep -q 'ok *client was locked out'; do :; done\niptables -t nat -D PREROUTING 1\n" +
				"nattui guide publish --port 2222 --to 192.168.0.2:22 --yes",
		}},
		wrong: []attempt{
			{"kept", "nattui add dnat --proto tcp --dest 203.0.113.1 --dport 22 --to 192.168.0.2:22 --confirm off --yes\nnattui guide publish --port 2222 --to 192.168.0.2:22 --yes"},
			{"never locked out", "nattui guide publish --port 2222 --to 192.168.0.2:22 --yes"},
		},
	},
}

// Each mission is reached by a right solution and by no wrong one, as real packets tell.
func TestMissions(t *testing.T) {
	sequential(t)
	for _, m := range mission.Missions() {
		try := attempts[m.Name]
		if len(try.right) == 0 || len(try.wrong) < 2 {
			t.Errorf("mission %s: a right solution and two wrong ones are wanted", m.Name)
		}
		for _, a := range try.right {
			t.Run(m.Name+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				if status, said := inMission(t, m.Name, a.script); status != 0 || !strings.Contains(said, "The goal is reached. "+m.Lesson) {
					t.Errorf("exit status %d\n%s", status, said)
				}
			})
		}
		for _, a := range try.wrong {
			t.Run(m.Name+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				if status, said := inMission(t, m.Name, a.script); status != 1 || !strings.Contains(said, "not reached yet") {
					t.Errorf("exit status %d\n%s", status, said)
				}
			})
		}
	}
}

// inMission runs a script in the lab of a mission, then checks the goal, and returns that exit status with all that was said.
// A script that fails has status 99.
func inMission(t *testing.T, name, script string) (status int, said string) {
	t.Helper()
	cmd := exec.Command("nattui", "learn", name, "--", "sh", "-c", "set -e\ntrap 'test $? = 0 || exit 99' EXIT\n"+script+"\ntrap - EXIT\nexec nattui learn --check")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), lab.ErrNamespaces.Error()) {
		lab.Lacks(t, lab.ErrNamespaces)
	}
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// What the tutorial says to do in a mission is a solution of it.
func TestTutorialSolvesTheMissions(t *testing.T) {
	sequential(t)
	page := readFile(t, filepath.Join(root, "docs", "tutorial.md"))
	for _, m := range mission.Missions() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			_, section, found := strings.Cut(page, "\n## "+m.Name+"\n")
			if !found {
				t.Fatalf("docs/tutorial.md has no section %s", m.Name)
			}
			section, _, _ = strings.Cut(section, "\n## ")
			var script strings.Builder
			for line := range strings.Lines(section) {
				if command, ok := strings.CutPrefix(line, "    "); ok {
					script.WriteString(command)
				}
			}
			if status, said := inMission(t, m.Name, script.String()); status != 0 {
				t.Errorf("exit status %d after\n%s\n%s", status, &script, said)
			}
		})
	}
}

// The screens in a real lab: the goal is tried, reached by what is done at another terminal, and the next mission begins in
// a lab of its own, in which a packet is sent from the map.
func TestLearnOnTheScreens(t *testing.T) {
	if lab.Isolate(t) { // so that no other lab can be seen
		return
	}
	path := ownProgram(t)
	w := watch(t, sit(t, path, "learn", "publish"), 120, 40)
	w.sees("is to be reached from the Internet")
	w.press("c")
	w.sees("Not reached yet")
	out, err := exec.Command(path, "lab", "enter", "gateway", "--", "nattui", "add", "dnat", "--proto", "tcp", "--in", "wan0", "--dport", "80", "--to", "192.168.0.2:8080", "--yes").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.press("c")
	w.sees("The goal was reached at ")
	w.sees("LAB mission publish ✓ L")
	w.press("n")
	w.sees("LAB mission return-path L")
	w.sees("Mission: The way back")
	w.press("L")
	w.sees("sends a packet or a request from client")
	w.press("\r")
	w.sees("from client  tcp 203.0.113.1:80")
	w.press("\r")
	w.sees("no answer: nothing came back")
	w.press("\x1b")
	w.sees("sends a packet or a request from client")
	w.press("o")
	w.sees("✓ publish")
	w.end()
}
