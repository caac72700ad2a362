package doctor_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nattui/model/doctor"
	"nattui/model/flow"
	"nattui/model/lab"
	"nattui/rules"
)

var errNoAnswer = errors.New("no answer")

// A UDP flow that goes on keeps the way it began with, whatever the rules say.
func TestDoctorForgetsStaleFlows(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-d", "203.0.113.1", "-p", "udp", "--dport", "53", "-j", "DNAT", "--to-destination", "192.168.0.2:53")
	w.serve(w.Server2, "udp", "192.168.0.2:53")
	w.serve(w.Server3, "udp", "192.168.0.3:53")
	from, to := netip.MustParseAddrPort("203.0.113.10:5000"), netip.MustParseAddrPort("203.0.113.1:53")
	who := func() string {
		t.Helper()
		answer, err := w.Client.AskFrom(t.Context(), "udp", from, to)
		if err != nil {
			t.Fatal(errors.Join(errNoAnswer, err))
		}
		return answer.Server
	}
	if got := who(); got != "server2" {
		t.Fatalf("%s answers at first", got)
	}
	w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "2", "-d", "203.0.113.1", "-p", "udp", "--dport", "53", "-j", "DNAT", "--to-destination", "192.168.0.3:53")
	if got := who(); got != "server2" {
		t.Fatalf("%s answers the flow that began before", got)
	}
	found := doctor.Examine(w.look())
	i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == "stale-flows" && f.IsProblem() })
	if i < 0 {
		t.Fatalf("the doctor does not see it:\n%s", text(found))
	}
	w.apply(found[i].Cure)
	if got := who(); got != "server3" {
		t.Errorf("after %q %s answers", found[i].Cure.Title, got)
	}
}

// The checklist of one forward ends at the fault, and its steps are in the
// packet's order.
func TestChecklistStopsAtTheFault(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	if _, err := w.ask(w.Client, "tcp", web); err != nil {
		t.Fatal(err)
	}
	names := func(list []doctor.Finding) (checks []string) {
		for _, f := range list {
			checks = append(checks, f.Check)
		}
		return checks
	}
	checklist := func() []string {
		t.Helper()
		g := w.look()
		f, err := doctor.FindForward(doctor.Forwards(g), "tcp "+web)
		if err != nil {
			t.Fatal(err)
		}
		return names(doctor.ExamineForward(g, f))
	}
	sound := []string{"arrives", "translated", "forwarding", "source-believed", "route", "neighbour", "let-through", "served", "answer-returns", "answer-leaves"}
	if got := checklist(); !slices.Equal(got[:min(len(got), len(sound))], sound) {
		t.Errorf("a sound forward: %v", got)
	}
	if got := checklist(); !slices.Contains(got, "hairpin") || !slices.Contains(got, "not-from-here") {
		t.Errorf("nothing is said of clients inside and on the gateway: %v", got)
	}
	w.sysctl("net/ipv4/ip_forward", "0")
	if got, want := checklist(), []string{"arrives", "translated", "forwarding-off"}; !slices.Equal(got, want) {
		t.Errorf("forwarding is off: %v, want %v", got, want)
	}
	g := w.look()
	g.Probes = map[netip.AddrPort]doctor.Probe{netip.MustParseAddrPort("192.168.0.2:8080"): {Refused: true, Why: "connection refused"}}
	w.sysctl("net/ipv4/ip_forward", "1")
	g.Facts = w.look().Facts
	f, _ := doctor.FindForward(doctor.Forwards(g), "PREROUTING 1")
	if got := names(doctor.ExamineForward(g, f)); got[len(got)-1] != "server-refuses" {
		t.Errorf("a server that refuses the probe: %v", got)
	}
}

