package rules

import (
	"errors"
	"strings"
)

// errUnterminated is what Split reports for a line whose last quoted word does
// not end. iptables accepts such a rule and prints it over two lines that
// nothing can load again.
var errUnterminated = errors.New("a double quote is opened and never closed")

// Split cuts a line of iptables-save into words, the way iptables-restore does:
// blanks separate, double quotes hold a word together, and a backslash inside
// them takes the next character as it is. Single quotes mean nothing
// (iptables/xshared.c, add_param_to_argv).
func Split(line string) ([]string, error) {
	words := make([]string, 0, 16)
	var word strings.Builder
	started, quoted := false, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quoted && c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted = !quoted
			started = true
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			if started {
				words = append(words, word.String())
				word.Reset()
				started = false
			}
		default:
			started = true
			word.WriteByte(c)
		}
	}
	if started {
		words = append(words, word.String())
	}
	if quoted {
		return words, errUnterminated
	}
	return words, nil
}

// Quote prints one free string the way iptables-save does: bare when it is not
// empty and holds only letters, digits, '_' and '-'; else in double quotes with
// a backslash before double quote, backslash and single quote (libxtables, xtables_save_string).
func Quote(s string) string {
	if s != "" && strings.IndexFunc(s, needsQuote) < 0 {
		return s
	}
	return quoted(s)
}

// quoted prints a string in double quotes, as iptables-save does.
func quoted(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' || s[i] == '\'' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

func needsQuote(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
}

// Join prints words as one line that Split reads back. Words that iptables
// prints bare (addresses, ports, options) stay bare; only what would be read
// differently is quoted.
func Join(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if w == "" || strings.ContainsAny(w, " \t\n\"\\'") {
			b.WriteString(Quote(w))
		} else {
			b.WriteString(w)
		}
	}
	return b.String()
}
