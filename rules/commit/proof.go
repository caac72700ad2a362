package commit

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Arrival is an SSH connection that is there, as it may prove that a change has not
// locked its operator out.
type Arrival struct {
	From netip.Addr
	// Began is when, as the time since the host was started (CLOCK_BOOTTIME).
	Began time.Duration
	// User has got in by it; "" nobody has: anybody can connect to port 22.
	User string
}

// Proof looks for a login that proves that the operator of a change can still get
// in: it came after the change was made, from an address from which the operator
// may have come, and somebody got in by it. Where there is none, lacking says
// what is not proven; it is "" where nothing has to be, because the operator did not
// come by the network.
func (e *Entry) Proof(c Clock, arrivals []Arrival) (a Arrival, after time.Duration, lacking string) {
	made := e.Made(c)
	if len(e.operators) == 0 {
		return Arrival{}, 0, ""
	}
	if made == 0 {
		return Arrival{}, 0, "it is not known when the change was made"
	}
	const nobody = "nobody has logged in since the change was made"
	lacking = nobody
	for _, a := range arrivals {
		switch {
		case a.Began <= made:
			continue
		case a.User == "" && lacking == nobody:
			lacking = fmt.Sprintf("there is a connection from %v since the change was made, but nobody logged in over it", a.From)
		case a.User == "":
		case !slices.Contains(e.operators, a.From):
			lacking = fmt.Sprintf("%s has logged in from %v since the change was made, but the change was made from elsewhere", a.User, a.From)
		default:
			return a, a.Began - made, ""
		}
	}
	return Arrival{}, 0, lacking
}

// Operators are the addresses from which whoever made the change may have come; none
// where he did not come by the network.
func (e *Entry) Operators() []netip.Addr { return slices.Clone(e.operators) }
