package evaluate

import (
	"net/netip"

	"nattui/rules"
)

// portClass are the ports that a source port may be exchanged for where the
// rule names none: system ports stay among themselves.
func portClass(p rules.Ports) rules.Ports {
	class := func(port uint16) rules.Ports {
		switch {
		case port < 512:
			return rules.Ports{Lo: 1, Hi: 511}
		case port < 1024:
			return rules.Ports{Lo: 600, Hi: 1023}
		}
		return rules.Ports{Lo: 1024, Hi: 65535}
	}
	lo, hi := class(p.Lo), class(p.Hi)
	return rules.Ports{Lo: min(lo.Lo, p.Lo), Hi: max(hi.Hi, p.Hi)}
}

// pickPorts is nf_nat_l4proto_unique_tuple: the ports out of which the kernel
// takes one, a single one where it has no choice.
func (m *machine) pickPorts(st *state, t *translation, source bool, a bits128, key rules.Ports) rules.Ports {
	span := t.ports
	switch {
	case m.pkt.isICMP():
		if !t.hasPorts {
			span = rules.Ports{Lo: 0, Hi: 65535}
		}
	case m.portless():
		return key
	case !t.hasPorts && !source:
		return key // a destination's port is changed only on demand
	case !t.hasPorts:
		span = portClass(key)
		if key.Single() {
			break
		}
		return span
	}
	size := uint32(span.Hi) - uint32(span.Lo) + 1
	if size == 1 {
		return span
	}
	var offset uint32
	switch {
	case t.hasBase:
		m.particular = true
		if !key.Single() {
			return span
		}
		offset = uint32(key.Lo - t.base)
	case t.random || source || m.e.host.RandomDNATPort:
		return span
	}
	const attempts = 128 // NF_NAT_MAX_ATTEMPTS
	for range min(size, attempts) {
		p := rules.Port(span.Lo + uint16(offset%size))
		switch m.takenWith(st, source, a, p) {
		case No:
			return p
		case Unknown:
			return span
		}
		offset = uint32(uint16(offset + 1))
	}
	return span
}

// takenWith asks whether a flow has the tuple already that the packet's would
// be with another source or destination.
func (m *machine) takenWith(st *state, source bool, a bits128, key rules.Ports) Truth {
	if m.e.host.Flows == nil {
		return No
	}
	src, dst, sport, dport := st.src, st.dst, st.sport, st.dport
	if source {
		src = a
	} else {
		dst = a
	}
	switch {
	case source || m.pkt.isICMP():
		sport = key
	default:
		dport = key
	}
	return m.taken(st, src, sport, dst, dport)
}

// maxLookups is how many ports of a set are looked up one by one.
const maxLookups = 64

func (m *machine) taken(st *state, src bits128, sport rules.Ports, dst bits128, dport rules.Ports) Truth {
	if m.e.host.Flows == nil {
		return No
	}
	if st.has&(unknownSrc|unknownDst) != 0 {
		return Unknown
	}
	if m.portless() {
		sport, dport = rules.Ports{}, rules.Ports{}
	}
	count := (int(sport.Hi) - int(sport.Lo) + 1) * (int(dport.Hi) - int(dport.Lo) + 1)
	if count > maxLookups {
		return Unknown
	}
	used := 0
	for s := int(sport.Lo); s <= int(sport.Hi); s++ {
		for d := int(dport.Lo); d <= int(dport.Hi); d++ {
			t := rules.MakeTuple(m.pkt.Protocol, netip.AddrPortFrom(src.addr(m.family), uint16(s)), netip.AddrPortFrom(dst.addr(m.family), uint16(d)))
			if m.e.host.Flows.InUse(t.Mirror()) {
				used++
			}
		}
	}
	switch used {
	case 0:
		return No
	case count:
		if m.pkt.Protocol == rules.GRE || st.zoned {
			return Unknown // PPTP's tunnels have keys, which a packet does not say; the flow may be of another zone
		}
		return Yes
	}
	return Unknown
}

// portless reports that connection tracking knows no ports of the packet's protocol, so that
// translations leave them alone.
func (m *machine) portless() bool {
	p := m.pkt.Protocol
	return !m.pkt.isICMP() && (!p.HasPorts() || p == rules.DCCP && m.e.host.NoDCCPTracking)
}
