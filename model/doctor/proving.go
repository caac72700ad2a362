package doctor

import (
	"net/netip"
	"strings"
	"time"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/guide"
	"nattui/rules/nft"
)

// Proving waits for the first packet after a recipe, and tells how far it has
// come: from the counters of the rules it meets, and from the flow it makes.
type Proving struct {
	Wanted guide.Proof
	// Began is when the waiting began, in nanoseconds since 1970; flows that are
	// older are none of it.
	Began int64
	// Arrived, Translated, Passed and Answered say how far a packet has come, Flow
	// which one it was. That it was let through is told by its connection alone, which the kernel enters once the first packet
	// has left: a rule that lets it pass may count others too.
	Arrived, Translated, Passed, Answered bool
	Flow                                  string
	// Seen is that flow, nil before there is one; Ended is set where the kernel has it no more and it was never answered.
	Seen  *flow.Flow
	Ended bool
	// Refused is set where the client that sent the last one was refused, by whomever.
	Refused bool

	translating, passing []uint64 // the counters at the beginning
	grew                 bool     // one of passing has, by this packet or another
}

// NewProving begins to wait, with the tables as they are, the native ones too; nil where those are not known.
func NewProving(wanted guide.Proof, sets map[rules.Variant]*rules.Ruleset, native *nft.Ruleset, now int64) *Proving {
	p := &Proving{Wanted: wanted, Began: now}
	for _, w := range wanted.Translating {
		p.translating = append(p.translating, packetsOf(sets, native, w))
	}
	for _, w := range wanted.Passing {
		p.passing = append(p.passing, packetsOf(sets, native, w))
	}
	return p
}

// packetsOf is the counter of a watched rule; 0 while it is not there.
func packetsOf(sets map[rules.Variant]*rules.Ruleset, native *nft.Ruleset, w guide.Watched) uint64 {
	if w.Backend == rules.Native {
		family, name, _ := strings.Cut(w.Table, " ")
		return nativePackets(native.Table(family, name), w)
	}
	chain, ok := sets[w.Variant].Chain(w.Table, w.Chain)
	if !ok {
		return 0
	}
	for i := range chain.Rules {
		if chain.Rules[i].String() == w.Line {
			return chain.Rules[i].Counters.Packets
		}
	}
	return 0
}

func nativePackets(t *nft.Table, w guide.Watched) uint64 {
	if t == nil || t.Chain(w.Chain) == nil {
		return 0
	}
	for _, r := range t.Chain(w.Chain).Rules {
		if r.Handle == w.Handle {
			n, _ := r.Counted(t)
			return n.Packets
		}
	}
	return 0
}

// Look reads the counters of the rules.
func (p *Proving) Look(sets map[rules.Variant]*rules.Ruleset, native *nft.Ruleset) {
	grown := func(watched []guide.Watched, before []uint64) bool {
		for i, w := range watched {
			if packetsOf(sets, native, w) > before[i] {
				return true
			}
		}
		return false
	}
	p.Translated = p.Translated || grown(p.Wanted.Translating, p.translating)
	p.grew = p.grew || grown(p.Wanted.Passing, p.passing)
	p.Arrived = p.Arrived || p.Translated
}

// Search looks through all flows for those that the recipe was made for, and where there is none through what the kernel
// has told of some that have gone; it returns what it has found; Take notes it. It changes nothing itself, so that it
// may run beside everything else.
func (p *Proving) Search(flows *flow.Flows, log *flow.EventLog) Proving {
	found := p.searchFlows(flows)
	if found.Seen == nil && log != nil {
		found = p.searchGone(log)
	}
	return found
}

// searchGone looks for the latest that began since and has ended: a server that refuses makes the kernel forget it at once.
func (p *Proving) searchGone(log *flow.EventLog) (found Proving) {
	log.Since(p.Began, func(e *flow.Event) bool {
		f := &e.Flow
		switch begins := e.Kind == flow.EventNew && proves(&p.Wanted, f); {
		case begins:
			found = Proving{Arrived: true}
		case e.IsGap() || found.Seen == nil || found.Seen.Orig != f.Orig:
			return true
		}
		seen := *f
		found.Flow, found.Seen = f.Orig.String(), &seen
		if f.NAT() != flow.NATNone {
			found.Translated, found.Passed = true, true
		}
		found.Answered = found.Answered || f.NAT() != flow.NATNone && f.Status&flow.StatusSeenReply != 0
		found.Ended = e.Kind == flow.EventDestroy && !found.Answered
		return true
	})
	return found
}

