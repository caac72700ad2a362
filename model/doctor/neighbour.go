package doctor

import (
	"fmt"
	"net/netip"
	"time"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// What the kernel knows of a neighbour is as old as its last question, and it asks only when there is a packet for it: an
// entry may tell of yesterday.

// stepNeighbour asks whether the machines that clients may be sent to, or the routers before them, are there.
func stepNeighbour(x *Examination, f *Forward) Finding {
	one := *f
	one.drawn = false // its ports are of one machine
	return x.ofEach(&one, ofPresence, neighbourOf)
}

// neighbourOf asks it of one.
func neighbourOf(x *Examination, f *Forward) Finding {
	if f.local {
		return Finding{Sentence: "It is this host itself."}
	}
	n, hop, ok := x.neighbour(f.Server.Addr())
	if !n.Reachable {
		if found := undiscovered(x, f, hop); found.Check != "" {
			return found
		}
	}
	switch {
	case !ok:
		return unknown(fmt.Sprintf("Whether %s is there is not known: nobody has asked the network for it lately.", hop))
	case !n.Reachable && n.MAC == "":
		return silentNeighbour(x, f, &n, hop)
	case n.Permanent:
		return unknown(fmt.Sprintf("Whether %s is there is not known: somebody has written that it is %s, and the network is not asked.", hop, n.MAC), fmt.Sprintf("ip neigh: %s on %s is %s, permanent", hop, n.Link, n.MAC))
	case n.Stale:
		return staleNeighbour(x, f, &n, hop)
	}
	evidence := fmt.Sprintf("ip neigh: %s on %s is %s", hop, n.Link, n.MAC)
	if seen := x.stats.ofServer(f); waitsLater(f, &seen) {
		return unknown(fmt.Sprintf("%s was there less than a minute ago; whether it still is, is not known, as nobody has been answered since.", hop), evidence, seen.String())
	}
	return Finding{Sentence: fmt.Sprintf("%s is there.", hop), Evidence: []string{evidence}}
}

// waitsLater tells that connections to a server wait for an answer and that none which began after them is known to have got
// one: the kernel takes a neighbour for reachable for half a minute after it was heard (base_reachable_time). Datagrams that
// nobody has ever answered need no answer.
func waitsLater(f *Forward, seen *tally) bool {
	return seen.unanswered+seen.hairpin > 0 && (f.Proto == rules.TCP || seen.replied > 0) && !seen.answeredSince()
}

// silentNeighbour tells that nobody answered for an address. What is dropped before the kernel has to ask proves nothing of
// today.
func silentNeighbour(x *Examination, f *Forward, n *facts.Neighbour, hop netip.Addr) Finding {
	evidence := fmt.Sprintf("ip neigh: %s on %s did not answer when last asked", hop, n.Link)
	way := x.fate(f.packet)
	if _, blocked := way.blocked(); blocked {
		return unknown(fmt.Sprintf("Whether %s is there is not known: no machine on %s answered when it was last asked for, and packets for it do not get so far now that it is asked for again.", hop, n.Link), evidence)
	}
	if filters := checkARPFilters(x); hop.Is4() && len(filters) > 0 {
		return unknown(fmt.Sprintf("Whether %s is there is not known: no machine on %s answered when it was last asked for, and %s drops ARP packets here, perhaps the answer.", hop, n.Link, filters[0].Subject), append([]string{evidence}, filters[0].Evidence...)...)
	}
	return Finding{
		Check: "server-silent", Severity: SeverityWarning, Subject: ruleName(f.Rule), Evidence: []string{evidence, f.ruleCount()},
		Sentence: fmt.Sprintf("No machine on %s answered for %s when it was last asked for: it is off, has another address, or is not on that network.", n.Link, hop),
	}
}

// staleNeighbour tells of a neighbour that was there: it still is where it has answered a connection in the meantime.
func staleNeighbour(x *Examination, f *Forward, n *facts.Neighbour, hop netip.Addr) Finding {
	evidence := fmt.Sprintf("ip neigh: %s on %s was %s, not asked lately", hop, n.Link, n.MAC)
	seen := x.stats.ofServer(f)
	if ago := time.Duration(x.now - seen.heard); seen.heard != 0 && ago <= believed {
		return Finding{Sentence: fmt.Sprintf("%s is there: it has answered a connection %s ago.", hop, ago.Round(time.Second)), Evidence: []string{evidence, seen.String()}}
	}
	return unknown(fmt.Sprintf("%s was there when it was last asked for; whether it still is, is not known.", hop), evidence)
}

// believed is how long what was heard of a machine is taken for the present, about as long as the kernel does
// (base_reachable_time).
const believed = time.Minute

// establishedFor is for how long the kernel keeps an established TCP connection after its last packet, in seconds; one
// whose data was not acknowledged it keeps for a shorter time (tcp_timeouts in net/netfilter/nf_conntrack_proto_tcp.c).
const establishedFor = 5 * 24 * 3600

// lastHeard is when the server of an answered connection was heard at the latest, as far as that is certain; false where it is
// not known. What a client sends in vain keeps a connection too: only states that it cannot reach alone tell.
func lastHeard(f *flow.Flow, now int64) (at int64, ok bool) {
	if f.Proto() == rules.TCP {
		switch state := f.StateName(); state {
		case "ESTABLISHED":
			if left := f.Remaining(now); left <= establishedFor {
				return now - int64(establishedFor-left)*int64(time.Second), true
			}
		case "TIME_WAIT", "LAST_ACK", "CLOSE_WAIT":
			return lastPacket(f, now)
		}
	}
	return f.Since()
}
