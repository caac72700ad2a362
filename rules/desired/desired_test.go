package desired

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nattui/rules"
)

func tables(t interface{ Fatal(...any) }, text string) []rules.Table {
	list, err := rules.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err, text)
	}
	return list
}

// chainText is a table nat with rules in POSTROUTING: small letters are the administrator's, capitals docker's.
func chainText(letters string) string {
	var b strings.Builder
	b.WriteString("*nat\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n:mine - [0:0]\n")
	for _, l := range letters {
		if strings.ToUpper(string(l)) == string(l) {
			fmt.Fprintf(&b, "-A POSTROUTING -s 172.17.0.%d/32 ! -o docker0 -j MASQUERADE\n", l)
		} else {
			fmt.Fprintf(&b, "-A POSTROUTING -s 10.0.0.%d/32 -o wan0 -j MASQUERADE\n", l)
		}
	}
	return b.String() + "COMMIT\n"
}

func letters(s *rules.Ruleset, only func(rune) bool) string {
	c, _ := s.Chain("nat", "POSTROUTING")
	var b strings.Builder
	for _, r := range c.Rules {
		a, _ := r.Source.Host()
		l := rune(a.As4()[3])
		if only(l) {
			b.WriteRune(l)
		}
	}
	return b.String()
}

// TestToward: whatever is there and whatever is wanted, afterwards the administrator's rules are the wanted ones in their order, those of
// programs are untouched, the plan leads there, and asking again changes nothing.
func TestToward(t *testing.T) {
	owned := rules.OwnersIn(&rules.Ruleset{Tables: tables(t, chainText("A"))}, nil)
	if c := tables(t, chainText("A"))[0].Chains[0]; owned.Of("nat", c.Rules[0]) != "docker" {
		t.Skip("the rule of these tests is not docker's any more")
	}
	small := func(r rune) bool { return r >= 'a' }
	large := func(r rune) bool { return r < 'a' }
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.StringOfN(rapid.RuneFrom([]rune("abcdABC")), 0, 7, -1)
		now := &rules.Ruleset{Tables: tables(t, chainText(list.Draw(t, "now")))}
		want := tables(t, chainText(list.Draw(t, "want")))
		after := Toward(now, want, nil, rapid.Bool().Draw(t, "complete"))
		wanted := &rules.Ruleset{Tables: want}
		if got, expected := letters(after, small), letters(wanted, small); got != expected {
			t.Fatalf("the administrator's rules are %q, want %q", got, expected)
		}
		if got, expected := letters(after, large), letters(now, large); got != expected {
			t.Fatalf("the program's rules are %q, and were %q", got, expected)
		}
		sets, err := rules.Difference(now, after).Apply(map[rules.Variant]*rules.Ruleset{{}: now})
		if err != nil {
			t.Fatal(err)
		}
		if letters(sets[rules.Variant{}], func(rune) bool { return true }) != letters(after, func(rune) bool { return true }) {
			t.Fatal("the plan leads elsewhere")
		}
		if again := rules.Difference(after, Toward(after, want, nil, true)); len(again.Steps) != 0 {
			t.Fatalf("asked again it makes %d steps", len(again.Steps))
		}
	})
}

const live = `*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:mine - [0:0]
:old - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -j mine
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80
-A mine -p tcp -m tcp --dport 1 -j ACCEPT
-A old -j RETURN
COMMIT
*filter
:FORWARD DROP [0:0]
:INPUT ACCEPT [0:0]
-A FORWARD -j DOCKER-USER
-A INPUT -s 192.0.2.1/32 -j DROP
COMMIT
`

