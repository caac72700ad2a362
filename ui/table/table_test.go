package table

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestNarrowLinesKeepWhatMatters(t *testing.T) {
	cols := []Column{{Min: 3, Want: 3}, {Min: 10, Want: 26, Grow: 1}, {Min: 5, Want: 5, Order: 1}, {Min: 5, Want: 5, Order: 2}}
	for width, want := range map[int][]int{200: {3, 181, 5, 5}, 45: {3, 26, 5, 5}, 40: {3, 28, 5, 0}, 31: {3, 26, 0, 0}, 15: {3, 10, 0, 0}} {
		if got := Widths(cols, width); !slices.Equal(got, want) {
			t.Errorf("%d cells are shared as %v, not %v", width, got, want)
		}
	}
}

func TestWidthsFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cols := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Column {
			return Column{Min: rapid.IntRange(1, 10).Draw(t, "min"), Want: rapid.IntRange(1, 40).Draw(t, "want"), Grow: rapid.IntRange(0, 3).Draw(t, "grow"), Order: rapid.IntRange(0, 9).Draw(t, "order")}
		}), 1, 12).Draw(t, "cols")
		fixed := 0
		for _, c := range cols {
			if c.Order == 0 {
				fixed += c.Min + Gap
			}
		}
		width := rapid.IntRange(fixed, 300).Draw(t, "width")
		if w := Widths(cols, width); total(w) > width {
			t.Fatalf("%v need %d of %d", w, total(w), width)
		}
	})
}

// Whatever happens to the rows, the cursor stays on its row as long as it is
// there, and the cursor is always in sight.
func TestCursorStaysOnItsRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfNDistinct(rapid.IntRange(0, 99), 1, 40, rapid.ID[int]).Draw(t, "rows")
		var c Cursor[int]
		key := func(i int) int { return rows[i] }
		height := rapid.IntRange(1, 10).Draw(t, "height")
		for range 20 {
			n := len(rows)
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				c.Go(rapid.IntRange(-3, n+3).Draw(t, "to"), n, key)
			case 1:
				rows = slices.Insert(rows, rapid.IntRange(0, n).Draw(t, "at"), 100+len(rows)*7)
			case 2:
				if n > 1 {
					i := rapid.IntRange(0, n-1).Draw(t, "gone")
					rows = slices.Delete(slices.Clone(rows), i, i+1)
				}
			}
			before, had := c.Key()
			c.Follow(len(rows), key)
			c.Settle(len(rows), height)
			if had && slices.Contains(rows, before) && rows[c.Index()] != before {
				t.Fatalf("the cursor left %d for %d", before, rows[c.Index()])
			}
			if from, to := c.Window(len(rows), height); c.Index() < from || c.Index() >= to {
				t.Fatalf("the cursor at %d is out of sight: %d-%d", c.Index(), from, to)
			}
		}
	})
}
