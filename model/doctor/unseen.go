package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nattui/rules"
)

// checkUnseen tells what could not be read, and which answers therefore are not known.
func checkUnseen(x *Examination) (list []Finding) {
	for _, p := range slices.SortedFunc(maps.Keys(x.Unread), func(a, b rules.Variant) int { return strings.Compare(a.String(), b.String()) }) {
		list = append(list, Finding{
			Check: "tables-unread", Severity: SeverityUnknown, Subject: p.String(), Evidence: []string{x.Unread[p]},
			Sentence: fmt.Sprintf("The tables of %s could not be read: what they translate and drop is not known, nor what becomes of %s packets.", p, p.Family.Title()),
		})
	}
	for _, why := range x.Unseen {
		list = append(list, Finding{
			Check: "not-shown", Severity: SeverityUnknown, Subject: why,
			Sentence: "A part of the rules is not shown: " + why + ". What those rules do is not known.",
		})
	}
	if x.Flows != nil && x.stats.asked == statsLimit {
		list = append(list, Finding{
			Check: "sampled", Severity: SeverityNote, Subject: "connections", Evidence: []string{fmt.Sprintf("%s of %s", rules.Grouped(x.stats.asked), rules.Plural(x.Flows.Len(), "connection"))},
			Sentence: "There are so many connections that only some were looked at: what is said of their number is said of these.",
		})
	}
	for _, gap := range x.Gaps {
		what, why, _ := strings.Cut(gap, ": ")
		found := Finding{Check: "not-known", Severity: SeverityUnknown, Subject: what, Sentence: lacking(gap)}
		if why != "" {
			found.Evidence = []string{why}
		}
		if strings.HasPrefix(gap, "programs of") || strings.HasPrefix(gap, "host name") {
			found.Severity = SeverityNote // names alone
		}
		list = append(list, found)
	}
	return list
}

// answers are what is not known where something of the host could not be read, by how the gap begins.
var answers = []struct{ gap, lacks string }{
	{"links", "By which interfaces packets come and go is not known, and so not whether forwards and sharing work."},
	{"addresses", "Which addresses are this host's is not known, and so not what is for it and what passes through."},
	{"routes", "Where packets go is not known: whether forwards, sharing and answers have a way."},
	{"policy rules", "By which routing tables packets go is not known: whether forwards, sharing and answers have a way."},
	{"neighbours", "Whether servers are there is not known."},
	{"proxied", "Whether this host answers for addresses that it does not have is not known."},
	{"settings", "Whether this host forwards is not known."},
	{"listeners", "Whether programs of this host take what is sent to them is not known."},
	{"programs of", "Which programs listen is not known by name."},
	{"native nft tables", "Whether they still translate and drop what they did is not known."},
	{"firewalld", "Which rules there will be is not known; look again when it has started."},
	{"processes", "Which programs make rules here is not known."},
}

// lacking says which answers are not known because of a gap.
func lacking(gap string) string {
	for _, a := range answers {
		if strings.HasPrefix(gap, a.gap) {
			return a.lacks
		}
	}
	return "This could not be read and is not checked."
}
