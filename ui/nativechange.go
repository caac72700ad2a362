package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/rules/nft"
)

// nativeAbout is something to be done to the native rule under the cursor, or to an element of its map.
type nativeAbout struct {
	it     ruleItem
	script string // what nft reads
	title  string // of the plan
	then   func(rules.Plan) tea.Cmd
}

// nativeTriedMsg brings the plan of a script that was tried on a copy of its tables.
type nativeTriedMsg struct {
	about nativeAbout
	plan  rules.Plan
	err   error
}

// onNative tells whether the cursor is on a native rule, or an element of its map, that can be changed.
func (s *rulesScreen) onNative() bool {
	_, it, _ := s.current()
	return it.native != nil && !s.gw.ReadOnly && s.gw.Natively != nil
}

// tryNative has a script tried beside Update, and goes on with its plan; what another program makes is refused at once.
func (s *rulesScreen) tryNative(about nativeAbout) tea.Cmd {
	it := about.it
	if !s.nativeAllowed(it) || !s.mayChange() {
		return nil
	}
	if s.busyTrying() {
		return nil
	}
	s.trying = true
	ctx, natively := s.ctx, s.gw.Natively
	return func() tea.Msg {
		plan, err := natively.Import(ctx, about.script)
		plan.Title = about.title
		return nativeTriedMsg{about, plan, err}
	}
}

// busyTrying tells, and says, that a change is being tried.
func (s *rulesScreen) busyTrying() bool {
	if s.trying {
		s.say("the last change is being tried: one at a time")
	}
	return s.trying
}

// nativeAllowed tells whether a rule may be changed by hand; else it says whose it is, and how that is done.
func (s *rulesScreen) nativeAllowed(it ruleItem) bool {
	t := it.native.Table
	change := rules.NativeChange{What: rules.NativeRule, Family: t.Family.String(), Table: t.Name, Chain: it.native.Name}
	if err := nft.Allowed([]rules.NativeChange{change}, s.tables.Native); err != nil {
		s.desk.open(&notice{s.desk, "Not changed here", err.Error()}) // it is longer than the status line
		return false
	}
	return true
}

// tried goes on with what was tried.
func (s *rulesScreen) tried(msg nativeTriedMsg) tea.Cmd {
	s.trying = false
	switch {
	case msg.err != nil:
		s.desk.open(&notice{s.desk, "Nothing was changed", msg.err.Error()})
		return nil
	case len(msg.plan.Steps) == 0:
		s.say("there is nothing to change")
		return nil
	}
	return msg.about.then(msg.plan)
}

// ruleName is a native rule as titles name it: rule 2 of inet nattui prerouting.
func (it ruleItem) ruleName() string { return fmt.Sprintf("rule %d of %s", it.at, it.native.Path()) }

// deleteNative asks whether to delete the native rule or element under the cursor.
func (s *rulesScreen) deleteNative(it ruleItem) tea.Cmd {
	sentence, _ := s.nativeWords(it)
	if it.element != nil {
		return s.deleteElement(it, sentence)
	}
	return s.tryNative(nativeAbout{it, it.native.Without(it.rule), "Delete " + it.ruleName() + ": " + sentence, func(plan rules.Plan) tea.Cmd {
		lines := []string{sentence, "New connections go on to the rules behind it. Press u to undo."}
		if !it.rule.Read(it.native, s.links()).Translates() {
			lines[1] = "Press u to undo."
		}
		s.pose(newQuestion(s.desk, "Delete "+it.ruleName()+"?", lines, plan, "delete"))
		return nil
	}})
}

// deleteElement asks whether to delete the element under the cursor.
func (s *rulesScreen) deleteElement(it ruleItem, sentence string) tea.Cmd {
	set := it.element.set
	if set.Flags&nft.SetAnonymous != 0 {
		s.refuse("it is a part of its rule: press e to edit that")
		return nil
	}
	key := it.element.entry.Key
	title := fmt.Sprintf("Delete %s from %s", key, set.Path())
	return s.tryNative(nativeAbout{it, set.Without(key), title + ".", func(plan rules.Plan) tea.Cmd {
		lines := []string{sentence, "Every rule that uses " + set.Name + " does without it. Press u to undo."}
		s.pose(newQuestion(s.desk, title+"?", lines, plan, "delete"))
		return nil
	}})
}

