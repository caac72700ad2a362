package doctor

import (
	"fmt"
	"net/netip"

	"nattui/model/facts"
	"nattui/rules"
)

// stepArrives asks whether the packet comes to the NAT rules at all.
func stepArrives(x *Examination, f *Forward) Finding {
	if in := f.rule.In; f.Link == "" && x.fitsNone(in) {
		return x.missingLink(f.Rule, f.rule, in.Name)
	}
	if f.Link == "" {
		return unknown("By which interface clients come is not known here.")
	}
	link, ok := x.LinkNamed(f.Link)
	switch {
	case !ok && x.Links != nil:
		return x.missingLink(f.Rule, f.rule, f.Link)
	case ok && !link.Up:
		return Finding{
			Check: "link-down", Severity: SeverityError, Subject: f.Link, Evidence: []string{"ip link: " + f.Link + " is down"},
			Sentence: fmt.Sprintf("The interface %s is down: nobody arrives by it.", f.Link), Commands: [][]string{{"ip", "link", "set", f.Link, "up"}},
		}
	}
	for _, look := range []func(*Examination, *Forward) Finding{comesByMaster, askedElsewhere, unaddressed, arpFiltered} {
		if found := look(x, f); found.Check != "" {
			return found
		}
	}
	way := x.fate(f.packet)
	if !way.known {
		return unknown(fmt.Sprintf("What becomes of a packet for %s is not known: %s.", f.askedText(), way.doubt()))
	}
	if o, blocked := way.blocked(); blocked && !o.DroppedBy.IsZero() && !way.cameToNAT(f.Rule) {
		if client, ok := othersPass(x, f); ok {
			f.packet = client // those who are let in are followed
			return stepArrives(x, f)
		}
		if found, ok := closedOnPurpose(x, f, &way, &o); ok {
			return found
		}
		if found, ok := forwardDropped(x, f, &way, "a packet for "+f.askedText()); ok {
			return found
		}
		return dropped(x, "dropped-early", f, &way, o, "before the NAT rules are asked")
	}
	evidence := []string{f.ruleCount()}
	if wan := f.Asked.Addr(); x.outward(f.Link) && isInner(wan) && x.IsLocal(wan) {
		evidence = append(evidence, fmt.Sprintf("%s has the private address %s", f.Link, wan))
		return Finding{
			Check: "cgnat", Severity: SeverityNote, Subject: f.Link, Evidence: evidence,
			Sentence: fmt.Sprintf("%s is not a public address: from the Internet only what a router in front of it forwards arrives here.", wan),
		}
	}
	for _, look := range []func(*Examination, *Forward) Finding{missedOutside, older} {
		if found := look(x, f); found.Check != "" {
			return found
		}
	}
	return whoCame(x, f, evidence)
}

// whoCame tells that a forward's packets can come by its interface, and whether any has.
func whoCame(x *Examination, f *Forward, evidence []string) Finding {
	can := fmt.Sprintf("A packet for %s can come by %s", f.askedText(), f.Link)
	switch {
	case x.seen(f):
		return Finding{Sentence: can + ".", Evidence: evidence}
	case !x.counts(f):
		found := unknown(can+"; whether anybody has come is not known: the rule does not count what it takes, and no connection is there now.", evidence...)
		found.forward = true
		return found
	}
	return Finding{Severity: SeverityUnseen, Sentence: can + ", and the rule has counted none yet: if somebody has tried, it was lost before it got here, or came differently from what the rule asks for.", Evidence: evidence}
}

// seen tells that somebody has come by a forward's rule.
func (x *Examination) seen(f *Forward) bool {
	return x.counts(f) && f.rule.Counters.Packets > 0 || x.stats.tallyOf(f).flows > 0
}

// counts tells that a rule's counter is there and a forward's own: that of a native map's rule counts for all its elements.
func (x *Examination) counts(f *Forward) bool {
	return f.rule.Counters.Known && (f.Rule.Backend != rules.Native || len(x.stats.ways[f.Rule]) == 0)
}

