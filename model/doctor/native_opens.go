package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"nattui/rules"
)

// opens are the commands that let the packets of a way and their answers through: just before what drops them, so that
// whatever the rules before keep out stays out.
func (d *nativeDropper) opens(m *nativeMeeting, w *nativeWay) [][]string {
	c := d.hooked
	at := []string{"nft", "add", "rule", c.Table.Family.String(), c.Table.Name, c.Name}
	if d.rule != nil {
		at = []string{"nft", "insert", "rule", d.in.Table.Family.String(), d.in.Table.Name, d.in.Name, "handle", strconv.FormatUint(d.rule.Handle, 10)}
	}
	stateful := c.Hook != "ingress" && c.Hook != "egress" && c.Priority > connectionsKnown
	commands := [][]string{append(slices.Clip(at), append(nftWay(m, w, stateful), "accept")...)}
	if m.answer || !stateful || d.late() || c.Hook == "input" || c.Hook == "output" { // by which answers do not come, or not as what they are here
		return commands
	}
	back := *m
	back.src, back.dst, back.in, back.out, back.answer = m.dst, m.src, m.out, m.in, true
	if c.Hook == "prerouting" {
		back.in, back.out = w.out, "" // which is not known there
	}
	return append(commands, append(slices.Clip(at), append(nftWay(&back, w, true), "accept")...))
}

// translatedAfter is the priority after which packets have their new source (NF_IP_PRI_NAT_SRC).
const translatedAfter = 100

// late reports whether packets come to the chain with the source that they leave with.
func (d *nativeDropper) late() bool {
	return d.hooked.Hook == "egress" || d.hooked.Hook == "postrouting" && d.hooked.Priority >= translatedAfter
}

// opened reports whether what is known of a way matches its packets where they are dropped.
func (d *nativeDropper) opened(m *nativeMeeting, w *nativeWay) bool {
	return !d.late() || d.hooked.Hook != "egress" && !m.answer && !w.from.IsValid() && w.src.Any()
}

// connectionsKnown is the priority after which rules may ask for connections (NF_IP_PRI_CONNTRACK).
const connectionsKnown = -200

// nftWay are the matches for a packet of a way, and for those alone: from inside to the Internet, or to the service that
// is forwarded.
func nftWay(m *nativeMeeting, w *nativeWay, stateful bool) []string {
	family := "ip"
	if m.dst.Addr().Is6() {
		family = "ip6"
	}
	var words []string
	for _, i := range []struct{ key, name string }{{"iifname", m.in}, {"oifname", m.out}} {
		if i.name != "" {
			words = append(words, i.key, i.name)
		}
	}
	client, server, dir, to := "saddr", "daddr", "dport", m.dst
	if m.answer {
		client, server, dir, to = "daddr", "saddr", "sport", m.src
	}
	if src, ok := w.src.Prefix(); ok && !w.src.Any() && !w.src.Not {
		words = append(words, family, client, src.String())
	} else if w.from.IsValid() {
		words = append(words, family, client, w.from.Masked().String())
	}
	if w.port != 0 {
		words = append(words, family, server, to.Addr().String())
		if name := rules.ProtoName(m.proto); m.proto.HasPorts() && to.Port() != 0 {
			words = append(words, name, dir, strconv.Itoa(int(to.Port())))
		}
	}
	switch {
	case !stateful:
	case m.answer:
		words = append(words, "ct", "state", "established,related")
	case m.translated:
		words = append(words, "ct", "status", "dnat")
	}
	return words
}

// firewalldOpens are the commands that have firewalld let a packet pass: a policy between all zones with one rule
// (firewalld.policies(5)): for a published service, or for the network from.
func firewalldOpens(m *nativeMeeting, from netip.Prefix) [][]string {
	family := "ipv4"
	if m.dst.Addr().Is6() {
		family = "ipv6"
	}
	rule := fmt.Sprintf(`rule family="%s" destination address="%s"`, family, m.dst.Addr())
	if name := rules.ProtoName(m.proto); m.proto.HasPorts() && m.dst.Port() != 0 && m.translated {
		rule += fmt.Sprintf(` port port="%d" protocol="%s"`, m.dst.Port(), name)
	} else {
		source := from.Masked().String()
		if !from.IsValid() {
			source = m.src.Addr().String()
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
