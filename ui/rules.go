package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/model/traced"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/ui/table"
	"nattui/ui/text"
)

// rulesScreen shows chains as the kernel evaluates them: PREROUTING and
// POSTROUTING in the packet's order, or one chain that was chosen.
type rulesScreen struct {
	*desk
	table   string // which table is looked at
	only    string // the one chain looked at; "" for the packet's way
	panes   []*pane
	active  int
	open    map[string]bool // jumps whose chains are shown beneath them
	filter  lineInput
	wide    bool
	dead    deadRules     // rules that no packet reaches
	parking *rules.Change // the rule that is just being parked, until its row is seen
	// details are the lines under the chains about the rule under the cursor.
	details []string
}

// pane is one chain with whatever is opened in it, scrolled on its own.
type pane struct {
	chain  string
	items  []ruleItem
	cursor table.Cursor[string]
	height int // rows that are shown
	rules  int // in the chain itself
}

// ruleItem is one row: a rule, or a note where there is none.
type ruleItem struct {
	key   string
	chain string
	at    int // position in the chain from 1; 0 is a note
	depth int
	note  string
	// parked is the rule that was put away from here; nil otherwise.
	parked *Parked
}

func newRulesScreen(d *desk) *rulesScreen {
	s := &rulesScreen{desk: d, table: "nat", open: map[string]bool{}}
	s.filter = newLineInput(d, "/", "words to look for")
	s.arrange()
	return s
}

// arrange makes the panes for what is looked at.
func (s *rulesScreen) arrange() {
	chains := []string{"PREROUTING", "POSTROUTING"}
	if s.only != "" {
		chains = []string{s.only}
	}
	s.panes = nil
	for _, c := range chains {
		s.panes = append(s.panes, &pane{chain: c})
	}
	s.active = 0
	s.list()
}

// list makes the rows of every pane anew from the rule set.
func (s *rulesScreen) list() {
	for _, p := range s.panes {
		p.items = p.items[:0]
		p.rules = 0
		if c, ok := s.set().Chain(s.table, p.chain); ok {
			p.rules = len(c.Rules)
		}
		s.listChain(p, p.chain, "", 0)
		if len(p.items) == 0 {
			p.items = append(p.items, ruleItem{key: "note", chain: p.chain, note: s.emptyNote(p)})
		}
		p.cursor.Follow(len(p.items), p.key)
	}
}

func (p *pane) key(i int) string { return p.items[i].key }

// maxDepth is how deep chains are opened within chains.
const maxDepth = 8

func (s *rulesScreen) listChain(p *pane, chain, parent string, depth int) {
	c, ok := s.set().Chain(s.table, chain)
	if !ok {
		return
	}
	seen := map[string]int{}
	words := strings.Fields(strings.ToLower(s.filter.text()))
	away := s.parkedIn(chain)
	for i := range c.Rules {
		away = s.listParked(p, away, i+1, parent, depth, words)
		r := &c.Rules[i]
		line := r.String()
		seen[line]++
		key := parent + "\n" + line
		if n := seen[line]; n > 1 {
			key += "\n" + strconv.Itoa(n)
		}
		opened := s.open[key] && depth < maxDepth
		before := len(p.items)
		if len(words) == 0 || matchesWords(r, words) {
			p.items = append(p.items, ruleItem{key: key, chain: chain, at: i + 1, depth: depth})
		}
		if opened {
			inside := len(p.items)
			s.listChain(p, r.Target.Name, key, depth+1)
			if len(p.items) == inside && before < inside {
				p.items = append(p.items, ruleItem{key: key + "\nempty", chain: r.Target.Name, depth: depth + 1, note: r.Target.Name + " is empty"})
			}
		}
	}
	s.listParked(p, away, len(c.Rules)+1, parent, depth, words)
}

// parkedIn are the parked rules of a chain, by the place they would come back to.
func (s *rulesScreen) parkedIn(chain string) []*Parked {
	var away []*Parked
	for i := range s.notes.Parked {
		k := &s.notes.Parked[i]
		c := &k.Return
		if (rules.Place{Family: c.Family, Backend: c.Backend}) == s.place && c.Table == s.table && c.Chain == chain {
			away = append(away, k)
		}
	}
	slices.SortStableFunc(away, func(a, b *Parked) int { return a.Return.At - b.Return.At })
	return away
}

