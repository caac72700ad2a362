package nft

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Family is the kind of packets that a table is for.
type Family uint8

// The families (enum nfproto).
const (
	INet   Family = 1
	IPv4   Family = 2
	ARP    Family = 3
	Netdev Family = 5
	Bridge Family = 7
	IPv6   Family = 10
)

var familyNames = map[Family]string{INet: "inet", IPv4: "ip", ARP: "arp", Netdev: "netdev", Bridge: "bridge", IPv6: "ip6"}

// String is the family as nft names it.
func (f Family) String() string {
	if name, ok := familyNames[f]; ok {
		return name
	}
	return fmt.Sprintf("family %d", uint8(f))
}

// Ruleset is all native tables of a network namespace at one generation.
type Ruleset struct {
	Generation uint32
	Tables     []*Table
	// Links are the interfaces when it was read, for rules that name them by number.
	Links Links
}

// Table holds chains and sets of one family.
type Table struct {
	Family Family
	Name   string
	Handle uint64
	// Dormant tables are listed and not in force; Owned ones go with the program that made them.
	Dormant, Owned bool
	// Unread tables are those of iptables that are too long to be read twice: their chains stand here without rules.
	Unread     bool `json:",omitempty"`
	Chains     []*Chain
	Sets       []*Set
	Objects    []*Object
	Flowtables []*Flowtable

	index *index // of chains and sets, where there are many
}

// Object is a counter, quota, limit, helper … that has a name and is used by rules.
type Object struct {
	Table  *Table `json:"-"`
	Name   string
	Kind   uint32 // NFT_OBJECT_*
	Handle uint64
	// Counter is what a counter has counted, or Bytes of it a quota.
	Counter Counter
}

// Flowtable has connections pass beside the rules, from where they enter its devices.
type Flowtable struct {
	Table    *Table `json:"-"`
	Name     string
	Handle   uint64
	Hook     string
	Priority int32
	Devices  []string
}

// String is the table as nft names it: table inet filter.
func (t *Table) String() string { return "table " + t.Family.String() + " " + t.Name }

// Chain is a list of rules. The kernel calls base chains itself; others are jumped to.
type Chain struct {
	Table  *Table `json:"-"`
	Name   string
	Handle uint64
	// Hook is where the kernel calls it, as nft names it; "" for a chain that rules jump to. Type is filter, nat or
	// route, Priority orders the chains of a hook, Devices are those of a netdev chain.
	Hook, Type string
	Priority   int32
	Devices    []string
	// Policy is Accept or Drop, for a base chain.
	Policy Verdict
	Rules  []*Rule
}

// IsBase tells whether the kernel calls the chain.
func (c *Chain) IsBase() bool { return c.Hook != "" }

// Rule is a list of expressions, of which each may end it.
type Rule struct {
	Handle  uint64
	Exprs   Exprs
	Comment string
	// Listed is the rule's text, comment included, as the program nft prints it; "" where that was not asked.
	Listed string
}

// RuleKey names a rule as long as it is there.
type RuleKey struct {
	Family Family
	Table  string
	Handle uint64
}

// Key is the name of a rule of the chain.
func (c *Chain) Key(r *Rule) RuleKey { return RuleKey{c.Table.Family, c.Table.Name, r.Handle} }

// Counter is what the rule has counted itself; false where it has no counter of its own.
func (r *Rule) Counter() (Counter, bool) {
	for _, e := range r.Exprs {
		if c, ok := e.(Counter); ok {
			return c, true
		}
	}
	return Counter{}, false
}

// Program prints the rule's expressions as nft --debug=netlink does, one a line.
func (r *Rule) Program() string {
	var b strings.Builder
	for _, e := range r.Exprs {
		b.WriteString("  [ " + e.String() + " ]\n")
	}
	return b.String()
}

// Set is a set, a map or a verdict map.
type Set struct {
	Table  *Table `json:"-"`
	Name   string
	Handle uint64
	ID     uint32
	Flags  SetFlags
	// KeyLen and DataLen are the sizes of a key and of a map's value, in bytes.
	KeyLen, DataLen uint32
	// KeyType and DataType are nft's numbers of the types, which the kernel keeps for it.
	KeyType, DataType uint32
	// HostKeys is set where nft has noted that keys are numbers as the machine keeps them, such as numgen makes.
	HostKeys bool `json:",omitempty"`
	// Fields are the sizes in bytes of what a concatenated key is made of, each of which begins at a multiple of four;
	// empty where the kernel does not say, as of sets without intervals.
	Fields []uint32
	// ObjectType is the kind of the objects that a map of objects has (NFT_OBJECT_*).
	ObjectType uint32
	Elements   []Element
}

