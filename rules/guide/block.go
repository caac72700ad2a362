package guide

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
)

// Block is what a client is kept from: everything, or one service.
type Block struct {
	Client netip.Addr
	// Proto and Service name the service by the address and port that the client asks for; a zero Service is everything.
	Proto   rules.Protocol
	Service netip.AddrPort
}

// Plan is the rule that drops the client's packets, at the very beginning of their way: before connection tracking
// and NAT, where neither a rule of another program nor the order of rules matters (iptables(8), table raw). set is what
// it is added to; it has no steps where the rule is there already.
func (b Block) Plan(set *rules.Ruleset) rules.Plan {
	client := b.Client.Unmap()
	words := fmt.Sprintf("-A PREROUTING -s %s", netip.PrefixFrom(client, client.BitLen()))
	if b.Service.IsValid() {
		to := b.Service.Addr().Unmap()
		proto := rules.ProtoName(b.Proto)
		words += fmt.Sprintf(" -d %s -p %s", netip.PrefixFrom(to, to.BitLen()), proto)
		if b.named() {
			words += fmt.Sprintf(" -m %s --dport %d", proto, b.Service.Port())
		}
	}
	r := rule("%s -j DROP", words)
	c := rules.Change{Op: rules.Insert, Family: set.Family, Backend: set.Backend, Table: "raw", Chain: "PREROUTING", Rule: r, Program: set.Name}
	if chain, ok := set.Chain(c.Table, c.Chain); ok && len(chain.Rules) > 0 {
		if c.At = 1; slices.ContainsFunc(chain.Rules, r.Same) {
			return rules.Plan{Title: "Block " + b.Words()}
		}
	}
	step := rules.StepOf(c)
	step.Why = "Packets from " + b.Words() + " are dropped as they arrive, before connection tracking and NAT."
	return rules.Plan{Title: "Block " + b.Words(), Steps: []rules.Step{step}}
}

// named tells whether a rule can name the service by its port.
func (b Block) named() bool {
	return b.Proto == rules.TCP || b.Proto == rules.UDP || b.Proto == rules.SCTP || b.Proto == rules.DCCP
}

// Words name what is blocked: 203.0.113.9, or 203.0.113.9 to tcp 203.0.113.1:80.
func (b Block) Words() string {
	words := b.Client.Unmap().String()
	switch {
	case !b.Service.IsValid():
	case b.named():
		words += fmt.Sprintf(" to %s %s", rules.ProtoName(b.Proto), b.Service)
	default:
		words += fmt.Sprintf(" to %s %s", rules.ProtoName(b.Proto), b.Service.Addr())
	}
	return words
}

// Filter is the filter of the connections that are blocked.
func (b Block) Filter() string {
	words := "client " + b.Client.Unmap().String()
	if !b.Service.IsValid() {
		return words
	}
	words += " proto " + rules.ProtoName(b.Proto) + " asked " + b.Service.Addr().Unmap().String()
	if b.named() {
		words += fmt.Sprintf(" orig dport %d", b.Service.Port())
	}
	return words
}
