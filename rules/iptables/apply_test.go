package iptables_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nfnetlink"
)

func TestPrintedFormComesBack(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		c := change(at, rules.Insert)
		c.Rule = parse(t, "-A PREROUTING -m limit --limit 120/minute -j ACCEPT")
		made := apply(t, h, c)
		const want = "-A PREROUTING -m limit --limit 2/sec -j ACCEPT"
		if got := made[0].Rule.String(); got != want {
			t.Errorf("the change came back with %q, want %q", got, want)
		}
		if made[0].At != 1 {
			t.Errorf("it says position %d, want 1", made[0].At)
		}
		apply(t, h, made[0].Inverse())
		if got := sources(t, h, at); got != "" {
			t.Errorf("the inverse left %s", got)
		}
	})
}

func TestDuplicatesKeepTheirOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 3)
		for i, packets := range []uint64{50, 60} {
			c := change(at, rules.Insert)
			c.At, c.Rule = 3+2*i, numbered(t, at, 1)
			c.Rule.Counters = rules.Counters{Packets: packets, Bytes: packets, Known: true}
			apply(t, h, c)
		}
		if got := sources(t, h, at); got != "1:1 2:2 1:50 3:3 1:60" {
			t.Fatalf("the table begins as %s", got)
		}
		c := change(at, rules.Delete)
		c.At, c.Rule = 3, numbered(t, at, 1)
		made := apply(t, h, c)
		if got := sources(t, h, at); got != "1:1 2:2 3:3 1:60" {
			t.Errorf("deleting the second of three equal rules left %s", got)
		}
		apply(t, h, made[0].Inverse())
		if got := sources(t, h, at); got != "1:1 2:2 1:50 3:3 1:60" {
			t.Errorf("its inverse left %s", got)
		}
	})
}

// TestSimilarRules deletes rules that iptables, given their specification, takes
// for an earlier one.
func TestSimilarRules(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		wide, narrow := "10.0.0.0/8", "10.0.0.0/16"
		if at.Family == rules.IPv6 {
			wide, narrow = "fd00::/8", "fd00::/16"
		}
		for _, pair := range [][2]string{
			{"-A PREROUTING -s " + wide + " -j ACCEPT", "-A PREROUTING -s " + narrow + " -j ACCEPT"},
			{"-A PREROUTING -m helper ! --helper abc -j ACCEPT", "-A PREROUTING -m helper ! --helper cba -j ACCEPT"},
			{"-A PREROUTING -p tcp -m tcp --dport 80 -j ACCEPT", "-A PREROUTING -p tcp -m tcp --dport 81 -j ACCEPT"},
		} {
			ruleset(t, h, at, 1)
			first, second, del := change(at, rules.Insert), change(at, rules.Insert), change(at, rules.Delete)
			first.Rule, second.Rule = parse(t, pair[0]), parse(t, pair[1])
			apply(t, h, first, second)
			del.At, del.Rule = 3, second.Rule
			apply(t, h, del)
			c, _ := read(t, h, at).Chain("nat", "PREROUTING")
			if len(c.Rules) != 2 || c.Rules[1].String() != pair[0] {
				t.Errorf("deleting %q left %v", pair[1], c.Rules)
			}
		}
	})
}

