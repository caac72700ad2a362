package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"nattui/model/mission"
	"nattui/rules"
	"nattui/rules/guide"
	"nattui/ui/text"
)

// guideScreen asks what somebody wants, and makes a gateway that does it: a list
// of intentions, a few questions with the plan beside them, and at the end a look
// at whether the first packet comes through.
type guideScreen struct {
	*desk
	at    int // the intention under the cursor
	shown bool
	done  map[string]doneMark // what is in place already, by the intention's name
	doing doneLook            // the look for that

	// asked is the intention that is being filled in; nil shows the list.
	asked   *intention
	answers answers
	drafts  map[*intention]answers         // of those that were left before they were applied
	left    map[*intention]map[string]bool // their fields that had been left, which say what is wrong with them
	kept    bool                           // the answers are those of a draft
	fields  *fields                        // the questions
	hurried bool                           // the plan is to be shown as soon as it is known
	ready   bool                           // all are answered and the plan is on the screen: enter applies
	sending bool
	refused string // the kernel's own words

	advice     guide.Advice
	known      bool // the advice is there
	generation int  // of the answers that the advice is wanted for
	running    bool
	again      bool

	plan   []string // the plan as it is drawn, and how far it is scrolled
	scroll int
	room   int
	read   readThrough

	proof *proof // waiting for the first packet; nil otherwise

	impact impact
	chosen countdown // how long the plan is to wait to be confirmed
}

// intention is something that people want of a gateway.
type intention struct {
	name, what string
	// fields are the questions; recipe makes the recipe of their answers.
	fields func(s *guideScreen) []field
	recipe func(s *guideScreen) guide.Recipe
}

// guideMsg says that an advice has been made.
type guideMsg struct {
	generation int
	advice     guide.Advice
}

func newGuideScreen(d *desk) *guideScreen {
	return &guideScreen{desk: d, drafts: map[*intention]answers{}, left: map[*intention]map[string]bool{}, impact: impact{desk: d}, chosen: d.settings.countdown}
}

// Receive takes news of the gateway, advice, and the fields' own messages.
func (s *guideScreen) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case shownMsg:
		s.shown, s.doing.stands = true, false
		return nil
	case doneMsg:
		s.done, s.doing.running = msg.marks, false
		return nil
	case tablesMsg:
		var cmd tea.Cmd
		if s.proof != nil {
			cmd = s.proof.look(s.desk)
		}
		if !msg.Changed {
			return cmd
		}
		return tea.Batch(cmd, s.advise())
	case factsMsg:
		return s.advise()
	case flowsMsg:
		if s.proof != nil {
			return s.proof.search(s.desk)
		}
		return nil
	case searchDueMsg:
		if s.proof == msg.proof {
			return s.proof.searchNow(s.desk)
		}
		return nil
	case provedMsg:
		if s.proof == msg.proof {
			s.proof.found(msg)
		}
		return nil
	case repliedMsg:
		if s.proof != nil && msg.to == s.proof {
			s.proof.sent, s.proof.Refused = &msg.reply, msg.reply.Outcome == mission.Refused
			return s.proof.search(s.desk)
		}
		return nil
	case guideMsg:
		return s.advised(msg)
	}
	return nil
}

// Takes is what the field takes, while the questions are answered.
func (s *guideScreen) Takes() intake {
	if !s.Typing() {
		return intake{}
	}
	return s.fields.takes()
}

// Paste puts text into the field.
func (s *guideScreen) Paste(pasted string) tea.Cmd {
	return s.typing(func() { s.fields.paste(pasted) })
}

// Wheel scrolls the plan, or moves in the list.
func (s *guideScreen) Wheel(by int) {
	if s.asked == nil {
		s.move(by / 3)
		return
	}
	s.scrollBy(by)
}

func (s *guideScreen) move(by int) { s.at = max(0, min(len(intentions)-1, s.at+by)) }

func (s *guideScreen) scrollBy(by int) { s.scroll = max(0, min(len(s.plan)-s.room, s.scroll+by)) }

