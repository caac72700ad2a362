package evaluate

import (
	"strconv"
	"strings"

	"nattui/rules"
)

// setTTL changes a packet's time to live as the targets TTL and HL do (ttl_tg in net/netfilter/xt_HL.c).
func (st *state) setTTL(t *rules.Target) {
	if len(t.Options) != 2 {
		st.has |= blurredTTL
		return
	}
	n, err := strconv.Atoi(t.Options[1])
	how := t.Options[0][strings.LastIndexByte(t.Options[0], '-')+1:]
	switch known := st.knowsTTL(); {
	case err != nil:
		st.has |= blurredTTL
	case how == "set":
		st.keepTTL(n)
	case how == "dec" && known:
		st.keepTTL(int(st.ttl) - n)
	case how == "inc" && known:
		st.keepTTL(int(st.ttl) + n)
	case how == "dec" && n >= 254:
		st.keepTTL(0)
	case how == "dec" && n >= longWay:
		st.has |= blurredTTL // many systems begin with 64
	}
}

// longWay is how many routers a packet of unknown TTL is not expected to have passed, or to pass yet.
const longWay = 30

func (st *state) keepTTL(n int) {
	st.ttl = uint8(min(max(n, 0), 255))
	st.has &^= blurredTTL | unsaidTTL
}

// expires ends a packet whose time to live does not let it pass on (ip_forward, ip6_forward), and counts it down.
func (m *machine) expires(st *state) bool {
	const why = "its TTL expires here"
	switch {
	case st.has&blurredTTL != 0:
		lost := *st
		m.finish(&lost, Dropped, RuleRef{}, why)
		m.doubt(Doubt{What: "which TTL a rule leaves it"})
	case st.has&unsaidTTL != 0:
	case st.ttl <= 1:
		m.finish(st, Dropped, RuleRef{}, why)
		return true
	default:
		st.ttl--
	}
	return false
}

// rewriteTTL changes the time to live where a native rule writes over it.
func (m *machine) rewriteTTL(st *state, offset uint32, from place) {
	at := uint32(8)
	if m.family == rules.IPv6 {
		at = 7
	}
	switch i := at - offset; {
	case at < offset || i >= uint32(from.len):
	case m.regs.known[uint32(from.at)+i] == 0xff:
		st.keepTTL(int(m.regs.value[uint32(from.at)+i]))
	default:
		st.has |= blurredTTL
	}
}
