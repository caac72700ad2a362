package ui

import (
	"slices"
	"strconv"

	tea "charm.land/bubbletea/v2"

	"nattui/model/traced"
	"nattui/rules"
	"nattui/ui/text"
)

// Typing tells that the filter line is open.
func (s *rulesScreen) Typing() bool { return s.filter.open }

// Takes is a line for the filter, while that is open.
func (s *rulesScreen) Takes() intake { return s.filter.takes() }

// Paste goes to the filter line.
func (s *rulesScreen) Paste(t string) tea.Cmd {
	s.filter.paste(t)
	s.list()
	return nil
}

// Line is the filter line, while it is open or has text.
func (s *rulesScreen) Line(width int) (string, bool) {
	if !s.filter.open && s.filter.text() == "" {
		return "", false
	}
	shown, all := 0, 0
	for _, p := range s.panes {
		shown, all = shown+p.shown(), all+s.searchedIn(p)
	}
	count := rules.Plural(shown, "rule")
	if s.filter.text() != "" && shown <= all {
		count = text.Exact(uint64(shown)) + " of " + rules.Plural(all, "rule")
	}
	return s.filter.view(width, count)
}

// Back leaves what was opened last: the filter, then the chosen chain.
func (s *rulesScreen) Back() bool {
	switch {
	case s.filter.text() != "":
		s.filter.clear()
		s.list()
	case s.only != "":
		s.only, s.table, s.native = "", "nat", nativeChain{}
		s.arrange()
	case s.narrow != nil:
		s.narrow = nil
		s.arrange()
	default:
		return false
	}
	return true
}

// Wheel scrolls the pane under the cursor.
func (s *rulesScreen) Wheel(by int) {
	p := s.pane()
	p.cursor.Go(p.cursor.Index()+by, len(p.items), p.key)
}

// Type types in the filter line.
func (s *rulesScreen) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if !s.filter.open {
		return nil, false
	}
	if s.filter.key(k) {
		s.list()
	}
	return nil, true
}

// Actions are the keys of the list, or of the filter line while that is open.
func (s *rulesScreen) Actions() keyTable {
	if s.filter.open {
		return s.filter.actions()
	}
	return append(append(s.changing(), s.looking()...), s.moving()...)
}

// changing are the keys that change rules.
func (s *rulesScreen) changing() keyTable {
	can := func() bool { return !s.gw.ReadOnly && s.set() != nil }
	add := func() bool { return can() || !s.gw.ReadOnly && s.natively() }
	onRule := func() bool { _, _, ok := s.current(); return can() && ok || s.onNative() }
	whole := func() bool { _, it, _ := s.current(); return onRule() && it.element == nil }
	parked := func() bool { _, it, _ := s.current(); return !s.gw.ReadOnly && s.gw.Journal != nil && it.parked != nil }
	return keyTable{
		on(keys.Add, s.add).when(func() bool { return add() && s.table == "nat" }).otherwise(s.sayNotNAT),
		on(keys.Edit, s.edit).when(func() bool { return onRule() && (s.table == "nat" || s.onNative()) }).otherwise(s.sayNotChanged),
		on(keys.Delete, s.askDelete).when(onRule).otherwise(s.sayNotChanged),
		on(bind("J/K", "move", "K"), func() tea.Cmd { return s.move(-1) }).when(whole).otherwise(s.sayNotChanged),
		on(silent("J"), func() tea.Cmd { return s.move(1) }).when(whole).otherwise(s.sayNotChanged),
		on(bind("p", "restore", "p"), s.restore).when(parked),
		on(bind("p", "park", "p"), s.park).when(func() bool { return whole() && s.gw.Journal != nil }).otherwise(s.sayNotParked),
	}
}

