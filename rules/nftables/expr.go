package nftables

import (
	"golang.org/x/sys/unix"

	"nattui/rules/nft"
)

// decoders read expressions by their names in the kernel (nft_expr_type.name).
var decoders map[string]func(attributes) nft.Expr

func init() { // dynset has expressions itself
	decoders = map[string]func(attributes) nft.Expr{
		"payload": payload, "meta": meta, "ct": ct, "cmp": cmp, "range": within, "bitwise": bitwise, "byteorder": byteOrder, "lookup": lookup,
		"immediate": immediate, "nat": nat, "masq": masq, "redir": redir, "tproxy": tproxy,
		"notrack": func(attributes) nft.Expr { return nft.NoTrack{} },
		"counter": counter, "reject": reject, "log": logged, "limit": limit, "fib": fib, "numgen": numgen, "hash": hash, "dynset": dynset,
		"objref": objref, "rt": rt, "socket": socket, "exthdr": exthdr, "queue": queue, "flow_offload": offload, "connlimit": connlimit, "xfrm": xfrm, "fwd": fwd, "dup": dup, "synproxy": synproxy,
	}
}

// expressions decodes a list of them.
func expressions(list attributes) []nft.Expr {
	var all []nft.Expr
	list.each(func(_ uint16, e attributes) { all = append(all, expression(e)) })
	return all
}

func expression(e attributes) nft.Expr {
	name := e.get(unix.NFTA_EXPR_NAME).text()
	data := e.get(unix.NFTA_EXPR_DATA)
	if decode, ok := decoders[name]; ok {
		return decode(data)
	}
	return nft.Unknown{Name: name, Raw: data.bytes()}
}

func register(a attributes) nft.Register { return nft.Register(a.number()) }

func word(a attributes) uint32 { return uint32(a.number()) }

// value is the bytes of a piece of data (NFTA_DATA_VALUE).
func value(data attributes) []byte { return data.get(unix.NFTA_DATA_VALUE).bytes() }

// verdict is that of a piece of data; nil where it is none.
func verdict(data attributes) *nft.Verdict {
	if !data.has(unix.NFTA_DATA_VERDICT) {
		return nil
	}
	v := data.get(unix.NFTA_DATA_VERDICT)
	return &nft.Verdict{Code: nft.VerdictCode(int32(word(v.get(unix.NFTA_VERDICT_CODE)))), Chain: v.get(unix.NFTA_VERDICT_CHAIN).text()}
}

func payload(a attributes) nft.Expr {
	base, offset, n := nft.Header(word(a.get(unix.NFTA_PAYLOAD_BASE))), word(a.get(unix.NFTA_PAYLOAD_OFFSET)), word(a.get(unix.NFTA_PAYLOAD_LEN))
	if a.has(unix.NFTA_PAYLOAD_SREG) {
		return nft.PayloadSet{
			Base: base, Offset: offset, Len: n, From: register(a.get(unix.NFTA_PAYLOAD_SREG)),
			CsumType: word(a.get(unix.NFTA_PAYLOAD_CSUM_TYPE)), CsumOff: word(a.get(unix.NFTA_PAYLOAD_CSUM_OFFSET)), CsumFlags: word(a.get(unix.NFTA_PAYLOAD_CSUM_FLAGS)),
		}
	}
	return nft.Payload{Base: base, Offset: offset, Len: n, Into: register(a.get(unix.NFTA_PAYLOAD_DREG))}
}

// metaKeys are enum nft_meta_keys by nft's names.
var metaKeys = []string{
	"len", "protocol", "priority", "mark", "iif", "oif", "iifname", "oifname", "iiftype", "oiftype", "skuid", "skgid", "nftrace", "rtclassid", "secmark",
	"nfproto", "l4proto", "bri_iifname", "bri_oifname", "pkttype", "cpu", "iifgroup", "oifgroup", "cgroup", "prandom", "secpath", "iifkind", "oifkind",
	"bri_iifpvid", "bri_iifvproto", "time", "day", "hour", "sdif", "sdifname", "broute",
}

func meta(a attributes) nft.Expr {
	key := named(metaKeys, word(a.get(unix.NFTA_META_KEY)))
	if a.has(unix.NFTA_META_SREG) {
		return nft.Meta{Key: key, Reg: register(a.get(unix.NFTA_META_SREG)), Set: true}
	}
	return nft.Meta{Key: key, Reg: register(a.get(unix.NFTA_META_DREG))}
}

