package nft

import (
	"strings"
)

// Reading is what a rule asks and does, read from its expressions as nft list does it.
type Reading struct {
	Asks []Ask
	Does []Deed
	// Unknown names the expressions that are not understood.
	Unknown []string
	// Family is IPv4 or IPv6 where only packets of that family can match, or get a translation; else 0.
	Family Family

	untold  bool // the family is that of the translation's address alone
	chain   *Chain
	clauses []clause
}

// Ask is a condition: tcp dport 80.
type Ask struct {
	What, Op, Values string // Op is "" for equal or in
	// Set is where the values stand, with a name or without; nil where they stand in the condition itself.
	Set *Set
	// Implied conditions are those that others say too: nft list leaves them out.
	Implied bool
}

// Deed is something that a rule does.
type Deed struct {
	Kind DeedKind
	Text string // as nft writes it
	// To is where a translation leads, or the chain that is jumped to.
	To string
	// Source translations are of the packet's source; Whole ones map a network into another.
	Source, Whole bool
	Flags         NATFlags
	// Map is the set whose elements tell where it leads, by Key, the term that is looked up; nil where there is none.
	Map *Set
	Key string
	// Before and After are what surrounds what the map says: an address, or a port.
	Before, After string
	// Chance says how one of several is chosen that no packet has a part in: in turn, at random, by a hash.
	Chance string
}

// DeedKind is the kind of a deed.
type DeedKind uint8

// The kinds.
const (
	Other      DeedKind = iota
	Translates          // dnat, snat
	Masquerades
	Redirects
	Proxies
	Marks
	Decides // accept, drop, reject, jump …
	Counts
	Logs
)

// clause is one piece of a rule's text.
type clause struct {
	text    string
	dropped bool // because another says it
}

// Links are the names of interfaces by their numbers.
type Links map[uint32]string

// Read reads a rule of a chain. links may be nil: then interfaces that are named by their number have it.
func (r *Rule) Read(c *Chain, links Links) Reading {
	x := listing{table: c.Table, links: links}
	x.out.chain = c
	switch c.Table.Family {
	case IPv4:
		x.network = "ip"
	case IPv6:
		x.network = "ip6"
	case ARP:
		x.network = "arp"
	}
	for _, e := range r.Exprs {
		x.take(e)
	}
	x.flush()
	if x.out.Family = map[string]Family{"ip": IPv4, "ip6": IPv6}[x.network]; x.out.Family == 0 {
		x.out.translatedFamily(r)
	}
	return x.out
}

// translatedFamily notes the family of the address that a rule translates to: packets of the other one it leaves as they are
// (nft_nat_inet_eval in nft_nat.c).
func (r *Reading) translatedFamily(of *Rule) {
	for _, e := range of.Exprs {
		if n, ok := e.(NAT); ok && (n.Family == IPv4 || n.Family == IPv6) {
			r.Family, r.untold = n.Family, true
		}
	}
}

// Text is the rule as nft list prints it, without its comment.
func (r Reading) Text() string {
	var parts []string
	for _, c := range r.clauses {
		if !c.dropped {
			parts = append(parts, c.text)
		}
	}
	return strings.Join(parts, " ")
}

// Text is the rule as nft lists it, with its comment: in nft's own words where they were asked, else in ours.
func (r *Rule) Text(c *Chain, links Links) string {
	if r.Listed != "" {
		return r.Listed
	}
	text := r.Read(c, links).Text()
	if r.Comment != "" {
		text = optional(text, "comment "+quoted(r.Comment))
	}
	return text
}
