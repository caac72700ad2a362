package paste

import (
	"strconv"
	"strings"
)

// escapes are the characters that stand for others after a backslash in $'…'.
var escapes = map[rune]byte{'a': 7, 'b': 8, 'e': 27, 'E': 27, 'f': 12, 'n': 10, 'r': 13, 't': 9, 'v': 11, '\\': '\\', '\'': '\'', '"': '"', '?': '?'}

// escaped reads $'…', in which characters and bytes are written by escapes (POSIX.1-2024, 2.2.4; bash(1), QUOTING). Where it
// is not closed it reads to the end, and says so.
func (r *scriptReader) escaped(b *strings.Builder) {
	line, col := r.line, r.col
	for r.skip(2); r.at < len(r.src); {
		c := r.take()
		switch {
		case c == '\'':
			return
		case c != '\\' || r.at >= len(r.src):
			b.WriteRune(c)
		default:
			r.escape(b)
		}
	}
	r.say(line, col, "$'", Error, "a quote is opened here and never closed", "")
}

// escape reads what stands behind a backslash in $'…'.
func (r *scriptReader) escape(b *strings.Builder) {
	c := r.take()
	if to, ok := escapes[c]; ok {
		b.WriteByte(to)
		return
	}
	switch {
	case c >= '0' && c <= '7':
		n, _ := strconv.ParseUint(string(c)+r.digits("01234567", 2), 8, 16)
		b.WriteByte(byte(n))
	case c == 'x' || c == 'u' || c == 'U':
		digits := r.digits("0123456789abcdefABCDEF", map[rune]int{'x': 2, 'u': 4, 'U': 8}[c])
		n, err := strconv.ParseUint(digits, 16, 32)
		switch {
		case err != nil:
			b.WriteString(`\` + string(c))
		case c == 'x':
			b.WriteByte(byte(n))
		default:
			b.WriteRune(rune(n))
		}
	default:
		b.WriteString(`\` + string(c))
	}
}

// digits takes up to most of some characters.
func (r *scriptReader) digits(of string, most int) (text string) {
	for len(text) < most && r.at < len(r.src) && strings.ContainsRune(of, r.peek(0)) {
		text += string(r.take())
	}
	return text
}
