package ui

import (
	tea "charm.land/bubbletea/v2"

	"nattui/ui/table"
)

// keyFix cures what is under the cursor.
var keyFix = bind("f", "fix", "f")

// keyProbe asks the server of a forward for a connection.
var keyProbe = bind("p", "test the server", "p")

// Wheel moves the cursor.
func (s *doctorScreen) Wheel(by int) { s.move(by) }

func (s *doctorScreen) move(by int) {
	s.cursor.Go(s.cursor.Index()+by, len(s.rows), s.rowKey)
}

// Back goes from one forward to the whole gateway.
func (s *doctorScreen) Back() bool {
	if s.follows == nil {
		return false
	}
	s.turn(nil)
	s.cursor = s.before
	return true
}

// Actions fix, follow a forward, and ask its server.
func (s *doctorScreen) Actions() keyTable {
	current := func(is func(*doctorRow) bool) func() bool {
		return func() bool { r, ok := s.current(); return ok && is(r) }
	}
	forward := current(func(r *doctorRow) bool { return r.forward != nil })
	curable := current(func(r *doctorRow) bool { return !s.gw.ReadOnly && len(r.finding.Cure.Steps) > 0 })
	follows := func() bool { return s.follows != nil }
	return keyTable{
		act(keyFix, s.fix).when(curable).otherwise(s.sayNoFix),
		act(keyProbe, s.askServer).when(func() bool { return s.gw.Probe != nil && (follows() || forward()) }).otherwise(s.sayNoServer),
		on(keySend, s.sendPacket).when(func() bool { return s.inLab() && (follows() || forward()) }),
		on(bind("enter", "follow it", "enter"), s.enter).when(forward),
		on(keys.Details, s.enter).when(current(func(*doctorRow) bool { return true })),
		on(keys.Close, func() tea.Cmd { s.Back(); return s.live() }).when(follows),
		elsewhere(keys.Switches).when(s.isRead),
	}.and(scrolling(func() int { return s.height }, s.move), keyTable{elsewhere(keys.Undo).when(s.mayUndo), elsewhere(keys.Redo).when(s.mayUndo)})
}

// Switches opens the switches of the kernel.
func (s *doctorScreen) Switches() tea.Cmd { return s.openSwitches("") }

// enter follows the forward under the cursor, or shows all about a finding.
func (s *doctorScreen) enter() tea.Cmd {
	r, ok := s.current()
	if !ok {
		return nil
	}
	if r.forward != nil {
		s.before, s.cursor = s.cursor, table.Cursor[string]{}
		s.turn(r.forward)
		return s.live()
	}
	s.desk.open(&findingDetails{desk: s.desk, screen: s, finding: r.finding})
	return nil
}
