package main

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// widestFolded is the widest that a text is which a mail program has folded: more than that is no line of a mail.
const widestFolded = 100

// savedLine begins as each line does that iptables-save prints.
var savedLine = regexp.MustCompile(`^\s*(?:[:*#]|\[\d+:\d+\]|-[A-Z] |COMMIT\b)`)

// unfolded joins the lines of a text of iptables-save that a mail program has folded between words, and is the text as it was
// where that is not sure: each part must follow a line to which its first word could not be added without making it wider than
// any line of the text is. Lines keep their places: empty ones stand where parts stood. Folded is how many parts there were.
func unfolded(text string) (whole string, folded int) {
	raw := strings.SplitAfter(text, "\n")
	lines := slices.Clone(raw)
	size := func(s string) int { return utf8.RuneCountInString(strings.TrimSpace(s)) }
	width := 0
	for _, line := range raw {
		width = max(width, size(line))
	}
	begun := -1 // the line of which parts may follow; -1 outside of tables
	for i, line := range raw {
		words := strings.Fields(line)
		switch {
		case savedTable.MatchString(line):
			begun = i
		case begun < 0 || len(words) == 0:
		case words[0] == "COMMIT":
			begun = -1
		case savedLine.MatchString(line):
			begun = i
		case width > widestFolded || strings.HasSuffix(strings.TrimSpace(raw[i-1]), "-") || size(raw[i-1])+1+size(words[0]) <= width:
			return text, 0
		default:
			lines[begun], lines[i] = strings.TrimRight(lines[begun], " \n")+" "+strings.TrimLeft(line, " \t"), "\n"
			folded++
		}
	}
	return strings.Join(lines, ""), folded
}
