package ui

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/model/traced"
	"nattui/rules"
	"nattui/ui/text"
)

// flowsScreen shows every translation live: a window of the sorted and filtered
// table, the groups of it, or the events as they happen. What it shows is
// computed beside Update, so that keys act at once however large the table is.
type flowsScreen struct {
	*desk
	mode    flowsMode
	query   filter.Query
	sort    flow.Sort
	chosen  bool // the operator chose the order
	filter  lineInput
	list    flowList
	groups  groupList
	events  eventList
	view    flowView // the flow looked at closely
	sideOff bool     // no flow beside the list, although there is room
	names   nameBook

	paused   bool
	pausedAt time.Time
	waiting  flow.Feed // how the feed was when the screen was paused

	aside     setAside // the filter of the events while flows are shown, and the other way round
	completed completed
	wrongWord filter.Error // where the filter line is not understood
	health    facts.Health
	looks     []facts.Health // earlier ones, oldest first
	shown     bool           // the screen was looked at
	ticking   bool
	version   uint64    // of the table when it was last looked at
	still     int       // how often it has been the same one after the other
	lazily    time.Time // when the list was last drawn although little could be seen of a second more
}

// flowsMode is what the screen shows.
type flowsMode uint8

const (
	listMode flowsMode = iota
	groupMode
	eventMode
)

func newFlowsScreen(d *desk) *flowsScreen {
	s := &flowsScreen{desk: d, sort: flow.Sort{By: flow.ColumnAge}}
	s.filter = newLineInput(d, "/", "dport 80 nat dnat state established rate>1M not src 10.0.0.5")
	s.aside.filter = newLineInput(d, "/", "event new dport 80 not src 10.0.0.5")
	s.list.screen, s.groups.screen, s.events.screen, s.view.screen = s, s, s, s
	if d.gw.Flows != nil {
		s.list.selector = flow.NewSelector(d.gw.Flows.Table())
	}
	return s
}

// secondMsg comes once a second while the screen is looked at: visible counters
// and the table's health are asked for.
type secondMsg struct{}

// Shows tells whether news may be seen on the screen: live flows are drawn once a selection of them
// has come, not as well when it is asked for.
func (s *flowsScreen) Shows(msg tea.Msg) bool {
	switch msg.(type) {
	case flowsMsg, dueMsg:
		return !s.expecting()
	case secondMsg:
		return s.ticks()
	}
	return true
}

// expecting tells that flows are being selected for the screen, or will be soon.
func (s *flowsScreen) expecting() bool {
	return s.mode == listMode && !s.paused && (s.list.running || s.list.due)
}

// Receive takes news.
func (s *flowsScreen) Receive(msg tea.Msg) tea.Cmd {
	if s.gw.Flows == nil {
		return nil
	}
	switch msg := msg.(type) {
	case shownMsg:
		s.shown = true
		s.second()
		return tea.Batch(s.reload(), s.tick())
	case flowsMsg:
		if s.looked() && !s.paused {
			return s.live()
		}
	case dueMsg:
		s.list.due = false
		if s.looked() && !s.paused && s.mode == listMode {
			return s.list.load()
		}
	case secondMsg:
		s.ticking = false
		if !s.looked() {
			return nil
		}
		s.second()
		cmds := []tea.Cmd{s.tick(), s.names.ask(s.ctx, s.gw.Name, s.inSight())}
		if !s.paused && s.mode == groupMode {
			cmds = append(cmds, s.groups.late())
		}
		if !s.paused && (s.split() || s.detailsOpen()) {
			cmds = append(cmds, s.view.ask())
		}
		return tea.Batch(cmds...)
	case nameMsg:
		s.names.answer(msg)
		return s.names.ask(s.ctx, s.gw.Name, s.inSight())
	case selectedMsg:
		return s.list.selected(msg)
	case groupedMsg:
		return s.groups.grouped(msg)
	case detailsMsg:
		return s.view.answered(msg)
	case forgottenMsg, forgetAllMsg:
		return s.answered(msg)
	}
	return nil
}

// looked tells whether this is the active screen.
func (s *flowsScreen) looked() bool { return s.shown }

