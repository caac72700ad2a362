package paste

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// rules are what the command makes: one rule, or one for each pair of addresses
// where lists are given.
func (c *commandReader) rules() []rules.Rule {
	r := rules.Rule{Chain: c.chain, In: c.in, Out: c.out, Protocol: c.proto, Fragment: c.fragment, Counters: c.counters}
	if c.in.Name == "+" && !c.in.Not {
		r.In = rules.Iface{}
	}
	if c.out.Name == "+" && !c.out.Not {
		r.Out = rules.Iface{}
	}
	for _, b := range c.blocks {
		r.Matches = append(r.Matches, c.matchOf(b))
	}
	if c.target != nil {
		r.Target = c.targetOf()
	}
	sources, dests := c.src, c.dst
	if len(sources) == 0 {
		sources = []rules.Net{{}}
	}
	if len(dests) == 0 {
		dests = []rules.Net{{}}
	}
	var all []rules.Rule
	for _, s := range sources {
		for _, d := range dests {
			one := r
			one.Source, one.Dest = everywhere(s), everywhere(d)
			all = append(all, one)
		}
	}
	return all
}

// everywhere turns 0.0.0.0/0 into no restriction, as iptables prints it.
func everywhere(n rules.Net) rules.Net {
	if p, ok := n.Prefix(); ok && p.Bits() == 0 && !n.Not {
		return rules.Net{}
	}
	return n
}

// matchOf is a match in the form that iptables-save prints.
func (c *commandReader) matchOf(b *optionBlock) rules.Match {
	return rules.NewMatch(b.name, c.canonicalOptions(b))
}

// canonicalOptions are the options of a match as iptables-save prints them, in
// its order and without those that say what holds anyway.
func (c *commandReader) canonicalOptions(b *optionBlock) []rules.Option {
	var out []rules.Option
	for _, o := range b.opts {
		switch {
		case o.Name == "--syn":
			o = rules.Option{Not: o.Not, Name: "--tcp-flags", Args: []string{"FIN,SYN,RST,ACK", "SYN"}}
		case o.Name == "--tcp-flags":
			for i, names := range o.Args {
				if f, ok := rules.ParseFlags(names); ok {
					o.Args = slices.Clone(o.Args)
					o.Args[i] = rules.FlagNames(f)
				}
			}
		case (o.Name == "--sport" || o.Name == "--dport") && !o.Not && len(o.Args) == 1 && o.Args[0] == "0:65535":
			continue
		case o.Name == "--limit-burst" && o.Args[0] == "5":
			continue
		case o.Name == "--probability":
			o.Args = []string{probability(o.Args[0])}
		case o.Name == "--timestart" || o.Name == "--timestop":
			o.Args = []string{clockTime(o.Args[0])}
		}
		out = append(out, o)
	}
	if b.name == "limit" && !slices.ContainsFunc(out, func(o rules.Option) bool { return o.Name == "--limit" }) {
		out = slices.Insert(out, 0, rules.NewOption(false, "--limit", "3/hour"))
	}
	if b.name == "time" {
		out = wholeTime(out)
	}
	if b.name == "connlimit" {
		return c.connlimit(out)
	}
	if b.loose {
		return out
	}
	order := map[string]int{}
	for i, s := range b.specs {
		order[s.name] = i
	}
	slices.SortStableFunc(out, func(x, y rules.Option) int { return order[x.Name] - order[y.Name] })
	return out
}

// probability is a share as the kernel keeps it, in parts of 2^31.
func probability(s string) string {
	p, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(math.Round(p*(1<<31))/(1<<31), 'f', 11, 64)
}

// wholeTime adds the ends that -m time fills in where only one is given.
func wholeTime(opts []rules.Option) []rules.Option {
	have := func(name string) bool {
		return slices.ContainsFunc(opts, func(o rules.Option) bool { return o.Name == name })
	}
	if have("--timestart") && !have("--timestop") {
		opts = append(opts, rules.NewOption(false, "--timestop", "23:59:59"))
	}
	if have("--timestop") && !have("--timestart") {
		opts = append(opts, rules.NewOption(false, "--timestart", "00:00:00"))
	}
	if !have("--datestop") {
		opts = append(opts, rules.NewOption(false, "--datestop", "2038-01-19T03:14:07"))
	}
	for i, o := range opts {
		if strings.HasPrefix(o.Name, "--date") && len(o.Args[0]) == len("2020-01-01") {
			opts[i].Args = []string{o.Args[0] + "T00:00:00"}
		}
	}
	return opts
}

