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
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"nattui/model/facts"
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
	UTF8     bool // the terminal shows more than ASCII
	Settings Settings
	// Complaints are what is wrong with the settings, a line each. They are shown at the start.
	Complaints []string
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
	typed     bool // the last key was text
	search    search
	// saidBefore is the last line as it was seen last, saidUntil how long it stays.
	saidBefore status
	saidIn     dialog // the box that was open when it was said
	saidUntil  time.Time
	count      counting
	unseen     bool // something was drawn that the renderer has not been told of
	asked      asked
	lastKey    string
}

// New makes the program's model for a gateway.
// What the screens look up and watch ends with ctx.
func New(ctx context.Context, gw Gateway, o Options) *App {
	a := &App{desk: desk{ctx: ctx, gw: gw, width: 80, height: 24, underway: newUnderway(), settings: o.Settings}, clock: o.Now, dark: true, utf8: o.UTF8, profile: colorprofile.TrueColor}
	if a.clock == nil {
		a.clock = time.Now
	}
	a.now = a.clock()
	a.restyle()
	a.search.line = newLineInput(&a.desk, "/", "text to look for")
	a.screens = [6]screen{newRulesScreen(&a.desk), newFlowsScreen(&a.desk), newGuideScreen(&a.desk), newDoctorScreen(&a.desk), newTraceScreen(&a.desk), newHistoryScreen(&a.desk)}
	if len(o.Complaints) > 0 {
		a.open(&notice{desk: &a.desk, title: "Settings", text: strings.Join(o.Complaints, "\n")})
	}
	a.drawn = a.draw()
	if len(gw.Trouble) > 0 {
		a.refuse(strings.Join(gw.Trouble, " · "))
	}
	return a
}

func (a *App) restyle() {
	dark, profile := a.settings.Theme.Settle(a.dark, a.profile)
	if a.plain {
		a.utf8, profile = false, colorprofile.NoTTY
	}
	a.look = theme.New(dark, a.utf8, profile)
	if a.plain {
		a.look.Glyphs.Bar, a.look.Glyphs.Pipe = ">", " "
	}
}

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
func (a *App) Init() tea.Cmd { return tea.Batch(tea.RequestBackgroundColor, a.listen()) }

// listen begins to listen to the gateway.
func (a *App) listen() tea.Cmd {
	return tea.Batch(a.nextTables(), a.nextFacts(), a.nextFlows(), a.lookForPending(), a.enterLab())
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
	if _, ok := msg.(handedMsg); ok {
		a.pulse.handedOver()
		return a, nil
	}
	if _, ok := msg.(tea.KeyPressMsg); ok {
		a.giveWay(keyWay)
	}
	a.now = a.clock()
	asked := a.asked
	cmd := a.route(msg)
	a.dropRefusal()
	cmd = tea.Batch(cmd, a.settle(), a.ageStatus(), a.noteAsked(asked))
	if a.shows(msg) {
		before := a.drawn
		a.drawn = a.draw()
		a.unseen = a.unseen || a.drawn != before || !byItself(msg)
		if a.drawn != before && a.pulse != nil { // else nothing may be written, and the renderer would look in vain
			cmd = tea.Batch(cmd, handed)
		}
	}
	return a, cmd
}

// keyWay is for how long at most the following of connections stands back while a key's screen is made: on a busy machine it
// would otherwise have half of what is left.
const keyWay = 20 * time.Millisecond