// ctKeys are enum nft_ct_keys by nft's names.
var ctKeys = []string{
	"state", "direction", "status", "mark", "secmark", "expiration", "helper", "l3protocol", "src", "dst", "protocol", "proto_src", "proto_dst", "label",
	"packets", "bytes", "avgpkt", "zone", "event", "src_ip", "dst_ip", "src_ip6", "dst_ip6", "id",
}

func ct(a attributes) nft.Expr {
	e := nft.CT{Key: named(ctKeys, word(a.get(unix.NFTA_CT_KEY)))}
	if a.has(unix.NFTA_CT_DIRECTION) {
		e.Dir = named([]string{"original", "reply"}, word(a.get(unix.NFTA_CT_DIRECTION)))
	}
	if e.Set = a.has(unix.NFTA_CT_SREG); e.Set {
		e.Reg = register(a.get(unix.NFTA_CT_SREG))
	} else {
		e.Reg = register(a.get(unix.NFTA_CT_DREG))
	}
	return e
}

func named(names []string, n uint32) string {
	if int(n) < len(names) {
		return names[n]
	}
	return "unknown"
}

var cmpOps = []string{"eq", "neq", "lt", "lte", "gt", "gte"}

func cmp(a attributes) nft.Expr {
	return nft.Cmp{Op: named(cmpOps, word(a.get(unix.NFTA_CMP_OP))), Reg: register(a.get(unix.NFTA_CMP_SREG)), Data: value(a.get(unix.NFTA_CMP_DATA))}
}

func within(a attributes) nft.Expr {
	return nft.Range{
		Op: named(cmpOps, word(a.get(unix.NFTA_RANGE_OP))), Reg: register(a.get(unix.NFTA_RANGE_SREG)),
		From: value(a.get(unix.NFTA_RANGE_FROM_DATA)), To: value(a.get(unix.NFTA_RANGE_TO_DATA)),
	}
}

// Attributes of expressions that package unix does not have (linux/netfilter/nf_tables.h).
const (
	bitwiseOp   = 6
	bitwiseData = 7
)

func bitwise(a attributes) nft.Expr {
	return nft.Bitwise{
		From: register(a.get(unix.NFTA_BITWISE_SREG)), Into: register(a.get(unix.NFTA_BITWISE_DREG)), Len: word(a.get(unix.NFTA_BITWISE_LEN)),
		Op: word(a.get(bitwiseOp)), Mask: value(a.get(unix.NFTA_BITWISE_MASK)), Xor: value(a.get(unix.NFTA_BITWISE_XOR)), Shift: value(a.get(bitwiseData)),
	}
}

func byteOrder(a attributes) nft.Expr {
	return nft.ByteOrder{
		From: register(a.get(unix.NFTA_BYTEORDER_SREG)), Into: register(a.get(unix.NFTA_BYTEORDER_DREG)),
		ToNetwork: word(a.get(unix.NFTA_BYTEORDER_OP)) == unix.NFT_BYTEORDER_HTON,
		Len:       word(a.get(unix.NFTA_BYTEORDER_LEN)), Size: word(a.get(unix.NFTA_BYTEORDER_SIZE)),
	}
}

func lookup(a attributes) nft.Expr {
	const flags, inverted = 5, 1 // NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV
	return nft.Lookup{
		Set: a.get(unix.NFTA_LOOKUP_SET).text(), Key: register(a.get(unix.NFTA_LOOKUP_SREG)), Into: register(a.get(unix.NFTA_LOOKUP_DREG)),
		Map: a.has(unix.NFTA_LOOKUP_DREG), Not: word(a.get(flags))&inverted != 0,
	}
}

func immediate(a attributes) nft.Expr {
	data := a.get(unix.NFTA_IMMEDIATE_DATA)
	return nft.Immediate{Into: register(a.get(unix.NFTA_IMMEDIATE_DREG)), Data: value(data), Verdict: verdict(data)}
}

