package ui

import (
	"charm.land/bubbles/v2/key"

	"nattui/model/flow"
	"nattui/rules"
)

// bind makes a key binding that help shows under a label. Without keys it is for
// showing alone.
func bind(label, help string, keys ...string) key.Binding {
	if len(keys) == 0 {
		keys = []string{label}
	}
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(label, help))
}

// keys are all bindings of the program. A key means the same on every screen
// that has it. Help, the key line and the table in docs/reference.md are made from these.
var keys = struct {
	Screens                                                [6]key.Binding
	Up, Down, PageUp, PageDown, Top, Bottom, Pane          key.Binding
	Help, Quit, Filter, Details, Close, Redraw, Again      key.Binding
	Palette, Search, NextHit, LastHit, Copy                key.Binding
	Add, Edit, Delete                                      key.Binding
	Undo, Redo, Confirm, Rollback, Save                    key.Binding
	Chains, Family, Backend                                key.Binding
	Forget, ForgetAll, Pause, Events, Sort, Reverse, Group key.Binding
	Import, WhatIf, Switches, Names, Health                key.Binding
}{
	Screens: [6]key.Binding{
		bind("1", "rules", "1"), bind("2", "flows", "2"), bind("3", "guide", "3"),
		bind("4", "doctor", "4"), bind("5", "trace", "5"), bind("6", "history", "6"),
	},
	Up: bind("↑/k", "up", "up", "k"), Down: bind("↓/j", "down", "down", "j"),
	PageUp: bind("pgup", "a page up", "pgup", "ctrl+b"), PageDown: bind("pgdn", "a page down", "pgdown", "ctrl+f"),
	Top: bind("g", "top", "g", "home"), Bottom: bind("G", "bottom", "G", "end"), Pane: bind("tab", "next pane", "tab", "shift+tab"),
	Help: bind("?", "help", "?", "f1"), Quit: bind("q", "back, quit", "q", "ctrl+c"), Filter: bind("/", "filter", "/"),
	Details: bind("enter", "details", "enter"), Close: bind("esc", "close", "esc"), Redraw: bind("ctrl+l", "redraw", "ctrl+l"), Again: bind("r", "look again", "r"),
	Palette: bind(":", "find an action", ":", "ctrl+p"), Search: bind("/", "search", "/"), NextHit: bind("n", "next hit", "n"), LastHit: bind("N", "hit before", "N"), Copy: bind("y", "copy", "y"),
	Add: bind("a", "add", "a"), Edit: bind("e", "edit", "e"), Delete: bind("d", "delete", "d"),
	Undo: bind("u", "undo", "u"), Redo: bind("U", "redo", "U"), Confirm: bind("C", "confirm", "C"), Rollback: bind("R", "roll back", "R"), Save: bind("w", "save for reboot", "w"),
	Chains: bind("c", "chains", "c"), Family: bind("v", "IPv4/IPv6", "v"), Backend: bind("b", "nft/legacy", "b"),
	Forget: bind("x", "forget", "x"), ForgetAll: bind("X", "forget all shown", "X"), Pause: bind("space", "pause", "space"),
	Events: bind("e", "events", "e"), Sort: bind("s", "sort", "s"), Reverse: bind("S", "reverse", "S"), Group: bind("b", "group", "b"),
	Import: bind("i", "import", "i"), WhatIf: bind("t", "test a packet", "t"), Switches: bind("w", "switches", "w"), Names: bind("m", "names", "m"), Health: bind("h", "health", "h"),
}

// keyGroup is the key table of a screen or a dialog. Where text is typed, letters belong to that.
type keyGroup struct {
	title string
	keys  keyTable
	typed bool
}

// everyTable is the key tables of all screens, and of the dialogs that change something; whole are the
// keys that work on every screen.
func everyTable() (whole keyTable, groups []keyGroup) {
	a := &App{}
	a.restyle()
	d := &a.desk
	flows, trace, guide := newFlowsScreen(d), newTraceScreen(d), newGuideScreen(d)
	return a.always().and(a.everywhere(), keyTable{elsewhere(keys.Close)}), []keyGroup{
		{title: "Rules", keys: newRulesScreen(d).Actions()},
		{title: "Flows", keys: flows.flowKeys().and(flows.filterKeys())},
		{title: "Guide", keys: guide.listKeys().and(guide.planKeys())},
		{title: "Doctor", keys: newDoctorScreen(d).Actions()},
		{title: "Trace", keys: trace.packetKeys().and(trace.lineKeys())},
		{title: "History", keys: newHistoryScreen(d).Actions()},
		{title: "Questions", keys: newQuestion(d, "", nil, rules.Plan{}, "yes").Actions()},
		{title: "Adding and editing a rule", keys: (&form{desk: d}).Actions(), typed: true},
		{title: "Answers of the guide", keys: guide.fieldKeys(), typed: true},
		{title: "Pasted commands", keys: newImport(d).textKeys(), typed: true},
		{title: "Switches", keys: (&switches{desk: d}).Actions()},
		{title: "Export", keys: (&flowExport{desk: d, screen: flows}).Actions()},
		{title: "Columns and order", keys: newFlowChooser(flows).Actions()},
		{title: "Chains", keys: (&chainChoice{desk: d}).Actions()},
		{title: "Connections of the old rule", keys: (&keptFlows{desk: &desk{kept: kept{flows: make([]flow.Flow, 1)}}}).Actions()},
		{title: "Finding an action", keys: (&palette{desk: d}).Actions(), typed: true},
		{title: "The lab", keys: (&labMap{desk: d}).Actions().and((&missionBox{desk: d}).Actions(), newLabChoice(d).Actions())},
		{title: "Sending in the lab", keys: (&labMap{desk: d, typing: true}).Actions(), typed: true},
		{title: "Quitting while a change is unconfirmed", keys: (&quitQuestion{desk: d}).Actions()},
	}
}

// KeyTable is every binding of the program, for docs/reference.md and the manual page: those of the
// screens, without what is the same in all of them, and those of the dialogs that change something.
func KeyTable() []KeyGroup {
	everywhere, tables := everyTable()
	whole := everywhere.all()
	lists := []key.Binding{keys.Up, keys.Down, keys.PageUp, keys.PageDown, keys.Top, keys.Bottom, keys.Pane, keys.Filter, keys.Details, keys.WhatIf, keyTrace}
	groups := []KeyGroup{{"everywhere", whole}, {"in lists", lists}}
	for _, t := range tables {
		groups = append(groups, KeyGroup{t.title, without(t.keys.all(), append(whole, lists...))})
	}
	return groups
}

// without are the bindings that are not said already, here or among others.
func without(list, others []key.Binding) []key.Binding {
	said := map[key.Help]bool{}
	for _, b := range others {
		said[b.Help()] = true
	}
	var rest []key.Binding
	for _, b := range list {
		if !said[b.Help()] {
			said[b.Help()] = true
			rest = append(rest, b)
		}
	}
	return rest
}
