package doctor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// faults are what may befall a gateway, some of which hurt nobody. Each is commands of a line each, on the gateway or,
// after @2, on the server.
var faults = []string{
	"iptables -P FORWARD DROP",
	"iptables -I FORWARD -i wan0 -j DROP",
	"iptables -I FORWARD -i lan0 -o wan0 -m conntrack --ctstate ESTABLISHED -j DROP",
	"iptables -I FORWARD -p tcp --dport 8080 -j REJECT",
	"iptables -I FORWARD -d 203.0.113.1 -j DROP",
	"iptables -I FORWARD -o wan0 -p tcp --dport 80 -j DROP",
	"iptables -t raw -A PREROUTING -i wan0 -p tcp --dport 80 -j DROP",
	"iptables -t raw -A PREROUTING -p tcp --dport 80 -j CT --notrack",
	"iptables -t raw -A PREROUTING -i lan0 -j CT --notrack",
	"iptables -t mangle -A PREROUTING -s 192.168.0.2 -j MARK --set-mark 5\nip rule add fwmark 5 blackhole",
	"iptables -t mangle -A FORWARD -p tcp --sport 8080 -j DROP",
	"iptables -t mangle -A POSTROUTING -o lan0 -p tcp -j DROP",
	"iptables -t mangle -A PREROUTING -i lan0 -m conntrack --ctstate ESTABLISHED -j MARK --set-mark 9\nip rule add fwmark 9 unreachable",
	"iptables -t nat -I PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.3:81",
	"iptables -t nat -I PREROUTING -i wan0 -j ACCEPT",
	"iptables -t nat -F POSTROUTING",
	"iptables -t nat -I POSTROUTING -o lan0 -j SNAT --to-source 192.168.0.77",
	"iptables -t nat -I POSTROUTING -o wan0 -j SNAT --to-source 203.0.113.77",
	"iptables -t nat -I POSTROUTING -o wan0 -j ACCEPT",
	"iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.3:9999",
	"iptables-legacy -P FORWARD DROP",
	"ip rule add from 192.168.0.2 blackhole",
	"ip rule add from 192.168.0.0/24 unreachable",
	"ip rule add to 198.51.100.0/24 prohibit",
	"ip route add blackhole 192.168.0.2",
	"ip route add unreachable 198.51.100.0/24",
	"ip route del default",
	"ip route add 192.168.0.2 dev wan0",
	"ip route add 198.51.100.0/24 via 192.168.0.3",
	"sysctl -qw net.ipv4.ip_forward=0",
	"sysctl -qw net.ipv4.conf.lan0.forwarding=0",
	"sysctl -qw net.ipv4.conf.wan0.forwarding=0",
	"sysctl -qw net.ipv4.conf.all.rp_filter=1\nip route add 198.51.100.0/24 via 192.168.0.3",
	"nft add table ip early\nnft add chain ip early pre { type filter hook prerouting priority -300 ; policy accept ; }\nnft add rule ip early pre tcp dport 80 drop",
	"nft add table ip early\nnft add chain ip early pre { type filter hook prerouting priority -300 ; policy accept ; }\nnft add rule ip early pre tcp dport 80 notrack",
	"nft add table netdev edge\nnft add chain netdev edge in { type filter hook ingress device wan0 priority 0 ; policy accept ; }\nnft add rule netdev edge in tcp dport 80 drop",
	"nft add table inet late\nnft add chain inet late post { type filter hook postrouting priority 300 ; policy accept ; }\nnft add rule inet late post oifname lan0 drop",
	"nft add table inet sets\nnft add set inet sets bad { type ipv4_addr ; }\nnft add element inet sets bad { 198.51.100.7 }\nnft add chain inet sets fwd { type filter hook forward priority 5 ; policy accept ; }\nnft add rule inet sets fwd ip saddr @bad drop",
	"nft add table ip other\nnft add chain ip other pre { type nat hook prerouting priority -110 ; policy accept ; }\nnft add rule ip other pre tcp dport 80 dnat to 192.168.0.3:82",
	"ip addr del 203.0.113.1/24 dev wan0\nip addr add 203.0.113.5/24 dev wan0\nip route replace default via 203.0.113.254",
	"ip link set lan0 down",
	"iptables -P INPUT DROP\niptables -P OUTPUT DROP",
	"iptables -t nat -I PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8888",
	"iptables -I FORWARD -m connlimit --connlimit-above 0 -j DROP",
	"iptables -I FORWARD -m string --algo bm --string GET -j DROP",
	"iptables -t mangle -A FORWARD -m ttl --ttl-lt 70 -j DROP",
	"iptables -I FORWARD -m length --length 40:100 -j DROP",
	"iptables -I FORWARD -m time --timestart 00:00 --timestop 23:59 --weekdays Mon -j DROP",
	"iptables -t raw -A PREROUTING -m rpfilter --invert -j DROP",
	"iptables -t nat -I POSTROUTING -d 192.168.0.2 -j MASQUERADE",
	"iptables -t security -A FORWARD -j DROP",
	"iptables -t mangle -P PREROUTING DROP",
	"iptables-legacy -t mangle -P FORWARD DROP",
	"iptables -I FORWARD -m statistic --mode random --probability 0.5 -j DROP",
	"iptables -I FORWARD -m conntrack --ctstate NEW -m recent --name x --set -j DROP",
	"iptables -I FORWARD -m mac --mac-source 02:00:00:00:00:01 -j DROP",
	"iptables -I FORWARD -m addrtype --src-type LOCAL -j DROP",
	"iptables -I FORWARD -m conntrack --ctorigdstport 80 -j DROP",
	"iptables -I FORWARD -m conntrack --ctstate DNAT -j REJECT",
	"iptables -I FORWARD -p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP",
	"ip addr add 192.168.0.2/32 dev lo",
	"ip route add local 192.168.0.2 dev lo",
	"ip neigh replace 192.168.0.2 lladdr 02:00:00:00:00:99 dev lan0 nud permanent",
	"ip rule add iif lan0 lookup 99\nip route add default via 192.168.0.3 table 99",
	"ip rule add iif wan0 lookup 98\nip route add unreachable default table 98",
	"sysctl -qw net.ipv4.conf.wan0.rp_filter=1",
	"sysctl -qw net.ipv4.conf.all.rp_filter=1\nip route add 192.168.0.2 dev wan0",
	"@2 ip route del default",
	"@2 iptables -A INPUT -p tcp --dport 8080 -j DROP",
	"@2 iptables -A INPUT -p tcp --dport 8080 -j REJECT --reject-with tcp-reset",
	"@2 ip addr del 192.168.0.2/24 dev eth0",
	"nft add table inet fibs\nnft add chain inet fibs pre { type filter hook prerouting priority -150 ; policy accept ; }\nnft add rule inet fibs pre fib saddr oif eq 0 drop",
	"nft add table inet marks\nnft add chain inet marks fwd { type filter hook forward priority 1 ; policy accept ; }\nnft add rule inet marks fwd meta mark 0 drop",
	"nft add table inet maps\nnft add chain inet maps fwd { type filter hook forward priority 1 ; policy accept ; }\nnft add rule inet maps fwd ip daddr . tcp dport vmap { 192.168.0.2 . 8080 : drop }",
	"nft add table inet leaps\nnft add chain inet leaps aside\nnft add rule inet leaps aside ct direction reply drop\nnft add chain inet leaps fwd { type filter hook forward priority 1 ; policy accept ; }\nnft add rule inet leaps fwd ip protocol tcp goto aside",
	"nft add table inet limits\nnft add chain inet limits fwd { type filter hook forward priority 1 ; policy accept ; }\nnft add rule inet limits fwd limit rate over 1/hour burst 1 packets drop",
	"nft add table ip src\nnft add chain ip src post { type nat hook postrouting priority 90 ; policy accept ; }\nnft add rule ip src post oifname lan0 snat to 192.168.0.77",
	"nft add table ip drops\nnft add chain ip drops pre { type nat hook prerouting priority -90 ; policy accept ; }\nnft add rule ip drops pre tcp dport 80 drop",
	"nft add table ip routes\nnft add chain ip routes out { type route hook output priority -150 ; policy accept ; }\nnft add rule ip routes out tcp sport 8080 drop",
	"nft add table ip queued\nnft add chain ip queued fwd { type filter hook forward priority 5 ; policy accept ; }\nnft add rule ip queued fwd tcp dport 8080 queue",
}

