package ui

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/text"
)

// flowView is one flow looked at closely: its way through the gateway, its story,
// its timers, and all that the kernel knows as well. It is asked for again every second.
type flowView struct {
	screen *flowsScreen
	key    flow.Key
	d      flow.Details
	asked  bool // the kernel has answered once
	asking bool
	gone   bool
	err    error
}

// detailsMsg is the kernel's answer about one flow.
type detailsMsg struct {
	key     flow.Key
	details flow.Details
	err     error
}

// look begins to look at a flow.
func (v *flowView) look(f flow.Flow) tea.Cmd {
	v.key, v.d, v.asked, v.gone, v.err = f.Key(), flow.Details{Flow: f}, false, false, nil
	v.screen.gw.Flows.Log().Watch(&f, v.screen.now.UnixNano())
	return v.ask()
}

// ask asks the kernel for everything, unless a question is under way.
func (v *flowView) ask() tea.Cmd {
	if v.asking || v.gone || v.key == (flow.Key{}) {
		return nil
	}
	v.asking = true
	source, f, k := v.screen.gw.Flows, v.d.Flow, v.key
	return func() tea.Msg {
		d, err := source.Details(v.screen.ctx, f)
		return detailsMsg{k, d, err}
	}
}

// answered takes the kernel's answer.
func (v *flowView) answered(msg detailsMsg) tea.Cmd {
	v.asking = false
	if msg.key != v.key {
		return v.ask() // another flow is looked at in the meantime
	}
	switch {
	case errors.Is(msg.err, flow.ErrGone):
		v.gone = true
	case msg.err != nil:
		v.err = msg.err
	default:
		rates := v.d.Flow
		v.d, v.asked, v.err = msg.details, true, nil
		if kept, _, ok := v.screen.gw.Flows.Table().Lookup(v.key); ok {
			rates = kept
		}
		v.d.Flow.KeepRates(&rates)
	}
	return nil
}

// story is what is known of the flow's life.
func (v *flowView) story() flow.Story {
	s, ok := v.screen.gw.Flows.Log().Story(v.key)
	if !ok {
		s = flow.Story{Flow: v.d.Flow}
	}
	return s
}

// title names the flow.
func (v *flowView) title() string {
	f := &v.d.Flow
	return f.Proto().String() + " " + v.screen.endpoint(f, f.Client()) + " to " + v.screen.endpoint(f, f.AskedFor())
}

// lines draw the flow at a width. room is how many lines there are: a long story is
// told shorter where it would push the rest out of sight.
func (v *flowView) lines(width, room int) []string {
	lines := v.way(width)
	lines = append(lines, "")
	rest := v.facts(width)
	story := v.told(width, max(4, room-len(lines)-len(rest)-1))
	lines = append(lines, story...)
	return append(append(lines, ""), rest...)
}

// told is the story, at most room lines of it.
func (v *flowView) told(width, room int) []string {
	s, look := v.screen, v.screen.look
	story := v.story()
	told := story.Lines()
	if len(told) > room {
		cut := len(told) - room + 1
		left := flow.StoryLine{What: look.Glyphs.None, Means: fmt.Sprintf("%d more changes of state", cut)}
		told = append([]flow.StoryLine{told[0], left}, told[1+cut:]...)
	}
	states := 11
	for _, l := range told {
		states = max(states, min(len(l.What), 16))
	}
	var lines []string
	for _, l := range told {
		when := ""
		if l.At != 0 {
			when = s.moment(l.At, l.Exact)
		}
		style := look.Text
		switch l.What {
		case "DESTROY", "GONE":
			style = look.Attention
		case "ESTABLISHED":
			style = look.Good
		}
		means := text.Safe(l.Means)
		if width >= narrowDetails {
			line := look.Faint.Render(text.Pad(when, 14, false)) + style.Render(text.Pad(l.What, states, false)) + "  " + look.Text.Render(means)
			lines = append(lines, text.Fit(line, width))
			continue
		}
		if head := look.Faint.Render(text.Pad(when, 14, false)) + style.Render(l.What); l.What != "" {
			lines = append(lines, text.Fit(head, width))
		} else if when != "" {
			lines = append(lines, look.Faint.Render(when))
		}
		for _, part := range text.Wrap(means, width-3, 0) {
			lines = append(lines, "   "+look.Text.Render(part))
		}
	}
	return lines
}

// narrowDetails is from where on the lines of a flow's story have room for all in one.
const narrowDetails = 50

