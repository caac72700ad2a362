package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/rules"
)

// maxRoutes is how many routes of a family a snapshot holds. A router with the
// whole Internet's asks the kernel instead, by Lookup.
const maxRoutes = 20000

var errEnough = errors.New("more routes than a snapshot holds")

func (r *reading) routes() {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		count := 0
		everyTable := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
		err := netlink.RouteListFilteredIter(family, everyTable, netlink.RT_FILTER_TABLE, func(route netlink.Route) bool {
			if route.Flags&unix.RTM_F_CLONED != 0 {
				return true
			}
			if count++; count > maxRoutes {
				r.facts.RoutesCut = true
				return false
			}
			r.facts.Routes = append(r.facts.Routes, r.route(family, route))
			return true
		})
		r.gap("routes", tolerable(err))
		if r.facts.RoutesCut {
			r.gap("routes", errEnough)
		}
	}
}

var routeKinds = map[int]facts.RouteKind{
	unix.RTN_UNICAST: facts.RouteUnicast, unix.RTN_LOCAL: facts.RouteLocal, unix.RTN_BROADCAST: facts.RouteBroadcast,
	unix.RTN_ANYCAST: facts.RouteAnycast, unix.RTN_MULTICAST: facts.RouteMulticast, unix.RTN_BLACKHOLE: facts.RouteBlackhole,
	unix.RTN_UNREACHABLE: facts.RouteUnreachable, unix.RTN_PROHIBIT: facts.RouteProhibit, unix.RTN_THROW: facts.RouteThrow,
}

func routeKind(kind int) facts.RouteKind {
	if k, ok := routeKinds[kind]; ok {
		return k
	}
	return facts.RouteOther
}

func (r *reading) route(family int, route netlink.Route) facts.RouteEntry {
	entry := facts.RouteEntry{
		Table: uint32(route.Table), Kind: routeKind(route.Type), Metric: uint32(route.Priority), TOS: uint8(route.Tos),
		Origin: route.Protocol.String(),
	}
	entry.Opaque = entry.Kind == facts.RouteOther || route.Encap != nil || route.MPLSDst != nil
	entry.Dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if family == unix.AF_INET6 {
		entry.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if dst, ok := prefixOf(route.Dst); ok && dst.Bits() >= 0 {
		entry.Dst = dst
	}
	entry.PrefSrc, _ = addrOf(route.Src)
	if len(route.MultiPath) == 0 {
		entry.Hops = []facts.Hop{r.hop(route.LinkIndex, route.Gw, route.Via, route.Flags)}
	}
	for _, path := range route.MultiPath {
		entry.Hops = append(entry.Hops, r.hop(path.LinkIndex, path.Gw, path.Via, path.Flags))
	}
	return entry
}

func (r *reading) hop(link int, gateway net.IP, via netlink.Destination, flags int) facts.Hop {
	hop := facts.Hop{Out: r.linkName(link), Dead: flags&unix.RTNH_F_DEAD != 0, LinkDown: flags&unix.RTNH_F_LINKDOWN != 0}
	hop.Gateway, _ = addrOf(gateway)
	if v, ok := via.(*netlink.Via); ok {
		hop.Gateway, _ = addrOf(v.Addr)
	}
	return hop
}

// policyRules reads the rules by themselves: package netlink leaves out their
// actions, which are half of what they say.
func (r *reading) policyRules() {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		request := nl.NewNetlinkRequest(unix.RTM_GETRULE, unix.NLM_F_DUMP)
		request.AddData(nl.NewIfInfomsg(family))
		messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWRULE)
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
			r.facts.PolicyRules = append(r.facts.PolicyRules, withoutPolicy(family)...)
			continue
		}
		r.gap("policy rules", tolerable(err))
		for _, message := range messages {
			rule, err := policyRule(message)
			r.gap("policy rules", err)
			r.facts.PolicyRules = append(r.facts.PolicyRules, rule)
		}
	}
}

// withoutPolicy is what a kernel without policy routing does.
func withoutPolicy(family int) []facts.PolicyRule {
	var rules []facts.PolicyRule
	for _, table := range []uint32{facts.TableLocal, facts.TableMain} {
		rules = append(rules, facts.PolicyRule{Family: familyOf(family), Table: table, SuppressPrefix: -1})
	}
	return rules
}

func familyOf(family int) rules.Family {
	if family == unix.AF_INET6 {
		return rules.IPv6
	}
	return rules.IPv4
}