// TestDoctorsWordHolds breaks gateways at random, sends real packets, and holds what the doctor says against what
// became of them: where it says that a forward is right, or that nothing is wrong, everything is answered.
func TestDoctorsWordHolds(t *testing.T) {
	seeds := len(faults) + 8
	if testing.Short() {
		seeds = 4
	}
	if n, err := strconv.Atoi(os.Getenv("NATTUI_GATEWAYS")); err == nil {
		seeds = n
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		spoil := []string{faults[seed%len(faults)]} // each of them alone first
		for seed >= len(faults) && len(spoil) < 3 {
			spoil = append(spoil, faults[r.IntN(len(faults))])
		}
		t.Run(strconv.Itoa(seed), func(t *testing.T) { holdToWord(t, (*ward).base, spoil) })
	}
}

// holdToWord makes a gateway with some faults, and compares the doctor's word with packets.
func holdToWord(t *testing.T, base func(*ward), spoil []string) {
	t.Parallel()
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	base(w)
	w.settle()
	for _, fault := range spoil {
		for line := range strings.Lines(fault) {
			on, words := w.Gateway, strings.Fields(line)
			if words[0] == "@2" {
				on, words = w.Server2, words[1:]
			}
			if _, err := on.Output(t.Context(), words[0], words[1:]...); err != nil {
				t.Log(err) // it does not go with the one before
			}
		}
	}
	before := w.word()
	forward, shared := w.answers(w.Client, lab.WorldIPv4, web), w.answers(w.Server3, netip.Addr{}, "198.51.100.7:80")
	after := w.word()
	for when, word := range map[string]word{"before": before, "after": after} {
		about := fmt.Sprintf("%s anybody asked, of %q", when, spoil)
		switch {
		case word.forward == sound && !forward && (when == "after" || !slices.ContainsFunc(spoil, hurtsSome)):
			t.Errorf("%s: the forward gets no answer, and the doctor says ok:\n%s", about, text(word.steps))
		case word.forward == broken && forward:
			t.Errorf("%s: the forward is answered, and the doctor says:\n%s", about, text(word.steps))
		}
		if when == "before" && slices.ContainsFunc(spoil, hurtsSome) || slices.ContainsFunc(spoil, leavesNoTrace) {
			continue // of those whom it hurts nobody has asked, or nothing is left of it
		}
		if word.all == sound && (!forward || !shared) {
			t.Errorf("%s: forward answered: %t, sharing: %t, and the doctor says that nothing is wrong:\n%s", about, forward, shared, text(word.found))
		}
	}
	if (!forward || !shared) && after.all != open && !problems(after.found) && !slices.ContainsFunc(spoil, leavesNoTrace) && !strings.Contains(strings.Join(spoil, ""), "nft ") {
		t.Errorf("of %q, after somebody has asked: forward answered: %t, sharing: %t, and no problem is told:\n%s", spoil, forward, shared, text(after.found))
	}
	w.cures(after.found, forward, shared)
}