// A flow keeps the address that the gateway had when it began, also when the
// gateway has it no more.
func TestDoctorForgetsGoneAddresses(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.serve(w.Client, "udp", "198.51.100.7:53")
	from, to := netip.MustParseAddrPort("192.168.0.3:5000"), netip.MustParseAddrPort("198.51.100.7:53")
	ask := func(limit time.Duration) (lab.Answer, error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return w.Server3.AskFrom(ctx, "udp", from, to)
	}
	if _, err := ask(patience); err != nil {
		t.Fatal(err)
	}
	// MASQUERADE forgets its flows when an address goes; SNAT does not.
	w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-o", "wan0", "-j", "SNAT", "--to-source", "203.0.113.1")
	if _, err := w.kernel.Forget(w.flows(), func(*flow.Batch) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(patience); err != nil {
		t.Fatal(err)
	}
	w.run(w.Gateway, "ip", "addr", "add", "203.0.113.5/24", "dev", "wan0")
	w.run(w.Gateway, "ip", "addr", "del", "203.0.113.1/24", "dev", "wan0")
	w.run(w.Gateway, "ip", "addr", "replace", "203.0.113.5/24", "dev", "wan0")
	w.run(w.Gateway, "ip", "route", "replace", "default", "via", "203.0.113.254")
	w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-o", "wan0", "-j", "SNAT", "--to-source", "203.0.113.5")
	w.run(w.Client, "ip", "neigh", "flush", "all") // who had the address is forgotten
	if answer, err := ask(absence); err == nil {
		t.Fatalf("the gateway is not broken: %+v", answer)
	}
	found := doctor.Examine(w.look())
	i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == "gone-address" && f.IsProblem() })
	if i < 0 {
		t.Fatalf("the doctor does not see it:\n%s", text(found))
	}
	w.apply(found[i].Cure)
	answer, err := ask(patience)
	if err != nil || answer.Peer.Addr().String() != "203.0.113.5" {
		t.Errorf("after %q: %+v, %v", found[i].Cure.Title, answer, err)
	}
}

// flows are those of the kernel's table.
func (w *ward) flows() (list []flow.Flow) {
	w.look().Flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		list = append(list, *f)
		return true
	})
	return list
}

// Through a narrow way small pages load and large ones hang, where nobody is told
// of packets that do not fit.
func TestDoctorLetsLargePacketsThrough(t *testing.T) {
	for i := range 2 * len(rules.Families) {
		family, check, subject := rules.Families[i/2], "mss-clamp", "wan0"
		if i%2 == 1 {
			check, subject = "too-big-dropped", "OUTPUT 1"
		}
		t.Run(family.String()+" "+check, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			program, server, net, wan, kind := "iptables", "198.51.100.7:99", "192.168.0.0/24", "203.0.113.1", []string{"-p", "icmp", "--icmp-type", "fragmentation-needed"}
			if family == rules.IPv6 {
				program, server, net, wan, kind = "ip6tables", "[2001:db8:1::10]:99", "2001:db8:2::/64", "2001:db8:1::1", []string{"-p", "icmpv6", "--icmpv6-type", "packet-too-big"}
				w.iptables(program, "-t", "nat", "-A", "POSTROUTING", "-s", net, "-o", "wan0", "-j", "SNAT", "--to-source", wan)
			}
			w.run(w.Gateway, "ip", "link", "set", "wan0", "mtu", "1400")
			w.iptables(program, append(append([]string{"-A", "OUTPUT"}, kind...), "-j", "DROP")...)
			to := netip.MustParseAddrPort(server)
			listener, err := w.Client.Listen(t.Context(), to)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			if err := w.send(listener, to, absence); err == nil {
				t.Fatal("the gateway is not broken: a large page gets through")
			}
			found := doctor.Examine(w.look())
			i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == check && strings.HasPrefix(f.Subject, subject) })
			if i < 0 {
				t.Fatalf("the doctor does not say %s:\n%s", check, text(found))
			}
			w.apply(found[i].Cure)
			if err := w.send(listener, to, patience); err != nil {
				t.Errorf("after %q: %v", found[i].Cure.Title, err)
			}
		})
	}
}

// send sends a large page from inside to the world and waits until it is there, at most so long for what comes next.
func (w *ward) send(listener *net.TCPListener, to netip.AddrPort, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	conn, err := w.Server3.Dial(ctx, "tcp", netip.AddrPort{}, to)
	if err != nil {
		return err
	}
	defer conn.Close()
	got, err := listener.Accept()
	if err != nil {
		return err
	}
	defer got.Close()
	const size = 100 << 10
	go func() { _, _ = conn.Write(make([]byte, size)) }()
	_ = got.SetReadDeadline(time.Now().Add(limit))
	_, err = io.ReadFull(got, make([]byte, size))
	return err
}
