package commit

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Arrival is a login over SSH, as it may prove that a change has not locked its
// operator out.
type Arrival struct {
	From netip.Addr
	// Began is when its TCP connection began, as the time since the host was started
	// (CLOCK_BOOTTIME); 0 where that is not known. A session over an older connection, and a
	// login that was only finished after the change, say nothing about new connections.
	Began time.Duration
	// Entered is when somebody got in by it, where only that is known.
	Entered time.Duration
	// User has got in by it; "" nobody has: anybody can connect to port 22.
	User string
	// Here is set of a login from this host itself, which meets other rules than one from elsewhere.
	Here bool
}

// Proof is what the logins since a change say about whether its operators can still get in.
type Proof struct {
	// Login is the first login that proves it for one of them, After how long after the change its connection
	// began. Its User is "" where nothing is proven, or where nothing has to be, because nobody came by the network.
	Login Arrival
	After time.Duration
	// Missing are the operators for whom nothing is proven, and Lacking says why; "" where none is missing.
	Missing []netip.Addr
	Lacking string
	// Unproven are other ways in that the change may cut off and that no login proves, in words; none while an operator is
	// missing.
	Unproven []string
}

// Proof looks for logins that prove that the operators of a change can still get in: for each address from
// which one of them may have come, a login from there whose TCP connection began after the change was made, and
// by which somebody got in. A login through a tunnel proves nothing of the tunnel.
func (e *Entry) Proof(c Clock, arrivals []Arrival) Proof {
	var p Proof
	if len(e.operators) == 0 {
		return p
	}
	made := e.Made(c)
	if made == 0 {
		return Proof{Missing: e.Operators(), Lacking: "it is not known when the change was made"}
	}
	for _, from := range e.operators {
		i := slices.IndexFunc(arrivals, func(a Arrival) bool { return a.From == from && a.User != "" && !a.Here && a.Began > made })
		switch {
		case i < 0:
			p.Missing = append(p.Missing, from)
		case p.Login.User == "" || arrivals[i].Began < p.Login.Began:
			p.Login, p.After = arrivals[i], arrivals[i].Began-made
		}
	}
	switch {
	case len(p.Missing) == 0 && len(e.others) == 0:
		return p
	case len(p.Missing) == 0:
		p.Unproven, p.Lacking = slices.Clone(e.others), "a login does not prove that what else the change may cut off can still be made anew: the "+strings.Join(e.others, ", the ")
		return p
	}
	p.Login, p.After = Arrival{}, 0
	p.Lacking = e.lacking(made, arrivals, p.Missing)
	return p
}

// lacking says why arrivals prove nothing for some operators.
func (e *Entry) lacking(made time.Duration, arrivals []Arrival, missing []netip.Addr) string {
	why, weight := "nobody has logged in since the change was made", 0
	for _, a := range arrivals {
		words, weighs := e.unfit(made, a, missing)
		if weighs > weight {
			why, weight = words, weighs
		}
	}
	if len(e.operators) == 1 {
		return why
	}
	var from []string
	for _, a := range missing {
		from = append(from, a.String())
	}
	return "not proven for the operator from " + strings.Join(from, ", nor from ") + ": " + why
}

// unfit says why an arrival proves nothing for those who are missing; of several such words those that weigh most
// are told, and those of weight 0 never.
func (e *Entry) unfit(made time.Duration, a Arrival, missing []netip.Addr) (words string, weight int) {
	since := max(a.Began, a.Entered)
	switch {
	case since <= made:
		return "", 0
	case a.User == "":
		return fmt.Sprintf("there is a connection from %v since the change was made, but nobody logged in over it", a.From), 1
	case a.Here:
		return fmt.Sprintf("%s has logged in from %v since the change was made, but that is this host itself, which proves nothing", a.User, a.From), 2
	case !slices.Contains(e.operators, a.From):
		return fmt.Sprintf("%s has logged in from %v since the change was made, but the change was made from elsewhere", a.User, a.From), 2
	case !slices.Contains(missing, a.From):
		return "", 0
	}
	return fmt.Sprintf("%s has logged in from %v since the change was made, but over a connection that is older than the change or has ended, so that it is not known when it began", a.User, a.From), 3
}

// Operators are the addresses from each of which a login is to prove that a change has locked nobody out: where
// whoever made it may have come from, and whom it may cut off; none where nobody came by the network.
func (e *Entry) Operators() []netip.Addr { return slices.Clone(e.operators) }
