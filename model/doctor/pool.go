package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// A rule may send to any of several servers, of which the kernel picks one by a hash of both addresses
// (find_best_ips_proto in net/netfilter/nf_nat_core.c): who one client's server is, is not who another's is.

// servers is the range of servers that a forward's rule picks from; false where there is one.
func (f *Forward) servers() (rules.Addrs, bool) {
	to := f.rule.Target.To
	return to.Addrs, f.rule.Target.Kind == rules.DNAT && !to.Addrs.IsZero() && !to.Addrs.Single()
}

// settle names the server that a forward's packet gets, or those of which it gets one that cannot be foreseen: by a map of native
// nft whose key is a hash, a count or chance.
func (t *trial) settle(f *Forward) {
	_, several := f.servers()
	if f.among = nil; !several && f.Rule.Backend != rules.Native {
		return
	}
	way := t.fate(f.packet)
	switch {
	case !way.known || !way.by(f.Rule):
	case !several:
		f.among = way.sentTo(f.Rule)
	case len(way.Outcomes) == 1 && way.Outcomes[0].Dst.Addr.IsValid():
		f.Server = netip.AddrPortFrom(way.Outcomes[0].Dst.Addr, f.Server.Port())
		f.local = t.IsLocal(f.Server.Addr())
	}
}

// sentTo are the servers that a rule may send the packet to, where these are several.
func (x *fate) sentTo(by evaluate.RuleRef) (list []netip.AddrPort) {
	for _, o := range x.Outcomes {
		if to := o.Dst.AddrPort(); o.DNATBy == by && o.Dst.Certain() && !slices.Contains(list, to) {
			list = append(list, to)
		}
	}
	if len(list) < 2 {
		return nil
	}
	return list
}

// How many servers of a rule are looked at, and how many clients are tried for each of them.
const (
	serversExamined = 8
	clientsTried    = 64
)

// otherServers are forwards of rules with several servers, each with a client who gets another of them.
func (t *trial) otherServers(forwards []Forward) (list []Forward) {
	for i := range forwards {
		f := forwards[i]
		if _, several := f.servers(); !several || len(list) >= othersExamined {
			continue
		}
		known := map[netip.Addr]bool{f.Server.Addr(): true}
		client := f.packet.Src
		for range clientsTried {
			client = client.Next()
			if len(known) >= serversExamined || !t.comesBy(client, f.Link) {
				break
			}
			if t.IsLocal(client) || !f.via.src.Any() && !f.via.src.Contains(client) {
				continue
			}
			other := f
			other.packet.Src = client
			if t.settle(&other); !known[other.Server.Addr()] && !t.neighbours(client, other.Server.Addr()) {
				known[other.Server.Addr()] = true
				list = append(list, other)
			}
		}
	}
	return list
}

// serverText is where a forward leads to: one server, or several with the one of this client, and its port unless any of
// several may be it.
func (f *Forward) serverText() string {
	all, several := f.servers()
	if f.drawn {
		at := f.Server.Addr().String()
		if several {
			at = "one of " + all.String()
		}
		return fmt.Sprintf("one of the ports %s of %s", f.rule.Target.To.Ports.Text("-"), at)
	}
	if len(f.among) > 0 {
		return "one of " + f.amongText()
	}
	if !several {
		return f.Server.String()
	}
	return fmt.Sprintf("one of %s, for %s to %s", all, f.packet.Src, f.Server)
}

// amongText are the servers of which a client gets one that cannot be foreseen.
func (f *Forward) amongText() string {
	const most = 4
	var words []string
	for i, a := range f.among {
		if i == most {
			words = append(words, fmt.Sprintf("%d more", len(f.among)-most))
			break
		}
		words = append(words, a.String())
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