// clockTime completes HH:MM.
func clockTime(s string) string {
	parts := strings.Split(s, ":")
	for len(parts) < 3 {
		parts = append(parts, "00")
	}
	for i, p := range parts {
		if len(p) == 1 {
			parts[i] = "0" + p
		}
	}
	return strings.Join(parts, ":")
}

// connlimit adds what iptables prints of a limit on connections in any case.
func (c *commandReader) connlimit(opts []rules.Option) []rules.Option {
	mask, side := rules.NewOption(false, "--connlimit-mask", fmt.Sprint(c.family.Bits())), rules.NewOption(false, "--connlimit-saddr")
	var out []rules.Option
	for _, o := range opts {
		switch o.Name {
		case "--connlimit-mask":
			mask = o
		case "--connlimit-saddr", "--connlimit-daddr":
			side = o
		default:
			out = append(out, o)
		}
	}
	return append(out, mask, side)
}

// targetOf is the target in the form that iptables-save prints.
func (c *commandReader) targetOf() rules.Target {
	t := c.target
	if c.goes {
		return rules.Target{Kind: rules.Goto, Name: t.name}
	}
	opts := slices.Clone(t.opts)
	order := map[string]int{}
	for i, s := range t.specs {
		order[s.name] = i
	}
	slices.SortStableFunc(opts, func(x, y rules.Option) int { return order[x.Name] - order[y.Name] })
	switch t.name {
	case "REJECT":
		if len(opts) == 0 {
			how := "icmp-port-unreachable"
			if c.family == rules.IPv6 {
				how = "icmp6-port-unreachable"
			}
			opts = []rules.Option{rules.NewOption(false, "--reject-with", how)}
		}
	case "LOG":
		opts = slices.DeleteFunc(opts, func(o rules.Option) bool { return o.Name == "--log-level" && o.Args[0] == "4" })
	case "MARK", "CONNMARK":
		opts = canonicalMark(opts)
	}
	var words []string
	for _, o := range opts {
		words = append(append(words, o.Name), o.Args...)
	}
	return rules.ParseTarget(t.name, words)
}

// canonicalMark turns the ways of setting a mark into --set-xmark, which is how
// the kernel keeps all of them (xt_MARK, xt_CONNMARK).
func canonicalMark(opts []rules.Option) []rules.Option {
	var out []rules.Option
	var masks []rules.Option
	moves := false
	for _, o := range opts {
		var b rules.Bits
		if len(o.Args) == 1 {
			b, _ = rules.ParseBits(o.Args[0], 0xffffffff)
		}
		switch o.Name {
		case "--set-mark":
			b.Mask |= b.Value
		case "--and-mark":
			b = rules.Bits{Value: 0, Mask: ^b.Value}
		case "--or-mark":
			b = rules.Bits{Value: b.Value, Mask: b.Value}
		case "--xor-mark":
			b = rules.Bits{Value: b.Value, Mask: 0}
		case "--set-xmark":
		case "--nfmask", "--ctmask":
			masks = append(masks, rules.NewOption(false, o.Name, rules.Hex(b.Value)))
			continue
		case "--mask":
			masks = append(masks, rules.NewOption(false, "--nfmask", rules.Hex(b.Value)), rules.NewOption(false, "--ctmask", rules.Hex(b.Value)))
			continue
		default:
			moves = true
			out = append(out, o)
			continue
		}
		out = append(out, rules.NewOption(false, "--set-xmark", rules.Hex(b.Value)+"/"+rules.Hex(b.Mask)))
	}
	if !moves {
		return out
	}
	for _, name := range []string{"--nfmask", "--ctmask"} {
		value := rules.Hex(0xffffffff)
		for _, m := range masks {
			if m.Name == name {
				value = m.Args[0]
			}
		}
		out = append(out, rules.NewOption(false, name, value))
	}
	return out
}
