package evaluate

import (
	"net/netip"

	"nattui/rules"
)

// Connection is what connection tracking knows of a packet's connection that is there already: its two tuples, as the
// kernel's table has them, and to which of them the packet belongs. The packet is translated by it, and asks no rule of table
// nat.
type Connection struct {
	Orig, Reply rules.Tuple
	// Answers tells that the packet is of the reply's direction.
	Answers bool
}

// Goes is the packet's connection as it is seen at its other side: where a packet of its direction is sent to, and as whom it
// comes there.
func (c *Connection) Goes() (from, to netip.AddrPort) {
	other := c.Reply
	if c.Answers {
		other = c.Orig
	}
	return other.Destination(), other.Source()
}

// translatesSource and translatesDest tell what is translated of its first packet (IPS_SRC_NAT, IPS_DST_NAT).
func (c *Connection) translatesSource() bool { return c.Orig.Source() != c.Reply.Destination() }
func (c *Connection) translatesDest() bool   { return c.Orig.Destination() != c.Reply.Source() }

// tuple is that of a direction.
func (c *Connection) tuple(reply bool) *rules.Tuple {
	if reply {
		return &c.Reply
	}
	return &c.Orig
}

// goOn gives a packet the address that its connection has at the other side, as the kernel does in place of the rules of
// table nat (nf_nat_packet in net/netfilter/nf_nat_core.c).
func (m *machine) goOn(st *state) {
	c := m.pkt.Of
	if c == nil || st.looped || !m.tables.tracks || !st.ct.hasFlow() {
		return
	}
	from, to := c.Goes()
	source := st.stage.bindsSource()
	if source {
		st.src, st.has = bitsOf(from.Addr()), st.has&^unknownSrc
		to = from
	} else {
		st.dst, st.has = bitsOf(to.Addr()), st.has&^unknownDst
	}
	if m.pkt.Protocol.HasPorts() {
		*st.port(source) = rules.Port(to.Port())
	}
}
