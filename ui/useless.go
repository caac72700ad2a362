package ui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// A key that does nothing says why, wherever it is pressed: it may be meant for another screen, or for a row that is not there.

// pressIn does what a key does by a table. Where it does something else instead, and that says nothing, a word is said here.
func (a *App) pressIn(t keyTable, k tea.KeyPressMsg) (cmd tea.Cmd, taken bool) {
	found, instead := t.find(k)
	if found != nil || instead == nil {
		return t.press(k)
	}
	a.said = status{}
	if instead(); a.said.text == "" {
		a.sayUseless(t, k)
	}
	return nil, true
}

// sayUseless says of a key that does nothing where it would do something; nothing of one that leaves what is open.
func (a *App) sayUseless(own keyTable, k tea.KeyPressMsg) {
	name := a.look.Glyphs.Key(k.String())
	idle := func(x *action) { a.sayBriefly(x.idle(name)) }
	switch x := own.of(k); {
	case key.Matches(k, keys.Close):
		return
	case x != nil:
		idle(x)
		return
	case a.top() != nil:
		a.sayBriefly(name + " does nothing in this box; ? lists its keys")
		return
	case len(k.Text) == 1 && k.Text[0] >= '0' && k.Text[0] <= '9':
		a.sayBriefly("there is no screen " + k.Text + ", they are 1 to 6; after two digits G goes to that line")
		return
	}
	if where := a.screensWith(k); where != "" {
		a.sayBriefly(where)
		return
	}
	if x := a.everywhere().and(a.always()).rebound(a.settings.Keys).of(k); x != nil {
		idle(x)
		return
	}
	a.sayBriefly(name + " does nothing here; ? lists the keys")
}

// sayNoTrace says why nothing is traced from here.
func (a *App) sayNoTrace() {
	if a.gw.Recorded != "" {
		a.sayBriefly("no packets pass a recorded gateway: nothing can be traced")
		return
	}
	a.sayBriefly("there is no packet to trace here: press it on a rule or a connection, or type a filter in Trace (5)")
}

// sayClosed says of a key that has closed a box, as any does that the box has no use for, that it does more on the screen.
func (a *App) sayClosed(box any, k tea.KeyPressMsg) {
	if a.said != a.saidBefore || a.top() != nil || box == any(a.screen()) {
		return
	}
	if x, _ := a.table(a.screen()).and(a.everywhere().rebound(a.settings.Keys)).find(k); x != nil && x.name() != "" && !key.Matches(k, keys.Close, keys.Quit) {
		a.sayBriefly("the box is closed; once more is " + x.labelled(a.look.Glyphs.Key(k.String())))
	}
}

// screensWith says on which other screens a key does something, and what; "" for none.
func (a *App) screensWith(k tea.KeyPressMsg) string {
	var places []string
	for i, s := range a.screens {
		if i == a.active || s == nil {
			continue
		}
		t := a.table(s)
		names := t.names(k)
		if x := t.shared(k); len(names) == 0 && x != nil && x.name() != "" {
			names = []string{x.name()}
		}
		if len(names) == 0 {
			continue
		}
		screen := keys.Screens[i].Help()
		places = append(places, upper(screen.Desc)+" ("+screen.Key+"): "+strings.Join(names, " or "))
	}
	if len(places) == 0 {
		return ""
	}
	return a.look.Glyphs.Key(k.String()) + " is a key of " + strings.Join(places, ", ")
}

// names are what a key does by a table, in whatever state.
func (t keyTable) names(k tea.KeyPressMsg) (list []string) {
	for i := range t {
		if a := &t[i]; a.do != nil && !a.rest && key.Matches(k, a.keys) && a.name() != "" && !slices.Contains(list, a.name()) {
			list = append(list, a.name())
		}
	}
	return list
}

// of is the first action of a key, in whatever state; nil where it has none.
func (t keyTable) of(k tea.KeyPressMsg) *action {
	for i := range t {
		if a := &t[i]; a.do != nil && !a.rest && key.Matches(k, a.keys) {
			return a
		}
	}
	return nil
}

// shared is what a key that several screens have does on this one; nil where it does not.
func (t keyTable) shared(k tea.KeyPressMsg) *action {
	for i := range t {
		if a := &t[i]; a.do == nil && key.Matches(k, a.keys) && (a.works == nil || a.works()) {
			return a
		}
	}
	return nil
}

// counts tells whether a number before G means something.
func (t keyTable) counts() bool {
	for i := range t {
		if t[i].count != nil && (t[i].works == nil || t[i].works()) {
			return true
		}
	}
	return false
}

// idle says, of an action that does not work, that its key does nothing, and why.
func (a *action) idle(key string) string {
	if a.why != "" {
		return a.labelled(key) + ": " + a.why
	}
	return a.labelled(key) + " has nothing to work on here"
}

// labelled is a key with the name of its action.
func (a *action) labelled(name string) string {
	if a.name() == "" {
		return name
	}
	return name + " (" + a.name() + ")"
}
