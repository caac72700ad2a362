package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

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
	if cmd, taken := in.Actions().rebound(a.settings.Keys).press(k); taken {
		return cmd
	}
	if s, ok := in.(typist); ok {
		if cmd, taken := s.Type(k); taken {
			a.typed = true
			return cmd
		}
	}
	if a.top() != nil {
		return nil
	}
	cmd, _ := a.everywhere().rebound(a.settings.Keys).press(k)
	return cmd
}

// everywhere are the keys that work on every screen.
func (a *App) everywhere() keyTable {
	var t keyTable
	for i, b := range keys.Screens {
		t = append(t, on(b, func() tea.Cmd { return a.show(i) }))
	}
	pending := func() bool { return a.pending != nil }
	if !a.gw.ReadOnly {
		t = t.and(keyTable{
			on(keys.Undo, a.undo),
			on(keys.Redo, a.redo),
			on(keys.Confirm, a.confirm).when(pending),
			on(keys.Rollback, a.rollback).when(pending),
		})
	}
	return t.and(keyTable{
		act(keys.Help, a.openHelp),
		on(keys.Again, a.lookAgain).when(func() bool { return a.gw.LookAgain != nil }),
		elsewhere(keys.Redraw),
		on(keys.Quit, a.back),
		act(hidden(keys.Forget), func() { a.open(newKeptFlows(&a.desk)) }).when(a.offersKept),
		on(hidden(keys.Switches), a.switches).when(a.hasSwitches),
		on(hidden(keyTrace), a.trace).when(func() bool { _, ok := a.screen().(traceSource); return ok }),
	})
}

func (a *App) openHelp() {
	a.open(newHelp(&a.desk, a.screen().Actions().rebound(a.settings.Keys), a.everywhere().rebound(a.settings.Keys)))
}

// againMsg says that somebody wants everything looked at now.
type againMsg struct{}

func (a *App) lookAgain() tea.Cmd {
	a.gw.LookAgain()
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
