package nft

import (
	"fmt"
	"strings"
)

// text is a verdict as nft writes it.
func (v Verdict) text() string {
	if v.Chain != "" {
		return verdictNames[v.Code] + " " + v.Chain
	}
	return v.String()
}

// do adds what the rule does.
func (x *listing) do(kind DeedKind, text, to string) { x.does(Deed{Kind: kind, Text: text, To: to}) }

func (x *listing) does(d Deed) {
	x.out.Does = append(x.out.Does, d)
	x.clause(d.Text)
}

// from notes the map that a deed's place comes out of.
func (d *Deed) from(t *term) {
	if t != nil && t.mapped != nil && d.Map == nil {
		d.Map, d.Key, d.Chance = t.mapped, t.key, t.chance
	}
}

func (x *listing) decide(text, to string) { x.do(Decides, text, to) }

// state adds a statement.
func (x *listing) state(e Expr) {
	switch e := e.(type) {
	case NAT:
		x.nat(e)
	case Masq:
		x.plain(Masquerades, "masquerade", e.ProtoMin, e.ProtoMax, e.Flags)
	case Redir:
		x.plain(Redirects, "redirect", e.ProtoMin, e.ProtoMax, e.Flags)
	case TProxy:
		x.tproxy(e)
	case Counter:
		x.do(Counts, fmt.Sprintf("counter packets %d bytes %d", e.Packets, e.Bytes), "")
	case Reject:
		x.decide(x.rejectText(e), "")
	case Log:
		x.do(Logs, logText(e), "")
	case Limit:
		x.condition(limitText(e))
	case Quota:
		x.condition(quotaText(e))
	case ConnLimit:
		x.condition(connlimitText(e))
	case Meta:
		x.set("meta "+metaNames[e.Key], metaTerm(e.Key), e.Reg)
	case CT:
		x.set(ctTerm(e).text, ctTerm(e), e.Reg)
	case PayloadSet:
		x.write(e)
	case Exthdr:
		x.set(exthdrTerm(e).text, exthdrTerm(e), e.Reg)
	case Dynset:
		x.dynset(e)
	case ObjRef:
		x.object(e)
	default:
		x.other(e)
	}
}

// condition is a statement that lets only some packets go on.
func (x *listing) condition(text string) {
	x.out.Asks = append(x.out.Asks, Ask{What: text})
	x.clause(text)
}

func (x *listing) other(e Expr) {
	switch e := e.(type) {
	case NoTrack:
		x.do(Other, "notrack", "")
	case ToQueue:
		x.decide(queueText(e), "")
	case FlowOffload:
		x.do(Other, "flow add @"+e.Name, "")
	case Fwd:
		text := "fwd to " + x.operand(e.Device, ifindexType)
		if e.Addr != 0 {
			addr := ipv4Addr
			if e.Family == IPv6 {
				addr = ipv6Addr
			}
			text = "fwd " + e.Family.String() + " to " + x.operand(e.Addr, addr) + " device " + x.operand(e.Device, ifindexType)
		}
		x.decide(text, "")
	case Dup:
		x.do(Other, optional("dup to", x.operand(e.Addr, x.address(0)), x.operand(e.Device, ifindexType)), "")
	case Synproxy:
		text := fmt.Sprintf("synproxy mss %d wscale %d", e.MSS, e.WScale)
		for _, f := range []struct {
			bit  uint32
			name string
		}{{8, " timestamp"}, {4, " sack-perm"}} {
			if e.Flags&f.bit != 0 {
				text += f.name
			}
		}
		x.do(Other, text, "")
	default:
		x.do(Other, "["+e.String()+"]", "")
	}
}

// metaNames are the keys that statements set, by nft's words.
var metaNames = map[string]string{"mark": "mark", "priority": "priority", "nftrace": "nftrace", "pkttype": "pkttype", "secmark": "secmark", "broute": "broute"}

// set is a statement that writes a register somewhere.
func (x *listing) set(what string, target *term, from Register) {
	text := what + " set " + x.computed(from, target.typ)
	kind := Other
	if strings.HasSuffix(what, " mark") {
		kind = Marks
	}
	x.do(kind, text, "")
}