// Hidden tells the screen that another one is active now.
func (s *flowsScreen) Hidden() {
	s.shown = false
	if s.gw.Flows != nil {
		s.gw.Flows.KeepFresh(false)
	}
}

func (s *flowsScreen) tick() tea.Cmd {
	if s.ticking {
		return nil
	}
	s.ticking = true
	pace := time.Second
	if s.still >= stillAfter && !s.young() {
		pace = stillTick
	}
	return tea.Tick(pace, func(time.Time) tea.Msg { return secondMsg{} })
}

// healthSpan is the time over which the growth of the table is taken.
const healthSpan = 12 * time.Second

// earlier is how the table was some seconds ago.
func (s *flowsScreen) earlier() *facts.Health {
	if len(s.looks) == 0 {
		return &facts.Health{}
	}
	return &s.looks[0]
}

// second refreshes what changes without an event.
func (s *flowsScreen) second() {
	h := s.gw.Flows.Health()
	if h.At != s.health.At {
		if s.health.At != 0 {
			s.looks = append(s.looks, s.health)
		}
		for len(s.looks) > 1 && time.Duration(h.At-s.looks[1].At) >= healthSpan {
			s.looks = s.looks[1:]
		}
	}
	before := s.health
	before.At = h.At
	if h != before {
		s.lazily = time.Time{}
	}
	s.health = h
	if v := s.gw.Flows.Table().Version(); v == s.version {
		s.still++
	} else {
		s.version, s.still = v, 0
	}
	if !s.chosen && h.Accounting == facts.SettingOn && s.sort.By == flow.ColumnAge {
		s.sort = flow.Sort{By: flow.ColumnRate, Descending: true}
	}
	s.gw.Flows.KeepFresh(s.wantsCounters())
	if visible := s.list.visible(); s.mode == listMode && !s.paused && len(visible) > 0 {
		s.gw.Flows.Refresh(visible)
	}
}

// Where nothing has moved for stillAfter seconds and all that is shown counts in minutes, the
// counters in sight are asked for every stillTick only, and the list is drawn every lazyTick.
const (
	stillAfter = 10
	stillTick  = 3 * time.Second
	lazyTick   = 15 * time.Second
)

// ticks tells whether a second more can be seen although nothing has happened: by a young flow's age or a timeout
// that is nearly over. A quiet screen of old flows neither wakes the terminal nor costs much.
func (s *flowsScreen) ticks() bool {
	if s.mode != listMode || s.split() || s.detailsOpen() || s.now.Sub(s.lazily) >= lazyTick {
		s.lazily = s.now
		return true
	}
	return s.young()
}

// young tells whether the list shows a time in seconds.
func (s *flowsScreen) young() bool {
	for i := s.list.top; i < s.list.top+s.list.height; i++ {
		r, ok := s.list.row(i)
		if !ok {
			continue
		}
		now := s.now.UnixNano()
		if left := time.Duration(r.Flow.Remaining(now)) * time.Second; r.Flow.Age(now) <= 2*time.Minute || left > 0 && left <= 2*time.Minute {
			return true
		}
	}
	return false
}

// wantsCounters tells whether the counters of all flows are wanted, not just of those in sight.
func (s *flowsScreen) wantsCounters() bool {
	switch s.mode {
	case eventMode:
		return false
	case groupMode:
		return true
	}
	return s.sort.By == flow.ColumnRate || s.sort.By == flow.ColumnBytes || s.sort.By == flow.ColumnPackets
}

// reload computes what is shown anew, unless that is under way.
func (s *flowsScreen) reload() tea.Cmd {
	switch s.mode {
	case groupMode:
		return s.groups.load()
	case eventMode:
		s.events.load()
		return nil
	}
	return s.list.load()
}

// live takes what has changed, at the pace of the list.
func (s *flowsScreen) live() tea.Cmd {
	switch s.mode {
	case listMode:
		return s.list.live()
	case groupMode:
		return s.groups.live()
	}
	return s.reload()
}

// Typing tells that the filter line is open.
func (s *flowsScreen) Typing() bool { return s.filter.open }

// Paused tells that the screen stands still while the table goes on.
func (s *flowsScreen) Paused() bool { return s.paused }

