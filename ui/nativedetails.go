package ui

import (
	"fmt"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/text"
)

// nativeNow is the item with its rule as it is now; false where that is gone.
func (s *rulesScreen) nativeNow(it ruleItem) (ruleItem, bool) {
	t := s.tables.Native.Table(it.native.Table.Family.String(), it.native.Table.Name)
	if t == nil || t.Chain(it.native.Name) == nil {
		return it, false
	}
	it.native = t.Chain(it.native.Name)
	for i, r := range it.native.Rules {
		if r.Handle == it.rule.Handle {
			it.rule = r
			if it.element == nil {
				it.at = i + 1
			}
			return it, true
		}
	}
	return it, false
}

// tellNative tells everything about a native rule, or an element of its map.
func (s *rulesScreen) tellNative(l *factLines, it ruleItem) {
	it, ok := s.nativeNow(it)
	if !ok {
		l.lines = append(l.lines, s.look.Faint.Render("the rule is gone"))
		return
	}
	sentence, own := s.nativeWords(it)
	l.head(sentence)
	l.lines = append(l.lines, "")
	if c, ok := it.rule.Counted(it.native.Table); ok {
		l.count("matched", fmt.Sprintf("%s, %s", rules.Plural(c.Packets, "packet"), text.Bytes(c.Bytes)))
	} else {
		l.count("matched", "not counted: the rule has no counter")
	}
	s.tellRate(l, it)
	if it.native.Type == "nat" {
		l.count("counts", "only the first packet of each connection reaches a NAT rule")
	}
	l.say("owner", it.rule.Owner(it.native))
	l.say("comment", it.rule.Comment)
	l.say("chain", chainWords(it.native))
	if names := it.rule.Read(it.native, s.links()).Unknown; len(names) > 0 {
		l.count("unparsed", strings.Join(names, ", ")+": not understood, shown as it is")
	}
	l.say("nft", own)
	if x := it.element; x == nil {
		l.say("delete", "nft "+strings.TrimSpace(it.native.Without(it.rule)))
	} else if x.set.Flags&nft.SetAnonymous == 0 {
		l.say("delete", "nft "+strings.TrimSpace(x.set.Without(x.entry.Key)))
	}
}

// chainWords say what kind of chain it is and when the kernel asks it.
func chainWords(c *nft.Chain) string {
	words := c.Table.String() + ", " + c.Name
	if !c.IsBase() {
		return words + ": jumped to"
	}
	words += fmt.Sprintf(": %s %s, priority %d", c.Type, c.Hook, c.Priority)
	if c.Policy.Code == nft.Drop {
		words += ", policy drop"
	}
	if c.Table.Dormant {
		words += ", dormant: not in use"
	}
	return words
}
