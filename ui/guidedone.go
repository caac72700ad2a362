package ui

import (
	"slices"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/guide"
	"nattui/ui/theme"
)

// doneMark is how far an intention has been carried out: by how many rules, of which so many fail, and of how many the doctor
// warns, and whether all is known to work.
type doneMark struct {
	rules, failing, warned int
	whole                  bool
}

func fails(n int) string { return map[bool]string{true: " fails", false: " fail"}[n == 1] }

// words are the mark in the list, empty where nothing is done.
func (m doneMark) words(look *theme.Theme, wide bool) string {
	said := strconv.Itoa(m.rules)
	switch {
	case m.failing == 1 && m.rules == 1:
		return "fails"
	case m.failing > 0 && wide:
		return strconv.Itoa(m.failing) + " of " + said + fails(m.failing)
	case m.failing > 0:
		return strconv.Itoa(m.failing) + fails(m.failing)
	case m.warned > 0 && wide:
		return strconv.Itoa(m.warned) + " of " + said + " doubtful"
	case m.warned > 0:
		return "! " + said
	case m.rules == 0 && !m.whole:
		return ""
	case m.rules == 0 && wide:
		return look.Glyphs.Tick + " in place"
	case m.rules == 0:
		return look.Glyphs.Tick
	}
	if wide {
		said += " in place"
	}
	if m.whole {
		said = look.Glyphs.Tick + " " + said
	}
	return said
}

func (m doneMark) style(look *theme.Theme) theme.Style {
	switch {
	case m.failing > 0:
		return look.Broken
	case m.warned > 0:
		return look.Attention
	case m.whole:
		return look.Good
	}
	return look.Text
}

// doneMsg brings what is in place already.
type doneMsg struct{ marks map[string]doneMark }

// doneLook is the latest look for what is in place, one at a time, and what was known when it began.
type doneLook struct {
	running, stands bool
	looks           int // how often rules had been seen to be others
	facts           *facts.Facts
	version         uint64 // of the connections
	at              time.Time
}

// donePace is how often it is looked again because connections are others: servers answer, or do so no more.
const donePace = 10 * time.Second

// due tells that what is in place is to be looked for.
func (l *doneLook) due(s *guideScreen) bool {
	switch {
	case l.running || !s.shown || s.asked != nil || s.facts == nil || s.tables.Sets == nil:
		return false
	case !l.stands || l.looks != s.looks || !sameNetwork(l.facts, s.facts):
		return true
	}
	return l.version != s.version() && s.now.Sub(l.at) >= donePace
}

// mostExamined is up to how many rules those in place are examined for the list; the doctor examines more.
const mostExamined = 100

// lookForDone looks beside Update for what is in place already, while the list may be seen.
func (s *guideScreen) lookForDone() tea.Cmd {
	if !s.doing.due(s) {
		return nil
	}
	s.doing = doneLook{running: true, stands: true, looks: s.looks, facts: s.facts, version: s.version(), at: s.now}
	sets := s.tables.Sets
	g := &doctor.Gateway{Facts: s.facts, Sets: sets}
	if s.gw.Flows != nil {
		g.Flows, g.Health = s.gw.Flows.Table(), s.gw.Flows.Health()
	}
	host := s.facts.GuideHost(sets, s.desk.variant.Backend, nil)
	a := s.defaults()
	return func() tea.Msg {
		marks := map[string]doneMark{}
		if advice := (guide.Share{Net: a.net, Out: a.out}).Advise(host); a.net != "" && !advice.Wrong() && onlyForBoot(advice.Plan) {
			marks["Share a connection"] = doneMark{whole: true}
		}
		kinds := map[rules.Kind]string{rules.DNAT: "Publish a service", rules.Redirect: "Redirect to a proxy here", rules.Netmap: "Map one to one"}
		own := ownRules(sets)
		severities := map[evaluate.RuleRef]doctor.Severity{}
		if len(own) <= mostExamined {
			severities = examined(g, own)
		}
		for at, kind := range own {
			name := kinds[kind]
			m, seen := marks[name]
			severity, known := severities[at]
			m.rules++
			m.whole = (m.whole || !seen) && known && severity == doctor.SeverityOK
			switch severity {
			case doctor.SeverityError:
				m.failing++
			case doctor.SeverityWarning:
				m.warned++
			}
			marks[name] = m
		}
		return doneMsg{marks}
	}
}

// examined are the worst that was found about the forwards of each rule. Those of native tables that are the administrator's
// own are added to own: what they translate only the examination tells.
func examined(g *doctor.Gateway, own map[evaluate.RuleRef]rules.Kind) map[evaluate.RuleRef]doctor.Severity {
	worst := map[evaluate.RuleRef]doctor.Severity{}
	report := doctor.Look(g)
	for i := range report.Forwards {
		f := &report.Forwards[i]
		worst[f.Rule] = max(worst[f.Rule], report.Verdict(f))
		if f.Rule.Backend == rules.Native && f.Owner == "" {
			own[f.Rule] = f.Kind()
		}
	}
	return worst
}

// onlyForBoot reports whether all is as a plan would have it now, whatever files there are for the next boot.
func onlyForBoot(p rules.Plan) bool {
	return !slices.ContainsFunc(p.Steps, func(s rules.Step) bool { return s.Sysctl == nil || s.Sysctl.Value != s.Sysctl.Old })
}

// ownRules are the administrator's own rules in PREROUTING that lead elsewhere, with their kinds.
func ownRules(sets map[rules.Variant]*rules.Ruleset) map[evaluate.RuleRef]rules.Kind {
	own := map[evaluate.RuleRef]rules.Kind{}
	for variant, set := range sets {
		chain, ok := set.Chain("nat", "PREROUTING")
		if !ok {
			continue
		}
		for i := range chain.Rules {
			r := &chain.Rules[i]
			switch kind := r.Target.Kind; kind {
			case rules.DNAT, rules.Redirect, rules.Netmap:
				if rules.OwnerOf(*r) == "" {
					own[evaluate.RuleRef{Variant: variant, Table: "nat", Chain: chain.Name, Position: i + 1}] = kind
				}
			}
		}
	}
	return own
}
