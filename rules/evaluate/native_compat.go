package evaluate

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/nft"
)

// compat takes what can be decided of an expression that nft does not know: mostly a match or target of iptables, which
// iptables-nft puts into rules (nft_compat.c).
func (c *ruleCompiler) compat(e nft.Unknown) {
	x := compatOf(e.Raw)
	switch e.Name {
	case "match":
		c.compatMatch(x)
	case "target":
		c.compatTarget(x)
	case nft.Unread: // it may ask for anything, too
		const unread = "a part of the rule that cannot be read"
		c.unknown(unread)
		c.anything(unread)
	case "last": // notes when it was met
	case "osf", "inner", "tunnel": // they load a register, or find nothing to load
		name := "the expression " + e.Name
		c.unknown(name)
		c.scatter(name, place{0, registerBytes})
	default:
		c.anything("the expression " + e.Name)
	}
}

// compatInfo is a match or target of iptables in a rule: its name, its revision, and what it holds in the form of its own
// (NFTA_MATCH_NAME, _REV, _INFO; those of targets have the same numbers).
type compatInfo struct {
	name string
	rev  uint32
	info []byte
}

func compatOf(raw []byte) compatInfo {
	var x compatInfo
	const header, name, rev, info = 4, 1, 2, 3
	for len(raw) >= header {
		size, kind := int(binary.NativeEndian.Uint16(raw)), binary.NativeEndian.Uint16(raw[2:])&0x3fff
		if size < header || size > len(raw) {
			break
		}
		switch value := raw[header:size]; kind {
		case name:
			x.name = string(bytes.TrimRight(value, "\x00"))
		case rev:
			if len(value) >= 4 {
				x.rev = binary.BigEndian.Uint32(value)
			}
		case info:
			x.info = value
		}
		raw = raw[min((size+3)&^3, len(raw)):]
	}
	return x
}

// compatMatch takes the matches that rules of NAT mostly have.
func (c *ruleCompiler) compatMatch(x compatInfo) {
	switch {
	case x.name == "comment":
	case (x.name == "tcp" && len(x.info) >= 12 || x.name == "udp" && len(x.info) >= 10) && x.plainPorts():
		src := rules.Ports{Lo: binary.NativeEndian.Uint16(x.info), Hi: binary.NativeEndian.Uint16(x.info[2:])}
		dst := rules.Ports{Lo: binary.NativeEndian.Uint16(x.info[4:]), Hi: binary.NativeEndian.Uint16(x.info[6:])}
		c.last = "the ports"
		c.look(func(m *machine, st *state) Truth {
			if !m.pkt.Protocol.HasPorts() {
				return No
			}
			return min(within(st.sport, src), within(st.dport, dst))
		})
	case x.name == "addrtype" && x.rev == 1 && len(x.info) >= 8:
		c.compatAddrType(x.info)
	default:
		c.unknown("-m " + x.name)
	}
	c.rule.particular = true
}

// plainPorts tells that nothing but ports is asked (struct xt_tcp, xt_udp), and nothing is negated.
func (x *compatInfo) plainPorts() bool {
	if x.name == "udp" {
		return x.info[8] == 0
	}
	return x.info[8] == 0 && x.info[9] == 0 && x.info[11] == 0
}

// compatAddrType asks for the kinds of the packet's addresses (struct xt_addrtype_info_v1).
func (c *ruleCompiler) compatAddrType(info []byte) {
	const notSource, notDest, anyLimit = 1, 2, 4 | 8
	flags := binary.NativeEndian.Uint32(info[4:])
	kinds := func(bits uint16) []string {
		var list []string
		for name, number := range routeKinds {
			if bits>>number&1 == 1 {
				list = append(list, name)
			}
		}
		slices.Sort(list)
		return list
	}
	source, dest, family := kinds(binary.NativeEndian.Uint16(info)), kinds(binary.NativeEndian.Uint16(info[2:])), c.family
	if flags&anyLimit != 0 {
		c.unknown("-m addrtype")
		return
	}
	holds := typeTest4
	if family == rules.IPv6 {
		holds = typeTest6
	}
	c.last = "the kind of address"
	c.look(func(m *machine, st *state) Truth {
		all := Yes
		for _, of := range [...]struct {
			types  []string
			source bool
			not    bool
		}{{source, true, flags&notSource != 0}, {dest, false, flags&notDest != 0}} {
			if len(of.types) == 0 {
				continue
			}
			a, known := st.addr(of.source)
			if !known || !m.e.addrs.known {
				all = min(all, Unknown)
				continue
			}
			all = min(all, holds(&m.e.addrs, a.addr(family), "", of.types).flip(of.not))
		}
		return all
	})
}

