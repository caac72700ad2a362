package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/rules/guide"
	"nattui/ui/text"
)

// ruleDetails is everything about one rule in a box, kept true while the tables change.
type ruleDetails struct {
	*desk
	screen *rulesScreen
	item   ruleItem
	reading
}

func newRuleDetails(s *rulesScreen, it ruleItem) *ruleDetails {
	return &ruleDetails{desk: s.desk, screen: s, item: it}
}

// Actions show the rule's connections in Flows, scroll and close.
func (r *ruleDetails) Actions() keyTable {
	some := func() bool { n, known := r.screen.ruleFlows(r.item); return known && n > 0 }
	show := func() tea.Cmd { r.close(r); return r.screen.showFlows(r.item) }
	return r.readingKeys(r, &r.reading, on(bind("enter", "its connections", "enter", "f"), show).when(some))
}

// Settle fits the text to the terminal, and has the rule's connections looked up.
func (r *ruleDetails) Settle() tea.Cmd {
	r.fit(r.screen.told(r.item, min(78, r.desk.width-2)-4), boxRoom(r.boxHeight()))
	return r.screen.users.want(r.item)
}

// View draws the box.
func (r *ruleDetails) View(width, _ int) string {
	return box(r.desk, ruleTitle(r.item), r.seen(), min(78, width-2))
}

// ruleTitle names a row's rule.
func ruleTitle(it ruleItem) string {
	if it.element != nil {
		return "Element of " + text.Safe(it.element.set.Name)
	}
	return fmt.Sprintf("Rule %d of %s", it.at, text.Safe(it.chain))
}

// ruleLabel is how wide the labels of a rule's facts are, narrowLabel where there is little room.
const (
	ruleLabel   = 14
	narrowLabel = 11
)

// told is everything about a row's rule as it is now.
func (s *rulesScreen) told(it ruleItem, width int) []string {
	l := &factLines{look: s.look, width: width, label: ruleLabel, hit: s.hit}
	if width < 40 {
		l.label = narrowLabel
	}
	if it.native != nil {
		s.tellNative(l, it)
	} else {
		s.tellRule(l, it)
	}
	return append(l.lines, s.users.lines(it, width)...)
}

func (s *rulesScreen) tellRule(l *factLines, it ruleItem) {
	rule, ok := ruleAt(s.tables.Sets[it.variant], s.table, it.chain, it.at)
	if !ok {
		l.lines = append(l.lines, s.look.Faint.Render("the rule is gone"))
		return
	}
	l.head(rule.Sentence())
	if d, dead := s.deadAt(it); dead {
		for _, part := range text.Wrap("! "+text.Safe(d.Sentence()), l.width, 0) {
			l.lines = append(l.lines, s.look.Attention.Render(part))
		}
	}
	l.lines = append(l.lines, s.wayOf(it, l.width)...)
	if rule.Counters.Known {
		l.count("matched", fmt.Sprintf("%s, %s", rules.Plural(rule.Counters.Packets, "packet"), text.Bytes(rule.Counters.Bytes)))
	}
	s.tellRate(l, it)
	if s.table == "nat" {
		l.count("counts", "only the first packet of each connection reaches a NAT rule")
	}
	l.say("owner", rules.OwnerOf(*rule))
	l.say("comment", rule.Comment())
	if n, ok := s.noteAmong(it, rule); ok {
		words := n.words(s.now)
		l.count("history", words[len(words)-1]+", change "+n.ID)
		if len(words) > 1 {
			l.count("expires", strings.TrimPrefix(words[0], "expires "))
		}
	}
	if names := rule.Untold(); len(names) > 0 {
		l.count("unparsed", strings.Join(names, ", ")+": not parsed, kept unchanged")
	}
	l.say("table", it.variant.String()+" "+s.table)
	l.say("iptables-save", rule.String())
	if spec, err := rule.Spec(); err == nil {
		l.say("command", rules.ShellLine(append([]string{s.tables.Sets[it.variant].Program(), "-t", s.table, "-A", rule.Chain}, spec...)))
	}
}

// tellRate tells how many packets match the rule now, and draws the last minutes.
func (s *rulesScreen) tellRate(l *factLines, it ruleItem) {
	if rate, ok := s.rateOf(it); ok {
		l.count("now", text.Rate(rate)+" packets a second")
	}
	if graph := s.rates.graph(it.key, min(rateTrail, l.width-l.label)); graph != "" {
		l.say("last minutes", graph)
	}
}

// wayOf draws a packet's way with the chains marked in which the rule is met; just
// a blank line where there is no room for it.
func (s *rulesScreen) wayOf(it ruleItem, width int) []string {
	lines := []string{""}
	drawn := guide.Way(guide.Leads(s.tables.Sets[it.variant], s.table, it.chain)...)
	for _, l := range drawn {
		if text.Width(l) > width {
			return lines
		}
		lines = append(lines, s.look.Faint.Render(l))
	}
	return append(lines, "")
}
