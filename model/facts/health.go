package facts

import (
	"fmt"
	"time"

	"nattui/rules"
)

// Setting is a switch of the kernel that may be missing.
type Setting uint8

// The positions of a switch. Auto is that of nf_conntrack_events=2: events for flows that
// begin while somebody listens.
const (
	SettingUnknown Setting = iota
	SettingOff
	SettingOn
	SettingAuto
)

// Health is the state of the kernel's connection table as a whole. What is
// unknown is SettingUnknown, or -1 where it is a number.
type Health struct {
	At int64
	// Tracking tells whether connections of this network namespace are tracked at all: a
	// namespace other than the first begins to when a rule refers to NAT or to connection state.
	Tracking Setting
	// Count of flows, how many there may be at most, and the hash table's size.
	Count, Max, Buckets int
	// Accounting is nf_conntrack_acct, Timestamps nf_conntrack_timestamp, Events nf_conntrack_events.
	Accounting, Timestamps, Events Setting
	// Stats are the sums over all processors, known if HasStats.
	HasStats bool
	Stats    TableStats
}

// TableStats are what has happened to the table since the namespace was made (struct
// ip_conntrack_stat; conntrack -S shows the same).
type TableStats struct {
	Found, Invalid, Insert, InsertFailed, Drop, EarlyDrop uint64
	Error, SearchRestart, ClashResolve, ChainTooLong      uint64
}

// NoRoom is how many packets were dropped because there was no room for another flow. Drop also has those
// that could not be entered (nf_ct_resolve_clash counts them in both), for which there was room enough.
func (s *TableStats) NoRoom() uint64 { return s.Drop - min(s.Drop, s.InsertFailed) }

// HealthNote is something that whoever runs the gateway should know about the table.
type HealthNote struct {
	Name     string // stable, such as table-full
	Severity string // note, warning or error
	Sentence string
	Cure     []string // commands that would help, if there are any
}

// Share is how full the table is, from 0 to 1, or 0 if that is unknown.
func (h *Health) Share() float64 {
	if h.Count < 0 || h.Max <= 0 {
		return 0
	}
	return float64(h.Count) / float64(h.Max)
}

// Growth is how many flows a second the table has grown since earlier, negative if it shrinks.
func (h *Health) Growth(earlier *Health) float64 {
	seconds := time.Duration(h.At - earlier.At).Seconds()
	if earlier.At == 0 || seconds <= 0 || h.Count < 0 || earlier.Count < 0 {
		return 0
	}
	return float64(h.Count-earlier.Count) / seconds
}

// LastingGrowth is how long the table has to have grown for that to tell anything: most connections that a burst leaves
// behind are gone after it, the longest of the usual time-outs of connections that are over or were never answered
// (nf_conntrack_tcp_timeout_time_wait, _syn_sent and nf_conntrack_udp_timeout_stream are 120 s).
const LastingGrowth = 120 * time.Second

// fillsSoon is how long before a table is full its growth is worth a warning.
const fillsSoon = 10 * time.Minute

// TimeToFull is how long the table would take to fill at the growth since earlier; false where it does not grow, or
// fewer than ten flows a minute, or where that was too short a time ago to foretell anything.
func (h *Health) TimeToFull(earlier *Health) (time.Duration, bool) {
	growth := h.Growth(earlier)
	if growth*60 < 10 || h.Max <= h.Count || time.Duration(h.At-earlier.At) < LastingGrowth {
		return 0, false
	}
	return time.Duration(float64(h.Max-h.Count) / growth * float64(time.Second)), true
}

// fills tells that the table is full within a time, by its growth since earlier.
func (h *Health) fills(earlier *Health, within time.Duration) bool {
	left, ok := h.TimeToFull(earlier)
	return ok && left < within
}

// HealthCounter is one of TableStats with what it means to whoever runs the gateway.
type HealthCounter struct {
	Name  string // as conntrack -S prints it
	Total uint64
	// Since is by how much it has grown since the earlier look.
	Since uint64
	// Means says what is counted, Advice what to do when it grows; Cure are commands for that.
	Means, Advice string
	Cure          []string
}

// Counters are the statistics of the table, the most serious first; nil where the
// kernel does not tell them. earlier may be the zero value.
func (h *Health) Counters(earlier *Health) []HealthCounter {
	if !h.HasStats {
		return nil
	}
	s, e := &h.Stats, &earlier.Stats
	if !earlier.HasStats {
		e = s
	}
	larger := fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d", 2*max(h.Max, 1))
	buckets := fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_buckets=%d", max(h.Count, 2*h.Buckets, 1))
	drop, cure := "make the table larger", []string{larger}
	if s.NoRoom() <= e.NoRoom() {
		drop, cure = "see insert_failed, as there was room", nil
	}
	of := func(name string, now, before uint64, means, advice string, cure ...string) HealthCounter {
		return HealthCounter{name, now, now - min(before, now), means, advice, cure}
	}
	return []HealthCounter{
		of("drop", s.Drop, e.Drop, "packets dropped: no room, or no free port", drop, cure...),
		of("early_drop", s.EarlyDrop, e.EarlyDrop, "unanswered connections removed to make room", "make the table larger, or find the flooding client (b groups by client)", larger),
		of("insert_failed", s.InsertFailed, e.InsertFailed, "packets lost: a conflicting entry existed", "usual for DNS, whose two queries race; otherwise SNAT has no free port left: give it more addresses or ports"),
		of("chaintoolong", s.ChainTooLong, e.ChainTooLong, "refused: too many connections in a hash bucket", "give the table more buckets", buckets),
		of("error", s.Error, e.Error, "broken packets, not tracked", "nothing to do, unless it grows fast: then something sends broken packets"),
		of("invalid", s.Invalid, e.Invalid, "packets that belong to no connection", "check whether replies bypass this gateway; nf_conntrack_log_invalid logs the packets"),
		of("clash_resolve", s.ClashResolve, e.ClashResolve, "races of two packets, resolved", "nothing to do: none was lost"),
		of("search_restart", s.SearchRestart, e.SearchRestart, "lookups restarted: the table changed", "nothing to do; if it grows fast, more buckets help", buckets),
		of("found", s.Found, e.Found, "connections found while looking for a free port", "nothing"),
		of("insert", s.Insert, e.Insert, "connections inserted", "nothing"),
	}
}