// moment is a time of day, with the date before it if it is not today's, and
// a sign where it is when something was noticed rather than when it was.
func (s *flowsScreen) moment(at int64, exact bool) string {
	t := time.Unix(0, at).In(s.now.Location())
	layout := "15:04:05.000"
	if s.now.Sub(t) > 20*time.Hour || t.YearDay() != s.now.YearDay() {
		layout = "01-02 15:04"
	}
	sign := " "
	if !exact {
		sign = "~"
	}
	return sign + t.Format(layout)
}

// facts are the timers and everything that has one value, what is 0 or missing left out.
func (v *flowView) facts(width int) []string {
	l := &factLines{look: v.screen.look, width: width, label: 10}
	story := v.story()
	if story.Ended || v.gone {
		l.add(l.look.Attention, "now", "gone from the table; shown as last seen")
	} else {
		v.tellNow(l, &story)
	}
	v.tellKin(l)
	v.tellRest(l)
	if v.err != nil {
		l.add(l.look.Broken, "unread", v.err.Error())
	}
	return l.lines
}

// tellNow tells of a flow that lives: how it is, and which rule made it.
func (v *flowView) tellNow(l *factLines, story *flow.Story) {
	f := &v.d.Flow
	l.say("now", v.present(story))
	l.lines = append(l.lines, v.timeout(l.width)...)
	if f.HasRate() {
		l.say("rate", text.Rate(float64(f.ByteRate))+" B/s, "+text.Rate(float64(f.PacketRate))+" packets/s over the last seconds")
	}
	l.say("", v.screen.rowTrail.graph(f))
	switch e := v.screen.gw.Flows.Explain(f); {
	case e.Confidence == explain.NotAsked:
	case isRelated(f, e):
		l.say("rule", "none: it belongs to another connection")
	case e.Confidence == explain.Stale:
		l.add(l.look.Attention, "rule", "stale: today's rules would translate it differently; x forgets it")
	case e.Confidence == explain.Unknown:
		l.say("rule", "not known: "+e.Doubt())
	case e.Older:
		l.say("rule", "as "+e.String()+" does now; "+explain.MadeBefore)
	case e.Confidence == explain.Ambiguous:
		l.say("rule", e.String())
	case e.Confidence != explain.Exact:
		l.say("rule", e.String()+", "+e.Confidence.String())
	case l.width < 60 || f.NAT() == flow.NATNone:
		l.say("rule", e.String())
	}
}

// tellKin tells what the flow has to do with others.
func (v *flowView) tellKin(l *factLines) {
	if v.d.HasMaster {
		l.say("expected", "by "+tupleText(v.d.Master)+", to which it belongs")
	}
	l.say("helper", v.d.Helper)
	for _, e := range v.d.Expected {
		l.say("expects", fmt.Sprintf("%s, for %s more", tupleText(e.Tuple), text.Duration(time.Duration(e.Timeout)*time.Second)))
	}
}

// tellRest tells what else the kernel keeps of it.
func (v *flowView) tellRest(l *factLines) {
	f := &v.d.Flow
	if id, kind, code, ok := f.Orig.ICMP(); ok {
		l.say("icmp", fmt.Sprintf("type %d, code %d, id %d", kind, code, id))
	}
	var small []string
	if f.Mark != 0 {
		small = append(small, fmt.Sprintf("mark 0x%x", f.Mark))
	}
	if f.Zone != 0 {
		small = append(small, fmt.Sprintf("zone %d%s", f.Zone, [...]string{"", " (original direction)", " (reply direction)"}[f.ZoneSide]))
	}
	small = append(small, "id "+strconv.FormatUint(uint64(f.ID), 10))
	if words := statusWords(f.Status); words != "" {
		small = append(small, words)
	}
	l.say("more", strings.Join(small, ", "))
	l.say("labels", labelText(v.d.Labels))
	l.say("security", v.d.SecurityContext)
	if t := v.d.TCP; t != nil && t.OrigScale|t.ReplyScale != 0 {
		l.say("tcp", fmt.Sprintf("window scale %d and %d", t.OrigScale, t.ReplyScale))
	}
	if a, b := v.d.OrigAdjust, v.d.ReplyAdjust; a.After|b.After != 0 {
		l.say("shifted", fmt.Sprintf("sequence numbers by %d and %d, because the helper changed the payload", int32(a.After), int32(b.After)))
	}
	if v.d.SynProxy != nil {
		l.say("synproxy", "SYNPROXY answered for the server until the client completed the handshake")
	}
}

