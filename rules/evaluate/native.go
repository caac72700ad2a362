package evaluate

import (
	"encoding/json"
	"fmt"
	"slices"

	"nattui/rules"
	"nattui/rules/nft"
)

// NativeProgram are the native tables of nft made ready for evaluating packets: rules reduced to operations on
// registers, sets to what is looked up. It is immutable and safe for concurrent use.
type NativeProgram struct {
	set     *nft.Ruleset
	tables  []*nativeTable
	bridged string       // see droppingBridged
	looping []*nft.Table // whose chains lead back to themselves, as no kernel has them
}

// Ruleset is what the program was made from; nil for a nil program.
func (n *NativeProgram) Ruleset() *nft.Ruleset {
	if n == nil {
		return nil
	}
	return n.set
}

// Text is a native rule or policy as nft lists it, after its table and chain; false where there is none of that place.
func (n *NativeProgram) Text(r RuleRef) (string, bool) {
	set := n.Ruleset()
	if r.Backend != rules.Native || set == nil {
		return "", false
	}
	for _, t := range set.Tables {
		if t.Family.String()+" "+t.Name != r.Table {
			continue
		}
		c := t.Chain(r.Chain)
		switch {
		case c == nil:
		case r.Position == 0:
			return "nft " + t.String() + ", chain " + c.Name + ": policy " + c.Policy.String(), true
		case r.Position <= len(c.Rules):
			return "nft " + t.String() + ", chain " + c.Name + ": " + c.Rules[r.Position-1].Text(c, set.Links), true
		}
	}
	return "", false
}

// MarshalJSON writes the tables.
func (n *NativeProgram) MarshalJSON() ([]byte, error) { return json.Marshal(n.set) }

// UnmarshalJSON reads the tables and compiles them.
func (n *NativeProgram) UnmarshalJSON(data []byte) error {
	set := new(nft.Ruleset)
	if err := json.Unmarshal(data, set); err != nil {
		return err
	}
	*n = *CompileNative(set)
	return nil
}

// nativeTable is a table with its chains and sets compiled, once for each family of packets.
type nativeTable struct {
	table  *nft.Table
	links  nft.Links
	sets   map[string]*nativeSet
	chains [2]map[string]*program // by rules.Family
	called [2][]*program          // those that the kernel calls
	tracks bool
	loops  bool
}

// nativeChain is the part of a program that a chain of native nft has.
type nativeChain struct {
	table *nativeTable
	chain *nft.Chain
	rules []nativeRule
	nat   bool // the kernel calls it where it translates

	tie    ties
	before stage // where it is called if it comes before the kernel's own step
}

// CompileNative makes the native tables ready for evaluating packets.
func CompileNative(set *nft.Ruleset) *NativeProgram {
	n := &NativeProgram{set: set}
	id := 0
	for _, t := range set.Tables {
		if t.Dormant || t.Unread || t.Family == nft.Bridge || t.Family == nft.ARP {
			continue
		}
		table := compileNativeTable(t, &id)
		if table.links = set.Links; table.loops {
			n.looping = append(n.looping, t)
		} else {
			n.tables = append(n.tables, table)
		}
	}
	n.findBridged()
	return n
}

func compileNativeTable(t *nft.Table, id *int) *nativeTable {
	n := &nativeTable{table: t, sets: map[string]*nativeSet{}}
	for _, s := range t.Sets {
		n.sets[s.Name] = compileSet(s)
	}
	n.findWritten()
	for _, f := range rules.Families {
		if !t.Meets(f) {
			continue
		}
		n.chains[f] = map[string]*program{}
		for _, c := range t.Chains {
			p := &program{id: *id, variant: rules.Variant{Family: f, Backend: rules.Native}, table: t.Family.String() + " " + t.Name, priority: c.Priority}
			p.native = &nativeChain{table: n, chain: c, nat: c.Type == "nat"}
			p.drops = c.IsBase() && c.Policy.Code == nft.Drop
			p.reroutes = c.Type == "route"
			*id++
			n.chains[f][c.Name] = p
			if c.IsBase() {
				n.called[f] = append(n.called[f], p)
			}
		}
		for _, c := range t.Chains {
			p := n.chains[f][c.Name]
			p.native.rules = make([]nativeRule, len(c.Rules))
			for i, r := range c.Rules {
				p.native.rules[i] = n.compileRule(f, r)
				n.tracks = n.tracks || p.native.rules[i].tracks
			}
		}
		marks := map[*program]uint8{}
		for _, c := range n.chains[f] {
			n.loops = n.loops || survey(c, marks)
		}
	}
	return n
}

