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

// Lists are the values that rules compare with sources, destinations and ports, alone or put together with others
// (ip saddr . tcp dport).
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

// ask notes what a rule compares fields of the packet with.
func (l *NFTLists) ask(n *Nftables, c *NFTChain, left, right json.RawMessage) {
	var e struct{ Concat []json.RawMessage }
	if json.Unmarshal(left, &e) != nil {
		return
	}
	if s, ok := textOf(right); ok && fieldOf(left) == "saddr" {
		if name, named := strings.CutPrefix(s, "@"); named && len(l.SourceSets) < mostListed {
			l.SourceSets = append(l.SourceSets, c.Family+" "+c.Table+" "+name)
		}
	}
	n.elements(c, right, 0, func(value json.RawMessage) {
		var together struct{ Concat []json.RawMessage }
		switch {
		case e.Concat == nil:
			l.note(fieldOf(left), value)
		case json.Unmarshal(value, &together) == nil && len(together.Concat) == len(e.Concat):
			for i := range e.Concat {
				l.note(fieldOf(e.Concat[i]), together.Concat[i])
			}
		}
	})
}

// fieldOf is the field of a header that an expression takes; "" for others.
func fieldOf(expression json.RawMessage) string {
	var e struct {
		Payload *struct{ Protocol, Field string }
	}
	if json.Unmarshal(expression, &e) != nil || e.Payload == nil {
		return ""
	}
	return e.Payload.Field
}

// note keeps a value that a field is compared with, of a range the first one.
func (l *NFTLists) note(field string, value json.RawMessage) {
	text, bits := firstOf(value)
	switch field {
	case "saddr", "daddr":
		to := &l.Sources
		if field == "daddr" {
			to = &l.Dests
		}
		if a, err := netip.ParseAddr(text); err == nil && len(*to) < mostListed {
			if bits < 0 {
				bits = a.BitLen()
			}
			*to = append(*to, netip.PrefixFrom(a, bits))
		}
	case "dport":
		if port, err := strconv.ParseUint(text, 10, 16); err == nil && len(l.Ports) < mostListed {
			l.Ports = append(l.Ports, uint16(port))
		}
	}
}

// elements calls yield with each value that an expression stands for.
func (n *Nftables) elements(c *NFTChain, right json.RawMessage, depth int, yield func(json.RawMessage)) {
	if depth > 8 {
		return
	}
	var list []json.RawMessage
	var e struct {
		Set  []json.RawMessage
		Elem *struct{ Val json.RawMessage }
	}
	text, isText := textOf(right)
	name, named := strings.CutPrefix(text, "@")
	switch {
	case isText && named:
		list = n.sets[c.Family+" "+c.Table+" "+name]
	case isText:
		yield(right)
		return
	case json.Unmarshal(right, &list) == nil:
		if len(list) == 2 && verdictIn(list[1]) {
			list = list[:1] // of a verdict map
		}
	case json.Unmarshal(right, &e) != nil:
		return
	case e.Elem != nil:
		list = []json.RawMessage{e.Elem.Val}
	case e.Set != nil:
		list = e.Set
	default:
		yield(right)
		return
	}
	for _, value := range list {
		n.elements(c, value, depth+1, yield)
	}
}

// firstOf is a value as text, of a range the first one, of a network its address with the length of its prefix.
func firstOf(value json.RawMessage) (text string, bits int) {
	if s, ok := textOf(value); ok {
		return s, -1
	}
	var e struct {
		Range  []json.RawMessage
		Prefix *struct {
			Addr string
			Len  int
		}
	}
	switch {
	case json.Unmarshal(value, &e) != nil:
	case e.Prefix != nil:
		return e.Prefix.Addr, e.Prefix.Len
	case len(e.Range) == 2:
		text, _ = textOf(e.Range[0])
	}
	return text, -1
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
