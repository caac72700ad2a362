package flow

import (
	"math"
	"time"

	"nattui/rules"
)

// Flow is one tracked connection, as the kernel told it and as we have seen it
// since: a value of fixed size without pointers, cheap to copy and to keep by
// the million.
//
// Times are nanoseconds since 1970; 0 is unknown.
type Flow struct {
	// Orig is what the first packet carried; Reply is what an answer carries
	// when it arrives here. Where Reply is not Orig's mirror, NAT is at work.
	Orig, Reply rules.Tuple

	// Zone is the conntrack zone, 0 by default. ZoneSide tells to which direction it applies.
	Zone     uint16
	ZoneSide ZoneSide
	State    State

	// ID is the kernel's identifier (ctnetlink's CTA_ID), which mostly differs for two flows that
	// have the same tuple one after the other: it is made of the tuple and of where in memory the kernel keeps the
	// flow (nf_ct_get_id in nf_conntrack_core.c).
	ID     uint32
	Status Status
	Mark   uint32
	// Timeout is how many seconds the flow had left at the time Told.
	Timeout uint32

	// Counters of the two directions, to be believed only if Counts says so.
	OrigPackets, OrigBytes   uint64
	ReplyPackets, ReplyBytes uint64

	// Start is when the kernel made the flow, known if nf_conntrack_timestamp was on then.
	Start int64
	// First is when we heard of the flow, Told when the kernel last said
	// anything about its state, Counted when it last gave counters.
	First, Told, Counted int64

	// ByteRate and PacketRate, both directions together and a second, are means
	// over the last few seconds, to be believed only if HasRate says so.
	ByteRate, PacketRate float32

	// Rule is what made the flow: an entry of a table of explanations that is kept
	// elsewhere, 0 for none. It holds for the generation RuleGen of that table, 0
	// is not yet asked.
	Rule    uint32
	RuleGen uint16

	known knowledge
	epoch uint8
}

// knowledge is what is known about a flow beyond its tuples.
type knowledge uint8

const (
	countsKnown knowledge = 1 << iota
	ratesKnown
	heard // an event has told of it
	begun // the event of its beginning has told of it, and no later than PromptWithin

	// The bits above say for how long the counters have not moved, in steps of quietStep: a flow has no
	// byte to spare, as there may be millions.
	quietShift = iota
)

// quiet is for how many steps the counters have not moved.
func (k knowledge) quiet() int { return int(k >> quietShift) }

// withQuiet is the same knowledge of a flow that has been quiet for so many steps.
func (k knowledge) withQuiet(steps int) knowledge {
	return k&(1<<quietShift-1) | knowledge(steps)<<quietShift
}

// ZoneSide is the direction to which a zone applies.
type ZoneSide uint8

// A zone applies to both directions unless the rule that set it says otherwise
// (CT --zone-orig, --zone-reply).
const (
	ZoneBoth ZoneSide = iota
	ZoneOrig
	ZoneReply
)

// Key is a flow's identity. A tuple that is used again is a new flow: its ID differs.
type Key struct {
	Orig rules.Tuple
	Zone uint16
	ID   uint32
}

// Key is the flow's identity.
func (f *Flow) Key() Key { return Key{f.Orig, f.Zone, f.ID} }

// Proto is the protocol above IP, the same in both directions.
func (f *Flow) Proto() rules.Protocol { return f.Orig.Proto }

// Family is the IP version, the same in both directions.
func (f *Flow) Family() rules.Family { return f.Orig.Family }

// StateName is the state as conntrack prints it, empty if the protocol has none.
func (f *Flow) StateName() string { return StateName(f.Orig.Proto, f.State) }

// Counts tells whether the kernel keeps counters of this flow: it does for those
// made after nf_conntrack_acct was switched on. Where it is false the counters
// are unknown, not 0. Events carry no counters, so a new flow's are unknown
// until it is first read. A flow that no packet has made (conntrack -I) has counters of 0 with some kernels' settings:
// whatever is counted has its first packet counted, so those are none either.
func (f *Flow) Counts() bool { return f.known&countsKnown != 0 && !f.neverCounted() }

// HasRate tells whether two readings of the counters were far enough apart to know a rate.
func (f *Flow) HasRate() bool { return f.known&ratesKnown != 0 && !f.neverCounted() }

func (f *Flow) neverCounted() bool {
	return f.known&countsKnown != 0 && f.Packets() == 0 && f.Bytes() == 0
}

// Packets of both directions.
func (f *Flow) Packets() uint64 { return f.OrigPackets + f.ReplyPackets }

// Bytes of both directions.
func (f *Flow) Bytes() uint64 { return f.OrigBytes + f.ReplyBytes }

