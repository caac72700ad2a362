package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"nattui/rules"
	"nattui/ui/text"
)

// searched is a list, or a text, that the key for searching looks through.
type searched interface {
	// SearchLines are the rows, or the lines, as text.
	SearchLines() []string
	// SearchAt is the row that searching goes on from, SearchTo goes to one.
	SearchAt() int
	SearchTo(row int) tea.Cmd
}

// filtered is a list that the key for searching filters instead; it is searched for words of the filter.
type filtered interface{ FilterText() string }

// search looks for a text in the list or box that has the keys.
type search struct {
	line lineInput
	of   any // what is searched: a screen or a dialog
	from int // the row on which it began
	miss bool
}

// searchedAtTimes is a list with which there is not always something to look through.
type searchedAtTimes interface{ Searchable() bool }

// searchKeys are the keys of the line; the line itself takes them. Unlike a filter it hides nothing.
func searchKeys() keyTable {
	return keyTable{elsewhere(bind("enter", "keep")), elsewhere(bind("↑/↓", "earlier")), elsewhere(bind("esc", "end search"))}
}

// searching is the list that can be searched now.
func (a *App) searching() (searched, bool) {
	s, ok := a.input().(searched)
	if t, at := s.(searchedAtTimes); at {
		ok = ok && t.Searchable()
	}
	return s, ok
}

// searchText is what is searched for in what has the keys, "" if nothing is.
func (a *App) searchText() string {
	if a.search.of != any(a.input()) {
		return ""
	}
	return a.search.line.text()
}

// startSearch opens the line.
func (a *App) startSearch() {
	s, _ := a.searching()
	a.search.of, a.search.from, a.search.miss = a.input(), s.SearchAt(), false
	a.search.line.desk, a.search.line.open = &a.desk, false
	a.search.line.input.SetValue("")
	a.search.line.start()
}

// searchOpen tells that the line is typed on.
func (a *App) searchOpen() bool { return a.search.line.open && a.search.of == any(a.input()) }

// typeSearch takes a key of the line; each one goes to the first hit from where it began.
func (a *App) typeSearch(k tea.KeyPressMsg) tea.Cmd {
	if !a.search.line.key(k) {
		return nil
	}
	return a.seek(a.search.from, 1)
}

// pasteSearch types what was pasted.
func (a *App) pasteSearch(s string) tea.Cmd {
	a.search.line.paste(s)
	return a.seek(a.search.from, 1)
}

// seek goes to the next hit from a row on, in the direction of step, and round the end.
func (a *App) seek(from, step int) tea.Cmd {
	s, ok := a.searching()
	wanted := strings.ToLower(a.searchText())
	if !ok || wanted == "" {
		return nil
	}
	lines := s.SearchLines()
	n := len(lines)
	for i := range n {
		at := ((from+i*step)%n + n) % n
		if strings.Contains(strings.ToLower(lines[at]), wanted) {
			a.search.miss = false
			return s.SearchTo(at)
		}
	}
	a.search.miss = true
	return nil
}

// nextHit goes from one hit to another; in a list that is filtered every row is one.
func (a *App) nextHit(step int) tea.Cmd {
	if s, ok := a.searching(); ok && a.searchText() != "" {
		cmd := a.seek(s.SearchAt()+step, step)
		if a.search.miss {
			a.say("no " + a.searchText() + " here")
		}
		return cmd
	}
	return a.nextFiltered(step)
}

// nextFiltered goes to the next row of a filtered list that is one of the filter's; where there is none it stays.
func (a *App) nextFiltered(step int) tea.Cmd {
	press := func(step int) tea.Cmd {
		cmd, _ := a.input().Actions().press(keyOf(map[int]string{1: "down", -1: "up"}[step]))
		return cmd
	}
	list, ok := a.input().(interface{ AtHit() bool })
	if !ok {
		return press(step)
	}
	const most = 16 // notes one after the other, such as of empty chains
	for n := 1; n <= most; n++ {
		cmd := press(step)
		if list.AtHit() {
			return cmd
		}
	}
	for n := 0; n < most && !list.AtHit(); n++ {
		press(-step)
	}
	return nil
}

