package lab_test

import (
	"slices"
	"testing"

	"nattui/model/lab"
	"nattui/model/mission"
	"nattui/rules"
)

// A mission whose goal is reached before anything was done teaches nothing.
func TestNoMissionIsDoneAtTheBeginning(t *testing.T) {
	for _, m := range mission.Missions() {
		t.Run(m.Name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			n := build(t)
			if err := n.Set(t.Context(), m.Name); err != nil {
				t.Fatal(err)
			}
			steps, err := n.Check(t.Context(), m.Name)
			p := mission.Progress{Steps: steps}
			if err != nil || len(steps) < 2 || p.Reached() {
				t.Errorf("the goal is reached already: %v %v", steps, err)
			}
			for _, s := range steps {
				t.Logf("%v %s (%s)", s.OK, s.Want, s.Saw)
			}
		})
	}
}

func TestSurvey(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	n := play(t, "publish")
	hosts, err := n.Survey()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range hosts {
		names = append(names, hosts[i].Name)
	}
	if !slices.Equal(names, lab.Machines()) {
		t.Errorf("hosts %v, want %v", names, lab.Machines())
	}
	gw := mission.Owner(hosts, n.Gateway.IPv4)
	if gw == nil || gw.Name != "gateway" || gw.Addresses[0].Link != "wan0" || !gw.Listening(rules.TCP, 8888, rules.IPv4) || gw.Listening(rules.UDP, 8888, rules.IPv4) {
		t.Errorf("gateway: %+v", gw)
	}
	if from := mission.Sender(hosts, "lan0", n.Server2.IPv4); from == nil || from.Name != "server3" {
		t.Errorf("behind lan0, and not server2: %+v", from)
	}
	client := mission.Owner(hosts, lab.WorldIPv4)
	if client == nil || client.Name != "client" || client.Behind != "wan0" {
		t.Fatalf("the world's address belongs to %+v", client)
	}
	if to, ok := mission.Elsewhere(hosts, mission.Owner(hosts, n.Server2.IPv4), rules.TCP, rules.IPv4); !ok || to.Addr() != lab.WorldIPv4 || to.Port() != 80 {
		t.Errorf("to ask from server2: %v %v", to, ok)
	}
}
