package filter

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"nattui/model/flow"
)

// units read what stands behind a number: the factor that it is multiplied with.
type units func(suffix string) (factor float64, ok bool)

// unitNone is for numbers without a unit.
func unitNone(suffix string) (float64, bool) { return 1, suffix == "" }

// unitCount reads k, M, G and T, powers of 1000.
func unitCount(suffix string) (float64, bool) {
	exponent := strings.Index("kmgt", suffix) + 1
	switch {
	case suffix == "":
		return 1, true
	case len(suffix) != 1 || exponent == 0:
		return 0, false
	}
	return math.Pow(1000, float64(exponent)), true
}

// unitSize reads k, kB, KiB and their like.
func unitSize(suffix string) (float64, bool) {
	for _, tail := range []string{"bytes", "byte", "b"} {
		if short, ok := strings.CutSuffix(suffix, tail); ok {
			suffix = short
			break
		}
	}
	if short, ok := strings.CutSuffix(suffix, "i"); ok && len(short) == 1 {
		factor, ok := unitCount(short)
		return math.Pow(1024, math.Round(math.Log10(factor)/3)), ok
	}
	return unitCount(suffix)
}

// unitRate reads sizes and numbers of bits, with or without "/s" behind them.
func unitRate(suffix string) (float64, bool) {
	suffix = strings.TrimSuffix(suffix, "/s")
	for _, tail := range []string{"bits", "bit"} {
		if short, ok := strings.CutSuffix(suffix, tail); ok {
			factor, ok := unitSize(short)
			return factor / 8, ok && !strings.HasSuffix(short, "b")
		}
	}
	return unitSize(suffix)
}

// unitTime reads units of time.
func unitTime(suffix string) (float64, bool) {
	switch suffix {
	case "", "s", "sec", "secs", "second", "seconds":
		return 1, true
	case "ms":
		return 1e-3, true
	case "m", "min", "mins", "minute", "minutes":
		return 60, true
	case "h", "hour", "hours":
		return 3600, true
	case "d", "day", "days":
		return 86400, true
	}
	return 0, false
}

// number is a property that is compared with a number, or with a range of them. A flow that
// does not have it passes no comparison. A number of seconds, bytes or packets is equal to one that
// differs by less than a whole one.
func number(wants string, u units, get func(f *flow.Flow, now int64) (float64, bool)) queryKey {
	known := func(f *flow.Flow, now int64, _ flow.MessageKind) bool {
		_, ok := get(f, now)
		return ok
	}
	return queryKey{wants: wants, ordered: true, units: u, known: known, compile: func(p *queryParser, sign string, v Word) (condition, error) {
		from, until, ok := parseRange(v.Text, u)
		switch {
		case v.Is(unknown) && !isOrder(sign):
			p.known = nil // whether it is known is known of all
			return signed(sign, func(f *flow.Flow, now int64, kind flow.MessageKind) bool { return !known(f, now, kind) }), nil
		case !ok:
			return nil, v.Problem("is not a number; use %s", wants)
		case from != until && isOrder(sign):
			return nil, v.Problem("%s needs one number", sign)
		case isOrder(sign):
			return func(f *flow.Flow, now int64, _ flow.MessageKind) bool {
				n, known := get(f, now)
				return known && holds(sign, cmp.Compare(n, from))
			}, nil
		}
		want := sign != "!="
		until = math.Floor(until) + 1
		return func(f *flow.Flow, now int64, _ flow.MessageKind) bool {
			n, known := get(f, now)
			return known && (n >= from && n < until) == want
		}, nil
	}}
}

// unknown is the value of a property that the kernel does not measure for every flow.
const unknown = "unknown"

// measured is a property that the kernel does not measure for every flow.
func measured(k queryKey) queryKey {
	k.values = []string{unknown}
	k.wants += ", or " + unknown
	return k
}

// isOrder tells whether a sign asks which of two is larger.
func isOrder(sign string) bool { return slices.Contains([]string{"<", "<=", ">", ">="}, sign) }

// parseRange reads a number or two of them with a hyphen between.
func parseRange(text string, u units) (from, until float64, ok bool) {
	if n, ok := parseNumber(text, u); ok {
		return n, n, true
	}
	first, last, _ := strings.Cut(text, "-")
	from, ok1 := parseNumber(first, u)
	until, ok2 := parseNumber(last, u)
	return from, until, ok1 && ok2 && from <= until
}

// parseNumber reads a number with its unit; times may be made of several, as 1h30m.
func parseNumber(text string, u units) (float64, bool) {
	text = strings.ToLower(text)
	sum := 0.0
	for parts := 0; text != ""; parts++ {
		end := 0
		for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == '.' || end > 0 && isExponent(text[end-1:])) {
			end++
		}
		n, err := strconv.ParseFloat(text[:end], 64)
		if err != nil || math.IsInf(n, 0) {
			return 0, false
		}
		text = text[end:]
		end = len(text)
		if i := strings.IndexAny(text, "0123456789"); i >= 0 {
			end = i
		}
		factor, ok := u(text[:end])
		if _, several := u("h"); !ok || parts > 0 && !several {
			return 0, false
		}
		sum, text = sum+n*factor, text[end:]
		if text == "" {
			return sum, !math.IsInf(sum, 0)
		}
	}
	return 0, false
}

// isExponent tells whether a number goes on with an exponent, from the digit before it on: 1e6.
func isExponent(text string) bool {
	return len(text) > 2 && text[1] == 'e' && text[2] >= '0' && text[2] <= '9'
}

// holds tells whether a comparison that came out as c is what the sign asks for.
func holds(sign string, c int) bool {
	switch sign {
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	return c == 0
}
