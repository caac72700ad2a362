package paste

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// whole checks what the options come to together.
func (c *commandReader) whole() *mistake {
	if c.table == "" {
		c.table = "filter"
	}
	if c.op == 0 {
		m := c.fail(0, "it is not said what to do: -A adds a rule, -D deletes one")
		if c.target != nil {
			if kind, ok := rules.NATKind(c.target.name); ok {
				return m.replace(1, 0, "-A", rules.DefaultChain(kind))
			}
		}
		return m
	}
	for _, name := range []string{"-n", "-x", "--line-numbers"} {
		if at, given := c.at[name]; given && strings.IndexByte("LSZ", c.op) < 0 {
			return c.fail(at, "%s is for lists of rules: iptables refuses it here", name).replace(at, 1)
		}
	}
	for _, check := range []func() *mistake{c.checkChain, c.checkTarget, c.checkBlocks, c.checkSides} {
		if m := check(); m != nil {
			return m
		}
	}
	return nil
}

// makesRule reports a command with a rule in it.
func (c *commandReader) makesRule() bool {
	return strings.IndexByte("AIRDC", c.op) >= 0 && !c.byNumber()
}

// byNumber reports a deletion by the rule's number.
func (c *commandReader) byNumber() bool { return c.op == 'D' && c.numbered }

// checkChain holds the chain against the table.
func (c *commandReader) checkChain() *mistake {
	if c.chain == "" || c.hasUnknown(c.opAt+1) {
		return nil
	}
	at := c.opAt + 1
	switch {
	case c.op == 'N':
		if c.isChain(c.chain) && rules.IsBuiltIn(c.table, c.chain) {
			return c.fail(at, "%s is there from the start", c.chain)
		}
		if len(c.chain) > 28 {
			return c.fail(at, "a chain's name has at most 28 characters")
		}
		return nil
	case c.op == 'P' && !rules.IsBuiltIn(c.table, c.chain) && c.ground.hasChain(c.family, c.backend, c.table, c.chain):
		return c.fail(at, "only chains that the kernel calls have a policy")
	case rules.IsBuiltIn(c.table, c.chain) || c.ground.hasChain(c.family, c.backend, c.table, c.chain):
		return nil
	}
	m := c.fail(at, "table %s has no chain %s", c.table, c.chain)
	m.absent = strings.IndexByte("DFXCZLSE", c.op) >= 0
	if c.target != nil {
		if kind, ok := rules.NATKind(c.target.name); ok && c.table != "nat" && slices.Contains(rules.ChainsFor(kind), strings.ToUpper(c.chain)) {
			m.text += fmt.Sprintf(": %s belongs to table nat", c.target.name)
			return c.setTable(m, "nat")
		}
	}
	names := append(slices.Clone(rules.BuiltInChains[c.table]), c.ground.chains(c.family, c.backend, c.table)...)
	if meant := nearest(c.chain, names); meant != "" {
		return m.replace(at, 1, meant)
	}
	for _, table := range []string{"nat", "filter", "mangle"} {
		if rules.IsBuiltIn(table, c.chain) {
			m.text += fmt.Sprintf("; table %s has", table)
			if table == "filter" {
				return c.setTable(m, "")
			}
			return c.setTable(m, table)
		}
		if table != c.table && c.ground.hasChain(c.family, c.backend, table, c.chain) {
			m.text += fmt.Sprintf("; table %s has", table)
			return c.setTable(m, table)
		}
	}
	// A misspelt chain of another table.
	for _, table := range []string{"nat", "filter"} {
		if meant := nearest(c.chain, rules.BuiltInChains[table]); meant != "" {
			return m.replace(at, 1, meant)
		}
	}
	if strings.IndexByte("AIR", c.op) >= 0 {
		m.text += ": make it first"
		m.fix = fmt.Sprintf("-t %s -N %s", c.table, c.chain)
	}
	return m
}

// setTable mends by naming another table; "" is the usual one.
func (c *commandReader) setTable(m *mistake, table string) *mistake {
	at, given := c.at["-t"]
	switch {
	case table == "" && given:
		m.replace(at, 2)
		m.fix = "without -t " + c.table
	case given:
		m.replace(at+1, 1, table)
	default:
		m.replace(1, 0, "-t", table)
	}
	return m
}

