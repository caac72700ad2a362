package ui

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/ui/text"
)

// flowView is one flow looked at closely: its way through the gateway, its story,
// its timers, and all that the kernel knows besides. It is asked for anew every second.
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
		return v.ask() // another flow is looked at meanwhile
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

// way draws both directions: on the left what the client sees, on the right what the
// server sees, between them the gateway and the rule that changes what passes.
func (v *flowView) way(width int) []string {
	s, look := v.screen, v.screen.look
	f := &v.d.Flow
	e := s.gw.Flows.Explain(f)
	end := func(a netip.AddrPort) string { return s.endpoint(f, a) }
	left := [...]string{end(f.Client()), end(f.AskedFor())}
	right := [...]string{end(f.SeenAs()), end(f.ServedBy())}
	nat := f.NAT()
	changed := [...]bool{nat&flow.NATSrc != 0, nat&flow.NATDst != 0}
	styles := [...]lipgloss.Style{look.SNAT, s.natStyle(f)}
	kinds := [...]string{"snat", s.destinationKind(f)}
	refs := [...]evaluate.RuleRef{e.SNAT, e.DNAT}

	const head = 7 // "  from "
	l := max(lipgloss.Width(left[0]), lipgloss.Width(left[1]), 11)
	r := max(lipgloss.Width(right[0]), lipgloss.Width(right[1]), 11)
	between := width - head - l - r - 2
	stacked := between < 10
	side := func(a netip.Addr, name string) string {
		if at := s.whereIs(a); at != "" {
			return name + ", " + at
		}
		return name
	}
	clientSide, serverSide := side(f.Client().Addr(), "client side"), side(f.ServedBy().Addr(), "server side")
	var lines []string
	if !stacked {
		gap := width - head - lipgloss.Width(clientSide) - lipgloss.Width(serverSide)
		at := head + l + 1 + between + 1
		if lipgloss.Width(serverSide) > r { // it may stick out to the left, not to the right
			at = width - lipgloss.Width(serverSide)
		}
		if gap > 0 && at > head+lipgloss.Width(clientSide)+1 {
			lines = append(lines, look.Faint.Render(strings.Repeat(" ", head)+text.Pad(clientSide, at-head, false)+serverSide))
		}
	}
	row := func(label string, i int, back bool) {
		arrow := v.arrow(between, changed[i], back, kinds[i], refs[i], styles[i])
		from, to := look.Text.Render(left[i]), look.Text.Render(right[i])
		if changed[i] {
			to = styles[i].Render(right[i])
		}
		label = look.Faint.Render(text.Pad("  "+label, head, false))
		if !stacked {
			lines = append(lines, label+text.Pad(from, l, false)+" "+arrow+" "+to)
			return
		}
		lines = append(lines, text.Fit(label+from, width))
		if changed[i] {
			arrow = v.arrow(min(24, max(8, width-head-lipgloss.Width(right[i])-1)), true, back, kinds[i], refs[i], styles[i])
			lines = append(lines, text.Fit(strings.Repeat(" ", head)+arrow+" "+to, width))
		}
	}
	heading := func(word string, packets, bytes uint64) {
		what := text.Exact(packets) + " packets, " + text.Bytes(bytes)
		if packets == 1 {
			what = "1 packet, " + text.Bytes(bytes)
		}
		if !f.Counts() {
			what = "not counted"
		}
		lines = append(lines, look.Strong.Render(word)+look.Faint.Render("  "+what))
	}
	heading("request", f.OrigPackets, f.OrigBytes)
	row("from", 0, false)
	row("to", 1, false)
	heading("answer ", f.ReplyPackets, f.ReplyBytes)
	row("from", 1, true)
	row("to", 0, true)
	return lines
}