// TestConcurrentWriter has another program insert and delete rules above ours as
// fast as it can, while ours are moved and replaced. Its rules must not suffer:
// the other program's own deletions fail if one of them is gone.
func TestConcurrentWriter(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 5)
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					stopped <- nil
					return
				default:
				}
				for _, op := range []string{"-I", "-D"} {
					out, err := try("", program(at), "-w", "5", "-t", "nat", op, "PREROUTING", "-s", host(at, 100+i%100), "-j", "ACCEPT")
					if err != nil {
						stopped <- fmt.Errorf("%s %d: %w: %s", op, 100+i%100, err, out)
						return
					}
				}
			}
		}()
		for round := 0; round < 15; {
			c, ok := read(t, h, at).Chain("nat", "PREROUTING")
			if !ok {
				t.Fatal("PREROUTING is gone")
			}
			move := change(at, rules.Move)
			move.At = slices.IndexFunc(c.Rules, func(r rules.Rule) bool { return r.Same(numbered(t, at, 3)) }) + 1
			move.To = 1 + round%len(c.Rules)
			move.Rule = numbered(t, at, 3)
			_, err := h.Apply(context.Background(), []rules.Change{move})
			var conflict *rules.Conflict
			var mismatch *iptables.Mismatch
			switch {
			case err == nil, errors.As(err, &mismatch):
				round++
			case errors.As(err, &conflict), strings.Contains(err.Error(), "is outside"):
				// The other program was faster: nothing was changed. Try again.
			default:
				t.Fatal(err)
			}
		}
		close(stop)
		if err := <-stopped; err != nil {
			t.Errorf("the other program: %v", err)
		}
		left := strings.Fields(sources(t, h, at))
		slices.Sort(left)
		if got := strings.Join(left, " "); got != "1:1 2:2 3:3 4:4 5:5" {
			t.Errorf("left are %s, want each rule once, with its counters", got)
		}
	})
}

func TestRejectedRuleLeavesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 2)
		before := saved(t, at, "-c")
		good, bad := change(at, rules.Insert), change(at, rules.Insert)
		good.Rule = numbered(t, at, 9)
		to := "[" + addr(at, 9) + "]:80"
		if at.Family == rules.IPv4 {
			to = addr(at, 9) + ":80"
		}
		for _, line := range []string{
			"-A PREROUTING -j NOSUCHTARGET",
			"-A PREROUTING -j DNAT --to-destination " + to, // a port without a protocol
			"-A PREROUTING -p tcp -m tcp --dport abc -j ACCEPT",
			"-A PREROUTING -m conntrack --nosuch x -j ACCEPT",
			"-A PREROUTING -j MASQUERADE", // the kernel itself refuses
		} {
			bad.Rule = parse(t, line)
			_, err := h.Apply(context.Background(), []rules.Change{good, bad})
			var rejected *iptables.Rejected
			if !errors.As(err, &rejected) {
				t.Errorf("%s: %v, want a rejection", line, err)
				continue
			}
			if strings.TrimSpace(rejected.Words) == "" {
				t.Errorf("%s: rejected without a word", line)
			}
			if rejected.Change != nil && rejected.Change.Rule.String() != line {
				t.Errorf("%s: blamed on %s: %s", line, rejected.Change.Rule, rejected.Words)
			}
			t.Logf("%s\n%v", line, err)
			if _, err := h.Apply(context.Background(), []rules.Change{bad}); !errors.As(err, &rejected) || rejected.Change == nil {
				t.Errorf("%s alone: %v, want a rejection of that change", line, err)
			}
			if got := saved(t, at, "-c"); got != before {
				t.Fatalf("%s: the rejected change left\n%s", line, got)
			}
		}
	})
}

func TestCheckChangesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 2)
		before := saved(t, at, "-c")
		chain, jump, missing := change(at, rules.NewChain), change(at, rules.Insert), change(at, rules.Insert)
		chain.Chain = "web"
		jump.Rule, missing.Rule = parse(t, "-A PREROUTING -j web"), parse(t, "-A PREROUTING -j nosuch")
		if err := h.Check(context.Background(), []rules.Change{chain, jump}); err != nil {
			t.Errorf("a chain and a jump to it: %v", err)
		}
		var rejected *iptables.Rejected
		if err := h.Check(context.Background(), []rules.Change{missing}); !errors.As(err, &rejected) || !strings.Contains(rejected.Words, "nosuch") {
			t.Errorf("a jump to a chain that is not there: %v, want a rejection that names it", err)
		}
		bad := change(at, rules.Insert)
		bad.Rule = parse(t, "-A PREROUTING -p tcp -m tcp --dport abc -j ACCEPT")
		if err := h.Check(context.Background(), []rules.Change{bad}); !errors.As(err, &rejected) {
			t.Errorf("a port that is none: %v, want a rejection", err)
		}
		if got := saved(t, at, "-c"); got != before {
			t.Errorf("checking left\n%s", got)
		}
	})
}

