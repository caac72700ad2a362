package doctor

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// Native filters keep lists of those whom they let in, and of what machines inside may ask for: that others are kept
// out is what they are for.

// nativeLists are the values that the rules of native filters compare packets with, alone or put together with others
// (ip saddr . tcp dport).
type nativeLists struct {
	sources, dests []netip.Prefix
	ports          []uint16 // of destinations
}

// nativeLists reads them from the native chains that filter, or from those that translate, and from the chains that these lead to.
func (t *trial) nativeLists(nat bool) (l nativeLists) {
	set := t.Native.Ruleset()
	if set == nil {
		return l
	}
	for _, table := range set.Tables {
		if table.Dormant || !t.evaluatesNatively(table) {
			continue
		}
		seen := map[*nft.Chain]bool{}
		for _, c := range table.Chains {
			if !c.IsBase() || nat != (c.Type == "nat") {
				continue
			}
			for _, c := range append([]*nft.Chain{c}, c.Led()...) {
				if seen[c] {
					continue
				}
				seen[c] = true
				for _, r := range c.Rules {
					l.read(r.Read(c, set.Links), set.Links)
				}
			}
		}
	}
	return l
}

// read notes what a rule compares fields of the packet with.
func (l *nativeLists) read(r nft.Reading, links nft.Links) {
	for _, a := range r.Asks {
		if a.Set == nil {
			l.note(a.What, a.Values)
			continue
		}
		l.all(a.What, a.Set, links)
	}
	for _, d := range r.Does {
		if d.Kind == nft.Decides && d.Map != nil {
			l.all(d.Key, d.Map, links)
		}
	}
}

// all notes the elements of a set that fields are looked up in.
func (l *nativeLists) all(what string, set *nft.Set, links nft.Links) {
	fields := strings.Split(what, " . ")
	if !slices.ContainsFunc(fields, func(f string) bool { return isListed[lastWord(f)] }) {
		return
	}
	for _, e := range set.Entries(links) {
		values := strings.Split(e.Key, " . ")
		for i := range fields {
			if len(values) == len(fields) {
				l.note(fields[i], values[i])
			}
		}
	}
}

// isListed are the fields that lists are made of.
var isListed = map[string]bool{"saddr": true, "daddr": true, "dport": true}

func lastWord(text string) string { return text[strings.LastIndexByte(text, ' ')+1:] }

// mostListed bounds the values of a kind.
const mostListed = 64

// note keeps a value that a field is compared with, of a range the first one.
func (l *nativeLists) note(field, value string) {
	first, _, _ := strings.Cut(value, "-")
	switch field = lastWord(field); field {
	case "saddr", "daddr":
		to := &l.sources
		if field == "daddr" {
			to = &l.dests
		}
		n, err := netip.ParsePrefix(first)
		if a, single := netip.ParseAddr(first); single == nil {
			n, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err == nil && len(*to) < mostListed {
			*to = append(*to, n)
		}
	case "dport":
		if port, err := strconv.ParseUint(first, 10, 16); err == nil && len(l.ports) < mostListed {
			l.ports = append(l.ports, uint16(port))
		}
	}
}

// listToFill is a set that would let a forward's packet through if its source were in it: one of those that it was looked
// up in on the way to what drops it. nil: there is none.
func (x *Examination) listToFill(f *Forward, way *fate) *nft.Set {
	src := f.packet.Src.AsSlice()
	links := x.Native.Ruleset().Links
	var tried []*nft.Set
	for _, v := range way.Visits {
		if v.Native == nil {
			continue
		}
		for _, a := range v.Native.Read(v.In, links).Asks {
			if a.Set == nil || a.Set.Flags&nft.SetAnonymous != 0 || a.What != "ip saddr" && a.What != "ip6 saddr" || int(a.Set.KeyLen) != len(src) || slices.Contains(tried, a.Set) {
				continue
			}
			if tried = append(tried, a.Set); !x.spent.mayTry() {
				return nil
			}
			if t := x.listing(a.Set, src); t.lets(f) {
				return a.Set
			}
		}
	}
	return nil
}

// listing is the gateway with another key in a native set.
func (x *Examination) listing(set *nft.Set, key []byte) trial {
	known := *x.Facts
	known.Native = evaluate.CompileNative(x.Native.Ruleset().With(set, key))
	t := newTrial(&known, x.sets, x.programs)
	t.spent = x.spent
	return t
}

// lets tells that no native rule drops a forward's packet, nor its answer.
func (t *trial) lets(f *Forward) bool {
	dropped := func(way *fate) bool {
		o, blocked := way.blocked()
		return blocked && o.DroppedBy.Backend == rules.Native
	}
	way := t.fate(f.packet)
	if dropped(&way) {
		return false
	}
	_, back, ok := t.answerWay(f)
	return !ok || !dropped(&back)
}
