package ui

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// nativeElement is an element of a set or map that a native rule uses.
type nativeElement struct {
	set     *nft.Set
	entry   nft.Entry
	becomes string
	leads   *nft.Chain // of a verdict map
}

// listNative lists the rules of a native chain, with what is opened beneath them.
func (s *rulesScreen) listNative(p *pane, c *nft.Chain, parent string, depth int, words []string) {
	if c.Table.Unread {
		p.items = append(p.items, ruleItem{key: parent + "\nunread", chain: c.Name, depth: depth, note: "too many rules of iptables to be read without iptables-save"})
	}
	away := s.nativeAway(c)
	var hits []bool
	if len(words) > 0 {
		hits = s.nativeHits(c)
	}
	for i, r := range c.Rules {
		away = s.listAway(p, away, r.Handle, parent, depth, words)
		if hits != nil && !hits[i] {
			continue
		}
		key := fmt.Sprintf("%s\nhandle %d", parent, r.Handle)
		p.items = append(p.items, ruleItem{key: key, chain: c.Name, at: i + 1, depth: depth, native: c, rule: r})
		if opened := s.open[key] || s.search.inside[r] && hits != nil; opened && depth < maxDepth {
			s.listInside(p, c, r, key, depth, words)
		}
	}
	s.listAway(p, away, 0, parent, depth, words)
}

// hasAway tells that rules of a native chain are parked: it is shown then even where no other is left in it.
func (s *rulesScreen) hasAway(c *nft.Chain) bool { return len(s.nativeAway(c)) > 0 }

// nativeAway are the parked rules of a native chain.
func (s *rulesScreen) nativeAway(c *nft.Chain) []*Parked {
	var away []*Parked
	for i := range s.notes.Parked {
		n := s.notes.Parked[i].Native
		if n != nil && n.Family == c.Table.Family.String() && n.Table == c.Table.Name && n.Chain == c.Name {
			away = append(away, &s.notes.Parked[i])
		}
	}
	return away
}

// listAway lists the parked rules that belong before the one of a handle, with 0 all that are left, and returns the others.
func (s *rulesScreen) listAway(p *pane, away []*Parked, before uint64, parent string, depth int, words []string) (rest []*Parked) {
	for _, k := range away {
		switch {
		case before != 0 && k.Native.Before != before:
			rest = append(rest, k)
		case len(words) == 0 || containsAll(k.Native.Text, words):
			p.items = append(p.items, ruleItem{key: parent + "\nparked " + k.ID, chain: k.Native.Chain, depth: depth, parked: k})
		}
	}
	return rest
}

// isNativeRule tells whether a row is that of a native rule itself.
func (it ruleItem) isNativeRule() bool {
	return it.native != nil && it.rule != nil && it.element == nil
}

// nativeName tells a native rule from all others, for as long as it is there.
func nativeName(family, table string, handle uint64) string {
	return fmt.Sprintf("%s %s handle %d", family, table, handle)
}

// listInside lists the chain that a rule jumps to and the elements of the sets that it uses.
func (s *rulesScreen) listInside(p *pane, c *nft.Chain, r *nft.Rule, key string, depth int, words []string) {
	inside := len(p.items)
	for _, x := range s.elementsOf(c, r) {
		k := key + "\nelement " + x.set.Name + " " + x.entry.Key
		leads := x.leads != nil && len(words) > 0 && s.search.open(x.leads, s.nativeHits(x.leads))
		if len(words) == 0 || leads || x.matches(words) {
			p.items = append(p.items, ruleItem{key: k, chain: c.Name, depth: depth + 1, native: c, rule: r, element: x})
		}
		if (s.open[k] || leads) && x.leads != nil && depth+2 < maxDepth {
			s.listNative(p, x.leads, k, depth+2, words)
		}
	}
	if to := r.Jump(c.Table); to != nil && (len(words) == 0 || s.open[key] || s.search.open(to, s.nativeHits(to))) {
		s.listNative(p, to, key, depth+1, words)
	}
	if len(p.items) == inside && len(words) == 0 {
		p.items = append(p.items, ruleItem{key: key + "\nempty", chain: c.Name, depth: depth + 1, note: "nothing is in it"})
	}
}