// computed is what a register has, for something of a type.
func (x *listing) computed(r Register, typ *dataType) string {
	t := x.regs.at(r)
	switch {
	case t == nil:
		return fmt.Sprintf("[reg %d]", r)
	case t.value != nil:
		if typ == ifindexType {
			return x.link(network(t.value, true))
		}
		return typ.say(network(t.value, typ.host))
	}
	name, own := x.name(t)
	if len(t.mask) > 0 && !isField(x, t) {
		return calculated(name, own, t.mask, t.xor)
	}
	return name
}

// operand is computed, "" for a register that is not given.
func (x *listing) operand(r Register, typ *dataType) string {
	if r == 0 {
		return ""
	}
	return x.computed(r, typ)
}

// address is the type of addresses of a family, or of the table's.
func (x *listing) address(f Family) *dataType {
	if f == IPv6 || f == 0 && x.table.Family == IPv6 {
		return ipv6Addr
	}
	return ipv4Addr
}

func (f NATFlags) text() string {
	var all []string
	for _, x := range []struct {
		flag NATFlags
		name string
	}{{NATProtoRandom, "random"}, {NATProtoRandomFully, "fully-random"}, {NATPersistent, "persistent"}} {
		if f&x.flag != 0 {
			all = append(all, x.name)
		}
	}
	return strings.Join(all, ",")
}

// span is a range of two registers.
func (x *listing) span(low, high Register, typ *dataType) string {
	if low == 0 {
		return ""
	}
	a, b := x.regs.at(low), x.regs.at(high)
	if high == 0 || high == low || a == nil || b == nil || a.value == nil || b.value == nil {
		return x.computed(low, typ)
	}
	if typ == inetService {
		return x.computed(low, typ) + "-" + x.computed(high, typ)
	}
	return intervalText(typ, a.value, b.value)
}

// nat is dnat or snat.
func (x *listing) nat(e NAT) {
	text := "dnat"
	if e.Source {
		text = "snat"
	}
	if t := x.regs.at(e.AddrMin); e.Family != x.table.Family || t != nil && len(t.parts) > 1 {
		text += " " + e.Family.String()
	}
	if e.Flags&NATNetmap != 0 {
		text += " prefix"
	}
	d := Deed{Kind: Translates, Source: e.Source, Whole: e.Flags&NATNetmap != 0, Flags: e.Flags, To: x.destination(e)}
	addr, port := x.regs.at(e.AddrMin), x.regs.at(e.ProtoMin)
	d.from(addr)
	d.from(port)
	switch {
	case addr != nil && addr.value != nil && port != nil && port.mapped != nil:
		d.Before = x.computed(e.AddrMin, x.address(e.Family)) + ":"
	case addr != nil && addr.mapped != nil && port != nil && port.value != nil:
		d.After = ":" + x.span(e.ProtoMin, e.ProtoMax, inetService)
	}
	d.Text = optional(text+" to "+d.To, e.Flags.text())
	x.does(d)
}

// destination is where nat leads.
func (x *listing) destination(e NAT) string {
	typ := x.address(e.Family)
	if t := x.regs.at(e.AddrMin); t != nil && t.mapped != nil && x.regs.within(e.ProtoMin) == t {
		return t.text // which has the port too
	}
	addr := x.span(e.AddrMin, e.AddrMax, typ)
	port := x.span(e.ProtoMin, e.ProtoMax, inetService)
	if port == "" {
		return addr
	}
	if typ == ipv6Addr && addr != "" && !strings.Contains(addr, " map ") {
		addr = "[" + addr + "]"
		addr = strings.Replace(addr, "-", "]-[", 1)
	}
	return addr + ":" + port
}

// plain is masquerade or redirect.
func (x *listing) plain(kind DeedKind, what string, low, high Register, flags NATFlags) {
	d := Deed{Kind: kind, Flags: flags, To: x.span(low, high, inetService)}
	if d.To != "" {
		what += " to :" + d.To
	}
	d.from(x.regs.at(low))
	d.Text = optional(what, flags.text())
	x.does(d)
}

