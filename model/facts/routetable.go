package facts

import (
	"net/netip"
	"slices"

	"nattui/rules"
)

// routeTable is one routing table with its routes by network: a gateway may have
// hundreds of thousands, and a packet is asked about as many as it has lengths.
type routeTable struct {
	lengths [2][]int // of networks that there are, by family, the longest first
	routes  map[netip.Prefix][]*RouteEntry
}

// routeTables sorts routes by table. They are referred to, and must not change.
func routeTables(routes []RouteEntry) map[uint32]*routeTable {
	tables := map[uint32]*routeTable{}
	for i := range routes {
		e := &routes[i]
		t := tables[e.Table]
		if t == nil {
			t = &routeTable{routes: map[netip.Prefix][]*RouteEntry{}}
			tables[e.Table] = t
		}
		net := e.Dst.Masked()
		lengths := &t.lengths[rules.FamilyOf(net.Addr())]
		if !slices.Contains(*lengths, net.Bits()) {
			*lengths = append(*lengths, net.Bits())
		}
		t.routes[net] = append(t.routes[net], e)
	}
	for _, t := range tables {
		for f := range t.lengths {
			slices.Sort(t.lengths[f])
			slices.Reverse(t.lengths[f])
		}
		for _, same := range t.routes {
			slices.SortStableFunc(same, byPreference)
		}
	}
	return tables
}

// each calls yield with the routes to an address, the preferred ones first.
func (t *routeTable) each(addr netip.Addr, yield func(*RouteEntry)) {
	if t == nil {
		return
	}
	for _, n := range t.lengths[rules.FamilyOf(addr)] {
		net, err := addr.Prefix(n)
		if err != nil {
			continue // of the other family's length
		}
		for _, e := range t.routes[net] {
			yield(e)
		}
	}
}
