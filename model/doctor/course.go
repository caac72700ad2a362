package doctor

import (
	"fmt"
	"time"

	"nattui/model/flow"
	"nattui/rules"
)

// course is how the connections to somebody went: when one was answered last, and when those that wait have asked. Times are
// when a connection began, where the kernel keeps that (nf_conntrack_timestamp), else when its last packet passed, as the time
// that is left to it tells.
type course struct {
	lastAnswered int64   // at the latest; 0: not known
	waiting      []int64 // when each of those that wait has asked
	rough        bool    // some are not exact
	undated      int     // were answered, and when is not known
}

// roughly is how far apart two times must be of which whole seconds are told, that the order is certain.
const roughly = int64(900 * time.Millisecond)

// timed is when a connection began, or its last packet passed; false where neither is known.
func (c *course) timed(f *flow.Flow, now int64) (at int64, ok bool) {
	if at, exact := f.Since(); exact {
		return at, true
	}
	c.rough = true
	return lastPacket(f, now)
}

func (c *course) noteAnswered(f *flow.Flow, now int64) {
	if at, ok := c.timed(f, now); ok {
		c.lastAnswered = max(c.lastAnswered, at)
	} else {
		c.undated++
	}
}

func (c *course) noteWaiting(f *flow.Flow, now int64) {
	if at, ok := c.timed(f, now); ok {
		c.waiting = append(c.waiting, at)
	}
}

// unansweredSince is how many connections have asked after the newest that was answered, and wait for an answer: of rough
// times, one or two are not told.
func (c *course) unansweredSince() (n int) {
	for _, at := range c.waiting {
		if c.isSince(at) {
			n++
		}
	}
	if c.rough && n < 3 {
		return 0
	}
	return n
}

// answeredSince tells that all that wait have certainly asked before one that was answered.
func (c *course) answeredSince() bool {
	margin := int64(0)
	if c.rough {
		margin = roughly
	}
	for _, at := range c.waiting {
		if at+margin >= c.lastAnswered {
			return false
		}
	}
	return c.lastAnswered != 0
}

func (c *course) isSince(at int64) bool {
	margin := int64(0)
	if c.rough {
		margin = roughly
	}
	return c.lastAnswered != 0 && c.undated == 0 && at > c.lastAnswered+margin
}

// dated tells when the connections that wait after the last that was answered have asked; to is whom, as in "to 192.0.2.1:80".
func (c *course) dated(to string, now int64) string {
	ago := func(at int64) time.Duration { return time.Duration(now - at).Round(time.Second) }
	first := now
	for _, at := range c.waiting {
		if c.isSince(at) {
			first = min(first, at)
		}
	}
	return fmt.Sprintf("the last %s %s not answered, since %s ago; one before, %s ago, was", rules.Plural(c.unansweredSince(), "connection"), to, ago(first), ago(c.lastAnswered))
}

// lifetimes are for how long the kernel keeps a TCP connection without a further packet, in seconds, by its state
// (tcp_timeouts in net/netfilter/nf_conntrack_proto_tcp.c). An established one is kept for days: its time tells little.
var lifetimes = map[string]uint32{"SYN_SENT": 120, "FIN_WAIT": 120, "CLOSE_WAIT": 60, "LAST_ACK": 30, "TIME_WAIT": 120, "CLOSE": 10}

// lastPacket is when the last packet of a connection passed, by the kernel's usual lifetimes; false where these are not known
// for its state, or it has others.
func lastPacket(f *flow.Flow, now int64) (at int64, ok bool) {
	var whole uint32
	switch {
	case f.Proto() == rules.TCP:
		whole = lifetimes[f.StateName()]
	case f.Proto() == rules.UDP && f.Status&flow.StatusAssured != 0:
		whole = 120 // nf_conntrack_udp_timeout_stream
	default:
		whole = 30 // nf_conntrack_udp_timeout, nf_conntrack_icmp_timeout
	}
	left := f.Remaining(now)
	return now - int64(whole-min(left, whole))*int64(time.Second), whole > 0 && left <= whole
}
