package filter

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/flow"
	"nattui/rules"
)

// freeText compiles a word that is no property: a flow passes if its line, as
// AppendLine writes it, has the word somewhere. A whole address is looked for as such,
// which is faster and does not find 10.0.0.1 in 10.0.0.10.
func freeText(text string) condition {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil && a.Zone() == "" {
		s := makeSpan(a, a)
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool {
			return s.has(f.Orig.Family, &f.Orig.Src) || s.has(f.Orig.Family, &f.Orig.Dst) ||
				s.has(f.Orig.Family, &f.Reply.Src) || s.has(f.Orig.Family, &f.Reply.Dst)
		}
	}
	if p, ok := rules.ParseProtocol(text); ok && text[0] > '9' {
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.Orig.Proto == p }
	}
	want := []byte(strings.ToLower(text))
	return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool {
		var room [256]byte
		return bytes.Contains(f.AppendLine(room[:0]), want)
	}
}

// keyNames are other names of properties, from other tools and from everyday language.
var keyNames = map[string]string{
	"saddr": "src", "source": "src", "daddr": "dst", "destination": "dst", "ip": "host", "addr": "host", "address": "host",
	"protocol": "proto", "status": "state", "original": "orig", "translation": "nat", "events": "event",
}

// keyName is the property that a word names, in the name that this language has for it.
func keyName(text string) string {
	name := strings.ToLower(text)
	if k, ok := keyNames[name]; ok {
		return k
	}
	return name
}

// bareWord compiles a word that says by itself which property it is of, nil if it does not.
func bareWord(text string) condition {
	name := strings.ToLower(text)
	if _, ok := statusStates[name]; ok {
		return stateOf(name)
	}
	if service, ok := rules.ServiceNamed(name); ok {
		n := service.Port
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool {
			return f.Orig.Proto.HasPorts() && (f.Orig.DstPort == n || f.Reply.SrcPort == n)
		}
	}
	switch name {
	case "ipv4", "ip4":
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.Orig.Family == rules.IPv4 }
	case "ipv6", "ip6":
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.Orig.Family == rules.IPv6 }
	case "ping":
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.Orig.Proto.IsICMP() }
	}
	return nil
}

// elsewhere is what flows do not have although one may look for it, and where it is told.
var elsewhere = map[string]string{
	"helper": "is shown in a connection's details only (enter)", "label": "is shown in a connection's details only (enter)", "labels": "is shown in a connection's details only (enter)",
	"in": "is not known: the kernel keeps no interfaces of connections, so use a network, as in src 192.168.0.0/24", "out": "is not known: the kernel keeps no interfaces of connections, so use a network, as in dst 192.168.0.0/24",
	"user": "is not known of connections", "pid": "is not known of connections", "process": "is not known of connections",
}

// certainties are how surely rules are known, as in "rule stale".
var certainties = []string{"stale", "older", "ambiguous", "unknown", "none"}

// hopeless says why no flow's line can have a word in it, if that is so: it is neither part of an address
// with its port nor of a name that is written there.
func hopeless(text string) string {
	name := strings.ToLower(text)
	if why, ok := elsewhere[name]; ok {
		return why
	}
	if strings.Trim(name, "0123456789abcdef.:[]") == "" {
		return ""
	}
	has := func(s string) bool { return strings.Contains(s, name) }
	if flow.AnyWord(has) {
		return ""
	}
	why := "is not a property, and no connection contains it"
	if slices.Contains(certainties, name) {
		return why + "; perhaps rule " + name + "?"
	}
	for _, k := range knownWords {
		if len(name) > 3 && distance(name, k) <= 1+len(name)/6 {
			return why + "; perhaps " + keyName(k) + "?"
		}
	}
	return why
}

// distance is how many letters must be changed, left out, put in or swapped with the next to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
				}
			}
		}
	}
	return rows[len(a)][len(b)]
}
