package model

import (
	"bytes"
	"net/netip"
	"strings"
)

// freeText compiles a word that is no property: a flow passes if its line, as
// AppendLine writes it, has the word somewhere. A whole address is looked for as such,
// which is faster and does not find 10.0.0.1 in 10.0.0.10.
func freeText(text string) condition {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil && a.Zone() == "" {
		s := makeSpan(a, a)
		return func(f *Flow, _ int64) bool {
			return s.has(f.Orig.Family, &f.Orig.Src) || s.has(f.Orig.Family, &f.Orig.Dst) ||
				s.has(f.Orig.Family, &f.Reply.Src) || s.has(f.Orig.Family, &f.Reply.Dst)
		}
	}
	if p, ok := ParseProto(text); ok && text[0] > '9' {
		return func(f *Flow, _ int64) bool { return f.Orig.Proto == p }
	}
	want := []byte(strings.ToLower(text))
	return func(f *Flow, _ int64) bool {
		var room [256]byte
		return bytes.Contains(f.AppendLine(room[:0]), want)
	}
}

// AppendLine appends the flow as one line of lower-case text: what free text in a
// filter is compared with.
func (f *Flow) AppendLine(b []byte) []byte {
	b = f.Orig.Proto.AppendName(b)
	b = append(b, ' ')
	b = f.Orig.appendEndpoint(b, &f.Orig.Src, f.Orig.SrcPort)
	b = append(b, ' ')
	b = f.Orig.appendEndpoint(b, &f.Orig.Dst, f.Orig.DstPort)
	b = append(b, ' ')
	b = f.Reply.appendEndpoint(b, &f.Reply.Src, f.Reply.SrcPort)
	b = append(b, ' ')
	b = f.Reply.appendEndpoint(b, &f.Reply.Dst, f.Reply.DstPort)
	b = append(b, ' ')
	for _, c := range []byte(f.StateName()) {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	b = append(b, ' ')
	return append(b, f.NAT().String()...)
}
