package paste

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"nattui/rules"
)

// commandReader takes one iptables command apart, option by option and in the
// order that iptables does. It stops at the first mistake, which says how to
// mend the words; then they are read again.
type commandReader struct {
	ground *Ground
	words  []scriptWord // the program first

	family   rules.Family
	backend  rules.Backend
	explicit bool // the program's name says the backend
	table    string

	op       byte // the letter of the command: A, I, D, …
	opAt     int
	chain    string
	number   int
	numbered bool
	other    string // the new name, or the policy

	at       map[string]int // where the options of every rule stand, by their short name
	src, dst []rules.Net
	in, out  rules.Iface
	proto    rules.ProtoMatch
	fragment rules.Fragment
	counters rules.Counters
	blocks   []*optionBlock // matches, in order
	target   *optionBlock
	goes     bool // -g

	notes     []Remark
	questions []Question
}

// mistake is what stops a command from being read, and how to mend it.
type mistake struct {
	at       int // the word it is about
	severity Level
	text     string
	fix      string // what to write, in short
	mend     func([]scriptWord) []scriptWord
	// instead are the words of which each makes a command of its own in place of
	// the word at: tcp/udp.
	instead []string
}

func (c *commandReader) fail(at int, format string, args ...any) *mistake {
	return &mistake{at: at, severity: Error, text: fmt.Sprintf(format, args...)}
}

// replace mends by putting words in place of n words.
func (m *mistake) replace(at, n int, with ...string) *mistake {
	m.mend = func(ws []scriptWord) []scriptWord { return putWords(ws, at, n, with) }
	if m.fix == "" {
		m.fix = strings.Join(with, " ")
	}
	return m
}

func putWords(ws []scriptWord, at, n int, with []string) []scriptWord {
	at = min(at, len(ws))
	n = min(n, len(ws)-at)
	near := ws[min(at, len(ws)-1)]
	made := make([]scriptWord, len(with))
	for i, text := range with {
		made[i] = scriptWord{text: text, line: near.line, col: near.col, made: true}
		// What is not known stays so, wherever it is put.
		for j := range n {
			if old := ws[at+j]; old.text == text {
				made[i] = old
			}
		}
	}
	return slices.Concat(ws[:at], made, ws[at+n:])
}

// known tells from a word of the command line what program is meant.
func iptablesProgram(word string) (f rules.Family, b rules.Backend, explicit, ok bool) {
	name := path.Base(word)
	switch {
	case strings.HasPrefix(name, "ip6tables"):
		f, name = rules.IPv6, strings.TrimPrefix(name, "ip6tables")
	case strings.HasPrefix(name, "iptables"):
		name = strings.TrimPrefix(name, "iptables")
	default:
		return 0, 0, false, false
	}
	switch name {
	case "":
		return f, rules.NFT, false, true
	case "-nft":
		return f, rules.NFT, true, true
	case "-legacy":
		return f, rules.Legacy, true, true
	}
	return 0, 0, false, false
}

// dashes are what typesetters make of - and --.
var dashes = strings.NewReplacer("–", "--", "—", "--", "−", "-", "‐", "-", "‑", "-")

// read takes the command apart.
func (c *commandReader) read() *mistake {
	c.at = map[string]int{}
	if m := c.checkLetters(); m != nil {
		return m
	}
	not, notAt := false, 0
	for i := 1; i < len(c.words); {
		w := c.words[i]
		if w.text == "!" && !w.quoted {
			if not {
				return c.fail(i, "a second ! follows the first").replace(i, 1)
			}
			not, notAt = true, i
			i++
			continue
		}
		next, m := c.option(i, not)
		if m != nil {
			return m
		}
		if not && next < 0 {
			return c.fail(notAt, "! does not go with %s", w.text).replace(notAt, 1)
		}
		if next < 0 {
			next = -next
		}
		not = false
		i = next
	}
	if not {
		return c.fail(notAt, "! stands before nothing").replace(notAt, 1)
	}
	return c.whole()
}

