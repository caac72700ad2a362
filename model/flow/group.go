package flow

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
)

// GroupBy is what flows of one group have in common.
type GroupBy uint8

// The groupings: by who asks, by what is asked for (protocol, address and port), by
// the rule that made the flow, by translation (what becomes what), by the port asked for.
const (
	GroupByClient GroupBy = iota
	GroupByService
	GroupByRule
	GroupByTranslation
	GroupByPort
	groupings
)

var groupNames = [groupings]string{"client", "service", "rule", "translation", "port"}

// String is the grouping's name on the command line.
func (g GroupBy) String() string {
	if g < groupings {
		return groupNames[g]
	}
	return ""
}

// GroupKey is what the flows of a group have in common; what they do not is zero.
type GroupKey struct {
	By     GroupBy
	Family rules.Family
	Proto  rules.Protocol
	NAT    NAT
	Rule   uint32
	// asked and served are of services and translations, seen of translations, client of clients.
	client, asked, served, seen [16]byte
	askedPort, servedPort       uint16
}

// Group is one group with its totals.
type Group struct {
	Key   GroupKey
	Flows int
	// Packets and Bytes are sums over the flows of which they are known; Counted is how many those are.
	Counted        int
	Packets, Bytes uint64
	// ByteRate is how many bytes a second are moved, Minute how many were over the last minute, as Talkers fills them
	// in; before, ByteRate is the sum of the rates that flows have, which those that were read once have not, and
	// Minute is 0. Moves tells that they are of flows of which bytes are counted, and that these were read more than once.
	// Least tells that they lack what flows move that the kernel does not count.
	ByteRate, Minute float64
	Moves, Least     bool
}

// GroupOrder is what groups are sorted by, the largest first.
type GroupOrder uint8

// The orders of groups.
const (
	GroupsByFlows GroupOrder = iota
	GroupsByBytes
	GroupsByPackets
	GroupsByRate
	GroupsByMinute // as Talkers sorts them; Flows.Group sorts by the rate then
)

// key is the group to which a flow belongs.
func (g GroupBy) key(f *Flow) GroupKey {
	k := GroupKey{By: g}
	switch g {
	case GroupByClient:
		k.Family, k.client = f.Orig.Family, f.Orig.Src
	case GroupByService:
		k.Family, k.Proto, k.asked, k.askedPort = f.Orig.Family, f.Orig.Proto, f.Orig.Dst, f.askedPort()
	case GroupByRule:
		k.Rule = f.Rule
	case GroupByTranslation:
		k.NAT = f.NAT()
		if k.NAT != NATNone {
			k.Family, k.Proto = f.Orig.Family, f.Orig.Proto
		}
		if k.NAT&NATDst != 0 {
			k.asked, k.askedPort = f.Orig.Dst, f.askedPort()
			k.served, k.servedPort = f.Reply.Src, f.ServedBy().Port()
		}
		if k.NAT&NATSrc != 0 {
			k.seen = f.Reply.Dst
		}
	case GroupByPort:
		k.Proto, k.askedPort = f.Orig.Proto, f.askedPort()
	}
	return k
}

func (f *Flow) askedPort() uint16 {
	if !f.Orig.Proto.HasPorts() {
		return 0
	}
	return f.Orig.DstPort
}

// Grouping is what flows add up to.
type Grouping struct {
	Groups []Group // the largest
	Of     int     // how many groups there are
	Sum    Group   // of all of them; its key is zero
}

// Groups is Group for those who need no sum.
func (t *Flows) Groups(ctx context.Context, where Condition, by GroupBy, order GroupOrder, limit int, now int64) (groups []Group, total int, err error) {
	g, err := t.Group(ctx, where, by, order, limit, now)
	return g.Groups, g.Of, err
}

