package paste

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// globalOption reads an option that every rule may have.
func (c *commandReader) globalOption(spec *optionSpec, i int, not bool) (int, *mistake) {
	name := c.words[i].text
	if spec.name[1] >= 'A' && spec.name[1] <= 'Z' && len(spec.name) == 2 && spec.name != "-V" && spec.name != "-W" {
		next, m := c.command(spec.name[1], i)
		return -next, m
	}
	if first, given := c.at[spec.name]; given && strings.Contains("-s-d-i-o-p-f-j-g-t", spec.name) {
		return 0, c.twice(spec.name, first, i)
	}
	c.at[spec.name] = i
	if next, m, done := c.withoutValue(spec, i, not); done {
		return next, m
	}
	if not && strings.Contains("-t-m-j-g", spec.name) {
		return -(i + 1), nil
	}
	if i+2 < len(c.words) && c.words[i+1].text == "!" {
		return 0, c.fail(i+1, "the ! stands before the option, not behind it").replace(i, 2, "!", name)
	}
	if i+1 < len(c.words) && strings.Contains("-s-d-i-o-p", spec.name) && len(c.words[i+1].text) > 1 && c.words[i+1].text[0] == '!' && !c.words[i+1].quoted {
		return 0, c.fail(i+1, "the ! stands before the option, with a blank after it").replace(i, 2, "!", name, c.words[i+1].text[1:])
	}
	value, m := c.value(i+1, name, spec.kind)
	if m != nil {
		return 0, c.noValue(m, spec, i)
	}
	if m := c.take(spec.name, value, i, not); m != nil {
		return 0, m
	}
	return i + 2, nil
}

// withoutValue reads an option that takes no value, or not just one; done tells that it is such an option.
func (c *commandReader) withoutValue(spec *optionSpec, i int, not bool) (next int, m *mistake, done bool) {
	switch spec.name {
	case "-f":
		c.fragment = rules.LaterOnly
		if not {
			c.fragment = rules.NotLaterOnly
		}
		return i + 1, nil, true
	case "-w":
		if i+1 < len(c.words) && isDigits(c.words[i+1].text) {
			return -(i + 2), nil, true
		}
		return -(i + 1), nil, true
	case "-n", "-v", "-x", "--line-numbers":
		return -(i + 1), nil, true
	case "-4", "-6":
		if (spec.name == "-6") != (c.family == rules.IPv6) {
			// iptables and ip6tables leave out a rule that is for the other.
			return 0, c.fail(i, "%s makes %s leave this rule out", spec.name, c.family.Command()).replace(i, 1), true
		}
		return -(i + 1), nil, true
	case "-h", "-V":
		c.op = 'L'
		return -(i + 1), nil, true
	case "-c":
		if i+1 < len(c.words) {
			if packets, bytes, both := strings.Cut(c.words[i+1].text, ","); both {
				var ok bool
				if c.counters, ok = rules.ParseCounters(packets + ":" + bytes); ok {
					return -(i + 2), nil, true
				}
			}
		}
		if i+2 >= len(c.words) {
			return 0, c.fail(i, "%s needs two values, packets and bytes", c.words[i].text).replace(i, len(c.words)-i), true
		}
		var ok bool
		c.counters, ok = rules.ParseCounters(c.words[i+1].text + ":" + c.words[i+2].text)
		if !ok {
			return 0, c.fail(i+1, "%s needs two numbers, packets and bytes", c.words[i].text), true
		}
		return -(i + 3), nil, true
	}
	return 0, nil, false
}

// noValue mends an option that lacks its value, where that can be guessed.
func (c *commandReader) noValue(m *mistake, spec *optionSpec, i int) *mistake {
	switch spec.name {
	case "-t":
		return m.replace(i, 1, "-t", "nat")
	case "-c", "--modprobe", "-W":
		return m.replace(i, 1)
	}
	return m
}

// take stores the value of one option.
func (c *commandReader) take(name, value string, i int, not bool) *mistake {
	switch name {
	case "-t":
		return c.takeTable(value, i+1)
	case "-s", "-d":
		nets, m := c.nets(value, i+1, not)
		if m != nil {
			return m
		}
		if name == "-s" {
			c.src = nets
		} else {
			c.dst = nets
		}
	case "-i", "-o":
		if m := c.takeIface(value, i+1); m != nil {
			return m
		}
		if name == "-i" {
			c.in = rules.Iface{Not: not, Name: value}
		} else {
			c.out = rules.Iface{Not: not, Name: value}
		}
	case "-p":
		return c.takeProto(value, i+1, not)
	case "-m":
		return c.takeMatch(value, i)
	case "-j", "-g":
		return c.takeTarget(name, value, i)
	}
	return nil
}

