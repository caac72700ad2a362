package paste

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// nets reads the value of -s or -d: an address, a network, or a list of them.
func (c *commandReader) nets(value string, at int, not bool) ([]rules.Net, *mistake) {
	name := c.global(c.words[at-1].text).name
	if m := addressPort.FindStringSubmatch(value); m != nil {
		port := map[string]string{"-s": "--sport", "-d": "--dport"}[name]
		with := []string{name, m[1] + m[2], port, strings.ReplaceAll(m[3], "-", ":")}
		if _, later := c.laterWord(at, "-p", "--protocol"); !c.proto.HasPorts() && !later {
			with = slices.Insert(with, 2, "-p", "tcp")
		}
		return nil, c.fail(at, "an address takes no port: that is an option of its own").replace(at-1, 2, with...)
	}
	var list []rules.Net
	for item := range strings.SplitSeq(value, ",") {
		if item == "" {
			if strings.HasSuffix(value, ",") && at+1 < len(c.words) && !c.isOption(at+1) {
				return nil, c.fail(at, "the blank behind the comma ends the list").replace(at, 2, value+c.words[at+1].text)
			}
			return nil, c.fail(at, "an address is missing between the commas").replace(at, 1, strings.Trim(strings.ReplaceAll(value, ",,", ","), ","))
		}
		n, bad := c.parseNet(item)
		if bad != nil && !c.hasUnknown(at) {
			if m := c.badNet(bad, item, value, at, name); m != nil {
				return nil, m
			}
		}
		n.Not = not
		list = append(list, n)
	}
	if not && len(list) > 1 {
		return nil, c.fail(at, "! does not go with a list: nothing would be left out")
	}
	return list, nil
}

// badNet is the mistake of one item of a list of addresses.
func (c *commandReader) badNet(bad *badValue, item, value string, at int, name string) *mistake {
	m := c.fail(at, "%s", bad.text)
	if bad.doubt {
		if c.ground.accepts() {
			return nil
		}
		m.severity = Doubt
	}
	if a, err := netip.ParseAddr(strings.Split(item, "/")[0]); err == nil && !c.family.Holds(a) && bad.fix == "" {
		other := c.family.Other()
		m.fix = strings.Replace(c.words[0].text, c.family.Command(), other.Command(), 1)
		m.mend = func(ws []scriptWord) []scriptWord { return putWords(ws, 0, 1, []string{m.fix}) }
		return m
	}
	if _, ok := rules.ParseAddrs(item); ok && strings.Contains(item, "-") {
		option := map[string]string{"-s": "--src-range", "-d": "--dst-range"}[name]
		return m.replace(at-1, 2, "-m", "iprange", option, item)
	}
	if bad.fix != "" {
		return m.replace(at, 1, strings.Replace(value, item, bad.fix, 1))
	}
	return m
}

func rangeValue(s string) (string, *badValue) {
	r, ok := rules.ParseAddrs(s)
	if !ok {
		if n, isNet := rules.ParseNet(s); isNet && strings.Contains(s, "/") {
			return s, &badValue{text: fmt.Sprintf("%s is a network: -s and -d take those; a range is written %s-ADDRESS", s, n.Addr)}
		}
		return s, &badValue{text: fmt.Sprintf("%q is no range of addresses: write 192.168.0.10-192.168.0.20", s)}
	}
	return rules.AddrText(r.Lo) + "-" + rules.AddrText(r.Hi), nil
}

// netValue reads one address or network, which a match or NETMAP takes.
func (c *commandReader) netValue(s string) (string, *badValue) {
	n, bad := c.parseNet(s)
	if bad != nil && bad.fix == "" {
		return s, bad
	}
	if a, ok := n.Host(); ok && !strings.Contains(s, "/") {
		return rules.AddrText(a), nil
	}
	return n.String(), bad
}

// parseNet reads an address or network in all the ways that iptables takes one.
func (c *commandReader) parseNet(s string) (rules.Net, *badValue) {
	if net, ok := looseNet(s); ok {
		s = net
	} else if net, ok := c.namedNet(s); ok {
		s = net
	}
	text, mask, masked := strings.Cut(s, "/")
	n, ok := rules.ParseNet(s)
	a, err := netip.ParseAddr(text)
	switch {
	case err == nil && !c.family.Holds(a):
		return n, &badValue{text: fmt.Sprintf("%s is an %s address, and %s is for %s", text, c.family.Other().Title(), c.family.Command(), c.family.Title())}
	case !ok && err == nil && masked:
		return n, &badValue{text: fmt.Sprintf("/%s is no mask: use a length from 0 to %d, or a mask such as 255.255.255.0", mask, c.family.Bits())}
	case !ok:
		return n, c.notAddress(s)
	}
	if m, err := netip.ParseAddr(mask); masked && err == nil && m.Is4() {
		if b := m.As4(); b[0] == 0 && b != [4]byte{} {
			for i := range b {
				b[i] = ^b[i]
			}
			inverse := netip.AddrFrom4(b)
			if bits, isPrefix := rules.PrefixLen(inverse); isPrefix {
				fix := text + "/" + strconv.Itoa(bits)
				return n, &badValue{text: fmt.Sprintf("/%s is a mask the wrong way round, as routers write access lists", mask), fix: fix, doubt: true}
			}
		}
	}
	if a != n.Addr && masked {
		return n, &badValue{
			text: fmt.Sprintf("%s has host bits: the network is %s; the one host would be %s", s, n, text), fix: shortNet(n), doubt: true,
		}
	}
	return n, nil
}