// listParked lists the parked rules that belong before the position, and returns
// the others.
func (s *rulesScreen) listParked(p *pane, away []*Parked, at int, parent string, depth int, words []string) []*Parked {
	for len(away) > 0 && away[0].Return.At <= at {
		if k := away[0]; len(words) == 0 || matchesWords(&k.Return.Rule, words) {
			p.items = append(p.items, ruleItem{key: parent + "\nparked " + k.ID, chain: k.Return.Chain, depth: depth, parked: k})
		}
		away = away[1:]
	}
	return away
}

// matchesWords reports whether every word occurs in what is known of the rule.
func matchesWords(r *rules.Rule, words []string) bool {
	hay := strings.ToLower(r.String() + " " + r.MatchText() + " " + r.Becomes() + " " + rules.OwnerOf(*r))
	for _, w := range words {
		if !strings.Contains(hay, w) {
			return false
		}
	}
	return true
}

func (s *rulesScreen) emptyNote(p *pane) string {
	switch {
	case s.tables.Sets == nil:
		return "reading the tables…"
	case s.set() == nil:
		return "there is no rule set here"
	case s.filter.text() != "":
		return fmt.Sprintf("none of %s has “%s”: esc shows all", rules.Plural(p.rules, "rule"), s.filter.text())
	case s.gw.ReadOnly:
		return "no rules"
	}
	return "no rules yet: press a to add one, or 3 for the guide"
}

// Receive takes news of the tables.
func (s *rulesScreen) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tablesMsg:
		s.list()
		s.find()
		if msg.Changed && msg.By != "" {
			s.say("rules were changed by " + text.Safe(msg.By))
		}
		if msg.Changed {
			s.dead = nil
			return findDead(s.set())
		}
	case reachMsg:
		if msg.of == s.set() || s.dead == nil {
			s.dead = msg.dead
		}
	case shownMsg, notesMsg:
		s.list()
		s.find()
		s.findParked()
	}
	return nil
}

// findParked puts the cursor on the rule that was just parked here, which is where
// it was.
func (s *rulesScreen) findParked() {
	if s.parking == nil {
		return
	}
	for _, p := range s.panes {
		for at, it := range p.items {
			if it.parked != nil && it.parked.Return.Rule.Same(s.parking.Rule) && it.chain == s.parking.Chain {
				s.parking = nil
				p.cursor.Go(at, len(p.items), p.key)
				return
			}
		}
	}
}

// find puts the cursor on the rule that was just made or moved here, as soon as
// the kernel shows it.
func (s *rulesScreen) find() {
	if s.seek == "" {
		return
	}
	for i, p := range s.panes {
		for at, it := range p.items {
			if r, ok := ruleAt(s.set(), s.table, it.chain, it.at); ok && r.String() == s.seek {
				s.active, s.seek = i, ""
				p.cursor.Go(at, len(p.items), p.key)
				return
			}
		}
	}
}

func (s *rulesScreen) pane() *pane { return s.panes[min(s.active, len(s.panes)-1)] }

// current is the rule under the cursor.
func (s *rulesScreen) current() (*rules.Rule, ruleItem, bool) {
	p := s.pane()
	if len(p.items) == 0 {
		return nil, ruleItem{}, false
	}
	it := p.items[min(p.cursor.Index(), len(p.items)-1)]
	if it.at == 0 {
		return nil, it, false
	}
	r, ok := ruleAt(s.set(), s.table, it.chain, it.at)
	return r, it, ok
}

// Typing tells that the filter line is open.
func (s *rulesScreen) Typing() bool { return s.filter.open }

// Paste goes to the filter line.
func (s *rulesScreen) Paste(t string) tea.Cmd {
	if s.filter.open {
		s.filter.paste(t)
		s.list()
	}
	return nil
}

// Line is the filter line, while it is open or has text.
func (s *rulesScreen) Line(width int) (string, bool) {
	if !s.filter.open && s.filter.text() == "" {
		return "", false
	}
	shown := 0
	for _, p := range s.panes {
		for _, it := range p.items {
			if it.at > 0 {
				shown++
			}
		}
	}
	return s.filter.view(width, rules.Plural(shown, "rule"))
}

// Back leaves what was opened last: the filter, then the chosen chain.
func (s *rulesScreen) Back() bool {
	switch {
	case s.filter.text() != "":
		s.filter.clear()
		s.list()
	case s.only != "":
		s.only, s.table = "", "nat"
		s.arrange()
	default:
		return false
	}
	return true
}

