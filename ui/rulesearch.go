package ui

import (
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/text"
)

// ruleSearch is what the filter finds in chains and in those that they lead to, opened or not. It is kept for as long as
// the rules are the same: their counters change every second.
type ruleSearch struct {
	words  []string
	chains map[chainOf][]bool    // of iptables: the rules that match, or lead to one that does
	native map[*nft.Chain][]bool // the same of native ones
	inside map[*nft.Rule]bool    // something beneath a native rule matches
	tables *nft.Ruleset          // that the native ones are of
	opened map[any]bool          // chains that were opened for a hit: each once, where it is met first
}

// chainOf names a chain of iptables.
type chainOf struct {
	variant rules.Variant
	table   string
	name    string
}

// forget has everything looked for anew.
func (f *ruleSearch) forget() {
	f.chains = map[chainOf][]bool{}
	f.forgetNative()
}

func (f *ruleSearch) forgetNative() {
	f.native, f.inside = map[*nft.Chain][]bool{}, map[*nft.Rule]bool{}
}

// begin looks for the words of a filter line from now on.
func (f *ruleSearch) begin(line string, tables *nft.Ruleset) []string {
	words := strings.Fields(strings.ToLower(line))
	switch {
	case f.chains == nil, !slices.Equal(words, f.words):
		f.forget()
	case tables != f.tables: // with their counters, which are counted anew every second, native rules are others
		f.forgetNative()
	}
	f.words, f.tables = words, tables
	return words
}

// open tells whether a chain that has a hit is to be opened here.
func (f *ruleSearch) open(chain any, hits []bool) bool {
	if f.opened[chain] || !anyHit(hits) {
		return false
	}
	f.opened[chain] = true
	return true
}

func anyHit(hits []bool) bool { return slices.Contains(hits, true) }

// hits are the rules of a chain that match, or lead to one that does; nil where there is no such chain.
func (s *rulesScreen) hits(of chainOf) []bool {
	if hits, known := s.search.chains[of]; known {
		return hits
	}
	s.search.chains[of] = nil // chains that lead back to it find nothing new
	c, ok := s.tables.Sets[of.variant].Chain(of.table, of.name)
	if !ok {
		return nil
	}
	hits := make([]bool, len(c.Rules))
	for i := range c.Rules {
		r := &c.Rules[i]
		inside := jumps(r) && anyHit(s.hits(chainOf{of.variant, of.table, r.Target.Name}))
		hits[i] = inside || matchesWords(r, of.table, s.search.words)
	}
	s.search.chains[of] = hits
	return hits
}

// nativeHits are the same of a native chain; the elements of a rule's sets and the chains that they lead to count.
func (s *rulesScreen) nativeHits(c *nft.Chain) []bool {
	if hits, known := s.search.native[c]; known {
		return hits
	}
	s.search.native[c] = nil
	hits := make([]bool, len(c.Rules))
	for i, r := range c.Rules {
		s.search.inside[r] = s.hitsInside(c, r)
		hits[i] = s.search.inside[r] || s.nativeMatches(c, r, s.search.words)
	}
	s.search.native[c] = hits
	return hits
}

// hitsInside tells whether something beneath a native rule matches.
func (s *rulesScreen) hitsInside(c *nft.Chain, r *nft.Rule) bool {
	if to := r.Jump(c.Table); to != nil && anyHit(s.nativeHits(to)) {
		return true
	}
	for _, x := range s.elementsOf(c, r) {
		if x.matches(s.search.words) || x.leads != nil && anyHit(s.nativeHits(x.leads)) {
			return true
		}
	}
	return false
}

// matches tells whether every word occurs in an element.
func (x *nativeElement) matches(words []string) bool {
	return containsAll(x.entry.Key+" "+x.becomes, words)
}

// elementsOf are the elements of the sets and maps that a native rule uses.
func (s *rulesScreen) elementsOf(c *nft.Chain, r *nft.Rule) []*nativeElement {
	var all []*nativeElement
	for _, set := range r.Sets(c.Table) {
		d, _ := r.Read(c, s.links()).Main()
		for _, e := range s.entries(set) {
			x := &nativeElement{set: set, entry: e, becomes: e.Value}
			if d.Map == set {
				x.becomes = d.Place(e)
			}
			if v := e.Element.Verdict; v != nil {
				x.leads = c.Table.Chain(v.Chain)
			}
			all = append(all, x)
		}
	}
	return all
}

// hit marks what the filter looks for in a drawn line, unless a box has the keys.
func (s *rulesScreen) hit(line string) string {
	if len(s.search.words) == 0 || len(s.dialogs) > 0 {
		return line
	}
	return text.MarkAny(line, s.search.words, s.look.Hit)
}

// shown is how many rules of a pane are listed.
func (p *pane) shown() (n int) {
	for _, it := range p.items {
		if it.at > 0 && it.element == nil {
			n++
		}
	}
	return n
}

// counted is how many rules a pane has, and of a filter's list how many of them match.
func (s *rulesScreen) counted(p *pane) string {
	if s.tables.Sets == nil {
		return "" // nothing has been read yet
	}
	if all, shown := s.searchedIn(p), p.shown(); s.filter.text() != "" && shown <= all {
		return text.Exact(uint64(shown)) + " of " + rules.Plural(all, "rule")
	}
	return rules.Plural(p.rules, "rule")
}

// searched counts the rules that were looked at: those of a chain and of all that it leads to.
func (s *rulesScreen) searched(of chainOf, seen map[chainOf]bool) (n int) {
	c, ok := s.tables.Sets[of.variant].Chain(of.table, of.name)
	if !ok || seen[of] {
		return 0
	}
	seen[of] = true
	n = len(c.Rules)
	for i := range c.Rules {
		if r := &c.Rules[i]; jumps(r) {
			n += s.searched(chainOf{of.variant, of.table, r.Target.Name}, seen)
		}
	}
	return n
}
