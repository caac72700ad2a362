package ui

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// historyScreen shows every change that the journal knows: who, when, what, how it
// ended; and undoes one. Snapshots stand among them, and it goes back to one.
type historyScreen struct {
	*desk
	entries []JournalEntry
	err     error
	cursor  table.Cursor[string]
	height  int
	shown   bool
	drift   Unsaved
	drifted bool // drift is known
	reads   latest
}

func newHistoryScreen(d *desk) *historyScreen { return &historyScreen{desk: d} }

type historyMsg struct {
	number  uint64
	entries []JournalEntry
	drift   Unsaved
	drifted bool
	err     error
}

// historyAgainMsg has the journal read again: what others did is noted a moment
// after they did it.
type historyAgainMsg struct{}

// notedAfter is when that has been done.
const notedAfter = 1500 * time.Millisecond

// read reads the journal beside Update.
func (s *historyScreen) read() tea.Cmd {
	if s.gw.Journal == nil {
		return nil
	}
	journal, number := s.gw.Journal, s.reads.ask()
	return func() tea.Msg {
		entries, err := journal.Entries()
		snapshots, unread := journal.Snapshots()
		entries = amongChanges(entries, snapshots)
		err = cmp.Or(err, unread)
		drift, driftErr := journal.Drift(s.ctx)
		return historyMsg{number, entries, drift, driftErr == nil, err}
	}
}

// Receive takes news.
func (s *historyScreen) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case shownMsg:
		s.shown = true
		return s.read()
	case tablesMsg:
		var cmds []tea.Cmd
		if s.shown && msg.Changed {
			cmds = append(cmds, s.read())
		}
		if msg.By != "" && s.gw.Journal != nil {
			cmds = append(cmds, tea.Tick(notedAfter, func(time.Time) tea.Msg { return historyAgainMsg{} }))
		}
		return tea.Batch(cmds...)
	case historyAgainMsg:
		if s.shown {
			return s.read()
		}
	case appliedMsg, settledMsg:
		if s.shown {
			return s.read()
		}
	case undoPlanMsg:
		s.askUndo(msg)
	case restorePlanMsg:
		s.askRestore(msg)
	case historyMsg:
		if !s.reads.hear(msg.number) {
			return nil
		}
		s.entries, s.err, s.drift, s.drifted = msg.entries, msg.err, msg.drift, msg.drifted
		s.cursor.Follow(len(s.entries), s.key)
	}
	return nil
}

// Hidden tells that another screen is shown.
func (s *historyScreen) Hidden() { s.shown = false }

func (s *historyScreen) key(i int) string {
	if name := s.entries[i].Snapshot; name != "" {
		return "snapshot " + name
	}
	return s.entries[i].ID
}

func (s *historyScreen) Wheel(by int) {
	s.cursor.Go(s.cursor.Index()+by, len(s.entries), s.key)
}

func (s *historyScreen) current() (JournalEntry, bool) {
	if len(s.entries) == 0 {
		return JournalEntry{}, false
	}
	return s.entries[min(s.cursor.Index(), len(s.entries)-1)], true
}

// Actions undo a change, show all about it, and keep what runs for boot.
func (s *historyScreen) Actions() keyTable {
	can := func() bool { return !s.gw.ReadOnly && s.gw.Journal != nil }
	some := func() bool { return len(s.entries) > 0 }
	stands := func() bool { e, ok := s.current(); return can() && ok && e.Stands }
	return keyTable{
		on(keys.Undo, s.undoCurrent).when(stands).otherwise(s.sayGone),
		on(keyGoBack, s.goBackCurrent).when(func() bool { e, ok := s.current(); return ok && s.canGoBack(&e) }),
		act(keys.Details, s.openDetails).when(some),
		act(keys.Save, s.askSave).when(can),
	}.and(scrolling(func() int { return s.height }, s.Wheel))
}

func (s *historyScreen) openDetails() {
	if e, ok := s.current(); ok {
		s.open(&entryDetails{desk: s.desk, screen: s, entry: e})
	}
}

