package nft

import (
	"fmt"
	"strings"
)

// This file prints expressions as libnftnl does for nft --debug=netlink: the one text of them that does not
// hang on the version of nft.

func (e Payload) String() string {
	return fmt.Sprintf("payload load %db @ %s header + %d => reg %d", e.Len, e.Base, e.Offset, e.Into)
}

func (e PayloadSet) String() string {
	return fmt.Sprintf("payload write reg %d => %db @ %s header + %d csum_type %d csum_off %d csum_flags 0x%x", e.From, e.Len, e.Base, e.Offset, e.CsumType, e.CsumOff, e.CsumFlags)
}

func (e Meta) String() string { return loaded("meta", e.Key, e.Reg, e.Set) }

func (e CT) String() string {
	text := loaded("ct", e.Key, e.Reg, e.Set)
	if e.Dir != "" {
		text += " , dir " + e.Dir
	}
	return text
}

func loaded(what, key string, reg Register, set bool) string {
	if set {
		return fmt.Sprintf("%s set %s with reg %d", what, key, reg)
	}
	return fmt.Sprintf("%s load %s => reg %d", what, key, reg)
}

func (e Cmp) String() string { return fmt.Sprintf("cmp %s reg %d %s", e.Op, e.Reg, Data(e.Data)) }

func (e Range) String() string {
	return fmt.Sprintf("range %s reg %d %s %s", e.Op, e.Reg, Data(e.From), Data(e.To))
}

func (e Bitwise) String() string {
	switch e.Op {
	case 1:
		return fmt.Sprintf("bitwise reg %d = ( reg %d << %s )", e.Into, e.From, Data(e.Shift))
	case 2:
		return fmt.Sprintf("bitwise reg %d = ( reg %d >> %s )", e.Into, e.From, Data(e.Shift))
	}
	return fmt.Sprintf("bitwise reg %d = ( reg %d & %s ) ^ %s", e.Into, e.From, Data(e.Mask), Data(e.Xor))
}

func (e ByteOrder) String() string {
	op := "ntoh"
	if e.ToNetwork {
		op = "hton"
	}
	return fmt.Sprintf("byteorder reg %d = %s(reg %d, %d, %d)", e.Into, op, e.From, e.Size, e.Len)
}

func (e Lookup) String() string {
	text := fmt.Sprintf("lookup reg %d set %s", e.Key, e.Set)
	if e.Map {
		text += fmt.Sprintf(" dreg %d", e.Into)
	}
	if e.Not {
		return text + " 0x1"
	}
	return text + " 0x0"
}

func (e Immediate) String() string {
	if e.Verdict != nil {
		return fmt.Sprintf("immediate reg %d %s", e.Into, e.Verdict)
	}
	return fmt.Sprintf("immediate reg %d %s", e.Into, Data(e.Data))
}

func (e NAT) String() string {
	kind := "dnat"
	if e.Source {
		kind = "snat"
	}
	return "nat " + kind + " " + e.Family.String() + registers("addr_min reg", e.AddrMin, "addr_max reg", e.AddrMax) +
		registers("proto_min reg", e.ProtoMin, "proto_max reg", e.ProtoMax) + flagged(e.Flags)
}

func (e Masq) String() string {
	return "masq" + registers("proto_min reg", e.ProtoMin, "proto_max reg", e.ProtoMax) + flagged(e.Flags)
}

func (e Redir) String() string {
	return "redir" + registers("proto_min reg", e.ProtoMin, "proto_max reg", e.ProtoMax) + flagged(e.Flags)
}

// registers are names with the registers that are given.
func registers(low string, min Register, high string, max Register) string {
	text := ""
	if min != 0 {
		text += fmt.Sprintf(" %s %d", low, min)
	}
	if max != 0 {
		text += fmt.Sprintf(" %s %d", high, max)
	}
	return text
}

func flagged(f NATFlags) string {
	if f == 0 {
		return ""
	}
	return fmt.Sprintf(" flags 0x%x", uint32(f))
}

func (e TProxy) String() string {
	text := "tproxy"
	if e.Family != 0 && e.Family != INet {
		text += " " + e.Family.String()
	}
	if e.Addr != 0 {
		text += fmt.Sprintf(" addr reg %d", e.Addr)
	}
	if e.Port != 0 {
		text += fmt.Sprintf(" port reg %d", e.Port)
	}
	return text
}

func (NoTrack) String() string { return "notrack" }

func (e Counter) String() string { return fmt.Sprintf("counter pkts %d bytes %d", e.Packets, e.Bytes) }

func (e Reject) String() string { return fmt.Sprintf("reject type %d code %d", e.Type, e.Code) }

// logFlags are the parts of a packet that a log line has besides (NF_LOG_*).
var logFlags = [...]string{"tcpseq", "tcpopt", "ipopt", "uid", "nflog", "macdecode"}