// checkLetters finds what word processors and web pages put in place of plain
// letters.
func (c *commandReader) checkLetters() *mistake {
	for i, w := range c.words[1:] {
		i++
		if strings.Contains(w.text, "\u00a0") && !w.quoted {
			m := c.fail(i, "the blank in it is none to a shell, but a no-break space from a web page")
			return m.replace(i, 1, strings.FieldsFunc(w.text, func(r rune) bool { return r == '\u00a0' })...)
		}
		if !w.quoted && strings.HasPrefix(dashes.Replace(w.text), "-") && !strings.HasPrefix(w.text, "-") {
			fixed := "-" + strings.TrimLeft(dashes.Replace(w.text), "-")
			if len(fixed) > 2 {
				fixed = "-" + fixed
			}
			return c.fail(i, "the dash is a typesetter's, which iptables does not know").replace(i, 1, fixed)
		}
		if !w.quoted && strings.ContainsAny(w.text, "“”„‘’") {
			end := i
			for strings.ContainsAny(w.text, "“„‘") && !strings.ContainsAny(w.text[1:], "”’") && end+1 < len(c.words) {
				end++
				if strings.ContainsAny(c.words[end].text, "”’") {
					break
				}
			}
			var text []string
			for _, part := range c.words[i : end+1] {
				text = append(text, part.text)
			}
			fixed := strings.NewReplacer("“", "", "”", "", "„", "", "‘", "", "’", "").Replace(strings.Join(text, " "))
			return c.fail(i, "the quotes are a typesetter's, which a shell does not know").replace(i, end-i+1, fixed)
		}
	}
	return nil
}

// option reads the option at word i with its values, and returns where to go on,
// negative if a ! before it means nothing.
func (c *commandReader) option(i int, not bool) (int, *mistake) {
	w := c.words[i]
	text := w.text
	switch {
	case !strings.HasPrefix(text, "-") || text == "-" || text == "--" || isDigits(text[1:]):
		return 0, c.stray(i)
	case strings.HasPrefix(text, "--"):
		return c.longOption(i, not)
	}
	if long := "-" + text; len(text) > 3 && slices.Contains(longNames, long) {
		return 0, c.fail(i, "long options begin with two dashes").replace(i, 1, long)
	}
	spec := c.global(text[:2])
	if spec == nil {
		return 0, c.unknownShort(i)
	}
	if len(text) > 2 {
		if spec.kind == kindNone || spec.kind == kindOptional {
			var apart []string
			for _, letter := range text[1:] {
				if c.global("-"+string(letter)) == nil {
					return 0, c.unknownLong(i, "-"+text)
				}
				apart = append(apart, "-"+string(letter))
			}
			c.words = putWords(c.words, i, 1, apart)
			return c.option(i, not)
		}
		if meant := nearest("-"+text, longNames); meant != "" && len(text) > 4 && editDistance("-"+text, meant) <= 1 {
			return 0, c.fail(i, "there is no option %s", text).replace(i, 1, meant)
		}
		if strings.Contains("-i-o-p", spec.name) {
			return 0, c.fail(i, "iptables wants a blank between %s and its value", spec.name).replace(i, 1, spec.name, text[2:])
		}
		c.words = putWords(c.words, i, 1, []string{spec.name, text[2:]})
	}
	return c.globalOption(spec, i, not)
}

func (c *commandReader) global(name string) *optionSpec {
	for k := range globalOptions {
		if globalOptions[k].spelled(name) {
			return &globalOptions[k]
		}
	}
	return nil
}

// longOption reads an option that begins with two dashes.
func (c *commandReader) longOption(i int, not bool) (int, *mistake) {
	name, value, joined := strings.Cut(c.words[i].text, "=")
	found, m := c.resolve(i, name)
	if m != nil {
		return 0, m
	}
	if joined {
		if found.spec != nil && found.block == nil && strings.Contains("-i-o-p", found.spec.name) {
			return 0, c.fail(i, "iptables wants a blank between %s and its value", name).replace(i, 1, name, value)
		}
		w := c.words[i]
		c.words = putWords(c.words, i, 1, []string{name, value})
		for _, u := range w.unknown {
			u.from, u.to = u.from-len(name)-1, u.to-len(name)-1
			c.words[i+1].unknown = append(c.words[i+1].unknown, u)
		}
		c.words[i+1].quoted = w.quoted
	}
	if found.full != name {
		c.note(i, fmt.Sprintf("%s is short for %s: iptables takes it as long as no other option begins so", name, found.full), found.full)
		w := c.words[i]
		c.words[i].text = found.full
		if joined {
			c.words[i].text += "=" + value
			for k := range w.unknown {
				c.words[i].unknown[k].from += len(found.full) - len(name)
				c.words[i].unknown[k].to += len(found.full) - len(name)
			}
		}
	}
	if found.block == nil {
		return c.globalOption(found.spec, i, not)
	}
	return c.blockOption(found, i, not)
}

func (c *commandReader) note(at int, text, fix string) {
	w := c.words[at]
	c.notes = append(c.notes, Remark{Line: w.line, Column: w.col, Word: w.text, Level: Note, Text: text, Correction: fix})
}

