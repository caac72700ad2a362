package commit_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/nftables"
)

// nativeSeed is a gateway of native tables, as an administrator writes them: with equal rules, a map of forwards, a set
// without a name, counters, and objects that have one.
const nativeSeed = `
table inet gw {
	quota week { over 5 mbytes }
	counter unused { packets 3 bytes 180 }
	set blocked { type ipv4_addr; flags interval; elements = { 10.9.0.0/16 } }
	set inside { type ipv4_addr; flags interval; elements = { 192.168.0.0/16, 10.0.0.0-10.0.0.9 } }
	map forwards { type inet_service : ipv4_addr; elements = { 80 : 10.0.0.2, 443 : 10.0.0.3 } }
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "wan0" tcp dport 22 counter packets 7 bytes 420 dnat ip to 10.0.0.4
		iifname "wan0" tcp dport 8080 dnat ip to 10.0.0.5:80
		iifname "wan0" tcp dport 8080 dnat ip to 10.0.0.5:80
		iifname "wan0" tcp dport { 25, 110 } dnat ip to 10.0.0.6 comment "mail"
		ip daddr 203.0.113.1 dnat ip to tcp dport map @forwards
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr @inside oifname "wan0" masquerade
	}
}
table ip6 six {
	chain pre {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 80 dnat to [2001:db8::2]:8080
	}
}
`

// nativeOrder makes a table, and changes the one that is there in each way: rules at the end and within, one of two equal
// rules, one with a set without a name, one that is replaced, elements, named objects, a policy, a table put to sleep.
const nativeOrder = `
add table inet nattui
add chain inet nattui prerouting { type nat hook prerouting priority dstnat - 5; }
add rule inet nattui prerouting ip daddr 203.0.113.1 tcp dport { 1000-1005, 2000 } counter dnat ip to 10.0.0.7:80 comment "new"
delete rule inet gw prerouting handle SECOND
delete rule inet gw prerouting handle MAIL
insert rule inet gw prerouting udp dport 53 redirect to :5353
add rule inet gw postrouting ip saddr 10.0.0.4 snat ip to 203.0.113.2
delete element inet gw forwards { 80 }
add element inet gw forwards { 80 : 10.0.0.9, 81 : 10.0.0.9 }
add element inet gw inside { 172.16.0.0/12 }
replace rule inet gw prerouting handle FIRST iifname "wan0" tcp dport 22 counter packets 7 bytes 420 dnat ip to 10.0.0.14
delete element inet gw blocked { 10.9.0.0/16 }
delete counter inet gw unused
add counter inet gw mails
add rule inet gw postrouting tcp dport 25 counter name "mails" quota name "week"
add chain inet gw postrouting { policy drop; }
add table ip6 six { flags dormant; }
`

