package paste

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// badValue says what is wrong with a value, and what it should be where that is
// known.
type badValue struct {
	text string
	fix  string
	// doubt is set where iptables would take the value all the same.
	doubt bool
}

// normalise turns a value as people type it into what iptables-save prints.
func (c *commandReader) normalise(kind valueKind, s string) (string, *badValue) {
	switch kind {
	case kindPort:
		return portValue(s)
	case kindPorts:
		return portsValue(s)
	case kindStates:
		return wordsValue(s, stateWords, "a state")
	case kindStatuses:
		return wordsValue(s, statusWords, "a status")
	case kindTypes:
		return wordsValue(s, addrTypeWords, "a type of address")
	case kindNumber:
		return numberValue(s)
	case kindLength:
		o := optionSpec{name: "a network's length", hi: uint64(c.family.Bits())}
		return s, o.withinBounds(s)
	case kindSpan:
		return spanValue(s)
	case kindSegment:
		normal, bad := spanValue(s)
		if bad != nil {
			bad.doubt = false
		}
		return normal, bad
	case kindMark:
		return markValue(s)
	case kindRate:
		return rateValue(s)
	case kindICMP:
		return c.icmpValue(s)
	case kindRange:
		return rangeValue(s)
	case kindMAC:
		return macValue(s)
	case kindFlags:
		return s, flagsValue(s)
	case kindIface:
		return s, ifaceValue(s)
	case kindUser:
		return ownerValue(s, c.ground.UserID, "user")
	case kindGroup:
		return ownerValue(s, c.ground.GroupID, "group")
	case kindNet:
		return c.netValue(s)
	case kindTo:
		return c.toValue(s)
	case kindToPorts:
		return toPortsValue(s)
	case kindReject:
		return c.rejectValue(s)
	case kindLevel:
		return levelValue(s)
	case kindProto:
		if n, ok := rules.ProtoNumber(s); ok {
			s = strconv.Itoa(int(n))
		}
	}
	return s, nil
}

// ifaceValue holds an interface's name against IFNAMSIZ of the kernel.
func ifaceValue(s string) *badValue {
	if len(s) > 15 {
		return &badValue{text: fmt.Sprintf("%q is longer than an interface's name can be, 15 characters", s)}
	}
	return nil
}

func portWord(s string) (string, *badValue) {
	if n, err := strconv.ParseUint(s, 0, 32); err == nil {
		if n > 65535 {
			return s, &badValue{text: fmt.Sprintf("%q is not a port: ports go from 1 to 65535", s)}
		}
		return strconv.FormatUint(n, 10), nil
	}
	service, ok := rules.ServiceNamed(s)
	switch {
	case !ok:
		return s, &badValue{text: fmt.Sprintf("%q is neither a port nor a service that is known", s)}
	case !service.Registered || service.Name != s:
		fix := strconv.Itoa(int(service.Port))
		return fix, &badValue{text: fmt.Sprintf("%q is no service that iptables knows; its port is %s", s, fix), fix: fix}
	}
	return strconv.Itoa(int(service.Port)), nil
}

// portValue reads a port or a range with a colon.
func portValue(s string) (string, *badValue) {
	switch {
	case strings.Contains(s, ","):
		return s, &badValue{text: "a list of ports needs -m multiport, and --dports or --sports"}
	case strings.Count(s, "-") == 1 && !strings.Contains(s, ":") && isDigits(strings.Replace(s, "-", "", 1)):
		fix := strings.Replace(s, "-", ":", 1)
		return fix, &badValue{text: "a range of ports is written with a colon here", fix: fix}
	}
	lo, hi, isRange := strings.Cut(s, ":")
	if !isRange {
		return portWord(s)
	}
	if lo == "" {
		lo = "0"
	}
	if hi == "" {
		hi = "65535"
	}
	l, bad := portWord(lo)
	if bad != nil {
		return s, bad
	}
	h, bad := portWord(hi)
	if bad != nil {
		return s, bad
	}
	a, b := number(l), number(h)
	switch {
	case a > b:
		return s, &badValue{text: "the range runs backwards, so it matches nothing", fix: h + ":" + l, doubt: true}
	case a == b:
		return l, nil
	}
	return l + ":" + h, nil
}

// number is what the text of a port comes to.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func isDigits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func portsValue(s string) (string, *badValue) {
	var out []string
	slots := 0
	for item := range strings.SplitSeq(s, ",") {
		slots++
		lo, hi, isRange := strings.Cut(item, ":")
		a, bad := portWord(lo)
		if bad != nil {
			if strings.Count(item, "-") == 1 && isDigits(strings.Replace(item, "-", "", 1)) {
				return s, &badValue{text: "a range of ports is written with a colon here", fix: strings.ReplaceAll(s, "-", ":")}
			}
			if item == "" {
				return s, &badValue{text: "a port is missing between the commas", fix: strings.Trim(strings.ReplaceAll(s, ",,", ","), ",")}
			}
			return s, bad
		}
		if isRange {
			slots++
			b, bad := portWord(hi)
			if bad != nil {
				return s, bad
			}
			if lo, hi := number(a), number(b); lo > hi {
				return s, &badValue{text: "the range runs backwards, and iptables refuses it", fix: strings.Replace(s, item, b+":"+a, 1)}
			}
			a += ":" + b
		}
		out = append(out, a)
	}
	if slots > 15 {
		return s, &badValue{text: fmt.Sprintf("a list holds at most 15 ports, a range counting as two; this one has %d: make a second rule for the rest", slots)}
	}
	return strings.Join(out, ","), nil
}