func (a *App) giveWay(most time.Duration) {
	if a.gw.Flows != nil {
		a.gw.Flows.GiveWay(most)
	}
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
	if cmd, blind := a.blind(msg); blind {
		return cmd
	}
	switch msg := msg.(type) {
	case tea.WindowSizeMsg, tea.BackgroundColorMsg, tea.ColorProfileMsg:
		return a.fitTerminal(msg)
	case tea.KeyPressMsg:
		return a.key(msg)
	case tea.PasteMsg:
		return a.paste(msg.Content)
	case tea.MouseWheelMsg:
		a.wheel(msg)
		return nil
	case tea.MouseClickMsg:
		return a.click(msg)
	case frameMsg:
		return a.nextFlows()
	case taskMsg:
		return a.finished(msg)
	case appliedMsg:
		return tea.Batch(a.applied(msg), a.toScreens(msg))
	case pendingMsg:
		return tea.Batch(a.seePending(msg), a.bell())
	case staleMsg:
		a.dropStatus()
		return nil
	case askedMsg:
		return nil
	case impactMsg:
		return msg.of.take(msg)
	case keptMsg:
		if a.asks.kept.hear(msg.number) {
			search := a.takeKept(msg.kept)
			return tea.Batch(search, a.toDialogs(msg))
		}
		return nil
	case notesMsg:
		if !a.asks.notes.hear(msg.number) {
			return nil
		}
		a.notes = msg.RuleNotes
		return tea.Batch(a.toScreens(msg), a.toDialogs(msg), a.seeRows(msg.look))
	case aheadMsg:
		if msg.turn == a.ahead.turn {
			return a.catchUp()
		}
		return nil
	case showFlowsMsg:
		return a.showFlows(msg.line)
	case elsewhereMsg:
		return a.quit()
	case settledMsg:
		return tea.Batch(a.settled(msg), a.toScreens(msg), a.lookForPending(), a.readNotes())
	}
	return tea.Batch(a.note(msg), a.toScreens(msg), a.toDialogs(msg))
}

// fitTerminal takes what the terminal tells of itself.
func (a *App) fitTerminal(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = msg.Width, msg.Height
	case tea.BackgroundColorMsg:
		a.dark = msg.IsDark()
		a.restyle()
	case tea.ColorProfileMsg:
		a.profile = msg.Profile
		a.restyle()
		return nil
	}
	return a.toDialogs(msg)
}

// note takes news of the gateway, before screens and dialogs do, and asks for the next.
func (a *App) note(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tablesMsg:
		return a.noteTables(msg)
	case factsMsg:
		a.facts = msg.Facts
		return a.nextFacts()
	case flowsMsg:
		// The next change is fetched after a frame: a single change is seen at once,
		// a flood four times a second, and a quiet table is not drawn at all.
		wait := frame
		if a.now.Sub(a.lastFlows) < time.Second {
			wait = floodFrame
		}
		a.lastFlows = a.now
		return tea.Tick(wait, func(time.Time) tea.Msg { return frameMsg{} })
	}
	return a.noteLab(msg)
}

func (a *App) noteTables(msg tablesMsg) tea.Cmd {
	first := a.tables.Sets == nil
	a.receiveTables(Tables(msg))
	cmds := []tea.Cmd{a.nextTables()}
	if first || msg.Changed {
		cmds = append(cmds, a.readNotes(), a.findKeptAgain())
	}
	if msg.Changed && !first && a.pending == nil {
		cmds = append(cmds, a.lookForPending()) // another operator's, perhaps
	}
	return tea.Batch(cmds...)
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

// show makes a screen the active one.
func (a *App) show(i int) tea.Cmd {
	if s, ok := a.screen().(hider); ok && i != a.active {
		s.Hidden()
	}
	if i != a.active && a.said == a.saidBefore { // it was about something else
		a.said = status{}
	}
	a.active = i
	return a.screen().Receive(shownMsg{})
}

// shownMsg tells a screen that it has become the active one.
type shownMsg struct{}

const (
	headLines = 3 // header, tabs, a blank line
	footLines = 2 // keys, status
	tabGap    = 2
)

func (a *App) bodyHeight() int {
	h := a.height - headLines - footLines - a.more
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
	a.more = a.moreStatus()
	cmd := a.screen().Settle(a.width, a.bodyHeight())
	for _, d := range a.dialogs {
		if d, ok := d.(settler); ok {
			cmd = tea.Batch(cmd, d.Settle())
		}
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
	v.WindowTitle = text.Safe(a.title())
	return v
}
