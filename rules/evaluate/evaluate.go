package evaluate

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"nattui/rules"
)

// Evaluator says what the kernel will do with packets: the whole way of a
// flow's first packet through raw, mangle, nat and filter on both backends, the
// routing decision and the translation (net/netfilter/nf_nat_core.c and the
// xt_* modules). A test holds it against the kernel it runs on; Linux 6.18 was the
// one it was written with. It is immutable and safe for concurrent use.
type Evaluator struct {
	host     Host
	addrs    hostAddrs
	families [2]tables

	asked    sync.Once
	arrivals arrivals
	sums     sync.Map // what sumOf has found, by *nft.Rule
}

// tables are the chains of one family that the kernel calls, by stage.
type tables struct {
	hooks    [stages]calledChains
	programs []*Program
	nat      bool
	tracks   bool
	// ownMark is set where a chain that this host's own packets pass can write the mark of a connection.
	ownMark bool
	hidden  []Doubt  // what stands in the kernel and is not evaluated
	unseen  []string // the tables that hold it
}

// Tracks tells that connections of a family are tracked: a rule needs it, or the host says so.
func (e *Evaluator) Tracks(f rules.Family) bool { return e.families[f].tracks }

// NewEvaluator makes an evaluator for a host and the programs of its rule sets,
// of either family and either backend. A rule set that is not given counts as empty.
func NewEvaluator(h Host, programs ...*Program) *Evaluator {
	e := &Evaluator{host: h, addrs: indexAddrs(h.Interfaces, h.LocalRoutes)}
	for _, p := range programs {
		t := &e.families[p.set.Family]
		t.programs = append(t.programs, p)
		t.nat = t.nat || p.nat
		t.tracks = t.tracks || p.tracks || h.Tracks
		for stage, c := range p.hooks {
			if c != nil && !h.Native.replaces(p.set, c.table) {
				t.hooks[stage].chains = append(t.hooks[stage].chains, c)
			}
		}
		for table, what := range p.set.Foreign {
			if h.Native.replaces(p.set, table) {
				continue
			}
			t.hidden = append(t.hidden, Doubt{What: fmt.Sprintf("table %s contains %s, which iptables does not show", table, what)})
			t.unseen = append(t.unseen, "table "+p.set.Family.NFT()+" "+table)
		}
	}
	e.hide(h)
	for f := range e.families {
		t := &e.families[f]
		if h.Native != nil {
			h.Native.join(t, rules.Family(f))
		}
		for s := range t.hooks {
			t.hooks[s].arrange(stage(s))
			t.ownMark = t.ownMark || stage(s).ofOwn() && t.hooks[s].marksFlow()
		}
	}
	return e
}

// Unseen names the nft tables that a family's packets meet and that are not evaluated, "" where there are
// none. What the evaluator says of such packets is never certain.
func (e *Evaluator) Unseen(f rules.Family) string {
	return strings.Join(e.families[f].unseen, ", ")
}

// MarksConnections tells that some rule sets the marks of connections, of either family.
func (e *Evaluator) MarksConnections() bool {
	return slices.ContainsFunc(e.families[:], func(t tables) bool {
		return slices.ContainsFunc(t.hooks[:], func(c calledChains) bool { return c.marksFlow() })
	})
}

// Evaluate follows a packet and tells every rule that it is compared with. The error says why there is no
// such packet on this host. It does not block.
func (e *Evaluator) Evaluate(p Packet) (Path, error) {
	path, _, err := e.evaluate(p, tellsAll)
	return path, err
}

// following is how a packet was followed: common is false where another packet of its class may fare otherwise, divided is
// set where what cannot be known has divided its way, or it came twice to one chain.
type following struct{ common, divided bool }

