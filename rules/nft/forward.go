package nft

import (
	"strings"

	"nattui/rules"
)

// Forward is an element of a map that tells a rule where to translate to: one of the forwards that the rule makes.
type Forward struct {
	Map string // its name; of a map without one, what the kernel calls it
	// Key is what is looked up, as nft writes it, and By the term that is: ip daddr . tcp dport.
	Key, By  string
	To       string
	Sentence string
	Element  Element
}

// Forwards are those that a map makes of the rule; none where it translates without one, or chooses by chance.
func (r Reading) Forwards(links Links) []Forward {
	d, ok := r.Main()
	if !ok || d.Map == nil || !r.Translates() {
		return nil
	}
	var all []Forward
	for _, e := range d.Map.Entries(links) {
		f := Forward{Map: d.Map.Name, Key: e.Key, By: d.Key, To: d.Place(e), Element: e.Element}
		if d.Chance == "" {
			f.Sentence = upper(r.sort().subject(r)) + " " + looked(d.Key, e.Key) + " " + lead(d) + placeWords(f.To) + "."
		} else {
			f.Sentence = "One of those that are chosen " + d.Chance + ": " + f.To + "."
		}
		all = append(all, f)
	}
	return all
}

// looked says which packets have a key of a map, in the words of a rule's sentence.
func looked(by, key string) string {
	terms, values := strings.Split(by, " . "), strings.Split(key, " . ")
	var link, from, to, rest string
	if len(terms) != len(values) {
		return "with " + by + " " + key
	}
	for i, term := range terms {
		switch v := values[i]; term {
		case "iifname", "iif", "meta iifname", "meta iif":
			link = "that arrives on " + strings.Trim(v, `"`)
		case "ip saddr", "ip6 saddr":
			from = optional("from", v, strings.TrimPrefix(from, "from "))
		case "tcp sport", "udp sport", "th sport":
			from = optional("from", strings.TrimPrefix(from, "from "), ports(v))
		case "ip daddr", "ip6 daddr":
			to = optional("to", v, strings.TrimPrefix(to, "to "))
		case "tcp dport", "udp dport", "th dport":
			to = optional("to", strings.TrimPrefix(to, "to "), ports(v))
		default:
			rest = optional(rest, "with", term, v)
		}
	}
	return optional(link, from, to, rest)
}

func lead(d Deed) string {
	if d.Source {
		return "leaves as if from "
	}
	if d.Kind == Redirects {
		return "goes to this host, port "
	}
	return "goes to "
}

// To is where the rule translates to, as rules.Translation has it: address and port; "" where it says none, or leaves it to
// a map.
func (r Reading) To() string {
	d, ok := r.Main()
	if !ok || d.Map != nil {
		return ""
	}
	switch d.Kind {
	case Translates, Proxies:
		return d.To
	case Redirects, Masquerades:
		if d.To != "" {
			return ":" + d.To
		}
	}
	return ""
}

// Kind is what the rule does, among the kinds of iptables' targets.
func (r Reading) Kind() rules.Kind {
	d, ok := r.Main()
	if !ok {
		return rules.NoTarget
	}
	switch d.Kind {
	case Translates:
		switch {
		case d.Whole:
			return rules.Netmap
		case d.Source:
			return rules.SNAT
		}
		return rules.DNAT
	case Masquerades:
		return rules.Masquerade
	case Redirects:
		return rules.Redirect
	case Marks:
		return rules.SetMark
	case Decides:
		kinds := map[string]rules.Kind{"accept": rules.Accept, "drop": rules.Drop, "return": rules.Return, "jump": rules.Jump, "goto": rules.Goto}
		if kind, known := kinds[d.verdict()]; known {
			return kind
		}
		if d.Map != nil {
			return rules.Jump
		}
	}
	return rules.Other
}

// Counted is what the rule has counted: by a counter of its own, or by a named one; false where it counts nothing.
func (r *Rule) Counted(t *Table) (Counter, bool) {
	if c, ok := r.Counter(); ok {
		return c, true
	}
	const counterKind = 1 // NFT_OBJECT_COUNTER
	for _, e := range r.Exprs {
		if ref, ok := e.(ObjRef); ok && ref.Type == counterKind && ref.Set == "" {
			if o := t.Object(counterKind, ref.Name); o != nil {
				return o.Counter, true
			}
		}
	}
	return Counter{}, false
}
