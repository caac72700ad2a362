package evaluate

import (
	"hash/maphash"

	"nattui/rules"
	"nattui/rules/nft"
)

// nativeRule is a rule as operations, one for each expression that does anything.
type nativeRule struct {
	rule  *nft.Rule
	ops   []op
	leads []*program // the chains that it jumps or goes to
	// acts is set if it does anything but look and count; alters if later rules see that, marksFlow if connections keep it.
	acts, alters, marksFlow, tracks bool
	// marks is set if it writes the mark of the packet or of its connection.
	marks bool
	// cuts are where it tells packets apart; particular ones look at more than that.
	cuts       []func(*cuts)
	particular bool
	// writes is a digest of a rule that changes packets in ways that no rule looks at; 0 for others.
	writes uint64
}

// op is an expression made ready: it loads or compares, or it acts.
type op struct {
	does  opKind
	look  func(*machine, *state) Truth // loads and compares: No ends the rule
	act   func(*machine, *state)       // changes the packet, and goes on
	name  string                       // what it is about, for naming it where it cannot be decided
	end   verdict
	set   *nativeSet // for a verdict map
	key   place
	nat   *nativeNAT
	queue Queueing
	// anything is set where an unknown end may also change the packet in any way.
	anything bool
}

type opKind uint8

const (
	opLook opKind = iota
	opAct
	opVerdict
	opVerdictMap
	opNAT
	opUnknownEnd // drops, or lets go on: nobody can say
	opQueue      // a program decides, where one listens
)

// verdict is what a rule ends with.
type verdict struct {
	code  nft.VerdictCode
	chain *program
}

func (n *nativeTable) verdict(f rules.Family, v *nft.Verdict) verdict {
	if v.Code != nft.Jump && v.Code != nft.Goto {
		return verdict{code: v.Code}
	}
	return verdict{v.Code, n.chains[f][v.Chain]}
}

// compileRule makes the operations of a rule.
func (n *nativeTable) compileRule(f rules.Family, r *nft.Rule) nativeRule {
	c := ruleCompiler{table: n, family: f, rule: nativeRule{rule: r}}
	x := axes{family: f}
	for _, e := range r.Exprs {
		c.expression(e)
		x.take(e, n.sets)
		if writesPacket(e) {
			c.rule.writes = maphash.String(stackSeed, r.Program()) | 1
		}
	}
	c.rule.cuts, c.rule.particular = x.cuts, x.lost
	return c.rule
}

// writesPacket tells that an expression changes the packet, or hands it to somebody who may.
func writesPacket(e nft.Expr) bool {
	switch e := e.(type) {
	case nft.PayloadSet, nft.Synproxy, nft.ToQueue, nft.Dup, nft.Fwd, nft.TProxy:
		return true
	case nft.Exthdr:
		return e.Set
	case nft.Unknown:
		return e.Name == "target"
	}
	return false
}

// ruleCompiler compiles a rule, expression by expression.
type ruleCompiler struct {
	table  *nativeTable
	family rules.Family
	rule   nativeRule
	last   string // what was loaded last, which a comparison is about
}

func (c *ruleCompiler) look(look func(*machine, *state) Truth) {
	c.rule.ops = append(c.rule.ops, op{does: opLook, look: look, name: c.last})
}

func (c *ruleCompiler) act(act func(*machine, *state)) {
	c.rule.ops = append(c.rule.ops, op{does: opAct, act: act})
	c.rule.acts, c.rule.alters = true, true
}

func (c *ruleCompiler) unknown(name string) {
	c.last = name
	c.look(unknownTest)
}

// expression adds what an expression does.
func (c *ruleCompiler) expression(e nft.Expr) {
	switch e := e.(type) {
	case nft.Counter, nft.Log, nft.FlowOffload, nft.Dup:
	case nft.Payload:
		c.load("payload", loadPayload(e))
	case nft.Meta:
		c.meta(e)
	case nft.CT:
		c.ct(e)
	case nft.Fib:
		c.load("the routes", loadFib(e))
	case nft.Cmp:
		c.look(compareTest(e))
	case nft.Range:
		c.look(rangeTest(e))
	case nft.Bitwise:
		c.look(bitwiseOp(e))
	case nft.ByteOrder:
		c.look(byteOrderOp(e))
	case nft.Numgen:
		c.load("a number that is counted or drawn", loadNumber(placeOf(e.Into, 4), e.Offset, e.Modulus))
	case nft.Hash:
		c.load("a hash of the packet", loadHash(e))
	case nft.Lookup:
		c.lookup(e)
	case nft.Immediate:
		c.immediate(e)
	case nft.NAT, nft.Masq, nft.Redir:
		c.translation(e)
	default:
		c.other(e)
	}
}

// load adds an operation that loads a register.
func (c *ruleCompiler) load(name string, look func(*machine, *state) Truth) {
	c.last = name
	c.look(look)
}

