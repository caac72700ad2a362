package ui

import (
	"strings"

	"nattui/ui/text"
)

const guideQuestion = "What do you want to do?"

// list draws the intentions, each with what it is for.
func (s *guideScreen) list(width, height int) []string {
	lines := []string{s.headline(guideQuestion, width)}
	widest := 0
	for _, i := range intentions {
		widest = max(widest, len(i.name))
	}
	wide, marked := width >= 70, 0
	for _, m := range s.done {
		marked = max(marked, text.Width(m.words(s.look, wide)))
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
	for n, told := range s.unfold(what, []int{s.at}, width-before-1, room) {
		i := intentions[n]
		bar, name := "  ", s.look.Text.Render(text.Pad(i.name, widest, false))
		if n == s.at {
			bar, name = s.look.Accent.Render(s.look.Glyphs.Bar)+" ", s.look.Accent.Bold(true).Render(text.Pad(i.name, widest, false))
		}
		line := " " + bar + name
		if marked > 0 {
			m := s.done[i.name]
			line += "  " + m.style(s.look).Render(text.Pad(m.words(s.look, wide), marked, false))
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
