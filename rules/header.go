package rules

import (
	"strconv"
	"strings"
)

// TTL compares the time to live (IPv4, module ttl) or hop limit (IPv6, module hl).
type TTL struct {
	HopLimit bool
	Not      bool
	Compare  string // eq, lt, gt
	Value    uint8
}

func (m TTL) Module() string {
	if m.HopLimit {
		return "hl"
	}
	return "ttl"
}

func (m TTL) options() []Option {
	return []Option{NewOption(m.Not, "--"+m.Module()+"-"+m.Compare, strconv.Itoa(int(m.Value)))}
}

func parseTTL(module string, opts []Option) (Match, bool) {
	if len(opts) != 1 {
		return nil, false
	}
	compare, ok := strings.CutPrefix(opts[0].Name, "--"+module+"-")
	text, _ := opts[0].single()
	n, err := strconv.ParseUint(text, 10, 8)
	if !ok || err != nil || compare != "eq" && compare != "lt" && compare != "gt" {
		return nil, false
	}
	return TTL{module == "hl", opts[0].Not, compare, uint8(n)}, true
}

// Length is a match on the length of the packet, IP header included, in bytes.
type Length struct {
	Not    bool
	Lo, Hi uint16
}

func (m Length) Module() string { return "length" }
func (m Length) options() []Option {
	return []Option{NewOption(m.Not, "--length", Ports{m.Lo, m.Hi}.String())}
}

func parseLength(_ string, opts []Option) (Match, bool) {
	text, not, ok := onlyOption(opts, "--length")
	p, read := ParsePorts(text, ":")
	return Length{not, p.Lo, p.Hi}, ok && read
}

// TOS is a match on the type-of-service byte under a mask.
type TOS struct {
	Not bool
	Bits
}

func (m TOS) Module() string { return "tos" }
func (m TOS) options() []Option {
	return []Option{NewOption(m.Not, "--tos", hex2(m.Value)+"/"+hex2(m.Mask))}
}

func hex2(v uint32) string {
	if v < 16 {
		return "0x0" + strconv.FormatUint(uint64(v), 16)
	}
	return Hex(v)
}

func parseTOS(_ string, opts []Option) (Match, bool) {
	text, not, ok := onlyOption(opts, "--tos")
	b, read := ParseBits(text, 0xff)
	return TOS{not, b}, ok && read && b.Value < 256 && b.Mask < 256
}

// DSCP is a match on the upper six bits of the type-of-service byte.
type DSCP struct {
	Not   bool
	Value uint8
}

func (m DSCP) Module() string    { return "dscp" }
func (m DSCP) options() []Option { return []Option{NewOption(m.Not, "--dscp", hex2(uint32(m.Value)))} }

func parseDSCP(_ string, opts []Option) (Match, bool) {
	text, not, ok := onlyOption(opts, "--dscp")
	b, read := ParseBits(text, 0x3f)
	return DSCP{not, uint8(b.Value)}, ok && read && b.Value < 64
}

// PktType is a match on how the packet reached the link: unicast, broadcast, multicast.
type PktType struct {
	Not  bool
	Type string
}

func (m PktType) Module() string    { return "pkttype" }
func (m PktType) options() []Option { return []Option{NewOption(m.Not, "--pkt-type", m.Type)} }

func parsePktType(_ string, opts []Option) (Match, bool) {
	text, not, ok := onlyOption(opts, "--pkt-type")
	return PktType{not, text}, ok
}
