package nft

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Entry is an element of a set as nft writes it: what is looked up, and what a map has for it, "" for a set.
type Entry struct {
	Key, Value string
	Element    Element // that it begins with
}

// Entries are the elements of a set in the order of their values, intervals as one each.
func (s *Set) Entries(links Links) []Entry {
	x := listing{table: s.Table, links: links}
	all, shapes := x.entries(s, nil), x.shapes(s, nil)
	if s.Flags&SetInterval == 0 || len(shapes) > 1 {
		slices.SortStableFunc(all, func(a, b Entry) int { return bytes.Compare(valueKey(a.Element, shapes), valueKey(b.Element, shapes)) })
	}
	return all
}

// valueKey is by what a reader sorts: one part of the key after the other. Catch-all elements come last.
func valueKey(e Element, shapes []shape) []byte {
	if e.CatchAll {
		return bytes.Repeat([]byte{0xff}, 64)
	}
	var key []byte
	rest := e.Key
	for _, s := range shapes {
		if int(s.size) > len(rest) {
			break
		}
		key = append(key, network(rest[:s.size], s.host)...)
		rest = rest[min(len(rest), int(s.size+3)&^3):]
	}
	return append(key, rest...)
}

// lookup is a condition on a set, a translation by a map, or a verdict map.
func (x *listing) lookup(e Lookup) {
	s := x.table.Set(e.Set)
	if s == nil {
		x.ask(fmt.Sprintf("[reg %d]", e.Key), "", "@"+e.Set)
		return
	}
	terms := x.regs.gather(e.Key, s.KeyLen)
	left := x.names(terms)
	chance := ""
	if len(terms) == 1 {
		chance = terms[0].chance
	}
	right := x.setText(s, terms)
	switch {
	case !e.Map:
		x.ask(left, map[bool]string{true: "!="}[e.Not], right)
		x.out.Asks[len(x.out.Asks)-1].Set = s
	case e.Into == 0:
		x.does(Deed{Kind: Decides, Text: left + " vmap " + right, Map: s, Key: left, Chance: chance})
	default:
		t := &term{text: left + " map " + right, typ: hexType, parts: typesOf(s.DataType), size: s.DataLen, mapped: s, key: left, chance: chance}
		if len(t.parts) > 0 {
			t.typ = t.parts[0]
		}
		x.regs.load(e.Into, t)
	}
}

// setText is a set by its name, or by what is in it where it has none.
func (x *listing) setText(s *Set, terms []*term) string {
	if s.Flags&SetAnonymous == 0 {
		return "@" + s.Name
	}
	var all []string
	for _, e := range x.entries(s, terms) {
		if e.Value != "" {
			e.Key += " : " + e.Value
		}
		all = append(all, e.Key)
	}
	return "{ " + strings.Join(all, ", ") + " }"
}

// shape is how the keys of a set are laid out.
type shape struct {
	typ  *dataType
	size uint32
	host bool
	take piece // of the field that a mask leaves
	cut  bool
}

// shapes are those of a set's keys, as the terms that are looked up tell, else as the set does.
func (x *listing) shapes(s *Set, terms []*term) []shape {
	var all []shape
	for _, t := range terms {
		if t.inPacket {
			p := x.pieces(t)[0]
			sh := shape{typ: p.typ, size: t.size}
			if len(t.mask) > 0 && p.bits < t.bits && p.header != "" {
				sh.take, sh.cut = p, true
				sh.take.offset -= t.offset
			}
			all = append(all, sh)
			continue
		}
		all = append(all, shape{typ: t.typ, size: t.size, host: t.host()})
	}
	if len(all) > 0 {
		return all
	}
	types := typesOf(s.KeyType)
	for i, t := range types {
		size := uint32(t.size)
		if size == 0 && len(types) == 1 {
			size = s.KeyLen
		} else if size == 0 {
			size = 4
		}
		all = append(all, shape{typ: types[i], size: size, host: (t.host || s.HostKeys && len(types) == 1) && s.Flags&SetInterval == 0})
	}
	return all
}

// say writes a value.
func (s shape) say(x *listing, b []byte) string {
	b = network(b, s.host)
	if s.cut {
		b = cut(b, s.take.offset, s.take.bits)
	}
	if s.typ == ifindexType {
		return x.link(b)
	}
	return s.typ.say(b)
}

// entries are the elements of a set, written.
func (x *listing) entries(s *Set, terms []*term) []Entry {
	shapes := x.shapes(s, terms)
	if len(shapes) == 0 {
		return nil
	}
	if s.Flags&SetInterval != 0 && len(shapes) == 1 {
		return x.intervals(s, shapes[0])
	}
	elements := slices.Clone(s.Elements)
	if s.Flags&SetInterval == 0 { // others come as the kernel has them
		slices.SortStableFunc(elements, func(a, b Element) int { return bytes.Compare(sortKey(a, shapes), sortKey(b, shapes)) })
	}
	var all []Entry
	for _, e := range elements {
		entry := Entry{Key: x.keyText(e, shapes), Value: x.valueText(s, e), Element: e}
		all = append(all, entry)
	}
	return all
}

