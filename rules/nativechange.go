package rules

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// NativeKind is what a change of native nft adds or deletes.
type NativeKind string

// The kinds, in the order in which they are added: each may refer to those before it.
const (
	NativeTableKind NativeKind = "table"
	NativeObject    NativeKind = "object" // a counter, quota, limit or helper that has a name
	NativeSetKind   NativeKind = "set"
	NativeMapKind   NativeKind = "map"
	NativeChainKind NativeKind = "chain"
	NativeElement   NativeKind = "element"
	NativeRule      NativeKind = "rule"
	// NativeSetting is the policy of a base chain, or whether a table is dormant. It is never deleted: it has another value.
	NativeSetting NativeKind = "setting"
)

// nativeKinds are all of them in that order.
var nativeKinds = []NativeKind{NativeTableKind, NativeObject, NativeSetKind, NativeMapKind, NativeChainKind, NativeElement, NativeRule, NativeSetting}

// NativeChange adds something to a native table of nft, or deletes it (nft(8)). A rule that is deleted is named by its
// handle, which no other rule of the table ever has, and by what the kernel holds of it, so that a change conflicts
// rather than hit another rule. What replaces or moves a rule is two changes: all native changes of a plan are one
// transaction.
type NativeChange struct {
	What NativeKind
	Gone bool `json:",omitempty"` // it is deleted, instead of added
	// Family is as nft names it: ip, ip6, inet.
	Family, Table string
	// Chain is that of the rule, or the chain itself. Set is that of the element, or the set, map or object itself.
	Chain string `json:",omitempty"`
	Set   string `json:",omitempty"`
	// Text is in nft's words: of a rule all but its place, of an element its key and in a map its value, of a chain, set,
	// object or table what stands between its braces, of a setting its value: accept or drop, dormant or nothing.
	Text string `json:",omitempty"`
	// Kept is of an element that is deleted, and comes back with it, its Text with what it has counted and how long it has left.
	Kept string `json:",omitempty"`
	// Key is an element's key alone, by which it is deleted; of an object what it is, such as ct helper; of a setting its
	// value before.
	Key string `json:",omitempty"`
	// Handle is that of a rule to be deleted, or of one that was made; 0 where not known yet.
	Handle uint64 `json:",omitempty"`
	// Before is the handle of the rule before which a rule is added; 0: at the end of its chain.
	Before uint64 `json:",omitempty"`
	// Print stands for what the kernel holds of a rule, without its counters; see nft.Rule.Print.
	Print string `json:",omitempty"`
	// Words is what it is for, as a sentence.
	Words string `json:",omitempty"`
	// Spot is what was found at its place before it was made.
	Spot NativeSpot `json:",omitzero"`
}

// NativeSpot is what a native change found at its place before it was made: what tells later whether it was made, and where
// a deleted rule belongs.
type NativeSpot struct {
	// Table is the kernel's number of the table, which one that is made anew under the same name does not have; 0 where the
	// table was not there.
	Table uint64 `json:",omitempty"`
	// Last is the highest handle of a rule in the table: rules made later have higher ones.
	Last uint64 `json:",omitempty"`
	// Prior and Behind are the handles of the rules around a rule that is deleted, the nearest first.
	Prior  []uint64 `json:",omitempty"`
	Behind []uint64 `json:",omitempty"`
	// PriorPrints and BehindPrints are the prints of the nearest of these, by which they are known when they were made anew.
	PriorPrints  []string `json:",omitempty"`
	BehindPrints []string `json:",omitempty"`
}

// IsZero tells that nothing was noted.
func (s NativeSpot) IsZero() bool {
	return s.Table == 0 && s.Last == 0 && s.Prior == nil && s.Behind == nil
}

// ErrMoved is wrapped by the error of native changes that were not made because the tables have changed between the check
// and the commit. They can be checked again.
var ErrMoved = errors.New("the nft tables changed at the same time")

// NativeConflict is the error of a native change whose place is not as it expects. Nothing was changed.
type NativeConflict struct {
	Change NativeChange
	Found  string // a sentence's end: what is there instead
}

// Error says what does not fit.
func (e *NativeConflict) Error() string {
	return fmt.Sprintf("the nft tables have changed: %s: %s; nothing was changed", e.Change.Line(), e.Found)
}

// Place is the table, with chain or set, as nft names it: inet nattui prerouting.
func (c NativeChange) Place() string {
	place := c.Family + " " + c.Table
	if c.Chain != "" {
		place += " " + c.Chain
	}
	if c.Set != "" {
		place += " " + c.Set
	}
	return place
}

// Line is the change as nft reads it.
func (c NativeChange) Line() string {
	verb := "add "
	if c.Gone {
		verb = "delete "
	}
	switch {
	case c.What == NativeRule && c.Gone:
		return "delete rule " + c.Place() + " handle " + strconv.FormatUint(c.Handle, 10)
	case c.What == NativeRule && c.Before != 0:
		return "insert rule " + c.Place() + " handle " + strconv.FormatUint(c.Before, 10) + " " + c.Text
	case c.What == NativeRule:
		return "add rule " + c.Place() + " " + c.Text
	case c.What == NativeElement && c.Gone:
		return "delete element " + c.Place() + " { " + c.Key + " }"
	case c.What == NativeElement:
		return "add element " + c.Place() + " { " + cmp.Or(c.Kept, c.Text) + " }"
	case c.What == NativeSetting:
		return c.settingLine()
	case c.What == NativeObject && c.Gone:
		return verb + c.Key + " " + c.Place()
	case c.What == NativeObject:
		return verb + c.Key + " " + c.Place() + " { " + strings.TrimSuffix(c.Text, ";") + "; }"
	case c.Text != "" && !c.Gone:
		return verb + string(c.What) + " " + c.Place() + " { " + strings.TrimSuffix(c.Text, ";") + "; }"
	}
	return verb + string(c.What) + " " + c.Place()
}

