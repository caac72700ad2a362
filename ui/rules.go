package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/table"
	"nattui/ui/text"
)

// rulesScreen shows chains as the kernel evaluates them: PREROUTING and
// POSTROUTING in the packet's order, or one chain that was chosen.
type rulesScreen struct {
	*desk
	table   string // which table is looked at
	only    string // the one chain looked at; "" for the packet's way
	native  nativeChain
	narrow  narrowing // to one backend
	written struct {
		of      uint32 // the generation
		entries map[*nft.Element][]nft.Entry
	}
	panes   []*pane
	active  int
	open    map[string]bool // jumps whose chains are shown beneath them
	filter  lineInput
	search  ruleSearch
	wide    bool
	dead    deadRules          // rules that no packet reaches
	parking func(*Parked) bool // finds the rule that is just being parked, until its row is seen
	trying  bool               // a change of native rules is being tried
	// details are the lines under the chains about the rule under the cursor, side those beside them.
	details, side []string
	users         ruleUsers
	rates         rateTrails
	listed        uint64   // tells lists of rows apart
	laid          ruleLaid // what columns were fitted to
	dense         bool     // nothing but rules gets lines of its own
	sideCells     int      // how wide the details beside the list are; 0: there are none
	ownerShown    bool     // in a column of its own
	itsAddress    bool     // an interface whose address becomes the source is named once, in the match
}

// ruleLaid is what a layout is for: a screen, and what is listed on it.
type ruleLaid struct {
	width, height int
	listed        uint64
}

// pane is one chain with whatever is opened in it, scrolled on its own.
type pane struct {
	chain  string
	items  []ruleItem
	cursor table.Cursor[string]
	height int // rows that are shown
	rules  int // in the chains that the kernel calls
	stops  int // how many these are

	// rows are those in sight, sight what is in their columns, content what is in those of all rows, widths how they are laid out,
	// texts what match and translation were fitted to.
	rows           []ruleRow
	sight, content contentWidths
	widths         []int
	texts          ruleTexts
}

// ruleItem is one row: a rule, or a note where there is none.
type ruleItem struct {
	key     string
	variant rules.Variant // of a rule of iptables
	chain   string
	at      int // position in the chain from 1; 0 is a note
	depth   int
	note    string
	// head is set for the quiet line over the rules of a chain.
	head bool
	// parked is the rule that was put away from here; nil otherwise.
	parked *Parked
	// native is the chain of a native rule, rule the rule; element is set for an element of a map that it uses.
	native  *nft.Chain
	rule    *nft.Rule
	element *nativeElement
}

func newRulesScreen(d *desk) *rulesScreen {
	s := &rulesScreen{desk: d, table: "nat", open: map[string]bool{}}
	s.users.screen = s
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
	s.panes, s.laid = nil, ruleLaid{}
	for _, c := range chains {
		s.panes = append(s.panes, &pane{chain: c})
	}
	s.active = 0
	s.list()
}

// Receive takes news of the tables.
func (s *rulesScreen) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case flowsMsg:
		s.users.news = true
	case ruleUsersMsg:
		s.users.take(msg)
	case tablesMsg:
		if msg.Changed {
			s.search.forget()
		}
		s.list()
		s.find()
		s.rates.take(s)
		if msg.Changed && msg.By != "" {
			s.say("rules were changed by " + text.Safe(msg.By))
		}
		if msg.Changed {
			s.dead = nil
			return s.findDead()
		}
	case reachMsg:
		if s.dead == nil {
			s.dead = deadRules{}
		}
		for at, d := range msg.dead {
			if s.tables.Sets[at.Variant] == msg.of {
				s.dead[at] = d
			}
		}
	case nativeTriedMsg:
		return s.tried(msg)
	case nativeFieldsMsg:
		return s.openFields(msg)
	case shownMsg, notesMsg:
		s.list()
		s.find()
		s.findParked()
	}
	return nil
}

func (s *rulesScreen) pane() *pane { return s.panes[min(s.active, len(s.panes)-1)] }

// current is the rule under the cursor.
func (s *rulesScreen) current() (*rules.Rule, ruleItem, bool) {
	p := s.pane()
	if len(p.items) == 0 {
		return nil, ruleItem{}, false
	}
	it := p.items[min(p.cursor.Index(), len(p.items)-1)]
	r, ok := s.ruleOf(it)
	return r, it, ok
}

// ruleOf is an item's rule of iptables; false for a note or a native rule.
func (s *rulesScreen) ruleOf(it ruleItem) (*rules.Rule, bool) {
	if it.at == 0 || it.native != nil {
		return nil, false
	}
	return ruleAt(s.tables.Sets[it.variant], s.table, it.chain, it.at)
}

