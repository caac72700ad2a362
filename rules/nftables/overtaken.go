package nftables

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// overtaken is what others have made between the last look at the tables and a transaction of ours: tables with nothing in
// them but that.
type overtaken struct{ reader }

// overtake reads what transactions have added to the tables as they were before; nil where there are none, or it is not known
// what there was.
func overtake(before *nft.Ruleset, others []transaction) *overtaken {
	if before == nil || len(others) == 0 {
		return nil
	}
	o := &overtaken{reader{set: &nft.Ruleset{Links: before.Links}, tables: map[tableKey]*nft.Table{}, uses: map[*nft.Table]uint32{}}}
	for _, t := range before.Tables {
		o.bare(t)
	}
	for _, t := range others {
		for _, m := range t.events {
			o.take(m)
		}
	}
	return o
}

// bare is the table without its rules and elements, but for those of sets that have no name.
func (o *overtaken) bare(t *nft.Table) {
	next := &nft.Table{Family: t.Family, Name: t.Name, Handle: t.Handle, Dormant: t.Dormant, Owned: t.Owned}
	for _, c := range t.Chains {
		chain := *c
		chain.Table, chain.Rules = next, nil
		next.Chains = append(next.Chains, &chain)
	}
	for _, s := range t.Sets {
		set := *s
		if set.Table = next; set.Flags&nft.SetAnonymous == 0 {
			set.Elements = nil
		}
		next.Sets = append(next.Sets, &set)
	}
	o.set.Tables = append(o.set.Tables, next)
	o.tables[tableKey{t.Family, t.Name}] = next
}

func (o *overtaken) take(m nfnetlink.Message) {
	family := nft.Family(m.Family)
	t := o.tables[tableKey{family, m.Attrs.Get(unix.NFTA_RULE_TABLE).Text()}]
	if t == nil {
		if m.Kind == unix.NFT_MSG_NEWTABLE {
			o.table(family, m.Attrs)
		}
		return
	}
	switch m.Kind {
	case unix.NFT_MSG_NEWCHAIN:
		if t.Chain(m.Attrs.Get(unix.NFTA_CHAIN_NAME).Text()) == nil {
			o.takeChain(family, m.Attrs)
		}
	case unix.NFT_MSG_NEWSET:
		if t.Set(m.Attrs.Get(unix.NFTA_SET_NAME).Text()) == nil {
			o.takeSet(family, m.Attrs)
		}
	case unix.NFT_MSG_NEWSETELEM:
		o.elements(t, m.Attrs)
	case unix.NFT_MSG_NEWRULE:
		o.forget(t, m.Attrs)
		o.chain = nil
		o.rule(family, m.Attrs)
	case unix.NFT_MSG_DELRULE:
		o.forget(t, m.Attrs)
	}
}

// elements adds elements to a set; where they are of a set without a name, the kernel announces them more than once.
func (o *overtaken) elements(t *nft.Table, a nfnetlink.Attributes) {
	s := t.Set(a.Get(unix.NFTA_SET_ELEM_LIST_SET).Text())
	if s == nil {
		return
	}
	for _, e := range a.Get(unix.NFTA_SET_ELEM_LIST_ELEMENTS).Each {
		next := element(e)
		same := func(old nft.Element) bool { return string(old.Key) == string(next.Key) && old.End == next.End }
		s.Elements = append(slices.DeleteFunc(s.Elements, same), next)
	}
}

// forget takes a rule out that was deleted, or is replaced.
func (o *overtaken) forget(t *nft.Table, a nfnetlink.Attributes) {
	handle := a.Get(unix.NFTA_RULE_HANDLE).Number()
	if c := t.Chain(a.Get(unix.NFTA_RULE_CHAIN).Text()); c != nil {
		c.Rules = slices.DeleteFunc(c.Rules, func(r *nft.Rule) bool { return r.Handle == handle })
	}
}