// SetFlags are the properties of a set (enum nft_set_flags).
type SetFlags uint32

// The flags.
const (
	SetAnonymous SetFlags = 1 << iota
	SetConstant
	SetInterval
	SetMap
	SetTimeout
	SetEval
	SetObject
	SetConcat
	SetExpr
)

// Element is a member of a set, with its value in a map.
type Element struct {
	Key []byte
	// KeyEnd is the other end of an interval of concatenated keys; nil: a single key. Other intervals are two
	// elements, the second of which has End.
	KeyEnd []byte
	End    bool
	// CatchAll stands for whatever is not in the set.
	CatchAll bool
	Data     []byte   // of a map
	Verdict  *Verdict // of a verdict map
	Object   string   // of a map of objects
	// Timeout and Expires are in milliseconds, 0 where there is none.
	Timeout, Expires uint64
	Comment          string
	Counter          *Counter // nil: it counts nothing
}

// Object finds an object by its kind and name; nil where there is none.
func (t *Table) Object(kind uint32, name string) *Object {
	for _, o := range t.Objects {
		if o.Kind == kind && o.Name == name {
			return o
		}
	}
	return nil
}

// WithCounters is the ruleset with other counters of some rules. Tables without any of these are shared.
func (s *Ruleset) WithCounters(now map[RuleKey]Counter) *Ruleset {
	next := *s
	next.Tables = slices.Clone(s.Tables)
	for i, t := range s.Tables {
		if slices.ContainsFunc(t.Chains, func(c *Chain) bool { return c.anyOf(now) }) {
			next.Tables[i] = t.withCounters(now)
		}
	}
	return &next
}

func (c *Chain) anyOf(now map[RuleKey]Counter) bool {
	return slices.ContainsFunc(c.Rules, func(r *Rule) bool { _, ok := now[c.Key(r)]; return ok })
}

// With is the ruleset with another key in one of its sets. Tables without that set are shared.
func (s *Ruleset) With(set *Set, key []byte) *Ruleset {
	next := *s
	next.Tables = slices.Clone(s.Tables)
	if i := slices.Index(s.Tables, set.Table); i >= 0 {
		next.Tables[i] = set.Table.copied()
		next.Tables[i].Sets[slices.Index(set.Table.Sets, set)].add(key)
	}
	return &next
}

// add puts a key into a set of the ruleset's own. In a set of intervals it ends before the next value.
func (s *Set) add(key []byte) {
	s.Elements = append(slices.Clip(s.Elements), Element{Key: key})
	if s.Flags&SetInterval == 0 || len(s.Fields) > 1 {
		return
	}
	if next := after(key); next != nil {
		s.Elements = append(s.Elements, Element{Key: next, End: true})
	}
}

// copied is a table that may be changed, with chains and sets of its own.
func (t *Table) copied() *Table {
	next := *t
	next.Chains, next.Sets = slices.Clone(t.Chains), slices.Clone(t.Sets)
	for i, set := range t.Sets {
		s := *set
		s.Table = &next
		next.Sets[i] = &s
	}
	for i, chain := range t.Chains {
		c := *chain
		c.Table = &next
		next.Chains[i] = &c
	}
	if next.index = nil; t.index != nil {
		next.makeIndex()
	}
	return &next
}

func (t *Table) withCounters(now map[RuleKey]Counter) *Table {
	next := t.copied()
	for _, c := range next.Chains {
		c.Rules = slices.Clone(c.Rules)
		for j, rule := range c.Rules {
			if n, ok := now[c.Key(rule)]; ok {
				r := *rule
				r.Exprs, r.Listed = slices.Clone(rule.Exprs), n.within(rule.Listed)
				r.Exprs[slices.IndexFunc(r.Exprs, isCounter)] = n
				c.Rules[j] = &r
			}
		}
	}
	return next
}

func isCounter(e Expr) bool { _, ok := e.(Counter); return ok }

var counted = regexp.MustCompile(`counter packets \d+ bytes \d+`)

// within is a rule's text with the counter as it is now.
func (e Counter) within(text string) string {
	done := false
	return counted.ReplaceAllStringFunc(text, func(old string) string {
		if done {
			return old
		}
		done = true
		return fmt.Sprintf("counter packets %d bytes %d", e.Packets, e.Bytes)
	})
}

// Uncounted is a rule's text without what it has counted.
func Uncounted(text string) string { return counted.ReplaceAllString(text, "counter") }
