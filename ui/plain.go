package ui

import (
	"io"
	"regexp"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"nattui/ui/text"
	"nattui/ui/theme"
)

// plain are the screens for a screen reader, or for a terminal that can do no more than print:
// no boxes, no colours, and nothing is drawn twice. A key prints the lines that it changed. What comes by itself
// is printed when it comes: the answer to a question, other rules, packets of a trace, what is said to the operator.
// Figures that only grow, and connections that come and go in Flows, are read with the next key.
type plain struct {
	*App
	out io.Writer
	// before are the lines of what was printed last, and where it stood; shapes are the same without their figures.
	before, shapes map[string]bool
	place          string
	said           string
	listed         bool   // there was a line with the cursor in it
	letters        bool   // they were text, and keys other ones
	counted        string // the change whose countdown was read
	seen           string // what the screen was when it was looked at last
}

// NewPlain is the program that prints lines to a terminal in raw mode, to be run once.
func NewPlain(app *App, out io.Writer, options ...tea.ProgramOption) *tea.Program {
	app.plain = true
	app.restyle()
	return tea.NewProgram(&plain{App: app, out: out, before: map[string]bool{}}, append(options, tea.WithoutRenderer())...)
}

// Init asks the terminal nothing: its answers would be read aloud.
func (p *plain) Init() tea.Cmd { return p.App.listen() }

// View draws nothing: what is to be read has been printed.
func (p *plain) View() tea.View { return tea.NewView("") }

// Update takes one message, and prints what it has changed.
func (p *plain) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if size, ok := msg.(tea.WindowSizeMsg); ok { // lines are text: a narrow terminal wraps them
		msg = tea.WindowSizeMsg{Width: max(size.Width, plainWidth), Height: max(size.Height, 24)}
	}
	p.typed = false
	_, cmd := p.App.Update(msg)
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if !p.typed || msg.Text == "" { // what is typed is heard as it is typed; the line is read when it is left
			p.print(p.changed())
		}
	case tea.PasteMsg:
		p.print(p.changed())
	default:
		p.came(msg)
	}
	p.seen = p.drawn
	return p, cmd
}

// plainWidth is how wide lines are laid out at least, so that what is to be read is not cut.
const plainWidth = 120

// came prints what a message has brought without anybody pressing a key.
func (p *plain) came(msg tea.Msg) {
	if p.placeName() != p.place || p.drawn != p.seen && p.arrived(msg) {
		p.print(p.changed())
		return
	}
	if said := p.line(p.statusLine()); said != p.said {
		p.said = said
		p.print([]string{said})
	}
	if p.pending != nil && p.pending.id != p.counted {
		p.print(p.countdown())
	}
}

// arrived tells whether a message has brought lines to be read, and not only other figures in those that were read.
func (p *plain) arrived(msg tea.Msg) bool {
	if p.top() == nil && p.screen() == p.screens[1] && byItself(msg) && p.listed {
		return false // the table of a busy gateway would never end
	}
	for _, l := range p.body() {
		l = p.line(l)
		if changed, ok := msg.(tablesMsg); ok && changed.Changed && !p.before[l] && !p.before[p.withoutCounters(l)] {
			return true
		}
		if !p.shapes[shapeOf(l)] {
			return true
		}
	}
	return false
}

// placeName tells screens and boxes apart.
func (p *plain) placeName() string {
	name := keys.Screens[p.active].Help().Desc
	if p.facts != nil {
		name += " of " + p.facts.Hostname
	}
	for _, d := range p.dialogs {
		name += " / " + strings.SplitN(p.line(d.View(p.width, p.boxHeight())), "\n", 2)[0]
	}
	return name
}

// figures are numbers with their units, and what a cursor's bar and a full bar of a graph are made of.
var figures = regexp.MustCompile(`[0-9][0-9.,:]* ?(?:[kMGT]?i?B|[kMGT]|ms|[smhd])?\b|[-=|+*#~_.]+`)