// checkTarget holds the target against table and chain, and asks for options
// that it needs.
func (c *commandReader) checkTarget() *mistake {
	if c.op == 'P' && c.table == "nat" && c.other == "DROP" {
		return c.fail(c.opAt+2, "table nat is not for filtering: iptables refuses to drop there")
	}
	if c.target == nil || !c.makesRule() {
		return nil
	}
	t, at := c.target, c.target.at
	kind, translates := rules.NATKind(t.name)
	builtIn := c.isBuiltInAnywhere()
	switch {
	case c.goes && knownTarget(t.name):
		return c.fail(at, "-g goes to a chain, and %s is a target", t.name).replace(at, 2, "-j", t.name)
	case translates && c.table != "nat":
		m := c.fail(at+1, "%s belongs to table nat, not %s", t.name, c.table)
		if builtIn && !slices.Contains(rules.ChainsFor(kind), c.chain) {
			m.fix = "-t nat, chain " + rules.DefaultChain(kind)
			chainAt := c.opAt + 1
			set := c.setTable(c.fail(0, ""), "nat").mend
			m.mend = func(ws []scriptWord) []scriptWord {
				return set(putWords(ws, chainAt, 1, []string{rules.DefaultChain(kind)}))
			}
			return m
		}
		return c.setTable(m, "nat")
	case translates && builtIn && !slices.Contains(rules.ChainsFor(kind), c.chain):
		m := c.fail(c.opAt+1, "%s has no place in %s: it belongs in %s", t.name, c.chain, strings.Join(rules.ChainsFor(kind), " or "))
		return m.replace(c.opAt+1, 1, rules.DefaultChain(kind))
	case (t.name == "DROP" || t.name == "REJECT") && c.table == "nat":
		m := c.fail(at+1, "table nat is not for filtering: %s belongs in table filter", t.name)
		if slices.Contains(rules.BuiltInChains["filter"], c.chain) {
			return c.setTable(m, "")
		}
		return m
	case t.name == "REJECT" && c.table != "filter":
		return c.setTable(c.fail(at+1, "REJECT belongs in table filter"), "")
	case (t.name == "CLASSIFY" || t.name == "TCPMSS" && t.given("--clamp-mss-to-pmtu")) && (c.chain == "PREROUTING" || c.chain == "INPUT"):
		return c.fail(c.opAt+1, "%s is for packets that leave, and has no place in %s: it belongs in FORWARD, OUTPUT or POSTROUTING", t.name, c.chain)
	case t.name == "TCPMSS" && c.proto.Name != "tcp":
		return c.fail(at, "TCPMSS needs -p tcp --tcp-flags SYN,RST SYN").replace(at, 0, "-p", "tcp", "--tcp-flags", "SYN,RST", "SYN")
	}
	if m := c.checkTargetOptions(kind); m != nil {
		return m
	}
	return c.checkTogether(t)
}

func (c *commandReader) isBuiltInAnywhere() bool {
	for table := range rules.BuiltInChains {
		if rules.IsBuiltIn(table, c.chain) {
			return true
		}
	}
	return false
}

func (c *commandReader) checkTargetOptions(kind rules.Kind) *mistake {
	t, at := c.target, c.target.at
	needs := map[string]string{"DNAT": "--to-destination", "SNAT": "--to-source", "NETMAP": "--to"}[t.name]
	if needs != "" {
		if _, ok := t.has(needs); !ok {
			m := c.fail(at+1, "%s needs %s with the new address", t.name, needs)
			if t.name == "SNAT" && c.ground.uplinkAddr(c.family).IsValid() {
				return m.replace(at+2, 0, needs, c.ground.uplinkAddr(c.family).String())
			}
			m.fix = fmt.Sprintf("-j %s %s ADDRESS", t.name, needs)
			return m
		}
	}
	if !kind.Translates() || kind == rules.Netmap {
		return nil
	}
	for i, o := range t.opts {
		port := o.Name == "--to-ports"
		if len(o.Args) == 1 && (o.Name == "--to-destination" || o.Name == "--to-source") {
			var to rules.Translation
			port = to.Parse(o.Args[0]) && to.HasPorts
		}
		if !port || c.proto.HasPorts() || c.proto.Name != "" && c.hasUnknown(c.at["-p"]+1) {
			continue
		}
		where := t.optAt[i]
		if c.proto.Name != "" {
			return c.fail(where, "%s has no ports, so there is no new one to give", c.proto.Name)
		}
		m := c.fail(where, "a new port needs a protocol that has ports, and none is given: -p tcp or -p udp")
		if p, all := c.at["-p"]; all {
			return m.replace(p+1, 1, "tcp")
		}
		return m.replace(at, 0, "-p", "tcp")
	}
	return nil
}

// checkBlocks asks each match for what it needs.
func (c *commandReader) checkBlocks() *mistake {
	if !c.makesRule() {
		return nil
	}
	for _, b := range c.blocks {
		if b.name == "multiport" && !c.proto.HasPorts() && !(c.proto.Name != "" && c.hasUnknown(c.at["-p"]+1)) {
			m := c.fail(b.at, "-m multiport needs a protocol that has ports: -p tcp or -p udp")
			if p, given := c.at["-p"]; given {
				return m.replace(p+1, 1, "tcp")
			}
			return m.replace(b.at, 0, "-p", "tcp")
		}
		if m := c.checkTogether(b); m != nil {
			return m
		}
	}
	return nil
}