// Group gathers the flows that meet the condition at the time now into groups and returns the
// largest, up to limit of them (below 0: all). Like Select it
// reads the table without holding it up and is for a goroutine of its own; it returns
// ctx's error when that is done.
func (t *Flows) Group(ctx context.Context, where Condition, by GroupBy, order GroupOrder, limit int, now int64) (Grouping, error) {
	groups, err := t.groups(ctx, where, by, now)
	if order == GroupsByMinute {
		order = GroupsByRate
	}
	return groupingOf(groups, order, limit), err
}

// groups are all groups, in no order.
func (t *Flows) groups(ctx context.Context, where Condition, by GroupBy, now int64) (groups []Group, err error) {
	places := map[GroupKey]int{}
	key := t.keyOf(by)
	for c := 0; ; c++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t.mu.RLock()
		if c >= len(t.chunks) {
			t.mu.RUnlock()
			break
		}
		t.eachOf(c, func(_ uint32, f *Flow) {
			if !where.holds(f, now) {
				return
			}
			k := key(f)
			i, ok := places[k]
			if !ok {
				i = len(groups)
				places[k] = i
				groups = append(groups, Group{Key: k})
			}
			groups[i].add(f)
		})
		t.mu.RUnlock()
	}
	return groups, nil
}

// groupingOf is what groups add up to, and the largest of them. One that has no flows any more is counted only by what it has
// moved.
func groupingOf(groups []Group, order GroupOrder, limit int) (all Grouping) {
	for i := range groups {
		all.Sum.addGroup(&groups[i])
	}
	if order != GroupsByRate && order != GroupsByMinute {
		groups = slices.DeleteFunc(groups, func(g Group) bool { return g.Flows == 0 })
	}
	order.sort(groups)
	all.Of = len(groups)
	if limit >= 0 && limit < len(groups) {
		groups = slices.Clone(groups[:limit])
	}
	all.Groups = groups
	return all
}

// sort puts the largest groups first; of equal ones that of more flows, then the one whose words come first.
func (o GroupOrder) sort(groups []Group) {
	slices.SortFunc(groups, func(a, b Group) int {
		if larger := cmp.Or(-cmp.Compare(o.of(&a), o.of(&b)), -cmp.Compare(a.Flows, b.Flows)); larger != 0 {
			return larger
		}
		return strings.Compare(a.Key.String(), b.Key.String())
	})
}

// RateKnown tells that ByteRate is known, at least: that nothing passes is known only where all flows are counted.
func (g *Group) RateKnown() bool { return g.ByteRate > 0 || g.Moves && g.Counted == g.Flows }

// MinuteKnown tells the same of Minute.
func (g *Group) MinuteKnown() bool { return g.Minute > 0 || g.Moves && g.Counted == g.Flows }

func (g *Group) addGroup(h *Group) {
	g.Flows += h.Flows
	g.Counted += h.Counted
	g.Packets += h.Packets
	g.Bytes += h.Bytes
	g.ByteRate += h.ByteRate
	g.Minute += h.Minute
	g.Least = g.Least || h.Least
}

// Share is which part of whole a group is in an order, from 0 to 1.
func (g *Group) Share(whole *Group, order GroupOrder) float64 {
	a, b := order.of(g), order.of(whole)
	if b <= 0 {
		return 0
	}
	return a / b
}

func (g *Group) add(f *Flow) {
	g.Flows++
	if f.Counts() {
		g.Counted++
		g.Packets += f.Packets()
		g.Bytes += f.Bytes()
	}
	if f.HasRate() {
		g.ByteRate += float64(f.ByteRate)
	}
}

// of is what an order goes by.
func (o GroupOrder) of(g *Group) float64 {
	switch o {
	case GroupsByBytes:
		return float64(g.Bytes)
	case GroupsByPackets:
		return float64(g.Packets)
	case GroupsByRate:
		return g.ByteRate
	case GroupsByMinute:
		return g.Minute
	}
	return float64(g.Flows)
}

// Client, AskedFor, ServedBy and SeenAs are what the flows of the group have in
// common there; an address that they do not have in common is not valid.
func (k *GroupKey) Client() netip.Addr { return k.addr(&k.client) }

