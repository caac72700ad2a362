package doctor

import (
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
		back := x.ReversePath(evaluate.RouteQuery{Dst: to, Src: src, In: f.Link})
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
	return Finding{Sentence: fmt.Sprintf("The reverse path filter of %s is %s and lets clients' packets pass.", f.Link, mode)}
}

func disbelieved(x *Examination, f *Forward, src, to netip.Addr, back facts.ReversePath) Finding {
	name := facts.LinkSetting(f.Link, "rp_filter")
	found := Finding{
		Check: "rp-filter", Severity: SeverityError, Subject: f.Link, Evidence: []string{back.Why, f.ruleCount()},
		Sentence: fmt.Sprintf("The reverse path filter of %s is %s and silently drops packets from %s: %s.", f.Link, back.Mode, src, back.Why),
	}
	if n := x.Drops.ReversePath; n > 0 {
		found.Evidence = append(found.Evidence, fmt.Sprintf("TcpExtIPReversePathFilter: %d packets dropped so far", n))
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