// arrow is a line from one side to the other that carries what changes on the way.
func (v *flowView) arrow(width int, changed, back bool, kind string, by evaluate.RuleRef, style lipgloss.Style) string {
	look := v.screen.look
	g := look.Glyphs
	word := ""
	if changed && !back {
		word = kind
		if !by.IsZero() {
			rule := text.Safe(by.Chain) + " " + strconv.Itoa(by.Position)
			switch {
			case lipgloss.Width(kind+" "+rule)+6 <= width:
				word = kind + " " + rule
			case lipgloss.Width(rule)+6 <= width:
				word = rule
			}
		}
	}
	if changed && back {
		word = "back"
	}
	if word != "" {
		word = " " + word + " "
	}
	fill := max(0, width-1-lipgloss.Width(word))
	before := min(2, fill)
	line := look.Line.Render(strings.Repeat(g.Rule, before)) + style.Render(word) + look.Line.Render(strings.Repeat(g.Rule, fill-before))
	if !changed {
		line = look.Line.Render(strings.Repeat(g.Rule, fill))
	}
	if back {
		return look.Line.Render(g.Outof) + line
	}
	return line + look.Line.Render(g.Into)
}

// destinationKind names what was done to the destination.
func (s *flowsScreen) destinationKind(f *flow.Flow) string {
	if s.isLocal(f.ServedBy().Addr()) && !s.isLocal(f.AskedFor().Addr()) {
		return "redirect"
	}
	return "dnat"
}

// whereIs is the link behind which an address is, or this host itself.
func (s *flowsScreen) whereIs(a netip.Addr) string {
	if s.facts == nil {
		return ""
	}
	if s.facts.IsLocal(a) {
		return "this host"
	}
	if route, certain, ok := s.facts.Reachable(a); ok && certain {
		return text.Safe(route.Out)
	}
	return ""
}

