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
	var all []string
	for _, e := range r.Exprs {
		all = append(all, printed(e))
	}
	return r.print(t, all)
}

// printed is an expression without what packets change in it.
func printed(e Expr) string {
	text := still(e).String() + "\n"
	if u, ok := e.(Unknown); ok && u.Name != "last" { // which has the time of the last packet
		text += fmt.Sprintf("%x\n", u.Raw)
	}
	return text
}

// Is tells whether a print stands for the rule: that of what the kernel holds of it, or of its sense.
func (r *Rule) Is(print string, t *Table) bool { return print == r.Print(t) || print == r.Sense(t) }

// Sense is Print, whatever the order of conditions that follow one another and however often each is there: they are pure, so
// that it makes no difference. Nor does it where the protocol of an IPv4 packet is taken from: of its header, as nft reads
// ip protocol tcp, or from what the kernel has noted of that (nft_set_pktinfo_ipv4), as it reads tcp dport 22 alone, which
// it prints for both.
func (r *Rule) Sense(t *Table) string {
	var all, conditions []string
	begun := ""
	settle := func() {
		slices.Sort(conditions)
		all, conditions = append(all, slices.Compact(conditions)...), nil
	}
	for _, e := range r.Exprs {
		switch text := printed(protocolOf(e, t)); {
		case decides(e) && begun == "" && len(conditions) > 0:
			conditions[len(conditions)-1] += text // of the value that was loaded before, as the other end of a range
		case decides(e):
			conditions, begun = append(conditions, begun+text), ""
		case loads(e):
			begun += text
		default: // a statement, or what changes when it is asked
			settle()
			all, begun = append(all, begun+text), ""
		}
	}
	settle()
	return r.print(t, append(all, begun))
}

// protocolOf is an expression that loads the protocol out of the IPv4 header as one that asks for it; others are as they are.
func protocolOf(e Expr, t *Table) Expr {
	if p, ok := e.(Payload); ok && t.Family == IPv4 && p.Base == NetworkHeader && p.Offset == 9 && p.Len == 1 {
		return Meta{Key: "l4proto", Reg: p.Into}
	}
	return e
}

// decides tells whether an expression ends the rule by what is in a register alone.
func decides(e Expr) bool {
	switch e := e.(type) {
	case Cmp, Range:
		return true
	case Lookup:
		return !e.Map
	}
	return false
}

// loads tells whether an expression does nothing but put something into a register.
func loads(e Expr) bool {
	switch e := e.(type) {
	case Payload, Bitwise, ByteOrder, Rt, Socket, Fib, Xfrm, Lookup:
		return true
	case Meta:
		return !e.Set
	case CT:
		return !e.Set
	case Exthdr:
		return !e.Set
	}
	return false
}

func (r *Rule) print(t *Table, lines []string) string {
	text := strings.Join(lines, "")
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

// Print stands for what the kernel holds of a set: two sets of the same print answer alike.
func (s *Set) Print() string { return s.definition() + " " + s.content() }

// holds is what is in a set, by its entries: the kernel keeps ends of intervals that are gone, and those between neighbours
// may be there or not.
func (s *Set) holds() string {
	var all []string
	for _, e := range s.Entries(nil) {
		all = append(all, fmt.Sprintf("%q %q", e.Text(), e.Element.Object))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
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
func (t *Table) Print() string { return t.print((*Rule).Print) }

// Sense is Print, by the sense of its rules.
func (t *Table) Sense() string { return t.print((*Rule).Sense) }

func (t *Table) print(of func(*Rule, *Table) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s dormant %t\n", t, t.Dormant)
	chains := slices.SortedFunc(slices.Values(t.Chains), func(a, b *Chain) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range chains {
		fmt.Fprintf(&b, "chain %s\n", c.definition())
		for _, r := range c.Rules {
			b.WriteString(of(r, t) + "\n")
		}
	}
	var sets []string
	for _, s := range t.Sets {
		if s.Flags&SetAnonymous == 0 {
			sets = append(sets, fmt.Sprintf("set %s %s\n", s.definition(), s.holds()))
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
func (c *Chain) definition() string { return c.asked() + " " + c.Policy.String() }

// asked is a chain's definition but for its policy, which alone can be another one later.
func (c *Chain) asked() string {
	return fmt.Sprintf("%s %s %s %d %v", c.Name, c.Hook, c.Type, c.Priority, c.Devices)
}

// definition is what a set is made as.
func (s *Set) definition() string {
	return fmt.Sprintf("%s %d %d/%d %d/%d %t %v %d", s.Name, s.Flags, s.KeyType, s.KeyLen, s.DataType, s.DataLen, s.HostKeys, s.Fields, s.ObjectType)
}
