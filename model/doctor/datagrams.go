package doctor

import (
	"fmt"
	"net/netip"

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

func (d *datagrams) note(f *flow.Flow) {
	if f.Proto() != rules.UDP || f.Status&flow.StatusSeenReply != 0 {
		return
	}
	if f.NAT()&flow.NATDst != 0 && len(d.waits) < mostDatagrams {
		d.waits[f.SeenAs()] = f.ServedBy()
	}
	if len(d.begins) < mostDatagrams {
		d.begins[f.AskedFor()] = f.Client()
	}
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
	return Finding{
		Check: "answers-elsewhere", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{fmt.Sprintf("datagrams from %s to the client that asked %s", from, f.Server), f.ruleCount()},
		Sentence: fmt.Sprintf("%s is asked and answers from %s: to the kernel that is no answer, and it is not translated back. A program that takes datagrams at all addresses of a machine may do so: have it listen at %s itself, or send to %s.", f.Server, from, f.Server.Addr(), from.Addr()),
	}
}
