package facts

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// NFTLists are the values that the rules of native filters ask packets for, as lists of those that they let in or
// keep out do.
type NFTLists struct {
	Sources, Dests []netip.Prefix
	Ports          []uint16 // of destinations
	// SourceSets are the named sets that sources are looked up in, as "inet filter friends".
	SourceSets []string
}

// mostListed bounds the values of a kind.
const mostListed = 64

// Lists are the values that rules compare with sources, destinations and ports. Of what is put together from several
// (ip saddr . tcp dport) nothing is told.
func (n *Nftables) Lists() NFTLists {
	var l NFTLists
	if n == nil {
		return l
	}
	for _, c := range n.chains {
		for i := range c.rules {
			for _, statement := range c.rules[i].Expr {
				var m struct {
					Left, Right json.RawMessage
					Key, Data   json.RawMessage
				}
				switch {
				case statement["match"] != nil && json.Unmarshal(statement["match"], &m) == nil:
					l.ask(n, c, m.Left, m.Right)
				case statement["vmap"] != nil && json.Unmarshal(statement["vmap"], &m) == nil:
					l.ask(n, c, m.Key, m.Data)
				}
			}
		}
	}
	return l
}

// ask notes what a rule compares a field of the packet with.
func (l *NFTLists) ask(n *Nftables, c *NFTChain, left, right json.RawMessage) {
	var e struct {
		Payload *struct{ Protocol, Field string }
	}
	if json.Unmarshal(left, &e) != nil || e.Payload == nil {
		return
	}
	switch e.Payload.Field {
	case "saddr", "daddr":
		to := &l.Sources
		if e.Payload.Field == "daddr" {
			to = &l.Dests
		}
		if s, ok := textOf(right); ok && to == &l.Sources {
			if name, named := strings.CutPrefix(s, "@"); named && len(l.SourceSets) < mostListed {
				l.SourceSets = append(l.SourceSets, c.Family+" "+c.Table+" "+name)
			}
		}
		n.values(c, right, 0, func(s string, bits int) {
			if a, err := netip.ParseAddr(s); err == nil && len(*to) < mostListed {
				if bits < 0 {
					bits = a.BitLen()
				}
				*to = append(*to, netip.PrefixFrom(a, bits))
			}
		})
	case "dport":
		n.values(c, right, 0, func(s string, _ int) {
			if port, err := strconv.ParseUint(s, 10, 16); err == nil && len(l.Ports) < mostListed {
				l.Ports = append(l.Ports, uint16(port))
			}
		})
	}
}

// values calls yield with each value of an expression, of a range with the first one, of a network with its address and
// the length of its prefix.
func (n *Nftables) values(c *NFTChain, right json.RawMessage, depth int, yield func(s string, bits int)) {
	if depth > 8 {
		return
	}
	all := func(list []json.RawMessage) {
		for _, e := range list {
			n.values(c, e, depth+1, yield)
		}
	}
	if s, ok := textOf(right); ok {
		if name, named := strings.CutPrefix(s, "@"); named {
			all(n.sets[c.Family+" "+c.Table+" "+name])
			return
		}
		yield(s, -1)
		return
	}
	var list []json.RawMessage
	if json.Unmarshal(right, &list) == nil {
		if len(list) == 2 && strings.HasPrefix(strings.TrimSpace(string(list[1])), `{"`) && verdictIn(list[1]) {
			list = list[:1] // of a verdict map
		}
		all(list)
		return
	}
	var e struct {
		Set, Range []json.RawMessage
		Prefix     *struct {
			Addr string
			Len  int
		}
		Elem *struct{ Val json.RawMessage }
	}
	switch {
	case json.Unmarshal(right, &e) != nil:
	case e.Prefix != nil:
		yield(e.Prefix.Addr, e.Prefix.Len)
	case len(e.Range) == 2:
		all(e.Range[:1])
	case e.Elem != nil:
		all([]json.RawMessage{e.Elem.Val})
	default:
		all(e.Set)
	}
}

// verdictIn tells the verdict of a map's element.
func verdictIn(value json.RawMessage) bool {
	var statement map[string]json.RawMessage
	if json.Unmarshal(value, &statement) != nil {
		return false
	}
	for name, v := range statement {
		return verdictOf(name, v) != nil
	}
	return false
}

// With are the filters with another address in one of their sets, named as NFTLists has it.
func (n *Nftables) With(set string, a netip.Addr) *Nftables {
	more := *n
	more.sets = maps.Clone(n.sets)
	element, _ := json.Marshal(a.String()) // a string cannot fail
	more.sets[set] = append(slices.Clip(more.sets[set]), element)
	return &more
}
