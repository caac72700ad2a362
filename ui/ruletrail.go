package ui

import (
	"slices"
	"time"

	"nattui/ui/text"
)

// rateTrails are the packet rates of rules over the last minutes, for small graphs.
type rateTrails struct {
	of map[string]rateTrailOf // by row
	at time.Time              // when the last were taken
}

// rateTrailOf is a rule's counter as it was last, and the rates that came of it, oldest first.
type rateTrailOf struct {
	packets uint64
	rates   []float64
}

// The trail is a value each rateStep, rateTrail of them: four minutes. Of chains with more than mostTrails rows none are kept.
const (
	rateStep   = 10 * time.Second
	rateTrail  = 24
	mostTrails = 2000
)

// take notes the rates of all rows, once in a while.
func (t *rateTrails) take(s *rulesScreen) {
	if !s.tables.At.After(t.at.Add(rateStep - time.Second/2)) {
		return
	}
	before := t.of
	still := 0 // the cells in which nothing moved
	if rest := s.tables.Still.Sub(t.at); rest >= rateStep && !t.at.IsZero() {
		still = int(rest / rateStep)
		t.at = t.at.Add(time.Duration(still) * rateStep)
	}
	span := s.tables.At.Sub(t.at)
	cells := min(rateTrail, max(1, int(span.Round(rateStep)/rateStep)))
	t.at, t.of = s.tables.At, map[string]rateTrailOf{}
	for _, p := range s.panes {
		if len(p.items) > mostTrails {
			continue
		}
		for _, it := range p.items {
			packets, ok := s.packetsOf(it)
			if !ok {
				continue
			}
			x, known := before[it.key]
			if known && packets >= x.packets {
				x.add(0, still)
				x.add(float64(packets-x.packets)/span.Seconds(), cells)
			}
			x.packets = packets
			t.of[it.key] = x
		}
	}
}

// add adds so many cells of a rate.
func (x *rateTrailOf) add(rate float64, cells int) {
	rates := append(x.rates, slices.Repeat([]float64{rate}, min(cells, rateTrail))...)
	x.rates = rates[max(0, len(rates)-rateTrail):]
}

// graph draws a row's rates in so many cells, "" where there is nothing to see.
func (t *rateTrails) graph(key string, width int) string {
	trail := t.of[key].rates
	trail = trail[max(0, len(trail)-width):]
	some := false
	for _, v := range trail {
		some = some || v > 0
	}
	if !some || len(trail) < 2 {
		return ""
	}
	return text.Bars(trail)
}

// packetsOf is how many packets a row's rule has counted; false where it counts none.
func (s *rulesScreen) packetsOf(it ruleItem) (uint64, bool) {
	if it.native != nil && it.rule != nil && it.element == nil {
		c, ok := it.rule.Counted(it.native.Table)
		return c.Packets, ok
	}
	r, ok := s.ruleOf(it)
	if !ok {
		return 0, false
	}
	return r.Counters.Packets, r.Counters.Known
}

// rateOf is how many packets a second a row's rule matched over the last seconds; false where that is not known.
func (s *rulesScreen) rateOf(it ruleItem) (float64, bool) {
	switch {
	case it.native != nil && it.rule != nil && it.element == nil:
		return s.nativeRate(it)
	case it.native == nil && it.at > 0:
		return s.packetRate(it.variant, s.table, it.chain, it.at)
	}
	return 0, false
}
