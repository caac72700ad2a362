package doctor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
)

// goneEndpoints are the containers and pods that other programs' rules send to and that are not there, to be told together:
// where a node or a network is gone there may be hundreds of them.
type goneEndpoints struct{ groups []goneGroup }

// goneGroup are those of one program that are gone for one reason.
type goneGroup struct {
	owner, check string
	found        []Finding // one for each rule
	servers      []netip.AddrPort
	rules        []string // that send to each of them
}

// absences are the findings that an endpoint is not there.
var absences = map[string]string{
	"no-route":      "no route leads to them",
	"server-silent": "no machine answers for their addresses",
	"link-down":     "the links to them are down",
}

// sift takes those of a forward's findings that are to be told together, and returns the others.
func (g *goneEndpoints) sift(f *Forward, found []Finding) (others []Finding) {
	for _, one := range found {
		if byHand(f.Owner) || absences[one.Check] == "" || !one.IsProblem() {
			others = append(others, one)
			continue
		}
		i := slices.IndexFunc(g.groups, func(o goneGroup) bool { return o.owner == f.Owner && o.check == one.Check })
		if i < 0 {
			i, g.groups = len(g.groups), append(g.groups, goneGroup{owner: f.Owner, check: one.Check})
		}
		in := &g.groups[i]
		if in.found = append(in.found, one); !slices.Contains(in.servers, f.Server) {
			in.servers, in.rules = append(in.servers, f.Server), append(in.rules, f.Name())
		}
	}
	return others
}

// findings are one for each group of several endpoints, and what was found of an endpoint that is the only one.
func (g *goneEndpoints) findings() (list []Finding) {
	for i := range g.groups {
		in := &g.groups[i]
		if len(in.servers) < 2 {
			list = append(list, in.found...)
			continue
		}
		worst := slices.MaxFunc(in.found, func(a, b Finding) int { return cmp.Compare(a.Severity, b.Severity) })
		found := Finding{
			Check: in.check, Severity: worst.Severity, Subject: "endpoints of " + in.owner,
			Sentence: fmt.Sprintf("%s that rules of %s send to are not there: %s. %s, or their node or network is gone; what is sent to them is lost.",
				rules.Plural(len(in.servers), "endpoint"), in.owner, absences[in.check], goneWord(in.owner)),
		}
		for j := range in.servers[:min(len(in.servers), 5)] {
			found.Evidence = append(found.Evidence, fmt.Sprintf("%s (%s)", in.servers[j], in.rules[j]))
		}
		if more := len(in.servers) - len(found.Evidence); more > 0 {
			found.Evidence = append(found.Evidence, fmt.Sprintf("and %d more", more))
		}
		list = append(list, found)
	}
	return list
}

// goneWord says what is gone.
func goneWord(owner string) string {
	switch endpointOf(owner) {
	case "the pod":
		return "The pods are gone"
	case "the container":
		return "The containers are gone"
	}
	return "The servers are gone"
}
