package main

import (
	"strconv"
	"time"

	"nattui/model/explain"
	"nattui/model/flow"
)

// flowPrinter prints flows as they come, as JSON, as lines of columns, or as a
// page for a person. It keeps what is needed to print the next without
// allocating.
type flowPrinter struct {
	*output
	json    bool
	left    int // of the limit
	printed bool
	line    []byte
	page    *flowPage
	at      int64     // the time that extra is for
	extra   [3]string // of new, update and destroy
	err     error
	// mark writes into a flow which rule made it, explain tells that of a marked one; nil where
	// the rules are not known or not asked for.
	mark, explain func(*flow.Flow) explain.Explanation
	rates         bool              // of flows are wanted
	order         *flow.Sort        // nil: as the kernel tells them
	members       map[uint32]string // the rule's member of a flow's object, by Flow.Rule: there are few
	// watch tells the rule of what is followed, told is what it has told of the event that is printed.
	watch      *ruleWatch
	told       explain.Explanation
	generation uint16 // of the rules that members is about
	unsure     bool   // the rules are no longer those that were read
}

// begin begins with the events of a batch.
func (p *flowPrinter) begin(b *flow.Batch) {
	if p.watch != nil {
		p.watch.look(b)
	}
}

// noteEvent prepares an event for conditions on its rule.
func (p *flowPrinter) noteEvent(m *flow.Message, b *flow.Batch) {
	if p.watch != nil {
		p.told = p.watch.explain(m, b)
	}
}

// note prepares a flow for conditions on its rule.
func (p *flowPrinter) note(f *flow.Flow) {
	if p.mark != nil {
		p.mark(f)
	}
}

func (p *flowPrinter) full() bool { return p.left <= 0 || p.err != nil }

// flow prints a flow and tells whether there is room for more.
func (p *flowPrinter) flow(f *flow.Flow, now int64) (more bool) { return p.print(0, f, now) }

// event prints an event.
func (p *flowPrinter) event(kind flow.MessageKind, f *flow.Flow, at int64) (more bool) {
	return p.print(kind, f, at)
}

func (p *flowPrinter) print(kind flow.MessageKind, f *flow.Flow, now int64) (more bool) {
	if p.full() {
		return false
	}
	p.line = p.line[:0]
	switch {
	case p.json:
		p.line = append(f.AppendJSON(p.line, now, p.membersOf(kind, f, now)), '\n')
	case p.terminal:
		if p.page == nil {
			p.page = newFlowPage(p, kind != 0)
			p.line = append(p.line, p.page.head()...)
		}
		p.line = append(p.line, p.page.row(kind, f, now)...)
	default:
		p.line = appendFlow(p.line, kind, f, now, p.rates)
	}
	if _, p.err = p.Write(p.line); p.err != nil {
		return false
	}
	p.printed = true
	p.left--
	return p.left > 0
}

// membersOf are the members of a flow's object that the flow itself does not know:
// its rule, and what happened.
func (p *flowPrinter) membersOf(kind flow.MessageKind, f *flow.Flow, now int64) string {
	extra := p.extraOf(kind, now)
	if p.explain == nil {
		return extra
	}
	rule := p.ruleOf(f)
	switch {
	case extra == "":
		return rule
	case rule == "":
		return extra
	}
	return rule + "," + extra
}

// ruleOf is the rule's member of a flow's object.
func (p *flowPrinter) ruleOf(f *flow.Flow) string {
	if p.unsure {
		return string(explain.Explanation{Confidence: explain.Unknown}.AppendJSON(nil))
	}
	if p.generation != f.RuleGen {
		p.members, p.generation = map[uint32]string{}, f.RuleGen
	}
	rule, ok := p.members[f.Rule]
	if !ok {
		e := p.told
		if p.watch == nil {
			e = p.explain(f)
		}
		rule = string(e.AppendJSON(nil))
		p.members[f.Rule] = rule
	}
	return rule
}

// extraOf are the members that only events have, made once for all events of one time.
func (p *flowPrinter) extraOf(kind flow.MessageKind, at int64) string {
	if kind == 0 {
		return ""
	}
	if p.at != at {
		p.at, p.extra = at, [3]string{}
	}
	i := kind - flow.EventNew
	if p.extra[i] == "" {
		p.extra[i] = `"event":"` + kind.String() + `","at":"` + time.Unix(0, at).UTC().Format(time.RFC3339Nano) + `"`
	}
	return p.extra[i]
}

// The widths of a line's columns; longer values push the rest to the right.
const (
	protoWidth   = 5
	stateWidth   = 11
	natWidth     = 4
	addressWidth = 21 // 255.255.255.255:65535
	secondsWidth = 6
)

// appendFlow appends a flow as a line of columns.
func appendFlow(b []byte, kind flow.MessageKind, f *flow.Flow, now int64, rates bool) []byte {
	if kind != 0 {
		b = appendWord(b, kind.String(), len("destroy"))
	}
	start := len(b)
	b = fill(f.Proto().AppendName(b), start, protoWidth)
	b = appendWord(b, f.StateName(), stateWidth)
	b = appendWord(b, f.NAT().String(), natWidth)
	for _, end := range flowEnds(f) {
		start := len(b)
		b = fill(end.append(b), start, addressWidth)
	}
	b = appendNumber(b, uint64(f.Remaining(now)), secondsWidth, true)
	b = appendNumber(append(b, ' '), f.Packets(), 7, f.Counts())
	b = appendNumber(append(b, ' '), f.Bytes(), 10, f.Counts())
	if rates {
		b = appendNumber(append(b, ' '), uint64(f.ByteRate+0.5), 9, f.HasRate())
	}
	return append(b, '\n')
}

// appendWord appends a word and blanks up to the next column.
func appendWord(b []byte, word string, width int) []byte {
	if word == "" {
		word = unknown
	}
	start := len(b)
	return fill(append(b, word...), start, width)
}

// fill appends blanks after a value that began at start, one at least.
func fill(b []byte, start, width int) []byte {
	for len(b)-start < width {
		b = append(b, ' ')
	}
	return append(b, ' ')
}

// appendNumber appends a number at the right of its column.
func appendNumber(b []byte, n uint64, width int, known bool) []byte {
	var digits [20]byte
	d := strconv.AppendUint(digits[:0], n, 10)
	if !known {
		d = append(digits[:0], unknown...)
	}
	for range width - len(d) {
		b = append(b, ' ')
	}
	return append(b, d...)
}