func TestLaterTableRejectedUndoesEarlier(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 3)
		load(t, at, "*filter\n:web - [0:0]\nCOMMIT\n")
		before := saved(t, at, "-c")
		first, second := change(at, rules.Move), change(at, rules.Insert)
		first.At, first.To, first.Rule = 1, 3, numbered(t, at, 1)
		second.Table, second.Chain, second.Rule = "filter", "FORWARD", parse(t, "-A FORWARD -j MASQUERADE")
		_, err := h.Apply(context.Background(), []rules.Change{first, second})
		var rejected *iptables.Rejected
		if !errors.As(err, &rejected) {
			t.Errorf("%v, want a rejection", err)
		}
		if got := withoutEmptyChains(saved(t, at, "-c")); got != withoutEmptyChains(before) {
			t.Errorf("now\n%s\nbefore\n%s", got, before)
		}
	})
}

// withoutEmptyChains leaves out declarations, of which nft makes more as tables
// are used.
func withoutEmptyChains(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, ":") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestLaterPlaceRejectedUndoesEarlier(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	v4, v6 := rules.Variant{Family: rules.IPv4}, rules.Variant{Family: rules.IPv6}
	h := open(t, v4)
	ruleset(t, h, v4, 2)
	ruleset(t, h, v6, 2)
	before := saved(t, v4, "-c") + saved(t, v6, "-c")
	first, second := change(v4, rules.Delete), change(v6, rules.Insert)
	first.At, first.Rule = 1, numbered(t, v4, 1)
	second.Rule = parse(t, "-A PREROUTING -j MASQUERADE")
	_, err := h.Apply(context.Background(), []rules.Change{first, second})
	var rejected *iptables.Rejected
	if !errors.As(err, &rejected) || rejected.Variant != v6 {
		t.Errorf("%v, want a rejection on %v", err, v6)
	}
	if got := saved(t, v4, "-c") + saved(t, v6, "-c"); got != before {
		t.Errorf("now\n%s\nbefore\n%s", got, before)
	}
	second.At, second.Op, second.Rule = 1, rules.Delete, numbered(t, v6, 2)
	var conflict *rules.Conflict
	if _, err := h.Apply(context.Background(), []rules.Change{first, second}); !errors.As(err, &conflict) {
		t.Errorf("%v, want a conflict on %v", err, v6)
	}
	if got := saved(t, v4, "-c") + saved(t, v6, "-c"); got != before {
		t.Errorf("a conflict in the second place left\n%s\nbefore\n%s", got, before)
	}
}

// TestOddRulesSurvive has rules whose lines cannot be loaded again: they stay
// through the edits of others, and can be deleted.
func TestOddRulesSurvive(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 2)
		for _, odd := range [][]string{
			{"-i", "eth 0", "-j", "ACCEPT"},
			{"-m", "comment", "--comment", "two\nlines", "-j", "ACCEPT"},
			{"-m", "comment", "--comment", `quote " and \ and '`, "-j", "ACCEPT"},
		} {
			run(t, program(at), append([]string{"-w", "5", "-t", "nat", "-I", "PREROUTING", "2"}, odd...)...)
			s := read(t, h, at)
			c, _ := s.Chain("nat", "PREROUTING")
			if len(c.Rules) != 3 {
				t.Fatalf("%q: %d rules were read, want 3", odd, len(c.Rules))
			}
			if got, want := text(t, s), saved(t, at, "-c"); got != want {
				t.Errorf("%q: read\n%s\niptables-save prints\n%s", odd, got, want)
			}
			line := c.Rules[1].String()
			move := change(at, rules.Move)
			move.At, move.To, move.Rule = 3, 1, c.Rules[2]
			apply(t, h, move)
			c, _ = read(t, h, at).Chain("nat", "PREROUTING")
			if len(c.Rules) != 3 || c.Rules[2].String() != line {
				t.Fatalf("%q: after moving another rule above it the chain is\n%v", odd, c.Rules)
			}
			del := change(at, rules.Delete)
			del.At, del.Rule = 3, c.Rules[2]
			apply(t, h, del)
			move.At, move.To = 1, 2
			apply(t, h, move)
			if got := sources(t, h, at); got != "1:1 2:2" {
				t.Errorf("%q: deleting it left %s", odd, got)
			}
		}
	})
}

