package doctor

import (
	"fmt"
	"net/netip"

	"nattui/rules"
)

// A rule may send to any of several servers, of which the kernel picks one by a hash of both addresses
// (find_best_ips_proto in net/netfilter/nf_nat_core.c): who one client's server is, is not who another's is.

// servers is the range of servers that a forward's rule picks from; false where there is one.
func (f *Forward) servers() (rules.Addrs, bool) {
	to := f.rule.Target.To
	return to.Addrs, f.rule.Target.Kind == rules.DNAT && !to.Addrs.IsZero() && !to.Addrs.Single()
}

// settle names the server that a forward's packet gets.
func (t *trial) settle(f *Forward) {
	if _, several := f.servers(); !several {
		return
	}
	if way := t.fate(f.packet); way.known && len(way.Outcomes) == 1 && way.by(f.Rule) && way.Outcomes[0].Dst.Addr.IsValid() {
		f.Server = netip.AddrPortFrom(way.Outcomes[0].Dst.Addr, f.Server.Port())
		f.local = t.IsLocal(f.Server.Addr())
	}
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
	if !several {
		return f.Server.String()
	}
	return fmt.Sprintf("one of %s, for %s to %s", all, f.packet.Src, f.Server)
}