// told is the story, at most room lines of it.
func (v *flowView) told(width, room int) []string {
	s, look := v.screen, v.screen.look
	story := v.story()
	told := story.Lines()
	if len(told) > room {
		cut := len(told) - room + 1
		left := flow.StoryLine{What: look.Glyphs.None, Means: fmt.Sprintf("%d more turns", cut)}
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
	s, look := v.screen, v.screen.look
	f := &v.d.Flow
	var lines []string
	add := func(style lipgloss.Style, label, value string) {
		for i, l := range text.Wrap(text.Safe(value), width-10, 0) {
			if i > 0 {
				label = ""
			}
			lines = append(lines, look.Faint.Render(text.Pad(label, 10, false))+style.Render(l))
		}
	}
	say := func(label, value string) { add(look.Text, label, value) }
	story := v.story()
	switch {
	case story.Ended || v.gone:
		add(look.Attention, "now", "gone from the table; this is what it was at the end")
	default:
		say("now", v.present(&story))
		lines = append(lines, v.timeout(width)...)
	}
	if f.HasRate() && !story.Ended && !v.gone {
		say("rate", text.Rate(float64(f.ByteRate))+" B/s, "+text.Rate(float64(f.PacketRate))+" packets/s over the last seconds")
	}
	switch e := s.gw.Flows.Explain(f); {
	case e.Confidence == explain.NotAsked || story.Ended || v.gone:
	case isRelated(f, e):
		say("rule", "none: it belongs to another connection, whose helper did it")
	case e.Confidence == explain.Stale:
		add(look.Attention, "rule", "stale: today's rules would translate it otherwise; x forgets it")
	case e.Confidence == explain.Unknown:
		say("rule", "not known: "+e.Unseen+" translates here too, and is not evaluated")
	case e.Confidence != explain.Exact:
		say("rule", e.String()+", "+e.Confidence.String())
	case width < 60 || f.NAT() == flow.NATNone:
		say("rule", e.String())
	}
	if v.d.HasMaster {
		say("expected", "by "+tupleText(v.d.Master)+", to which it belongs")
	}
	say("helper", v.d.Helper)
	for _, e := range v.d.Expected {
		say("expects", fmt.Sprintf("%s, for %s more", tupleText(e.Tuple), text.Duration(time.Duration(e.Timeout)*time.Second)))
	}
	if id, kind, code, ok := f.Orig.ICMP(); ok {
		say("icmp", fmt.Sprintf("type %d, code %d, id %d", kind, code, id))
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
	say("besides", strings.Join(small, ", "))
	if labels := labelText(v.d.Labels); labels != "" {
		say("labels", labels)
	}
	say("security", v.d.SecurityContext)
	if t := v.d.TCP; t != nil && t.OrigScale|t.ReplyScale != 0 {
		say("tcp", fmt.Sprintf("window scale %d and %d", t.OrigScale, t.ReplyScale))
	}
	if a, b := v.d.OrigAdjust, v.d.ReplyAdjust; a.After|b.After != 0 {
		say("shifted", fmt.Sprintf("sequence numbers by %d and %d, as the helper changed the text", int32(a.After), int32(b.After)))
	}
	if v.d.SynProxy != nil {
		say("synproxy", "SYNPROXY answered for the server until the client proved itself")
	}
	if v.err != nil {
		add(look.Broken, "unread", v.err.Error())
	}
	return lines
}

// present is what the flow is now: state, how old, when its last packet passed.
func (v *flowView) present(story *flow.Story) string {
	f, now := &v.d.Flow, v.screen.now.UnixNano()
	var parts []string
	if name := f.StateName(); name != "" {
		parts = append(parts, name)
	}
	if f.Status&flow.StatusSeenReply == 0 {
		parts = append(parts, "no answer yet")
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

// wholeSeconds is a time that is looked at once a second.
func wholeSeconds(d time.Duration) string {
	if d < 10*time.Second {
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
	return text.Duration(d.Truncate(time.Second))
}

// gaugeWidth is how many cells a gauge has.
const gaugeWidth = 20

// timeout counts down what is left, beside what the kernel gave.
func (v *flowView) timeout(width int) []string {
	look := v.screen.look
	f := &v.d.Flow
	label := look.Faint.Render(text.Pad("ends", 10, false))
	if f.Status&(flow.StatusOffloaded|flow.StatusHWOffloaded) != 0 {
		return []string{label + look.Text.Render(text.Fit("when the flow table that it is offloaded to lets go of it", width-10))}
	}
	left := time.Duration(f.Remaining(v.screen.now.UnixNano())) * time.Second
	line := "in " + untilEnd(left)
	if width < narrowDetails {
		return v.narrowTimeout(label, left, width)
	}
	if v.d.TimeoutWhole == 0 {
		return []string{label + look.Text.Render(text.Fit(line+" unless a packet passes", width-10))}
	}
	whole := time.Duration(v.d.TimeoutWhole) * time.Second
	line += " of " + untilEnd(whole) + " unless a packet passes"
	lines := []string{label + look.Text.Render(text.Fit(line, width-10))}
	return append(lines, text.Fit(strings.Repeat(" ", 10)+v.gauge(left, whole)+look.Faint.Render("  "+v.d.TimeoutSetting), width))
}

// narrowTimeout is the same in lines of half the width; the setting goes by its own name alone.
func (v *flowView) narrowTimeout(label string, left time.Duration, width int) []string {
	look := v.screen.look
	whole := time.Duration(v.d.TimeoutWhole) * time.Second
	indent := strings.Repeat(" ", 10)
	lines := []string{label + look.Text.Render(text.Fit("in "+untilEnd(left), width-10))}
	if whole == 0 {
		return lines
	}
	lines = append(lines, indent+v.gauge(left, whole), indent+look.Faint.Render(text.Fit("of "+untilEnd(whole)+", which is", width-10)))
	return append(lines, indent+look.Faint.Render(text.Fit(strings.TrimPrefix(v.d.TimeoutSetting, "nf_conntrack_"), width-10)))
}

// gauge draws how much of a time is left. The part that is gone shows as soon as there is one: most
// flows are used long before they end.
func (v *flowView) gauge(left, whole time.Duration) string {
	look := v.screen.look
	full := min(gaugeWidth, int((gaugeWidth*left+whole-1)/max(whole, 1)))
	if left < whole {
		full = min(full, gaugeWidth-1)
	}
	return look.Accent.Render(strings.Repeat("━", full)) + look.Line.Render(strings.Repeat("─", gaugeWidth-full))
}

// untilEnd is a time in hours, minutes and seconds, so that it is seen to run down however
// long it is: 119:59:42, 4:05.
func untilEnd(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 60:
		return strconv.FormatInt(s, 10) + "s"
	case s < 3600:
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s%3600/60, s%60)
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
	)
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

// View draws the box.
func (d *flowDetails) View(width, height int) string {
	room := boxRoom(height)
	if height < 20 {
		room = boxRoom(height + 1)
	}
	lines := d.view.lines(min(detailsWidth, width-2)-4, room)
	seen := d.part(lines, room)
	return box(d.desk, text.Safe(d.view.title())+d.progress(len(lines)), seen, min(detailsWidth, width-2))
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
