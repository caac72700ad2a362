package filter

import (
	"math"
	"strconv"
	"strings"

	"nattui/model/flow"
	"nattui/rules"
)

// ports is a range of them.
type ports struct{ from, until uint16 }

// parsePorts reads a port, a service, or a range with a hyphen or, as iptables writes it, a colon.
func parsePorts(text string) (ports, bool) {
	text = strings.ToLower(text)
	if service, ok := rules.ServiceNamed(text); ok {
		return ports{service.Port, service.Port}, true
	}
	first, last := portEnds(text)
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	return ports{uint16(a), uint16(b)}, err1 == nil && err2 == nil && a <= b
}

// portEnds are the two ends of a range, or a port twice.
func portEnds(text string) (first, last string) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		first, last, ranged = strings.Cut(text, ":")
	}
	if !ranged {
		last = first
	}
	return first, last
}

// NoPorts refuses an item of a list as neither a port nor a range of them, and says what would be, in the words of wants.
func (w Word) NoPorts(item, wants string) error {
	first, last := portEnds(item)
	a, err1 := strconv.ParseUint(first, 10, 64)
	b, err2 := strconv.ParseUint(last, 10, 64)
	switch {
	case err1 != nil || err2 != nil:
		return w.Problem("is not a port; use %s", wants)
	case max(a, b) > math.MaxUint16:
		return w.Problem("is not a port: ports go up to 65535; use %s", wants)
	case a > b:
		return w.Problem("goes backwards; use %d-%d", b, a)
	}
	return w.Problem("is not a port; use %s", wants)
}

// beyond is the range that a comparison with a port asks for; false where there is none.
func (p ports) beyond(sign string) (ports, bool) {
	switch n := p.from; {
	case sign == "<" && n == 0, sign == ">" && n == math.MaxUint16:
		return ports{}, false
	case sign == "<":
		return ports{0, n - 1}, true
	case sign == "<=":
		return ports{0, n}, true
	case sign == ">":
		return ports{n + 1, math.MaxUint16}, true
	default:
		return ports{n, math.MaxUint16}, true
	}
}

// portTest compiles a list of ports and ranges, or a comparison.
func portTest(parts []part, sign string, v Word) (condition, error) {
	var list []ports
	for _, item := range strings.Split(v.Text, ",") {
		p, ok := parsePorts(item)
		if !ok {
			return nil, v.NoPorts(item, wantsPort)
		}
		list = append(list, p)
	}
	if isOrder(sign) {
		if len(list) > 1 || list[0].from != list[0].until {
			return nil, v.Problem("%s needs one port", sign)
		}
		p, ok := list[0].beyond(sign)
		if !ok {
			return func(*flow.Flow, int64, flow.MessageKind) bool { return false }, nil
		}
		list[0] = p
	}
	test := func(f *flow.Flow, _ int64, _ flow.MessageKind) bool {
		if !f.Orig.Proto.HasPorts() {
			return false
		}
		for _, part := range parts {
			_, port := part(f)
			for _, p := range list {
				if port >= p.from && port <= p.until {
					return true
				}
			}
		}
		return false
	}
	return signed(sign, test), nil
}
