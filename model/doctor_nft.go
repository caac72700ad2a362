package model

import (
	"fmt"
	"net/netip"
	"strconv"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// nativePacket is the packet of a forward as native filters meet it after the
// translation, and its answer.
func (d *doctor) nativePacket(p evaluate.Packet, to netip.AddrPort, in, out string, o *evaluate.Outcome) (first, answer nftPacket) {
	src := netip.AddrPortFrom(p.Src, p.SrcPort)
	first = nftPacket{src: src, dst: to, proto: p.Protocol, in: in, out: out}
	if o != nil {
		first.dnat, first.snat = o.DNAT, o.SNAT
	}
	answer = first
	answer.src, answer.dst, answer.in, answer.out, answer.established = to, src, out, in, true
	return first, answer
}

// nativeStops tells of a native nft filter that drops what is forwarded, or its
// answer. unanswered says that somebody has tried in vain. who is the subject.
func (d *doctor) nativeStops(hook string, p evaluate.Packet, to netip.AddrPort, in, out, who string, tried bool) Finding {
	if d.Filters == nil {
		return Finding{}
	}
	x := d.fate(p)
	var o *evaluate.Outcome
	if x.known {
		o = &x.Outcomes[0]
	}
	first, answer := d.nativePacket(p, to, in, out, o)
	before := first
	before.dst, before.dnat, before.snat, before.beforeRoutes = netip.AddrPortFrom(p.Dst, p.DstPort), false, false, true
	for _, look := range []struct {
		hook, what string
		packet     nftPacket
	}{
		{"prerouting", "a packet for " + before.dst.String(), before},
		{hook, "the packet to " + to.String(), first},
		{map[string]string{"forward": "forward", "input": "output"}[hook], "the answer from " + to.String(), answer},
	} {
		end := d.Filters.judge(look.hook, look.packet)
		if !end.dropped || !end.certain && !tried {
			continue
		}
		return d.nativeDrop(end, look.what, who, look.packet)
	}
	return Finding{}
}

func (d *doctor) nativeDrop(end nftEnd, what, who string, p nftPacket) Finding {
	table := fmt.Sprintf("table %s %s", end.chain.Family, end.chain.Table)
	found := Finding{
		Check: "native-drop", Severity: SeverityError, Subject: who,
		Evidence: []string{fmt.Sprintf("nft %s, chain %s: hook %s, policy %s", table, end.chain.Name, end.chain.Hook, end.chain.Policy)},
	}
	by := "its policy"
	if end.by != nil {
		by = fmt.Sprintf("the rule with handle %d of its chain %s", end.by.Handle, end.in.Name)
		if n, ok := end.by.Packets(); ok {
			found.Evidence = append(found.Evidence, fmt.Sprintf("that rule has met %d packets", n))
		}
	}
	found.Sentence = fmt.Sprintf("A native nft table drops %s: %s, %s. iptables does not show it, and what it drops no rule of iptables can let through.", what, table, by)
	if !end.certain {
		found.Severity = SeverityWarning
		found.Sentence = fmt.Sprintf("A native nft table may drop %s: %s, chain %s. nattui cannot evaluate all of it; nobody was answered, and iptables lets it through.", what, table, end.chain.Name)
	}
	if end.chain.Table == "firewalld" {
		found.Commands = firewalldOpens(p)
		found.Sentence += " It is firewalld's: let firewalld open the way, else its next reload closes it again."
		return found
	}
	found.Commands = nftOpens(end.chain, p)
	found.Sentence += " The commands open it until its rules are loaded again: write them to where these come from, such as /etc/nftables.conf."
	return found
}

// nftOpens are the commands that let packets and their answers through a chain.
func nftOpens(c *nftChain, p nftPacket) [][]string {
	insert := func(words ...string) []string {
		return append([]string{"nft", "insert", "rule", c.Family, c.Table, c.Name}, words...)
	}
	answers := insert("ct", "state", "established,related", "accept")
	if p.established {
		return [][]string{answers}
	}
	family := "ip"
	if p.dst.Addr().Is6() {
		family = "ip6"
	}
	words := []string{family, "daddr", p.dst.Addr().String()}
	if name := rules.ProtoName(p.proto); rules.HasPorts(p.proto) && p.dst.Port() != 0 {
		words = append(words, name, "dport", strconv.Itoa(int(p.dst.Port())))
	}
	if !p.dnat && p.in != "" && p.out != "" { // from inside to the world
		words = []string{"iifname", p.in, "oifname", p.out}
	}
	return [][]string{insert(append(words, "accept")...), answers}
}

// firewalldOpens are the commands that have firewalld let a packet pass: a policy
// between all zones with one rule (firewalld.policies(5)).
func firewalldOpens(p nftPacket) [][]string {
	family := "ipv4"
	if p.dst.Addr().Is6() {
		family = "ipv6"
	}
	rule := fmt.Sprintf(`rule family="%s" destination address="%s"`, family, p.dst.Addr())
	if name := rules.ProtoName(p.proto); rules.HasPorts(p.proto) && p.dst.Port() != 0 && p.dnat {
		rule += fmt.Sprintf(` port port="%d" protocol="%s"`, p.dst.Port(), name)
	} else {
		rule = fmt.Sprintf(`rule family="%s" source address="%s"`, family, p.src.Addr())
	}
	at := func(words ...string) []string { return append([]string{"firewall-cmd", "--permanent"}, words...) }
	return [][]string{
		at("--new-policy=nattui"), at("--policy=nattui", "--add-ingress-zone=ANY"), at("--policy=nattui", "--add-egress-zone=ANY"),
		at("--policy=nattui", "--add-rich-rule="+rule+" accept"),
		{"firewall-cmd", "--reload"},
	}
}
