package ui

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/rules/evaluate"
	"nattui/ui/text"
)

// setAside is a filter that waits for its list to be shown again.
type setAside struct {
	filter lineInput
	query  filter.Query
	own    bool // of the events: it is not that of the flows
}

// show changes what the screen shows. The events have a filter of their own; until they
// are given one it is that of the flows.
func (s *flowsScreen) show(m flowsMode) {
	before := s.mode
	s.mode = m
	if (before == eventMode) == (m == eventMode) {
		return
	}
	s.filter, s.aside.filter = s.aside.filter, s.filter
	s.query, s.aside.query = s.aside.query, s.query
	if m != eventMode {
		s.aside.own = s.aside.filter.text() != "" && s.aside.filter.text() != s.filter.text()
		return
	}
	if !s.aside.own {
		s.filter.input.SetValue(s.aside.filter.text())
		s.filter.wrong, s.query = s.aside.filter.wrong, s.aside.query
	}
	s.gw.Flows.Log().SetFilter(s.query.Condition(), s.now.UnixNano())
}

// ShowMatching shows the list with a filter.
func (s *flowsScreen) ShowMatching(line string) tea.Cmd {
	if s.gw.Flows == nil {
		return nil
	}
	s.show(listMode)
	s.meant = s.query
	s.filter.input.SetValue(line)
	s.filter.close()
	return s.filterChanged()
}

// flowQuery is the filter of the flows, also while events are shown.
func (s *flowsScreen) flowQuery() filter.Query {
	if s.mode == eventMode {
		return s.aside.query
	}
	return s.query
}

// completed is what tab has done to the filter line: pressed again it takes the next option.
type completed struct {
	line    string // as tab left it
	base    string // as it was typed
	options []filter.Completion
	at      int
}

// complete finishes the word at the end of the filter line; by goes through the options.
func (s *flowsScreen) complete(by int) tea.Cmd {
	c, line := &s.completed, s.filter.text()
	if line != c.line || len(c.options) == 0 {
		*c = completed{base: line, options: s.completions(line)}
		if by < 0 {
			c.at = len(c.options) - 1
		}
	} else {
		c.at = (c.at + by + len(c.options)) % len(c.options)
	}
	if len(c.options) == 0 {
		return nil
	}
	o := c.options[c.at]
	c.line = c.base[:o.From] + o.Text + " "
	s.filter.input.set(c.line)
	return s.filterChanged()
}

// completions are what could stand at the end of a filter line.
func (s *flowsScreen) completions(line string) []filter.Completion {
	options := filter.Complete(line, len(line), s.valuesSeen)
	if s.mode == eventMode {
		return options
	}
	return slices.DeleteFunc(options, func(c filter.Completion) bool { return c.Text == "event" })
}

