package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// lossShown is how long a loss of events is told of after it has been made good.
const lossShown = time.Minute

// notes are what is wrong or missing with the table and with what is known of it,
// the worst first.
func (s *flowsScreen) notes() []facts.HealthNote {
	notes := append(s.feedNotes(), s.health.Notes(s.earlier(), s.trend())...)
	if s.gw.Flows.Table().Len() > 0 { // which is newer than what is known of its size
		notes = slices.DeleteFunc(notes, func(n facts.HealthNote) bool { return n.Name == "nothing-tracked" })
	}
	if _, stale := s.gw.Flows.RuleFlows(); stale > 0 {
		what := rules.Plural(stale, "connection") + " keep a translation of earlier rules (filter: rule stale)"
		if stale == 1 {
			what = "1 connection keeps a translation of earlier rules (filter: rule stale)"
		}
		notes = append(notes, facts.HealthNote{Name: "stale", Severity: "warning", Sentence: what})
	}
	slices.SortStableFunc(notes, func(a, b facts.HealthNote) int { return cmp.Compare(severity(a), severity(b)) })
	return notes
}

func severity(n facts.HealthNote) int {
	return slices.Index([]string{"error", "warning", "note"}, n.Severity)
}

// feedNotes are what is wrong with the way in which flows become known.
func (s *flowsScreen) feedNotes() (notes []facts.HealthNote) {
	feed := s.gw.Flows.Feed()
	add := func(name, severity, sentence string, cure ...string) {
		notes = append(notes, facts.HealthNote{Name: name, Severity: severity, Sentence: sentence, Cure: cure})
	}
	lost := rules.Plural(feed.LastMissed, "event") + " missed"
	switch ago := s.now.Sub(time.Unix(0, feed.LostAt)); {
	case feed.Lost:
		add("events-missed", "error", lost+" so far: they arrive faster than they can be read. The table is being read again.")
	case feed.LostAt != 0 && ago < lossShown:
		add("events-missed", "warning", fmt.Sprintf("%s; resynced in %s. The list is complete again.", lost, seconds(feed.LastResync)))
	}
	if b := feed.Buffer; b.Short != "" && feed.Missed > 0 {
		add("buffer-small", "warning", fmt.Sprintf("The receive buffer is small, so events are missed when many arrive at once: %s.", b.Short))
	}
	if n := feed.Malformed; n > 0 {
		add("malformed", "warning", rules.Plural(n, "message")+" from the kernel could not be decoded: skipped.")
	}
	return notes
}

// note is the most pressing thing to know of the table, in one line.
func (s *flowsScreen) note() (string, noteStyle) {
	notes := s.notes()
	if len(notes) == 0 {
		return "", s.look.Faint
	}
	n := notes[0]
	sentence, style := strings.TrimSuffix(n.Sentence, "."), s.noteStyle(n)
	var off string
	switch n.Name {
	case "accounting-off", "timestamps-off":
		off = s.unmeasured() + " are off in the kernel"
	case "events-off":
		off = "The kernel sends no events, so short connections are missed"
	}
	if off != "" && !s.gw.ReadOnly {
		off += ": w switches them on"
	}
	sentence = cmp.Or(off, sentence)
	if n.Severity != "note" {
		sentence = "! " + sentence
	}
	long := text.Width(sentence) > s.listWidth()-2
	if more := len(notes) - 1; more > 0 || len(n.Cure) > 0 || long {
		tail := " (h: details)"
		if more > 0 {
			tail = fmt.Sprintf(" (h: %d more)", more)
		}
		return text.Fit(sentence, s.listWidth()-2-len(tail)) + tail, style
	}
	return sentence, style
}

// unmeasured names what the kernel does not measure of connections.
func (s *flowsScreen) unmeasured() string {
	switch {
	case s.health.Timestamps != facts.SettingOff:
		return "Counters"
	case s.health.Accounting != facts.SettingOff:
		return "Ages"
	}
	return "Counters and ages"
}

func (s *flowsScreen) noteStyle(n facts.HealthNote) noteStyle {
	switch n.Severity {
	case "error":
		return s.look.Broken
	case "warning":
		return s.look.Attention
	}
	return s.look.Faint
}

// flowHealth is the health of the kernel's table, and of what is known of it here.
type flowHealth struct {
	*desk
	screen *flowsScreen
	reading
}

