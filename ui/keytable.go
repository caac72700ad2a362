package ui

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// action is a line of a key table: the keys, when they work, and what they do.
type action struct {
	keys    key.Binding         // without help it is shown nowhere
	works   func() bool         // nil: always
	instead func()              // what the keys do while it does not work: mostly, say why; nil: they are not taken
	do      func() tea.Cmd      // nil: it is shown here, and done by what gets the keys that the table does not take
	count   func(n int) tea.Cmd // what G does after a number: go to that row, from 1; nil: nothing
	rest    bool                // it takes every key that no other action takes
	agrees  bool                // it counts only once what is asked has been on the screen for a moment
	clause  string              // what it does; "": what the clauses say of its name
	why     string              // why it does nothing while it does not work, where it has nothing else to do then
}

// keyTable is all keys of a screen or a dialog, the most wanted first. Dispatch, the key
// line, help, and the table of keys in docs/reference.md are made from it. A key that does
// one thing or another stands in it once for each.
type keyTable []action

// on makes the action that keys do.
func on(keys key.Binding, do func() tea.Cmd) action { return action{keys: keys, do: do} }

// act is on for what needs no command.
func act(keys key.Binding, do func()) action {
	return action{keys: keys, do: func() tea.Cmd { do(); return nil }}
}

// elsewhere shows keys that are not dispatched by the table: a text field's own, or those that
// work on all screens.
func elsewhere(keys key.Binding) action { return action{keys: keys} }

// others is what all keys do that no other action takes.
func others(do func()) action {
	a := act(key.Binding{}, do)
	a.rest = true
	return a
}

// counted is what the action does after a number.
func (a action) counted(f func(n int) tea.Cmd) action { a.count = f; return a }

// when has an action work only while f is true.
func (a action) when(f func() bool) action { a.works = f; return a }

// agreeing has an action count only once what is asked has been on the screen for a moment.
func (a action) agreeing() action { a.agrees = true; return a }

// otherwise is what the keys do while the action does not work.
func (a action) otherwise(f func()) action { a.instead = f; return a }

// told has help say what an action does in these words.
func (a action) told(clause string) action { a.clause = clause; return a }

// because is why an action does nothing while it does not work.
func (a action) because(why string) action { a.why = why; return a }

// words say what an action does.
func (a *action) words() string { return cmp.Or(a.clause, clauses[a.name()]) }

// hidden is a binding with the same keys and the same name that is not shown.
func hidden(b key.Binding) key.Binding {
	return key.NewBinding(key.WithKeys(b.Keys()...), key.WithHelp("", b.Help().Desc))
}

// silent is a binding that is not shown, for keys.
func silent(keys ...string) key.Binding { return key.NewBinding(key.WithKeys(keys...)) }

// named is the table without what takes every other key.
func (t keyTable) named() keyTable {
	var out keyTable
	for _, a := range t {
		if !a.rest {
			out = append(out, a)
		}
	}
	return out
}

// press does what a key does; it is not taken where nothing in the table is for it now.
func (t keyTable) press(k tea.KeyPressMsg) (cmd tea.Cmd, taken bool) {
	a, instead := t.find(k)
	switch {
	case a != nil:
		return a.do(), true
	case instead == nil:
		return nil, false
	}
	instead()
	return nil, true
}

// find is the action that a key is for now, else what it does instead.
func (t keyTable) find(k tea.KeyPressMsg) (found *action, instead func()) {
	for i := range t {
		a := &t[i]
		switch {
		case a.do == nil || !a.rest && !key.Matches(k, a.keys):
		case a.works == nil || a.works():
			return a, nil
		case instead == nil:
			instead = a.instead
		}
	}
	return nil, instead
}

// working are the bindings to show now: of several actions of a key, the one that it does.
func (t keyTable) working() []key.Binding {
	var list []key.Binding
	taken := map[string]bool{}
	for _, a := range t {
		if a.works != nil && !a.works() {
			continue
		}
		free := false
		for _, k := range a.keys.Keys() {
			free = free || !taken[k]
			taken[k] = true
		}
		if free && a.keys.Help().Key != "" {
			list = append(list, a.keys)
		}
	}
	return list
}