// valuesSeen are values for a property of the filter: what the flows on the screen
// have, and the rules of this gateway.
func (s *flowsScreen) valuesSeen(property string) []string {
	if property == "rule" {
		return s.ruleWords()
	}
	var values []string
	for _, f := range s.inSight() {
		for _, v := range seenIn(&f, property) {
			if v != "" && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	return values
}

// seenIn are the values that one flow has for a property of the filter.
func seenIn(f *flow.Flow, property string) []string {
	addr := func(of ...netip.AddrPort) (out []string) {
		for _, a := range of {
			out = append(out, a.Addr().String())
		}
		return out
	}
	port := func(of ...netip.AddrPort) (out []string) {
		if !f.Proto().HasPorts() {
			return nil
		}
		for _, a := range of {
			out = append(out, strconv.Itoa(int(a.Port())))
		}
		return out
	}
	client, asked, served, seen := f.Client(), f.AskedFor(), f.ServedBy(), f.SeenAs()
	switch property {
	case "src":
		return addr(client, seen)
	case "dst":
		return addr(asked, served)
	case "host":
		return addr(client, asked, served, seen)
	case "client", "orig src":
		return addr(client)
	case "asked", "orig dst":
		return addr(asked)
	case "server", "reply src":
		return addr(served)
	case "seen", "reply dst":
		return addr(seen)
	case "dport":
		return port(asked, served)
	case "sport":
		return port(client)
	case "port":
		return port(asked, served, client)
	case "orig dport":
		return port(asked)
	case "orig sport":
		return port(client)
	case "reply sport":
		return port(served)
	case "reply dport":
		return port(seen)
	case "mark":
		return []string{fmt.Sprintf("0x%x", f.Mark)}
	case "zone":
		return []string{strconv.Itoa(int(f.Zone))}
	}
	return nil
}

// ruleWords are the rules that flows may come of, those with most flows first.
func (s *flowsScreen) ruleWords() []string {
	byRule, stale := s.gw.Flows.RuleFlows()
	refs := make([]evaluate.RuleRef, 0, len(byRule))
	for r := range byRule {
		refs = append(refs, r)
	}
	slices.SortFunc(refs, func(a, b evaluate.RuleRef) int {
		if byRule[a] != byRule[b] {
			return byRule[b] - byRule[a]
		}
		return strings.Compare(a.Chain+strconv.Itoa(a.Position), b.Chain+strconv.Itoa(b.Position))
	})
	var words []string
	for _, r := range refs {
		if w := r.Chain + "/" + strconv.Itoa(r.Position); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	if stale > 0 {
		words = append(words, "stale")
	}
	return append(words, "ambiguous", "unknown")
}

// examples of filters, for events and for flows.
var examples = map[bool]string{
	true:  "event new dport 80 · event destroy not src 10.0.0.5 · state syn_sent",
	false: "dport 80 nat dnat · not src 10.0.0.5 · state established rate>1M · rule 3",
}

// filterLines are how many lines of help there are while a filter is typed.
const filterLines = 3

// filterHelp says what may be typed next, or where the line is not understood.
func (s *flowsScreen) filterHelp(width int) []string {
	look, line := s.look, s.filter.text()
	options := s.completions(line)
	if s.pointing(line, options) {
		return s.pointAtWord(width, line, s.wrongWord)
	}
	if line == "" {
		return []string{
			" " + text.Fit(look.Text.Render("all conditions must hold; ")+look.Accent.Render("or not ( )")+look.Text.Render(" combine; other words are searched for"), width-2),
			" " + text.Fit(look.Faint.Render(examples[s.mode == eventMode]), width-2),
			" " + text.Fit(look.Accent.Render("tab")+look.Faint.Render(" completes  ")+offered(s, options), width-2),
		}
	}
	if len(options) == 0 {
		return []string{" " + text.Fit(look.Accent.Render("enter")+look.Faint.Render(" applies this filter  ")+look.Accent.Render("esc")+look.Faint.Render(" shows all again  ")+
			look.Accent.Render("or not ( )")+look.Faint.Render(" combine conditions"), width-2)}
	}
	var lines []string
	row := ""
	for i, c := range options {
		item := look.Accent.Render(text.Safe(c.Text))
		if len(options) <= 6 || i == 0 || options[i-1].Hint != c.Hint {
			item += look.Faint.Render(" " + c.Hint)
		}
		if next := row + "  " + item; row == "" || text.Width(next) <= width-2 {
			row = strings.TrimPrefix(next, "  ")
			continue
		}
		lines = append(lines, " "+text.Fit(row, width-2))
		if row = item; len(lines) == filterLines {
			return lines
		}
	}
	return append(lines, " "+text.Fit(row, width-2))
}

// pointing tells whether the line has a word to point at: one that is not understood, unless one of the
// options would make it right.
func (s *flowsScreen) pointing(line string, options []filter.Completion) bool {
	bad := s.wrongWord
	if s.filter.wrong == "" || bad.End > len(line) || bad.Pos > bad.End {
		return false
	}
	return len(options) == 0 || !bad.Open && options[0].From > bad.Pos
}

// offered are the names of what may be typed.
func offered(s *flowsScreen, options []filter.Completion) string {
	var names []string
	for _, c := range options {
		names = append(names, s.look.Accent.Render(c.Text))
	}
	return strings.Join(names, " ")
}

// pointAtWord shows the line with the word that is not understood, and why; and
// which filter still applies.
func (s *flowsScreen) pointAtWord(width int, line string, bad filter.Error) []string {
	force := "filter ignored"
	if !s.query.IsZero() {
		force = "still using: " + text.Safe(s.query.String())
	}
	return s.pointAt(width, line, bad, force)
}

// pointAt shows a filter line with the word that is not understood, and why; force says what applies meanwhile.
func (s *desk) pointAt(width int, line string, bad filter.Error, force string) []string {
	look := s.look
	var why []string
	for _, l := range text.Wrap(refusal(bad), width-2, reasonLines(width)) {
		why = append(why, " "+look.Text.Render(l))
	}
	if width < narrowDetails { // the word is named in what is wrong with it
		return why
	}
	shown := text.Safe(line)
	before, word := text.Safe(line[:bad.Pos]), text.Safe(line[bad.Pos:bad.End])
	after := strings.TrimPrefix(shown, before+word)
	if room := width - 20; text.Width(before) > room { // a long line is shown from where the word is in sight
		before = text.Tail(before, room)
	}
	indent := text.Width(before)
	marks := strings.Repeat("^", min(max(1, text.Width(word)), width-2-indent))
	mark := strings.Repeat(" ", indent) + look.Broken.Render(marks) + " " + look.Faint.Render(force)
	if room := max(0, width-4-indent-text.Width(marks)); room < min(text.Width(force), indent-1) {
		mark = look.Faint.Render(text.Pad(force, indent-1, false)) + " " + look.Broken.Render(marks)
	}
	return append([]string{
		" " + text.Fit(look.Faint.Render(before)+look.Broken.Render(word)+look.Faint.Render(after), width-2),
		" " + text.Truncate(mark, width-2, ""),
	}, why...)
}

// reasonLines is how many rows a refusal may take. A narrow screen has no room to point at the word as well.
func reasonLines(width int) int {
	if width < narrowDetails {
		return filterLines
	}
	return 2
}

// mostQuoted is how many cells of what was typed a refusal repeats, so that the remedy has room.
const mostQuoted = 12

// refusal is why a filter is not understood. A long word gives way to what would be right.
func refusal(bad filter.Error) string {
	if word := text.Safe(bad.Word); text.Width(word) > mostQuoted {
		short := text.Fit(word, mostQuoted)
		if strings.Contains(bad.Problem, bad.Word) { // once is enough
			return text.Safe(strings.ReplaceAll(bad.Problem, bad.Word, short))
		}
		bad.Word = short
	}
	return text.Safe(bad.Error())
}
