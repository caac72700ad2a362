package ui

import (
	"strings"

	"nattui/ui/table"
	"nattui/ui/text"
)

// ruleTexts are how wide match and translation are taken to be for the columns of a pane, and whether its other columns are its
// own ones. The zero value is none.
type ruleTexts struct {
	match, becomes int
	own            bool
}

// fitColumns lays the rows of all panes out. An owner that has no column stands behind the chain that is jumped to. Where
// something is cut, an interface is not named twice in a row.
func (s *rulesScreen) fitColumns(width int) {
	for {
		for _, p := range s.panes {
			s.lay(p)
		}
		shown, cut, shared := true, 0, s.shared()
		for _, p := range s.panes {
			p.widths = s.widthsOf(p, &shared, s.paneWidth(width)-4)
			shown = shown && (p.widths[ruleColOwner] > 0 || p.content[ruleColOwner].width == 0)
			cut += p.cut(p.widths)
		}
		switch {
		case !shown && s.ownerShown:
			s.ownerShown = false
		case cut > 0 && !s.itsAddress:
			s.itsAddress = true
		default:
			return
		}
		s.measured()
	}
}

// shorter are the cells of a row; one that says whose address the source becomes says it shorter where that has to be, and its
// match has the name.
func (s *rulesScreen) shorter(cells []table.Cell) []table.Cell {
	const whose, from = "'s address", "from "
	what := cells[ruleColBecomes].Text
	to := strings.Index(what, whose)
	if !s.itsAddress || to < 0 {
		return cells
	}
	at := strings.LastIndex(what[:to], from) + len(from)
	if at >= len(from) && strings.Contains(cells[ruleColMatch].Text+" ", "out "+what[at:to]+" ") {
		cells[ruleColBecomes].Text = what[:at] + "its" + what[to+len("'s"):]
	}
	return cells
}

// shared are the contents of all panes.
func (s *rulesScreen) shared() (shared contentWidths) {
	for _, p := range s.panes {
		shared.widen(&p.content)
	}
	return shared
}

// widthsOf are the columns of a pane: of some that would do those that cut the least of what its rows in sight match and
// become. Those that the pane has stay where no others cut less, so that columns do not move with every row that comes into
// sight; panes that stand one over the other share theirs rather than have some of their own, and what is out of sight counts
// rather than what is in sight.
func (s *rulesScreen) widthsOf(p *pane, shared *contentWidths, width int) (widths []int) {
	measured := func(c *contentWidths, own bool) ruleTexts {
		return ruleTexts{c[ruleColMatch].width, c[ruleColBecomes].width, own}
	}
	all := []ruleTexts{p.texts, measured(shared, false), measured(&p.content, true), measured(&p.sight, true)}
	if s.wide {
		all[1] = all[2]
	}
	least := 0
	for _, t := range all {
		if t == (ruleTexts{}) {
			continue
		}
		content := *shared
		if t.own {
			content = p.content
		}
		content[ruleColMatch].width, content[ruleColBecomes].width = t.match, t.becomes
		w := s.shareOut(&content, width)
		if s.plain { // lines are wrapped there, not cut
			for i, want := range s.wants(&content) {
				if i == ruleColMatch || i == ruleColBecomes || i == ruleColComment {
					w[i] = max(w[i], want)
				}
			}
		}
		if cut := p.cut(w); widths == nil || cut < least {
			widths, least, p.texts = w, cut, t
		}
	}
	return widths
}

// cut is how many cells of what the rows in sight match and become columns have no room for.
func (p *pane) cut(widths []int) (n int) {
	for _, row := range p.rows {
		for _, col := range []int{ruleColMatch, ruleColBecomes} {
			if row.cells != nil {
				n += max(0, text.Width(row.cells[col].Text)-widths[col])
			}
		}
	}
	return n
}

// measured measures the rows of all panes anew.
func (s *rulesScreen) measured() {
	for _, p := range s.panes {
		s.measureAll(p)
		p.texts = ruleTexts{}
	}
}

// remeasure does so where other rows are listed than when it was done last, or their place is another: the columns do not
// depend on what was there before.
func (s *rulesScreen) remeasure(width, height int) {
	if now := (ruleLaid{width, height, s.listed}); s.laid != now {
		s.laid, s.ownerShown, s.itsAddress = now, true, false
		s.measured()
	}
}
