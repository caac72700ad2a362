package ui

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/guide"
	"nattui/ui/text"
)

// Asks is the plan, once it is on the screen.
func (s *guideScreen) Asks() (string, bool) {
	if s.asked == nil || s.proof != nil || !s.ready || s.sending {
		return "", true
	}
	return s.read.asks(s.impact.name(s.asked.name, s.advice.Plan)), s.known && !s.running && s.impact.settled()
}

// notePlan notes what of the plan is on the screen, once it waits to be applied there. It is true where that changes what
// enter does.
func (s *guideScreen) notePlan(width int) bool {
	before := s.read.whole()
	if s.ready {
		s.read.note(fmt.Sprint(width, s.impact.name(s.asked.name, s.advice.Plan)), s.scroll, s.room, len(s.plan))
	} else {
		s.read = readThrough{}
	}
	return s.read.whole() != before
}

// planLines are what speaks against the answers, then the steps, each with its reason and its commands, and what they would
// touch. Where not all of that has room, what is about the field that keys go to comes first.
func (s *guideScreen) planLines(width int) []string {
	lines := s.planFrom(width, false)
	if len(lines) > s.room && !s.ready {
		return s.planFrom(width, true)
	}
	return lines
}

func (s *guideScreen) planFrom(width int, focused bool) []string {
	w := &planWriter{width: width}
	s.writeState(w)
	if !s.known {
		w.add(s.look.Faint, "", "", "the plan is being made…", 1)
		return w.lines
	}
	known := s.fields.suggestions()
	limit := 2
	if focused {
		limit = 1
	}
	wrong := s.fields.isWrong()
	if !wrong {
		s.writeKnown(w, known, limit)
	}
	told := len(w.lines)
	s.writeProblems(w, focused)
	if wrong {
		s.writeKnown(w, known, limit)
	}
	switch {
	case !s.advice.Wrong():
		s.writeSteps(w)
	case len(w.lines) == told:
		w.add(s.look.Faint, "", "", "The commands and why they are needed appear here as you answer.", 3)
	}
	s.writeAlternatives(w)
	return w.lines
}

// writeKnown writes what is known for the field that keys go to.
func (s *guideScreen) writeKnown(w *planWriter, known []string, limit int) {
	if len(known) > 0 && !s.ready {
		w.add(s.look.Faint, "", "", "known here: "+text.Safe(strings.Join(known, "  ")), limit)
	}
}

// writeState says what can be done with the plan now.
func (s *guideScreen) writeState(w *planWriter) {
	look := s.look
	switch {
	case s.sending:
		w.add(look.Attention, "", "", "checking with the kernel…", 1)
	case s.ready && s.gw.ReadOnly && len(s.advice.Plan.Steps) > 0:
		w.add(look.Attention, "", "", "read-only: this would be done", 1)
	case s.ready && !s.advice.Wrong() && len(s.advice.Plan.Steps) > 0:
		w.add(look.Good.Bold(true), "", "", appliesWords(&s.read), 1)
	case s.ready && !s.advice.Wrong():
		w.add(look.Good.Bold(true), "", "", "nothing to do; enter waits for a packet", 2)
	case s.hurried:
		w.add(look.Attention, "", "", "the plan is being made…", 1)
	case s.kept && !s.ready && !s.fields.touched:
		writeKept(w, look.Faint, s.room)
	}
	if s.refused != "" {
		w.add(look.Broken, "", "", "refused: "+text.Safe(s.refused), 0)
	}
}

// lowRoom are the lines of a plan's window in which the commands come before all but danger.
const lowRoom = 10

// appliesWords say what enter does with a plan that waits to be applied.
func appliesWords(r *readThrough) string {
	if r.whole() {
		return "enter applies it, esc goes back"
	}
	return "enter reads on, then applies"
}

// writeProblems writes what speaks against the answers in the order of the fields; what only warns comes last.
func (s *guideScreen) writeProblems(w *planWriter, focused bool) {
	rank := func(p guide.Objection) int {
		at := s.fields.rank(p.Field, focused)
		if p.Warning && at >= 0 {
			at += len(s.fields.list) + 1
		}
		return at
	}
	problems := slices.Clone(s.advice.Objections)
	slices.SortStableFunc(problems, func(a, b guide.Objection) int { return rank(a) - rank(b) })
	for _, p := range problems {
		if !s.shows(p) {
			continue
		}
		mark, style := s.look.Glyphs.Cross+" ", s.look.Broken
		if p.Warning {
			mark, style = "! ", s.look.Attention
		}
		said := p.String()
		if !p.Warning {
			said = s.fields.naming(p.Field, said)
		}
		w.add(style, mark, "  ", text.Safe(said), 0)
	}
}

// writeSteps writes the steps with their reasons, and what they would touch.
func (s *guideScreen) writeSteps(w *planWriter) {
	look := s.look
	var safety []string
	if s.ready && !s.gw.ReadOnly {
		safety = s.impact.safety(s.chosen, keyCountdown.Help().Key, w.width)
	}
	if s.impact.ready() && s.impact.blast.Own || s.room > lowRoom { // danger comes first
		w.lines, safety = append(w.lines, safety...), nil
	}
	for _, step := range s.advice.Plan.Steps {
		if len(w.lines) > 0 {
			w.lines = append(w.lines, "")
		}
		for _, argv := range step.Commands() {
			w.add(look.Strong, "$ ", "  ", text.Safe(rules.ShellLine(argv)), 0)
		}
		w.add(look.Text, "  ", "  ", text.Safe(step.Why), 0)
	}
	var notes []string
	for _, note := range s.advice.Notes {
		n := &planWriter{width: w.width}
		n.add(look.Faint, look.Glyphs.Dot+" ", "  ", text.Safe(note), 0)
		notes = append(notes, n.lines...)
	}
	w.part(safety)
	w.part(s.impact.barLines(w.width))
	w.part(notes)
	w.part(s.impact.flowLines(w.width))
	w.part(s.impact.diffLines(w.width))
}

// shows tells whether a problem is to be said already: of a field, once it has been left.
func (s *guideScreen) shows(p guide.Objection) bool {
	return p.Warning || s.ready || !s.fields.has(p.Field) || s.fields.shows(p.Field)
}
