package ui

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// groupList shows flows added up: by client, service, rule, translation or port.
type groupList struct {
	screen    *flowsScreen
	by        flow.GroupBy
	order     flow.GroupOrder
	groups    []flow.Group
	total     int        // groups there are
	sum       flow.Group // of all of them
	cursor    table.Cursor[flow.GroupKey]
	height    int
	running   bool
	again     bool
	nameWidth int           // what names have needed so far
	talkers   *flow.Talkers // used by a load that runs
	talkersOf string        // the grouping and filter that they are of; another begins anew
	covers    float64       // how many seconds back the rate of a minute looks by now
	rested    time.Time     // when live data may be added up again
	skipped   bool          // there was news before that
}

type groupedMsg struct {
	by    flow.GroupBy
	found flow.Grouping
	span  float64
	err   error
	cost  time.Duration
}

// groupPace is the shortest time between two additions of live data.
const groupPace = 500 * time.Millisecond

// groupLimit is how many groups are listed, the largest ones.
const groupLimit = 500

var groupings = []flow.GroupBy{flow.GroupByClient, flow.GroupByService, flow.GroupByRule, flow.GroupByTranslation, flow.GroupByPort}

// next goes through the groupings and back to single flows.
func (l *groupList) next() tea.Cmd {
	s := l.screen
	if s.mode != groupMode {
		s.show(groupMode)
		l.by, l.groups, l.nameWidth = groupings[0], nil, 0
		return l.load()
	}
	for i, g := range groupings {
		if g == l.by {
			if i+1 == len(groupings) {
				s.show(listMode)
				return s.reload()
			}
			l.by, l.groups, l.nameWidth = groupings[i+1], nil, 0
			break
		}
	}
	return l.load()
}

func (l *groupList) nextOrder() tea.Cmd {
	l.order = (l.order + 1) % (flow.GroupsByMinute + 1)
	return l.load()
}

// live adds up again, at a small share of one core.
func (l *groupList) live() tea.Cmd {
	if l.screen.now.Before(l.rested) {
		l.skipped = true
		return nil
	}
	return l.load()
}

