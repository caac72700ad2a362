package ui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/rules"
	"nattui/ui/text"
)

// fix asks whether to cure what is under the cursor.
func (s *doctorScreen) fix() {
	if r, ok := s.current(); ok {
		s.pose(s.cureQuestion(&r.finding))
	}
}

// sayNoFix says why what is under the cursor cannot be cured from here.
func (s *doctorScreen) sayNoFix() {
	r, ok := s.current()
	switch {
	case !ok:
	case s.gw.ReadOnly:
		s.say(s.onlyLooks())
	case r.forward != nil:
		s.say("press enter to follow the forward; its fix is shown there")
	case r.finding.Severity == doctor.SeverityOK:
		s.sayBriefly("nothing to fix here")
	case len(r.finding.Commands) == 0:
		s.say("there is no automatic fix for this: it depends on what you want")
	case len(r.finding.Commands) > 1:
		s.say(fmt.Sprintf("nattui does not run these %d commands itself: enter shows them", len(r.finding.Commands)))
	default:
		s.say("nattui does not run this itself: " + rules.ShellLine(r.finding.Commands[0]))
	}
}

// shownSteps is how many steps of a cure the question shows.
const shownSteps = 4

// cureQuestion asks whether to carry out a cure, with its first steps.
func (s *doctorScreen) cureQuestion(f *doctor.Finding) *question {
	plan, shown := f.Cure, f.Cure
	room := s.boxHeight() - 4 // without frame, blank line and answers
	steps := max(1, min((room-3)/3, shownSteps, len(plan.Steps)))
	lines := []string{f.Sentence}
	for _, step := range plan.Steps {
		if step.Why != "" && len(lines) < 3 {
			lines = append(lines, upper(step.Why)+".")
		}
	}
	last := ""
	if more := len(plan.Steps) - steps; more > 0 {
		shown.Steps = plan.Steps[:steps]
		last = "Of " + rules.Plural(len(plan.Steps), "step") + ", the first:"
	}
	q := newQuestion(s.desk, plan.Title+"?", s.fitLines(lines, last, room-3*steps), shown, "fix")
	q.whole = plan
	q.act = func(t terms) tea.Cmd {
		return s.apply(plan, appliedNew, t, func(error) tea.Cmd {
			s.next = time.Time{}
			return s.live()
		})
	}
	return q
}

// fitLines are as many of the lines as there is room for, and the last in any case.
func (s *doctorScreen) fitLines(lines []string, last string, room int) []string {
	inner := min(72, s.desk.width-4) - 4
	var fit []string
	for _, l := range lines {
		fit = append(fit, text.Wrap(text.Safe(l), inner, 0)...)
	}
	if last != "" {
		room--
	}
	if room = max(1, room); len(fit) > room {
		fit = fit[:room]
		fit[room-1] = text.Fit(fit[room-1]+"…", inner)
	}
	if last != "" {
		fit = append(fit, last)
	}
	return fit
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