func (c *commandReader) takeTable(value string, at int) *mistake {
	if _, ok := rules.BuiltInChains[value]; !ok {
		m := c.fail(at, "there is no table %q: there are nat, filter, mangle, raw and security", value)
		if meant := nearest(value, []string{"nat", "filter", "mangle", "raw", "security"}); meant != "" {
			m.replace(at, 1, meant)
		} else if slices.Contains(rules.BuiltInChains["nat"], strings.ToUpper(value)) || strings.HasPrefix(value, "-") {
			m.replace(at, 1, "nat", value)
		}
		return m
	}
	c.table = value
	return nil
}

func (c *commandReader) takeIface(value string, at int) *mistake {
	stem, alias, isAlias := strings.Cut(value, ":")
	switch {
	case value == "":
		return c.fail(at, "an interface needs a name")
	case isAlias && isDigits(alias):
		m := c.fail(at, "%s is only a label of an address: packets arrive and leave by %s", value, stem)
		return m.replace(at, 1, stem)
	case strings.HasSuffix(value, "*"):
		fix := strings.TrimSuffix(value, "*") + "+"
		return c.fail(at, "any rest of a name is written +, not *").replace(at, 1, fix)
	case len(value) > 15:
		return c.fail(at, "%q is too long for an interface: at most 15 characters", value)
	case strings.ContainsAny(value, "/ \t"):
		return c.fail(at, "%q is not an interface name: it may have neither blanks nor slashes", value)
	case dottedQuad.MatchString(value):
		option := map[string]string{"-i": "-s", "-o": "-d"}[c.global(c.words[at-1].text).name]
		return c.fail(at, "%s is an address and no interface", value).replace(at-1, 2, option, value)
	}
	if links := c.ground.Links; len(links) > 0 && !strings.HasSuffix(value, "+") && !slices.Contains(links, value) && len(c.words[at].unknown) == 0 {
		c.note(at, fmt.Sprintf("this host has no interface %s now: it has %s", value, strings.Join(links, ", ")), "")
	}
	return nil
}

// otherWords are what other firewalls call the targets.
var otherWords = map[string]string{
	"ALLOW": "ACCEPT", "PERMIT": "ACCEPT", "PASS": "ACCEPT", "OK": "ACCEPT", "DENY": "DROP", "BLOCK": "DROP", "MASQ": "MASQUERADE", "NAT": "MASQUERADE", "RDR": "REDIRECT",
}

// bothProtocols are ways in which people write "tcp and udp".
var bothProtocols = []string{"tcp/udp", "tcp,udp", "udp,tcp", "udp/tcp", "tcp+udp", "tcpudp", "both", "tcp&udp", "tcp|udp", "tcp_udp"}

func (c *commandReader) takeProto(value string, at int, not bool) *mistake {
	low := strings.ToLower(value)
	if slices.Contains(bothProtocols, low) {
		m := c.fail(at, "a rule is for one protocol: make one for tcp and one for udp")
		m.instead, m.fix = []string{"tcp", "udp"}, "two rules, tcp and udp"
		return m
	}
	if n, err := strconv.ParseUint(low, 0, 8); err == nil {
		low = strconv.FormatUint(n, 10) // xtables_strtoui takes it as C does
	}
	n, ok := rules.ProtoNumber(low)
	switch {
	case !ok:
		m := c.fail(at, "%q is not a protocol: there are tcp, udp, icmp, sctp, gre, esp and others, or a number", value)
		names := []string{"tcp", "udp", "icmp", "sctp", "dccp", "udplite", "gre", "esp", "ah", "igmp", "ipv6-icmp", "all"}
		if meant := nearest(low, names); meant != "" {
			m.replace(at, 1, meant)
		} else if port, bad := portWord(low); bad == nil && !slices.ContainsFunc(c.words, func(w scriptWord) bool { return w.text == "--dport" || w.text == "--dports" }) {
			m.text = fmt.Sprintf("%q is not a protocol but a port: a port stands behind its protocol", value)
			m.replace(at, 1, "tcp", "--dport", port)
		}
		return m
	case n == 0:
		if not {
			return c.fail(at, "“not any protocol” matches nothing").replace(at-2, 3)
		}
		return nil
	case n == rules.ICMP && c.family == rules.IPv6:
		return c.fail(at, "IPv6 has ipv6-icmp, not icmp").replace(at, 1, "ipv6-icmp")
	case n == rules.ICMPv6 && c.family == rules.IPv4:
		return c.fail(at, "IPv4 has icmp, not ipv6-icmp").replace(at, 1, "icmp")
	}
	c.proto = rules.ProtoMatch{Not: not, Name: rules.ProtoName(n)}
	return nil
}

