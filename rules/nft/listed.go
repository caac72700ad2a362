package nft

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	listedTable  = regexp.MustCompile(`^table (\w+) (\S+) \{`)
	listedHandle = regexp.MustCompile(`^(.*) # handle (\d+)$`)
	// listedComment is what -a adds to a line.
	listedComment = regexp.MustCompile(` # handle \d+$`)
)

// Listed finds the rules' texts in what  nft -a list ruleset  has printed, by table and handle. A rule is not there where
// the listing is of another state.
func (s *Ruleset) Listed(text string) map[*Rule]string {
	all := map[*Rule]string{}
	var rules map[uint64]*Rule
	var parts []string // of a rule over several lines
	inChain := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := listedTable.FindStringSubmatch(line); m != nil {
			rules, parts = s.Table(m[1], m[2]).byHandle(), nil
			continue
		}
		if !strings.HasPrefix(line, "\t\t") {
			parts, inChain = nil, strings.HasPrefix(line, "\tchain ")
			continue
		}
		if !inChain {
			continue // elements of a set, of which there may be thousands
		}
		parts = append(parts, strings.TrimSpace(line))
		if !listedComment.MatchString(line) && len(parts) > 1 {
			continue // the rule goes on
		}
		if m := listedHandle.FindStringSubmatch(strings.Join(parts, " ")); m != nil {
			handle, _ := strconv.ParseUint(m[2], 10, 64)
			if r := rules[handle]; r != nil {
				all[r] = m[1]
			}
			parts = nil
		} else if len(parts) == 1 && (strings.HasPrefix(parts[0], "type ") || strings.HasPrefix(parts[0], "comment ") || strings.HasSuffix(parts[0], ";")) {
			parts = nil // the chain's own lines
		}
	}
	return all
}

// byHandle are a table's rules by their handles; none for nil.
func (t *Table) byHandle() map[uint64]*Rule {
	if t == nil {
		return nil
	}
	rules := map[uint64]*Rule{}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			rules[r.Handle] = r
		}
	}
	return rules
}

// Table finds a table by its family, as nft names it, and its name; nil where there is none.
func (s *Ruleset) Table(family, name string) *Table {
	if s == nil {
		return nil
	}
	for _, t := range s.Tables {
		if t.Family.String() == family && t.Name == name {
			return t
		}
	}
	return nil
}
