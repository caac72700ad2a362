package model

import (
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// Column is a property of flows that they can be sorted by.
type Column uint8

// The columns. Sorting by an address includes its port.
const (
	ColumnAge Column = iota
	ColumnProto
	ColumnClient
	ColumnAskedFor
	ColumnServedBy
	ColumnSeenAs
	ColumnState
	ColumnNAT
	ColumnTimeout
	ColumnPackets
	ColumnBytes
	ColumnRate
	ColumnRule
	ColumnMark
	ColumnZone
	ColumnID
	columns
)

var columnNames = [columns]string{
	"age", "proto", "client", "asked", "server", "seen", "state", "nat", "timeout", "packets", "bytes", "rate", "rule", "mark", "zone", "id",
}

// String is the column's name on the command line.
func (c Column) String() string {
	if c < columns {
		return columnNames[c]
	}
	return ""
}

// Columns are all columns, in the order of their numbers.
func Columns() []Column {
	all := make([]Column, columns)
	for i := range all {
		all[i] = Column(i)
	}
	return all
}

// ParseColumn finds a column by its name; src and dst are client and asked.
func ParseColumn(name string) (Column, bool) {
	name = strings.ToLower(name)
	switch name {
	case "src":
		return ColumnClient, true
	case "dst":
		return ColumnAskedFor, true
	}
	i := slices.Index(columnNames[:], name)
	return Column(max(i, 0)), i >= 0
}

// Sort is an order of flows. What a flow does not have (counters that the kernel does
// not keep, a rate) comes last in either direction, and equal flows stay in
// the order of their places in the table, so nothing jumps without a reason.
type Sort struct {
	By Column
	// Descending has the largest, or for ColumnAge the oldest, first.
	Descending bool
}

// rank is what a flow is sorted by: three numbers that compare like the column,
// and the position, which makes every rank different.
type rank struct {
	a, b uint64
	pos  uint32
	c    uint16
	// unknown is 1 for a flow without the property.
	unknown uint8
}

func (r rank) compare(s rank) int {
	switch {
	case r.unknown != s.unknown:
		return cmp.Compare(r.unknown, s.unknown)
	case r.a != s.a:
		return cmp.Compare(r.a, s.a)
	case r.b != s.b:
		return cmp.Compare(r.b, s.b)
	case r.c != s.c:
		return cmp.Compare(r.c, s.c)
	}
	return cmp.Compare(r.pos, s.pos)
}

// rank is the place of a flow in the order; the position is still to be set.
func (s Sort) rank(f *Flow, now int64) rank {
	r := s.By.rank(f, now)
	if s.Descending && r.unknown == 0 {
		r.a, r.b, r.c = ^r.a, ^r.b, ^r.c
	}
	return r
}

// rankOfRule is the place of a flow that a rule with that place made; those that no rule made come last.
func (s Sort) rankOfRule(place uint32) (r rank) {
	r.known(place != noPlace)
	r.a = uint64(place)
	if s.Descending && r.unknown == 0 {
		r.a = ^r.a
	}
	return r
}

func (c Column) rank(f *Flow, now int64) (r rank) {
	switch c {
	case ColumnProto:
		r.a = uint64(f.Orig.Proto)
	case ColumnClient:
		r.endpoint(&f.Orig.Src, f.Orig.SrcPort)
	case ColumnAskedFor:
		r.endpoint(&f.Orig.Dst, f.Orig.DstPort)
	case ColumnServedBy:
		r.endpoint(&f.Reply.Src, f.Reply.SrcPort)
	case ColumnSeenAs:
		r.endpoint(&f.Reply.Dst, f.Reply.DstPort)
	case ColumnState:
		name := f.StateName()
		r.known(name != "")
		var first [8]byte
		copy(first[:], name)
		r.a = binary.BigEndian.Uint64(first[:])
		r.c = uint16(f.State)
	case ColumnNAT:
		r.a = uint64(f.NAT())
	case ColumnAge:
		r.a = uint64(f.Age(now))
	case ColumnTimeout:
		r.a = uint64(f.Remaining(now))
	case ColumnPackets:
		r.known(f.Counts())
		r.a = f.Packets()
	case ColumnBytes:
		r.known(f.Counts())
		r.a = f.Bytes()
	case ColumnRate:
		r.known(f.HasRate())
		r.a = uint64(math.Float32bits(f.ByteRate)) // of numbers that are not negative the bits compare as they do
	case ColumnRule:
		r.known(f.Rule != 0)
		r.a = uint64(f.Rule)
	case ColumnMark:
		r.a = uint64(f.Mark)
	case ColumnZone:
		r.a = uint64(f.Zone)
	case ColumnID:
		r.a = uint64(f.ID)
	}
	return r
}

func (r *rank) endpoint(a *[16]byte, port uint16) {
	r.a, r.b = words(a)
	r.c = port
}

func (r *rank) known(yes bool) {
	if !yes {
		r.unknown = 1
	}
}

// Window is the part of a sorted selection that is wanted.
type Window struct {
	// Offset is the first row, Limit the number of rows; a Limit below 0 is all.
	Offset, Limit int
	// Around, if it is a flow of the selection, replaces Offset: the window is the
	// one in which that flow is row number Lead, if there are so many before it. So the
	// row under the cursor stays where it is while others come and go.
	Around Ref
	Lead   int
}

// Row is a flow of a selection, copied when the selection was made.
type Row struct {
	Ref  Ref
	Flow Flow
}

// Selection is an answer of Select.
type Selection struct {
	Rows []Row
	// Offset is where the rows lie within the whole order, Total how many flows matched
	// and Of how many there were.
	Offset, Total, Of int
	// Packets, Bytes and ByteRate are sums over all that matched, as far as they are known.
	Packets, Bytes uint64
	ByteRate       float64
	// Version is that of the table when the selection was begun.
	Version uint64
}

// Selector makes selections of one table again and again and keeps its room in between. It is
// for one goroutine at a time.
type Selector struct {
	flows *Flows
	ranks []rank
}

// NewSelector is a selector of the flows of a table.
func NewSelector(t *Flows) *Selector { return &Selector{flows: t} }

// Select finds the flows that match q (all, if it is the zero query) and returns a
// window of them in the order s, at the time now. It reads the table chunk by chunk without
// holding it up, and the window is sorted, not the table: a million flows take some 50
// milliseconds, so whoever draws a screen calls it from another goroutine. It
// returns ctx's error when that is done.
//
// Flows that change while it works are in the selection as they were when it came by.
func (s *Selector) Select(ctx context.Context, q Query, order Sort, w Window, now int64) (Selection, error) {
	sel, around, err := s.gather(ctx, q, order, w.Around, now)
	if err != nil {
		return Selection{}, err
	}
	from := max(0, w.Offset)
	if around != nil {
		before := 0
		for i := range s.ranks {
			if s.ranks[i].compare(*around) < 0 {
				before++
			}
		}
		from = max(0, before-w.Lead)
	}
	to := len(s.ranks)
	if w.Limit >= 0 {
		from = max(0, min(from, len(s.ranks)-w.Limit))
		to = min(from+w.Limit, len(s.ranks))
	}
	from = min(from, to)
	if err := partition(ctx, s.ranks, from, to); err != nil {
		return Selection{}, err
	}
	slices.SortFunc(s.ranks[from:to], rank.compare)
	if err := ctx.Err(); err != nil {
		return Selection{}, err
	}
	sel.Offset = from
	sel.Rows = s.flows.rows(s.ranks[from:to])
	return sel, nil
}

// gather ranks all flows that match, and tells the rank of the flow around.
func (s *Selector) gather(ctx context.Context, q Query, order Sort, around Ref, now int64) (sel Selection, found *rank, err error) {
	t := s.flows
	sel.Version = t.Version()
	var places []uint32
	if order.By == ColumnRule {
		places = t.rulePlaces()
	}
	s.ranks = s.ranks[:0]
	if n := t.Len(); q.IsZero() && cap(s.ranks) < n {
		s.ranks = make([]rank, 0, n+n/16) // at once, as growing step by step would need twice the room
	}
	for c := 0; ; c++ {
		if err := ctx.Err(); err != nil {
			return sel, nil, err
		}
		t.mu.RLock()
		if c >= len(t.chunks) {
			t.mu.RUnlock()
			break
		}
		t.eachOf(c, func(pos uint32, f *Flow) {
			sel.Of++
			if !q.Match(f, now) {
				return
			}
			r := order.rank(f, now)
			if int(f.Rule) < len(places) {
				r = order.rankOfRule(places[f.Rule])
			}
			r.pos = pos
			s.ranks = append(s.ranks, r)
			if pos == around.Pos && f.ID == around.ID && around != (Ref{}) {
				here := r // r itself would then be on the heap for every flow
				found = &here
			}
			if f.Counts() {
				sel.Packets += f.Packets()
				sel.Bytes += f.Bytes()
			}
			sel.ByteRate += float64(f.ByteRate)
		})
		t.mu.RUnlock()
	}
	sel.Total = len(s.ranks)
	return sel, found, nil
}

// rows copies the flows of some ranks; those that have ended since are left out.
func (t *Flows) rows(ranks []rank) []Row {
	rows := make([]Row, 0, len(ranks))
	for len(ranks) > 0 {
		n := min(len(ranks), applySlice)
		t.mu.RLock()
		for _, r := range ranks[:n] {
			c, i := r.pos>>chunkBits, r.pos&(chunkSize-1)
			if k := t.chunks[c]; k != nil && k.live[i/64]>>(i%64)&1 != 0 {
				rows = append(rows, Row{Ref{r.pos, k.flows[i].ID}, k.flows[i]})
			}
		}
		t.mu.RUnlock()
		ranks = ranks[n:]
	}
	return rows
}

// partition moves ranks so that those from the from-th to before the to-th, in
// order, are in that part of the slice, in any order there (quickselect).
func partition(ctx context.Context, r []rank, from, to int) error {
	if from > 0 && from < len(r) {
		if err := split(ctx, r, from); err != nil {
			return err
		}
	}
	if to < len(r) && to > from {
		return split(ctx, r[from:], to-from)
	}
	return nil
}

// split moves the k smallest ranks to the front.
func split(ctx context.Context, r []rank, k int) error {
	for len(r) > 32 {
		if err := ctx.Err(); err != nil {
			return err
		}
		pivot := median(r[len(r)/4], r[len(r)/2], r[len(r)/4*3])
		i, j := 0, len(r)-1
		for i <= j {
			for r[i].compare(pivot) < 0 {
				i++
			}
			for r[j].compare(pivot) > 0 {
				j--
			}
			if i <= j {
				r[i], r[j] = r[j], r[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			r = r[:j+1]
		case k >= i:
			r, k = r[i:], k-i
		default:
			return nil
		}
	}
	slices.SortFunc(r, rank.compare)
	return nil
}

func median(a, b, c rank) rank {
	if a.compare(b) > 0 {
		a, b = b, a
	}
	if b.compare(c) > 0 {
		b = c
	}
	if a.compare(b) > 0 {
		b = a
	}
	return b
}