// evaluate follows a packet, and notes rules on its way.
func (e *Evaluator) evaluate(p Packet, tells telling) (Path, following, error) {
	if err := e.check(&p); err != nil {
		return Path{}, following{}, err
	}
	path := Path{Packet: p, Assumed: e.complete(&p)}
	m := machines.Get().(*machine)
	defer m.release()
	m.reset(e, &p)
	m.path, m.tells = &path, tells
	m.run()
	inHookOrder(path.Visits)
	path.Outcomes = append([]Outcome(nil), m.outcomes...)
	path.Certain, path.Incomplete = m.certain(), m.incomplete
	e.likelyFirst(&path)
	e.doubtFilters(&path, m.family)
	if path.Certain {
		path.Doubts = nil
	} else if len(path.Doubts) == 0 {
		what := "the kernel chooses a port at random"
		if o := &path.Outcomes[0]; o.Delivered == Forwarded && o.Out == "" {
			what = "the host's routes depend on something that is not known here"
		}
		path.Doubts = []Doubt{{What: what}}
	}
	e.nameBackends(&path, m.family)
	return path, following{!m.particular, m.divided || m.again}, nil
}

// likelyPort stands for a source port that is not said: one that programs get by themselves.
const likelyPort = 50000

// likelyFirst puts that outcome first which most packets of the kind will have: those that no other
// connection is in the way of, from a port that programs get by themselves.
func (e *Evaluator) likelyFirst(path *Path) {
	if len(path.Outcomes) < 2 {
		return
	}
	sameWay := func(*Outcome) bool { return false }
	if p := path.Packet; p.Protocol.HasPorts() && p.SrcPort == 0 {
		p.SrcPort = likelyPort
		if likely, _ := e.Outcomes(nil, &p); len(likely) > 0 {
			l := &likely[0]
			sameWay = func(o *Outcome) bool {
				return o.Delivered == l.Delivered && o.DNATBy == l.DNATBy && o.SNATBy == l.SNATBy && o.Out == l.Out
			}
		}
	}
	rank := func(o Outcome) int {
		switch {
		case o.Why == mayClash:
			return 2
		case sameWay(&o):
			return 0
		}
		return 1
	}
	slices.SortStableFunc(path.Outcomes, func(a, b Outcome) int { return rank(a) - rank(b) })
}

// mayClash is why a packet may be dropped that other connections may be in the way of.
const mayClash = "another connection may have the same translation"

// doubtFilters makes a path uncertain where it passes nft tables that filter and are not evaluated.
func (e *Evaluator) doubtFilters(path *Path, family rules.Family) {
	if len(path.Outcomes) == 0 || path.Certain && (path.Outcomes[0].Delivered == Dropped || path.Outcomes[0].Delivered == NoRoute) {
		return
	}
	for _, t := range e.host.Filters {
		if t.Meets(family) {
			path.Certain = false
			path.Doubts = append(path.Doubts, Doubt{What: fmt.Sprintf("%s filters too (%s), and is not evaluated", t, strings.Join(t.Chains, ", "))})
		}
	}
}

// Outcomes appends to buf what may become of a packet, and reports whether that
// is certain: just one, down to the port. It says nothing of the rules met, and
// allocates nothing beyond buf where the packet decides every match. A packet
// that cannot be has no outcome.
func (e *Evaluator) Outcomes(buf []Outcome, p *Packet) (outcomes []Outcome, certain bool) {
	m := machines.Get().(*machine)
	defer m.release()
	if !m.begins(e, p) {
		return buf, false
	}
	m.run()
	return append(buf, m.outcomes...), m.certain()
}

// begins makes the machine ready for a packet; false if there is no such packet on this host.
func (m *machine) begins(e *Evaluator, p *Packet) bool {
	m.packet = *p
	if m.packet.Validate() != nil {
		return false
	}
	e.complete(&m.packet)
	m.reset(e, &m.packet)
	return true
}

func (e *Evaluator) check(p *Packet) error {
	if err := p.Validate(); err != nil {
		return err
	}
	for _, name := range [...]string{p.In, p.Out} {
		if name != "" && e.addrs.known && e.addrs.interfaceOf(name) == nil {
			return fmt.Errorf("%w: this host has no interface %s", errPacket, name)
		}
	}
	return nil
}

// complete finds out where a packet comes from that does not say it.
func (e *Evaluator) complete(p *Packet) (assumed string) {
	if p.Local || p.In != "" {
		return ""
	}
	if e.addrs.known && e.addrs.isLocal(p.Src) {
		p.Local = true
		return "sent by this host, which has the address"
	}
	if e.host.Route == nil {
		return ""
	}
	back := RouteQuery{Src: p.Dst, Dst: p.Src}
	if p.Dst.IsLoopback() {
		back.Src = netip.Addr{} // nothing leaves from there
	}
	if e.host.RoutesByPort && p.DstPort != 0 && p.SrcPort != 0 {
		back.Proto, back.SrcPort, back.DstPort = p.Protocol, p.DstPort, p.SrcPort
	}
	way := e.host.Route(back)
	if way.Kind == RoutedForward {
		p.In = way.Out
	}
	if p.In == "" {
		return ""
	}
	return "arrives by " + p.In + ", by the route back to it"
}

