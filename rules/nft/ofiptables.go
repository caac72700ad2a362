package nft

import (
	"slices"

	"nattui/rules"
)

// NamedAsIPTables tells that a table has the family and name of one of iptables.
func (t *Table) NamedAsIPTables() bool {
	return (t.Family == IPv4 || t.Family == IPv6) && rules.BuiltInChains[t.Name] != nil
}

// ShapedAsIPTables tells that it has no other base chains either than such a table.
func (t *Table) ShapedAsIPTables() bool {
	return t.NamedAsIPTables() && !slices.ContainsFunc(t.Chains, func(c *Chain) bool { return c.IsBase() && !rules.IsBuiltIn(t.Name, c.Name) })
}

// OfIPTables tells that a table is iptables' own, which can show all that is in it: it is named and shaped as that makes it, and
// has nothing but rules such as iptables-nft writes. A table that was written by hand under iptables' names, with what iptables
// cannot show, is nft's; one too long to be read here is taken for iptables'.
func (t *Table) OfIPTables() bool {
	if !t.ShapedAsIPTables() || t.Unread {
		return t.ShapedAsIPTables()
	}
	if len(setsOf(t))+len(t.Objects)+len(t.Flowtables) > 0 {
		return false
	}
	return !slices.ContainsFunc(t.Chains, func(c *Chain) bool {
		return slices.ContainsFunc(c.Rules, func(r *Rule) bool { return !r.ofIPTables(t.Family) })
	})
}

// SharedNames are the tables that changes are about and that have the names of iptables' tables, each once.
func SharedNames(changes []rules.NativeChange) (all []string) {
	for _, c := range changes {
		name := "table " + c.Family + " " + c.Table
		if shared := (c.Family == "ip" || c.Family == "ip6") && rules.BuiltInChains[c.Table] != nil; shared && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// HasExtensions tells that iptables has made rules of a table by its own extensions, which nft can neither print nor read.
func (t *Table) HasExtensions() bool {
	return slices.ContainsFunc(t.Chains, func(c *Chain) bool {
		return slices.ContainsFunc(c.Rules, func(r *Rule) bool { return slices.ContainsFunc(r.Exprs, isExtension) })
	})
}

func isExtension(e Expr) bool {
	u, ok := e.(Unknown)
	return ok && (u.Name == "match" || u.Name == "target")
}

// ofIPTables tells that a rule has no expression but those that iptables-nft makes and understands (iptables/nft.c,
// supported_exprs; nft-shared.c).
func (r *Rule) ofIPTables(family Family) bool {
	network := false // what was loaded last is of the network header
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case Payload:
			if network = e.Base == NetworkHeader; !iptablesPayload(family, e) {
				return false
			}
		case Meta:
			network = false
			if trace := e.Set && e.Key == "nftrace"; !trace && (e.Set || !slices.Contains(iptablesMeta, e.Key)) {
				return false
			}
		case Cmp:
			if network && e.Op != "eq" && e.Op != "neq" {
				return false
			}
		case Range:
			if network {
				return false
			}
		case Bitwise, Counter, Immediate, Limit, Log:
		default:
			if !isExtension(e) {
				return false
			}
		}
	}
	return true
}

// iptablesMeta are the keys that iptables-nft asks for (iptables/nft-shared.c, parse_meta).
var iptablesMeta = []string{"l4proto", "iif", "oif", "iifname", "oifname", "mark", "pkttype"}

// iptablesPayload tells that iptables-nft asks for a part of a packet: addresses, protocol and fragments, ports, TCP flags,
// types of ICMP (iptables/nft-ipv4.c, nft-ipv6.c, nft-shared.c).
func iptablesPayload(family Family, e Payload) bool {
	switch {
	case e.Base == NetworkHeader && family == IPv6:
		return slices.Contains([]uint32{6, 7, 8, 24}, e.Offset)
	case e.Base == NetworkHeader:
		return slices.Contains([]uint32{6, 8, 9, 12, 16}, e.Offset)
	case e.Base == TransportHeader:
		return e.Offset <= 2 || e.Offset == 13
	}
	return false
}
