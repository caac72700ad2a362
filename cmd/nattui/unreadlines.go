package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
)

// This file keeps the rules that nft prints and does not read itself: something that it reads stands in their place while the
// kernel takes the text, so that no rule behind them gets another number, and is turned back into what is not known of them.

// linePlace is what stands around a line of a listing.
type linePlace struct {
	rule       bool // it begins a rule of a chain
	ofIPTables bool // the table has the family and name of one of iptables
}

var (
	listedChainLine = regexp.MustCompile(`^\s*chain \S+ \{`)
	iptablesTable   = regexp.MustCompile(`^\s*table ip6? (?:nat|filter|mangle|raw|security) \{`)
)

// placesOf tells of each line where it stands.
func placesOf(lines []string) []linePlace {
	places := make([]linePlace, len(lines))
	depth, inChain, ofIPTables := 0, false, false
	for i, line := range lines {
		bare := strings.TrimSpace(line)
		switch {
		case depth == 0:
			ofIPTables, inChain = iptablesTable.MatchString(line), false
		case depth == 1:
			inChain = listedChainLine.MatchString(line)
		case depth == 2 && inChain && bare != "" && bare != "}":
			own := strings.HasPrefix(bare, "type ") || strings.HasPrefix(bare, "policy ") || strings.HasPrefix(bare, "comment ") || strings.HasSuffix(bare, ";")
			places[i] = linePlace{rule: !own, ofIPTables: ofIPTables}
		}
		depth = max(0, depth+braces([]byte(line)))
	}
	return places
}

// standIn marks a counter that stands for something that nft does not read: no rule has counted so many packets. Its bytes
// are the number of what it stands for.
const standIn = 0x6e61_7474_7569_2121

// unreadLines are the rules of a listing of which something stands in the place of another.
type unreadLines struct {
	original []string // lines of the text
	parts    []unreadPart
	why      map[int]string // by line
}

// unreadPart is what a counter stands for.
type unreadPart struct {
	line int
	expr nft.Unknown
}

func (u *unreadLines) part(line int, e nft.Unknown, why string) string {
	u.parts = append(u.parts, unreadPart{line, e})
	u.why[line] = why
	return fmt.Sprintf("counter packets %d bytes %d", uint64(standIn), len(u.parts)-1)
}

// whole is what stands for a rule of which nothing can be read.
func (u *unreadLines) whole(line int, why string) string {
	return u.part(line, nft.Unknown{Name: nft.Unread}, why)
}

var (
	// extensionWords are texts in quotes, which are left alone, what nft prints of an extension of iptables, and comments.
	extensionWords = regexp.MustCompile(`"[^"]*"|\bxt (match|target|watcher) ("[^"]*"|\S+)|#.*$`)
	handleComment  = regexp.MustCompile(`\s*# handle \d+$`)
	// Versions before 1.0.7 print extensions as comments, behind which nft reads nothing of the line: by name, or in
	// iptables' own words, before the counter that iptables gives every rule or behind it.
	namedComment   = regexp.MustCompile(`^# ?xt_(\S+)(.*)$`)
	countedComment = regexp.MustCompile(`^#.*\bcounter packets \d+ bytes \d+`)
)

const extensionOfIPTables = "an extension of iptables"

// withoutExtensions is the line of a rule with a counter in the place of each extension of iptables.
func (u *unreadLines) withoutExtensions(line int, said string, ofIPTables bool) string {
	if !strings.Contains(said, "xt ") && !strings.Contains(said, "#") {
		return said
	}
	said = handleComment.ReplaceAllString(said, "")
	return extensionWords.ReplaceAllStringFunc(said, func(found string) string {
		named := namedComment.FindStringSubmatch(found)
		switch {
		case found[0] == '"':
			return found
		case found[0] != '#':
			m := extensionWords.FindStringSubmatch(found)
			if m[1] == "watcher" {
				return u.part(line, nft.Unknown{Name: nft.Unread}, extensionOfIPTables)
			}
			return u.part(line, nft.Extension(m[1], strings.Trim(m[2], `"`)), extensionOfIPTables)
		case named != nil && strings.Contains(named[2], "counter "): // which iptables has behind its matches
			return u.part(line, nft.Extension("match", named[1]), extensionOfIPTables) + u.withoutExtensions(line, named[2], ofIPTables)
		case named != nil:
			return u.part(line, nft.Extension("target", named[1]), extensionOfIPTables) + u.withoutExtensions(line, named[2], ofIPTables)
		case countedComment.MatchString(found), ofIPTables && strings.TrimSpace(said) != found:
			return u.whole(line, extensionOfIPTables)
		}
		return found
	})
}

// restore puts what is not known into the rules where counters stand for it, and their own words.
func (l *listedText) restore(set *nft.Ruleset) {
	for _, t := range set.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				l.unread.restore(r)
			}
		}
	}
}

func (u *unreadLines) restore(r *nft.Rule) {
	for i, e := range r.Exprs {
		n, counts := e.(nft.Counter)
		if !counts || n.Packets != standIn || n.Bytes >= uint64(len(u.parts)) {
			continue
		}
		part := u.parts[n.Bytes]
		r.Exprs[i] = part.expr
		r.Listed = u.printed(part.line)
	}
}

// unreadNote says which rules nft does not read; "" where it reads all.
func (l *listedText) unreadNote() string {
	var lines []int
	for line := range l.unread.why {
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return ""
	}
	first := slices.Min(lines)
	return fmt.Sprintf("%s not read by nft: kept as printed, and not known in what is matched or done; the first in line %d (%s): %s",
		rules.Plural(len(lines), "rule"), first+1, l.unread.why[first], l.unread.printed(first))
}

// printed is a rule as the text has it.
func (u *unreadLines) printed(line int) string {
	return strings.TrimSpace(handleComment.ReplaceAllString(u.original[line], ""))
}