// findWritten notes the sets that rules put packets' own data into: what is in them may change at any moment.
func (n *nativeTable) findWritten() {
	for _, c := range n.table.Chains {
		for _, r := range c.Rules {
			for _, e := range r.Exprs {
				if d, ok := e.(nft.Dynset); ok && n.sets[d.Set] != nil {
					n.sets[d.Set].written = true
				}
			}
		}
	}
}

// survey notes what a chain, with those that it leads to, can do, and tells whether it leads back to itself.
func survey(c *program, marks map[*program]uint8) (loops bool) {
	const underway, done = 1, 2
	if marks[c] != 0 {
		return marks[c] == underway
	}
	marks[c] = underway
	for i := range c.native.rules {
		r := &c.native.rules[i]
		c.alters, c.marksFlow = c.alters || r.alters, c.marksFlow || r.marksFlow
		for _, next := range r.leads {
			loops = survey(next, marks) || loops
			c.alters, c.marksFlow = c.alters || next.alters, c.marksFlow || next.marksFlow
		}
	}
	marks[c] = done
	return loops
}

// replaces reports whether a table of iptables is read as a native one, because it holds what iptables does not show.
func (n *NativeProgram) replaces(s *rules.Ruleset, table string) bool {
	if n == nil || s.Backend != rules.NFT || s.Foreign[table] == "" {
		return false
	}
	return slices.ContainsFunc(n.tables, func(t *nativeTable) bool {
		return t.table.Family.String() == s.Family.NFT() && t.table.Name == table
	})
}

// join puts the chains that a family's packets come to beside those of iptables.
func (n *NativeProgram) join(t *tables, f rules.Family) {
	for _, table := range n.looping {
		if table.Meets(f) {
			t.hidden = append(t.hidden, Doubt{What: table.String() + " has chains that lead back to themselves"})
			t.unseen = append(t.unseen, table.String())
		}
	}
	for _, table := range n.set.Tables {
		if table.Unread && table.Meets(f) && !shownByIPTables(table, t.programs) {
			t.hidden = append(t.hidden, Doubt{What: table.String() + " is too long to be evaluated without iptables-save"})
			t.unseen = append(t.unseen, table.String())
		}
	}
	for _, table := range n.tables {
		if !table.table.Meets(f) || shownByIPTables(table.table, t.programs) {
			continue
		}
		t.tracks = t.tracks || table.tracks
		for _, c := range table.called[f] {
			t.nat = t.nat || c.native.nat
			if s, ok := stageOf(c.native.chain); ok {
				t.hooks[s].chains = append(t.hooks[s].chains, c)
				if tie, after := tieOf(c.native.chain); tie != 0 {
					c.native.tie, c.native.before = tie, s
					t.hooks[s].tie |= tie
					t.hooks[after].chains = append(t.hooks[after].chains, c)
				}
			}
		}
	}
}

// divide collects where the rules of native tables tell a family's packets apart.
func (n *NativeProgram) divide(c *cuts) {
	if n == nil {
		return
	}
	for _, t := range n.tables {
		for _, chain := range t.chains[c.family] {
			for i := range chain.native.rules {
				for _, cut := range chain.native.rules[i].cuts {
					cut(c)
				}
			}
		}
	}
}

// shownByIPTables reports whether a table is one of iptables-nft that a program tells of.
func shownByIPTables(t *nft.Table, programs []*Program) bool {
	return slices.ContainsFunc(programs, func(p *Program) bool { return p.set.Shows(t.Family.String(), t.Name) })
}

