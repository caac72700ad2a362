package paste

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// What to make of words that iptables would not understand.

// stray says what is wrong with a word that is no option and belongs to none.
func (c *commandReader) stray(i int) *mistake {
	w := c.words[i]
	m := c.fail(i, "%q belongs to no option", w.text)
	before := ""
	if i > 1 {
		before = c.words[i-1].text
	}
	up := strings.ToUpper(w.text)
	_, _, _, program := iptablesProgram(w.text)
	switch {
	case program && i > 1:
		m.text = "a second command begins here: one line takes one"
		m.instead = []string{"\n"}
		m.fix = "two lines"
		return m
	case c.op == 0 && c.isChain(w.text):
		m.text = fmt.Sprintf("%s is a chain, and what to do with it is not said", w.text)
		return m.replace(i, 1, "-A", w.text)
	case strings.HasSuffix(before, ",") && c.target == nil || strings.HasPrefix(w.text, ",") && i > 1:
		m.text = "the blank beside the comma cuts the list in two"
		return m.replace(i-1, 2, before+w.text)
	case c.target == nil && knownTarget(w.text):
		m.text = fmt.Sprintf("-j is missing before the target %s", w.text)
		return m.replace(i, 1, "-j", w.text)
	case c.target == nil && knownTarget(up) && len(up) > 2:
		m.text = fmt.Sprintf("-j is missing before the target, which is written in capitals: %s", up)
		return m.replace(i, 1, "-j", up)
	case c.target == nil && c.ground.hasChain(c.family, c.backend, c.tableName(), w.text):
		m.text = fmt.Sprintf("-j is missing before the chain %s", w.text)
		return m.replace(i, 1, "-j", w.text)
	case c.isBareOption(w.text):
		m.text = fmt.Sprintf("the dashes are missing before %s", w.text)
		return m.replace(i, 1, "--"+w.text)
	case c.target != nil && isDigits(strings.TrimPrefix(w.text, ":")) && slices.Contains([]string{"--to-destination", "--to-source", "--to"}, c.before(i, 2)):
		m.text = "address and port are one word, with a colon between them"
		return m.replace(i-1, 2, strings.TrimSuffix(before, ":")+":"+strings.TrimPrefix(w.text, ":"))
	case slices.Contains(rules.BuiltInChains["nat"], up) && (c.op == 'A' || c.op == 'I') && !slices.Contains(rules.BuiltInChains["nat"], c.chain):
		m.text = fmt.Sprintf("%s stands where %s was taken for the chain", w.text, c.chain)
		return m
	case isDigits(w.text) && (c.op == 'A' || c.op == 'N') && i == c.opAt+2:
		m.text = fmt.Sprintf("-%c takes no number: rules go to the end; with a number it is -I", c.op)
		return m.replace(c.opAt, 1, "-I")
	case dottedQuad.MatchString(w.text) && c.target != nil && c.needsTo() != "":
		m.text = fmt.Sprintf("%s is missing before the address", c.needsTo())
		return m.replace(i, 1, c.needsTo(), w.text)
	}
	if w.text == "-" || w.text == "--" {
		if i+1 < len(c.words) && !c.isOption(i+1) {
			m.text = "the blank behind the dashes cuts the option off"
			return m.replace(i, 2, w.text+c.words[i+1].text)
		}
		return m.replace(i, 1)
	}
	return m
}

func (c *commandReader) before(i, n int) string {
	if i-n < 0 {
		return ""
	}
	return c.words[i-n].text
}

// needsTo is the option by which the target gets its address, if it has none yet.
func (c *commandReader) needsTo() string {
	if c.target == nil || len(c.target.opts) > 0 {
		return ""
	}
	return map[string]string{"DNAT": "--to-destination", "SNAT": "--to-source", "NETMAP": "--to"}[c.target.name]
}

func (c *commandReader) isChain(name string) bool {
	for _, chains := range rules.BuiltInChains {
		if slices.Contains(chains, name) {
			return true
		}
	}
	return c.ground.hasChain(c.family, c.backend, c.tableName(), name)
}