// Back leaves what is shown for what was before; false on the list.
func (s *guideScreen) Back() bool {
	if s.asked == nil {
		return false
	}
	s.fields.leave()
	s.left[s.asked] = s.fields.left
	s.asked, s.fields, s.proof, s.ready, s.hurried = nil, nil, nil, false, false
	return true
}

// Sending tells that the kernel is being asked.
func (s *guideScreen) Sending() bool { return s.sending }

// Hidden tells that another screen is shown.
func (s *guideScreen) Hidden() { s.shown = false }

// Typing tells that letters are text.
func (s *guideScreen) Typing() bool { return s.asked != nil && s.proof == nil && !s.ready }

// Type gives a key to the field.
func (s *guideScreen) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if !s.Typing() {
		return nil, false
	}
	return s.typing(func() { s.fields.press(k) }), true
}

// typing follows what is typed: other answers need other advice.
func (s *guideScreen) typing(do func()) tea.Cmd {
	before := s.answers
	do()
	s.refused, s.hurried = "", false
	if s.answers == before {
		return nil
	}
	s.drafts[s.asked] = s.answers
	return s.advise()
}

// Actions are the keys of what is shown: the list, the questions, the plan, or the proof.
func (s *guideScreen) Actions() keyTable {
	switch {
	case s.proof != nil:
		return s.proofKeys()
	case s.asked == nil:
		return s.listKeys()
	case s.ready:
		return s.planKeys()
	}
	return s.fieldKeys()
}

func (s *guideScreen) listKeys() keyTable {
	to := func(by int) func() { return func() { s.move(by) } }
	return keyTable{
		on(bind("enter", "begin", "enter"), func() tea.Cmd { return s.begin(intentions[s.at]) }).when(s.isRead).otherwise(s.sayUnread),
		elsewhere(keys.Switches).when(s.isRead),
		act(keys.Up, to(-1)), act(keys.Down, to(1)), act(keys.Top, to(-len(intentions))), act(keys.Bottom, to(len(intentions))),
		elsewhere(keys.Undo).when(s.mayUndo), elsewhere(keys.Redo).when(s.mayUndo),
	}
}

// Offers are the intentions.
func (s *guideScreen) Offers() (t keyTable) {
	for n, i := range intentions {
		t = append(t, on(key.NewBinding(key.WithHelp("", i.name)), func() tea.Cmd {
			s.Back()
			s.at = n
			return s.begin(i)
		}).told(i.what))
	}
	return t
}

// planKeys are those of the plan once all is answered.
func (s *guideScreen) planKeys() keyTable {
	can := func() bool { return !s.gw.ReadOnly }
	idle := func() bool { return s.known && len(s.advice.Plan.Steps) == 0 }
	journal := func() bool { return can() && s.gw.Journal != nil && !idle() }
	return keyTable{
		act(bind("enter", "read on", "enter", "ctrl+s"), s.pageDown).when(func() bool { return !s.read.whole() }),
		on(bind("enter", "wait for a packet", "enter", "ctrl+s"), s.send).when(func() bool { return can() && idle() }),
		on(bind("enter", "apply", "enter", "ctrl+s"), s.send).agreeing().when(can).otherwise(func() { s.refuse(s.onlyLooks()) }),
		act(bind("↑/↓", "read on", "up", "k"), s.planUp).when(func() bool { return len(s.plan) > s.room }),
		act(silent("up", "k"), s.planUp), act(silent("down", "j"), func() { s.scrollBy(1) }),
		act(keyCountdown, func() { s.chosen = s.chosen.next() }).when(journal),
		act(bind("esc", "back to the questions", "esc"), s.backToFields),
		act(silent("pgdown"), s.pageDown), act(silent("pgup"), s.pageUp),
	}
}

// proofKeys are those of the page that waits for the first packet.
func (s *guideScreen) proofKeys() keyTable {
	return keyTable{
		on(keySend, func() tea.Cmd { return s.proof.send(s.desk) }).when(func() bool { return s.inLab() && s.proof.sends() }),
		act(bind("enter/esc", "back to the list", "enter", "esc"), func() { s.Back() }),
		elsewhere(keys.Undo).when(s.mayUndo),
	}
}