// moveNative moves the native rule under the cursor by one place.
func (s *rulesScreen) moveNative(it ruleItem, by int) tea.Cmd {
	to := it.at + by
	switch {
	case !s.nativeAllowed(it):
		return nil
	case to < 1 || to > len(it.native.Rules):
		s.say("it is the " + map[bool]string{true: "first", false: "last"}[by < 0] + " rule of " + it.native.Path() + " already")
		return nil
	}
	sentence, _ := s.nativeWords(it)
	title := fmt.Sprintf("Move %s to position %d", it.ruleName(), to)
	return s.tryNative(nativeAbout{it, it.native.Moved(it.rule, to, s.links()), title + ": " + sentence, func(plan rules.Plan) tea.Cmd {
		return s.unlessUsed(it, title+"?", "move", plan, func(t terms) tea.Cmd { return s.apply(plan, appliedNew, t, nil) })
	}})
}

// parkNative puts the native rule under the cursor away.
func (s *rulesScreen) parkNative(it ruleItem) tea.Cmd {
	sentence, _ := s.nativeWords(it)
	return s.tryNative(nativeAbout{it, it.native.Without(it.rule), "Park " + it.ruleName() + ": " + sentence, func(plan rules.Plan) tea.Cmd {
		return s.unlessUsed(it, "Park "+it.ruleName()+"?", "park", plan, func(t terms) tea.Cmd {
			print := plan.Natives()[0].Print
			return s.parkAs(plan, t, func(k *Parked) bool {
				return k.Native != nil && k.Native.Print == print && k.Native.Chain == it.native.Name
			})
		})
	}})
}

// editNative opens the native rule under the cursor in the form, where the fields say all of it, else as the command that
// would replace it; an element always as that.
func (s *rulesScreen) editNative(it ruleItem) tea.Cmd {
	switch x := it.element; {
	case !s.nativeAllowed(it) || s.busyTrying():
		return nil
	case x != nil && x.set.Flags&nft.SetAnonymous == 0:
		return s.openEdit("Edit an element of "+x.set.Path(), x.set.Without(x.entry.Key)+x.set.With(x.entry.Text()))
	}
	s.trying = true
	ctx, natively, now := s.ctx, s.gw.Natively, s.tables.Native
	return func() tea.Msg {
		fields, way, err := natively.Fields(ctx, now, it.native, it.rule)
		return nativeFieldsMsg{nativeEdit{it, fields, way, now.Links}, err}
	}
}

// nativeFieldsMsg brings a rule as fields; err says why they do not say all of it.
type nativeFieldsMsg struct {
	edit nativeEdit
	err  error
}

// nativeEdit is a native rule that is edited by fields.
type nativeEdit struct {
	it     ruleItem
	fields nft.Fields
	way    int // which of the wordings
	links  nft.Links
}

// openFields goes on with a rule that was taken apart.
func (s *rulesScreen) openFields(msg nativeFieldsMsg) tea.Cmd {
	s.trying = false
	it := msg.edit.it
	if msg.err != nil {
		return s.openEdit("Edit "+it.ruleName(), it.native.Rewritten(it.rule, it.rule.Text(it.native, msg.edit.links)))
	}
	draft := msg.edit.fields.Draft
	old, _ := draft.Rule()
	f := newFormOf(s.desk, draft, it, &old, it.ruleName())
	f.native = &msg.edit
	f.build()
	s.desk.open(f)
	return nil
}

// plan replaces the rule by what the fields say.
func (e *nativeEdit) plan(r rules.Rule, problems []rules.Problem) (rules.Plan, []rules.Problem) {
	texts, lacks := e.fields.Wordings(r)
	if len(lacks) > 0 && !rules.HasErrors(problems) {
		problems = append(problems, rules.Problem{Field: rules.FieldTo, Text: "nft cannot say this: " + strings.Join(lacks, ", ")})
	}
	c := e.it.native
	gone := e.it.rule.Deletion(c, e.links)
	add := rules.NativeChange{What: rules.NativeRule, Family: gone.Family, Table: gone.Table, Chain: gone.Chain, Text: texts[e.way], Words: r.Sentence()}
	if e.it.at < len(c.Rules) {
		add.Before = c.Rules[e.it.at].Handle
	}
	return rules.Plan{Title: "Edit " + e.it.ruleName() + ": " + r.Sentence(), Steps: rules.NativeSteps([]rules.NativeChange{gone, add})}, problems
}