func (x *listing) tproxy(e TProxy) {
	text := "tproxy"
	if e.Family != x.table.Family && e.Family != 0 && e.Family != INet {
		text += " " + e.Family.String()
	}
	to, port := x.operand(e.Addr, x.address(e.Family)), x.operand(e.Port, inetService)
	if port != "" {
		if strings.Contains(to, ":") {
			to = "[" + to + "]"
		}
		to += ":" + port
	}
	x.do(Proxies, text+" to "+to, to)
}

// write puts a register into the packet.
func (x *listing) write(e PayloadSet) {
	t := x.regs.at(e.From)
	header := x.header(e.Base)
	p := cover(header, e.Base, e.Offset*8, e.Len*8)[0]
	if t != nil && t.inPacket && len(t.mask) > 0 {
		if f, ok := masked(header, t.offset, inverted(t.mask)); ok {
			x.do(Other, f.text()+" set "+f.typ.say(cut(t.xor, f.offset-t.offset, f.bits)), "")
			return
		}
	}
	if e.Base == LinkHeader {
		x.implied(LinkHeader)
	}
	x.do(Other, p.text()+" set "+x.computed(e.From, p.typ), "")
}

var dynsetOps = [...]string{"add", "update", "delete"}

func (x *listing) dynset(e Dynset) {
	s := x.table.Set(e.Set)
	size := uint32(4)
	if s != nil {
		size = s.KeyLen
	}
	text := fmt.Sprintf("%s @%s { %s", dynsetOps[min(e.Op, 2)], e.Set, x.names(x.regs.gather(e.Key, size)))
	if e.Timeout != 0 {
		text += " timeout " + duration(e.Timeout)
	}
	inner := listing{table: x.table, links: x.links}
	for _, each := range e.Exprs {
		inner.take(each)
	}
	text = optional(text, inner.out.Text())
	if e.Data != 0 {
		typ := hexType
		if s != nil && len(typesOf(s.DataType)) > 0 {
			typ = typesOf(s.DataType)[0]
		}
		text += " : " + x.computed(e.Data, typ)
	}
	x.do(Other, text+" }", "")
}

// objectKinds are how rules use named objects, by their numbers (NFT_OBJECT_*).
var objectKinds = map[uint32]string{
	1: "counter name ", 2: "quota name ", 3: "ct helper set ", 4: "limit name ", 5: "connlimit name ", 6: "tunnel name ", 7: "ct timeout set ", 8: "meta secmark set ",
	9: "ct expectation set ", 10: "synproxy name ",
}

func (x *listing) object(e ObjRef) {
	if e.Set == "" {
		x.do(Other, objectKinds[e.Type]+quoted(e.Name), "")
		return
	}
	s := x.table.Set(e.Set)
	if s == nil {
		x.do(Other, "[objref "+e.Set+"]", "")
		return
	}
	terms := x.regs.gather(e.Key, s.KeyLen)
	x.do(Other, objectKinds[s.ObjectType]+x.names(terms)+" map "+x.setText(s, terms), "")
}

// Codes that nft leaves out, and the types of reject (enum nft_reject_types).
const (
	rejectICMP, rejectReset, rejectEither = 0, 1, 2
	portUnreachable4, portUnreachable6    = 3, 4
	portUnreachableEither                 = 1
)

func (x *listing) rejectText(e Reject) string {
	code := uint64(e.Code)
	switch e.Type {
	case rejectReset:
		return "reject with tcp reset"
	case rejectEither:
		if code == portUnreachableEither {
			return "reject"
		}
		return "reject with icmpx " + named(icmpxCodes, code)
	}
	ipv6, plain := x.network == "ip6", x.table.Family == IPv4 || x.table.Family == IPv6
	x.implied(NetworkHeader)
	switch {
	case ipv6 && plain && code == portUnreachable6, !ipv6 && plain && code == portUnreachable4:
		return "reject"
	case ipv6:
		return "reject with icmpv6 " + named(icmpv6Codes, code)
	}
	return "reject with icmp " + named(icmpCodes, code)
}

