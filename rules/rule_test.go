package rules

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func mustParse(t fataler, line string) Rule {
	t.Helper()
	r, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParseUnderstands(t *testing.T) {
	for _, c := range []struct {
		line  string
		check func(Rule) bool
	}{
		{`-A PREROUTING ! -s 10.0.0.0/8 -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 80:81 -j DNAT --to-destination 192.168.0.2:8080`, func(r Rule) bool {
			m, ok := r.Matches[0].(Transport)
			to, single := r.Target.To.AddrPort()
			return r.Source.Not && r.Dest.String() == "203.0.113.1/32" && r.In.Name == "wan0" && ok && m.Dest.Ports == Ports{80, 81} && single && to.String() == "192.168.0.2:8080"
		}},
		{`-A POSTROUTING -s 10.0.0.0/255.0.255.0 -j SNAT --to-source 192.0.2.1-192.0.2.9:1024-2048 --random-fully --persistent`, func(r Rule) bool {
			to := r.Target.To
			return r.Source.Mask.String() == "255.0.255.0" && to.Addrs.Hi.String() == "192.0.2.9" && to.Ports == Ports{1024, 2048} && to.RandomFully && to.Persistent && !to.Random
		}},
		{`-A PREROUTING -p udp -j DNAT --to-destination 192.0.2.1:2000-2100/1000`, func(r Rule) bool { return r.Target.To.HasBase && r.Target.To.Base == 1000 }},
		{`-A PREROUTING -p udp -j DNAT --to-destination [2001:db8::1-2001:db8::4]:53`, func(r Rule) bool { return !r.Target.To.Addrs.Single() && r.Target.To.Ports.Lo == 53 }},
		{`-A PREROUTING -j DNAT --to-destination 2001:db8::1:80`, func(r Rule) bool { return !r.Target.To.HasPorts && r.Target.To.Addrs.Lo.Is6() }},
		{`-A PREROUTING -p tcp -m multiport ! --dports 80,443,8000:8010 -j REDIRECT --to-ports 3128`, func(r Rule) bool {
			m, ok := r.Matches[0].(Multiport)
			return ok && m.Not && len(m.List) == 3 && r.Target.Kind == Redirect
		}},
		{`-A OUTPUT -m owner ! --uid-owner 1000-1010 --suppl-groups -j RETURN`, func(r Rule) bool { m := r.Matches[0].(Owner); return m.UID.Not && m.UID.Hi == 1010 && m.Suppl }},
		{`-A X -m conntrack ! --ctstate NEW,DNAT --ctorigdst 10.0.0.1 --ctdir REPLY -g Y`, func(r Rule) bool {
			m := r.Matches[0].(Conntrack)
			return m.State.Not && m.OrigDst.Addr.String() == "10.0.0.1" && m.Dir == "REPLY" && r.Target.Kind == Goto
		}},
		{`-A OUTPUT -m owner --gid-owner 7 -m conntrack --ctexpire 5 -j RETURN`, func(r Rule) bool {
			o, isOwner := r.Matches[0].(Owner)
			c, isConntrack := r.Matches[1].(Conntrack)
			return isOwner && o.GID.Lo == 7 && o.GID.Hi == 7 && isConntrack && c.Expire.Lo == 5 && c.Expire.Hi == 5
		}},
		{`-A X -m comment --comment -j -j Y`, func(r Rule) bool { return r.Comment() == "-j" && r.Target.Kind == Jump && r.Target.Name == "Y" }},
		{`-A X -m comment --comment "it\'s \"so\" \\ -m x" -m limit --limit 5/sec -j MARK --set-xmark 0x1/0xff`, func(r Rule) bool {
			_, opaque := r.Matches[1].(Opaque)
			return r.Comment() == `it's "so" \ -m x` && opaque && r.Target.Mark.Set == Bits{1, 0xff}
		}},
		{`-A X -j LOG --log-prefix "a b"`, func(r Rule) bool { return r.Target.Kind == Other && r.Target.Options[1] == "a b" }},
		{`-A X`, func(r Rule) bool { return r.Target.Kind == NoTarget }},
		{`-A X -p icmp ! -f -m icmp --icmp-type 8/0 -j ACCEPT`, func(r Rule) bool { return r.Fragment == NotLaterOnly && r.Matches[0].(ICMPType).Type == 8 }},
	} {
		r := mustParse(t, c.line)
		if r.Unparseable() != nil || !c.check(r) {
			t.Errorf("%s\nwas understood as %+v (%v)", c.line, r, r.Unparseable())
		}
		if got := r.canonical(); got != c.line {
			t.Errorf("%s\nprints from its parts as\n%s", c.line, got)
		}
	}
}

func TestParseKeepsWhatItCannotRead(t *testing.T) {
	for _, line := range []string{
		`-A PREROUTING -i eth 0 -j ACCEPT`,
		`-A PREROUTING -m comment --comment "never closed -j ACCEPT`,
		`-A PREROUTING -s not-an-address -j ACCEPT`,
		`-A PREROUTING -p`,
	} {
		r := mustParse(t, line)
		if r.Unparseable() == nil {
			t.Errorf("%s: was thought to be understood", line)
		}
		if r.String() != line {
			t.Errorf("%s came back as %s", line, r)
		}
	}
	if _, err := Parse("COMMIT"); err == nil {
		t.Error("COMMIT was taken for a rule")
	}
}

func TestWholeTablesComeBack(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(corpora(t), "canonical-dumps", "*.txt"))
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tables, err := Read(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
			continue
		}
		var out bytes.Buffer
		if err := Save(&out, tables); err != nil {
			t.Fatal(err)
		}
		if got, want := plainLines(out.String()), plainLines(string(data)); !slices.Equal(got, want) {
			t.Errorf("%s came back otherwise:\n%v\n%v", filepath.Base(f), got, want)
		}
	}
}