func TestNativeObjectsAreLeftAlone(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"base chain", "add table %s nat; add chain %[1]s nat mine { type nat hook prerouting priority -90; policy accept; }", "mine"},
		{"rules", "add table %s nat; add chain %[1]s nat POSTROUTING { type nat hook postrouting priority srcnat; policy accept; }; add rule %[1]s nat POSTROUTING counter masquerade", "POSTROUTING"},
		{"set", "add table %s nat; add set %[1]s nat blocked { type inet_service; }", "blocked"},
		{"counter", "add table %s nat; add counter %[1]s nat seen", "seen"},
	}
	for _, family := range rules.Families {
		at := rules.Variant{Family: family, Backend: rules.NFT}
		for _, test := range tests {
			t.Run(family.String()+" "+test.name, func(t *testing.T) {
				if lab.Isolate(t) {
					return
				}
				h := open(t, at)
				table := map[rules.Family]string{rules.IPv4: "ip", rules.IPv6: "ip6"}[family]
				if out, err := try(fmt.Sprintf(test.script, table), "nft", "-f", "-"); err != nil {
					t.Fatalf("nft: %v\n%s", err, out)
				}
				before := run(t, "nft", "list", "ruleset")
				s := read(t, h, at)
				if why := s.Foreign["nat"]; !strings.Contains(why, test.want) {
					t.Errorf("the table holds %q, want %s named", why, test.want)
				}
				c := change(at, rules.Insert)
				c.Rule = numbered(t, at, 1)
				_, err := h.Apply(context.Background(), []rules.Change{c})
				var readOnly *rules.ReadOnly
				if !errors.As(err, &readOnly) {
					t.Errorf("%v, want read-only", err)
				}
				if got := run(t, "nft", "list", "ruleset"); got != before {
					t.Errorf("a refused change left\n%s\nbefore\n%s", got, before)
				}
			})
		}
	}
}

func TestNatives(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	run(t, "iptables-nft", "-t", "nat", "-A", "PREROUTING", "-j", "ACCEPT")
	run(t, "nft", "add table inet firewalld; add chain inet firewalld nat_POST { type nat hook postrouting priority 110; }; add table inet plain; add chain inet plain in { type filter hook input priority 0; }")
	natives, err := iptables.Natives(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(natives) != 1 || natives[0].String() != "table inet firewalld" || !slices.Equal(natives[0].Chains, []string{"nat_POST"}) {
		t.Errorf("got %v, want table inet firewalld with nat_POST", natives)
	}
}

// TestNativesWhileTablesChange looks for a table that is always there while another program changes others: that there
// is none may not be the answer to a reading that was interrupted.
func TestNativesWhileTablesChange(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	setup := "add table inet stays; add chain inet stays in { type filter hook input priority 5; }"
	for i := range 600 { // more than one datagram
		setup += fmt.Sprintf("; add chain inet stays c%d", i)
	}
	run(t, "nft", setup)
	changer := exec.Command("nft", "-i")
	input, err := changer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := changer.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = io.WriteString(input, "add counter inet stays c\ndelete counter inet stays c\n")
		}
		done <- changer.Wait()
	}()
	answers := 0
	for range 40 {
		tables, err := iptables.NativeFilterTables(t.Context())
		if err == nil && len(tables) != 1 {
			t.Fatalf("%d tables", len(tables))
		}
		if err == nil {
			answers++
		}
	}
	if err := changer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-done
	t.Logf("%d answers of 40", answers)
}

