package ui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/model"
	"nattui/ui/table"
	"nattui/ui/text"
)

// groupList shows flows added up: by client, service, rule, translation or port.
type groupList struct {
	screen  *flowsScreen
	by      model.GroupBy
	order   model.GroupOrder
	groups  []model.Group
	total   int
	cursor  table.Cursor[model.GroupKey]
	height  int
	running bool
	again   bool
	rested  time.Time // when live data may be added up again
	skipped bool      // there was news before that
}

type groupedMsg struct {
	by     model.GroupBy
	groups []model.Group
	total  int
	err    error
	cost   time.Duration
}

// groupPace is the shortest time between two additions of live data.
const groupPace = 500 * time.Millisecond

// groupLimit is how many groups are listed, the largest ones.
const groupLimit = 500

var groupings = []model.GroupBy{model.GroupByClient, model.GroupByService, model.GroupByRule, model.GroupByTranslation, model.GroupByPort}

// next goes through the groupings and back to single flows.
func (l *groupList) next() tea.Cmd {
	s := l.screen
	if s.mode != groupMode {
		s.mode, l.by = groupMode, groupings[0]
		l.groups = nil
		return l.load()
	}
	for i, g := range groupings {
		if g == l.by {
			if i+1 == len(groupings) {
				s.mode = listMode
				return s.reload()
			}
			l.by, l.groups = groupings[i+1], nil
			break
		}
	}
	return l.load()
}

func (l *groupList) nextOrder() tea.Cmd {
	l.order = (l.order + 1) % (model.GroupsByRate + 1)
	return l.load()
}

// live adds up anew, at a small share of one core.
func (l *groupList) live() tea.Cmd {
	if l.screen.now.Before(l.rested) {
		l.skipped = true
		return nil
	}
	return l.load()
}

// late adds up what was skipped, once that may be.
func (l *groupList) late() tea.Cmd {
	if !l.skipped {
		return nil
	}
	return l.live()
}

func (l *groupList) load() tea.Cmd {
	if l.running {
		l.again = true
		return nil
	}
	l.running, l.skipped = true, false
	t, q, by, order, now := l.screen.gw.Flows.Table(), l.screen.query, l.by, l.order, l.screen.now.UnixNano()
	return func() tea.Msg {
		start := time.Now()
		groups, total, err := t.Groups(context.Background(), q, by, order, groupLimit, now)
		return groupedMsg{by, groups, total, err, time.Since(start)}
	}
}

func (l *groupList) grouped(msg groupedMsg) tea.Cmd {
	l.running = false
	l.rested = l.screen.now.Add(max(groupPace, min(paceOfCost*msg.cost, slowestPace)))
	if msg.err == nil && msg.by == l.by {
		l.groups, l.total = msg.groups, msg.total
		l.cursor.Follow(len(l.groups), l.key)
	}
	if l.again {
		l.again = false
		return l.load()
	}
	return nil
}

func (l *groupList) key(i int) model.GroupKey { return l.groups[i].Key }

func (l *groupList) move(by int) {
	n := len(l.groups)
	l.cursor.Go(max(0, min(l.cursor.Index()+by, n-1)), n, l.key)
}

func (l *groupList) settle(height int) {
	l.height = height
	l.cursor.Settle(len(l.groups), height)
}

// open shows the flows of the group under the cursor.
func (l *groupList) open() tea.Cmd {
	if len(l.groups) == 0 {
		return nil
	}
	g := l.groups[min(l.cursor.Index(), len(l.groups)-1)]
	s := l.screen
	line := g.Key.Query(s.ruleWord)
	if old := s.filter.text(); old != "" {
		line = "(" + old + ") " + line
	}
	s.filter.input.SetValue(line)
	s.mode = listMode
	return s.filterChanged()
}

// groupName names a group; that of a rule by the rule.
func (s *flowsScreen) groupName(k *model.GroupKey) string {
	if k.By == model.GroupByRule {
		return s.gw.Flows.RuleName(k.Rule)
	}
	return k.String()
}

// ruleWord names a rule as the filter understands it.
func (s *flowsScreen) ruleWord(number uint32) string {
	name := s.gw.Flows.RuleName(number)
	first, _, _ := strings.Cut(name, " + ")
	return strings.ReplaceAll(first, " ", "/")
}

func (l *groupList) view(width int) []string {
	s := l.screen
	titles := [...]string{model.GroupsByFlows: "flows", model.GroupsByBytes: "bytes", model.GroupsByPackets: "packets", model.GroupsByRate: "B/s"}
	cols := []table.Column{
		{Title: "by " + l.by.String(), Min: 16, Want: 40, Grow: 1},
		{Title: titles[model.GroupsByFlows], Min: 6, Want: 8, Right: true},
		{Title: titles[model.GroupsByPackets], Min: 8, Want: 9, Right: true, Order: 2},
		{Title: titles[model.GroupsByBytes], Min: 7, Want: 9, Right: true, Order: 1},
		{Title: titles[model.GroupsByRate], Min: 6, Want: 7, Right: true, Order: 3},
	}
	column := map[model.GroupOrder]int{model.GroupsByFlows: 1, model.GroupsByPackets: 2, model.GroupsByBytes: 3, model.GroupsByRate: 4}[l.order]
	cols[column].Title += s.look.Glyphs.Down
	widths := table.Widths(cols, width-3)
	lines := []string{"   " + table.Head(cols, widths, s.look.Faint)}
	if len(l.groups) == 0 {
		return append(lines, "   "+s.look.Faint.Render(text.Fit(s.emptyNote(), width-4)))
	}
	from, to := l.cursor.Window(len(l.groups), l.height)
	for i := from; i < to; i++ {
		g := &l.groups[i]
		on := i == l.cursor.Index()
		var over *lipgloss.Style
		if on {
			over = &s.look.Cursor
		}
		none := table.Cell{Text: s.look.Glyphs.None, Style: s.look.Faint}
		cells := []table.Cell{{Text: text.Safe(s.groupName(&g.Key)), Style: s.look.Text}, {Text: text.Exact(uint64(g.Flows)), Style: s.look.Strong}, none, none, none}
		if g.Counted > 0 {
			cells[2] = table.Cell{Text: text.Count(g.Packets), Style: s.look.Text}
			cells[3] = table.Cell{Text: text.Count(g.Bytes), Style: s.look.Text}
			cells[4] = table.Cell{Text: text.Rate(g.ByteRate), Style: s.look.Text}
		}
		lines = append(lines, s.bar(on)+table.Line(cols, widths, cells, over))
	}
	if l.total > len(l.groups) && len(lines) <= l.height {
		lines = append(lines, "   "+s.look.Faint.Render(fmt.Sprintf("and %s more", text.Exact(uint64(l.total-len(l.groups))))))
	}
	return lines
}