// isBareOption reports the name of an option that people write without dashes.
func (c *commandReader) isBareOption(word string) bool {
	return len(word) > 3 && slices.Contains([]string{
		"dport", "sport", "dports", "sports", "to-destination", "to-source", "to-ports", "state", "ctstate",
		"source-port", "destination-port", "comment", "protocol", "source", "destination", "jump", "in-interface", "out-interface",
	}, word)
}

// twice mends an option that is given a second time.
func (c *commandReader) twice(name string, first, i int) *mistake {
	m := c.fail(i, "%s is given twice", name)
	old, now := c.before(first+1, 0), ""
	if i+1 < len(c.words) {
		now = c.words[i+1].text
	}
	switch {
	case old == now && name != "-f":
		return m.replace(i, 2)
	case name == "-s" || name == "-d":
		m.text = fmt.Sprintf("%s is given twice; several addresses are one list with commas", name)
		m.fix = name + " " + old + "," + now
		m.mend = func(ws []scriptWord) []scriptWord {
			ws = putWords(ws, i, 2, nil)
			return putWords(ws, first+1, 1, []string{old + "," + now})
		}
		return m
	case name == "-p":
		m.text = "a rule is for one protocol: make one for each"
		m.at, m.fix = first+1, "two rules"
		m.instead = []string{old, now}
		m.mend = func(ws []scriptWord) []scriptWord { return putWords(ws, i, 2, nil) }
		return m
	}
	m.text += ", with different values: which is meant?"
	return m
}

func (c *commandReader) unknownShort(i int) *mistake {
	text := c.words[i].text
	m := c.fail(i, "there is no option %s", text)
	if flipped := swapCase(text[:2]); c.global(flipped) != nil {
		return m.replace(i, 1, flipped+text[2:])
	}
	if len(text) > 3 {
		return c.unknownLong(i, "-"+text)
	}
	return m
}

func swapCase(s string) string {
	if up := strings.ToUpper(s); up != s {
		return up
	}
	return strings.ToLower(s)
}

// equivalent options of targets that are mixed up.
var meantFor = map[string]map[string]string{
	"SNAT":       {"--to-destination": "--to-source", "--to-dest": "--to-source", "--to-ports": "--to-source"},
	"DNAT":       {"--to-source": "--to-destination", "--to-src": "--to-destination", "--to-ports": "--to-destination"},
	"REDIRECT":   {"--to-destination": "--to-ports", "--to-source": "--to-ports", "--to-dport": "--to-ports"},
	"MASQUERADE": {"--to-source": "SNAT", "--to-destination": "SNAT"},
	"NETMAP":     {"--to-source": "--to", "--to-destination": "--to", "--to-net": "--to"},
}

// unknownLong says what is wrong with an option that nothing named so far has.
func (c *commandReader) unknownLong(i int, name string) *mistake {
	name, _, _ = strings.Cut(name, "=")
	m := c.fail(i, "there is no option %s here", name)
	if table := strings.TrimPrefix(name, "--"); rules.BuiltInChains[table] != nil {
		m.text = "a table is named with -t"
		return m.replace(i, 1, "-t", table)
	}
	if c.target != nil {
		if meant := meantFor[c.target.name][name]; meant != "" {
			return c.mixedUp(i, name, meant)
		}
	}
	targets, modules := targetsWith(name), modulesWith(name)
	switch {
	case len(targets) > 0 && c.target == nil && len(modules) == 0:
		return c.targetMissing(i, name, targets)
	case len(modules) > 0:
		return c.moduleMissing(i, name, modules)
	case len(targets) > 0:
		m.text = fmt.Sprintf("%s has no option %s, which is for %s", c.target.name, name, strings.Join(targets, " and "))
		if len(targets) == 1 && len(c.target.opts) == 0 && strings.HasPrefix(name, "--to-") {
			at := c.target.at
			m.fix = "-j " + targets[0]
			m.mend = func(ws []scriptWord) []scriptWord { return putWords(ws, at+1, 1, []string{targets[0]}) }
		}
		return m
	}
	// Those that could stand here come first.
	var here []string
	for _, b := range append(slices.Clone(c.blocks), c.target) {
		if b != nil {
			for _, s := range b.specs {
				here = append(here, append([]string{s.name}, s.also...)...)
			}
		}
	}
	meant := nearest(name, here)
	if meant == "" || editDistance(name, meant) > 1 {
		if other := nearest(name, longNames); other != "" && (meant == "" || editDistance(name, other) < editDistance(name, meant)) {
			meant = other
		}
	}
	if meant == "" {
		for _, n := range longNames {
			if strings.HasPrefix(n, name) && len(name) > 4 {
				meant = n
				break
			}
		}
	}
	m.text = fmt.Sprintf("there is no option %s", name)
	if meant == "" {
		return m
	}
	if _, value, joined := strings.Cut(c.words[i].text, "="); joined {
		return m.replace(i, 1, meant, value)
	}
	return m.replace(i, 1, meant)
}