// sortKey is by what nft sorts: numbers by their value, names and concatenations from their ends.
func sortKey(e Element, shapes []shape) []byte {
	if e.CatchAll { // the last one
		return bytes.Repeat([]byte{0xff}, 64)
	}
	if len(shapes) == 1 && shapes[0].typ != ifnameType && shapes[0].typ != textType {
		return network(e.Key, shapes[0].host)
	}
	key := slices.Clone(e.Key)
	slices.Reverse(key)
	return key
}

// keyText writes the key of an element.
func (x *listing) keyText(e Element, shapes []shape) string {
	if e.CatchAll {
		return "*"
	}
	if len(shapes) == 1 {
		return shapes[0].say(x, e.Key)
	}
	var all []string
	key, end := e.Key, e.KeyEnd
	for _, s := range shapes {
		if int(s.size) > len(key) {
			break
		}
		text := s.say(x, key[:s.size])
		if len(end) >= int(s.size) && !bytes.Equal(end[:s.size], key[:s.size]) {
			text = intervalText(s.typ, network(key[:s.size], s.host), network(end[:s.size], s.host))
		}
		all = append(all, text)
		step := int(s.size+3) &^ 3
		key = key[min(len(key), step):]
		end = end[min(len(end), step):]
	}
	return strings.Join(all, " . ")
}

// valueText writes what a map has for an element.
func (x *listing) valueText(s *Set, e Element) string {
	switch {
	case e.Verdict != nil:
		return e.Verdict.text()
	case e.Object != "":
		return quoted(e.Object)
	case e.Data == nil:
		return ""
	}
	return x.dataText(typesOf(s.DataType), e.Data)
}

// dataText writes values one after the other.
func (x *listing) dataText(types []*dataType, data []byte) string {
	if len(types) == 0 {
		return hexType.say(data)
	}
	if t := types[0]; len(types) == 1 {
		if t.size > 0 && len(data) == 2*((t.size+3)&^3) && t.size >= 4 { // a range
			return intervalText(t, network(data[:t.size], t.host), network(data[len(data)/2:][:t.size], t.host))
		}
		if t == ifindexType {
			return x.link(network(data, true))
		}
		return t.say(network(data, t.host))
	}
	var all []string
	for _, t := range types {
		size := t.size
		if size == 0 {
			size = 4
		}
		if size > len(data) {
			break
		}
		all = append(all, t.say(network(data[:size], t.host)))
		data = data[min(len(data), (size+3)&^3):]
	}
	return strings.Join(all, " . ")
}

// intervals are the elements of a set of ranges: each begins with an element and ends before the next that is an end.
func (x *listing) intervals(s *Set, sh shape) []Entry {
	elements := slices.Clone(s.Elements)
	key := func(e Element) []byte { return network(e.Key, sh.host) }
	slices.SortStableFunc(elements, func(a, b Element) int {
		if a.CatchAll != b.CatchAll {
			return map[bool]int{true: 1, false: -1}[a.CatchAll]
		}
		if c := bytes.Compare(key(a), key(b)); c != 0 || a.End == b.End {
			return c
		}
		return map[bool]int{true: -1, false: 1}[a.End] // an end before what begins there
	})
	var all []Entry
	for i, e := range elements {
		switch {
		case e.End:
			continue
		case e.CatchAll:
			all = append(all, Entry{Key: "*", Value: x.valueText(s, e), Element: e})
			continue
		}
		low, high := key(e), bytes.Repeat([]byte{0xff}, len(e.Key))
		if i+1 < len(elements) && !elements[i+1].CatchAll {
			high = before(key(elements[i+1]))
		}
		all = append(all, Entry{Key: sh.interval(x, low, high), Value: x.valueText(s, e), Element: e})
	}
	return all
}

// interval writes a range.
func (s shape) interval(x *listing, low, high []byte) string {
	if s.cut {
		low, high = cut(low, s.take.offset, s.take.bits), cut(high, s.take.offset, s.take.bits)
	}
	if s.typ == ifnameType {
		if stem, rest, _ := bytes.Cut(low, []byte{0}); zero(rest) && !bytes.Equal(low, high) {
			return quoted(string(stem) + "*")
		}
		return s.typ.say(low)
	}
	if s.typ == ifindexType && bytes.Equal(low, high) {
		return x.link(low)
	}
	return intervalText(s.typ, low, high)
}

// before is the number before.
func before(b []byte) []byte {
	b = slices.Clone(b)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]--
		if b[i] != 0xff {
			break
		}
	}
	return b
}

// after is the number after; nil where there is none.
func after(b []byte) []byte {
	b = slices.Clone(b)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return b
		}
	}
	return nil
}
