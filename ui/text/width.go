package text

import (
	"strings"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// This file measures and cuts lines with styles in them. Nearly all that is on the screens is ASCII, frames and a few marks,
// each a cell wide whatever stands beside it: that is counted here, in a fraction of the time in which the library finds
// out about everything that a line may have. A line with anything else in it is left to the library.

// Width is how many cells the widest line of a text takes.
func Width(s string) int {
	widest, cells := 0, 0
	for i := 0; i < len(s); {
		switch {
		case s[i] >= ' ' && s[i] < 0x7f:
			i++
			cells++
			continue
		case s[i] == '\n':
			i++
			widest, cells = max(widest, cells), 0
			continue
		}
		size, wide := piece(s[i:])
		if size == 0 {
			return lipgloss.Width(s)
		}
		i += size
		cells += wide
	}
	return max(widest, cells)
}

// Truncate is what is on a line's first cells, with tail where that is not all of it, which is within the width as well.
// Styles that are turned on or off behind that are, all the same.
func Truncate(s string, width int, tail string) string {
	if !simple(s) || !simple(tail) || width < 0 {
		return ansi.Truncate(s, width, tail)
	}
	if len(s) <= width || Width(s) <= width {
		return s
	}
	room := width - Width(tail)
	if room < 0 {
		return ansi.Truncate(s, width, tail)
	}
	var b strings.Builder
	b.Grow(len(s))
	cells, cut := 0, false
	for i := 0; i < len(s); {
		size, wide := piece(s[i:])
		switch cells += wide; {
		case wide == 0 || cells <= room:
			b.WriteString(s[i : i+size])
		case !cut:
			cut = true
			b.WriteString(tail)
		}
		i += size
	}
	return b.String()
}

// Without is a line without its first cells. Styles that are turned on or off there are, all the same.
func Without(s string, cells int) string {
	if !simple(s) {
		return ansi.TruncateLeft(s, cells, "")
	}
	if cells <= 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		size, wide := piece(s[i:])
		if wide == 0 || cells <= 0 {
			b.WriteString(s[i : i+size])
		}
		cells -= wide
		i += size
	}
	return b.String()
}

// simple tells that a text has only what is counted here.
func simple(s string) bool {
	for i := 0; i < len(s); {
		size, _ := piece(s[i:])
		if size == 0 {
			return false
		}
		i += size
	}
	return true
}

// marks are the signs and quotes of the screens that are as wide as frames are, whatever follows.
const marks = "…·–×✓●▸◂▾▴→←↑↓⇒↳“”‘’‹›"

// narrow tells that frames and marks are a cell wide. With RUNEWIDTH_EASTASIAN=1 the library takes them for two cells, as
// some terminals in East Asia draw them.
var narrow = ansi.StringWidth("…─") == 2

// piece is how many bytes the first character or control sequence of a text has, and how many cells it takes; 0 bytes is
// something else. What it knows neither joins with what stands beside it nor is drawn otherwise because of that.
func piece(s string) (size, cells int) {
	switch c := s[0]; {
	case c >= ' ' && c < 0x7f:
		return 1, 1
	case c == '\x1b':
		return sequence(s), 0
	case c < utf8.RuneSelf || !narrow:
		return 0, 0
	}
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r >= 0x2500 && r <= 0x259f, // frames and blocks
		strings.ContainsRune(marks, r):
		return size, 1
	}
	return 0, 0
}

// sequence is how long the control sequence is that a text begins with: one of ECMA-48 5.4 that has numbers alone before
// its last letter, as styles have; 0 where it is none.
func sequence(s string) int {
	if len(s) < 3 || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= ';':
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		default:
			return 0
		}
	}
	return 0
}