// plainLines are the lines of a saved table without comments and counters.
func plainLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == ':' {
			line, _, _ = strings.Cut(line, " [")
		}
		_, line = CutCounters(line)
		lines = append(lines, line)
	}
	return lines
}

func TestReadKeepsARuleOfTwoLines(t *testing.T) {
	text := "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m comment --comment \"one\ntwo\" -j ACCEPT\n[4:240] -A PREROUTING -j RETURN\nCOMMIT\n"
	tables, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := tables[0].Chain("PREROUTING")
	if len(c.Rules) != 2 || c.Rules[0].Comment() != "one\ntwo" || c.Rules[1].Counters != (Counters{4, 240, true}) {
		t.Errorf("read as %+v", c.Rules)
	}
}

func TestReadRefusesListings(t *testing.T) {
	for _, text := range []string{"Chain PREROUTING (policy ACCEPT)\n", "*nat\n-A NOWHERE -j ACCEPT\nCOMMIT\n", "*nat\n:X\nCOMMIT\n"} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -m comment --comment "a \"b\"" -j DNAT --to-destination 192.168.0.2:8080`)
	f.Add(`[3:180] -A X ! -s ::1/128 -m conntrack ! --ctstate NEW --ctexpire 1:2 -g Y`)
	f.Add(`-A X -m time --timestart 08:00:00 -m statistic --mode nth --every 3 --packet 1 -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff`)
	f.Fuzz(func(t *testing.T, line string) {
		r, err := Parse(line)
		if err != nil {
			return
		}
		_, spec := CutCounters(line)
		if r.String() != spec {
			t.Fatalf("%q came back as %q", spec, r)
		}
		_, _, _ = r.Sentence(), r.MatchText(), r.Becomes("nat")
		if r.Unparseable() != nil {
			return
		}
		// What was typed must print as a line that reads as the same rule.
		again, err := Parse(r.Edited().String())
		if strings.ContainsAny(r.Chain, " \t\n\"\\") {
			return
		}
		if err != nil {
			t.Fatalf("%q prints as %q: %v", line, r.Edited(), err)
		}
		a, _ := r.Spec()
		b, _ := again.Spec()
		if again.Unparseable() == nil && again.canonical() != r.canonical() {
			t.Fatalf("%q\nreads as %q\nand again as %q", line, a, b)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add("a \"b c\" \\ d")
	f.Fuzz(func(t *testing.T, s string) {
		words, err := Split(Quote(s))
		if err != nil || len(words) != 1 || words[0] != s {
			t.Fatalf("%q is quoted %s and split into %q, %v", s, Quote(s), words, err)
		}
	})
}

func TestSentences(t *testing.T) {
	for line, want := range map[string]string{
		`-A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080`:            "TCP that arrives on wan0 to 203.0.113.1 port 80 goes to 192.168.0.2 port 8080.",
		`-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE`:                                                                "Everything from 192.168.0.0/24 that leaves by wan0 leaves as if from wan0's address.",
		`-A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888`:                                            "TCP that arrives on lan0 to port 80 goes to this host, port 8888.",
		`-A POSTROUTING -j DOCKER-POSTROUTING`:                                                                                  "Everything is sent through DOCKER-POSTROUTING.",
		`-A X -m limit --limit 5/sec -j RETURN`:                                                                                 "Everything up to 5 a second (5 at once) is done with X.",
		`-A X -j REJECT --reject-with icmp-port-unreachable`:                                                                    "Everything is refused with ICMP port unreachable.",
		`-A X -p tcp -m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr -j REJECT --reject-with tcp-reset`: "TCP where one source has more than 20 connections is refused with a TCP reset.",
		`-A X -p tcp -m connlimit --connlimit-upto 1 --connlimit-mask 32 --connlimit-saddr -j ACCEPT`:                           "TCP where one source has at most 1 connection is let through as it is.",
		`-A X -p tcp -m connlimit --connlimit-above 1 --connlimit-mask 32 --connlimit-daddr -j DROP`:                            "TCP where one destination has more than 1 connection is dropped.",
		`-A X -m recent --rcheck --seconds 1 --hitcount 1 --name ssh --mask 255.255.255.255 --rsource -j DROP`:                  "Everything whose address is in the list of recent addresses ssh with at least 1 packet in the last 1 second is dropped.",
		`-A X -m quota --quota 1 -j ACCEPT`:                                                                                     "Everything until 1 byte has passed is let through as it is.",
		`-A X -m set ! --match-set bad src -j LOG --log-prefix "bad "`:                                                          "Everything not in the set bad by src is written to the kernel's log as \"bad \".",
		`-A X -m recent --update --seconds 60 --hitcount 4 --name ssh --mask 255.255.255.255 --rsource -j DROP`:                 "Everything whose address is in the list of recent addresses ssh with at least 4 packets in the last 60 seconds is dropped.",
	} {
		if got := mustParse(t, line).Sentence(); got != want {
			t.Errorf("%s\nis said as   %s\nand not as  %s", line, got, want)
		}
	}
}

// What table nat accepts stays as it is; elsewhere that is the verdict, which is what counts.
func TestBecomesOfAccept(t *testing.T) {
	r := mustParse(t, "-A FORWARD -i lan0 -o wan0 -j ACCEPT")
	if nat, filter := r.Becomes("nat"), r.Becomes("filter"); nat != "untouched" || filter != "ACCEPT" {
		t.Errorf("ACCEPT is %q in nat and %q in filter", nat, filter)
	}
}

func TestColumns(t *testing.T) {
	for line, want := range map[string][2]string{
		`-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080`: {"tcp to 203.0.113.1:80", "192.168.0.2:8080"},
		`-A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888`:                         {"tcp :80 in lan0", "this host :8888"},
		`-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE`:                                             {"from 192.168.0.0/24 out wan0", "from wan0's address"},
		`-A PREROUTING -d 2001:db8::1/128 -p tcp -m tcp --dport 443 -j DNAT --to-destination [fd00::2]:443`:  {"tcp to [2001:db8::1]:443", "[fd00::2]:443"},
		`-A PREROUTING -j KUBE-SERVICES`: {"everything", "KUBE-SERVICES"},
	} {
		r := mustParse(t, line)
		if got := [2]string{r.MatchText(), r.Becomes("nat")}; got != want {
			t.Errorf("%s\nis shown as %q, not %q", line, got, want)
		}
	}
}

func TestOwners(t *testing.T) {
	for line, want := range map[string]string{
		`-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE`:                                          "docker",
		`-A POSTROUTING -s 172.18.0.0/16 ! -o br-0123456789ab -j MASQUERADE`:                                  "docker",
		`-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`:                    "kubernetes",
		`-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE`:                                              "",
		`-A PREROUTING_ZONES -i eth0 -g PRE_public`:                                                           "firewalld",
		`-A POSTROUTING -j LIBVIRT_PRT`:                                                                       "libvirt",
		`-A POSTROUTING -o br-lan -m comment --comment "my bridge" -j MASQUERADE`:                             "",
		`-A POSTROUTING -s 10.9.0.0/24 -m comment --comment "generated for LXD network lxdbr0" -j MASQUERADE`: "lxd",
	} {
		if got := OwnerOf(mustParse(t, line)); got != want {
			t.Errorf("%s belongs to %q, not %q", line, got, want)
		}
	}
}

// fataler is what a test and a property check have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// TestReadBesideQuotes reads what iptables-save 1.8.9 printed of comments with line breaks, and of names with quotes.
func TestReadBesideQuotes(t *testing.T) {
	hostile := "-A PREROUTING -p tcp -m tcp --dport 1 -m comment --comment \"x\nCOMMIT\n*filter\n:X - [0:0]\n-A POSTROUTING -j MASQUERADE \\\"\" -j ACCEPT"
	lines := []string{
		"-A PREROUTING -i e\"x -p tcp -m tcp --dport 3 -j ACCEPT",
		hostile,
		"-A PREROUTING -i \"x -p tcp -m tcp --dport 4 -j ACCEPT",
		"-A PREROUTING -p tcp -m tcp --dport 5 -j a\"b",
		"-A PREROUTING -p tcp -m tcp --dport 7 -m comment --comment \"open -j ACCEPT\n\"",
		"-A PREROUTING -p tcp -m tcp --dport 6 -m comment --comment last -j ACCEPT",
	}
	text := "*nat\n:PREROUTING ACCEPT [0:0]\n" + strings.Join(lines, "\n") + "\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
	tables, err := Read(strings.NewReader(text))
	if err != nil || len(tables) != 2 || len(tables[0].Chains) != 1 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	var got []string
	for _, r := range tables[0].Chains[0].Rules {
		got = append(got, r.String())
	}
	if !slices.Equal(got, lines) {
		t.Errorf("read\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
	// A quote that never closes hides nothing.
	tables, err = Read(strings.NewReader("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m odd --thing \"x -j ACCEPT\n-A PREROUTING -j RETURN\nCOMMIT\n"))
	if err != nil || len(tables) != 1 || tables[0].Rules() != 2 {
		t.Errorf("beside an open quote: %+v, %v", tables, err)
	}
}

// What people write for iptables-restore may leave out the match that a protocol implies.
func TestImpliedMatch(t *testing.T) {
	for short, long := range map[string]string{
		"-A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.7:8080":   "-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.7:8080",
		"-A INPUT -p udp ! --sport 53 -m conntrack --ctstate NEW -j DROP":                     "-A INPUT -p udp -m udp ! --sport 53 -m conntrack --ctstate NEW -j DROP",
		"-A INPUT -p icmp --icmp-type 8 -j ACCEPT":                                            "-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT",
		"-A FORWARD -d 10.0.0.2/32 -p tcp --syn --dport 443 -m comment --comment x -j ACCEPT": "-A FORWARD -d 10.0.0.2/32 -p tcp -m tcp --syn --dport 443 -m comment --comment x -j ACCEPT",
	} {
		a, b := mustParse(t, short), mustParse(t, long)
		if a.Unparseable() != nil || a.MatchText() != b.MatchText() || a.Becomes("nat") != b.Becomes("nat") {
			t.Errorf("%s: %q, %v; with the match %q", short, a.MatchText(), a.Unparseable(), b.MatchText())
		}
	}
	for _, wrong := range []string{"-A INPUT --dport 80 -j DROP", "-A INPUT ! -p tcp --dport 80 -j DROP", "-A INPUT -p gre --dport 80 -j DROP"} {
		if r := mustParse(t, wrong); r.Unparseable() == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}
