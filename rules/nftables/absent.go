package nftables

import (
	"slices"
	"strings"
)

// absent says what nft has marked beneath a statement because it is not there: its own words leave that to the mark.
func absent(said []string, statement, mark string) []string {
	from, to := strings.Index(mark, "^"), strings.LastIndex(mark, "^")+1
	if from < 0 || to > len(statement) || len(said) < 2 || !strings.Contains(said[len(said)-2], "No such file or directory") {
		return nil
	}
	word, before := strings.Trim(statement[from:to], `"`), strings.Fields(statement[:from])
	if flow, ok := strings.CutPrefix(word, "flow add @"); ok {
		word, before = "@"+flow, append(before, "flow", "add")
	}
	if strings.Contains(word, " ") { // a statement that the kernel has no part of, such as a module
		return nil
	}
	place, before := placeOf(before)
	if missing := missingPlace(place, word); missing != "" {
		return []string{missing}
	}
	what := strings.TrimSpace(missingKind(before, word) + " " + word)
	if len(place) > 2 {
		what += " in table " + place[1] + " " + place[2]
	}
	if strings.HasPrefix(what, "rule ") {
		return []string{"there is no " + what}
	}
	return []string{"there is no " + what + "; make it first"}
}

// placeOf takes from the words before a mark those that say where a command of nft works: what it is about (rule), the family,
// the table and the name in that, as far as they are there. A line within braces has none.
func placeOf(before []string) (place, rest []string) {
	about := []string{"rule", "chain", "table", "element", "set", "map", "flowtable", "counter", "quota", "limit", "synproxy"}
	commands := []string{"add", "create", "insert", "replace", "delete", "destroy", "flush", "reset", "rename", "list"}
	if len(before) < 2 || !slices.Contains(commands, before[0]) || !slices.Contains(about, before[1]) {
		return nil, before
	}
	place = []string{before[1]}
	names := before[2:]
	if len(names) == 0 || !slices.Contains([]string{"ip", "ip6", "inet", "arp", "bridge", "netdev"}, names[0]) {
		names = append([]string{"ip"}, names...)
	}
	n := min(len(names), 3)
	return append(place, names[:n]...), names[n:]
}

// missingPlace says that the table, or what of it a command is about, is not there; "" where the place is whole, and what is
// missing stands in what follows.
func missingPlace(place []string, word string) string {
	switch {
	case len(place) == 2:
		table := place[1] + " " + word
		if place[0] == "table" {
			return "there is no table " + table
		}
		return "there is no table " + table + "; make it first: nft add table " + table
	case len(place) != 3:
		return ""
	}
	what := map[string]string{"rule": "chain", "element": "set or map"}[place[0]]
	if what == "" {
		return "there is no " + place[0] + " " + word + " in table " + place[1] + " " + place[2]
	}
	return "there is no " + what + " " + word + " in table " + place[1] + " " + place[2] + "; make it first"
}

// missingKind is what a word names that stands behind these; "" where that is not known.
func missingKind(before []string, word string) string {
	last := func(n int) string {
		if n > len(before) {
			return ""
		}
		return before[len(before)-n]
	}
	switch {
	case last(1) == "jump" || last(1) == "goto":
		return "chain"
	case last(1) == "map" || last(1) == "vmap":
		return "map"
	case last(2) == "flow" && last(1) == "add":
		return "flowtable"
	case last(1) == "handle" || last(1) == "position" || last(1) == "index":
		return "rule with the " + last(1)
	case last(1) == "name" && last(2) != "":
		return last(2)
	case last(1) == "set" && last(3) == "ct":
		return "ct " + last(2)
	case strings.HasPrefix(word, "@"):
		return "set"
	}
	return ""
}
