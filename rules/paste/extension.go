package paste

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// invertible refuses a ! before an option that has no opposite: dropping it would make a rule that
// does what was to be left alone.
func (c *commandReader) invertible(f foundOption, i int) *mistake {
	b := f.block
	switch {
	case f.spec != nil && f.spec.inverts:
		return nil
	case f.spec == nil && b != c.target:
		return nil // of a match that is not known in detail
	}
	name := f.full
	if b == c.target {
		return c.fail(i, "%s cannot be inverted: a target's options say what is done", name)
	}
	return c.fail(i, "%s cannot be inverted", name)
}

// withinBounds holds a number, or both of A:B, against what the extension takes.
func (o *optionSpec) withinBounds(value string) *badValue {
	if o.hi == 0 {
		return nil
	}
	numbers := []string{value}
	if o.kind == kindText || o.kind == kindSpan || o.kind == kindSegment {
		numbers = strings.SplitN(value, ":", 2)
	}
	for _, n := range numbers {
		v, err := strconv.ParseUint(n, 0, 64)
		if n == "" && len(numbers) == 2 {
			continue
		}
		if err != nil || v < o.lo || v > o.hi {
			return &badValue{text: fmt.Sprintf("%s takes a number from %d to %d, and %q is none", o.name, o.lo, o.hi, n)}
		}
	}
	return nil
}

// checkTogether holds the options of a match or target against each other.
func (c *commandReader) checkTogether(b *optionBlock) *mistake {
	var given []*optionSpec
	for i, o := range b.opts {
		spec := b.spec(o.Name)
		if spec == nil {
			continue
		}
		if k := slices.IndexFunc(given, spec.excludes); k >= 0 {
			return c.fail(b.optAt[i], "%s and %s cannot be given together", given[k].name, spec.name)
		}
		given = append(given, spec)
	}
	for i, o := range b.opts {
		if spec := b.spec(o.Name); spec != nil && spec.needs != "" {
			if _, ok := b.has(spec.needs); !ok {
				return c.lacks(b, b.optAt[i], spec)
			}
		}
	}
	if m := c.checkComplete(b); m != nil {
		return m
	}
	for _, check := range []func(*optionBlock) *mistake{c.checkHere, c.checkPlace} {
		if m := check(b); m != nil {
			return m
		}
	}
	if check := relations[b.name]; check != nil {
		if text := check(b); text != "" {
			return c.fail(b.at+1, "%s", text)
		}
	}
	return nil
}

// word is the first value of an option, "" where it is not given.
func (b *optionBlock) word(name string) string {
	if o, ok := b.has(name); ok && len(o.Args) > 0 {
		return o.Args[0]
	}
	return ""
}

// number is the value of an option as a number, 0 where there is none.
func (b *optionBlock) number(name string) uint64 {
	n, _ := strconv.ParseUint(b.word(name), 0, 64)
	return n
}

// checkHere holds a match or target against the protocol, the chain and the family of its rule.
func (c *commandReader) checkHere(b *optionBlock) *mistake {
	proto := ""
	if !c.proto.Not {
		proto = c.proto.Name
	}
	unknown := c.proto.Name != "" && c.hasUnknown(c.at["-p"]+1)
	switch {
	case b.name == "REJECT" && b.word("--reject-with") == "tcp-reset" && proto != "tcp" && !unknown:
		return c.needsProtocol(b, "only TCP connections can be reset: --reject-with tcp-reset needs -p tcp", "tcp")
	case b.name == "TPROXY" && proto != "tcp" && proto != "udp" && !unknown:
		return c.needsProtocol(b, "TPROXY needs -p tcp or -p udp", "tcp")
	case b.name == "osf" && proto != "tcp" && !unknown:
		return c.needsProtocol(b, "-m osf looks at the first TCP segment: it needs -p tcp", "tcp")
	case (b.name == "hl" || b.name == "HL") && c.family == rules.IPv4:
		return c.fail(min(b.at+1, len(c.words)-1), "IPv4 has a TTL, and no hop limit: there is %s for it", map[string]string{"hl": "-m ttl", "HL": "-j TTL"}[b.name])
	case (b.name == "ttl" || b.name == "TTL") && c.family == rules.IPv6:
		return c.fail(min(b.at+1, len(c.words)-1), "IPv6 has a hop limit, and no TTL: there is %s for it", map[string]string{"ttl": "-m hl", "TTL": "-j HL"}[b.name])
	case b.name == "policy" && b.word("--dir") == "out" && (c.chain == "INPUT" || c.chain == "PREROUTING"):
		return c.fail(b.at+1, "in %s it is not yet known whether a packet leaves through IPsec: --dir out has no place there", c.chain)
	case b.name == "policy" && b.word("--dir") == "in" && (c.chain == "OUTPUT" || c.chain == "POSTROUTING"):
		return c.fail(b.at+1, "in %s it is no longer known whether a packet came through IPsec: --dir in has no place there", c.chain)
	}
	return nil
}

// needsProtocol asks for a protocol, and mends a rule that has none.
func (c *commandReader) needsProtocol(b *optionBlock, text, proto string) *mistake {
	m := c.fail(min(b.at+1, len(c.words)-1), "%s", text)
	if c.proto.Name == "" {
		if p, all := c.at["-p"]; all {
			return m.replace(p+1, 1, proto)
		}
		return m.replace(b.at, 0, "-p", proto)
	}
	return m
}