// Paste goes to the filter line.
func (s *flowsScreen) Paste(t string) tea.Cmd {
	if !s.filter.open {
		return nil
	}
	s.filter.paste(t)
	return s.filterChanged()
}

// Wheel moves the cursor.
func (s *flowsScreen) Wheel(by int) { s.cursorBy(by) }

// Back leaves groups and events, then the filter.
func (s *flowsScreen) Back() bool {
	switch {
	case s.filter.text() != "":
		s.filter.clear()
		s.filterBy(filter.Query{})
	case s.mode != listMode:
		s.show(listMode)
	default:
		return false
	}
	return true
}

// filterChanged takes the filter line if it is understood; else the last good
// filter stays in force and the line says where it stopped making sense.
func (s *flowsScreen) filterChanged() tea.Cmd {
	line := s.filter.text()
	if s.filter.open {
		line = line[:filter.Unfinished(line)]
	}
	q, err := filter.Parse(line, s.findRule())
	if err == nil && s.mode != eventMode {
		err = q.OfFlows()
	}
	s.filter.wrong = ""
	var bad *filter.Error
	switch {
	case errors.As(err, &bad):
		s.filter.wrong, s.wrongWord = bad.Error(), *bad
		return nil
	case err != nil:
		s.filter.wrong = err.Error()
		return nil
	}
	s.filterBy(q)
	return s.reload()
}

// filterBy takes another filter; the list is selected anew when it is settled.
func (s *flowsScreen) filterBy(q filter.Query) {
	s.query = q
	if s.mode == eventMode {
		s.gw.Flows.Log().SetFilter(q.Condition(), s.now.UnixNano())
		return
	}
	s.list.reset()
}

func (s *flowsScreen) findRule() filter.RuleFinder {
	if s.gw.Flows == nil {
		return nil
	}
	return s.gw.Flows.FindRule
}

// Line is the filter line.
func (s *flowsScreen) Line(width int) (string, bool) {
	if !s.filter.open && s.filter.text() == "" {
		return "", false
	}
	line := s.filter
	if t := line.text(); line.open && line.wrong != "" {
		line.wrong = "not understood" // the lines above say why
		if !s.pointing(t, s.completions(t)) {
			line.wrong = "" // or how it may go on
		}
	}
	return line.view(width, s.count())
}

func (s *flowsScreen) count() string {
	switch s.mode {
	case eventMode:
		return rules.Plural(s.events.matched, "event")
	case groupMode:
		return rules.Plural(s.groups.total, "group")
	}
	return fmt.Sprintf("%s of %s", text.Exact(uint64(s.list.total)), rules.Plural(s.list.of, "flow"))
}

// Type types in the filter line.
func (s *flowsScreen) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if !s.filter.open {
		return nil, false
	}
	if s.filter.key(k) || !s.filter.open {
		return s.filterChanged(), true
	}
	return nil, true
}

// Actions are the keys of what is shown, or of the filter line while that is open.
func (s *flowsScreen) Actions() keyTable {
	switch {
	case s.gw.Flows == nil:
		return nil
	case s.filter.open:
		return s.filterKeys()
	}
	return s.flowKeys()
}

func (s *flowsScreen) filterKeys() keyTable {
	return keyTable{
		on(bind("tab", "complete", "tab"), func() tea.Cmd { return s.complete(1) }),
		on(silent("shift+tab"), func() tea.Cmd { return s.complete(-1) }),
	}.and(s.filter.actions())
}

