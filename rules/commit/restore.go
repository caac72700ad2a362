package commit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/textfile"
)

// Restored is what Restore has done.
type Restored struct {
	// Made are the changes, as they were made.
	Made []rules.Change
	// Natives counts the rules and elements of nattui's own native table that were restored.
	Natives int
	// Present counts the saved rules that were there.
	Present int
	// Left counts the saved rules that are not there and stay so, as the notes say.
	Left int `json:",omitempty"`
	// Native is the text of nattui's own native table where it is saved and not there. RestorePlan leaves its steps to whoever
	// carries the plan out.
	Native string `json:",omitempty"`
	// Notes are what could not be restored, and why.
	Notes []string
}

// Restore adds what is saved for reboot and is not there, each rule exactly once, where it stood among the rules of other
// programs, as far as it is wanted: what nattui has changed since it was saved, in this run of the kernel, or has parked,
// comes back as changed. What is there stays as it is. Changes that were interrupted, by the reboot for one, are settled first.
// variants are those to look at. The error is that of the variants that could not be restored; the others are.
func (c *Committer) Restore(ctx context.Context, o SaveOptions, variants []rules.Variant) (Restored, error) {
	if same, known := likeInit("net"); known && !same {
		return Restored{}, errOtherNetwork
	}
	where, err := findKeeper(c.root, o.Managers)
	if err != nil {
		return Restored{}, err
	}
	l, err := c.store.acquire(ctx)
	if err != nil {
		return Restored{}, err
	}
	defer l.release()
	j, err := c.open(ctx, l)
	if err != nil {
		// Rules that are missing lock out more than a change that cannot be settled.
		c.log.say(err.Error())
	}
	var out Restored
	var all error
	for _, variant := range variants {
		if path, ok := where.path(variant, o.Standby); ok {
			all = errors.Join(all, c.restoreAt(ctx, l, j, variant, path, &out))
		}
	}
	return out, errors.Join(all, c.restoreNative(ctx, l, &out))
}

// RestorePlan is what Restore would add now, for whoever is asked first and makes it a change like others, of KindRestore.
// What the restore program would refuse is left out and noted. It changes nothing; the error is that of the variants that
// could not be looked at.
func (c *Committer) RestorePlan(ctx context.Context, o SaveOptions, variants []rules.Variant) (rules.Plan, Restored, error) {
	var out Restored
	if same, known := likeInit("net"); known && !same {
		return rules.Plan{}, out, errOtherNetwork
	}
	where, err := findKeeper(c.root, o.Managers)
	if err != nil {
		return rules.Plan{}, out, err
	}
	j, err := c.store.readJournal(false)
	if err != nil {
		return rules.Plan{}, out, err
	}
	var plan rules.Plan
	var all error
	for _, variant := range variants {
		path, ok := where.path(variant, o.Standby)
		if !ok {
			continue
		}
		path = c.orIdle(where, variant, o.Standby, path)
		r, err := c.restorationOf(j, variant, path, &out)
		if err == nil && r != nil {
			err = c.leaveRefused(ctx, r, &out)
		}
		if err != nil || r == nil {
			all = errors.Join(all, err)
			continue
		}
		for _, change := range r.changes {
			change.Program = r.now.Name
			plan.Steps = append(plan.Steps, rules.StepOf(change))
		}
		out.Made = append(out.Made, r.changes...)
		out.take(r)
	}
	if err := c.lackNative(ctx, &out); err != nil {
		all = errors.Join(all, err)
	}
	plan.Title = out.title()
	return plan, out, all
}

// orIdle is the file of a program that is not started any more, where nothing is saved at the path: whoever asks may still
// have its rules back.
func (c *Committer) orIdle(where keeper, variant rules.Variant, standby rules.Backend, path string) string {
	host := hostFiles(c.root)
	for _, k := range where.idle {
		if k.family == variant.Family && variant.Backend == standby && !host.there(path) && host.there(k.file) {
			return k.file
		}
	}
	return path
}

// take notes what there is and what is left out or held back.
func (out *Restored) take(r *restoration) {
	wanted := 0
	for _, t := range r.wish.tables {
		for _, c := range t.Chains {
			wanted += len(c.Rules)
		}
	}
	out.Left += max(0, wanted-r.present-len(r.insertions()))
	out.Present, out.Notes = out.Present+r.present, append(append(out.Notes, r.notes...), r.wish.notes...)
}

