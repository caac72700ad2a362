package rules

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Ruleset is a snapshot of the tables of one family on one backend. It is
// immutable: changes make a new one.
type Ruleset struct {
	Family  Family
	Backend Backend
	Tables  []Table
	// Generation is the nft generation the snapshot belongs to; 0 where unknown.
	Generation uint32
	// Foreign names what stands in the kernel's tables and iptables cannot show:
	// native nft chains, sets or maps. Writing with iptables would destroy it, so
	// a table that has an entry here is read-only.
	Foreign map[string]string
	// Name is the program that people type for this set, such as
	// ip6tables-legacy; "" is the family's plain one.
	Name string
}

// Program is the iptables program that people type for the set.
func (s *Ruleset) Program() string {
	switch {
	case s == nil:
		return IPv4.Command()
	case s.Name == "":
		return s.Family.Command()
	}
	return s.Name
}

// Table is one table (nat, filter, raw, mangle, security) with its chains in
// the order iptables-save prints them.
type Table struct {
	Name   string
	Chains []Chain
	// Incarnation is a number that no other table of the name has had, also before a
	// reboot: handles mean nothing in another one. 0 where it was not asked for.
	Incarnation uint64
}

// Chain is a list of rules. A chain that the kernel calls has a policy; one
// that a person made has none.
type Chain struct {
	Name     string
	Policy   string // ACCEPT or DROP; "-" for a person's own chain
	Counters Counters
	Rules    []Rule
}

// BuiltIn reports whether the kernel itself calls the chain.
func (c Chain) BuiltIn() bool { return c.Policy != "-" && c.Policy != "" }

// Table returns the table of the name.
func (s *Ruleset) Table(name string) (*Table, bool) {
	if s == nil {
		return nil, false
	}
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i], true
		}
	}
	return nil, false
}

// Chain returns a chain of a table.
func (s *Ruleset) Chain(table, name string) (*Chain, bool) {
	t, ok := s.Table(table)
	if !ok {
		return nil, false
	}
	return t.Chain(name)
}

// JumpTo returns the first rule of a table that leads to a chain by -j or -g: as long as there is one, the
// kernel refuses to remove the chain.
func (s *Ruleset) JumpTo(table, chain string) (Rule, bool) {
	t, ok := s.Table(table)
	if !ok {
		return Rule{}, false
	}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			if r.Target.LeadsTo(chain) {
				return r, true
			}
		}
	}
	return Rule{}, false
}

// Chain returns the chain of the name.
func (t *Table) Chain(name string) (*Chain, bool) {
	for i := range t.Chains {
		if t.Chains[i].Name == name {
			return &t.Chains[i], true
		}
	}
	return nil, false
}

// Rules counts the rules of the table.
func (t *Table) Rules() int {
	n := 0
	for i := range t.Chains {
		n += len(t.Chains[i].Rules)
	}
	return n
}

// CountsLess tells that a rule that translates has met fewer packets than the one that stood there before: its counters were
// cleared, or it was added again. It is false without either set.
func (s *Ruleset) CountsLess(before *Ruleset) bool {
	now, ok := s.Table("nat")
	was, had := before.Table("nat")
	if !ok || !had || len(now.Chains) != len(was.Chains) {
		return false
	}
	for i := range now.Chains {
		for j := range now.Chains[i].Rules[:min(len(now.Chains[i].Rules), len(was.Chains[i].Rules))] {
			r, earlier := &now.Chains[i].Rules[j], &was.Chains[i].Rules[j]
			if r.Target.Kind.Translates() && r.Counters.Known && r.Counters.Packets < earlier.Counters.Packets {
				return true
			}
		}
	}
	return false
}