// nft has nft read a script.
func nft(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

// listed are the native tables as nft prints them, counters included.
func listed(t *testing.T) string {
	t.Helper()
	var all bytes.Buffer
	for _, table := range []string{"inet gw", "ip6 six", "inet nattui"} {
		out, _ := exec.Command("nft", append([]string{"list", "table"}, strings.Fields(table)...)...).Output()
		all.Write(out)
	}
	return all.String()
}

// nativeSteps are what a script does on the tables as they are; none for "".
func nativeSteps(script string) []rules.Step {
	if script == "" {
		return nil
	}
	changer := &nftables.Changer{}
	now, err := changer.ReadNative(context.Background())
	if err != nil {
		exit(err)
	}
	var handles []string
	for _, r := range now.Table("inet", "gw").Chain("prerouting").Rules {
		handles = append(handles, strconv.FormatUint(r.Handle, 10))
	}
	return scriptSteps(strings.NewReplacer("FIRST", handles[0], "SECOND", handles[2], "MAIL", handles[3]).Replace(script))
}

// scriptSteps are what a script does on the tables as they are.
func scriptSteps(script string) []rules.Step {
	now, err := (&nftables.Changer{}).ReadNative(context.Background())
	if err != nil {
		exit(err)
	}
	trial, err := nftables.Try(context.Background(), now, script)
	if err != nil {
		exit(err)
	}
	return rules.NativeSteps(trial.Changes)
}

// nativelyToo runs a test at each variant and on native tables.
func nativelyToo(t *testing.T, test func(g *gateway)) {
	t.Helper()
	everywhere(t, test)
	t.Run("native", func(t *testing.T) { natively(t, test) })
}

// natively runs a test on a gateway with native tables.
func natively(t *testing.T, test func(g *gateway)) {
	t.Helper()
	if lab.Isolate(t) {
		return
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip(err)
	}
	g := newGateway(t, variants[0])
	g.native = true
	test(g)
}

// clear takes away what seed has made.
func (g *gateway) clear() {
	g.Helper()
	if g.native {
		nft(g.T, "delete table inet gw\ndelete table ip6 six")
		return
	}
	g.iptables("-t", "nat", "-F")
	g.iptables("-t", "filter", "-F")
}

// TestNativeChange makes a change of native tables, undoes it, makes it again, and rolls it back.
func TestNativeChange(t *testing.T) {
	natively(t, func(g *gateway) {
		g.seed()
		old := g.state()
		o := g.order()
		e := g.run(o.plan(), commit.Options{})
		changed := g.state()
		for _, want := range []string{"dnat ip to 10.0.0.7:80", "redirect to :5353", "81 : 10.0.0.9", "172.16.0.0/12", "to 10.0.0.14", "counter mails", "policy drop", "dormant"} {
			if !strings.Contains(changed, want) {
				g.Errorf("%q is missing in\n%s", want, changed)
			}
		}
		if strings.Contains(changed, `"mail"`) || strings.Contains(changed, "unused") || strings.Contains(changed, "10.9.0.0") || strings.Count(changed, "10.0.0.5:80") != 1 {
			g.Errorf("rules were not deleted:\n%s", changed)
		}
		undo, err := g.c.Undo(context.Background(), e.ID, commit.Options{})
		if err != nil {
			g.Fatal(err)
		}
		g.same("undone", g.state(), old)
		if _, err := g.c.Undo(context.Background(), undo.ID, commit.Options{}); err != nil {
			g.Fatal(err)
		}
		g.same("made again", g.state(), changed)
		if _, err := g.c.Undo(context.Background(), "", commit.Options{}); err != nil {
			g.Fatal(err)
		}
		o.Setting = ""
		g.run(o.plan(), commit.Options{Confirm: time.Hour})
		if _, err := g.c.Rollback(context.Background(), ""); err != nil {
			g.Fatal(err)
		}
		g.same("rolled back", g.state(), old)
	})
}

// TestNativeBesideIptables makes a change of native tables and of those of iptables-nft, which are the same kernel's: what is
// made first must not keep the other from being made, nor from being rolled back.
func TestNativeBesideIptables(t *testing.T) {
	natively(t, func(g *gateway) {
		g.seed()
		g.native = false
		g.seed()
		o := g.order()
		o.Native, g.native = nativeOrder, true
		old := g.state()
		e := g.run(o.plan(), commit.Options{})
		if now := g.state(); !strings.Contains(now, "10.0.0.7:80") || !strings.Contains(now, "filter -A FORWARD -s "+g.addr(9)) {
			g.Errorf("not all was made:\n%s", now)
		}
		if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
			g.Fatal(err)
		}
		g.same("undone", g.state(), old)
		g.run(o.plan(), commit.Options{Confirm: time.Hour})
		if _, err := g.c.Rollback(context.Background(), ""); err != nil {
			g.Fatal(err)
		}
		g.same("rolled back", g.state(), old)
		o.Lines[1] = "filter -A FORWARD -j NOSUCHCHAIN"
		if _, err := g.c.Run(context.Background(), o.plan(), commit.Options{}); err == nil {
			g.Error("a rule that iptables refuses was made")
		}
		g.same("refused by iptables", g.state(), old)
	})
}