// stageOf is where the kernel calls a chain. What is of type nat is called where the kernel translates, whatever its
// priority, which orders it among its like (nf_nat_register_fn in net/netfilter/nf_nat_core.c).
func stageOf(c *nft.Chain) (stage, bool) {
	if c.Type == "nat" {
		s, ok := map[string]stage{
			"prerouting": stageNATPrerouting, "input": stageNATInput, "output": stageNATOutput, "postrouting": stageNATPostrouting,
		}[c.Hook]
		return s, ok
	}
	for _, p := range filterStages[c.Hook] {
		if c.Priority <= p.until {
			return p.stage, true
		}
	}
	return 0, false
}

const lowest, highest = -1 << 31, 1<<31 - 1

// filterStages are the stages of chains that are not of type nat, by hook, each up to a priority. What has the very
// priority of the kernel's own step stands before it.
var filterStages = map[string][]struct {
	until int32
	stage stage
}{
	"ingress": {{highest, stageIngress}},
	"egress":  {{highest, stageEgress}},
	"prerouting": {
		{-301, stageEarlyPrerouting},
		{-300, stageRawPrerouting},
		{-200, stageAfterRawPrerouting},
		{-151, stageAfterTrackPrerouting},
		{-150, stageManglePrerouting},
		{-100, stageAfterManglePrerouting},
		{highest, stageLatePrerouting},
	},
	"input": {
		{-151, stageEarlyInput},
		{-150, stageMangleInput},
		{-1, stageAfterMangleInput},
		{0, stageFilterInput},
		{49, stageAfterFilterInput},
		{50, stageSecurityInput},
		{100, stageAfterSecurityInput},
		{highest, stageLateInput},
	},
	"forward": {
		{-151, stageEarlyForward},
		{-150, stageMangleForward},
		{-1, stageAfterMangleForward},
		{0, stageFilterForward},
		{49, stageAfterFilterForward},
		{50, stageSecurityForward},
		{highest, stageLateForward},
	},
	"output": {
		{-301, stageEarlyOutput},
		{-300, stageRawOutput},
		{-200, stageAfterRawOutput},
		{-151, stageAfterTrackOutput},
		{-150, stageMangleOutput},
		{-100, stageAfterMangleOutput},
		{-1, stageAfterNATOutput},
		{0, stageFilterOutput},
		{49, stageAfterFilterOutput},
		{50, stageSecurityOutput},
		{highest, stageLateOutput},
	},
	"postrouting": {{-151, stageEarlyPostrouting}, {-150, stageManglePostrouting}, {100, stageAfterManglePostrouting}, {highest, stageLatePostrouting}},
}

// ties are places where a chain may have the very priority at which the kernel itself tracks or translates. Which of the
// two comes first depends on which was made last, and nobody can read that.
type ties uint8

// The ties.
const (
	trackPreroutingTie ties = 1 << iota
	natPreroutingTie
	trackOutputTie
	natOutputTie
	natInputTie
	natPostroutingTie
)

// tieOf is the tie of a chain that is not of type nat, with the stage after the kernel's own step; 0 if it has none.
func tieOf(c *nft.Chain) (ties, stage) {
	switch {
	case c.Type == "nat":
	case c.Hook == "prerouting" && c.Priority == -200:
		return trackPreroutingTie, stageAfterTrackPrerouting
	case c.Hook == "prerouting" && c.Priority == -100:
		return natPreroutingTie, stageLatePrerouting
	case c.Hook == "output" && c.Priority == -200:
		return trackOutputTie, stageAfterTrackOutput
	case c.Hook == "output" && c.Priority == -100:
		return natOutputTie, stageAfterNATOutput
	case c.Hook == "input" && c.Priority == 100:
		return natInputTie, stageLateInput
	case c.Hook == "postrouting" && c.Priority == 100:
		return natPostroutingTie, stageLatePostrouting
	}
	return 0, 0
}

// calledChains are the chains that the kernel calls at a stage, in its order. Where chains of equal priority come in an
// order that nobody can read and that matters, open says so, and orders has all that are possible, or the first of them
// and more is set.
type calledChains struct {
	chains []*program
	orders [][]*program
	open   string
	more   bool
	tie    ties // of its chains, which come here or after the kernel's own step
}