// flowKeys are the keys of lists, groups and events.
func (s *flowsScreen) flowKeys() keyTable {
	can := func() bool { return !s.gw.ReadOnly }
	in := func(modes ...flowsMode) func() bool { return func() bool { return slices.Contains(modes, s.mode) } }
	onFlow := func() bool { _, ok := s.current(); return ok }
	either := func(is func() bool, no, yes action) keyTable {
		return keyTable{no.when(func() bool { return !is() }), yes.when(is)}
	}
	paused := func() bool { return s.paused }
	named := func(on bool) func() bool { return func() bool { return s.gw.Name != nil && s.names.on == on } }
	return keyTable{
		act(keys.Filter, s.filter.start),
		on(keys.Sort, s.nextSort).when(in(listMode, groupMode)),
		on(keys.Reverse, func() tea.Cmd { return s.sortBy(s.sort.By, !s.sort.Descending) }).when(in(listMode)),
		on(keys.Group, s.groups.next),
	}.and(
		either(paused, on(keys.Pause, s.pause), on(bind("space", "go on", "space"), s.pause)),
		either(in(eventMode), on(keys.Events, s.toggleEvents), on(bind("e", "flows", "e"), s.toggleEvents)),
		keyTable{
			on(keys.Details, s.details).when(func() bool { return s.mode == groupMode || onFlow() }),
			act(keys.WhatIf, s.openWhatIf),
			elsewhere(keyTrace),
			on(keys.Names, s.toggleNames).when(named(false)),
			on(bind("n", "addresses", "n"), s.toggleNames).when(named(true)),
			act(keys.Health, func() { s.open(&flowHealth{desk: s.desk, screen: s}) }),
			act(keys.Forget, s.askForget).when(func() bool { return can() && onFlow() }),
			on(keys.ForgetAll, s.askForgetAll).when(func() bool { return can() && s.mode == listMode && !s.query.IsZero() }).otherwise(s.sayNoFilter),
			act(keys.Switches, s.askSwitches).when(func() bool { return can() && s.switchable() }).otherwise(s.saySwitchedOn),
		},
		moving(func() int { return s.list.height }, s.cursorBy),
		keyTable{on(hidden(keys.Close), func() tea.Cmd { s.Back(); return s.reload() })},
	)
}

// TraceFilter is the flow under the cursor.
func (s *flowsScreen) TraceFilter() string {
	f, ok := s.current()
	if !ok {
		return ""
	}
	t := traced.TraceOfFlow(&f)
	return t.String()
}

// openWhatIf asks what would become of the first packet of the flow under the cursor.
func (s *flowsScreen) openWhatIf() {
	line := ""
	if f, ok := s.current(); ok {
		line = packetOfFlow(&f)
	}
	s.open(newWhatIf(s.desk, line))
}

// toggleEvents shows the events in place of the flows, and the other way round.
func (s *flowsScreen) toggleEvents() tea.Cmd {
	s.toggle(eventMode)
	return s.reload()
}

func (s *flowsScreen) toggle(m flowsMode) {
	if s.mode == m {
		m = listMode
	}
	s.show(m)
}

func (s *flowsScreen) pause() tea.Cmd {
	s.paused = !s.paused
	if s.paused {
		s.waiting, s.pausedAt = s.gw.Flows.Feed(), s.now
		s.events.freeze()
		return s.list.freeze()
	}
	s.events.thaw()
	s.list.frozen = false
	return s.reload()
}

func (s *flowsScreen) cursorBy(by int) tea.Cmd {
	switch s.mode {
	case groupMode:
		s.groups.move(by)
		return nil
	case eventMode:
		s.events.move(by)
		return nil
	}
	return s.list.move(by)
}

// sortColumns are the columns that s goes through.
var sortColumns = []flow.Column{
	flow.ColumnRate, flow.ColumnAge, flow.ColumnBytes, flow.ColumnPackets, flow.ColumnClient, flow.ColumnAskedFor,
	flow.ColumnServedBy, flow.ColumnSeenAs, flow.ColumnState, flow.ColumnTimeout, flow.ColumnProto, flow.ColumnNAT, flow.ColumnRule, flow.ColumnMark, flow.ColumnZone,
}

func (s *flowsScreen) nextSort() tea.Cmd {
	s.chosen = true
	if s.mode == groupMode {
		return s.groups.nextOrder()
	}
	next := sortColumns[0]
	for i, c := range sortColumns {
		if c == s.sort.By {
			next = sortColumns[(i+1)%len(sortColumns)]
		}
	}
	if s.listWidth() < 60 { // there may be no room for the column with the sign
		s.say("sorted by " + next.String())
	}
	return s.sortBy(next, largestFirst(next))
}

// largestFirst tells how a column is sorted that one has just turned to.
func largestFirst(c flow.Column) bool {
	return c == flow.ColumnRate || c == flow.ColumnBytes || c == flow.ColumnPackets
}