// TestNativeRollsBackBesideOthers has others change the same chains before a change is rolled back: what they did stays, and
// rules come back to their neighbours.
func TestNativeRollsBackBesideOthers(t *testing.T) {
	natively(t, func(g *gateway) {
		g.seed()
		e := g.run(rules.Plan{Title: "Test.", Steps: nativeSteps(nativeOrder)}, commit.Options{})
		nft(g.T, `
insert rule inet gw prerouting tcp dport 7 accept comment "others"
add rule inet gw prerouting tcp dport 9 accept comment "others too"
add rule inet nattui prerouting tcp dport 11 accept comment "in our table"`)
		undo, err := g.c.Undo(context.Background(), e.ID, commit.Options{})
		if err != nil {
			g.Fatal(err)
		}
		if why := undo.Plan.Steps[0].Why; !strings.Contains(why, "is kept: it has a rule that this change did not add") {
			g.Errorf("of the chain that others use is said %q", why)
		}
		if now := g.state(); !strings.Contains(now, "in our table") || strings.Contains(now, "10.0.0.7:80") {
			g.Fatalf("undone is\n%s", now)
		}
		if e, err = g.c.Undo(context.Background(), undo.ID, commit.Options{}); err != nil {
			g.Fatal(err)
		}
		nft(g.T, "flush chain inet nattui prerouting\nadd rule inet nattui prerouting ip daddr 203.0.113.1 tcp dport 1 dnat ip to 10.0.0.7:80")
		var conflict *rules.NativeConflict
		if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); !errors.As(err, &conflict) {
			g.Fatalf("undone although its rule was replaced: %v", err)
		}
		nft(g.T, "delete table inet nattui")
		nft(g.T, "delete table inet gw")
		nft(g.T, nativeSeed[:strings.Index(nativeSeed, "table ip6")])
		g.run(rules.Plan{Title: "Test.", Steps: nativeSteps("delete rule inet gw prerouting handle SECOND\ndelete rule inet gw prerouting handle MAIL")}, commit.Options{Confirm: time.Hour})
		nft(g.T, "insert rule inet gw prerouting tcp dport 7 accept")
		nft(g.T, "add rule inet gw prerouting tcp dport 9 accept")
		if _, err := g.c.Rollback(context.Background(), ""); err != nil {
			g.Fatal(err)
		}
		want, now := []string{"tcp dport 7 accept", "tcp dport 22", "tcp dport 8080", "tcp dport 8080", "{ 25, 110 }", "map @forwards", "tcp dport 9 accept"}, g.state()
		for _, rule := range want {
			_, rest, ok := strings.Cut(now, rule)
			if !ok {
				g.Fatalf("%q is not in its place in\n%s", rule, g.state())
			}
			now = rest
		}
	})
}

// TestNativeConflict has somebody else delete or replace what a change is about.
func TestNativeConflict(t *testing.T) {
	natively(t, func(g *gateway) {
		g.seed()
		steps := nativeSteps("delete rule inet gw prerouting handle MAIL")
		nft(g.T, "delete table inet gw")
		// Of the table as it is now, each handle is another rule's.
		nft(g.T, strings.Replace(nativeSeed[:strings.Index(nativeSeed, "table ip6")], "policy accept;", "policy accept;\n		tcp dport 7 accept", 1))
		old := g.state()
		var conflict *rules.NativeConflict
		if _, err := g.c.Run(context.Background(), rules.Plan{Title: "Test.", Steps: steps}, commit.Options{}); !errors.As(err, &conflict) {
			g.Errorf("the error is %v", err)
		}
		g.same("nothing was done", g.state(), old)
	})
}

// TestNativeKilledAtTheCommit kills nft in the instant in which the kernel announces its transaction.
func TestNativeKilledAtTheCommit(t *testing.T) {
	long(t)
	if ownNetwork(t) {
		return
	}
	k := newKiller(t)
	g := newGateway(t, variants[0])
	g.native = true
	g.seed()
	old := g.state()
	for range 5 {
		for _, confirm := range []time.Duration{0, time.Hour} {
			steps := nativeSteps(nativeOrder)
			k.on.Store(true)
			e, err := g.c.Run(context.Background(), rules.Plan{Title: "Test.", Steps: steps}, commit.Options{Confirm: confirm})
			if err != nil {
				t.Fatal(err)
			}
			if now := g.state(); !strings.Contains(now, "10.0.0.7:80") || strings.Contains(now, `"mail"`) {
				t.Errorf("it was said to be applied, and is not:\n%s", now)
			}
			err = g.takeBack(e, confirm)
			k.on.Store(false)
			if err != nil {
				t.Fatal(err)
			}
			g.same("taken back", g.state(), old)
		}
	}
	if k.kills.Load() == 0 {
		t.Error("nobody was killed")
	}
	t.Logf("%d runs of nft killed after their commit", k.kills.Load())
}

