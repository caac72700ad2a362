package ui

import (
	"maps"
	"net/netip"
	"reflect"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/model/mission"
)

// testResults is what servers have said to tests, and clients of the lab have met, since rules, links or routes were last changed.
// Its maps are never written to: an examination may be reading them.
type testResults struct {
	probes map[netip.AddrPort]doctor.Probe
	tries  map[string]doctor.Try // by the name of the forward
	// since counts the changes: what was begun before one is heard no more.
	since uint64
}

// forget is called where what was heard may not be so any more.
func (r *testResults) forget() { *r = testResults{since: r.since + 1} }

// note takes what servers have said.
func (r *testResults) note(probes map[netip.AddrPort]doctor.Probe) {
	all := map[netip.AddrPort]doctor.Probe{}
	maps.Copy(all, r.probes)
	maps.Copy(all, probes)
	r.probes = all
}

// noteTry takes what came back of a packet that was sent for a forward.
func (r *testResults) noteTry(forward string, t doctor.Try) {
	all := map[string]doctor.Try{forward: t}
	for name, before := range r.tries {
		if name != forward {
			all[name] = before
		}
	}
	r.tries = all
}

// changed forgets what another look at the host puts in doubt: all of it where links, addresses, routes or settings have
// changed, and of a server that is another machine by now what that has said.
func (r *testResults) changed(a, b *facts.Facts) {
	if a == nil {
		return
	}
	if !sameWays(a, b) {
		r.forget()
		return
	}
	before, now := macs(a), macs(b)
	moved := func(server netip.Addr) bool {
		return before[server] != "" && now[server] != "" && before[server] != now[server]
	}
	for server := range r.probes {
		if moved(server.Addr()) {
			r.forget()
			return
		}
	}
	for _, t := range r.tries {
		if moved(t.Server.Addr()) {
			r.forget()
			return
		}
	}
}

// macs are who has the addresses of the networks that this host is in.
func macs(f *facts.Facts) map[netip.Addr]string {
	all := map[netip.Addr]string{}
	for i := range f.Neighbours {
		all[f.Neighbours[i].Addr] = f.Neighbours[i].MAC
	}
	return all
}

// sameWays tells whether two looks at the host found the same settings, links, addresses and routes.
func sameWays(a, b *facts.Facts) bool {
	return a.Settings.Equal(&b.Settings) && reflect.DeepEqual(a.Links, b.Links) && reflect.DeepEqual(a.Addresses, b.Addresses) && reflect.DeepEqual(a.Routes, b.Routes)
}

// sameNetwork tells whether they found the same listeners, too.
func sameNetwork(a, b *facts.Facts) bool {
	return sameWays(a, b) && reflect.DeepEqual(a.Listeners, b.Listeners)
}

// tryOf is what the doctor makes of a packet that came back as that.
func (d *desk) tryOf(reply *mission.Reply) doctor.Try {
	return doctor.Try{
		At: d.now, From: reply.From, Server: reply.At, Said: reply.Request.Sentence() + ": " + reply.Sentence(),
		Answered: reply.Outcome == mission.Answered && reply.At.IsValid(), Refused: reply.Outcome == mission.Refused,
	}
}