// other are expressions that are rare, or that no packet alone decides.
func (c *ruleCompiler) other(e nft.Expr) {
	switch e := e.(type) {
	case nft.NoTrack:
		c.act(func(m *machine, st *state) { m.untrack(st) })
	case nft.PayloadSet:
		c.rewrite(e)
	case nft.Reject:
		c.end(verdict{code: nft.Drop})
	case nft.ToQueue:
		c.rule.marksFlow = true
		c.rule.ops = append(c.rule.ops, op{does: opQueue, queue: NativeQueueingOf(e)})
		c.rule.acts = true
	case nft.Synproxy:
		c.rule.ops = append(c.rule.ops, op{does: opUnknownEnd, name: "synproxy"})
		c.rule.acts = true
	case nft.Fwd:
		c.rule.ops = append(c.rule.ops, op{does: opUnknownEnd, name: "fwd, which sends it out elsewhere"})
		c.rule.acts = true
	case nft.ObjRef:
		c.object(e)
	case nft.Dynset:
		for _, x := range e.Exprs {
			c.expression(x)
		}
	case nft.Exthdr:
		if !e.Set {
			c.unknown("an option of the packet") // which it may not have
			c.scatter("an option of the packet", placeOf(e.Reg, max(e.Len, 4)))
		}
	case nft.Limit:
		c.unknown("how fast packets come")
	case nft.ConnLimit:
		c.unknown("how many connections there are")
	case nft.TProxy:
		c.unknown("whether a proxy listens") // without one the rule ends
		c.act(func(_ *machine, st *state) { st.held = true })
	case nft.Rt:
		c.route(e)
	case nft.Socket:
		c.unknown("whether a socket of this host is meant")
		c.scatter("a property of the socket", placeOf(e.Into, 16))
	case nft.Xfrm:
		c.unknown("the packet's IPsec state")
		c.scatter("the packet's IPsec state", placeOf(e.Into, 16))
	case nft.Quota:
		c.unknown("what is left of a quota")
	case nft.Unknown:
		c.compat(e)
	default:
		c.anything("an expression that is not understood")
	}
}

// scatter has a place hold what nobody here knows.
func (c *ruleCompiler) scatter(name string, p place) { c.load(name, loadUnknown(p)) }

// anything ends what can be said of a packet that comes to an expression that is not understood: it may compare, load any
// register, end the packet's way or change it.
func (c *ruleCompiler) anything(name string) {
	c.rule.ops = append(c.rule.ops, op{does: opUnknownEnd, name: name, anything: true})
	c.rule.acts, c.rule.alters, c.rule.marksFlow, c.rule.marks, c.rule.tracks, c.rule.particular = true, true, true, true, true, true
}

// route is what is loaded of the packet's route (nft_rt_get_eval): a nexthop is there only for its own family.
func (c *ruleCompiler) route(e nft.Rt) {
	const property = "a property of the route"
	if e.Key != "tcpmss" { // which every route has
		c.unknown(property)
	}
	c.scatter(property, placeOf(e.Into, 16))
}

// object is a use of an object with a name: what it leads to where that decides anything of the packet.
func (c *ruleCompiler) object(e nft.ObjRef) {
	const quota, limit, connlimit, tunnel, synproxy = 2, 4, 5, 6, 10 // NFT_OBJECT_*
	kind := e.Type
	if e.Set != "" {
		c.unknown("what is in " + e.Set)
		kind = 0
		if s := c.table.sets[e.Set]; s != nil {
			kind = s.set.ObjectType
		}
	}
	switch {
	case kind == quota || kind == limit || kind == connlimit:
		c.unknown("what is left of a quota or limit")
	case kind == synproxy:
		c.rule.ops = append(c.rule.ops, op{does: opUnknownEnd, name: "synproxy"})
		c.rule.acts = true
	case kind == tunnel || kind > synproxy || kind == 0:
		c.anything("an object that is not understood")
	}
}

func (c *ruleCompiler) immediate(e nft.Immediate) {
	if e.Verdict == nil {
		c.look(constant(placeOf(e.Into, uint32(len(e.Data))), e.Data))
		return
	}
	c.end(c.table.verdict(c.family, e.Verdict))
}

// end adds what a rule ends with.
func (c *ruleCompiler) end(v verdict) {
	if v.code == nft.Continue {
		return
	}
	if v.chain != nil {
		c.rule.leads = append(c.rule.leads, v.chain)
	}
	c.rule.ops = append(c.rule.ops, op{does: opVerdict, end: v})
	c.rule.acts = true
}

// lookup adds a question to a set or map.
func (c *ruleCompiler) lookup(e nft.Lookup) {
	s := c.table.sets[e.Set]
	if s == nil {
		c.unread(e)
		return
	}
	key := placeOf(e.Key, s.set.KeyLen)
	if uint32(key.len) != s.set.KeyLen {
		c.unread(e)
		return
	}
	name := c.last
	if s.named() {
		name = "what is in " + s.set.Name
	}
	switch {
	case e.Map && e.Into == 0:
		for i := range s.set.Elements {
			if v := s.set.Elements[i].Verdict; v != nil {
				if next := c.table.verdict(c.family, v).chain; next != nil {
					c.rule.leads = append(c.rule.leads, next)
				}
			}
		}
		c.rule.ops = append(c.rule.ops, op{does: opVerdictMap, set: s, key: key, name: name})
		c.rule.acts = true
	case e.Map:
		into := placeOf(e.Into, s.set.DataLen)
		c.last = name
		c.look(func(m *machine, _ *state) Truth { return m.regs.translateBy(s, key, into) })
	default:
		c.last = name
		c.look(func(m *machine, _ *state) Truth { return s.holds(&m.regs, key).flip(e.Not) })
	}
}

// unread is a question to a set that is not known, which may lead anywhere.
func (c *ruleCompiler) unread(e nft.Lookup) {
	name := "the set " + e.Set
	switch {
	case e.Map && e.Into == 0:
		c.anything(name)
	case e.Map:
		c.unknown(name)
		c.scatter(name, placeOf(e.Into, registerBytes))
	default:
		c.unknown(name)
	}
}

// rewrite changes the packet itself. Its addresses and ports are followed as long as nothing is known of its connection.
func (c *ruleCompiler) rewrite(e nft.PayloadSet) {
	from := placeOf(e.From, e.Len)
	c.act(func(m *machine, st *state) { m.rewrite(st, e.Base, e.Offset, from) })
}
