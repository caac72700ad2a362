package doctor

import (
	"fmt"
	"net/netip"
	"time"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// flowStats is what one pass over the flow table tells.
type flowStats struct {
	byRule   map[evaluate.RuleRef]*tally
	byServer map[served]*tally
	byPort   map[servedPort]*tally
	byWay    map[wayTo]*tally // of rules with several ways
	ways     map[evaluate.RuleRef][]*Forward
	// stale flows have a translation that today's rules would not give; gone are
	// those of them whose address this host no longer has.
	stale, gone crowd
	// bare are flows that left for the Internet with an inner source address and got
	// no answer.
	bare crowd
	// ports counts the flows that share a source address towards one service.
	ports  map[portUse]*portCount
	blocks []portBlock
	// helpless are flows of clients behind this host, by the application whose helper they lack.
	helpless map[string]*crowd
	strays   map[stray]bool
	// outings are what left this host, answering the ends that answered, with as whom somebody was seen there.
	outings   map[outing]*silence
	answering map[netip.AddrPort]netip.Addr
	// unheard are flows that wait for an answer, by the rule that gave them their source.
	unheard    map[evaluate.RuleRef]*crowd
	datagrams  datagrams
	answerers  map[netip.AddrPort]netip.AddrPort // see datagrams
	answeredAs map[netip.Addr]bool               // the addresses with which somebody was seen there and answered
	asked      int                               // flows that were evaluated
	ownHalf    map[rules.Family]int              // of this host itself, accepted by the other end, which goes on to say so
}

// newFlowStats are those of no flows.
func newFlowStats() *flowStats {
	return &flowStats{
		byRule: map[evaluate.RuleRef]*tally{}, byServer: map[served]*tally{}, byPort: map[servedPort]*tally{}, byWay: map[wayTo]*tally{}, ports: map[portUse]*portCount{}, helpless: map[string]*crowd{}, strays: map[stray]bool{},
		outings: map[outing]*silence{}, answeredAs: map[netip.Addr]bool{}, answering: map[netip.AddrPort]netip.Addr{}, unheard: map[evaluate.RuleRef]*crowd{}, ownHalf: map[rules.Family]int{},
		datagrams: datagrams{map[netip.AddrPort]netip.AddrPort{}, map[netip.AddrPort]netip.AddrPort{}},
	}
}

// crowd is how many flows there are of a kind, with the first of them.
type crowd struct {
	flows int
	first []flow.Flow
}

// crowdKept is how many flows of a kind are kept, for evidence and to be forgotten.
const crowdKept = 500

func (c *crowd) add(f *flow.Flow) {
	if c.flows++; len(c.first) < crowdKept {
		c.first = append(c.first, *f)
	}
}

// tally is what became of the flows of one forward.
type tally struct {
	flows, replied int
	answered       []flow.Flow // some of those that were replied to
	course                     // when they were answered, and when not
	half           int         // the server has answered, and the client has not heard it
	unheard        int         // such, for a second or longer
	unanswered     int         // for a second or longer
	hairpin        int         // unanswered, between two machines of one network
	inside         int         // asked for from inside, not translated, in vain
	older          crowd       // not translated and not answered, though today's rules would translate them
	taken          []flow.Flow // some that asked for somebody else's address, and wait for the server's answer in vain
	examples       []flow.Flow
	heard          int64 // when the server was heard last, as far as that is certain; 0: not known
}

func (t *tally) example(f *flow.Flow) {
	if len(t.examples) < 50 {
		t.examples = append(t.examples, *f)
	}
}

// noteReplied keeps a few of the flows that were answered, and when the newest of them began.
func (t *tally) noteReplied(f *flow.Flow, now int64) {
	t.noteAnswered(f, now)
	if at, ok := lastHeard(f, now); ok {
		t.heard = max(t.heard, at)
	}
	if len(t.answered) < 8 {
		t.answered = append(t.answered, *f)
	}
}

// answeredElsewhere is another port of the server that a rule of several ports sends to and that was answered, where
// nothing is known of an answer from the one asked for; not valid where that was answered, or nothing is known.
func (t *tally) answeredElsewhere(server netip.AddrPort) (other netip.AddrPort) {
	for i := range t.answered {
		switch served := t.answered[i].ServedBy(); {
		case served == server, served.Addr() != server.Addr():
			return netip.AddrPort{}
		case served.Port() != server.Port():
			other = served
		}
	}
	return other
}

// unansweredElsewhere is another port of the server that a rule of several ports sends to and that connections wait for, where
// none waits for the one asked for; not valid where one does, or nobody waits.
func (t *tally) unansweredElsewhere(server netip.AddrPort) (other netip.AddrPort) {
	for i := range t.examples {
		switch served := t.examples[i].ServedBy(); {
		case served == server, served.Addr() != server.Addr():
			return netip.AddrPort{}
		default:
			other = served
		}
	}
	return other
}

// String tells of the connections, as evidence: what they say of the past decides nothing about the next packet.
func (t *tally) String() string {
	text := fmt.Sprintf("%s, %d of them answered", rules.Plural(t.flows, "connection"), t.replied+t.half)
	if n := t.unansweredSince(); n > 0 {
		text += fmt.Sprintf("; none of the last %d", n)
	}
	return text
}

func (c *flowStats) of(r evaluate.RuleRef) tally {
	if t := c.byRule[r]; t != nil {
		return *t
	}
	return tally{}
}

func (c *flowStats) at(r evaluate.RuleRef) *tally {
	t := c.byRule[r]
	if t == nil {
		t = &tally{}
		c.byRule[r] = t
	}
	return t
}

// statsLimit is how many flows are evaluated; a table that holds more is judged
// by so many of it.
const statsLimit = 100_000

// takeCensus passes over the flows once.
func takeCensus(x *Examination) *flowStats {
	c := newFlowStats()
	c.blocks, c.ways = portBlocks(&x.trial), severalWays(x.forwards)
	if x.Flows == nil {
		return c
	}
	asked := map[netip.AddrPort][]*Forward{}
	for i := range x.forwards {
		asked[x.forwards[i].Asked] = append(asked[x.forwards[i].Asked], &x.forwards[i])
	}
	wide := wideForwards(x)
	var buf []evaluate.Outcome
	x.Flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if f.Status&flow.StatusTemplate != 0 {
			return true
		}
		var e explain.Explanation
		e, buf = explain.With(x.evaluator, f, buf[:0])
		c.asked++
		c.count(x, f, e, asked[f.AskedFor()], wide[e.DNAT])
		return c.asked < statsLimit
	})
	c.answerers = c.datagrams.answerers()
	for k, s := range c.outings {
		if s.answered > 0 {
			c.answeredAs[k.seen] = true
		}
	}
	return c
}

