package commit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// This file sees that what is saved can be read by the program that restores it: one line that cannot be loses all
// others of its file.

// Unreadable is a rule that is not saved, and why its restore program could not read it.
type Unreadable struct {
	Variant rules.Variant
	Table   string
	Rule    rules.Rule
	Why     error
}

// String says what is lost at the next start.
func (u Unreadable) String() string {
	why := fmt.Sprintf("iptables-restore cannot read it: %v", u.Why)
	if u.Why == errBehind {
		why = u.Why.Error()
	}
	return fmt.Sprintf("not saved, and gone after a start: %s, table %s: %s (%s)", u.Variant, u.Table, u.Rule.String(), why)
}

// savedRules are the rules that a file is to hold.
type savedRules struct {
	variant rules.Variant
	tables  []rules.Table
	at      anchors
}

func (r savedRules) text() []byte { return savedText(r.tables, r.at) }

// leaveUnreadable takes rules out of the tables that are known to be unreadable, and counts them.
func (s *Saving) leaveUnreadable(variant rules.Variant, tables *[]rules.Table) (n int) {
	before, left := *tables, map[string]bool{}
	*tables = slices.Clone(*tables)
	for i := range *tables {
		t := &(*tables)[i]
		t.Chains = slices.Clone(t.Chains)
		for j := range t.Chains {
			t.Chains[j].Rules = slices.DeleteFunc(slices.Clone(t.Chains[j].Rules), func(r rules.Rule) bool {
				why := r.Restorable()
				if why != nil {
					s.Unreadable = append(s.Unreadable, Unreadable{variant, t.Name, r, why})
					left[t.Name+" "+r.String()] = true
				}
				return why != nil
			})
		}
	}
	return len(left) + s.leaveBehind(variant, before, left, tables)
}

// errBehind is why a rule is not saved that could be.
var errBehind = errors.New("a rule before it, which may be what lets you in, is not saved")

// leaveBehind takes out of tables what would take packets away behind rules that are left out of those before; see heldIn.
func (s *Saving) leaveBehind(variant rules.Variant, before []rules.Table, left map[string]bool, tables *[]rules.Table) (n int) {
	if len(left) == 0 {
		return 0
	}
	r := restoration{variant: variant, wish: wish{tables: before}, left: left, now: &rules.Ruleset{}}
	for i := range before {
		held, open := r.heldIn(before[i])
		t := &(*tables)[i]
		t.Chains = slices.Clone(t.Chains)
		for j := range t.Chains {
			c := &t.Chains[j]
			c.Rules = slices.DeleteFunc(slices.Clone(c.Rules), func(x rules.Rule) bool {
				if held[x.String()] {
					s.Unreadable = append(s.Unreadable, Unreadable{variant, t.Name, x, errBehind})
					n++
				}
				return held[x.String()]
			})
			if open[c.Name] && c.Policy == "DROP" {
				c.Policy = "ACCEPT"
				s.Notes = append(s.Notes, fmt.Sprintf("the policy DROP of %s %s is not saved: %v", t.Name, c.Name, errBehind))
			}
		}
	}
	return n
}

// mostRefused is how many rules of one file are left out because its restore program says so.
const mostRefused = 50

// Prove has each file of rules that would be written read by the program that will restore it, and changes nothing but the
// saving: a rule that the program names as none that it can read is left out, see Unreadable. The error is that of a
// file that it would not read otherwise. It needs the rights to read the tables, and runs the program once for each file.
func (c *Committer) Prove(ctx context.Context, s *Saving) error {
	for i := range s.Files {
		file := &s.Files[i]
		r, ok := s.saved[file.Path]
		for n := 0; ok && len(r.tables) > 0; n++ {
			line, err := c.kernel.Tables.Try(ctx, r.variant, file.New)
			if err == nil {
				break
			}
			lines := strings.Split(string(file.New), "\n")
			if line < 1 || line > len(lines) || n == mostRefused || !s.leaveLine(&r, lines, line-1, err) {
				return fmt.Errorf("%s could not be restored as it would be written: %w", file.Path, err)
			}
			s.saved[file.Path], file.New = r, r.text()
		}
	}
	return nil
}

// leaveLine takes the rule out that stands in a line of the file's text; false where it is none.
func (s *Saving) leaveLine(r *savedRules, lines []string, at int, why error) bool {
	table := ""
	for _, line := range lines[:at] {
		if name, ok := strings.CutPrefix(line, "*"); ok {
			table = name
		}
	}
	before := r.tables
	r.tables = slices.Clone(r.tables)
	for i := range r.tables {
		t := &r.tables[i]
		if t.Name != table {
			continue
		}
		t.Chains = slices.Clone(t.Chains)
		for j := range t.Chains {
			k := slices.IndexFunc(t.Chains[j].Rules, func(x rules.Rule) bool { return x.String() == lines[at] })
			if k < 0 {
				continue
			}
			s.Unreadable = append(s.Unreadable, Unreadable{r.variant, table, t.Chains[j].Rules[k], why})
			t.Chains[j].Rules = slices.Delete(slices.Clone(t.Chains[j].Rules), k, k+1)
			s.Kept -= 1 + s.leaveBehind(r.variant, before, map[string]bool{table + " " + lines[at]: true}, &r.tables)
			return true
		}
	}
	return false
}