// restorationOf reads what is saved of one variant; nil where nothing is.
func (c *Committer) restorationOf(j *journal, variant rules.Variant, path string, out *Restored) (*restoration, error) {
	text, err := textfile.Read(filepath.Join("/", c.root, path))
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	text, cut := cutShort(text)
	saved, odd := rules.ReadMost(string(text))
	if own := strings.HasPrefix(path, "/etc/nattui/"); own && cut == "" && len(saved) == 0 {
		cut = "it has no table"
	}
	if cut != "" {
		cut = path + " is damaged: " + cut
		out.Notes = append(out.Notes, cut)
	}
	for _, why := range odd {
		out.Notes = append(out.Notes, fmt.Sprintf("left out of %s: %v", path, why))
	}
	damaged := cut != "" || slices.ContainsFunc(odd, func(why error) bool {
		return strings.Contains(why.Error(), " -j ") || strings.Contains(why.Error(), " -g ")
	})
	return &restoration{variant: variant, wish: c.wanted(j, c.clock.Boot(), variant, path, text, saved), damaged: damaged, cut: cut}, nil
}

// cutShort is what is whole of a saved file, and how it was cut short, "" where it was not: each table of a whole one ends
// with COMMIT, and each line ends. Half a line could be a rule without its conditions.
func cutShort(text []byte) (whole []byte, how string) {
	whole = text[:bytes.LastIndexByte(text, '\n')+1]
	if rest := strings.TrimSpace(string(text[len(whole):])); rest == "" || rest == "COMMIT" || strings.HasPrefix(rest, "#") {
		whole = text // an editor left out the end of the last line
	}
	table := ""
	for _, line := range rules.SavedLines(string(whole)) {
		if name, begins := strings.CutPrefix(line, "*"); begins {
			table = name
		} else if strings.TrimSpace(line) == "COMMIT" {
			table = ""
		}
	}
	switch {
	case len(text) == 0:
		return whole, "it is empty"
	case table != "":
		return whole, "it ends within table " + table
	case len(whole) < len(text):
		return whole, "it ends within a line"
	}
	return whole, ""
}

// restoreAt restores one variant from its file.
func (c *Committer) restoreAt(ctx context.Context, l *lock, j *journal, variant rules.Variant, path string, out *Restored) error {
	r, err := c.restorationOf(j, variant, path, out)
	if err != nil || r == nil {
		return err
	}
	l.inherited(func() { err = c.restoreMost(ctx, r, out) })
	out.take(r)
	if r.cut != "" {
		err = errors.Join(errors.New(r.cut), err)
	}
	if err != nil {
		return fmt.Errorf("restore the rules of %s: %w", variant, err)
	}
	return nil
}

// restoration works out what of the saved rules of one variant is missing.
type restoration struct {
	variant rules.Variant
	wish    wish
	left    map[string]bool // wanted rules that are left out, by table and line
	damaged bool            // the file has lines that were rules and cannot be read, or lacks some
	cut     string          // how the file was cut short, "" where it was not
	now     *rules.Ruleset
	changes []rules.Change
	present int
	notes   []string
	tries   int
}

// work finds what is missing now.
func (r *restoration) work(now *rules.Ruleset) {
	r.now, r.changes, r.present, r.notes = now, nil, 0, nil
	for _, t := range r.wish.tables {
		r.table(t)
	}
}

// table adds what is missing in one table: chains first, as rules jump to them.
func (r *restoration) table(t rules.Table) {
	if why, foreign := r.now.Foreign[t.Name]; foreign {
		r.notes = append(r.notes, fmt.Sprintf("table %s of %s is left alone: %s", t.Name, r.variant, why))
		return
	}
	change := rules.Change{Family: r.variant.Family, Backend: r.variant.Backend, Table: t.Name}
	for _, c := range t.Chains {
		_, there := r.now.Chain(t.Name, c.Name)
		if !there && !rules.IsBuiltIn(t.Name, c.Name) && !rules.UserChain(c.Name) {
			change.Op, change.Chain = rules.NewChain, c.Name
			r.changes = append(r.changes, change)
		}
	}
	held, open := r.heldIn(t)
	for _, c := range t.Chains {
		now := rules.Chain{Name: c.Name, Policy: "ACCEPT"}
		found, there := r.now.Chain(t.Name, c.Name)
		if !there && rules.UserChain(c.Name) && len(c.Rules) > 0 {
			r.notes = append(r.notes, fmt.Sprintf("%s of %s not restored: there is no such chain now", rules.Plural(len(c.Rules), "rule"), c.Name))
			continue
		}
		if there {
			now = *found
		}
		r.chain(change, now, c.Rules, held)
		if c.Policy == "DROP" && now.Policy == "ACCEPT" {
			if by := policyOwner(t.Name, now, rules.OwnersIn(r.now, nil)); by == "ufw" || by == "firewalld" {
				r.notes = append(r.notes, fmt.Sprintf("the policy DROP of %s was not restored: %s sets it there", c.Name, by))
				continue
			}
			if open[c.Name] {
				// What is left out may be what lets the operator in.
				r.notes = append(r.notes, fmt.Sprintf("the policy DROP of %s was not restored, as some of its rules could not be", c.Name))
				continue
			}
			change.Op, change.Chain, change.Policy, change.OldPolicy = rules.SetPolicy, c.Name, "DROP", "ACCEPT"
			r.changes = append(r.changes, change)
		}
	}
}