// entries are a set's elements, written once for a state of the tables.
func (s *rulesScreen) entries(set *nft.Set) []nft.Entry {
	if len(set.Elements) == 0 {
		return nil
	}
	if s.written.of != s.tables.Native.Generation {
		s.written.of, s.written.entries = s.tables.Native.Generation, map[*nft.Element][]nft.Entry{}
	}
	first := &set.Elements[0]
	if _, done := s.written.entries[first]; !done {
		s.written.entries[first] = set.Entries(s.links())
	}
	return s.written.entries[first]
}

func (s *rulesScreen) links() nft.Links {
	if s.tables.Native == nil {
		return nil
	}
	return s.tables.Native.Links
}

func (s *rulesScreen) nativeMatches(c *nft.Chain, r *nft.Rule, words []string) bool {
	x := r.Read(c, s.links())
	said := []string{x.MatchText(), x.Becomes(s.links()), x.Target(), r.Owner(c), r.Comment}
	if r.HasUnknown() { // of which the row shows the text
		said = append(said, r.Text(c, s.links()))
	}
	for _, d := range x.Does {
		if d.Kind != nft.Counts {
			said = append(said, d.Text)
		}
	}
	return containsAll(strings.Join(said, " "), words)
}

// containsAll reports whether every word, in small letters, occurs in the text.
func containsAll(hay string, words []string) bool {
	hay = strings.ToLower(hay)
	for _, w := range words {
		if !strings.Contains(hay, w) {
			return false
		}
	}
	return true
}

// nativeCells are the values of a native rule's row, or of an element's.
func (s *rulesScreen) nativeCells(it ruleItem) []table.Cell {
	look := s.look
	indent := strings.Repeat("  ", it.depth)
	cells := make([]table.Cell, ruleColumns)
	for i := range cells {
		cells[i] = table.Cell{Text: look.Glyphs.None, Style: look.Faint}
	}
	x := it.rule.Read(it.native, s.links())
	sign, style := s.signOf(x.Kind())
	if e := it.element; e != nil {
		if e.set.Flags&nft.SetMap == 0 || e.leads != nil {
			sign, style = "", look.Faint
		}
		if e.leads != nil {
			sign = look.Glyphs.Branch
		}
		cells[ruleColNumber].Text = ""
		cells[ruleColMatch] = table.Cell{Text: indent + text.Safe(e.entry.Key), Style: look.Text}
		cells[ruleColBecomes] = table.Cell{Text: optionalSign(sign, text.Safe(e.becomes)), Style: style}
		cells[ruleColComment].Text = text.Safe(e.entry.Element.Comment)
		for _, i := range []int{ruleColPackets, ruleColRate, ruleColFlows, ruleColBytes, ruleColOwner, ruleColGraph} {
			cells[i].Text = ""
		}
		return cells
	}
	cells[ruleColNumber].Text = strconv.Itoa(it.at)
	cells[ruleColMatch] = table.Cell{Text: indent + text.Safe(x.MatchText()), Style: look.Text}
	if x.Family == nft.IPv6 && s.variant.Family == rules.IPv4 || x.Family == nft.IPv4 && s.variant.Family == rules.IPv6 {
		cells[ruleColMatch].Style, style = look.Faint, look.Faint // not for these packets
	}
	cells[ruleColBecomes] = table.Cell{Text: optionalSign(sign, text.Safe(x.Becomes(s.links()))), Style: style}
	cells[ruleColGraph] = table.Cell{Text: s.rates.graph(it.key, graphCells), Style: look.Accent}
	cells[ruleColOwner].Text, cells[ruleColComment].Text = it.rule.Owner(it.native), text.Safe(it.rule.Comment)
	if it.rule.HasUnknown() {
		cells[ruleColMatch] = table.Cell{Text: indent + "? " + text.Safe(it.rule.Text(it.native, s.links())), Style: look.Attention}
		cells[ruleColBecomes] = table.Cell{Text: optionalSign("?", cmp.Or(text.Safe(x.Becomes(s.links())), "not known")), Style: look.Attention}
	}
	if n, ok := it.rule.Counted(it.native.Table); ok {
		numbers := look.Text
		if n.Packets == 0 {
			numbers = look.Faint
		}
		cells[ruleColPackets] = table.Cell{Text: text.Count(n.Packets), Style: numbers}
		cells[ruleColBytes] = table.Cell{Text: text.Count(n.Bytes), Style: numbers}
	}
	if n, ok := s.ruleFlows(it); ok {
		cells[ruleColFlows].Text = text.Count(uint64(n))
		if n > 0 {
			cells[ruleColFlows].Style = look.Good
		}
	}
	if rate, ok := s.nativeRate(it); ok {
		cells[ruleColRate].Text = text.Rate(rate)
		if rate > 0 {
			cells[ruleColRate].Style = look.Text
		}
	}
	return cells
}

