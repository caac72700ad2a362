package paste

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
)

// oneDash finds a long option that begins with one dash: one whose name is known, or is the beginning of one that could stand
// here, where the letters behind the first are no value of the short option.
func (c *commandReader) oneDash(i int) *mistake {
	text, value, joined := strings.Cut(c.words[i].text, "=")
	long := "-" + text
	if len(text) < 3 {
		return nil
	}
	if len(text) == 3 || !slices.Contains(longNames, long) {
		spec := c.global(text[:2])
		if spec == nil || c.attaches(spec, i) {
			return nil
		}
		if long = c.longMeant(i, long); long == "" {
			return nil
		}
	}
	m := c.fail(i, "long options begin with two dashes")
	if joined {
		return m.replace(i, 1, long+"="+value)
	}
	return m.replace(i, 1, long)
}

// attaches tells that the letters behind a short option may be its value, without a blank between. Where a value follows all
// the same, it would be one too many.
func (c *commandReader) attaches(spec *optionSpec, i int) bool {
	rest := c.words[i].text[2:]
	if spec.values() == 0 || spec.kind == kindOptional {
		return true
	}
	if i+1 < len(c.words) && !c.isOption(i+1) && c.words[i+1].text != "!" {
		return false
	}
	switch spec.name {
	case "-t":
		return nearest(rest, slices.Collect(maps.Keys(rules.BuiltInChains))) != ""
	case "-s", "-d":
		_, err := netip.ParseAddr(rest)
		return err == nil || strings.ContainsAny(rest, "./:,")
	case "-c":
		return isDigits(rest)
	}
	return true
}

// longMeant is the option that long, with two dashes, is or is the beginning of, of those that could stand here; "" where
// it is none.
func (c *commandReader) longMeant(i int, long string) string {
	specs := slices.Clone(matchOptions[c.proto.Name])
	for _, b := range append(slices.Clone(c.blocks), c.target) {
		if b != nil {
			specs = append(specs, b.specs...)
		}
	}
	meant, port := "", i+1 < len(c.words) && isDigits(c.words[i+1].text)
	for _, s := range append(specs, globalOptions...) {
		for _, n := range append([]string{s.name}, s.also...) {
			switch {
			case n == long:
				return n
			case strings.HasPrefix(n, long) && (meant == "" || port && s.kind == kindPort):
				meant = n
				if port && s.kind == kindPort {
					return n
				}
			}
		}
	}
	if meant == "" && slices.Contains(longNames, long) {
		return long
	}
	return meant
}