// TestLockHeld holds the lock in another process for as long as Apply waits.
func TestLockHeld(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	at := rules.Variant{Backend: rules.Legacy}
	h := open(t, at)
	ruleset(t, h, at, 2)
	before := saved(t, at, "-c")
	holder := exec.Command("flock", "/run/xtables.lock", "sh", "-c", "echo held; read word")
	input, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 5)); err != nil { // it has the lock
		t.Fatal(err)
	}
	c := change(at, rules.Delete)
	c.At, c.Rule = 1, numbered(t, at, 1)
	_, err = h.Apply(context.Background(), []rules.Change{c})
	var locked *iptables.Locked
	if !errors.As(err, &locked) {
		t.Fatalf("%v, want *Locked", err)
	}
	named := slices.ContainsFunc(locked.Holders, func(p nfnetlink.Process) bool { return p.PID == holder.Process.Pid && p.Name == "flock" })
	if !named {
		t.Errorf("the holders are %v, want flock (process %d)", locked.Holders, holder.Process.Pid)
	}
	if got := saved(t, at, "-c"); got != before {
		t.Errorf("now\n%s", got)
	}
	input.Close()
	if err := holder.Wait(); err == nil {
		t.Log("flock ended well") // its shell fails at the end of its input
	}
	apply(t, h, c)
}

// TestInverses makes random changes and takes them back: what iptables-save
// prints must be what it was, counters and all.
func TestInverses(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		begin := func() {
			ruleset(t, h, at, 4)
			load(t, at, "*nat\n-N side\nCOMMIT\n*filter\n:FORWARD ACCEPT [8:80]\nCOMMIT\n", "--noflush", "-c")
		}
		begin()
		before := saved(t, at, "-c")
		rapid.Check(t, func(rt *rapid.T) {
			if saved(t, at, "-c") != before { // an example that failed left it so
				begin()
			}
			var made []rules.Change
			for range rapid.IntRange(1, 3).Draw(rt, "batches") {
				now := read(t, h, at)
				var batch []rules.Change
				for range rapid.IntRange(1, 4).Draw(rt, "changes") {
					c := drawChange(rt, t, at, now)
					next, err := c.Apply(now)
					if err != nil {
						continue
					}
					now, batch = next, append(batch, c)
				}
				if len(batch) == 0 {
					continue
				}
				done, err := h.Apply(context.Background(), batch)
				if err != nil {
					rt.Fatalf("%v: %v", batch, err)
				}
				made = append(made, done...)
			}
			slices.Reverse(made)
			for i := range made {
				made[i] = made[i].Inverse()
			}
			if len(made) > 0 {
				if _, err := h.Apply(context.Background(), made); err != nil {
					rt.Fatalf("inverses: %v", err)
				}
			}
			if got := saved(t, at, "-c"); got != before {
				rt.Fatalf("after the inverses\n%s\nbefore\n%s", got, before)
			}
		})
	})
}