// present is what the flow is now: state, how old, when its last packet passed.
func (v *flowView) present(story *flow.Story) string {
	f, now := &v.d.Flow, v.screen.now.UnixNano()
	var parts []string
	if name := f.StateName(); name != "" {
		parts = append(parts, name)
	}
	if f.Status&flow.StatusSeenReply == 0 {
		parts = append(parts, "no reply yet")
	}
	age, since := f.Age(now), ""
	idle, rests := v.d.Idle(now)
	if _, exact := f.Since(); !exact && !story.Begun() {
		age, since = max(age, idle), "at least "
	}
	idle = min(idle, age) // it comes in whole seconds
	parts = append(parts, since+wholeSeconds(age)+" old")
	switch answered := f.Status&flow.StatusSeenReply != 0; {
	case !rests || !answered:
	case idle >= 2*time.Second:
		parts = append(parts, "last packet "+wholeSeconds(idle)+" ago")
	case f.StateName() == "ESTABLISHED", f.StateName() == "":
		parts = append(parts, "busy")
	default:
		parts = append(parts, "last packet just now")
	}
	return strings.Join(parts, ", ")
}

func tupleText(t rules.Tuple) string {
	from, to := t.Source(), t.Destination()
	if t.Proto.HasPorts() && from.Port() != 0 {
		return fmt.Sprintf("%v %v to %v", t.Proto, from, to)
	}
	return fmt.Sprintf("%v %v to %v", t.Proto, from.Addr(), to)
}

// labelText are the numbers of the label bits that are set.
func labelText(labels []byte) string {
	var set []string
	for i, b := range labels {
		for bit := range 8 {
			if b>>bit&1 != 0 {
				set = append(set, strconv.Itoa(8*i+bit))
			}
		}
	}
	return strings.Join(set, ", ")
}

// statusWords are the status bits that the story does not tell.
func statusWords(s flow.Status) string {
	var words []string
	for _, w := range []struct {
		bit  flow.Status
		word string
	}{
		{flow.StatusAssured, "assured"},
		{flow.StatusExpected, "expected"},
		{flow.StatusFixedTimeout, "fixed timeout"},
		{flow.StatusOffloaded, "offloaded"},
		{flow.StatusHWOffloaded, "offloaded to hardware"},
	} {
		if s&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ", ")
}

// flowDetails is a flow's view in a box over the screen.
type flowDetails struct {
	*desk
	view *flowView
	reading
}

// Actions forget the flow, name its ends, scroll and close.
func (d *flowDetails) Actions() keyTable {
	return d.readingKeys(d, &d.reading,
		act(keys.Forget, d.forget).when(func() bool { return !d.gw.ReadOnly }),
		on(keys.Names, d.view.screen.toggleNames),
		on(keyRuleOf, d.addRule).when(func() bool { return !d.gw.ReadOnly }),
	)
}

// addRule fills the form with the flow.
func (d *flowDetails) addRule() tea.Cmd {
	d.close(d)
	f := d.view.d.Flow
	return d.openRuleOf(d.view.screen.draftOfFlow(&f), f.Orig.String())
}

func (d *flowDetails) forget() {
	d.close(d)
	if story := d.view.story(); story.Ended || d.view.gone {
		d.view.screen.sayEnded()
		return
	}
	d.view.screen.askForgetOf(d.view.d.Flow)
}

const detailsWidth = 80

// Settle fits the text to the terminal.
func (d *flowDetails) Settle() tea.Cmd {
	room := boxRoom(d.boxHeight())
	d.fit(d.view.lines(min(detailsWidth, d.width-2)-4, room), room)
	return nil
}

// View draws the box.
func (d *flowDetails) View(width, _ int) string {
	return box(d.desk, d.under(text.Safe(d.view.title()), min(detailsWidth, width-2)), d.seen(), min(detailsWidth, width-2))
}

// The screen is split from splitWidth on: the list, and the flow under the cursor beside it.
const (
	splitWidth  = 180
	splitHeight = 20
	sideWidth   = 76
)

// side draws the flow beside the list, all lines of the height.
func (v *flowView) side(height int) []string {
	look := v.screen.look
	inner := sideWidth - 3
	lines := []string{look.Strong.Render(text.Fit(text.Safe(v.title()), inner)), ""}
	lines = append(lines, v.lines(inner, height-2)...)
	for len(lines) < height {
		lines = append(lines, "")
	}
	for i := range lines[:height] {
		lines[i] = look.Line.Render(look.Glyphs.Pipe) + " " + text.Fit(lines[i], inner)
	}
	return lines[:height]
}