// sortBy takes another order, from the top on.
func (s *flowsScreen) sortBy(c flow.Column, descending bool) tea.Cmd {
	s.chosen, s.sort = true, flow.Sort{By: c, Descending: descending}
	s.list.reset()
	return s.reload()
}

// current is the flow under the cursor.
func (s *flowsScreen) current() (flow.Flow, bool) {
	switch s.mode {
	case listMode:
		return s.list.current()
	case eventMode:
		return s.events.current()
	}
	return flow.Flow{}, false
}

// Settle fits the lists to the size.
func (s *flowsScreen) Settle(_, height int) tea.Cmd {
	rows := height - 1 - s.footHeight(height)
	s.groups.settle(rows)
	s.events.settle(rows)
	cmd := s.list.settle(rows)
	if f, ok := s.current(); ok && s.split() && f.Key() != s.view.key {
		cmd = tea.Batch(cmd, s.view.look(f))
	}
	return cmd
}

// split tells that the flow under the cursor is shown beside the list.
func (s *flowsScreen) split() bool {
	return s.gw.Flows != nil && s.width >= splitWidth && s.height >= splitHeight && s.mode != groupMode && !s.sideOff
}

// listWidth is how wide the list is.
func (s *flowsScreen) listWidth() int {
	if s.split() {
		return s.width - sideWidth
	}
	return s.width
}

// detailsOpen tells that a flow is shown in a box.
func (s *flowsScreen) detailsOpen() bool {
	for _, d := range s.dialogs {
		if _, ok := d.(*flowDetails); ok {
			return true
		}
	}
	return false
}

// footHeight is how many lines there are beneath the list: on a low terminal none, unless a filter is
// typed, for which they are help.
func (s *flowsScreen) footHeight(height int) int {
	if height < 12 && !s.filter.open || height < 7 {
		return 0
	}
	return 4
}

// View draws what is looked at and, beneath it, the flow under the cursor.
func (s *flowsScreen) View(width, height int) []string {
	if s.gw.Flows == nil {
		return []string{"   " + s.look.Faint.Render("flows cannot be followed here")}
	}
	whole := width
	width = min(width, s.listWidth())
	var lines []string
	switch s.mode {
	case groupMode:
		lines = s.groups.view(width)
	case eventMode:
		lines = s.events.view(width)
	default:
		lines = s.list.view(width)
	}
	foot := s.foot(width, s.footHeight(height))
	for len(lines) < height-len(foot) {
		lines = append(lines, "")
	}
	lines = append(lines[:height-len(foot)], foot...)
	if width < whole && s.view.key != (flow.Key{}) {
		for i, l := range s.view.side(height) {
			lines[i] = text.Pad(lines[i], width, false) + l
		}
	}
	return lines
}

// emptyLines say why there is nothing to see.
func (s *flowsScreen) emptyLines(why string, width int) (lines []string) {
	for _, l := range text.Wrap(text.Safe(why), width-4, 4) {
		lines = append(lines, "   "+s.look.Faint.Render(l))
	}
	return lines
}

// emptyNote says why there are no flows to see.
func (s *flowsScreen) emptyNote() string {
	feed := s.gw.Flows.Feed()
	switch {
	case feed.Err != nil:
		return feed.Err.Error()
	case !s.query.IsZero() && s.gw.Flows.Table().Len() > 0:
		return "no flow matches: esc shows all"
	case feed.Listing:
		return "reading the table…"
	case s.health.Tracking == facts.SettingOff:
		return "nothing is tracked yet: conntrack starts with the first NAT rule (3 guides)"
	case s.health.Tracking == facts.SettingUnknown && s.health.Count == 0:
		return "nothing is tracked: either nothing has passed yet, or no rule asks for it; conntrack starts with the first NAT rule (3 guides)"
	case s.health.Events == facts.SettingOff:
		return "no flows; and the kernel sends no events (nf_conntrack_events=0), so short ones are missed"
	}
	return "no flows yet: they appear here as the kernel makes them"
}