// Wheel scrolls the pane under the cursor.
func (s *rulesScreen) Wheel(by int) {
	p := s.pane()
	p.cursor.Go(p.cursor.Index()+by, len(p.items), p.key)
}

// Type types in the filter line.
func (s *rulesScreen) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if !s.filter.open {
		return nil, false
	}
	if s.filter.key(k) {
		s.list()
	}
	return nil, true
}

// Actions are the keys of the list, or of the filter line while that is open.
func (s *rulesScreen) Actions() keyTable {
	if s.filter.open {
		return s.filter.actions()
	}
	return append(append(s.changing(), s.looking()...), s.moving()...)
}

// changing are the keys that change rules.
func (s *rulesScreen) changing() keyTable {
	can := func() bool { return !s.gw.ReadOnly && s.set() != nil }
	onRule := func() bool { _, _, ok := s.current(); return can() && ok }
	ofNAT := func(may func() bool) func() bool { return func() bool { return may() && s.table == "nat" } }
	parked := func() bool { _, it, _ := s.current(); return can() && s.gw.Journal != nil && it.parked != nil }
	return keyTable{
		on(keys.Add, s.add).when(ofNAT(can)).otherwise(s.sayNotNAT),
		on(keys.Edit, s.edit).when(ofNAT(onRule)),
		act(keys.Delete, s.askDelete).when(onRule),
		on(bind("J/K", "move", "K"), func() tea.Cmd { return s.move(-1) }).when(onRule),
		on(silent("J"), func() tea.Cmd { return s.move(1) }).when(onRule),
		on(bind("p", "restore", "p"), s.restore).when(parked),
		on(bind("p", "park", "p"), s.park).when(func() bool { return onRule() && s.gw.Journal != nil }).otherwise(s.sayNotParked),
	}
}

// looking are the keys that show something else or more.
func (s *rulesScreen) looking() keyTable {
	onRule := func() bool { _, _, ok := s.current(); return ok }
	onJump := func() bool { r, _, ok := s.current(); return ok && jumps(r) }
	can := func() bool { return !s.gw.ReadOnly && s.set() != nil }
	more := func() bool { return len(places(s.tables.Sets)) > 1 }
	family := func() { s.turn(func(p rules.Place) rules.Place { p.Family ^= 1; return p }) }
	backend := func() { s.turn(func(p rules.Place) rules.Place { p.Backend ^= 1; return p }) }
	return keyTable{
		act(bind("enter", "open chain", "enter"), s.openChain).when(onJump),
		act(keys.Details, s.openDetails).when(onRule),
		act(keys.Filter, s.filter.start),
		act(keys.Chains, s.openChains),
		act(keys.WhatIf, s.openWhatIf),
		elsewhere(keyTrace),
		act(keys.Import, func() { s.desk.open(newImport(s.desk)) }).when(can),
		on(keys.Family, func() tea.Cmd { family(); return findDead(s.set()) }).when(more).otherwise(family),
		on(keys.Backend, func() tea.Cmd { backend(); return findDead(s.set()) }).when(more).otherwise(backend),
	}
}

// moving are the keys that move the cursor, and those that mean the same everywhere.
func (s *rulesScreen) moving() keyTable {
	to := func(at func(p *pane) int) func() {
		return func() { p := s.pane(); p.cursor.Go(at(p), len(p.items), p.key) }
	}
	page := func(p *pane) int { return max(1, p.height-1) }
	can := func() bool { return !s.gw.ReadOnly && s.set() != nil }
	return keyTable{
		act(keys.Pane, func() { s.active = (s.active + 1) % len(s.panes) }),
		act(keys.Up, s.up),
		act(keys.Down, s.down),
		act(keys.PageUp, to(func(p *pane) int { return p.cursor.Index() - page(p) })),
		act(keys.PageDown, to(func(p *pane) int { return p.cursor.Index() + page(p) })),
		act(keys.Top, to(func(*pane) int { return 0 })),
		act(keys.Bottom, to(func(p *pane) int { return len(p.items) - 1 })),
		elsewhere(keys.Undo).when(can),
		elsewhere(keys.Redo).when(can),
		elsewhere(keys.Switches),
		act(hidden(keys.Close), func() { s.Back() }),
	}
}

