package doctor

import (
	"net/netip"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// This file makes the packets of a connection after its first: the first answer, and what the client sends then. Rules that
// let the first through may drop these.

// Flags of TCP segments: of that by which a server accepts a connection, and of those after it (RFC 9293, 3.5).
const syn, psh, ack = 0x02, 0x08, 0x10

// answerTo is the first packet that comes back from a server.
func answerTo(client, server netip.AddrPort, protocol rules.Protocol, in string) evaluate.Packet {
	p := evaluate.Packet{Protocol: protocol, Src: server.Addr(), Dst: client.Addr(), In: in, State: evaluate.StateEstablished}
	if protocol.HasPorts() {
		p.SrcPort, p.DstPort = server.Port(), client.Port()
	}
	if protocol == rules.TCP {
		p.TCPFlags, p.Has = syn|ack, p.Has|evaluate.HasTCPFlags
	}
	return p
}

// answering is an answer as it arrives in the connection that a first packet begins, as that ends: addressed to the client
// whom the server sees.
func answering(answer, first evaluate.Packet, end *evaluate.Outcome) evaluate.Packet {
	c := connectionOf(&first, end)
	if c == nil {
		return answer
	}
	c.Answers = true
	answer.Of = c
	if answer.Dst = end.Src.Addr; answer.Protocol.HasPorts() {
		answer.DstPort = c.Reply.DstPort
	}
	return answer
}

// connectionOf is the connection that a first packet begins where it ends as told; nil where it does not arrive, or its ends
// are not known.
func connectionOf(first *evaluate.Packet, end *evaluate.Outcome) *evaluate.Connection {
	arrives := end.Delivered == evaluate.Forwarded || end.Delivered == evaluate.Delivered
	if !arrives || !end.Tracked || !end.Src.Addr.IsValid() || !end.Dst.Addr.IsValid() {
		return nil
	}
	c := &evaluate.Connection{Orig: first.Tuple()}
	if first.Protocol.IsICMP() {
		c.Reply = rules.MakeICMP(first.Protocol, end.Dst.Addr, end.Src.Addr, c.Orig.SrcPort, rules.ICMPAnswer(first.Protocol, uint8(c.Orig.DstPort>>8)), uint8(c.Orig.DstPort))
		return c
	}
	port := func(p rules.Ports, otherwise uint16) uint16 {
		if p.Single() {
			return p.Lo
		}
		return otherwise
	}
	served, seen := netip.AddrPortFrom(end.Dst.Addr, port(end.Dst.Ports, c.Orig.DstPort)), netip.AddrPortFrom(end.Src.Addr, port(end.Src.Ports, c.Orig.SrcPort))
	c.Reply = rules.MakeTuple(first.Protocol, served, seen)
	return c
}

// later is what a client sends after the first answer.
type later struct {
	end *evaluate.Outcome // of its connection's first packet
	way fate
}

// goesOn follows what a client sends after the first answer, in each of the connections that its first packet may begin: with
// the mark that this and the answer have left to the connection.
func (t *trial) goesOn(first, back *fate) (list []later) {
	for i := range first.Outcomes {
		end := &first.Outcomes[i]
		c := connectionOf(&first.Packet, end)
		if c == nil {
			return nil
		}
		p := first.Packet
		p.State, p.Of = evaluate.StateEstablished, c
		if p.Protocol == rules.TCP {
			p.TCPFlags, p.Has = ack, p.Has|evaluate.HasTCPFlags
		}
		if p.ConnMark, p.ConnMarkOpen = end.ConnMark, end.ConnMarkOpen; back.arrives() {
			p.ConnMark, p.ConnMarkOpen = back.connMark()
		}
		list = append(list, later{end, t.fate(p)})
	}
	return list
}
