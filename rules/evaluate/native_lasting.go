package evaluate

import (
	"slices"

	"nattui/rules"
	"nattui/rules/nft"
)

// Lasting is the program as it will be once what ends by itself has ended: without elements that time out, and without the
// rules of the changes, which are temporary. It is n itself where there are none.
func (n *NativeProgram) Lasting(temporary []rules.NativeChange) *NativeProgram {
	if n == nil {
		return nil
	}
	ended := &nft.Ruleset{Tables: slices.Clone(n.set.Tables)}
	changed := false
	for i, t := range ended.Tables {
		if lasting, ok := lastingTable(t, temporary); ok {
			ended.Tables[i], changed = lasting, true
		}
	}
	if !changed {
		return n
	}
	return CompileNative(ended)
}

// lastingTable is a copy of a table without what ends; false where nothing does.
func lastingTable(t *nft.Table, temporary []rules.NativeChange) (*nft.Table, bool) {
	c, changed := *t, false
	c.Sets, c.Chains = slices.Clone(t.Sets), slices.Clone(t.Chains)
	expires := func(e nft.Element) bool { return e.Expires != 0 }
	for i, s := range t.Sets {
		if slices.ContainsFunc(s.Elements, expires) {
			kept := *s
			kept.Elements = slices.DeleteFunc(slices.Clone(s.Elements), expires)
			c.Sets[i], changed = &kept, true
		}
	}
	for i, chain := range t.Chains {
		ends := func(r *nft.Rule) bool {
			return slices.ContainsFunc(temporary, func(n rules.NativeChange) bool {
				return n.What == rules.NativeRule && !n.Gone && n.Place() == chain.Path() && n.Handle == r.Handle
			})
		}
		if len(temporary) > 0 && slices.ContainsFunc(chain.Rules, ends) {
			kept := *chain
			kept.Rules = slices.DeleteFunc(slices.Clone(chain.Rules), ends)
			c.Chains[i], changed = &kept, true
		}
	}
	return &c, changed
}