// Since is when the flow began: the kernel's own time where it keeps one
// (exact), else when we first heard of it, and then the flow is at least as old.
func (f *Flow) Since() (at int64, exact bool) {
	if f.Start != 0 {
		return f.Start, true
	}
	return f.First, false
}

// Age is how long the flow has existed at the time now, never negative. It is a
// lower bound where the kernel keeps no timestamps.
func (f *Flow) Age(now int64) time.Duration {
	since, _ := f.Since()
	return time.Duration(max(0, now-since))
}

// PromptWithin is by how much later than a flow began it was heard of at most, where its event had not waited.
const PromptWithin = 100 * time.Millisecond

// BeganAfter tells that the flow is known to have begun after a time, by the kernel's own time where it keeps one, else as the
// event of its beginning has come since, and had not waited before. What was only found in the table, or heard of as it went on,
// may be older than it has been known.
func (f *Flow) BeganAfter(at int64) bool {
	if f.Start != 0 {
		return f.Start > at
	}
	return f.known&begun != 0 && f.First-int64(PromptWithin) > at
}

// MayHaveBegunAfter tells that the flow is not known to have begun before a time. One that was only found may be as old as any,
// unless all that were there had been listed before.
func (f *Flow) MayHaveBegunAfter(at, listed int64) bool {
	switch {
	case f.Start != 0:
		return f.Start > at
	case f.known&begun == 0:
		return listed != 0 && f.First > max(at, listed)
	}
	return f.First > at
}

// Remaining is how many seconds are left before the kernel drops the flow, if no
// further packet passes. It is 0 when a packet has passed that we were not told of.
func (f *Flow) Remaining(now int64) uint32 {
	gone := max(0, now-f.Told) / int64(time.Second)
	return uint32(max(0, int64(f.Timeout)-gone))
}

// SetCounts gives the flow the counters that the kernel told.
func (f *Flow) SetCounts(origPackets, origBytes, replyPackets, replyBytes uint64) {
	f.OrigPackets, f.OrigBytes, f.ReplyPackets, f.ReplyBytes = origPackets, origBytes, replyPackets, replyBytes
	f.known |= countsKnown
}

const (
	// rateMemory is how many seconds a rate takes to follow most of the way: a mean of about the last three.
	rateMemory = 1.25
	// rateStep is how far apart two readings must at least be to say anything about a rate.
	rateStep = int64(250 * time.Millisecond)
	// quietStep is what the time without a packet is counted in, and quietSteps after how many the rate is 0:
	// a little less than five seconds, as readings come a little early or late.
	quietStep  = int64(300 * time.Millisecond)
	quietSteps = 15
)

// count takes the counters of told, which were read at the time at, and brings
// the rates up to date. A reading that follows too closely is left out, unless
// it is the flow's last.
func (f *Flow) count(told *Flow, at int64, last bool) {
	past := at - f.Counted
	known := f.Counts() && f.Counted != 0
	if known && !last && past < rateStep {
		return
	}
	if known && past >= rateStep {
		f.rate(told, float64(past)/float64(time.Second))
	}
	f.SetCounts(told.OrigPackets, told.OrigBytes, told.ReplyPackets, told.ReplyBytes)
	f.Counted = at
}

// rate moves the rates towards what the last seconds have brought, the more the
// longer they were.
func (f *Flow) rate(told *Flow, seconds float64) {
	if told.Bytes() < f.Bytes() || told.Packets() < f.Packets() {
		// Somebody has set the counters to zero: no rate until the next reading.
		f.known = f.known.withQuiet(0) &^ ratesKnown
		f.ByteRate, f.PacketRate = 0, 0
		return
	}
	bytes := float64(told.Bytes()-f.Bytes()) / seconds
	packets := float64(told.Packets()-f.Packets()) / seconds
	weight := 1.0
	if f.HasRate() {
		weight = 1 - math.Exp(-seconds/rateMemory)
	}
	f.ByteRate += float32(weight * (bytes - float64(f.ByteRate)))
	f.PacketRate += float32(weight * (packets - float64(f.PacketRate)))
	quiet := 0
	if bytes == 0 && packets == 0 {
		steps := seconds * float64(time.Second) / float64(quietStep)
		quiet = int(min(float64(f.known.quiet())+math.Round(steps), quietSteps))
	}
	f.known = f.known.withQuiet(quiet)
	if quiet == quietSteps {
		f.ByteRate, f.PacketRate = 0, 0 // it would become ever less, and never nothing
	}
	f.known |= ratesKnown
}

// SetRates gives the flow the rates of bytes and packets a second that were measured.
func (f *Flow) SetRates(bytes, packets float32) {
	f.ByteRate, f.PacketRate = bytes, packets
	f.known |= ratesKnown
}
