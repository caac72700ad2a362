package nft

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Expr is one step of a rule (struct nft_expr). String is its form in nft --debug=netlink.
type Expr interface{ String() string }

// Register is one of the machine's registers: 0 the verdict, 1 to 4 of 16 bytes each, 8 to 23
// of 4 bytes, which lie in the same room (enum nft_registers).
type Register uint32

// Verdict is what becomes of a packet (enum nft_verdicts).
type Verdict struct {
	Code  VerdictCode
	Chain string // to jump or go to
}

// VerdictCode is the kind of a verdict.
type VerdictCode int32

// The kinds.
const (
	Drop     VerdictCode = 0
	Accept   VerdictCode = 1
	Queue    VerdictCode = 3
	Continue VerdictCode = -1
	Break    VerdictCode = -2
	Jump     VerdictCode = -3
	Goto     VerdictCode = -4
	Return   VerdictCode = -5
)

var verdictNames = map[VerdictCode]string{
	Drop: "drop", Accept: "accept", Queue: "queue", Continue: "continue", Break: "break", Jump: "jump", Goto: "goto", Return: "return",
}

// String is accept, drop, jump -> CHAIN …
func (v Verdict) String() string {
	name, ok := verdictNames[v.Code]
	if !ok {
		name = fmt.Sprintf("verdict %d", v.Code)
	}
	if v.Chain != "" {
		name += " -> " + v.Chain
	}
	return name
}

// Data prints bytes of a register as 32-bit words of this machine, as nft does.
func Data(b []byte) string {
	var words []string
	for len(b) > 0 {
		word := make([]byte, 4)
		copy(word, b)
		words = append(words, fmt.Sprintf("0x%08x", binary.NativeEndian.Uint32(word)))
		b = b[min(4, len(b)):]
	}
	return strings.Join(words, " ")
}

