package nft

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// ToIPTables says a rule of a base chain as the words of an iptables command after its program, with table and chain. family
// is the one that it is for; both where either can match, and then the command is to be given for both.
func (r *Rule) ToIPTables(c *Chain, links Links) (said Said, families []rules.Family) {
	t := telling{reading: r.Read(c, links)}
	table, chain := iptablesPlace(c)
	if table == "" {
		t.lack("chain " + c.Name + ", which is at no place of iptables")
	}
	t.words = []string{"-t", table, "-A", chain}
	if families = familiesOf(r, t.reading); len(families) == 0 {
		t.lack("IPv4 and IPv6 in one rule, which matches nothing")
	}
	t.v6 = slices.Equal(families, []rules.Family{rules.IPv6})
	for i, a := range t.reading.Asks {
		if t.limit(a, i == len(t.reading.Asks)-1) {
			continue
		}
		t.ask(a)
	}
	t.protocolFirst()
	for _, name := range t.reading.Unknown {
		t.lack(name)
	}
	if r.Comment != "" {
		t.say("-m", "comment", "--comment", r.Comment)
	}
	t.deeds()
	return Said{Text: rules.ShellLine(t.words), Words: t.words, Lacks: t.lacks}, families
}

// iptablesPlace is the table and chain of iptables at the place of a base chain; "" where there is none.
func iptablesPlace(c *Chain) (table, chain string) {
	if i := slices.Index([]string{"prerouting", "input", "forward", "output", "postrouting"}, c.Hook); i < 0 || c.Table.Family == Bridge || c.Table.Family == ARP {
		return "", c.Name
	}
	chain = strings.ToUpper(c.Hook)
	switch {
	case c.Type == "nat":
		table = "nat"
	case c.Priority <= -200 && (c.Hook == "prerouting" || c.Hook == "output"):
		table = "raw"
	case c.Hook == "prerouting" || c.Hook == "postrouting" || c.Type == "route" || c.Priority <= -100:
		table = "mangle"
	default:
		table = "filter"
	}
	return table, chain
}

// telling is a rule while it is told in iptables' words.
type telling struct {
	reading  Reading
	v6       bool
	words    []string
	protocol []string // -p and its value, which stand before what depends on them
	lacks    []string
}

func (t *telling) say(words ...string) { t.words = append(t.words, words...) }
func (t *telling) lack(what string)    { t.lacks = append(t.lacks, what) }

// protocolFirst puts the protocol behind the chain: options of its matches need it before them.
func (t *telling) protocolFirst() { t.words = slices.Insert(t.words, 4, t.protocol...) }

// valuesOf are the values of a condition: those of a set without a name, or the one; false for a named set or a map.
func valuesOf(values string) ([]string, bool) {
	inner, ok := strings.CutPrefix(values, "{ ")
	if !ok {
		return []string{values}, !strings.HasPrefix(values, "@")
	}
	inner = strings.TrimSuffix(inner, " }")
	if strings.Contains(inner, " : ") || strings.Contains(inner, " . ") {
		return nil, false
	}
	return strings.Split(inner, ", "), true
}

// ask tells one condition.
func (t *telling) ask(a Ask) {
	values, ok := valuesOf(a.Values)
	text := strings.TrimSpace(a.What + " " + a.Op + " " + a.Values)
	if !ok || a.Op != "" && a.Op != "!=" && a.Op != "==" && a.What != "ip ttl" && a.What != "ip6 hoplimit" {
		t.lack(text)
		return
	}
	not := a.Op == "!="
	if field, mask, masked := strings.Cut(a.What, " & "); masked && len(values) == 1 && strings.HasSuffix(field, "addr") && strings.HasPrefix(field, "ip") {
		t.address(strings.HasSuffix(field, "saddr"), not, []string{values[0] + "/" + mask})
		return
	}
	switch a.What {
	case "meta nfproto", "meta protocol":
		if _, ok := familyAsked(a); !ok {
			t.lack(text)
		}
	case "meta iiftype":
		if not || len(values) > 1 {
			t.lack(text)
		}
	case "iifname", "iif", "oifname", "oif", "meta iifname", "meta oifname":
		t.link(map[bool]string{true: "-i", false: "-o"}[strings.Contains(a.What, "iif")], not, values, text)
	case "ip saddr", "ip6 saddr", "ip daddr", "ip6 daddr":
		t.address(strings.HasSuffix(a.What, "saddr"), not, values)
	case "meta l4proto", "ip protocol", "ip6 nexthdr":
		if len(values) > 1 {
			t.lack(text)
			return
		}
		t.setProtocol(not, values[0])
	default:
		if !t.askMore(a, not, values) {
			t.lack(text)
		}
	}
}

