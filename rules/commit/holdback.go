package commit

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// This file holds back what would take packets away that a rule lets pass which could not be restored: a gateway that
// starts without the accept of its operator must not start with the DROP behind it.

// holding finds out, in one table, what stands behind rules that are left out.
type holding struct {
	r     *restoration
	table rules.Table
	// unmarked is set where a rule that marks packets is left out, in any table: what asks for marks is not met then.
	unmarked bool
	behind   map[string]bool // what walk has returned
	held     map[string]bool // lines
	open     map[string]bool // chains of the kernel's own at whose end something was left out before
}

// heldIn are the rules of a wanted table that are held back, by line, and the kernel's own chains whose policy is.
func (r *restoration) heldIn(t rules.Table) (lines, policies map[string]bool) {
	h := holding{r: r, table: t, unmarked: r.unmarked(), behind: map[string]bool{}, held: map[string]bool{}, open: map[string]bool{}}
	for _, c := range t.Chains {
		if rules.IsBuiltIn(t.Name, c.Name) {
			h.open[c.Name] = h.walk(c.Name, r.damaged || h.unplaced(c.Name), nil)
		}
	}
	// What only chains of other programs lead to is judged by itself.
	for _, c := range t.Chains {
		h.walk(c.Name, r.damaged, nil)
	}
	return h.held, h.open
}

// unmarked reports that a rule is left out that marks packets or connections.
func (r *restoration) unmarked() bool {
	for _, t := range r.wish.tables {
		for _, c := range t.Chains {
			if slices.ContainsFunc(c.Rules, func(x rules.Rule) bool {
				return (x.Target.Kind == rules.SetMark || x.Target.Kind == rules.SetConnMark) && r.left[t.Name+" "+x.String()]
			}) {
				return true
			}
		}
	}
	return false
}

// unplaced reports that what lets packets pass that come to a chain of the kernel's own belongs in a chain of ufw that is
// not there.
func (h *holding) unplaced(chain string) bool {
	for _, c := range h.table.Chains {
		if _, there := h.r.now.Chain(h.table.Name, c.Name); !there && rules.UserChain(c.Name) &&
			strings.HasSuffix(c.Name, "-"+strings.ToLower(chain)) && slices.ContainsFunc(c.Rules, lets) {
			return true
		}
	}
	return false
}

// walk goes through a chain as a packet does. missing says whether something that lets packets pass is left out before it,
// and is returned for behind it.
func (h *holding) walk(chain string, missing bool, way []string) bool {
	i := slices.IndexFunc(h.table.Chains, func(c rules.Chain) bool { return c.Name == chain })
	key := fmt.Sprint(chain, " ", missing)
	if known, ok := h.behind[key]; ok {
		return known
	}
	if i < 0 || slices.Contains(way, chain) {
		return missing
	}
	for _, rule := range h.table.Chains[i].Rules {
		line := rule.String()
		jumps := rule.Target.Kind == rules.Jump || rule.Target.Kind == rules.Goto
		switch {
		case h.r.left[h.table.Name+" "+line]:
			missing = missing || lets(rule) && !h.stands(rule)
		case takes(rule):
			if missing || h.unmarked && asksForMark(rule) {
				h.held[line] = true
			}
		case jumps && missing && h.takesNow(rule.Target.Name, nil):
			h.held[line] = true
		case jumps:
			missing = h.walk(rule.Target.Name, missing, append(way, chain))
		case h.unmarked && asksForMark(rule) && lets(rule):
			missing = true
		}
	}
	h.behind[key] = missing
	return missing
}

// stands reports whether a rule is there.
func (h *holding) stands(r rules.Rule) bool {
	now, there := h.r.now.Chain(h.table.Name, r.Chain)
	return there && slices.ContainsFunc(now.Rules, r.Same)
}

// takesNow reports whether a chain that is there takes packets away, itself or by those that it leads to.
func (h *holding) takesNow(chain string, way []string) bool {
	now, there := h.r.now.Chain(h.table.Name, chain)
	return there && !slices.Contains(way, chain) && slices.ContainsFunc(now.Rules, func(x rules.Rule) bool {
		return takes(x) || (x.Target.Kind == rules.Jump || x.Target.Kind == rules.Goto) && h.takesNow(x.Target.Name, append(way, chain))
	})
}

// takes reports whether a rule takes packets away from where they were going: a drop, or another destination.
func takes(r rules.Rule) bool {
	switch r.Target.Kind {
	case rules.Drop, rules.DNAT, rules.Redirect:
		return true
	case rules.Netmap:
		return r.Chain == "PREROUTING" || r.Chain == "OUTPUT"
	case rules.Other:
		return slices.Contains([]string{"REJECT", "TARPIT", "DELUDE", "CHAOS", "STEAL", "QUEUE", "NFQUEUE", "TPROXY", "SYNPROXY"}, r.Target.Name)
	}
	return false
}

// lets reports whether packets may have passed by a rule that those behind it would take away; for one that is not
// understood that is not known.
func lets(r rules.Rule) bool {
	switch r.Target.Kind {
	case rules.Drop, rules.NoTarget, rules.DNAT, rules.SNAT, rules.Masquerade, rules.Redirect, rules.Netmap:
		return false // a forward that is lost does not lose the others
	case rules.Other:
		return !slices.Contains([]string{"REJECT", "TARPIT", "LOG", "NFLOG", "TCPMSS", "CHECKSUM"}, r.Target.Name)
	}
	return true
}

func asksForMark(r rules.Rule) bool {
	return strings.Contains(r.String(), " --mark ")
}

// sayHeld notes what of a chain was held back.
func (r *restoration) sayHeld(table string, rule rules.Rule) {
	r.notes = append(r.notes, fmt.Sprintf("held back: table %s: %s (a rule before it that may be what lets you in could not be restored); when that is possible again, run  nattui restore", table, rule.String()))
}