// sayGone says why the entry under the cursor cannot be undone.
func (s *historyScreen) sayGone() {
	if e, ok := s.current(); ok && !s.gw.ReadOnly && s.gw.Journal != nil {
		if e.Snapshot != "" {
			s.say("a snapshot changed nothing; " + keyGoBack.Help().Key + " goes back to it")
			return
		}
		if e.UndoneBy != "" {
			s.say("change " + e.ID + " was undone by change " + e.UndoneBy + "; " + keys.Undo.Help().Key + " on that one makes it again")
			return
		}
		s.say("change " + e.ID + " cannot be undone: it is " + e.State)
	}
}

// undoCurrent asks what would undo the entry under the cursor.
func (s *historyScreen) undoCurrent() tea.Cmd {
	e, ok := s.current()
	if !ok || !s.mayChange() {
		return nil
	}
	journal := s.gw.Journal
	return func() tea.Msg {
		plan, err := journal.UndoPlan(s.ctx, e.ID)
		return undoPlanMsg{entry: e, plan: plan, err: err}
	}
}

// askSave offers to keep the running rules for boot, and where they are, to have them put back after each reload too.
func (s *historyScreen) askSave() {
	title, lines := "Save the running rules for reboot?", []string{"Your own rules are saved. Rules of other programs are not; those programs make them again."}
	if s.drift.By != "" {
		lines[0] = "Your own rules are saved where " + s.drift.By + " restores them from at boot. Rules of other programs are not saved; those programs make them again."
	}
	var t SaveTerms
	switch {
	case s.drifted && s.drift.None() && s.drift.Unwatched > 0:
		title = "Restore the saved rules after each reload?"
		lines = []string{"firewalld or ufw may remove " + rules.Plural(s.drift.Unwatched, "rule") + " of yours when it reloads. The unit nattui-watch.service restores them."}
		t.Watch = true
	case s.drifted && s.drift.None() && !s.anyRules():
		s.say("there are no rules here to save")
		return
	case s.drifted && s.drift.None():
		if !s.drift.Safe() {
			s.say("the rules are already " + s.drift.words())
			return
		}
		s.say("the rules are already saved for reboot")
		return
	case len(s.drift.Fewer) > 0:
		title = "Lose rules that are saved?"
		lines = append(slices.Clone(s.drift.Fewer), "Run nattui restore instead to add the saved rules that are missing.")
		t.Fewer = true
	}
	lines = append(lines, s.drift.Lines...)
	for _, file := range s.drift.Writes {
		lines = append(lines, "writes "+file)
	}
	q := newQuestion(s.desk, title, lines, rules.Plan{}, "save")
	journal := s.gw.Journal
	q.act = func(terms) tea.Cmd {
		return s.carryOut("the save", func(ctx context.Context) (tea.Msg, string) {
			err := journal.Save(ctx, t)
			return settledMsg{what: "saved for reboot", err: err}, outcomeOf("saved for reboot", "not saved", err)
		})
	}
	s.pose(q)
}

// anyRules tells whether there is a rule to be saved, by whomever it was made, as far as is known.
func (d *desk) anyRules() bool {
	for _, set := range d.tables.Sets {
		for _, t := range set.Tables {
			if slices.ContainsFunc(t.Chains, func(c rules.Chain) bool { return len(c.Rules) > 0 }) {
				return true
			}
		}
	}
	return d.tables.Sets == nil || d.tables.Native != nil && len(d.tables.Native.Tables) > 0
}

// Settle fits the list to the size.
func (s *historyScreen) Settle(_, height int) tea.Cmd {
	s.height = height - 1 - s.footHeight(height)
	s.cursor.Follow(len(s.entries), s.key)
	s.cursor.Settle(len(s.entries), s.height)
	return nil
}

func (s *historyScreen) footHeight(height int) int {
	if height < 12 {
		return 0
	}
	return 4
}