func nat(a attributes) nft.Expr {
	return nft.NAT{
		Source: word(a.get(unix.NFTA_NAT_TYPE)) == unix.NFT_NAT_SNAT, Family: nft.Family(word(a.get(unix.NFTA_NAT_FAMILY))),
		AddrMin: register(a.get(unix.NFTA_NAT_REG_ADDR_MIN)), AddrMax: register(a.get(unix.NFTA_NAT_REG_ADDR_MAX)),
		ProtoMin: register(a.get(unix.NFTA_NAT_REG_PROTO_MIN)), ProtoMax: register(a.get(unix.NFTA_NAT_REG_PROTO_MAX)),
		Flags: nft.NATFlags(word(a.get(unix.NFTA_NAT_FLAGS))),
	}
}

func masq(a attributes) nft.Expr {
	return nft.Masq{
		Flags:    nft.NATFlags(word(a.get(unix.NFTA_MASQ_FLAGS))),
		ProtoMin: register(a.get(unix.NFTA_MASQ_REG_PROTO_MIN)), ProtoMax: register(a.get(unix.NFTA_MASQ_REG_PROTO_MAX)),
	}
}

func redir(a attributes) nft.Expr {
	return nft.Redir{
		Flags:    nft.NATFlags(word(a.get(unix.NFTA_REDIR_FLAGS))),
		ProtoMin: register(a.get(unix.NFTA_REDIR_REG_PROTO_MIN)), ProtoMax: register(a.get(unix.NFTA_REDIR_REG_PROTO_MAX)),
	}
}

func tproxy(a attributes) nft.Expr {
	const family, addr, port = 1, 2, 3 // NFTA_TPROXY_*
	return nft.TProxy{Family: nft.Family(word(a.get(family))), Addr: register(a.get(addr)), Port: register(a.get(port))}
}

func counter(a attributes) nft.Expr {
	return nft.Counter{Packets: a.get(unix.NFTA_COUNTER_PACKETS).number(), Bytes: a.get(unix.NFTA_COUNTER_BYTES).number()}
}

func reject(a attributes) nft.Expr {
	return nft.Reject{Type: word(a.get(unix.NFTA_REJECT_TYPE)), Code: word(a.get(unix.NFTA_REJECT_ICMP_CODE))}
}

func logged(a attributes) nft.Expr {
	e := nft.Log{
		Prefix: a.get(unix.NFTA_LOG_PREFIX).text(), Level: word(a.get(unix.NFTA_LOG_LEVEL)), Flags: word(a.get(unix.NFTA_LOG_FLAGS)),
		Group: word(a.get(unix.NFTA_LOG_GROUP)), ToGroup: a.has(unix.NFTA_LOG_GROUP),
		Snaplen: word(a.get(unix.NFTA_LOG_SNAPLEN)), QThreshold: word(a.get(unix.NFTA_LOG_QTHRESHOLD)),
	}
	return e
}

func limit(a attributes) nft.Expr {
	return nft.Limit{
		Rate: a.get(unix.NFTA_LIMIT_RATE).number(), Unit: a.get(unix.NFTA_LIMIT_UNIT).number(), Burst: word(a.get(unix.NFTA_LIMIT_BURST)),
		Type: word(a.get(unix.NFTA_LIMIT_TYPE)), Flags: word(a.get(unix.NFTA_LIMIT_FLAGS)),
	}
}

func fib(a attributes) nft.Expr {
	const dreg, result, flags = 1, 2, 3 // NFTA_FIB_*
	return nft.Fib{Into: register(a.get(dreg)), Result: word(a.get(result)), Flags: word(a.get(flags))}
}

func numgen(a attributes) nft.Expr {
	const dreg, modulus, kind, offset, random = 1, 2, 3, 4, 1 // NFTA_NG_*, NFT_NG_RANDOM
	return nft.Numgen{Into: register(a.get(dreg)), Modulus: word(a.get(modulus)), Random: word(a.get(kind)) == random, Offset: word(a.get(offset))}
}

func hash(a attributes) nft.Expr {
	const sreg, dreg, length, modulus, seed, offset, kind, symmetric = 1, 2, 3, 4, 5, 6, 7, 1 // NFTA_HASH_*, NFT_HASH_SYM
	return nft.Hash{
		From: register(a.get(sreg)), Into: register(a.get(dreg)), Len: word(a.get(length)), Modulus: word(a.get(modulus)), Seed: word(a.get(seed)),
		Offset: word(a.get(offset)), Symmetric: word(a.get(kind)) == symmetric,
	}
}