// hits tells whether there is something to go from hit to hit of.
func (a *App) hits() bool {
	f, ok := a.input().(filtered)
	return a.searchText() != "" || ok && f.FilterText() != ""
}

// endSearch forgets what was searched for.
func (a *App) endSearch() { a.search.line.clear(); a.search.of = nil }

// searchLine is the line, and how many hits there are.
func (a *App) searchLine() string {
	s, _ := a.searching()
	n, wanted := 0, strings.ToLower(a.searchText())
	for _, l := range s.SearchLines() {
		if wanted != "" && strings.Contains(strings.ToLower(l), wanted) {
			n++
		}
	}
	l, count := a.search.line, rules.Plural(n, "hit")
	switch {
	case wanted == "":
		count = ""
	case n == 0:
		l.wrong = "not found"
	}
	line, _ := l.view(a.width-2, count)
	return " " + line
}

// marked are the texts that are highlighted on the screen or in the box that has the keys. Rules marks its own, of which it knows
// what is searched and what is a figure.
func (a *App) marked() []string {
	if t := a.searchText(); t != "" {
		return []string{t}
	}
	f, ok := a.input().(filtered)
	if _, rules := f.(*rulesScreen); !ok || rules {
		return nil
	}
	var words []string
	for _, w := range strings.FieldsFunc(f.FilterText(), func(r rune) bool { return strings.ContainsRune(" \t()\"'", r) }) {
		if strings.Trim(w, "0123456789") == "" {
			w = ":" + w // a port, most of the time; elsewhere a number says nothing
		}
		if len(w) > 1 {
			words = append(words, w)
		}
	}
	return words
}

// highlight marks texts in drawn lines.
func (a *App) highlight(lines []string, words []string) []string {
	if len(words) == 0 {
		return lines
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = text.Mark(l, words, a.look.Hit)
	}
	return out
}

// What each list is searched by.

func (s *rulesScreen) FilterText() string { return s.filter.text() }

// AtHit tells that the cursor is on a rule, and not on what is said between rules or of a chain that has none.
func (s *rulesScreen) AtHit() bool {
	_, it, ok := s.current()
	return ok || it.rule != nil || it.parked != nil || it.element != nil
}

func (s *flowsScreen) FilterText() string { return s.filter.text() }

// Searchable tells that the list or the plan is shown, and not a question or the page that waits.
func (s *guideScreen) Searchable() bool { return s.asked == nil || s.proof == nil && s.ready }

// SearchLines are the intentions, or the lines of the plan.
func (s *guideScreen) SearchLines() (lines []string) {
	if s.asked != nil {
		for _, l := range s.plan {
			lines = append(lines, ansi.Strip(l))
		}
		return lines
	}
	for _, i := range intentions {
		lines = append(lines, i.name+" "+i.what)
	}
	return lines
}

func (s *guideScreen) SearchAt() int {
	if s.asked != nil {
		return s.scroll
	}
	return s.at
}

func (s *guideScreen) SearchTo(row int) tea.Cmd {
	if s.asked != nil {
		s.scrollBy(row - s.scroll)
		return nil
	}
	s.at = row
	return nil
}

// SearchLines are the findings and forwards.
func (s *doctorScreen) SearchLines() (lines []string) {
	for i := range s.rows {
		f := &s.rows[i].finding
		lines = append(lines, f.Severity.Mark()+" "+s.rows[i].about(s.follows != nil)+" "+f.Check+" "+f.Sentence)
	}
	return lines
}
func (s *doctorScreen) SearchAt() int { return s.cursor.Index() }
func (s *doctorScreen) SearchTo(row int) tea.Cmd {
	s.cursor.Go(row, len(s.rows), s.rowKey)
	return nil
}

// Searchable tells that there are packets.
func (s *traceScreen) Searchable() bool { return len(s.rows) > 0 && !s.filter.open }