// mixedUp mends an option that belongs to another target.
func (c *commandReader) mixedUp(i int, name, meant string) *mistake {
	target := c.target.name
	value := ""
	if i+1 < len(c.words) {
		value = c.words[i+1].text
	}
	m := c.fail(i, "%s is not for %s", name, target)
	switch {
	case meant == "SNAT":
		m.text += ", which takes the address of the interface by itself; a fixed address is SNAT"
		at := c.target.at
		m.fix = "-j SNAT --to-source"
		m.mend = func(ws []scriptWord) []scriptWord {
			ws = putWords(ws, at+1, 1, []string{"SNAT"})
			return putWords(ws, i, 1, []string{"--to-source"})
		}
		return m
	case target == "REDIRECT" && dottedQuad.MatchString(value):
		m.text += ", which is to this host itself; another host is DNAT"
		at := c.target.at
		m.fix = "-j DNAT --to-destination"
		m.mend = func(ws []scriptWord) []scriptWord {
			ws = putWords(ws, at+1, 1, []string{"DNAT"})
			return putWords(ws, i, 1, []string{"--to-destination"})
		}
		return m
	case name == "--to-ports" && isDigits(strings.ReplaceAll(value, "-", "")):
		if at, joined := c.addressAlone(meant, value); joined != "" {
			m.text += fmt.Sprintf("; the new port stands behind the new address: %s %s", meant, joined)
			m.fix = meant + " " + joined
			m.mend = func(ws []scriptWord) []scriptWord {
				return putWords(putWords(ws, i, 2, nil), at, 1, []string{joined})
			}
			return m
		}
		m.text += "; a new port alone is written :PORT"
		return m.replace(i, 2, meant, ":"+value)
	}
	m.text += fmt.Sprintf(": it takes %s", meant)
	return m.replace(i, 1, meant)
}

// addressAlone finds the new address that was given without a port, and what it
// is with one.
func (c *commandReader) addressAlone(option, port string) (at int, joined string) {
	for j := c.target.at + 2; j+1 < len(c.words); j++ {
		if c.words[j].text != option {
			continue
		}
		var t rules.Translation
		if value := c.words[j+1].text; t.Parse(value) && !t.HasPorts {
			if strings.Contains(value, ":") {
				value = "[" + strings.Trim(value, "[]") + "]"
			}
			return j + 1, value + ":" + port
		}
	}
	return 0, ""
}

// targetMissing mends an option of a target that has not been named yet.
func (c *commandReader) targetMissing(i int, name string, targets []string) *mistake {
	m := c.fail(i, "%s is an option of %s, and no -j has been given", name, strings.Join(targets, " or "))
	if j, later := c.laterWord(i, "-j", "--jump"); later && j+1 < len(c.words) {
		target := c.words[j+1].text
		m.text = fmt.Sprintf("%s stands before -j %s, which it belongs to: iptables does not know it yet", name, target)
		m.fix = "-j " + target + " " + name
		m.mend = func(ws []scriptWord) []scriptWord {
			jump := slices.Clone(ws[j : j+2])
			ws = slices.Concat(ws[:j], ws[j+2:])
			return slices.Concat(ws[:i], jump, ws[i:])
		}
		return m
	}
	for k := i + 1; k < len(c.words); k++ {
		if slices.Contains(targets, c.words[k].text) {
			word := c.words[k].text
			m.text = "-j is missing, and the target stands before its options"
			m.fix = "-j " + word
			m.mend = func(ws []scriptWord) []scriptWord {
				ws = putWords(ws, k, 1, nil)
				return putWords(ws, i, 0, []string{"-j", word})
			}
			return m
		}
	}
	if len(targets) == 1 || strings.HasPrefix(name, "--to") {
		return m.replace(i, 0, "-j", targets[0])
	}
	return m
}

