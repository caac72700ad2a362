package conntrack

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"nattui/model/flow"
	"nattui/rules"
)

// counting are pages, and how many rooms of them are in use.
type counting struct {
	Pages
	used, most int
}

func (c *counting) Take() *flow.Room {
	c.used++
	c.most = max(c.most, c.used)
	return c.Pages.Take()
}

func (c *counting) Give(r *flow.Room) {
	c.used--
	c.Pages.Give(r)
}

// TestPages: flows that come and go many times are the same in pages as on the heap, and the pages are given back.
func TestPages(t *testing.T) {
	pages := &counting{}
	kept, asKept := flow.NewFlowsIn(pages), flow.NewFlows()
	const most = 20_000
	random := rand.New(rand.NewPCG(1, 2))
	kinds := make([]flow.MessageKind, most)
	tell := func(to *flow.Flows, round int) {
		var b flow.Batch
		b.Reset(int64(round))
		server := netip.MustParseAddrPort("192.0.2.1:80")
		for n, kind := range kinds {
			client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 1000)
			m := b.Next()
			m.Kind = kind
			m.Flow = flow.Flow{ID: uint32(n + 1), Orig: rules.MakeTuple(rules.TCP, client, server), Reply: rules.MakeTuple(rules.TCP, server, client)}
		}
		to.Apply(&b)
	}
	for round := range 12 {
		for n := range kinds {
			kinds[n] = flow.EventNew
			if random.IntN(12) < round { // more and more of them end
				kinds[n] = flow.EventDestroy
			}
		}
		tell(kept, round+1)
		tell(asKept, round+1)
		if a, b := all(kept), all(asKept); !maps.Equal(a, b) || len(a) != kept.Len() {
			t.Fatalf("round %d: %d flows in pages, %d on the heap", round, len(a), len(b))
		}
	}
	for n := range kinds {
		kinds[n] = flow.EventDestroy
	}
	tell(kept, 100)
	if kept.Len() != 0 || pages.used > 1 || pages.most < most/len(flow.Room{})/2 {
		t.Errorf("%d flows are left in %d rooms, of %d", kept.Len(), pages.used, pages.most)
	}
}

func all(flows *flow.Flows) map[string]bool {
	found := map[string]bool{}
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		found[fmt.Sprint(f.ID, f.Orig, f.First)] = true
		return true
	})
	return found
}

// TestPagesAreZeroed: what was given back is not what comes next.
func TestPagesAreZeroed(t *testing.T) {
	var p Pages
	for range 3 {
		r := p.Take()
		if slices.ContainsFunc(r[:], func(f flow.Flow) bool { return f != flow.Flow{} }) {
			t.Fatal("room that was taken has flows")
		}
		for i := range r {
			r[i].ID = 1
		}
		p.Give(r)
	}
}