// Notes are what is wrong or missing now, the worst first. earlier is what was
// measured some time before, to tell what is happening from what has happened once; trend what was measured
// LastingGrowth before or longer, to tell when the table is full. Their zero values are allowed.
func (h *Health) Notes(earlier, trend *Health) []HealthNote {
	var notes []HealthNote
	add := func(name, severity, sentence string, cure ...string) {
		notes = append(notes, HealthNote{name, severity, sentence, cure})
	}
	larger := fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d", 2*max(h.Max, 1))
	share := h.Share()
	switch {
	case share >= 0.95:
		add("table-full", "error", fmt.Sprintf("The table is %.0f %% full (%s of %s): new connections are refused or replace others.", 100*share, rules.Grouped(h.Count), rules.Grouped(h.Max)), larger)
	case share >= 0.8:
		add("table-filling", "warning", fmt.Sprintf("The table is %.0f %% full (%s of %s).", 100*share, rules.Grouped(h.Count), rules.Grouped(h.Max)), larger)
	case h.fills(trend, fillsSoon):
		left, _ := h.TimeToFull(trend)
		add("table-growing", "warning", fmt.Sprintf("The table grows by %.0f connections a second: full in %v if that goes on.", h.Growth(trend), left.Round(time.Second)), larger)
	}
	if h.HasStats {
		notes = append(notes, h.losses(earlier, larger)...)
	}
	switch {
	case h.Tracking == SettingOff:
		add("not-tracking", "note", "Nothing is tracked yet: the kernel starts with the first rule that uses NAT or connection state.")
	case h.Tracking == SettingUnknown && h.Count == 0:
		add("nothing-tracked", "note", "Nothing is tracked now: no packet has come lately, or no rule uses NAT or connection state, which starts tracking.")
	}
	if h.Events == SettingOff {
		add("events-off", "warning", "The kernel sends no events: connections are found by reading the whole table repeatedly, and short ones are missed.",
			"sysctl -w net.netfilter.nf_conntrack_events=1")
	}
	if h.Accounting == SettingOff {
		add("accounting-off", "note", "The kernel does not count packets and bytes; if turned on, it counts them for connections that begin afterwards.",
			"sysctl -w net.netfilter.nf_conntrack_acct=1")
	}
	if h.Timestamps == SettingOff {
		add("timestamps-off", "note", "The kernel does not record when connections begin, so ages count from when they were first seen here.",
			"sysctl -w net.netfilter.nf_conntrack_timestamp=1")
	}
	if h.Buckets > 0 && h.Count > 4*h.Buckets {
		add("table-crowded", "warning", fmt.Sprintf("%s share %s hash buckets, which slows down every packet.", rules.Plural(h.Count, "connection"), rules.Grouped(h.Buckets)),
			fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_buckets=%d", h.Count))
	}
	return notes
}

// losses are notes about connections that the table has turned away. What
// happened before earlier is told as past.
func (h *Health) losses(earlier *Health, larger string) (notes []HealthNote) {
	lost := func(name string, now, before uint64, noun, happened, why string, cure ...string) {
		if now == 0 {
			return
		}
		were := func(n uint64) string {
			return rules.Plural(n, noun) + map[bool]string{true: " was ", false: " were "}[n == 1] + happened
		}
		severity, since := "note", were(now)+" so far"
		if earlier.HasStats && now > before {
			severity, since = "error", fmt.Sprintf("%s just now, %s so far", were(now-before), rules.Grouped(now))
		}
		if severity == "note" {
			cure = nil // it is over
		}
		notes = append(notes, HealthNote{name, severity, since + ": " + why, cure})
	}
	s, e := &h.Stats, &earlier.Stats
	lost("drop", s.NoRoom(), e.NoRoom(), "packet", "dropped", "the table was full, or there was no memory for another connection.", larger)
	lost("early-drop", s.EarlyDrop, e.EarlyDrop, "connection", "removed", "the table was full, and connections without a reply made room for new ones.", larger)
	why := "two packets of one connection raced each other (usual for DNS), or no free port was left for SNAT."
	if earlier.HasStats && s.Found > e.Found { // it has looked for one
		why = "SNAT finds no free port, so give it more addresses or ports; or two packets of one connection raced each other (usual for DNS)."
	}
	lost("insert-failed", s.InsertFailed, e.InsertFailed, "packet", "lost", why)
	lost("chain-too-long", s.ChainTooLong, e.ChainTooLong, "connection", "refused", "too many share a hash bucket.",
		fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_buckets=%d", max(h.Count, 2*h.Buckets, 1)))
	return notes
}