// checkSides refuses interfaces where they are not known (iptables(8)).
func (c *commandReader) checkSides() *mistake {
	if i, ok := c.at["-i"]; ok && (c.chain == "POSTROUTING" || c.chain == "OUTPUT") {
		m := c.fail(i, "in %s it is no longer known where a packet arrived: -i has no place there", c.chain)
		if c.chain == "POSTROUTING" && c.out.Any() {
			m.text += "; is -o, the interface it leaves by, meant?"
			return m.replace(i, 1, "-o")
		}
		return m.replace(c.optionStart(i), i-c.optionStart(i)+2)
	}
	if i, ok := c.at["-o"]; ok && (c.chain == "PREROUTING" || c.chain == "INPUT") {
		m := c.fail(i, "in %s it is not yet known where a packet will leave: -o has no place there", c.chain)
		if c.in.Any() {
			m.text += "; is -i, the interface it arrives on, meant?"
			return m.replace(i, 1, "-i")
		}
		return m.replace(c.optionStart(i), i-c.optionStart(i)+2)
	}
	early, late := c.chain == "PREROUTING" || c.chain == "INPUT", c.chain == "POSTROUTING" || c.chain == "OUTPUT"
	for _, b := range c.blocks {
		for i, o := range b.opts {
			switch {
			case early && (o.Name == "--limit-iface-out" || o.Name == "--dst-group" || o.Name == "--physdev-out"):
				return c.fail(b.optAt[i], "in %s it is not yet known where a packet will leave: %s has no place there", c.chain, o.Name)
			case late && (o.Name == "--limit-iface-in" || o.Name == "--src-group"):
				return c.fail(b.optAt[i], "in %s it is no longer known where a packet arrived: %s has no place there", c.chain, o.Name)
			case c.chain == "PREROUTING" && o.Name == "--realm":
				return c.fail(b.optAt[i], "in PREROUTING no route is chosen yet: --realm has no place there")
			}
		}
	}
	return nil
}

// doubt says what can be made and is seldom meant, with what to write instead.
func (c *commandReader) doubt() *mistake {
	if c.op != 'A' && c.op != 'I' && c.op != 'R' || c.target == nil {
		return nil
	}
	doubt := func(at int, format string, args ...any) *mistake {
		m := c.fail(at, format, args...)
		m.severity = Doubt
		if c.ground.Uplink == "" {
			m.severity = Note // without a way to the world nobody can say what should stand there
		}
		return m
	}
	kind, _ := rules.NATKind(c.target.name)
	at := c.target.at
	limited := c.limits()
	switch {
	case c.marks() && c.table == "nat":
		m := doubt(at+1, "table nat is asked for a connection's first packet alone, so the packets after it bear no mark; an ip rule and most others need it on each")
		m.severity = Doubt
		return c.setTable(m, "mangle")
	case c.marks() && (c.chain == "FORWARD" || c.chain == "INPUT" || c.chain == "POSTROUTING"):
		m := doubt(at+1, "in %s the route is chosen already: an ip rule does not see this mark", c.chain)
		m.severity = Note
		return m
	case (kind == rules.DNAT || kind == rules.Redirect) && c.chain == "PREROUTING" && len(c.dst) == 0 && c.in.Any() && !limited:
		return doubt(at+1, "with neither -d nor -i this also catches what your own network sends to anybody%s", c.portPhrase()).
			replace(c.ruleStart(), 0, "-i", c.uplinkName())
	case (kind == rules.DNAT || kind == rules.Redirect) && c.chain == "OUTPUT" && len(c.dst) == 0 && c.out.Any() && !limited:
		return doubt(at+1, "with neither -d nor -o this catches all that this host itself sends to anybody%s", c.portPhrase())
	case (kind == rules.Masquerade || kind == rules.SNAT) && c.chain == "POSTROUTING" && len(c.dst) == 0 && c.out.Any() && !limited:
		return doubt(at+1, "with neither -o nor -d this also hides your clients from your own servers").replace(at, 0, "-o", c.uplinkName())
	}
	return nil
}

// marks reports a target that gives the packet a mark.
func (c *commandReader) marks() bool {
	return c.target.name == "MARK" || c.target.name == "CONNMARK" && c.target.given("--restore-mark")
}

// limits reports a match that narrows a rule in ways of its own: marks, sets,
// types of address.
func (c *commandReader) limits() bool {
	return slices.ContainsFunc(c.blocks, func(b *optionBlock) bool {
		return slices.Contains([]string{"mark", "connmark", "set", "addrtype", "iprange", "policy", "physdev", "conntrack", "owner", "realm", "geoip", "mac", "ipvs"}, b.name)
	})
}

// ruleStart is where the rule's own words begin, after command and chain.
func (c *commandReader) ruleStart() int {
	next := c.opAt + 2
	if c.numbered {
		next++
	}
	return next
}

// UplinkPlaceholder stands in corrected lines for the interface to the Internet
// where that is not known.
const UplinkPlaceholder = "WAN_INTERFACE"

func (c *commandReader) uplinkName() string {
	if c.ground.Uplink != "" {
		return c.ground.Uplink
	}
	return UplinkPlaceholder
}

func (c *commandReader) portPhrase() string {
	for _, b := range c.blocks {
		for _, o := range b.opts {
			if (o.Name == "--dport" || o.Name == "--dports") && len(o.Args) == 1 {
				return "'s port " + o.Args[0]
			}
		}
	}
	return ""
}