// looking are the keys that show something else or more.
func (s *rulesScreen) looking() keyTable {
	onJump := func() bool { r, _, ok := s.current(); return ok && jumps(r) }
	onMore := func() bool { _, it, _ := s.current(); return it.opens() }
	onElement := func() bool { _, it, _ := s.current(); return it.element != nil }
	onAny := func() bool { _, it, ok := s.current(); return ok || it.native != nil }
	can := func() bool { return !s.gw.ReadOnly && s.set() != nil }
	more := func() bool {
		return len(variants(s.tables.Sets)) > 1 || s.tables.Native != nil && len(s.tables.Native.Tables) > 0
	}
	family := func() { s.turn(func(p rules.Variant) rules.Variant { p.Family ^= 1; return p }) }
	return keyTable{
		act(bind("enter", "open chain", "enter"), s.openChain).when(onJump),
		act(bind("enter", "open", "enter"), s.openChain).when(onMore),
		act(keyAboutRule, s.openRule).when(func() bool { return onJump() || onMore() || onElement() }),
		act(hidden(keyAboutRule), s.openRule).when(onAny),
		act(keys.Details, s.openDetails).when(onAny),
		act(keys.Filter, s.filter.start),
		act(keys.Chains, s.openChains),
		on(bind("X", "forget its connections", "X"), s.forgetFlows).when(func() bool { return can() && onAny() && s.gw.Flows != nil }).otherwise(s.sayNotChanged),
		act(keys.WhatIf, s.openWhatIf),
		elsewhere(keyTrace).when(func() bool { return s.gw.Recorded == "" }),
		on(keys.Import, s.openImport).when(func() bool { return s.noImport() == "" }),
		on(keys.Family, func() tea.Cmd { family(); return s.findDead() }).when(more).otherwise(family),
		act(keys.Backend, s.narrowTo).when(more).otherwise(s.narrowTo),
	}
}

// moving are the keys that move the cursor, and those that mean the same everywhere.
func (s *rulesScreen) moving() keyTable {
	to := func(at func(p *pane) int) func() {
		return func() { p := s.pane(); p.cursor.Go(p.rule(max(0, at(p)), 1), len(p.items), p.key) }
	}
	page := func(p *pane) int { return max(1, p.height-1) }
	can := func() bool { return s.mayUndo() && (s.set() != nil || s.gw.Natively != nil) }
	return keyTable{
		act(keys.Pane, func() { s.active = (s.active + 1) % len(s.panes) }),
		act(keys.Up, s.up),
		act(keys.Down, s.down),
		act(keys.PageUp, to(func(p *pane) int { return p.cursor.Index() - page(p) })),
		act(keys.PageDown, to(func(p *pane) int { return p.cursor.Index() + page(p) })),
		act(keys.Top, func() { s.stacked(1); to(func(*pane) int { return 0 })() }),
		act(keys.Bottom, func() { s.stacked(-1); to(func(p *pane) int { return len(p.items) - 1 })() }).counted(s.goTo),
		elsewhere(keys.Undo).when(can),
		elsewhere(keys.Redo).when(can),
		elsewhere(keys.Switches).when(s.isRead),
		act(hidden(keys.Close), func() { s.Back() }),
	}
}

// stacked goes to the first pane with rules, or the last by -1, where panes stand one over the other and are one list.
func (s *rulesScreen) stacked(step int) {
	for i := range s.panes {
		if step < 0 {
			i = len(s.panes) - 1 - i
		}
		ruled := func(it ruleItem) bool { return it.at > 0 || it.parked != nil }
		if !s.wide && slices.ContainsFunc(s.panes[i].items, ruled) {
			s.active = i
			return
		}
	}
}

// up moves the cursor up, into the pane above where both stand one over the other.
func (s *rulesScreen) up() {
	p := s.pane()
	if to := p.rule(p.cursor.Index()-1, -1); to >= 0 || s.active == 0 || s.wide {
		p.cursor.Go(max(to, p.rule(0, 1)), len(p.items), p.key)
		return
	}
	s.active--
	p = s.pane()
	p.cursor.Go(p.rule(len(p.items)-1, -1), len(p.items), p.key)
}

// down moves it down.
func (s *rulesScreen) down() {
	p := s.pane()
	if to := p.rule(p.cursor.Index()+1, 1); to < len(p.items) || s.active == len(s.panes)-1 || s.wide {
		p.cursor.Go(min(to, p.rule(len(p.items)-1, -1)), len(p.items), p.key)
		return
	}
	s.active++
	p = s.pane()
	p.cursor.Go(p.rule(0, 1), len(p.items), p.key)
}

