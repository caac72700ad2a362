package nft

import (
	"fmt"
	"slices"
)

// Path names the chain as nft does, with its table: inet nattui prerouting.
func (c *Chain) Path() string {
	return c.Table.Family.String() + " " + c.Table.Name + " " + c.Name
}

// Without is what nft reads to delete a rule of the chain.
func (c *Chain) Without(r *Rule) string {
	return fmt.Sprintf("delete rule %s handle %d\n", c.Path(), r.Handle)
}

// Rewritten is what nft reads to have a rule of the chain say something else, in its place.
func (c *Chain) Rewritten(r *Rule, text string) string {
	return fmt.Sprintf("replace rule %s handle %d %s\n", c.Path(), r.Handle, text)
}

// Moved is what nft reads to have a rule at another position of the chain, counted from 1, with what it has counted. The
// position must be there.
func (c *Chain) Moved(r *Rule, to int, links Links) string {
	rest := slices.DeleteFunc(slices.Clone(c.Rules), func(other *Rule) bool { return other.Handle == r.Handle })
	text := r.Text(c, links)
	if to > len(rest) {
		return c.Without(r) + fmt.Sprintf("add rule %s %s\n", c.Path(), text)
	}
	return c.Without(r) + fmt.Sprintf("insert rule %s handle %d %s\n", c.Path(), rest[to-1].Handle, text)
}

// Path names the set or map as nft does, with its table.
func (s *Set) Path() string {
	return s.Table.Family.String() + " " + s.Table.Name + " " + s.Name
}

// With is what nft reads to add an element to the set or map: its key, and in a map its value behind a colon.
func (s *Set) With(text string) string { return "add element " + s.Path() + " { " + text + " }\n" }

// Without is what nft reads to delete the element of a key.
func (s *Set) Without(key string) string { return "delete element " + s.Path() + " { " + key + " }\n" }