// View draws the list and, beneath it, the entry under the cursor.
func (s *historyScreen) View(width, height int) []string {
	cols := s.columns(width)
	widths := table.Widths(cols, width-4)
	lines := []string{"   " + table.Head(cols, widths, s.look.Faint)}
	from, to := s.cursor.Window(len(s.entries), s.height)
	for i := from; i < to; i++ {
		lines = append(lines, s.row(&s.entries[i], cols, widths, historyLayout(width), i == s.cursor.Index()))
	}
	if note := s.emptyNote(); note != "" {
		lines = append(lines, "   "+s.look.Faint.Render(text.Fit(text.Safe(note), width-4)))
	}
	foot := s.foot(width, s.footHeight(height))
	for len(lines) < height-len(foot) {
		lines = append(lines, "")
	}
	return append(lines[:height-len(foot)], foot...)
}

// historyMeasured is how many entries the columns are fitted to, beside those in sight.
const historyMeasured = 200

// columns are as wide as what is in them.
func (s *historyScreen) columns(width int) []table.Column {
	cols := []table.Column{
		{Title: "#", Min: 3, Right: true},
		{Title: "when", Min: 8},
		{Title: "what", Min: 14},
		{Title: "state", Min: 9},
		{Title: "who", Min: 4, Want: 20},
		{Title: "from", Min: 9, Want: 40, Order: 2},
	}
	switch {
	case width < 70:
		cols[4].Order = 1
	case width < 100:
		cols[4].Want = 12
	}
	from, to := s.cursor.Window(len(s.entries), s.height)
	var rows [][]table.Cell
	for i := range s.entries {
		if i < historyMeasured || i >= from && i < to {
			rows = append(rows, s.cells(&s.entries[i], historyLayout(width)))
		}
	}
	return table.ByContent(cols, rows)
}

// historyLayout is how moments are written: without their day where there is little room.
func historyLayout(width int) string {
	if width < 60 {
		return "15:04:05"
	}
	return "2006-01-02 15:04"
}

func (s *historyScreen) emptyNote() string {
	switch {
	case s.gw.Journal == nil:
		return "read-only: there is no history here"
	case s.err != nil:
		return s.err.Error()
	case len(s.entries) == 0:
		return "no changes seen on this host yet"
	}
	return ""
}

func (s *historyScreen) row(e *JournalEntry, cols []table.Column, widths []int, layout string, on bool) string {
	var over *theme.Style
	bar := "   "
	if on {
		over = &s.look.Cursor
		bar = " " + s.look.Accent.Render(s.look.Glyphs.Bar) + s.look.Cursor.Render(" ")
	}
	return bar + table.Line(cols, widths, s.cells(e, layout), over)
}

// cells are the values of an entry's row.
func (s *historyScreen) cells(e *JournalEntry, layout string) []table.Cell {
	return []table.Cell{
		{Text: e.ID, Style: s.look.Faint},
		{Text: e.At.In(s.now.Location()).Format(layout), Style: s.look.Faint},
		{Text: text.Safe(e.Summary), Style: s.look.Text},
		{Text: e.stateWord(), Style: s.stateStyle(e.stateWord())},
		{Text: text.Safe(e.By), Style: s.look.Faint},
		{Text: text.Safe(e.From), Style: s.look.Faint},
	}
}

// stateWord is the state in a word: what others did is not nattui's to confirm.
func (e *JournalEntry) stateWord() string {
	switch {
	case e.Outside:
		return "outside"
	case e.waits():
		return "unconfirmed"
	case e.UndoneBy != "":
		return "undone by " + e.UndoneBy
	}
	return strings.ReplaceAll(e.State, "-", " ")
}

// waits tells that the change will be rolled back unless somebody confirms it.
func (e *JournalEntry) waits() bool { return e.State == "pending" && !e.Deadline.IsZero() }

func (s *historyScreen) stateStyle(state string) theme.Style {
	switch state {
	case "confirmed", "applied":
		return s.look.Good
	case "pending", "unconfirmed":
		return s.look.Attention
	case "failed":
		return s.look.Broken
	}
	return s.look.Faint
}

