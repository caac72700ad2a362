package doctor

import (
	"nattui/model/facts"
	"nattui/rules"
)

// ofRules is what rules tell that somebody sent without their gateway: those that no packet meets, whatever passes there.
// Nothing is cured by that, and all else is not known.
func ofRules(g *Gateway) []Finding {
	t := newTrial(&facts.Facts{Settings: facts.UnknownSettings()}, g.Sets, nil)
	found := unreachedRules(&t)
	for i := range found {
		found[i].Cure = rules.Plan{}
	}
	rest := unknown("Whether anything else is wrong is not known, as " + facts.RulesAlone + ". What nattui record writes there tells more.")
	rest.Check, rest.Subject = "rules-alone", "this gateway"
	return append(found, rest)
}
