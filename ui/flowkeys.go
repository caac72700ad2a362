package ui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/model/traced"
)

// Typing tells that the filter line is open.
func (s *flowsScreen) Typing() bool { return s.filter.open }

// Takes is a line for the filter, while that is open.
func (s *flowsScreen) Takes() intake { return s.filter.takes() }

// Paste goes to the filter line.
func (s *flowsScreen) Paste(t string) tea.Cmd {
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
	onFlow := func() bool { _, ok := s.current(); return ok && s.mode != groupMode }
	onGroup := func() bool { _, ok := s.groups.current(); return ok && s.mode == groupMode }
	either := func(is func() bool, no, yes action) keyTable {
		return keyTable{no.when(func() bool { return !is() }), yes.when(is)}
	}
	paused := func() bool { return s.paused }
	named := func(on bool) func() bool { return func() bool { return s.gw.Name != nil && s.names.on == on } }
	return keyTable{
		act(keys.Filter, s.openFilter),
		on(keys.Sort, s.nextSort).when(in(listMode, groupMode)).because("events stand in the order in which they came"),
		on(keys.Reverse, func() tea.Cmd { return s.sortBy(s.sort.By, !s.sort.Descending) }).when(in(listMode)).because("the list of connections can be turned round; groups have the largest first, events the latest last"),
		on(keys.Group, s.groups.next),
		act(keyColumns, func() { s.open(newFlowChooser(s)) }).when(in(listMode)).because("groups and events have their own columns; those of the list are chosen there"),
	}.and(
		either(paused, on(keys.Pause, s.pause), on(bind("space", "go on", "space"), s.pause)),
		either(in(eventMode), on(keys.Events, s.toggleEvents), on(bind("e", "connections", "e"), s.toggleEvents)),
		keyTable{
			on(keys.Details, s.details).when(func() bool { return onGroup() || onFlow() }),
			on(keyRuleOf, s.addRuleOf).when(func() bool { return can() && onFlow() }),
			act(keys.WhatIf, s.openWhatIf),
			elsewhere(keyTrace).when(func() bool { return s.gw.Recorded == "" }),
			on(keys.Names, s.toggleNames).when(named(false)),
			on(bind("m", "addresses", "m"), s.toggleNames).when(named(true)),
			act(keys.Health, func() { s.open(&flowHealth{desk: s.desk, screen: s}) }),
			act(keys.Forget, s.askForget).when(func() bool { return can() && onFlow() }),
			on(bind("x/X", "forget the group", "x", "X"), s.askForgetAll).when(func() bool { return can() && onGroup() }),
			on(keyBlock, s.askBlock).when(func() bool {
				return can() && s.gw.Changes != nil && (onFlow() || onGroup() && s.groups.by == flow.GroupByClient)
			}).otherwise(s.sayNothingToBlock),
			on(keys.ForgetAll, s.askForgetAll).when(func() bool { return can() && s.mode == listMode && !s.query.IsZero() }).otherwise(s.sayNoFilter),
			act(bind("E", "export", "E"), func() { s.open(&flowExport{desk: s.desk, screen: s}) }).when(func() bool { return s.gw.Export != nil && s.mode != eventMode }).otherwise(s.sayNoExport),
			act(keyCount, s.askSwitches).when(can),
		},
		moving(func() int { return s.list.height }, s.cursorBy),
		keyTable{on(hidden(keys.Close), func() tea.Cmd { s.Back(); return s.reload() })},
	)
}

// sayNoExport says why nothing is exported.
func (s *flowsScreen) sayNoExport() {
	if s.mode == eventMode {
		s.sayBriefly("events are not exported, connections are: e shows them; nattui flows --follow prints these")
		return
	}
	s.sayBriefly("connections cannot be exported here")
}

// TraceFilter is the flow under the cursor.
func (s *flowsScreen) TraceFilter() string {
	s.hold()
	f, ok := s.current()
	if !ok {
		return ""
	}
	t := traced.TraceOfFlow(&f)
	return t.String()
}

// openWhatIf asks what would become of the first packet of the flow under the cursor.
func (s *flowsScreen) openWhatIf() {
	s.hold()
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

// details opens a group, or looks closely at the flow under the cursor. Where
// there is room for it beside the list, it comes and goes there.
func (s *flowsScreen) details() tea.Cmd {
	if s.mode == groupMode {
		return s.groups.open()
	}
	s.hold()
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