// TestNativeIsLookedUp puts a program in nft's place that does its work and then fails, or does nothing and succeeds.
func TestNativeIsLookedUp(t *testing.T) {
	natively(t, func(g *gateway) {
		g.seed()
		old, real := g.state(), "/usr/sbin/nft"
		if path, err := exec.LookPath("nft"); err == nil {
			real = path
		}
		dir := t.TempDir()
		steps := nativeSteps(nativeOrder)
		for name, script := range map[string]string{
			"fails after its commit":  "[ \"$1\" = -f ] || exec " + real + " \"$@\"\n" + real + " \"$@\"; exit 1",
			"killed after its commit": "[ \"$1\" = -f ] || exec " + real + " \"$@\"\n" + real + " \"$@\"; kill -9 $$",
			"does nothing":            "[ \"$1\" = -f ] || exec " + real + " \"$@\"\ncat >/dev/null; exit 0",
			"killed before":           "[ \"$1\" = -f ] || exec " + real + " \"$@\"\ncat >/dev/null; kill -9 $$",
			"refused":                 "echo 'no such thing' >&2; exit 1",
		} {
			if err := os.WriteFile(dir+"/nft", []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			path := os.Getenv("PATH")
			t.Setenv("PATH", dir+":"+path)
			e, err := g.c.Run(context.Background(), rules.Plan{Title: "Test.", Steps: steps}, commit.Options{})
			t.Setenv("PATH", path)
			committed := strings.Contains(name, "after its commit")
			if (err == nil) != committed {
				t.Errorf("%s: %v", name, err)
			}
			if now := g.state(); (now != old) != committed || strings.Contains(now, `"mail"`) == committed {
				t.Errorf("%s, and the gateway is\n%s", name, now)
			}
			if err == nil {
				if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
					t.Error(err)
				}
				g.same(name+", undone", g.state(), old)
			} else if !errors.As(err, new(*nftables.Refused)) {
				t.Errorf("%s: %T %v", name, err, err)
			}
			steps = nativeSteps(nativeOrder)
		}
	})
}

// nativeRenewal deletes a table and makes it anew, with chains of another priority, another set, and one rule that is the same.
const nativeRenewal = `
delete table inet gw
table inet gw {
	map forwards { type inet_service : ipv4_addr . inet_service; elements = { 80 : 10.0.0.2 . 80 } }
	chain prerouting {
		type nat hook prerouting priority -90; policy accept;
		iifname "wan0" tcp dport 8080 dnat ip to 10.0.0.5:80
		ip daddr 203.0.113.1 dnat ip to tcp dport map @forwards
	}
}
`

// TestNativeTableMadeAnew replaces a whole table in one transaction, undoes that, and rolls it back, also where nft is killed
// in the instant of its commit.
func TestNativeTableMadeAnew(t *testing.T) {
	if ownNetwork(t) {
		return
	}
	k := newKiller(t)
	g := newGateway(t, variants[0])
	g.native = true
	g.seed()
	old := g.state()
	for _, kills := range []bool{false, true} {
		for _, confirm := range []time.Duration{0, time.Hour} {
			steps := nativeSteps(nativeRenewal)
			k.on.Store(kills)
			e, err := g.c.Run(context.Background(), rules.Plan{Title: "Test.", Steps: steps}, commit.Options{Confirm: confirm})
			if err != nil {
				t.Fatal(err)
			}
			if now := g.state(); !strings.Contains(now, "dstnat + 10") || strings.Contains(now, "mail") || strings.Contains(now, "inside") {
				t.Errorf("it was said to be applied, and is not:\n%s", now)
			}
			err = g.takeBack(e, confirm)
			k.on.Store(false)
			if err != nil {
				t.Fatal(err)
			}
			g.same("undone", g.state(), old)
		}
	}
	// What others have put into it since keeps it.
	e := g.run(rules.Plan{Title: "Test.", Steps: nativeSteps(nativeRenewal)}, commit.Options{})
	nft(t, "add rule inet gw prerouting tcp dport 7 accept")
	changed := g.state()
	if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err == nil || !strings.Contains(err.Error(), "a rule that this change did not add") {
		t.Errorf("undone although others use it: %v", err)
	}
	g.same("kept", g.state(), changed)
}
