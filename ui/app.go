// Package ui is the terminal. App routes messages to six screens and to the
// dialogs above them; screens draw what the gateway told and never touch the
// kernel themselves.
//
// Data reaches every screen, input exactly one consumer: the topmost dialog,
// else the active screen, else App. Nothing in Update or View waits for
// anything, and View changes nothing.
package ui

import (
	"context"
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// The smallest terminal on which the screens work.
const (
	minWidth  = 40
	minHeight = 12
)

// Options are what App needs to know of the terminal before it can ask it.
type Options struct {
	UTF8 bool // the terminal shows more than ASCII
	// Now is the clock of the screens; nil is time.Now.
	Now func() time.Time
}

// App is the whole program's model.
type App struct {
	desk
	screens [6]screen
	active  int
	clock   func() time.Time
	dark    bool
	utf8    bool
	profile colorprofile.Profile
	// drawn is the screen as of the last Update that could have changed it.
	drawn string
	// lastFlows is when flows were last seen to change.
	lastFlows time.Time
	pulse     *pulse // nil where no program runs
	leaving   leaving
	unseen    bool // something was drawn that the renderer has not been told of
}

// New makes the program's model for a gateway.
// What the screens look up and watch ends with ctx.
func New(ctx context.Context, gw Gateway, o Options) *App {
	a := &App{desk: desk{ctx: ctx, gw: gw, width: 80, height: 24, underway: newUnderway()}, clock: o.Now, dark: true, utf8: o.UTF8, profile: colorprofile.TrueColor}
	if a.clock == nil {
		a.clock = time.Now
	}
	a.now = a.clock()
	a.restyle()
	a.screens = [6]screen{newRulesScreen(&a.desk), newFlowsScreen(&a.desk), newGuideScreen(&a.desk), newDoctorScreen(&a.desk), newTraceScreen(&a.desk), newHistoryScreen(&a.desk)}
	a.drawn = a.draw()
	if len(gw.Trouble) > 0 {
		a.said = status{text: strings.Join(gw.Trouble, " · "), failed: true}
	}
	return a
}

func (a *App) restyle() { a.look = theme.New(a.dark, a.utf8, a.profile) }

type (
	tablesMsg Tables
	factsMsg  struct{ *facts.Facts }
	flowsMsg  struct{}
	// frameMsg comes at most ten times a second while flows change.
	frameMsg struct{}
)

// frame is the shortest time between two redraws of live data, floodFrame that
// while data changes all the time.
const (
	frame      = 100 * time.Millisecond
	floodFrame = 250 * time.Millisecond
)

// Init asks the terminal for its background and begins to listen to the gateway.
func (a *App) Init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, a.nextTables(), a.nextFacts(), a.nextFlows(), a.lookForPending())
}

func (a *App) nextTables() tea.Cmd {
	if a.gw.Tables == nil {
		return nil
	}
	ch := a.gw.Tables
	return func() tea.Msg {
		t, ok := <-ch
		if !ok {
			return nil
		}
		return tablesMsg(t)
	}
}

func (a *App) nextFacts() tea.Cmd {
	if a.gw.Facts == nil {
		return nil
	}
	ch := a.gw.Facts
	return func() tea.Msg {
		f, ok := <-ch
		if !ok {
			return nil
		}
		return factsMsg{f}
	}
}

func (a *App) nextFlows() tea.Cmd {
	if a.gw.Flows == nil {
		return nil
	}
	ch := a.gw.Flows.Changed()
	return func() tea.Msg {
		if _, ok := <-ch; !ok {
			return nil
		}
		return flowsMsg{}
	}
}

// Update takes one message. It never waits.
func (a *App) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	a.now = a.clock()
	cmd := tea.Batch(a.route(msg), a.settle())
	if a.shows(msg) {
		before := a.drawn
		a.drawn = a.draw()
		a.unseen = a.unseen || a.drawn != before || !byItself(msg)
	}
	return a, cmd
}

// byItself tells whether a message comes without anybody doing anything, again and again.
func byItself(msg tea.Msg) bool {
	switch msg.(type) {
	case flowsMsg, dueMsg, secondMsg, selectedMsg, groupedMsg, detailsMsg, tablesMsg, factsMsg:
		return true
	}
	return false
}

