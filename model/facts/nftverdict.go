package facts

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// NFTPacket is a packet as filters see it.
type NFTPacket struct {
	Src, Dst     netip.AddrPort
	Proto        rules.Protocol
	In, Out      string
	Established  bool
	Dnat, Snat   bool
	BeforeRoutes bool // out is not known yet
}

// NFTEnd is what native filters do with a packet.
type NFTEnd struct {
	Dropped, Certain bool
	Chain            *NFTChain // that the kernel calls, in which it ends
	By               *NFTRule  // nil: the policy
	In               *NFTChain // the chain of the rule
	// Untracked tells whether a rule takes the packet from connection tracking, so that nothing translates it; By and
	// Chain are that rule and chain where nothing drops the packet.
	Untracked evaluate.Truth
}

// Judge follows a packet through the native filter chains of a hook. It tells the
// first that drops it; not certain where something on the way is not understood.
func (n *Nftables) Judge(hook string, p NFTPacket) NFTEnd {
	if n == nil {
		return NFTEnd{Certain: true, Untracked: evaluate.No}
	}
	end := NFTEnd{Certain: true, Untracked: evaluate.No}
	for _, c := range n.chains {
		if c.Hook != hook || c.Type == "nat" || !c.sees(p) {
			continue
		}
		j := nftJudge{Nftables: n, p: p, certain: true, untracked: evaluate.No}
		verdict := j.walk(c, 0)
		switch {
		case verdict == "drop" && j.certain:
			return NFTEnd{Dropped: true, Certain: true, Chain: c, By: j.by, In: j.in}
		case verdict == "" && c.Policy == "drop" && j.certain:
			return NFTEnd{Dropped: true, Certain: true, Chain: c, In: c}
		case verdict == "drop" || !j.certain && (verdict == "" && c.Policy == "drop" || j.mayDrop):
			if !end.Dropped {
				end = NFTEnd{Dropped: true, Chain: c, By: j.by, In: j.in}
			}
		case j.untracked != evaluate.No && c.Prio < conntrackPriority && !end.Dropped && end.Chain == nil:
			end.Untracked, end.Chain, end.By, end.In = j.untracked, c, j.untracks, c
		}
	}
	return end
}

// conntrackPriority is where connections are looked up (NF_IP_PRI_CONNTRACK in linux/netfilter_ipv4.h): notrack counts
// before it.
const conntrackPriority = -200

func (c *NFTChain) sees(p NFTPacket) bool {
	switch c.Family {
	case "inet", "netdev":
		return c.Hook != "ingress" && c.Hook != "egress" || c.on(p.In) || c.Hook == "egress" && c.on(p.Out)
	case "ip":
		return p.Dst.Addr().Is4()
	case "ip6":
		return p.Dst.Addr().Is6()
	}
	return false
}

// on tells that a chain at ingress or egress is on a link, or that it is not known on which it is.
func (c *NFTChain) on(link string) bool {
	var list []string
	if name, ok := textOf(c.Dev); ok {
		list = []string{name}
	} else if json.Unmarshal(c.Dev, &list) != nil {
		return true
	}
	return len(list) == 0 || slices.ContainsFunc(list, func(name string) bool {
		return name == link || strings.HasSuffix(name, "*") && strings.HasPrefix(link, strings.TrimSuffix(name, "*"))
	})
}

// nftJudge is one packet's way through one base chain.
type nftJudge struct {
	*Nftables
	p       NFTPacket
	certain bool
	mayDrop bool // something that is not understood may have dropped it
	by      *NFTRule
	in      *NFTChain
	// untracked is whether a rule takes the packet from connection tracking, and untracks that rule.
	untracked evaluate.Truth
	untracks  *NFTRule
}

