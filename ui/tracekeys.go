package ui

import tea "charm.land/bubbletea/v2"

// keyTrace traces what is under the cursor, keyStop ends the trace.
var (
	keyTrace = bind("T", "trace it", "T")
	keyStart = bind("enter", "start", "enter")
	keyStop  = bind("esc", "stop", "esc")
)

// Typing tells that the filter line is open.
func (s *traceScreen) Typing() bool { return s.filter.open }

// Takes is a line for the filter, which it opens.
func (s *traceScreen) Takes() intake {
	if s.gw.NoTrace != "" {
		return intake{why: s.whyNoTrace()}
	}
	return intake{line: true, what: "the filter"}
}

func (s *traceScreen) whyNoTrace() string { return "packets cannot be traced here: " + s.gw.NoTrace }

// Paste types into the filter line, which it opens.
func (s *traceScreen) Paste(pasted string) tea.Cmd {
	if !s.filter.open {
		s.filter.start()
	}
	s.filter.paste(pasted)
	s.check()
	return nil
}

// Wheel moves the cursor.
func (s *traceScreen) Wheel(by int) { s.move(by) }

func (s *traceScreen) move(by int) {
	s.tail = false
	if len(s.rows) == 0 {
		s.taught.Wheel(by)
		return
	}
	s.cursor.Go(s.cursor.Index()+by, len(s.rows), s.key)
}

// Actions start and stop a trace and lead through its packets; the line's own while it is open.
func (s *traceScreen) Actions() keyTable {
	if s.filter.open {
		return s.lineKeys()
	}
	return s.packetKeys()
}

// lineKeys are those of the filter line.
func (s *traceScreen) lineKeys() keyTable {
	leave := func() { s.filter.close(); s.filter.wrong = "" }
	return keyTable{
		on(keyStart, s.start).when(func() bool { return s.filter.wrong == "" && s.filter.text() != "" }),
		on(hidden(keyStart), s.start),
		act(bind("esc", "leave", "esc", "ctrl+c"), leave),
		elsewhere(bind("↑/↓", "earlier")),
	}
}

// packetKeys are those of the list of packets.
func (s *traceScreen) packetKeys() keyTable {
	some := func() bool { return len(s.rows) > 0 }
	moves := scrolling(func() int { return s.height }, s.move)
	can := func() bool { return s.gw.NoTrace == "" }
	refuse := func() { s.refuse(s.whyNoTrace()) }
	return keyTable{
		act(bind("T", "what to trace", "T"), s.openLine).when(can).otherwise(refuse),
		act(silent("/"), s.openLine).when(func() bool { return can() && !some() }),
		on(keyStop, s.stop).when(func() bool { return s.tracing != nil }),
		on(hidden(keyStop), s.stop),
		act(keys.Details, s.openDetails).when(some),
		on(keyRuleOf, s.addRuleOf).when(func() bool { return some() && !s.gw.ReadOnly }),
		act(hidden(keys.Details), s.openLine).when(func() bool { return !s.busy && s.tracing == nil }),
		act(silent("G", "end"), func() { s.move(far) }).when(func() bool { return !some() && s.taught.most > 0 }),
	}.and(moves[:5].while(func() bool { return some() || s.taught.most > 0 }), keyTable{act(bind("G", "latest", keys.Bottom.Keys()...), s.followLatest).when(some).counted(moves[5].count)})
}

func (s *traceScreen) openLine() {
	s.filter.start()
	s.check()
}

func (s *traceScreen) openDetails() {
	if r, ok := s.current(); ok {
		s.desk.open(&traceDetails{desk: s.desk, row: *r})
	}
}

// followLatest has the cursor stay on the latest packet.
func (s *traceScreen) followLatest() {
	s.move(far)
	s.tail = true
}

// Type types in the filter line.
func (s *traceScreen) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if !s.filter.open {
		return nil, false
	}
	if s.filter.key(k) {
		s.check()
	}
	return nil, true
}

// Line is the filter line while it is open.
func (s *traceScreen) Line(width int) (string, bool) {
	if !s.filter.open {
		return "", false
	}
	return s.filter.view(width, "enter starts")
}
