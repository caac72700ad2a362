package flow

import "net/netip"

// NAT is the kind of translation that a flow undergoes. MASQUERADE is SNAT and
// REDIRECT is DNAT here: which rule it was the tuples do not tell.
type NAT uint8

// The kinds; as bits, so that NATBoth has both.
const (
	NATNone NAT = 0
	NATSrc  NAT = 1
	NATDst  NAT = 2
	NATBoth NAT = NATSrc | NATDst
)

var natNames = [...]string{NATNone: "none", NATSrc: "snat", NATDst: "dnat", NATBoth: "both"}

// String is none, snat, dnat or both, as in the JSON output.
func (n NAT) String() string { return natNames[n&NATBoth] }

// NAT tells what is translated: from the status bits SRC_NAT and DST_NAT, or
// from a reply that is not the original's mirror, as of flows that were put into
// the table from outside. (SRC_NAT_DONE and DST_NAT_DONE are set on untranslated
// flows too and tell nothing.)
func (f *Flow) NAT() NAT {
	if n := NAT(f.Status >> 4 & 3); n != NATNone {
		return n
	}
	n := NATNone
	if f.Orig.Src != f.Reply.Dst {
		n |= NATSrc
	}
	if f.Orig.Dst != f.Reply.Src {
		n |= NATDst
	}
	if f.Orig.Proto.IsICMP() {
		if f.Orig.SrcPort != f.Reply.SrcPort { // the identifier is the client's "port"
			n |= NATSrc
		}
		return n
	}
	if f.Orig.SrcPort != f.Reply.DstPort {
		n |= NATSrc
	}
	if f.Orig.DstPort != f.Reply.SrcPort {
		n |= NATDst
	}
	return n
}

// A flow has four points of view. A client asks for an address; NAT may have it
// served by another; and the server may see the request come from somebody
// other than the client. Untranslated, ServedBy is AskedFor and SeenAs is
// Client. Ports are 0 where the protocol has none.

// Client is who began the flow: the source of its first packet as it arrived here.
func (f *Flow) Client() netip.AddrPort { return f.Orig.Source() }

// AskedFor is whom the client addressed.
func (f *Flow) AskedFor() netip.AddrPort { return f.Orig.Destination() }

// ServedBy is who really answers: the destination after DNAT.
func (f *Flow) ServedBy() netip.AddrPort { return f.Reply.Source() }

// SeenAs is from whom the server sees the request come: the source after SNAT.
func (f *Flow) SeenAs() netip.AddrPort { return f.Reply.Destination() }