// SearchLines are the packets.
func (s *traceScreen) SearchLines() (lines []string) {
	for i := range s.rows {
		r := &s.rows[i]
		lines = append(lines, strings.Join([]string{s.packet(r), r.Brief()}, " "))
	}
	return lines
}
func (s *traceScreen) SearchAt() int { return s.cursor.Index() }
func (s *traceScreen) SearchTo(row int) tea.Cmd {
	s.tail = false
	s.cursor.Go(row, len(s.rows), s.key)
	return nil
}

// SearchLines are the changes.
func (s *historyScreen) SearchLines() (lines []string) {
	for i := range s.entries {
		e := &s.entries[i]
		lines = append(lines, strings.Join([]string{e.ID, e.By, e.From, e.State, e.Summary, strings.Join(e.Commands, " ")}, " "))
	}
	return lines
}
func (s *historyScreen) SearchAt() int { return s.cursor.Index() }
func (s *historyScreen) SearchTo(row int) tea.Cmd {
	s.cursor.Go(row, len(s.entries), s.key)
	return nil
}

// SearchLines are the chains.
func (c *chainChoice) SearchLines() (lines []string) {
	for i := range c.rows {
		r := &c.rows[i]
		lines = append(lines, strings.Join([]string{r.table, r.chain, r.hook(c.variant.Backend), r.owner()}, " "))
	}
	return lines
}
func (c *chainChoice) SearchAt() int { return c.cursor.Index() }
func (c *chainChoice) SearchTo(row int) tea.Cmd {
	c.move(row - c.cursor.Index())
	return nil
}

// SearchLines are the switches.
func (s *switches) SearchLines() (lines []string) {
	for i := range s.all.List {
		x := &s.all.List[i]
		lines = append(lines, x.Name+" "+x.Short+" "+x.Purpose)
	}
	return lines
}
func (s *switches) SearchAt() int { return s.cursor.Index() }
func (s *switches) SearchTo(row int) tea.Cmd {
	s.move(row - s.cursor.Index())
	return nil
}

// SearchLines are the missions and scenarios.
func (c *labChoice) SearchLines() (lines []string) {
	for i := range c.list {
		lines = append(lines, c.list[i].name+" "+c.list[i].title)
	}
	return lines
}
func (c *labChoice) SearchAt() int { return c.cursor.Index() }
func (c *labChoice) SearchTo(row int) tea.Cmd {
	c.move(row - c.cursor.Index())
	return nil
}

// Searchable tells that no request is typed.
func (m *labMap) Searchable() bool { return !m.typing && len(m.bench.hosts) > 0 }

// SearchLines are the machines.
func (m *labMap) SearchLines() (lines []string) {
	for i := range m.bench.hosts {
		h := &m.bench.hosts[i]
		lines = append(lines, strings.Join([]string{h.Name, m.addressesOf(h), listens(h, m.family)}, " "))
	}
	return lines
}
func (m *labMap) SearchAt() int { return m.cursor.Index() }
func (m *labMap) SearchTo(row int) tea.Cmd {
	m.move(row - m.cursor.Index())
	return nil
}

// SearchLines are the connections.
func (k *keptFlows) SearchLines() (lines []string) {
	for i := range k.kept.flows {
		lines = append(lines, k.kept.flows[i].Line())
	}
	return lines
}
func (k *keptFlows) SearchAt() int { return k.cursor.Index() }
func (k *keptFlows) SearchTo(row int) tea.Cmd {
	k.move(row - k.cursor.Index())
	return nil
}

// SearchLines are the lines of a text, as it was drawn last.
func (r *reading) SearchLines() []string {
	lines := make([]string, len(r.lines))
	for i, l := range r.lines {
		lines[i] = ansi.Strip(l)
	}
	return lines
}
func (r *reading) SearchAt() int { return r.found }
func (r *reading) SearchTo(row int) tea.Cmd {
	r.found = row
	if row < r.offset || row >= r.offset+r.page {
		r.offset = max(0, min(row-r.page/3, r.most))
	}
	return nil
}
