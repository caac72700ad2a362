package ui

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"

	"nattui/rules"
	"nattui/rules/guide"
	"nattui/ui/text"
)

// ruleDetails is everything about one rule, kept true while the table changes.
type ruleDetails struct {
	*desk
	table string
	item  ruleItem
	reading
}

func newRuleDetails(d *desk, table string, it ruleItem) *ruleDetails {
	return &ruleDetails{desk: d, table: table, item: it}
}

// Actions scroll and close.
func (r *ruleDetails) Actions() keyTable { return r.readingKeys(r, &r.reading) }

// View draws the box.
func (r *ruleDetails) View(width, height int) string {
	w := min(78, width-2)
	lines := r.lines(w - 4)
	return box(r.desk, fmt.Sprintf("Rule %d of %s", r.item.at, text.Safe(r.item.chain)), r.part(lines, boxRoom(height)), w)
}

func (r *ruleDetails) lines(width int) []string {
	rule, ok := ruleAt(r.tables.Sets[r.item.variant], r.table, r.item.chain, r.item.at)
	if !ok {
		return []string{r.look.Faint.Render("the rule is gone")}
	}
	var lines []string
	add := func(label, value string) {
		for i, l := range text.Wrap(text.Safe(value), width-11, 0) {
			head := ""
			if i == 0 {
				head = label
			}
			lines = append(lines, r.look.Faint.Render(text.Pad(head, 11, false))+r.look.Text.Render(l))
		}
	}
	for _, l := range text.Wrap(text.Safe(rule.Sentence()), width, 0) {
		lines = append(lines, r.look.Strong.Render(l))
	}
	lines = append(lines, r.way(width)...)
	if rule.Counters.Known {
		add("matched", fmt.Sprintf("%s, %s", rules.Plural(rule.Counters.Packets, "packet"), text.Bytes(rule.Counters.Bytes)))
	}
	if rate, ok := r.packetRate(r.item.variant, r.table, r.item.chain, r.item.at); ok {
		add("now", text.Rate(rate)+" packets a second")
	}
	if r.table == "nat" {
		add("counts", "only the first packet of each connection reaches a NAT rule")
	}
	add("owner", rules.OwnerOf(*rule))
	add("comment", rule.Comment())
	if n, ok := r.noteOf(r.table, rule); ok {
		words := n.words(r.now)
		add("history", words[len(words)-1]+", change "+n.ID)
		if len(words) > 1 {
			add("expires", words[0])
		}
	}
	if names := rule.Opaque(); len(names) > 0 {
		add("unparsed", strings.Join(names, ", ")+": not parsed, kept unchanged")
	}
	add("table", r.item.variant.String()+" "+r.table)
	add("iptables-save", rule.String())
	spec, err := rule.Spec()
	if err == nil {
		add("command", rules.ShellLine(append([]string{r.set().Program(), "-t", r.table, "-A", rule.Chain}, spec...)))
	}
	return lines
}

// way draws a packet's way with the chains marked in which the rule is met; just
// a blank line where there is no room for it.
func (r *ruleDetails) way(width int) []string {
	lines := []string{""}
	drawn := guide.Way(guide.Leads(r.set(), r.table, r.item.chain)...)
	for _, l := range drawn {
		if lipgloss.Width(l) > width {
			return lines
		}
		lines = append(lines, r.look.Faint.Render(l))
	}
	return append(lines, "")
}
