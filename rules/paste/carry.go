package paste

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// iptables takes one command of an iptables program. tolerant says that the
// script goes on if it fails.
func (im *importer) iptables(words []scriptWord, tolerant bool) {
	im.iptablesAs(words, words[0].text, tolerant)
}

// remark says something about the word that holds the command.
func (im *importer) remark(r *commandReader, s Level, format string, args ...any) {
	w := r.words[min(r.opAt, len(r.words)-1)]
	im.find(Remark{Line: w.line, Column: w.col, Word: w.text, Level: s, Text: fmt.Sprintf(format, args...)})
}

// failed says that a command could not be carried out on the tables as they are.
func (im *importer) failed(r *commandReader, tolerant bool, format string, args ...any) {
	im.last = no
	s := Error
	if tolerant {
		s = Note
	}
	im.remark(r, s, format, args...)
}

// appendInstead corrects -I CHAIN N whose place the chain does not have.
func (im *importer) appendInstead(r *commandReader) {
	at := r.opAt
	if at+2 >= len(r.words) || r.words[at+1].text != r.chain || r.words[at+2].text != strconv.Itoa(r.number) {
		return
	}
	r.words = putWords(r.words, at, 3, []string{"-A", r.chain})
	im.out.Remarks[len(im.out.Remarks)-1].Correction = "-A " + r.chain
}

func (im *importer) set(p rules.Variant) *rules.Ruleset {
	if s := im.ground.Sets[p]; s != nil {
		return s
	}
	return &rules.Ruleset{Family: p.Family, Backend: p.Backend}
}

func variantOf(s *rules.Ruleset) rules.Variant {
	return rules.Variant{Family: s.Family, Backend: s.Backend}
}

// apply makes a change in the tables that later commands are held against.
func (im *importer) apply(variant rules.Variant, c rules.Change) error {
	q := im.made.Of(c, im.ground.Sets)
	if err := q.Apply(c); err != nil {
		return err
	}
	im.ground.Sets[variant] = q.Now()
	im.note(variant, c)
	return nil
}

// carry turns a command into changes. It returns false for a line that should
// not be there.
func (im *importer) carry(r *commandReader, tolerant bool) bool {
	variant := rules.Variant{Family: r.family, Backend: r.backend}
	if im.ground.AnyChain {
		im.suppose(r, variant)
	}
	set := im.set(variant)
	base := rules.Change{Family: r.family, Backend: r.backend, Table: r.table, Chain: r.chain}
	if set.Name != "" || r.explicit {
		base.Program = set.Name
		if r.explicit {
			base.Program = r.words[0].text[strings.LastIndexByte(r.words[0].text, '/')+1:]
		}
	}
	switch r.op {
	case 'A', 'I':
		im.insert(r, base, set, tolerant)
	case 'D':
		im.delete(r, base, set, tolerant)
	case 'R':
		im.replace(r, base, set, tolerant)
	case 'P':
		return im.policy(r, base, set)
	case 'N':
		if _, there := set.Chain(r.table, r.chain); there {
			im.failed(r, tolerant, "table %s has a chain %s already", r.table, r.chain)
			return true
		}
		base.Op = rules.NewChain
		im.step(r, base, tolerant)
	case 'X':
		im.deleteChains(r, base, set, tolerant)
	case 'F':
		return im.flush(r, base, set, tolerant)
	case 'E':
		im.rename(r, base, set, tolerant)
	case 'C':
		im.last = truthOf(im.stands(r, set))
	case 'Z':
		im.remark(r, Note, "counters are left as they are: they say what happened")
	case 'L', 'S':
		im.remark(r, Note, "this only shows rules, and is left out")
	}
	return true
}

