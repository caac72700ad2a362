package iptables_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/iptables"
)

func TestMain(m *testing.M) {
	lab.Main()
	os.Exit(m.Run())
}

// variants are all variants that nattui knows. Each is tested where it is there.
var variants = []rules.Variant{
	{Family: rules.IPv4, Backend: rules.NFT},
	{Family: rules.IPv6, Backend: rules.NFT},
	{Family: rules.IPv4, Backend: rules.Legacy},
	{Family: rules.IPv6, Backend: rules.Legacy},
}

// everywhere runs a test in namespaces of its own, in each variant in turn, with
// tables that nobody has used yet. In short mode two have to do: both backends and
// both families.
func everywhere(t *testing.T, test func(t *testing.T, h *iptables.Host, at rules.Variant)) {
	t.Helper()
	all := variants
	if testing.Short() {
		all = []rules.Variant{variants[0], variants[3]}
	}
	for _, variant := range all {
		t.Run(variant.Family.String()+"-"+variant.Backend.String(), func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			test(t, open(t, variant), variant)
		})
	}
}

// open returns the Host, or skips where the variant is absent.
func open(t testing.TB, variant rules.Variant) *iptables.Host {
	t.Helper()
	h, err := iptables.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range h.Absent() {
		if a.Variant == variant {
			t.Skip(a)
		}
	}
	return h
}

// program is the explicit name of a variant's program.
func program(at rules.Variant) string { return at.Family.Command() + "-" + at.Backend.String() }

