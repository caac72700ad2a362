// Package table lays out columns, draws lines of cells, and keeps a cursor on
// its row while rows come and go. It knows nothing of what the rows are.
package table

import (
	"slices"
	"strings"

	"nattui/ui/text"
	"nattui/ui/theme"
)

// Column describes one column of a table.
type Column struct {
	Title string
	Min   int  // the narrowest width that is of use
	Want  int  // the width that shows most values whole
	Grow  int  // share of what is left over; 0 never grows
	Right bool // numbers
	// Order is when the column gives way as the line gets narrow: the highest
	// goes first; 0 never goes.
	Order int
}

// Gap is the number of blanks between two columns.
const Gap = 2

// Widths shares out a line among columns. Columns that may give way come in, the
// lowest order first, as long as those already there have what they want; one
// that has no room has width 0. Where there is not even the least for those that
// stay, the widest give way.
func Widths(cols []Column, width int) []int {
	w := make([]int, len(cols))
	for i := range cols {
		if cols[i].Order == 0 {
			w[i] = max(cols[i].Min, cols[i].Want)
		}
	}
	if total(w) > width { // not even these have what they want
		for i := range cols {
			w[i] = min(w[i], cols[i].Min)
		}
		squeeze(w, width)
	} else {
		for _, i := range byOrder(cols) {
			w[i] = cols[i].Min
			if total(w) > width {
				w[i] = 0
				break
			}
			w[i] = min(max(cols[i].Min, cols[i].Want), cols[i].Min+width-total(w))
		}
	}
	spread(w, width, func(i int) (want, share int) { return cols[i].Want, 1 })
	spread(w, width, func(i int) (want, share int) {
		if cols[i].Grow == 0 {
			return w[i], 0
		}
		return width, cols[i].Grow
	})
	return w
}

// ByContent makes columns as wide as what is in their rows, and their titles; what nothing stands in is left out. One that has a
// Want has no more than that.
func ByContent(cols []Column, rows [][]Cell) []Column {
	out := slices.Clone(cols)
	for i := range out {
		c := &out[i]
		widest := 0
		for _, row := range rows {
			widest = max(widest, text.Width(row[i].Text))
		}
		if widest == 0 && len(rows) > 0 {
			*c = Column{Order: len(cols)} // no wider than nothing
			continue
		}
		widest = max(widest, text.Width(c.Title))
		if c.Want > 0 {
			widest = min(widest, max(c.Want, text.Width(c.Title)))
		}
		c.Want, c.Min, c.Grow = widest, min(c.Min, widest), 0
	}
	return out
}

// squeeze takes from the widest columns what even the least widths have too much.
func squeeze(w []int, width int) {
	for total(w) > width {
		widest := 0
		for i := range w {
			if w[i] > w[widest] {
				widest = i
			}
		}
		if len(w) == 0 || w[widest] <= 1 {
			return
		}
		w[widest]--
	}
}

// byOrder lists the columns that may give way, the last to go first.
func byOrder(cols []Column) []int {
	var list []int
	for i := range cols {
		if cols[i].Order > 0 {
			list = append(list, i)
		}
	}
	slices.SortStableFunc(list, func(a, b int) int { return cols[a].Order - cols[b].Order })
	return list
}

// spread hands out what is left of the width, a cell at a time in turn, to
// columns that want more.
func spread(w []int, width int, want func(i int) (int, int)) {
	for left := width - total(w); left > 0; {
		given := false
		for i := range w {
			limit, share := want(i)
			for ; share > 0 && left > 0 && w[i] > 0 && w[i] < limit; share-- {
				w[i]++
				left--
				given = true
			}
		}
		if !given {
			return
		}
	}
}

func total(w []int) int {
	sum, n := 0, 0
	for _, x := range w {
		if x > 0 {
			sum += x
			n++
		}
	}
	return sum + Gap*max(0, n-1)
}

// Cell is one value of a line, with the style of its role.
type Cell struct {
	Text  string
	Style theme.Style
	// Mark marks something in the drawn value; nil where nothing is to be.
	Mark func(string) string
}

// Line draws cells at their widths. A row under the cursor gets the background
// of over.
func Line(cols []Column, widths []int, cells []Cell, over *theme.Style) string {
	var b strings.Builder
	first := true
	fill := func(n int) {
		blanks := strings.Repeat(" ", n)
		if over != nil {
			blanks = over.Render(blanks)
		}
		b.WriteString(blanks)
	}
	for i, w := range widths {
		if w == 0 || i >= len(cells) {
			continue
		}
		if !first {
			fill(Gap)
		}
		first = false
		style := cells[i].Style
		if over != nil {
			style = style.Inherit(*over)
		}
		drawn := style.Render(text.Pad(cells[i].Text, w, cols[i].Right))
		if cells[i].Mark != nil {
			drawn = cells[i].Mark(drawn)
		}
		b.WriteString(drawn)
	}
	return b.String()
}

// Head draws the titles of the columns.
func Head(cols []Column, widths []int, style theme.Style) string {
	cells := make([]Cell, len(cols))
	for i := range cols {
		cells[i] = Cell{Text: cols[i].Title, Style: style}
	}
	return Line(cols, widths, cells, nil)
}

// At is the column that is x cells from the beginning of a line, -1 where there is none.
func At(widths []int, x int) int {
	from := 0
	for i, w := range widths {
		if w == 0 {
			continue
		}
		if x >= from && x < from+w {
			return i
		}
		from += w + Gap
	}
	return -1
}
