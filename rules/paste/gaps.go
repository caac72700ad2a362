package paste

import (
	"regexp"
	"slices"
	"strings"

	"nattui/rules"
)

// Gaps: what a pasted line leaves for its reader to fill in.

// placeholders are the ways in which people write "put yours here", by what they
// stand for. Only values are looked at, never options.
var (
	inBrackets   = regexp.MustCompile(`<[^<>]+>|\[[A-Za-z][A-Za-z _-]+\]|\{[A-Za-z][A-Za-z _-]*\}`)
	letterQuad   = regexp.MustCompile(`\b(?:\d{1,3}|[A-Za-z]{1,3}|\*)(?:\.(?:\d{1,3}|[A-Za-z]{1,3}|\*)){3}\b`)
	shoutedWord  = regexp.MustCompile(`\b[A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)*\b`)
	yourWord     = regexp.MustCompile(`(?i)\b(?:your|my|the)?[._-]?(?:public|private|external|internal|server|host|client|gateway|router|lan|wan|vpn|ext|int|local|remote|target|dest|destination|source|inside|outside)?[._-]?(?:ip|ipaddr|address|addr|subnet|network|netmask|server|host)(?:[._-]?(?:address|addr|here))?\b`)
	shoutedIface = regexp.MustCompile(`^(?:[A-Z]+_)+[A-Z0-9]+$|^(?:YOUR|MY)[A-Z_-]*$|^(?:IFACE|INTERFACE|EXTIF|INTIF|WANIF|LANIF|NIC)$`)
	ellipsis     = regexp.MustCompile(`\.\.\.|…|\?{2,}|\b[xX]{2,}\b`)
)

// findPlaceholders marks the parts of a value that are no value but stand for
// one, as far as its kind makes that certain.
func (c *commandReader) findPlaceholders(i int, kind valueKind) {
	w := &c.words[i]
	find := func(re *regexp.Regexp, is func(string) bool) {
		for _, span := range re.FindAllStringIndex(w.text, -1) {
			text := w.text[span[0]:span[1]]
			overlaps := slices.ContainsFunc(w.unknown, func(u unknownPart) bool { return span[0] < u.to && u.from < span[1] })
			if !overlaps && text != "" && (is == nil || is(text)) {
				w.unknown = append(w.unknown, unknownPart{from: span[0], to: span[1], name: text})
			}
		}
	}
	find(inBrackets, func(s string) bool {
		return kind != kindText || strings.HasPrefix(s, "<")
	})
	switch kind {
	case kindAddr, kindTo, kindNet, kindRange:
		find(letterQuad, func(s string) bool {
			return strings.ContainsAny(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz*") && !hostLike(s)
		})
		find(ellipsis, nil)
		find(shoutedWord, func(s string) bool { return !strings.ContainsAny(w.text, "[") || !isHexWord(s) })
		find(yourWord, func(s string) bool { return s != "localhost" && strings.IndexFunc(s, isLetter) >= 0 })
	case kindPort, kindPorts, kindToPorts, kindNumber:
		find(ellipsis, nil)
		find(shoutedWord, nil)
		find(regexp.MustCompile(`(?i)\b(?:your|my|the)?[_-]?(?:external|internal|public|local|src|dst|source|dest)?[_-]?port(?:[_-]?(?:number|here))?\b`), nil)
	case kindIface:
		find(shoutedIface, nil)
		find(regexp.MustCompile(`(?i)^(?:your|my|the)?[_-]?(?:public|external|internal|wan|lan|outgoing|incoming)?[_-]?(?:interface|iface|nic|device)(?:[_-]?(?:name|here))?$`), nil)
	}
	slices.SortFunc(w.unknown, func(a, b unknownPart) int { return a.from - b.from })
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isHexWord(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'F') }) < 0
}

