package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// nativeForward asks the filters that were made with nft.
func nativeForward(x *Examination, f *Forward) Finding {
	w := x.nativeWayOf(f)
	seen := x.stats.tallyOf(f)
	if f.Link == "" || !f.Server.Addr().IsValid() {
		return Finding{}
	}
	found := nativeStops(x, &w, ruleName(f.Rule), seen.unanswered > 0 && seen.replied == 0)
	if found.Check == "" || found.Severity == SeverityUnknown {
		return found
	}
	return nativeListed(x, f, &w, found)
}

// nativeWayOf is a forward's packet on its way through native filters.
func (x *Examination) nativeWayOf(f *Forward) nativeWay {
	w := nativeWay{hook: "input", packet: f.packet, to: f.Server, in: f.Link, src: f.via.src, port: f.Server.Port()}
	if !f.local {
		w.hook = "forward"
		if route, certain := x.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()}); certain {
			w.out = route.Out
		}
	}
	return w
}

// nativePacket is the packet of a forward as native filters meet it after the
// translation, and its answer.
func nativePacket(x *Examination, p evaluate.Packet, to netip.AddrPort, in, out string, o *evaluate.Outcome) (first, answer facts.NFTPacket) {
	src := netip.AddrPortFrom(p.Src, p.SrcPort)
	first = facts.NFTPacket{Src: src, Dst: to, Proto: p.Protocol, In: in, Out: out}
	if o != nil {
		first.Dnat, first.Snat = o.DNAT, o.SNAT
	}
	answer = first
	answer.Src, answer.Dst, answer.In, answer.Out, answer.Established = to, src, out, in, true
	return first, answer
}

// nativeWay is a packet on its way through native filters, and what it is for.
type nativeWay struct {
	hook    string // forward or input
	packet  evaluate.Packet
	to      netip.AddrPort // after the translation
	from    netip.Prefix   // the network that it is from, of a shared one
	in, out string
	src     rules.Net // that the rule is for
	port    uint16    // of the service; 0 for all that leaves
}

// nativeStops tells of a native nft filter that drops what is forwarded, or its
// answer. tried says that somebody has tried in vain, who is the subject.
func nativeStops(x *Examination, w *nativeWay, who string, tried bool) Finding {
	end, look, ok := x.nativeEnd(x.Filters, w)
	if !ok || x.Facts.Native != nil { // of which the evaluator tells
		return Finding{}
	}
	return nativeDrop(end, &look, w, who, tried)
}

// nativeEnd is the first native chain that drops a packet, or its answer; false if none does.
func (x *Examination) nativeEnd(filters *facts.Nftables, w *nativeWay) (facts.NFTEnd, nativeLook, bool) {
	if filters == nil {
		return facts.NFTEnd{}, nativeLook{}, false
	}
	way := x.fate(w.packet)
	var o *evaluate.Outcome
	if way.known {
		o = &way.Outcomes[0]
	}
	p := &w.packet
	first, answer := nativePacket(x, *p, w.to, w.in, w.out, o)
	before := first
	before.Dst, before.Dnat, before.Snat, before.BeforeRoutes, before.Out = netip.AddrPortFrom(p.Dst, p.DstPort), false, false, true, ""
	for _, look := range nativeLooks(w.hook, before, first, answer) {
		if end := filters.Judge(look.hook, look.packet); end.Dropped {
			return end, look, true
		}
	}
	return facts.NFTEnd{}, nativeLook{}, false
}

// nativeLook is a hook at which native chains meet a packet.
type nativeLook struct {
	hook, what string
	packet     facts.NFTPacket
}

// nativeLooks are the hooks that a packet meets, as it comes, as it goes on, and its answer.
func nativeLooks(hook string, before, first, answer facts.NFTPacket) []nativeLook {
	comes, goes, back := "a packet for "+before.Dst.String(), "the packet to "+first.Dst.String(), "the answer from "+first.Dst.String()
	early := answer
	early.BeforeRoutes, early.Out = true, ""
	if hook == "input" {
		return []nativeLook{
			{"ingress", comes, before},
			{"prerouting", comes, before},
			{hook, goes, first},
			{"output", back, answer},
			{"postrouting", back, answer},
			{"egress", back, answer},
		}
	}
	return []nativeLook{
		{"ingress", comes, before},
		{"prerouting", comes, before},
		{hook, goes, first},
		{"postrouting", goes, first},
		{"egress", goes, first},
		{"ingress", back, early},
		{"prerouting", back, early},
		{hook, back, answer},
		{"postrouting", back, answer},
		{"egress", back, answer},
	}
}

