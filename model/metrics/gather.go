package metrics

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"

	"nattui/model/doctor"
	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/rules"
)

// Gatherer tells the sample as Prometheus' metrics.
func (s *Sample) Gatherer() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(s)
	return r
}

// Describe tells nothing: which series there are hangs on what the gateway has.
func (s *Sample) Describe(chan<- *prometheus.Desc) {}

// Collect tells all metrics.
func (s *Sample) Collect(to chan<- prometheus.Metric) {
	w := writer{to}
	w.gauge(buildInfo, 1, s.Version, s.GoVersion)
	s.parts(w)
	s.rules(w)
	if s.Census != nil {
		s.connections(w)
		s.clients(w)
		s.ports(w)
	}
	if s.Health != nil {
		health(w, s.Health)
	}
	s.listeners(w)
	if s.Doctor != nil {
		findings(w, s.Doctor)
	}
	if s.Journal != nil {
		w.gauge(changesPending, float64(s.Journal.Pending))
		if !s.Journal.Deadline.IsZero() {
			w.gauge(rollbackTime, float64(s.Journal.Deadline.UnixMilli())/1000)
		}
	}
}

// writer makes metrics of values.
type writer struct{ to chan<- prometheus.Metric }

func (w writer) gauge(d *prometheus.Desc, value float64, labels ...string) {
	w.to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (w writer) counter(d *prometheus.Desc, value uint64, labels ...string) {
	w.to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

func (s *Sample) parts(w writer) {
	for _, p := range s.Parts {
		success := 1.0
		if p.Err != nil {
			success = 0
		}
		w.gauge(partSuccess, success, p.Name)
		w.gauge(partDuration, p.Took.Seconds(), p.Name)
	}
}

// labelText is text from outside as a label: valid UTF-8, without what does not print.
func labelText(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

func (s *Sample) rules(w writer) {
	type group struct{ family, backend, table, owner string }
	groups := map[group]int{}
	var flows map[string]int // by the rule's ID
	if s.Census != nil && s.Census.mark != nil {
		flows = s.flowsByRule()
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		groups[group{r.Family, r.Backend, r.Table, r.Owner}] += len(r.places)
		if i >= s.Limits.Rules {
			continue
		}
		labels := []string{r.Family, r.Backend, r.Table, labelText(r.Chain), r.Owner, labelText(r.Comment), r.ID}
		if r.Counted {
			w.counter(rulePackets, r.Packets, labels...)
			w.counter(ruleBytes, r.Bytes, labels...)
		}
		if flows != nil {
			w.gauge(ruleConnections, float64(flows[r.ID]), labels...)
		}
	}
	for g, n := range groups {
		w.gauge(ruleCount, float64(n), g.family, g.backend, g.table, g.owner)
	}
	w.gauge(omitted, float64(max(0, len(s.Rules)-s.Limits.Rules)), "rules")
}

// flowsByRule are the connections that each rule has made.
func (s *Sample) flowsByRule() map[string]int {
	flows, byRef := map[string]int{}, s.Census.byRef()
	for i := range s.Rules {
		for _, place := range s.Rules[i].places {
			flows[s.Rules[i].ID] += byRef[place]
		}
	}
	return flows
}

func (s *Sample) connections(w writer) {
	c := s.Census
	for place, n := range c.kinds {
		if n > 0 {
			k := kindAt(place)
			w.gauge(connections, float64(n), k.family.String(), rules.ProtoName(k.proto), k.nat.String(), strings.ToLower(k.state))
		}
	}
	if c.mark == nil {
		return
	}
	for confidence := explain.Exact; confidence <= explain.Unknown; confidence++ {
		w.gauge(translatedConnections, float64(c.translated[confidence]), confidence.String())
	}
}

func (s *Sample) clients(w writer) {
	c := &s.Census.clients
	w.gauge(clientCount, float64(c.used))
	w.gauge(omitted, float64(c.omitted), "clients")
	busiest := leaders{most: s.Limits.Clients}
	c.each(busiest.take)
	for _, client := range busiest.list {
		w.gauge(clientConnections, float64(client.count), s.Census.addresses.at(rules.Family(client.key>>32), uint32(client.key)).String())
	}
}

func (s *Sample) ports(w writer) {
	c := &s.Census.ports
	busiest := c.busiest(s.Limits.Addresses)
	w.gauge(omitted, float64(len(c.pools)-len(busiest)), "snat_addresses")
	given := s.portsByNumber()
	destinations := map[uint16]*leaders{}
	for _, place := range busiest {
		u := c.pools[place]
		used, available := u.within(u.ranges(given))
		w.gauge(portsUsed, float64(used), u.address().String(), rules.ProtoName(u.proto))
		w.gauge(portsAvailable, float64(available), u.address().String(), rules.ProtoName(u.proto))
		destinations[place] = &leaders{most: s.Limits.Destinations}
	}
	c.destinations.each(func(key uint64, count uint32) {
		if l := destinations[destinationOf(key).pool]; l != nil {
			l.take(key, count)
		}
	})
	for place, l := range destinations {
		u := c.pools[place]
		for _, d := range l.list {
			to := destinationOf(d.key)
			server := netip.AddrPortFrom(s.Census.addresses.at(u.family, to.number), to.port)
			w.gauge(destinationConnections, float64(d.count), u.address().String(), rules.ProtoName(u.proto), server.String())
		}
	}
}

// portsByNumber are the ports that the rules give which explain connections, by Flow.Rule; none: any.
func (s *Sample) portsByNumber() map[uint32][]rules.Ports {
	blocks := map[string][]rules.Ports{}
	for i := range s.Rules {
		for _, place := range s.Rules[i].places {
			if len(s.Rules[i].ports) > 0 {
				blocks[place.Variant.String()+" "+place.String()] = s.Rules[i].ports
			}
		}
	}
	given := map[uint32][]rules.Ports{}
	for number := range s.Census.known {
		if by := s.Census.known[number].SNAT; !by.IsZero() {
			given[uint32(number)] = blocks[by.Variant.String()+" "+by.String()]
		}
	}
	return given
}

// ranges are the ports that may be given of a pool, by the rules that have given some of it.
func (u *poolUse) ranges(given map[uint32][]rules.Ports) []rules.Ports {
	var list []rules.Ports
	for number := range u.rules {
		if len(given[number]) == 0 {
			return []rules.Ports{anyPort}
		}
		list = append(list, given[number]...)
	}
	return list
}

func health(w writer, h *facts.Health) {
	known := func(d *prometheus.Desc, n int) {
		if n >= 0 {
			w.gauge(d, float64(n))
		}
	}
	known(entries, h.Count)
	known(entriesLimit, h.Max)
	known(buckets, h.Buckets)
	if !h.HasStats {
		return
	}
	for d, n := range map[*prometheus.Desc]uint64{
		found: h.Stats.Found, invalid: h.Stats.Invalid, insertFailed: h.Stats.InsertFailed, drop: h.Stats.Drop, earlyDrop: h.Stats.EarlyDrop,
		errors: h.Stats.Error, searchRestart: h.Stats.SearchRestart, clashResolve: h.Stats.ClashResolve, chainTooLong: h.Stats.ChainTooLong,
	} {
		w.counter(d, n)
	}
}

func (s *Sample) listeners(w writer) {
	for _, l := range s.Listeners {
		w.counter(eventsLost, l.Lost, labelText(l.Program), strconv.FormatUint(uint64(l.Port), 10))
	}
}

func findings(w writer, x *Examination) {
	type kind struct {
		check    string
		severity doctor.Severity
	}
	counts, bySeverity := map[kind]int{}, map[doctor.Severity]int{}
	for i := range x.Findings {
		f := &x.Findings[i]
		counts[kind{f.Check, f.Severity}]++
		bySeverity[f.Severity]++
	}
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b kind) int { return cmp.Compare(a.check, b.check) }) {
		w.gauge(doctorFindings, float64(counts[k]), k.check, k.severity.String())
	}
	for severity := doctor.SeverityUnknown; severity <= doctor.SeverityError; severity++ {
		w.gauge(doctorProblems, float64(bySeverity[severity]), severity.String())
	}
	w.gauge(doctorTime, float64(x.At.UnixMilli())/1000)
}
