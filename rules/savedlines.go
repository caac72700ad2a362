package rules

import (
	"iter"
	"slices"
	"strings"
)

// SavedLines are the lines of what iptables-save printed, with the numbers of the first of them, counted from 1. A
// rule whose comment holds line breaks is one line: the programs print them raw, and what follows one
// may look like any other line, such as COMMIT.
func SavedLines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for n := 1; text != ""; {
			line, rest, _ := strings.Cut(text, "\n")
			lines := 1
			for isRuleLine(line) && quoteOpen(line) {
				next, after, more := strings.Cut(rest, "\n")
				if !more && next == "" || lines > longestText {
					// It never closes, so it opened nothing: some name began with a quote.
					line, rest, _ = strings.Cut(text, "\n")
					lines = 1
					break
				}
				line, rest = line+"\n"+next, after
				lines++
			}
			if !yield(n, line) {
				return
			}
			n += lines
			text = rest
		}
	}
}

// longestText is how many lines a text can have: xt_comment keeps 256 bytes (struct xt_comment_info), and others less.
const longestText = 256

func isRuleLine(line string) bool {
	return strings.HasPrefix(line, "-A ") || strings.HasPrefix(line, "[")
}

// bareNames are options after which iptables-save prints a name as it is, quotes and all.
var bareNames = []string{"-A", "-i", "-o", "-j", "-g", "--physdev-in", "--physdev-out", "--match-set", "--name"}

// quoteOpen reports a rule line that ends within a text in quotes. Such a text begins with its word and ends at a quote
// that has no backslash before it (libxtables, xtables_save_string).
func quoteOpen(line string) bool {
	before := ""
	for line != "" {
		if line[0] != '"' || slices.Contains(bareNames, before) {
			before, line, _ = strings.Cut(line, " ")
			continue
		}
		end := closingQuote(line[1:])
		if end < 0 {
			return true
		}
		before, line = "", strings.TrimPrefix(line[end+2:], " ")
	}
	return false
}

// closingQuote is where the quote stands that ends a text; -1 if none does.
func closingQuote(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
