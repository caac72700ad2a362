package doctor

import (
	"fmt"

	"nattui/rules"
)

// checkUnseen tells what could not be read, so that nothing is said of it.
func checkUnseen(x *Examination) (list []Finding) {
	for _, why := range x.Unseen {
		list = append(list, Finding{Check: "not-shown", Severity: SeverityNote, Subject: why, Sentence: "A part of the rules is not shown: " + why + "."})
	}
	if x.Flows != nil && x.stats.asked == statsLimit {
		list = append(list, Finding{
			Check: "sampled", Severity: SeverityNote, Subject: "connections", Evidence: []string{fmt.Sprintf("%s of %s", rules.Grouped(x.stats.asked), rules.Plural(x.Flows.Len(), "connection"))},
			Sentence: "There are so many connections that only some were looked at: what is said of their number is said of these.",
		})
	}
	for _, gap := range x.Gaps {
		list = append(list, Finding{Check: "not-known", Severity: SeverityNote, Subject: gap, Sentence: "Something could not be read, so nothing is said of it: " + gap + "."})
	}
	return list
}
