package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"nattui/model/mission"
	"nattui/rules"
)

// course is a mission as it is on the ground: how the gateway is at the beginning, and what traffic has to show
// in the end. It never looks at a rule: whatever makes the traffic right is a solution.
type course struct {
	scenario Scenario
	// lonely has server2 lose its default route, as if another router were its gateway.
	lonely bool
	// watched is asked again and again by the client from the beginning: see witness.
	watched *trial
	trials  []trial
}

// trial is a request and what has to come back.
type trial struct {
	want    string
	from    machine
	network string // tcp, udp
	source  string // address and port, or empty
	to      string
	// by is who has to answer, at and seen as what it must have been asked and whom it must have seen; empty: any.
	// Where nobody is set, nobody may answer.
	by, at, seen string
	nobody       bool
}

// The situation of most missions: something listens everywhere, and the LAN gets out where it is said.
var (
	sharing  = "-t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE"
	forward  = "-t nat -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080"
	services = []service{
		{server2, "tcp", 8080},
		{server2, "tcp", 22},
		{server3, "tcp", 443},
		{gateway, "tcp", 22},
		{gateway, "tcp", 8888},
		{client, "tcp", 80},
		{client, "tcp", 443},
		{client, "udp", 53},
	}
	fromClient = talk{from: client, network: "tcp", to: "203.0.113.1:80", every: 2 * time.Second}
)