// foot are the lines beneath the list: what the list adds up to and how fresh it is,
// the flow in words, its state, and what is wrong with the table.
func (s *flowsScreen) foot(width, height int) []string {
	if height == 0 {
		return nil
	}
	look := s.look
	lines := []string{s.divider(width)}
	if f, ok := s.current(); ok {
		lines = append(lines, " "+s.sentence(&f, width-2), " "+look.Faint.Render(text.Fit(s.summary(&f), width-2)))
	}
	if g, ok := s.groups.current(); ok && s.mode == groupMode {
		name := s.groupStyle(&g.Key).Render(text.Safe(s.groupName(&g.Key))) + look.Text.Render(": "+s.totals(g))
		lines = append(lines, " "+text.Fit(name, width-2), " "+look.Faint.Render(text.Fit(s.groups.shares(g), width-2)))
	}
	if s.filter.open {
		lines = append(lines[:1], s.filterHelp(width)...)
	} else if note, style := s.note(); note != "" {
		lines = append(lines, " "+style.Render(text.Fit(note, width-2)))
	}
	for len(lines) < height {
		lines = append(lines, "")
	}
	return lines[:height]
}

// divider is the line beneath the list. It carries what the list adds up to, and
// how old its numbers may be.
func (s *flowsScreen) divider(width int) string {
	look := s.look
	left, right := s.sums(), s.freshness()
	urgent := s.paused || s.gw.Flows.Feed().Lost
	switch both := lipgloss.Width(left) + lipgloss.Width(right) + 12; {
	case both > width && urgent:
		left = ""
	case both > width && left != "":
		left, right = text.Fit(left, width-8), ""
	}
	rule := func(n int) string { return look.Line.Render(strings.Repeat(look.Glyphs.Rule, max(0, n))) }
	line, used := " ", 1
	if left != "" {
		line += rule(2) + " " + look.Faint.Render(left) + " "
		used += 4 + lipgloss.Width(left)
	}
	if right == "" {
		return line + rule(width-1-used)
	}
	right = text.Fit(right, width-8)
	style := look.Faint
	if urgent {
		style = look.Attention
	}
	return line + rule(width-5-used-lipgloss.Width(right)) + " " + style.Render(right) + " " + rule(2)
}

// sums are the totals of what the list shows.
func (s *flowsScreen) sums() string {
	switch {
	case s.mode == groupMode:
		return s.groups.sums()
	case s.mode != listMode || s.list.total == 0:
		return ""
	}
	return s.totals(&flow.Group{Flows: s.list.total, Bytes: s.list.bytes, ByteRate: s.list.rate})
}

// freshness says how old what is seen may be: paused and how much waits, events that
// are missing, or how often the counters of all flows are read.
func (s *flowsScreen) freshness() string {
	feed := s.gw.Flows.Feed()
	dot := " " + s.look.Glyphs.Dot + " "
	switch {
	case s.paused:
		return "paused at " + s.pausedAt.Format("15:04:05") + dot + rules.Plural(feed.Events-s.waiting.Events, "change") + " waiting"
	case feed.Lost:
		return rules.Plural(feed.LastMissed, "event") + " missed, reading the table anew"
	case s.names.on:
		return s.names.state()
	case s.mode == eventMode:
		c := s.gw.Flows.Log().Counts()
		return fmt.Sprintf("%s new, %s updated, %s ended since the start", text.Exact(c.New), text.Exact(c.Update), text.Exact(c.Destroy))
	case !s.wantsCounters() || s.health.Accounting == facts.SettingOff && s.list.bytes == 0:
		return ""
	case feed.Every > 0:
		return "counters read every " + seconds(feed.Every)
	}
	return "reading the counters"
}

