package flow

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
)

// End is one of the flow's ends in words: without a port where its protocol has none.
func (f *Flow) End(a netip.AddrPort) string {
	if !f.Proto().HasPorts() {
		return a.Addr().String()
	}
	return a.String()
}

// Sentence is the flow in plain words: who asked whom, who answers, seeing whom.
func (f *Flow) Sentence() string {
	name := strings.ToUpper(f.Proto().String())
	end := f.End
	text := fmt.Sprintf("%s from %s asks for %s", name, end(f.Client()), end(f.AskedFor()))
	nat := f.NAT()
	switch {
	case nat&NATDst != 0 && nat&NATSrc != 0:
		text += fmt.Sprintf(", and is served by %s, which sees %s as the client", end(f.ServedBy()), end(f.SeenAs()))
	case nat&NATDst != 0:
		text += fmt.Sprintf(", and is served by %s, which sees the client's own address", end(f.ServedBy()))
	case nat&NATSrc != 0:
		text += fmt.Sprintf(", which sees %s as the client", end(f.SeenAs()))
	default:
		text += ", with nothing translated"
	}
	if f.Status&StatusSeenReply == 0 {
		text += "; nobody has answered yet"
	}
	return text + "."
}

// Line is the flow in words, as it is named where there is no table of flows.
func (f *Flow) Line() string {
	line := fmt.Sprintf("%s %s to %s", f.Proto(), f.End(f.Client()), f.End(f.AskedFor()))
	nat := f.NAT()
	if nat&NATDst != 0 {
		line += fmt.Sprintf(", served by %s", f.End(f.ServedBy()))
	}
	if nat&NATSrc != 0 {
		line += fmt.Sprintf(", seen as %s", f.End(f.SeenAs()))
	}
	if nat&(NATDst|NATSrc) == 0 {
		line += ", not translated"
	}
	return line
}

// AppendLine appends the flow as one line of lower-case text: what free text in a
// filter is compared with.
func (f *Flow) AppendLine(b []byte) []byte {
	b = f.Orig.Proto.AppendName(b)
	b = append(b, ' ')
	b = f.Orig.AppendEndpoint(b, &f.Orig.Src, f.Orig.SrcPort)
	b = append(b, ' ')
	b = f.Orig.AppendEndpoint(b, &f.Orig.Dst, f.Orig.DstPort)
	b = append(b, ' ')
	b = f.Reply.AppendEndpoint(b, &f.Reply.Src, f.Reply.SrcPort)
	b = append(b, ' ')
	b = f.Reply.AppendEndpoint(b, &f.Reply.Dst, f.Reply.DstPort)
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

// AnyWord tells whether one of the words that a flow's line may have (AppendLine) is as asked: the names of
// protocols, states and kinds of NAT.
func AnyWord(is func(string) bool) bool {
	return slices.ContainsFunc(rules.ProtocolNames(), is) || slices.ContainsFunc(stateNames, is) || slices.ContainsFunc(natNames[:], is)
}
