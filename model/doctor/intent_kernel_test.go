package doctor_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// said is a gateway with what the doctor has to say of it, held against a packet.
type said struct {
	name  string
	spoil func(w *ward)
	// from asks to, which is answered or not; no question where from is nil.
	from     func(w *ward) *lab.Node
	to       string
	answered bool
	check    string // "": no problem may be told, and never is never told
	severity doctor.Severity
	says     string
	never    string
	cured    bool // the cure is carried out, and the question answered after it where it was not, and the other way round
}

var saids = []said{
	{
		name: "a drop for what clients ask for is meant", from: client, to: web, check: "closed", severity: doctor.SeverityNote, says: "on purpose", never: "forward-dropped",
		spoil: func(w *ward) {
			w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-p", "tcp", "-m", "conntrack", "--ctorigdstport", "80", "--ctdir", "ORIGINAL", "-j", "DROP")
		},
	},
	{
		name: "so is one in the raw table", from: client, to: web, check: "closed", severity: doctor.SeverityNote, says: "on purpose", never: "dropped-early",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "raw", "-A", "PREROUTING", "-d", "203.0.113.1", "!", "-i", "lo", "-p", "tcp", "--dport", "80", "-j", "DROP")
		},
	},
	{
		name: "INPUT does not close what is forwarded", from: client, to: web, answered: true, check: "filter-before-nat", severity: doctor.SeverityWarning, says: "INPUT sees only what stays",
		spoil: func(w *ward) { w.iptables("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "DROP") },
	},
	{
		name: "nor does a chain that INPUT calls", from: client, to: web, answered: true, check: "filter-before-nat", severity: doctor.SeverityWarning, says: "INPUT sees only what stays",
		spoil: func(w *ward) {
			w.iptables("iptables", "-N", "ufw-user-input")
			w.iptables("iptables", "-A", "INPUT", "-j", "ufw-user-input")
			w.iptables("iptables", "-A", "ufw-user-input", "-p", "tcp", "--dport", "80", "-j", "REJECT")
		},
	},
	{
		name: "a range of ports that INPUT closes is no forward's", from: client, to: web, answered: true, never: "filter-before-nat",
		spoil: func(w *ward) {
			w.iptables("iptables", "-A", "INPUT", "-i", "wan0", "-p", "tcp", "--dport", "1:1023", "-j", "DROP")
		},
	},
	{
		name: "a native filter for the port that is asked for", from: client, to: web, answered: true, check: "filter-before-nat", severity: doctor.SeverityWarning, says: "proto-dst 80",
		spoil: func(w *ward) {
			w.nft("table inet guard { chain thru { type filter hook forward priority 0; iifname \"wan0\" tcp dport 80 drop; } }")
		},
	},
	{
		name: "INPUT keeps neighbours from being found", from: client, to: "[2001:db8:1::1]:80", check: "discovery-dropped", severity: doctor.SeverityError, says: "type 135", cured: true,
		spoil: func(w *ward) {
			published6(w)
			w.iptables("ip6tables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
			w.iptables("ip6tables", "-A", "INPUT", "-p", "ipv6-icmp", "--icmpv6-type", "echo-request", "-j", "ACCEPT")
			w.iptables("ip6tables", "-P", "INPUT", "DROP")
			forgetNeighbours(w)
		},
	},
	{
		name: "OUTPUT keeps neighbours from being found", from: client, to: "[2001:db8:1::1]:80", check: "discovery-dropped", severity: doctor.SeverityError, says: "this host sends", cured: true,
		spoil: func(w *ward) {
			published6(w)
			w.iptables("ip6tables", "-A", "OUTPUT", "-p", "tcp", "-j", "ACCEPT")
			w.iptables("ip6tables", "-P", "OUTPUT", "DROP")
			forgetNeighbours(w)
		},
	},
	{
		name: "a filter that knows of neighbours", from: client, to: "[2001:db8:1::1]:80", answered: true, never: "discovery-dropped",
		spoil: func(w *ward) {
			published6(w)
			w.iptables("ip6tables", "-A", "INPUT", "-p", "ipv6-icmp", "-j", "ACCEPT")
			w.iptables("ip6tables", "-P", "INPUT", "DROP")
			forgetNeighbours(w)
		},
	},
	{
		name: "a native redirection takes it first", from: client, to: web, answered: true, check: "taken-first", severity: doctor.SeverityError, says: "taken by ip early pre 1",
		spoil: func(w *ward) {
			w.serve(w.Gateway, "tcp", "203.0.113.1:8088")
			w.nft("table ip early { chain pre { type nat hook prerouting priority -110; iifname \"wan0\" tcp dport 80 redirect to :8088; } }")
		},
	},
	{
		name: "a native translation that leads to the same server", from: client, to: web, answered: true, check: "taken-first", severity: doctor.SeverityNote, says: "all the same",
		spoil: func(w *ward) {
			w.nft("table ip early { chain pre { type nat hook prerouting priority -110; iifname \"wan0\" tcp dport 80 dnat to 192.168.0.2:8080; } }")
		},
	},
	{
		name: "a native translation for somebody else", from: client, to: web, answered: true, never: "taken-first",
		spoil: func(w *ward) {
			w.nft("table ip early { chain pre { type nat hook prerouting priority -110; ip saddr 203.0.113.77 tcp dport 80 redirect to :8088; } }")
		},
	},
	{
		name: "a list of ports of which an earlier rule takes one", from: client, to: "203.0.113.1:443", answered: true, never: "translated",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "wan0", "-p", "tcp", "-m", "multiport", "--dports", "80,443", "-j", "DNAT", "--to-destination", "192.168.0.3")
			w.serve(w.Server3, "tcp", "192.168.0.3:443")
		},
	},
	{
		name: "one of two servers that chance decides between is off", check: "server-silent", severity: doctor.SeverityWarning, says: "192.168.0.77", never: "translated",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-I", "PREROUTING", "1", "-d", "203.0.113.1", "-p", "tcp", "--dport", "80", "-m", "statistic", "--mode", "nth", "--every", "2", "--packet", "0", "-j", "DNAT", "--to-destination", "192.168.0.77:8080")
			_, _ = w.question(trouble{from: client, to: web}, absence)
		},
	},
	{
		name: "a policy rule refuses what machines inside send", from: server3, to: "198.51.100.7:80", check: "packet-ends", severity: doctor.SeverityError, says: "prohibit",
		spoil: func(w *ward) { w.run(w.Gateway, "ip", "rule", "add", "from", "192.168.0.0/24", "prohibit") },
	},
	{
		name: "a policy rule refuses what comes by a link", from: server3, to: "198.51.100.7:80", check: "packet-ends", severity: doctor.SeverityError, says: "blackhole",
		spoil: func(w *ward) { w.run(w.Gateway, "ip", "rule", "add", "iif", "lan0", "blackhole") },
	},
	{
		name: "the special translation goes first", from: server3, to: "198.51.100.7:80", answered: true, never: "translated-otherwise",
		spoil: func(w *ward) {
			w.run(w.Gateway, "ip", "addr", "add", "203.0.113.2/24", "dev", "wan0")
			w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-o", "wan0", "-j", "SNAT", "--to-source", "203.0.113.1")
			w.iptables("iptables", "-t", "nat", "-I", "POSTROUTING", "1", "-s", "192.168.0.3", "-o", "wan0", "-j", "SNAT", "--to-source", "203.0.113.2")
		},
	},
	{
		name: "a rule drops the answers for one machine", from: server3, to: "198.51.100.7:80", check: "answers-dropped", severity: doctor.SeverityWarning, says: "192.168.0.3, and of no other",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
			w.iptables("iptables", "-A", "FORWARD", "-d", "192.168.0.3", "-j", "DROP")
		},
	},
	{
		name: "two ways out, one of them translated", check: "not-translated", severity: doctor.SeverityError, says: "wan1",
		spoil: secondWay,
	},
	{
		name: "two ways out, both translated", never: "not-translated",
		spoil: func(w *ward) {
			secondWay(w)
			w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-o", "wan1", "-j", "MASQUERADE")
		},
	},
	{
		name: "an answer that leaves by one of two ways", never: "answer-leaves-elsewhere", spoil: secondWay,
	},
	{
		name: "a transparent proxy without its route", from: server3, to: "198.51.100.7:80", check: "proxy-not-routed", severity: doctor.SeverityError, says: "route add local",
		spoil: transparent,
	},
	{
		name: "a transparent proxy with its route", never: "proxy-not-routed",
		spoil: func(w *ward) {
			transparent(w)
			w.run(w.Gateway, "ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "100")
			w.run(w.Gateway, "ip", "rule", "add", "fwmark", "1", "lookup", "100")
		},
	},
	{
		name: "the other gateway has the address that both share", never: "old-address",
		spoil: func(w *ward) {
			w.iptables("iptables", "-A", "INPUT", "-p", "vrrp", "-j", "ACCEPT")
			w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-d", "203.0.113.100", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
		},
	},
}

