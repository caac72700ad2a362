package doctor

// checks are what the doctor looks for, in the order in which it tells of findings of one severity. A new
// check is a function beside the data it is about, and a line here.
var checks = []func(*Examination) []Finding{
	checkReach,
	checkForwards,
	checkShares,
	checkTables,
	checkHelpers,
	checkStale,
	checkGoneAddresses,
	checkUntranslated,
	checkSourcePorts,
	checkConntrack,
	checkPublished,
	checkBackends,
	checkUplinkAddress,
	checkManagers,
	checkSegments,
	checkBridges,
	checkPolicyRouting,
	checkNatives,
	checkUnseen,
	checkBoot,
}

// Examine looks for everything that is wrong, risky or worth knowing about the gateway's NAT now: the worst
// first. It reads values only; with 10,000 rules and a million flows it takes some tenths of a second.
func Examine(g *Gateway) []Finding {
	x := examine(g)
	var all report
	for _, check := range checks {
		all.take(check(x))
	}
	return all.sorted()
}

// ExamineForward follows one forward from the packet that arrives to the answer that leaves. The findings are
// in that order, those that are right included, and end with the first failure. Notes at the end are about
// clients elsewhere.
func ExamineForward(g *Gateway, f Forward) []Finding {
	x := examine(g)
	for i := range x.forwards {
		if x.forwards[i].Rule == f.Rule {
			f = x.forwards[i]
		}
	}
	return follow(x, &f)
}