// unlessWord adds the ! of a negated condition.
func (t *telling) unlessWord(not bool) {
	if not {
		t.say("!")
	}
}

func (t *telling) setProtocol(not bool, name string) {
	if len(t.protocol) > 0 {
		return
	}
	if not {
		t.protocol = append(t.protocol, "!")
	}
	t.protocol = append(t.protocol, "-p", name)
}

func (t *telling) link(option string, not bool, values []string, text string) {
	if len(values) > 1 {
		t.lack(text + " (a rule of iptables for each)")
		return
	}
	name := strings.Trim(values[0], `"`)
	if stem, open := strings.CutSuffix(name, "*"); open {
		name = stem + "+"
	}
	t.unlessWord(not)
	t.say(option, name)
}

func (t *telling) address(source, not bool, values []string) {
	side := map[bool]string{true: "s", false: "d"}[source]
	if len(values) == 1 && strings.Contains(values[0], "-") {
		t.say("-m", "iprange")
		t.unlessWord(not)
		t.say(map[bool]string{true: "--src-range", false: "--dst-range"}[source], values[0])
		return
	}
	for _, v := range values {
		if strings.Contains(v, "-") {
			t.lack("a range of addresses among others")
			return
		}
	}
	if not && len(values) > 1 {
		t.lack("several addresses that are negated")
		return
	}
	t.unlessWord(not)
	t.say("-"+side, strings.Join(values, ","))
}

// deeds tell what a rule does. iptables has one target for a rule.
func (t *telling) deeds() {
	told := false
	for _, d := range t.reading.Does {
		if d.Kind == Counts {
			continue // every rule of iptables counts
		}
		if told {
			t.lack("more than one thing done by a rule: " + d.Text)
			return
		}
		if told = true; !t.deed(d) {
			t.lack(d.Text)
		}
	}
}

func (t *telling) deed(d Deed) bool {
	if d.Whole && d.Map != nil {
		return t.netmap(d)
	}
	if d.Map != nil || d.Whole || d.Chance != "" {
		return false
	}
	switch d.Kind {
	case Translates:
		name, option := "DNAT", "--to-destination"
		if d.Source {
			name, option = "SNAT", "--to-source"
		}
		if _, err := netip.ParsePrefix(d.To); err == nil {
			return false // a range that is written as a network
		}
		t.say("-j", name, option, d.To)
	case Masquerades, Redirects:
		t.say("-j", map[bool]string{true: "MASQUERADE", false: "REDIRECT"}[d.Kind == Masquerades])
		if d.To != "" {
			t.say("--to-ports", strings.TrimPrefix(d.To, ":"))
		}
	case Decides:
		return t.decision(d)
	case Marks:
		return t.marks(d.Text)
	case Logs:
		prefix, ok := strings.CutPrefix(d.Text, `log prefix "`)
		switch {
		case ok && strings.Count(prefix, `"`) == 1 && strings.HasSuffix(prefix, `"`):
			t.say("-j", "LOG", "--log-prefix", strings.TrimSuffix(prefix, `"`))
		case d.Text == "log":
			t.say("-j", "LOG")
		default:
			return false
		}
	default:
		if d.Text == "notrack" {
			t.say("-j", "CT", "--notrack")
			return true
		}
		return false
	}
	t.flags(d.Flags)
	return true
}