// The words of a list in the order iptables-save prints them.
var (
	stateWords    = []string{"INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"}
	statusWords   = []string{"NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"}
	addrTypeWords = []string{"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE"}
)

func wordsValue(s string, all []string, what string) (string, *badValue) {
	have := map[string]bool{}
	var fixed []string
	var wrong string
	for item := range strings.SplitSeq(strings.TrimRight(s, ","), ",") {
		w := strings.ToUpper(strings.TrimSpace(item))
		if !slices.Contains(all, w) {
			if meant := nearest(w, all); meant != "" {
				w = meant
			} else {
				return s, &badValue{text: fmt.Sprintf("%q is not %s: there are %s", item, what, strings.Join(all, ", "))}
			}
			wrong = item
		}
		have[w] = true
		fixed = append(fixed, w)
	}
	var out []string
	for _, w := range all {
		if have[w] {
			out = append(out, w)
		}
	}
	switch {
	case wrong != "":
		return strings.Join(out, ","), &badValue{text: fmt.Sprintf("%q is not %s", wrong, what), fix: strings.Join(fixed, ",")}
	case strings.HasSuffix(s, ","):
		return strings.Join(out, ","), &badValue{text: "the list ends in a comma: only commas separate its words", fix: strings.Join(fixed, ",")}
	}
	return strings.Join(out, ","), nil
}

func numberValue(s string) (string, *badValue) {
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return s, &badValue{text: fmt.Sprintf("%q is not a number", s)}
	}
	return strconv.FormatUint(n, 10), nil
}

func spanValue(s string) (string, *badValue) {
	lo, hi, isRange := strings.Cut(s, ":")
	l, err := strconv.ParseUint(lo, 0, 32)
	if lo == "" && isRange {
		l, err = 0, nil
	}
	if err != nil {
		return s, &badValue{text: fmt.Sprintf("%q is not a number or a range of numbers", s)}
	}
	if !isRange {
		return strconv.FormatUint(l, 10), nil
	}
	if hi == "" {
		hi = "65535"
	}
	h, err := strconv.ParseUint(hi, 0, 32)
	if err != nil {
		return s, &badValue{text: fmt.Sprintf("%q is not a number or a range of numbers", s)}
	}
	switch {
	case l == h:
		return strconv.FormatUint(l, 10), nil
	case l > h:
		return strconv.FormatUint(l, 10) + ":" + strconv.FormatUint(h, 10), &badValue{text: "the range runs backwards, so it matches nothing", fix: hi + ":" + lo, doubt: true}
	}
	return strconv.FormatUint(l, 10) + ":" + strconv.FormatUint(h, 10), nil
}

func markValue(s string) (string, *badValue) {
	b, ok := rules.ParseBits(s, 0xffffffff)
	if !ok {
		return s, &badValue{text: fmt.Sprintf("%q is not a mark: use a number, or number/mask", s)}
	}
	return b.Text(0xffffffff), nil
}

// rates are the units of -m limit with their length in ten thousandths of a second.
var rates = []struct {
	name   string
	period uint64
}{{"day", 864000000}, {"hour", 36000000}, {"min", 600000}, {"sec", 10000}}

// rateValue prints a rate in the largest unit in which it is a whole number, as
// xt_limit's print_rate does.
func rateValue(s string) (string, *badValue) {
	text, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(text, 10, 32)
	if unit == "" {
		unit = "sec"
	}
	i := slices.IndexFunc(rates, func(r struct {
		name   string
		period uint64
	},
	) bool {
		return strings.HasPrefix(r.name, strings.ToLower(unit)) || strings.HasPrefix(strings.ToLower(unit), r.name) && strings.HasPrefix(map[string]string{"day": "day", "hour": "hour", "min": "minute", "sec": "second"}[r.name], strings.ToLower(unit))
	})
	if err != nil || n == 0 || i < 0 {
		return s, &badValue{text: fmt.Sprintf("%q is no rate: write it like 5/second, 10/minute or 3/hour", s)}
	}
	period := rates[i].period / n
	if period == 0 {
		return s, &badValue{text: fmt.Sprintf("%s is faster than the kernel can count", s)}
	}
	at := 0
	for i := 1; i < len(rates); i++ {
		if period > rates[i].period || rates[i].period/period < rates[i].period%period {
			break
		}
		at = i
	}
	return strconv.FormatUint(rates[at].period/period, 10) + "/" + rates[at].name, nil
}