// try runs a program and returns what it printed.
func try(input, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := try("", name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// load gives text to the variant's own iptables-restore.
func load(t testing.TB, at rules.Variant, text string, args ...string) {
	t.Helper()
	if out, err := try(text, program(at)+"-restore", args...); err != nil {
		t.Fatalf("%s-restore: %v\n%s\n%s", program(at), err, out, text)
	}
}

// saved is what the variant's own iptables-save prints, without its comments.
func saved(t testing.TB, at rules.Variant, args ...string) string {
	t.Helper()
	cmd := exec.Command(program(at)+"-save", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s-save: %v", program(at), err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "# Generated") && !strings.HasPrefix(line, "# Completed") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// text prints a snapshot as iptables-save -c does.
func text(t testing.TB, s *rules.Ruleset) string {
	t.Helper()
	var b strings.Builder
	if err := rules.Save(&b, s.Tables); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func read(t testing.TB, h *iptables.Host, at rules.Variant) *rules.Ruleset {
	t.Helper()
	s, err := h.Read(context.Background(), at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t testing.TB, line string) rules.Rule {
	t.Helper()
	r, err := rules.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// addr returns an address of the variant's family that ends in n.
func addr(at rules.Variant, n int) string {
	if at.Family == rules.IPv6 {
		return fmt.Sprintf("2001:db8::%x", n)
	}
	return fmt.Sprintf("192.0.2.%d", n)
}

// host is such an address as iptables prints it in -s and -d.
func host(at rules.Variant, n int) string {
	return fmt.Sprintf("%s/%d", addr(at, n), at.Family.Bits())
}

// ruleset makes the nat table hold rules 1 to n in PREROUTING, told apart by
// their addresses and with as many packets. They are made with Apply, because
// ip6tables-nft-restore forgets counters.
func ruleset(t testing.TB, h *iptables.Host, at rules.Variant, n int) {
	t.Helper()
	load(t, at, "*nat\nCOMMIT\n")
	var changes []rules.Change
	for i := 1; i <= n; i++ {
		c := change(at, rules.Insert)
		c.Rule = numbered(t, at, i)
		c.Rule.Counters = rules.Counters{Packets: uint64(i), Bytes: uint64(100 * i), Known: true}
		changes = append(changes, c)
	}
	apply(t, h, changes...)
}

// numbered is rule n of ruleset, as it stands in PREROUTING.
func numbered(t testing.TB, at rules.Variant, n int) rules.Rule {
	return parse(t, fmt.Sprintf("-A PREROUTING -s %s -j ACCEPT", host(at, n)))
}

// change begins a change of the nat table's PREROUTING.
func change(at rules.Variant, op rules.Op) rules.Change {
	return rules.Change{Op: op, Family: at.Family, Backend: at.Backend, Table: "nat", Chain: "PREROUTING"}
}

func apply(t testing.TB, h *iptables.Host, changes ...rules.Change) []rules.Change {
	t.Helper()
	made, err := h.Apply(context.Background(), changes)
	if err != nil {
		t.Fatalf("apply %v: %v", rules.ShellLine(changes[0].Commands()[0]), err)
	}
	return made
}

// sources lists the last parts of the source addresses in PREROUTING, with
// packets: "1:1 2:2 3:3" for what ruleset loads.
func sources(t testing.TB, h *iptables.Host, at rules.Variant) string {
	t.Helper()
	c, ok := read(t, h, at).Chain("nat", "PREROUTING")
	if !ok {
		return ""
	}
	var all []string
	for _, r := range c.Rules {
		a, _ := r.Source.Host()
		bytes := a.AsSlice()
		all = append(all, fmt.Sprintf("%d:%d", bytes[len(bytes)-1], r.Counters.Packets))
	}
	return strings.Join(all, " ")
}

func TestReadIsWhatIptablesSavePrints(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		if got := text(t, read(t, h, at)); got != "" {
			t.Errorf("tables that nobody used read as\n%s", got)
		}
		if got := saved(t, at); got != "" {
			t.Errorf("reading made tables:\n%s", got)
		}
		ruleset(t, h, at, 3)
		load(t, at, "*filter\n:web - [0:0]\n[5:50] -A FORWARD -p tcp -m tcp --dport 80 -j web\nCOMMIT\n", "-c")
		s := read(t, h, at)
		if got, want := text(t, s), saved(t, at, "-c"); got != want {
			t.Errorf("read\n%s\niptables-save -c prints\n%s", got, want)
		}
		if at.Backend == rules.NFT && s.Generation == 0 {
			t.Error("the snapshot belongs to no generation")
		}
	})
}

func TestChanges(t *testing.T) {
	tests := []struct {
		name    string
		changes func(t *testing.T, at rules.Variant) []rules.Change
		want    string
	}{
		{"append", func(t *testing.T, at rules.Variant) []rules.Change {
			c := change(at, rules.Insert)
			c.Rule = numbered(t, at, 9)
			return []rules.Change{c}
		}, "1:1 2:2 3:3 4:4 9:0"},
		{"insert first", func(t *testing.T, at rules.Variant) []rules.Change {
			c := change(at, rules.Insert)
			c.At, c.Rule = 1, numbered(t, at, 9)
			return []rules.Change{c}
		}, "9:0 1:1 2:2 3:3 4:4"},
		{"insert with counters", func(t *testing.T, at rules.Variant) []rules.Change {
			c := change(at, rules.Insert)
			c.At, c.Rule = 3, numbered(t, at, 9)
			c.Rule.Counters = rules.Counters{Packets: 77, Bytes: 700, Known: true}
			return []rules.Change{c}
		}, "1:1 2:2 9:77 3:3 4:4"},
		{"delete", func(t *testing.T, at rules.Variant) []rules.Change {
			c := change(at, rules.Delete)
			c.At, c.Rule = 2, numbered(t, at, 2)
			return []rules.Change{c}
		}, "1:1 3:3 4:4"},
		{"replace", func(t *testing.T, at rules.Variant) []rules.Change {
			c := change(at, rules.Replace)
			c.At, c.Old, c.Rule = 2, numbered(t, at, 2), numbered(t, at, 9)
			return []rules.Change{c}
		}, "1:1 9:2 3:3 4:4"},
		{"replace last", func(t *testing.T, at rules.Variant) []rules.Change {
			c := change(at, rules.Replace)
			c.At, c.Old, c.Rule = 4, numbered(t, at, 4), numbered(t, at, 9)
			return []rules.Change{c}
		}, "1:1 2:2 3:3 9:4"},
		{"move down", func(t *testing.T, at rules.Variant) []rules.Change {
			c := change(at, rules.Move)
			c.At, c.To, c.Rule = 1, 3, numbered(t, at, 1)
			return []rules.Change{c}
		}, "2:2 3:3 1:1 4:4"},
		{"move to the end", func(t *testing.T, at rules.Variant) []rules.Change {
			c := change(at, rules.Move)
			c.At, c.To, c.Rule = 1, 4, numbered(t, at, 1)
			return []rules.Change{c}
		}, "2:2 3:3 4:4 1:1"},
		{"move up", func(t *testing.T, at rules.Variant) []rules.Change {
			c := change(at, rules.Move)
			c.At, c.To, c.Rule = 4, 2, numbered(t, at, 4)
			return []rules.Change{c}
		}, "1:1 4:4 2:2 3:3"},
		{"several at once", func(t *testing.T, at rules.Variant) []rules.Change {
			del, ins, move := change(at, rules.Delete), change(at, rules.Insert), change(at, rules.Move)
			del.At, del.Rule = 1, numbered(t, at, 1)
			ins.At, ins.Rule = 2, numbered(t, at, 9)
			move.At, move.To, move.Rule = 2, 1, numbered(t, at, 9)
			return []rules.Change{del, ins, move}
		}, "9:0 2:2 3:3 4:4"},
	}
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				ruleset(t, h, at, 4)
				before := saved(t, at, "-c")
				made := apply(t, h, test.changes(t, at)...)
				if got := sources(t, h, at); got != test.want {
					t.Errorf("now %s, want %s", got, test.want)
				}
				var back []rules.Change
				for i := len(made) - 1; i >= 0; i-- {
					back = append(back, made[i].Inverse())
				}
				apply(t, h, back...)
				if got := saved(t, at, "-c"); got != before {
					t.Errorf("after the inverses\n%s\nbefore\n%s", got, before)
				}
			})
		}
	})
}