// shortNet prints a network the way people write it.
func shortNet(n rules.Net) string {
	if a, ok := n.Host(); ok {
		return rules.AddrText(a)
	}
	return n.String()
}

var looseAddress = regexp.MustCompile(`^[0-9]+(\.[0-9]+){0,3}$`)

// looseNet completes an IPv4 address of fewer than four numbers, or with octal
// ones, as xtables_numeric_to_ipaddr reads it.
func looseNet(s string) (string, bool) {
	text, mask, masked := strings.Cut(s, "/")
	if !looseAddress.MatchString(text) {
		return s, false
	}
	parts := strings.Split(text, ".")
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 0, 8)
		if err != nil {
			return s, false
		}
		parts[i] = strconv.FormatUint(n, 10)
	}
	for len(parts) < 4 {
		parts = append(parts, "0")
	}
	text = strings.Join(parts, ".")
	if masked {
		text += "/" + mask
	}
	return text, true
}

// namedNet reads what iptables has the resolver read: an address as inet_aton(3) takes it, and localhost. Before a
// length of 0 any word will do, as xtables_ipparse_any takes it.
func (c *commandReader) namedNet(s string) (string, bool) {
	text, mask, masked := strings.Cut(s, "/")
	any, local := "0.0.0.0", "127.0.0.1"
	if c.family == rules.IPv6 {
		any, local = "::", "::1"
	}
	switch {
	case text == "any" && masked && mask == "0":
		text = any
	case text == "localhost":
		text = local
	case c.family == rules.IPv4 && looseNumber.MatchString(text):
		a, ok := parseAton(text)
		if !ok {
			return s, false
		}
		text = a
	default:
		return s, false
	}
	if masked {
		text += "/" + mask
	}
	return text, true
}

var looseNumber = regexp.MustCompile(`^(0[xX][0-9A-Fa-f]+|[0-9]+)(\.(0[xX][0-9A-Fa-f]+|[0-9]+)){0,3}$`)

// parseAton reads an IPv4 address of one to four numbers as inet_aton(3) does: the last one fills what is left.
func parseAton(s string) (string, bool) {
	parts := strings.Split(s, ".")
	var value uint64
	for i, p := range parts {
		base := 10
		if strings.HasPrefix(p, "0") {
			base = 0
		}
		n, err := strconv.ParseUint(p, base, 32)
		bytes := 1
		if i == len(parts)-1 {
			bytes = 5 - len(parts)
		}
		if err != nil || n >= 1<<(8*bytes) {
			return "", false
		}
		value = value<<(8*bytes) | n
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}).String(), true
}

var (
	addressPort = regexp.MustCompile(`^(\d+\.\d+\.\d+\.\d+)(/\d+)?:(\d+|\d+[:-]\d+)$`)
	hostLabel   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$`)
	dottedQuad  = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+`)
)

// notAddress says why a word is no address.
func (c *commandReader) notAddress(s string) *badValue {
	example := "192.168.0.2 or 192.168.0.0/24"
	if c.family == rules.IPv6 {
		example = "2001:db8::2 or 2001:db8::/64"
	}
	switch {
	case dottedQuad.MatchString(s):
		return &badValue{text: fmt.Sprintf("%s is not an address: each of its numbers goes from 0 to 255", s)}
	case strings.Contains(s, "-") && strings.Count(s, ".") >= 6:
		return &badValue{text: "-s and -d take an address or a network; a range needs -m iprange with --src-range or --dst-range"}
	}
	if bad := c.hostValue(s, true); bad != nil {
		return bad
	}
	return &badValue{text: fmt.Sprintf("%q is not an address: use %s", s, example)}
}