// seconds is a time in seconds with one decimal, for a pace.
func seconds(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// sentence says the flow in words, its translation in its colour.
func (s *flowsScreen) sentence(f *flow.Flow, width int) string {
	look := s.look
	plain := look.Text.Render
	out := look.Strong.Render(s.endpoint(f, f.Client())) + plain(" asked for ") + look.Strong.Render(s.endpoint(f, f.AskedFor()))
	nat := f.NAT()
	if nat&flow.NATDst != 0 {
		out += plain(", served by ") + s.natStyle(f).Render(s.endpoint(f, f.ServedBy()))
	}
	if nat&flow.NATSrc != 0 {
		out += plain(", seen as ") + look.SNAT.Render(s.endpoint(f, f.SeenAs()))
	}
	if nat == flow.NATNone {
		out += look.Faint.Render(", not translated")
	}
	return text.Fit(out, width)
}

// summary is the flow's state in one line.
func (s *flowsScreen) summary(f *flow.Flow) string {
	now := s.now.UnixNano()
	dot := " " + s.look.Glyphs.Dot + " "
	var parts []string
	if name := f.StateName(); name != "" {
		parts = append(parts, strings.ToLower(name))
	}
	if f.Status&flow.StatusSeenReply == 0 {
		parts = append(parts, "no answer yet")
	}
	switch e := s.gw.Flows.Explain(f); {
	case isRelated(f, e):
		parts = append(parts, "belongs to another connection")
	case e.Confidence == explain.Stale:
		parts = append(parts, "stale: today's rules would translate it otherwise")
	case e.Confidence == explain.Unknown:
		parts = append(parts, "rule not known: "+e.Unseen+" translates here too")
	case !e.Rule().IsZero():
		word := e.String()
		if e.Confidence != explain.Exact {
			word += " (" + e.Confidence.String() + ")"
		}
		parts = append(parts, "by "+word)
	}
	if f.Counts() {
		parts = append(parts, rules.Plural(f.Packets(), "packet")+", "+text.Bytes(f.Bytes()))
	}
	if at, exact := f.Since(); at != 0 {
		word := "since "
		if !exact {
			word = "first seen "
		}
		parts = append(parts, word+time.Unix(0, at).In(s.now.Location()).Format("15:04:05"))
	}
	if s.mode == eventMode && s.events.ended() {
		parts = append(parts, "ended")
	} else if f.Status&(flow.StatusOffloaded|flow.StatusHWOffloaded) != 0 {
		parts = append(parts, "offloaded")
	} else {
		parts = append(parts, "expires in "+text.Steady(time.Duration(f.Remaining(now))*time.Second))
	}
	if f.Mark != 0 {
		parts = append(parts, fmt.Sprintf("mark 0x%x", f.Mark))
	}
	if f.Zone != 0 {
		parts = append(parts, fmt.Sprintf("zone %d", f.Zone))
	}
	return strings.Join(parts, dot)
}

// endpoint is an address with its port, where the protocol has ports.
func (s *flowsScreen) endpoint(f *flow.Flow, a netip.AddrPort) string {
	name, named := s.names.name(a.Addr())
	switch {
	case named && f.Proto().HasPorts():
		return name + ":" + strconv.Itoa(int(a.Port()))
	case named:
		return name
	case !f.Proto().HasPorts():
		return a.Addr().String()
	}
	return a.String()
}

// natStyle is the colour of a new destination: this host's is a redirection.
func (s *flowsScreen) natStyle(f *flow.Flow) noteStyle {
	if s.isLocal(f.ServedBy().Addr()) {
		return s.look.Redirect
	}
	return s.look.DNAT
}

func (s *flowsScreen) isLocal(a netip.Addr) bool { return s.facts != nil && s.facts.IsLocal(a) }

// details opens a group, or looks closely at the flow under the cursor. Where
// there is room for it beside the list, it comes and goes there.
func (s *flowsScreen) details() tea.Cmd {
	if s.mode == groupMode {
		return s.groups.open()
	}
	if s.split() || s.sideOff && s.width >= splitWidth {
		s.sideOff = !s.sideOff
		return nil
	}
	f, ok := s.current()
	if !ok {
		return nil
	}
	s.open(&flowDetails{desk: s.desk, view: &s.view})
	return s.view.look(f)
}

// toggleNames shows names of addresses, or addresses again.
func (s *flowsScreen) toggleNames() tea.Cmd {
	s.names.toggle()
	return s.names.ask(s.ctx, s.gw.Name, s.inSight())
}

// inSight are the flows on the screen.
func (s *flowsScreen) inSight() []flow.Flow {
	if s.mode == eventMode {
		return s.events.visible()
	}
	return s.list.visible()
}