// up moves the cursor up, into the pane above where both stand one over the other.
func (s *rulesScreen) up() {
	if p := s.pane(); p.cursor.Index() > 0 || s.active == 0 || s.wide {
		p.cursor.Go(p.cursor.Index()-1, len(p.items), p.key)
		return
	}
	s.active--
	p := s.pane()
	p.cursor.Go(len(p.items)-1, len(p.items), p.key)
}

// down moves it down.
func (s *rulesScreen) down() {
	if p := s.pane(); p.cursor.Index() < len(p.items)-1 || s.active == len(s.panes)-1 || s.wide {
		p.cursor.Go(p.cursor.Index()+1, len(p.items), p.key)
		return
	}
	s.active++
	p := s.pane()
	p.cursor.Go(0, len(p.items), p.key)
}

// Switches opens the switches of the kernel.
func (s *rulesScreen) Switches() tea.Cmd { return s.openSwitches("") }

// TraceFilter is what the rule under the cursor may meet.
func (s *rulesScreen) TraceFilter() string {
	r, it, ok := s.current()
	if !ok {
		return ""
	}
	f := traced.TraceOfRule(s.place.Family, it.chain, r)
	f.New = f.Proto == rules.TCP && s.table == "nat" // which only first packets visit
	return f.String()
}

// openWhatIf asks what would become of a packet that the rule under the cursor is for.
func (s *rulesScreen) openWhatIf() {
	line := ""
	if r, _, ok := s.current(); ok {
		line = packetOf(s.place.Family, r)
	}
	s.desk.open(newWhatIf(s.desk, line))
}

// turn looks at another place, or says why there is none.
func (s *rulesScreen) turn(to func(rules.Place) rules.Place) {
	p := to(s.place)
	if _, ok := s.tables.Sets[p]; !ok {
		why := s.tables.Absent[p]
		if why == "" {
			why = "this host has none"
		}
		s.said = status{text: p.String() + ": " + why, failed: true}
		return
	}
	s.place = p
	s.dead = nil
	if s.only != "" {
		if _, ok := s.set().Chain(s.table, s.only); !ok {
			s.only, s.table = "", "nat"
		}
	}
	s.arrange()
}

// jumps tells whether a rule leads to another chain.
func jumps(r *rules.Rule) bool { return r.Target.Kind == rules.Jump || r.Target.Kind == rules.Goto }

// openChain opens the chain that the rule under the cursor jumps to, in place.
func (s *rulesScreen) openChain() {
	if _, it, ok := s.current(); ok {
		s.open[it.key] = !s.open[it.key]
		s.list()
	}
}

// openDetails shows everything about the rule under the cursor in a box.
func (s *rulesScreen) openDetails() {
	if _, it, ok := s.current(); ok {
		s.desk.open(newRuleDetails(s.desk, s.table, it))
	}
}

// change is a Change with everything but the operation filled in.
func (s *rulesScreen) change(op rules.Op, chain string, at int) rules.Change {
	return rules.Change{Op: op, Family: s.place.Family, Backend: s.place.Backend, Table: s.table, Chain: chain, At: at, Program: s.program()}
}

// program is the iptables program that people would type for this place.
func (s *rulesScreen) program() string { return s.set().Program() }

func (s *rulesScreen) askDelete() {
	r, it, ok := s.current()
	if !ok {
		return
	}
	c := s.change(rules.Delete, it.chain, it.at)
	c.Rule = *r
	title := fmt.Sprintf("Delete rule %d of %s?", it.at, it.chain)
	lines := []string{r.Sentence()}
	if o := rules.OwnerOf(*r); o != "" {
		lines = append(lines, "It belongs to "+o+", which may make it again or miss it.")
	}
	lines = append(lines, "Connections that it has translated go on as they are; new ones are no longer translated. u brings it back.")
	s.desk.open(newQuestion(s.desk, title, lines, rules.Single(c), "delete"))
}

// move moves the rule under the cursor by one place.
func (s *rulesScreen) move(by int) tea.Cmd {
	r, it, ok := s.current()
	if !ok {
		return nil
	}
	ch, _ := s.set().Chain(s.table, it.chain)
	to := it.at + by
	if to < 1 || to > len(ch.Rules) {
		s.say("it is the " + map[bool]string{true: "first", false: "last"}[by < 0] + " rule of " + it.chain + " already")
		return nil
	}
	c := s.change(rules.Move, it.chain, it.at)
	c.Rule, c.To = *r, to
	return s.apply(rules.Single(c), appliedNew, terms{}, nil)
}

