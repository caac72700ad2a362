package flow

// Condition tells whether a flow is to be shown, or an event with the flow as it was then; nil takes
// everything. The kind is that of the event, 0 for a flow of the table; now is in nanoseconds since 1970.
// Package filter makes conditions of a line of text.
type Condition func(f *Flow, now int64, kind MessageKind) bool

// holds tells whether a flow of the table meets the condition.
func (c Condition) holds(f *Flow, now int64) bool { return c == nil || c(f, now, 0) }

// passes tells whether an event is to be shown. A gap always is.
func (c Condition) passes(e *Event, now int64) bool {
	return c == nil || e.IsGap() || c(&e.Flow, now, e.Kind)
}