// Place names what the rule under the cursor belongs to; "" where that is the variant that is looked at.
func (s *rulesScreen) Place() string {
	if _, it, _ := s.current(); it.native != nil {
		return s.variant.Family.Title() + " · " + rules.Native.String()
	}
	return ""
}

// follow looks at the variant of the rule under the cursor, on which the keys work.
func (s *rulesScreen) follow() {
	if _, it, ok := s.current(); ok && it.variant != s.variant {
		s.lookAt(it.variant)
	}
}

// Settle shares the room among the panes and the details, and lays out what is in sight.
func (s *rulesScreen) Settle(width, height int) tea.Cmd {
	s.remeasure(width, height)
	s.arrangeBeside(width, height)
	list := width - s.sideCells
	if s.details = nil; list == width {
		s.details = s.detailLines(width, height)
	}
	s.dense = height < detailsHeight && !s.wide
	rows := height - len(s.details)
	if s.wide && s.forwardLine(list) != "" {
		rows--
	}
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
		if at := p.cursor.Index(); at < len(p.items) && p.items[at].head {
			p.cursor.Go(p.rule(at, 1), len(p.items), p.key)
		}
		p.cursor.Settle(len(p.items), p.height)
	}
	s.follow()
	s.fitColumns(list)
	if s.side = nil; list < width {
		s.side = s.sideLines(height)
		if _, it, ok := s.current(); ok || it.native != nil {
			return s.users.want(it)
		}
	}
	return nil
}

// share gives each of the stacked panes what it needs, and half of the height at
// most where that is too much for both.
func (s *rulesScreen) share(rows, perPane int) {
	room := rows - perPane*len(s.panes) - (len(s.panes) - 1)
	if s.dense {
		room += len(s.panes) - 1 // one line of titles is enough
		if s.forwardLine(minWidth) == "" {
			room += len(s.panes) - 1
		}
	}
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
	whole := width
	width -= s.sideCells
	if s.wide {
		left := s.paneWidth(width)
		a, b := s.paneLines(0, left), s.paneLines(1, width-1-left)
		for i := range max(len(a), len(b)) {
			lines = append(lines, text.Pad(at(a, i), left, false)+" "+at(b, i))
		}
		if forward := s.forwardLine(width); forward != "" {
			lines = append(lines, forward)
		}
	} else {
		for i := range s.panes {
			if forward := s.forwardLine(width); i > 0 && (forward != "" || !s.dense) {
				lines = append(lines, forward)
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
	if width < whole {
		for i, l := range s.side {
			lines[i] = text.Pad(lines[i], width, false) + l
		}
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
	lines := []string{s.sectionLine(p, width)}
	if i == 0 || !s.dense {
		lines = append(lines, "   "+table.Head(ruleTitles, p.widths, s.look.Faint))
	}
	from, to := p.cursor.Window(len(p.items), p.height)
	for row := from; row < to; row++ {
		lines = append(lines, s.row(p, row, i == s.active, p.widths, width))
	}
	return lines
}

// sectionLine names the chain, drawn as a stretch of the packet's way.
func (s *rulesScreen) sectionLine(p *pane, width int) string {
	g := s.look.Glyphs
	faint, strong := s.look.Faint.Render, s.look.Strong.Render
	name := s.hit(strong(text.Safe(p.chain)))
	var left string
	arrow := faint(" " + g.Into + " ")
	switch {
	case s.native.name != "":
		left = faint("table "+text.Safe(s.native.family.String()+" "+s.native.table)+" ") + name
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
	right := s.counted(p)
	if policy := s.policyOf(p); policy != "" {
		right = policy + ", " + right
	}
	style := s.look.Faint
	if why, ok := foreign(s.set(), s.table); ok && s.native.name == "" {
		right, style = "read-only: "+why, s.look.Attention
	}
	if len(p.items) > p.height {
		from, to := p.cursor.Window(len(p.items), p.height)
		if len(p.items) != p.rules || s.filter.text() != "" {
			right = rules.Plural(len(p.items), "line")
		}
		right = fmt.Sprintf("%d-%d of %s", from+1, to, right)
	}
	used := text.Width(left)
	if right == "" {
		return " " + left + " " + s.look.Line.Render(strings.Repeat(g.Rule, max(0, width-3-used)))
	}
	right = text.Fit(text.Safe(right), max(7, width-used-8))
	fill := width - 1 - used - 1 - 1 - text.Width(right) - 4
	return " " + left + " " + s.look.Line.Render(strings.Repeat(g.Rule, max(0, fill))) + " " + style.Render(right) + " " + s.look.Line.Render(strings.Repeat(g.Rule, min(2, max(0, 2+fill))))
}

func foreign(s *rules.Ruleset, table string) (string, bool) {
	if s == nil {
		return "", false
	}
	why, ok := s.Foreign[table]
	return why, ok
}