// maxOrders is up to how many orders of chains are followed each by itself.
const maxOrders = 24

// arrange puts the chains in order.
func (c *calledChains) arrange(s stage) {
	slices.SortStableFunc(c.chains, func(a, b *program) int {
		return nft.Order(a.priority, b.priority, a.nativeChain(), b.nativeChain())
	})
	c.orders = [][]*program{nil}
	for from := 0; from < len(c.chains); {
		to := from + 1
		for to < len(c.chains) && c.chains[to].priority == c.chains[from].priority {
			to++
		}
		group := c.chains[from:to]
		ways := [][]*program{group}
		if open := openOrder(group, s.isNAT()); open != "" {
			c.open, ways = open, ordersOf(group)
		}
		c.multiply(ways)
		from = to
	}
}

// marksFlow reports whether one of the chains can write a connection's mark.
func (c *calledChains) marksFlow() bool {
	return slices.ContainsFunc(c.chains, func(p *program) bool { return p.marksFlow })
}

func sameTable(a, b *program) bool { return nft.Ordered(a.nativeChain(), b.nativeChain()) }

// nativeChain is the chain of native nft that the program is made from; nil where it is of iptables.
func (c *program) nativeChain() *nft.Chain {
	if c.native == nil {
		return nil
	}
	return c.native.chain
}

// multiply puts each of several orders of the next chains behind each of those before.
func (c *calledChains) multiply(ways [][]*program) {
	var all [][]*program
	for _, before := range c.orders {
		for _, way := range ways {
			if len(all) == maxOrders {
				c.more = true
				break
			}
			all = append(all, append(slices.Clone(before), way...))
		}
	}
	c.orders = all
}

// ordersOf are the orders in which chains may come, those of one table as they stand.
func ordersOf(group []*program) [][]*program {
	if len(group) == 1 {
		return [][]*program{group}
	}
	var all [][]*program
	for i, first := range group {
		if slices.ContainsFunc(group[:i], func(p *program) bool { return sameTable(p, first) }) {
			continue // one of its table comes before
		}
		rest := slices.Delete(slices.Clone(group), i, i+1)
		for _, way := range ordersOf(rest) {
			if len(all) > maxOrders {
				return all
			}
			all = append(all, append([]*program{first}, way...))
		}
	}
	return all
}

// openOrder says which chains of one priority may answer differently in another order than the one they stand in; "" if
// none do, or the order is known.
func openOrder(group []*program, nat bool) string {
	busy, alters, oneTable := 0, nat, true
	for _, c := range group {
		if c.length() > 0 || c.drops {
			busy++
		}
		alters = alters || c.alters
		oneTable = oneTable && sameTable(c, group[0])
	}
	if busy < 2 || !alters || oneTable {
		return ""
	}
	if i := slices.IndexFunc(group, func(c *program) bool { return c.native != nil }); i >= 0 {
		names := ""
		for i, c := range group {
			if i > 0 {
				names += " and "
			}
			names += c.name()
		}
		return fmt.Sprintf("%s have the same priority, %d; which comes first depends on which was made last", names, group[0].priority)
	}
	return "both backends have " + group[0].table + " rules in " + group[0].chain.Name + "; which come first depends on which were loaded first"
}

// name is a chain as people name it: nat PREROUTING of iptables-nft, inet fw4 dstnat.
func (c *program) name() string {
	if c.native != nil {
		return c.table + " " + c.native.chain.Name
	}
	of := " of iptables"
	if c.variant.Backend != rules.Untold {
		of += "-" + c.variant.Backend.String()
	}
	return c.table + " " + c.chain.Name + of
}

// hears reports whether the chain is called for what passes the interface that the packet is at.
func (c *program) hears(st *state) bool {
	switch {
	case c.native == nil:
		return true
	case c.native.tie != 0:
		return (st.late&c.native.tie == 0) == (st.stage == c.native.before)
	case st.stage != stageIngress && st.stage != stageEgress:
		return true
	}
	name := st.in
	if st.stage == stageEgress {
		name = st.leave
	}
	return slices.Contains(c.native.chain.Devices, name)
}