// shapeOf is a line without its figures.
func shapeOf(line string) string {
	return strings.Join(strings.Fields(figures.ReplaceAllString(line, " ")), " ")
}

// withoutCounters is a line without the cursor and the counters at its end.
func (p *plain) withoutCounters(line string) string {
	return strings.TrimRight(strings.TrimPrefix(line, p.look.Glyphs.Bar+" "), " 0123456789.,kMGT-")
}

// flowFigure is what passes by in the row of a connection: counts, rates and times.
var flowFigure = regexp.MustCompile(`^(?:>?[0-9]+(?:[.,][0-9]+)?(?:[kMGT]|[smhd](?:[0-9]+[smhd])?)?|-)$`)

// nameOf is what a line is about, which stays while its figures pass by.
func (p *plain) nameOf(line string) string {
	if p.top() != nil || p.screen() != p.screens[1] {
		return p.withoutCounters(line)
	}
	words := strings.Fields(strings.TrimPrefix(line, p.look.Glyphs.Bar+" "))
	return strings.Join(slices.DeleteFunc(words, flowFigure.MatchString), " ")
}

// body are the lines of the topmost box, or of the screen.
func (p *plain) body() []string {
	if d := p.top(); d != nil {
		return strings.Split(d.View(p.width, p.boxHeight()), "\n")
	}
	return p.screen().View(p.width, p.bodyHeight())
}

// changed are the lines that were not there before: all of a place that was just come to.
func (p *plain) changed() []string {
	now, lines := map[string]bool{}, []string(nil)
	place := p.placeName()
	if place != p.place {
		p.place, p.before = place, map[string]bool{}
		if p.top() == nil {
			lines = append(lines, p.line(p.header()))
		}
	}
	p.shapes, p.listed = map[string]bool{}, false
	for _, l := range p.body() {
		l = p.line(l)
		p.shapes[shapeOf(l)] = true
		// A line that has lost the cursor, or whose counters have grown, has not changed; the one that has
		// the cursor now is read.
		name, marked := p.nameOf(l), strings.HasPrefix(l, p.look.Glyphs.Bar+" ")
		p.listed = p.listed || marked
		if l != "~" && !p.before[l] && (marked || !p.before[name] || name == "") {
			lines = append(lines, l)
		}
		now[l], now[name] = true, true
	}
	if typing := p.typing(); len(p.before) == 0 || typing != p.letters {
		p.letters = typing
		lines = append(lines, "keys: "+p.line(p.keyLine()))
	}
	p.before = now
	lines = append(lines, p.countdown()...)
	if p.said = p.line(p.statusLine()); p.said != "" {
		lines = append(lines, p.said)
	}
	return lines
}

// countdown is the line of a change that waits: it is read when that begins, and with every key rather than every second.
func (p *plain) countdown() []string {
	if p.pending == nil {
		return nil
	}
	p.counted = p.pending.id
	return []string{p.line(p.countdownLine())}
}

// line is a drawn line to be read: without colours, and columns a few blanks apart.
func (p *plain) line(s string) string {
	s = strings.Map(theme.ASCII, ansi.Strip(s))
	parts := strings.Split(s, "\n")
	for i, part := range parts {
		for _, run := range []string{"---", "   "} {
			for strings.Contains(part, run) {
				part = strings.ReplaceAll(part, run, run[:2])
			}
		}
		part = strings.TrimSpace(part)
		parts[i] = strings.TrimSpace(strings.TrimPrefix(strings.TrimSuffix(part, "--"), "-- ")) // of lines between parts
	}
	return strings.Join(parts, "\n")
}

func (p *plain) print(lines []string) {
	for _, l := range lines {
		if l != "" {
			_, _ = io.WriteString(p.out, text.Safe(l)+"\r\n") // the program ends with the terminal anyway
		}
	}
}
