package forward

import (
	"fmt"
	"net/netip"
	"time"
)

// clients count the connections of each client.
type clients struct {
	limit int // 0: none
	have  map[netip.Addr]int

	// Refusals are told once in refusalPause, so that a flood of them is none of lines.
	told   time.Time
	untold int
}

const refusalPause = time.Second

// clientOf is the client that an address belongs to: of IPv6 a whole /64, which is what a network gives
// to one.
func clientOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	p, _ := a.Prefix(64)
	return p.Addr()
}

// take counts a connection, unless its client has too many. Then refusal is what to tell of it; nil if that has
// been told a moment ago.
func (c *clients) take(from netip.Addr, now time.Time) (refusal error, taken bool) {
	client := clientOf(from)
	if c.limit <= 0 || c.have[client] < c.limit {
		c.have[client]++
		return nil, true
	}
	return c.tell(fmt.Errorf("refused: %s has %d connections, as many as one client may", from, c.limit), now), false
}

// tell is a refusal that is to be told; nil if one has been told a moment ago.
func (c *clients) tell(refusal error, now time.Time) error {
	if now.Sub(c.told) < refusalPause {
		c.untold++
		return nil
	}
	if c.untold > 0 {
		refusal = fmt.Errorf("%w; %d more were refused before", refusal, c.untold)
	}
	c.told, c.untold = now, 0
	return refusal
}

// release takes one off that take has counted.
func (c *clients) release(from netip.Addr) {
	client := clientOf(from)
	if c.have[client]--; c.have[client] <= 0 {
		delete(c.have, client)
	}
}
