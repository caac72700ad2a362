package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Native filters keep lists of those whom they let in, and of what machines inside may ask for: that others are kept
// out is what they are for.

// nativeListed weighs what native filters drop of a forward by whom else they let in: somebody, and it is as it is
// meant; perhaps somebody, and it is not known.
func nativeListed(x *Examination, f *Forward, w *nativeWay, found Finding) Finding {
	others := x.nativeClients(f)
	for i := range others {
		other := *w
		other.packet.Src = others[i]
		if way := x.fate(other.packet); !way.arrives() || !way.by(f.Rule) {
			continue
		}
		switch end, _, dropped := x.nativeEnd(x.Filters, &other); {
		case !dropped:
			return Finding{
				Check: "let-through", Evidence: found.Evidence,
				Sentence: fmt.Sprintf("Native nft tables let packets from %s to %s through, and not those from %s.", others[i], f.Server, w.packet.Src),
			}
		case !end.Certain && found.Severity != SeverityUnknown:
			found = unknown(fmt.Sprintf("Whom native nft tables let through to %s is not known: table %s %s, chain %s, asks for something that nattui cannot evaluate.", f.Server, end.Chain.Family, end.Chain.Table, end.Chain.Name), found.Evidence...)
		}
	}
	if found.Severity == SeverityUnknown {
		return found
	}
	return x.orFill(found, w)
}

// nativeClients are clients of a forward that native filters name, and others that they may not have thought of.
func (x *Examination) nativeClients(f *Forward) (list []netip.Addr) {
	for _, p := range x.Filters.Lists().Sources {
		s := f.via
		if s.src = rules.NetOf(p); !f.via.src.Any() && !f.via.src.Contains(p.Addr()) {
			continue
		}
		if a, ok := x.clientOn(f.Link, s, f.Server.Addr()); ok && x.comesBy(a, f.Link) && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	for _, a := range strangers {
		if f.Rule.Family.Holds(a) && f.via.src.Any() && x.comesBy(a, f.Link) && !x.IsLocal(a) {
			list = append(list, a)
		}
	}
	return list
}

// listToFill is a set that would let a packet through if its source were in it, as "inet fw friends"; "" if there is none.
func (x *Examination) listToFill(w *nativeWay) string {
	for _, set := range x.Filters.Lists().SourceSets {
		if _, _, dropped := x.nativeEnd(x.Filters.With(set, w.packet.Src), w); !dropped {
			return set
		}
	}
	return ""
}

// nativeLetsSome tells that native filters let some machines of a network, or some services for it, through, so that the
// rest is kept in on purpose, or that it is not known.
func (x *Examination) nativeLetsSome(w *nativeWay) bool {
	lists := x.Filters.Lists()
	passes := func(src, dst netip.Addr, port uint16) bool {
		other := *w
		p := &other.packet
		p.Src, p.Dst, p.DstPort = src, dst, port
		if port == 53 {
			p.Protocol = rules.UDP
		}
		other.to = netip.AddrPortFrom(dst, port)
		way := x.fate(*p)
		if x.Facts.Native != nil {
			return way.arrives()
		}
		_, _, dropped := x.nativeEnd(x.Filters, &other)
		return way.arrives() && !dropped
	}
	for _, port := range slices.Concat([]uint16{80, 53, 22}, lists.Ports) {
		if passes(w.packet.Src, w.packet.Dst, port) {
			return true
		}
	}
	within := func(n netip.Prefix, fits func(netip.Addr) bool) (netip.Addr, bool) {
		for _, a := range []netip.Addr{n.Addr(), n.Masked().Addr().Next()} {
			if a.BitLen() == w.packet.Src.BitLen() && n.Contains(a) && !x.IsLocal(a) && fits(a) {
				return a, true
			}
		}
		return netip.Addr{}, false
	}
	for _, n := range lists.Sources {
		if a, ok := within(n, func(a netip.Addr) bool { return x.comesBy(a, w.in) && (w.src.Any() || w.src.Contains(a)) }); ok && passes(a, w.packet.Dst, w.packet.DstPort) {
			return true
		}
	}
	for _, n := range lists.Dests {
		leaves := func(a netip.Addr) bool {
			r, certain := x.Lookup(evaluate.RouteQuery{Dst: a, Src: w.packet.Src, In: w.in})
			return certain && r.Out == w.out
		}
		if a, ok := within(n, leaves); ok && passes(w.packet.Src, a, w.packet.DstPort) {
			return true
		}
	}
	return false
}