func (c NativeChange) settingLine() string {
	switch {
	case c.Chain != "":
		return "add chain " + c.Place() + " { policy " + c.Text + "; }"
	case c.Text != "":
		return "add table " + c.Place() + " { flags " + c.Text + "; }"
	}
	return "add table " + c.Place() // which wakes a dormant one
}

// Command is the command that a person would type for the change.
func (c NativeChange) Command() []string { return []string{"nft", c.Line()} }

// Sentence says the change in words.
func (c NativeChange) Sentence() string {
	verb, place := "Add", "to"
	if c.Gone {
		verb, place = "Delete", "from"
	}
	switch c.What {
	case NativeRule:
		if c.Words != "" {
			return fmt.Sprintf("%s a rule %s chain %s of table %s %s: %s", verb, place, c.Chain, c.Family, c.Table, c.Words)
		}
		return fmt.Sprintf("%s a rule %s chain %s of table %s %s: %s", verb, place, c.Chain, c.Family, c.Table, c.Text)
	case NativeElement:
		return fmt.Sprintf("%s %s %s %s of table %s %s.", verb, c.Text, place, c.Set, c.Family, c.Table)
	case NativeTableKind:
		return fmt.Sprintf("%s table %s %s.", verb, c.Family, c.Table)
	case NativeObject:
		return fmt.Sprintf("%s %s %s %s table %s %s.", verb, c.Key, c.Set, place, c.Family, c.Table)
	case NativeSetting:
		return c.settingSentence()
	}
	name := c.Chain + c.Set
	return fmt.Sprintf("%s %s %s %s table %s %s.", verb, c.What, name, place, c.Family, c.Table)
}

func (c NativeChange) settingSentence() string {
	switch {
	case c.Chain != "":
		return fmt.Sprintf("Set the policy of chain %s of table %s %s to %s; it is %s.", c.Chain, c.Family, c.Table, c.Text, c.Key)
	case c.Text != "":
		return fmt.Sprintf("Put table %s %s to sleep: none of its rules is used.", c.Family, c.Table)
	}
	return fmt.Sprintf("Wake table %s %s: its rules are used again.", c.Family, c.Table)
}

// Natives lists the native changes of the plan in order.
func (p Plan) Natives() []NativeChange {
	var all []NativeChange
	for _, s := range p.Steps {
		if s.Native != nil {
			all = append(all, *s.Native)
		}
	}
	return all
}

// NativeSteps are steps that make the changes.
func NativeSteps(changes []NativeChange) []Step {
	var steps []Step
	for _, c := range changes {
		steps = append(steps, Step{Native: &c})
	}
	return steps
}

// SortNatives puts changes into an order in which nft takes them: what is deleted first, rules before chains, chains before
// tables; then what is added, tables before chains, chains before rules. What is of one kind stays in its order.
func SortNatives(changes []NativeChange) {
	rank := func(c NativeChange) int {
		at := slices.Index(nativeKinds, c.What)
		if c.Gone {
			return -at
		}
		return len(nativeKinds) + at
	}
	slices.SortStableFunc(changes, func(a, b NativeChange) int { return rank(a) - rank(b) })
}

// NativeScript is what nft -f reads to make the changes, in one transaction.
func NativeScript(changes []NativeChange) string {
	var b strings.Builder
	for _, c := range changes {
		b.WriteString(c.Line())
		b.WriteByte('\n')
	}
	return b.String()
}

// nativesDiff are the native changes, by the table, chain or set that they change.
func (p Plan) nativesDiff() []DiffLine {
	var places []string
	of := map[string][]DiffLine{}
	for _, c := range p.Natives() {
		place, text := "table "+c.Place(), c.Text
		switch c.What {
		case NativeTableKind:
			text = "table " + c.Family + " " + c.Table
		case NativeChainKind, NativeSetKind, NativeMapKind:
			text = string(c.What) + " " + c.Chain + c.Set + " { " + c.Text + " }"
		case NativeObject:
			text = c.Key + " " + c.Set + " { " + c.Text + " }"
		}
		if of[place] == nil {
			places = append(places, place)
		}
		if c.What == NativeSetting {
			was, now := c.Key, c.Text
			if c.Chain == "" {
				was, now = cmp.Or(was, "in use"), cmp.Or(now, "in use")
			}
			of[place] = append(of[place], DiffLine{Sign: '-', Text: was}, DiffLine{Sign: '+', Text: now})
			continue
		}
		sign := byte('+')
		if c.Gone {
			sign = '-'
		}
		of[place] = append(of[place], DiffLine{Sign: sign, Text: text})
	}
	var lines []DiffLine
	for _, place := range places {
		lines = append(append(lines, DiffLine{Sign: '@', Text: place}), of[place]...)
	}
	return lines
}
