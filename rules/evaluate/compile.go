package evaluate

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
)

// Program is a rule set made ready for evaluating packets: chains resolved,
// matches reduced to comparisons, long chains indexed. It is immutable and safe
// for concurrent use. Compiling 10,000 rules takes some tens of milliseconds;
// keep the program as long as the rule set stays.
type Program struct {
	set    *rules.Ruleset
	chains []*program // all of them; program.id is the place
	hooks  [stages]*program
	nat    bool // the nat table exists, so every new flow gets a binding
	tracks bool // some rule needs connection tracking, which is idle otherwise
}

// Ruleset is what the program was made from.
func (p *Program) Ruleset() *rules.Ruleset { return p.set }

// program is one chain.
type program struct {
	id      int
	variant rules.Variant
	table   string
	chain   *rules.Chain
	drops   bool // its policy is DROP
	rules   []code
	native  *nativeChain // set for a chain of native nft, whose rules stand there
	// priority orders the chains of a hook; reroutes is set where packets of this host's own are routed again after it.
	priority int32
	reroutes bool
	index    *chainIndex
	// What it, or a chain it jumps to, can do: change what later rules see; of that, write the connection's mark.
	alters, marksFlow bool
	loops             bool // it is reached from itself: no kernel loads that
}

// act is what a rule does to a packet that meets it.
type act uint8

const (
	actNothing act = iota
	actAccept
	actDrop
	actReturn
	actJump
	actGoto
	actTranslate
	actMark
	actConnMark
	actUntrack
	actZone     // CT --zone: the flow is among those of the zone
	actTTL      // TTL, HL
	actTOS      // TOS, DSCP, ECN
	actBlurMark // HMARK and the like: the mark becomes anything
	actVerdict  // user space decides: on or dropped
	actUnknown  // anything may happen
)

// code is one rule reduced to comparisons.
type code struct {
	what         uint16 // which of the comparisons below apply
	protocol     rules.Protocol
	act          act
	flip         uint16 // which of them are negated
	sport, dport rules.Ports
	src, dst     maskedAddr
	in, out      ifaceTest
	tests        []test
	to           int32 // chain to jump to
	rule         *rules.Rule
	translation  *translation
	alters       uint64 // what the target does to the packet that no rule looks at; 0: nothing
}

// The comparisons of a code.
const (
	onSrc uint16 = 1 << iota
	onDst
	onIn
	onOut
	onProtocol
	onSport
	onDport
	onNever   // no packet of those that are evaluated
	onUnknown // nothing is known of the rule
	onHoles   // an address under a mask with holes, which is no cut between classes
)

// maskedAddr is an address and the bits of it that count.
type maskedAddr struct {
	value, mask bits128
	single      bool // all bits count
}

// bits128 is an address as two numbers; IPv4 in the low half of lo.
type bits128 struct{ hi, lo uint64 }

func bitsOf(a netip.Addr) bits128 {
	if a.Is4() {
		b := a.As4()
		return bits128{0, uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return bits128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (b bits128) addr(f rules.Family) netip.Addr {
	if f == rules.IPv4 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(b.lo))
		return netip.AddrFrom4(a)
	}
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], b.hi)
	binary.BigEndian.PutUint64(a[8:], b.lo)
	return netip.AddrFrom16(a)
}

func (b bits128) less(c bits128) bool { return b.hi < c.hi || b.hi == c.hi && b.lo < c.lo }

func maskedAddrOf(n rules.Net) maskedAddr {
	_, single := n.Host()
	return maskedAddr{bitsOf(n.Addr), bitsOf(n.Mask), single}
}

func (m *maskedAddr) holds(a bits128) bool {
	return (a.hi^m.value.hi)&m.mask.hi|(a.lo^m.value.lo)&m.mask.lo == 0
}

// ifaceTest compares an interface's name.
type ifaceTest struct {
	name string // without '+'
	stem bool
}

func (t *ifaceTest) holds(name string) bool {
	if t.stem {
		return strings.HasPrefix(name, t.name)
	}
	return name == t.name
}