// replaced puts into changes that delete a rule or element what others had put in its place by then. The error wraps
// *rules.NativeConflict where there was any; else it says what cannot be put back.
func (o *overtaken) replaced(ctx context.Context, made []rules.NativeChange, now *nft.Ruleset) error {
	var conflict error
	for i := range made {
		c := &made[i]
		t := o.set.Table(c.Family, c.Table)
		if !c.Gone || t == nil {
			continue
		}
		was, found := *c, ""
		switch c.What {
		case rules.NativeRule:
			found = o.anotherRule(c, t)
		case rules.NativeElement:
			found = o.anotherElement(c, t)
		}
		if found == "" {
			continue
		}
		if c.What == rules.NativeRule && !reworded(ctx, c, now) {
			return fmt.Errorf("another program replaced the rule in the same moment, and what it made of it was deleted in its place and cannot be restored: %s", c.Text)
		}
		if conflict == nil {
			conflict = &rules.NativeConflict{Change: was, Found: found + "; it was deleted for a moment and restored"}
		}
	}
	return conflict
}

// anotherRule puts into the deletion of a rule the one that others had put in its place, and says that; "" where they had not.
func (o *overtaken) anotherRule(c *rules.NativeChange, t *nft.Table) string {
	ch := t.Chain(c.Chain)
	if ch == nil {
		return ""
	}
	at := slices.IndexFunc(ch.Rules, func(r *nft.Rule) bool { return r.Handle == c.Handle })
	if at < 0 {
		return ""
	}
	gone := ch.Rules[at].Deletion(ch, o.set.Links)
	c.Text, c.Print, c.Words = gone.Text, gone.Print, gone.Words
	return "another program had just replaced the rule by " + gone.Text
}

// anotherElement is anotherRule for the deletion of an element.
func (o *overtaken) anotherElement(c *rules.NativeChange, t *nft.Table) string {
	s := t.Set(c.Set)
	if s == nil {
		return ""
	}
	for _, e := range s.Entries(o.set.Links) {
		if e.Key == c.Key && e.Text() != c.Text {
			c.Text = e.Text()
			return "another program had just made it " + c.Text
		}
	}
	return ""
}

// reworded gives a rule that is to be added again the words of which nft makes the very same; false where there are none.
func reworded(ctx context.Context, c *rules.NativeChange, now *nft.Ruleset) bool {
	add := rules.NativeChange{What: c.What, Family: c.Family, Table: c.Table, Chain: c.Chain, Text: c.Text}
	trial, err := Try(ctx, now, add.Line()+"\n")
	if err != nil || len(trial.Changes) != 1 || trial.Changes[0].Print != c.Print {
		return false
	}
	c.Text = trial.Changes[0].Text
	return true
}

// lost are the rules and elements, in words, that others had added to what changes delete as a whole.
func (o *overtaken) lost(made []rules.NativeChange) (all []string) {
	deleted := func(t *nft.Table, what rules.NativeKind, name string) bool {
		return slices.ContainsFunc(made, func(c rules.NativeChange) bool {
			isSet := c.What == rules.NativeMapKind && what == rules.NativeSetKind
			return c.Gone && (c.What == what || isSet) && c.Family == t.Family.String() && c.Table == t.Name && c.Chain+c.Set == name
		})
	}
	for _, t := range o.set.Tables {
		whole := deleted(t, rules.NativeTableKind, "")
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				if whole || deleted(t, rules.NativeChainKind, c.Name) {
					all = append(all, "rule "+c.Path()+" "+r.Text(c, o.set.Links))
				}
			}
		}
		for _, s := range t.Sets {
			if s.Flags&nft.SetAnonymous != 0 || !whole && !deleted(t, rules.NativeSetKind, s.Name) {
				continue
			}
			for _, e := range s.Entries(o.set.Links) {
				all = append(all, "element "+s.Path()+" { "+e.Text()+" }")
			}
		}
	}
	return all
}