// compatTarget takes the targets that translate, and says of others that anything may come of them.
func (c *ruleCompiler) compatTarget(x compatInfo) {
	c.rule.acts, c.rule.alters, c.rule.tracks, c.rule.particular = true, true, true, true
	if passedOn[x.name] {
		return
	}
	if q, ok := x.queueing(); ok {
		c.rule.marksFlow = true
		c.rule.ops = append(c.rule.ops, op{does: opQueue, queue: q})
		return
	}
	t, ok := x.translation(c.family)
	if !ok {
		c.rule.marksFlow = true
		c.rule.ops = append(c.rule.ops, op{does: opUnknownEnd, name: x.name, anything: true})
		return
	}
	c.rule.ops = append(c.rule.ops, op{does: opNAT, nat: &nativeNAT{kind: t.kind, fixed: &t}})
}

var compatKinds = map[string]rules.Kind{
	"DNAT": rules.DNAT, "SNAT": rules.SNAT, "MASQUERADE": rules.Masquerade, "REDIRECT": rules.Redirect, "NETMAP": rules.Netmap,
}

// translation reads what a target translates to: struct nf_nat_range, nf_nat_range2, or, of old IPv4 ones,
// nf_nat_ipv4_multi_range_compat.
func (x *compatInfo) translation(f rules.Family) (t translation, ok bool) {
	kind, ok := compatKinds[x.name]
	if !ok {
		return t, false
	}
	t.kind = kind
	old := f == rules.IPv4 && (x.rev == 0)
	const oldSize, size = 20, 4 + 32 + 4
	var flags nft.NATFlags
	var low, high netip.Addr
	var ports []byte
	switch {
	case old && len(x.info) >= oldSize && binary.NativeEndian.Uint32(x.info) == 1:
		flags = nft.NATFlags(binary.NativeEndian.Uint32(x.info[4:]))
		low, _ = netip.AddrFromSlice(x.info[8:12])
		high, _ = netip.AddrFromSlice(x.info[12:16])
		ports = x.info[16:20]
	case !old && len(x.info) >= size:
		flags = nft.NATFlags(binary.NativeEndian.Uint32(x.info))
		n := 16
		if f == rules.IPv4 {
			n = 4
		}
		low, _ = netip.AddrFromSlice(x.info[4 : 4+n])
		high, _ = netip.AddrFromSlice(x.info[20 : 20+n])
		ports = x.info[36:40]
	default:
		return t, false
	}
	if flags&nft.NATProtoOffset != 0 || kind != rules.Netmap && flags&nft.NATNetmap != 0 {
		return t, false
	}
	if kind == rules.Netmap {
		lo, hi := bitsOf(low), bitsOf(high)
		t.lo, t.mask = lo, bits128{^(lo.hi ^ hi.hi), ^(lo.lo ^ hi.lo)}
		if f == rules.IPv4 {
			t.mask = bits128{0, uint64(uint32(t.mask.lo))}
		}
		return t, true
	}
	if flags&nft.NATMapIPs != 0 {
		t.lo, t.hi, t.addrs = bitsOf(low), bitsOf(high), true
	}
	if t.hasPorts = flags&nft.NATProtoSpecified != 0; t.hasPorts {
		t.ports = rules.Ports{Lo: binary.BigEndian.Uint16(ports), Hi: binary.BigEndian.Uint16(ports[2:])}
	}
	t.random = flags&(nft.NATProtoRandom|nft.NATProtoRandomFully) != 0
	t.persistent = flags&nft.NATPersistent != 0
	return t, true
}

// queueing is what the target NFQUEUE says (struct xt_NFQ_info_v3 and those before it).
func (x compatInfo) queueing() (q Queueing, ok bool) {
	if x.name != "NFQUEUE" || len(x.info) < 2 {
		return q, false
	}
	word := func(at int) uint16 {
		if len(x.info) < at+2 {
			return 0
		}
		return binary.NativeEndian.Uint16(x.info[at:])
	}
	q.First = word(0)
	q.Last = q.First
	if x.rev >= 1 {
		q.Last = q.First + max(word(2), 1) - 1
	}
	q.Bypass = x.rev >= 2 && word(4)&1 != 0
	return q, true
}