// shows tells whether a message may be seen on the screen.
func (a *App) shows(msg tea.Msg) bool {
	if _, ok := msg.(frameMsg); ok {
		return false
	}
	s, ok := a.screen().(pacer)
	return !ok || s.Shows(msg)
}

func (a *App) route(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = msg.Width, msg.Height
		return a.toDialogs(msg)
	case tea.BackgroundColorMsg:
		a.dark = msg.IsDark()
		a.restyle()
		return a.toDialogs(msg)
	case tea.ColorProfileMsg:
		a.profile = msg.Profile
		a.restyle()
		return nil
	case tea.KeyPressMsg:
		return a.key(msg)
	case tea.PasteMsg:
		if s, ok := a.input().(paster); ok {
			return s.Paste(msg.Content)
		}
		return nil
	case tea.MouseWheelMsg:
		a.wheel(msg)
		return nil
	case tea.MouseClickMsg:
		return a.click(msg)
	case tablesMsg:
		first := a.tables.Sets == nil
		a.receiveTables(Tables(msg))
		cmds := []tea.Cmd{a.toScreens(msg), a.toDialogs(msg), a.nextTables()}
		if first || msg.Changed {
			cmds = append(cmds, a.readNotes())
		}
		if msg.Changed && !first && a.pending == nil {
			cmds = append(cmds, a.lookForPending()) // another operator's, perhaps
		}
		return tea.Batch(cmds...)
	case factsMsg:
		a.facts = msg.Facts
		return tea.Batch(a.toScreens(msg), a.toDialogs(msg), a.nextFacts())
	case flowsMsg:
		// The next change is fetched after a frame: a single change is seen at once,
		// a flood four times a second, and a quiet table is not drawn at all.
		wait := frame
		if a.now.Sub(a.lastFlows) < time.Second {
			wait = floodFrame
		}
		a.lastFlows = a.now
		return tea.Batch(a.toScreens(msg), a.toDialogs(msg), tea.Tick(wait, func(time.Time) tea.Msg { return frameMsg{} }))
	case frameMsg:
		return a.nextFlows()
	case taskMsg:
		return a.finished(msg)
	case appliedMsg:
		return tea.Batch(a.applied(msg), a.toScreens(msg))
	case pendingMsg:
		return a.seePending(msg)
	case impactMsg:
		return msg.of.take(msg)
	case keptMsg:
		a.kept = kept(msg)
		return nil
	case notesMsg:
		a.notes = RuleNotes(msg)
	case settledMsg:
		if msg.err != nil {
			a.fail(msg.err)
		} else {
			a.say(msg.what)
			a.pending = nil // unless the journal says otherwise
		}
		return tea.Batch(a.toScreens(msg), a.lookForPending(), a.readNotes())
	}
	return tea.Batch(a.toScreens(msg), a.toDialogs(msg))
}

func (a *App) screen() screen { return a.screens[a.active] }

func (a *App) top() dialog {
	if n := len(a.dialogs); n > 0 {
		return a.dialogs[n-1]
	}
	return nil
}

func (a *App) toScreens(msg tea.Msg) tea.Cmd {
	var cmds []tea.Cmd
	for _, s := range a.screens {
		if s != nil {
			cmds = append(cmds, s.Receive(msg))
		}
	}
	return tea.Batch(cmds...)
}

func (a *App) toDialogs(msg tea.Msg) tea.Cmd {
	var cmds []tea.Cmd
	for _, d := range append([]dialog(nil), a.dialogs...) {
		if d, ok := d.(receiver); ok {
			cmds = append(cmds, d.Receive(msg))
		}
	}
	return tea.Batch(cmds...)
}

// input is what gets keys: the topmost dialog, or the active screen.
func (a *App) input() interface{ Actions() keyTable } {
	if top := a.top(); top != nil {
		return top
	}
	return a.screen()
}

// key gives a key to exactly one consumer.
func (a *App) key(k tea.KeyPressMsg) tea.Cmd {
	in := a.input()
	switch s, ok := in.(sender); {
	case key.Matches(k, keys.Redraw):
		return tea.ClearScreen
	case a.top() == nil && k.String() == "ctrl+c":
		return a.quit()
	case a.leaving != staying, ok && s.Sending():
		if key.Matches(k, keys.Quit) {
			return a.quit()
		}
		return nil
	}
	if cmd, taken := in.Actions().press(k); taken {
		return cmd
	}
	if s, ok := in.(typist); ok {
		if cmd, taken := s.Type(k); taken {
			return cmd
		}
	}
	if a.top() != nil {
		return nil
	}
	cmd, _ := a.everywhere().press(k)
	return cmd
}

