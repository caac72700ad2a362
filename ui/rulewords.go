package ui

import (
	"fmt"
	"strings"
	"time"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/ui/text"
)

// noteOf is what the journal knows about a rule; false where nothing.
func (d *desk) noteOf(table string, r *rules.Rule) (RuleNote, bool) {
	n, ok := d.notes.Made[RuleLine{d.variant, table, r.String()}]
	if ok && !n.Expires.IsZero() && !n.Expires.After(d.now) {
		return RuleNote{}, false
	}
	return n, ok
}

// noteAmong is what the journal knows about a rule, which it knows by its words: beside equal ones that it has not made it
// cannot tell which of them it was.
func (s *rulesScreen) noteAmong(it ruleItem, r *rules.Rule) (RuleNote, bool) {
	n, ok := s.noteOf(s.table, r)
	if !ok {
		return n, false
	}
	chain, _ := s.tables.Sets[it.variant].Chain(s.table, it.chain)
	equal, line := 0, r.String()
	for i := range chain.Rules {
		other := &chain.Rules[i]
		if other.Target.Kind == r.Target.Kind && other.Dest == r.Dest && other.Source == r.Source && other.String() == line {
			equal++
		}
	}
	n.Unsure = equal > max(n.Times, 1)
	return n, true
}

// words say who made a rule and when, and how long it still stands.
func (n RuleNote) words(now time.Time) []string {
	var parts []string
	if !n.Expires.IsZero() {
		parts = append(parts, "expires in "+text.Duration(n.Expires.Sub(now)))
	}
	made := "made"
	if n.Unsure {
		made = "this rule or an equal one made"
	}
	if n.By != "" {
		made += " by " + n.By
	}
	if n.From != "" {
		made += " from " + n.From
	}
	ago := "just now"
	if d := now.Sub(n.At); d >= time.Minute {
		ago = text.Duration(d) + " ago"
	}
	return append(parts, made+" "+ago)
}

// deadAt tells why no packet reaches a rule, where that is so.
func (s *rulesScreen) deadAt(it ruleItem) (evaluate.DeadRule, bool) {
	d, ok := s.dead[evaluate.RuleRef{Variant: it.variant, Table: s.table, Chain: it.chain, Position: it.at}]
	return d, ok
}

// detailsHeight is the least height at which lines under the chains tell of the rule under the cursor.
const detailsHeight = 12

// detailLines say everything that there is room for about the rule under the
// cursor.
func (s *rulesScreen) detailLines(width, height int) []string {
	if height < detailsHeight {
		return nil
	}
	line := " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, width-2))
	r, it, ok := s.current()
	if it.native != nil {
		return append([]string{line}, s.nativeDetails(it, width)...)
	}
	if it.parked != nil {
		return append([]string{line}, s.parkedDetails(it.parked, width)...)
	}
	if !ok {
		return nil
	}
	lines := []string{line}
	for _, l := range text.Wrap(text.Safe(r.Sentence()), width-2, 2) {
		lines = append(lines, " "+s.hit(s.look.Text.Render(l)))
	}
	if d, dead := s.deadAt(it); dead {
		lines = append(lines, " "+s.look.Attention.Render(s.cutTo("! "+text.Safe(d.Sentence()), width-2)))
	} else if meta := s.metaWords(r, it); len(meta) > 0 {
		lines = append(lines, " "+s.metaLine(meta, width-2))
	}
	return append(lines, " "+s.hit(s.look.Faint.Render(s.cutTo(text.Safe(r.String()), width-2))))
}

// parkedDetails are the lines about a parked rule.
func (s *rulesScreen) parkedDetails(k *Parked, width int) []string {
	sentence, own := k.Return.Rule.Sentence(), k.Return.Rule.String()
	words := fmt.Sprintf("Parked, not active. Press p to restore it as rule %d, with its counters.", k.Return.At)
	if n := k.Native; n != nil {
		sentence, own = n.Words, n.Place()+" "+n.Text
		words = "Parked, not active. Press p to restore it to its place, with its counters."
	}
	var lines []string
	for _, l := range text.Wrap(text.Safe(sentence), width-2, 2) {
		lines = append(lines, " "+s.hit(s.look.Text.Render(l)))
	}
	return append(lines, " "+s.look.Attention.Render(s.cutTo(words, width-2)), " "+s.hit(s.look.Faint.Render(s.cutTo(text.Safe(own), width-2))))
}

// metaWord is something that is known about a rule apart from what it does.
type metaWord struct {
	text     string
	searched bool // the filter looks for it: figures it does not
}

// metaLine draws such words in one line.
func (s *rulesScreen) metaLine(words []metaWord, width int) string {
	var drawn []string
	for _, w := range words {
		part := s.look.Faint.Render(w.text)
		if w.searched {
			part = s.hit(part)
		}
		drawn = append(drawn, part)
	}
	return s.cutTo(strings.Join(drawn, s.look.Faint.Render(" "+s.look.Glyphs.Dot+" ")), width)
}

// metaWords are what is known about a rule apart from what it does.
func (s *rulesScreen) metaWords(r *rules.Rule, it ruleItem) (parts []metaWord) {
	if n, ok := s.ruleFlows(it); ok && n > 0 {
		parts = append(parts, metaWord{text: rules.Plural(n, "connection") + " now"})
	}
	if o := rules.OwnerOf(*r); o != "" {
		parts = append(parts, metaWord{o + "'s, by its name", true})
	}
	if c := r.Comment(); c != "" {
		parts = append(parts, metaWord{"“" + text.Safe(c) + "”", true})
	}
	if names := r.Untold(); len(names) > 0 {
		parts = append(parts, metaWord{"not parsed: " + text.Safe(strings.Join(names, ", ")), true})
	}
	if n, ok := s.noteAmong(it, r); ok {
		for _, w := range n.words(s.now) {
			parts = append(parts, metaWord{text: text.Safe(w)})
		}
	}
	if r.Counters.Known && r.Counters.Packets > 0 {
		parts = append(parts, metaWord{text: rules.Plural(r.Counters.Packets, "packet") + ", " + text.Bytes(r.Counters.Bytes)})
	}
	return parts
}
