package metrics

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// Rule is what is told of a rule. Rules that are equal, in one chain, are one: nothing tells their series apart that
// stays when rules come and go before them.
type Rule struct {
	Family, Backend, Table, Chain, Owner, Comment string
	// ID is made of everything that makes the rule but its position, and so stays the same for as long as the rule does.
	ID string
	// Counted tells whether the kernel counts for it.
	Counted        bool
	Packets, Bytes uint64

	places []evaluate.RuleRef
	// ports are those that a rule with SNAT or MASQUERADE gives; none: any.
	ports []rules.Ports
}

// placeOf is a rule's place without what differs between looks at it: one rule of an inet table is for both families,
// and goes by its handle.
func placeOf(r evaluate.RuleRef) evaluate.RuleRef {
	if r.Backend == rules.Native {
		r.Family, r.Position = 0, 0
	}
	return r
}

// idOf is the stable name of a rule.
func idOf(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return hex.EncodeToString(sum[:6])
}

// RulesOf are the rules of the named tables (nat, filter …) of all variants, and those of native chains of type nat.
// native may be nil.
func RulesOf(sets map[rules.Variant]*rules.Ruleset, native *nft.Ruleset, tables []string) []Rule {
	var list ruleList
	for _, family := range rules.Families {
		for _, backend := range rules.Backends {
			if set := sets[rules.Variant{Family: family, Backend: backend}]; set != nil {
				list.addSet(set, rules.OwnersIn(set, nil), tables)
			}
		}
	}
	if native != nil {
		list.addNative(native, sets)
	}
	// The administrator's own first: where there are more than may be told, those of programs are left out.
	slices.SortStableFunc(list.rules, func(a, b Rule) int { return cmp.Compare(min(len(a.Owner), 1), min(len(b.Owner), 1)) })
	return list.rules
}

// IDs tells the ID of the rule at a place, as an explanation names it; false where there is none.
func IDs(list []Rule) func(evaluate.RuleRef) (string, bool) {
	known := map[evaluate.RuleRef]string{}
	for i := range list {
		for _, place := range list[i].places {
			known[place] = list[i].ID
		}
	}
	return func(r evaluate.RuleRef) (string, bool) {
		id, ok := known[placeOf(r)]
		return id, ok
	}
}

// ruleList gathers rules, equal ones as one.
type ruleList struct {
	rules []Rule
	known map[string]int
}

func (l *ruleList) add(r Rule) {
	if at, ok := l.known[r.ID]; ok {
		same := &l.rules[at]
		same.Packets, same.Bytes, same.Counted = same.Packets+r.Packets, same.Bytes+r.Bytes, same.Counted && r.Counted
		same.places = append(same.places, r.places...)
		return
	}
	if l.known == nil {
		l.known = map[string]int{}
	}
	l.known[r.ID] = len(l.rules)
	l.rules = append(l.rules, r)
}

func (l *ruleList) addSet(set *rules.Ruleset, owners rules.Owners, tables []string) {
	variant := rules.Variant{Family: set.Family, Backend: set.Backend}
	for t := range set.Tables {
		table := &set.Tables[t]
		if !slices.Contains(tables, table.Name) {
			continue
		}
		for c := range table.Chains {
			chain := &table.Chains[c]
			for i := range chain.Rules {
				r := &chain.Rules[i]
				line := r.InChain(chain.Name).String()
				told := Rule{
					Family: set.Family.String(), Backend: set.Backend.String(), Table: table.Name, Chain: chain.Name,
					Owner: owners.Of(table.Name, *r), Comment: r.Comment(), Counted: r.Counters.Known, Packets: r.Counters.Packets, Bytes: r.Counters.Bytes,
					ID:     idOf(set.Family.String(), set.Backend.String(), table.Name, line),
					places: []evaluate.RuleRef{{Variant: variant, Table: table.Name, Chain: chain.Name, Position: i + 1}},
				}
				if k := r.Target.Kind; r.Target.To.HasPorts && (k == rules.SNAT || k == rules.Masquerade) {
					told.ports = []rules.Ports{r.Target.To.Ports}
				}
				l.add(told)
			}
		}
	}
}

// addNative adds the chains of type nat, and those that they lead to.
func (l *ruleList) addNative(set *nft.Ruleset, sets map[rules.Variant]*rules.Ruleset) {
	seen := map[*nft.Chain]bool{}
	for _, t := range set.Tables {
		if nft.Shown(t, sets) {
			continue
		}
		for _, base := range t.Chains {
			if !base.IsBase() || base.Type != "nat" {
				continue
			}
			for _, c := range append([]*nft.Chain{base}, base.Led()...) {
				if !seen[c] {
					l.addChain(c, set.Links)
				}
				seen[c] = true
			}
		}
	}
}

func (l *ruleList) addChain(c *nft.Chain, links nft.Links) {
	family := c.Table.Family.String()
	switch c.Table.Family {
	case nft.IPv4:
		family = rules.IPv4.String()
	case nft.IPv6:
		family = rules.IPv6.String()
	}
	table := c.Table.Family.String() + " " + c.Table.Name
	for _, r := range c.Rules {
		text := r.Read(c, links).Text()
		told := Rule{
			Family: family, Backend: rules.Native.String(), Table: c.Table.Name, Chain: c.Name, Owner: r.Owner(c), Comment: r.Comment,
			ID:     idOf(family, rules.Native.String(), c.Table.Name, c.Name, text, r.Comment),
			places: []evaluate.RuleRef{{Variant: rules.Variant{Backend: rules.Native}, Table: table, Chain: c.Name, Handle: r.Handle}},
		}
		var n nft.Counter
		if n, told.Counted = r.Counted(c.Table); told.Counted {
			told.Packets, told.Bytes = n.Packets, n.Bytes
		}
		l.add(told)
	}
}
