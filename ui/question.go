package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/rules"
	"nattui/ui/text"
)

// question asks before something is done that is not wanted by mistake. It says
// what will happen, with the exact commands, and what else that would touch; No is
// chosen at first.
type question struct {
	*desk
	title string
	lines []string
	plan  rules.Plan
	// whole is what is weighed and what Yes applies; plan may be its first steps.
	whole rules.Plan
	verb  string // what Yes does, in one word
	yes   bool
	// act is what Yes does, on the terms that were chosen; by default it applies the plan.
	act func(terms) tea.Cmd

	impact    impact
	countdown countdown
	offset    int // rows scrolled
	most      int // rows that can be scrolled
	read      readThrough
}

func newQuestion(d *desk, title string, lines []string, p rules.Plan, verb string) *question {
	q := &question{desk: d, title: title, lines: lines, plan: p, whole: p, verb: verb, impact: impact{desk: d}, countdown: d.settings.countdown}
	q.act = func(t terms) tea.Cmd { return d.apply(p, appliedNew, t, nil) }
	return q
}

// pose puts a question, unless the change that it is about would be refused anyway.
func (d *desk) pose(q *question) {
	if len(q.whole.Steps) == 0 || d.mayChange() {
		d.open(q)
	}
}

// Asks is the question, with what it would do.
func (q *question) Asks() (string, bool) {
	return q.read.asks(q.name()), q.impact.settled()
}

func (q *question) name() string {
	return q.impact.name(q.title+strings.Join(q.lines, "\n"), q.whole)
}

// changes tells that the question is about a change of the gateway that can be
// rolled back by itself.
func (q *question) changes() bool { return len(q.whole.Steps) > 0 && q.gw.Journal != nil }

// Settle has the plan weighed, and keeps what is shown within the box.
func (q *question) Settle() tea.Cmd {
	body := q.body(q.inner())
	room := q.room(q.boxHeight())
	q.most = max(0, len(body)-room)
	q.offset = min(q.offset, q.most)
	q.read.note(fmt.Sprint(q.inner(), q.name()), q.offset, room, len(body))
	return q.impact.weigh(q.whole)
}

// Wheel scrolls.
func (q *question) Wheel(by int) { q.offset = max(0, min(q.offset+by, q.most)) }

// page is how far a key for a page scrolls.
func (q *question) page() int { return max(1, q.room(q.boxHeight())-2) }

func (q *question) answer(yes bool) tea.Cmd {
	q.close(q)
	if !yes {
		return nil
	}
	return q.act(terms{countdown: q.countdown})
}

// Actions are the answers, and what leads through the question.
func (q *question) Actions() keyTable {
	scroll := func(by int) func() { return func() { q.Wheel(by) } }
	yes, unread := func() bool { return q.yes }, func() bool { return !q.read.whole() }
	return keyTable{
		act(bind("y", "read on", "y", "Y"), q.readOn).when(unread),
		act(bind("enter", "read on", "enter"), q.readOn).when(func() bool { return yes() && unread() }),
		on(bind("y", q.verb, "y", "Y"), q.answering(true)).agreeing().told(clauses["yes"]),
		on(bind("n", "no", "n", "N", "esc", "q", "ctrl+c"), q.answering(false)),
		act(keyCountdown, func() { q.countdown = q.countdown.next() }).when(q.changes),
		act(bind("↑/↓", "scroll", "up", "k"), scroll(-1)).when(func() bool { return q.most > 0 }),
		act(silent("down", "j"), scroll(1)),
		act(hidden(keys.PageUp), func() { q.Wheel(-q.page()) }),
		act(hidden(keys.PageDown), func() { q.Wheel(q.page()) }),
		act(bind("←/→", "choose", "left", "right", "tab", "shift+tab", "h", "l"), func() { q.yes = !q.yes }),
		on(bind("enter", "answer", "enter"), q.answering(true)).agreeing().when(yes),
		on(bind("enter", "answer", "enter"), q.answering(false)),
	}
}

// readOn shows what of the commands has not been on the screen yet.
func (q *question) readOn() { q.Wheel(q.page()) }

func (q *question) answering(yes bool) func() tea.Cmd { return func() tea.Cmd { return q.answer(yes) } }

// keyCountdown goes through the choices of how long a change waits to be confirmed.
var keyCountdown = bind("c", "countdown", "c")

func (q *question) width() int { return min(84, q.desk.width-4) }
func (q *question) inner() int { return q.width() - 4 }

