package evaluate

import (
	"bytes"

	"nattui/rules/nft"
)

// compat takes what can be decided of an expression that nft does not know: mostly a match or target of iptables, which
// iptables-nft puts into rules (nft_compat.c).
func (c *ruleCompiler) compat(e nft.Unknown) {
	name := e.Name
	if e.Name == "match" || e.Name == "target" {
		name = compatName(e.Raw)
	}
	switch {
	case e.Name == "match" && name == "comment":
	case e.Name == "target":
		c.rule.ops = append(c.rule.ops, op{does: opUnknownEnd, name: name})
		c.rule.acts, c.rule.alters = true, true
	case e.Name == "match":
		c.unknown(name)
	default:
		c.unknown("the expression " + name)
	}
}

// compatName is the name of a match or target of iptables: its first attribute (NFTA_MATCH_NAME).
func compatName(raw []byte) string {
	const header = 4
	if len(raw) < header {
		return "a match of iptables"
	}
	text := raw[header:]
	if i := bytes.IndexByte(text, 0); i >= 0 {
		text = text[:i]
	}
	return string(text)
}