// sayAbsent names the chains of a command that the tables, as they were read, do not have.
func (im *importer) sayAbsent(r *commandReader, variant rules.Variant) {
	absent := func(chain string) {
		if _, there := im.set(variant).Chain(r.table, chain); !there && chain != "" && !rules.IsBuiltIn(r.table, chain) {
			im.remark(r, Note, "table %s has no chain %s now: without it iptables refuses this", r.table, chain)
		}
	}
	if r.op != 'N' && r.op != 'X' {
		absent(r.chain)
	}
	if r.makesRule() {
		for _, rule := range r.rules() {
			if k := rule.Target.Kind; k == rules.Jump || k == rules.Goto {
				absent(rule.Target.Name)
				return
			}
		}
	}
}

// suppose makes the tables such that the command fits them.
func (im *importer) suppose(r *commandReader, variant rules.Variant) {
	make := func(c rules.Change) {
		c.Family, c.Backend, c.Table, c.Chain = r.family, r.backend, r.table, r.chain
		_ = im.apply(variant, c) // what does not fit is said where it is carried out
	}
	read := im.read[variant]
	if read {
		im.sayAbsent(r, variant)
	}
	_, there := im.set(variant).Chain(r.table, r.chain)
	switch {
	case read && (r.op == 'R' || r.byNumber() || r.op == 'X'):
		return // what is not there is said where it is carried out
	case !there && r.chain != "" && r.op != 'N':
		make(rules.Change{Op: rules.NewChain})
	}
	if r.op != 'D' && r.op != 'R' && r.op != 'I' || r.number > 1000 {
		return
	}
	chain, _ := im.set(variant).Chain(r.table, r.chain)
	for _, rule := range r.rules() {
		if im.standsAt(variant, r.table, chain, rule) == 0 && r.op != 'I' && !r.byNumber() {
			make(rules.Change{Op: rules.Insert, Rule: rule})
		}
		if r.op == 'I' && chain == nil {
			chain = &rules.Chain{}
		}
		for n := len(chainRules(chain)); r.numbered && n < r.number; n++ {
			make(rules.Change{Op: rules.Insert, Rule: rule})
		}
	}
}

func chainRules(c *rules.Chain) []rules.Rule {
	if c == nil {
		return nil
	}
	return c.Rules
}

// step adds one change to the plan and makes it in the tables that later
// commands are held against.
func (im *importer) step(r *commandReader, c rules.Change, tolerant bool) bool {
	variant := rules.Variant{Family: c.Family, Backend: c.Backend}
	if err := im.apply(variant, c); err != nil {
		im.failed(r, tolerant, "%s", err)
		return false
	}
	im.steps = append(im.steps, rules.StepOf(c))
	im.origin(c)
	return true
}

func (im *importer) insert(r *commandReader, c rules.Change, set *rules.Ruleset, tolerant bool) {
	chain, _ := set.Chain(r.table, r.chain)
	length := 0
	if chain != nil {
		length = len(chain.Rules)
	}
	if r.op == 'I' {
		c.At = 1
		if r.numbered {
			c.At = r.number
		}
		if c.At > length+1 {
			im.failed(r, tolerant, "%s has %s, so there is no place %d", r.chain, rules.Plural(length, "rule"), c.At)
			im.appendInstead(r)
			return
		}
	}
	for _, rule := range r.rules() {
		if at := im.standsAt(variantOf(set), r.table, chain, rule); at > 0 && r.op == 'A' {
			level := Doubt
			if im.ground.accepts() {
				level = Note
			}
			im.remark(r, level, "the same rule stands there already as rule %d of %s: a second one changes nothing", at, r.chain)
		}
		c.Op, c.Rule = rules.Insert, rule
		if !im.step(r, c, tolerant) {
			return
		}
		im.doubtUntracked(r, rule)
	}
}

func (im *importer) stands(r *commandReader, set *rules.Ruleset) bool {
	chain, _ := set.Chain(r.table, r.chain)
	for _, rule := range r.rules() {
		if im.standsAt(variantOf(set), r.table, chain, rule) == 0 {
			return false
		}
	}
	return true
}

