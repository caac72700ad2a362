package main

import (
	"bytes"
	"regexp"

	"nattui/rules"
)

// listedTables are tables as nft list ruleset printed them, cut out of a text.
type listedTables []listedTable

type listedTable struct {
	family, name string
	text         []byte
}

var nativeTableLine = regexp.MustCompile(`^\s*table (ip|ip6|inet|arp|bridge|netdev) (\S+) \{`)

// cutNative cuts the tables that nft list ruleset printed out of a text in which there is more, such as what iptables-save
// printed before or after them.
func cutNative(text []byte) (listed listedTables, rest []byte) {
	depth := 0
	for line := range bytes.Lines(text) {
		if m := nativeTableLine.FindSubmatch(line); m != nil && depth == 0 {
			listed = append(listed, listedTable{family: string(m[1]), name: string(m[2])})
		} else if depth == 0 {
			rest = append(rest, line...)
			continue
		}
		last := &listed[len(listed)-1]
		last.text = append(last.text, line...)
		depth = max(0, depth+braces(line))
	}
	return listed, rest
}

// braces is how many more braces a line opens than it closes, but for those in a text in quotes.
func braces(line []byte) (more int) {
	quoted := false
	for _, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			more++
		case c == '}':
			more--
		}
	}
	return more
}

// others are the tables that are not those of iptables, which nft lists too where its backend is nft.
func (l listedTables) others(sets map[rules.Variant]*rules.Ruleset) (text []byte) {
	families := map[string]rules.Family{"ip": rules.IPv4, "ip6": rules.IPv6}
	for _, t := range l {
		family, could := families[t.family]
		known := false
		for v, set := range sets {
			if _, has := set.Table(t.name); has && could && v.Family == family {
				known = true
			}
		}
		if !known {
			text = append(text, t.text...)
		}
	}
	return text
}