// netmap tells a translation of one network into another, which nft does by a map with that one element.
func (t *telling) netmap(d Deed) bool {
	entries := d.Map.Entries(nil)
	option, side := "-d", "daddr"
	if d.Source {
		option, side = "-s", "saddr"
	}
	if len(entries) != 1 || !strings.HasSuffix(d.Key, " "+side) || strings.Contains(d.Key, " . ") || slices.Contains(t.words, option) {
		return false
	}
	for _, network := range []string{entries[0].Key, d.Place(entries[0])} {
		if _, err := netip.ParsePrefix(network); err != nil {
			return false
		}
	}
	t.say(option, entries[0].Key, "-j", "NETMAP", "--to", d.Place(entries[0]))
	return true
}

// limited is a limit of packets by its rate, and its burst where that is not 5.
var limited = regexp.MustCompile(`^limit rate (\d+/(?:second|minute|hour|day))(?: burst (\d+) packets)?$`)

// limit tells a limit, if a condition is one; last says that none comes behind it. In iptables addresses, interfaces and
// protocol are asked first, wherever they stand, and what they keep out is not counted.
func (t *telling) limit(a Ask, last bool) bool {
	m := limited.FindStringSubmatch(a.What)
	if m == nil || a.Op != "" || a.Values != "" {
		return false
	}
	if !last {
		t.lack(a.What + " before other conditions")
		return true
	}
	t.say("-m", "limit", "--limit", m[1])
	if m[2] != "" {
		t.say("--limit-burst", m[2])
	}
	return true
}

// marks tells the change of a mark.
func (t *telling) marks(text string) bool {
	what, value, _ := strings.Cut(text, " set ")
	target := map[string]string{"meta mark": "MARK", "ct mark": "CONNMARK"}[what]
	switch bits, ok := xmark(what, value); {
	case text == "ct mark set meta mark":
		t.say("-j", "CONNMARK", "--save-mark")
	case text == "meta mark set ct mark":
		t.say("-j", "CONNMARK", "--restore-mark")
	case target != "" && ok:
		t.say("-j", target, "--set-xmark", rules.Hex(bits.Value)+"/"+rules.Hex(bits.Mask))
	default:
		return false
	}
	return true
}

// xmark is what is put into a mark, by the bits that are cleared and then the value that is xored in.
func xmark(mark, value string) (rules.Bits, bool) {
	keep, set := uint32(0), uint32(0)
	rest, changes := strings.CutPrefix(value, mark+" ")
	if changes {
		keep = 0xffffffff
	} else {
		rest = "| " + value
	}
	words := strings.Fields(rest)
	for i := 0; i+1 < len(words); i += 2 {
		n, err := strconv.ParseUint(words[i+1], 0, 32)
		if err != nil {
			return rules.Bits{}, false
		}
		switch v := uint32(n); words[i] {
		case "&":
			keep, set = keep&v, set&v
		case "^":
			set ^= v
		case "|":
			keep, set = keep&^v, set|v
		default:
			return rules.Bits{}, false
		}
	}
	return rules.Bits{Value: set, Mask: ^keep}, len(words)%2 == 0 && len(words) > 0
}

// NF_NAT_RANGE_* of linux/netfilter/nf_nat.h.
const (
	natRandom      NATFlags = 1 << 2
	natPersistent  NATFlags = 1 << 3
	natRandomFully NATFlags = 1 << 4
)

func (t *telling) flags(f NATFlags) {
	if f&natRandom != 0 {
		t.say("--random")
	}
	if f&natRandomFully != 0 {
		t.say("--random-fully")
	}
	if f&natPersistent != 0 {
		t.say("--persistent")
	}
}

func (t *telling) decision(d Deed) bool {
	verb, to, _ := strings.Cut(d.Text, " ")
	switch verb {
	case "accept", "drop", "return":
		t.say("-j", strings.ToUpper(verb))
	case "jump":
		t.say("-j", to)
	case "goto":
		t.say("-g", to)
	case "reject":
		with := strings.TrimPrefix(d.Text, "reject with ")
		switch option := rejectOption(with); {
		case d.Text == "reject", with == "icmp port-unreachable", with == "icmpx port-unreachable", with == "icmpv6 port-unreachable":
			t.say("-j", "REJECT")
		case option != "":
			t.say("-j", "REJECT", "--reject-with", option)
		default:
			return false
		}
	default:
		return false
	}
	return true
}