// askedElsewhere tells that clients ask for an address that this host does not answer for.
func askedElsewhere(x *Examination, f *Forward) Finding {
	to := f.Asked.Addr()
	if x.Addresses != nil && x.outward(f.Link) && x.unclaimed(f.Link, to) && !x.standby() {
		return x.notClaimed(f)
	}
	single, ok := f.rule.Dest.Host()
	if !ok && f.rule.Target.Kind != rules.Netmap {
		return Finding{} // of a whole network some may ask from inside
	}
	if f.rule.Dest.Any() || f.rule.Dest.Not || x.Addresses == nil || x.AnswersFor(f.Link, to) || !x.outward(f.Link) || x.standby() {
		return Finding{}
	}
	if !x.onNet(f.Link, to) {
		return behindAnother(x, f)
	}
	if replied := x.stats.of(f.Rule).replied; replied > 0 {
		return Finding{}
	}
	found := Finding{
		Check: "old-address", Severity: SeverityError, Subject: ruleName(f.Rule),
		Evidence: []string{fmt.Sprintf("%s has %s", f.Link, x.addressesText(f.Link)), f.ruleCount()},
		Sentence: fmt.Sprintf("The rule waits for packets to %s, which is not an address of this host and lies in the network of %s: nobody answers for it there, so they do not arrive.", to, f.Link),
	}
	if own, ok := x.rulesOwn(to); ok {
		found.Evidence = append(found.Evidence, own)
		return x.giveAddress(found, f.Link, to)
	}
	if !ok || single != to {
		found.Sentence += " Of the others that the rule maps the same is true."
		return x.giveAddress(found, f.Link, to)
	}
	found.Sentence += fmt.Sprintf(" If it is still yours, give it to the interface: ip address add %s dev %s.", whole(to), f.Link)
	for _, a := range x.AddressesOn(f.Link) {
		if a.Prefix.Addr().Is4() == to.Is4() && a.Scope == facts.ScopeGlobal && !a.Secondary {
			changed := *f.rule
			changed.Dest = rules.NetOfAddr(a.Prefix.Addr())
			found.Cure = rules.Plan{
				Title: fmt.Sprintf("Let rule %d of %s wait for the address that %s has now", f.Rule.Position, f.Rule.Chain, f.Link),
				Steps: []rules.Step{x.replace(f.Rule, *f.rule, changed, "so that it waits where clients arrive")},
			}
			break
		}
	}
	return found
}

// behindAnother tells of a forward for a public address that is nowhere here, where the uplink has a private one: a router in front
// that translates sends what it forwards to the private one, and one that routes a block here sends it as it is.
func behindAnother(x *Examination, f *Forward) Finding {
	to := f.Asked.Addr()
	if isInner(to) || x.seen(f) {
		return Finding{}
	}
	for _, a := range x.AddressesOn(f.Link) {
		if own := a.Prefix.Addr(); own.Is4() && to.Is4() && a.Scope == facts.ScopeGlobal && isInner(own) {
			found := unknown(fmt.Sprintf("Whether packets for %s arrive is not known: it is not an address of this host, %s has the private address %s, and the rule has counted none. "+
				"A router in front that forwards to this host sends them to %s, and the rule does not take those; one that routes %s here sends them as they are.", to, f.Link, own, own, to), f.ruleCount())
			found.Check, found.Subject = "old-address", ruleName(f.Rule)
			return found
		}
	}
	return Finding{}
}

// giveAddress is a finding with the advice to have this host answer for an address.
func (x *Examination) giveAddress(found Finding, link string, a netip.Addr) Finding {
	prefix := whole(a)
	if p, ok := x.netOf(link, a); ok {
		prefix = netip.PrefixFrom(a, p.Bits()).String()
	}
	if m, ok := x.holder(link, a); ok {
		found.Severity = SeverityNote
		found.Evidence = append(found.Evidence, fmt.Sprintf("ip neigh: %s on %s is %s", a, link, m.MAC))
		found.Sentence += " Another machine has it now: if the two share it (VRRP, keepalived), that is as it should be."
		return found
	}
	found.Sentence += " Give it to the interface, at boot too, unless another machine has it at times (VRRP, keepalived)."
	found.Commands = [][]string{{"ip", "address", "add", prefix, "dev", link}}
	if a.Is6() {
		found.Commands[0] = []string{"ip", "-6", "address", "add", whole(a), "dev", link}
	}
	return found
}

// holder is the machine on a link that has an address now.
func (n network) holder(link string, a netip.Addr) (facts.Neighbour, bool) {
	for _, m := range n.Neighbours {
		if m.Link == link && m.Addr == a && m.Reachable && m.MAC != "" && !m.Permanent {
			return m, true
		}
	}
	return facts.Neighbour{}, false
}

// rulesOwn finds a rule that gives what leaves an address: whoever made it means it to be this host's.
func (t *trial) rulesOwn(a netip.Addr) (rule string, ok bool) {
	for _, p := range t.variants() {
		c, found := t.sets[p].Chain("nat", "POSTROUTING")
		if !found {
			continue
		}
		for i := range c.Rules {
			if to := c.Rules[i].Target.To; c.Rules[i].Target.Kind == rules.SNAT && !to.Addrs.IsZero() && to.Addrs.Contains(a) {
				return fmt.Sprintf("POSTROUTING %d%s: %s", i+1, variantNote(p), &c.Rules[i]), true
			}
		}
	}
	return "", false
}