func drawChange(rt *rapid.T, t *testing.T, at rules.Variant, now *rules.Ruleset) rules.Change {
	c := change(at, rapid.SampledFrom([]rules.Op{rules.Insert, rules.Delete, rules.Replace, rules.Move, rules.NewChain, rules.DeleteChain, rules.SetPolicy}).Draw(rt, "op"))
	c.Chain = rapid.SampledFrom([]string{"PREROUTING", "side"}).Draw(rt, "chain")
	var list []rules.Rule
	if chain, ok := now.Chain("nat", c.Chain); ok {
		list = chain.Rules
	}
	fresh := func() rules.Rule {
		return numbered(t, at, rapid.IntRange(1, 6).Draw(rt, "rule")).InChain(c.Chain)
	}
	place := func() int { return rapid.IntRange(1, max(1, len(list))).Draw(rt, "place") }
	switch c.Op {
	case rules.Insert:
		c.At, c.Rule = rapid.IntRange(0, len(list)+1).Draw(rt, "at"), fresh()
	case rules.Delete, rules.Move, rules.Replace:
		c.At, c.To = place(), place()
		if c.At <= len(list) {
			c.Rule, c.Old = list[c.At-1], list[c.At-1]
		}
		if c.Op == rules.Replace {
			c.To, c.Rule = 0, fresh()
		}
	case rules.SetPolicy:
		c.Table, c.Chain, c.OldPolicy, c.Policy = "filter", "FORWARD", "ACCEPT", "DROP"
		if chain, _ := now.Chain("filter", "FORWARD"); chain.Policy == "DROP" {
			c.OldPolicy, c.Policy = c.Policy, c.OldPolicy
		}
	case rules.NewChain, rules.DeleteChain:
		c.Chain = "extra"
	}
	return c
}

// TestCollectedRules loads every rule of the collection through Apply and
// compares what is read back with what iptables-save prints.
func TestCollectedRules(t *testing.T) {
	dir := os.Getenv("NATTUI_CORPORA")
	if dir == "" {
		t.Skip("NATTUI_CORPORA names no folder of collected rules")
	}
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		suffix := map[rules.Family]string{rules.IPv4: "", rules.IPv6: "-ip6"}[at.Family]
		data, err := os.ReadFile(filepath.Join(dir, "canonical-"+at.Backend.String()+suffix+".tsv"))
		if err != nil {
			t.Fatal(err)
		}
		var taken, refused int
		var b strings.Builder
		b.WriteString("*nat\n")
		for line := range strings.Lines(string(data)) {
			_, printed, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			r, err := rules.Parse(strings.ReplaceAll(printed, `\t`, "\t"))
			if err != nil || strings.Contains(printed, `\n`) || r.Unparseable() != nil {
				continue
			}
			if !rules.IsBuiltIn("nat", r.Chain) && !strings.Contains(b.String(), ":"+r.Chain+" ") {
				fmt.Fprintf(&b, ":%s - [0:0]\n", r.Chain)
			}
			if name := r.Target.Name; (r.Target.Kind == rules.Jump || r.Target.Kind == rules.Goto) && !strings.Contains(b.String(), ":"+name+" ") {
				fmt.Fprintf(&b, ":%s - [0:0]\n", name)
			}
		}
		b.WriteString("COMMIT\n")
		load(t, at, b.String())
		var batch []rules.Change
		for line := range strings.Lines(string(data)) {
			_, printed, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			r, err := rules.Parse(strings.ReplaceAll(printed, `\t`, "\t"))
			if err != nil || strings.Contains(printed, `\n`) || r.Unparseable() != nil {
				continue
			}
			c := change(at, rules.Insert)
			c.Chain, c.Rule = r.Chain, r
			batch = append(batch, c)
		}
		for len(batch) > 0 {
			n := min(64, len(batch))
			taken += n
			refused += insertAll(t, h, batch[:n])
			batch = batch[n:]
		}
		if got, want := text(t, read(t, h, at)), saved(t, at, "-c"); got != want {
			t.Errorf("what is read differs from what iptables-save prints")
		}
		t.Logf("%d rules, of which this kernel refuses %d", taken, refused)
		if refused*5 > taken {
			t.Errorf("more than a fifth was refused")
		}
		deleteAll(t, h, at)
	})
}

