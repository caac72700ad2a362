package guide

import (
	"fmt"
	"net/netip"

	"nattui/rules"
	"nattui/rules/nft"
)

// warnNative says which native rules name the old server, each with the command that changes it: the recipe moves those of
// iptables alone. It reports whether one of them forwards to the server. moved tells that others are moved.
func (b *builder) warnNative(from, to netip.AddrPort, moved bool) (forwards bool) {
	native := b.Kernel.Native.Ruleset()
	if native == nil {
		return false
	}
	say := b.warn
	if !moved {
		say = b.wrong
	}
	for _, t := range native.Tables {
		if t.OfIPTables() || !t.Meets(b.family) {
			continue
		}
		for _, c := range t.Chains {
			for i, r := range c.Rules {
				next, destination := b.relocatedNative(c, r, native.Links, from, to)
				if next.Chain == "" {
					continue
				}
				forwards = forwards || destination
				place, what := fmt.Sprintf("rule %d of %s", i+1, c.Path()), "names the old server"
				if destination {
					what = "forwards to it"
				}
				if owner := r.Owner(c); owner != "" && t.Name != nft.OwnTable {
					say("from", "", "native rules are not moved by this recipe, and %s, of %s, %s: change it there", place, owner, what)
					continue
				}
				say("from", "", "native rules are not moved by this recipe, and %s %s: change it with  %s", place, what, editOf(c, r, i, next, destination, native.Links))
			}
		}
	}
	return forwards
}

// relocatedNative is what a native rule says in the words of iptables with the new server in place of the old one; a rule of no
// chain where it does not name that. Of a map that is one of its elements.
func (b *builder) relocatedNative(c *nft.Chain, r *nft.Rule, links nft.Links, from, to netip.AddrPort) (next rules.Rule, destination bool) {
	for _, said := range r.IPTables(c, b.family, links) {
		if next, destination = relocated(said, from, to); !next.Same(said) {
			return next, destination
		}
	}
	return rules.Rule{}, false
}

// editOf is the command that has a native rule name the new server: by a field where one says it, else in nft's words.
func editOf(c *nft.Chain, r *nft.Rule, i int, next rules.Rule, destination bool, links nft.Links) string {
	args := []string{"nattui", "edit", "--table", c.Table.Family.String() + " " + c.Table.Name, c.Name, fmt.Sprint(i + 1)}
	read := r.Read(c, links)
	host, single := next.Dest.Host()
	switch fielded := c.IsBase() && read.Translates(); {
	case fielded && destination && read.To() != "": // a map says where to otherwise
		return rules.ShellLine(append(args, "--to", next.Target.To.String()))
	case fielded && single:
		return rules.ShellLine(append(args, "--dest", host.String()))
	}
	return rules.ShellLine(append(args, "--rule")) + " …, all of it in nft's words; it is now:  " + nft.Uncounted(r.Text(c, links))
}