func (c *commandReader) takeMatch(value string, i int) *mistake {
	if value == "icmpv6" || value == "ipv6-icmp" {
		value = "icmp6"
	}
	if !knownMatch(value) {
		m := c.fail(i+1, "there is no match %q", value)
		var names []string
		for name := range matchOptions {
			names = append(names, name)
		}
		switch meant := nearest(value, append(names, otherMatches...)); {
		case knownTarget(strings.ToUpper(value)) && c.target == nil && value == strings.ToUpper(value):
			m.replace(i, 2, "-j", value)
		case meant != "":
			m.replace(i+1, 1, meant)
		case strings.HasPrefix(value, "--"):
			m.replace(i, 1)
		default:
			m.text += ": is its name right?"
		}
		return m
	}
	if n, ok := rules.ProtoNumber(value); ok && slices.Contains([]string{"tcp", "udp", "udplite", "sctp", "dccp"}, value) {
		if have, _ := c.proto.Number(); c.proto.Name == "" || c.proto.Not {
			if _, later := c.laterWord(i, "-p", "--protocol", "--proto"); !later {
				return c.fail(i, "-m %s goes with -p %s", value, value).replace(i, 0, "-p", value)
			}
		} else if have != n {
			return c.fail(i+1, "-m %s does not go with -p %s", value, c.proto.Name).replace(i+1, 1, c.proto.Name)
		}
	}
	c.addMatch(value, i)
	return nil
}

// laterWord finds one of some words behind word i.
func (c *commandReader) laterWord(i int, words ...string) (int, bool) {
	for k := i + 1; k < len(c.words); k++ {
		if slices.Contains(words, c.words[k].text) {
			return k, true
		}
	}
	return 0, false
}

func (c *commandReader) takeTarget(option, value string, i int) *mistake {
	if c.target != nil {
		return c.fail(i, "a rule has one target: %s is there already", c.target.name)
	}
	c.goes = option == "-g"
	if !knownTarget(value) && !c.ground.hasChain(c.family, c.backend, c.tableName(), value) && !c.hasUnknown(i+1) {
		m := c.fail(i+1, "there is neither a target nor a chain %q", value)
		m.absent = c.op == 'D' || c.op == 'C'
		var names []string
		for name := range targetOptions {
			names = append(names, name)
		}
		if knownTarget(strings.ToUpper(value)) {
			m.text = fmt.Sprintf("targets are written in capitals: %q would be a chain, and there is none", value)
			return m.replace(i+1, 1, strings.ToUpper(value))
		}
		if meant := otherWords[strings.ToUpper(value)]; meant != "" {
			m.text = fmt.Sprintf("there is no target %s in iptables: it is called %s", value, meant)
			return m.replace(i+1, 1, meant)
		}
		if meant := nearest(value, append(names, c.ground.chains(c.family, c.backend, c.tableName())...)); meant != "" {
			return m.replace(i+1, 1, meant)
		}
		m.text += fmt.Sprintf(" in table %s: make the chain first, with -N %s", c.tableName(), value)
		return m
	}
	specs, listed := targetOptions[value]
	c.target = &optionBlock{name: value, at: i, specs: specs, loose: !listed && rules.IsExtension(value)}
	return nil
}

func (c *commandReader) hasUnknown(i int) bool {
	return i < len(c.words) && len(c.words[i].unknown) > 0
}

// tableName is the table of the command, as it stands so far.
func (c *commandReader) tableName() string {
	if c.table != "" {
		return c.table
	}
	for i, w := range c.words {
		if (w.text == "-t" || w.text == "--table") && i+1 < len(c.words) {
			return c.words[i+1].text
		}
		if table, ok := strings.CutPrefix(w.text, "--table="); ok {
			return table
		}
	}
	return "filter"
}