var ruleActions = map[uint8]facts.RuleAction{
	nl.FR_ACT_TO_TBL: facts.RuleTable, nl.FR_ACT_GOTO: facts.RuleGoto, nl.FR_ACT_NOP: facts.RuleNop,
	nl.FR_ACT_BLACKHOLE: facts.RuleBlackhole, nl.FR_ACT_UNREACHABLE: facts.RuleUnreachable, nl.FR_ACT_PROHIBIT: facts.RuleProhibit,
}

// policyRule decodes a message of RTM_NEWRULE (struct fib_rule_hdr and
// attributes). What it does not know makes the rule opaque.
func policyRule(message []byte) (facts.PolicyRule, error) {
	header := nl.DeserializeRtMsg(message)
	attributes, err := nl.ParseRouteAttr(message[header.Len():])
	if err != nil {
		return facts.PolicyRule{Opaque: true}, fmt.Errorf("decode a rule: %w", err)
	}
	rule := facts.PolicyRule{
		Family: familyOf(int(header.Family)), TOS: header.Tos, Table: uint32(header.Table),
		Not: header.Flags&netlink.FibRuleInvert != 0, SuppressPrefix: -1,
	}
	action, known := ruleActions[header.Type]
	rule.Action, rule.Opaque = action, !known
	const unresolved = 0x4 // FIB_RULE_UNRESOLVED: there is nothing to go to
	if header.Flags&unresolved != 0 {
		rule.Action = facts.RuleNop
	}
	for _, a := range attributes {
		if !decodeRuleAttribute(&rule, header, int(a.Attr.Type), a.Value) {
			rule.Opaque = true
		}
	}
	return rule, nil
}

// The masks of ports in policy rules, since Linux 6.15 (linux/fib_rules.h); a whole range has one of all bits.
const (
	fraSportMask = 28
	fraDportMask = 29
)

// decodeRuleAttribute is false for a condition that it does not know.
func decodeRuleAttribute(rule *facts.PolicyRule, header *nl.RtMsg, kind int, value []byte) bool {
	number := func() uint32 {
		if len(value) < 4 {
			return 0
		}
		return nl.NativeEndian().Uint32(value)
	}
	switch kind {
	case unix.RTA_TABLE:
		rule.Table = number()
	case nl.FRA_PRIORITY:
		rule.Priority = number()
	case nl.FRA_GOTO:
		rule.Goto = number()
	case nl.FRA_SRC:
		rule.From = networkOf(value, int(header.Src_len))
	case nl.FRA_DST:
		rule.To = networkOf(value, int(header.Dst_len))
	case nl.FRA_IIFNAME:
		rule.In = strings.TrimRight(string(value), "\x00")
	case nl.FRA_OIFNAME:
		rule.Out = strings.TrimRight(string(value), "\x00")
	case nl.FRA_FWMARK:
		rule.Mark = number()
	case nl.FRA_FWMASK:
		rule.Mask = number()
	case nl.FRA_SUPPRESS_PREFIXLEN:
		rule.SuppressPrefix = int(int32(number()))
	case nl.FRA_SUPPRESS_IFGROUP:
		return number() == ^uint32(0)
	case nl.FRA_L3MDEV:
		rule.L3Master = len(value) > 0 && value[0] != 0
	case nl.FRA_IP_PROTO:
		if len(value) > 0 {
			rule.Proto = rules.Protocol(value[0])
		}
	case nl.FRA_SPORT_RANGE:
		rule.SrcPorts = portRange(value)
	case nl.FRA_DPORT_RANGE:
		rule.DstPorts = portRange(value)
	case fraSportMask, fraDportMask:
		return len(value) >= 2 && nl.NativeEndian().Uint16(value) == 0xffff
	case nl.FRA_PROTOCOL, nl.FRA_PAD:
	default: // a tunnel's number, a user, a DSCP, a realm, or something new
		return false
	}
	return true
}

func networkOf(value []byte, bits int) netip.Prefix {
	addr, _ := netip.AddrFromSlice(value)
	return netip.PrefixFrom(addr, bits)
}

func portRange(value []byte) [2]uint16 {
	if len(value) < 4 {
		return [2]uint16{}
	}
	return [2]uint16{nl.NativeEndian().Uint16(value), nl.NativeEndian().Uint16(value[2:])}
}
