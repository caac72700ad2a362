package evaluate

import (
	"encoding/binary"
	"net/netip"

	"nattui/rules"
	"nattui/rules/nft"
)

// nativeNAT is a statement that translates (nft_nat_eval, nft_masq, nft_redir).
type nativeNAT struct {
	kind       rules.Kind
	from, to   *place // of the addresses; nil: not given
	low, high  *place // of the ports
	random     bool
	persistent bool
	netmap     bool
	fixed      *translation // all of it, of a target of iptables
}

// translation adds a statement that translates.
func (c *ruleCompiler) translation(e nft.Expr) {
	var n nativeNAT
	flags := func(f nft.NATFlags) {
		n.random = f&(nft.NATProtoRandom|nft.NATProtoRandomFully) != 0
		n.persistent, n.netmap = f&nft.NATPersistent != 0, f&nft.NATNetmap != 0
	}
	port := func(r nft.Register) *place { return givenPlace(r, 2) }
	switch e := e.(type) {
	case nft.NAT:
		if e.Family != nft.INet && e.Family.String() != c.family.NFT() {
			return // packets of the other family pass it
		}
		n.kind = rules.DNAT
		if e.Source {
			n.kind = rules.SNAT
		}
		size := uint32(4)
		if c.family == rules.IPv6 {
			size = 16
		}
		n.from, n.to, n.low, n.high = givenPlace(e.AddrMin, size), givenPlace(e.AddrMax, size), port(e.ProtoMin), port(e.ProtoMax)
		flags(e.Flags)
	case nft.Masq:
		n.kind, n.low, n.high = rules.Masquerade, port(e.ProtoMin), port(e.ProtoMax)
		flags(e.Flags)
	case nft.Redir:
		n.kind, n.low, n.high = rules.Redirect, port(e.ProtoMin), port(e.ProtoMax)
		flags(e.Flags)
	}
	c.rule.ops = append(c.rule.ops, op{does: opNAT, nat: &n})
	c.rule.acts, c.rule.alters, c.rule.tracks = true, true, true
}

// givenPlace is where a register is, nil where none is given.
func givenPlace(r nft.Register, n uint32) *place {
	if r == 0 {
		return nil
	}
	p := placeOf(r, n)
	return &p
}

var translationNames = map[rules.Kind]string{
	rules.DNAT: "DNAT", rules.SNAT: "SNAT", rules.Masquerade: "MASQUERADE", rules.Redirect: "REDIRECT", rules.Netmap: "NETMAP",
}

// translateNative translates by a native rule. Where the registers hold one of several
// values, each of them divides the way.
func (m *machine) translateNative(st *state, n *nativeNAT, here ruleRef) afterRule {
	if c := m.regs.choice; len(c.values) > 0 && n.reads(c.place) {
		m.undecided(here, "which element of the map it is")
		m.particular = true
		for _, value := range c.values[1:] {
			other := *st
			m.regs.set(c.place, value)
			m.inBranch(&other, func() afterRule { return m.translateOnce(&other, n, here) })
		}
		m.regs.set(c.place, c.values[0])
	}
	return m.translateOnce(st, n, here)
}

// reads reports whether the statement takes something from a place.
func (n *nativeNAT) reads(p place) bool {
	for _, q := range [...]*place{n.from, n.to, n.low, n.high} {
		if q != nil && (p.covers(q.at) || q.covers(p.at)) {
			return true
		}
	}
	return false
}

func (m *machine) translateOnce(st *state, n *nativeNAT, here ruleRef) afterRule {
	if n.fixed != nil {
		if !m.translate(st, *n.fixed, here) {
			return wayEnds
		}
		return hookEnds
	}
	t := translation{kind: n.kind, random: n.random, persistent: n.persistent}
	known := true
	if n.low != nil {
		var lowKnown, highKnown bool
		t.hasPorts = true
		t.ports.Lo, lowKnown = m.portIn(n.low)
		t.ports.Hi, highKnown = t.ports.Lo, lowKnown
		if n.high != nil {
			t.ports.Hi, highKnown = m.portIn(n.high)
		}
		if !lowKnown || !highKnown {
			t.ports, t.random = rules.Ports{Lo: 1, Hi: 65535}, true
		}
		if t.ports.Lo > t.ports.Hi {
			t.ports.Lo, t.ports.Hi = t.ports.Hi, t.ports.Lo
		}
	}
	if n.from != nil {
		t.lo, known = m.addrIn(n.from)
		t.hi, t.addrs = t.lo, true
		if n.to != nil {
			var highKnown bool
			t.hi, highKnown = m.addrIn(n.to)
			known = known && highKnown
		}
	}
	source := st.stage.bindsSource()
	if n.netmap && known {
		m.particular = true
		a, aKnown := st.addr(source)
		known = aKnown
		t.lo, t.hi = mapped(a, t.lo, t.hi), mapped(a, t.lo, t.hi)
	}
	if !known {
		m.undecided(here, "which address it takes")
		m.stack = m.stack[:0]
		m.bindUnknown(st, &t, source, here)
		return hookEnds
	}
	if !m.translate(st, t, here) {
		return wayEnds
	}
	return hookEnds
}

// mapped is an address in another network of the same size, given as its first and last address (nft_nat_setup_netmap).
func mapped(a, lo, hi bits128) bits128 {
	host := bits128{lo.hi ^ hi.hi, lo.lo ^ hi.lo}
	return bits128{lo.hi&^host.hi | a.hi&host.hi, lo.lo&^host.lo | a.lo&host.lo}
}

func (m *machine) portIn(p *place) (port uint16, known bool) {
	return binary.BigEndian.Uint16(m.regs.value[p.at:]), m.regs.isKnown(*p)
}

func (m *machine) addrIn(p *place) (a bits128, known bool) {
	addr, _ := netip.AddrFromSlice(m.regs.value[p.at : p.at+p.len])
	return bitsOf(addr), m.regs.isKnown(*p)
}
