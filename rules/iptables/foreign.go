package iptables

import (
	"bytes"
	"context"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// iptables-nft-save prints some rules that were made with nft as if they asked for less: "ip saddr { 10.0.0.1 } accept" as
// -j ACCEPT, "ip saddr > 10.0.0.1" as -s 10.0.0.1 (1.8.9). So rules are told by their expressions, and not by what it prints.

// iptablesExpressions are the nf_tables expressions that iptables-nft makes and understands (iptables/nft.c,
// supported_exprs) in rules of IPv4 and IPv6. Any other was put there with nft.
var iptablesExpressions = map[string]bool{
	"match": true, "target": true, "payload": true, "meta": true, "cmp": true, "bitwise": true, "counter": true,
	"immediate": true, "range": true, "limit": true, "log": true,
}

// foreignRules calls found for a chain in which rules were made with nft.
func foreignRules(kernel *nfnetlink.Socket, family rules.Family, c kernelChain, found func()) error {
	ask := nfnetlink.AppendChain(nil, c.table, c.name)
	any := false
	err := kernel.Dump(unix.NFT_MSG_GETRULE, nftFamily(family), ask, func(m nfnetlink.Message) {
		// Old kernels answer with all chains, whichever is asked for.
		any = any || m.Attrs.Get(unix.NFTA_RULE_CHAIN).Is(c.name) && m.Attrs.Get(unix.NFTA_RULE_TABLE).Is(c.table) && foreignRule(family, m.Attrs.Get(unix.NFTA_RULE_EXPRESSIONS))
	})
	if any && err == nil {
		found()
	}
	return err
}

// foreignRule reports expressions that iptables-nft makes of no rule.
func foreignRule(family rules.Family, expressions nfnetlink.Attributes) bool {
	network := false // what was loaded last is of the network header
	for _, e := range expressions.Each {
		name, data := e.Get(unix.NFTA_EXPR_NAME), e.Get(unix.NFTA_EXPR_DATA)
		known := false
		for n := range iptablesExpressions {
			known = known || name.Is(n)
		}
		switch {
		case !known:
			return true
		case name.Is("payload"):
			network = data.Get(unix.NFTA_PAYLOAD_BASE).Word() == unix.NFT_PAYLOAD_NETWORK_HEADER
			if data.Has(unix.NFTA_PAYLOAD_SREG) || !iptablesPayload(family, data) {
				return true
			}
		case name.Is("meta"):
			network = false
			key := data.Get(unix.NFTA_META_KEY).Word()
			trace := key == unix.NFT_META_NFTRACE && data.Has(unix.NFTA_META_SREG) // -j TRACE
			if !trace && (data.Has(unix.NFTA_META_SREG) || !iptablesMeta[key]) {
				return true
			}
		case name.Is("cmp"):
			op := data.Get(unix.NFTA_CMP_OP).Word()
			if network && op != unix.NFT_CMP_EQ && op != unix.NFT_CMP_NEQ {
				return true
			}
		case name.Is("range") && network:
			return true
		}
	}
	return false
}

// iptablesMeta are the keys that iptables-nft asks for (iptables/nft-shared.c, parse_meta).
var iptablesMeta = map[uint32]bool{
	unix.NFT_META_L4PROTO: true, unix.NFT_META_IIF: true, unix.NFT_META_OIF: true, unix.NFT_META_IIFNAME: true, unix.NFT_META_OIFNAME: true,
	unix.NFT_META_MARK: true, unix.NFT_META_PKTTYPE: true,
}

// iptablesPayload reports a part of a packet that iptables-nft asks for: addresses, protocol and fragments, ports, TCP flags,
// types of ICMP (iptables/nft-ipv4.c, nft-ipv6.c, nft-shared.c). The time to live and hop limit are understood by it too.
func iptablesPayload(family rules.Family, data nfnetlink.Attributes) bool {
	offset := data.Get(unix.NFTA_PAYLOAD_OFFSET).Word()
	switch data.Get(unix.NFTA_PAYLOAD_BASE).Word() {
	case unix.NFT_PAYLOAD_NETWORK_HEADER:
		if family == rules.IPv6 {
			return offset == 6 || offset == 7 || offset == 8 || offset == 24
		}
		return offset == 6 || offset == 8 || offset == 9 || offset == 12 || offset == 16
	case unix.NFT_PAYLOAD_TRANSPORT_HEADER:
		return offset <= 2 || offset == 13
	}
	return false
}

// savedBut prints the tables but those that iptables cannot read, each by itself.
func (p *programs) savedBut(ctx context.Context, kernel *nfnetlink.Socket, others foreigners) ([]byte, error) {
	var names []string
	err := kernel.Dump(unix.NFT_MSG_GETTABLE, nftFamily(p.variant.Family), nil, func(m nfnetlink.Message) {
		if name := m.Attrs.Get(unix.NFTA_TABLE_NAME).Text(); rules.BuiltInChains[name] != nil && !others.unreadable[name] {
			names = append(names, name)
		}
	})
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	for _, name := range names {
		text, err := p.saved(ctx, "-t", name)
		if err != nil {
			return nil, err
		}
		all.Write(text)
	}
	return all.Bytes(), nil
}