// deleteAll deletes the rules of the nat table from behind, some at a time.
func deleteAll(t *testing.T, h *iptables.Host, at rules.Variant) {
	for {
		table, _ := read(t, h, at).Table("nat")
		var batch []rules.Change
		for _, c := range table.Chains {
			for i := len(c.Rules); i > 0 && len(batch) < 64; i-- {
				del := change(at, rules.Delete)
				del.Chain, del.At, del.Rule = c.Name, i, c.Rules[i-1]
				batch = append(batch, del)
			}
		}
		if len(batch) == 0 {
			return
		}
		if _, err := h.Apply(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCollectedInputs loads every line of the collection with iptables-restore
// itself, and compares what is read with what iptables-save prints.
func TestCollectedInputs(t *testing.T) {
	dir := os.Getenv("NATTUI_CORPORA")
	if dir == "" {
		t.Skip("NATTUI_CORPORA names no folder of collected rules")
	}
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		suffix := map[rules.Family]string{rules.IPv4: "", rules.IPv6: "-ip6"}[at.Family]
		data, err := os.ReadFile(filepath.Join(dir, "canonical-"+at.Backend.String()+suffix+".tsv"))
		if err != nil {
			t.Fatal(err)
		}
		chains, lines := map[string]bool{}, []string{}
		for line := range strings.Lines(string(data)) {
			input, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			lines = append(lines, strings.ReplaceAll(input, `\t`, "\t"))
			words := strings.Fields(input)
			for i, w := range words[:len(words)-1] {
				name := words[i+1]
				if (w == "-A" || w == "-j" || w == "-g") && len(name) < 29 && strings.IndexFunc(name, unusual) < 0 {
					chains[name] = true
				}
			}
		}
		for name := range chains {
			// A name that is a target's, not a chain's, makes no difference here.
			if r, err := rules.Parse("-A PREROUTING -j " + name); err == nil && r.Target.Kind == rules.Jump && !rules.IsBuiltIn("nat", name) {
				load(t, at, "*nat\n:"+name+" - [0:0]\nCOMMIT\n", "--noflush")
			}
		}
		refused := restoreAll(at, lines)
		if got, want := text(t, read(t, h, at)), saved(t, at, "-c"); got != want {
			t.Errorf("what is read differs from what iptables-save prints")
		}
		table, _ := read(t, h, at).Table("nat")
		t.Logf("%d lines, of which %d refused, became %d rules", len(lines), refused, table.Rules())
		if table.Rules() < len(lines)-refused || refused*5 > len(lines) {
			t.Errorf("too few rules")
		}
	})
}

func unusual(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
}

// restoreAll gives lines to iptables-restore, halving what is refused, and
// returns how many were.
func restoreAll(at rules.Variant, lines []string) int {
	if len(lines) > 256 {
		return restoreAll(at, lines[:256]) + restoreAll(at, lines[256:])
	}
	_, err := try("*nat\n"+strings.Join(lines, "\n")+"\nCOMMIT\n", program(at)+"-restore", "--noflush")
	switch {
	case err == nil:
		return 0
	case len(lines) == 1:
		return 1
	}
	half := len(lines) / 2
	return restoreAll(at, lines[:half]) + restoreAll(at, lines[half:])
}

// insertAll inserts the rules, halving what is refused until the culprits stand
// alone, and returns how many those are.
func insertAll(t *testing.T, h *iptables.Host, batch []rules.Change) int {
	_, err := h.Apply(context.Background(), batch)
	if err == nil {
		return 0
	}
	var rejected *iptables.Rejected
	var mismatch *iptables.Mismatch
	if len(batch) == 1 {
		t.Log(err)
		if !errors.As(err, &rejected) {
			t.Errorf("%s: %v", batch[0].Rule, err)
		}
		return 1
	}
	if errors.As(err, &mismatch) || !errors.As(err, &rejected) {
		t.Errorf("%v", err)
		return len(batch)
	}
	half := len(batch) / 2
	return insertAll(t, h, batch[:half]) + insertAll(t, h, batch[half:])
}
