package evaluate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
	"nattui/rules/nftables"
)

// TestSaidInTheOtherLanguage says random rules of iptables in nft's words, and what the kernel has made of these in those of
// iptables again. Both are loaded, the packets of the agreement tests are sent through the native ones, and all three have to
// do the same with them.
func TestSaidInTheOtherLanguage(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	lab.Program(t, "nft")
	tables, back := number(t, "NATTUI_TABLES", 24), 90 // per cent
	if testing.Short() {
		tables, back = 4, 70 // of so few rules many may be of a kind
	}
	g := openGround(t)
	var said sayings
	holdTables(t, g, seedOf(t), tables, func(gen *generator) (programs []*evaluate.Program, text string) {
		return nil, said.load(t, g, gen)
	})
	t.Logf("%+v", said)
	if said.certain*2 < said.packets || said.said*3 < said.rules || said.back*100 < said.said*back {
		t.Errorf("too few rules were said: %+v", said)
	}
}

// sayings counts rules: those there were, those that nft can say, those of them that iptables could say again.
type sayings struct{ rules, said, back, packets, certain int }

// saidPriorities are those of the tables of iptables at the hooks (linux/netfilter_ipv4.h).
var saidPriorities = map[string]int{"raw": -300, "mangle": -150, "nat": -100, "filter": 0}

// load gives the kernel what nft can say of random tables of iptables, in nft's words, and compares.
func (s *sayings) load(t *testing.T, g *ground, gen *generator) string {
	t.Helper()
	run(t, "", "nft", "flush ruleset")
	clearTables(t, gen.family, []rules.Backend{rules.NFT})
	restore(t, gen.family, rules.NFT, gen.tables(rules.NFT))
	lines, native := s.say(save(t, gen.family, rules.NFT))
	clearTables(t, gen.family, []rules.Backend{rules.NFT})
	restore(t, gen.family, rules.NFT, lines)
	first := save(t, gen.family, rules.NFT)
	run(t, "", "nft", "flush ruleset")
	run(t, native, "nft", "-f", "-")
	set, err := nftables.Read(context.Background())
	check(t, "read the native tables", err)
	again, whole := s.sayBack(t, gen.family, set)
	text := "# " + gen.family.String() + "\n" + lines + native + again

	host := g.host
	host.Native = evaluate.CompileNative(&nft.Ruleset{})
	inIPTables := evaluate.NewEvaluator(host, evaluate.Compile(first))
	host.Native = evaluate.CompileNative(set)
	inNFT := evaluate.NewEvaluator(host)
	g.host.Native = host.Native
	var back *evaluate.Evaluator
	if whole { // in another network namespace it would be loaded beside; here it comes, is read, and goes
		run(t, "", "nft", "flush ruleset")
		restore(t, gen.family, rules.NFT, again)
		host.Native = evaluate.CompileNative(&nft.Ruleset{})
		back = evaluate.NewEvaluator(host, evaluate.Compile(save(t, gen.family, rules.NFT)))
		run(t, "", "nft", "flush ruleset")
		run(t, native, "nft", "-f", "-")
	}
	for i := range 200 {
		p := gen.packet(g, i)
		want := ends(inIPTables, &p)
		s.packets++
		if len(want) == 1 {
			s.certain++
		}
		if got := ends(inNFT, &p); !sameEnds(got, want) {
			t.Fatalf("%+v\nby iptables: %v\nby nft: %v\n%s", p, want, got, text)
		}
		if back != nil {
			if got := ends(back, &p); !sameEnds(got, want) {
				t.Fatalf("%+v\nby iptables: %v\nby iptables again: %v\n%s", p, want, got, text)
			}
		}
	}
	return text
}

// sameEnds tells whether two predictions are of the same: where one of them is certain, it is among the other's.
func sameEnds(a, b []string) bool {
	return slices.ContainsFunc(a, func(end string) bool { return slices.Contains(b, end) }) && (len(a) > 1 || len(b) > 1 || a[0] == b[0])
}

// ends is what may become of a packet.
func ends(e *evaluate.Evaluator, p *evaluate.Packet) (all []string) {
	outcomes, _ := e.Outcomes(nil, p)
	for i := range outcomes {
		o := &outcomes[i]
		text := o.Delivered.String()
		if o.Delivered != evaluate.Dropped {
			text += fmt.Sprintf(" %v %v %s %s", o.Src, o.Dst, o.NAT(), o.Out)
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}

// say is a set without the rules that nft cannot say, for iptables-restore, and the same for nft.
func (s *sayings) say(set *rules.Ruleset) (lines, native string) {
	native = "add table inet said\n"
	for _, table := range set.Tables {
		lines += "*" + table.Name + "\n"
		var of []string
		for _, c := range table.Chains {
			if !c.BuiltIn() {
				continue
			}
			name := table.Name + "_" + strings.ToLower(c.Name)
			kind, priority := "filter", saidPriorities[table.Name]
			switch {
			case table.Name == "nat":
				if kind = "nat"; c.Name == "POSTROUTING" || c.Name == "INPUT" {
					priority = 100
				}
			case table.Name == "mangle" && c.Name == "OUTPUT":
				kind = "route"
			}
			lines += ":" + c.Name + " " + c.Policy + " [0:0]\n"
			native += fmt.Sprintf("add chain inet said %s { type %s hook %s priority %d; policy %s; }\n", name, kind, strings.ToLower(c.Name), priority, strings.ToLower(c.Policy))
			for _, r := range c.Rules {
				s.rules++
				said := nft.FromIPTables(set.Family, r)
				if len(said.Lacks) > 0 || r.Target.Kind == rules.Jump || r.Target.Kind == rules.Goto {
					continue
				}
				s.said++
				of = append(of, r.String())
				native += "add rule inet said " + name + " " + said.Text + "\n"
			}
		}
		lines += strings.Join(of, "\n") + "\nCOMMIT\n"
	}
	return lines, native
}

// sayBack is what the kernel has made of that in the words of iptables-restore. It is whole where all of it can be said.
func (s *sayings) sayBack(t *testing.T, f rules.Family, set *nft.Ruleset) (lines string, whole bool) {
	t.Helper()
	of := map[string]string{}
	whole = true
	for _, c := range set.Table("inet", "said").Chains {
		table, _, _ := strings.Cut(c.Name, "_")
		policy := "ACCEPT"
		if c.Policy.Code == nft.Drop {
			policy = "DROP"
		}
		of[table] = ":" + strings.ToUpper(c.Hook) + " " + policy + " [0:0]\n" + of[table]
		for _, r := range c.Rules {
			said, families := r.ToIPTables(c, set.Links)
			said.Text = strings.ReplaceAll(said.Text, "'", `"`) // iptables-restore is no shell
			words, err := rules.Split(said.Text)
			if len(said.Lacks) > 0 || err != nil || !slices.Contains(families, f) || words[1] != table {
				t.Logf("not said again: %s (%v %v)", r.Text(c, set.Links), said, err)
				whole = false
				continue
			}
			s.back++
			of[table] += said.Text[len("-t "+table+" "):] + "\n"
		}
	}
	for table, text := range of {
		lines += "*" + table + "\n" + text + "COMMIT\n"
	}
	return lines, whole
}