// walk is the verdict of a chain: accept, drop, or "" where its rules end.
func (j *nftJudge) walk(c *NFTChain, depth int) string {
	if depth > 16 {
		j.certain = false
		return ""
	}
	for i := range c.rules {
		r := &c.rules[i]
		verdict, matched := j.rule(c, r)
		if matched == evaluate.No || verdict == nil {
			continue
		}
		sure := matched == evaluate.Yes
		kind, target := verdict.kind, verdict.target
		if kind == "jump" || kind == "goto" {
			into := j.chain(c.Family, c.Table, target)
			if into == nil {
				j.certain = false
				continue
			}
			kind = j.walk(into, depth+1)
			if !sure {
				j.certain = false
				j.mayDrop = j.mayDrop || kind == "drop"
				continue
			}
			if kind == "" && verdict.kind == "goto" {
				return ""
			}
			if kind != "" {
				return kind
			}
			continue
		}
		if !sure {
			j.certain = false
			j.mayDrop = j.mayDrop || kind == "drop"
			continue
		}
		if kind == "drop" {
			j.by, j.in = r, c
		}
		if kind == "return" {
			return ""
		}
		return kind
	}
	return ""
}

type nftVerdict struct{ kind, target string }

// verdictOf reads accept, drop, return, reject, jump and goto; nil: no verdict.
func verdictOf(name string, value json.RawMessage) *nftVerdict {
	switch name {
	case "accept", "drop", "return":
		return &nftVerdict{kind: name}
	case "reject":
		return &nftVerdict{kind: "drop"}
	case "jump", "goto":
		var to struct{ Target string }
		_ = json.Unmarshal(value, &to)
		return &nftVerdict{name, to.Target}
	}
	return nil
}

// rule is a rule's verdict, and whether the packet meets it.
func (j *nftJudge) rule(c *NFTChain, r *NFTRule) (*nftVerdict, evaluate.Truth) {
	matched := evaluate.Yes
	and := func(v evaluate.Truth) {
		if v == evaluate.No || matched == evaluate.Yes {
			matched = v
		}
	}
	for _, statement := range r.Expr {
		for name, value := range statement {
			switch name {
			case "match":
				and(j.match(c, value))
			case "vmap":
				v, met := j.vmap(c, value)
				and(met)
				if matched == evaluate.No {
					return nil, evaluate.No
				}
				return v, matched
			case "notrack":
				if matched > j.untracked {
					j.untracked, j.untracks = matched, r
				}
			case "counter", "log", "comment", "mangle", "ct helper", "ct timeout", "ct expectation", "meter", "flow", "set", "map", "secmark", "last":
			case "limit", "quota", "ct count", "connlimit", "socket":
				and(evaluate.Unknown)
			case "continue":
				return nil, matched
			default:
				if v := verdictOf(name, value); v != nil {
					return v, matched
				}
				return &nftVerdict{kind: "drop"}, evaluate.Unknown // queue, fwd, synproxy, an extension of iptables: anything may come of it
			}
			if matched == evaluate.No {
				return nil, evaluate.No
			}
		}
	}
	return nil, matched
}

func (j *nftJudge) vmap(c *NFTChain, value json.RawMessage) (*nftVerdict, evaluate.Truth) {
	var m struct{ Key, Data json.RawMessage }
	if json.Unmarshal(value, &m) != nil {
		return nil, evaluate.Unknown
	}
	var inline struct{ Set []json.RawMessage }
	elements := inline.Set
	if json.Unmarshal(m.Data, &inline) == nil {
		elements = inline.Set
	} else if name, ok := textOf(m.Data); ok {
		elements = j.sets[c.Family+" "+c.Table+" "+strings.TrimPrefix(name, "@")]
	}
	for _, e := range elements {
		var pair []json.RawMessage
		if json.Unmarshal(e, &pair) != nil || len(pair) != 2 {
			return nil, evaluate.Unknown
		}
		switch j.equal(c, m.Key, pair[0]) {
		case evaluate.No:
			continue
		case evaluate.Unknown:
			return &nftVerdict{kind: "drop"}, evaluate.Unknown // or what any other element says
		}
		var statement map[string]json.RawMessage
		_ = json.Unmarshal(pair[1], &statement)
		for name, v := range statement {
			return verdictOf(name, v), evaluate.Yes
		}
	}
	return nil, evaluate.No
}