// cures carries out what the doctor offers, one cure after the other, and holds that none of them keeps from being
// answered what was, and that each finding is gone then.
func (w *ward) cures(found []doctor.Finding, forward, shared bool) {
	w.t.Helper()
	done := map[string]bool{}
	for range 4 {
		i := slices.IndexFunc(found, func(f doctor.Finding) bool {
			return f.IsProblem() && len(f.Cure.Steps) > 0 && len(f.Commands) == 0 && !done[f.Check+f.Subject]
		})
		if i < 0 {
			return
		}
		f := found[i]
		done[f.Check+f.Subject] = true
		w.apply(f.Cure)
		stillForward, stillShared := w.answers(w.Client, lab.WorldIPv4, web), w.answers(w.Server3, netip.Addr{}, "198.51.100.7:80")
		if forward && !stillForward || shared && !stillShared {
			w.t.Errorf("after the cure of %s: forward answered: %t, was %t; sharing: %t, was %t:\n%s", f.Check, stillForward, forward, stillShared, shared, text([]doctor.Finding{f}))
		}
		forward, shared = stillForward, stillShared
		found = doctor.Examine(w.look())
		if slices.ContainsFunc(found, func(g doctor.Finding) bool {
			return g.Check == f.Check && g.Subject == f.Subject && g.Severity >= f.Severity && !strings.Contains(f.Check, "drop")
		}) {
			w.t.Errorf("after its cure the doctor still says:\n%s", text([]doctor.Finding{f}))
		}
	}
}

