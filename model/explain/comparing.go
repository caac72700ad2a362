package explain

import (
	"net/netip"

	"nattui/model/flow"
	"nattui/rules/evaluate"
)

// With evaluates a flow's first packet and says what that tells of the flow.
func With(e *evaluate.Evaluator, f *flow.Flow, buf []evaluate.Outcome) (Explanation, []evaluate.Outcome) {
	x, buf, _ := asker{evaluator: e}.explain(f, buf)
	return x, buf
}

// comparing explains a flow by comparing what would become of its first packet with
// what became of it.
//
// What it looks at in a flow is to be told apart by classMemory.classOf: nothing but
// the kind of translation, and the ends after it, for being equal to those before
// it and to ends of outcomes.
func comparing(outcomes []evaluate.Outcome, certain bool, f *flow.Flow, unseen string) Explanation {
	nat := f.NAT()
	var x Explanation
	loose, halted := false, false
	for i := range outcomes {
		o := &outcomes[i]
		same, port := sameTranslation(o, f, nat)
		switch {
		case !same:
			continue
		case x.Confidence == NotAsked:
			x = Explanation{DNAT: o.DNATBy, SNAT: o.SNATBy, Confidence: Exact}
		case o.DNATBy != x.DNAT || o.SNATBy != x.SNAT:
			x.Confidence = Ambiguous
		}
		loose, halted = loose || !port, halted || nat&flow.NATSrc != 0 && ended(o)
	}
	switch {
	case halted:
		x = Explanation{Confidence: Unknown, Halted: true}
	case x.Confidence == NotAsked && unseen == "" && !certain && undecided(outcomes):
		x.Confidence = Ambiguous
	case x.Confidence == NotAsked && f.Status&flow.StatusExpected != 0:
		// It was translated as the connection that it belongs to (nf_nat_follow_master), and no rule was asked.
		x.Confidence = Inferred
	case x.Confidence == NotAsked && unseen != "":
		x.Confidence, x.Unseen = Unknown, unseen
	case x.Confidence == NotAsked:
		x.Confidence = Stale
	case x.Confidence == Exact && (loose || !certain || f.Status&flow.StatusExpected != 0):
		x.Confidence = Inferred
	}
	return x
}

// undecided tells that an outcome has places that are not known.
func undecided(outcomes []evaluate.Outcome) bool {
	for i := range outcomes {
		if !outcomes[i].Src.Addr.IsValid() || !outcomes[i].Dst.Addr.IsValid() {
			return true
		}
	}
	return len(outcomes) == 0
}

// sameTranslation compares an outcome with what became of a flow. port tells
// whether the ports agree as well; the kernel takes others when they are in use.
func sameTranslation(o *evaluate.Outcome, f *flow.Flow, nat flow.NAT) (same, port bool) {
	if o.DNAT != (nat&flow.NATDst != 0) {
		return false, false
	}
	served, seen := f.ServedBy(), f.SeenAs()
	if o.DNAT && !holdsAddr(o.Dst, served.Addr()) {
		return false, false
	}
	port = !o.DNAT || !f.Proto().HasPorts() || o.Dst.Holds(served)
	if o.DNAT && !port {
		return false, false // a destination's port is never chosen otherwise
	}
	if ended(o) {
		return true, false
	}
	if !o.SNAT {
		// Without a rule the kernel changes a source port alone, when it is in use.
		if nat&flow.NATSrc == 0 {
			return true, port
		}
		return seen.Addr() == f.Client().Addr(), false
	}
	if nat&flow.NATSrc == 0 {
		// A rule that keeps address and port changes nothing that is seen.
		return holdsAddr(o.Src, f.Client().Addr()), port
	}
	if !holdsAddr(o.Src, seen.Addr()) {
		return false, false
	}
	return true, port && (!f.Proto().HasPorts() || o.Src.Holds(seen))
}

// ended tells that the kernel would end a packet today before its source would be changed.
func ended(o *evaluate.Outcome) bool {
	return o.Delivered == evaluate.Dropped || o.Delivered == evaluate.NoRoute
}

func holdsAddr(e evaluate.Endpoint, a netip.Addr) bool {
	return !e.Addr.IsValid() || e.Addr == a
}