// toValue reads the new address and port of DNAT and SNAT.
func (c *commandReader) toValue(s string) (string, *badValue) {
	var t rules.Translation
	if !t.Parse(s) || strings.HasSuffix(s, ":") && strings.Count(s, ":") == 1 {
		if i := strings.LastIndexByte(s, ':'); i > 0 && strings.Count(s, ":") == 2 && c.family == rules.IPv4 {
			if first := strings.IndexByte(s, ':'); isDigits(s[first+1:i]) && isDigits(s[i+1:]) {
				fix := s[:i] + "-" + s[i+1:]
				return fix, &badValue{text: "a range of new ports is written with a dash", fix: fix}
			}
		}
		if host, _, isNet := strings.Cut(s, "/"); isNet {
			if a, err := netip.ParseAddr(host); err == nil {
				return s, &badValue{text: "the new address is one address, or a range A-B, and no network", fix: a.String()}
			}
		}
		if fix, taken, ok := namedPort(s); ok {
			if taken && t.Parse(fix) {
				return t.String(), nil
			}
			return fix, &badValue{text: "the new port is a number: iptables knows no such name", fix: fix}
		}
		if a, err := netip.ParseAddr(strings.Trim(s, ":")); err == nil && a.Is4() {
			return a.String(), &badValue{text: "a port is missing behind the colon", fix: a.String()}
		}
		if why := rules.WrongPort(s); why != "" {
			return s, &badValue{text: why}
		}
		if bad := c.hostValue(s, false); bad != nil {
			return s, bad
		}
		return s, &badValue{text: fmt.Sprintf("%q is no new address: write ADDRESS, ADDRESS:PORT or :PORT", s)}
	}
	switch {
	case !t.Addrs.IsZero() && !c.family.Holds(t.Addrs.Lo):
		return s, &badValue{text: fmt.Sprintf("%s is an %s address, and %s is for %s", t.Addrs.Lo, c.family.Other().Title(), c.family.Command(), c.family.Title())}
	case !t.Addrs.IsZero() && t.Addrs.Hi.Less(t.Addrs.Lo):
		return s, &badValue{text: "the range of addresses runs backwards", fix: strings.Replace(s, t.Addrs.String(), t.Addrs.Hi.String()+"-"+t.Addrs.Lo.String(), 1)}
	case t.HasPorts && t.Ports.Hi < t.Ports.Lo:
		return s, &badValue{text: "the range of ports runs backwards"}
	}
	if fix, ok := swallowedPort(s); ok {
		return t.String(), &badValue{text: fmt.Sprintf("%s is one whole address: a port behind an IPv6 address needs brackets around the address", s), fix: fix, doubt: true}
	}
	return t.String(), nil
}

// namedPort reads ADDRESS:SERVICE or :SERVICE, also as one end of a range and as the port that a range is
// counted from, and writes the services' numbers. taken tells whether iptables would take the names.
func namedPort(s string) (fix string, taken, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", false, false
	}
	taken, ok = true, true
	number := func(word string) string {
		n, known, found := newPort(word)
		taken, ok = taken && known, ok && found
		return n
	}
	ports, base, shifted := strings.Cut(s[i+1:], "/")
	if n, known, found := newPort(ports); found {
		ports, taken = n, known
	} else if lo, hi, isRange := strings.Cut(ports, "-"); isRange {
		taken = isDigits(lo) && isDigits(hi) // iptables takes no names there
		ports = number(lo) + "-" + number(hi)
	} else {
		return "", false, false
	}
	if shifted {
		ports += "/" + number(base)
	}
	fix = s[:i+1] + ports
	if i > 0 && strings.Count(s[:i], ":") > 1 && !strings.HasPrefix(s, "[") {
		fix, taken = "["+s[:i]+"]:"+ports, false
	}
	var t rules.Translation
	return fix, taken, ok && t.Parse(fix)
}

// newPort is the number of a port or of a service that is known; taken if iptables knows it too.
func newPort(s string) (n string, taken, ok bool) {
	if isDigits(s) {
		return s, true, true
	}
	n, bad := portWord(s)
	if bad != nil {
		return bad.fix, false, bad.fix != ""
	}
	return n, true, true
}

// swallowedPort finds an IPv6 address that was probably meant as an address and a
// port: its last group is a number that ports have, and it is one without it.
func swallowedPort(s string) (fix string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.ContainsAny(s, "[]-.") || !isDigits(s[i+1:]) {
		return "", false
	}
	a, err := netip.ParseAddr(s[:i])
	n, numErr := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil || numErr != nil || !a.Is6() {
		return "", false
	}
	_, known := rules.ServiceAt(uint16(n))
	return "[" + s[:i] + "]:" + s[i+1:], n > 1023 || known && n > 19
}

func toPortsValue(s string) (string, *badValue) {
	if p, ok := rules.ParsePorts(s, "-"); ok {
		if p.Hi < p.Lo {
			return s, &badValue{text: "the range of ports runs backwards", fix: fmt.Sprintf("%d-%d", p.Hi, p.Lo)}
		}
		return p.Text("-"), nil
	}
	if n, bad := portWord(s); bad == nil {
		return n, nil
	}
	if p, ok := rules.ParsePorts(s, ":"); ok && strings.Count(s, ":") == 1 && p.Lo > 0 {
		fix := p.Text("-")
		text := "a range of new ports is written with a dash"
		if strings.HasPrefix(s, ":") {
			text, fix = "--to-ports takes a port alone", s[1:]
		}
		return fix, &badValue{text: text, fix: fix}
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && isDigits(s[i+1:]) {
		return s[i+1:], &badValue{text: "--to-ports takes a port alone, since the address is this host's", fix: s[i+1:]}
	}
	return s, &badValue{text: fmt.Sprintf("%q is not a port: use a number from 1 to 65535, or a range such as 8000-8010", s)}
}
