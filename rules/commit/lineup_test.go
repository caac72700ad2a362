package commit

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"nattui/rules"

	"pgregory.net/rapid"
)

// TestLineup holds a lineup against a plain list, over changes at random.
func TestLineup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := func() rules.Rule {
			r, err := rules.Parse(fmt.Sprintf("-A PREROUTING -p tcp --dport %d -j ACCEPT", rapid.IntRange(1, 400).Draw(t, "port")))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		var list []rules.Rule
		for range rapid.IntRange(0, 3*blockSize).Draw(t, "length") {
			list = append(list, rule())
		}
		l := lineupOf(chainAt{}, list)
		if rapid.Bool().Draw(t, "indexed") && len(list) > 0 {
			l.alike(list[0])
			l.printed(printOf(list[0]))
		}
		for range rapid.IntRange(1, 2*blockSize).Draw(t, "changes") {
			if len(list) > 0 && rapid.Bool().Draw(t, "goes") {
				at := rapid.IntRange(1, len(list)).Draw(t, "at")
				if got := l.remove(at); got.String() != list[at-1].String() {
					t.Fatalf("%d: removed %s instead of %s", at, got, list[at-1])
				}
				list = slices.Delete(list, at-1, at)
				continue
			}
			r, at := rule(), rapid.IntRange(1, len(list)+1).Draw(t, "at")
			l.insert(at, r)
			list = slices.Insert(list, at-1, r)
		}
		if l.n != len(list) || l.line(0) != "" || l.line(len(list)+1) != "" {
			t.Fatalf("%d rules instead of %d", l.n, len(list))
		}
		for i, r := range list {
			equal := placesOf(list, r)
			if l.line(i+1) != text(r.String()) || !slices.Equal(l.equal(r.String()), equal) || !slices.Equal(l.printed(printOf(r)), equal) {
				t.Fatalf("%d: %s at %v and %v instead of %s at %v", i+1, l.line(i+1), l.equal(r.String()), l.printed(printOf(r)), r, equal)
			}
		}
		if len(list) > 0 && !slices.Equal(l.alike(list[0]), placesOf(list, list[0])) {
			t.Fatalf("%s is like those at %v", list[0], l.alike(list[0]))
		}
	})
}

// TestSlot holds the place of a rule that comes back against all places, each looked at.
func TestSlot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rules.Variant{Backend: rules.Legacy}
		list := func(what string) []rules.Rule {
			ch, _ := orderly(t, at, rapid.StringMatching("[a-h]{1,12}").Draw(t, what), nil).Chain("nat", "PREROUTING")
			return ch.Rules
		}
		was, now := list("was"), list("now")
		from := rapid.IntRange(1, len(was)).Draw(t, "from")
		m := mark{Prev: lineAt(was, from-1), Next: lineAt(was, from+1)}
		m.Before, m.Behind = printsAround(was, from)
		place, sure := m.slot(lineupOf(chainAt{}, now), from)
		wantPlace, wantSure := m.slotBySearch(now, from)
		if place != wantPlace || sure != wantSure {
			t.Fatalf("rule %d of %s goes to %d of %s (%v); it should to %d (%v)", from, lettersOf(was), place, lettersOf(now), sure, wantPlace, wantSure)
		}
	})
}

// slotBySearch is slot, by looking at every place.
func (m mark) slotBySearch(list []rules.Rule, at int) (place int, sure bool) {
	wrong, known := make([]int, len(list)+1), false
	for p, where := range m.sides() {
		var stands []int
		for i := range list {
			if printOf(list[i]) == p {
				stands = append(stands, i+1)
			}
		}
		if len(stands) != 1 || where == bothSides {
			continue
		}
		known = true
		for i := range wrong {
			if (i+1 <= stands[0]) == (where == beforeIt) {
				wrong[i]++
			}
		}
	}
	least := slices.Min(wrong)
	var all []int
	for p := range wrong {
		if wrong[p] == least {
			all = append(all, p+1)
		}
	}
	score := func(p int) int { return agrees(lineAt(list, p-1), lineAt(list, p), m.Prev, m.Next) }
	place = best(all, at, score)
	return place, score(place) == 2 || least == 0 && (known || score(place) > 0)
}

// BenchmarkWayBack measures what the way back of a plan costs per change, for plans of one size and of four times that:
// it should be about the same.
//
//	go test ./rules/commit -run '^$' -bench WayBack
func BenchmarkWayBack(b *testing.B) {
	for _, what := range []string{"rules added behind", "rules added before", "rules deleted", "chains"} {
		b.Run(what, func(b *testing.B) {
			const few, many = 1000, 4000
			cost := map[int]time.Duration{}
			for b.Loop() {
				for _, n := range []int{few, many} {
					plan, marks, after := madeOf(b, what, n)
					runtime.GC()
					began := time.Now()
					if back, notes := wayBack(plan, marks, after); len(back) != len(plan.Steps) || len(notes) > 0 {
						b.Fatalf("%d of %d go back: %v", len(back), len(plan.Steps), notes)
					}
					cost[n] += time.Since(began)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(cost[many].Microseconds())/float64(b.N*many), "µs/change")
			b.ReportMetric(cost[many].Seconds()/many/(cost[few].Seconds()/few), "×few")
		})
	}
}

// madeOf is a plan of about so many changes, with its marks and the tables once it is made.
func madeOf(b *testing.B, what string, n int) (rules.Plan, []mark, sets) {
	b.Helper()
	at := rules.Variant{Backend: rules.NFT}
	var plan rules.Plan
	before := &rules.Ruleset{Backend: at.Backend, Tables: []rules.Table{{Name: "nat", Chains: []rules.Chain{{Name: "PREROUTING", Policy: "ACCEPT"}}}}}
	for i := range n {
		r, err := rules.Parse(fmt.Sprintf("-A PREROUTING -d 10.%d.%d.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2", i/250, i%250))
		if err != nil {
			b.Fatal(err)
		}
		c := rules.Change{Op: rules.Insert, Backend: at.Backend, Table: "nat", Chain: "PREROUTING", Rule: r}
		switch what {
		case "rules added before":
			c.At = 1
		case "rules deleted":
			c.Op, c.At = rules.Delete, 1
			before.Tables[0].Chains[0].Rules = append(before.Tables[0].Chains[0].Rules, r)
		case "chains":
			c.Op, c.Chain, c.Rule = rules.NewChain, fmt.Sprintf("SVC-%d", i), rules.Rule{}
		}
		plan.Steps = append(plan.Steps, rules.StepOf(c))
	}
	plan, err := plan.Resolve(sets{at: before})
	if err != nil {
		b.Fatal(err)
	}
	marks, err := marksOf(plan, sets{at: before})
	if err != nil {
		b.Fatal(err)
	}
	after, err := plan.Apply(sets{at: before})
	if err != nil {
		b.Fatal(err)
	}
	return plan, marks, after
}