func named(names map[uint64]string, n uint64) string {
	if name, ok := names[n]; ok {
		return name
	}
	return fmt.Sprint(n)
}

// logLevels are syslog's, and the audit log's; nft leaves warn out.
var logLevels = [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"}

func logText(e Log) string {
	text := "log"
	if e.Prefix != "" {
		text += " prefix " + quoted(e.Prefix)
	}
	if e.ToGroup {
		text += fmt.Sprintf(" group %d", e.Group)
		if e.Snaplen != 0 {
			text += fmt.Sprintf(" snaplen %d", e.Snaplen)
		}
		if e.QThreshold != 0 {
			text += fmt.Sprintf(" queue-threshold %d", e.QThreshold)
		}
		return text
	}
	const warn = 4
	if e.Level != warn && int(e.Level) < len(logLevels) {
		text += " level " + logLevels[e.Level]
	}
	return text + logFlagsText(e.Flags)
}

// logFlagsText are the parts of the packet that are logged too (NF_LOG_*).
func logFlagsText(flags uint32) string {
	const sequence, options, ip, uid, mac, all = 1, 2, 4, 8, 32, 1 | 2 | 4 | 8 | 32
	if flags&all == all {
		return " flags all"
	}
	text := ""
	switch flags & (sequence | options) {
	case sequence | options:
		text += " flags tcp sequence,options"
	case sequence:
		text += " flags tcp sequence"
	case options:
		text += " flags tcp options"
	}
	for _, f := range []struct {
		bit  uint32
		name string
	}{{ip, " flags ip options"}, {uid, " flags skuid"}, {mac, " flags ether"}} {
		if flags&f.bit != 0 {
			text += f.name
		}
	}
	return text
}

func limitText(e Limit) string {
	unit := units[e.Unit]
	if unit == "" {
		unit = fmt.Sprintf("%ds", e.Unit)
	}
	text := "limit rate "
	if e.Flags&1 != 0 {
		text += "over "
	}
	const usual = 5 // packets at once, which nft leaves out
	if e.Type == 0 {
		text += fmt.Sprintf("%d/%s", e.Rate, unit)
		if e.Burst != usual && e.Burst != 0 {
			text += fmt.Sprintf(" burst %d packets", e.Burst)
		}
		return text
	}
	text += bytesText(e.Rate) + "/" + unit
	if e.Burst != 0 {
		text += " burst " + bytesText(uint64(e.Burst))
	}
	return text
}

// bytesText is a number of bytes in the largest unit that has no rest.
func bytesText(n uint64) string {
	names := [...]string{"bytes", "kbytes", "mbytes", "gbytes"}
	i := 0
	for n != 0 && n%1024 == 0 && i < len(names)-1 {
		n /= 1024
		i++
	}
	return fmt.Sprintf("%d %s", n, names[i])
}

func quotaText(e Quota) string {
	text := "quota "
	if e.Over {
		text += "over "
	}
	text += bytesText(e.Bytes)
	if e.Used > 0 {
		text += " used " + bytesText(e.Used)
	}
	return text
}

func connlimitText(e ConnLimit) string {
	if e.Over {
		return fmt.Sprintf("ct count over %d", e.Count)
	}
	return fmt.Sprintf("ct count %d", e.Count)
}

func queueText(e ToQueue) string {
	text := "queue"
	var flags []string
	if e.Flags&1 != 0 {
		flags = append(flags, "bypass")
	}
	if e.Flags&2 != 0 {
		flags = append(flags, "fanout")
	}
	if len(flags) > 0 {
		text += " flags " + strings.Join(flags, ",")
	}
	if e.Total > 1 {
		return fmt.Sprintf("%s to %d-%d", text, e.Num, e.Num+e.Total-1)
	}
	return fmt.Sprintf("%s to %d", text, e.Num)
}
