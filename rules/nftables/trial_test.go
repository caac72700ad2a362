package nftables_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/nft"
	"nattui/rules/nftables"
)

// load has nft read a script.
func load(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

// TestTrialLeavesNoTrace tries changes that are refused, or succeed, and finds tables and namespace as they were.
func TestTrialLeavesNoTrace(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	lab.Program(t, "nft")
	load(t, "table inet gw {\n	counter c { packets 1 bytes 2 }\n	set s { type ipv4_addr; }\n	chain a {\n		tcp dport 1 counter accept\n		ip saddr @s jump b\n	}\n	chain b { }\n}")
	ctx, namespace := context.Background(), func() string { ns, _ := os.Readlink("/proc/self/ns/net"); return ns }
	now, err := nftables.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	home := namespace()
	for script, want := range map[string]string{
		"add rule inet gw a tcp dport 2 accept":                                "",
		"delete table inet gw":                                                 "",
		"add counter inet gw d":                                                "",
		"add rule inet gw nowhere accept":                                      "nft refused",
		"flush ruleset":                                                        "flush ruleset would delete every table",
		"add table inet x; flush  ruleset":                                     "flush ruleset would delete every table",
		"delete rule inet gw a handle 99":                                      "nothing has the handle 99",
		"delete chain inet gw handle 1":                                        "name it by its name",
		"add table inet gw { flags dormant; }":                                 "",
		"replace rule inet gw b handle 99 accept":                              "nothing has the handle 99",
		"delete counter inet gw c":                                             "",
		"add chain inet gw z { type filter hook input priority 0; }":           "",
		"flush chain inet gw a\nadd rule inet gw a ip saddr @s drop":           "",
		"add element inet gw s { 10.0.0.1, 10.0.0.2 }":                         "",
		"add rule inet gw b tcp dport { 1, 2 } ct state new meta mark set 0x1": "",
	} {
		for range 5 { // on whichever thread
			trial, err := nftables.Try(ctx, now, script)
			switch {
			case want == "" && err != nil:
				t.Errorf("%s: %v", script, err)
			case want == "" && len(trial.Changes) == 0:
				t.Errorf("%s: it changes nothing", script)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("%s: %v, want %s", script, err, want)
			}
		}
	}
	after, err := nftables.Read(ctx)
	if err != nil || after.Generation != now.Generation {
		t.Errorf("the tables were changed: %v", err)
	}
	if namespace() != home {
		t.Error("this process is in another network namespace now")
	}
}

// TestWordsOfAnotherMeaning holds that what nft prints is taken only for what it says: of some rules nft prints others.
func TestWordsOfAnotherMeaning(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	lab.Program(t, "nft")
	tables := func(rule string) *nft.Table {
		load(t, "flush ruleset\ntable inet gw {\n	chain a {\n		"+rule+"\n	}\n}")
		now, err := nftables.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return now.Table("inet", "gw")
	}
	first := "meta nfproto ipv4 iifname \"a\" ip saddr 10.0.0.1 tcp dport 80-90 accept"
	for other, same := range map[string]bool{
		"iifname \"a\" meta nfproto ipv4 ip saddr 10.0.0.1 tcp dport 80-90 accept": true,
		"ip saddr 10.0.0.1 iifname \"a\" tcp dport 80-90 accept":                   true,
		"ip saddr 10.0.0.1 iifname \"a\" tcp dport 80-91 accept":                   false,
		"ip saddr 10.0.0.1 iifname \"a\" tcp dport 79-90 accept":                   false,
		"ip saddr 10.0.0.1 iifname \"a\" tcp sport 80-90 accept":                   false,
		"ip saddr 10.0.0.1 iifname \"a\" tcp dport 80-90 drop":                     false,
		"ip saddr 10.0.0.1 tcp dport 80-90 accept":                                 false,
		"ip saddr 10.0.0.1 iifname \"a\" tcp dport { 80-90, 99 } accept":           false,
	} {
		a, b := tables(first), tables(other)
		if got := a.Sense() == b.Sense(); got != same {
			t.Errorf("%s: the same sense is %t", other, got)
		}
	}
	a := tables("tcp dport { 1, 2 } counter packets 5 bytes 5 accept")
	b := tables("tcp dport { 2, 1 } counter accept")
	c := tables("tcp dport { 1, 3 } counter accept")
	if a.Print() != b.Print() || a.Print() == c.Print() {
		t.Error("sets without a name, or counters, are not compared by what they do")
	}
}

// TestNativePlace holds the way back of a rule's deletion against chains that others have changed.
func TestNativePlace(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	lab.Program(t, "nft")
	load(t, "table inet gw {\n	chain a {\n		tcp dport 1 accept\n		tcp dport 2 accept\n		tcp dport 3 accept\n	}\n}")
	var changer nftables.Changer
	ctx := context.Background()
	now, err := changer.ReadNative(ctx)
	if err != nil {
		t.Fatal(err)
	}
	chain := now.Table("inet", "gw").Chain("a")
	deletion, err := nft.Resolve([]rules.NativeChange{chain.Rules[1].Deletion(chain, nil)}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := changer.MakeNative(ctx, now.Generation, deletion); err != nil {
		t.Fatal(err)
	}
	load(t, "insert rule inet gw a tcp dport 7 accept\nadd rule inet gw a tcp dport 9 accept")
	if _, err := changer.MakeNative(ctx, now.Generation, deletion); err == nil {
		t.Error("made in another generation than it was checked in")
	}
	now, err = changer.ReadNative(ctx)
	if err != nil {
		t.Fatal(err)
	}
	back := nft.WayBack(deletion, now)
	if len(back.Changes) != 1 || len(back.Notes) > 0 {
		t.Fatalf("%+v", back)
	}
	if _, err := changer.MakeNative(ctx, now.Generation, back.Changes); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("nft", "list", "chain", "inet", "gw", "a").Output()
	if got := strings.Join(strings.Fields(string(out)), " "); !strings.Contains(got, "dport 7 accept tcp dport 1 accept tcp dport 2 accept tcp dport 3 accept tcp dport 9 accept") {
		t.Error(got)
	}
	if now, err = changer.ReadNative(ctx); err != nil {
		t.Fatal(err)
	}
	if again := nft.WayBack(deletion, now); len(again.Changes) > 0 {
		t.Errorf("what was restored would be restored once more: %+v", again)
	}
}

// TestTrialBesideWhatIsNotCopied changes a table with a rule that nft does not read as it prints it: what does not touch that
// rule can be changed, and is predicted beside the rule as it is; what deletes it cannot.
func TestTrialBesideWhatIsNotCopied(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	lab.Program(t, "nft")
	load(t, `table ip6 gw {
	map fw { type inet_service : ipv6_addr; elements = { 80 : 2001:db8::1 } }
	chain prerouting {
		type nat hook prerouting priority dstnat
		ip6 nexthdr tcp tcp dport 24 dnat to 2001:db8::2
		tcp dport 25 dnat to 2001:db8::9
		dnat to tcp dport map @fw
	}
}`)
	ctx := context.Background()
	now, err := nftables.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	odd := now.Table("ip6", "gw").Chain("prerouting").Rules[0]
	for _, script := range []string{"add element ip6 gw fw { 82 : 2001:db8::3 }", "delete rule ip6 gw prerouting handle HANDLE", "delete element ip6 gw fw { 80 }", "insert rule ip6 gw prerouting tcp dport 1 accept"} {
		script = strings.ReplaceAll(script, "HANDLE", fmt.Sprint(now.Table("ip6", "gw").Chain("prerouting").Rules[1].Handle))
		trial, err := nftables.Try(ctx, now, script)
		if err != nil {
			t.Errorf("%s: %v", script, err)
			continue
		}
		if len(trial.Changes) != 1 {
			t.Errorf("%s: changes %v", script, trial.Changes)
		}
		after := trial.Predicted(now).Table("ip6", "gw")
		same := func(r *nft.Rule) bool { return r.Print(after) == odd.Print(now.Table("ip6", "gw")) }
		if !slices.ContainsFunc(after.Chain("prerouting").Rules, same) {
			t.Errorf("%s: the rule is not predicted as it is", script)
		}
	}
	for _, script := range []string{fmt.Sprintf("delete rule ip6 gw prerouting handle %d", odd.Handle), "flush chain ip6 gw prerouting", "delete table ip6 gw"} {
		if _, err := nftables.Try(ctx, now, script); err == nil || !strings.Contains(err.Error(), "could not be restored") {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// TestTrialWithInterfacesByNumber changes a table whose rules name interfaces by their numbers, several at a time.
func TestTrialWithInterfacesByNumber(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	lab.Program(t, "nft")
	for _, pair := range [][]string{{"wan0", "w0"}, {"lan0", "l0"}, {"dmz0", "d0"}} {
		if out, err := exec.Command("ip", "link", "add", pair[0], "type", "veth", "peer", "name", pair[1]).CombinedOutput(); err != nil {
			t.Skipf("%v: %s", err, out)
		}
	}
	load(t, "table ip gw {\n	chain pre {\n		iif { wan0, lan0, dmz0, l0 } counter\n		tcp flags == syn accept\n	}\n}")
	now, err := nftables.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nftables.Try(context.Background(), now, "add rule ip gw pre iif dmz0 accept"); err != nil {
		t.Error(err)
	}
	chain := now.Table("ip", "gw").Chain("pre")
	if text := chain.Rules[1].Text(chain, now.Links); text != "tcp flags == syn accept" {
		t.Errorf("its text is %q", text)
	}
}
