package ui

import (
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/rules/guide"
	"nattui/ui/text"
)

// doneMsg brings what is in place already.
type doneMsg struct {
	number uint64
	marks  map[string]string
}

// lookForDone looks beside Update for what is in place already, while the list may be seen.
func (s *guideScreen) lookForDone() tea.Cmd {
	if !s.shown || s.asked != nil || s.facts == nil || s.tables.Sets == nil || s.doneAt == s.looks {
		return nil
	}
	s.doneAt = s.looks
	sets, tick := s.tables.Sets, s.look.Glyphs.Tick
	host := s.facts.GuideHost(sets, s.desk.variant.Backend, nil)
	a, number := s.defaults(), s.marking.ask()
	return func() tea.Msg {
		marks := map[string]string{}
		if advice := (guide.Share{Net: a.net, Out: a.out}).Advise(host); a.net != "" && !advice.Wrong() && onlyForBoot(advice.Plan) {
			marks["Share a connection"] = tick + " in place"
		}
		for name, kind := range map[string]rules.Kind{"Publish a service": rules.DNAT, "Redirect to a proxy here": rules.Redirect, "Map one to one": rules.Netmap} {
			if n := ownRules(sets, kind); n > 0 {
				marks[name] = tick + " " + strconv.Itoa(n) + " in place"
			}
		}
		return doneMsg{number, marks}
	}
}

// onlyForBoot reports whether all is as a plan would have it now, whatever files there are for the next boot.
func onlyForBoot(p rules.Plan) bool {
	return !slices.ContainsFunc(p.Steps, func(s rules.Step) bool { return s.Sysctl == nil || s.Sysctl.Value != s.Sysctl.Old })
}

// ownRules counts the administrator's own rules of a kind in PREROUTING.
func ownRules(sets map[rules.Variant]*rules.Ruleset, kind rules.Kind) (n int) {
	for _, set := range sets {
		chain, ok := set.Chain("nat", "PREROUTING")
		if !ok {
			continue
		}
		for i := range chain.Rules {
			if r := &chain.Rules[i]; r.Target.Kind == kind && rules.OwnerOf(*r) == "" {
				n++
			}
		}
	}
	return n
}

const guideQuestion = "What do you want to do?"

// list draws the intentions, each with what it is for.
func (s *guideScreen) list(width, height int) []string {
	lines := []string{s.headline(guideQuestion, width)}
	widest := 0
	for _, i := range intentions {
		widest = max(widest, len(i.name))
	}
	wide, marked := width >= 70, 0
	mark := func(name string) string {
		if wide {
			return s.done[name]
		}
		return strings.TrimSuffix(s.done[name], " in place")
	}
	for name := range s.done {
		marked = max(marked, text.Width(mark(name)))
	}
	before := widest + 5
	if marked > 0 {
		before += marked + 2
	}
	about := s.aboutLines(width)
	room := height - 1
	if room-len(about) >= len(intentions) {
		room -= len(about)
	}
	what := make([]string, len(intentions))
	for n, i := range intentions {
		if wide {
			what[n] = i.what
		}
	}
	for n, told := range s.unfold(what, s.at, width-before-1, room) {
		i := intentions[n]
		bar, name := "  ", s.look.Text.Render(text.Pad(i.name, widest, false))
		if n == s.at {
			bar, name = s.look.Accent.Render(s.look.Glyphs.Bar)+" ", s.look.Accent.Bold(true).Render(text.Pad(i.name, widest, false))
		}
		line := " " + bar + name
		if marked > 0 {
			line += "  " + s.look.Good.Render(text.Pad(mark(i.name), marked, false))
		}
		for k, words := range told {
			if k > 0 {
				line = strings.Repeat(" ", before-2)
			}
			lines = append(lines, line+"  "+s.look.Faint.Render(words))
		}
	}
	if !wide {
		lines = append(lines, "")
		for _, l := range text.Wrap(intentions[s.at].what, width-3, 3) {
			lines = append(lines, "  "+s.look.Faint.Render(l))
		}
	}
	if len(lines)+len(about) <= height {
		lines = append(lines, about...)
	}
	return lines
}

// aboutLines are what the guide knows of the gateway, under the list.
func (s *guideScreen) aboutLines(width int) (lines []string) {
	for i, l := range text.Wrap(text.Safe(s.about()), width-4, 3) {
		if i == 0 {
			lines = append(lines, "")
		}
		lines = append(lines, "   "+s.look.Faint.Render(l))
	}
	return lines
}

// about says what the guide knows of the gateway.
func (s *guideScreen) about() string {
	if s.facts == nil {
		return ""
	}
	var parts []string
	if name, addr := s.wan(); name != "" {
		parts = append(parts, "uplink "+name+", "+addr)
	}
	if nets := s.networks(); len(nets) > 0 {
		parts = append(parts, "inside "+plainList(nets))
	}
	if len(parts) == 0 {
		return ""
	}
	return "This gateway: " + strings.Join(parts, "; ") + "."
}

func plainList(words []string) string {
	if len(words) > 3 {
		return strings.Join(words[:3], ", ") + " and more"
	}
	return strings.Join(words, ", ")
}
