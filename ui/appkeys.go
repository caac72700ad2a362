package ui

import (
	"strconv"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// input is what gets keys: the topmost dialog, or the active screen.
func (a *App) input() interface{ Actions() keyTable } {
	if top := a.top(); top != nil {
		return top
	}
	return a.screen()
}

// table is the keys of a screen or dialog, as they were chosen.
func (a *App) table(in interface{ Actions() keyTable }) keyTable {
	return in.Actions().rebound(a.settings.Keys)
}

// typing tells that letters are text in what has the keys.
func (a *App) typing() bool {
	w, ok := a.input().(typing)
	return a.searchOpen() || ok && w.Typing()
}

// key gives a key to exactly one consumer.
func (a *App) key(k tea.KeyPressMsg) tea.Cmd {
	if k.Code == tea.KeyEscape && k.Mod == tea.ModAlt { // two that came together
		once := tea.KeyPressMsg{Code: tea.KeyEscape}
		return tea.Batch(a.key(once), a.settle(), a.key(once))
	}
	in := a.input()
	a.lastKey = k.String()
	if a.said.brief {
		a.said = status{}
	}
	switch s, ok := in.(sender); {
	case key.Matches(k, keys.Redraw):
		return tea.ClearScreen
	case a.top() == nil && k.String() == "ctrl+c":
		return a.quit()
	case a.ahead.waits:
		a.ahead.input = append(a.ahead.input, k)
		return nil
	case a.leaving != staying, ok && s.Sending():
		if key.Matches(k, keys.Quit) {
			return a.quit()
		}
		return nil
	case a.searchOpen():
		a.typed = k.Text != ""
		return a.typeSearch(k)
	case a.searchText() != "" && k.String() == "esc":
		a.endSearch()
		return nil
	}
	if cmd, taken := a.countTo(k); taken {
		return cmd
	}
	return a.dispatch(in, k)
}

// dispatch gives a key to the first that is for it: what is open, what is typed, what is the same in all
// of them, what takes every other key, and the screens as a whole.
func (a *App) dispatch(in interface{ Actions() keyTable }, k tea.KeyPressMsg) tea.Cmd {
	own := a.table(in)
	if a.hasty(own, k) {
		return nil
	}
	if cmd, taken := a.pressIn(own.named(), k); taken {
		return cmd
	}
	if cmd, taken := a.shared().press(k); taken {
		return cmd
	}
	if s, ok := in.(typist); ok {
		if cmd, taken := s.Type(k); taken {
			a.typed = true
			return cmd
		}
	}
	if cmd, taken := a.pressIn(own, k); taken {
		a.sayClosed(in, k)
		return cmd
	}
	if a.top() == nil {
		if cmd, taken := a.pressIn(a.everywhere().rebound(a.settings.Keys), k); taken {
			return cmd
		}
	}
	a.sayUseless(own, k)
	return nil
}

// shared are the keys that do the same on every screen and in every box, as they were chosen; where letters are text, those
// that are none.
func (a *App) shared() keyTable {
	t := a.always().rebound(a.settings.Keys)
	if a.typing() {
		return t.untyped()
	}
	return t
}

// always are the keys that do the same on every screen and in every box.
func (a *App) always() keyTable {
	searched := func() bool { _, ok := a.searching(); return ok }
	return keyTable{
		act(keys.Help, a.openHelp),
		act(keys.Palette, a.openPalette),
		act(keys.Search, a.startSearch).when(searched),
		on(keys.NextHit, func() tea.Cmd { return a.nextHit(1) }).when(a.hits).because(unsought),
		on(keys.LastHit, func() tea.Cmd { return a.nextHit(-1) }).when(a.hits).because(unsought),
		on(keys.Copy, a.copy).when(a.canCopy),
		on(keyLab, a.openLab).when(a.inLab).because("this is no lab; nattui lab opens one, nattui learn one with missions"),
	}
}

// counting is a number that is being typed before G. Digits are tabs, too: they act at once, and G
// after two or more within a second each goes back to where the first was typed.
type counting struct {
	digits string
	at     time.Time
	from   int // the screen
}

// countTo notes a digit, or goes to the row that was typed.
func (a *App) countTo(k tea.KeyPressMsg) (cmd tea.Cmd, taken bool) {
	c := a.count
	a.count = counting{}
	least := 2
	if a.top() != nil {
		least = 1
	}
	switch {
	case a.typing():
	case len(k.Text) == 1 && k.Text[0] >= '0' && k.Text[0] <= '9':
		if a.now.Sub(c.at) > time.Second || len(c.digits) > 8 {
			c = counting{from: a.active}
		}
		a.count = counting{c.digits + k.Text, a.now, c.from}
		counts := a.top() != nil && a.table(a.input()).counts()
		if counts {
			a.sayBriefly(a.count.digits + " and then G goes to line " + a.count.digits + " of this box")
		}
		return nil, counts
	case k.String() == "G" && len(c.digits) >= least && a.now.Sub(c.at) <= time.Second:
		n, _ := strconv.Atoi(c.digits) // at most nine digits
		a.said = status{}              // what a digit meant by itself
		if c.from != a.active {
			cmd = a.show(c.from)
		}
		for _, x := range a.table(a.input()) {
			if x.count != nil && (x.works == nil || x.works()) {
				return tea.Batch(cmd, x.count(max(1, n))), true
			}
		}
		return cmd, true
	}
	return nil, false
}

// everywhere are the keys that work on every screen.
func (a *App) everywhere() keyTable {
	var t keyTable
	for i, b := range keys.Screens {
		t = append(t, on(b, func() tea.Cmd { return a.show(i) }))
	}
	pending := func() bool { return a.pending != nil }
	can := func() bool { return !a.gw.ReadOnly }
	waits := func() bool { return can() && pending() }
	onlyLooks := func() {
		if !can() {
			a.refuse(a.onlyLooks())
			return
		}
		a.sayBriefly("no change waits to be confirmed")
	}
	return t.and(keyTable{
		on(keys.Undo, a.undo).when(can).otherwise(onlyLooks),
		on(keys.Redo, a.redo).when(can).otherwise(onlyLooks),
		on(keys.Confirm, a.confirm).when(waits).otherwise(onlyLooks),
		on(keys.Rollback, a.rollback).when(waits).otherwise(onlyLooks),
		on(keys.Again, a.lookAgain).when(func() bool { return a.gw.LookAgain != nil }).otherwise(a.saying("nothing is read again: this gateway is recorded")),
		elsewhere(keys.Redraw),
		on(keys.Quit, a.back),
		act(hidden(keys.Forget), func() { a.open(newKeptFlows(&a.desk)) }).when(a.offersKept),
		on(hidden(keys.Switches), a.switches).when(a.hasSwitches),
		on(hidden(keyTrace), a.trace).when(func() bool { _, ok := a.screen().(traceSource); return ok && a.gw.Recorded == "" }).otherwise(a.sayNoTrace),
	})
}

// unsought is why there is no next hit.
const unsought = "nothing is searched for; / begins a search"

// openHelp lists the keys of what has them. Which these are is settled before the box with the list has them.
func (a *App) openHelp() {
	here, rest := keyGroup{title: "on this screen", keys: a.table(a.input()).helped()}, a.shared()
	switch {
	case a.top() != nil:
		here.title = "in this box"
	case !a.typing():
		rest = rest.and(a.everywhere().rebound(a.settings.Keys))
	}
	a.open(newHelp(&a.desk, []keyGroup{here, {title: "everywhere", keys: rest.helped()}}))
}

// againMsg says that somebody wants everything looked at now.
type againMsg struct{}

func (a *App) lookAgain() tea.Cmd {
	a.gw.LookAgain()
	a.say("the gateway is read anew")
	return func() tea.Msg { return againMsg{} }
}

// back goes back one step within the screen, and ends the program where there is none.
func (a *App) back() tea.Cmd {
	if s, ok := a.screen().(returner); ok && s.Back() {
		return nil
	}
	return a.askQuit()
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

// showFlows shows the connections that match a filter line.
func (a *App) showFlows(line string) tea.Cmd {
	for i, s := range a.screens {
		if s, ok := s.(flowsTarget); ok {
			return tea.Batch(a.show(i), s.ShowMatching(line))
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