func ifaceTestOf(i rules.Iface) ifaceTest {
	name, stem := strings.CutSuffix(i.Name, "+")
	return ifaceTest{name, stem}
}

// test is a match that is not one of the plain comparisons.
type test struct {
	name  string // the module, for naming it where it cannot be decided
	holds func(*machine, *state) Truth
	// sees cuts classes of packets apart where the answer changes with an address
	// or a port; nil: where that is cannot be said, so that the answer for one packet
	// says nothing of another one.
	sees func(*cuts)
}

// seesNone is for a test that looks at neither an address nor a port, or at nothing
// in them that is not cut in any case: this host's addresses, groups, protocols and
// ICMP messages.
func seesNone(*cuts) {}

// seesPorts is for a test that compares with some ports.
func seesPorts(of end, list ...rules.Ports) func(*cuts) {
	return func(c *cuts) {
		for _, p := range list {
			c.ports(of, p)
		}
	}
}

// Compile makes a rule set ready for evaluating packets.
func Compile(s *rules.Ruleset) *Program {
	p := &Program{set: s}
	for i := range s.Tables {
		p.compileTable(&s.Tables[i])
	}
	return p
}

func (p *Program) compileTable(t *rules.Table) {
	ids := make(map[string]int32, len(t.Chains))
	first := len(p.chains)
	for i := range t.Chains {
		c := &t.Chains[i]
		ids[c.Name] = int32(len(p.chains))
		p.chains = append(p.chains, &program{
			id: len(p.chains), variant: rules.Variant{Family: p.set.Family, Backend: p.set.Backend}, table: t.Name,
			chain: c, drops: c.Policy == "DROP",
		})
	}
	for _, c := range p.chains[first:] {
		c.rules = make([]code, len(c.chain.Rules))
		for i := range c.chain.Rules {
			c.rules[i] = compileRule(p.set.Family, t.Name, &c.chain.Rules[i], ids)
			p.tracks = p.tracks || needsTracking(&c.chain.Rules[i])
		}
		c.index = indexChain(c.rules)
	}
	marks := make([]uint8, len(p.chains))
	for _, c := range p.chains[first:] {
		p.survey(c, marks)
	}
	for at, h := range hooks {
		if h.table != t.Name || !stage(at).of(p.set.Backend) {
			continue
		}
		if id, ok := ids[h.chain]; ok {
			p.hooks[at] = p.chains[id]
			p.chains[id].priority, p.chains[id].reroutes = rules.Priority(p.set.Backend, h.table, h.chain), stage(at) == stageMangleOutput
			p.nat = p.nat || t.Name == "nat"
		}
	}
}

// survey follows the jumps of a chain and notes loops and what alters packets.
func (p *Program) survey(c *program, seen []uint8) {
	const underway, done = 1, 2
	if seen[c.id] != 0 {
		return
	}
	seen[c.id] = underway
	for i := range c.rules {
		r := &c.rules[i]
		switch r.act {
		case actJump, actGoto:
			next := p.chains[r.to]
			if seen[next.id] == underway {
				next.loops = true
				r.act = actUnknown
				c.alters, c.marksFlow = true, true
				continue
			}
			p.survey(next, seen)
			c.alters, c.marksFlow = c.alters || next.alters, c.marksFlow || next.marksFlow
		case actNothing, actAccept, actDrop, actReturn:
		default:
			c.alters = true
			c.marksFlow = c.marksFlow || r.act == actConnMark || r.act == actVerdict || r.act == actUnknown
		}
	}
	seen[c.id] = done
}

// trackers are the modules and targets that switch connection tracking on in
// their network namespace (nf_ct_netns_get); NAT targets do too.
var trackers = map[string]bool{
	"conntrack": true, "state": true, "connmark": true, "connbytes": true, "connlimit": true, "connlabel": true, "helper": true, "cluster": true,
	"CONNMARK": true, "CONNSECMARK": true, "SYNPROXY": true, "CT": true,
}

