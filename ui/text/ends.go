package text

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// leastHeads are how much is left of the beginning of an address that is cut: enough to know it by, or nothing where
// there is no room for that.
var leastHeads = []int{3, 0}

// Ends cuts a text to a width as Fit does, but first the addresses in it, in their middle and the longest first: by
// their last part, their port or length they are told apart. Networks of IPv4 give way where that is not enough, and then what
// stands before a port or an interface at the end. What follows the last that has room goes with a sign; of an address the port
// stays to the last.
func Ends(s string, width int) string {
	words := strings.Split(s, " ")
	if short, ok := keepingAddresses(s, words, width); ok {
		return short
	}
	if short, ok := keepingPorts(words, width); ok {
		return short
	}
	return Fit(s, width)
}

// keepingAddresses keeps the last part of each address that is left; false where that is not enough.
func keepingAddresses(s string, words []string, width int) (string, bool) {
	if Width(s) <= width {
		return s, true
	}
	if short, ok := fitted(words, width, true); ok {
		return short, true
	}
	if short, ok := keepingEnd(words, width); ok {
		return short, true
	}
	for kept := len(words) - 1; kept > 0; kept-- {
		if short, ok := fitted(words[:kept], width-2, false); ok {
			return short + " …", true
		}
	}
	return "", false
}

// keepingPorts are words of whose addresses the ports alone may be left, without the last words where need be; false where none
// has one, or that is not enough.
func keepingPorts(words []string, width int) (string, bool) {
	cuts := make([]cut, len(words))
	for i, w := range words {
		cuts[i] = portOf(w)
	}
	for kept, room, end := len(words), width, ""; kept > 0; kept, room, end = kept-1, width-2, " …" {
		if !slices.ContainsFunc(cuts[:kept], func(c cut) bool { return c.tail != "" }) {
			break
		}
		if short, ok := shortened(cuts[:kept], room, 0); ok {
			return short + end, true
		}
	}
	return "", false
}

// fitted are words with their addresses cut to a width, and the networks among them where that is wanted; false where there
// are none, or that is not enough.
func fitted(words []string, width int, networks bool) (string, bool) {
	cuts, all, some := make([]cut, len(words)), make([]cut, len(words)), false
	for i, w := range words {
		cuts[i] = cutOf(w)
		if all[i] = cuts[i]; all[i].tail == "" && (networks || strings.Contains(w, ":")) {
			all[i] = networkOf(w)
		}
		some = some || all[i].tail != ""
	}
	for _, least := range leastHeads {
		for _, c := range [][]cut{cuts, all} {
			if short, ok := shortened(c, width, least); some && ok {
				return short, true
			}
		}
	}
	return "", false
}

// portOf cuts all of an address but its port; any other word stays.
func portOf(word string) cut {
	at := strings.LastIndexByte(word, ':')
	if at < 0 || !isPort(word[at:]) || strings.Contains(word[:at], ":") && word[at-1] != ']' {
		return cut{head: word}
	}
	return cut{head: word[:at], tail: word[at:]}
}

// networkOf cuts a network of IPv4, before its length and port; any other word stays.
func networkOf(word string) cut {
	at := strings.IndexByte(word, '/')
	if at < 0 || strings.Count(word[:at], ".") != 3 || strings.Trim(word, "!0123456789./:,-") != "" {
		return cut{head: word}
	}
	return cut{head: word[:at], tail: word[at:]}
}

// keepingEnd keeps a port or an interface that a text ends in, and cuts what stands before; false where it ends in neither, or
// a port would go.
func keepingEnd(words []string, width int) (string, bool) {
	at := len(words) - 1
	switch {
	case at > 0 && isPort(words[at]):
	case at > 1 && (words[at-1] == "in" || words[at-1] == "out"):
		at--
	default:
		return "", false
	}
	tail := strings.Join(words[at:], " ")
	room := width - Width(tail) - 1
	if room < 1 {
		return "", false
	}
	whole := strings.Join(words[:at], " ")
	head, ok := keepingAddresses(whole, words[:at], room)
	if !ok {
		head = Fit(whole, room)
	}
	for _, w := range words[:at] {
		if port := w[strings.LastIndexByte(w, ':')+1:]; port != w && !strings.HasSuffix(head, ":"+port) && !strings.Contains(head, ":"+port+" ") {
			return "", false
		}
	}
	return head + " " + tail, true
}