// courses are those of all missions, by name.
var courses = map[string]course{
	"share": {
		scenario: Scenario{services: services},
		trials: []trial{
			{want: "server2 reaches a web server on the Internet, which sees 203.0.113.1", from: server2, network: "tcp", to: "198.51.100.7:80", by: "client", seen: "203.0.113.1"},
			{want: "so does server3, at another port", from: server3, network: "tcp", to: "203.0.113.10:443", by: "client", seen: "203.0.113.1"},
			{want: "server3 gets an answer from a name server (UDP)", from: server3, network: "udp", to: "198.51.100.7:53", by: "client", seen: "203.0.113.1"},
		},
	},
	"publish": {
		scenario: Scenario{forwarding: true, rulesIPv4: []string{sharing}, services: services},
		trials: []trial{
			{want: "client reaches 203.0.113.1:80, answered by server2", from: client, network: "tcp", to: "203.0.113.1:80", by: "server2", at: "192.168.0.2:8080"},
			{want: "so does another client, 198.51.100.7", from: client, network: "tcp", source: "198.51.100.7:0", to: "203.0.113.1:80", by: "server2", at: "192.168.0.2:8080"},
			{want: "server3 still reaches other web servers", from: server3, network: "tcp", to: "198.51.100.7:80", by: "client"},
		},
	},
	"return-path": {
		scenario: Scenario{forwarding: true, rulesIPv4: []string{forward, sharing}, services: services, talks: []talk{fromClient}},
		lonely:   true,
		trials: []trial{
			{want: "client reaches 203.0.113.1:80, answered by server2", from: client, network: "tcp", to: "203.0.113.1:80", by: "server2", at: "192.168.0.2:8080"},
			{want: "so does another client, 198.51.100.7", from: client, network: "tcp", source: "198.51.100.7:0", to: "203.0.113.1:80", by: "server2", at: "192.168.0.2:8080"},
		},
	},
	"hairpin": {
		scenario: Scenario{forwarding: true, rulesIPv4: []string{forward, sharing}, services: services, talks: []talk{fromClient}},
		trials: []trial{
			{want: "server3 reaches 203.0.113.1:80, answered by server2", from: server3, network: "tcp", to: "203.0.113.1:80", by: "server2", at: "192.168.0.2:8080"},
			{want: "server2 reaches itself at 203.0.113.1:80", from: server2, network: "tcp", to: "203.0.113.1:80", by: "server2", at: "192.168.0.2:8080"},
			{want: "client reaches 203.0.113.1:80, and the server sees 203.0.113.10", from: client, network: "tcp", to: "203.0.113.1:80", by: "server2", seen: "203.0.113.10"},
		},
	},
	"proxy": {
		scenario: Scenario{
			forwarding: true, rulesIPv4: []string{sharing}, services: services,
			talks: []talk{{from: server2, network: "tcp", to: "198.51.100.7:80", every: 2 * time.Second}},
		},
		trials: []trial{
			{want: "server2 asks 198.51.100.7:80, and the proxy answers", from: server2, network: "tcp", to: "198.51.100.7:80", by: "gateway"},
			{want: "server3 asks 203.0.113.10:80, and the proxy answers", from: server3, network: "tcp", to: "203.0.113.10:80", by: "gateway"},
			{want: "server3 asks 198.51.100.7:443, and that server answers", from: server3, network: "tcp", to: "198.51.100.7:443", by: "client"},
			{want: "client gets no answer from 203.0.113.1:80", from: client, network: "tcp", to: "203.0.113.1:80", nobody: true},
		},
	},
	"stale": {
		scenario: Scenario{
			forwarding: true,
			rulesIPv4:  []string{"-t nat -A PREROUTING -d 203.0.113.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 192.168.0.2:53", sharing},
			services:   []service{{server2, "udp", 53}, {server3, "udp", 53}, {client, "tcp", 80}, {gateway, "tcp", 22}},
			talks:      []talk{{from: client, network: "udp", source: "203.0.113.10:5000", to: "203.0.113.1:53", every: time.Second}},
		},
		trials: []trial{
			{want: "a new client asks 203.0.113.1:53, and server3 answers", from: client, network: "udp", to: "203.0.113.1:53", by: "server3"},
			{want: "the client with port 5000 asks, and server3 answers", from: client, network: "udp", source: "203.0.113.10:5000", to: "203.0.113.1:53", by: "server3"},
		},
	},
	"forward-drop": {
		scenario: Scenario{
			forwarding: true,
			rulesIPv4: []string{
				forward,
				"-t nat -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.3:443",
				sharing,
				"-P FORWARD DROP",
				"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
				"-A FORWARD -i lan0 -o wan0 -j ACCEPT",
			},
			services: services, talks: []talk{fromClient},
		},
		trials: []trial{
			{want: "client reaches 203.0.113.1:80, answered by server2", from: client, network: "tcp", to: "203.0.113.1:80", by: "server2", at: "192.168.0.2:8080"},
			{want: "server3 still reaches the Internet", from: server3, network: "tcp", to: "198.51.100.7:80", by: "client"},
			{want: "client gets no answer from 203.0.113.1:8443", from: client, network: "tcp", to: "203.0.113.1:8443", nobody: true},
		},
	},
	"lock-out": {
		scenario: Scenario{forwarding: true, rulesIPv4: []string{sharing}, services: services},
		watched:  &trial{from: client, network: "tcp", to: "203.0.113.1:22", by: "gateway"},
		trials: []trial{
			{want: "client reaches the gateway's SSH at 203.0.113.1:22 again", from: client, network: "tcp", to: "203.0.113.1:22", by: "gateway"},
			{want: "client reaches 203.0.113.1:2222, answered by server2", from: client, network: "tcp", to: "203.0.113.1:2222", by: "server2", at: "192.168.0.2:22"},
		},
	},
}

// Set puts the network into the situation that a mission begins with. It returns as Play does.
func (n *Network) Set(ctx context.Context, name string) error {
	m, err := mission.Named(name)
	if err != nil {
		return err
	}
	c := courses[m.Name]
	if c.lonely {
		if err := n.Server2.Do(dropDefaultRoutes); err != nil {
			return fmt.Errorf("take the default route from %s: %w", n.Server2.Name, err)
		}
	}
	if err := n.enact(ctx, c.scenario); err != nil {
		return err
	}
	if c.watched == nil {
		return nil
	}
	if err := os.Remove(lostPath); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(runDirectory, 0o700); err != nil {
		return err
	}
	go n.witness(ctx, *c.watched)
	return nil
}

