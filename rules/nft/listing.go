package nft

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
)

// listing reads the expressions of a rule one after the other.
type listing struct {
	table     *Table
	links     Links
	regs      slots
	network   string // the network header's name, where it is known
	transport string
	// asked are the clauses that tell the protocol of the header at that place, which a condition on that header implies.
	asked [3]*asked
	// from is a lower bound whose upper one may follow.
	from *bound
	out  Reading
}

type asked struct {
	clause, ask int
	meta        bool
}

type bound struct {
	term *term
	data []byte
}

// take reads one expression.
func (x *listing) take(e Expr) {
	if c, ok := e.(Cmp); !ok || c.Op != "lte" {
		x.flush()
	}
	switch e := e.(type) {
	case Payload:
		x.regs.load(e.Into, &term{inPacket: true, base: e.Base, offset: e.Offset * 8, bits: e.Len * 8, size: e.Len})
	case Cmp:
		x.compare(e)
	case Range:
		if t := x.regs.at(e.Reg); t != nil {
			x.within(t, e.Op, e.From, e.To)
		}
	case Bitwise:
		x.bitwise(e)
	case ByteOrder:
		if t := x.regs.at(e.From); t != nil {
			turned := *t
			turned.turned = e.ToNetwork
			x.regs.load(e.Into, &turned)
		}
	case Lookup:
		x.lookup(e)
	case Immediate:
		if e.Verdict != nil {
			x.decide(e.Verdict.text(), e.Verdict.Chain)
			return
		}
		x.regs.load(e.Into, &term{value: e.Data, size: uint32(len(e.Data)), typ: hexType})
	case Unknown:
		x.unknown(e)
	default:
		if into, t := x.loaded(e); t != nil {
			x.regs.load(into, t)
			return
		}
		x.state(e)
	}
}

// unknown adds an expression that is not understood. A match or target of iptables has a name of its own.
func (x *listing) unknown(e Unknown) {
	text := e.Name
	if e.Name == "match" || e.Name == "target" {
		text = optional("xt", e.Name, xtName(e.Raw))
	}
	x.out.Unknown = append(x.out.Unknown, text)
	if e.Name == "match" {
		x.condition(text)
		return
	}
	x.do(Other, text, "")
}

// xtName is the name of a match or target of iptables: its first attribute (NFTA_MATCH_NAME, NFTA_TARGET_NAME).
func xtName(raw []byte) string {
	const header = 4 // struct nlattr
	if len(raw) <= header {
		return ""
	}
	name, _, _ := bytes.Cut(raw[header:], []byte{0})
	return quoted(string(name))
}

// addressed is an expression that loads an address of the family that the packet has, as one of that family where it is known:
// iptables-nft and old versions of nft do not name it.
func (x *listing) addressed(e CT) CT {
	if suffix := map[string]string{"ip": "_ip", "ip6": "_ip6"}[x.network]; suffix != "" && (e.Key == "src" || e.Key == "dst") {
		e.Key += suffix
	}
	return e
}

// loaded is what an expression loads from the kernel, and where; nil for others.
func (x *listing) loaded(e Expr) (Register, *term) {
	switch e := e.(type) {
	case Meta:
		if !e.Set {
			return e.Reg, metaTerm(e.Key)
		}
	case CT:
		if !e.Set {
			return e.Reg, ctTerm(x.addressed(e))
		}
	case Fib:
		return e.Into, fibTerm(e)
	case Rt:
		return e.Into, rtTerm(e, x.network)
	case Socket:
		return e.Into, socketTerm(e)
	case Exthdr:
		if !e.Set {
			return e.Reg, exthdrTerm(e)
		}
	case Xfrm:
		return e.Into, xfrmTerm(e)
	case Numgen:
		return e.Into, numgenTerm(e)
	case Hash:
		return e.Into, x.hashTerm(e)
	}
	return 0, nil
}

// pieces are the fields that a term of the packet is.
func (x *listing) pieces(t *term) []piece {
	header := x.header(t.base)
	if len(t.mask) > 0 {
		if p, ok := masked(header, t.offset, t.mask); ok {
			return []piece{p}
		}
	}
	return cover(header, t.base, t.offset, t.bits)
}

// header is the name of the header at a place, as far as the rule has told the protocol.
func (x *listing) header(base Header) string {
	switch base {
	case LinkHeader:
		return "ether"
	case NetworkHeader:
		return x.network
	case TransportHeader:
		if x.transport == "" {
			return "th"
		}
		return x.transport
	}
	return ""
}

