package ui

import (
	"fmt"
	"net/netip"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/ui/text"
)

// whatIf asks what the kernel would do with a packet: a line to type it, and its
// way beneath, evaluated as it is typed. Nothing is sent.
type whatIf struct {
	*desk
	input     typedLine
	evaluator *evaluate.Evaluator
	path      evaluate.Path
	wrong     string
	sample    string // the packet that it was opened with
	kept      bool   // it goes on with what was typed before it was closed
	reading
}

// newWhatIf opens the question with a packet that is to be begun with.
func newWhatIf(d *desk, packet string) *whatIf {
	w := &whatIf{desk: d, sample: packet, input: newTypedLine()}
	if typed, ok := d.packets[packet]; ok && typed != packet {
		w.kept, packet = true, typed
	}
	w.input.offer(packet)
	w.compile()
	w.evaluate()
	return w
}

func (w *whatIf) compile() {
	var programs []*evaluate.Program
	for _, s := range w.tables.Sets {
		programs = append(programs, evaluate.Compile(s))
	}
	host := evaluate.Host{}
	switch {
	case w.facts != nil:
		host = w.facts.Host(nil)
		if w.facts.Native == nil {
			host.Filters = w.facts.NativeFilters
		}
	case w.tables.Native != nil:
		host.Native = evaluate.CompileNative(w.tables.Native)
	}
	w.evaluator = evaluate.NewEvaluator(host, programs...)
}

// evaluate follows the packet that is typed.
func (w *whatIf) evaluate() {
	w.wrong, w.path = "", evaluate.Path{}
	p, err := parsePacketLine(w.input.Value())
	if err == nil {
		w.path, err = w.evaluator.Evaluate(p)
		switch {
		case w.gw.RulesAlone:
			w.path.Open(facts.RulesAlone)
		case w.facts == nil:
			w.path.Open("addresses, routes and settings are not read yet")
		}
	}
	if err != nil {
		w.wrong = err.Error()
	}
}

// packetOf is the line for a rule's sample packet; known may be nil.
func packetOf(f rules.Family, r *rules.Rule, known *facts.Facts) string {
	proto, src, dst, in, ok := evaluate.SamplePacket(*r, f, addressesFor(f, r, known)...)
	switch {
	case !ok:
		return ""
	case !dst.IsValid(): // to be typed
		return rules.ProtoName(proto) + " " + src.String() + " "
	}
	return packetLine(proto, src, dst, in)
}

// addressesFor are this host's addresses, those on the interface that a rule names first.
func addressesFor(f rules.Family, r *rules.Rule, known *facts.Facts) (list []netip.Addr) {
	if known == nil {
		return nil
	}
	for _, a := range known.AddressesOn(r.In.Name) {
		if a.Scope == facts.ScopeGlobal {
			list = append(list, a.Prefix.Addr())
		}
	}
	for _, s := range known.SuggestAddresses(f) {
		if a, err := netip.ParseAddr(s.Value); err == nil {
			list = append(list, a)
		}
	}
	return list
}

// packetOfFlow is the line for the first packet of a flow.
func packetOfFlow(f *flow.Flow) string {
	src, dst := f.Client(), f.AskedFor()
	if !f.Proto().HasPorts() {
		src, dst = netip.AddrPortFrom(src.Addr(), 0), netip.AddrPortFrom(dst.Addr(), 0)
	}
	return packetLine(f.Proto(), src, dst, "")
}

func packetLine(proto rules.Protocol, src, dst netip.AddrPort, in string) string {
	end := func(a netip.AddrPort) string {
		if a.Port() == 0 {
			return a.Addr().String()
		}
		return a.String()
	}
	return strings.TrimSpace(rules.ProtoName(proto) + " " + end(src) + " " + end(dst) + " " + in)
}

// Receive evaluates the packet again where rules have changed.
func (w *whatIf) Receive(msg tea.Msg) tea.Cmd {
	if msg, ok := msg.(tablesMsg); ok && msg.Changed {
		w.compile()
		w.evaluate()
	}
	return nil
}

// Actions scroll and close.
func (w *whatIf) Actions() keyTable {
	return keyTable{
		elsewhere(bind("type", "a packet")),
		act(bind("↑/↓", "scroll", "up"), func() { w.Wheel(-1) }),
		act(silent("down"), func() { w.Wheel(1) }),
		act(hidden(keys.PageUp), func() { w.Wheel(-w.page) }),
		act(hidden(keys.PageDown), func() { w.Wheel(w.page) }),
		act(bind("ctrl+n", "start anew", "ctrl+n"), w.anew).when(func() bool { return w.kept }).otherwise(w.saying(alreadyNew)),
		act(silent("enter"), w.enter),
		act(bind("esc", "close", "esc", "ctrl+c"), w.closing(w)),
	}
}

