package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// Op is what a Change does.
type Op uint8

// The operations of a Change.
const (
	Insert      Op = iota // Rule comes to stand at At
	Delete                // Rule, which stands at At, goes
	Replace               // Old, which stands at At, becomes Rule; counters stay
	Move                  // Rule, which stands at At, comes to stand at To; counters stay
	SetPolicy             // of a built-in chain, from OldPolicy to Policy
	NewChain              // an empty chain of a person's own
	DeleteChain           // an empty chain of a person's own
)

// String is the operation in one word.
func (o Op) String() string {
	return [...]string{"insert", "delete", "replace", "move", "policy", "new-chain", "delete-chain"}[o]
}

// Change is one change to one table. It carries the rule by value and the place
// it expects it in, so that it conflicts rather than hit another rule when the
// table has changed in the meantime.
type Change struct {
	Op      Op
	Family  Family
	Backend Backend
	Table   string
	Chain   string
	// At is the rule's position in its chain, counted from 1. For Insert it is
	// where the rule comes to stand, and 0 means the end.
	At int `json:",omitempty"`
	// To is where a moved rule comes to stand, counted without its old place.
	To int `json:",omitempty"`
	// Rule is inserted, deleted, moved, or put in place of Old.
	Rule Rule `json:",omitzero"`
	// Old is what Replace expects.
	Old Rule `json:",omitzero"`
	// ByNumber is set for a Delete of a rule that has an equal one before it: a command that gave the
	// rule's specification would delete that one. See Named.
	ByNumber bool `json:",omitempty"`
	// Next is, for Insert, the line of the rule that is expected to be at At before the change, or
	// EndOfChain; "" does not check. Resolve sets it for an Insert at the end; the inverse of a deletion
	// leaves it empty.
	Next      string `json:",omitempty"`
	Policy    string `json:",omitempty"`
	OldPolicy string `json:",omitempty"`
	// Program is the name of the iptables program for showing the command, such
	// as ip6tables-legacy; "" is iptables or ip6tables.
	Program string `json:",omitempty"`
}

// Conflict is the error of a Change whose place is not as it expects.
type Conflict struct {
	Change Change
	// Want is what the change expected at its place, Found what stands there.
	// Elsewhere is the position at which the expected rule stands now; 0: nowhere.
	Want, Found string
	Elsewhere   int
}

// Error says what was expected and what stands there now.
func (c *Conflict) Error() string {
	where := fmt.Sprintf("%s %s", c.Change.Table, c.Change.Chain)
	if c.Change.At > 0 {
		where += " " + strconv.Itoa(c.Change.At)
	}
	found := c.Found
	if found == "" {
		found = "nothing"
	}
	at := ""
	if c.Elsewhere > 0 {
		at = fmt.Sprintf(", the rule is at %d now", c.Elsewhere)
	}
	// What may be long comes last. It is not quoted as Go would: the line has quotes of its own.
	return fmt.Sprintf("the table has changed%s; nothing was changed. %s is now: %s. It was expected to be: %s", at, where, found, c.Want)
}

// Inverse is the change that undoes this one, right after it. The rule keeps
// the counters it was deleted with.
func (c Change) Inverse() Change {
	inv := c
	switch c.Op {
	case Insert:
		inv.Op, inv.Next = Delete, ""
	case Delete:
		inv.Op = Insert
	case Replace:
		inv.Rule, inv.Old = c.Old, c.Rule
	case Move:
		inv.At, inv.To = c.To, c.At
	case SetPolicy:
		inv.Policy, inv.OldPolicy = c.OldPolicy, c.Policy
	case NewChain:
		inv.Op = DeleteChain
	case DeleteChain:
		inv.Op = NewChain
	}
	return inv
}

// Apply returns the set as it would be after the change, or a *Conflict. The
// set itself stays as it is. Insert with At 0 is resolved to the end; Resolve
// tells which position that is.
func (c Change) Apply(s *Ruleset) (*Ruleset, error) {
	q := NewSequence(s)
	if err := q.Apply(c); err != nil {
		return nil, err
	}
	return q.Now(), nil
}

// Resolve gives an Insert at the end its position, and notes that it is the end.
func (c Change) Resolve(s *Ruleset) Change {
	if c.Op == Insert && c.At == 0 {
		c.At, c.Next = 1, EndOfChain
		if ch, ok := s.Chain(c.Table, c.Chain); ok {
			c.At = len(ch.Rules) + 1
		}
	}
	return c
}