// count notes a flow: asked are the forwards of the address that it was for, wide is set where the rule that translated
// it takes what is meant for others, too.
func (c *flowStats) count(x *Examination, f *flow.Flow, e explain.Explanation, asked []*Forward, wide bool) {
	nat := f.NAT()
	c.datagrams.note(f, x.IsLocal(f.ServedBy().Addr()))
	if nat&flow.NATSrc != 0 {
		c.usePort(f, e)
		c.noteHelpless(x, f)
	}
	if e.Confidence == explain.Stale {
		c.outdated(x, f)
	}
	waiting := unanswered(x, f)
	if waiting && nat&flow.NATSrc != 0 {
		if c.unheard[e.SNAT] == nil {
			c.unheard[e.SNAT] = &crowd{}
		}
		c.unheard[e.SNAT].add(f)
	}
	if nat&flow.NATDst == 0 {
		c.noteSilence(f, waiting, halfOpen(x, f), x.now)
	}
	if nat == flow.NATNone {
		c.noteStray(x, f)
	}
	if halfOpen(x, f) && x.IsLocal(f.Client().Addr()) && !x.IsLocal(f.ServedBy().Addr()) {
		c.ownHalf[f.Family()]++
	}
	switch {
	case !e.DNAT.IsZero() && nat&flow.NATDst != 0:
		for _, t := range c.tallies(e.DNAT, f) {
			t.count(x, f, waiting, wide)
		}
		c.countWays(x, e.DNAT, f, waiting, wide)
	case nat&flow.NATDst == 0 && f.Status&flow.StatusSeenReply == 0:
		for _, w := range asked {
			c.noteOlder(x, f, w)
		}
		if !waiting {
			break
		}
		for _, w := range asked {
			link, ok := x.LinkOf(f.Client().Addr())
			if ok && w.Proto == f.Proto() && w.Owner == "" && link != w.Link && !x.IsLocal(f.Client().Addr()) {
				c.at(w.Rule).inside++
				c.ofWayTo(w).inside++
			}
		}
	}
	if waiting && nat&flow.NATSrc == 0 && f.Family() == rules.IPv4 && isInner(f.Client().Addr()) && !isInner(f.ServedBy().Addr()) {
		c.leftBare(x, f)
	}
}

