package doctor

import (
	"slices"
	"strings"
)

// checks are what the doctor looks for, in the order in which it tells of findings of one severity. A new
// check is a function beside the data it is about, and a line here.
var checks = []func(*Examination) []Finding{
	checkReach,
	checkForwards,
	checkOutput,
	checkDroppedBefore,
	checkDiscovery,
	checkARPFilters,
	checkTooBig,
	checkOwnQuestions,
	checkShares,
	checkMultipath,
	checkNetworks,
	checkIdleTranslators,
	checkTables,
	checkFirstPackets,
	checkHelpers,
	checkStale,
	checkGoneAddresses,
	checkProtocols,
	checkFamilies,
	checkUntranslated,
	checkTraces,
	checkSilence,
	checkSourcePorts,
	checkConntrack,
	checkDrops,
	checkPublished,
	checkEndpoints,
	checkBackends,
	checkQueues,
	checkUplinkAddress,
	checkOwnAnswers,
	checkOwnServices,
	checkOwnConnections,
	checkOwnDatagrams,
	checkDefaultRoutes,
	checkIPsec,
	checkMarks,
	checkTransparent,
	checkBeforeNAT,
	checkLoopbackPublished,
	checkManagers,
	checkSegments,
	checkBridges,
	checkPolicyRouting,
	checkNatives,
	checkUnseen,
	checkBoot,
	checkFailover,
}

// Report is what an examination of the whole gateway tells.
type Report struct {
	// Findings are what is wrong, risky, not known or worth knowing, the worst first.
	Findings []Finding
	// Forwards are those of the gateway, as Forwards lists them.
	Forwards []Forward

	verdicts map[string]Severity // by the name of a forward
}

// Verdict is the worst that was found about a forward: a warning, an error, unknown, unseen, or ok.
func (r *Report) Verdict(f *Forward) Severity { return r.verdicts[f.Name()] }

// Look looks for everything that is wrong, risky or worth knowing about the gateway's NAT now. It reads values
// only; with 10,000 rules and a million flows it takes some tenths of a second. Without Facts it tells what rules tell alone.
func Look(g *Gateway) Report {
	if g.Facts == nil {
		return Report{Findings: report(ofRules(g)).sorted()}
	}
	x := examine(g)
	var all report
	for _, check := range checks {
		all.take(check(x))
	}
	all = slices.DeleteFunc(all, func(f Finding) bool { return f.Check == "filter-drops" && all.tells(f.Evidence) })
	proveAll(x, all)
	for _, f := range all {
		x.judge(f.Subject, f.Severity)
	}
	for i := range x.forwards {
		f := &x.forwards[i]
		seen := x.stats.of(f.Rule)
		if try, _ := x.try(f, &seen); x.verdicts[f.Name()] == SeverityOK && seen.replied == 0 && !try.answeredBy(f) {
			x.verdicts[f.Name()] = SeverityUnseen
		}
	}
	r := Report{Forwards: x.forwards, verdicts: x.verdicts}
	r.Findings = all.sorted()
	return r
}

// Examine is what Look has found, the worst first.
func Examine(g *Gateway) []Finding { return Look(g).Findings }

// otherServersFail are the failures of other servers of a forward's rule.
func otherServersFail(x *Examination, f *Forward) (list []Finding) {
	for i := range x.others {
		o := &x.others[i]
		if o.Rule != f.Rule || o.Asked != f.Asked || o.further || o.Server == f.Server {
			continue
		}
		found, _ := firstFailure(x, o)
		for _, failure := range found {
			if failure.IsProblem() && !strings.Contains(failure.Sentence, f.Server.Addr().String()) {
				list = append(list, failure)
			}
		}
	}
	return list
}

// sharersFail are the failures of other rules that share a forward's packets with it by chance.
func sharersFail(x *Examination, f *Forward) (list []Finding) {
	way := x.fate(f.packet)
	if _, ok := x.sharers(f, &way); !ok && !way.byStatistic() {
		return nil
	}
	for i := range x.forwards {
		if o := &x.forwards[i]; o.Rule != f.Rule && way.by(o.Rule) {
			found, _ := firstFailure(x, o)
			list = append(list, slices.DeleteFunc(found, func(f Finding) bool { return !f.IsProblem() })...)
		}
	}
	return list
}

// ExamineForward follows one forward from the packet that arrives to the answer that leaves. The findings are
// in that order, those that are right included, and end with the first failure. Notes at the end are about
// clients elsewhere.
func ExamineForward(g *Gateway, f Forward) []Finding {
	_, list := FollowForward(g, f)
	return list
}

// FollowForward is ExamineForward for a forward that was found when the rules were perhaps others, and returns it as it is now: of
// the same rule, wherever that stands, or of what takes the same packets today.
func FollowForward(g *Gateway, f Forward) (now Forward, found []Finding) {
	x := examine(g)
	f, there := x.current(f)
	if !there {
		return f, []Finding{gone(&f)}
	}
	x.followFailing(&f)
	list := follow(x, &f)
	for _, other := range slices.Concat(otherServersFail(x, &f), sharersFail(x, &f), elsewhereFails(x, &f)) {
		if !slices.ContainsFunc(list, func(told Finding) bool {
			return told.Check == other.Check && told.Subject == other.Subject && strings.HasPrefix(told.Sentence, other.Sentence)
		}) {
			list = append(list, other)
		}
	}
	list = slices.Concat(list, staleOf(x, &f), helpersOf(x, &f))
	proveAll(x, list)
	return f, list
}
