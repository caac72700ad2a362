package nft

import (
	"errors"
	"fmt"
	"strings"

	"nattui/rules"
)

// Fields are a rule of a base chain as the fields of a draft, by which it can be changed.
type Fields struct {
	Draft rules.Draft
	rule  *Rule
}

// Fields takes a rule apart. The error says what of it is in no field: then it can be changed in nft's own words only. What
// Wordings makes of an unchanged draft has to be compared with the rule before anything is changed.
func (r *Rule) Fields(c *Chain, links Links) (Fields, error) {
	said, families := r.ToIPTables(c, links)
	if len(said.Lacks) > 0 {
		return Fields{}, fmt.Errorf("no field says this of it: %s", strings.Join(said.Lacks, ", "))
	}
	rule, err := rules.Parse(rules.Join(said.Words[2:])) // without -t TABLE
	if err != nil {
		return Fields{}, err
	}
	draft, err := rules.DraftOf(families[0], rule)
	if err != nil {
		return Fields{}, errors.New("only rules that translate have fields")
	}
	return Fields{draft, r}, nil
}

// Wordings are the ways in which nft may say a rule that the draft makes, for the place of the one that was taken apart: with
// what holds it to IPv4 or IPv6 where only the rule does that, and without; lacks is what nft cannot say.
func (f Fields) Wordings(rule rules.Rule) (texts, lacks []string) {
	said := FromIPTables(f.Draft.Family, rule)
	text := said.Text
	if n, counts := f.rule.Counter(); counts {
		text = n.within(strings.Replace(text, "counter", "counter packets 0 bytes 0", 1))
	} else {
		text = strings.Replace(text, "counter ", "", 1)
	}
	bare := strings.TrimPrefix(strings.TrimPrefix(text, "meta nfproto ipv4 "), "meta nfproto ipv6 ")
	return []string{text, bare}, said.Lacks
}