// name gives a term its name and type, and drops what told the protocol, which the name says.
func (x *listing) name(t *term) (string, *dataType) {
	if t.value != nil {
		return t.typ.say(network(t.value, t.host())), t.typ
	}
	if !t.inPacket {
		return t.text, t.typ
	}
	x.implied(t.base)
	p := x.pieces(t)
	return p[0].text(), p[0].typ
}

// implied drops the condition that told which header lies there.
func (x *listing) implied(base Header) {
	if int(base) >= len(x.asked) || x.asked[base] == nil {
		return
	}
	if a := x.asked[base]; a.meta || base == NetworkHeader {
		x.out.clauses[a.clause].dropped = true
		x.out.Asks[a.ask].Implied = true
	}
	x.asked[base] = nil
	if base == TransportHeader && (x.transport == "icmp" && x.network == "ip" || x.transport == "icmpv6" && x.network == "ip6") {
		x.implied(NetworkHeader)
	}
}

// ask adds a condition.
func (x *listing) ask(what, op, values string) {
	x.out.Asks = append(x.out.Asks, Ask{What: what, Op: op, Values: values})
	x.clause(optional(what, op, values))
}

func (x *listing) clause(text string) { x.out.clauses = append(x.out.clauses, clause{text: text}) }

var cmpSigns = map[string]string{"eq": "", "neq": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

// compare is a condition on a register.
func (x *listing) compare(e Cmp) {
	t := x.regs.at(e.Reg)
	if t == nil {
		x.ask(fmt.Sprintf("[reg %d]", e.Reg), cmpSigns[e.Op], Data(e.Data))
		return
	}
	switch {
	case e.Op == "gte":
		x.flush()
		x.from = &bound{t, e.Data}
		return
	case e.Op == "lte" && x.from != nil && x.from.term == t:
		low := x.from.data
		x.from = nil
		x.within(t, "eq", low, e.Data)
		return
	}
	x.flush()
	x.equals(t, e.Op, e.Data)
}

// flush writes a lower bound that no upper one has followed.
func (x *listing) flush() {
	if f := x.from; f != nil {
		x.from = nil
		x.equals(f.term, "gte", f.data)
	}
}

// within is a condition on a range, ends included.
func (x *listing) within(t *term, op string, low, high []byte) {
	name, typ := x.name(t)
	text := typ.say(network(low, t.host())) + "-" + typ.say(network(high, t.host()))
	x.ask(name, cmpSigns[op], text)
}

// equals compares a term with a value.
func (x *listing) equals(t *term, op string, data []byte) {
	b := network(data, t.host())
	sign := cmpSigns[op]
	if !t.inPacket {
		if len(t.mask) > 0 {
			x.masked(t.text, t.typ, t.mask, t.xor, op, b)
			return
		}
		values := t.typ.say(b)
		if full := uint32(t.typ.size * 8); t.typ.prefixes() && uint32(len(b)*8) < full {
			values = prefixText(t.typ, b, uint32(len(b)*8), full)
		}
		if t.typ == ifindexType {
			values = x.link(b)
		}
		sign, values = t.typ.whole(op, sign, values, b)
		x.told(t, op, b, x.asking(t.text, sign, values))
		return
	}
	header := x.header(t.base)
	if len(t.mask) > 0 {
		x.implied(t.base)
		if p, ok := masked(header, t.offset, t.mask); ok {
			x.ask(p.text(), sign, p.typ.say(cut(b, p.offset-t.offset, p.bits)))
			return
		}
		p := cover(header, t.base, t.offset, t.bits)[0]
		x.masked(p.text(), p.typ, t.mask, t.xor, op, b)
		return
	}
	from := uint32(0)
	for _, p := range cover(header, t.base, t.offset, t.bits) {
		x.implied(t.base)
		value := cut(b, from, p.take)
		sign, text := p.typ.whole(op, sign, prefixText(p.typ, value, p.take, p.bits), value)
		a := x.asking(p.text(), sign, text)
		x.toldField(p, op, value, a)
		from += p.take
	}
}

// asking adds a condition and tells where it is.
func (x *listing) asking(what, op, values string) asked {
	x.ask(what, op, values)
	return asked{clause: len(x.out.clauses) - 1, ask: len(x.out.Asks) - 1}
}

// link is an interface by its number.
func (x *listing) link(b []byte) string {
	n := uint32(0)
	for _, c := range b {
		n = n<<8 | uint32(c)
	}
	if name, ok := x.links[n]; ok {
		return quoted(name)
	}
	return fmt.Sprint(n)
}

// told notes what a condition says of the protocol.
func (x *listing) told(t *term, op string, b []byte, a asked) {
	if op != "eq" || len(b) == 0 {
		return
	}
	a.meta = true
	switch t.text {
	case "meta nfproto":
		x.network = map[byte]string{byte(IPv4): "ip", byte(IPv6): "ip6"}[b[0]]
		x.asked[NetworkHeader] = &a
	case "meta protocol":
		x.network = networks[string(b)]
		x.asked[NetworkHeader] = &a
	case "meta l4proto":
		x.transport = transports[b[0]]
		x.asked[TransportHeader] = &a
	case "meta iiftype", "meta oiftype":
		x.asked[LinkHeader] = &a
	}
}

// networks are the headers by the number that link layers have for them.
var networks = map[string]string{"\x08\x00": "ip", "\x86\xdd": "ip6", "\x08\x06": "arp"}

// toldField notes what a field says of the header behind it.
func (x *listing) toldField(p piece, op string, b []byte, a asked) {
	if op != "eq" || len(b) == 0 {
		return
	}
	switch p.typ {
	case inetProto:
		x.transport = transports[b[len(b)-1]]
		x.asked[TransportHeader] = &a
	case etherType:
		x.network = networks[string(b)]
		x.asked[NetworkHeader] = &a
	}
}

// whole is how nft writes a comparison with all bits of a type of flags: without the == it would ask for any of them, and
// several in words too.
func (t *dataType) whole(op, sign, values string, b []byte) (string, string) {
	if !t.mask || op != "eq" && op != "neq" {
		return sign, values
	}
	if op == "eq" {
		sign = "=="
	}
	if strings.Contains(values, ",") {
		values = fmt.Sprintf("0x%x", new(big.Int).SetBytes(b))
	}
	return sign, values
}

// masked compares bits of a term.
func (x *listing) masked(name string, t *dataType, mask, xor []byte, op string, b []byte) {
	lead, ones, _ := run(mask)
	switch {
	case t.mask && zero(b) && zero(xor) && op == "neq":
		x.ask(name, "", t.say(mask))
	case t.mask && zero(b) && zero(xor) && op == "eq":
		x.ask(name, "!", t.say(mask))
	case t.prefixes() && zero(mask) && zero(xor) && zero(b) && op == "eq":
		x.ask(name, "", t.say(b)+"/0")
	case lead == 0 && zero(xor) && (op == "eq" || op == "neq") && int(ones) < 8*len(mask) && !t.mask && bytes.Equal(mask, prefixMask(ones, len(mask))):
		x.ask(name, cmpSigns[op], fmt.Sprintf("%s/%d", t.say(b), ones))
	case t.mask && zero(xor) && (op == "eq" || op == "neq") && strings.Contains(t.say(mask), ","):
		x.ask(name, cmpSigns[op], t.say(b)+" / "+t.say(mask))
	default:
		sign := cmpSigns[op]
		if sign == "" {
			sign = "=="
		}
		x.ask(calculated(name, t, mask, xor), sign, t.say(b))
	}
}

func prefixMask(n uint32, size int) []byte {
	b := make([]byte, size)
	for i := range n {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b
}

// calculated writes (name & mask) ^ xor as nft does, with the bits that are set whatever they were behind a |.
func calculated(name string, t *dataType, mask, xor []byte) string {
	set := joined(inverted(mask), xor, func(m, x byte) byte { return m & x })
	turned := joined(mask, xor, func(m, x byte) byte { return m & x })
	keep := joined(mask, set, func(m, s byte) byte { return m | s })
	text := name
	if !zero(inverted(keep)) {
		text += " & " + t.bitsText(keep)
	}
	if !zero(turned) {
		text += " ^ " + t.bitsText(turned)
	}
	if !zero(set) {
		text += " | " + t.bitsText(set)
	}
	return text
}

// bitsText writes a mask within a computation.
func (t *dataType) bitsText(b []byte) string {
	if t.mask && len(b) <= 8 {
		n := uint64(0)
		for _, c := range b {
			n = n<<8 | uint64(c)
		}
		if text := t.flags(n, " | "); strings.Contains(text, "|") {
			return "(" + text + ")"
		}
	}
	return t.say(b)
}

// bitwise computes with a term.
func (x *listing) bitwise(e Bitwise) {
	t := x.regs.at(e.From)
	if t == nil {
		return
	}
	computed := *t
	if e.Op != 0 {
		name, typ := x.name(t)
		sign := map[uint32]string{1: "<<", 2: ">>"}[e.Op]
		computed = term{text: fmt.Sprintf("%s %s %s", name, sign, hostInteger.say(network(e.Shift, true))), typ: typ, size: t.size}
	} else {
		computed.mask, computed.xor = network(e.Mask, t.host()), network(e.Xor, t.host())
	}
	x.regs.load(e.Into, &computed)
}