// unread names the nft tables that filter and could not be read; "" where none do.
func (x *Examination) unread(family rules.Family) string {
	if x.Filters != nil || x.Native != nil {
		return ""
	}
	var names []string
	for _, n := range x.NativeFilters {
		if n.Meets(family) || n.Family == "netdev" {
			names = append(names, n.String())
		}
	}
	return strings.Join(names, ", ")
}

// nativeUntracks tells of a native rule that takes a packet from connection tracking, so that nothing translates it.
func nativeUntracks(x *Examination, f *Forward) Finding {
	before := facts.NFTPacket{
		Src: netip.AddrPortFrom(f.packet.Src, f.packet.SrcPort), Dst: netip.AddrPortFrom(f.packet.Dst, f.packet.DstPort), Proto: f.Proto, In: f.Link, BeforeRoutes: true,
	}
	end := x.Filters.Judge("prerouting", before)
	if end.Dropped || end.Untracked == evaluate.No {
		return Finding{}
	}
	table := fmt.Sprintf("table %s %s", end.Chain.Family, end.Chain.Table)
	found := Finding{
		Check: "untracked", Severity: SeverityError, Subject: ruleName(f.Rule),
		Evidence: []string{fmt.Sprintf("nft %s, chain %s, handle %d: notrack", table, end.Chain.Name, end.By.Handle), f.ruleCount()},
		Sentence: fmt.Sprintf("A native nft table, %s, takes packets for %s from connection tracking (notrack): they are not translated.", table, f.Asked),
	}
	if end.Untracked == evaluate.Unknown {
		return unknown(fmt.Sprintf("Whether the rule translates packets for %s is not known: %s may take them from connection tracking (notrack), which nattui cannot evaluate.", f.Asked, table), found.Evidence...)
	}
	return found
}

// nativeDrop tells which native table drops a packet. Where that is not certain it is a warning only if somebody has
// tried in vain.
func nativeDrop(end facts.NFTEnd, look *nativeLook, w *nativeWay, who string, tried bool) Finding {
	table := fmt.Sprintf("table %s %s", end.Chain.Family, end.Chain.Table)
	found := Finding{
		Check: "native-drop", Severity: SeverityError, Subject: who,
		Evidence: []string{fmt.Sprintf("nft %s, chain %s: hook %s, policy %s", table, end.Chain.Name, end.Chain.Hook, end.Chain.Policy)},
	}
	by := "its policy"
	if end.By != nil {
		by = fmt.Sprintf("the rule with handle %d of its chain %s", end.By.Handle, end.In.Name)
		if n, ok := end.By.Packets(); ok {
			found.Evidence = append(found.Evidence, "that rule matched "+rules.Plural(int(n), "packet"))
		}
	}
	if !end.Certain {
		found.Severity = map[bool]Severity{false: SeverityUnknown, true: SeverityWarning}[tried]
		found.Sentence = fmt.Sprintf("A native nft table may drop %s: %s, chain %s. nattui cannot evaluate all of it, and iptables lets it through.", look.what, table, end.Chain.Name)
		return found
	}
	found.Sentence = fmt.Sprintf("A native nft table drops %s: %s, %s. iptables does not show it, and what it drops no rule of iptables can let through.", look.what, table, by)
	p := look.packet
	if end.Chain.Table == "firewalld" {
		found.Commands = firewalldOpens(p, w.from)
		if p.Established {
			found.Sentence += " It is firewalld's, which lets answers through by itself: a rule of somebody else in its table, or one without regard to the connection's state, drops them."
			return found
		}
		found.Sentence += " It is firewalld's: let firewalld open the way, else its next reload closes it again."
		return found
	}
	found.Commands = nftOpens(&end, look, w)
	found.Sentence += " The commands open it until its rules are loaded again: write them to where these come from, such as /etc/nftables.conf."
	return found
}