func (im *importer) delete(r *commandReader, c rules.Change, set *rules.Ruleset, tolerant bool) {
	chain, _ := set.Chain(r.table, r.chain)
	c.Op = rules.Delete
	if r.byNumber() {
		if chain == nil || r.number > len(chain.Rules) {
			im.failed(r, tolerant, "%s has no rule %d", r.chain, r.number)
			return
		}
		c.At, c.Rule = r.number, chain.Rules[r.number-1]
		if im.step(r, c, tolerant) {
			im.remark(r, Note, "this deletes what is rule %d now: %s", r.number, c.Rule.Sentence())
		}
		return
	}
	for _, rule := range r.rules() {
		chain, _ = im.set(rules.Variant{Family: c.Family, Backend: c.Backend}).Chain(r.table, r.chain)
		c.At = im.standsAt(rules.Variant{Family: c.Family, Backend: c.Backend}, r.table, chain, rule)
		if c.At == 0 {
			text := fmt.Sprintf("%s has no such rule to delete", r.chain)
			if near := alike(chain, rule); near != "" {
				text += "; the most alike is  " + near
			}
			im.failed(r, tolerant, "%s", text)
			return
		}
		c.Rule = chain.Rules[c.At-1]
		if !im.step(r, c, tolerant) {
			return
		}
	}
}

// alike is the rule of a chain that shares most words with another, if it shares
// more than half of them.
func alike(chain *rules.Chain, rule rules.Rule) string {
	if chain == nil {
		return ""
	}
	want, _ := rule.Spec()
	best, line := len(want)/2, ""
	for _, other := range chain.Rules {
		have, err := other.Spec()
		if err != nil {
			continue
		}
		shared := 0
		for _, w := range want {
			if slices.Contains(have, w) {
				shared++
			}
		}
		if shared > best {
			best, line = shared, other.String()
		}
	}
	return line
}

func (im *importer) replace(r *commandReader, c rules.Change, set *rules.Ruleset, tolerant bool) {
	chain, _ := set.Chain(r.table, r.chain)
	all := r.rules()
	switch {
	case !r.numbered:
		im.failed(r, false, "-R needs the number of the rule: -R %s NUMBER", r.chain)
	case len(all) > 1:
		im.failed(r, false, "-R puts one rule in place of one: no list of addresses")
	case chain == nil || r.number > len(chain.Rules):
		im.failed(r, tolerant, "%s has no rule %d", r.chain, r.number)
	default:
		c.Op, c.At, c.Rule, c.Old = rules.Replace, r.number, all[0], chain.Rules[r.number-1]
		if im.step(r, c, tolerant) {
			im.remark(r, Note, "this takes the place of what is rule %d now: %s", r.number, c.Old.Sentence())
		}
	}
}

func (im *importer) policy(r *commandReader, c rules.Change, set *rules.Ruleset) bool {
	c.Op, c.Policy, c.OldPolicy = rules.SetPolicy, r.other, "ACCEPT"
	if chain, ok := set.Chain(r.table, r.chain); ok {
		c.OldPolicy = chain.Policy
	}
	if c.Policy == c.OldPolicy {
		im.remark(r, Note, "the policy of %s is %s already", r.chain, c.Policy)
		return true
	}
	im.step(r, c, false)
	if im.ground.accepts() {
		return true
	}
	what := map[string]string{
		"FORWARD": "everything that passes this gateway", "INPUT": "everything that is for this host itself, also this session over SSH",
		"OUTPUT": "everything that this host sends, also its answers to you",
	}[r.chain]
	if what == "" {
		what = "every packet"
	}
	im.remark(r, Doubt, "a policy decides about %s unless a rule says otherwise: from now on it would be %s", what, rules.PolicyWord(c.Policy))
	return false
}

