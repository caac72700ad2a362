package doctor

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"nattui/model/flow"
	"nattui/rules"
)

// datagrams are the flows of UDP by what tells that a server answers with another address than it was asked at: to the kernel
// its answer begins another flow, towards the very end that waits.
type datagrams struct {
	waits  map[netip.AddrPort]netip.AddrPort // servers of flows that nobody has answered, by as whom the client is seen
	begins map[netip.AddrPort]netip.AddrPort // who sent datagrams by itself, by where to
}

// mostDatagrams bounds what is remembered of either.
const mostDatagrams = 50_000

// note takes a flow; own tells that it is for this host itself.
func (d *datagrams) note(f *flow.Flow, own bool) {
	if f.Proto() != rules.UDP || f.Status&flow.StatusSeenReply != 0 {
		return
	}
	if (own || f.NAT()&flow.NATDst != 0) && len(d.waits) < mostDatagrams {
		d.waits[f.SeenAs()] = f.ServedBy()
	}
	if len(d.begins) < mostDatagrams {
		d.begins[f.AskedFor()] = f.Client()
	}
}

// answers tells that a flow is the answer to one that waits, from another address of its server.
func (d *datagrams) answers(f *flow.Flow) bool {
	server, ok := d.waits[f.AskedFor()]
	return ok && f.Proto() == rules.UDP && server != f.Client() && server.Port() == f.Client().Port()
}

// answerers are the other addresses with which servers answer what they were asked, by the servers.
func (d *datagrams) answerers() map[netip.AddrPort]netip.AddrPort {
	list := map[netip.AddrPort]netip.AddrPort{}
	for client, server := range d.waits {
		if from, ok := d.begins[client]; ok && from != server && from.Port() == server.Port() {
			list[server] = from
		}
	}
	return list
}

// answersElsewhere tells of a server of UDP whose answers come from another of its addresses.
func answersElsewhere(x *Examination, f *Forward) Finding {
	from, ok := x.stats.answerers[f.Server]
	if f.Proto != rules.UDP || !ok {
		return Finding{}
	}
	return x.anotherAnswers(f.Server, from, ruleName(f.Rule), f.ruleCount())
}

func (x *Examination) anotherAnswers(server, from netip.AddrPort, subject string, evidence ...string) Finding {
	return Finding{
		Check: "answers-elsewhere", Severity: SeverityError, Subject: subject, Evidence: append([]string{fmt.Sprintf("datagrams from %s to the client that asked %s", from, server)}, evidence...),
		Sentence: fmt.Sprintf("%s is asked and answers from %s: to the kernel that is no answer, and it is not translated back. A program that takes datagrams at all addresses of a machine may do so: have it listen at %s itself, or send to %s.", server, from, server.Addr(), from.Addr()),
	}
}

// checkOwnDatagrams tells of programs of this host that answer with another of its addresses than they were asked at: nobody
// who waits for an answer takes it for one.
func checkOwnDatagrams(x *Examination) (list []Finding) {
	for _, server := range slices.SortedFunc(maps.Keys(x.stats.answerers), netip.AddrPort.Compare) {
		if !x.IsLocal(server.Addr()) || len(list) >= alike {
			continue
		}
		l, known := x.ListensOn(rules.UDP, server, "")
		found := x.anotherAnswers(server, x.stats.answerers[server], fmt.Sprintf("udp %s", server))
		found.Sentence = fmt.Sprintf("Who asks %s of this host is answered from %s, and does not take that for the answer. A program that takes datagrams at all addresses may do so, as OpenVPN without multihome: have it listen at %s itself, or ask %s.", server, x.stats.answerers[server], server.Addr(), x.stats.answerers[server].Addr())
		if known {
			found.Evidence = append(found.Evidence, fmt.Sprintf("%s listens at %s", listenerName(l), l.Address))
		}
		list = append(list, found)
	}
	return list
}