// nftOpens are the commands that let the packets of a way and their answers through a chain: just before what drops them,
// so that whatever the rules before keep out stays out.
func nftOpens(end *facts.NFTEnd, look *nativeLook, w *nativeWay) [][]string {
	p, c := &look.packet, end.Chain
	at := []string{"nft", "add", "rule", c.Family, c.Table, c.Name}
	if end.By != nil {
		at = []string{"nft", "insert", "rule", end.In.Family, end.In.Table, end.In.Name, "handle", strconv.Itoa(end.By.Handle)}
	}
	stateful := look.hook != "ingress" && look.hook != "egress" && c.Prio > connectionsKnown
	commands := [][]string{append(slices.Clip(at), append(nftWay(p, w, stateful), "accept")...)}
	if p.Established || !stateful {
		return commands
	}
	back := *p
	back.Src, back.Dst, back.In, back.Out, back.Established = p.Dst, p.Src, p.Out, p.In, true
	return append(commands, append(slices.Clip(at), append(nftWay(&back, w, true), "accept")...))
}

// connectionsKnown is the priority after which rules may ask for connections (NF_IP_PRI_CONNTRACK).
const connectionsKnown = -200

// nftWay are the matches for a packet of a way, and for those alone: from inside to the Internet, or to the service that
// is forwarded.
func nftWay(p *facts.NFTPacket, w *nativeWay, stateful bool) []string {
	family := "ip"
	if p.Dst.Addr().Is6() {
		family = "ip6"
	}
	var words []string
	for _, i := range []struct{ key, name string }{{"iifname", p.In}, {"oifname", p.Out}} {
		if i.name != "" && (i.key == "iifname" || !p.BeforeRoutes) {
			words = append(words, i.key, i.name)
		}
	}
	client, server, dir := "saddr", "daddr", "dport"
	to := p.Dst
	if p.Established {
		client, server, dir, to = "daddr", "saddr", "sport", p.Src
	}
	if src, ok := w.src.Prefix(); ok && !w.src.Any() && !w.src.Not {
		words = append(words, family, client, src.String())
	} else if w.from.IsValid() {
		words = append(words, family, client, w.from.Masked().String())
	}
	if w.port != 0 {
		words = append(words, family, server, to.Addr().String())
		if name := rules.ProtoName(p.Proto); p.Proto.HasPorts() && to.Port() != 0 {
			words = append(words, name, dir, strconv.Itoa(int(to.Port())))
		}
	}
	switch {
	case !stateful:
	case p.Established:
		words = append(words, "ct", "state", "established,related")
	case p.Dnat:
		words = append(words, "ct", "status", "dnat")
	}
	return words
}

// firewalldOpens are the commands that have firewalld let a packet pass: a policy
// between all zones with one rule (firewalld.policies(5)): for a published service, or for the network from.
func firewalldOpens(p facts.NFTPacket, from netip.Prefix) [][]string {
	if p.Established {
		return nil
	}
	family := "ipv4"
	if p.Dst.Addr().Is6() {
		family = "ipv6"
	}
	rule := fmt.Sprintf(`rule family="%s" destination address="%s"`, family, p.Dst.Addr())
	if name := rules.ProtoName(p.Proto); p.Proto.HasPorts() && p.Dst.Port() != 0 && p.Dnat {
		rule += fmt.Sprintf(` port port="%d" protocol="%s"`, p.Dst.Port(), name)
	} else {
		source := from.Masked().String()
		if !from.IsValid() {
			source = p.Src.Addr().String()
		}
		rule = fmt.Sprintf(`rule family="%s" source address="%s"`, family, source)
	}
	at := func(words ...string) []string { return append([]string{"firewall-cmd", "--permanent"}, words...) }
	return [][]string{
		at("--new-policy=nattui"), at("--policy=nattui", "--add-ingress-zone=ANY"), at("--policy=nattui", "--add-egress-zone=ANY"),
		at("--policy=nattui", "--add-rich-rule="+rule+" accept"),
		{"firewall-cmd", "--reload"},
	}
}
