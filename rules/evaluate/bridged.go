package evaluate

import (
	"slices"

	"nattui/rules/nft"
)

// Tables of nft's family bridge see frames, on their way between a bridge and its ports, and are not evaluated: what they may
// drop is not known.

// bridgeMayDrop notes that such a table may drop the packet on the bridge that it came by, or leaves by.
func (m *machine) bridgeMayDrop(st *state, leave string) {
	table := m.e.host.Native.droppingBridged()
	if table == "" {
		return
	}
	i := slices.IndexFunc(m.e.host.Interfaces, func(i Interface) bool {
		return i.Bridge && (i.Name == leave && st.has&unknownOut == 0 || i.Name == m.pkt.In && !m.pkt.Local)
	})
	if i >= 0 {
		lost, why := *st, table+" may drop it on "+m.e.host.Interfaces[i].Name+", and is not evaluated"
		m.doubt(Doubt{What: why})
		m.finish(&lost, Dropped, RuleRef{}, why)
	}
}

// droppingBridged names the first table of family bridge that may drop frames; "" if there is none.
func (n *NativeProgram) droppingBridged() string {
	if n == nil {
		return ""
	}
	return n.bridged
}

// findBridged notes what droppingBridged tells.
func (n *NativeProgram) findBridged() {
	for _, t := range n.set.Tables {
		if n.bridged == "" && t.Family == nft.Bridge && !t.Dormant && (t.Unread || mayDrop(t)) {
			n.bridged = t.String()
		}
	}
}

// mayDrop reports whether a policy or a rule of a table ends packets' way, or does what is not understood.
func mayDrop(t *nft.Table) bool {
	return slices.ContainsFunc(t.Chains, func(c *nft.Chain) bool {
		return c.IsBase() && c.Policy.Code == nft.Drop || slices.ContainsFunc(c.Rules, func(r *nft.Rule) bool {
			return slices.ContainsFunc(r.Exprs, ends)
		})
	})
}

// ends reports whether an expression may end a packet's way.
func ends(e nft.Expr) bool {
	switch e := e.(type) {
	case nft.Immediate:
		return e.Verdict != nil && (e.Verdict.Code == nft.Drop || e.Verdict.Code == nft.Queue)
	case nft.Lookup:
		return e.Map && e.Into == 0 // a map of verdicts
	case nft.Reject, nft.ToQueue, nft.Unknown, nft.Fwd:
		return true
	}
	return false
}
