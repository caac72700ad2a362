package nft

import (
	"fmt"
	"strings"
)

func metaTerm(key string) *term {
	t, ok := metaTerms[key]
	if !ok {
		t = term{text: "meta " + key, typ: hostInteger}
	}
	t.size = uint32(t.typ.size)
	if t.size == 0 {
		t.size = 4
	}
	return &t
}

func ctTerm(e CT) *term {
	t, ok := ctTerms[e.Key]
	if !ok {
		t = term{text: e.Key, typ: hostInteger}
	}
	if t.size = uint32(t.typ.size); t.size == 0 {
		t.size = map[string]uint32{"zone": 2, "helper": 16}[e.Key]
	}
	if t.size == 0 {
		t.size = 8
	}
	t.text = optional("ct", e.Dir, t.text)
	return &t
}

func fibTerm(e Fib) *term {
	var asked []string
	for i, name := range fibFlags {
		if e.Flags>>i&1 != 0 {
			asked = append(asked, name)
		}
	}
	t := &term{text: "fib " + strings.Join(asked, " . "), typ: hostInteger, size: 4}
	switch e.Result {
	case 1:
		t.text, t.typ = t.text+" oif", ifindexType
	case 2:
		t.text, t.typ, t.size = t.text+" oifname", ifnameType, 16
	case 3:
		t.text, t.typ = t.text+" type", fibType
	}
	if e.Flags&FibPresent != 0 {
		t.typ, t.size = booleanType, 1
	}
	return t
}

func rtTerm(e Rt, network string) *term {
	switch e.Key {
	case "classid":
		return &term{text: "rt classid", typ: realmType, size: 4}
	case "nexthop4":
		return &term{text: "rt ip nexthop", typ: ipv4Addr, size: 4}
	case "nexthop6":
		return &term{text: "rt ip6 nexthop", typ: ipv6Addr, size: 16}
	case "tcpmss":
		return &term{text: "rt mtu", typ: hostInteger, size: 2}
	}
	return &term{text: "rt " + e.Key, typ: booleanType, size: 1}
}

func socketTerm(e Socket) *term {
	if e.Key == "mark" {
		return &term{text: "socket mark", typ: markType, size: 4}
	}
	return &term{text: "socket " + e.Key, typ: integerType, size: 1}
}

func xfrmTerm(e Xfrm) *term {
	text := "ipsec in"
	if e.Out {
		text = "ipsec out"
	}
	if e.Index != 0 {
		text += fmt.Sprintf(" spnum %d", e.Index)
	}
	for _, k := range []struct {
		key, text string
		typ       *dataType
		size      uint32
	}{
		{"daddr4", "ip daddr", ipv4Addr, 4},
		{"saddr4", "ip saddr", ipv4Addr, 4},
		{"daddr6", "ip6 daddr", ipv6Addr, 16},
		{"saddr6", "ip6 saddr", ipv6Addr, 16},
		{"spi", "spi", integerType, 4},
	} {
		if k.key == e.Key {
			return &term{text: text + " " + k.text, typ: k.typ, size: k.size}
		}
	}
	return &term{text: text + " " + e.Key, typ: hostInteger, size: 4}
}

func numgenTerm(e Numgen) *term {
	how, chance := "inc", "in turn"
	if e.Random {
		how, chance = "random", "at random"
	}
	return &term{text: fmt.Sprintf("numgen %s mod %d%s", how, e.Modulus, offsetText(e.Offset)), typ: hostInteger, size: 4, chance: chance}
}

func offsetText(n uint32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" offset %d", n)
}

func (x *listing) hashTerm(e Hash) *term {
	if e.Symmetric {
		return &term{text: fmt.Sprintf("symhash mod %d%s", e.Modulus, offsetText(e.Offset)), typ: hostInteger, size: 4, chance: byHash}
	}
	text := fmt.Sprintf("jhash %s mod %d", x.names(x.regs.gather(e.From, e.Len)), e.Modulus)
	if e.Seeded {
		text += fmt.Sprintf(" seed 0x%x", e.Seed)
	}
	return &term{text: text + offsetText(e.Offset), typ: hostInteger, size: 4, chance: byHash}
}

const byHash = "by a hash"

// names are terms joined to one.
func (x *listing) names(terms []*term) string {
	var all []string
	for _, t := range terms {
		name, typ := x.name(t)
		if len(t.mask) > 0 && len(all) == 0 && len(terms) == 1 && !isField(x, t) {
			name = calculated(name, typ, t.mask, t.xor)
		}
		all = append(all, name)
	}
	return strings.Join(all, " . ")
}

// isField tells that the mask takes a whole field out of the packet.
func isField(x *listing, t *term) bool {
	if !t.inPacket {
		return false
	}
	_, ok := masked(x.header(t.base), t.offset, t.mask)
	return ok
}

// The options of headers that rules look at, by their kinds (nftables, src/tcpopt.c, exthdr.c, ipopt.c).
var (
	tcpOptions = map[uint8]string{0: "eol", 1: "nop", 2: "maxseg", 3: "window", 4: "sack-perm", 5: "sack", 8: "timestamp", 19: "md5sig", 30: "mptcp", 34: "fastopen"}
	ipOptions  = map[uint8]string{7: "rr", 131: "lsrr", 137: "ssrr", 148: "ra"}
	extHeaders = map[uint8]string{0: "hbh", 43: "rt", 44: "frag", 51: "ah", 60: "dst", 135: "mh"}
	tcpParts   = map[string]field{"maxseg 2": {"size", 0, 16, integerType}, "window 2": {"count", 0, 8, integerType}, "timestamp 2": {"tsval", 0, 32, integerType}, "timestamp 6": {"tsecr", 0, 32, integerType}}
)

// exthdrTerm is a part of an extension header or option, or whether there is one.
func exthdrTerm(e Exthdr) *term {
	name, ok := "", false
	switch e.Op {
	case "tcpopt":
		name, ok = tcpOptions[e.Type]
		if part, known := tcpParts[fmt.Sprintf("%s %d", name, e.Offset)]; known && e.Flags&1 == 0 {
			return &term{text: "tcp option " + name + " " + part.name, typ: part.typ, size: e.Len}
		}
		name = "tcp option " + name
	case "ipv4":
		name, ok = ipOptions[e.Type]
		name = "ip option " + name
	case "ipv6":
		name, ok = extHeaders[e.Type]
		name = "exthdr " + name
	}
	if !ok || e.Flags&1 == 0 {
		return &term{text: fmt.Sprintf("%s option @%d,%d,%d", e.Op, e.Type, e.Offset*8, e.Len*8), typ: hexType, size: e.Len}
	}
	return &term{text: name, typ: booleanType, size: 1}
}