func dynset(a attributes) nft.Expr {
	const set, op, key, data, timeout, one, several = 1, 3, 4, 5, 6, 7, 10 // NFTA_DYNSET_SET_NAME …, _EXPR, _EXPRESSIONS
	e := nft.Dynset{Set: a.get(set).text(), Op: word(a.get(op)), Key: register(a.get(key)), Data: register(a.get(data)), Timeout: a.get(timeout).number()}
	if a.has(several) {
		e.Exprs = expressions(a.get(several))
	} else if a.has(one) {
		e.Exprs = []nft.Expr{expression(a.get(one))}
	}
	return e
}

func objref(a attributes) nft.Expr {
	const kind, name, sreg, set = 1, 2, 3, 4 // NFTA_OBJREF_*
	return nft.ObjRef{Type: word(a.get(kind)), Name: a.get(name).text(), Key: register(a.get(sreg)), Set: a.get(set).text()}
}

func rt(a attributes) nft.Expr {
	return nft.Rt{Key: named([]string{"classid", "nexthop4", "nexthop6", "tcpmss", "ipsec"}, word(a.get(unix.NFTA_RT_KEY))), Into: register(a.get(unix.NFTA_RT_DREG))}
}

func socket(a attributes) nft.Expr {
	const key, dreg = 1, 2 // NFTA_SOCKET_*
	return nft.Socket{Key: named([]string{"transparent", "mark", "wildcard", "cgroupv2"}, word(a.get(key))), Into: register(a.get(dreg))}
}

func exthdr(a attributes) nft.Expr {
	const dreg, kind, offset, length, flags, op, sreg = 1, 2, 3, 4, 5, 6, 7 // NFTA_EXTHDR_*
	e := nft.Exthdr{
		Op: named([]string{"ipv6", "tcpopt", "ipv4", "sctp", "dccp"}, word(a.get(op))), Type: uint8(a.get(kind).number()), Offset: word(a.get(offset)), Len: word(a.get(length)),
		Flags: word(a.get(flags)), Set: a.has(sreg), Reg: register(a.get(dreg)),
	}
	if e.Set {
		e.Reg = register(a.get(sreg))
	}
	return e
}

func queue(a attributes) nft.Expr {
	return nft.ToQueue{Num: word(a.get(unix.NFTA_QUEUE_NUM)), Total: word(a.get(unix.NFTA_QUEUE_TOTAL)), Flags: word(a.get(unix.NFTA_QUEUE_FLAGS))}
}

func offload(a attributes) nft.Expr { return nft.FlowOffload{Name: a.get(1).text()} } // NFTA_FLOW_TABLE_NAME

func connlimit(a attributes) nft.Expr {
	const count, flags, over = 1, 2, 1 // NFTA_CONNLIMIT_*, NFT_CONNLIMIT_F_INV
	return nft.ConnLimit{Count: word(a.get(count)), Over: word(a.get(flags))&over != 0}
}

func xfrm(a attributes) nft.Expr {
	const dreg, key, dir, index, out = 1, 2, 3, 4, 1 // NFTA_XFRM_*, XFRM_POLICY_OUT
	keys := []string{"unspec", "daddr4", "daddr6", "saddr4", "saddr6", "reqid", "spi"}
	return nft.Xfrm{Key: named(keys, word(a.get(key))), Out: a.get(dir).number() == out, Index: word(a.get(index)), Into: register(a.get(dreg))}
}

func fwd(a attributes) nft.Expr {
	const dev, addr, family = 1, 2, 3 // NFTA_FWD_*
	return nft.Fwd{Device: register(a.get(dev)), Addr: register(a.get(addr)), Family: nft.Family(word(a.get(family)))}
}

func dup(a attributes) nft.Expr {
	const addr, dev = 1, 2 // NFTA_DUP_*
	return nft.Dup{Addr: register(a.get(addr)), Device: register(a.get(dev))}
}

func synproxy(a attributes) nft.Expr {
	const mss, wscale, flags = 1, 2, 3 // NFTA_SYNPROXY_*
	return nft.Synproxy{MSS: word(a.get(mss)), WScale: word(a.get(wscale)), Flags: word(a.get(flags))}
}
