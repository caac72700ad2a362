package nft

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nattui/rules"
)

// TestRulesToward: with what is added before the rule that it names, and what is deleted, a chain is as wanted; rules that are in
// both keep their handles.
func TestRulesToward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := &Table{Family: INet, Name: "gw"}
		chain := func(name string) *Chain {
			c := &Chain{Table: table, Name: "in"}
			for i, mark := range rapid.SliceOfN(rapid.ByteRange(1, 3), 0, 8).Draw(t, name) {
				c.Rules = append(c.Rules, &Rule{Handle: uint64(i + 1), Exprs: Exprs{Meta{Key: "mark", Reg: 1}, Cmp{Op: "eq", Reg: 1, Data: []byte{mark, 0, 0, 0}}, Immediate{Verdict: &Verdict{Code: Accept}}}})
			}
			return c
		}
		was, want := chain("was"), chain("want")
		var d difference
		d.rulesToward(was, want)
		type row struct {
			handle uint64
			print  string
		}
		var rows []row
		for _, r := range was.Rules {
			rows = append(rows, row{r.Handle, r.Print(table)})
		}
		place := func(handle uint64) int { return slices.IndexFunc(rows, func(r row) bool { return r.handle == handle }) }
		for _, c := range d.changes {
			if c.What != rules.NativeRule {
				t.Fatalf("%+v", c)
			}
			at := len(rows)
			switch {
			case c.Gone:
				rows = slices.Delete(rows, place(c.Handle), place(c.Handle)+1)
				continue
			case c.Before != 0:
				at = place(c.Before)
			}
			rows = slices.Insert(rows, at, row{0, c.Print})
		}
		var got []string
		for _, r := range rows {
			got = append(got, r.print)
		}
		if !slices.Equal(got, prints(want)) {
			t.Errorf("%v became %v, not %v, by %+v", prints(was), got, prints(want), d.changes)
		}
	})
}
