package evaluate

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"nattui/rules/nft"
)

// nativeSet is a set or map made ready for being asked.
type nativeSet struct {
	set      *nft.Set
	written  bool // rules put packets' data into it
	exact    map[string]int32
	spans    []interval // of single values, ascending and apart from each other
	concat   []int32    // elements that are compared field by field
	fields   []place    // of a concatenated key, from the key's beginning
	catchAll int32      // the element for all the rest; -1: none
}

// interval are the keys from one to before another; nil: to the last.
type interval struct {
	from, before []byte
	element      int32
}

func (s *nativeSet) named() bool { return s.set.Flags&nft.SetAnonymous == 0 }

func compileSet(set *nft.Set) *nativeSet {
	s := &nativeSet{set: set, exact: map[string]int32{}, catchAll: -1}
	at := uint8(0)
	for _, n := range set.Fields {
		p := place{at, uint8(min(n, 16))}
		s.fields = append(s.fields, p)
		at += p.room().len
	}
	var ends []int32
	for i := range set.Elements {
		e, at := &set.Elements[i], int32(i)
		switch {
		case !e.CatchAll && (len(e.Key) != int(set.KeyLen) || e.KeyEnd != nil && len(e.KeyEnd) != len(e.Key)):
			s.written = true // not what a kernel tells: nothing is known of the set
		case e.CatchAll:
			s.catchAll = at
		case e.KeyEnd != nil || len(s.fields) > 1 && set.Flags&nft.SetInterval != 0:
			s.concat = append(s.concat, at)
		case set.Flags&nft.SetInterval != 0:
			ends = append(ends, at)
		default:
			s.exact[string(e.Key)] = at
		}
	}
	s.join(ends)
	return s
}

