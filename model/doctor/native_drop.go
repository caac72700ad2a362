package doctor

import (
	"fmt"
	"net/netip"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// droppedNatively is what there is to say where the evaluator has a native rule or policy drop a packet of a way, or its
// answer; false where something else does.
func droppedNatively(x *Examination, w *nativeWay, way *fate, who, what string) (Finding, bool) {
	o, blocked := way.blocked()
	if !blocked || o.DroppedBy.Backend != rules.Native {
		return Finding{}, false
	}
	end, ok := x.nativeEndOf(way, o.DroppedBy)
	if !ok {
		return Finding{}, false
	}
	look := nativeLook{hook: end.Chain.Hook, what: what, packet: nativeAt(w, way, end.Chain)}
	found := nativeDrop(end, &look, w, who, true)
	found.Evidence = append(found.Evidence, x.dropperText(o.DroppedBy))
	return found, true
}

// nativeAt is a packet as it meets a native chain that drops it.
func nativeAt(w *nativeWay, way *fate, c *facts.NFTChain) facts.NFTPacket {
	p := &way.Packet
	at := facts.NFTPacket{
		Src: netip.AddrPortFrom(p.Src, p.SrcPort), Dst: netip.AddrPortFrom(p.Dst, p.DstPort), Proto: p.Protocol,
		In: p.In, Established: p.State == evaluate.StateEstablished,
	}
	at.BeforeRoutes = c.Hook == "ingress" || c.Hook == "prerouting"
	if c.Hook == "ingress" || c.Hook == "prerouting" && c.Prio <= translatesAt {
		return at
	}
	if !at.BeforeRoutes {
		at.Out = w.out
	}
	if at.Established {
		if !at.BeforeRoutes {
			at.Out = w.in
		}
		if p.Client.IsValid() {
			at.Dst = p.Client
		}
		return at
	}
	at.Dst, at.Dnat = w.to, w.to != at.Dst
	return at
}

// translatesAt is the priority at which the kernel translates what arrives (NF_IP_PRI_NAT_DST).
const translatesAt = -100

// nativeEndOf is a native rule or policy that drops a packet, with the chain that the kernel calls.
func (x *Examination) nativeEndOf(way *fate, by evaluate.RuleRef) (facts.NFTEnd, bool) {
	table := x.nativeTable(by.Table)
	if table == nil || table.Chain(by.Chain) == nil {
		return facts.NFTEnd{}, false
	}
	in := table.Chain(by.Chain)
	base := in
	for _, v := range way.Visits {
		if v.Backend != rules.Native || v.Table != by.Table {
			continue
		}
		if c := table.Chain(v.Chain); c != nil && c.IsBase() {
			base = c
		}
		if v.RuleRef == by {
			break
		}
	}
	end := facts.NFTEnd{Dropped: true, Certain: way.unseen == "", Chain: nftChain(base), In: nftChain(in)}
	if by.Position > 0 && by.Position <= len(in.Rules) {
		end.By = &facts.NFTRule{Handle: int(in.Rules[by.Position-1].Handle)}
	}
	return end, true
}

// nativeTable is a native table by its family and name; nil where there is none.
func (x *Examination) nativeTable(name string) *nft.Table {
	if x.Facts.Native.Ruleset() == nil {
		return nil
	}
	for _, t := range x.Facts.Native.Ruleset().Tables {
		if t.Family.String()+" "+t.Name == name {
			return t
		}
	}
	return nil
}

func nftChain(c *nft.Chain) *facts.NFTChain {
	of := &facts.NFTChain{Family: c.Table.Family.String(), Table: c.Table.Name, Name: c.Name, Type: c.Type, Hook: c.Hook, Prio: int(c.Priority)}
	if c.IsBase() {
		of.Policy = map[bool]string{false: "accept", true: "drop"}[c.Policy.Code == nft.Drop]
	}
	return of
}

// forwardDropped tells of a forward's packet that a native rule or policy drops, and of the list that would let it in.
func forwardDropped(x *Examination, f *Forward, way *fate, what string) (Finding, bool) {
	w := x.nativeWayOf(f)
	found, ok := droppedNatively(x, &w, way, ruleName(f.Rule), what)
	if !ok {
		return found, false
	}
	return x.orFill(found, &w), true
}

// orFill is a finding that advises to fill the list which would let a packet in, where there is one.
func (x *Examination) orFill(found Finding, w *nativeWay) Finding {
	set := x.listToFill(w)
	if set == "" {
		return found
	}
	found.Commands = nil
	found.Sentence, _, _ = strings.Cut(found.Sentence, " The commands open")
	found.Sentence += fmt.Sprintf(" Whom it lets in stands in its set @%s, and nobody who comes by %s is in there: add the networks of those who may, nft add element %s { … }, where its rules come from too.", strings.Fields(set)[2], w.in, set)
	return found
}
