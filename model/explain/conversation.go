package explain

import (
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// This file makes the packets by which a connection lives, as they arrive and leave: in a translated connection
// these have other ends than its sockets.

// conversation is a way in with the ends that the packets of its connection have.
type conversation struct {
	facts.Way
	// client asked for asked and is served by served, which sees it as seen: the four ends of the connection's two
	// tuples in the kernel's table.
	client, asked, served, seen netip.AddrPort
	// fromHere and toHere tell which of them this host itself is.
	fromHere, toHere bool
	known            bool // the ends are those of the kernel's table
}

// untranslated is a way in whose packets have the ends of its socket.
func untranslated(w facts.Way, f *facts.Facts) conversation {
	c := conversation{Way: w, client: w.Client, asked: w.Server, served: w.Server, seen: w.Client}
	c.fromHere = w.Client.IsValid() && hasAddress(f, w.Client.Addr())
	c.toHere = w.Kind != facts.WayThrough && w.Kind != facts.WayPath && (!c.fromHere || hasAddress(f, w.Server.Addr()))
	return c
}

// translated takes the ends from the tuples of the connection.
func (c *conversation) translated(g *flow.Flow) {
	c.client, c.asked, c.served, c.seen, c.known = g.Client(), g.AskedFor(), g.ServedBy(), g.SeenAs(), true
}

// mayBe tells whether a connection of the kernel's table is that of a socket.
func (c *conversation) mayBe(g *flow.Flow) bool {
	switch {
	case g.Proto() != c.Proto:
		return false
	case c.toHere:
		return g.ServedBy() == c.Server && g.SeenAs() == c.Way.Client
	}
	return c.fromHere && g.Client() == c.Way.Client && g.AskedFor() == c.Server
}

// connection is the conversation as the kernel knows it; nil where the kernel was not asked.
func (c *conversation) connection(answers bool) *evaluate.Connection {
	if !c.known {
		return nil
	}
	return &evaluate.Connection{Orig: rules.MakeTuple(c.Proto, c.client, c.asked), Reply: rules.MakeTuple(c.Proto, c.served, c.seen), Answers: answers}
}

// Flags of TCP segments (RFC 9293, 3.1).
const fin, syn, psh, ack = 0x01, 0x02, 0x08, 0x10

// Segments of a connection beside its first: of the client, and of the server, which answers that one too.
var clientSegments, serverSegments = []uint8{ack, psh | ack, fin | ack}, []uint8{syn | ack, ack, psh | ack, fin | ack}

// pickedUp are the server's segments of a connection under way that begin a connection for the kernel: an answer to a first
// segment and a last one do not.
var pickedUp = []uint8{ack, psh | ack}

// packets are those of the connection in both directions, from the first to the last, by each of the interfaces by
// which they may arrive.
func (c *conversation) packets(f *facts.Facts, ins []string) []probe {
	again, its, answers := "a new one", "its packets", "replies to it"
	switch {
	case c.Way.Client.Port() == 0:
		again, its, answers = "a packet to it from "+c.client.Addr().String(), "packets to it from "+c.client.Addr().String(), "the reply to "+c.client.Addr().String()
	case c.Own:
		again, its, answers = "a new connection of yours", "packets of your connection", "replies to your connection"
	}
	first, err := evaluate.NewPacket(c.Proto, c.client, c.asked)
	if err != nil {
		return nil
	}
	first.Local = c.fromHere
	if c.fromHere {
		first.MarkOpen = anyMark // as its program gives it: WireGuard's FwMark, SO_MARK of others
	}
	later := first
	later.State, later.ConnMarkOpen = evaluate.StateEstablished, anyMark
	later.Of = c.connection(false)
	all := append([]probe{{first, again}}, segments(later, clientSegments, its)...)
	for _, p := range slices.Clone(all) {
		if p.packet.Local {
			break
		}
		for _, in := range c.arrivesBy(f, ins) {
			p.packet.In = in
			all = append(all, p)
		}
	}
	reply, err := evaluate.NewPacket(c.Proto, c.served, c.seen)
	if err != nil {
		return all
	}
	reply.State, reply.Local, reply.ConnMarkOpen = evaluate.StateEstablished, c.toHere, anyMark
	if c.toHere && (c.Proto != rules.TCP || f.Settings.FwmarkAccept != facts.SettingOff) {
		reply.MarkOpen = anyMark
	}
	reply.Of = c.connection(true)
	all = append(all, segments(reply, serverSegments, answers)...)
	if c.toHere && !c.known && c.Way.Client.Port() != 0 {
		// Where nothing tracks the connection yet, tracking may begin with the change, and with a reply: it is the first
		// packet that the kernel sees of the connection then, and NAT takes it for that (nf_conntrack_tcp_loose).
		reply.State, reply.ConnMarkOpen, reply.Of = evaluate.StateNew, 0, nil
		all = append(all, segments(reply, pickedUp, answers)...)
	}
	return all
}

// anyMark has no bit of a mark known: that of a live connection, which rules of then may have set, and of what it gives to its
// packets.
const anyMark = ^uint32(0)

// segments are packets of a TCP connection with each of the flags; of other protocols, the one packet.
func segments(p evaluate.Packet, flags []uint8, what string) []probe {
	if p.Protocol != rules.TCP {
		return []probe{{p, what}}
	}
	var all []probe
	for _, f := range flags {
		p.TCPFlags, p.Has = f, p.Has|evaluate.HasTCPFlags
		all = append(all, probe{p, what})
	}
	return all
}

// arrivesBy are the links by which packets to it may come beside the one that the route back leads to: those named,
// and the one that has the address.
func (c *conversation) arrivesBy(f *facts.Facts, ins []string) []string {
	all := slices.Clone(ins)
	for _, a := range f.Addresses {
		if a.Prefix.Addr() == c.asked.Addr() && a.Link != "lo" && !slices.Contains(all, a.Link) {
			all = append(all, a.Link)
		}
	}
	return all
}
