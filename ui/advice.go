package ui

import (
	"slices"
	"strconv"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/rules"
)

// What the host is known to have, offered in the form's fields.

func (f *form) links() []string {
	if f.facts == nil {
		return nil
	}
	return values(f.facts.SuggestInterfaces())
}

// addresses are the host's own.
func (f *form) addresses() []string {
	if f.facts == nil {
		return nil
	}
	return values(f.facts.SuggestAddresses(f.draft.Family))
}

// networks are those the host is connected to.
func (f *form) networks() []string {
	if f.facts == nil {
		return nil
	}
	return values(f.facts.SuggestNetworks(f.draft.Family))
}

// hosts are neighbours that the host has talked to.
func (f *form) hosts() []string {
	if f.facts == nil {
		return nil
	}
	return values(f.facts.SuggestHosts(f.draft.Family))
}

// listening are the ports on which something listens here, for a redirection.
func (d *desk) listening() []string {
	if d.facts == nil {
		return nil
	}
	var ports []string
	for _, l := range d.facts.Listeners {
		port := strconv.Itoa(int(l.Address.Port()))
		if !l.Address.Addr().IsLoopback() && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return ports
}

func values(list []facts.Suggestion) []string {
	all := make([]string, len(list))
	for i := range list {
		all[i] = list[i].Value
	}
	return all
}

// rulesOf is how many rules a set has.
func rulesOf(s *rules.Ruleset) (n int) {
	if s != nil {
		for i := range s.Tables {
			n += s.Tables[i].Rules()
		}
	}
	return n
}

// comparedAsTyped is how many rules of a set a new one is compared with at each key.
const comparedAsTyped = 2000

// warnings are doubts about a rule that can be made: those of its text alone,
// and those that this host and its tables raise.
func (f *form) warnings(r rules.Rule, problems []rules.Problem) []string {
	var ws []string
	for _, p := range problems {
		if p.Warning {
			ws = append(ws, p.Text)
		}
	}
	ws = append(ws, doctor.Doubts(f.facts, f.set(), r, f.old)...)
	if plan, _ := f.plan(); f.native == nil && !f.natively() && len(plan.Steps) == 1 && rulesOf(f.set()) <= comparedAsTyped {
		if why := doctor.NeverMet(f.set(), *plan.Steps[0].Change); why != "" {
			ws = append(ws, why)
		}
	}
	return ws
}