// TestTowardChains: chains come and go with what is wanted, a program's never; tables that are not named stay unless
// everything is told.
func TestTowardChains(t *testing.T) {
	for _, test := range []struct {
		name, want string
		complete   bool
		plan       string
	}{
		{"nothing of nat", "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n", false, `-t nat -D PREROUTING -j mine
-t nat -D mine -p tcp -m tcp --dport 1 -j ACCEPT
-t nat -D old -j RETURN
-t nat -X mine
-t nat -X old`},
		{"the same", live, true, ""},
		{"everything gone", "", true, `-t nat -D PREROUTING -j mine
-t nat -D mine -p tcp -m tcp --dport 1 -j ACCEPT
-t nat -D old -j RETURN
-t nat -X mine
-t nat -X old
-t filter -D INPUT -s 192.0.2.1/32 -j DROP`},
		{"another chain and policy", "*filter\n:FORWARD DROP [0:0]\n:INPUT DROP [0:0]\n:new - [0:0]\n-A INPUT -j new\n-A new -j ACCEPT\nCOMMIT\n", false, `-t filter -N new
-t filter -P INPUT DROP
-t filter -D INPUT -s 192.0.2.1/32 -j DROP
-t filter -A INPUT -j new
-t filter -A new -j ACCEPT`},
		{"a program's chain is not for a file", "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n:mine - [0:0]\n:old - [0:0]\n-A PREROUTING -j mine\n-A mine -p tcp -m tcp --dport 1 -j ACCEPT\n-A old -j RETURN\n-A DOCKER -j RETURN\nCOMMIT\n", false, ""},
	} {
		now := &rules.Ruleset{Tables: tables(t, live)}
		var lines []string
		for _, argv := range rules.Difference(now, Toward(now, tables(t, test.want), nil, test.complete)).Commands() {
			lines = append(lines, strings.TrimPrefix(rules.ShellLine(argv), "iptables "))
		}
		if got := strings.Join(lines, "\n"); got != test.plan {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.plan)
		}
	}
}

// TestParse reads files, and what nattui writes comes back.
func TestParse(t *testing.T) {
	now := &rules.Ruleset{Tables: tables(t, live)}
	v6 := rules.Variant{Family: rules.IPv6, Backend: rules.Legacy}
	at := time.Date(2026, 11, 29, 4, 0, 0, 0, time.UTC)
	text, err := Snapshot("before", at, map[rules.Variant][]rules.Table{{}: Own(now, nil), v6: nil}, "table inet nattui {\n}\n", []Switch{{"net.ipv4.ip_forward", "1"}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(string(text))
	if err != nil || f.Name != "before" || !f.At.Equal(at) || len(f.Sections) != 2 || !f.Sections[1].Native || !strings.Contains(f.Sections[1].Text, "table inet nattui") || !slices.Equal(f.Switches, []Switch{{"net.ipv4.ip_forward", "1"}}) {
		t.Fatalf("%+v, %v\n%s", f, err, text)
	}
	if strings.Contains(f.Sections[0].Text, "docker0") || !strings.Contains(f.Sections[0].Text, "-A mine") {
		t.Errorf("the snapshot has\n%s", text)
	}
	if again := rules.Difference(now, Toward(now, tables(t, f.Sections[0].Text), nil, true)); len(again.Steps) != 0 {
		t.Errorf("going back to the snapshot at once makes %d steps", len(again.Steps))
	}
	f, err = Parse("# Generated by iptables-save v1.8.9 (nf_tables) on Sun\n*nat\nCOMMIT\n# Completed\n# Generated by ip6tables-save v1.8.9 on Sun\n*raw\nCOMMIT\n")
	if err != nil || len(f.Sections) != 2 || *f.Sections[0].Family != rules.IPv4 || *f.Sections[0].Backend != rules.NFT || *f.Sections[1].Family != rules.IPv6 || f.Sections[1].Backend != nil {
		t.Errorf("%+v, %v", f, err)
	}
	const each = "# Generated by iptables-save v1.8.9 (nf_tables) on Sun\n*nat\nCOMMIT\n# Completed\n# Generated by iptables-save v1.8.9 (nf_tables) on Sun\n*filter\nCOMMIT\n"
	if f, err = Parse("# nattui rules ipv4\n" + each); err != nil || len(f.Sections) != 1 || !slices.Equal(f.Sections[0].Tables(), []string{"nat", "filter"}) {
		t.Errorf("a header before each table: %+v, %v", f, err)
	}
	if f, err = Parse("\ufeff*nat\r\nCOMMIT\r\n"); err != nil || len(f.Sections) != 1 || f.Sections[0].Text != "*nat\nCOMMIT\n" {
		t.Errorf("a byte order mark, and lines as of Windows: %+v, %v", f, err)
	}
	f, err = Parse("#!/usr/sbin/nft -f\nflush ruleset\ntable ip gw {\n}\n")
	if err != nil || len(f.Sections) != 1 || !f.Sections[0].Native || f.Sections[0].Line != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, wrong := range []string{"", "# nattui rules ipv5\n*nat\nCOMMIT\n", "# nattui switch a\n", "# nattui switch a 1\n# nattui switch a 0\n", "# nattui hello\n"} {
		if _, err := Parse(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
