package ui

import (
	"fmt"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/text"
)

// nativeDetails is everything about one native rule, kept true while the tables change.
type nativeDetails struct {
	*rulesScreen
	item ruleItem
	read reading
}

func newNativeDetails(s *rulesScreen, it ruleItem) *nativeDetails {
	return &nativeDetails{rulesScreen: s, item: it}
}

// Actions scroll and close.
func (n *nativeDetails) Actions() keyTable { return n.desk.readingKeys(n, &n.read) }

// View draws the box.
func (n *nativeDetails) View(width, height int) string {
	w := min(78, width-2)
	title := fmt.Sprintf("Rule %d of %s", n.item.at, text.Safe(n.item.chain))
	if n.item.element != nil {
		title = "Element of " + text.Safe(n.item.element.set.Name)
	}
	return box(n.desk, title, n.read.part(n.lines(w-4), boxRoom(height)), w)
}

// now is the item with its rule as it is now; false where that is gone.
func (n *nativeDetails) now() (ruleItem, bool) {
	it := n.item
	t := n.tables.Native.Table(it.native.Table.Family.String(), it.native.Table.Name)
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

func (n *nativeDetails) lines(width int) []string {
	it, ok := n.now()
	if !ok {
		return []string{n.look.Faint.Render("the rule is gone")}
	}
	var lines []string
	add := func(label, value string) {
		for i, l := range text.Wrap(text.Safe(value), width-11, 0) {
			head := ""
			if i == 0 {
				head = label
			}
			lines = append(lines, n.look.Faint.Render(text.Pad(head, 11, false))+n.look.Text.Render(l))
		}
	}
	sentence, own := n.nativeWords(it)
	for _, l := range text.Wrap(text.Safe(sentence), width, 0) {
		lines = append(lines, n.look.Strong.Render(l))
	}
	lines = append(lines, "")
	if c, ok := it.rule.Counted(it.native.Table); ok {
		add("matched", fmt.Sprintf("%s, %s", rules.Plural(c.Packets, "packet"), text.Bytes(c.Bytes)))
	} else {
		add("matched", "not counted: the rule has no counter")
	}
	if rate, ok := n.nativeRate(it); ok {
		add("now", text.Rate(rate)+" packets a second")
	}
	if it.native.Type == "nat" {
		add("counts", "only the first packet of each connection reaches a NAT rule")
	}
	add("owner", it.rule.Owner(it.native))
	add("comment", it.rule.Comment)
	add("chain", chainWords(it.native))
	if names := it.rule.Read(it.native, n.links()).Unknown; len(names) > 0 {
		add("unparsed", strings.Join(names, ", ")+": not understood, shown as it is")
	}
	add("nft", own)
	add("delete", it.command("delete"))
	return lines
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
