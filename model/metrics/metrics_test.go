package metrics

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// TestMost holds the keys met most often against sorting them all.
func TestMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c tally
		counts := map[uint64]uint32{}
		for _, k := range rapid.SliceOf(rapid.Uint64Range(0, 2000)).Draw(t, "keys") {
			for _, key := range []uint64{k, k << 48, k * firstPlaces} {
				c.add(key)
				counts[key]++
			}
		}
		var want []uint64
		for k := range counts {
			want = append(want, k)
		}
		slices.SortFunc(want, func(a, b uint64) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
		l := leaders{most: rapid.IntRange(0, 12).Draw(t, "n")}
		c.each(l.take)
		var got []uint64
		for _, x := range l.list {
			if got = append(got, x.key); x.count != counts[x.key] {
				t.Fatalf("%d was met %d times, not %d", x.key, counts[x.key], x.count)
			}
		}
		if want = want[:min(l.most, len(want))]; c.used != len(counts) || !slices.Equal(got, want) {
			t.Fatalf("%v of %v, want %v", got, counts, want)
		}
	})
}

func setOf(t testing.TB, save string) map[rules.Variant]*rules.Ruleset {
	t.Helper()
	tables, err := rules.Read(strings.NewReader(save))
	if err != nil {
		t.Fatal(err)
	}
	return map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}
}

const gateway = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
[3:180] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -m comment --comment "the web" -j DNAT --to-destination 192.168.0.2:8080
[1:60] -A PREROUTING -j DOCKER
[5:300] -A POSTROUTING -s 192.168.0.0/24 -o wan0 -p tcp -j SNAT --to-source 203.0.113.1:2000-2999
[2:120] -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
[2:120] -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
COMMIT
`

// TestRuleID: a rule is the same when others come before it and its counters move, and another one when it changes.
func TestRuleID(t *testing.T) {
	before := RulesOf(setOf(t, gateway), nil, []string{"nat"})
	ids := map[string]string{}
	for _, r := range before {
		ids[r.ID] = r.Comment + r.Chain
	}
	if len(before) != 4 || len(ids) != 4 {
		t.Fatalf("%d rules with %d names, want 4, as two are equal", len(before), len(ids))
	}
	if last := before[slices.IndexFunc(before, func(r Rule) bool { return r.Packets == 4 })]; len(last.places) != 2 || last.Bytes != 240 {
		t.Errorf("the two equal rules are told as %+v", last)
	}
	moved := strings.NewReplacer("[3:180]", "[30:1800]", "[1:60] ", "[0:0] -A PREROUTING -i eth9 -j ACCEPT\n[9:9] ").Replace(gateway)
	after := RulesOf(setOf(t, moved), nil, []string{"nat"})
	fresh := 0
	for _, r := range after {
		if ids[r.ID] == "" {
			fresh++
		}
	}
	if len(after) != 5 || fresh != 1 {
		t.Errorf("%d of %d rules have another name after one was inserted", fresh, len(after))
	}
	if after[len(after)-1].Owner != "docker" {
		t.Errorf("the last rule is %+v, want that of docker after the administrator's", after[len(after)-1])
	}
	changed := RulesOf(setOf(t, strings.ReplaceAll(gateway, ":8080", ":8081")), nil, []string{"nat"})
	if slices.ContainsFunc(changed, func(r Rule) bool { return ids[r.ID] == "the webPREROUTING" }) {
		t.Error("a rule that forwards elsewhere has the same name")
	}
	if len(RulesOf(setOf(t, gateway), nil, []string{"filter"})) != 0 {
		t.Error("rules of another table are told")
	}
}

// shared is a connection of a client inside that is seen as 203.0.113.1.
func shared(client, seen string, to string, proto rules.Protocol) flow.Flow {
	at := netip.MustParseAddrPort
	return flow.Flow{
		State: flow.TCPEstablished, Status: flow.StatusSrcNAT | flow.StatusSeenReply,
		Orig: rules.MakeTuple(proto, at(client), at(to)), Reply: rules.MakeTuple(proto, at(to), at(seen)),
	}
}

func listed(flows ...flow.Flow) *flow.Batch {
	b := &flow.Batch{Begin: true, End: true}
	for _, f := range flows {
		b.Messages = append(b.Messages, flow.Message{Kind: flow.Listed, Flow: f})
	}
	return b
}

// hostOf is a gateway between lan0 and wan0.
func hostOf() *facts.Facts {
	return &facts.Facts{
		Links:     []facts.Link{{Index: 2, Name: "wan0", Up: true, Running: true}, {Index: 3, Name: "lan0", Up: true, Running: true}},
		Addresses: []facts.Address{{Link: "wan0", Prefix: netip.MustParsePrefix("203.0.113.1/24")}, {Link: "lan0", Prefix: netip.MustParsePrefix("192.168.0.1/24")}},
		Routes: []facts.RouteEntry{
			{Table: 254, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "wan0", Gateway: netip.MustParseAddr("203.0.113.254")}}},
			{Table: 254, Dst: netip.MustParsePrefix("192.168.0.0/24"), Hops: []facts.Hop{{Out: "lan0"}}},
		},
	}
}

// sampled is a gateway of which everything is known.
func sampled(t *testing.T, limits Limits) *Sample {
	t.Helper()
	sets := setOf(t, gateway)
	x := explain.NewExplainer(nil)
	x.SetRules(sets, hostOf().Host(nil))
	c := NewCensus(x.Marker())
	var flows []flow.Flow
	for i := range 5 {
		flows = append(flows, shared(fmt.Sprintf("192.168.0.7:%d", 40000+i), fmt.Sprintf("203.0.113.1:%d", 2000+i), "198.51.100.1:443", rules.TCP))
	}
	flows = append(flows,
		shared("192.168.0.8:40000", "203.0.113.1:2000", "198.51.100.2:443", rules.TCP), // the same port, towards another
		shared("192.168.0.9:5000", "203.0.113.1:5000", "198.51.100.3:53", rules.UDP))
	c.Take(listed(flows...))
	return &Sample{Limits: limits, Version: "1", GoVersion: "go1", Rules: RulesOf(sets, nil, []string{"nat"}), Census: c, Health: &facts.Health{Count: 7, Max: 100, Buckets: -1}}
}

func expect(t *testing.T, s *Sample, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(s.Gatherer(), strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

// TestPorts: a port that is in use towards two servers is in use once; each server is told with how many it has.
func TestPorts(t *testing.T) {
	expect(t, sampled(t, DefaultLimits), `