// hostLike reports dotted words that are rather a name than letters for numbers:
// www.example.com has four parts at most by chance.
func hostLike(s string) bool {
	parts := strings.Split(s, ".")
	last := strings.ToLower(parts[len(parts)-1])
	return slices.Contains([]string{"com", "org", "net", "de", "uk", "fr", "io", "eu", "edu", "gov", "lan"}, last) && len(parts[0]) > 1
}

// fill puts answers in place of gaps, asks for what has none, and returns the
// word with something that could be right in place of what is not known.
func (c *commandReader) fill(i int, option string, kind valueKind) string {
	w := &c.words[i]
	if len(w.unknown) == 0 {
		return w.text
	}
	var filled, stand strings.Builder
	var left []unknownPart
	from := 0
	for _, u := range w.unknown {
		filled.WriteString(w.text[from:u.from])
		stand.WriteString(w.text[from:u.from])
		from = u.to
		if answer, ok := c.ground.answer(u.name); ok {
			filled.WriteString(answer)
			stand.WriteString(answer)
			continue
		}
		start := filled.Len()
		filled.WriteString(w.text[u.from:u.to])
		part := c.partKind(w.text, u, kind)
		stand.WriteString(c.standIn(part, w.text[u.from:u.to]))
		u.from, u.to = start, filled.Len()
		left = append(left, u)
		c.questions = append(c.questions, Question{
			Name: u.name, Line: w.line, Column: w.col, Option: option, What: gapWords[part], Suggestion: c.suggest(part, option, u),
		})
	}
	filled.WriteString(w.text[from:])
	stand.WriteString(w.text[from:])
	w.text, w.unknown = filled.String(), left
	return stand.String()
}

// gapWords say what is to be put into a gap.
var gapWords = map[valueKind]string{
	kindAddr: "an address", kindIface: "an interface", kindPort: "a port", kindProto: "a protocol", kindNumber: "a number", "mask": "the length of a network",
	"chain": "a chain", kindText: "a word",
}

// partKind is what kind of thing a part of a word is.
func (c *commandReader) partKind(text string, u unknownPart, kind valueKind) valueKind {
	switch kind {
	case kindAddr, kindNet, kindRange, kindTo:
		switch {
		case u.from > 0 && text[u.from-1] == '/':
			return "mask"
		case kind == kindTo && u.from > 0 && (text[u.from-1] == ':' && c.family == rules.IPv4 || strings.HasSuffix(text[:u.from], "]:")):
			return kindPort
		}
		return kindAddr
	case kindPort, kindPorts, kindToPorts:
		return kindPort
	case kindIface, kindProto, kindNumber:
		return kind
	}
	return kindText
}

func (c *commandReader) standIn(kind valueKind, text string) string {
	switch kind {
	case kindAddr:
		if c.family == rules.IPv6 {
			return "2001:db8::1"
		}
		return "192.0.2.1"
	case "mask":
		return map[rules.Family]string{rules.IPv4: "32", rules.IPv6: "128"}[c.family]
	case kindPort, kindNumber:
		return "1"
	case kindIface:
		return "if0"
	case kindProto:
		return "tcp"
	}
	return text
}

// suggest offers something for a gap: what the script itself says, what stood in
// it as its usual value, or what this host has.
func (c *commandReader) suggest(kind valueKind, option string, u unknownPart) string {
	if v := c.ground.assigned[u.name]; v != "" {
		return v
	}
	if u.fallback != "" && strings.Trim(u.sign, ":") != "+" {
		return u.fallback
	}
	if v := c.ground.usual[u.name]; v != "" {
		return v
	}
	low := strings.ToLower(u.name)
	inside := strings.Contains(low, "lan") || strings.Contains(low, "int") && !strings.Contains(low, "interface") || strings.Contains(low, "priv")
	switch {
	case kind == kindIface && !inside:
		return c.ground.Uplink
	case kind == kindAddr && option == "--to-source" && !inside:
		if a := c.ground.uplinkAddr(c.family); a.IsValid() {
			return a.String()
		}
	}
	return ""
}
