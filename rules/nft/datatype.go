package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
)

// dataType is how values are written (nftables, include/datatype.h).
type dataType struct {
	name string
	// host is set where the kernel holds the value in this machine's byte order; others are in network order.
	host bool
	// size is that of a value in bytes; 0 where it varies.
	size int
	// names are those of single values, or of single bits in a mask.
	names map[uint64]string
	mask  bool
	hex   bool
	text  func(b []byte) string // instead of a number
}

var (
	integerType  = &dataType{name: "integer"}
	hostInteger  = &dataType{name: "integer", host: true}
	hexType      = &dataType{name: "integer", hex: true}
	textType     = &dataType{name: "string", text: quotedText}
	familyType   = &dataType{name: "nf_proto", size: 1, names: familyValues}
	etherAddr    = &dataType{name: "ether_addr", size: 6, text: hardwareText}
	ipv4Addr     = &dataType{name: "ipv4_addr", size: 4, text: addressText}
	ipv6Addr     = &dataType{name: "ipv6_addr", size: 16, text: addressText}
	etherType    = &dataType{name: "ether_type", size: 2, names: etherTypes, hex: true}
	arpOp        = &dataType{name: "arp_op", size: 2, names: arpOps}
	inetProto    = &dataType{name: "inet_proto", size: 1, names: protocolNames}
	inetService  = &dataType{name: "inet_service", size: 2}
	icmpType     = &dataType{name: "icmp_type", size: 1, names: icmpTypes}
	icmpCode     = &dataType{name: "icmp_code", size: 1, names: icmpCodes}
	icmpv6Type   = &dataType{name: "icmpv6_type", size: 1, names: icmpv6Types}
	icmpv6Code   = &dataType{name: "icmpv6_code", size: 1, names: icmpv6Codes}
	icmpxCode    = &dataType{name: "icmpx_code", size: 1, names: icmpxCodes}
	tcpFlag      = &dataType{name: "tcp_flag", size: 1, names: tcpFlags, mask: true}
	durationType = &dataType{name: "time", host: true, size: 4}
	markType     = &dataType{name: "mark", host: true, size: 4, hex: true}
	ifindexType  = &dataType{name: "iface_index", host: true, size: 4}
	ifnameType   = &dataType{name: "ifname", size: 16, text: interfaceText}
	arpHardware  = &dataType{name: "iface_type", host: true, size: 2, names: hardwareNames}
	userType     = &dataType{name: "uid", host: true, size: 4}
	groupType    = &dataType{name: "gid", host: true, size: 4}
	ctState      = &dataType{name: "ct_state", host: true, size: 4, names: ctStates, mask: true}
	ctDirection  = &dataType{name: "ct_dir", size: 1, names: map[uint64]string{0: "original", 1: "reply"}}
	ctStatus     = &dataType{name: "ct_status", host: true, size: 4, names: ctStatuses, mask: true}
	ctEvent      = &dataType{name: "ct_event", host: true, size: 4, names: ctEvents, mask: true}
	ctLabel      = &dataType{name: "ct_label", host: true, size: 16, hex: true}
	packetType   = &dataType{name: "pkt_type", size: 1, names: packetTypes}
	deviceGroup  = &dataType{name: "devgroup", host: true, size: 4, names: map[uint64]string{0: "default"}, hex: true}
	dscpType     = &dataType{name: "dscp", size: 1, names: dscpNames, hex: true}
	ecnType      = &dataType{name: "ecn", size: 1, names: map[uint64]string{0: "not-ect", 1: "ect1", 2: "ect0", 3: "ce"}}
	fibType      = &dataType{name: "fib_addrtype", host: true, size: 4, names: fibTypes}
	booleanType  = &dataType{name: "boolean", size: 1, names: map[uint64]string{0: "missing", 1: "exists"}}
	igmpType     = &dataType{name: "igmp_type", size: 1, names: igmpTypes}
	dayType      = &dataType{name: "day", size: 1, names: map[uint64]string{0: `"Sunday"`, 1: `"Monday"`, 2: `"Tuesday"`, 3: `"Wednesday"`, 4: `"Thursday"`, 5: `"Friday"`, 6: `"Saturday"`}}
	hourType     = &dataType{name: "hour", host: true, size: 4}
	timeType     = &dataType{name: "time", host: true, size: 8}
	classType    = &dataType{name: "classid", host: true, size: 4, text: classText}
	realmType    = &dataType{name: "realm", host: true, size: 4, names: map[uint64]string{0: "default"}}
)

