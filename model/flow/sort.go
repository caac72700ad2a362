package flow

import (
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"nattui/rules"
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

// turned is a rank for the opposite order.
func (r rank) turned() rank {
	return rank{^r.a, ^r.b, ^r.pos, ^r.c, 1 - r.unknown}
}

// ranking is an order with what it needs to know beside the flows: for that by rule the places
// of the rules, by Flow.Rule.
type ranking struct {
	Sort
	places []uint32
}

// rank is the place of a flow in the order.
func (s *ranking) rank(f *Flow, pos uint32, now int64) (r rank) {
	if int(f.Rule) < len(s.places) {
		place := s.places[f.Rule]
		r.known(place != NoPlace)
		r.a = uint64(place)
	} else {
		r = s.By.rank(f, now)
	}
	if s.Descending && r.unknown == 0 {
		r.a, r.b, r.c = ^r.a, ^r.b, ^r.c
	}
	r.pos = pos
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
	r.a, r.b = rules.AddrHalves(a)
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
	// Packets, Bytes and ByteRate are sums over all that matched, as far as they are known; Counted and Rated are of how
	// many that is.
	Packets, Bytes uint64
	ByteRate       float64
	Counted, Rated int
	// Version is that of the table when the selection was begun.
	Version uint64
}

// Selector makes selections of one table again and again and keeps its room in between. It is
// for one goroutine at a time.
type Selector struct {
	flows *Flows
	// rest are those from the window's beginning on, before those before the flow that it lies around, the
	// nearest first.
	rest, before lowest
}

// NewSelector is a selector of the flows of a table.
func NewSelector(t *Flows) *Selector { return &Selector{flows: t} }

// Select finds the flows that meet the condition and returns a
// window of them in the order s, at the time now. It reads the table chunk by chunk without
// holding it up, and remembers and sorts no more than the window needs: a million flows take some 20
// milliseconds, so whoever draws a screen calls it from another goroutine. It
// returns ctx's error when that is done.
//
// Flows that change while it works are in the selection as they were when it came by.
func (s *Selector) Select(ctx context.Context, where Condition, order Sort, w Window, now int64) (Selection, error) {
	by := ranking{Sort: order}
	if order.By == ColumnRule {
		by.places = s.flows.rulePlaces()
	}
	sel, around, err := s.gather(ctx, where, by, w, now)
	if err != nil {
		return Selection{}, err
	}
	ranks := s.rest.sorted()
	if around {
		nearest := s.before.sorted()
		before := s.before.met
		sel.Offset = max(0, before-w.Lead)
		if w.Limit >= 0 {
			sel.Offset = max(0, min(sel.Offset, sel.Total-w.Limit))
		}
		joined := make([]rank, 0, before-sel.Offset+len(ranks))
		for i := before - sel.Offset - 1; i >= 0; i-- {
			joined = append(joined, nearest[i].turned())
		}
		ranks = append(joined, ranks...)
	} else {
		from := max(0, w.Offset)
		if w.Limit >= 0 {
			from = max(0, min(from, sel.Total-w.Limit))
		}
		sel.Offset = min(from, len(ranks))
		ranks = ranks[sel.Offset:]
	}
	if w.Limit >= 0 {
		ranks = ranks[:min(w.Limit, len(ranks))]
	}
	if err := ctx.Err(); err != nil {
		return Selection{}, err
	}
	sel.Rows = s.flows.rows(ranks)
	return sel, nil
}

// gather ranks all flows that match and keeps those that the window may show. around
// tells whether the flow around which it is to lie is one of them.
func (s *Selector) gather(ctx context.Context, where Condition, order ranking, w Window, now int64) (sel Selection, around bool, err error) {
	t := s.flows
	sel.Version = t.Version()
	middle, around := t.rankOf(w.Around, where, order, now)
	s.prepare(w, around)
	for c := 0; ; c++ {
		if err := ctx.Err(); err != nil {
			return sel, false, err
		}
		t.mu.RLock()
		if c >= len(t.chunks) {
			t.mu.RUnlock()
			break
		}
		t.eachOf(c, func(pos uint32, f *Flow) {
			sel.Of++
			if !where.holds(f, now) {
				return
			}
			sel.Total++
			r := order.rank(f, pos, now)
			if around && pos == middle.pos && f.ID == w.Around.ID {
				r = middle // it may have changed since
			}
			if around && r.compare(middle) < 0 {
				s.before.add(r.turned())
			} else {
				s.rest.add(r)
			}
			if f.Counts() {
				sel.Packets += f.Packets()
				sel.Bytes += f.Bytes()
				sel.Counted++
			}
			if f.HasRate() {
				sel.ByteRate += float64(f.ByteRate)
				sel.Rated++
			}
		})
		t.mu.RUnlock()
	}
	return sel, around, nil
}

// prepare makes room for what a window needs. A window that would end beyond the last flow begins earlier
// instead, so around a flow a whole window's length may come to lie before it; one that is only given by its
// beginning then shows the last of all it has kept.
func (s *Selector) prepare(w Window, around bool) {
	// More than any table holds, and small enough that sums of it fit an int of 32 bits.
	const all = math.MaxInt / 8
	n, limit, offset := s.flows.Len(), min(w.Limit, all), max(0, min(w.Offset, all))
	if limit < 0 {
		limit = all
	}
	if around {
		s.rest.reset(limit, n)
		s.before.reset(max(limit, min(w.Lead, all)), n)
		return
	}
	s.rest.reset(offset+limit, n)
	s.before.reset(0, 0)
}

// rankOf is the rank of the flow that ref names; false if it has gone or does not match.
func (t *Flows) rankOf(ref Ref, where Condition, order ranking, now int64) (rank, bool) {
	if ref == (Ref{}) {
		return rank{}, false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	f := t.live(ref)
	if f == nil || !where.holds(f, now) {
		return rank{}, false
	}
	return order.rank(f, ref.Pos, now), true
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

// lowest keeps the k lowest ranks of all that are added, in room for some more: most of the others are
// refused at a look.
type lowest struct {
	k     int
	met   int // added, or refused
	ranks []rank
	// bar is the highest of k ranks that have been kept at some time: from there on none is wanted.
	bar    rank
	barred bool
}

// reset forgets all, to keep k from now on, of about n.
func (l *lowest) reset(k, n int) {
	*l = lowest{k: k, ranks: l.ranks[:0]}
	want := min(k+l.spare(), n+n/16)
	if have := cap(l.ranks); have < want || have > 8*max(want, 512) {
		l.ranks = make([]rank, 0, want) // at once: growing step by step would need twice the room
	}
}

// spare is how many ranks beyond k are added before all but the k lowest are dropped.
func (l *lowest) spare() int { return max(64, l.k) }

func (l *lowest) add(r rank) {
	l.met++
	if l.barred && (r.unknown == l.bar.unknown && r.a > l.bar.a || r.compare(l.bar) >= 0) || l.k == 0 {
		return // mostly the first number is enough
	}
	l.ranks = append(l.ranks, r)
	if len(l.ranks) >= l.k+l.spare() {
		l.cut()
	}
}

// cut drops all but the k lowest.
func (l *lowest) cut() {
	split(l.ranks, l.k)
	l.ranks = l.ranks[:l.k]
	l.bar, l.barred = slices.MaxFunc(l.ranks, rank.compare), true
}

// sorted are the k lowest in order. It is valid until the next reset.
func (l *lowest) sorted() []rank {
	if len(l.ranks) > l.k {
		l.cut()
	}
	slices.SortFunc(l.ranks, rank.compare)
	return l.ranks
}

// split moves the k smallest ranks to the front, in any order (quickselect).
func split(r []rank, k int) {
	for len(r) > 32 {
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
			return
		}
	}
	slices.SortFunc(r, rank.compare)
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