// anew goes back to the packet that it was opened with.
func (w *whatIf) anew() {
	w.input.offer(w.sample)
	w.kept = false
	w.typed()
}

// enter goes on to another packet, which is typed over this one; it says why there is none yet.
func (w *whatIf) enter() {
	if w.wrong != "" {
		w.refuse("not a packet yet: " + w.wrong)
		return
	}
	w.input.offer(w.input.Value())
	w.say("the answer is above; type another packet, or esc closes")
}

// typed follows what is typed, and keeps it for when the box is opened again on the same rule or connection.
func (w *whatIf) typed() {
	w.offset = 0
	if w.packets == nil {
		w.desk.packets = map[string]string{}
	}
	w.packets[w.sample] = w.input.Value()
	w.evaluate()
}

// Typing tells that letters are text.
func (w *whatIf) Typing() bool { return true }

// Type types the packet.
func (w *whatIf) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	w.input.press(k)
	w.typed()
	return nil, true
}

// Takes is a packet.
func (w *whatIf) Takes() intake { return intake{line: true, what: "the packet"} }

// Paste puts text into the line.
func (w *whatIf) Paste(pasted string) tea.Cmd {
	w.input.paste(pasted)
	w.typed()
	return nil
}

// Settle fits the answer to the room beneath the packet.
func (w *whatIf) Settle() tea.Cmd {
	w.fit(w.answer(w.inner()), boxRoom(w.boxHeight())-2)
	return nil
}

// inner is the width within the box.
func (w *whatIf) inner() int { return min(110, w.desk.width) - 4 }

// View draws the packet, what becomes of it, and the rules it meets.
func (w *whatIf) View(_, _ int) string {
	inner := w.inner()
	packet := w.look.Faint.Render("packet  ") + w.input.draw(w.desk, inner-8, "tcp 203.0.113.10:4000 203.0.113.1:80, and an interface")
	return box(w.desk, w.under("What if"+leftBefore(w.kept), inner+4), append([]string{packet, ""}, w.seen()...), inner+4)
}

// answer is what becomes of the packet, what that hangs on, and the rules it meets.
func (w *whatIf) answer(width int) (lines []string) {
	if w.wrong != "" {
		return wrapped("", "", w.wrong, w.look.Broken, width)
	}
	for i := range w.path.Outcomes {
		mark := w.look.Glyphs.Becomes + " "
		if i > 0 {
			mark = "or "
		}
		lines = append(lines, wrapped(w.look.Strong.Render(mark), strings.Repeat(" ", text.Width(mark)), w.path.Outcomes[i].Sentence(&w.path.Packet), w.look.Strong, width)...)
	}
	if w.path.Assumed != "" {
		lines = append(lines, wrapped("", "", w.path.Assumed, w.look.Faint, width)...)
	}
	doubt := func(words string) {
		lines = append(lines, wrapped(w.look.Attention.Render("! "), "  ", words, w.look.Attention, width)...)
	}
	for _, d := range w.path.Doubts {
		doubt("not certain: " + d.String())
	}
	if w.path.Incomplete {
		doubt("other outcomes are possible")
	}
	return append(append(lines, ""), w.visits(width)...)
}

// visits are the rules that the packet meets.
func (w *whatIf) visits(width int) []string {
	var lines []string
	for _, v := range w.path.Visits {
		verdict, style := "no", w.look.Faint
		switch v.Verdict {
		case evaluate.Yes:
			verdict, style = "yes", w.look.Good
		case evaluate.Unknown:
			verdict, style = "?", w.look.Attention
		}
		what := "policy"
		switch {
		case v.IsPolicy():
			verdict, style = "", w.look.Faint
		case v.Native != nil:
			what = v.Text()
		default:
			what = v.Rule.MatchText() + "  " + w.look.Glyphs.Into + " " + v.Rule.Becomes(v.Table)
		}
		place := v.Table + " " + v.Chain
		if v.InBoth() {
			place = v.Backend.String() + " " + place
		}
		head := text.Pad(place, 20, false)
		if v.Position > 0 {
			head += text.Pad(fmt.Sprint(v.Position), 4, true)
		} else {
			head += "    "
		}
		head = w.look.Faint.Render(text.Safe(head)) + "  " + style.Render(text.Pad(verdict, 4, false))
		indent := strings.Repeat(" ", text.Width(head))
		if width < 60 { // the rule stands below its place
			lines = append(lines, head)
			head, indent = "    ", "    "
		}
		lines = append(lines, wrapped(head, indent, what, w.look.Text, width)...)
	}
	return lines
}
