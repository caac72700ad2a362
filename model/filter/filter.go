package filter

import "nattui/model/flow"

// Query is a filter for flows, made by ParseQuery from a line such as
//
//	dst 192.168.0.0/24 dport 80 nat dnat state established rate>1M not src 10.0.0.5 rule 3
//
// The zero query matches every flow. A query is a value that may be used by
// several goroutines.
//
// Conditions that stand side by side must all hold; "or" separates alternatives,
// "not" negates the next condition, parentheses group. Conditions are
//
//	src A      the client's address, or as whom the server sees it
//	dst A      the address that was asked for, or the one that serves
//	host A     any of the four
//	client A, asked A, server A, seen A
//	           exactly that one of the four (see Flow.Client …)
//	orig src A, orig dst A, reply src A, reply dst A
//	           the same four by the names that conntrack gives them
//	sport N, dport N, port N
//	           ports, of the same sides as src, dst and host; also with orig or reply before them
//	proto P    tcp, udp, icmp, a number …
//	state S    established, syn_sent …; also assured, unassured, replied, unreplied, offload; or a list
//	nat K      dnat, snat (flows with both are either), both, none, any; or a list
//	family F   ipv4 or ipv6
//	rule R     the rule that made the flow, as the explanation names it; none
//	mark N, mark N/MASK, zone N, id N
//	rate N, bytes N, packets N
//	           with =, !=, >, >=, <, <= and k, M, G (powers of 1000), or as 10MB, 4KiB, 8Mbit/s, or a range
//	           4k-1M; rate is bytes a second, pps packets a second
//	age D, timeout D
//	           with the same signs and s, m, h, d (1h30m, 5min), or a range
//	event E    new, update, destroy: of the stream of events alone
//
// A is an address, a network such as 192.168.0.0/24 or 192.168.0.*, a range A-B, an address with a port, or a
// list of these with commas; N of a port may be a range, a list, or a service's name such as https. A value may
// also follow a colon (dst:10.0.0.1), and a "not" may stand before it. Any other word is free text: it matches
// a flow whose line on the screen has it somewhere, and quotes make a text of several words; but replied, ipv6, https
// and their like are taken for the state, the family and the port. A word that
// no flow can have, as a property that is spelt wrongly, is an error.
type Query struct {
	text string
	test condition
	// rates, counters and rules tell that conditions ask for them.
	rates, counters, rules bool
	// event is the first word that asks for a kind of event, if there is one.
	event Word
}

// condition is a compiled query or a part of one.
type condition = flow.Condition

// Condition is the query as the table of flows and the log of events take it; nil for the zero query.
func (q Query) Condition() flow.Condition { return q.test }

// Match tells whether the flow passes at the time now (nanoseconds since 1970).
func (q Query) Match(f *flow.Flow, now int64) bool { return q.test == nil || q.test(f, now, 0) }

// MatchEvent tells whether an event of that kind, with the flow as it was then, passes.
func (q Query) MatchEvent(kind flow.MessageKind, f *flow.Flow, now int64) bool {
	return q.test == nil || q.test(f, now, kind)
}

// OfFlows is nil where the query can be asked of flows, and else a *QueryError at the
// condition that can be asked of events alone.
func (q Query) OfFlows() error {
	if q.event.Text == "" {
		return nil
	}
	return q.event.Problem("works for events only; for connections use state")
}

// IsZero tells whether the query matches everything because it says nothing.
func (q Query) IsZero() bool { return q.test == nil }

// NeedsRates tells whether the query asks for rates, which take two readings of the counters.
func (q Query) NeedsRates() bool { return q.rates }

// NeedsCounters tells whether the query asks for packets, bytes or their rates.
func (q Query) NeedsCounters() bool { return q.counters || q.rates }

// NeedsRules tells whether the query asks for the rule that made a flow (Flow.Rule).
func (q Query) NeedsRules() bool { return q.rules }

// String is the line that the query was made from.
func (q Query) String() string { return q.text }

// RuleFinder tells which flows are of a rule that is meant by a word such as 3 or POSTROUTING/3; known is false of one that
// was not asked by today's rules yet. match is called while the table of flows is locked: it must not wait for anybody
// who may want that. The error says which words would be right.
type RuleFinder func(ref string) (match func(f *flow.Flow) (meant, known bool), err error)

// Error tells where a line is not understood, and why.
type Error struct {
	// Pos and End are the bytes of the word in question.
	Pos, End int
	Word     string
	// Problem says what is wrong and what would be right.
	Problem string
	// Open tells that the line only ends too early: what follows may make it right.
	Open bool
	// NoAddress tells that the word stands where an address does, and is none: it may be a name.
	NoAddress bool
}

// Error is the word and what is wrong with it.
func (e *Error) Error() string {
	if e.Word == "" {
		return e.Problem
	}
	return e.Word + ": " + e.Problem
}