func needsTracking(r *rules.Rule) bool {
	if r.Unparseable() != nil {
		return true // it may: what is not asked would not be doubted
	}
	for _, m := range r.Matches {
		if trackers[m.Module()] {
			return true
		}
	}
	return r.Target.Kind.Translates() || trackers[r.Target.Name] && actOf(r.Target) != actUntrack
}

func compileRule(f rules.Family, table string, r *rules.Rule, chains map[string]int32) code {
	c := code{rule: r, sport: rules.Ports{Lo: 0, Hi: 65535}, dport: rules.Ports{Lo: 0, Hi: 65535}}
	if r.Unparseable() != nil {
		c.what, c.act = onUnknown, actUnknown
		return c
	}
	c.compareAddr(f, onSrc, &c.src, r.Source)
	c.compareAddr(f, onDst, &c.dst, r.Dest)
	c.compareIface(onIn, &c.in, r.In)
	c.compareIface(onOut, &c.out, r.Out)
	if !r.Protocol.Any() {
		n, ok := r.Protocol.Number()
		if !ok {
			c.what |= onUnknown
		}
		c.protocol = n
		c.set(onProtocol, r.Protocol.Not)
	}
	if r.Fragment == rules.LaterOnly {
		c.what |= onNever // a flow's first packet is whole: tracking assembles it
	}
	for _, m := range r.Matches {
		c.compileMatch(f, m)
	}
	c.compileTarget(f, table, r.Target, chains)
	c.alters = alteredBy(r.Target) ^ countedBy(r.Matches)
	return c
}

func (c *code) set(what uint16, not bool) {
	c.what |= what
	if not {
		c.flip |= what
	}
}

func (c *code) compareAddr(f rules.Family, what uint16, m *maskedAddr, n rules.Net) {
	if n.Any() {
		return
	}
	*m = maskedAddrOf(n)
	c.set(what, n.Not)
	if _, whole := m.hosts(f); !whole {
		c.what |= onHoles
	}
}

func (c *code) compareIface(what uint16, t *ifaceTest, i rules.Iface) {
	if i.Any() {
		return
	}
	*t = ifaceTestOf(i)
	c.set(what, i.Not)
}

// comparePort folds a port match into the plain comparisons; a second one of the
// same side stands beside it.
func (c *code) comparePort(what uint16, place *rules.Ports, name string, m *rules.PortMatch) {
	if m == nil {
		return
	}
	if c.what&what == 0 {
		*place = m.Ports
		c.set(what, m.Not)
		return
	}
	ports, not, source, of := m.Ports, m.Not, what == onSport, ofDest
	if source {
		of = ofSource
	}
	c.tests = append(c.tests, test{name, func(_ *machine, st *state) Truth {
		return within(*st.port(source), ports).flip(not)
	}, seesPorts(of, ports)})
}

// passedOn are the targets after which a packet goes on as it was, for all that
// other rules can see.
var passedOn = map[string]bool{
	"LOG": true, "ULOG": true, "NFLOG": true, "TRACE": true, "AUDIT": true, "CHECKSUM": true, "CLASSIFY": true, "CONNSECMARK": true,
	"IDLETIMER": true, "LED": true, "RATEEST": true, "SECMARK": true, "SET": true, "TEE": true, "TCPMSS": true, "TCPOPTSTRIP": true,
	"CONTINUE": true, "NETFLOW": true,
}

func (c *code) compileTarget(f rules.Family, table string, t rules.Target, chains map[string]int32) {
	switch t.Kind {
	case rules.NoTarget:
	case rules.Accept:
		c.act = actAccept
	case rules.Drop:
		c.act = actDrop
	case rules.Return:
		c.act = actReturn
	case rules.Jump, rules.Goto:
		id, ok := chains[t.Name]
		switch {
		case !ok:
			c.act = actUnknown
		case t.Kind == rules.Goto:
			c.act, c.to = actGoto, id
		default:
			c.act, c.to = actJump, id
		}
	case rules.SetMark:
		c.act = actMark
	case rules.SetConnMark:
		c.act = actConnMark
	case rules.DNAT, rules.SNAT, rules.Masquerade, rules.Redirect, rules.Netmap:
		c.act = actTranslate
		if table != "nat" {
			c.act = actUnknown
			return
		}
		c.translation = translationOf(t)
	default:
		c.act = actOf(t)
	}
}

