package filter

import (
	"maps"
	"slices"
	"strings"

	"nattui/rules"
)

// Completion is something that could stand at the cursor of a filter line.
type Completion struct {
	// Text replaces the bytes from From to To of the line.
	Text     string
	From, To int
	// Hint says what it means or what comes next.
	Hint string
}

// queryOrder are the properties in the order in which they are offered, with what they mean.
var queryOrder = []struct{ name, hint string }{
	{"src", "source: the client, or what the server sees"},
	{"dst", "destination: asked for, or serving"},
	{"dport", "destination port: asked for, or serving"},
	{"sport", "port of the client"},
	{"nat", "kind of translation"},
	{"state", "state of the connection"},
	{"proto", "protocol"},
	{"rule", "rule that made the connection"},
	{"rate", "bytes per second, as in rate>1M"},
	{"bytes", "as in bytes>10M"},
	{"packets", "as in packets>10k"},
	{"pps", "packets per second, as in pps>100"},
	{"age", "as in age>5m"},
	{"timeout", "as in timeout<30s"},
	{"host", "any of the four addresses"},
	{"port", "any of the four ports"},
	{"client", "who opened the connection"},
	{"asked", "the address the client used"},
	{"server", "the server that answers"},
	{"seen", "the address the server sees"},
	{"orig", "the original direction: orig src …"},
	{"reply", "the reply direction: reply src …"},
	{"family", "ipv4 or ipv6"},
	{"mark", "as in mark 0x10/0xff"},
	{"zone", "conntrack zone"},
	{"id", "the kernel's identifier"},
	{"event", "of the event stream: new, update, destroy"},
	{"not", "negates the next condition"},
	{"or", "alternatives"},
}

// Complete tells what could stand at the cursor, a byte offset into the line:
// properties where one may begin, values where the property before has a known set of
// them. values may add more of them, as the addresses or rules of this gateway, for a property by its name; it may be nil.
func Complete(text string, cursor int, values func(key string) []string) []Completion {
	cursor = max(0, min(cursor, len(text)))
	words := Words(text[:cursor])
	begun := Word{pos: cursor, end: cursor}
	if n := len(words); n > 0 && words[n-1].end == cursor && !words[n-1].Is("(", ")") && !isSign(words[n-1].text0()) {
		begun, words = words[n-1], words[:n-1]
	}
	if begun.quoted {
		return nil
	}
	typed := strings.ToLower(begun.Text)
	var found []Completion
	offer := func(text, hint string) {
		if strings.HasPrefix(strings.ToLower(text), typed) && text != begun.Text {
			found = append(found, Completion{text, begun.pos, cursor, hint})
		}
	}
	key, isValue, isSide := expecting(words)
	switch {
	case isSide:
		for _, name := range []string{"src", "dst", "sport", "dport"} {
			offer(name, queryKeys[key+" "+name].wants)
		}
	case isValue:
		list := slices.Clone(queryKeys[key].values)
		if values != nil {
			list = append(list, values(key)...)
		}
		for _, v := range list {
			offer(v, queryKeys[key].wants)
		}
	default:
		for _, k := range queryOrder {
			offer(k.name, k.hint)
		}
	}
	return found
}

// Unfinished is where the word at the end of a line begins that may be on its way to
// become a property, as "sta" on the way to state; the line's length if it is not. Whoever
// filters while a line is typed leaves such a word out, which would else be free text.
func Unfinished(text string) int {
	words := Words(text)
	n := len(words)
	if n == 0 || words[n-1].end != len(text) || words[n-1].quoted {
		return len(text)
	}
	last := words[n-1]
	if _, isValue, isSide := expecting(words[:n-1]); isValue || isSide {
		return len(text)
	}
	typed := strings.ToLower(last.Text)
	for _, name := range knownWords {
		if typed != "" && name != typed && strings.HasPrefix(name, typed) {
			return last.pos
		}
	}
	return len(text)
}

// knownWords are all that a word which is being typed may become: properties, by all their names, and
// the words that stand for themselves.
var knownWords = func() (names []string) {
	for _, k := range queryOrder {
		names = append(names, k.name)
	}
	others := []string{"and", "ipv4", "ipv6", "ping"}
	others = slices.AppendSeq(others, maps.Keys(keyNames))
	others = slices.AppendSeq(others, maps.Keys(statusStates))
	for _, service := range rules.Services() {
		others = append(others, service.Name)
	}
	slices.Sort(others)
	return append(names, others...)
}()

func (w Word) text0() byte {
	if w.Text == "" || w.quoted {
		return 0
	}
	return w.Text[0]
}

// expecting tells what comes after some words: the value of a property, one of src, dst, sport and
// dport after orig or reply, or the beginning of a condition.
func expecting(words []Word) (key string, isValue, isSide bool) {
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		name := keyName(w.Text)
		if w.quoted {
			continue
		}
		if name == "orig" || name == "reply" {
			side := name
			if len(words) == 0 {
				return side, false, true
			}
			name = side + " " + keyName(words[0].Text)
			words = words[1:]
		}
		if _, ok := queryKeys[name]; !ok {
			continue
		}
		if len(words) > 0 && (isSign(words[0].text0()) || words[0].Is("not")) {
			words = words[1:]
		}
		if len(words) == 0 {
			return name, true, false
		}
		words = words[1:]
	}
	return "", false, false
}
