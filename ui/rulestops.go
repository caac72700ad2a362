package ui

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/text"
)

// nativeChain names a chain of native nft; its name is "" where none is meant.
type nativeChain struct {
	family      nft.Family
	table, name string
}

// nativeChain finds the native chain that is looked at; nil where it is gone or none is.
func (s *rulesScreen) nativeChain() *nft.Chain {
	if s.native.name == "" {
		return nil
	}
	t := s.tables.Native.Table(s.native.family.String(), s.native.table)
	if t == nil {
		return nil
	}
	return t.Chain(s.native.name)
}

// narrowing is the one backend that is shown; nil: all of them.
type narrowing *rules.Backend

// shows tells whether rules of a backend are shown.
func (s *rulesScreen) shows(b rules.Backend) bool { return s.narrow == nil || *s.narrow == b }

// stops are the chains that the packets of a pane come to, in the kernel's order.
func (s *rulesScreen) stops(chain string) []nft.Stop {
	return slices.DeleteFunc(s.allStops(chain), func(x nft.Stop) bool { return !s.shows(backendOf(x)) })
}

// allStops are these whichever backend is shown.
func (s *rulesScreen) allStops(chain string) []nft.Stop {
	return nft.Stops(s.tables.Native, s.tables.Sets, s.variant.Family, strings.ToLower(chain), s.table == "nat", s.hasAway)
}

func backendOf(x nft.Stop) rules.Backend {
	if x.Native != nil {
		return rules.Native
	}
	return x.Variant.Backend
}