// sayNotParked says why no rule can be parked.
func (s *rulesScreen) sayNotParked() {
	if !s.gw.ReadOnly && s.gw.Journal == nil {
		s.say("without a journal a rule that is parked could not be brought back")
	}
}

// restore brings the parked rule under the cursor back.
func (s *rulesScreen) restore() tea.Cmd {
	_, it, _ := s.current()
	return s.undoEntry(it.parked.ID, appliedNew, terms{}, nil)
}

// park puts the rule under the cursor away.
func (s *rulesScreen) park() tea.Cmd {
	r, it, ok := s.current()
	if !ok {
		return nil
	}
	c := s.change(rules.Delete, it.chain, it.at)
	c.Rule = *r
	s.parking = &c
	return s.apply(rules.Single(c), appliedNew, terms{park: true}, func(err error) tea.Cmd {
		if err != nil {
			s.parking = nil
		}
		return nil
	})
}

// sayNotNAT says why no rule can be added to a table other than nat.
func (s *rulesScreen) sayNotNAT() {
	if !s.gw.ReadOnly && s.set() != nil {
		s.say("the form makes NAT rules: esc goes back to table nat")
	}
}

// add opens the form for a new rule.
func (s *rulesScreen) add() tea.Cmd {
	_, it, _ := s.current()
	chain := s.pane().chain
	if it.chain != "" {
		chain = it.chain
	}
	kind := rules.DNAT
	if chain == "POSTROUTING" || chain == "INPUT" {
		kind = rules.Masquerade
	}
	f := newForm(s.desk, rules.Draft{Family: s.place.Family, Kind: kind, Chain: chain}, it, nil)
	s.desk.open(f)
	return f.Init()
}

// edit opens the form for the rule under the cursor.
func (s *rulesScreen) edit() tea.Cmd {
	r, it, ok := s.current()
	if !ok {
		return nil
	}
	d, err := rules.DraftOf(s.place.Family, *r)
	if err != nil {
		s.fail(err)
		return nil
	}
	f := newForm(s.desk, d, it, r)
	s.desk.open(f)
	return f.Init()
}

// sideBySide is the width from which both chains stand beside each other.
const sideBySide = 150

// Settle shares the height among the panes.
func (s *rulesScreen) Settle(width, height int) tea.Cmd {
	s.wide = width >= sideBySide && len(s.panes) > 1
	s.details = s.detailLines(width, height)
	rows := height - len(s.details)
	perPane := 2 // the section's line and the column titles
	if s.wide {
		for _, p := range s.panes {
			p.height = max(1, rows-perPane)
		}
	} else {
		s.share(rows, perPane)
	}
	for _, p := range s.panes {
		p.cursor.Follow(len(p.items), p.key)
		p.cursor.Settle(len(p.items), p.height)
	}
	return nil
}

// share gives each of the stacked panes what it needs, and half of the height at
// most where that is too much for both.
func (s *rulesScreen) share(rows, perPane int) {
	room := rows - perPane*len(s.panes) - (len(s.panes) - 1)
	if height := len(s.panes); height == 1 {
		s.panes[0].height = max(1, rows-perPane)
		return
	}
	a, b := s.panes[0], s.panes[1]
	needA, needB := len(a.items), len(b.items)
	switch half := room / 2; {
	case needA+needB <= room:
		a.height, b.height = needA, needB
	case needA <= half:
		a.height, b.height = needA, room-needA
	case needB <= room-half:
		a.height, b.height = room-needB, needB
	default:
		a.height, b.height = half, room-half
	}
	a.height, b.height = max(1, a.height), max(1, b.height)
}

