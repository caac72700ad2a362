// Package text turns values into short text for a terminal: numbers, rates,
// durations, and strings from elsewhere made safe to show.
package text

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Unknown stands where a value is not known. It is never confused with 0.
const Unknown = "–"

// Safe makes a string from the kernel or from a person safe to print: control
// characters, and characters that reorder text, are written out as escapes.
func Safe(s string) string {
	if strings.IndexFunc(s, unsafeRune) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			b.WriteString(`\x`)
			b.WriteString(hexByte(s[i]))
			size = 1
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80 && unsafeRune(r):
			b.WriteString(`\x`)
			b.WriteString(hexByte(byte(r)))
		case unsafeRune(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// AtLeast marks a sum that lacks something which is not known.
func AtLeast(sum string, lacks bool) string {
	if lacks {
		return ">" + sum
	}
	return sum
}

func hexByte(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// unsafeRune reports what must not reach a terminal as it is: C0 and C1
// controls, format characters such as bidirectional overrides, and line
// separators.
func unsafeRune(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}

// Fit cuts a line to a number of terminal cells, with an ellipsis where something
// was cut.
func Fit(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if len(s) <= width { // no line is wider than its bytes
		return s
	}
	return Truncate(s, width, "…")
}

// Mark draws the places of a line at which one of some words stands in a style, whatever
// their case. The line may have styles of its own.
func Mark(line string, words []string, style interface{ Render(string) string }) string {
	return mark(line, words, style, true)
}

// MarkAny does so where a word of digits is part of a longer number, too.
func MarkAny(line string, words []string, style interface{ Render(string) string }) string {
	return mark(line, words, style, false)
}

func mark(line string, words []string, style interface{ Render(string) string }, whole bool) string {
	plain := ansi.Strip(line)
	lower := strings.ToLower(plain)
	if len(lower) != len(plain) {
		return line // the places would not be those of the line
	}
	var out strings.Builder
	done := 0 // cells
	for at := 0; at < len(lower); {
		from, n := firstOf(lower[at:], words, whole)
		if n == 0 {
			break
		}
		from += at
		left := Width(plain[:from])
		right := left + Width(plain[from:from+n])
		out.WriteString(ansi.Cut(line, done, left))
		out.WriteString(style.Render(plain[from : from+n]))
		done, at = right, from+n
	}
	if done == 0 {
		return line
	}
	out.WriteString(ansi.Cut(line, done, Width(plain)))
	return out.String()
}

// firstOf is where the first of some words begins, and how long it is; of those that begin there the longest. A number may be
// found whole only.
func firstOf(s string, words []string, whole bool) (at, n int) {
	for _, w := range words {
		w = strings.ToLower(w)
		for from := 0; w != ""; {
			i := strings.Index(s[from:], w)
			if i < 0 {
				break
			}
			i += from
			end := i + len(w)
			if whole && digit(w[len(w)-1]) && end < len(s) && digit(s[end]) {
				from = i + 1
				continue
			}
			if n == 0 || i < at || i == at && len(w) > n {
				at, n = i, len(w)
			}
			break
		}
	}
	return at, n
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// graphMarks are the heights of a graph, the lowest first.
const graphMarks = "▁▂▃▄▅▆▇█"

// Graph draws values as a line of blocks, a cell each, the largest as the highest. Where all are equal
// they are drawn as the lowest.
func Graph(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	return graph(values, slices.Min(values))
}

// Bars draws rates as a line of blocks, a cell each: the largest as the highest, and none as the lowest, so that a small
// difference looks like one.
func Bars(rates []float64) string { return graph(rates, 0) }

// graph draws values, low and what is below it as the lowest.
func graph(values []float64, low float64) string {
	high := low
	for _, v := range values {
		high = max(high, v)
	}
	marks := []rune(graphMarks)
	out := make([]rune, len(values))
	for i, v := range values {
		out[i] = marks[0]
		if high > low {
			out[i] = marks[int((v-low)/(high-low)*float64(len(marks)-1)+0.5)]
		}
	}
	return string(out)
}

// Endpoint cuts an address with a port in its middle, so that the port stays.
func Endpoint(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	if width <= 0 {
		return ""
	}
	tail := 0
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		tail = len([]rune(s[i:]))
	}
	if tail >= width-2 {
		tail = 0
	}
	return string(r[:width-tail-1]) + "…" + string(r[len(r)-tail:])
}

// Pad cuts or fills a line to exactly a number of cells.
func Pad(s string, width int, right bool) string {
	s = Fit(s, width)
	fill := width - Width(s)
	if fill <= 0 {
		return s
	}
	if right {
		return strings.Repeat(" ", fill) + s
	}
	return s + strings.Repeat(" ", fill)
}

// Wrap breaks text at blanks into lines of at most width cells, and at most
// limit lines; what does not fit ends in an ellipsis. A limit of 0 is none.
// Words longer than a line are broken where it ends.
func Wrap(s string, width, limit int) []string {
	if width <= 0 || s == "" {
		return nil
	}
	var lines []string
	line, used := "", 0
	for word := range strings.FieldsSeq(s) {
		w := Width(word)
		for w > width { // hard breaks
			if used > 0 {
				lines, line, used = append(lines, line), "", 0
			}
			head := Truncate(word, width, "")
			lines = append(lines, head)
			word = strings.TrimPrefix(word, head)
			w = Width(word)
			if head == "" {
				break
			}
		}
		switch {
		case used == 0:
			line, used = word, w
		case used+1+w <= width:
			line, used = line+" "+word, used+1+w
		default:
			lines = append(lines, line)
			line, used = word, w
		}
	}
	if used > 0 {
		lines = append(lines, line)
	}
	if limit > 0 && len(lines) > limit {
		last := lines[limit-1] + " …"
		if Width(last) > width {
			last = Truncate(lines[limit-1], width-1, "") + "…"
		}
		lines = append(lines[:limit-1], last)
	}
	return lines
}

// Count is a number in at most five cells: exact to 99,999 with separators once
// it is long, then with k, M, G.
func Count(n uint64) string {
	switch {
	case n < 1000:
		return strconv.FormatUint(n, 10)
	case n < 10_000:
		return group(n)
	case n < 1_000_000:
		return scaled(float64(n)/1e3, "k")
	case n < 1_000_000_000:
		return scaled(float64(n)/1e6, "M")
	case n < 1_000_000_000_000:
		return scaled(float64(n)/1e9, "G")
	}
	return scaled(float64(n)/1e12, "T")
}

// Exact is a number with separators between thousands.
func Exact(n uint64) string { return group(n) }

func group(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func scaled(v float64, unit string) string {
	if v >= 99.95 {
		return strconv.FormatFloat(v, 'f', 0, 64) + unit
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + unit
}

// Bytes is a number of bytes with a decimal unit: 48 MB.
func Bytes(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	t := scaled4(float64(n))
	return t[:len(t)-1] + " " + t[len(t)-1:] + "B"
}

func scaled4(v float64) string {
	for _, unit := range []string{"k", "M", "G", "T", "P"} {
		v /= 1000
		if v < 999.5 {
			if v < 9.95 {
				return strconv.FormatFloat(v, 'f', 1, 64) + unit
			}
			return strconv.FormatFloat(v, 'f', 0, 64) + unit
		}
	}
	return strconv.FormatFloat(v/1000, 'f', 0, 64) + "E"
}

// Rate is a number a second, in at most five cells.
func Rate(v float64) string {
	switch {
	case v <= 0:
		return "0"
	case v < 0.05:
		return "<0.1"
	case v < 999.5:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return scaled4(v)
}

// Duration is a time span in at most two units, short: 4.2s, 3m12s, 5h, 12d.
func Duration(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case s < 60:
		return strconv.FormatInt(s, 10) + "s"
	case s < 3600:
		return two(s/60, "m", s%60, "s")
	case s < 86400:
		return two(s/3600, "h", s%3600/60, "m")
	}
	return two(s/86400, "d", s%86400/3600, "h")
}

// Steady is a time span for what is drawn again and again: like Duration, but from two minutes on in
// whole minutes, so that it stands still for most of the time.
func Steady(d time.Duration) string {
	if d >= 2*time.Minute {
		d = d.Truncate(time.Minute)
	}
	return Duration(d)
}

func two(a int64, ua string, b int64, ub string) string {
	if b == 0 || a >= 10 && ua != "m" {
		return strconv.FormatInt(a, 10) + ua
	}
	return strconv.FormatInt(a, 10) + ua + strconv.FormatInt(b, 10) + ub
}