// isPort tells whether a word is a port, or some.
func isPort(word string) bool {
	return len(word) > 1 && word[0] == ':' && strings.Trim(word[1:], "0123456789,-:") == ""
}

// shortened are words that lose as much of their middles as a width asks for, and keep the least of their heads; false
// where that is not enough.
func shortened(cuts []cut, width, least int) (string, bool) {
	cuts = slices.Clone(cuts)
	for excess := Width(joined(cuts)) - width; excess > 0; excess-- {
		longest := -1
		for i := range cuts {
			if cuts[i].spare(least) > 0 && (longest < 0 || cuts[i].len() > cuts[longest].len()) {
				longest = i
			}
		}
		if longest < 0 {
			return "", false
		}
		cuts[longest].shorten()
	}
	return joined(cuts), true
}

func joined(cuts []cut) string {
	words := make([]string, len(cuts))
	for i := range cuts {
		words[i] = cuts[i].text()
	}
	return strings.Join(words, " ")
}

// cut is a word of which a middle may go: what stays before and behind it.
type cut struct {
	head, tail string
	gone       bool
}

// cutOf finds the last part of an address with what follows it. A word that is none is all head, and stays.
func cutOf(word string) cut {
	address, sep := word, ":"
	if i := strings.LastIndexByte(word, ']'); i >= 0 {
		address = word[:i] // of [2001:db8::1]:80
	} else if strings.Count(word, ".") == 3 && !strings.Contains(word, "/") { // a short network is told by its middle
		sep = "."
		if i := strings.IndexAny(word, ":/-"); i >= 0 {
			address = word[:i]
		}
	}
	last := strings.LastIndex(address, sep)
	if last < 0 || strings.Count(address, sep) < 2 || strings.Trim(address, "![]0123456789abcdefABCDEF:./-,") != "" {
		return cut{head: word}
	}
	if strings.HasSuffix(word[:last], ":") {
		last = max(0, strings.LastIndexByte(strings.TrimRight(word[:last], ":"), ':')) // of 2001:db8:1::/64
	}
	return cut{head: word[:last], tail: word[last:]}
}

// spare is how much of the head may still go; the sign that says so takes a cell itself.
func (c cut) spare(least int) int {
	if c.tail == "" {
		return 0
	}
	if strings.HasPrefix(c.head, "!") {
		least = max(least, 1) // it says the opposite without
	}
	spare := len(c.head) - least
	if !c.gone {
		spare-- // for the sign
	}
	return spare
}

func (c cut) len() int { return utf8.RuneCountInString(c.text()) }

// shorten takes from the head so much that the word gets a cell shorter.
func (c *cut) shorten() {
	if !c.gone {
		c.gone, c.head = true, c.head[:len(c.head)-1] // as long as it was
	}
	c.head = c.head[:len(c.head)-1]
}

func (c cut) text() string {
	if c.gone {
		return c.head + "…" + c.tail
	}
	return c.head + c.tail
}

// EndsKeeping cuts as Ends does, but keeps the first of some words in lower case in sight that would be cut away: what is before
// it gives way.
func EndsKeeping(s string, width int, words []string) string {
	short := Ends(s, width)
	if short == s {
		return s
	}
	whole := strings.ToLower(s)
	if len(whole) != len(s) {
		return short
	}
	for _, w := range words {
		at := strings.Index(whole, w)
		if at < 0 || strings.Contains(strings.ToLower(short), w) {
			continue
		}
		from := strings.LastIndexByte(s[:at], ' ') + 1
		tail := s[from:]
		switch room := width - Width(tail) - 1; {
		case from > 1 && room > 3:
			return Ends(s[:from-1], room) + " " + tail
		case room >= 0:
			return "…" + tail
		}
		return "…" + Fit(tail, width-1)
	}
	return short
}

// Tail cuts a text to a width from its front.
func Tail(s string, width int) string {
	over := Width(s) - width
	if over <= 0 || width <= 0 {
		return s
	}
	return "…" + Without(s, over+1)
}
