package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/rules"
	"nattui/ui/text"
)

// question asks before something is done that is not wanted by mistake. It says
// what will happen, with the exact commands; No is chosen at first.
type question struct {
	*desk
	title string
	lines []string
	plan  rules.Plan
	verb  string // what Yes does, in one word
	yes   bool
	// act is what Yes does; by default it applies the plan.
	act func() tea.Cmd
}

func newQuestion(d *desk, title string, lines []string, p rules.Plan, verb string) *question {
	q := &question{desk: d, title: title, lines: lines, plan: p, verb: verb}
	q.act = func() tea.Cmd { return d.apply(p, appliedNew, nil) }
	return q
}

// Update takes the answer.
func (q *question) Update(msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch k.String() {
	case "y", "Y":
		return q.answer(true)
	case "n", "N", "esc", "q", "ctrl+c":
		return q.answer(false)
	case "left", "right", "tab", "shift+tab", "h", "l":
		q.yes = !q.yes
	case "enter":
		return q.answer(q.yes)
	}
	return nil
}

func (q *question) answer(yes bool) tea.Cmd {
	q.close(q)
	if !yes {
		return nil
	}
	return q.act()
}

// Keys are the answers.
func (q *question) Keys() []key.Binding {
	return []key.Binding{bind("y", q.verb, "y"), bind("n", "no", "n"), bind("←/→", "choose", "left", "right"), bind("enter", "answer", "enter")}
}

// View draws the box.
func (q *question) View(width, _ int) string {
	inner := min(72, width-4) - 4
	var lines []string
	for _, l := range q.lines {
		for _, w := range text.Wrap(text.Safe(l), inner, 0) {
			lines = append(lines, q.look.Text.Render(w))
		}
	}
	if cmds := q.plan.Commands(); len(cmds) > 0 {
		lines = append(lines, "")
		for _, c := range cmds {
			for _, w := range text.Wrap("$ "+text.Safe(rules.ShellLine(c)), inner, 3) {
				lines = append(lines, q.look.Faint.Render(w))
			}
		}
	}
	no, yes := q.look.Accent.Bold(true).Render("["+" No "+"]"), q.look.Faint.Render("  "+q.verb+"  ")
	if q.yes {
		no, yes = q.look.Faint.Render("  No  "), q.look.Accent.Bold(true).Render("[ "+q.verb+" ]")
	}
	lines = append(lines, "", no+"   "+yes)
	return box(q.desk, q.title, lines, min(72, width-4))
}

// box draws a titled frame around lines.
func box(d *desk, title string, lines []string, width int) string {
	inner := width - 4
	g := d.look.Glyphs
	border := lipgloss.RoundedBorder()
	if g.Rule == "-" {
		border = lipgloss.ASCIIBorder()
	}
	line := d.look.Line.Render
	head := " " + text.Fit(title, inner-2) + " "
	fill := width - 3 - lipgloss.Width(head)
	out := []string{line(border.TopLeft+border.Top) + d.look.Strong.Render(head) + line(strings.Repeat(border.Top, max(0, fill))+border.TopRight)}
	for _, l := range lines {
		out = append(out, line(border.Left)+" "+text.Pad(l, inner, false)+" "+line(border.Right))
	}
	out = append(out, line(border.BottomLeft+strings.Repeat(border.Bottom, width-2)+border.BottomRight))
	return strings.Join(out, "\n")
}
