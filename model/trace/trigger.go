package trace

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nattui/model/traced"
	"nattui/rules"
)

// The trigger is a table of nattui's own, so that the operator's stay as they are.
// Its chains hook in before and after all others:
//
//	request-in, request-out  before raw: what fits the filter is traced
//	reply-in, reply-out      behind conntrack: so is what answers it
//	end-in, end-out          behind everything: tell how the packet left
const (
	chainRequestIn  = "request-in"
	chainRequestOut = "request-out"
	chainReplyIn    = "reply-in"
	chainReplyOut   = "reply-out"
	chainEndIn      = "end-in"
	chainEndOut     = "end-out"
)

// The priorities of the hooks (linux/netfilter_ipv4.h): raw is at -300, conntrack at
// -200, mangle at -150, and source NAT, the last to change anything, at 100.
const (
	beforeRaw      = -350
	afterConntrack = -199
	afterAll       = 1<<31 - 2 // conntrack's own confirmation is at the very end
)

// perSecond and burst bound what is traced, however many packets fit the filter.
const (
	perSecond = 10
	burst     = 10
)

// ownChain is a chain of the trigger.
type ownChain struct {
	name     string
	hook     uint32
	priority int32
	rules    []rule
}

// rule is a rule of the trigger: expressions for the kernel, and the same as nft
// writes it.
type rule struct {
	expressions []expression
	text        string
}

// chainsFor are the chains of the trigger for a filter.
func chainsFor(f traced.TraceFilter) []ownChain {
	in, replies := requestRule(f, true), replyRules(f)
	out := requestRule(f, false)
	outRules := []rule{out}
	if f.In != "" {
		outRules = nil // what this host sends arrives by no interface
	}
	return []ownChain{
		{chainRequestIn, unix.NF_INET_PRE_ROUTING, beforeRaw, []rule{in}},
		{chainRequestOut, unix.NF_INET_LOCAL_OUT, beforeRaw, outRules},
		{chainReplyIn, unix.NF_INET_PRE_ROUTING, afterConntrack, replies},
		{chainReplyOut, unix.NF_INET_LOCAL_OUT, afterConntrack, replies},
		{chainEndIn, unix.NF_INET_LOCAL_IN, afterAll, nil},
		{chainEndOut, unix.NF_INET_POST_ROUTING, afterAll, nil},
	}
}

// Commands are what nft would be told to set the same trace off, each as argv. The
// table that they make belongs to nobody, and stays until it is deleted.
func Commands(f traced.TraceFilter) [][]string {
	table := tableName()
	all := [][]string{{"nft", "add", "table", "inet", table}}
	hooks := map[uint32]string{unix.NF_INET_PRE_ROUTING: "prerouting", unix.NF_INET_LOCAL_IN: "input", unix.NF_INET_LOCAL_OUT: "output", unix.NF_INET_POST_ROUTING: "postrouting"}
	for _, c := range chainsFor(f) {
		all = append(all, []string{"nft", "add", "chain", "inet", table, c.name, "{ type filter hook " + hooks[c.hook] + " priority " + strconv.Itoa(int(c.priority)) + "; }"})
		for _, r := range c.rules {
			all = append(all, []string{"nft", "add", "rule", "inet", table, c.name, r.text})
		}
	}
	return all
}

// requestRule traces what fits the filter.
func requestRule(f traced.TraceFilter, arriving bool) rule {
	var r rule
	r.family(f)
	if f.In != "" && arriving {
		r.iifname(f.In)
	}
	name := f.Family.NFT()
	// The place of the addresses in the IPv4 and in the IPv6 header.
	at := map[rules.Family][2]uint32{rules.IPv4: {12, 16}, rules.IPv6: {8, 24}}[f.Family]
	r.address(name+" saddr", headerField(unix.NFT_PAYLOAD_NETWORK_HEADER, at[0], uint32(f.Family.Bits()/8)), f.Src)
	r.address(name+" daddr", headerField(unix.NFT_PAYLOAD_NETWORK_HEADER, at[1], uint32(f.Family.Bits()/8)), f.Dst)
	r.proto("meta l4proto", load("meta", unix.NFTA_META_DREG, unix.NFTA_META_KEY, unix.NFT_META_L4PROTO), f.Proto)
	r.ports("th sport", headerField(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2), f.SrcPorts)
	r.ports("th dport", headerField(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2), f.DstPorts)
	if f.New {
		const synAck = 0x02 | 0x10
		r.add("tcp flags & (syn | ack) == syn", headerField(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1), masked([]byte{synAck}), compare(unix.NFT_CMP_EQ, []byte{0x02}))
	}
	r.setOff()
	return r
}