func TestChainsAndPolicies(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 1)
		load(t, at, "*filter\n:INPUT ACCEPT [7:70]\nCOMMIT\n", "-c")
		before := saved(t, at, "-c")
		chain := change(at, rules.NewChain)
		chain.Chain = "web"
		jump := change(at, rules.Insert)
		jump.Rule = parse(t, "-A PREROUTING -p tcp -j web")
		inside := change(at, rules.Insert)
		inside.Chain, inside.Rule = "web", parse(t, "-A web -j RETURN")
		policy := change(at, rules.SetPolicy)
		policy.Table, policy.Chain, policy.OldPolicy, policy.Policy = "filter", "INPUT", "ACCEPT", "DROP"
		made := apply(t, h, chain, jump, inside, policy)
		got := saved(t, at, "-c")
		for _, want := range []string{":INPUT DROP [7:70]\n", ":web - [0:0]\n", "-A PREROUTING -p tcp -j web\n", "-A web -j RETURN\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is missing in\n%s", want, got)
			}
		}
		var back []rules.Change
		for i := len(made) - 1; i >= 0; i-- {
			back = append(back, made[i].Inverse())
		}
		apply(t, h, back...)
		if got := saved(t, at, "-c"); got != before {
			t.Errorf("after the inverses\n%s\nbefore\n%s", got, before)
		}
	})
}

func TestConflicts(t *testing.T) {
	everywhere(t, func(t *testing.T, h *iptables.Host, at rules.Variant) {
		ruleset(t, h, at, 3)
		before := saved(t, at, "-c")
		del, gone, move := change(at, rules.Delete), change(at, rules.Delete), change(at, rules.Move)
		del.At, del.Rule = 1, numbered(t, at, 2)
		gone.At, gone.Rule = 2, numbered(t, at, 8)
		move.At, move.To, move.Rule = 9, 1, numbered(t, at, 3)
		fine := change(at, rules.Delete)
		fine.At, fine.Rule = 3, numbered(t, at, 3)
		for _, c := range []rules.Change{del, gone, move} {
			_, err := h.Apply(context.Background(), []rules.Change{fine, c})
			var conflict *rules.Conflict
			if !errors.As(err, &conflict) {
				t.Errorf("%s: %v, want a conflict", rules.ShellLine(c.Commands()[0]), err)
			}
			if err := h.Check(context.Background(), []rules.Change{c}); !errors.As(err, &conflict) {
				t.Errorf("checking %s: %v, want a conflict", rules.ShellLine(c.Commands()[0]), err)
			}
		}
		if got := saved(t, at, "-c"); got != before {
			t.Errorf("a conflict changed the table to\n%s", got)
		}
	})
}