func dropDefaultRoutes() error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteList(link, family)
		if err != nil {
			return err
		}
		for i := range routes {
			if routes[i].Gw == nil {
				continue
			}
			if err := netlink.RouteDel(&routes[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// lostPath is there once what is watched was lost after it had been there, therePath once it had been there.
const (
	lostPath  = runDirectory + "/lost"
	therePath = runDirectory + "/there"
)

// witness asks until what it asks for has been there and then was answered by somebody else, or by nobody twice in a
// row, and notes that.
func (n *Network) witness(ctx context.Context, of trial) {
	ctx, cancel := context.WithTimeout(ctx, talkFor)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	there, lost := false, 0
	for lost < 2 {
		reply := n.Send(ctx, of.request())
		switch {
		case ctx.Err() != nil:
			return
		case of.judge(reply) == "":
			if lost = 0; !there {
				there = os.WriteFile(therePath, nil, 0o600) == nil
			}
		case there && reply.Outcome == mission.Answered:
			lost = 2
		case there:
			lost++
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
	_ = os.WriteFile(lostPath, nil, 0o600)
}

// Check tries the goal of a mission with real packets, and says of each part whether it is reached and what was seen.
// It blocks until all have come back, at most some seconds. It needs Set to have been called, by whichever process.
func (n *Network) Check(ctx context.Context, name string) ([]mission.Step, error) {
	m, err := mission.Named(name)
	if err != nil {
		return nil, err
	}
	c := courses[m.Name]
	steps := make([]mission.Step, len(c.trials))
	var asking sync.WaitGroup
	for i, t := range c.trials {
		asking.Go(func() { steps[i] = t.try(ctx, n) })
	}
	asking.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if c.watched != nil {
		steps = append([]mission.Step{n.wasLost(ctx, *c.watched)}, steps...)
	}
	return steps, nil
}

// try asks once.
func (t trial) try(ctx context.Context, n *Network) mission.Step {
	reply := n.Send(ctx, t.request())
	why := t.judge(reply)
	s := mission.Step{Want: t.want, OK: why == "", Saw: reply.Sentence()}
	if why != "" && reply.Outcome == mission.Answered {
		s.Saw += ": " + why
	}
	return s
}

// wasLost tells what the witness has seen of what is watched, and of what has only just changed what is there now.
func (n *Network) wasLost(ctx context.Context, of trial) mission.Step {
	noted := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	s := mission.Step{Want: "client was locked out: " + of.to + " was not the gateway's SSH for a while", OK: noted(lostPath), Saw: "it was lost, and noticed"}
	if s.OK {
		return s
	}
	switch now := n.Send(ctx, of.request()); {
	case !noted(therePath):
		s.Saw = "it has not been seen to answer yet, so that it cannot be lost"
	case of.judge(now) == "":
		s.Saw = "it has answered each time it was asked so far"
	case now.Outcome == mission.Answered:
		s.OK = true
		_ = os.WriteFile(lostPath, nil, 0o600) // what was once seen stays seen, whether or not the witness asked meanwhile
	default:
		s.Saw = "it does not answer now; it counts as lost once nobody has answered twice, which takes some seconds"
	}
	return s
}

func (t trial) request() mission.Request {
	proto := rules.Protocol(rules.TCP)
	if t.network == "udp" {
		proto = rules.UDP
	}
	r := mission.Request{From: Machines()[t.from], Proto: proto, To: netip.MustParseAddrPort(t.to)}
	if t.source != "" {
		r.Source = netip.MustParseAddrPort(t.source)
	}
	return r
}

// judge says what is wrong with a reply; empty if nothing is.
func (t trial) judge(r mission.Reply) string {
	switch {
	case t.nobody && r.Outcome == mission.Answered:
		return "nobody should answer"
	case t.nobody && r.Outcome == mission.Failed:
		return r.Why
	case t.nobody:
		return ""
	case r.Outcome != mission.Answered:
		return r.Why
	case t.by != "" && r.Server != t.by:
		return "expected " + t.by
	case t.at != "" && r.At.String() != t.at:
		return "expected at " + t.at
	case t.seen != "" && r.Peer.Addr().String() != t.seen:
		return "expected to see " + t.seen
	}
	return ""
}
