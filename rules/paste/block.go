package paste

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// optionBlock is one -m or -j with the options given to it.
type optionBlock struct {
	name  string
	at    int
	specs []optionSpec
	loose bool // its options are not listed: whatever follows is kept
	opts  []rules.Option
	optAt []int
}

func (b *optionBlock) has(name string) (rules.Option, bool) {
	for _, o := range b.opts {
		if o.Name == name {
			return o, true
		}
	}
	return rules.Option{}, false
}

func (b *optionBlock) given(name string) bool {
	_, ok := b.has(name)
	return ok
}

// foundOption is an option, and whose it is.
type foundOption struct {
	spec  *optionSpec
	block *optionBlock // nil: one of every rule's
	full  string       // the whole name, where it was cut short
}

// resolve finds an option by its name, or by the beginning of it, among those of
// the matches and the target that have been named so far, as getopt_long does.
func (c *commandReader) resolve(i int, name string) (foundOption, *mistake) {
	for range 2 {
		var candidates []foundOption
		try := func(specs []optionSpec, b *optionBlock) bool {
			for k := range specs {
				for _, n := range append([]string{specs[k].name}, specs[k].also...) {
					f := foundOption{&specs[k], b, n}
					if n == name {
						candidates = []foundOption{f}
						return true
					}
					if strings.HasPrefix(n, name) && len(name) > 2 {
						candidates = append(candidates, f)
					}
				}
			}
			return false
		}
		exact := c.target != nil && try(c.target.specs, c.target)
		for k := len(c.blocks) - 1; k >= 0 && !exact; k-- {
			exact = try(c.blocks[k].specs, c.blocks[k])
		}
		exact = exact || try(globalOptions, nil)
		switch {
		case exact:
			return candidates[0], nil
		case c.looseBlock(name) != nil:
			return foundOption{block: c.looseBlock(name), full: name}, nil
		case len(candidates) == 1:
			return candidates[0], nil
		case len(candidates) > 1:
			if same := slices.IndexFunc(candidates, func(f foundOption) bool { return f.spec != candidates[0].spec }); same < 0 {
				return candidates[0], nil
			}
			var names []string
			for _, f := range candidates {
				names = append(names, f.full)
			}
			m := c.fail(i, "%s may be %s: write the one that is meant", name, strings.Join(names, " or "))
			meant := names[0]
			if strings.HasPrefix("--in-interface", name) {
				meant = "--in-interface"
			}
			return foundOption{}, m.replace(i, 1, meant)
		}
		if !c.loadProtocol(i) {
			break
		}
	}
	return foundOption{}, c.unknownLong(i, name)
}

// looseBlock is the latest match or target whose options are not listed, if the
// option may be its own.
func (c *commandReader) looseBlock(name string) *optionBlock {
	if c.target != nil && c.target.loose {
		return c.target
	}
	if c.target != nil || c.global(name) != nil || len(targetsWith(name)) > 0 && strings.HasPrefix(name, "--to-") {
		return nil
	}
	if n := len(c.blocks); n > 0 && c.blocks[n-1].loose {
		return c.blocks[n-1]
	}
	return nil
}

// loadProtocol adds the match of the protocol, which iptables does by itself when
// it meets an option that it does not know.
func (c *commandReader) loadProtocol(at int) bool {
	if c.proto.Name == "" || c.proto.Not {
		return false
	}
	module := c.proto.Name
	switch module {
	case "ipv6-icmp":
		module = "icmp6"
	case "tcp", "udp", "udplite", "sctp", "dccp", "icmp", "esp", "ah":
	default:
		return false
	}
	for _, b := range c.blocks {
		if b.name == module {
			return false
		}
	}
	c.addMatch(module, at)
	return true
}

func (c *commandReader) addMatch(name string, at int) {
	c.blocks = append(c.blocks, &optionBlock{name: name, at: at, specs: matchOptions[name], loose: !rules.Understands(name) && name != "limit"})
}