func (im *importer) deleteChains(r *commandReader, c rules.Change, set *rules.Ruleset, tolerant bool) {
	c.Op = rules.DeleteChain
	if r.chain != "" {
		if by, used := set.JumpTo(r.table, r.chain); used {
			im.failed(r, tolerant, "%s cannot go while a rule jumps to it:  %s", r.chain, by)
			return
		}
		im.step(r, c, tolerant)
		return
	}
	names := im.ground.chains(r.family, r.backend, r.table)
	if len(names) == 0 {
		im.remark(r, Note, "table %s has no chains of its own to remove", r.table)
		return
	}
	for _, name := range names {
		if by, used := im.set(rules.Variant{Family: c.Family, Backend: c.Backend}).JumpTo(r.table, name); used {
			im.failed(r, tolerant, "%s cannot go while a rule jumps to it:  %s", name, by)
			return
		}
		c.Chain = name
		if !im.step(r, c, tolerant) {
			return
		}
	}
	im.remark(r, Note, "this removes the chains %s", strings.Join(names, ", "))
}

func (im *importer) flush(r *commandReader, c rules.Change, set *rules.Ruleset, tolerant bool) bool {
	t, ok := set.Table(r.table)
	n, owned := 0, map[string]int{}
	if ok {
		for _, chain := range t.Chains {
			if r.chain != "" && chain.Name != r.chain {
				continue
			}
			for at := len(chain.Rules); at > 0; at-- {
				rule := chain.Rules[at-1]
				c.Op, c.Chain, c.At, c.Rule = rules.Delete, chain.Name, at, rule
				if !im.step(r, c, tolerant) {
					return true
				}
				n++
				if o := rules.OwnerOf(rule); o != "" {
					owned[o]++
				}
			}
		}
	}
	where := "table " + r.table
	if r.chain != "" {
		where = r.chain
	}
	own := r.chain != "" && !rules.IsBuiltIn(r.table, r.chain)
	if im.ground.accepts() || n == 0 && own {
		if n == 0 {
			im.remark(r, Note, "%s has no rules to delete", where)
		}
		return true
	}
	text := fmt.Sprintf("-F deletes every rule of %s: %d now", where, n)
	if n == 0 {
		text = fmt.Sprintf("-F deletes every rule of %s, whoever made it", where)
	}
	var owners []string
	for o, k := range owned {
		owners = append(owners, fmt.Sprintf("%d of %s", k, o))
	}
	if slices.Sort(owners); len(owners) > 0 {
		text += ", among them " + strings.Join(owners, ", ") + ", which will miss them"
	}
	im.remark(r, Doubt, "%s; what follows does not need it", text)
	return false
}

// rename makes a chain of the new name, moves the rules and those that jump to
// it, and removes the old one.
func (im *importer) rename(r *commandReader, c rules.Change, set *rules.Ruleset, tolerant bool) {
	chain, ok := set.Chain(r.table, r.chain)
	if !ok || chain.BuiltIn() {
		im.failed(r, tolerant, "there is no chain %s that could be renamed", r.chain)
		return
	}
	made := c
	made.Op, made.Chain = rules.NewChain, r.other
	if !im.step(r, made, tolerant) {
		return
	}
	for _, rule := range chain.Rules {
		made.Op, made.Rule = rules.Insert, rule.InChain(r.other)
		im.step(r, made, tolerant)
	}
	t, _ := set.Table(r.table)
	for _, other := range t.Chains {
		for i, rule := range other.Rules {
			if (rule.Target.Kind != rules.Jump && rule.Target.Kind != rules.Goto) || rule.Target.Name != r.chain || other.Name == r.chain {
				continue
			}
			change := c
			change.Op, change.Chain, change.At, change.Old = rules.Replace, other.Name, i+1, rule
			rule.Target.Name = r.other
			change.Rule = rule.Edited()
			im.step(r, change, tolerant)
		}
	}
	for at := len(chain.Rules); at > 0; at-- {
		c.Op, c.At, c.Rule = rules.Delete, at, chain.Rules[at-1]
		im.step(r, c, tolerant)
	}
	c.Op, c.At, c.Rule = rules.DeleteChain, 0, rules.Rule{}
	im.step(r, c, tolerant)
}