// BuiltInChains are the chains that the kernel calls in each table, in the order
// a packet meets them.
var BuiltInChains = map[string][]string{
	"nat":      {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"},
	"filter":   {"INPUT", "FORWARD", "OUTPUT"},
	"raw":      {"PREROUTING", "OUTPUT"},
	"mangle":   {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"},
	"security": {"INPUT", "FORWARD", "OUTPUT"},
}

// Priority is where among all chains of a hook the kernel calls a built-in chain of a backend (linux/netfilter_ipv4.h,
// enum nf_ip_hook_priorities; that of iptables-nft's table security is in iptables/nft.c).
func Priority(b Backend, table, chain string) int32 {
	switch table {
	case "raw":
		return -300
	case "mangle":
		return -150
	case "nat":
		if chain == "INPUT" || chain == "POSTROUTING" {
			return 100
		}
		return -100
	case "security":
		if b == NFT {
			return 150
		}
		return 50
	}
	return 0
}

// Shows tells whether the rule set tells all of a table that nf_tables holds, by nft's names of its family and itself.
func (s *Ruleset) Shows(family, table string) bool {
	_, there := s.Table(table)
	return there && s.Backend == NFT && s.Family.NFT() == family && BuiltInChains[table] != nil && s.Foreign[table] == ""
}

// IsBuiltIn reports whether the kernel calls the chain in that table.
func IsBuiltIn(table, chain string) bool {
	return slices.Contains(BuiltInChains[table], chain)
}

// Read parses the output of iptables-save (with or without -c) into a set of
// tables. Every rule is kept, understood or not. An error names the line that is
// no part of such output.
func Read(r io.Reader) ([]Table, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return Reread(string(text), nil)
}

// ReadMost is Read of a text in which lines may be that are no part of such output: they are left out, and named.
func ReadMost(text string) (tables []Table, left []error) {
	tables, _ = reread(text, nil, func(err error) error {
		left = append(left, err)
		return nil
	})
	return tables, left
}

// Reread is Read of a text where tables were read before: a line that stands where it stood then is not taken
// apart again.
func Reread(text string, before []Table) ([]Table, error) {
	return reread(text, before, func(err error) error { return err })
}

// reread asks, of each line that is no part of such output, with what error to end.
func reread(text string, before []Table, odd func(error) error) ([]Table, error) {
	var tables []Table
	var at map[string]int // chains of the current table by name
	var was map[string]*Chain
	var t *Table
	for n, line := range SavedLines(text) {
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '*':
			tables = append(tables, Table{Name: line[1:]})
			t, at, was = &tables[len(tables)-1], map[string]int{}, map[string]*Chain{}
			for i := range before {
				for j := range before[i].Chains {
					if before[i].Name == t.Name {
						was[before[i].Chains[j].Name] = &before[i].Chains[j]
					}
				}
			}
		case line == "COMMIT":
			t = nil
		case t == nil:
			if err := odd(fmt.Errorf("line %d: %q stands outside a table", n, line)); err != nil {
				return tables, err
			}
		case line[0] == ':':
			c, err := ParseChain(line)
			if err != nil {
				if err = odd(fmt.Errorf("line %d: %w", n, err)); err != nil {
					return tables, err
				}
				continue
			}
			at[c.Name] = len(t.Chains)
			t.Chains = append(t.Chains, c)
		default:
			if t.addAgain(line, at, was) {
				continue
			}
			if err := t.add(line, at, text); err != nil {
				if err = odd(fmt.Errorf("line %d: %w", n, err)); err != nil {
					return tables, err
				}
			}
		}
	}
	return tables, nil
}

// addAgain appends the rule of one line where it stood at the same place of its chain before.
func (t *Table) addAgain(line string, at map[string]int, was map[string]*Chain) bool {
	if len(was) == 0 {
		return false
	}
	spec, counters := line, Counters{}
	if line[0] == '[' {
		count, rest, ok := strings.Cut(line[1:], "] ")
		if !ok {
			return false
		}
		if counters, ok = ParseCounters(count); !ok {
			return false
		}
		spec = rest
	}
	name, ok := strings.CutPrefix(spec, "-A ")
	if !ok {
		return false
	}
	name, _, _ = strings.Cut(name, " ")
	i, declared := at[name]
	old := was[name]
	if !declared || old == nil || len(t.Chains[i].Rules) >= len(old.Rules) {
		return false
	}
	r := old.Rules[len(t.Chains[i].Rules)]
	if r.raw != spec {
		return false
	}
	r.Counters, r.Handle = counters, 0
	if t.Chains[i].Rules == nil {
		t.Chains[i].Rules = make([]Rule, 0, len(old.Rules)+1)
	}
	t.Chains[i].Rules = append(t.Chains[i].Rules, r)
	return true
}

// countFrom is how many rules a chain has before all its lines are counted: below, to grow costs less than to look.
const countFrom = 1024

// add appends the rule of one line of the text to its chain.
func (t *Table) add(line string, at map[string]int, text string) error {
	r, err := Parse(line)
	if err != nil {
		return err
	}
	i, ok := at[r.Chain]
	if !ok {
		return fmt.Errorf("%q: its chain %s was not declared", line, r.Chain)
	}
	c := &t.Chains[i]
	if len(c.Rules) == cap(c.Rules) && len(c.Rules) >= countFrom {
		c.Rules = slices.Grow(c.Rules, max(0, strings.Count(text, "-A "+r.Chain+" ")-len(c.Rules))+spare)
	}
	c.Rules = append(c.Rules, r)
	return nil
}

// ParseChain reads ":NAME POLICY [packets:bytes]".
func ParseChain(line string) (Chain, error) {
	f := strings.Fields(line[1:])
	if len(f) < 2 {
		return Chain{}, fmt.Errorf("%q: a chain is :NAME POLICY [PACKETS:BYTES]", line)
	}
	c := Chain{Name: f[0], Policy: f[1]}
	if len(f) > 2 {
		c.Counters, _ = ParseCounters(strings.Trim(f[2], "[]"))
	}
	return c, nil
}

// ParseCounters reads "packets:bytes".
func ParseCounters(s string) (Counters, bool) {
	p, b, ok := strings.Cut(s, ":")
	packets, err1 := strconv.ParseUint(p, 10, 64)
	bytes, err2 := strconv.ParseUint(b, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return Counters{}, false
	}
	return Counters{packets, bytes, true}, true
}

// Save prints the tables as iptables-save -c would, for comparing and for
// loading again.
func Save(w io.Writer, tables []Table) error {
	out := bufio.NewWriter(w)
	for _, t := range tables {
		fmt.Fprintf(out, "*%s\n", t.Name)
		for _, c := range t.Chains {
			fmt.Fprintf(out, ":%s %s [%d:%d]\n", c.Name, c.Policy, c.Counters.Packets, c.Counters.Bytes)
		}
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				if r.Counters.Known {
					fmt.Fprintf(out, "[%d:%d] ", r.Counters.Packets, r.Counters.Bytes)
				}
				fmt.Fprintln(out, r.String())
			}
		}
		fmt.Fprintln(out, "COMMIT")
	}
	return out.Flush()
}
