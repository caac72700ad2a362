package ui

import (
	tea "charm.land/bubbletea/v2"

	"nattui/model/traced"
	"nattui/rules"
)

// traceTab is the number of the trace screen.
const traceTab = 4

// traceable is the filter for what is under the cursor: the packets of a flow, or
// those that a rule may meet; false on a screen without either.
func (a *App) traceable() (filter string, ok bool) {
	switch s := a.screen().(type) {
	case *rulesScreen:
		if r, it, ok := s.current(); ok {
			f := traced.TraceOfRule(s.place.Family, it.chain, r)
			f.New = f.Proto == rules.TCP && s.table == "nat" // which only first packets visit
			return f.String(), true
		}
		return "", true
	case *flowsScreen:
		if f, ok := s.current(); ok {
			t := traced.TraceOfFlow(&f)
			return t.String(), true
		}
		return "", true
	}
	return "", false
}

// openTrace shows the trace screen with a filter to start with.
func (a *App) openTrace(filter string) tea.Cmd {
	cmd := a.show(traceTab)
	if s, ok := a.screen().(*traceScreen); ok {
		s.suggest(filter)
	}
	return cmd
}