// fieldKeys are those of the questions.
func (s *guideScreen) fieldKeys() keyTable {
	return s.fields.actions(s.toPlan, keyTable{
		on(bind("ctrl+n", "start anew", "ctrl+n"), s.anew).when(func() bool { return s.kept }).otherwise(s.saying(alreadyNew)),
		act(bind("esc", "close", "esc"), func() { s.Back() }),
	}).and(keyTable{
		act(bind("pgdn", "read on", "pgdown"), s.pageDown).when(func() bool { return len(s.plan) > s.room }), act(silent("pgup"), s.pageUp),
	})
}

// anew throws away what was typed before.
func (s *guideScreen) anew() tea.Cmd {
	delete(s.drafts, s.asked)
	return s.begin(s.asked)
}

// toPlan shows the plan, unless an answer is wrong: then that is gone to.
func (s *guideScreen) toPlan() tea.Cmd {
	if s.hurried = !s.known || s.running; s.hurried {
		return nil
	}
	s.ready, s.scroll = s.fields.goToWrong() == "" && !s.advice.Wrong(), 0
	return nil
}

func (s *guideScreen) backToFields() { s.ready = false }

func (s *guideScreen) pageDown() { s.scrollBy(max(1, s.room-1)) }
func (s *guideScreen) pageUp()   { s.scrollBy(-max(1, s.room-1)) }

// planUp scrolls the plan up, and from its beginning back to the questions.
func (s *guideScreen) planUp() {
	if s.scroll == 0 {
		s.backToFields()
		return
	}
	s.scrollBy(-1)
}

// Switches opens the switches of the kernel.
func (s *guideScreen) Switches() tea.Cmd { return s.openSwitches("") }

// begin asks the questions of an intention.
func (s *guideScreen) begin(i *intention) tea.Cmd {
	if i.recipe == nil {
		return s.openImport()
	}
	if s.facts == nil || s.tables.Sets == nil {
		s.sayUnread()
		return nil
	}
	s.asked, s.proof, s.ready, s.hurried, s.refused, s.known = i, nil, false, false, "", false
	s.answers = s.defaults()
	var draft answers
	if draft, s.kept = s.drafts[i]; s.kept {
		s.answers = draft
	}
	s.fields = newFields(s.desk, guideLabelWidth, s.wrong)
	if left := s.left[i]; s.kept && left != nil {
		s.fields.left = left
	}
	s.fields.ask(i.fields(s))
	return s.advise()
}

// advise asks the recipe beside Update: on a large table it takes its time.
// Answers that change in the meantime are asked about afterwards.
func (s *guideScreen) advise() tea.Cmd {
	if s.asked == nil || s.proof != nil || s.sending || s.facts == nil {
		return nil
	}
	s.generation++
	if s.running {
		s.again = true
		return nil
	}
	s.running = true
	recipe, generation := s.asked.recipe(s), s.generation
	advise := s.adviser(recipe)
	facts, sets, backend := s.facts, s.tables.Sets, s.desk.variant.Backend
	flows := s.gw.Flows
	_, moves := recipe.(guide.Move)
	return func() tea.Msg {
		if moves && flows != nil {
			return guideMsg{generation, advise(facts.GuideHost(sets, backend, flows.Table()))}
		}
		return guideMsg{generation, advise(facts.GuideHost(sets, backend, nil))}
	}
}

func (s *guideScreen) advised(msg guideMsg) tea.Cmd {
	s.running = false
	if s.asked != nil && msg.generation == s.generation {
		s.advice, s.known = msg.advice, true
	}
	if s.again {
		s.again = false
		return s.advise()
	}
	if s.hurried && s.asked != nil {
		return s.toPlan()
	}
	return nil
}

