package doctor

import (
	"maps"
	"net/netip"
	"sync"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Examination is a gateway at one moment, with what was counted and compiled once for all checks. Nothing
// in it changes while checks look at it.
type Examination struct {
	Gateway // as it was read; Facts are never nil here
	trial   // the rules and routes as they are, and what becomes of packets

	now       int64 // in nanoseconds since 1970
	forwards  []Forward
	left      []evaluate.RuleRef // forwards that are not listed, because there are so many
	listed    nativeLists
	natListed func() []netip.Prefix // the sources in lists that translate, read when they are first asked for
	others    []Forward             // the same for other addresses of this host that their rules take too
	stats     *flowStats
	unreached []Finding           // rules that no packet comes to
	verdicts  map[string]Severity // the worst that was found about a subject, where it is no note
}

// judge notes what was found about a subject.
func (x *Examination) judge(subject string, s Severity) {
	if s >= SeverityWarning || s == SeverityUnknown {
		x.verdicts[subject] = max(x.verdicts[subject], s)
	}
}

// examine reads a gateway once.
func examine(g *Gateway) *Examination {
	x := &Examination{Gateway: *g, now: Now(g), verdicts: map[string]Severity{}}
	x.Sets = withUnread(g.Sets, g.Unread)
	x.trial = newTrial(x.Facts, x.Sets, nil)
	x.listed = x.nativeLists(false)
	x.natListed = sync.OnceValue(func() []netip.Prefix { return x.nativeLists(true).sources })
	x.named = namedStrangers(x.Sets, &x.listed)
	x.forwards, x.left = forwardsOf(&x.trial, ownForwards, foreignForwards)
	x.others = append(x.otherAddresses(x.forwards), x.otherServers(x.forwards)...)
	x.stats = takeCensus(x)
	x.unreached = unreachedRules(&x.trial)
	for i := range x.forwards {
		x.followFailing(&x.forwards[i])
	}
	return x
}

// followFailing has a forward followed with the packet of a client that has asked in vain, where there is one.
func (x *Examination) followFailing(f *Forward) {
	seen := x.stats.tallyOf(f)
	for i := range seen.examples {
		e := &seen.examples[i]
		link, near := x.LinkOf(e.Client().Addr())
		if near && link != f.Link || e.AskedFor() != f.Asked || e.Proto() != f.Proto || x.IsLocal(e.Client().Addr()) {
			continue
		}
		p := f.packet
		p.Src, p.SrcPort = e.Client().Addr(), e.Client().Port()
		if way := x.fate(p); way.known && way.by(f.Rule) {
			f.packet = p
			x.settle(f)
			return
		}
	}
}

// withUnread adds the variants that could not be read, each with tables of which nothing is known.
func withUnread(sets map[rules.Variant]*rules.Ruleset, unread map[rules.Variant]string) map[rules.Variant]*rules.Ruleset {
	if len(unread) == 0 {
		return sets
	}
	all := map[rules.Variant]*rules.Ruleset{}
	maps.Copy(all, sets)
	for v := range unread {
		const nothing = "rules that could not be read"
		all[v] = &rules.Ruleset{Family: v.Family, Backend: v.Backend, Foreign: map[string]string{"nat": nothing, "filter": nothing, "mangle": nothing, "raw": nothing}}
	}
	return all
}

// within is the examination with a bound on the work that its trials may do from now on.
func (x *Examination) within(l limits) *Examination {
	bounded := *x
	bounded.trial.spent = &spent{limits: l}
	return &bounded
}