func (j *nftJudge) match(c *NFTChain, value json.RawMessage) evaluate.Truth {
	var m struct {
		Op          string
		Left, Right json.RawMessage
	}
	if json.Unmarshal(value, &m) != nil {
		return evaluate.Unknown
	}
	met := j.equal(c, m.Left, m.Right)
	switch m.Op {
	case "==", "in", "":
		return met
	case "!=":
		switch met {
		case evaluate.Yes:
			return evaluate.No
		case evaluate.No:
			return evaluate.Yes
		}
	}
	return evaluate.Unknown
}

// equal compares what an expression says of the packet with a value, a list, a
// range, a network or a set.
func (j *nftJudge) equal(c *NFTChain, left, right json.RawMessage) evaluate.Truth {
	have, known := j.have(left)
	if !known {
		return evaluate.Unknown
	}
	return j.among(c, have, right, 0)
}

// have are the values that the packet has of an expression; nil: it has none, so
// that nothing matches.
func (j *nftJudge) have(left json.RawMessage) (values []string, known bool) {
	var e struct {
		Meta    *struct{ Key string }
		CT      *struct{ Key string } `json:"ct"`
		Payload *struct{ Protocol, Field string }
	}
	if json.Unmarshal(left, &e) != nil {
		return nil, false
	}
	p := &j.p
	proto := []string{rules.ProtoName(p.Proto), strconv.Itoa(int(p.Proto))}
	family := map[bool]string{true: "ip", false: "ip6"}[p.Dst.Addr().Is4()]
	switch {
	case e.Meta != nil:
		switch e.Meta.Key {
		case "iifname", "iif":
			return []string{p.In}, p.In != ""
		case "oifname", "oif":
			return []string{p.Out}, !p.BeforeRoutes && p.Out != ""
		case "l4proto":
			return proto, true
		case "nfproto":
			return []string{map[string]string{"ip": "ipv4", "ip6": "ipv6"}[family]}, true
		case "protocol":
			return []string{family}, true
		}
	case e.CT != nil:
		switch e.CT.Key {
		case "state":
			if p.Established {
				return []string{"established"}, true
			}
			return []string{"new"}, true
		case "status":
			return p.status(), true
		case "direction":
			return []string{map[bool]string{true: "reply", false: "original"}[p.Established]}, true
		}
	case e.Payload != nil:
		return j.payload(e.Payload.Protocol, e.Payload.Field, family, proto)
	}
	return nil, false
}

func (p *NFTPacket) status() []string {
	status := []string{}
	if p.Dnat {
		status = append(status, "dnat")
	}
	if p.Snat {
		status = append(status, "snat")
	}
	if p.Established {
		status = append(status, "seen-reply", "confirmed")
	}
	return status
}

func (j *nftJudge) payload(protocol, field, family string, proto []string) ([]string, bool) {
	p := &j.p
	switch protocol {
	case "ip", "ip6":
		if protocol != family {
			return nil, true
		}
		switch field {
		case "saddr":
			return []string{p.Src.Addr().String()}, true
		case "daddr":
			return []string{p.Dst.Addr().String()}, true
		case "protocol", "nexthdr":
			return proto, true
		}
	case "tcp", "udp", "th", "sctp", "udplite":
		if protocol != "th" && protocol != proto[0] {
			return nil, true
		}
		switch field {
		case "sport":
			return []string{strconv.Itoa(int(p.Src.Port()))}, true
		case "dport":
			return []string{strconv.Itoa(int(p.Dst.Port()))}, true
		}
	case "icmp", "icmpv6":
		if !slices.Contains(proto, map[string]string{"icmp": "1", "icmpv6": "58"}[protocol]) {
			return nil, true
		}
	}
	return nil, false
}