// everywhere are the keys that work on every screen.
func (a *App) everywhere() keyTable {
	var t keyTable
	for i, b := range keys.Screens {
		t = append(t, on(b, func() tea.Cmd { return a.show(i) }))
	}
	pending := func() bool { return a.pending != nil }
	return t.and(keyTable{
		on(keys.Undo, a.undo),
		on(keys.Redo, a.redo),
		on(keys.Confirm, a.confirm).when(pending),
		on(keys.Rollback, a.rollback).when(pending),
		act(keys.Help, a.openHelp),
		elsewhere(keys.Redraw),
		on(keys.Quit, a.back),
		act(hidden(keys.Forget), func() { a.open(newKeptFlows(&a.desk)) }).when(a.offersKept),
		on(hidden(keys.Switches), a.switches).when(a.hasSwitches),
		on(hidden(keyTrace), a.trace).when(func() bool { _, ok := a.screen().(traceSource); return ok }),
	})
}

func (a *App) openHelp() { a.open(newHelp(&a.desk, a.screen().Actions(), a.everywhere())) }

// back goes back one step within the screen, and ends the program where there is none.
func (a *App) back() tea.Cmd {
	if s, ok := a.screen().(returner); ok && s.Back() {
		return nil
	}
	return a.quit()
}

func (a *App) switches() tea.Cmd { return a.screen().(switchboard).Switches() }

// trace shows the screen that traces, with a filter for what is under the cursor to start with.
func (a *App) trace() tea.Cmd {
	filter := a.screen().(traceSource).TraceFilter()
	for i, s := range a.screens {
		if s, ok := s.(traceTarget); ok {
			cmd := a.show(i)
			s.Suggest(filter)
			return cmd
		}
	}
	return nil
}

// hasSwitches tells that the key for switches opens them on this screen; elsewhere
// it has another use.
func (a *App) hasSwitches() bool {
	_, ok := a.screen().(switchboard)
	return ok
}

// offersKept tells that there are flows which the last change left behind, and that
// the key for forgetting is theirs.
func (a *App) offersKept() bool {
	return a.kept.count > 0 && !a.screen().Actions().takes(keys.Forget)
}

// show makes a screen the active one.
func (a *App) show(i int) tea.Cmd {
	if s, ok := a.screen().(hider); ok && i != a.active {
		s.Hidden()
	}
	a.active = i
	return a.screen().Receive(shownMsg{})
}

// shownMsg tells a screen that it has become the active one.
type shownMsg struct{}

func (a *App) wheel(msg tea.MouseWheelMsg) {
	over, ok := a.input().(scroller)
	if !ok {
		return
	}
	switch msg.Button {
	case tea.MouseWheelUp:
		over.Wheel(-3)
	case tea.MouseWheelDown:
		over.Wheel(3)
	}
}

// click chooses a tab; a screen that takes clicks gets the others.
func (a *App) click(msg tea.MouseClickMsg) tea.Cmd {
	if a.top() != nil || msg.Button != tea.MouseLeft {
		return nil
	}
	if msg.Y == 1 {
		x := 1
		for i, label := range a.tabLabels() {
			if w := ansi.StringWidth(label); msg.X >= x && msg.X < x+w && a.screens[i] != nil {
				return a.show(i)
			} else {
				x += w + tabGap
			}
		}
		return nil
	}
	if s, ok := a.screen().(clicked); ok {
		body := a.height - a.bodyHeight() - footLines
		return s.Click(msg.X, msg.Y-body)
	}
	return nil
}

const (
	headLines = 3 // header, tabs, a blank line
	footLines = 2 // keys, status
	tabGap    = 2
)

func (a *App) bodyHeight() int {
	h := a.height - headLines - footLines
	if a.height < 20 {
		h++ // the blank line under the tabs goes first
	}
	return h
}

// settle fits the active screen to the terminal.
func (a *App) settle() tea.Cmd {
	if a.width < minWidth || a.height < minHeight {
		return nil
	}
	cmd := a.screen().Settle(a.width, a.bodyHeight())
	if d, ok := a.top().(settler); ok {
		cmd = tea.Batch(cmd, d.Settle())
	}
	return cmd
}