// transparent hands what the LAN asks of web servers to a program of the gateway.
func transparent(w *ward) {
	w.serve(w.Gateway, "tcp", "0.0.0.0:3129")
	w.iptables("iptables", "-t", "mangle", "-A", "PREROUTING", "-i", "lan0", "-p", "tcp", "--dport", "80", "-j", "TPROXY", "--tproxy-mark", "0x1/0x1", "--on-port", "3129")
}

// secondWay gives the default route of the gateway a second next hop.
func secondWay(w *ward) {
	w.run(w.Gateway, "ip", "link", "add", "wan1", "type", "veth", "peer", "name", "far")
	w.run(w.Gateway, "ip", "link", "set", "far", "up")
	w.run(w.Gateway, "ip", "link", "set", "wan1", "up")
	w.run(w.Gateway, "ip", "addr", "add", "100.64.9.2/24", "dev", "wan1")
	w.run(w.Gateway, "ip", "route", "replace", "default", "nexthop", "via", "203.0.113.254", "nexthop", "via", "100.64.9.1")
}

// published6 publishes the web server over IPv6 too.
func published6(w *ward) {
	w.iptables("ip6tables", "-t", "nat", "-A", "PREROUTING", "-d", "2001:db8:1::1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "[2001:db8:2::2]:8080")
	w.serve(w.Server2, "tcp", "[2001:db8:2::2]:8080")
}

// forgetNeighbours has everybody look for their neighbours again.
func forgetNeighbours(w *ward) {
	for _, n := range []*lab.Node{w.Gateway, w.Client, w.Server2} {
		w.run(n, "ip", "-6", "neigh", "flush", "all")
	}
}

// TestDoctorSays holds what the doctor says of a gateway, and what it does not say, against real packets.
func TestDoctorSays(t *testing.T) {
	for _, s := range slices.Concat(saids, leftOuts, halfway, unclaimeds) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.settle()
			s.spoil(w)
			w.meets(s)
			w.says(s)
		})
	}
}

