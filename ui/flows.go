package ui

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/facts"
	"nattui/model/filter"
	"nattui/model/flow"
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
	meant     filter.Query // the filter before the line was opened
	health    facts.Health
	looks     []facts.Health // earlier ones, oldest first
	shown     bool           // the screen was looked at
	ticking   bool
	version   uint64    // of the table when it was last looked at
	trail     []float64 // how many connections there were over the last minutes
	rowTrail  rowTrail
	trailAt   time.Time // when the last of them was begun
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
	case forgetMatchingMsg:
		return s.askForgetMatching(msg.line)
	case blockMsg:
		return s.found(msg)
	case exportedMsg:
		s.exported(msg)
		return nil
	case endBlockedMsg:
		return s.endBlocked(msg)
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

// reload computes what is shown again, unless that is under way.
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

// Paused tells that the screen stands still while the table goes on.
func (s *flowsScreen) Paused() bool { return s.paused }

// filterChanged takes the filter line if it is understood; else the last good
// filter stays in force and the line says where it stopped making sense.
func (s *flowsScreen) filterChanged() tea.Cmd {
	line, parse := s.filter.text(), filter.Parse
	if s.filter.open {
		line, parse = line[:filter.Unfinished(line)], filter.ParseTyped
	}
	q, err := parse(line, s.findRule())
	if err == nil && s.mode != eventMode {
		err = q.OfFlows()
	}
	s.filter.wrong = ""
	var bad *filter.Error
	if errors.As(err, &bad) {
		s.filter.wrong, s.wrongWord = refusal(*bad), *bad
	} else if err != nil {
		s.filter.wrong = err.Error()
	}
	switch {
	case err != nil && s.filter.open:
		return nil
	case err != nil: // what holds is what somebody meant, and not a part of this that happens to be understood
		q = s.meant
	}
	s.filterBy(q)
	return s.reload()
}

// openFilter opens the filter line.
func (s *flowsScreen) openFilter() {
	s.meant = s.query
	s.filter.start()
}

// filterBy takes another filter; the list is selected again when it is settled.
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
	line, tail := s.filter, s.count()
	if t := line.text(); line.open && line.wrong != "" {
		line.wrong = "not understood" // the lines above say why
		if !s.pointing(t, s.completions(t)) {
			line.wrong, tail = "", "not complete" // or how it may go on
		}
	}
	return line.view(width, tail)
}

func (s *flowsScreen) count() string {
	switch s.mode {
	case eventMode:
		return rules.Plural(s.events.matched, "event")
	case groupMode:
		return rules.Plural(s.groups.total, "group")
	}
	return fmt.Sprintf("%s of %s", text.Exact(uint64(s.list.matching())), rules.Plural(s.list.of, "connection"))
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
	more := 0
	if s.filter.open { // why a filter is refused may take a row more
		more = max(0, len(s.filterHelp(s.listWidth()))-filterLines)
	}
	return 4 + more
}

// View draws what is looked at and, beneath it, the flow under the cursor.
func (s *flowsScreen) View(width, height int) []string {
	if s.gw.Flows == nil {
		return []string{"   " + s.look.Faint.Render("connections cannot be followed here")}
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
		return "no connection matches “" + s.query.String() + "”; press esc to show all"
	case feed.Listing:
		return "reading the table…"
	case s.gw.Flows.Table().Len() > 0:
		return "looking through the table…"
	case s.health.Tracking == facts.SettingOff:
		return "nothing is tracked yet" + s.startsTracking(": ")
	case s.health.Tracking == facts.SettingUnknown && s.health.Count == 0:
		if start := s.startsTracking("; "); start != "" {
			return "nothing is tracked: no packets yet, or no rule needs it" + start
		}
		return "nothing is tracked: no packets yet"
	case s.health.Events == facts.SettingOff:
		return "no connections; the kernel sends no events (nf_conntrack_events=0), so short ones are missed"
	}
	return "no connections yet: they appear here as the kernel creates them"
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

// inSight are the flows on the screen.
func (s *flowsScreen) inSight() []flow.Flow {
	if s.mode == eventMode {
		return s.events.visible()
	}
	return s.list.visible()
}