// View draws the terminal.
func (a *App) View() tea.View {
	if a.unseen && a.pulse != nil {
		// Not in Update: the program hands the screen over some time after that, and much later on a busy machine.
		a.pulse.quicken()
	}
	a.unseen = false
	v := tea.NewView(a.drawn)
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.WindowTitle = "nattui"
	if a.facts != nil {
		v.WindowTitle = "nattui " + text.Safe(a.facts.Hostname)
	}
	return v
}

func (a *App) draw() string {
	if a.width < minWidth || a.height < minHeight {
		return a.tooSmall()
	}
	lines := []string{a.header(), a.tabs()}
	if a.height >= 20 {
		lines = append(lines, a.proofLine())
	}
	body := a.screen().View(a.width, a.bodyHeight())
	for len(body) < a.bodyHeight() {
		body = append(body, "")
	}
	lines = append(lines, body[:a.bodyHeight()]...)
	lines = append(lines, a.keyLine(), a.statusLine())
	base := strings.Join(lines, "\n")
	for _, d := range a.dialogs {
		base = a.over(base, d.View(a.width, a.height))
	}
	if !a.utf8 {
		return strings.Map(theme.ASCII, base)
	}
	return base
}

// over lays a box over the middle of the screen.
func (a *App) over(base, box string) string {
	x := max(0, (a.width-lipgloss.Width(box))/2)
	if beside := a.width - lipgloss.Width(box); beside > 0 && x <= thinMargin {
		// Single letters of what is beneath would only look like dirt.
		box, x = lipgloss.NewStyle().PaddingLeft(x).PaddingRight(beside-x).Render(box), 0
	}
	y := max(0, (a.height-lipgloss.Height(box))/2)
	return lipgloss.NewCompositor(lipgloss.NewLayer(base), lipgloss.NewLayer(box).X(x).Y(y).Z(1)).Render()
}

// thinMargin is how many cells beside a box are left empty rather than showing what is beneath.
const thinMargin = 2

func (a *App) tooSmall() string {
	line := "nattui needs " + strconv.Itoa(minWidth) + "x" + strconv.Itoa(minHeight) + "; this is " + strconv.Itoa(a.width) + "x" + strconv.Itoa(a.height)
	return strings.Join(text.Wrap(line, max(1, a.width), max(1, a.height)), "\n")
}

// header says which gateway this is and how it is.
func (a *App) header() string {
	var parts []string
	faint, plain := a.look.Faint, a.look.Text
	if a.facts != nil {
		parts = append(parts, a.look.Strong.Render(text.Safe(a.facts.Hostname)))
		if name, addr := a.wan(); name != "" {
			parts = append(parts, faint.Render(text.Safe(name)+" ")+plain.Render(addr))
		}
		if f := a.forwarding(); f != "" {
			parts = append(parts, f)
		}
	} else {
		parts = append(parts, a.look.Strong.Render("nattui"))
	}
	if a.gw.Flows != nil {
		parts = append(parts, a.flowCount())
	}
	right := a.liveness()
	room := a.width - 2 - ansi.StringWidth(right) - 2
	left := ""
	for i, p := range parts {
		sep := ""
		if i > 0 {
			sep = "  "
		}
		if ansi.StringWidth(left+sep+p) > room {
			break
		}
		left += sep + p
	}
	return a.ends(left, right)
}

func (a *App) flowCount() string {
	n := uint64(a.gw.Flows.Table().Len())
	s := a.look.Faint.Render("flows ") + a.look.Text.Render(text.Exact(n))
	h := a.gw.Flows.Health()
	if h.Max == 0 {
		return s
	}
	of := " of " + text.Count(uint64(h.Max))
	if float64(n) > 0.8*float64(h.Max) {
		return s + a.look.Attention.Render(of+" !")
	}
	return s + a.look.Faint.Render(of)
}