// machine follows one packet. What cannot be known divides its way; every
// branch is a state, and branches that come to the same state become one.
type machine struct {
	e      *Evaluator
	tables *tables
	family rules.Family
	packet Packet
	pkt    *Packet

	now      state // of the branch that is followed
	stack    []frame
	kept     []frame // while a branch is looked at
	work     []branch
	put      int                  // how many branches were put aside at a time
	divided  bool                 // what cannot be known has divided the way
	again    bool                 // a chain was entered twice at one place
	seen     map[visited]struct{} // since it has
	outcomes []Outcome
	budget   int

	regs       registers // of native rules
	through    bool      // what would drop the packet lets it through: see Translations
	particular bool      // something was looked at that classes of packets do not tell apart
	incomplete bool
	altered    uint64 // see Ends
	open       uint64 // of these
	compares   bool   // it is called by that
	path       *Path  // nil: only the outcomes are wanted
	tells      telling
	told       map[toldVisit]int
	doubts     map[Doubt]struct{}
}

var machines = sync.Pool{New: func() any { return new(machine) }}

// Limits on the work one packet may cause. No rule set that people write comes
// near them; the answer is then incomplete and says so.
const (
	maxRules    = 1 << 20
	maxBranches = 4096
	maxOutcomes = 1024
	// keptStates is for how many states the room is kept from one packet to the next.
	keptStates = 64
)

// branch is a way that remains to be followed.
type branch struct {
	state state
	stack []frame
}

type visited struct {
	state state
	stack uint64
}

type toldVisit struct {
	stage  stage
	looped bool
	chain  *program
	rule   int32
}

func (m *machine) reset(e *Evaluator, p *Packet) {
	m.e, m.pkt, m.family = e, p, rules.FamilyOf(p.Src)
	m.tables = &e.families[m.family]
	m.stack, m.work, m.outcomes = m.stack[:0], m.work[:0], m.outcomes[:0]
	m.divided, m.again, m.through, m.told, m.doubts, m.altered, m.open, m.compares = false, false, false, nil, nil, 0, 0, false
	m.budget, m.incomplete, m.particular, m.path, m.tells = maxRules, false, false, nil, tellsNothing
	m.regs.ranges, m.regs.number.count, m.regs.choice.values = 0, 0, nil
}

func (m *machine) release() {
	m.e, m.tables, m.pkt, m.path, m.told, m.doubts = nil, nil, nil, nil, nil, nil
	if len(m.seen) > keptStates {
		m.seen = nil
	}
	clear(m.seen)
	clear(m.work[:m.put])
	m.work, m.put = m.work[:0], 0
	machines.Put(m)
}

// run follows every branch to its end.
func (m *machine) run() {
	if len(m.tables.hidden) > 0 {
		m.incomplete = true
		for _, d := range m.tables.hidden {
			m.doubt(d)
		}
	}
	m.now = m.firstState()
	if why := m.refused(); why != "" {
		m.finish(&m.now, Dropped, RuleRef{}, why)
		return
	}
	m.follow(&m.now)
	for i := 0; len(m.work) > 0; i++ {
		last := len(m.work) - 1
		b := m.work[last]
		m.work = m.work[:last]
		if i == maxBranches || len(m.outcomes) >= maxOutcomes {
			m.incomplete = true
			m.doubt(Doubt{What: "too many possible outcomes to follow"})
			return
		}
		m.stack = append(m.stack[:0], b.stack...)
		m.now = b.state
		m.follow(&m.now)
	}
}

// follow takes one branch from where it stands to its end.
func (m *machine) follow(st *state) {
	resumed := m.divided
	for {
		if len(m.stack) == 0 && !m.begin(st, resumed) {
			return
		}
		resumed = false
		if !m.walk(st) {
			return
		}
		m.stack = m.stack[:0]
	}
}