// serviceOf is the service of a port given by name or number.
func serviceOf(port string) (rules.Service, bool) {
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		return rules.ServiceAt(uint16(n))
	}
	return rules.ServiceNamed(port)
}

// moduleMissing mends an option of a match that has not been named yet.
func (c *commandReader) moduleMissing(i int, name string, modules []string) *mistake {
	value := ""
	if i+1 < len(c.words) {
		value = c.words[i+1].text
	}
	if slices.Contains(modules, "tcp") {
		return c.portWithoutProtocol(i, name, value)
	}
	// state and conntrack are mixed up.
	for _, b := range c.blocks {
		if b.name == "state" && name == "--ctstate" {
			return c.fail(i, "--ctstate is an option of -m conntrack; that of -m state is --state").replace(i, 1, "--state")
		}
		if b.name == "conntrack" && name == "--state" {
			return c.fail(i, "--state is an option of -m state; that of -m conntrack is --ctstate").replace(i, 1, "--ctstate")
		}
	}
	module := modules[0]
	for k := i + 1; k+1 < len(c.words); k++ {
		if c.words[k].text == "-m" && slices.Contains(modules, c.words[k+1].text) {
			module = c.words[k+1].text
			m := c.fail(i, "%s stands before -m %s, which it belongs to: iptables does not know it yet", name, module)
			m.fix = "-m " + module + " " + name
			m.mend = func(ws []scriptWord) []scriptWord {
				match := slices.Clone(ws[k : k+2])
				ws = slices.Concat(ws[:k], ws[k+2:])
				return slices.Concat(ws[:c.optionStart(i)], match, ws[c.optionStart(i):])
			}
			return m
		}
	}
	m := c.fail(i, "%s is an option of -m %s, which is missing", name, module)
	if module == "icmp" || module == "icmp6" {
		proto := map[string]string{"icmp": "icmp", "icmp6": "ipv6-icmp"}[module]
		m.text = fmt.Sprintf("%s goes with -p %s, which is missing", name, proto)
		return m.replace(c.optionStart(i), 0, "-p", proto)
	}
	return m.replace(c.optionStart(i), 0, "-m", module)
}

// optionStart is where an option begins, with the ! before it.
func (c *commandReader) optionStart(i int) int {
	if c.before(i, 1) == "!" {
		return i - 1
	}
	return i
}

func (c *commandReader) portWithoutProtocol(i int, name, value string) *mistake {
	start := c.optionStart(i)
	if n, ok := c.proto.Number(); ok && c.proto.Name != "" {
		m := c.fail(i, "%s has no ports", c.proto.Name)
		if n.HasPorts() {
			m.text = fmt.Sprintf("a port with “not %s” means nothing: name the protocol", c.proto.Name)
		}
		if c.proto.Name == "icmp" || c.proto.Name == "ipv6-icmp" {
			return m.replace(start, i-start+2)
		}
		return m
	}
	proto := "tcp"
	if service, ok := serviceOf(value); ok && service.Proto == rules.UDP {
		proto = "udp"
	}
	m := c.fail(i, "a port needs a protocol that has ports, and none is given: -p tcp or -p udp")
	if k, later := c.laterWord(i, "-p", "--protocol", "--proto"); later && k+1 < len(c.words) && c.words[k+1].text != "all" {
		m.text = fmt.Sprintf("%s stands before -p, which it needs: iptables does not know it yet", name)
		m.fix = "-p " + c.words[k+1].text + " " + name
		m.mend = func(ws []scriptWord) []scriptWord {
			p := slices.Clone(ws[k : k+2])
			ws = slices.Concat(ws[:k], ws[k+2:])
			return slices.Concat(ws[:start], p, ws[start:])
		}
		return m
	}
	if at, all := c.at["-p"]; all {
		m.text = "a port needs a protocol that has ports, and -p all is any"
		return m.replace(at+1, 1, proto)
	}
	return m.replace(start, 0, "-p", proto)
}