// liveness says whether what is seen is now.
func (a *App) liveness() string {
	g := a.look.Glyphs
	if a.tables.Err != nil {
		return a.look.Broken.Render(g.Cross + " rules unread")
	}
	if s, ok := a.screen().(pauser); ok && s.Paused() {
		return a.look.Attention.Render("paused")
	}
	if a.gw.Flows != nil {
		switch feed := a.gw.Flows.Feed(); {
		case feed.Listing && feed.Overruns > 0:
			return a.look.Attention.Render("resync")
		case !feed.Live:
			return a.look.Broken.Render(g.Cross + " flows unread")
		}
	}
	return a.look.Good.Render(g.Live) + a.look.Faint.Render(" live")
}

func (a *App) ends(left, right string) string {
	fill := a.width - 2 - ansi.StringWidth(left) - ansi.StringWidth(right)
	return " " + left + strings.Repeat(" ", max(1, fill)) + right
}

func (a *App) tabLabels() []string {
	long := a.width >= 64
	var labels []string
	for i, b := range keys.Screens {
		name := b.Help().Desc
		name = strings.ToUpper(name[:1]) + name[1:]
		if !long && i != a.active {
			name = name[:1]
		}
		labels = append(labels, b.Help().Key+" "+name)
	}
	return labels
}

func (a *App) tabs() string {
	var b strings.Builder
	for i, label := range a.tabLabels() {
		if a.screens[i] == nil {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(strings.Repeat(" ", tabGap))
		}
		style := a.look.Faint
		if i == a.active {
			style = a.look.Accent.Bold(true)
		}
		b.WriteString(style.Render(label))
	}
	right := a.place.String()
	if ansi.StringWidth(b.String()+right)+3 > a.width {
		right = a.place.Family.Title()
	}
	return a.ends(b.String(), a.look.Faint.Render(text.Fit(right, max(0, a.width-3-ansi.StringWidth(b.String())))))
}

// keyLine shows as many keys as there is room for.
func (a *App) keyLine() string {
	if a.pending != nil && a.height < 20 && a.top() == nil {
		return a.proofLine()
	}
	bindings := a.input().Actions().working()
	more := a.look.Accent.Render("?") + a.look.Faint.Render(" more")
	if s, ok := a.screen().(liner); a.top() != nil || ok && s.Typing() {
		more = "" // that key is not for help there
	}
	room := a.width - 2 - ansi.StringWidth(more)
	line, used := "", 0
	for _, b := range bindings {
		h := b.Help()
		w := ansi.StringWidth(h.Key+" "+h.Desc) + 2
		if used+w > room {
			break
		}
		line += a.look.Accent.Render(h.Key) + a.look.Faint.Render(" "+h.Desc) + "  "
		used += w
	}
	return " " + line + more
}

func (a *App) statusLine() string {
	if a.leaving == finishing {
		return a.finishingLine()
	}
	if s, ok := a.screen().(liner); ok && a.top() == nil {
		if line, shown := s.Line(a.width - 2); shown {
			return " " + line
		}
	}
	if a.pending != nil {
		return a.countdownLine()
	}
	if a.busy {
		return " " + a.look.Faint.Render("working"+strings.Repeat(".", 3))
	}
	if a.said.text == "" {
		return ""
	}
	g := a.look.Glyphs
	mark := a.look.Good.Render(g.Tick)
	style := a.look.Faint
	if a.said.failed {
		mark, style = a.look.Broken.Render(g.Cross), a.look.Text
	}
	tail := ""
	if a.said.undo && len(a.done) > 0 {
		tail = "   " + a.look.Accent.Render("u") + a.look.Faint.Render(" undo")
	}
	if a.offersKept() && !a.said.failed {
		tail += "   " + a.look.Accent.Render("x") + a.look.Attention.Render(" "+rules.Plural(a.kept.count, "flow")+" as before")
	}
	room := a.width - 4 - ansi.StringWidth(tail)
	return " " + mark + " " + style.Render(text.Fit(text.Safe(a.said.text), room)) + tail
}

// forwarding says whether anything passes the gateway at all.
func (a *App) forwarding() string {
	setting := a.facts.Settings.Forwarding4
	if a.place.Family == rules.IPv6 {
		setting = a.facts.Settings.Forwarding6
	}
	switch setting {
	case facts.SettingOn:
		return a.look.Faint.Render("forwarding ") + a.look.Good.Render("on")
	case facts.SettingOff:
		off := a.look.Faint.Render("forwarding ") + a.look.Broken.Render("off")
		if a.hasSwitches() && a.width >= 64 {
			off += a.look.Accent.Render(" w")
		}
		return off
	}
	return ""
}