// Check reports whether the change fits the set: nil, or why not. What stands
// elsewhere than expected is a *Conflict.
func (c Change) Check(s *Ruleset) error {
	c = c.Resolve(s)
	if why, ok := s.Foreign[c.Table]; ok {
		return &ReadOnly{c.Family, c.Table, why}
	}
	ch, exists := s.Chain(c.Table, c.Chain)
	switch c.Op {
	case NewChain:
		if exists || IsBuiltIn(c.Table, c.Chain) {
			return &Conflict{Change: c, Want: "no chain", Found: "a chain of that name"}
		}
		return nil
	case DeleteChain:
		if !exists {
			return &Conflict{Change: c, Want: "an empty chain", Found: "no chain of that name"}
		}
		if len(ch.Rules) > 0 {
			return &Conflict{Change: c, Want: "an empty chain", Found: ch.Rules[0].String()}
		}
		return nil
	}
	if !exists && !IsBuiltIn(c.Table, c.Chain) {
		return &Conflict{Change: c, Want: "chain " + c.Chain, Found: "no chain of that name"}
	}
	var list []Rule
	policy := "ACCEPT"
	if exists {
		list, policy = ch.Rules, ch.Policy
	}
	switch c.Op {
	case Insert:
		return c.checkInsert(list)
	case Delete, Move:
		if err := c.expect(list, c.Rule); err != nil || c.Op == Delete {
			return err
		}
		if c.To < 1 || c.To > len(list) {
			return fmt.Errorf("position %d is outside %s, which has %s", c.To, c.Chain, Plural(len(list), "rule"))
		}
		return nil
	case Replace:
		return c.expect(list, c.Old)
	case SetPolicy:
		if policy != c.OldPolicy {
			return &Conflict{Change: c, Want: "policy " + c.OldPolicy, Found: "policy " + policy}
		}
	}
	return nil
}

func (c Change) checkInsert(list []Rule) error {
	if c.At < 1 || c.At > len(list)+1 {
		return &Conflict{Change: c, Want: "at least " + Plural(c.At-1, "rule"), Found: Plural(len(list), "rule")}
	}
	if c.Next == "" {
		return nil
	}
	found := ""
	if c.At <= len(list) {
		found = list[c.At-1].String()
	}
	if found == c.Next || c.Next == EndOfChain && found == "" {
		return nil
	}
	conflict := &Conflict{Change: c, Want: c.Next, Found: found}
	for i := range list {
		if list[i].String() == c.Next {
			conflict.Elsewhere = i + 1
			break
		}
	}
	return conflict
}

// EndOfChain stands in Change.Next for an insertion that expects to be last.
const EndOfChain = "(end)"

// expect checks that the rule stands at c.At.
func (c Change) expect(list []Rule, want Rule) error {
	if c.At >= 1 && c.At <= len(list) && list[c.At-1].Same(want) {
		return nil
	}
	conflict := &Conflict{Change: c, Want: want.String()}
	if c.At >= 1 && c.At <= len(list) {
		conflict.Found = list[c.At-1].String()
	}
	for i := range list {
		if list[i].Same(want) {
			conflict.Elsewhere = i + 1
			break
		}
	}
	return conflict
}

// ReadOnly is the error of a change to a table that holds more than iptables
// can see.
type ReadOnly struct {
	Family Family
	Table  string
	Why    string
}

// Error says what would be harmed.
func (e *ReadOnly) Error() string {
	return fmt.Sprintf("the %s table %s is read-only here: it contains %s, which iptables does not show and would destroy; change it with nft", e.Family.Title(), e.Table, e.Why)
}

// emptyTable is a table as it is before anybody used it.
func emptyTable(name string) Table { return Table{Name: name} }

// addChain puts a chain where iptables-save would print it: built-in ones first
// in the kernel's order, the others after them by name.
func (t *Table) addChain(c Chain) {
	rank := func(name string) int {
		if i := slices.Index(BuiltInChains[t.Name], name); i >= 0 {
			return i
		}
		return len(BuiltInChains[t.Name])
	}
	at := len(t.Chains)
	for i, other := range t.Chains {
		if rank(other.Name) > rank(c.Name) || rank(other.Name) == rank(c.Name) && other.Name > c.Name {
			at = i
			break
		}
	}
	t.Chains = slices.Insert(t.Chains, at, c)
}