func optionalSign(sign, what string) string {
	if sign == "" || what == "" {
		sign = " "
	}
	return sign + " " + what
}

// signOf is the sign and colour of what rules of a kind do.
func (s *rulesScreen) signOf(k rules.Kind) (string, theme.Style) {
	g, look := s.look.Glyphs, s.look
	switch k {
	case rules.DNAT, rules.Netmap:
		return g.Into, look.DNAT
	case rules.SNAT, rules.Masquerade:
		return g.Outof, look.SNAT
	case rules.Redirect:
		return g.Into, look.Redirect
	case rules.Jump, rules.Goto:
		return g.Branch, look.Faint
	case rules.Drop:
		return g.Cross, look.Broken
	}
	return "", look.Faint
}

// nativeRate is how many packets a second a native rule has counted over the last few seconds.
func (s *rulesScreen) nativeRate(it ruleItem) (float64, bool) {
	if len(s.history) == 0 {
		return 0, false
	}
	old := s.history[0]
	t := old.Native.Table(it.native.Table.Family.String(), it.native.Table.Name)
	if t == nil {
		return 0, false
	}
	c := t.Chain(it.native.Name)
	if c == nil || it.at > len(c.Rules) || c.Rules[it.at-1].Handle != it.rule.Handle {
		return 0, false
	}
	before, ok1 := c.Rules[it.at-1].Counted(t)
	now, ok2 := it.rule.Counted(it.native.Table)
	seconds := s.tables.At.Sub(old.At).Seconds()
	if !ok1 || !ok2 || seconds < 0.5 || now.Packets < before.Packets {
		return 0, false
	}
	return float64(now.Packets-before.Packets) / seconds, true
}

// nativeDetails are the lines about the native rule or element under the cursor.
func (s *rulesScreen) nativeDetails(it ruleItem, width int) []string {
	sentence, own := s.nativeWords(it)
	var lines []string
	for _, l := range text.Wrap(text.Safe(sentence), width-2, 2) {
		lines = append(lines, " "+s.hit(s.look.Text.Render(l)))
	}
	var parts []metaWord
	if o := it.rule.Owner(it.native); o != "" {
		parts = append(parts, metaWord{o + "'s, by its name", true})
	}
	parts = append(parts, metaWord{text: text.Safe(it.native.Table.String()+" "+it.native.Name) + fmt.Sprintf(", handle %d", it.rule.Handle)})
	if it.element == nil && it.rule.Comment != "" {
		parts = append(parts, metaWord{"“" + text.Safe(it.rule.Comment) + "”", true})
	}
	if n, ok := it.rule.Counted(it.native.Table); ok && n.Packets > 0 {
		parts = append(parts, metaWord{text: rules.Plural(n.Packets, "packet") + ", " + text.Bytes(n.Bytes)})
	}
	return append(lines, " "+s.metaLine(parts, width-2), " "+s.hit(s.look.Faint.Render(s.cutTo(text.Safe(own), width-2))))
}

// nativeWords are a native rule's sentence and its own text, or those of an element of its map.
func (s *rulesScreen) nativeWords(it ruleItem) (sentence, own string) {
	x := it.rule.Read(it.native, s.links())
	sentence, own = x.Sentence(it.native.Name), it.rule.Text(it.native, s.links())
	e := it.element
	if e == nil {
		return sentence, own
	}
	own = "element " + e.set.Name + " { " + e.entry.Key
	if e.entry.Value != "" {
		own += " : " + e.entry.Value
	}
	own += " }"
	for _, f := range x.Forwards(s.links()) {
		if f.Map == e.set.Name && f.Key == e.entry.Key {
			return f.Sentence, own
		}
	}
	return sentence, own
}

// sayNotChanged says why the row under the cursor cannot be changed: a parked rule, or one of nft.
func (s *rulesScreen) sayNotChanged() {
	switch _, it, _ := s.current(); {
	case s.gw.ReadOnly:
		s.say(s.onlyLooks())
	case it.parked != nil:
		s.say("it is parked: press p to restore it first")
	case it.native == nil:
	case s.gw.Natively == nil:
		s.refuse("native rules are changed with the program nft, which is not installed")
	case it.element != nil:
		s.say("an element has no order: move its rule")
	}
}
