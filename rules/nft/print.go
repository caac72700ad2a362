package nft

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Print stands for what the kernel holds of a rule of the table: its expressions, with the content of the sets that have no
// name, and its comment; not what it has counted. Two rules of the same print do the same.
func (r *Rule) Print(t *Table) string {
	var b strings.Builder
	for _, e := range r.Exprs {
		b.WriteString(still(e).String())
		b.WriteByte('\n')
		if u, ok := e.(Unknown); ok && u.Name != "last" { // which has the time of the last packet
			fmt.Fprintf(&b, "%x\n", u.Raw)
		}
	}
	text := b.String()
	for _, e := range r.Exprs {
		l, ok := e.(Lookup)
		if s := t.Set(l.Set); ok && s != nil && s.Flags&SetAnonymous != 0 {
			text = strings.ReplaceAll(text, " set "+s.Name+" ", " set { "+s.content()+" } ")
		}
	}
	sum := sha256.Sum256([]byte(text + r.Comment))
	return hex.EncodeToString(sum[:12])
}

// still is an expression without what packets change in it.
func still(e Expr) Expr {
	switch e := e.(type) {
	case Counter:
		return Counter{}
	case Quota:
		e.Used = 0
		return e
	}
	return e
}

// content is what is in a set, in an order of its own: the kernel's differs from one set to the next.
func (s *Set) content() string {
	var all []string
	for _, e := range s.Elements {
		all = append(all, e.print())
	}
	slices.Sort(all)
	return fmt.Sprintf("%d %d %d %d: ", s.KeyType, s.DataType, s.KeyLen, s.DataLen) + strings.Join(all, ", ")
}

// print is all of an element but what time and packets change.
func (e Element) print() string {
	text := fmt.Sprintf("%x-%x end %t all %t: %x %s %d %q", e.Key, e.KeyEnd, e.End, e.CatchAll, e.Data, e.Object, e.Timeout, e.Comment)
	if e.Verdict != nil {
		text += " " + e.Verdict.String()
	}
	return text
}

// Print stands for what the kernel holds of a table: two tables of the same print do the same, whatever their handles are.
func (t *Table) Print() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s dormant %t\n", t, t.Dormant)
	chains := slices.SortedFunc(slices.Values(t.Chains), func(a, b *Chain) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range chains {
		fmt.Fprintf(&b, "chain %s\n", c.definition())
		for _, r := range c.Rules {
			b.WriteString(r.Print(t) + "\n")
		}
	}
	var sets []string
	for _, s := range t.Sets {
		if s.Flags&SetAnonymous == 0 {
			sets = append(sets, fmt.Sprintf("set %s %s\n", s.definition(), s.content()))
		}
	}
	for _, o := range t.Objects {
		sets = append(sets, fmt.Sprintf("object %d %s\n", o.Kind, o.Name))
	}
	for _, f := range t.Flowtables {
		sets = append(sets, fmt.Sprintf("flowtable %s %s %d %v\n", f.Name, f.Hook, f.Priority, f.Devices))
	}
	slices.Sort(sets)
	return b.String() + strings.Join(sets, "")
}

// definition is what a chain is made as.
func (c *Chain) definition() string {
	return fmt.Sprintf("%s %s %s %d %v %s", c.Name, c.Hook, c.Type, c.Priority, c.Devices, c.Policy)
}

// definition is what a set is made as.
func (s *Set) definition() string {
	return fmt.Sprintf("%s %d %d/%d %d/%d %t %v %d", s.Name, s.Flags, s.KeyType, s.KeyLen, s.DataType, s.DataLen, s.HostKeys, s.Fields, s.ObjectType)
}
