package conntrack

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	explanations "nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/lab"
	"nattui/model/metrics"
	"nattui/rules"
)

// BenchmarkScrape counts a table of 262,144 flows for Prometheus, each with the rule that made it, beside reading the
// same and decoding nothing. Each is of another client, which costs most.
func BenchmarkScrape(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	track(b)
	n := benchFlows()
	fill(b, n)
	table := open(b, Options{})
	tables, err := rules.Read(strings.NewReader("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" +
		"-A PREROUTING -d 203.0.113.1/32 -p udp -m udp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\n" +
		"-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE\nCOMMIT\n"))
	if err != nil {
		b.Fatal(err)
	}
	sets := map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}
	host := &facts.Facts{
		Links:     []facts.Link{{Index: 2, Name: "wan0", Up: true, Running: true}},
		Addresses: []facts.Address{{Link: "wan0", Prefix: netip.MustParsePrefix("203.0.113.1/24")}},
		Routes:    []facts.RouteEntry{{Table: 254, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "wan0"}}}},
	}
	var ours, bare time.Duration
	for b.Loop() {
		bare += spent(func() { readBare(b, n) })
		ours += spent(func() {
			x := explanations.NewExplainer(nil)
			x.SetRules(sets, host.Host(nil))
			census := metrics.NewCensus(x.Marker())
			if err := table.Dump(context.Background(), census.Take); err != nil {
				b.Fatal(err)
			}
			s := metrics.Sample{Limits: metrics.DefaultLimits, Rules: metrics.RulesOf(sets, nil, []string{"nat"}), Census: census}
			if _, err := s.Gatherer().Gather(); err != nil {
				b.Fatal(err)
			}
		})
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N) / float64(n) }
	b.ReportMetric(per(ours), "cpu-ns/flow")
	b.ReportMetric(per(bare), "bare-cpu-ns/flow")
	b.ReportMetric(float64(ours)/float64(bare), "x-bare")
}
