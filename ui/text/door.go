package text

import (
	"bytes"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Door is a writer before a terminal, a pipe or a file through which text from outside cannot act: control
// characters, C1 controls, and characters that reorder or hide text are written out as escapes, in lines of
// JSON as JSON has them. Line breaks and tabs pass, and so do colours where Styled is set.
//
// Whoever prints a text of which a line break must not make two lines makes it Safe before.
type Door struct {
	To io.Writer
	// Styled lets SGR sequences pass: colours and weights, of which none hides text.
	Styled bool

	pending []byte // the beginning of a character or a sequence
	inLine  bool   // something of the line has been seen
	json    bool   // the line is JSON
	out     []byte
}

// Write passes b on. It reports all of b as written, or the error of the writer behind.
func (d *Door) Write(b []byte) (int, error) {
	n := len(b)
	if len(d.pending) > 0 {
		b = append(d.pending, b...)
		d.pending = nil
	}
	d.out = d.out[:0]
	for len(b) > 0 {
		if plain := plainLength(b); plain > 0 {
			d.note(b[:plain])
			d.out = append(d.out, b[:plain]...)
			b = b[plain:]
			continue
		}
		size, whole := d.pass(b)
		if !whole {
			d.pending = append([]byte(nil), b...)
			break
		}
		b = b[size:]
	}
	if len(d.out) == 0 {
		return n, nil
	}
	if _, err := d.To.Write(d.out); err != nil {
		return 0, err
	}
	return n, nil
}

// plainLength is how much of b is printable ASCII, line breaks and tabs.
func plainLength(b []byte) int {
	for i, c := range b {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f {
			return i
		}
	}
	return len(b)
}

// note follows where lines begin, and which are JSON.
func (d *Door) note(b []byte) {
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		d.inLine, d.json = false, false
		b = b[i+1:]
	}
	if d.inLine {
		return
	}
	if b = bytes.TrimLeft(b, " \t"); len(b) > 0 {
		d.inLine, d.json = true, bytes.IndexByte([]byte(`{["}]`), b[0]) >= 0
	}
}

// pass writes the first character of b, or an escape for it; whole is false where more of b is needed to know it.
func (d *Door) pass(b []byte) (size int, whole bool) {
	if b[0] == '\x1b' && d.Styled {
		if size, whole := styling(b); size > 0 || !whole {
			d.out = append(d.out, b[:size]...)
			return size, whole
		}
	}
	if !utf8.FullRune(b) {
		return 0, false
	}
	r, size := utf8.DecodeRune(b)
	d.inLine = true
	switch {
	case r == utf8.RuneError && size == 1 && d.json:
		d.out = append(d.out, `\ufffd`...)
	case r == utf8.RuneError && size == 1:
		d.out = append(append(d.out, `\x`...), hexByte(b[0])...)
	case !unsafeRune(r):
		d.out = append(d.out, b[:size]...)
	case d.json:
		for _, unit := range utf16.Encode([]rune{r}) {
			d.out = append(append(append(d.out, `\u`...), hexByte(byte(unit>>8))...), hexByte(byte(unit))...)
		}
	default:
		d.out = append(d.out, Safe(string(b[:size]))...)
	}
	return size, true
}

// longestStyle is more than any style of ours takes.
const longestStyle = 40

// styling is the length of an SGR sequence (ECMA-48, 8.3.117) at the beginning of b, 0 for anything else and
// for those that hide text or make it blink; whole is false where it may yet become one.
func styling(b []byte) (size int, whole bool) {
	if len(b) > 1 && b[1] != '[' {
		return 0, true
	}
	for i := 2; i < min(len(b), longestStyle); i++ {
		switch c := b[i]; {
		case c == 'm':
			for part := range bytes.SplitSeq(b[2:i], []byte{';'}) {
				switch n, _ := strconv.Atoi(string(part)); n {
				case 5, 6, 8:
					if !bytes.Contains(b[2:i], []byte("38;")) && !bytes.Contains(b[2:i], []byte("48;")) {
						return 0, true
					}
				}
			}
			return i + 1, true
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return 0, true
		}
	}
	return 0, len(b) >= longestStyle
}