// join makes intervals of elements that are begins and ends.
func (s *nativeSet) join(list []int32) {
	elements := s.set.Elements
	slices.SortStableFunc(list, func(a, b int32) int {
		x, y := &elements[a], &elements[b]
		if order := bytes.Compare(x.Key, y.Key); order != 0 {
			return order
		}
		// What ends where the next begins comes first.
		return cmp.Compare(btoi(!x.End), btoi(!y.End))
	})
	for i, at := range list {
		if elements[at].End {
			continue
		}
		span := interval{from: elements[at].Key, element: at}
		if i+1 < len(list) {
			span.before = elements[list[i+1]].Key
		}
		s.spans = append(s.spans, span)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// find is the element that a key belongs to; -1: none.
func (s *nativeSet) find(key []byte) int32 {
	if at, ok := s.exact[string(key)]; ok {
		return at
	}
	if n := len(s.spans); n > 0 {
		i, equal := slices.BinarySearchFunc(s.spans, key, func(x interval, k []byte) int { return bytes.Compare(x.from, k) })
		if !equal {
			i--
		}
		if i >= 0 && (s.spans[i].before == nil || bytes.Compare(key, s.spans[i].before) < 0) {
			return s.spans[i].element
		}
	}
	for _, at := range s.concat {
		if s.within(at, key) {
			return at
		}
	}
	return s.catchAll
}

// within compares a concatenated key with an element, field by field.
func (s *nativeSet) within(at int32, key []byte) bool {
	e := &s.set.Elements[at]
	end := e.KeyEnd
	if end == nil {
		end = e.Key
	}
	for _, f := range s.fieldsOf(len(key)) {
		part := key[f.at : f.at+f.len]
		if bytes.Compare(part, e.Key[f.at:f.at+f.len]) < 0 || bytes.Compare(part, end[f.at:f.at+f.len]) > 0 {
			return false
		}
	}
	return true
}

// fieldsOf are the fields of a key; the whole key where the kernel names none.
func (s *nativeSet) fieldsOf(n int) []place {
	if len(s.fields) == 0 {
		s = &nativeSet{fields: []place{{0, uint8(n)}}}
	}
	return s.fields
}

// may tells whether the key in the registers belongs to an element.
func (s *nativeSet) may(r *registers, key place, at int32) Truth {
	e := &s.set.Elements[at]
	if e.KeyEnd == nil && len(s.concat) == 0 {
		return r.equals(key, e.Key)
	}
	end := e.KeyEnd
	if end == nil {
		end = e.Key
	}
	all := Yes
	for _, f := range s.fieldsOf(int(key.len)) {
		all = min(all, r.between(place{key.at + f.at, f.len}, e.Key[f.at:f.at+f.len], end[f.at:f.at+f.len]))
	}
	return all
}

// inSpan tells whether the key in the registers lies in an interval.
func (r *registers) inSpan(key place, x interval) Truth {
	var low, high [registerBytes]byte
	least, greatest := r.limits(key, &low, &high)
	switch {
	case bytes.Compare(least, x.from) >= 0 && (x.before == nil || bytes.Compare(greatest, x.before) < 0):
		return Yes
	case bytes.Compare(greatest, x.from) < 0 || x.before != nil && bytes.Compare(least, x.before) >= 0:
		return No
	}
	return Unknown
}

// candidates appends the elements that the key in the registers may belong to. all is set if it belongs to one of them
// for certain.
func (s *nativeSet) candidates(buf []int32, r *registers, key place) (list []int32, all bool) {
	if r.isKnown(key) {
		if at := s.find(r.value[key.at : key.at+key.len]); at >= 0 {
			return append(buf, at), true
		}
		return buf, false
	}
	if n := r.number; n.count > 0 && n.at == key.at && key.len == 4 && n.count <= maxNumbers {
		return s.numbered(buf, n)
	}
	note := func(at int32, t Truth) {
		if t != No {
			buf = append(buf, at)
		}
		all = all || t == Yes
	}
	for at := range s.set.Elements {
		if e := &s.set.Elements[at]; !e.CatchAll && s.set.Flags&nft.SetInterval == 0 {
			note(int32(at), s.may(r, key, int32(at)))
		}
	}
	for _, x := range s.spans {
		note(x.element, r.inSpan(key, x))
	}
	for _, at := range s.concat {
		note(at, s.may(r, key, at))
	}
	if s.catchAll >= 0 && !all {
		buf, all = append(buf, s.catchAll), true
	}
	return buf, all
}

// maxNumbers is up to how many values a number is followed each by itself.
const maxNumbers = 1024

// numbered are the elements that a number may belong to.
func (s *nativeSet) numbered(buf []int32, n numberAt) (list []int32, all bool) {
	all = true
	first := len(buf)
	for i := range n.count {
		var key [4]byte
		if n.bigEndian {
			binary.BigEndian.PutUint32(key[:], n.lo+i)
		} else {
			binary.NativeEndian.PutUint32(key[:], n.lo+i)
		}
		at := s.find(key[:])
		all = all && at >= 0
		if at >= 0 && !slices.Contains(buf[first:], at) {
			buf = append(buf, at)
		}
	}
	return buf, all
}

// holds tells whether the key in the registers is in the set.
func (s *nativeSet) holds(r *registers, key place) Truth {
	if r.isKnown(key) && !s.written {
		return truth(s.find(r.value[key.at:key.at+key.len]) >= 0)
	}
	var room [16]int32
	list, all := s.candidates(room[:0], r, key)
	switch {
	case all && (!s.written || s.lasts(list)):
		return Yes
	case len(list) == 0 && !s.written:
		return No
	}
	return Unknown
}

// lasts reports whether elements stay in the set until somebody takes them out.
func (s *nativeSet) lasts(list []int32) bool {
	return !slices.ContainsFunc(list, func(at int32) bool { return s.set.Elements[at].Expires != 0 })
}

// translateBy loads what the map has for the key in the registers.
func (r *registers) translateBy(s *nativeSet, key, into place) Truth {
	if r.isKnown(key) {
		at := s.find(r.value[key.at : key.at+key.len])
		if at < 0 {
			if s.written {
				r.setUnknown(into)
				return Unknown
			}
			return No
		}
		r.set(into, s.set.Elements[at].Data)
		return Yes
	}
	var room [16]int32
	list, all := s.candidates(room[:0], r, key)
	if len(list) == 0 && !s.written {
		return No
	}
	r.setUnknown(into)
	values := make([][]byte, len(list))
	for i, at := range list {
		values[i] = s.set.Elements[at].Data
	}
	if !s.written {
		r.choice = choiceAt{into, values}
	}
	if all && !s.written {
		return Yes
	}
	return Unknown
}