// Actions switch on what is off, scroll and close.
func (h *flowHealth) Actions() keyTable {
	page := func() { h.Wheel(max(1, h.page-1)) }
	return keyTable{
		act(keys.Switches, func() { h.close(h); h.screen.askSwitches() }).when(func() bool { return !h.gw.ReadOnly }),
		act(keys.Up, func() { h.Wheel(-1) }),
		act(keys.Down, func() { h.Wheel(1) }),
		act(keys.PageDown, page),
		act(silent("space"), page),
		elsewhere(keys.Close),
	}.and(h.keys().show(0), keyTable{others(h.closing(h))})
}

func (h *flowHealth) inner(width int) int { return min(100, width-2) - 4 }

// Settle fits the text to the terminal.
func (h *flowHealth) Settle() tea.Cmd {
	h.fit(h.told(h.inner(h.desk.width)), boxRoom(h.boxHeight()))
	return nil
}

// View draws the box.
func (h *flowHealth) View(width, _ int) string {
	title := "Health of the connection table"
	if width < narrowDetails {
		title = "Health of the table"
	}
	return box(h.desk, h.under(title, h.inner(width)+4), h.seen(), h.inner(width)+4)
}

func (h *flowHealth) told(width int) []string {
	lines := h.fill(width)
	lines = append(lines, h.troubles(width)...)
	lines = append(lines, h.news(width)...)
	return append(lines, h.counters(width)...)
}

// healthLabel is how wide the labels of the health box are.
const healthLabel = 12

// row is a label with a value that may take several lines.
func (h *flowHealth) row(style theme.Style, label, value string, width int) (lines []string) {
	for i, l := range text.Wrap(text.Safe(value), width-healthLabel, 0) {
		if i > 0 {
			label = ""
		}
		lines = append(lines, h.look.Faint.Render(text.Pad(label, healthLabel, false))+style.Render(l))
	}
	return lines
}

// fill tells how full the table is, and how soon it will be.
func (h *flowHealth) fill(width int) []string {
	look, t, earlier := h.look, &h.screen.health, h.screen.earlier()
	if t.Count < 0 {
		return h.row(look.Text, "used", "the kernel does not report how many there are", width)
	}
	line := rules.Plural(t.Count, "connection")
	if t.Max > 0 {
		line += " of " + text.Exact(uint64(t.Max))
		switch share := 100 * t.Share(); {
		case share >= 0.1:
			line += fmt.Sprintf(", %.1f %%", share)
		case t.Count > 0:
			line += ", less than 0.1 %"
		}
	}
	style := look.Text
	if t.Share() >= 0.8 {
		style = look.Broken
	}
	lines := h.row(style, "used", line, width)
	if t.Max > 0 {
		cells := max(4, width-healthLabel)
		full := min(cells, int(float64(cells)*t.Share()+0.5))
		lines = append(lines, strings.Repeat(" ", healthLabel)+style.Render(strings.Repeat("━", full))+look.Line.Render(strings.Repeat("─", cells-full)))
	}
	growth := "steady"
	if g := t.Growth(earlier); earlier.At == 0 || time.Duration(t.At-earlier.At) < healthSpan/2 {
		growth = "not known yet"
	} else if g >= 0.5 {
		growth = fmt.Sprintf("grows by %s connections a second", text.Rate(g))
		if left, ok := t.TimeToFull(h.screen.trend()); ok {
			growth += ", full in " + text.Duration(left)
		}
	} else if g <= -0.5 {
		growth = fmt.Sprintf("shrinks by %s connections a second", text.Rate(-g))
	}
	lines = append(lines, h.row(look.Text, "growth", growth, width)...)
	if trail := h.screen.trail; len(trail) > 1 && width > healthLabel+trailCells {
		span := fmt.Sprintf(" the last %s, %s to %s", text.Steady(time.Duration(len(trail))*trailStep), text.Exact(uint64(slices.Min(trail))), text.Exact(uint64(slices.Max(trail))))
		lines = append(lines, text.Fit(strings.Repeat(" ", healthLabel)+look.Accent.Render(text.Graph(trail))+look.Faint.Render(span), width))
	}
	if t.Buckets > 0 {
		lines = append(lines, h.row(look.Text, "hash table", fmt.Sprintf("%s buckets, %.1f connections each", text.Exact(uint64(t.Buckets)), float64(t.Count)/float64(t.Buckets)), width)...)
	}
	lines = append(lines, h.row(look.Text, "kernel", strings.Join([]string{
		"counts " + switchWord(t.Accounting), "times " + switchWord(t.Timestamps), "events " + switchWord(t.Events),
	}, ", "), width)...)
	return lines
}

