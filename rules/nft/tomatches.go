package nft

import (
	"slices"
	"strings"

	"nattui/rules"
)

// portedProtocols are those whose headers nft names with ports.
var portedProtocols = []string{"tcp", "udp", "sctp", "dccp", "udplite"}

// askMore tells conditions that are extensions of iptables; false where there is none that asks the same.
func (t *telling) askMore(a Ask, not bool, values []string) bool {
	header, field, _ := strings.Cut(a.What, " ")
	if slices.Contains(portedProtocols, header) && (field == "sport" || field == "dport") {
		return t.ports(header, field, not, values)
	}
	single := len(values) == 1
	switch {
	case header == "icmp" || header == "icmpv6":
		if field != "type" || !single {
			return false
		}
		t.setProtocol(false, header)
		module, option := "icmp", "--icmp-type"
		if header == "icmpv6" {
			module, option = "icmp6", "--icmpv6-type"
		}
		t.extension(module, not, option, values[0])
	case a.What == "ct state":
		t.extension("conntrack", not, "--ctstate", words(values))
	case a.What == "ct status" && a.Op != "==" && single && (values[0] == "dnat" || values[0] == "snat"):
		t.extension("conntrack", not, "--ctstate", strings.ToUpper(values[0]))
	case a.What == "ct direction" && single && !not:
		t.extension("conntrack", false, "--ctdir", strings.ToUpper(values[0]))
	case a.What == "tcp flags":
		return t.tcpFlags(a, not)
	case single && originOptions[a.What] != "":
		value := values[0]
		if strings.Contains(a.What, " proto-") {
			value = strings.ReplaceAll(value, "-", ":")
		}
		t.extension("conntrack", not, originOptions[a.What], value)
	case (a.What == "fib daddr type" || a.What == "fib saddr type") && a.Op != "==" && (!t.v6 || alikeInIPv6(values)):
		option := map[bool]string{true: "--dst-type", false: "--src-type"}[strings.Contains(a.What, "daddr")]
		t.extension("addrtype", not, option, words(values))
	case strings.HasPrefix(a.What, "meta mark") || strings.HasPrefix(a.What, "ct mark"):
		return single && t.mark(a, not, values[0])
	default:
		return single && t.plain(a, not, values[0])
	}
	return true
}

// words are values as iptables lists key words.
func words(values []string) string { return strings.ToUpper(strings.Join(values, ",")) }

// extension tells one match with one option.
func (t *telling) extension(module string, not bool, option, value string) {
	t.say("-m", module)
	t.unlessWord(not)
	t.say(option, value)
}

func (t *telling) ports(protocol, field string, not bool, values []string) bool {
	t.setProtocol(false, protocol)
	slots, list := 0, make([]string, len(values))
	for i, v := range values {
		list[i] = strings.ReplaceAll(v, "-", ":")
		slots += 1 + strings.Count(v, "-")
	}
	if len(list) == 1 {
		t.extension(protocol, not, "--"+field, list[0])
		return true
	}
	const most = 15 // XT_MULTI_PORTS; a range takes two
	if slots > most {
		return false
	}
	t.extension("multiport", not, "--"+field+"s", strings.Join(list, ","))
	return true
}

// tcpFlags tells a comparison of some flags of TCP, which nft writes as those that are set and those that are looked at.
func (t *telling) tcpFlags(a Ask, not bool) bool {
	set, looked, ok := strings.Cut(a.Values, " / ")
	if !ok || strings.ContainsAny(a.Values, "!{") {
		return false
	}
	t.setProtocol(false, "tcp")
	t.extension("tcp", not, "--tcp-flags", strings.ToUpper(looked))
	t.say(strings.ToUpper(set))
	return true
}

// mark tells a condition on a mark, whole or in part.
func (t *telling) mark(a Ask, not bool, value string) bool {
	what, mask, masked := strings.Cut(a.What, " & ")
	module := map[string]string{"meta mark": "mark", "ct mark": "connmark"}[what]
	if module == "" || strings.Contains(value, "-") {
		return false
	}
	if masked {
		value += "/" + mask
	}
	bits, ok := rules.ParseBits(value, 0xffffffff)
	if !ok {
		return false
	}
	t.extension(module, not, "--mark", bits.Text(0xffffffff))
	return true
}

// plain are conditions on one value of a packet.
func (t *telling) plain(a Ask, not bool, value string) bool {
	switch a.What {
	case "ip ttl", "ip6 hoplimit":
		module, option := "ttl", "--ttl-"
		if a.What == "ip6 hoplimit" {
			module, option = "hl", "--hl-"
		}
		kind, ok := map[string]string{"": "eq", "!=": "eq", "==": "eq", "<": "lt", ">": "gt"}[a.Op]
		if !ok || strings.Contains(value, "-") {
			return false
		}
		t.extension(module, not, option+kind, value)
	case "ip dscp", "ip6 dscp":
		if strings.HasPrefix(value, "0x") {
			t.extension("dscp", not, "--dscp", value)
		} else {
			t.extension("dscp", not, "--dscp-class", strings.ToUpper(value))
		}
	case "ether saddr":
		t.extension("mac", not, "--mac-source", value)
	case "meta pkttype":
		if value == "host" {
			value = "unicast"
		}
		t.extension("pkttype", not, "--pkt-type", value)
	case "meta length":
		t.extension("length", not, "--length", strings.ReplaceAll(value, "-", ":"))
	case "meta skuid", "meta skgid":
		if not { // packets without a socket match that in iptables
			return false
		}
		t.extension("owner", not, map[bool]string{true: "--uid-owner", false: "--gid-owner"}[a.What == "meta skuid"], strings.Trim(value, `"`))
	default:
		return false
	}
	return true
}

// originOptions are the addresses of a connection, as iptables asks for them.
var originOptions = map[string]string{
	"ct original ip saddr": "--ctorigsrc", "ct original ip daddr": "--ctorigdst", "ct reply ip saddr": "--ctreplsrc", "ct reply ip daddr": "--ctrepldst",
	"ct original proto-src": "--ctorigsrcport", "ct original proto-dst": "--ctorigdstport", "ct reply proto-src": "--ctreplsrcport", "ct reply proto-dst": "--ctrepldstport",
	"ct original ip6 saddr": "--ctorigsrc", "ct original ip6 daddr": "--ctorigdst", "ct reply ip6 saddr": "--ctreplsrc", "ct reply ip6 daddr": "--ctrepldst",
}