type (
	// Payload loads a part of the packet into a register.
	Payload struct {
		Base        Header
		Offset, Len uint32
		Into        Register
	}
	// PayloadSet writes a register into the packet.
	PayloadSet struct {
		Base                         Header
		Offset, Len                  uint32
		From                         Register
		CsumType, CsumOff, CsumFlags uint32
	}
	// Meta loads what the kernel knows of the packet; with Set it writes it.
	Meta struct {
		Key string
		Reg Register
		Set bool
	}
	// CT loads what connection tracking knows of the packet; with Set it writes it.
	CT struct {
		Key string
		Dir string // original, reply or ""
		Reg Register
		Set bool
	}
	// Cmp goes on where the register compares so.
	Cmp struct {
		Op   string // eq neq lt lte gt gte
		Reg  Register
		Data []byte
	}
	// Range goes on where the register lies in it (eq) or does not (neq).
	Range struct {
		Op       string
		Reg      Register
		From, To []byte
	}
	// Bitwise computes (register & Mask) ^ Xor, or shifts.
	Bitwise struct {
		From, Into Register
		Len        uint32
		Op         uint32 // 0: mask and xor, 1 left shift, 2 right shift
		Mask, Xor  []byte
		Shift      []byte
	}
	// ByteOrder turns numbers of a register around.
	ByteOrder struct {
		From, Into Register
		ToNetwork  bool
		Len, Size  uint32
	}
	// Lookup finds a register's value in a set; in a map it loads what is there.
	Lookup struct {
		Set  string
		Key  Register
		Into Register
		Map  bool
		Not  bool
	}
	// Immediate loads a value, or ends with a verdict.
	Immediate struct {
		Into    Register
		Data    []byte
		Verdict *Verdict
	}
	// NAT translates the flow.
	NAT struct {
		Source                               bool
		Family                               Family
		AddrMin, AddrMax, ProtoMin, ProtoMax Register // 0: not given
		Flags                                NATFlags
	}
	// Masq translates to the outgoing interface's address.
	Masq struct {
		ProtoMin, ProtoMax Register
		Flags              NATFlags
	}
	// Redir translates to this host.
	Redir struct {
		ProtoMin, ProtoMax Register
		Flags              NATFlags
	}
	// TProxy gives the packet to a socket of this host.
	TProxy struct {
		Family     Family
		Addr, Port Register
	}
	// NoTrack leaves the packet untracked.
	NoTrack struct{}
	// Counter counts.
	Counter struct{ Packets, Bytes uint64 }
	// Reject answers and drops.
	Reject struct{ Type, Code uint32 }
	// Log writes to the kernel's log, or to a group of listeners.
	Log struct {
		Prefix              string
		Level, Flags        uint32
		Group               uint32
		ToGroup             bool
		Snaplen, QThreshold uint32
	}
	// Limit goes on at most so often.
	Limit struct {
		Rate, Unit  uint64
		Burst, Type uint32
		Flags       uint32
	}
	// Quota goes on until so many bytes were seen; with Over only from then on.
	Quota struct {
		Bytes, Used uint64
		Over        bool
	}
	// Fib asks the routes.
	Fib struct {
		Into   Register
		Result uint32
		Flags  uint32
	}
	// Numgen makes a number, one after the other or at random.
	Numgen struct {
		Into            Register
		Modulus, Offset uint32
		Random          bool
	}
	// Hash makes a number of a register (jhash), or of the whole packet (symhash).
	Hash struct {
		From, Into         Register
		Len, Modulus, Seed uint32
		Offset             uint32
		Symmetric          bool
		Seeded             bool // with the seed that was asked for, else with one by chance
	}
	// Dynset puts a register into a set.
	Dynset struct {
		Set     string
		Op      uint32
		Key     Register
		Data    Register
		Timeout uint64
		Exprs   Exprs
	}
	// ObjRef uses a named object.
	ObjRef struct {
		Type uint32
		Name string
		// Key and Set where the name comes out of a map.
		Key Register
		Set string
	}
	// Rt loads something of the packet's route.
	Rt struct {
		Key  string
		Into Register
	}
	// Socket loads something of the socket that the packet is for.
	Socket struct {
		Key  string
		Into Register
	}
	// Exthdr loads, or with Set writes, a part of an extension header or option.
	Exthdr struct {
		Op                 string // ipv6, tcpopt, ipv4, sctp
		Type               uint8
		Offset, Len, Flags uint32
		Reg                Register
		Set                bool
	}
	// ToQueue hands the packet to a program.
	ToQueue struct {
		Num, Total, Flags uint32
		Chosen            bool // the queue's number stands in a register
	}
	// FlowOffload has the rest of the connection pass beside the rules.
	FlowOffload struct{ Name string }
	// ConnLimit goes on where an address has no more connections than that; with Over where it has more.
	ConnLimit struct {
		Count uint32
		Over  bool
	}
	// Xfrm loads something of the packet's IPsec state.
	Xfrm struct {
		Key   string
		Out   bool
		Index uint32
		Into  Register
	}
	// Fwd sends the packet out by an interface, from the ingress of another.
	Fwd struct {
		Device, Addr Register
		Family       Family
	}
	// Dup sends a copy of the packet.
	Dup struct{ Addr, Device Register }
	// Synproxy answers a TCP handshake in the server's place.
	Synproxy struct{ MSS, WScale, Flags uint32 }
	// Unknown is an expression that is not understood, kept with its attributes.
	Unknown struct {
		Name string
		Raw  []byte
	}
)

// Header is the header that an offset counts from.
type Header uint32

// The headers (enum nft_payload_bases).
const (
	LinkHeader Header = iota
	NetworkHeader
	TransportHeader
	InnerHeader
	TunnelHeader
)

func (b Header) String() string {
	names := [...]string{"link", "network", "transport", "inner", "tunnel"}
	if int(b) < len(names) {
		return names[b]
	}
	return fmt.Sprint(uint32(b))
}

// NATFlags say how an address or port is chosen (NF_NAT_RANGE_*).
type NATFlags uint32

// The flags.
const (
	NATMapIPs NATFlags = 1 << iota
	NATProtoSpecified
	NATProtoRandom
	NATPersistent
	NATProtoRandomFully
	NATProtoOffset
	NATNetmap
)
