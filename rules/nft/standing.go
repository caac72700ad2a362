package nft

import (
	"slices"

	"nattui/rules"
)

// Standing tells how many of the changes, which Resolve has looked at, stand in the ruleset. They are returned with the
// handles of the rules that they have added. A transaction was made where all stand, and was not where none does.
func Standing(changes []rules.NativeChange, now *Ruleset) (made []rules.NativeChange, stand int) {
	s := standing{changes: slices.Clone(changes), now: now, taken: map[RuleKey]bool{}}
	for i := range s.changes {
		if s.stands(&s.changes[i]) {
			stand++
		}
	}
	return s.changes, stand
}

// Missing is those of the changes that do not stand.
func Missing(changes []rules.NativeChange, now *Ruleset) (missing []rules.NativeChange) {
	s := standing{changes: slices.Clone(changes), now: now, taken: map[RuleKey]bool{}}
	for i := range s.changes {
		if !s.stands(&s.changes[i]) {
			missing = append(missing, changes[i])
		}
	}
	return missing
}

// NoneAdded tells whether changes add rules or elements, and none of these is there.
func NoneAdded(changes []rules.NativeChange, now *Ruleset) bool {
	added := slices.DeleteFunc(slices.Clone(changes), func(c rules.NativeChange) bool {
		return c.Gone || c.What != rules.NativeRule && c.What != rules.NativeElement
	})
	_, stand := Standing(added, now)
	return len(added) > 0 && stand == 0
}

type standing struct {
	changes []rules.NativeChange
	now     *Ruleset
	taken   map[RuleKey]bool
}

// stands tells whether a change stands, and notes the handle of a rule that it has added.
func (s *standing) stands(c *rules.NativeChange) bool {
	t := s.now.Table(c.Family, c.Table)
	if t == nil {
		return c.Gone
	}
	if old := renewed(s.changes, *c); old != 0 && (c.Gone || t.Handle == old) {
		return t.Handle != old // all of the table that was there went with it
	}
	anew := c.Spot.Table != 0 && t.Handle != c.Spot.Table
	switch c.What {
	case rules.NativeRule:
		if c.Gone {
			ch := t.chain(c.Chain)
			return anew || ch == nil || ch.place(c.Handle) < 0
		}
		c.Handle = 0
		r := added(*c, t, s.taken)
		if r != nil {
			c.Handle = r.Handle
			s.taken[RuleKey{t.Family, t.Name, r.Handle}] = true
		}
		return r != nil
	case rules.NativeElement:
		set := t.named(c.Set)
		if set == nil {
			return c.Gone
		}
		text, there := set.entry(c.Key, s.now.Links)
		return (there && text == c.Text) != c.Gone
	case rules.NativeSetting:
		value, there := t.setting(c.Chain)
		return there && value == c.Text
	case rules.NativeChainKind, rules.NativeSetKind, rules.NativeMapKind, rules.NativeObject:
		return s.replaced(*c) || t.has(*c) != c.Gone
	}
	return !c.Gone || anew
}

// renewed is the number that the table of a change had before the changes deleted it and made it anew; 0 where they did not.
func renewed(changes []rules.NativeChange, c rules.NativeChange) (old uint64) {
	made := false
	for _, o := range changes {
		if o.What == rules.NativeTableKind && o.Family == c.Family && o.Table == c.Table {
			if o.Gone {
				old = o.Spot.Table
			} else {
				made = true
			}
		}
	}
	if !made {
		return 0
	}
	return old
}

// replaced tells that what a change deletes is added by another one.
func (s *standing) replaced(c rules.NativeChange) bool {
	return c.Gone && slices.ContainsFunc(s.changes, func(o rules.NativeChange) bool { return !o.Gone && key(o) == key(c) })
}

// Misplaced says of rules that were added, with their handles, which of them are not where they were to be; nil where all are.
func Misplaced(made []rules.NativeChange, now *Ruleset) (all []string) {
	own := map[RuleKey]bool{}
	for _, c := range made {
		if t := now.Table(c.Family, c.Table); t != nil {
			own[RuleKey{t.Family, t.Name, c.Handle}] = true
		}
	}
	for _, c := range made {
		ch := now.Table(c.Family, c.Table).chain(c.Chain)
		if c.What != rules.NativeRule || c.Gone || ch == nil {
			continue
		}
		at := ch.place(c.Handle) + 1
		for at < len(ch.Rules) && own[ch.Key(ch.Rules[at])] {
			at++
		}
		if next := ch.Rules[at:]; c.Before != 0 && (len(next) == 0 || next[0].Handle != c.Before) || c.Before == 0 && len(next) > 0 {
			all = append(all, c.Text)
		}
	}
	return all
}