func textOf(value json.RawMessage) (string, bool) {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s, true
	}
	var n json.Number
	if json.Unmarshal(value, &n) == nil {
		return n.String(), true
	}
	return "", false
}

// among tells whether one of the packet's values is among those of a rule.
func (j *nftJudge) among(c *NFTChain, have []string, right json.RawMessage, depth int) evaluate.Truth {
	if s, ok := textOf(right); ok {
		if name, named := strings.CutPrefix(s, "@"); named {
			elements, ok := j.sets[c.Family+" "+c.Table+" "+name]
			if !ok {
				return evaluate.Unknown
			}
			return j.any(c, have, elements, depth)
		}
		return yesNo(slices.ContainsFunc(have, func(h string) bool { return sameWord(h, s) }))
	}
	var list []json.RawMessage
	if json.Unmarshal(right, &list) == nil {
		return j.any(c, have, list, depth)
	}
	var e struct {
		Set    []json.RawMessage
		Range  []json.RawMessage
		Prefix *struct {
			Addr string
			Len  int
		}
		Elem *struct{ Val json.RawMessage }
	}
	if json.Unmarshal(right, &e) != nil {
		return evaluate.Unknown
	}
	switch {
	case e.Set != nil:
		return j.any(c, have, e.Set, depth)
	case e.Elem != nil && depth < 8:
		return j.among(c, have, e.Elem.Val, depth+1)
	case e.Prefix != nil:
		addr, err := netip.ParseAddr(e.Prefix.Addr)
		if err != nil {
			return evaluate.Unknown
		}
		net := netip.PrefixFrom(addr, e.Prefix.Len)
		return yesNo(slices.ContainsFunc(have, func(h string) bool { a, err := netip.ParseAddr(h); return err == nil && net.Contains(a) }))
	case len(e.Range) == 2:
		lo, ok1 := textOf(e.Range[0])
		hi, ok2 := textOf(e.Range[1])
		if !ok1 || !ok2 {
			return evaluate.Unknown
		}
		return inNFTRange(have, lo, hi)
	}
	return evaluate.Unknown
}

func (j *nftJudge) any(c *NFTChain, have []string, list []json.RawMessage, depth int) evaluate.Truth {
	best := evaluate.No
	for _, e := range list {
		switch j.among(c, have, e, depth+1) {
		case evaluate.Yes:
			return evaluate.Yes
		case evaluate.Unknown:
			best = evaluate.Unknown
		}
	}
	return best
}

func yesNo(yes bool) evaluate.Truth {
	if yes {
		return evaluate.Yes
	}
	return evaluate.No
}

// sameWord compares a value with one of a rule, in which a star at the end of an
// interface's name stands for any rest.
func sameWord(have, want string) bool {
	if rest, wild := strings.CutSuffix(want, "*"); wild {
		return strings.HasPrefix(have, rest)
	}
	if a, err := netip.ParseAddr(want); err == nil {
		b, err := netip.ParseAddr(have)
		return err == nil && a == b
	}
	return have == want
}

func inNFTRange(have []string, lo, hi string) evaluate.Truth {
	if a, err := netip.ParseAddr(lo); err == nil {
		b, err := netip.ParseAddr(hi)
		if err != nil {
			return evaluate.Unknown
		}
		return yesNo(slices.ContainsFunc(have, func(h string) bool {
			x, err := netip.ParseAddr(h)
			return err == nil && a.Compare(x) <= 0 && x.Compare(b) <= 0
		}))
	}
	from, err1 := strconv.Atoi(lo)
	to, err2 := strconv.Atoi(hi)
	if err1 != nil || err2 != nil {
		return evaluate.Unknown
	}
	return yesNo(slices.ContainsFunc(have, func(h string) bool { n, err := strconv.Atoi(h); return err == nil && from <= n && n <= to }))
}