// AskedFor is the service of the group.
func (k *GroupKey) AskedFor() netip.AddrPort {
	return netip.AddrPortFrom(k.addr(&k.asked), k.askedPort)
}

// ServedBy is who serves the group.
func (k *GroupKey) ServedBy() netip.AddrPort {
	return netip.AddrPortFrom(k.addr(&k.served), k.servedPort)
}

// SeenAs is the address as which the clients of the group are seen.
func (k *GroupKey) SeenAs() netip.Addr { return k.addr(&k.seen) }

func (k *GroupKey) addr(a *[16]byte) netip.Addr {
	common := k.By == GroupByClient && a == &k.client || k.By == GroupByService && a == &k.asked
	if !common && *a == ([16]byte{}) {
		return netip.Addr{}
	}
	t := rules.Tuple{Family: k.Family}
	return t.Addr(a)
}

// String is the group in a few words: "10.0.0.1", "tcp 203.0.113.1:80",
// "dnat tcp 203.0.113.1:80 to 192.168.0.2:8080", "snat to 203.0.113.1", "tcp 443".
func (k *GroupKey) String() string {
	switch k.By {
	case GroupByClient:
		return k.Client().String()
	case GroupByService:
		return k.Proto.String() + " " + endpointText(k.Proto, k.AskedFor())
	case GroupByRule:
		if k.Rule == 0 {
			return "no rule"
		}
		return fmt.Sprintf("rule %d", k.Rule)
	case GroupByPort:
		if !k.Proto.HasPorts() {
			return k.Proto.String()
		}
		return fmt.Sprintf("%v %d", k.Proto, k.askedPort)
	}
	if k.NAT == NATNone {
		return "not translated"
	}
	text := k.NAT.String() + " " + k.Proto.String()
	if k.NAT&NATDst != 0 {
		text += " " + endpointText(k.Proto, k.AskedFor()) + " to " + endpointText(k.Proto, k.ServedBy())
	}
	if k.NAT&NATSrc != 0 {
		text += " seen as " + k.SeenAs().String()
	}
	return text
}

func endpointText(p rules.Protocol, e netip.AddrPort) string {
	if p.HasPorts() {
		return e.String()
	}
	return e.Addr().String()
}

// FilterLine is the filter line that finds the flows of the group, for a look inside. ruleName
// names a rule in the way that the RuleFinder of the filter understands; nil is by number.
func (k *GroupKey) FilterLine(ruleName func(uint32) string) string {
	switch k.By {
	case GroupByClient:
		return "client " + k.Client().String()
	case GroupByService:
		return "proto " + k.Proto.String() + k.end("asked", "orig dport", k.AskedFor())
	case GroupByRule:
		switch {
		case k.Rule == 0:
			return "rule none"
		case ruleName != nil:
			return "rule " + ruleName(k.Rule)
		}
		return fmt.Sprintf("rule %d", k.Rule)
	case GroupByPort:
		if !k.Proto.HasPorts() {
			return "proto " + k.Proto.String()
		}
		return fmt.Sprintf("proto %v orig dport %d", k.Proto, k.askedPort)
	}
	line := "nat " + k.NAT.String()
	if k.NAT == NATNone {
		return line
	}
	line += " proto " + k.Proto.String()
	if k.NAT != NATBoth {
		line += " not nat both"
	}
	if k.NAT&NATDst != 0 {
		line += k.end("asked", "orig dport", k.AskedFor()) + k.end("server", "reply sport", k.ServedBy())
	}
	if k.NAT&NATSrc != 0 {
		line += " seen " + k.SeenAs().String()
	}
	return line
}

func (k *GroupKey) end(addr, port string, e netip.AddrPort) string {
	text := " " + addr + " " + e.Addr().String()
	if k.Proto.HasPorts() {
		text += fmt.Sprintf(" %s %d", port, e.Port())
	}
	return text
}