// replyRules trace what answers a packet that fits the filter. Conntrack knows what
// the first packet of the flow looked like before it was translated. An ICMP error
// answers too; with ports in the filter it takes a rule of its own, which asks for
// less, since nft cannot write the one that asks for all.
func replyRules(f traced.TraceFilter) []rule {
	if f.SrcPorts == (rules.Ports{}) && f.DstPorts == (rules.Ports{}) {
		return []rule{replyRule(f, f.Proto, 0)}
	}
	all := []rule{replyRule(f, f.Proto, f.Proto)}
	f.SrcPorts, f.DstPorts = rules.Ports{}, rules.Ports{}
	if !f.Only(rules.IPv6) {
		all = append(all, replyRule(f, f.Proto, rules.ICMP))
	}
	if !f.Only(rules.IPv4) {
		all = append(all, replyRule(f, f.Proto, rules.ICMPv6))
	}
	return all
}

// replyRule traces answers of the protocol by to flows of the protocol of.
func replyRule(f traced.TraceFilter, of, by rules.Protocol) rule {
	var r rule
	r.family(f)
	r.add("ct direction reply", load("ct", unix.NFTA_CT_DREG, unix.NFTA_CT_KEY, unix.NFT_CT_DIRECTION), compare(unix.NFT_CMP_EQ, []byte{1}))
	src, dst := uint32(unix.NFT_CT_SRC_IP), uint32(unix.NFT_CT_DST_IP)
	if f.Family == rules.IPv6 {
		src, dst = unix.NFT_CT_SRC_IP6, unix.NFT_CT_DST_IP6
	}
	name := f.Family.NFT()
	r.address("ct original "+name+" saddr", original(src), f.Src)
	r.address("ct original "+name+" daddr", original(dst), f.Dst)
	r.proto("meta l4proto", load("meta", unix.NFTA_META_DREG, unix.NFTA_META_KEY, unix.NFT_META_L4PROTO), by)
	if by != of {
		r.proto("ct protocol", load("ct", unix.NFTA_CT_DREG, unix.NFTA_CT_KEY, unix.NFT_CT_PROTOCOL), of)
	}
	r.ports("ct original proto-src", original(unix.NFT_CT_PROTO_SRC), f.SrcPorts)
	r.ports("ct original proto-dst", original(unix.NFT_CT_PROTO_DST), f.DstPorts)
	r.setOff()
	return r
}

func (r *rule) add(text string, e ...expression) {
	r.text = strings.TrimPrefix(r.text+" "+text, " ")
	r.expressions = append(r.expressions, e...)
}

func (r *rule) family(f traced.TraceFilter) {
	if !f.HasFamily {
		return
	}
	number, name := byte(unix.NFPROTO_IPV4), "ipv4"
	if f.Family == rules.IPv6 {
		number, name = unix.NFPROTO_IPV6, "ipv6"
	}
	r.add("meta nfproto "+name, load("meta", unix.NFTA_META_DREG, unix.NFTA_META_KEY, unix.NFT_META_NFPROTO), compare(unix.NFT_CMP_EQ, []byte{number}))
}

func (r *rule) iifname(name string) {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	r.add("iifname "+strconv.Quote(name), load("meta", unix.NFTA_META_DREG, unix.NFTA_META_KEY, unix.NFT_META_IIFNAME), compare(unix.NFT_CMP_EQ, padded))
}

