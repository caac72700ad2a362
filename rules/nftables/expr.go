package nftables

import (
	"golang.org/x/sys/unix"

	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// decoders read expressions by their names in the kernel (nft_expr_type.name).
var decoders map[string]func(nfnetlink.Attributes) nft.Expr

func init() { // dynset has expressions itself
	decoders = map[string]func(nfnetlink.Attributes) nft.Expr{
		"payload": payload, "meta": meta, "ct": ct, "range": within, "bitwise": bitwise, "byteorder": byteOrder, "lookup": lookup,
		"nat": nat, "masq": masq, "redir": redir, "tproxy": tproxy,
		"notrack": func(nfnetlink.Attributes) nft.Expr { return nft.NoTrack{} },
		"counter": counter, "reject": reject, "log": logged, "limit": limit, "quota": quota, "fib": fib, "numgen": numgen, "hash": hash, "dynset": dynset,
		"objref": objref, "rt": rt, "socket": socket, "exthdr": exthdr, "queue": queue, "flow_offload": offload, "connlimit": connlimit, "xfrm": xfrm, "fwd": fwd, "dup": dup, "synproxy": synproxy,
	}
}

// expressions decodes a list of them.
func expressions(list nfnetlink.Attributes) []nft.Expr {
	var all []nft.Expr
	for _, e := range list.Each {
		all = append(all, expression(e))
	}
	return all
}

func expression(e nfnetlink.Attributes) nft.Expr {
	name, data := e.Get(unix.NFTA_EXPR_NAME).Name(), e.Get(unix.NFTA_EXPR_DATA)
	if decode, ok := decoders[string(name)]; ok {
		return decode(data)
	}
	return nft.Unknown{Name: string(name), Raw: append([]byte(nil), data...)}
}

func register(a nfnetlink.Attributes) nft.Register { return nft.Register(a.Number()) }

// value is the bytes of a piece of data (NFTA_DATA_VALUE).
func value(data nfnetlink.Attributes) []byte {
	return append([]byte(nil), data.Get(unix.NFTA_DATA_VALUE)...)
}

// verdict is that of a piece of data; nil where it is none.
func verdict(data nfnetlink.Attributes) *nft.Verdict {
	if !data.Has(unix.NFTA_DATA_VERDICT) {
		return nil
	}
	v := data.Get(unix.NFTA_DATA_VERDICT)
	return &nft.Verdict{Code: nft.VerdictCode(int32(v.Get(unix.NFTA_VERDICT_CODE).Word())), Chain: v.Get(unix.NFTA_VERDICT_CHAIN).Text()}
}

func payload(a nfnetlink.Attributes) nft.Expr {
	base, offset, n := nft.Header(a.Get(unix.NFTA_PAYLOAD_BASE).Word()), a.Get(unix.NFTA_PAYLOAD_OFFSET).Word(), a.Get(unix.NFTA_PAYLOAD_LEN).Word()
	if a.Has(unix.NFTA_PAYLOAD_SREG) {
		return nft.PayloadSet{
			Base: base, Offset: offset, Len: n, From: register(a.Get(unix.NFTA_PAYLOAD_SREG)),
			CsumType: a.Get(unix.NFTA_PAYLOAD_CSUM_TYPE).Word(), CsumOff: a.Get(unix.NFTA_PAYLOAD_CSUM_OFFSET).Word(), CsumFlags: a.Get(unix.NFTA_PAYLOAD_CSUM_FLAGS).Word(),
		}
	}
	return nft.Payload{Base: base, Offset: offset, Len: n, Into: register(a.Get(unix.NFTA_PAYLOAD_DREG))}
}

// metaKeys are enum nft_meta_keys by nft's names.
var metaKeys = []string{
	"len", "protocol", "priority", "mark", "iif", "oif", "iifname", "oifname", "iiftype", "oiftype", "skuid", "skgid", "nftrace", "rtclassid", "secmark",
	"nfproto", "l4proto", "bri_iifname", "bri_oifname", "pkttype", "cpu", "iifgroup", "oifgroup", "cgroup", "prandom", "secpath", "iifkind", "oifkind",
	"bri_iifpvid", "bri_iifvproto", "time", "day", "hour", "sdif", "sdifname", "broute",
}

func meta(a nfnetlink.Attributes) nft.Expr {
	key := named(metaKeys, a.Get(unix.NFTA_META_KEY).Word())
	if a.Has(unix.NFTA_META_SREG) {
		return nft.Meta{Key: key, Reg: register(a.Get(unix.NFTA_META_SREG)), Set: true}
	}
	return nft.Meta{Key: key, Reg: register(a.Get(unix.NFTA_META_DREG))}
}

// ctKeys are enum nft_ct_keys by nft's names.
var ctKeys = []string{
	"state", "direction", "status", "mark", "secmark", "expiration", "helper", "l3protocol", "src", "dst", "protocol", "proto_src", "proto_dst", "label",
	"packets", "bytes", "avgpkt", "zone", "event", "src_ip", "dst_ip", "src_ip6", "dst_ip6", "id",
}

func ct(a nfnetlink.Attributes) nft.Expr {
	e := nft.CT{Key: named(ctKeys, a.Get(unix.NFTA_CT_KEY).Word())}
	if a.Has(unix.NFTA_CT_DIRECTION) {
		e.Dir = named([]string{"original", "reply"}, a.Get(unix.NFTA_CT_DIRECTION).Word())
	}
	if e.Set = a.Has(unix.NFTA_CT_SREG); e.Set {
		e.Reg = register(a.Get(unix.NFTA_CT_SREG))
	} else {
		e.Reg = register(a.Get(unix.NFTA_CT_DREG))
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

func within(a nfnetlink.Attributes) nft.Expr {
	return nft.Range{
		Op: named(cmpOps, a.Get(unix.NFTA_RANGE_OP).Word()), Reg: register(a.Get(unix.NFTA_RANGE_SREG)),
		From: value(a.Get(unix.NFTA_RANGE_FROM_DATA)), To: value(a.Get(unix.NFTA_RANGE_TO_DATA)),
	}
}

// Attributes of expressions that package unix does not have (linux/netfilter/nf_tables.h).
const (
	bitwiseOp   = 6
	bitwiseData = 7
)

func bitwise(a nfnetlink.Attributes) nft.Expr {
	return nft.Bitwise{
		From: register(a.Get(unix.NFTA_BITWISE_SREG)), Into: register(a.Get(unix.NFTA_BITWISE_DREG)), Len: a.Get(unix.NFTA_BITWISE_LEN).Word(),
		Op: a.Get(bitwiseOp).Word(), Mask: value(a.Get(unix.NFTA_BITWISE_MASK)), Xor: value(a.Get(unix.NFTA_BITWISE_XOR)), Shift: value(a.Get(bitwiseData)),
	}
}

func byteOrder(a nfnetlink.Attributes) nft.Expr {
	return nft.ByteOrder{
		From: register(a.Get(unix.NFTA_BYTEORDER_SREG)), Into: register(a.Get(unix.NFTA_BYTEORDER_DREG)),
		ToNetwork: a.Get(unix.NFTA_BYTEORDER_OP).Word() == unix.NFT_BYTEORDER_HTON,
		Len:       a.Get(unix.NFTA_BYTEORDER_LEN).Word(), Size: a.Get(unix.NFTA_BYTEORDER_SIZE).Word(),
	}
}

func lookup(a nfnetlink.Attributes) nft.Expr {
	const flags, inverted = 5, 1 // NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV
	return nft.Lookup{
		Set: a.Get(unix.NFTA_LOOKUP_SET).Text(), Key: register(a.Get(unix.NFTA_LOOKUP_SREG)), Into: register(a.Get(unix.NFTA_LOOKUP_DREG)),
		Map: a.Has(unix.NFTA_LOOKUP_DREG), Not: a.Get(flags).Word()&inverted != 0,
	}
}

func nat(a nfnetlink.Attributes) nft.Expr {
	return nft.NAT{
		Source: a.Get(unix.NFTA_NAT_TYPE).Word() == unix.NFT_NAT_SNAT, Family: nft.Family(a.Get(unix.NFTA_NAT_FAMILY).Word()),
		AddrMin: register(a.Get(unix.NFTA_NAT_REG_ADDR_MIN)), AddrMax: register(a.Get(unix.NFTA_NAT_REG_ADDR_MAX)),
		ProtoMin: register(a.Get(unix.NFTA_NAT_REG_PROTO_MIN)), ProtoMax: register(a.Get(unix.NFTA_NAT_REG_PROTO_MAX)),
		Flags: nft.NATFlags(a.Get(unix.NFTA_NAT_FLAGS).Word()),
	}
}

func masq(a nfnetlink.Attributes) nft.Expr {
	return nft.Masq{
		Flags:    nft.NATFlags(a.Get(unix.NFTA_MASQ_FLAGS).Word()),
		ProtoMin: register(a.Get(unix.NFTA_MASQ_REG_PROTO_MIN)), ProtoMax: register(a.Get(unix.NFTA_MASQ_REG_PROTO_MAX)),
	}
}

func redir(a nfnetlink.Attributes) nft.Expr {
	return nft.Redir{
		Flags:    nft.NATFlags(a.Get(unix.NFTA_REDIR_FLAGS).Word()),
		ProtoMin: register(a.Get(unix.NFTA_REDIR_REG_PROTO_MIN)), ProtoMax: register(a.Get(unix.NFTA_REDIR_REG_PROTO_MAX)),
	}
}

func tproxy(a nfnetlink.Attributes) nft.Expr {
	const family, addr, port = 1, 2, 3 // NFTA_TPROXY_*
	return nft.TProxy{Family: nft.Family(a.Get(family).Word()), Addr: register(a.Get(addr)), Port: register(a.Get(port))}
}

func counter(a nfnetlink.Attributes) nft.Expr {
	return nft.Counter{Packets: a.Get(unix.NFTA_COUNTER_PACKETS).Number(), Bytes: a.Get(unix.NFTA_COUNTER_BYTES).Number()}
}

func reject(a nfnetlink.Attributes) nft.Expr {
	return nft.Reject{Type: a.Get(unix.NFTA_REJECT_TYPE).Word(), Code: a.Get(unix.NFTA_REJECT_ICMP_CODE).Word()}
}

func logged(a nfnetlink.Attributes) nft.Expr {
	e := nft.Log{
		Prefix: a.Get(unix.NFTA_LOG_PREFIX).Text(), Level: a.Get(unix.NFTA_LOG_LEVEL).Word(), Flags: a.Get(unix.NFTA_LOG_FLAGS).Word(),
		Group: a.Get(unix.NFTA_LOG_GROUP).Word(), ToGroup: a.Has(unix.NFTA_LOG_GROUP),
		Snaplen: a.Get(unix.NFTA_LOG_SNAPLEN).Word(), QThreshold: a.Get(unix.NFTA_LOG_QTHRESHOLD).Word(),
	}
	return e
}

func limit(a nfnetlink.Attributes) nft.Expr {
	return nft.Limit{
		Rate: a.Get(unix.NFTA_LIMIT_RATE).Number(), Unit: a.Get(unix.NFTA_LIMIT_UNIT).Number(), Burst: a.Get(unix.NFTA_LIMIT_BURST).Word(),
		Type: a.Get(unix.NFTA_LIMIT_TYPE).Word(), Flags: a.Get(unix.NFTA_LIMIT_FLAGS).Word(),
	}
}

func quota(a nfnetlink.Attributes) nft.Expr {
	const bytes, flags, consumed, over = 1, 2, 4, 1 // NFTA_QUOTA_*, NFT_QUOTA_F_INV
	return nft.Quota{Bytes: a.Get(bytes).Number(), Used: a.Get(consumed).Number(), Over: a.Get(flags).Word()&over != 0}
}

func fib(a nfnetlink.Attributes) nft.Expr {
	const dreg, result, flags = 1, 2, 3 // NFTA_FIB_*
	return nft.Fib{Into: register(a.Get(dreg)), Result: a.Get(result).Word(), Flags: a.Get(flags).Word()}
}

func numgen(a nfnetlink.Attributes) nft.Expr {
	const dreg, modulus, kind, offset, random = 1, 2, 3, 4, 1 // NFTA_NG_*, NFT_NG_RANDOM
	return nft.Numgen{Into: register(a.Get(dreg)), Modulus: a.Get(modulus).Word(), Random: a.Get(kind).Word() == random, Offset: a.Get(offset).Word()}
}

func hash(a nfnetlink.Attributes) nft.Expr {
	const sreg, dreg, length, modulus, seed, offset, kind, symmetric = 1, 2, 3, 4, 5, 6, 7, 1 // NFTA_HASH_*, NFT_HASH_SYM
	return nft.Hash{
		From: register(a.Get(sreg)), Into: register(a.Get(dreg)), Len: a.Get(length).Word(), Modulus: a.Get(modulus).Word(), Seed: a.Get(seed).Word(),
		Offset: a.Get(offset).Word(), Symmetric: a.Get(kind).Word() == symmetric, Seeded: a.Has(seed),
	}
}

func dynset(a nfnetlink.Attributes) nft.Expr {
	const set, op, key, data, timeout, one, several = 1, 3, 4, 5, 6, 7, 10 // NFTA_DYNSET_SET_NAME …, _EXPR, _EXPRESSIONS
	e := nft.Dynset{Set: a.Get(set).Text(), Op: a.Get(op).Word(), Key: register(a.Get(key)), Data: register(a.Get(data)), Timeout: a.Get(timeout).Number()}
	if a.Has(several) {
		e.Exprs = expressions(a.Get(several))
	} else if a.Has(one) {
		e.Exprs = []nft.Expr{expression(a.Get(one))}
	}
	return e
}

func objref(a nfnetlink.Attributes) nft.Expr {
	const kind, name, sreg, set = 1, 2, 3, 4 // NFTA_OBJREF_*
	return nft.ObjRef{Type: a.Get(kind).Word(), Name: a.Get(name).Text(), Key: register(a.Get(sreg)), Set: a.Get(set).Text()}
}

func rt(a nfnetlink.Attributes) nft.Expr {
	return nft.Rt{Key: named([]string{"classid", "nexthop4", "nexthop6", "tcpmss", "ipsec"}, a.Get(unix.NFTA_RT_KEY).Word()), Into: register(a.Get(unix.NFTA_RT_DREG))}
}

func socket(a nfnetlink.Attributes) nft.Expr {
	const key, dreg = 1, 2 // NFTA_SOCKET_*
	return nft.Socket{Key: named([]string{"transparent", "mark", "wildcard", "cgroupv2"}, a.Get(key).Word()), Into: register(a.Get(dreg))}
}

func exthdr(a nfnetlink.Attributes) nft.Expr {
	const dreg, kind, offset, length, flags, op, sreg = 1, 2, 3, 4, 5, 6, 7 // NFTA_EXTHDR_*
	e := nft.Exthdr{
		Op: named([]string{"ipv6", "tcpopt", "ipv4", "sctp", "dccp"}, a.Get(op).Word()), Type: uint8(a.Get(kind).Number()), Offset: a.Get(offset).Word(), Len: a.Get(length).Word(),
		Flags: a.Get(flags).Word(), Set: a.Has(sreg), Reg: register(a.Get(dreg)),
	}
	if e.Set {
		e.Reg = register(a.Get(sreg))
	}
	return e
}

func queue(a nfnetlink.Attributes) nft.Expr {
	return nft.ToQueue{Num: a.Get(unix.NFTA_QUEUE_NUM).Word(), Total: a.Get(unix.NFTA_QUEUE_TOTAL).Word(), Flags: a.Get(unix.NFTA_QUEUE_FLAGS).Word(), Chosen: a.Has(unix.NFTA_QUEUE_SREG_QNUM)}
}

func offload(a nfnetlink.Attributes) nft.Expr { return nft.FlowOffload{Name: a.Get(1).Text()} } // NFTA_FLOW_TABLE_NAME

func connlimit(a nfnetlink.Attributes) nft.Expr {
	const count, flags, over = 1, 2, 1 // NFTA_CONNLIMIT_*, NFT_CONNLIMIT_F_INV
	return nft.ConnLimit{Count: a.Get(count).Word(), Over: a.Get(flags).Word()&over != 0}
}

func xfrm(a nfnetlink.Attributes) nft.Expr {
	const dreg, key, dir, index, out = 1, 2, 3, 4, 1 // NFTA_XFRM_*, XFRM_POLICY_OUT
	keys := []string{"unspec", "daddr4", "daddr6", "saddr4", "saddr6", "reqid", "spi"}
	return nft.Xfrm{Key: named(keys, a.Get(key).Word()), Out: a.Get(dir).Number() == out, Index: a.Get(index).Word(), Into: register(a.Get(dreg))}
}

func fwd(a nfnetlink.Attributes) nft.Expr {
	const dev, addr, family = 1, 2, 3 // NFTA_FWD_*
	return nft.Fwd{Device: register(a.Get(dev)), Addr: register(a.Get(addr)), Family: nft.Family(a.Get(family).Word())}
}

func dup(a nfnetlink.Attributes) nft.Expr {
	const addr, dev = 1, 2 // NFTA_DUP_*
	return nft.Dup{Addr: register(a.Get(addr)), Device: register(a.Get(dev))}
}

func synproxy(a nfnetlink.Attributes) nft.Expr {
	const mss, wscale, flags = 1, 2, 3 // NFTA_SYNPROXY_*
	return nft.Synproxy{MSS: a.Get(mss).Word(), WScale: a.Get(wscale).Word(), Flags: a.Get(flags).Word()}
}
