package facts

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// TestRememberedRoutes holds what is remembered against what is looked up, with
// policy rules that ask for sources and ports and without.
func TestRememberedRoutes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr {
		return netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(3)), byte(random.IntN(4))})
	}
	route := func(table uint32, dst, out string) RouteEntry {
		return RouteEntry{Table: table, Kind: RouteUnicast, Dst: netip.MustParsePrefix(dst), Hops: []Hop{{Out: out}}}
	}
	rule := func(priority, table uint32) PolicyRule {
		return PolicyRule{Priority: priority, Action: RuleTable, Table: table, Family: rules.IPv4, SuppressPrefix: -1}
	}
	origin, ports := rule(100, 7), rule(200, 8)
	origin.From = netip.MustParsePrefix("10.0.1.0/24")
	ports.Proto, ports.DstPorts = 6, [2]uint16{80, 90}
	for name, policy := range map[string][]PolicyRule{"plain": nil, "origin": {origin}, "ports": {ports}, "both": {origin, ports}} {
		f := &Facts{
			PolicyRules: append(policy, rule(32766, TableMain)),
			Routes:      []RouteEntry{route(TableMain, "10.0.0.0/24", "lan0"), route(TableMain, "0.0.0.0/0", "wan0"), route(7, "10.0.0.0/16", "seven"), route(8, "10.0.2.0/24", "eight")},
			Settings:    UnknownSettings(),
		}
		for range 20 {
			more := route([]uint32{7, 8, TableMain}[random.IntN(3)], netip.PrefixFrom(address(), 24+random.IntN(9)).Masked().String(), fmt.Sprint("if", random.IntN(9)))
			more.Metric, more.TOS = uint32(random.IntN(2)), uint8(random.IntN(2)*0x10)
			f.Routes = append(f.Routes, more)
		}
		g := f.remembering()
		for range 20_000 {
			q := evaluate.RouteQuery{Dst: address(), Src: address(), Proto: []rules.Protocol{0, 6, 17}[random.IntN(3)], DstPort: uint16(75 + random.IntN(20)), TOS: uint8(random.IntN(2) * 0x10)}
			want, wantCertain := f.Lookup(q)
			if got, certain := g.Lookup(q); !reflect.DeepEqual(got, want) || certain != wantCertain {
				t.Fatalf("%s: %+v goes %+v (certain %t), not %+v (%t)", name, q, got, certain, want, wantCertain)
			}
		}
	}
}