// numbered are the types by the numbers that nft keeps with sets (enum datatypes).
var numbered = map[uint32]*dataType{
	2: familyType, 4: integerType, 5: textType, 6: etherAddr, 7: ipv4Addr, 8: ipv6Addr, 9: etherAddr, 10: etherType, 11: arpOp, 12: inetProto, 13: inetService,
	14: icmpType, 15: tcpFlag, 18: durationType, 19: markType, 20: ifindexType, 21: arpHardware, 22: realmType, 23: classType, 24: userType, 25: groupType,
	26: ctState, 27: ctDirection, 28: ctStatus, 29: icmpv6Type, 30: ctLabel, 31: packetType, 32: icmpCode, 33: icmpv6Code, 34: icmpxCode, 35: deviceGroup,
	36: dscpType, 37: ecnType, 38: fibType, 39: booleanType, 40: ctEvent, 41: ifnameType, 42: igmpType, 43: timeType, 44: hourType, 45: dayType,
}

// typesOf are the types of a set's keys or values: the number has six bits for each part of a concatenation, the last
// part lowest.
func typesOf(number uint32) []*dataType {
	const bits = 6
	var all []*dataType
	for ; number != 0; number >>= bits {
		t := numbered[number&(1<<bits-1)]
		if t == nil {
			t = hexType
		}
		all = append(all, t)
	}
	slices.Reverse(all)
	return all
}

// network is a value in network order.
func network(b []byte, host bool) []byte {
	if !host || binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return b
	}
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}

// say writes a value in network order.
func (t *dataType) say(b []byte) string {
	if t.text != nil {
		return t.text(b)
	}
	n := new(big.Int).SetBytes(b)
	if !n.IsUint64() {
		return "0x" + n.Text(16)
	}
	if t.mask {
		return t.flags(n.Uint64(), ",")
	}
	if name, ok := t.names[n.Uint64()]; ok {
		return name
	}
	switch t {
	case markType:
		return fmt.Sprintf("0x%08x", n)
	case durationType:
		return duration(n.Uint64()) // the kernel has it in milliseconds
	case hourType:
		return fmt.Sprintf("\"%02d:%02d\"", n.Uint64()/3600, n.Uint64()/60%60)
	}
	if t.hex {
		return fmt.Sprintf("0x%0*x", 2*len(b), n)
	}
	return n.String()
}

// flags writes the bits of a mask by their names, and as a number where one has none.
func (t *dataType) flags(n uint64, between string) string {
	var all []string
	for bit := uint64(1); bit != 0 && bit <= n; bit <<= 1 {
		if n&bit == 0 {
			continue
		}
		name, ok := t.names[bit]
		if !ok {
			return fmt.Sprintf("0x%x", n)
		}
		all = append(all, name)
	}
	if len(all) == 0 {
		return "0x0"
	}
	return strings.Join(all, between)
}

func addressText(b []byte) string {
	a, ok := netip.AddrFromSlice(b)
	switch {
	case !ok:
		return fmt.Sprintf("0x%x", b)
	case a.Is4In6():
		return "::ffff:" + a.Unmap().String()
	case a.Is6() && b[12]|b[13] != 0 && bytes.Count(b[:12], []byte{0}) == 12: // as inet_ntop does
		return fmt.Sprintf("::%d.%d.%d.%d", b[12], b[13], b[14], b[15])
	}
	return a.String()
}

func hardwareText(b []byte) string {
	var parts []string
	for _, x := range b {
		parts = append(parts, fmt.Sprintf("%02x", x))
	}
	return strings.Join(parts, ":")
}

// quotedText is a string up to its NUL.
func quotedText(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return `"` + string(text) + `"`
}

// interfaceText is the name of an interface; without its NUL it stands for all that begin so.
func interfaceText(b []byte) string {
	text, _, whole := bytes.Cut(b, []byte{0})
	if !whole && len(b) < 16 {
		return `"` + string(text) + `*"`
	}
	return `"` + string(text) + `"`
}

func classText(b []byte) string {
	if len(b) != 4 {
		return fmt.Sprintf("0x%x", b)
	}
	switch n := binary.BigEndian.Uint32(b); n {
	case 0:
		return "none"
	case 1<<32 - 1:
		return "root"
	default:
		return fmt.Sprintf("%x:%x", n>>16, n&0xffff)
	}
}

// duration writes milliseconds: 1h30m.
func duration(ms uint64) string {
	if ms == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, unit := range []struct {
		ms   uint64
		name string
	}{{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}} {
		if n := ms / unit.ms; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
			ms -= n * unit.ms
		}
	}
	return b.String()
}