// late adds up what was skipped, once that may be; and goes on until nothing has been moved for a minute, which nobody tells.
func (l *groupList) late() tea.Cmd {
	if !l.skipped && l.sum.Minute == 0 && l.sum.ByteRate == 0 {
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
	t, q, by, order, now := l.screen.gw.Flows.Table(), l.screen.flowQuery(), l.by, l.order, l.screen.now.UnixNano()
	feed := l.screen.gw.Flows.Feed()
	if of := by.String() + " " + q.String(); of != l.talkersOf {
		l.talkers, l.talkersOf = &flow.Talkers{}, of
	}
	talkers := l.talkers
	return func() tea.Msg {
		start := time.Now()
		found, err := talkers.Group(l.screen.ctx, t, q.Condition(), by, order, groupLimit, now, &feed)
		return groupedMsg{by, found, talkers.Span(), err, time.Since(start)}
	}
}

func (l *groupList) grouped(msg groupedMsg) tea.Cmd {
	l.running = false
	l.rested = l.screen.now.Add(max(groupPace, min(paceOfCost*msg.cost, slowestPace)))
	if msg.err == nil && msg.by == l.by {
		l.covers = msg.span
		l.groups, l.total, l.sum = msg.found.Groups, msg.found.Of, msg.found.Sum
		l.cursor.Follow(len(l.groups), l.key)
	}
	if l.again {
		l.again = false
		return l.load()
	}
	return nil
}

func (l *groupList) key(i int) flow.GroupKey { return l.groups[i].Key }

func (l *groupList) move(by int) {
	n := len(l.groups)
	l.cursor.Go(max(0, min(l.cursor.Index()+by, n-1)), n, l.key)
}

func (l *groupList) settle(height int) {
	l.height = height
	l.cursor.Settle(len(l.groups), height)
	if l.screen.mode != groupMode {
		return
	}
	l.nameWidth = max(l.nameWidth, len("by translation"))
	from, to := l.cursor.Window(len(l.groups), height)
	for i := from; i < to; i++ {
		l.nameWidth = max(l.nameWidth, text.Width(l.screen.groupName(&l.groups[i].Key)))
	}
}

// open shows the flows of the group under the cursor.
func (l *groupList) open() tea.Cmd {
	if len(l.groups) == 0 {
		return nil
	}
	g := l.groups[min(l.cursor.Index(), len(l.groups)-1)]
	s := l.screen
	s.filter.input.SetValue(s.groupLine(&g))
	s.show(listMode)
	return s.filterChanged()
}

// groupLine is the filter line of a group's flows: that of the list, and what they have in common.
func (s *flowsScreen) groupLine(g *flow.Group) string {
	line := g.Key.FilterLine(s.ruleWord)
	if old := s.filter.text(); old != "" {
		line = "(" + old + ") " + line
	}
	return line
}

// current is the group under the cursor.
func (l *groupList) current() (*flow.Group, bool) {
	if i := l.cursor.Index(); i < len(l.groups) {
		return &l.groups[i], true
	}
	return nil, false
}

// groupName names a group: that of a rule by the rule, that of a translation as the list draws it.
func (s *flowsScreen) groupName(k *flow.GroupKey) string {
	switch {
	case k.By == flow.GroupByRule && s.gw.Flows.RuleName(k.Rule) == "none":
		return "no rule"
	case k.By == flow.GroupByRule:
		return s.gw.Flows.RuleName(k.Rule)
	case k.By == flow.GroupByClient:
		if name, ok := s.names.name(k.Client()); ok {
			return name
		}
	case k.By == flow.GroupByTranslation && k.NAT != flow.NATNone:
		end := func(e netip.AddrPort) string {
			if k.Proto.HasPorts() {
				return e.String()
			}
			return e.Addr().String()
		}
		out := k.Proto.String()
		if k.NAT&flow.NATDst != 0 {
			out += " " + end(k.AskedFor()) + " " + s.look.Glyphs.Becomes + " " + end(k.ServedBy())
		}
		if k.NAT&flow.NATSrc != 0 {
			out += " " + s.look.Glyphs.Outof + " " + k.SeenAs().String()
		}
		return out
	}
	return k.String()
}

// groupStyle is the colour of a group's name: that of its translation.
func (s *flowsScreen) groupStyle(k *flow.GroupKey) theme.Style {
	switch {
	case k.By != flow.GroupByTranslation:
		return s.look.Text
	case k.NAT == flow.NATNone:
		return s.look.Faint
	case k.NAT == flow.NATSrc:
		return s.look.SNAT
	case s.isLocal(k.ServedBy().Addr()):
		return s.look.Redirect
	}
	return s.look.DNAT
}

// ruleWord names rules as the filter understands them; where two made a flow together, the second
// is a condition of its own.
func (s *flowsScreen) ruleWord(number uint32) string {
	name, ambiguous := strings.CutPrefix(s.gw.Flows.RuleName(number), "ambiguous")
	name, older := strings.CutSuffix(name, explain.OlderLabel)
	var words []string
	if ambiguous {
		words = append(words, "ambiguous")
	}
	if older {
		words = append(words, "older")
	}
	for _, rule := range strings.Split(name, " + ") {
		if rule = strings.TrimSpace(rule); rule != "" {
			words = append(words, strings.ReplaceAll(rule, " ", "/"))
		}
	}
	return strings.Join(words, " rule ")
}

// The columns of the groups.
const (
	groupColName = iota
	groupColFlows
	groupColShare
	groupColPackets
	groupColBytes
	groupColRate
	groupColMinute
)

// groupColumn is the column of each order.
var groupColumn = [...]int{
	flow.GroupsByFlows: groupColFlows, flow.GroupsByBytes: groupColBytes, flow.GroupsByPackets: groupColPackets, flow.GroupsByRate: groupColRate, flow.GroupsByMinute: groupColMinute,
}

// shareWidth is how wide the bar of a share is.
const shareWidth = 10

func (l *groupList) columns(width int) []table.Column {
	name := min(l.nameWidth, width-18) // what tells groups apart has the room of further numbers
	cols := []table.Column{
		groupColName:    {Title: "by " + l.by.String(), Min: 16, Want: name},
		groupColFlows:   {Title: "conns", Min: 6, Want: 7, Right: true},
		groupColShare:   {Title: "share", Min: shareWidth, Want: shareWidth, Order: 3},
		groupColPackets: {Title: "packets", Min: 7, Want: 8, Right: true, Order: 5},
		groupColBytes:   {Title: "bytes", Min: 6, Want: 7, Right: true, Order: 2},
		groupColRate:    {Title: "B/s", Min: 6, Want: 7, Right: true, Order: 4},
		groupColMinute:  {Title: l.minuteTitle(), Min: 9, Want: 9, Right: true, Order: 6},
	}
	if width < tinyWidth {
		cols[groupColName].Want = min(l.nameWidth, width-9)
		cols[groupColFlows].Order = 2
	}
	sorted := &cols[groupColumn[l.order]]
	sorted.Title += l.screen.look.Glyphs.Down
	sorted.Min = max(sorted.Min, text.Width(sorted.Title))
	sorted.Order = min(sorted.Order, 1)
	return cols
}

// minuteTitle says of what the rate of the last minute is, and how much of a minute is known by now.
func (l *groupList) minuteTitle() string {
	if l.covers < 59.5 {
		return fmt.Sprintf("B/s, %.0f s", l.covers)
	}
	return "B/s, 1min"
}

func (l *groupList) view(width int) []string {
	s := l.screen
	cols := l.columns(width - 3)
	widths := table.Widths(cols, width-3)
	lines := []string{"   " + table.Head(cols, widths, s.look.Faint)}
	if len(l.groups) == 0 {
		return append(lines, s.emptyLines(s.emptyNote(), width)...)
	}
	from, to := l.cursor.Window(len(l.groups), l.height)
	for i := from; i < to; i++ {
		on := i == l.cursor.Index()
		var over *theme.Style
		if on {
			over = &s.look.Cursor
		}
		lines = append(lines, s.bar(on)+table.Line(cols, widths, l.cells(&l.groups[i]), over))
	}
	if l.total > len(l.groups) && len(lines) <= l.height {
		lines = append(lines, "   "+s.look.Faint.Render(fmt.Sprintf("and %s more", text.Exact(uint64(l.total-len(l.groups))))))
	}
	return lines
}

func (l *groupList) cells(g *flow.Group) []table.Cell {
	s := l.screen
	none := table.Cell{Text: s.look.Glyphs.None, Style: s.look.Faint}
	name := text.Safe(s.groupName(&g.Key))
	cells := []table.Cell{{Text: name, Style: s.groupStyle(&g.Key)}, {Text: text.AtLeast(text.Exact(uint64(g.Flows)), s.unasked()), Style: s.look.Strong}, none, none, none, none, none}
	full := int(shareWidth*g.Share(&l.sum, l.order) + 0.5)
	cells[groupColShare] = table.Cell{Text: strings.Repeat("━", full), Style: s.look.Accent}
	if g.Counted > 0 {
		cells[groupColPackets] = table.Cell{Text: text.AtLeast(text.Count(g.Packets), g.Counted < g.Flows), Style: s.look.Text}
		cells[groupColBytes] = table.Cell{Text: text.AtLeast(text.Count(g.Bytes), g.Counted < g.Flows), Style: s.look.Text}
	}
	if g.RateKnown() {
		cells[groupColRate] = table.Cell{Text: text.AtLeast(text.Rate(g.ByteRate), g.Least), Style: s.look.Text}
	}
	if g.MinuteKnown() {
		cells[groupColMinute] = table.Cell{Text: text.AtLeast(text.Count(uint64(g.Minute+0.5)), g.Least), Style: s.look.Text}
	}
	return cells
}

// sums are the totals of all groups.
func (l *groupList) sums() string {
	if len(l.groups) == 0 {
		return ""
	}
	return rules.Plural(l.total, "group") + l.screen.dot() + l.screen.totals(&l.sum, false)
}

// unasked tells that what is shown goes by rules, and that connections are still asked about those of today.
func (s *flowsScreen) unasked() bool {
	if byRule, _ := s.gw.Flows.RuleFlows(); byRule != nil {
		return false
	}
	return s.query.NeedsRules() || s.mode == groupMode && s.groups.by == flow.GroupByRule
}

// totals are the sums over flows in words. Bytes are behind where packets have passed since most of them were counted.
func (s *flowsScreen) totals(g *flow.Group, behind bool) string {
	out := text.AtLeast(rules.Plural(g.Flows, "connection"), s.unasked())
	if g.Bytes > 0 {
		out += s.dot() + text.AtLeast(text.Bytes(g.Bytes), behind || g.Counted < g.Flows)
	}
	if g.ByteRate > 0 {
		out += s.dot() + text.AtLeast(text.Rate(g.ByteRate), g.Least) + " B/s"
	}
	return out
}

// dot stands between the parts of a line.
func (s *flowsScreen) dot() string { return " " + s.look.Glyphs.Dot + " " }

// shares say how large a part of all a group is.
func (l *groupList) shares(g *flow.Group) string {
	of := func(order flow.GroupOrder, what string) string {
		return fmt.Sprintf("%.0f %% of %s", 100*g.Share(&l.sum, order), what)
	}
	parts := []string{of(flow.GroupsByFlows, "connections")}
	if g.Counted > 0 {
		parts = append(parts, of(flow.GroupsByPackets, "packets"), of(flow.GroupsByBytes, "bytes"))
	}
	if l.sum.ByteRate > 0 {
		parts = append(parts, of(flow.GroupsByRate, "rate"))
	}
	return strings.Join(parts, l.screen.dot())
}
