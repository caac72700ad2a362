package doctor

import (
	"fmt"
	"slices"

	"nattui/rules"
)

// The steps that ask the rules of the nat tables, and the filter rules.
const (
	translated = "translated"
	letThrough = "let-through"
)

// The way of a forward, from the packet that arrives to the answer that leaves,
// as questions in the order in which the kernel answers them. Each is proven
// from rules, counters, flows, routes and neighbours.
var steps = []struct {
	name string // of the finding where nothing is wrong
	look func(*Examination, *Forward) Finding
}{
	{"arrives", stepArrives},
	{translated, stepTranslated},
	{"forwarding", stepForwarding},
	{"source-believed", stepBelieved},
	{"route", stepRoute},
	{"neighbour", stepNeighbour},
	{letThrough, stepLetThrough},
	{"served", stepServed},
	{"answer-returns", stepReturns},
	{"answer-leaves", stepLeaves},
}

// follow asks a forward's questions up to the first failure.
func follow(x *Examination, f *Forward) []Finding {
	var list []Finding
	for _, s := range steps {
		found := s.look(x, f)
		switch s.name {
		case translated:
			found = x.withOthers(f, found)
		case letThrough:
			found = x.letAllThrough(f, found)
		}
		if found.Check == "" {
			found.Check = s.name
		}
		found.Subject = f.subject(found.Subject)
		list = append(list, found)
		if found.ends() {
			return list
		}
	}
	for _, also := range append([]Finding{tooBigFor(x, f), fromInside(x, f), fromHere(x, f)}, slices.Concat(undiscoveredLater(x, f), tooWideFor(x, f))...) {
		if also.Check != "" {
			list = append(list, also)
		}
	}
	return list
}

// ends tells that nothing more can be asked of a forward: it fails here, is closed on purpose, or waits for an interface.
func (f *Finding) ends() bool {
	return f.IsProblem() || f.Check == closed || f.Check == "interface-missing"
}

// everybodys are the faults that other programs' forwards suffer from as well: what
// these programs do not see to themselves, endpoints that are gone, and neighbours of the server that have asked in vain.
var everybodys = []string{"forwarding-off", "forward-dropped", "answers-dropped", "established-dropped", "rp-filter", "native-drop", "answer-leaves-elsewhere", "bridge-netfilter-off", "no-route", "link-down", "server-silent", "hairpin"}

// judged are the steps that rules, routes and switches decide: where one of them is not known, that is told of the
// gateway too. Of the others nothing is known as long as nobody has tried.
var judged = []string{"arrives", "translated", "forwarding", "route", "let-through"}

// suffers tells that a finding is to be told of a forward that a program made. Private addresses that only the default
// route leads to are none of its: routers of clouds know where pods are; containers of this host they do not know.
func suffers(owner string, found *Finding) bool {
	if found.IsProblem() && byHand(owner) {
		return true
	}
	here := []string{"docker", "podman", "libvirt", "lxd", "incus"}
	return slices.Contains(everybodys, found.Check) && (found.Check != "no-route" || found.Severity == SeverityError || slices.Contains(here, owner))
}

// byHand tells that a rule is the administrator's own: as such, or as a program makes it of what he has written for it.
func byHand(owner string) bool {
	return owner == "" || owner == "fw4" || owner == "firewalld" || owner == "ufw"
}

// Of gateways with thousands of rules not every forward's cure is tried, nor is
// the same note told of each.
const (
	curesTried   = 24
	hairpinNotes = 8
	// visitsTold is how many meetings of packets and rules are told, about half a
	// second's worth; forwards that come later are not looked at.
	visitsTold = 2_000_000
)

// checkForwards examines every forward and tells of the first failure of each.
func checkForwards(x *Examination) []Finding {
	x = x.within(limits{cures: curesTried, visits: visitsTold})
	var list report
	list.take(leftOut(x))
	var gone goneEndpoints
	hairpins := 0
	forwards := slices.Concat(x.forwards, x.others)
	for i := range forwards {
		f := &forwards[i]
		if x.spent.exhausted() {
			list.take(gone.findings())
			for _, rest := range forwards[i:] {
				x.judge(rest.Name(), SeverityUnknown)
			}
			return append(list, notExamined(forwards[i:], len(forwards))...)
		}
		if isDead(f, x.unreached) || isDead(f, list) {
			continue // no packet comes to it, and that has been said
		}
		found, sound := firstFailure(x, f)
		for _, finding := range found {
			x.judge(f.Name(), finding.Severity)
		}
		list.take(gone.sift(f, found))
		if byHand(f.Owner) && sound && hairpins < hairpinNotes {
			if found := fromInside(x, f); found.Check != "" {
				list.take([]Finding{found})
				hairpins++
			}
		}
	}
	list.take(gone.findings())
	return list
}

// leftOut tells of forwards that are not listed, because there are so many.
func leftOut(x *Examination) []Finding {
	if len(x.left) == 0 {
		return nil
	}
	first := ruleName(x.left[0])
	return []Finding{{
		Check: "not-examined", Severity: SeverityUnknown, Subject: "forwards further down", Evidence: []string{fmt.Sprintf("%s of %s, from %s on", rules.Grouped(len(x.left)), rules.Plural(len(x.left)+len(x.forwards), "forward"), first)},
		Sentence: fmt.Sprintf("Only the first %s forwards were looked at: whether the others work is not known. Ask for one by its name, such as nattui doctor %s.", rules.Grouped(len(x.forwards)), first),
	}}
}

// notExamined tells of forwards that were not looked at, of the administrator's each.
func notExamined(rest []Forward, all int) []Finding {
	list := []Finding{{
		Check: "not-examined", Severity: SeverityUnknown, Subject: "forwards", Evidence: []string{fmt.Sprintf("%d of %s", len(rest), rules.Plural(all, "forward"))},
		Sentence: "Not all forwards were looked at, because there are so many rules: ask for one by its name.",
	}}
	for i := range rest {
		if rest[i].Owner == "" {
			list = append(list, Finding{Check: "not-examined", Severity: SeverityUnknown, Subject: rest[i].Name(), Sentence: "This forward was not looked at, because there are so many rules: ask for it by its name."})
		}
	}
	return list
}

// firstFailure is what there is to tell of a forward up to its first failure; it is sound if there is none.
func firstFailure(x *Examination, f *Forward) (list []Finding, sound bool) {
	for _, s := range steps {
		found := s.look(x, f)
		found.Subject = f.subject(found.Subject)
		if found.Severity == SeverityUnknown && found.Check == "" {
			if found.forward {
				continue
			}
			if f.Owner != "" || !slices.Contains(judged, s.name) || Unknown(list) > 0 {
				continue
			}
			found.Check = s.name
		}
		if found.Check == closed && f.Owner != "" {
			return list, false
		}
		if found.Severity <= SeverityUnseen || f.Owner != "" && !suffers(f.Owner, &found) {
			continue // other programs know what they do
		}
		if found.IsProblem() { // that it was not answered is what the problem says
			list = slices.DeleteFunc(list, func(f Finding) bool { return f.Check == "served" })
		}
		list = append(list, found)
		if found.ends() {
			return list, false
		}
	}
	return list, true
}

// isDead tells that no packet was found to ever meet the rule of a forward.
func isDead(f *Forward, found []Finding) bool {
	name := ruleName(f.Rule)
	return slices.ContainsFunc(found, func(f Finding) bool {
		return f.Subject == name && (f.Check == "shadowed-rule" || f.Check == "duplicate-rule" || f.Check == "rule-after-all")
	})
}