// says holds what the doctor says of the gateway as it is, and carries out its cure.
func (w *ward) says(s said) {
	w.t.Helper()
	found := doctor.Examine(w.look())
	for _, f := range found {
		if f.Check == s.never {
			w.t.Errorf("the doctor says %s", text([]doctor.Finding{f}))
		}
	}
	if s.check == "" {
		return
	}
	i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == s.check })
	if i < 0 {
		w.t.Fatalf("the doctor does not say %s:\n%s", s.check, text(found))
	}
	if f := found[i]; f.Severity != s.severity || !strings.Contains(text(found[i:i+1]), s.says) {
		w.t.Errorf("want %s, %q: %s", s.severity, s.says, text(found[i:i+1]))
	}
	if !s.cured {
		return
	}
	w.apply(found[i].Cure)
	s.answered = !s.answered
	w.meets(s)
	if again := doctor.Examine(w.look()); slices.ContainsFunc(again, func(f doctor.Finding) bool { return f.Check == s.check && f.IsProblem() }) {
		w.t.Errorf("after its cure: %s", text(again))
	}
}

// meets puts the question, and holds that it is answered or not.
func (w *ward) meets(s said) {
	w.t.Helper()
	if s.from == nil {
		return
	}
	limit := absence
	if s.answered {
		limit = patience
	}
	answer, err := w.question(trouble{from: s.from, to: s.to}, limit)
	// What was looked for in vain a moment ago is not looked for again at once: "no route to host" comes without a question.
	for late := time.Now().Add(patience); s.answered && err != nil && time.Now().Before(late); time.Sleep(100 * time.Millisecond) {
		answer, err = w.question(trouble{from: s.from, to: s.to}, limit)
	}
	if s.answered && err != nil || !s.answered && err == nil {
		w.t.Fatalf("%s from %s: %+v, %v", s.to, s.name, answer, err)
	}
}

// TestCuresDoNotUndoEachOther: what one cure has closed no other finding opens again.
func TestCuresDoNotUndoEachOther(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "DROP")
	found := doctor.Examine(w.look())
	i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == "filter-before-nat" })
	if i < 0 || len(found[i].Cure.Steps) == 0 {
		t.Fatalf("no cure: %s", text(found))
	}
	w.apply(found[i].Cure)
	w.meets(said{from: client, to: web})
	for _, f := range doctor.Examine(w.look()) {
		if f.IsProblem() {
			t.Errorf("after the cure the doctor says %s", text([]doctor.Finding{f}))
		}
	}
}

// TestManyForwards: of forwards that are not looked at it is said that they are not, and each is looked at where it is
// asked for, by its rule and by what clients ask for.
func TestManyForwards(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.sysctl("net/ipv4/ip_forward", "1")
	var b strings.Builder
	b.WriteString("*nat\n")
	for i := range 2100 {
		b.WriteString("-A PREROUTING -i wan0 -p tcp -m tcp --dport " + strconv.Itoa(10000+i) + " -j DNAT --to-destination 192.168.0.2:80\n")
	}
	b.WriteString("COMMIT\n")
	if err := w.Restore(t.Context(), "iptables-restore", b.String()); err != nil {
		t.Fatal(err)
	}
	w.iptables("iptables", "-P", "FORWARD", "DROP")
	g := w.look()
	found := doctor.Examine(g)
	if !slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Check == "not-examined" && strings.Contains(f.Sentence, "2,000") }) {
		t.Errorf("nothing is said of those left out: %s", text(found[:min(len(found), 3)]))
	}
	for _, name := range []string{"PREROUTING 2090", "tcp 203.0.113.1:12089", "12089/tcp"} {
		f, list, err := doctor.Seek(g, name)
		if err != nil || list != nil || f.Name() != "PREROUTING 2090" {
			t.Errorf("%s is %q: %v %s", name, f.Name(), err, text(list))
			continue
		}
		if found := doctor.ExamineForward(g, f); doctor.Worst(found) != doctor.SeverityError {
			t.Errorf("of %s is said %s", name, text(found))
		}
	}
}
