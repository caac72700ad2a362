package ui

import (
	"fmt"
	"net/netip"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/ui/text"
)

// whatIf asks what the kernel would do with a packet: a line to type it, and its
// way beneath, evaluated as it is typed. Nothing is sent.
type whatIf struct {
	*desk
	input     textinput.Model
	evaluator *evaluate.Evaluator
	path      evaluate.Path
	wrong     string
	offset    int
	sample    string // the packet that it was opened with
	kept      bool   // it goes on with what was typed before it was closed
}

// newWhatIf opens the question with a packet that is to be begun with.
func newWhatIf(d *desk, packet string) *whatIf {
	in := textinput.New()
	in.Prompt = ""
	in.Placeholder = "tcp 203.0.113.10:4000 203.0.113.1:80 [interface]"
	w := &whatIf{desk: d, sample: packet}
	if typed, ok := d.packets[packet]; ok && typed != packet {
		w.kept, packet = true, typed
	}
	in.SetValue(packet)
	in.Focus()
	in.CursorEnd()
	w.input = in
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
	if w.facts != nil {
		host = w.facts.Host(nil)
		if w.facts.Native == nil {
			host.Filters = w.facts.NativeFilters
		}
	}
	w.evaluator = evaluate.NewEvaluator(host, programs...)
}

// evaluate follows the packet that is typed.
func (w *whatIf) evaluate() {
	w.wrong, w.path = "", evaluate.Path{}
	p, err := parsePacketLine(w.input.Value())
	if err == nil {
		w.path, err = w.evaluator.Evaluate(p)
	}
	if err != nil {
		w.wrong = err.Error()
	}
}

// parsePacketLine reads PROTO SRC[:PORT] DST[:PORT] [INTERFACE].
func parsePacketLine(line string) (evaluate.Packet, error) {
	f := strings.Fields(line)
	if len(f) != 3 && len(f) != 4 {
		return evaluate.Packet{}, fmt.Errorf("a packet is PROTO SRC:PORT DST:PORT, and the interface it arrives by if you like")
	}
	proto, ok := rules.ProtoNumber(strings.ToLower(f[0]))
	if !ok {
		return evaluate.Packet{}, fmt.Errorf("%q is not a protocol: use tcp, udp, icmp, another name or a number", f[0])
	}
	ends := [2]netip.AddrPort{}
	for i, s := range f[1:3] {
		if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
			ends[i] = netip.AddrPortFrom(a, 0)
		} else if ends[i], err = netip.ParseAddrPort(s); err != nil {
			return evaluate.Packet{}, fmt.Errorf("%q is not an address: use 192.0.2.1:80 or [2001:db8::1]:80", s)
		}
	}
	if proto == rules.ICMP && ends[1].Addr().Is6() {
		proto = rules.ICMPv6
	}
	if proto.HasPorts() && ends[1].Port() == 0 {
		return evaluate.Packet{}, fmt.Errorf("%s needs a destination port: %s", f[0], netip.AddrPortFrom(ends[1].Addr(), 80))
	}
	p, err := evaluate.NewPacket(proto, ends[0], ends[1])
	if len(f) == 4 {
		p.In = f[3]
	}
	return p, err
}

// packetOf is the line for a rule's sample packet.
func packetOf(f rules.Family, r *rules.Rule) string {
	proto, src, dst, in, ok := evaluate.SamplePacket(*r, f)
	if !ok {
		return ""
	}
	return packetLine(proto, src, dst, in)
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
		act(bind("↑/↓", "scroll", "up", "pgup"), func() { w.offset = max(0, w.offset-1) }),
		act(silent("down", "pgdown"), func() { w.offset++ }),
		act(bind("ctrl+n", "start anew", "ctrl+n"), w.anew).when(func() bool { return w.kept }),
		act(bind("esc", "close", "esc", "ctrl+c", "enter"), w.closing(w)),
	}
}

// anew goes back to the packet that it was opened with.
func (w *whatIf) anew() {
	w.input.SetValue(w.sample)
	w.input.CursorEnd()
	w.kept = false
	w.typed()
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
	w.input, _ = w.input.Update(k)
	w.typed()
	return nil, true
}

// Paste puts text into the line.
func (w *whatIf) Paste(pasted string) tea.Cmd {
	w.input, _ = w.input.Update(tea.PasteMsg{Content: pasted})
	w.typed()
	return nil
}

// View draws the packet, what becomes of it, and the rules it meets.
func (w *whatIf) View(width, height int) string {
	boxWidth := min(110, width)
	inner := boxWidth - 4
	in := w.input
	in.SetWidth(inner - 9)
	lines := []string{w.look.Faint.Render("packet  ") + in.View(), ""}
	if w.wrong != "" {
		for _, l := range text.Wrap(text.Safe(w.wrong), inner, 3) {
			lines = append(lines, w.look.Broken.Render(l))
		}
		return box(w.desk, "What if"+leftBefore(w.kept), lines, boxWidth)
	}
	for i := range w.path.Outcomes {
		mark := w.look.Glyphs.Becomes + " "
		if i > 0 {
			mark = "or "
		}
		for _, l := range text.Wrap(mark+text.Safe(w.path.Outcomes[i].Sentence(&w.path.Packet)), inner, 2) {
			lines = append(lines, w.look.Strong.Render(l))
		}
	}
	if w.path.Assumed != "" {
		lines = append(lines, w.look.Faint.Render(text.Fit(text.Safe(w.path.Assumed), inner)))
	}
	for _, d := range w.path.Doubts {
		lines = append(lines, w.look.Attention.Render(text.Fit("! not certain: "+text.Safe(d.String()), inner)))
	}
	lines = append(lines, "")
	visits := w.visits(inner)
	room := max(1, height-2-len(lines))
	from := max(0, min(w.offset, len(visits)-room))
	lines = append(lines, visits[from:min(len(visits), from+room)]...)
	return box(w.desk, "What if"+leftBefore(w.kept), lines, boxWidth)
}

// visits are the rules that the packet meets, one a line.
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
			what = v.Rule.MatchText() + "  " + w.look.Glyphs.Into + " " + v.Rule.Becomes()
		}
		head := text.Pad(v.Table+" "+v.Chain, 20, false)
		if v.Position > 0 {
			head += text.Pad(fmt.Sprint(v.Position), 4, true)
		} else {
			head += "    "
		}
		lines = append(lines, w.look.Faint.Render(text.Safe(head))+"  "+style.Render(text.Pad(verdict, 4, false))+w.look.Text.Render(text.Fit(text.Safe(what), width-30)))
	}
	return lines
}