// switchWord says the position of a switch of the kernel.
func switchWord(s facts.Setting) string {
	if s == facts.SettingAuto {
		return "on while a program listens"
	}
	return s.String()
}

// troubles are all notes with what to do.
func (h *flowHealth) troubles(width int) []string {
	notes := h.screen.notes()
	if len(notes) == 0 {
		return append([]string{""}, h.row(h.look.Good, "verdict", "no problems with the table", width)...)
	}
	lines := []string{""}
	told := map[string]bool{} // one cure may be that of several
	for _, n := range notes {
		lines = append(lines, h.row(h.screen.noteStyle(n), n.Severity, n.Sentence, width)...)
		for _, c := range n.Cure {
			if told[c] {
				continue
			}
			told[c] = true
			indent := healthLabel
			if width < narrowDetails {
				indent = 0 // so that a setting's name stays in one piece
			}
			for _, l := range text.Wrap("$ "+c, width-indent, 0) {
				lines = append(lines, strings.Repeat(" ", indent)+h.look.Accent.Render(l))
			}
		}
	}
	return lines
}

// news tells how events arrive.
func (h *flowHealth) news(width int) []string {
	look, feed := h.look, h.screen.gw.Flows.Feed()
	lines := append([]string{""}, h.row(look.Text, "events", fmt.Sprintf("%s received, %s missed, %s skipped as malformed",
		text.Exact(feed.Events), text.Exact(feed.Missed), text.Exact(feed.Malformed)), width)...)
	if feed.Resyncs > 0 {
		last := time.Unix(0, feed.LostAt).In(h.now.Location()).Format("15:04:05")
		lines = append(lines, h.row(look.Text, "resync", fmt.Sprintf("%s after %s, the last at %s in %s", times(feed.Resyncs), rules.Plural(feed.Overruns, "overrun"), last, seconds(feed.LastResync)), width)...)
	}
	buffer := text.Bytes(uint64(feed.Buffer.Got)) + " for queued events"
	if b := feed.Buffer; b.Short != "" {
		buffer += ", not " + text.Bytes(uint64(b.Wished)) + ": " + b.Short
	}
	lines = append(lines, h.row(look.Text, "buffer", buffer, width)...)
	pace := "read for the visible connections only; sorting by rate reads all"
	if feed.Fresh {
		pace = "all are being read"
		if feed.Every > 0 {
			pace = "all are read every " + seconds(feed.Every) + ", in less than 5 % of one core"
		}
	}
	return append(lines, h.row(look.Text, "counters", pace, width)...)
}

func times(n uint64) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return text.Exact(n) + " times"
}

// counters are the kernel's statistics, each with what it means and, where it grows, what to do.
func (h *flowHealth) counters(width int) []string {
	look := h.look
	counters := h.screen.health.Counters(h.screen.earlier())
	if counters == nil {
		return append([]string{""}, h.row(look.Text, "statistics", "the kernel does not report them", width)...)
	}
	lines := []string{"", look.Faint.Render(text.Fit("total (conntrack -S), and in the last seconds", width))}
	const name, total, since = 15, 6, 7
	for _, c := range counters {
		style, recent := look.Faint, ""
		if c.Total > 0 {
			style = look.Text
		}
		quiet := strings.HasPrefix(c.Advice, "nothing")
		if c.Since > 0 {
			recent = "+" + text.Count(c.Since)
		}
		value := look.Text
		if c.Since > 0 && !quiet {
			value = look.Attention
		}
		head := style.Render(text.Pad(c.Name, name, false)) + value.Render(text.Pad(text.Count(c.Total), total, true)+text.Pad(recent, since, true)) + "  "
		means := c.Means
		if c.Since > 0 && c.Advice != "nothing" {
			means += ": " + c.Advice
		}
		room := width - name - total - since - 2
		if room < 20 {
			lines = append(lines, text.Fit(head, width))
			if c.Total > 0 {
				for _, l := range text.Wrap(means, width-2, 0) {
					lines = append(lines, "  "+style.Render(l))
				}
			}
			continue
		}
		for i, l := range text.Wrap(means, room, 0) {
			if i > 0 {
				head = strings.Repeat(" ", name+total+since+2)
			}
			lines = append(lines, head+style.Render(l))
		}
		for _, cure := range c.Cure {
			if c.Since > 0 {
				for _, l := range text.Wrap("$ "+cure, room, 0) {
					lines = append(lines, strings.Repeat(" ", name+total+since+2)+look.Accent.Render(l))
				}
			}
		}
	}
	return lines
}