func (s *historyScreen) foot(width, height int) []string {
	if height == 0 {
		return nil
	}
	lines := []string{" " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, width-2))}
	if e, ok := s.current(); ok {
		if len(e.Commands) > 0 {
			line := "$ " + e.Commands[0]
			if n := len(e.Commands) - 1; n > 0 {
				line += " (and " + rules.Plural(n, "more command") + ")"
			}
			lines = append(lines, " "+s.look.Text.Render(s.cutTo(text.Safe(line), width-2)))
		}
		if note := s.noteOf(&e); note != "" {
			lines = append(lines, " "+s.look.Faint.Render(s.cutTo(text.Safe(note), width-2)))
		}
	}
	if s.drifted && s.gw.Journal != nil {
		style, word := s.look.Good, "all rules are saved for reboot"
		if !s.drift.Safe() {
			style, word = s.look.Attention, "! "+s.drift.words()
			if s.gw.ReadOnly {
				word, _, _ = strings.Cut(word, ";")
			}
		}
		lines = append(lines, " "+style.Render(s.cutTo(word, width-2)))
	}
	for len(lines) < height {
		lines = append(lines, "")
	}
	return lines[:height]
}

// noteOf says what became of an entry, or is to become of it.
func (s *historyScreen) noteOf(e *JournalEntry) string {
	switch {
	case e.waits():
		return "unconfirmed until " + e.Deadline.In(s.now.Location()).Format("15:04:05") + ": " + keys.Confirm.Help().Key + " confirms it, " + keys.Rollback.Help().Key + " rolls it back"
	case e.Result != "":
		return e.Result
	case s.canGoBack(e):
		return keyGoBack.Help().Key + " goes back to it"
	case e.Outside:
		return "by " + e.By + ", outside nattui"
	case !e.Expires.IsZero() && e.Stands:
		return "expires in " + text.Duration(e.Expires.Sub(s.now))
	}
	return ""
}

// entryDetails is everything about one change.
type entryDetails struct {
	*desk
	screen *historyScreen
	entry  JournalEntry
	reading
}

// Actions go back to a snapshot, scroll and close.
func (d *entryDetails) Actions() keyTable {
	return d.readingKeys(d, &d.reading, on(keyGoBack, func() tea.Cmd { d.close(d); return d.screen.goBack(d.entry) }).when(func() bool { return d.screen.canGoBack(&d.entry) }))
}

// Settle fits the text to the terminal.
func (d *entryDetails) Settle() tea.Cmd {
	d.fit(d.told(min(84, d.width-2)-4), boxRoom(d.boxHeight()))
	return nil
}

// View draws the box.
func (d *entryDetails) View(width, _ int) string {
	title := "Change " + d.entry.ID
	if d.entry.Snapshot != "" {
		title = "Snapshot " + d.entry.Snapshot
	}
	return box(d.desk, title, d.seen(), min(84, width-2))
}

func (d *entryDetails) told(width int) []string {
	var lines []string
	add := func(style theme.Style, s string) {
		for _, l := range text.Wrap(text.Safe(s), width, 0) {
			lines = append(lines, style.Render(l))
		}
	}
	e := &d.entry
	if e.Snapshot != "" {
		for _, l := range d.snapshotLines() {
			add(d.look.Text, l)
		}
		return lines
	}
	add(d.look.Strong, e.Summary)
	who := e.By
	if e.From != "" {
		who += " from " + e.From
	}
	if e.Outside {
		who += ", outside nattui"
	}
	state := e.stateWord()
	if e.waits() {
		state += " until " + e.Deadline.In(d.now.Location()).Format("15:04:05") + ", then rolled back"
	}
	add(d.look.Text, state+" "+d.look.Glyphs.Dot+" "+e.At.In(d.now.Location()).Format("2006-01-02 15:04:05")+" "+d.look.Glyphs.Dot+" "+who)
	if e.Result != "" {
		add(d.look.Text, e.Result)
	}
	lines = append(lines, "")
	for _, c := range e.Commands {
		add(d.look.Faint, "$ "+c)
	}
	return lines
}

// settledMsg tells how something about the journal went.
type settledMsg struct {
	what       string
	lost       bool   // something of it is not in the kernel any more
	rolledBack string // the change that was
	err        error
}