func (p *Proving) searchFlows(flows *flow.Flows) (found Proving) {
	wanted, since := p.Wanted, p.Began
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if at, _ := f.Since(); at < since || !proves(&wanted, f) {
			return true
		}
		found.Arrived = true
		if f.NAT() != flow.NATNone {
			found.Translated, found.Passed = true, true
		}
		if found.Flow == "" || f.Status&flow.StatusSeenReply != 0 {
			seen := *f
			found.Flow, found.Seen = f.Orig.String(), &seen
		}
		found.Answered = found.Answered || f.NAT() != flow.NATNone && f.Status&flow.StatusSeenReply != 0
		return !found.Answered
	})
	return found
}

// Take notes what a search has found.
func (p *Proving) Take(found Proving) {
	p.Arrived = p.Arrived || found.Arrived
	p.Translated = p.Translated || found.Translated
	p.Answered = p.Answered || found.Answered
	p.Passed = p.Passed || found.Passed
	if found.Flow != "" {
		p.Flow, p.Seen, p.Ended = found.Flow, found.Seen, found.Ended
	}
}

// proves tells whether a flow is one that a recipe was made for.
func proves(w *guide.Proof, f *flow.Flow) bool {
	if w.Protocol != 0 && f.Proto() != w.Protocol {
		return false
	}
	dst := f.Orig.Destination()
	switch {
	case w.Asked.IsValid():
		return dst.Addr() == w.Asked.Addr() && (w.Asked.Port() == 0 || dst.Port() == w.Asked.Port())
	case w.From.IsValid():
		return w.From.Contains(f.Orig.Source().Addr()) && !w.From.Contains(dst.Addr())
	case w.Server.IsValid():
		server := f.Reply.Source()
		return server.Addr() == w.Server.Addr() && (w.Server.Port() == 0 || server.Port() == w.Server.Port())
	}
	return false
}

// RefusedThere tells that the client was refused and its packet had left for the server: it was not refused here.
func (p *Proving) RefusedThere() bool { return p.Refused && p.Passed && !p.Answered }

// servers are where the packet was sent, as far as that is known.
func (p *Proving) servers() string {
	switch {
	case p.Seen != nil:
		return p.Seen.ServedBy().String()
	case p.Wanted.Server.IsValid():
		return p.Wanted.Server.String()
	}
	return "the server"
}

// provingPatience is how long nothing may arrive before that says something.
const provingPatience = 30 * time.Second

// Verdict says what it means that the packet came no further; empty as long as it
// is too early to say. flows says whether flows are looked at.
func (p *Proving) Verdict(now int64, flows bool) string {
	waited := time.Duration(now - p.Began)
	switch {
	case p.Answered:
		return ""
	case p.RefusedThere():
		return "It was let through to " + p.servers() + ", and refused: nothing listens there, or a firewall on the way or there rejects it."
	case p.Refused && p.Arrived:
		return "It was refused, and no connection to the server was seen: a rule here may reject it, or the server does."
	case p.Ended:
		return "The connection is gone without an answer: the server refuses it, or somebody has deleted it."
	case waited < provingPatience:
		return ""
	case !p.Arrived:
		text := "Nothing has arrived for " + waited.Truncate(time.Second).String() + ". If you have tried, it is lost before this gateway: another router in front, the provider, or another address."
		if a := p.Wanted.Asked.Addr(); a.IsValid() && unreachable(a) {
			text += " " + a.String() + " is a private address, which the Internet does not reach."
		}
		return text
	case !p.Translated:
		return "It arrives and is not translated: another rule takes it first, or the connection is older than the rule."
	case len(p.Wanted.Passing) > 0 && !p.Passed && p.grew:
		return "It is translated, and no connection has come of it: it is dropped further on, or the server refuses it."
	case len(p.Wanted.Passing) > 0 && !p.Passed && flows:
		return "It is translated and not let through."
	case flows:
		return "It goes on to the server and no answer comes back: does the service run, and is this gateway the server's router?"
	}
	return ""
}

// unreachable reports addresses that the Internet does not reach (RFC 1918, RFC 6598).
func unreachable(a netip.Addr) bool { return a.IsPrivate() || shared.Contains(a) }