// View draws the panes and, beneath them, the rule under the cursor.
func (s *rulesScreen) View(width, height int) []string {
	var lines []string
	if s.wide {
		left := (width - 1) / 2
		a, b := s.paneLines(0, left), s.paneLines(1, width-1-left)
		for i := range max(len(a), len(b)) {
			lines = append(lines, text.Pad(at(a, i), left, false)+" "+at(b, i))
		}
	} else {
		for i := range s.panes {
			if i > 0 {
				lines = append(lines, "")
			}
			lines = append(lines, s.paneLines(i, width)...)
		}
	}
	for len(lines) < height-len(s.details) {
		lines = append(lines, "")
	}
	if cut := height - len(s.details); len(lines) > cut {
		lines = lines[:max(0, cut)]
	}
	return append(lines, s.details...)
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// paneLines draws one pane: its place on the packet's way, titles, rows.
func (s *rulesScreen) paneLines(i, width int) []string {
	p := s.panes[i]
	cols := s.columns(width)
	widths := table.Widths(cols, width-4)
	lines := []string{s.sectionLine(p, width), "   " + table.Head(cols, widths, s.look.Faint)}
	from, to := p.cursor.Window(len(p.items), p.height)
	for row := from; row < to; row++ {
		lines = append(lines, s.row(p, row, i == s.active, cols, widths, width))
	}
	return lines
}

// sectionLine names the chain, drawn as a stretch of the packet's way.
func (s *rulesScreen) sectionLine(p *pane, width int) string {
	g := s.look.Glyphs
	faint, strong := s.look.Faint.Render, s.look.Strong.Render
	name := strong(text.Safe(p.chain))
	var left string
	arrow := faint(" " + g.Into + " ")
	switch {
	case s.table != "nat":
		left = faint(s.table+" ") + name
	case p.chain == "PREROUTING":
		left = faint("in") + arrow + name
	case p.chain == "POSTROUTING":
		left = faint("routing") + arrow + name + arrow + faint("out")
	case p.chain == "OUTPUT":
		left = faint("this host") + arrow + name
	case p.chain == "INPUT":
		left = faint("routing") + arrow + name + arrow + faint("this host")
	default:
		left = faint("chain ") + name
	}
	right := rules.Plural(p.rules, "rule")
	if c, ok := s.set().Chain(s.table, p.chain); ok && c.Policy == "DROP" {
		right = "policy DROP, " + right
	}
	style := s.look.Faint
	if why, ok := foreign(s.set(), s.table); ok {
		right, style = "read-only: "+why, s.look.Attention
	}
	if len(p.items) > p.height {
		from, to := p.cursor.Window(len(p.items), p.height)
		right = fmt.Sprintf("%d-%d of %s", from+1, to, right)
	}
	used := lipgloss.Width(left)
	right = text.Fit(text.Safe(right), max(8, width-used-8))
	fill := width - 1 - used - 1 - 1 - lipgloss.Width(right) - 4
	return " " + left + " " + s.look.Line.Render(strings.Repeat(g.Rule, max(0, fill))) + " " + style.Render(right) + " " + s.look.Line.Render(strings.Repeat(g.Rule, 2))
}

func foreign(s *rules.Ruleset, table string) (string, bool) {
	if s == nil {
		return "", false
	}
	why, ok := s.Foreign[table]
	return why, ok
}

// columns of the list at a width.
func (s *rulesScreen) columns(width int) []table.Column {
	return []table.Column{
		{Title: "#", Min: 3, Want: 3, Right: true},
		{Title: "match", Min: 10, Want: 26, Grow: 3},
		{Title: "  becomes", Min: 10, Want: 21, Grow: 2},
		{Title: "pkts", Min: 5, Want: 5, Right: true, Order: 4},
		{Title: "/s", Min: 5, Want: 5, Right: true, Order: 5},
		{Title: "flows", Min: 5, Want: 5, Right: true, Order: 3},
		{Title: "bytes", Min: 6, Want: 6, Right: true, Order: 8},
		{Title: "owner", Min: 9, Want: 10, Order: 9},
		{Title: "comment", Min: 16, Want: 24, Grow: 2, Order: 10},
	}
}

// row draws one rule.
func (s *rulesScreen) row(p *pane, i int, active bool, cols []table.Column, widths []int, width int) string {
	it := p.items[i]
	g := s.look.Glyphs
	bar, over := "   ", (*lipgloss.Style)(nil)
	if active && i == p.cursor.Index() {
		bar = " " + s.look.Accent.Render(g.Bar) + s.look.Cursor.Render(" ")
		over = &s.look.Cursor
	}
	if it.parked != nil {
		return bar + table.Line(cols, widths, s.parkedCells(it), over)
	}
	if it.at == 0 {
		return bar + s.look.Faint.Render(text.Fit(strings.Repeat("  ", it.depth)+"  "+text.Safe(it.note), width-4))
	}
	r, ok := ruleAt(s.set(), s.table, it.chain, it.at)
	if !ok {
		return bar
	}
	return bar + table.Line(cols, widths, s.cells(r, it, widths[7] > 0), over)
}

// cells are the values of a rule's row. An owner that has no column stands behind
// the chain that is jumped to.
func (s *rulesScreen) cells(r *rules.Rule, it ruleItem, ownerShown bool) []table.Cell {
	look := s.look
	indent := strings.Repeat("  ", it.depth)
	matchStyle := look.Text
	if r.Target.Kind == rules.NoTarget || r.Unparseable() != nil {
		matchStyle = look.Faint
	}
	match := text.Safe(r.MatchText())
	if n, ok := s.noteOf(s.table, r); ok && !n.Expires.IsZero() {
		match = text.Duration(n.Expires.Sub(s.now)) + " left: " + match
	}
	if _, dead := s.deadAt(it); dead {
		match, matchStyle = "! "+match, look.Attention
	}
	owner := rules.OwnerOf(*r)
	becomes, style := s.becomes(r)
	if owner != "" && !ownerShown && jumps(r) {
		becomes += "  " + owner
	}
	cells := []table.Cell{
		{Text: strconv.Itoa(it.at), Style: look.Faint},
		{Text: indent + match, Style: matchStyle},
		{Text: becomes, Style: style},
		{Text: text.Unknown, Style: look.Faint},
		{Text: text.Unknown, Style: look.Faint},
		{Text: text.Unknown, Style: look.Faint},
		{Text: text.Unknown, Style: look.Faint},
		{Text: owner, Style: look.Faint},
		{Text: text.Safe(r.Comment()), Style: look.Faint},
	}
	if r.Counters.Known {
		numbers := look.Text
		if r.Counters.Packets == 0 {
			numbers = look.Faint
		}
		cells[3] = table.Cell{Text: text.Count(r.Counters.Packets), Style: numbers}
		cells[6] = table.Cell{Text: text.Count(r.Counters.Bytes), Style: numbers}
	}
	if rate, ok := s.packetRate(s.table, it.chain, it.at); ok {
		style := look.Text
		if rate == 0 {
			style = look.Faint
		}
		cells[4] = table.Cell{Text: text.Rate(rate), Style: style}
	}
	if n, ok := s.ruleFlows(it); ok {
		style := look.Faint
		if n > 0 {
			style = look.Good
		}
		cells[5] = table.Cell{Text: text.Count(uint64(n)), Style: style}
	}
	for i := range cells {
		if cells[i].Text == text.Unknown {
			cells[i].Text = look.Glyphs.None
		}
	}
	return cells
}

// parkedCells are the values of a parked rule's row.
func (s *rulesScreen) parkedCells(it ruleItem) []table.Cell {
	r := &it.parked.Return.Rule
	becomes, _ := s.becomes(r)
	cells := []table.Cell{
		{Text: s.look.Glyphs.None},
		{Text: strings.Repeat("  ", it.depth) + "parked: " + text.Safe(r.MatchText())},
		{Text: becomes},
		{},
		{},
		{},
		{},
		{Text: rules.OwnerOf(*r)},
		{Text: text.Safe(r.Comment())},
	}
	if r.Counters.Known {
		cells[3].Text, cells[6].Text = text.Count(r.Counters.Packets), text.Count(r.Counters.Bytes)
	}
	for i := range cells {
		cells[i].Style = s.look.Faint
	}
	return cells
}

// noteOf is what the journal knows about a rule; false where nothing.
func (d *desk) noteOf(table string, r *rules.Rule) (RuleNote, bool) {
	n, ok := d.notes.Made[RuleLine{d.place, table, r.String()}]
	if ok && !n.Expires.IsZero() && !n.Expires.After(d.now) {
		return RuleNote{}, false
	}
	return n, ok
}

// words say who made a rule and when, and how long it still stands.
func (n RuleNote) words(now time.Time) []string {
	var parts []string
	if !n.Expires.IsZero() {
		parts = append(parts, "gone in "+text.Duration(n.Expires.Sub(now)))
	}
	made := "made"
	if n.By != "" {
		made += " by " + n.By
	}
	if n.From != "" {
		made += " from " + n.From
	}
	ago := "just now"
	if d := now.Sub(n.At); d >= time.Minute {
		ago = text.Duration(d) + " ago"
	}
	return append(parts, made+" "+ago)
}

// deadAt tells why no packet reaches a rule, where that is so.
func (s *rulesScreen) deadAt(it ruleItem) (evaluate.DeadRule, bool) {
	d, ok := s.dead[evaluate.RuleRef{Place: s.place, Table: s.table, Chain: it.chain, Position: it.at}]
	return d, ok
}

// ruleFlows is how many live flows the rule has made, where that is known.
func (s *rulesScreen) ruleFlows(it ruleItem) (int, bool) {
	if s.gw.Flows == nil || s.table != "nat" {
		return 0, false
	}
	r, ok := ruleAt(s.set(), s.table, it.chain, it.at)
	if !ok || !r.Target.Kind.Translates() {
		return 0, false
	}
	byRule, _ := s.gw.Flows.RuleFlows()
	if byRule == nil {
		return 0, false
	}
	return byRule[evaluate.RuleRef{Place: s.place, Table: s.table, Chain: it.chain, Position: it.at}], true
}

// becomes is the translation of a rule with the sign and colour of its kind.
func (s *rulesScreen) becomes(r *rules.Rule) (string, lipgloss.Style) {
	g, look := s.look.Glyphs, s.look
	what := text.Safe(r.Becomes())
	switch r.Target.Kind {
	case rules.DNAT:
		return g.Into + " " + what, look.DNAT
	case rules.SNAT, rules.Masquerade:
		return g.Outof + " " + what, look.SNAT
	case rules.Netmap:
		if strings.HasPrefix(what, "from ") {
			return g.Outof + " " + what, look.SNAT
		}
		return g.Into + " " + what, look.DNAT
	case rules.Redirect:
		return g.Into + " " + what, look.Redirect
	case rules.Jump, rules.Goto:
		return g.Branch + " " + what, look.Faint
	case rules.Drop:
		return g.Cross + " dropped", look.Broken
	}
	return "  " + what, look.Faint
}

// detailLines say everything that there is room for about the rule under the
// cursor.
func (s *rulesScreen) detailLines(width, height int) []string {
	if height < 12 {
		return nil
	}
	line := " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, width-2))
	r, it, ok := s.current()
	if it.parked != nil {
		return append([]string{line}, s.parkedDetails(it.parked, width)...)
	}
	if !ok {
		return nil
	}
	lines := []string{line}
	for _, l := range text.Wrap(text.Safe(r.Sentence()), width-2, 2) {
		lines = append(lines, " "+s.look.Text.Render(l))
	}
	if d, dead := s.deadAt(it); dead {
		lines = append(lines, " "+s.look.Attention.Render(text.Fit("! "+text.Safe(d.Sentence()), width-2)))
	} else if meta := s.metaWords(r, it); meta != "" {
		lines = append(lines, " "+s.look.Faint.Render(text.Fit(meta, width-2)))
	}
	return append(lines, " "+s.look.Faint.Render(text.Fit(text.Safe(r.String()), width-2)))
}

// parkedDetails are the lines about a parked rule.
func (s *rulesScreen) parkedDetails(k *Parked, width int) []string {
	r := &k.Return.Rule
	var lines []string
	for _, l := range text.Wrap(text.Safe(r.Sentence()), width-2, 2) {
		lines = append(lines, " "+s.look.Text.Render(l))
	}
	words := fmt.Sprintf("Parked: it is not in force. p brings it back as rule %d, with its counters.", k.Return.At)
	return append(lines, " "+s.look.Attention.Render(text.Fit(words, width-2)), " "+s.look.Faint.Render(text.Fit(text.Safe(r.String()), width-2)))
}

// metaWords are what is known about a rule besides what it does.
func (s *rulesScreen) metaWords(r *rules.Rule, it ruleItem) string {
	var parts []string
	if n, ok := s.ruleFlows(it); ok && n > 0 {
		parts = append(parts, rules.Plural(n, "flow")+" now")
	}
	if o := rules.OwnerOf(*r); o != "" {
		parts = append(parts, "made by "+o)
	}
	if c := r.Comment(); c != "" {
		parts = append(parts, "“"+text.Safe(c)+"”")
	}
	if names := r.Opaque(); len(names) > 0 {
		parts = append(parts, "shown as it is: "+text.Safe(strings.Join(names, ", ")))
	}
	if n, ok := s.noteOf(s.table, r); ok {
		for _, w := range n.words(s.now) {
			parts = append(parts, text.Safe(w))
		}
	}
	if r.Counters.Known && r.Counters.Packets > 0 {
		parts = append(parts, text.Exact(r.Counters.Packets)+" packets, "+text.Bytes(r.Counters.Bytes))
	}
	return strings.Join(parts, " "+s.look.Glyphs.Dot+" ")
}
