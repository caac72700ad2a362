package facts

import (
	"hash/maphash"
	"sync"

	"nattui/rules/evaluate"
)

// routeMemo remembers the latest decisions of Lookup, for whoever evaluates many
// packets under the same facts: those of one gateway go to few places. It is safe
// for concurrent use.
type routeMemo struct {
	// byOrigin and byPorts tell that policy rules look at the source address, and at
	// protocol and ports; else those do not bear on a decision.
	byOrigin, byPorts bool
	routes            map[uint32]*routeTable

	mu    sync.Mutex
	seed  maphash.Seed
	slots []routeSlot
}

type routeSlot struct {
	used    bool
	query   evaluate.RouteQuery
	route   Route
	certain bool
}

// routeSlots is how many decisions are remembered; a new one takes the place of
// one with the same hash.
const routeSlots = 1 << 11

// remembering is a copy of the facts that remembers its decisions.
func (f *Facts) remembering() *Facts {
	g := *f
	g.memo = &routeMemo{seed: maphash.MakeSeed(), slots: make([]routeSlot, routeSlots), routes: routeTables(g.Routes)}
	for _, r := range f.PolicyRules {
		g.memo.byOrigin = g.memo.byOrigin || r.From.IsValid()
		g.memo.byPorts = g.memo.byPorts || r.asksPorts()
	}
	return &g
}

// lookup answers from memory, or asks and remembers.
func (m *routeMemo) lookup(q evaluate.RouteQuery, ask func(evaluate.RouteQuery) (Route, bool)) (Route, bool) {
	key := q
	if !m.byOrigin {
		key.Src = key.Dst
	}
	if !m.byPorts {
		key.Proto, key.SrcPort, key.DstPort = 0, 0, 0
	}
	slot := &m.slots[maphash.Comparable(m.seed, key)%routeSlots]
	m.mu.Lock()
	known := *slot
	m.mu.Unlock()
	if known.used && known.query == key {
		return known.route, known.certain
	}
	known = routeSlot{used: true, query: key}
	known.route, known.certain = ask(q)
	m.mu.Lock()
	*slot = known
	m.mu.Unlock()
	return known.route, known.certain
}