// noteOlder notes a flow that a forward would translate if it began now.
func (c *flowStats) noteOlder(x *Examination, f *flow.Flow, w *Forward) {
	t := c.at(w.Rule)
	if w.Proto != f.Proto() || w.Owner != "" || w.Link == "" || !f.Proto().HasPorts() || t.older.flows >= crowdKept || x.IsLocal(f.Client().Addr()) || !x.cameBy(w.Link, f) {
		return
	}
	p := explain.FirstPacket(f)
	p.In = w.Link
	if way := x.fate(p); way.known && way.Certain && way.by(w.Rule) {
		t.older.add(f)
	}
}

// count notes what became of a flow that is translated to a server. One that a wide rule has taken from somebody else
// says nothing of those who ask for the server.
func (t *tally) count(x *Examination, f *flow.Flow, waiting, wide bool) {
	if wide && waiting && f.NAT()&flow.NATSrc == 0 && !x.IsLocal(f.AskedFor().Addr()) && x.neighbours(f.Client().Addr(), f.ServedBy().Addr()) {
		if len(t.taken) < 8 {
			t.taken = append(t.taken, *f)
		}
		return
	}
	t.flows++
	switch {
	case f.Proto() == rules.TCP && f.StateName() == "SYN_RECV":
		t.half++
		t.example(f)
		if halfOpen(x, f) {
			t.unheard++
		}
	case f.Status&flow.StatusSeenReply != 0:
		t.replied++
		t.noteReplied(f, x.now)
	case waiting && f.NAT()&flow.NATSrc == 0 && x.neighbours(f.Client().Addr(), f.ServedBy().Addr()):
		t.hairpin++
		t.example(f)
	case waiting:
		t.unanswered++
		t.example(f)
		t.noteWaiting(f, x.now)
	}
}

// unanswered tells a flow that waits for an answer for about a second or longer.
func unanswered(x *Examination, f *flow.Flow) bool {
	if f.Status&flow.StatusSeenReply != 0 || !f.Proto().HasPorts() && !f.Proto().IsICMP() {
		return false
	}
	if f.Counts() && f.OrigPackets >= 2 || f.Start != 0 && f.Age(x.now) >= time.Second {
		return true
	}
	whole := uint32(30) // nf_conntrack_udp_timeout, nf_conntrack_icmp_timeout
	if f.Proto() == rules.TCP {
		whole = 120 // nf_conntrack_tcp_timeout_syn_sent
	}
	return f.Remaining(x.now)+2 <= whole
}

// halfOpen tells a TCP connection that the server has accepted a second ago or longer, and whose client has not gone on.
func halfOpen(x *Examination, f *flow.Flow) bool {
	return f.Proto() == rules.TCP && f.StateName() == "SYN_RECV" && (f.Counts() && f.ReplyPackets >= 2 || f.Start != 0 && f.Age(x.now) >= time.Second || f.Remaining(x.now)+2 <= 60) // nf_conntrack_tcp_timeout_syn_recv
}
