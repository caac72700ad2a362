package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"mime/quotedprintable"
	"regexp"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// This file makes text of bytes that editors, shells and mail programs have encoded in another way.

// fromUTF16 is a text of UTF-16, as the shell of Windows writes it, in UTF-8; any other as it is.
func fromUTF16(text []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	case everyOther(text, 1):
		order = binary.LittleEndian
	case everyOther(text, 0):
		order = binary.BigEndian
	default:
		return text
	}
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// looked is how much of a text tells how it is encoded, leastUTF16 how much that is at least.
const (
	looked     = 256
	leastUTF16 = 16
)

// everyOther tells that a text begins with characters of ASCII in two bytes, of which the first or the second is zero: no
// text of one byte a character has these.
func everyOther(text []byte, zero int) bool {
	text = text[:min(len(text), looked)&^1]
	for i := range text {
		if (text[i] == 0) != (i%2 == zero) {
			return false
		}
	}
	return len(text) >= leastUTF16
}

// fromMail is a text that a mail program has encoded as it was before, and the name of that encoding; "" for any other.
func fromMail(text []byte) (bare []byte, encoding string) {
	if bare, done := fromBase64(text); done {
		return bare, "base64"
	}
	if bare, done := fromPrintable(text); done {
		return bare, "quoted-printable"
	}
	return text, ""
}

// base64Line is a line of base64 (RFC 2045, 6.8), which has no blanks.
var base64Line = regexp.MustCompile(`^[A-Za-z0-9+/]{4,76}={0,2}$`)

// fromBase64 is a text of nothing but base64 as it was before, where that is text.
func fromBase64(text []byte) (bare []byte, done bool) {
	words := bytes.Fields(text)
	if len(words) == 0 || len(words[0]) < 4 || slices.ContainsFunc(words, func(w []byte) bool { return !base64Line.Match(w) }) {
		return text, false
	}
	bare, err := base64.StdEncoding.DecodeString(string(bytes.Join(words, nil)))
	if err != nil || !utf8.Valid(bare) || bytes.IndexByte(bare, 0) >= 0 {
		return text, false
	}
	return bare, true
}

// What tells quoted-printable text (RFC 2045, 6.7): a header, an encoded equals sign, or a line that goes on in the next; and
// no equals sign that it would not have.
var (
	printableHeader = regexp.MustCompile(`(?im)^content-transfer-encoding:\s*quoted-printable\s*$`)
	printableSign   = regexp.MustCompile(`=3D|[^=\n]=\r?\n`)
	printableEquals = regexp.MustCompile(`=(?:[0-9A-F]{2}|[ \t]*(?:\r?\n|$))`)
)

// fromPrintable is a text that a mail program has encoded as quoted-printable as it was before; done tells that it was.
func fromPrintable(text []byte) (bare []byte, done bool) {
	whole := bytes.Count(text, []byte("=")) == len(printableEquals.FindAllIndex(text, -1))
	if !printableHeader.Match(text) && !(whole && printableSign.Match(text)) {
		return text, false
	}
	bare, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(text)))
	if err != nil {
		return text, false
	}
	return bare, true
}