// helped are the actions for help: those that work now, and those that only the key line leaves out. Of
// several actions of a key it is the one that it does.
func (t keyTable) helped() keyTable {
	var list keyTable
	taken := map[string]bool{}
	for _, a := range t {
		if a.name() == "" || a.works != nil && !a.works() {
			continue
		}
		free := false
		for _, k := range a.keys.Keys() {
			free = free || !taken[k]
			taken[k] = true
		}
		if !free {
			continue
		}
		a.keys.SetHelp(a.label(), a.name())
		a.works = nil
		list = append(list, a)
	}
	return list
}

// untyped is the table where letters are text: without the keys that are.
func (t keyTable) untyped() keyTable {
	var out keyTable
	for _, a := range t {
		left := slices.DeleteFunc(slices.Clone(a.keys.Keys()), func(k string) bool { return utf8.RuneCountInString(k) == 1 || k == "space" })
		switch label := a.keys.Help().Key; {
		case len(left) == 0:
			continue
		case len(left) < len(a.keys.Keys()) && label != "":
			a.keys = key.NewBinding(key.WithKeys(left...), key.WithHelp(strings.Join(left, "/"), a.name()))
		}
		out = append(out, a)
	}
	return out
}

// all are the bindings to show of all states of the screen or dialog.
func (t keyTable) all() []key.Binding {
	var list []key.Binding
	for _, a := range t {
		if a.keys.Help().Key != "" {
			list = append(list, a.keys)
		}
	}
	return list
}

// takes tells whether a key is in the table, in whatever state.
func (t keyTable) takes(b key.Binding) bool {
	for _, a := range t {
		for _, k := range a.keys.Keys() {
			for _, wanted := range b.Keys() {
				if k == wanted && a.do != nil {
					return true
				}
			}
		}
	}
	return false
}

// far is farther than any list or text is long.
const far = 1 << 28

// moving are the keys that lead through a list, or a text, of which page lines are in
// sight. by moves down, or up if negative.
func moving(page func() int, by func(int) tea.Cmd) keyTable {
	step := func(b key.Binding, n func() int) action { return on(b, func() tea.Cmd { return by(n()) }) }
	return keyTable{
		step(keys.Up, func() int { return -1 }),
		step(keys.Down, func() int { return 1 }),
		step(keys.PageUp, func() int { return -max(1, page()-1) }),
		step(keys.PageDown, func() int { return max(1, page()-1) }),
		step(keys.Top, func() int { return -far }),
		step(keys.Bottom, func() int { return far }).counted(func(n int) tea.Cmd { return tea.Batch(by(-far), by(n-1)) }),
	}
}

// scrolling is moving for what needs no command.
func scrolling(page func() int, by func(int)) keyTable {
	return moving(page, func(n int) tea.Cmd { by(n); return nil })
}

// show shows the first n actions of a table only; all work.
func (t keyTable) show(n int) keyTable {
	for i := n; i < len(t); i++ {
		t[i].keys = hidden(t[i].keys)
	}
	return t
}

// and is the table with others behind it.
func (t keyTable) and(more ...keyTable) keyTable {
	for _, m := range more {
		t = append(t, m...)
	}
	return t
}

// rebound is the table with other keys for the actions that somebody has named.
func (t keyTable) rebound(chosen map[string][]string) keyTable {
	if len(chosen) == 0 {
		return t
	}
	out := make(keyTable, len(t))
	for i, a := range t {
		if wanted, ok := chosen[a.name()]; ok && a.name() != "" {
			label := ""
			if a.keys.Help().Key != "" {
				label = strings.Join(wanted, "/")
			}
			a.keys = key.NewBinding(key.WithKeys(wanted...), key.WithHelp(label, a.keys.Help().Desc))
		}
		out[i] = a
	}
	return out
}

// name is what an action is called: in help, in the palette, and where its keys are chosen.
func (a action) name() string { return a.keys.Help().Desc }

// while has all actions of a table work only while f is true, too.
func (t keyTable) while(f func() bool) keyTable {
	for i := range t {
		own := t[i].works
		t[i].works = func() bool { return f() && (own == nil || own()) }
	}
	return t
}