// value is the word that an option's value stands in, with what is not known in
// it filled by something that could be right.
func (c *commandReader) value(i int, name string, kind valueKind) (string, *mistake) {
	if i >= len(c.words) || c.isOption(i) && kind != kindText {
		m := c.fail(min(i, len(c.words)-1), "%s needs a value", name)
		if i < len(c.words) {
			m.at = i - 1
		}
		return "", m
	}
	c.findPlaceholders(i, kind)
	return c.fill(i, name, kind), nil
}

// isOption reports a word that is an option rather than a value.
func (c *commandReader) isOption(i int) bool {
	w := c.words[i]
	return !w.quoted && len(w.text) > 1 && w.text[0] == '-' && !isDigits(w.text[1:])
}

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
	switch spec.name {
	case "-f":
		c.fragment = rules.LaterOnly
		if not {
			c.fragment = rules.NotLaterOnly
		}
		return i + 1, nil
	case "-w":
		if i+1 < len(c.words) && isDigits(c.words[i+1].text) {
			return -(i + 2), nil
		}
		return -(i + 1), nil
	case "-n", "-v", "-x", "--line-numbers":
		return -(i + 1), nil
	case "-4", "-6":
		if (spec.name == "-6") != (c.family == rules.IPv6) {
			// iptables and ip6tables leave out a rule that is for the other.
			return 0, c.fail(i, "%s makes %s leave this rule out", spec.name, c.family.Command()).replace(i, 1)
		}
		return -(i + 1), nil
	case "-h", "-V":
		c.op = 'L'
		return -(i + 1), nil
	case "-c":
		if i+2 >= len(c.words) {
			return 0, c.fail(i, "%s needs two values, packets and bytes", name).replace(i, len(c.words)-i)
		}
		var ok bool
		c.counters, ok = rules.ParseCounters(c.words[i+1].text + ":" + c.words[i+2].text)
		if !ok {
			return 0, c.fail(i+1, "%s needs two numbers, packets and bytes", name)
		}
		return -(i + 3), nil
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
	kind := spec.kind
	value, m := c.value(i+1, name, kind)
	if m != nil {
		return 0, c.noValue(m, spec, i)
	}
	if m := c.take(spec.name, value, i, not); m != nil {
		return 0, m
	}
	return i + 2, nil
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
		return c.fail(at, "%q is no interface: a name has neither blanks nor slashes", value)
	case dottedQuad.MatchString(value):
		option := map[string]string{"-i": "-s", "-o": "-d"}[c.global(c.words[at-1].text).name]
		return c.fail(at, "%s is an address and no interface", value).replace(at-1, 2, option, value)
	}
	if links := c.ground.Links; len(links) > 0 && !strings.HasSuffix(value, "+") && !slices.Contains(links, value) && len(c.words[at].unknown) == 0 {
		c.note(at, fmt.Sprintf("this host has no interface %s now: it has %s", value, strings.Join(links, ", ")), "")
	}
	return nil
}

// bothProtocols are ways in which people write "tcp and udp".
// otherWords are what other firewalls call the targets.
var otherWords = map[string]string{
	"ALLOW": "ACCEPT", "PERMIT": "ACCEPT", "PASS": "ACCEPT", "OK": "ACCEPT", "DENY": "DROP", "BLOCK": "DROP", "MASQ": "MASQUERADE", "NAT": "MASQUERADE", "RDR": "REDIRECT",
}

var bothProtocols = []string{"tcp/udp", "tcp,udp", "udp,tcp", "udp/tcp", "tcp+udp", "tcpudp", "both", "tcp&udp", "tcp|udp", "tcp_udp"}

func (c *commandReader) takeProto(value string, at int, not bool) *mistake {
	low := strings.ToLower(value)
	if slices.Contains(bothProtocols, low) {
		m := c.fail(at, "a rule is for one protocol: make one for tcp and one for udp")
		m.instead, m.fix = []string{"tcp", "udp"}, "two rules, tcp and udp"
		return m
	}
	n, ok := rules.ProtoNumber(low)
	switch {
	case !ok:
		m := c.fail(at, "%q is no protocol: there are tcp, udp, icmp, sctp, gre, esp and others, or a number", value)
		names := []string{"tcp", "udp", "icmp", "sctp", "dccp", "udplite", "gre", "esp", "ah", "igmp", "ipv6-icmp", "all"}
		if meant := nearest(low, names); meant != "" {
			m.replace(at, 1, meant)
		} else if port, bad := portWord(low); bad == nil && !slices.ContainsFunc(c.words, func(w scriptWord) bool { return w.text == "--dport" || w.text == "--dports" }) {
			m.text = fmt.Sprintf("%q is no protocol but a port: a port stands behind its protocol", value)
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