// fork puts a branch aside to be followed later, unless one like it was met.
func (m *machine) fork(st *state) {
	m.divide()
	if m.fresh(st) {
		m.putAside(st)
	}
}

// divide begins to compare branches with each other.
func (m *machine) divide() {
	m.divided = true
	if m.seen == nil {
		m.seen = make(map[visited]struct{})
	}
}

func (m *machine) putAside(st *state) {
	m.work = append(m.work, branch{*st, append([]frame(nil), m.stack...)})
	m.put = max(m.put, len(m.work))
}

// fresh reports whether no branch stood here in this state before.
func (m *machine) fresh(st *state) bool {
	v := visited{*st, m.stackHash()}
	if _, ok := m.seen[v]; ok {
		return false
	}
	m.seen[v] = struct{}{}
	return true
}

var stackSeed = maphash.MakeSeed()

func (m *machine) stackHash() uint64 {
	h := uint64(len(m.stack))
	for i := range m.stack {
		f := &m.stack[i]
		h = maphash.Comparable(stackSeed, [4]uint64{h, uint64(f.pos), uint64(f.chain.id), uint64(f.chain.variant.Backend)})
	}
	return h
}

// finish notes an outcome.
func (m *machine) finish(st *state, d Delivery, by RuleRef, why string) {
	if marks := uint64(st.mark&^st.blurred)<<32 | uint64(st.connMark&^st.connBlurred); marks != 0 || st.blurred|st.connBlurred != 0 {
		m.altered = digest(m.altered, marks, uint64(st.blurred)<<32|uint64(st.connBlurred))
	}
	o := Outcome{
		Delivered: d, Src: m.endpoint(st, true), Dst: m.endpoint(st, false),
		SNAT: st.ct.snat, DNAT: st.ct.dnat,
		DNATBy: st.dnatBy.ref(), SNATBy: st.snatBy.ref(), DroppedBy: by, Why: why,
		Tracked: st.ct.confirmed, Zoned: st.zoned,
		ConnMark: st.connMark &^ st.connBlurred, ConnMarkOpen: st.connBlurred,
	}
	if !m.pkt.Local {
		o.In = m.pkt.In
	}
	if d == Forwarded && st.has&unknownOut == 0 {
		o.Out = st.leave
	}
	if st.knowsTTL() {
		o.TTL = st.ttl
	}
	for i := range m.outcomes {
		if m.outcomes[i].sameOutcome(&o) && m.outcomes[i].DNATBy == o.DNATBy && m.outcomes[i].SNATBy == o.SNATBy {
			m.outcomes[i].blur(o.ConnMark, o.ConnMarkOpen)
			return
		}
	}
	m.outcomes = append(m.outcomes, o)
}

func (m *machine) endpoint(st *state, source bool) Endpoint {
	a, known := st.addr(source)
	e := Endpoint{Ports: *st.port(source)}
	if known {
		e.Addr = a.addr(m.family)
	}
	if m.portless() {
		e.Ports = rules.Ports{}
	}
	return e
}

// certain reports whether all outcomes are one and the same, down to the port.
func (m *machine) certain() bool {
	if m.incomplete || len(m.outcomes) == 0 {
		return false
	}
	first := &m.outcomes[0]
	for i := range m.outcomes[1:] {
		if !m.outcomes[i+1].sameOutcome(first) {
			return false
		}
	}
	if first.Delivered == Dropped && !first.Tracked || first.Delivered == NoRoute {
		return true
	}
	if first.Delivered == Forwarded && first.Out == "" && m.e.host.Route != nil {
		return false
	}
	asked := m.firstState()
	settled := func(e Endpoint, given rules.Ports) bool {
		return e.Addr.IsValid() && (m.portless() || e.Ports.Single() || e.Ports == given)
	}
	return settled(first.Src, asked.sport) && settled(first.Dst, asked.dport)
}

func (m *machine) doubt(d Doubt) {
	if m.compares && d.IsZero() {
		m.open = digest(m.open, maphash.String(stackSeed, d.What), 0)
	}
	if m.path == nil {
		return
	}
	if m.doubts == nil {
		m.doubts = make(map[Doubt]struct{})
	}
	if _, known := m.doubts[d]; !known {
		m.doubts[d] = struct{}{}
		m.path.Doubts = append(m.path.Doubts, d)
	}
}
