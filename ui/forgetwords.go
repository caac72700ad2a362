package ui

import (
	"strings"

	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/text"
)

// namedFlows is how many flows are named at most before they are forgotten: with what else is said they fit on one page.
const namedFlows = 5

// namedLines name the first of the flows that are to be forgotten, and say how many more there are.
func (s *flowsScreen) namedLines(flows []flow.Flow) (lines []string) {
	for i := range min(namedFlows, len(flows)) {
		lines = append(lines, "  "+s.flowWords(&flows[i]))
	}
	if more := len(flows) - len(lines); more > 0 {
		lines = append(lines, "  and "+text.Exact(uint64(more))+" more")
	}
	return lines
}

// matching says which connections a filter line is for: those of a rule by its name, and else those that match.
func matching(q filter.Query) string {
	words := strings.Fields(q.String())
	for i, w := range words {
		words[i] = placeName(w)
	}
	line := strings.Join(words, " ")
	if len(words) == 2 && words[0] == "rule" && line != q.String() {
		return "of " + line
	}
	return "matching “" + line + "”"
}

// placeName is a word of a filter as people say it: of a rule's place, ipv4/nft/nat/PREROUTING/1, the chain and the number, with
// the table of a native one.
func placeName(word string) string {
	parts := strings.Split(word, "/")
	switch n := len(parts); {
	case n < 5:
		return word
	case parts[0] == rules.Native.String():
		return strings.Join(parts[1:], " ")
	case parts[0] == rules.IPv6.String():
		return strings.Join(append(parts[:1], parts[n-2:]...), " ")
	case parts[0] == rules.IPv4.String():
		return strings.Join(parts[n-2:], " ")
	}
	return word
}