// chain adds the missing rules of one chain. A saved rule that is there keeps its place; one that is not goes behind
// the saved rule before it that belongs to the same place, else before the rule of another program that it stood before,
// else behind the last saved rule before it, else before the next one, else to the end.
func (r *restoration) chain(change rules.Change, now rules.Chain, saved []rules.Rule, held map[string]bool) {
	places := standing(now.Rules, saved)
	type insertion struct {
		at   int
		rule rules.Rule
	}
	var missing []insertion
	behind, group := -1, "" // the place of the last saved rule, and its anchor
	for i, rule := range saved {
		anchor := r.wish.at[change.Table+" "+rule.String()]
		if places[i] >= 0 {
			r.present++
			behind, group = places[i]+1, anchor
			continue
		}
		if r.left[change.Table+" "+rule.String()] {
			continue
		}
		if held[rule.String()] {
			r.sayHeld(change.Table, rule)
			continue
		}
		before := slices.IndexFunc(now.Rules, func(x rules.Rule) bool { return x.String() == anchor })
		next := slices.IndexFunc(places[i:], func(p int) bool { return p >= 0 })
		at := len(now.Rules)
		switch {
		case behind >= 0 && group == anchor:
			at = behind
		case anchor != "" && before >= 0:
			at = max(before, behind)
		case anchor == "" && r.anchored(change.Table, saved):
		case behind >= 0:
			at = behind
		case next >= 0:
			at = places[i+next]
		}
		behind, group = at, anchor
		missing = append(missing, insertion{at, rule})
	}
	slices.SortStableFunc(missing, func(a, b insertion) int { return a.at - b.at })
	for n, m := range missing {
		change.Op, change.Chain, change.At, change.Rule = rules.Insert, now.Name, m.at+n+1, m.rule
		change.Next = expectation(lineAt(now.Rules, m.at+1))
		r.changes = append(r.changes, change)
	}
}

// anchored reports that some of the rules stood before one of another program, so that those that did not stood behind.
func (r *restoration) anchored(table string, saved []rules.Rule) bool {
	return slices.ContainsFunc(saved, func(rule rules.Rule) bool { return r.wish.at[table+" "+rule.String()] != "" })
}

// standing finds each saved rule in a chain, each rule of the chain for one of them only; -1 is not there. They are
// looked for in the order in which they were saved, so that a missing one goes where it belongs.
func standing(now, saved []rules.Rule) []int {
	byLine := map[string][]int{}
	for i, r := range now {
		byLine[r.String()] = append(byLine[r.String()], i)
	}
	places := make([]int, len(saved))
	for i, r := range saved {
		places[i] = -1
		if at := byLine[r.String()]; len(at) > 0 {
			places[i], byLine[r.String()] = at[0], at[1:]
		}
	}
	return places
}

// Sentence says what was restored: rules, and policies that close chains.
func (r Restored) Sentence() string {
	added, closed := r.counts()
	if added == 0 && len(closed) == 0 {
		if r.Left > 0 {
			return fmt.Sprintf("nothing to restore: of the saved rules %d are there, %d are not and stay so", r.Present, r.Left)
		}
		return fmt.Sprintf("nothing to restore: %s saved, all there", rules.Plural(r.Present, "rule"))
	}
	text := fmt.Sprintf("restored %s; %d were there", rules.Plural(added, "rule"), r.Present)
	if r.Left > 0 {
		text += fmt.Sprintf(", %d are not and stay so", r.Left)
	}
	for _, chain := range closed {
		text += "; the policy of " + chain + " is DROP"
	}
	return text
}

// title is that of the plan.
func (r Restored) title() string {
	added, closed := r.counts()
	text := fmt.Sprintf("Restore %s saved for reboot", rules.Plural(added, "rule"))
	if len(closed) > 0 {
		text += ", and the policy DROP of " + strings.Join(closed, ", ")
	}
	return text + "."
}

// counts are how many rules are added, and the chains that are closed by their policy.
func (r Restored) counts() (added int, closed []string) {
	added = r.Natives
	for _, c := range r.Made {
		switch c.Op {
		case rules.Insert:
			added++
		case rules.SetPolicy:
			closed = append(closed, rules.Variant{Family: c.Family, Backend: c.Backend}.String()+" "+c.Table+" "+c.Chain)
		}
	}
	return added, closed
}
