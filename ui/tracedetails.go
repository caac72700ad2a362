package ui

import (
	tea "charm.land/bubbletea/v2"

	"nattui/model/traced"
	"nattui/rules"
	"nattui/ui/text"
)

// wayLines draw a packet's way: how it came, what it met and became, and its end.
func (s *desk) wayLines(r *tracedRow, width int) []string {
	lines := []string{s.look.Strong.Render(text.Fit(text.Safe(r.Title()), width))}
	place := 12
	for i := range r.Hops {
		place = max(place, text.Width(r.Hops[i].Where()))
	}
	place = min(place, width/3)
	before := r.First
	for i := range r.Hops {
		h := &r.Hops[i]
		lines = s.becomes(lines, before, h.Packet, place, width)
		before = h.Packet
		lines = append(lines, s.hopLine(h, r.sets, place, width))
	}
	lines = s.becomes(lines, before, r.Last, place, width)
	style := s.look.Good
	switch r.End {
	case traced.TraceDropped:
		style = s.look.Broken
	case traced.TraceLost, traced.TraceStolen:
		style = s.look.Attention
	}
	end := style.Render(text.Safe(s.look.Glyphs.Becomes + " " + r.Outcome()))
	if r.forecast != "" && !r.agrees {
		lines = append(lines, s.look.Attention.Render(text.Fit(text.Safe("! "+r.forecast), width)))
	} else if r.forecast != "" {
		end += s.look.Faint.Render("  " + text.Safe(r.forecast))
	}
	return append(lines, text.Fit(end, width))
}

// becomes adds what the packet has become, if it has.
func (s *desk) becomes(lines []string, before, now traced.TracedPacket, place, width int) []string {
	if before.Src == now.Src && before.Dst == now.Dst {
		return lines
	}
	style := s.look.SNAT
	if before.Dst != now.Dst {
		style = s.look.DNAT
	}
	return append(lines, text.Fit(text.Pad("", place, false)+"  "+s.look.Faint.Render("now ")+style.Render(text.Safe(now.Ends())), width))
}

// hopLine is one thing that the packet met.
func (s *desk) hopLine(h *traced.TraceHop, sets map[rules.Variant]*rules.Ruleset, place, width int) string {
	match, outcome := h.What(sets)
	style := s.look.Faint
	if r, ok := h.Rule(sets); ok {
		switch k := r.Target.Kind; {
		case k == rules.SNAT || k == rules.Masquerade:
			style = s.look.SNAT
		case k == rules.Redirect:
			style = s.look.Redirect
		case k.Translates():
			style = s.look.DNAT
		}
	}
	if h.Verdict == "drop" {
		style = s.look.Broken
	}
	if match != "" {
		match += "  "
	}
	where := text.Pad(text.Fit(text.Safe(h.Where()), place), place, false)
	return text.Fit(s.look.Faint.Render(where)+"  "+s.look.Text.Render(text.Safe(match))+style.Render(text.Safe(outcome)), width)
}

// traceDetails is everything about one packet's way.
type traceDetails struct {
	*desk
	row tracedRow
	reading
}

// Actions scroll and close.
func (d *traceDetails) Actions() keyTable { return d.readingKeys(d, &d.reading) }

// Settle fits the text to the terminal.
func (d *traceDetails) Settle() tea.Cmd {
	d.fit(d.told(min(110, d.width-2)-4), boxRoom(d.boxHeight()))
	return nil
}

// View draws the box.
func (d *traceDetails) View(width, _ int) string {
	return box(d.desk, d.title(), d.seen(), min(110, width-2))
}

func (d *traceDetails) title() string {
	if d.row.Reply {
		return "Packet " + text.Exact(uint64(d.row.Number)) + ", reply to " + text.Exact(uint64(d.row.ReplyTo))
	}
	return "Packet " + text.Exact(uint64(d.row.Number))
}

// told is the way, and the rules that were met as iptables prints them.
func (d *traceDetails) told(width int) []string {
	r := &d.row
	lines := d.wayLines(r, width)
	if r.forecast != "" && !r.agrees || text.Width(r.Outcome()) > width-2 {
		lines = append(lines, "")
		for _, said := range []string{r.Outcome(), r.forecast} {
			for _, l := range text.Wrap(text.Safe(said), width, 0) {
				lines = append(lines, d.look.Text.Render(l))
			}
		}
	}
	lines = append(lines, "", d.look.Faint.Render(text.Fit("arrived at "+r.At.Format("15:04:05.000")+", time to live "+text.Exact(uint64(r.First.TTL))+", "+text.Exact(uint64(r.First.Length))+" bytes", width)))
	for i := range r.Hops {
		spec := r.Hops[i].Text
		if rule, ok := r.Hops[i].Rule(r.sets); ok {
			spec = rule.String()
		}
		for _, l := range text.Wrap(text.Safe(spec), width, 0) {
			lines = append(lines, d.look.Accent.Render(l))
		}
	}
	return append(lines, "", d.look.Faint.Render(text.Fit("Rules that did not match are not reported by the kernel.", width)))
}