// rule is the first row from one on, in a direction, that is no head.
func (p *pane) rule(from, by int) int {
	for from >= 0 && from < len(p.items) && p.items[from].head {
		from += by
	}
	return from
}

// Switches opens the switches of the kernel.
func (s *rulesScreen) Switches() tea.Cmd { return s.openSwitches("") }

// TraceFilter is what the rule under the cursor may meet.
func (s *rulesScreen) TraceFilter() string {
	r, it, ok := s.current()
	if !ok {
		return ""
	}
	f := traced.TraceOfRule(s.variant.Family, it.chain, r)
	f.New = f.Proto == rules.TCP && s.table == "nat" // which only first packets visit
	return f.String()
}

// openWhatIf asks what would become of a packet that the rule under the cursor is for.
func (s *rulesScreen) openWhatIf() {
	line := ""
	if r, _, ok := s.current(); ok {
		line = packetOf(s.variant.Family, r, s.facts)
	}
	s.desk.open(newWhatIf(s.desk, line))
}

// turn looks at another place, or says why there is none.
func (s *rulesScreen) turn(to func(rules.Variant) rules.Variant) {
	p := to(s.variant)
	if _, ok := s.tables.Sets[p]; !ok && !(p.Backend == s.variant.Backend && s.tables.Native != nil && len(s.tables.Native.Tables) > 0) {
		why := s.tables.Absent[p]
		switch {
		case why == "" && s.gw.Recorded != "":
			why = "this file has none"
		case why == "":
			why = "this host has none"
		}
		s.refuse(p.String() + ": " + why)
		return
	}
	s.lookAt(p)
	s.dead = nil
	if s.only != "" {
		if _, ok := s.set().Chain(s.table, s.only); !ok {
			s.only, s.table = "", "nat"
		}
	}
	s.native = nativeChain{}
	s.arrange()
}

// jumps tells whether a rule leads to another chain.
func jumps(r *rules.Rule) bool { return r.Target.Kind == rules.Jump || r.Target.Kind == rules.Goto }

// opens tells whether a native rule or element has something to open: a chain, or elements.
func (it ruleItem) opens() bool {
	switch {
	case it.native == nil:
		return false
	case it.element != nil:
		return it.element.leads != nil
	}
	return it.rule.Jump(it.native.Table) != nil || len(it.rule.Sets(it.native.Table)) > 0
}

// openChain opens the chain that the rule under the cursor jumps to, in place.
func (s *rulesScreen) openChain() {
	if _, it, ok := s.current(); ok || it.native != nil {
		s.open[it.key] = !s.open[it.key]
		s.list()
	}
}

// keyAboutRule leads to the rule where enter opens what it leads to, or is about an element of it.
var keyAboutRule = bind("A", "the rule itself", "A")

// openRule shows everything about the rule under the cursor, also where that is on an element of its set.
func (s *rulesScreen) openRule() {
	_, it, ok := s.current()
	if it.element != nil {
		it.at, it.element = slices.Index(it.native.Rules, it.rule)+1, nil
	}
	if it.native != nil || ok {
		s.desk.open(newRuleDetails(s, it))
	}
}

// openDetails shows everything about the rule under the cursor in a box.
func (s *rulesScreen) openDetails() {
	_, it, ok := s.current()
	switch {
	case it.native != nil, ok:
		s.desk.open(newRuleDetails(s, it))
	}
}

// goTo puts the cursor on the rule of a number: in the chain that the cursor is in, opened or not, else in the pane's own, else
// in any that is open in it.
func (s *rulesScreen) goTo(n int) tea.Cmd {
	p := s.pane()
	_, on, _ := s.current()
	for _, within := range []func(it ruleItem) bool{
		func(it ruleItem) bool { return it.chain == on.chain && it.native == on.native },
		func(it ruleItem) bool { return it.chain == p.chain },
		func(ruleItem) bool { return true },
	} {
		for i, it := range p.items {
			if it.at == n && within(it) {
				p.cursor.Go(i, len(p.items), p.key)
				return nil
			}
		}
	}
	s.say("no rule here has the number " + strconv.Itoa(n))
	return nil
}
