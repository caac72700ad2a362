package metrics

import (
	"bytes"
	"cmp"
	"math/bits"
	"net/netip"
	"slices"

	"nattui/model/flow"
	"nattui/rules"
)

// pool is what source ports are given from: an address that connections are given, and a protocol.
type pool struct {
	proto  rules.Protocol
	family rules.Family
	addr   [16]byte
}

func (p *pool) address() netip.Addr {
	t := rules.Tuple{Family: p.family}
	return t.Addr(&p.addr)
}

// destination is a service that connections of one pool go to: towards each the ports are given anew.
type destination struct {
	pool   uint16 // its place
	number uint32 // of the address, among those of the pool's family
	port   uint16
}

func (d destination) key() uint64 { return uint64(d.pool)<<48 | uint64(d.number)<<16 | uint64(d.port) }

func destinationOf(key uint64) destination {
	return destination{uint16(key >> 48), uint32(key >> 16), uint16(key)}
}

// poolUse is what is in use of a pool.
type poolUse struct {
	pool
	flows int
	used  [1 << 16 / 64]uint64 // a bit for each port
	// rules are the numbers (Flow.Rule) of the rules met: they tell which ports may be given at all.
	rules    map[uint32]bool
	lastRule uint32
}

// portCensus counts the source ports that translated connections were given.
type portCensus struct {
	places       map[pool]uint16
	pools        []*poolUse
	destinations tally
	omitted      int // connections of pools beyond mostPools
	last         pool
	lastPlace    uint16 // of last: most connections are given one address
}

// mostPools bounds how many pools are told apart: each takes 8 kB.
const mostPools = 1 << 12

// take counts a connection; known numbers the addresses.
func (c *portCensus) take(f *flow.Flow, known *addresses) {
	place, ok := c.place(pool{f.Proto(), f.Family(), f.Reply.Dst})
	if !ok {
		c.omitted++
		return
	}
	u := c.pools[place]
	u.flows++
	u.used[f.Reply.DstPort/64] |= 1 << (f.Reply.DstPort % 64)
	if u.lastRule != f.Rule || u.flows == 1 {
		u.lastRule = f.Rule
		u.rules[f.Rule] = true
	}
	c.destinations.add(destination{place, known.number(f.Family(), &f.Reply.Src), f.Reply.SrcPort}.key())
}

// place is that of a pool, a new one where there is room.
func (c *portCensus) place(of pool) (uint16, bool) {
	if of == c.last && len(c.pools) > 0 {
		return c.lastPlace, true
	}
	place, ok := c.places[of]
	if !ok {
		if len(c.pools) >= mostPools {
			return 0, false
		}
		if c.places == nil {
			c.places = map[pool]uint16{}
		}
		place = uint16(len(c.pools))
		c.places[of] = place
		c.pools = append(c.pools, &poolUse{pool: of, rules: map[uint32]bool{}})
	}
	c.last, c.lastPlace = of, place
	return place, true
}

// busiest are the places of the n pools with the most connections.
func (c *portCensus) busiest(n int) []uint16 {
	list := make([]uint16, len(c.pools))
	for i := range list {
		list[i] = uint16(i)
	}
	slices.SortFunc(list, func(a, b uint16) int {
		x, y := c.pools[a], c.pools[b]
		return cmp.Or(cmp.Compare(y.flows, x.flows), bytes.Compare(x.addr[:], y.addr[:]), cmp.Compare(x.proto, y.proto))
	})
	return list[:min(n, len(list))]
}

// anyPort are the ports that are given where no rule says which: those from 1024 on. (What came from a port below is
// given one below, of which there are few: nf_nat_l4proto_unique_tuple.)
var anyPort = rules.Ports{Lo: 1024, Hi: 65535}

// within counts the ports of ranges, and how many of them are in use.
func (u *poolUse) within(ranges []rules.Ports) (used, available int) {
	var room [1 << 16 / 64]uint64
	for _, r := range ranges {
		for p := int(r.Lo); p <= int(r.Hi); p++ {
			room[p/64] |= 1 << (p % 64)
		}
	}
	for i := range room {
		available += bits.OnesCount64(room[i])
		used += bits.OnesCount64(room[i] & u.used[i])
	}
	return used, available
}
