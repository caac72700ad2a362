package ui

import (
	"net/netip"
	"strconv"
	"strings"

	"nattui/model/flow"
	"nattui/rules/evaluate"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// sides are both directions of a flow as they are drawn: on the left what the client sees, on the
// right what the server sees.
type sides struct {
	left, right [2]string // each end: of the client, of the server
	changed     [2]bool
	styles      [2]theme.Style
	kinds       [2]string
	refs        [2]evaluate.RuleRef
	l, r        int // cells of each side
	between     int // cells between them; too few: they are drawn one over the other
}

const (
	sideLabel = 7 // cells of "  from "
	sideLeast = 11
	arrowRoom = 10
)

func (v *flowView) sides(width int) sides {
	s, f := v.screen, &v.d.Flow
	e := s.gw.Flows.Explain(f)
	end := func(a netip.AddrPort) string { return s.endpoint(f, a) }
	nat := f.NAT()
	x := sides{
		left:    [2]string{end(f.Client()), end(f.AskedFor())},
		right:   [2]string{end(f.SeenAs()), end(f.ServedBy())},
		changed: [2]bool{nat&flow.NATSrc != 0, nat&flow.NATDst != 0},
		styles:  [2]theme.Style{s.look.SNAT, s.natStyle(f)},
		kinds:   [2]string{"snat", s.destinationKind(f)},
		refs:    [2]evaluate.RuleRef{e.SNAT, e.DNAT},
	}
	if e.Older {
		x.refs = [2]evaluate.RuleRef{}
	}
	x.l = max(text.Width(x.left[0]), text.Width(x.left[1]), sideLeast)
	x.r = max(text.Width(x.right[0]), text.Width(x.right[1]), sideLeast)
	x.between = width - sideLabel - x.l - x.r - 2
	return x
}

func (x *sides) stacked() bool { return x.between < arrowRoom }

// way draws both directions, between the sides the gateway and the rule that changes what passes.
func (v *flowView) way(width int) []string {
	look, f, x := v.screen.look, &v.d.Flow, v.sides(width)
	heading := func(word string, packets, bytes uint64) string {
		what := text.Exact(packets) + " packets, " + text.Bytes(bytes)
		if packets == 1 {
			what = "1 packet, " + text.Bytes(bytes)
		}
		if !f.Counts() {
			what = "not counted"
		}
		return look.Strong.Render(word) + look.Faint.Render("  "+what)
	}
	lines := v.sideNames(&x, width)
	lines = append(lines, heading("request", f.OrigPackets, f.OrigBytes))
	lines = append(lines, v.wayRow(&x, "from", 0, false, width)...)
	lines = append(lines, v.wayRow(&x, "to", 1, false, width)...)
	lines = append(lines, heading("answer ", f.ReplyPackets, f.ReplyBytes))
	lines = append(lines, v.wayRow(&x, "from", 1, true, width)...)
	return append(lines, v.wayRow(&x, "to", 0, true, width)...)
}

// sideNames are the titles of the sides, where there is room for them.
func (v *flowView) sideNames(x *sides, width int) []string {
	s, f := v.screen, &v.d.Flow
	side := func(a netip.Addr, name string) string {
		if at := s.whereIs(a); at != "" {
			return name + ", " + at
		}
		return name
	}
	client, server := side(f.Client().Addr(), "client side"), side(f.ServedBy().Addr(), "server side")
	gap := width - sideLabel - text.Width(client) - text.Width(server)
	at := sideLabel + x.l + 1 + x.between + 1
	if text.Width(server) > x.r { // it may stick out to the left, not to the right
		at = width - text.Width(server)
	}
	if x.stacked() || gap <= 0 || at <= sideLabel+text.Width(client)+1 {
		return nil
	}
	return []string{s.look.Faint.Render(strings.Repeat(" ", sideLabel) + text.Pad(client, at-sideLabel, false) + server)}
}

// wayRow draws one end of one direction.
func (v *flowView) wayRow(x *sides, label string, i int, back bool, width int) []string {
	look := v.screen.look
	from, to := look.Text.Render(x.left[i]), look.Text.Render(x.right[i])
	if x.changed[i] {
		to = x.styles[i].Render(x.right[i])
	}
	label = look.Faint.Render(text.Pad("  "+label, sideLabel, false))
	if !x.stacked() {
		arrow := v.arrow(x.between, x.changed[i], back, x.kinds[i], x.refs[i], x.styles[i])
		return []string{label + text.Pad(from, x.l, false) + " " + arrow + " " + to}
	}
	lines := []string{text.Fit(label+from, width)}
	if x.changed[i] {
		arrow := v.arrow(min(24, max(8, width-sideLabel-text.Width(x.right[i])-1)), true, back, x.kinds[i], x.refs[i], x.styles[i])
		lines = append(lines, text.Fit(strings.Repeat(" ", sideLabel)+arrow+" "+to, width))
	}
	return lines
}

// arrow is a line from one side to the other that carries what changes on the way.
func (v *flowView) arrow(width int, changed, back bool, kind string, by evaluate.RuleRef, style theme.Style) string {
	look := v.screen.look
	g := look.Glyphs
	word := ""
	if changed && !back {
		word = kind
		if !by.IsZero() {
			rule := text.Safe(by.Chain) + " " + strconv.Itoa(by.Position)
			switch {
			case text.Width(kind+" "+rule)+6 <= width:
				word = kind + " " + rule
			case text.Width(rule)+6 <= width:
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
	fill := max(0, width-text.Width(g.Into)-text.Width(word))
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
