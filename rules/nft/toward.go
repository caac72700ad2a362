package nft

import (
	"regexp"
	"slices"
	"strings"

	"nattui/rules"
)

// Wanted is what native tables are to be like, read from a namespace in which their text was loaded.
type Wanted struct {
	Ruleset *Ruleset
	// Bodies are what Bodies finds in the listing of Ruleset, and Now in that of the tables as they are.
	Bodies, Now map[string]string
}

// Toward are the changes that make the tables which are wanted what they are to be. What is as wanted stays, with its handles
// and what it has counted; what packets put into sets stays too. A set, chain or object that would have to be of another
// kind has its whole table made anew. Tables that are not wanted stay. The changes have not been tried.
func (w Wanted) Toward(now *Ruleset) []rules.NativeChange {
	d := difference{links: w.Ruleset.Links, bodies: w.Bodies, were: w.Now}
	for _, want := range w.Ruleset.Tables {
		was := now.Table(want.Family.String(), want.Name)
		if was != nil && !w.fits(was, want) {
			d.add(rules.NativeChange{What: rules.NativeTableKind, Family: was.Family.String(), Table: was.Name, Gone: true})
			was = nil
		}
		if was == nil {
			d.table(nil, want)
			continue
		}
		d.toward(was, want)
	}
	rules.SortNatives(d.changes)
	return d.changes
}

// used is how much of a quota is used up, or what a counter has counted.
var used = regexp.MustCompile(`^packets .*| used \d+ \w+$`)

// fits tells whether all that is in both states of a table is of the same kind in both.
func (w Wanted) fits(was, want *Table) bool {
	for _, c := range want.Chains {
		if other := was.chain(c.Name); other != nil && (other.asked() != c.asked() || w.differs(want, "chain "+c.Name)) {
			return false
		}
	}
	for _, s := range setsOf(want) {
		if other := was.named(s.Name); other != nil && (other.definition() != s.definition() || w.differs(want, "set "+s.Name)) {
			return false
		}
	}
	place := want.Family.String() + " " + want.Name + " "
	for _, o := range want.Objects {
		key := place + o.kind() + " " + o.Name
		if was.object(o.kind(), o.Name) != nil && used.ReplaceAllString(w.Bodies[key], "") != used.ReplaceAllString(w.Now[key], "") {
			return false
		}
	}
	return !w.differs(want, "") && slices.EqualFunc(was.Flowtables, want.Flowtables, func(a, b *Flowtable) bool {
		return a.Name == b.Name && a.Hook == b.Hook && a.Priority == b.Priority && slices.Equal(a.Devices, b.Devices) && !w.differs(want, "flowtable "+a.Name)
	})
}

// ownComment is the comment of a table or chain, in what stands between its braces.
var ownComment = regexp.MustCompile(`\bcomment "[^"]*"`)

// differs tells whether the two states of something in a table, or of the table itself for "", have other properties that
// cannot be changed while it stays: a comment, or what a set or flowtable is made with.
func (w Wanted) differs(t *Table, what string) bool {
	key := strings.TrimSuffix(t.Family.String()+" "+t.Name+" "+what, " ")
	now, want := w.Now[key], w.Bodies[key]
	if kind, _, _ := strings.Cut(what, " "); kind == "" || kind == "chain" {
		now, want = ownComment.FindString(now), ownComment.FindString(want) // the rest of it is compared by itself
	}
	return now != want
}

// toward compares two states of a table by names.
func (d *difference) toward(was, want *Table) {
	if was.Dormant != want.Dormant {
		d.setting(was, want, "")
	}
	for _, o := range was.Objects {
		if want.object(o.kind(), o.Name) == nil {
			d.object(was, o, true)
		}
	}
	for _, o := range want.Objects {
		if was.object(o.kind(), o.Name) == nil {
			d.object(want, o, false)
		}
	}
	for _, s := range setsOf(was) {
		if want.named(s.Name) == nil {
			d.set(s, nil)
		}
	}
	for _, s := range setsOf(want) {
		if other := was.named(s.Name); other == nil || s.Flags&SetEval == 0 { // else packets put elements there
			d.set(other, s)
		}
	}
	for _, c := range was.Chains {
		if want.chain(c.Name) == nil {
			d.chain(c, nil)
		}
	}
	for _, c := range want.Chains {
		other := was.chain(c.Name)
		if other == nil {
			d.chain(nil, c)
			continue
		}
		if other.Policy != c.Policy {
			d.setting(was, want, c.Name)
		}
		d.rulesToward(other, c)
	}
}

// rulesToward has the rules of a chain be those that are wanted; what is in both, in the same order, stays.
func (d *difference) rulesToward(was, want *Chain) {
	old, fresh := prints(was), prints(want)
	edits := rules.EditsOf(len(old), len(fresh), func(i, j int) bool { return old[i] == fresh[j] })
	at := 0 // in the old list: where something is added, the next one that stays
	for _, e := range edits {
		switch e.Sign {
		case '+':
			add := want.Rules[e.At-1].change(want, d.links)
			if at < len(was.Rules) {
				add.Before = was.Rules[at].Handle
			}
			d.add(add)
		case '-':
			d.add(was.Rules[e.At-1].Deletion(was, d.links))
			at++
		default:
			at++
		}
	}
}

func prints(c *Chain) (all []string) {
	for _, r := range c.Rules {
		all = append(all, r.Print(c.Table))
	}
	return all
}