# HELP nattui_snat_destination_connections Connections to the destinations with the most, each of which needs a source port of its own.
# TYPE nattui_snat_destination_connections gauge
nattui_snat_destination_connections{address="203.0.113.1",destination="198.51.100.1:443",protocol="tcp"} 5
nattui_snat_destination_connections{address="203.0.113.1",destination="198.51.100.2:443",protocol="tcp"} 1
nattui_snat_destination_connections{address="203.0.113.1",destination="198.51.100.3:53",protocol="udp"} 1
# HELP nattui_snat_ports_available Source ports that may be given with an address towards one destination.
# TYPE nattui_snat_ports_available gauge
nattui_snat_ports_available{address="203.0.113.1",protocol="tcp"} 1000
nattui_snat_ports_available{address="203.0.113.1",protocol="udp"} 64512
# HELP nattui_snat_ports_used Source ports in use of those that may be given with an address.
# TYPE nattui_snat_ports_used gauge
nattui_snat_ports_used{address="203.0.113.1",protocol="tcp"} 5
nattui_snat_ports_used{address="203.0.113.1",protocol="udp"} 1
`, "nattui_snat_destination_connections", "nattui_snat_ports_available", "nattui_snat_ports_used")
}

// TestLimits: what has no series is counted.
func TestLimits(t *testing.T) {
	expect(t, sampled(t, Limits{Rules: 3, Clients: 1, Addresses: 1, Destinations: 1}), `
# HELP nattui_client_connections Connections of the clients with the most.
# TYPE nattui_client_connections gauge
nattui_client_connections{client="192.168.0.7"} 5
# HELP nattui_series_omitted How many rules and translated addresses have no series of their own, because of the limits; of clients, how many connections were not looked at because there are too many.
# TYPE nattui_series_omitted gauge
nattui_series_omitted{of="clients"} 0
nattui_series_omitted{of="rules"} 1
nattui_series_omitted{of="snat_addresses"} 1
# HELP nattui_snat_destination_connections Connections to the destinations with the most, each of which needs a source port of its own.
# TYPE nattui_snat_destination_connections gauge
nattui_snat_destination_connections{address="203.0.113.1",destination="198.51.100.1:443",protocol="tcp"} 5
`, "nattui_client_connections", "nattui_series_omitted", "nattui_snat_destination_connections")
	if n := testutil.CollectAndCount(sampled(t, Limits{}), "nattui_rule_packets_total", "nattui_client_connections", "nattui_snat_ports_used"); n != 0 {
		t.Errorf("%d series where none are allowed", n)
	}
}

// TestUnknown: what could not be read has no series, rather than zeros.
func TestUnknown(t *testing.T) {
	s := sampled(t, DefaultLimits)
	s.Census = NewCensus(nil)
	s.Census.Take(listed(shared("192.168.0.7:40000", "203.0.113.1:2000", "198.51.100.1:443", rules.TCP)))
	for _, name := range []string{"nattui_rule_connections", "nattui_translated_connections", "nattui_conntrack_buckets", "nattui_conntrack_drop_total", "nattui_doctor_findings_by_severity", "nattui_changes_pending"} {
		if n := testutil.CollectAndCount(s, name); n != 0 {
			t.Errorf("%s has %d series, and is not known", name, n)
		}
	}
	if n := testutil.CollectAndCount(s, "nattui_connections"); n != 1 {
		t.Errorf("nattui_connections has %d series", n)
	}
	if problems, err := testutil.GatherAndLint(s.Gatherer()); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// TestLabelText: a comment cannot write lines of its own, nor break the encoding.
func TestLabelText(t *testing.T) {
	for given, want := range map[string]string{"plain öß": "plain öß", "a\nb\x1b[1m": "a�b�[1m", "\xff\u202e": "��"} {
		if got := labelText(given); got != want {
			t.Errorf("%q is told as %q, want %q", given, got, want)
		}
	}
}