// Args are the arguments of the iptables command that makes the change, without
// the program's name.
func (c Change) Args() []string {
	a := []string{"-t", c.Table}
	at := strconv.Itoa(c.At)
	spec, _ := c.Rule.Spec()
	switch c.Op {
	case Insert:
		if c.At == 0 || c.Next == EndOfChain {
			return append(append(a, "-A", c.Chain), spec...)
		}
		return append(append(a, "-I", c.Chain, at), spec...)
	case Delete:
		if c.ByNumber {
			return append(a, "-D", c.Chain, at)
		}
		return append(append(a, "-D", c.Chain), spec...)
	case Replace:
		return append(append(a, "-R", c.Chain, at), spec...)
	case Move:
		return append(append(a, "-I", c.Chain, strconv.Itoa(c.To)), spec...)
	case SetPolicy:
		return append(a, "-P", c.Chain, c.Policy)
	case NewChain:
		return append(a, "-N", c.Chain)
	default:
		return append(a, "-X", c.Chain)
	}
}

// Named is the change as its command has to name the rule in the set: a deletion goes by number where an
// equal rule stands before the one that it means.
func (c Change) Named(s *Ruleset) Change {
	ch, ok := s.Chain(c.Table, c.Chain)
	if c.Op != Delete || !ok || c.At < 1 || c.At > len(ch.Rules) {
		return c
	}
	c.ByNumber = slices.ContainsFunc(ch.Rules[:c.At-1], c.Rule.Same)
	return c
}

// Commands are the command lines that a person would type for the change, each
// as argv. Moving a rule takes two.
func (c Change) Commands() [][]string {
	program := c.Program
	if program == "" {
		program = c.Family.Command()
	}
	full := append([]string{program}, c.Args()...)
	if c.Op != Move {
		return [][]string{full}
	}
	return [][]string{{program, "-t", c.Table, "-D", c.Chain, strconv.Itoa(c.At)}, full}
}

// Sentence says the change in words.
func (c Change) Sentence() string {
	switch c.Op {
	case Insert:
		if c.At == 0 || c.Next == EndOfChain {
			return fmt.Sprintf("Add to the end of %s: %s", c.Chain, c.Rule.Sentence())
		}
		return fmt.Sprintf("Add as rule %d of %s: %s", c.At, c.Chain, c.Rule.Sentence())
	case Delete:
		return fmt.Sprintf("Delete rule %d of %s: %s", c.At, c.Chain, c.Rule.Sentence())
	case Replace:
		return fmt.Sprintf("Change rule %d of %s to: %s", c.At, c.Chain, c.Rule.Sentence())
	case Move:
		return fmt.Sprintf("Move rule %d of %s to position %d: %s", c.At, c.Chain, c.To, c.Rule.Sentence())
	case SetPolicy:
		return fmt.Sprintf("Set the policy of %s to %s (it was %s).", c.Chain, c.Policy, c.OldPolicy)
	case NewChain:
		return fmt.Sprintf("Create chain %s in table %s.", c.Chain, c.Table)
	default:
		return fmt.Sprintf("Delete the empty chain %s of table %s.", c.Chain, c.Table)
	}
}

// PolicyWord says what becomes of a packet by a policy: “dropped” for DROP, else “let through”.
func PolicyWord(p string) string {
	if p == "DROP" {
		return "dropped"
	}
	return "let through"
}

// MarshalJSON writes the rule as the line it is, counters in front.
func (r Rule) MarshalJSON() ([]byte, error) {
	line := r.String()
	if r.Counters.Known {
		line = fmt.Sprintf("[%d:%d] %s", r.Counters.Packets, r.Counters.Bytes, line)
	}
	return json.Marshal(line)
}

// UnmarshalJSON reads a rule from its line.
func (r *Rule) UnmarshalJSON(b []byte) error {
	var line string
	if err := json.Unmarshal(b, &line); err != nil {
		return err
	}
	parsed, err := Parse(line)
	if err == nil {
		*r = parsed
	}
	return err
}

// IsZero reports a rule that was never set.
func (r Rule) IsZero() bool { return r.Chain == "" }