// send applies the plan, unless something speaks against it.
func (s *guideScreen) send() tea.Cmd {
	switch {
	case !s.known || s.running:
		s.say("the plan is not ready yet")
		return nil
	case s.advice.Wrong(): // the gateway has changed meanwhile
		return s.toPlan()
	}
	done := s.advice
	if len(done.Plan.Steps) == 0 {
		s.proof = newProof(s.desk, done.Proof, nil)
		return s.proof.search(s.desk)
	}
	t := terms{countdown: s.chosen}
	s.chosen = s.settings.countdown
	cmd := s.apply(done.Plan, appliedNew, t, func(err error) tea.Cmd {
		s.sending = false
		if err != nil {
			s.refused, s.ready, s.scroll = err.Error(), false, 0
			return nil
		}
		delete(s.drafts, s.asked)
		s.proof = newProof(s.desk, done.Proof, s.desk.done[len(s.desk.done)-1].Plan.Natives())
		return s.proof.search(s.desk)
	})
	s.sending = cmd != nil
	return cmd
}

// Settle draws the plan for the size and keeps its window within it.
func (s *guideScreen) Settle(width, height int) tea.Cmd {
	if s.proof != nil && len(s.desk.done) < s.proof.done {
		s.Back()
	}
	if s.asked == nil || s.proof != nil {
		return s.lookForDone()
	}
	var cmd tea.Cmd
	if s.known && !s.sending && !s.advice.Wrong() { // first: what is drawn is about this plan
		cmd = s.impact.weigh(s.advice.Plan)
	}
	w, room := s.planRoom(width, height)
	s.room = room
	if s.fields.moved() && !s.ready {
		s.scroll = 0
	}
	s.plan = s.planLines(w)
	s.scrollBy(0)
	if s.notePlan(w) {
		s.plan = s.planLines(w)
	}
	return cmd
}

// planRoom is the space for the plan: the whole screen once all is answered,
// beside the fields where there is room, else beneath them.
func (s *guideScreen) planRoom(width, height int) (w, room int) {
	switch {
	case s.ready:
		return width - 4, max(1, height-2)
	case !s.plain && width >= besideWidth:
		return width - fieldsWidth(width) - 3, max(1, height-1)
	}
	return width - 3, max(1, height-2-s.fieldRoom(height))
}

// fieldRoom is how many lines the fields take where the plan is beneath them.
func (s *guideScreen) fieldRoom(height int) int {
	return min(len(s.fields.list), max(3, height-6))
}

// View draws the screen.
func (s *guideScreen) View(width, height int) []string {
	switch {
	case s.asked == nil:
		return s.list(width, height)
	case s.proof != nil:
		return s.proof.view(s.desk, s.asked.name, width, height)
	}
	head := s.headline(s.asked.name, width)
	if s.ready {
		return append([]string{head}, s.planWindow(" ")...)
	}
	lines := []string{head}
	if !s.plain && width >= besideWidth {
		own := fieldsWidth(width)
		fields := s.fields.window(own-3, max(1, height-1))
		plan := s.planWindow("")
		for i := range height - 1 {
			lines = append(lines, " "+text.Pad(at(fields, i), own-2, false)+s.look.Line.Render(s.look.Glyphs.Pipe)+" "+at(plan, i))
		}
		return lines
	}
	for _, f := range s.fields.window(width-2, s.fieldRoom(height)) {
		lines = append(lines, " "+text.Fit(f, width-2))
	}
	lines = append(lines, " "+s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, width-2)))
	return append(lines, s.planWindow(" ")...)
}

// headline names what is shown, with a rule to the edge.
func (s *guideScreen) headline(title string, width int) string {
	return " " + s.look.Strong.Render(title) + " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, max(0, width-3-len(title))))
}

// planWindow is the part of the plan that is to be seen.
func (s *guideScreen) planWindow(indent string) []string {
	to := min(len(s.plan), s.scroll+s.room)
	from := min(s.scroll, to)
	lines := make([]string, 0, to-from)
	for _, l := range s.plan[from:to] {
		lines = append(lines, indent+l)
	}
	if rest := len(s.plan) - to; rest > 0 && len(lines) > 1 {
		lines[len(lines)-1] = indent + s.look.Faint.Render(s.look.Glyphs.Down+" "+rules.Plural(rest+1, "more line")+": pgdn")
	}
	return lines
}