// actOf is what the targets do that rules has no kind for.
func actOf(t rules.Target) act {
	switch {
	case passedOn[t.Name]:
		return actNothing
	case t.Name == "REJECT" || t.Name == "MIRROR":
		return actDrop
	case t.Name == "NOTRACK" || t.Name == "CT" && len(t.Options) == 1 && t.Options[0] == "--notrack":
		return actUntrack
	case t.Name == "CT" && !has(t.Options, "--notrack"):
		if slices.ContainsFunc(t.Options, func(o string) bool { return strings.HasPrefix(o, "--zone") }) {
			return actZone
		}
		return actNothing
	case t.Name == "TTL" || t.Name == "HL":
		return actTTL
	case t.Name == "TOS" || t.Name == "DSCP" || t.Name == "ECN":
		return actTOS
	case t.Name == "HMARK" || t.Name == "MARK":
		return actBlurMark
	case t.Name == "QUEUE" || t.Name == "NFQUEUE":
		return actVerdict
	}
	return actUnknown
}

func has(words []string, want string) bool { return slices.Contains(words, want) }

// chainIndex finds the rules of a long chain that a packet can meet. Every rule
// stands in exactly one list; lists are in the chain's order.
type chainIndex struct {
	byDst, bySrc map[bits128][]int32
	byPort       map[uint32][]int32 // protocol << 16 | destination port
	rest         []int32
}

// Chains below this length are faster read through.
const indexedLength = 24

func portKey(protocol rules.Protocol, port uint16) uint32 { return uint32(protocol)<<16 | uint32(port) }

// host is the single address a comparison asks for.
func (c *code) host(what uint16, m *maskedAddr) (bits128, bool) {
	return m.value, c.what&what != 0 && c.flip&what == 0 && m.single
}

func (c *code) singlePort() (uint32, bool) {
	const need = onProtocol | onDport
	ok := c.what&need == need && c.flip&need == 0 && c.dport.Single()
	return portKey(c.protocol, c.dport.Lo), ok
}

// indexChain makes the index of a chain, where one pays.
func indexChain(rules []code) *chainIndex {
	if len(rules) < indexedLength {
		return nil
	}
	x := indexFully(rules)
	if len(x.rest) > len(rules)*3/4 {
		return nil
	}
	return x
}

// indexFully puts each rule under the most selective of its keys.
func indexFully(rules []code) *chainIndex {
	dsts, srcs, ports := map[bits128]int{}, map[bits128]int{}, map[uint32]int{}
	for i := range rules {
		r := &rules[i]
		if k, ok := r.host(onDst, &r.dst); ok {
			dsts[k]++
		}
		if k, ok := r.host(onSrc, &r.src); ok {
			srcs[k]++
		}
		if k, ok := r.singlePort(); ok {
			ports[k]++
		}
	}
	x := &chainIndex{map[bits128][]int32{}, map[bits128][]int32{}, map[uint32][]int32{}, nil}
	for i := range rules {
		r := &rules[i]
		dst, byDst := r.host(onDst, &r.dst)
		src, bySrc := r.host(onSrc, &r.src)
		port, byPort := r.singlePort()
		best := len(rules) + 1
		if byDst {
			best = dsts[dst]
		}
		if bySrc = bySrc && srcs[src] < best; bySrc {
			best = srcs[src]
		}
		byPort = byPort && ports[port] < best
		switch at := int32(i); {
		case byPort:
			x.byPort[port] = append(x.byPort[port], at)
		case bySrc:
			x.bySrc[src] = append(x.bySrc[src], at)
		case byDst:
			x.byDst[dst] = append(x.byDst[dst], at)
		default:
			x.rest = append(x.rest, at)
		}
	}
	return x
}
