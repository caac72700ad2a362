package doctor

import (
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// takesPorts tells that a range is the one that a forward's rule takes.
func (f *Forward) takesPorts(ports rules.Ports) bool {
	return f.via.dport == ports || slices.Contains(f.via.dports, ports)
}

// cutRange reads a range of ports, behind the address that they are asked of or alone.
func cutRange(word string) (at string, ports rules.Ports, ok bool) {
	if ports, ok = portRange(strings.TrimPrefix(word, ":")); ok {
		return "", ports, true
	}
	if i := strings.LastIndexByte(word, ':'); i > 0 {
		ports, ok = portRange(word[i+1:])
		return word[:i], ports, ok
	}
	return "", ports, false
}

// portRange reads a range of ports in either spelling, 8000-8100 as people write it or 8000:8100 as rules do.
func portRange(word string) (ports rules.Ports, ok bool) {
	lo, hi, ok := strings.Cut(strings.Replace(word, ":", "-", 1), "-")
	first, err := strconv.ParseUint(lo, 10, 16)
	last, err2 := strconv.ParseUint(hi, 10, 16)
	return rules.Ports{Lo: uint16(first), Hi: uint16(last)}, ok && err == nil && err2 == nil && first < last
}

// fromFirst is a forward with the packet for the first port of the range that a text names, where its rule takes others
// before it.
func (x *Examination) fromFirst(f Forward, text string) Forward {
	words := strings.Fields(strings.ReplaceAll(text, "/", " "))
	i := slices.IndexFunc(words, func(word string) bool { _, ports, ok := cutRange(word); return ok && f.takesPorts(ports) })
	if i < 0 {
		return f
	}
	_, ports, _ := cutRange(words[i])
	if aimed := f; f.Asked.Port() != ports.Lo {
		aimed.aim(f.Asked.Addr(), ports.Lo)
		x.serve(&aimed, f.rule, ports.Lo)
		x.settle(&aimed)
		if way := x.fate(aimed.packet); way.by(f.Rule) {
			return aimed
		}
	}
	return f
}

// nearestPorts are ports that a rule forwards, of a range or list of which it forwards but some; "" where a text names no such
// ports, or none of them is forwarded.
func nearestPorts(list []Forward, text string) string {
	for _, word := range strings.Fields(strings.ReplaceAll(text, "/", " ")) {
		at, ports, several := cutRange(word)
		asked := []rules.Ports{ports}
		if !several {
			at, asked, several = "", portList(word), strings.Contains(word, ",")
		}
		for i := range list {
			f := &list[i]
			if proto, named := protocolIn(text); !several || named && proto != f.Proto || at != "" && strings.Trim(at, "[]") != f.Asked.Addr().String() {
				continue
			}
			for _, taken := range append([]rules.Ports{f.via.dport}, f.via.dports...) {
				if taken.Lo != 0 && slices.ContainsFunc(asked, func(p rules.Ports) bool { return p.Lo <= taken.Hi && taken.Lo <= p.Hi }) {
					return taken.Text("-") + "/" + f.Proto.String()
				}
			}
		}
	}
	return ""
}

// portList reads ports and ranges of them between commas; nil where the word is no such list.
func portList(word string) (list []rules.Ports) {
	for item := range strings.SplitSeq(strings.TrimPrefix(word, ":"), ",") {
		ports, ok := portRange(item)
		if port, err := strconv.ParseUint(item, 10, 16); err == nil {
			ports, ok = rules.Port(uint16(port)), true
		}
		if !ok {
			return nil
		}
		list = append(list, ports)
	}
	return list
}

// protocolIn is the protocol that a text names; false where it names none.
func protocolIn(text string) (rules.Protocol, bool) {
	for _, word := range strings.Fields(strings.ReplaceAll(text, "/", " ")) {
		if p, ok := rules.ParseProtocol(word); ok && !isNumber(word) {
			return p, true
		}
	}
	return 0, false
}