// blockOption reads an option of a match or of the target.
func (c *commandReader) blockOption(f foundOption, i int, not bool) (int, *mistake) {
	b := f.block
	if not {
		if m := c.invertible(f, i); m != nil {
			return 0, m
		}
	}
	if f.spec == nil {
		return c.looseOption(b, i, not)
	}
	n := f.spec.values()
	o := rules.Option{Not: not, Name: f.spec.name}
	for k := range n {
		if i+1+k < len(c.words) && c.words[i+1+k].text == "!" && !c.words[i+1+k].quoted {
			return 0, c.fail(i+1+k, "the ! stands before the option, not behind it").replace(i, 2+k, "!", f.full)
		}
		value, m := c.value(i+1+k, f.full, f.spec.kind)
		if m != nil {
			return 0, c.noBlockValue(m, f, i)
		}
		value, m = c.check(f, value, i, i+1+k)
		if m != nil {
			return 0, m
		}
		o.Args = append(o.Args, value)
	}
	if _, twice := b.has(o.Name); twice && !b.loose && o.Name != "--timestart" {
		return 0, c.fail(i, "%s is given twice", f.full).replace(i, 1+n)
	}
	b.opts, b.optAt = append(b.opts, o), append(b.optAt, i)
	return i + 1 + n, nil
}

// noBlockValue asks for the value of an option that lacks it.
func (c *commandReader) noBlockValue(m *mistake, f foundOption, i int) *mistake {
	switch f.spec.kind {
	case kindPort, kindPorts, kindTo, kindToPorts:
		m.text += fmt.Sprintf(": %s", map[valueKind]string{
			kindPort: "a port, such as 80", kindPorts: "ports, such as 80,443", kindTo: "an address, such as 192.168.0.2:8080", kindToPorts: "a port, such as 8080",
		}[f.spec.kind])
	}
	return m
}

// check normalises the value of a match's or the target's option.
func (c *commandReader) check(f foundOption, value string, i, at int) (string, *mistake) {
	normal, bad := c.normalise(f.spec.kind, value)
	if bad == nil {
		bad = f.spec.withinBounds(normal)
	}
	if bad == nil {
		bad = hasForm(f.block.name, f.spec.name, value)
	}
	if bad != nil && f.spec.name == "--gateway" {
		bad = cmp.Or(c.hostValue(value, false), bad)
	}
	if bad != nil && f.spec.kind == kindPort && slices.Contains([]string{"tcp", "sctp"}, f.block.name) {
		bad.doubt = false // of the protocols, these two look at the order of a range
	}
	if bad == nil {
		return normal, nil
	}
	if c.hasUnknown(at) {
		return value, nil // it is asked for; a word with a gap in it proves nothing
	}
	if bad.doubt && c.ground.accepts() {
		return value, nil
	}
	m := c.fail(at, "%s", bad.text)
	if bad.doubt {
		m.severity = Doubt
	}
	switch {
	case f.spec.kind == kindPort && strings.Contains(value, ","):
		many := map[string]string{"--sport": "--sports", "--dport": "--dports"}[f.spec.name]
		if many != "" {
			return "", m.replace(i, 2, "-m", "multiport", many, strings.ReplaceAll(value, "-", ":"))
		}
	case f.spec.kind == kindStates && at+1 < len(c.words) && strings.HasSuffix(value, ",") && !c.isOption(at+1):
		m.text = "the blank behind the comma ends the list"
		return "", m.replace(at, 2, value+c.words[at+1].text)
	case f.spec.kind == kindTo && at+1 < len(c.words) && isDigits(c.words[at+1].text) && strings.HasSuffix(value, ":"):
		m.text = "the blank behind the colon cuts the port off"
		return "", m.replace(at, 2, value+c.words[at+1].text)
	case bad.fix == value:
		return normal, nil
	case bad.fix != "":
		return "", m.replace(at, 1, bad.fix)
	}
	return "", m
}

// looseOption keeps an option whose match is not known in detail, with the words
// behind it.
func (c *commandReader) looseOption(b *optionBlock, i int, not bool) (int, *mistake) {
	o := rules.Option{Not: not, Name: c.words[i].text}
	i++
	for i < len(c.words) && !c.isOption(i) && c.words[i].text != "!" && len(o.Args) < 2 {
		o.Args = append(o.Args, c.fill(i, o.Name, kindText))
		i++
	}
	b.opts, b.optAt = append(b.opts, o), append(b.optAt, i-1)
	return i, nil
}