// elsewhere tells how many rules a pane has of backends that are not shown; "" where it has none.
func (s *rulesScreen) elsewhere(p *pane) string {
	if s.narrow == nil || s.only != "" || s.native.name != "" {
		return ""
	}
	n := map[rules.Backend]int{}
	for _, x := range s.allStops(p.chain) {
		switch b := backendOf(x); {
		case s.shows(b):
		case x.Native != nil:
			n[b] += len(x.Native.Rules)
		default:
			n[b] += len(x.Chain.Rules)
		}
	}
	var parts []string
	for _, b := range append(rules.Holders[:], rules.Native) {
		if n[b] > 0 {
			parts = append(parts, fmt.Sprintf("%d in %s", n[b], b))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "none in " + (*s.narrow).String() + "; " + strings.Join(parts, ", ") + " (" + keys.Backend.Help().Key + ")"
}

// headOf is the quiet line over a chain's rules: where they stand, who made them, and when they are asked.
func headOf(x nft.Stop) string {
	var parts []string
	if x.Native != nil {
		parts = append(parts, x.Native.Table.String(), x.Native.Name)
		if o := x.Native.Owner(); o != "" {
			parts = append(parts, o)
		}
	} else {
		parts = append(parts, x.Variant.Backend.IPTables(), x.Table+" "+x.Chain.Name)
	}
	parts = append(parts, fmt.Sprintf("priority %d", x.Priority))
	if x.Native != nil && x.Native.Policy.Code == nft.Drop {
		parts = append(parts, "policy drop")
	}
	if x.Unordered {
		parts = append(parts, "order not known")
	}
	return strings.Join(parts, " · ")
}

// listWay lists what the packets of a pane come to.
func (s *rulesScreen) listWay(p *pane, words []string) {
	stops := s.stops(p.chain)
	heads := len(stops) > 1 || len(stops) == 1 && stops[0].Native != nil
	listed := map[rules.Variant]bool{}
	p.stops = len(stops)
	for _, x := range stops {
		key := "head " + headOf(x)
		before := len(p.items)
		if heads {
			p.items = append(p.items, ruleItem{key: key, chain: p.chain, note: headOf(x), head: true})
		}
		inside := len(p.items)
		if x.Native != nil {
			p.rules += len(x.Native.Rules)
			s.listNative(p, x.Native, key, 0, words)
		} else {
			p.rules += len(x.Chain.Rules)
			listed[x.Variant] = true
			s.listChain(p, x.Variant, p.chain, "", 0, words)
		}
		if len(p.items) == inside && len(words) > 0 {
			p.items = p.items[:before] // nothing there matches
		}
	}
	for _, b := range rules.Holders { // chains without rules may have some that are parked
		if at := (rules.Variant{Family: s.variant.Family, Backend: b}); !listed[at] && s.shows(b) {
			s.listChain(p, at, p.chain, "", 0, words)
		}
	}
}

// policyOf is the policy of a pane's chain, where it drops.
func (s *rulesScreen) policyOf(p *pane) string {
	if c := s.nativeChain(); c != nil {
		if c.IsBase() && c.Policy.Code == nft.Drop {
			return "policy drop"
		}
		return ""
	}
	for _, b := range rules.Holders {
		at := rules.Variant{Family: s.variant.Family, Backend: b}
		if c, ok := s.tables.Sets[at].Chain(s.table, p.chain); ok && c.Policy == "DROP" && s.shows(b) && (s.only == "" || at == s.variant) {
			return "policy DROP"
		}
	}
	return ""
}

// forwardLine tells what the chains at FORWARD do with packets that no rule has decided on; "" where nothing filters there.
func (s *rulesScreen) forwardLine(width int) string {
	if s.only != "" || s.table != "nat" {
		return ""
	}
	var parts []string
	drops := false
	for _, x := range nft.Stops(s.tables.Native, s.tables.Sets, s.variant.Family, "forward", false, nil) {
		switch {
		case x.Native != nil:
			drops = drops || x.Native.Policy.Code == nft.Drop
			parts = append(parts, x.Native.Policy.String()+" ("+text.Safe(x.Native.Table.Family.String()+" "+x.Native.Table.Name+" "+x.Native.Name)+")")
		case x.Table == "filter":
			where := x.Variant.Backend.IPTables()
			drops = drops || x.Chain.Policy == "DROP"
			if n := x.Chain.Counters; n.Known && n.Packets > 0 {
				where += ", " + text.Count(n.Packets) + map[bool]string{true: " packet", false: " packets"}[n.Packets == 1]
			}
			parts = append(parts, x.Chain.Policy+" ("+where+")")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	style := s.look.Faint
	if drops {
		style = s.look.Attention
	}
	return " " + s.look.Faint.Render("FORWARD ends with ") + style.Render(text.Fit(strings.Join(parts, ", "), max(1, width-22)))
}

// narrowTo shows one backend after the other, then all again.
func (s *rulesScreen) narrowTo() {
	var there []rules.Backend
	for _, b := range rules.Holders {
		if _, ok := s.tables.Sets[rules.Variant{Family: s.variant.Family, Backend: b}]; ok {
			there = append(there, b)
		}
	}
	if s.tables.Native != nil && slices.ContainsFunc(s.tables.Native.Tables, func(t *nft.Table) bool {
		return t.Meets(s.variant.Family) && !nft.Shown(t, s.tables.Sets)
	}) {
		there = append(there, rules.Native)
	}
	switch {
	case len(there) > 1:
	case s.variant.Backend == rules.Untold:
		s.refuse("this text does not tell which backend its rules are of")
		return
	default:
		s.turn(func(p rules.Variant) rules.Variant { p.Backend ^= 1; return p })
		return
	}
	next := 0
	if s.narrow != nil {
		next = slices.Index(there, *s.narrow) + 1
	}
	if next == len(there) {
		s.narrow = nil
		s.say("all backends are shown")
	} else {
		s.narrow = &there[next]
		s.say("only " + there[next].String() + " is shown; b shows the next backend")
		if there[next] != rules.Native {
			s.lookAt(rules.Variant{Family: s.variant.Family, Backend: there[next]})
		}
	}
	s.only, s.native, s.table = "", nativeChain{}, "nat"
	s.arrange()
}