// icmpTypes are the names that iptables knows for ICMP, with type and code.
var icmpTypes = map[string]string{
	"any": "any", "echo-reply": "0", "pong": "0", "destination-unreachable": "3", "network-unreachable": "3/0", "host-unreachable": "3/1",
	"protocol-unreachable": "3/2", "port-unreachable": "3/3", "fragmentation-needed": "3/4", "source-route-failed": "3/5", "network-unknown": "3/6",
	"host-unknown": "3/7", "network-prohibited": "3/9", "host-prohibited": "3/10", "communication-prohibited": "3/13", "source-quench": "4", "redirect": "5",
	"echo-request": "8", "ping": "8", "router-advertisement": "9", "router-solicitation": "10", "time-exceeded": "11", "ttl-exceeded": "11",
	"ttl-zero-during-transit": "11/0", "ttl-zero-during-reassembly": "11/1", "parameter-problem": "12", "timestamp-request": "13", "timestamp-reply": "14",
	"address-mask-request": "17", "address-mask-reply": "18",
}

var icmp6Types = map[string]string{
	"destination-unreachable": "1", "no-route": "1/0", "communication-prohibited": "1/1", "beyond-scope": "1/2", "address-unreachable": "1/3",
	"port-unreachable": "1/4", "packet-too-big": "2", "time-exceeded": "3", "ttl-exceeded": "3", "parameter-problem": "4", "echo-request": "128", "ping": "128",
	"echo-reply": "129", "pong": "129", "router-solicitation": "133", "router-advertisement": "134", "neighbour-solicitation": "135",
	"neighbor-solicitation": "135", "neighbour-advertisement": "136", "neighbor-advertisement": "136", "redirect": "137",
}

func (c *commandReader) icmpValue(s string) (string, *badValue) {
	types := icmpTypes
	if c.family == rules.IPv6 {
		types = icmp6Types
	}
	if code, ok := types[strings.ToLower(s)]; ok {
		return code, nil
	}
	kind, code, coded := strings.Cut(s, "/")
	n, err := strconv.ParseUint(kind, 10, 8)
	text := strconv.FormatUint(n, 10)
	if err == nil && n == 255 && c.family == rules.IPv4 && !coded {
		return "any", nil
	}
	if err == nil && coded {
		var m uint64
		m, err = strconv.ParseUint(code, 10, 8)
		text += "/" + strconv.FormatUint(m, 10)
	}
	if err != nil {
		var names []string
		for name := range types {
			names = append(names, name)
		}
		slices.Sort(names)
		return s, &badValue{text: fmt.Sprintf("%q is no type of ICMP message", s), fix: nearest(s, names)}
	}
	return text, nil
}

func ownerValue(s string, lookup func(string) (uint32, bool), what string) (string, *badValue) {
	if isDigits(strings.Replace(s, "-", "", 1)) {
		return s, nil
	}
	if s == "root" {
		return "0", nil
	}
	if lookup != nil {
		if id, ok := lookup(s); ok {
			return strconv.FormatUint(uint64(id), 10), nil
		}
	}
	return s, &badValue{text: fmt.Sprintf("this host has no %s %q", what, s)}
}

// The ways of REJECT, with their other names.
var rejects = [2]map[string]string{
	rules.IPv4: {
		"icmp-net-unreachable": "", "icmp-host-unreachable": "", "icmp-port-unreachable": "", "icmp-proto-unreachable": "", "icmp-net-prohibited": "",
		"icmp-host-prohibited": "", "icmp-admin-prohibited": "", "tcp-reset": "",
		"net-unreach": "icmp-net-unreachable", "host-unreach": "icmp-host-unreachable", "proto-unreach": "icmp-proto-unreachable", "port-unreach": "icmp-port-unreachable",
		"net-prohib": "icmp-net-prohibited", "host-prohib": "icmp-host-prohibited", "tcp-rst": "tcp-reset", "admin-prohib": "icmp-admin-prohibited",
	},
	rules.IPv6: {
		"icmp6-no-route": "", "icmp6-adm-prohibited": "", "icmp6-addr-unreachable": "", "icmp6-port-unreachable": "", "tcp-reset": "", "icmp6-policy-fail": "", "icmp6-reject-route": "",
		"no-route": "icmp6-no-route", "adm-prohibited": "icmp6-adm-prohibited", "addr-unreach": "icmp6-addr-unreachable", "port-unreach": "icmp6-port-unreachable",
	},
}

func (c *commandReader) rejectValue(s string) (string, *badValue) {
	full, ok := rejects[c.family][s]
	if !ok {
		var names []string
		for name := range rejects[c.family] {
			names = append(names, name)
		}
		slices.Sort(names)
		return s, &badValue{text: fmt.Sprintf("%q is no way to refuse", s), fix: nearest(s, names)}
	}
	if full != "" {
		return full, nil
	}
	return s, nil
}

var logLevels = []string{"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"}

func levelValue(s string) (string, *badValue) {
	for i, name := range logLevels {
		if s == name || s == strconv.Itoa(i) || name == "emerg" && s == "panic" || name == "warning" && s == "warn" || name == "error" && s == "err" {
			return strconv.Itoa(i), nil
		}
	}
	return s, &badValue{text: fmt.Sprintf("%q is no log level", s), fix: nearest(s, logLevels)}
}
