package ui

import tea "charm.land/bubbletea/v2"

// Click puts the cursor on a row, or shows all about the one that it is on.
func (s *rulesScreen) Click(x, y int) tea.Cmd {
	i, row := s.rowAt(x, y)
	if s.filter.open || row < 0 {
		return nil
	}
	p := s.panes[i]
	switch {
	case p.items[row].head:
	case i == s.active && row == p.cursor.Index():
		cmd, _ := s.Actions().press(keyOf("enter"))
		return cmd
	default:
		s.active = i
		p.cursor.Go(row, len(p.items), p.key)
	}
	return nil
}

// rowAt is the row at a place of the screen, and the pane that it is in; -1 where there is none.
func (s *rulesScreen) rowAt(x, y int) (in, row int) {
	list := s.desk.width - s.sideCells
	if x >= list {
		return 0, -1
	}
	first := 0 // the line on which a pane begins
	for i, p := range s.panes {
		if s.wide {
			if left := s.paneWidth(list); i == 0 && x >= left {
				continue
			}
		} else if i > 0 && (!s.dense || s.forwardLine(list) != "") {
			first++
		}
		titles := 2
		if i > 0 && s.dense {
			titles = 1
		}
		from, to := p.cursor.Window(len(p.items), p.height)
		if at := from + y - first - titles; y >= first+titles && at < to {
			return i, at
		}
		if s.wide {
			break
		}
		first += titles + to - from
	}
	return 0, -1
}
