package doctor

import (
	"cmp"
	"fmt"
	"net/netip"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// stepBelieved asks whether the kernel believes where the packet comes from.
func stepBelieved(x *Examination, f *Forward) Finding {
	if f.Link == "" || f.Rule.Family == rules.IPv6 {
		return Finding{Sentence: "No reverse path filter stands in the way."}
	}
	to := f.Server.Addr()
	if f.local {
		to = f.Asked.Addr()
	}
	unsure := false
	for _, src := range x.clientsBy(f) {
		p := f.packet
		p.Src = src
		back := x.wayBack(p, to)
		unsure = unsure || !back.Certain && !back.Passes
		if back.Passes || !back.Certain || back.Mode != facts.RPFilterStrict && back.Mode != facts.RPFilterLoose {
			continue
		}
		return disbelieved(x, f, src, to, back)
	}
	mode := x.Settings.RPFilterOn(f.Link)
	if unsure || mode == facts.RPFilterUnknown {
		return unknown(fmt.Sprintf("What the reverse path filter of %s does is not known.", f.Link))
	}
	if nets := x.disbelievedNets(f, to); len(nets) > 0 {
		return Finding{
			Check: "rp-filter", Severity: SeverityNote, Subject: f.Link, Evidence: nets,
			Sentence: fmt.Sprintf("The reverse path filter of %s is %s: clients' packets pass, but not those from networks to which the route leads elsewhere, such as %s.", f.Link, mode, nets[0]),
		}
	}
	if mode != facts.RPFilterOff && x.outward(f.Link) && f.via.src.Any() && !x.anyDefault(rules.IPv4) {
		return Finding{
			Check: "rp-filter", Severity: SeverityNote, Subject: f.Link, Evidence: x.disbelievedSoFar("no route to " + rules.IPv4.Whole().String() + " in any table"),
			Sentence: fmt.Sprintf("The reverse path filter of %s is %s and there is no default route: packets of clients that a route leads back to pass, such as those of %s, and those of all others are dropped.", f.Link, mode, f.packet.Src),
		}
	}
	return Finding{Sentence: fmt.Sprintf("The reverse path filter of %s is %s and lets clients' packets pass.", f.Link, mode)}
}

// wayBack is what the reverse path filter says of a packet that goes to an address, with the mark that rules have given it by
// then: where src_valid_mark is set the way back is looked up with it.
func (x *Examination) wayBack(p evaluate.Packet, to netip.Addr) facts.ReversePath {
	back := x.ReversePath(evaluate.RouteQuery{Dst: to, Src: p.Src, In: p.In})
	if back.Passes {
		return back
	}
	way := x.fate(p)
	o, blocked := way.blocked()
	switch {
	case way.allowed(), blocked && !o.DroppedBy.IsZero() && way.routed():
		back.Passes, back.Certain = true, true
	case !blocked:
		back.Certain = false
	}
	return back
}

// netsTold is how many networks are named whose packets are not believed.
const netsTold = 4

// disbelievedNets are public networks whose packets a link does not take, because the route back leads elsewhere.
func (x *Examination) disbelievedNets(f *Forward, to netip.Addr) (list []string) {
	if !x.outward(f.Link) {
		return nil
	}
	for i := range x.Routes {
		r := &x.Routes[i]
		a := r.Dst.Masked().Addr()
		if r.Table == facts.TableLocal || !a.Is4() || r.Dst.Bits() == 0 || r.Kind == facts.RouteMulticast || len(list) >= netsTold {
			continue
		}
		if !r.Dst.IsSingleIP() {
			a = a.Next()
		}
		if isInner(a) || x.IsLocal(a) || !f.via.src.Any() && !f.via.src.Contains(a) {
			continue
		}
		p := f.packet
		p.Src = a
		back := x.wayBack(p, to)
		if where := cmp.Or(back.Back.Out, back.Back.Kind.String()); back.Certain && !back.Passes {
			list = append(list, fmt.Sprintf("%s (%s)", r.Dst, where))
		}
	}
	return list
}

// disbelievedSoFar is evidence with the number of packets that the reverse path filter has dropped, where it has any.
func (x *Examination) disbelievedSoFar(evidence ...string) []string {
	if n := x.Drops.ReversePath; n > 0 {
		evidence = append(evidence, "TcpExtIPReversePathFilter: "+rules.Plural(n, "packet")+" dropped so far")
	}
	return evidence
}

func disbelieved(x *Examination, f *Forward, src, to netip.Addr, back facts.ReversePath) Finding {
	name := facts.LinkSetting(f.Link, "rp_filter")
	found := Finding{
		Check: "rp-filter", Severity: SeverityError, Subject: f.Link, Evidence: x.disbelievedSoFar(back.Why, f.ruleCount()),
		Sentence: fmt.Sprintf("The reverse path filter of %s is %s and silently drops packets from %s: %s.", f.Link, back.Mode, src, back.Why),
	}
	own := map[facts.RPFilter]string{facts.RPFilterOff: "0", facts.RPFilterStrict: "1", facts.RPFilterLoose: "2"}[x.Settings.On(f.Link).RPFilter]
	plan := rules.Plan{
		Title: "Let " + f.Link + " take packets whose answers would leave by another interface",
		Steps: []rules.Step{setting(name, own, "2", "loose (2) still drops sources that nobody has a way to")},
	}
	if t, ok := x.after(plan); ok && t.Facts.ReversePath(evaluate.RouteQuery{Dst: to, Src: src, In: f.Link}).Passes {
		found.Cure = plan
	}
	return found
}