func (e Log) String() string {
	text := "log"
	if e.Prefix != "" {
		text += " prefix " + e.Prefix
	}
	if e.ToGroup {
		return text + fmt.Sprintf(" group %d snaplen %d qthreshold %d", e.Group, e.Snaplen, e.QThreshold)
	}
	text += fmt.Sprintf(" level %d", e.Level)
	for i, name := range logFlags {
		if e.Flags>>i&1 != 0 {
			text += " " + name
		}
	}
	return text
}

var units = map[uint64]string{1: "second", 60: "minute", 3600: "hour", 86400: "day", 604800: "week"}

func (e Limit) String() string {
	unit, ok := units[e.Unit]
	if !ok {
		unit = fmt.Sprintf("%d seconds", e.Unit)
	}
	return fmt.Sprintf("limit rate %d/%s burst %d type %s flags 0x%x", e.Rate, unit, e.Burst, [...]string{"packets", "bytes"}[min(e.Type, 1)], e.Flags)
}

func (e Quota) String() string {
	over := 0
	if e.Over {
		over = 1
	}
	return fmt.Sprintf("quota bytes %d consumed %d flags %d", e.Bytes, e.Used, over)
}

// FibFlags and results (enum nft_fib_flags, nft_fib_result).
var (
	fibFlags   = [...]string{"saddr", "daddr", "mark", "iif", "oif"}
	fibResults = [...]string{"unspec", "oif", "oifname", "type"}
)

// FibPresent asks whether there is a route, and not which.
const FibPresent = 1 << 5

func (e Fib) String() string {
	var asked []string
	for i, name := range fibFlags {
		if e.Flags>>i&1 != 0 {
			asked = append(asked, name)
		}
	}
	text := "fib " + strings.Join(asked, " . ")
	if int(e.Result) < len(fibResults) {
		text += " " + fibResults[e.Result]
	}
	if e.Flags&FibPresent != 0 {
		text += " present"
	}
	return text + fmt.Sprintf(" => reg %d", e.Into)
}

func (e Numgen) String() string {
	how := "inc"
	if e.Random {
		how = "random"
	}
	text := fmt.Sprintf("numgen reg %d = %s mod %d", e.Into, how, e.Modulus)
	if e.Offset != 0 {
		text += fmt.Sprintf(" offset %d", e.Offset)
	}
	return text
}

func (e Hash) String() string {
	text := fmt.Sprintf("hash reg %d = jhash(reg %d, %d, 0x%x) %% mod %d", e.Into, e.From, e.Len, e.Seed, e.Modulus)
	if e.Symmetric {
		text = fmt.Sprintf("hash reg %d = symhash() %% mod %d", e.Into, e.Modulus)
	}
	if e.Offset != 0 {
		text += fmt.Sprintf(" offset %d", e.Offset)
	}
	return text
}

func (e Dynset) String() string {
	op := [...]string{"add", "update", "delete"}[min(e.Op, 2)]
	text := fmt.Sprintf("dynset %s reg_key %d set %s", op, e.Key, e.Set)
	if e.Data != 0 {
		text += fmt.Sprintf(" sreg_data %d", e.Data)
	}
	text += fmt.Sprintf(" timeout %dms", e.Timeout)
	for _, x := range e.Exprs {
		text += " expr [ " + x.String() + " ]"
	}
	return text
}

func (e ObjRef) String() string {
	if e.Set != "" {
		return fmt.Sprintf("objref sreg %d set %s", e.Key, e.Set)
	}
	return fmt.Sprintf("objref type %d name %s", e.Type, e.Name)
}

func (e Rt) String() string { return loaded("rt", e.Key, e.Into, false) }

func (e Socket) String() string { return loaded("socket", e.Key, e.Into, false) }

func (e Exthdr) String() string {
	present := ""
	if e.Flags&1 != 0 {
		present = " present"
	}
	op := e.Op
	if op == "ipv6" {
		op = ""
	} else {
		op += " "
	}
	if e.Set {
		return fmt.Sprintf("exthdr write %sreg %d => %db @ %d + %d%s", op, e.Reg, e.Len, e.Type, e.Offset, present)
	}
	return fmt.Sprintf("exthdr load %s%db @ %d + %d%s => reg %d", op, e.Len, e.Type, e.Offset, present, e.Reg)
}

func (e ToQueue) String() string { return fmt.Sprintf("queue num %d", e.Num) }

func (e FlowOffload) String() string { return "flow_offload name " + e.Name }

func (e ConnLimit) String() string {
	over := 0
	if e.Over {
		over = 1
	}
	return fmt.Sprintf("connlimit count %d flags %d", e.Count, over)
}

func (e Xfrm) String() string {
	dir := "in"
	if e.Out {
		dir = "out"
	}
	return fmt.Sprintf("xfrm load %s %d %s => reg %d", dir, e.Index, e.Key, e.Into)
}

func (e Fwd) String() string { return "fwd" + registers("sreg_dev", e.Device, "sreg_addr", e.Addr) }

func (e Dup) String() string { return "dup" + registers("sreg_addr", e.Addr, "sreg_dev", e.Device) }

func (e Synproxy) String() string { return fmt.Sprintf("synproxy mss %d wscale %d", e.MSS, e.WScale) }

func (e Unknown) String() string { return e.Name }
