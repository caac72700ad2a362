package ui

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// list makes the rows of every pane again from the rule sets.
func (s *rulesScreen) list() {
	var rows maphash.Hash
	rows.SetSeed(rowSeed)
	words := s.search.begin(s.filter.text(), s.tables.Native)
	for _, p := range s.panes {
		p.items, p.rules, p.stops = p.items[:0], 0, 1
		s.search.opened = map[any]bool{}
		switch c := s.nativeChain(); {
		case c != nil:
			p.rules = len(c.Rules)
			s.listNative(p, c, "", 0, words)
		case s.native.name != "":
		case s.only != "":
			if c, ok := s.set().Chain(s.table, p.chain); ok {
				p.rules = len(c.Rules)
			}
			s.listChain(p, s.variant, p.chain, "", 0, words)
		default:
			s.listWay(p, words)
		}
		if len(p.items) == 0 {
			p.items = append(p.items, ruleItem{key: "note", chain: p.chain, note: s.emptyNote(p)})
		}
		p.cursor.Follow(len(p.items), p.key)
		for i := range p.items {
			rows.WriteString(p.items[i].key)
			rows.WriteByte('\n')
		}
	}
	s.listed = rows.Sum64()
}

var rowSeed = maphash.MakeSeed()

func (p *pane) key(i int) string { return p.items[i].key }

// maxDepth is how deep chains are opened within chains.
const maxDepth = 8

func (s *rulesScreen) listChain(p *pane, at rules.Variant, chain, parent string, depth int, words []string) {
	c, ok := s.tables.Sets[at].Chain(s.table, chain)
	if !ok {
		return
	}
	if parent == "" {
		parent = at.Backend.String()
	}
	seen := map[string]int{}
	away := s.parkedIn(at, chain)
	var hits []bool
	if len(words) > 0 {
		hits = s.hits(chainOf{at, s.table, chain})
	}
	for i := range c.Rules {
		away = s.listParked(p, away, i+1, parent, depth, words)
		r := &c.Rules[i]
		if hits != nil && !hits[i] {
			continue
		}
		line := r.String()
		seen[line]++
		key := parent + "\n" + line
		if n := seen[line]; n > 1 {
			key += "\n" + strconv.Itoa(n)
		}
		to := chainOf{at, s.table, r.Target.Name}
		opened := s.open[key]
		if hits != nil && jumps(r) {
			opened = s.search.open(to, s.hits(to)) || opened
			if !opened && !matchesWords(r, s.table, words) {
				continue // its hits are told where the chain is met first
			}
		}
		p.items = append(p.items, ruleItem{key: key, variant: at, chain: chain, at: i + 1, depth: depth})
		if opened && depth < maxDepth {
			inside := len(p.items)
			s.listChain(p, at, r.Target.Name, key, depth+1, words)
			if len(p.items) == inside && len(words) == 0 {
				p.items = append(p.items, ruleItem{key: key + "\nempty", chain: r.Target.Name, depth: depth + 1, note: r.Target.Name + " is empty"})
			}
		}
	}
	s.listParked(p, away, len(c.Rules)+1, parent, depth, words)
}

// parkedIn are the parked rules of a chain, by the place they would come back to.
func (s *rulesScreen) parkedIn(at rules.Variant, chain string) []*Parked {
	var away []*Parked
	for i := range s.notes.Parked {
		k := &s.notes.Parked[i]
		c := &k.Return
		if (rules.Variant{Family: c.Family, Backend: c.Backend}) == at && c.Table == s.table && c.Chain == chain {
			away = append(away, k)
		}
	}
	slices.SortStableFunc(away, func(a, b *Parked) int { return a.Return.At - b.Return.At })
	return away
}

// listParked lists the parked rules that belong before the position, and returns
// the others.
func (s *rulesScreen) listParked(p *pane, away []*Parked, at int, parent string, depth int, words []string) []*Parked {
	for len(away) > 0 && away[0].Return.At <= at {
		if k := away[0]; len(words) == 0 || matchesWords(&k.Return.Rule, s.table, words) {
			p.items = append(p.items, ruleItem{key: parent + "\nparked " + k.ID, variant: rules.Variant{Family: k.Return.Family, Backend: k.Return.Backend}, chain: k.Return.Chain, depth: depth, parked: k})
		}
		away = away[1:]
	}
	return away
}