// room is how many rows there are for the body, in a box of that height.
func (q *question) room(height int) int {
	rows := height - 4 // the frame, a blank row, the answers
	if q.changes() {
		rows--
		if height >= 18 {
			rows-- // a blank row above the countdown
		}
	}
	return max(1, rows)
}

// body is everything between the title and the answers. What warns of danger comes first, and the commands before the words
// where there is little room.
func (q *question) body(inner int) (lines []string) {
	own, danger := q.impact.ownLines(inner), []string(nil)
	if q.impact.ready() && q.impact.blast.Own {
		danger, own = own, nil
	}
	danger = append(danger, q.impact.barLines(inner)...)
	parts := [][]string{danger, q.words(inner), q.commands(inner), append(own, q.impact.flowLines(inner)...), q.impact.diffLines(inner)}
	if q.boxHeight() < 18 {
		parts[1], parts[2] = parts[2], parts[1]
	}
	for _, part := range parts {
		if len(part) == 0 {
			continue
		}
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, part...)
	}
	return lines
}

// words are what will happen.
func (q *question) words(inner int) (lines []string) {
	for _, l := range q.lines {
		for _, w := range text.Wrap(text.Safe(l), inner, 0) {
			lines = append(lines, q.look.Text.Render(w))
		}
	}
	return lines
}

// commands are those of the plan.
func (q *question) commands(inner int) (lines []string) {
	for _, c := range q.plan.Commands() {
		for _, w := range text.Wrap("$ "+text.Safe(rules.ShellLine(c)), inner, 0) {
			lines = append(lines, q.look.Faint.Render(w))
		}
	}
	return lines
}

// View draws the box.
func (q *question) View(_, height int) string {
	inner := q.inner()
	body := q.body(inner)
	room := q.room(height)
	from := min(q.offset, max(0, len(body)-room))
	lines := append([]string(nil), body[from:min(len(body), from+room)]...)
	if rest := len(body) - from - room; rest > 0 {
		lines[len(lines)-1] = q.look.Faint.Render(q.look.Glyphs.Down + " " + rules.Plural(rest+1, "more line"))
	}
	if q.changes() {
		known := q.impact.ready()
		affected := known && q.impact.blast.Own
		style := q.look.Faint
		if affected || q.countdown > countdownOff {
			style = q.look.Attention
		}
		if height >= 18 {
			lines = append(lines, "")
		}
		lines = append(lines, q.look.Accent.Render("c")+style.Render(q.look.Told+text.Fit(q.countdown.words(affected, known), inner-1-len(q.look.Told))))
	}
	no, yes := q.look.Accent.Bold(true).Render("[ No ]"), q.look.Faint.Render("  "+q.verb+"  ")
	if q.yes {
		no, yes = q.look.Faint.Render("  No  "), q.look.Accent.Bold(true).Render("[ "+q.verb+" ]")
	}
	return box(q.desk, q.title, append(lines, "", no+"   "+yes), q.width())
}

// notice tells something that takes more room than the status line has.
type notice struct {
	*desk
	title, text string
}

// Actions: any key closes it.
func (n *notice) Actions() keyTable { return keyTable{elsewhere(keys.Close), others(n.closing(n))} }

// View draws the box.
func (n *notice) View(width, height int) string {
	w := min(84, width-4)
	var lines []string
	for part := range strings.SplitSeq(n.text, "\n") {
		for _, l := range text.Wrap(text.Safe(part), w-4, 0) {
			lines = append(lines, n.look.Text.Render(l))
		}
	}
	lines = lines[:min(len(lines), boxRoom(height))]
	return box(n.desk, n.title, lines, w)
}

// box draws a titled frame around lines.
func box(d *desk, title string, lines []string, width int) string {
	if d.plain {
		return strings.Join(append([]string{title}, lines...), "\n")
	}
	inner := width - 4
	g := d.look.Glyphs
	border := lipgloss.RoundedBorder()
	if g.Rule == "-" {
		border = lipgloss.ASCIIBorder()
	}
	line := d.look.Line.Render
	head := " " + text.Fit(title, inner-2) + " "
	fill := width - 3 - text.Width(head)
	out := []string{line(border.TopLeft+border.Top) + d.look.Strong.Render(head) + line(strings.Repeat(border.Top, max(0, fill))+border.TopRight)}
	for _, l := range lines {
		out = append(out, line(border.Left)+" "+text.Pad(l, inner, false)+" "+line(border.Right))
	}
	out = append(out, line(border.BottomLeft+strings.Repeat(border.Bottom, width-2)+border.BottomRight))
	return strings.Join(out, "\n")
}