// address compares an address that was loaded with a network.
func (r *rule) address(text string, load expression, n netip.Prefix) {
	if !n.IsValid() {
		return
	}
	e := []expression{load}
	if !n.IsSingleIP() {
		mask := make([]byte, n.Addr().BitLen()/8)
		for i := range n.Bits() {
			mask[i/8] |= 0x80 >> (i % 8)
		}
		e = append(e, masked(mask))
		text += " " + n.String()
	} else {
		text += " " + n.Addr().String()
	}
	r.add(text, append(e, compare(unix.NFT_CMP_EQ, n.Addr().AsSlice()))...)
}

func (r *rule) proto(text string, load expression, p rules.Protocol) {
	if p != 0 {
		r.add(text+" "+p.String(), load, compare(unix.NFT_CMP_EQ, []byte{byte(p)}))
	}
}

func (r *rule) ports(text string, load expression, p rules.Ports) {
	lo, hi := binary.BigEndian.AppendUint16(nil, p.Lo), binary.BigEndian.AppendUint16(nil, p.Hi)
	switch {
	case p == rules.Ports{}:
	case p.Single():
		r.add(text+" "+strconv.Itoa(int(p.Lo)), load, compare(unix.NFT_CMP_EQ, lo))
	default:
		// The bytes compare as the numbers do, since they are in network order.
		r.add(text+" "+strconv.Itoa(int(p.Lo))+"-"+strconv.Itoa(int(p.Hi)), load, compare(unix.NFT_CMP_GTE, lo), compare(unix.NFT_CMP_LTE, hi))
	}
}

// setOff ends the rule: within the limit the packet is traced from here on.
func (r *rule) setOff() {
	r.add("limit rate "+strconv.Itoa(perSecond)+"/second burst "+strconv.Itoa(burst)+" packets meta nftrace set 1",
		expression{"limit", attrs{
			number64(unix.NFTA_LIMIT_RATE, perSecond), number64(unix.NFTA_LIMIT_UNIT, 1), number(unix.NFTA_LIMIT_BURST, burst),
			number(unix.NFTA_LIMIT_TYPE, unix.NFT_LIMIT_PKTS),
		}},
		expression{"immediate", attrs{number(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_1), data(unix.NFTA_IMMEDIATE_DATA, []byte{1})}},
		expression{"meta", attrs{number(unix.NFTA_META_KEY, unix.NFT_META_NFTRACE), number(unix.NFTA_META_SREG, unix.NFT_REG_1)}},
	)
}

// expression is an nf_tables expression with its attributes.
type expression struct {
	name  string
	attrs attrs
}

// load puts something that is known of the packet into the register.
func load(name string, register, key uint16, what uint32) expression {
	return expression{name, attrs{number(register, unix.NFT_REG_1), number(key, what)}}
}

// original loads something of the flow's first direction.
func original(key uint32) expression {
	const original = 0 // IP_CT_DIR_ORIGINAL
	e := load("ct", unix.NFTA_CT_DREG, unix.NFTA_CT_KEY, key)
	e.attrs = append(e.attrs, attr{kind: unix.NFTA_CT_DIRECTION, value: []byte{original}})
	return e
}

func headerField(base, offset, size uint32) expression {
	return expression{"payload", attrs{
		number(unix.NFTA_PAYLOAD_DREG, unix.NFT_REG_1), number(unix.NFTA_PAYLOAD_BASE, base),
		number(unix.NFTA_PAYLOAD_OFFSET, offset), number(unix.NFTA_PAYLOAD_LEN, size),
	}}
}

func compare(op uint32, with []byte) expression {
	return expression{"cmp", attrs{number(unix.NFTA_CMP_SREG, unix.NFT_REG_1), number(unix.NFTA_CMP_OP, op), data(unix.NFTA_CMP_DATA, with)}}
}

func masked(mask []byte) expression {
	return expression{"bitwise", attrs{
		number(unix.NFTA_BITWISE_SREG, unix.NFT_REG_1), number(unix.NFTA_BITWISE_DREG, unix.NFT_REG_1), number(unix.NFTA_BITWISE_LEN, uint32(len(mask))),
		data(unix.NFTA_BITWISE_MASK, mask), data(unix.NFTA_BITWISE_XOR, make([]byte, len(mask))),
	}}
}