// hurtsSome tells a fault that hurts some machines or services on the Internet alone, or is the server's: before anybody has asked
// nothing is known of it.
func hurtsSome(fault string) bool {
	return strings.Contains(fault, " 198.51.100.") || strings.HasPrefix(fault, "@2") || strings.HasPrefix(fault, "ip neigh") || strings.Contains(fault, "-o wan0 -p tcp --dport 80")
}

// leavesNoTrace tells a fault whose connections the kernel forgets at once: a server that resets them
// (nf_conntrack_tcp_packet), or a rule without a counter that is for some services alone.
func leavesNoTrace(fault string) bool {
	return strings.Contains(fault, "tcp-reset") || strings.Contains(fault, "ip drops pre tcp dport 80 drop")
}

// verdict is what the doctor's word comes to.
type verdict uint8

const (
	open verdict = iota // something is not known
	sound
	broken
)

// word is what the doctor says of a gateway.
type word struct {
	forward, all verdict
	steps, found []doctor.Finding
}

// word asks the doctor.
func (w *ward) word() word {
	w.t.Helper()
	g := w.look()
	said := word{found: doctor.Examine(g)}
	said.all = verdictOf(said.found)
	f, found, err := doctor.Seek(g, "tcp "+web)
	switch {
	case err != nil:
		w.t.Fatal(err)
	case found != nil:
		said.steps = found
		if verdictOf(found) == broken {
			said.forward = broken
		}
	default:
		said.steps = doctor.ExamineForward(g, f)
		said.forward = verdictOf(said.steps)
	}
	return said
}

func verdictOf(found []doctor.Finding) verdict {
	switch {
	case doctor.Worst(found) >= doctor.SeverityError:
		return broken
	case doctor.Worst(found) >= doctor.SeverityWarning:
		return open // a warning is told, and no claim that nothing gets through
	case doctor.Unknown(found) > 0 || slices.ContainsFunc(found, toldAll):
		return open
	}
	return sound
}

// answers tells whether a question is answered.
func (w *ward) answers(from *lab.Node, as netip.Addr, to string) bool {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), absence)
	defer cancel()
	var source netip.AddrPort
	if as.IsValid() {
		source = netip.AddrPortFrom(as, 0)
	}
	_, err := from.AskFrom(ctx, "tcp", source, netip.MustParseAddrPort(to))
	return err == nil
}

// problems tells that something is told that keeps packets from being answered.
func problems(found []doctor.Finding) bool {
	return slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.IsProblem() || toldAll(f) })
}

// toldAll tells a note that says of something that it gets no answer, whether that is meant or not.
func toldAll(f doctor.Finding) bool {
	return slices.Contains([]string{"no-route-found", "no-route-out", "reverse-path-drops", "filter-drops", "not-shared", "no-default-route", "answer-no-route"}, f.Check)
}