// relations are what iptables asks of the values of an extension beside each other; "" if nothing is wrong.
var relations = map[string]func(*optionBlock) string{
	"statistic": func(b *optionBlock) string {
		_, share := b.has("--probability")
		_, nth := b.has("--every")
		switch {
		case b.word("--mode") == "random" && !share:
			return "--mode random needs --probability"
		case b.word("--mode") == "nth" && !nth:
			return "--mode nth needs --every and --packet"
		case nth && b.number("--packet") >= b.number("--every"):
			return "--packet is counted from 0, and has to be below --every"
		}
		return ""
	},
	"connbytes": func(b *optionBlock) string {
		lo, hi, isRange := strings.Cut(b.word("--connbytes"), ":")
		first, err := strconv.ParseUint(lo, 0, 64)
		last, lastErr := strconv.ParseUint(hi, 0, 64)
		switch {
		case err != nil && lo != "" || isRange && hi != "" && lastErr != nil:
			return "--connbytes takes a number, or two as in 1000:5000"
		case isRange && hi != "" && last < first:
			return "the range of --connbytes runs backwards, and iptables refuses it"
		}
		return ""
	},
	"tos": func(b *optionBlock) string { return tosText("--tos", b.word("--tos")) },
	"TOS": func(b *optionBlock) string {
		for _, o := range b.opts {
			if text := tosText(o.Name, b.word(o.Name)); text != "" {
				return text
			}
		}
		return ""
	},
	"cluster": func(b *optionBlock) string {
		nodes := b.number("--cluster-total-nodes")
		if b.number("--cluster-local-node") > nodes || nodes < 64 && b.number("--cluster-local-nodemask") >= 1<<nodes {
			return "there are --cluster-total-nodes nodes, and this one is none of them"
		}
		return ""
	},
	"policy": func(b *optionBlock) string {
		_, strict := b.has("--strict")
		element := slices.ContainsFunc(b.opts, func(o rules.Option) bool {
			return slices.Contains([]string{"--reqid", "--spi", "--tunnel-src", "--tunnel-dst", "--proto", "--mode"}, o.Name)
		})
		switch tunnel := b.word("--tunnel-src") + b.word("--tunnel-dst"); {
		case strict && !element:
			return "--strict asks for every policy of the packet, and none is said: --reqid, --spi, --proto, --mode or --tunnel-src and --tunnel-dst"
		case tunnel != "" && b.word("--mode") != "tunnel":
			return "--tunnel-src and --tunnel-dst need --mode tunnel"
		case b.word("--pol") == "none" && (strict || element):
			return "--pol none is a packet without a policy, of which nothing else can be asked"
		}
		return ""
	},
	"rt": func(b *optionBlock) string {
		_, res := b.has("--rt-0-res")
		_, addrs := b.has("--rt-0-addrs")
		if (res || addrs) && b.number("--rt-type") != 0 {
			return "--rt-0-res and --rt-0-addrs are for --rt-type 0"
		}
		return ""
	},
	"NFQUEUE": func(b *optionBlock) string {
		lo, hi, ok := strings.Cut(b.word("--queue-balance"), ":")
		first, _ := strconv.ParseUint(lo, 0, 64)
		last, _ := strconv.ParseUint(hi, 0, 64)
		if _, given := b.has("--queue-balance"); given && (!ok || first >= last) {
			return "--queue-balance needs two queues, such as 0:3"
		}
		return ""
	},
	"time": func(b *optionBlock) string {
		if _, ok := b.has("--contiguous"); ok && (b.word("--timestart") == "" || b.word("--timestop") == "" || b.word("--timestop") >= b.word("--timestart")) {
			return "--contiguous is for a time over midnight, with a --timestop before the --timestart"
		}
		return ""
	},
}

// tosText says that a type of service, or the mask after it, does not fit into its byte.
func tosText(name, value string) string {
	for part := range strings.SplitSeq(value, "/") {
		if n, err := strconv.ParseUint(part, 0, 64); err == nil && n > 255 {
			return name + " takes a byte, from 0 to 0xff"
		}
	}
	return ""
}

// lacks asks for the option that another one needs.
func (c *commandReader) lacks(b *optionBlock, at int, spec *optionSpec) *mistake {
	if spec.name == "--every" {
		return c.fail(at, "--every needs --packet, which of so many it is").replace(at, 0, "--packet", "0")
	}
	return c.fail(at, "%s needs %s", spec.name, spec.needs)
}

// checkComplete asks for the options without which iptables refuses a match or target.
func (c *commandReader) checkComplete(b *optionBlock) *mistake {
	var must, some []string
	met := false
	for k := range b.specs {
		spec := &b.specs[k]
		_, there := b.has(spec.name)
		switch {
		case spec.must && !there:
			must = append(must, spec.name)
		case spec.some:
			some, met = append(some, spec.name), met || there
		}
	}
	if len(some) > 0 && !met {
		must = append(must, strings.Join(some, " or "))
	}
	if len(must) == 0 {
		return nil
	}
	if b == c.target {
		return c.fail(b.at+1, "%s needs %s", b.name, strings.Join(must, " and "))
	}
	m := c.fail(min(b.at+1, len(c.words)-1), "-m %s needs %s", b.name, strings.Join(must, " and "))
	if len(b.opts) == 0 && (b.name == "comment" || b.name == "multiport") {
		return m.replace(b.at, 2)
	}
	return m
}

// excludes reports that two options cannot be given together.
func (o *optionSpec) excludes(other *optionSpec) bool {
	return o != other && strings.ContainsAny(o.groups, other.groups) && other.groups != ""
}

// spec is the option of that name; nil where it is not listed.
func (b *optionBlock) spec(name string) *optionSpec {
	if i := slices.IndexFunc(b.specs, func(o optionSpec) bool { return o.spelled(name) }); i >= 0 {
		return &b.specs[i]
	}
	return nil
}