// matchesWords reports whether every word occurs in what a rule says.
func matchesWords(r *rules.Rule, table string, words []string) bool {
	return containsAll(strings.Join([]string{r.MatchText(), r.Becomes(table), rules.OwnerOf(*r), r.Comment(), valuesOf(r)}, " "), words)
}

// valuesOf are the words of a rule as iptables-save has it, without those of the syntax: names of options and of matches, and the
// length of a network that is one address.
func valuesOf(r *rules.Rule) string {
	words := strings.Fields(r.String())
	var values []string
	for i, w := range words {
		if strings.HasPrefix(w, "-") || i > 0 && words[i-1] == "-m" {
			continue
		}
		values = append(values, strings.TrimSuffix(strings.TrimSuffix(w, "/32"), "/128"))
	}
	return strings.Join(values, " ")
}

func (s *rulesScreen) emptyNote(p *pane) string {
	elsewhere := s.elsewhere(p)
	switch {
	case s.tables.Sets == nil:
		return "reading the tables…"
	case elsewhere != "" && s.searchedIn(p) == 0:
		return elsewhere
	case s.native.name != "" && s.nativeChain() == nil:
		return "the chain is gone"
	case s.native.name != "" && s.filter.text() == "":
		return "no rules"
	case s.set() == nil && len(s.tables.Sets) == 0 && s.table == "nat" && s.filter.text() == "":
		return "nothing translates here"
	case s.set() == nil:
		return "there are no rules here"
	case s.filter.text() != "":
		return fmt.Sprintf("none of %s matches “%s”; press esc to show all", rules.Plural(s.searchedIn(p), "rule"), s.filter.text())
	case s.gw.ReadOnly:
		return "no rules"
	case s.table != "nat":
		return "no rules yet: press i to import commands"
	}
	return "no rules yet: press a to add one, or 3 for the guide"
}

// searchedIn counts the rules that a filter has looked at for a pane.
func (s *rulesScreen) searchedIn(p *pane) int {
	n, seen := p.rules, map[chainOf]bool{}
	for _, b := range rules.Holders {
		of := chainOf{rules.Variant{Family: s.variant.Family, Backend: b}, s.table, p.chain}
		if c, ok := s.tables.Sets[of.variant].Chain(of.table, of.name); ok && s.native.name == "" && s.shows(b) {
			n += s.searched(of, seen) - len(c.Rules) // which are counted
		}
	}
	return n
}

// findParked puts the cursor on the rule that was just parked here, which is where
// it was.
func (s *rulesScreen) findParked() {
	if s.parking == nil {
		return
	}
	for _, p := range s.panes {
		for at, it := range p.items {
			if it.parked != nil && s.parking(it.parked) {
				s.parking = nil
				p.cursor.Go(at, len(p.items), p.key)
				return
			}
		}
	}
}

// find puts the cursor on the rule that was just made or moved here, as soon as
// the kernel shows it.
func (s *rulesScreen) find() {
	if s.seek == "" {
		return
	}
	pane, row := -1, 0
	for i, p := range s.panes {
		for at, it := range p.items {
			r, ok := s.ruleOf(it)
			if ok && r.String() == s.seek || it.isNativeRule() && nativeName(it.native.Table.Family.String(), it.native.Table.Name, it.rule.Handle) == s.seek {
				if pane, row = i, at; ok && it.at == s.seekAt {
					s.found(pane, row)
					return
				}
			}
		}
	}
	if pane >= 0 && (s.seekAt == 0 || s.looks > s.seekFrom) { // it has moved meanwhile
		s.found(pane, row)
	}
}

// found puts the cursor on what was sought.
func (s *rulesScreen) found(pane, row int) {
	p := s.panes[pane]
	s.active = pane
	s.sought()
	p.cursor.Go(row, len(p.items), p.key)
}
